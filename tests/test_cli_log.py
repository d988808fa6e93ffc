"""`oncue log`: what it prints, and that it only reads."""

import asyncio
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oncue import App, explain
from oncue.app.cli import main
from oncue.app.cli.loglines import gist
from oncue.app.stores import store_at
from oncue.app.stores.protocol import Claim, Finish, Query, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.civil import from_datetime, zone
from oncue.engine.records import Action, Record
from oncue.tests.stores.conftest import Postgres, Redis
from oncue.tests.stores.steps import LATE, claim, commit, finish, grow, opened

LIMIT = 60
UTC = zone("UTC")
SECOND = 1_000_000

TRACEBACK = """Traceback (most recent call last):
  File "jobs.py", line 9, in load
    rows[7]
IndexError: list index \x1b[31mout
of range
"""
JOBS = """
from oncue import App

app = App("log.db", timezone="Europe/Berlin")

@app.task("daily")
def extract(): ...

@app.task("after task 'extract'", retries=1)
def load(): ...
"""


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(f"2026-03-10 {text}"), UTC)


async def write(store: Store) -> None:
    """The log that the tests read: 8 records, the last of a run that is live."""

    async def run(task: str, when: str, due: str, attempt: int = 0, label: str = "") -> int:
        record = Record(
            task, Action.RUN, at(when), 0, at(due), attempt, run_id=label or f"{at(when):032x}"
        )
        (number,) = await store.commit([Claim(record, (), LATE, None)])
        assert isinstance(number, int)
        return number

    async def end(task: str, run: int, action: Action, when: str, error: str | None = None) -> None:
        (begun,) = store.read(Query(seqs=(run,)))
        ended = Record(task, action, at(when), run=run, run_id=begun.run_id, error=error)
        await store.commit([Finish(ended)])

    one = await run("extract", "08:00", "08:00")
    await end("extract", one, Action.SUCCESS, "08:02:03")
    two = await run("load", "08:02:10", "08:02:03")
    await end("load", two, Action.FAIL, "08:02:10.25", TRACEBACK)
    three = await run("load", "08:02:11", "08:02:11", attempt=1, label="nightly")
    await end("load", three, Action.TERMINATE, "08:02:41", "ended: timeout of 30 seconds")
    four = await run("old one", "08:03", "08:03")
    await end("old one", four, Action.INACTION, "08:03")
    await run("extract", "09:00", "09:00")


LINES = """\
2026-03-10 09:00:00 +01:00  extract  run        #1
2026-03-10 09:02:03 +01:00  extract  success    #1  took 2 minutes 3 seconds
2026-03-10 09:02:10 +01:00  load     run        #3  7 seconds late
2026-03-10 09:02:10 +01:00  load     fail       #3  took 0.250 s  IndexError: list index ?[31mout
2026-03-10 09:02:11 +01:00  load     run        #5  retry 1  label nightly
2026-03-10 09:02:41 +01:00  load     terminate  #5  took 30.0 s  ended: timeout of 30 seconds
2026-03-10 09:03:00 +01:00  old one  run        #7
2026-03-10 09:03:00 +01:00  old one  inaction   #7  took 0.000 s
2026-03-10 10:00:00 +01:00  extract  run        #9
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an app has run, and left a run live."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "jobs.py").write_text(JOBS)

    async def story() -> None:
        async with opened(SqliteStore("log.db")) as store:
            await store.register({"extract": "daily", "load": "after", "old one": "x"}, 0)
            await write(store)

    asyncio.run(story())
    return tmp_path


def run(*arguments: str) -> Result:
    sys.modules.pop("jobs", None)
    return CliRunner().invoke(main, ["log", *arguments])


def oncue(*arguments: str) -> str:
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


def numbers(*arguments: str) -> list[int]:
    return [json.loads(line)["seq"] for line in oncue(*arguments, "--json").splitlines()]


# --- what is printed ------------------------------------------------------------------------------


def test_a_record_is_a_line(folder: Path) -> None:
    assert [line.split() for line in oncue("jobs.py").splitlines()] == [
        line.split() for line in LINES.splitlines()
    ]


def test_columns_are_aligned(folder: Path) -> None:
    assert oncue("jobs:app", "--task", "load", "--run", "3", "--run", "nightly") == "".join(
        f"{line}\n".replace("     ", "  ", 1) for line in LINES.splitlines()[2:6]
    )


def test_a_store_is_read_without_an_app_in_the_zone_asked_for(folder: Path) -> None:
    (line,) = oncue("--store", "log.db", "--action", "terminate", "-z", "UTC").splitlines()
    assert line.startswith("2026-03-10 08:02:41 +00:00  load  terminate  #5")


def test_tracebacks_are_printed_below_if_asked_for(folder: Path) -> None:
    _, *rest = oncue("jobs.py", "--action", "fail", "--tracebacks").splitlines()
    assert rest == [f"    {line}" for line in TRACEBACK.replace("\x1b", "?").splitlines()]


GISTS = {
    TRACEBACK: "IndexError: list index \x1b[31mout",
    TRACEBACK + "\nDuring handling:\n\n" + TRACEBACK.replace("Index", "Key"): "KeyError: list "
    "index \x1b[31mout",
    "ended: timeout\nmore": "ended: timeout",
    "  \n": "",
}


@pytest.mark.parametrize("error", GISTS)
def test_of_a_traceback_the_line_counts_that_says_what_was_raised(error: str) -> None:
    assert gist(error) == GISTS[error]


CHOSEN: list[tuple[str, list[int]]] = [
    ("", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("--last 2", [8, 9]),
    ("-n 9", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("--all", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("--task load", [3, 4, 5, 6]),
    ("--task load --task 'old one'", [3, 4, 5, 6, 7, 8]),
    ("--action success --action fail", [2, 4]),
    ("--task load --action run --last 1", [5]),
    ("--since '2026-03-10 09:02:11'", [5, 6, 7, 8, 9]),
    ("--from '2026-03-10 09:02:11' --last 2", [8, 9]),
    ("--from '2026-03-10T08:02:11+00:00' --until '2026-03-10 09:03'", [5, 6]),
    ("--to 2026-03-10", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ("--to 2026-03-09", []),
    ("--since '3 hours'", [5, 6, 7, 8, 9]),
    ("--since '2 h 59 min 30 s'", [6, 7, 8, 9]),
    ("--since 123m", [9]),
    ("--run 3", [3, 4]),
    ("--run nightly", [5, 6]),
    ("--run nightly --run 1 --action run", [1, 5]),
    ("--run 4", []),
    ("--run nightly --last 1", [6]),
]


@pytest.mark.parametrize(("words", "seqs"), CHOSEN)
def test_what_is_asked_for(
    folder: Path, words: str, seqs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    eleven = at("11:02:11")
    monkeypatch.setattr("oncue.app.clock.SystemClock.now", staticmethod(lambda: eleven))
    done = run("jobs.py", *shlex.split(words), "--json")
    assert (done.exit_code, [json.loads(line)["seq"] for line in done.stdout.splitlines()]) == (
        0,
        seqs,
    )


def test_of_runs_with_the_same_label_the_number_tells_which(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(tmp_path / "log.db"))) as store:
            for ending in (Action.SUCCESS, Action.FAIL):
                (run,) = await commit(store, claim("a", LATE))
                assert isinstance(run, int)
                await store.commit([Finish(Record("a", ending, 0, run=run, run_id="id of a"))])

    asyncio.run(story())
    address = ("--store", str(tmp_path / "log.db"))
    assert numbers(*address, "--run", "3") == [3, 4]
    assert numbers(*address, "--run", "id of a") == [1, 2, 3, 4]


def test_it_says_that_there_is_more_and_that_there_is_nothing(folder: Path) -> None:
    done = run("jobs.py", "--last", "8")
    assert (done.stderr, len(done.stdout.splitlines())) == ("the latest 8; --all shows all\n", 8)
    done = run("jobs.py", "--action", "crash")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "there is nothing of that in the log\n"


def test_a_long_log_is_read_in_pages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Query] = []
    read = SqliteStore.read

    def watched(store: SqliteStore, query: Query) -> list[Record]:
        asked.append(query)
        return read(store, query)

    monkeypatch.setattr("oncue.app.cli.logreading.PAGE", 2)
    monkeypatch.setattr(SqliteStore, "read", watched)
    assert numbers("jobs.py", "--all") == list(range(1, 10))
    assert [query.after for query in asked if query.oldest == 2] == [0, 2, 4, 6, 8]


# --- JSON -----------------------------------------------------------------------------------------


def test_json_lines_have_all_that_is_known(folder: Path) -> None:
    *_, ended, _, _, _, _, _ = map(json.loads, oncue("jobs.py", "--json").splitlines())
    assert ended == {
        "task": "load",
        "action": "fail",
        "at": "2026-03-10T09:02:10.250000+01:00",
        "seq": 4,
        "run": 3,
        "run_id": f"{at('08:02:10'):032x}",
        "error": TRACEBACK,
    }


def test_json_lines_are_what_log_reads(folder: Path) -> None:
    """Also of a part of the log, whose numbers do not begin with 1."""
    done = run("jobs.py", "--from", "2026-03-10 09:02:05", "--output", "part.jsonl")
    assert done.output == "wrote 7 records to part.jsonl\n"
    condition = "task 'old one' is running | task 'extract' is running"
    lines = [json.loads(line) for line in Path("part.jsonl").read_text().splitlines()]
    assert [line["seq"] for line in lines] == [3, 4, 5, 6, 7, 8, 9]
    found = explain(condition, at=datetime(2026, 3, 10, 10, 30), log=lines, timezone="UTC")
    assert [part.value for part in found.parts] == [False, True]
    question = ("explain", condition, "--at", "2026-03-10 10:30", "--log", "part.jsonl")
    assert "(still running)" not in CliRunner().invoke(main, question).output.splitlines()[1]
    sys.modules.pop("jobs", None)
    rest = ("simulate", "jobs.py", "--from", "2026-03-10 11:00", "--days", "0.1")
    simulated = CliRunner().invoke(main, [*rest, "--log", "part.jsonl"])
    assert (simulated.exit_code, "load" in simulated.output) == (0, True), simulated.output


def test_standard_output_is_a_file_too(folder: Path) -> None:
    assert oncue("jobs.py", "-o", "-") == oncue("jobs.py", "--json")


# --- it only reads --------------------------------------------------------------------------------


def test_reading_leaves_no_trace(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for words in ([], ["--all"], ["--task", "load", "--last", "1"]):
        run("jobs.py", *words)
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before
    assert SqliteStore("log.db").instances() == []


NOT_THERE = [
    (("--store", "nope.db"), 1, "there is no store at 'nope.db': is the address right?"),
    (("--store", "log.db?x=1"), 1, "has options"),
    (("--store", "sqlite:log.db?namespace=other"), 1, "there is no store at"),
    (("--store", "jobs.py"), 1, "is not an SQLite database"),
    (("--store", "mysql://x"), 1, "there is no store for 'mysql://'"),
    (("new.py",), 1, "the app has not run yet, so there is no log: oncue run new.py"),
    (("memory.py",), 1, "in its own memory, where nobody else can read it: give the app a store"),
    ((), 2, "give an app, as in jobs:app, or the --store to read"),
    (("jobs.py", "--store", "log.db"), 2, "give an app, as in jobs:app, or the --store to read"),
    (("jobs.py", "--task", "lod"), 2, "the log knows no task 'lod'; did you mean 'load'?"),
    (("jobs.py", "--action", "failed"), 2, "'failed' is not one of"),
    (("jobs.py", "--since", "yesterday"), 2, "'yesterday' is not a date"),
    (("jobs.py", "--last", "0"), 2, "0 is not in the range"),
    (("jobs.py", "--last", "1", "--all"), 2, "both say how many"),
    (("jobs.py", "--follow", "--to", "2026-03-10"), 2, "--follow has no end"),
    (("jobs.py", "-o", "no/such/file"), 1, "no/such/file"),
]


@pytest.mark.parametrize(("words", "status", "says"), NOT_THERE)
def test_what_cannot_be_read_is_said_and_nothing_is_made(
    folder: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    (folder / "new.py").write_text(JOBS.replace("log.db", "new.db"))
    (folder / "memory.py").write_text(JOBS.replace('"log.db", ', ""))
    before = sorted(path.name for path in folder.iterdir())
    done = run(*words)
    for name in ("new", "memory"):
        sys.modules.pop(name, None)
    assert (done.exit_code, done.stdout) == (status, "")
    (line,) = done.stderr.splitlines()
    assert says in line
    assert [name for name in sorted(p.name for p in folder.iterdir()) if name[0] != "_"] == before


class Steps:
    """Counts the steps of SQLite's machine, which any work costs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        connect = SqliteStore.__dict__["_ask"].__globals__["connect_to_read"]

        def counting(path: str) -> sqlite3.Connection:
            db: sqlite3.Connection = connect(path)
            db.set_progress_handler(self._count, 1)
            return db

        monkeypatch.setattr("oncue.app.stores.sqlite.connect_to_read", counting)

    def _count(self) -> int:
        self.taken += 1
        return 0

    def of(self, question: Callable[[], object]) -> int:
        before = self.taken
        question()
        return self.taken - before


QUESTIONS = ["--last 5", "--last 5 --task rare", "--last 5 --since '2 s' --task often"]


@pytest.mark.parametrize("words", QUESTIONS)
def test_the_latest_cost_the_same_in_a_long_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    steps = Steps(monkeypatch)
    monkeypatch.setattr("oncue.app.clock.SystemClock.now", staticmethod(lambda: 10_000_000_000_000))
    taken = []
    for size in (100, 10_000):
        path = tmp_path / f"{size}.db"

        async def story(path: Path = path) -> None:
            async with opened(SqliteStore(str(path))) as store:
                await store.register({"rare": "x", "often": "y"}, 0)
                await grow(store, *[Action.SUCCESS] * 3, task="rare")
                await commit(store, claim("often", LATE, at=10_000_000_000_000 - SECOND))

        asyncio.run(story())
        with sqlite3.connect(path) as db:
            db.executemany(
                "INSERT INTO record (seq, task, action, at) VALUES (?, 'often', 'run', ?)",
                ((n, n) for n in range(100, 100 + size)),
            )
        db.close()
        asked = ["--store", str(path), *shlex.split(words)]
        taken.append(steps.of(lambda asked=asked: run(*asked)))  # type: ignore[misc]
    short, long = taken
    assert 0 < long < short + 100, taken


# --- following ------------------------------------------------------------------------------------


@contextmanager
def following(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", "log", "--follow"]
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    limit = threading.Timer(LIMIT, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str], most: int) -> list[str]:
    """So many lines more."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(most)]


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, out, err


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a store that is not there yet."""
    if request.param == "sqlite":
        yield str(tmp_path / "log.db")
        return
    url = request.getfixturevalue(f"{request.param}_url")
    made = Postgres(url) if request.param == "postgres" else Redis(url)
    yield f"{url}?namespace={made.namespace}"
    made.remove()


def test_what_is_written_is_followed_until_interrupted(address: str, tmp_path: Path) -> None:
    writer = store_at(address)

    async def story() -> None:
        async with opened(writer):
            await write(writer)
            with following(tmp_path, "--store", address, "-n", "2", "--json") as process:
                first = await asyncio.to_thread(told, process, 2)
                assert [json.loads(line)["seq"] for line in first] == [8, 9]
                await commit(writer, finish("extract", 9, at=at("09:30")))
                await commit(writer, claim("load", LATE))
                after = await asyncio.to_thread(told, process, 2)
                assert [json.loads(line)["seq"] for line in after] == [10, 11]
                assert [each.own for each in writer.instances()] == [True]
                assert await asyncio.to_thread(interrupted, process) == (0, "", "")

    asyncio.run(story())


def test_what_is_followed_is_chosen_too(folder: Path) -> None:
    writer = SqliteStore("log.db")

    async def story() -> None:
        async with opened(writer):
            words = ("jobs.py", "--task", "load", "--since", "2026-03-10")
            with following(folder, *words) as process:
                await asyncio.to_thread(told, process, 4)
                await grow(writer, Action.SUCCESS, task="extract")
                await commit(writer, claim("load", LATE, at=at("12:00")))
                (line,) = await asyncio.to_thread(told, process, 1)
                assert line.startswith("2026-03-10 13:00:00 +01:00  load  run        #13")

    asyncio.run(story())


def test_a_log_that_begins_anew_is_followed_from_its_beginning(folder: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore("other.db")) as store:
            await grow(store, Action.SUCCESS, task="load")

    asyncio.run(story())
    with following(folder, "jobs.py", "-n", "1") as process:
        told(process, 1)
        Path("other.db").replace("log.db")
        assert [line.split()[3:6] for line in told(process, 2)] == [
            ["load", "run", "#1"],
            ["load", "success", "#1"],
        ]
        status, _, err = interrupted(process)
        assert (status, err) == (0, "the log has begun anew\n")


RUNNING = JOBS.replace('"daily"', '"every 100 ms"').replace("(): ...", "(): pass")


def test_an_app_that_runs_is_followed_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(RUNNING)
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", "run", "jobs.py"]
    app = subprocess.Popen(
        command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert app.stdout is not None
        assert any("load  success" in line for line in app.stdout)
        with following(tmp_path, "jobs.py", "-n", "1") as process:
            lines = told(process, 20)
            assert {line.split()[4] for line in lines} == {"run", "success"}
            assert len(set(lines)) == 20
            store = SqliteStore(str(tmp_path / "log.db"))
            assert [each.pid for each in store.instances()] == [app.pid]
            assert interrupted(process)[::2] == (0, "")
        app.send_signal(signal.SIGINT)
        assert app.communicate(timeout=LIMIT)[1] == ""
        assert app.returncode == 0
    finally:
        app.kill()
        app.communicate()
    assert store.read(Query(actions=(Action.FAIL, Action.CRASH))) == []


def test_a_store_that_does_not_answer_is_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oncue.app.cli.logreading import Reading
    from oncue.app.errors import StoreError

    store = SqliteStore("log.db")
    answers: Iterator[Any] = iter([StoreError("it is away"), StoreError("it is away"), None])

    def read(query: Query) -> list[Record]:
        error = next(answers, None)
        if error is not None:
            raise error
        return SqliteStore.read(store, query)

    reading = Reading(store, Query(), ())
    monkeypatch.setattr("oncue.app.cli.logreading.AGAIN", 0)
    monkeypatch.setattr(store, "read", read)
    said: list[str] = []
    monkeypatch.setattr("click.echo", lambda text, err: said.append(text))
    assert [record.seq for record in next(reading.coming())] == list(range(1, 10))
    assert said == ["it is away; going on when it does"]


def test_apps_are_read_by_their_own_namespace(folder: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore("log.db", namespace="billing")) as store:
            await grow(store, Action.CRASH, task="bill")

    asyncio.run(story())
    assert numbers("--store", "sqlite:log.db?namespace=billing") == [1, 2]
    assert App("log.db", namespace="billing").session.store.count(Query()) == 2
