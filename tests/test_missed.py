"""What nobody ran: as the store has noted it, and as a look at the store finds it meanwhile."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oncue import App
from oncue.app.cli import main
from oncue.app.missed import Fate, Occurrence
from oncue.app.stores.protocol import Missed
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.civil import from_datetime, to_datetime, zone
from oncue.tests.stores.steps import opened

LIMIT = 30
UTC = zone("UTC")
DAY = "2026-03-10"

JOBS = """
import logging, os, sys, time
from datetime import datetime, timezone
from oncue import App

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
began = time.time()
noon = datetime.fromisoformat(os.environ["NOW"]).replace(tzinfo=timezone.utc).timestamp()
app = App("log.db", timezone="UTC", time_func=lambda: noon + time.time() - began)
app.session.config.shut_cond = os.environ.get("SHUT", "false")

@app.task("cron 0 7-23 * * *")
def skips(): ...

@app.task("cron 0 7-23 * * *", catch_up="once")
def once(): ...

@app.task("cron 0 7-23 * * *", catch_up="all", timezone="Europe/Berlin")
def every(): ...

@app.task("daily after 08:00")
def still(): ...

@app.task("daily before 06:30")
def slow():
    print("slow began", flush=True)
    if "SHUT" not in os.environ:
        time.sleep(600)
"""


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(f"{DAY} {text}"), UTC)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"{DAY} {text}+00:00")


class Clock:
    def __init__(self, text: str) -> None:
        self.set(text)

    def set(self, text: str) -> None:
        self.instant = at(text)

    def __call__(self) -> float:
        return self.instant / 1_000_000


def run(folder: Path, now: str, *arguments: str, **given: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", *arguments]
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "NOW": f"{DAY} {now}", **given},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (0, "")
    return out


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {process.communicate()}")


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Where an app ran from 06:05 on and was killed at once, while one of its tasks ran."""
    (tmp_path / "jobs.py").write_text(JOBS)
    process = run(tmp_path, "06:05:00", "run", "jobs.py")
    wait_for(process, "slow began")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return tmp_path


def content(folder: Path) -> list[str]:
    """All that is in the store, read from a copy."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in folder.glob("log.db*"):
        shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / "log.db")) as db:
        return list(db.iterdump())


def test_what_came_due_since_an_app_was_killed(killed: Path) -> None:
    before = content(killed)
    out = re.sub(r":05:00\.\d+", ":05", said(run(killed, "09:30:00", "missed", "jobs.py")))
    out = re.sub(" {2,}", "  ", out)
    assert out.splitlines() == [
        "Tue 2026-03-10 06:05 +00:00  slow  will run again after a crash",
        "Tue 2026-03-10 08:00 +01:00  every  will be caught up with",
        "Tue 2026-03-10 07:00 +00:00  once  missed",
        "Tue 2026-03-10 07:00 +00:00  skips  missed",
        "Tue 2026-03-10 09:00 +01:00  every  will be caught up with",
        "Tue 2026-03-10 08:00 +00:00  once  missed",
        "Tue 2026-03-10 08:00 +00:00  skips  missed",
        "Tue 2026-03-10 08:00 +00:00  still  is due",
        "Tue 2026-03-10 10:00 +01:00  every  will be caught up with",
        "Tue 2026-03-10 09:00 +00:00  once  will be caught up with",
        "Tue 2026-03-10 09:00 +00:00  skips  missed",
        "5 missed, 4 will be caught up with, 1 will run again after a crash, 1 is due",
    ]
    assert content(killed) == before


def test_a_start_does_what_was_said_of_it(killed: Path) -> None:
    told = json.loads(said(run(killed, "09:30:00", "missed", "jobs.py", "--json")))
    ended = " & ".join(f"task '{name}' has succeeded" for name in ("slow", "still", "once"))
    shut = f"{ended} & task 'every' has succeeded at least 3 times"
    said(run(killed, "09:30:00", "run", "jobs.py", SHUT=shut))
    with closing(sqlite3.connect(killed / "log.db")) as db:
        runs = db.execute("SELECT task, scheduled_at FROM record WHERE action = 'run'").fetchall()
    started = {(task, to_datetime(instant, UTC)) for task, instant in runs}
    expected = {
        (each["task"], datetime.fromisoformat(each["at"]))
        for each in told
        if each["fate"] != "missed"
    }
    assert started == expected
    again = json.loads(said(run(killed, "09:40:00", "missed", "jobs.py", "--json")))
    assert again == [each for each in told if each["fate"] == "missed"]


def test_beside_a_running_app_only_what_it_noted_is_missed(killed: Path) -> None:
    process = run(killed, "09:30:00", "run", "jobs.py", SHUT="task 'none' has succeeded")
    wait_for(process, "still")
    try:
        out = said(run(killed, "09:30:00", "missed", "jobs.py", "--task", "skips"))
        assert len(out.splitlines()) == 4 and out.endswith("3 missed\n")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT)


# --- the command ----------------------------------------------------------------------------------

FEW = """
from oncue import App

app = App("log.db", timezone="Europe/Dublin", time_func=lambda: 1773135000.0)  # 09:30 UTC
app.task("daily", command="true", name="a")
app.task("daily", command="true", name="b", timezone="Europe/Berlin")
"""


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An app in whose store some occurrences are noted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "few.py").write_text(FEW)
    yield tmp_path
    sys.modules.pop("few", None)


def note(*missed: Missed) -> None:
    async def write() -> None:
        async with opened(SqliteStore("log.db")) as store:
            await store.commit(missed)

    asyncio.run(write())


def oncue(*arguments: str, code: int = 0) -> Result:
    sys.modules.pop("few", None)
    found = CliRunner().invoke(main, ["missed", "few.py", *arguments])
    assert found.exit_code == code, found.output
    return found


NOTES = (Missed("a", at("06:00")), Missed("b", at("07:00")), Missed("gone", at("08:00")))


def test_a_store_that_is_not_there_has_missed_nothing(few: Path) -> None:
    assert oncue().output == "nothing was missed\n"
    assert json.loads(oncue("--json").output) == []
    assert not (few / "log.db").exists()


def test_what_is_noted_is_listed_in_the_zones_of_the_tasks(few: Path) -> None:
    note(*NOTES)
    assert oncue().output.splitlines() == [
        "Tue 2026-03-10 06:00 +00:00  a     missed",
        "Tue 2026-03-10 08:00 +01:00  b     missed",
        "Tue 2026-03-10 08:00 +00:00  gone  missed",
        "3 missed",
    ]
    first = {"task": "a", "at": "2026-03-10T06:00:00+00:00", "until": None, "fate": "missed"}
    assert json.loads(oncue("--json").output)[0] == first


@pytest.mark.parametrize(
    ("options", "tasks"),
    [
        ("--task b", "b"),
        ("--task b --task a", "a b"),
        ("--from 2026-03-10T07:00+00:00", "b gone"),
        ("--to 2026-03-10T07:00+00:00", "a"),
        ("--from 2026-03-10 --to 2026-03-10", "a b gone"),
        ("--to 2026-03-09", ""),
        ("--newest 2", "b gone"),
    ],
)
def test_which_are_listed(few: Path, options: str, tasks: str) -> None:
    note(*NOTES)
    found = json.loads(oncue("--json", *options.split(" ")).stdout)
    assert [each["task"] for each in found] == tasks.split()


def test_what_is_not_shown_is_said(few: Path) -> None:
    note(*(Missed("a", at("06:00") + n) for n in range(150)))
    lines = oncue().stdout.splitlines()
    assert len(lines) == 100 + 2
    assert lines[-2:] == ["150 missed", "50 earlier ones not shown: --newest 150 shows all"]
    as_json = oncue("--json", "--newest", "149")
    assert len(json.loads(as_json.stdout)) == 149
    assert as_json.stderr == "1 earlier one not shown: --newest 150 shows all\n"
    assert len(oncue("--newest", "150").stdout.splitlines()) == 151


def test_a_time_of_too_many_is_listed_as_one(few: Path) -> None:
    note(*NOTES, Missed("b", at("07:00") + 1, at("07:30")))
    found = oncue().stdout.splitlines()
    assert re.fullmatch(
        r"Tue 2026-03-10 08:00:00\.000001 \+01:00 to Tue 2026-03-10 08:30 \+01:00, more than are "
        r"told one by one +b +missed",
        found[2],
    )
    assert found[-1] == "at least 4 missed"
    assert len(oncue("--from", "2026-03-10T07:15+00:00").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--task", "c"), 2, "there is no task 'c'; there are a, b"),
        (("--from", "yesterday"), 2, "is not a date"),
        (("--newest", "0"), 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_asked(few: Path, arguments: Any, code: int, message: str) -> None:
    assert message in oncue(*arguments, code=code).output


def test_a_store_that_cannot_be_read_is_said(few: Path) -> None:
    (few / "log.db").write_text("no database " * 20)
    assert "is not an SQLite database" in oncue(code=1).output


# --- the page of commands -------------------------------------------------------------------------

COMMANDS = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
SECTION = COMMANDS[COMMANDS.index("## `oncue missed`") : COMMANDS.index("## `oncue tasks`")]


SHOWN = dict(re.findall(r"```console\n\$ oncue (.*?)\n(.*?)```", SECTION, re.DOTALL))


def show(words: str) -> str:
    sys.modules.pop("jobs", None)
    found = CliRunner().invoke(main, shlex.split(words)).output
    sys.modules.pop("jobs", None)
    return found


def masked(text: str) -> str:
    """Without what is another each time."""
    return re.sub(r"instance \w{8}: alive, process \d+ on \S+,", "instance", text)


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    clock = Clock("06:10")
    now = staticmethod(lambda: clock.instant)
    monkeypatch.setattr("oncue.app.clock.SystemClock.now", now)
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    Path("jobs.py").write_text(f"{code}\nif __name__ == 'killed':\n    app.run()\n")
    names = {"__name__": "killed"}
    monkeypatch.setenv("ONCUE_SHUT_COND", "true")
    exec(compile(Path("jobs.py").read_text(), "jobs.py", "exec"), names)

    clock.set("08:45")
    *missed, health = SHOWN
    assert {words: show(words) for words in missed} == {words: SHOWN[words] for words in missed}

    async def started_again() -> str:
        clock.set("09:44")
        async with opened(SqliteStore("jobs.db"), clock.instant) as store:
            await store.decided({"tidy": at("09:44:30")})
            clock.set("09:45")
            return await asyncio.to_thread(show, health)

    found = masked(asyncio.run(started_again()))
    assert found.startswith(masked(SHOWN[health])) and len(missed) == 2


# --- in a program ---------------------------------------------------------------------------------


def test_a_session_tells_what_was_missed(tmp_path: Path) -> None:
    clock = Clock("06:10")
    app = App(tmp_path / "log.db", timezone="UTC", time_func=clock, shut_cond="true")
    app.task("cron 0 * * * *", func=lambda: None, name="a", catch_up="once")
    app.task("cron 30 * * * *", func=lambda: None, name="b")
    assert app.session.missed() == []
    app.run()
    clock.set("07:45")
    assert app.session.missed() == [("b", moment("06:30")), ("b", moment("07:30"))]
    assert app.session.missed("a") == []
    with pytest.raises(KeyError, match="there is no task 'c'"):
        app.session.missed("c")
    caught_up = Occurrence("a", moment("07:00"), Fate.CAUGHT_UP)
    assert app.session.occurrences("a") == [caught_up]


def test_a_condition_that_is_new_has_missed_nothing(tmp_path: Path) -> None:
    clock = Clock("06:10")
    app = App(tmp_path / "log.db", timezone="UTC", time_func=clock, shut_cond="true")
    task = app.task("cron 0 * * * *", func=lambda: None, name="a")
    app.run()
    task.start_cond = "cron 15 * * * *"
    clock.set("08:30")
    assert app.session.missed() == []
    task.start_cond = "cron 0 * * * *"
    assert app.session.missed() == [("a", moment("07:00")), ("a", moment("08:00"))]


def test_custom_conditions_are_not_asked_about_the_past(tmp_path: Path) -> None:
    clock, asked = Clock("06:10"), list[int]()
    app = App(tmp_path / "log.db", timezone="UTC", time_func=clock, shut_cond="true")

    @app.cond()
    def is_quiet() -> bool:
        asked.append(clock.instant)
        return True

    app.task("cron 0 * * * * & is_quiet()", func=lambda: None, name="quiet")
    app.task("cron 0 * * * *", func=lambda: None, name="a")
    app.run()
    clock.set("07:30")
    asked.clear()
    assert app.session.missed() == [("a", moment("07:00"))]
    assert asked == []


def test_what_waits_to_be_run_waits_on_after_a_look(tmp_path: Path) -> None:
    app = App(shut_cond="task 'a' has succeeded")
    app.task("false", func=lambda: None, name="a")
    app["a"].run()
    assert app.session.missed() == []
    assert app["a"].status is None and len(app["a"].requests) == 1
    app.run()
    assert app["a"].status == "success"


def test_of_many_that_would_be_caught_up_with_the_rest_is_told_as_one(tmp_path: Path) -> None:
    clock = Clock("06:00")
    app = App(tmp_path / "log.db", timezone="UTC", time_func=clock, shut_cond="true")
    app.task("cron * * * * * *", func=lambda: None, name="a", catch_up="all")
    app.run()
    clock.set("06:30:00.5")
    found = app.session.occurrences()
    assert {each.fate for each in found} <= {Fate.CAUGHT_UP, Fate.DUE}
    assert 1000 <= len(found) <= 1003
    rest = found[-1]
    assert rest.until == moment("06:30:00.500000") and rest.at < moment("06:17:30")


def test_too_many_missed_are_told_and_noted_as_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock("06:00")
    app = App(tmp_path / "log.db", timezone="UTC", time_func=clock)
    app.task("cron * * * * * *", func=lambda: None, name="a")
    app.session.config.shut_cond = "true"
    app.run()
    clock.set("09:00")
    seen = app.session.occurrences()
    app.session.config.shut_cond = "task 'a' has started"
    app.run()
    noted = [each for each in app.session.occurrences() if each.fate is Fate.MISSED]
    assert noted == [each for each in seen if each.fate is Fate.MISSED]
    (gap,) = [each for each in noted if each.until is not None]
    assert app.session.missed() == [(each.task, each.at) for each in noted if each is not gap]
    assert f"missed: a from {gap.at} until {gap.until}, too many to look for each" in caplog.text
    assert noted[0].at == moment("06:00:00") and noted[-1].at == moment("08:59:59")
