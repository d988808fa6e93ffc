"""One suite for the protocol, run by every store."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores import store_at
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Claim, Finish, Query, Refused, Step, Store
from oncue.app.stores.reading import Reader
from oncue.app.stores.schema import SCHEMA, Tables, statements
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.history import TaskLog
from oncue.engine.records import BIT, Action, Key, Record

Make = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemoryStore
    return lambda: SqliteStore(str(tmp_path / "log.db"))


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    await store.open(1000)
    try:
        yield store
    finally:
        await store.close()


def claim(task: str, position: int, *reads: Key, at: int = 0) -> Claim:
    record = Record(task, Action.RUN, at=at, scheduled_at=at, attempt=0, run_id=f"id of {task}")
    return Claim(record, tuple((TaskLog(key.task), BIT[key.action]) for key in reads), position)


def finish(task: str, run: int, action: Action = Action.SUCCESS, at: int = 0) -> Finish:
    return Finish(Record(task, action, at=at, run=run))


async def commit(store: Store, *steps: Step) -> list[int | Refused]:
    return await store.commit(steps)


def test_numbers_are_given_in_commit_order(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            assert await commit(store, claim("a", 0), claim("b", 0)) == [1, 2]
            assert await commit(store, finish("b", 2), claim("c", 2)) == [3, 4]
            found = await store.follow(1, 2000)
            assert [(r.seq, r.task, r.action, r.run) for r in found] == [
                (2, "b", Action.RUN, None),
                (3, "b", Action.SUCCESS, 2),
                (4, "c", Action.RUN, None),
            ]

    asyncio.run(story())


def test_a_record_comes_back_whole(make: Make) -> None:
    async def story() -> None:
        whole = Record("a", Action.RUN, at=5, scheduled_at=4, attempt=2, run_id="label")
        ending = Record("a", Action.FAIL, at=9, run=1, run_id="label", error="Trace …", until=60)
        async with opened(make()) as store:
            await commit(store, Claim(whole, (), 0))
            await commit(store, Finish(ending))
            one, two = store.read(Query(tasks=("a",)))
            assert one == Record("a", Action.RUN, 5, 1, 4, 2, None, "label", None, None)
            assert two == Record("a", Action.FAIL, 9, 2, None, None, 1, "label", "Trace …", 60)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("reads", "position", "refused"),
    [
        ((), 2, False),
        ((Key("a", Action.SUCCESS),), 2, False),
        ((Key("a", Action.FAIL),), 1, False),
        ((Key("a", Action.SUCCESS),), 1, True),
        ((Key("b", Action.RUN), Key("a", Action.SUCCESS)), 0, True),
    ],
)
def test_a_claim_is_refused_when_what_it_read_has_changed(
    make: Make, reads: tuple[Key, ...], position: int, refused: bool
) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            await commit(store, finish("a", 1))
            expected = Refused.NEWER if refused else 3
            assert await commit(store, claim("b", position, *reads)) == [expected]
            assert len(store.read(Query(tasks=("b",)))) == (0 if refused else 1)

    asyncio.run(story())


def test_a_claim_is_refused_when_its_own_task_has_a_newer_record(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            assert await commit(store, claim("a", 0)) == [1]
            assert await commit(store, claim("a", 0)) == [Refused.NEWER]

    asyncio.run(story())


def test_what_follows_from_a_refused_step_is_refused(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            b_saw_a_start = claim("b", 1, Key("a", Action.RUN))
            answers = await commit(store, claim("a", 0), b_saw_a_start, claim("c", 1))
            assert answers == [Refused.NEWER, Refused.NEWER, 2]

    asyncio.run(story())


def test_decisions_of_one_commit_may_have_seen_each_other(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            steps = (finish("a", 1), claim("b", 1, Key("a", Action.SUCCESS)))
            assert await commit(store, *steps, claim("c", 1, Key("b", Action.RUN))) == [2, 3, 4]

    asyncio.run(story())


def test_a_finish_without_a_lease_changes_nothing(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            assert await commit(store, finish("a", 1)) == [2]
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]
            assert len(store.read(Query(tasks=("a",)))) == 2

    asyncio.run(story())


def test_runs_left_live_have_crashed_when_the_store_is_opened_again(make: Make) -> None:
    async def story() -> None:
        store = make()
        async with opened(store):
            await commit(store, claim("a", 0))
        async with opened(store):
            found = [(r.action, r.run, r.run_id) for r in store.read(Query(tasks=("a",)))]
            assert found == [(Action.RUN, None, "id of a"), (Action.CRASH, 1, "id of a")]
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(store, claim("a", 2)) == [3]

    asyncio.run(story())


# --- SQLite alone ------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def test_a_path_opens_sqlite_and_nothing_keeps_the_log_in_memory(path: Path) -> None:
    assert isinstance(store_at(path), SqliteStore)
    assert isinstance(store_at(None), MemoryStore)
    with pytest.raises(ValueError, match="no store for 'mysql://'"):
        store_at("mysql://localhost/test")


def test_commits_are_durable_in_wal_with_full_sync(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        async with opened(store):
            assert store._connection is not None
            for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
                assert store._connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)

    asyncio.run(story())


async def grow(store: Store, *endings: Action, task: str = "a") -> None:
    """One run after the other of the task, 10 apart, each ended 1 later."""
    for i, ending in enumerate(endings):
        (run,) = await commit(store, claim(task, 1 << 60, at=10 * i))
        assert isinstance(run, int)
        await commit(store, finish(task, run, ending, at=10 * i + 1))


@pytest.mark.parametrize(
    ("endings", "since", "expected"),
    [
        ([Action.SUCCESS] * 5, 1 << 60, [9, 10]),
        ([Action.SUCCESS] * 5, 31, [7, 8, 9, 10]),  # with the run of the ending asked for
        ([Action.SUCCESS, Action.FAIL, Action.CRASH, Action.CRASH], 1 << 60, [1, 2, 3, 4, 7, 8]),
        ([Action.CRASH], 1 << 60, [1, 2]),
        ([], 0, []),
    ],
)
def test_a_start_reads_heads_and_the_look_back_alone(
    path: Path, endings: list[Action], since: int, expected: list[int]
) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            await grow(store, *endings)
            await grow(store, Action.SUCCESS, task="other")
            position, records = await store.load({"a": since, "none": 0})
            assert position == 2 * len(endings) + 2
            assert [record.seq for record in records] == expected

    asyncio.run(story())


def test_a_start_of_a_large_log_looks_up_and_scans_nothing(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        async with opened(store):
            await grow(store, *[Action.SUCCESS] * 50)
            assert store._connection is not None
            steps: list[str] = []
            run = store._connection.execute
            statements: list[str] = []
            store._connection.set_trace_callback(statements.append)
            await store.load({"a": 480})
            store._connection.set_trace_callback(None)
            for statement in statements:
                plan = run(f"EXPLAIN QUERY PLAN {statement}").fetchall()
                steps += [detail for *_, detail in plan if detail.startswith("SCAN")]
            assert set(steps) <= {"SCAN lease", "SCAN CONSTANT ROW"}

    asyncio.run(story())


@pytest.mark.parametrize("ending", [Action.SUCCESS, Action.FAIL])
def test_a_start_reads_the_latest_run_of_an_ending_whichever_run_ended_last(
    path: Path, ending: Action
) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            await commit(store, claim("a", 1 << 60), claim("a", 1 << 60))
            await commit(store, finish("a", 2, ending), finish("a", 1, ending))
            await grow(store, Action.CRASH)
            _, records = await store.load({"a": 1 << 60})
            assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]

    asyncio.run(story())


TASKS, ROUNDS = 1_000, 500  # a million rows: each round every task runs and succeeds, or fails
FILL = """
INSERT INTO record (seq, task, action, at, scheduled_at, attempt, run)
WITH RECURSIVE run (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM run WHERE n + 1 < :runs)
SELECT 2 * n + 1, 'task ' || (n % :tasks), 'run', n / :tasks, n / :tasks, 0, NULL FROM run
UNION ALL
SELECT 2 * n + 2, 'task ' || (n % :tasks),
    CASE WHEN n / :tasks % 50 = 7 THEN 'fail' ELSE 'success' END, n / :tasks, NULL, NULL, 2 * n + 1
FROM run
"""


def fill(path: Path, rounds: int) -> None:
    """A log of that many rounds; indexes are made afterwards, which is quicker."""
    with closing(sqlite3.connect(path)) as db:
        indexes = [
            statement for statement in statements(SCHEMA, Tables("")) if "CREATE INDEX" in statement
        ]
        for name in ("record_by_key", "record_by_run", "record_by_time"):
            db.execute(f"DROP INDEX {name}")
        db.execute(FILL, {"runs": TASKS * rounds, "tasks": TASKS})
        for statement in indexes:
            db.execute(statement)
        db.commit()


def test_a_start_with_a_million_rows_reads_those_it_needs(tmp_path: Path) -> None:
    """Of each task the latest success and the latest failure with their runs, and of one the
    rounds asked for. How long the log is does not matter: SQLite takes as many steps."""
    steps: dict[int, int] = {}

    async def story(path: Path, rounds: int) -> None:
        async with opened(SqliteStore(str(path))):
            pass
        fill(path, rounds)
        store = SqliteStore(str(path))
        async with opened(store):
            lookback = {f"task {n}": 1 << 60 for n in range(TASKS)}
            lookback["task 0"] = rounds - 20
            assert store._connection is not None
            taken: list[None] = []
            store._connection.set_progress_handler(lambda: taken.append(None), 100)
            position, records = await store.load(lookback)
            assert position == 2 * TASKS * rounds
            assert len(records) == 4 * TASKS + 2 * 19
            steps[rounds] = len(taken)

    for rounds in (ROUNDS // 10, ROUNDS):
        asyncio.run(story(tmp_path / f"{rounds}.db", rounds))
    assert steps[ROUNDS] <= 1.01 * steps[ROUNDS // 10]


CHILD = """
import asyncio, sys
from oncue.app.stores.sqlite import SqliteStore
from oncue.app.stores.protocol import Claim
from oncue.engine.records import Action, Record

async def main():
    store = SqliteStore(sys.argv[1])
    await store.open(0)
    await store.commit([Claim(Record("a", Action.RUN, at=1), (), 0)])
    print("claimed", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@pytest.fixture
def child(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_killed_process_leaves_a_crash(path: Path, child: subprocess.Popen[str]) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            records = [(r.action, r.run, r.at) for r in store.read(Query(tasks=("a",)))]
            assert records == [(Action.RUN, None, 1), (Action.CRASH, 1, 1000)]

    end(child)
    asyncio.run(story())


def test_a_living_process_keeps_its_runs(path: Path, child: subprocess.Popen[str]) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            assert [r.action for r in store.read(Query(tasks=("a",)))] == [Action.RUN]
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]
            end(child)
            assert [r.action for r in await store.follow(1, 2000)] == [Action.CRASH]

    asyncio.run(story())


def contents(folder: Path) -> dict[str, bytes]:
    """Of every file but the index of a write-ahead log, which readers note themselves in."""
    files = [file for file in folder.iterdir() if not file.name.endswith("-shm")]
    return {file.name: file.read_bytes() for file in files}


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE invoice (id)")


def newer_schema(path: Path) -> None:
    async def once() -> None:
        async with opened(SqliteStore(str(path))):
            pass

    asyncio.run(once())
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


WAL_LEFT = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.execute(sys.argv[2])
os._exit(1)
"""


def left_in_the_log(path: Path, statement: str) -> None:
    """What a process that died has written, and nobody has moved to the file."""
    subprocess.run([sys.executable, "-c", WAL_LEFT, str(path), statement], check=False)
    assert Path(f"{path}-wal").stat().st_size > 0


def other_program_that_died(path: Path) -> None:
    left_in_the_log(path, "CREATE TABLE invoice (id)")


def newer_schema_that_died(path: Path) -> None:
    async def once() -> None:
        async with opened(SqliteStore(str(path))):
            pass

    asyncio.run(once())
    left_in_the_log(path, "PRAGMA user_version = 99")


def not_a_database(path: Path) -> None:
    path.write_text("dear diary")


def long_text(path: Path) -> None:
    path.write_text("dear diary\n" * 100)


def damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 200)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (other_program, "a database of another program"),
        (newer_schema, "has schema version 99, this oncue knows up to 2; upgrade oncue"),
        (other_program_that_died, "a database of another program"),
        (newer_schema_that_died, "has schema version 99"),
        (not_a_database, "is not an SQLite database"),
        (long_text, "is not an SQLite database"),
        (damaged, "another program"),
        (Path.mkdir, "Is a directory"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_untouched(
    path: Path, prepare: Callable[[Path], None], message: str
) -> None:
    prepare(path)
    before = contents(path.parent) if path.is_file() else {}
    with pytest.raises(StoreError, match=message):
        asyncio.run(SqliteStore(str(path)).open(0))
    assert (contents(path.parent) if path.is_file() else {}) == before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder '.*nowhere'"):
        asyncio.run(SqliteStore(str(tmp_path / "nowhere" / "log.db")).open(0))


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            assert await commit(store, claim("a", 0)) == [1]

    path.touch()
    asyncio.run(story())


OPENER = """
import asyncio, sys
from oncue.app.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1])
    sys.stdin.readline()
    await store.open(0)
    await store.close()

asyncio.run(main())
"""


def test_processes_that_open_a_new_file_together_all_succeed(path: Path) -> None:
    command = [sys.executable, "-c", OPENER, str(path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    found = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        found.append((process.communicate(timeout=60)[1], process.returncode))
    assert found == [("", 0)] * 5


def test_the_clock_being_set_makes_no_living_instance_gone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        one, two = SqliteStore(str(path)), SqliteStore(str(path))
        async with opened(one), opened(two):
            assert await commit(one, claim("a", 0)) == [1]
            monkeypatch.setattr("oncue.app.stores.writing.wall", lambda: 1 << 60)
            assert await two.follow(1, 0) == []
            monkeypatch.setattr("oncue.app.stores.writing.uptime", lambda: 1 << 60)
            assert [r.action for r in await two.follow(1, 0)] == [Action.CRASH]
            assert await commit(one, finish("a", 1)) == [Refused.LEASE_LOST]
            monkeypatch.undo()
            assert await commit(one, claim("a", 2)) == [3]
            assert await two.follow(3, 0) == []  # it has joined again, so it is not gone

    asyncio.run(story())


def test_a_load_is_one_view_of_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        one, two = SqliteStore(str(path)), SqliteStore(str(path))
        async with opened(one), opened(two):
            await commit(one, claim("a", 0))
            needed = Reader._needed

            def meanwhile(reader: Reader, task: str, since: int, live: set[int]) -> list[Record]:
                found = needed(reader, task, since, live)
                one._commit([finish("a", 1), claim("b", 1)])
                return found

            monkeypatch.setattr(Reader, "_needed", meanwhile)
            position, records = await two.load({"a": 0})
            assert (position, [record.seq for record in records]) == (1, [1])

    asyncio.run(story())
