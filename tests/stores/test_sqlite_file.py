"""SQLite alone: whose file it is, and the processes that share it."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores.dynamic import Planned
from oncue.app.stores.protocol import LEASE, Query, Refused, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action
from oncue.tests.stores.conftest import Sqlite
from oncue.tests.stores.steps import claim, commit, finish, opened, renew, shown

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
        (newer_schema, "has schema version 99, this oncue knows up to 4; upgrade oncue"),
        (other_program_that_died, "a database of another program"),
        (newer_schema_that_died, "has schema version 99"),
        (not_a_database, "is not an SQLite database"),
        (long_text, "is not an SQLite database"),
        (damaged, "is not an SQLite database"),
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


SECOND = 1_000_000


@pytest.fixture
def make(path: Path, monkeypatch: pytest.MonkeyPatch) -> Sqlite:
    """Their instances renew when it is said, and by the clock of what has elapsed."""
    monkeypatch.setattr("oncue.app.stores.sqlite.LEASE", 3_000 * SECOND)
    return Sqlite(path, monkeypatch)


def pass_by(make: Sqlite, intervals: int, *renewing: Store) -> None:
    """Time, and after each interval of it these instances renew."""
    for _ in range(intervals):
        make.elapse(LEASE // 3)
        for store in renewing:
            renew(store)


def test_who_renewed_all_the_time_takes_over_what_has_stopped(make: Sqlite) -> None:
    async def story() -> None:
        async with opened(make()) as one, opened(make()) as two:
            pass_by(make, 5, one, two)
            assert await commit(one, claim("a", 0)) == [1]
            pass_by(make, 2, two)
            assert await two.follow(1, 0) == []
            pass_by(make, 1, two)
            make.elapse(SECOND)
            assert shown(await two.follow(1, 0)) == ["2 crash of 1"]
            assert await commit(one, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(one, claim("a", 2)) == [3]
            assert await two.follow(3, 0) == []  # it has joined again, so it is not gone

    asyncio.run(story())


@pytest.mark.parametrize("intervals", [2, 3, 100])
@pytest.mark.parametrize("first", ["look", "renewal"])
def test_who_could_not_renew_gives_the_others_time_to(
    make: Sqlite, intervals: int, first: str
) -> None:
    """Whether what comes first once he can is a look at the others, or a renewal."""

    async def story() -> None:
        async with opened(make()) as one, opened(make()) as two:
            pass_by(make, 4, one, two)
            pass_by(make, 1, two)  # whose lease ends later than that of the other
            assert await commit(one, claim("a", 0), claim("b", 0)) == [1, 2]
            pass_by(make, intervals)  # while the file is locked
            make.elapse(SECOND)
            if first == "renewal":
                renew(two)
            assert await two.follow(2, 0) == []
            pass_by(make, 1, two)
            assert await two.follow(2, 0) == []
            assert await commit(one, finish("a", 1)) == [3]
            if first == "look":
                pass_by(make, 3, one, two)
                assert await two.follow(3, 0) == []
                assert await commit(one, finish("b", 2)) == [4]
            else:
                pass_by(make, 2, two)
                make.elapse(SECOND)
                assert shown(await two.follow(3, 0)) == ["4 crash of 2"]

    asyncio.run(story())


def test_who_has_just_come_gives_the_others_time_to_renew(make: Sqlite) -> None:
    async def story() -> None:
        async with opened(make()) as one:
            assert await commit(one, claim("a", 0)) == [1]
            pass_by(make, 10)
            async with opened(make()) as two:
                pass_by(make, 1, two)
                assert await two.follow(0, 0) == one.read(Query())
                assert len(two.read(Query())) == 1
                pass_by(make, 1, two)
                assert shown(await two.follow(1, 0)) == ["2 crash of 1"]

    asyncio.run(story())


def test_a_process_that_has_ended_is_gone_at_once_whoever_renewed(make: Sqlite) -> None:
    async def story() -> None:
        async with opened(make()) as one, opened(make()) as two:
            assert await commit(one, claim("a", 0)) == [1]
            make.lose(one)
            pass_by(make, 10)
            assert shown(await two.follow(1, 0)) == ["2 crash of 1"]

    asyncio.run(story())


def test_a_file_that_was_locked_for_longer_than_a_lease_costs_nobody_his_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.stores.sqlite.LEASE", 1_500_000)
    monkeypatch.setattr("oncue.app.stores.writing.LEASE", 1_500_000)
    monkeypatch.setattr("oncue.app.stores.renewals.LEASE", 1_500_000)

    async def story() -> None:
        async with opened(SqliteStore(str(path))) as one, opened(SqliteStore(str(path))) as two:
            await asyncio.sleep(1.2)  # from here on it would take over what has stopped
            assert await commit(one, claim("a", 0)) == [1]
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                await asyncio.sleep(1.8)
                other.execute("ROLLBACK")
            for _ in range(15):
                assert await two.follow(1, 0) == []
                await asyncio.sleep(0.1)
            assert await commit(one, finish("a", 1)) == [2]

    asyncio.run(story())


def test_the_clock_being_set_makes_no_living_instance_gone(
    make: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(make()) as one, opened(make()) as two:
            pass_by(make, 2, one, two)
            assert await commit(one, claim("a", 0)) == [1]
            monkeypatch.setattr("oncue.app.stores.writing.wall", lambda: 1 << 60)
            assert await two.follow(1, 0) == []

    asyncio.run(story())


READER = """
import sys
from oncue.app.stores.protocol import Query
from oncue.app.stores.sqlite import SqliteStore
print(len(SqliteStore(sys.argv[1]).read(Query())))
"""


def read_elsewhere(path: Path) -> int:
    """How many records another process finds, which has then closed the file."""
    command = [sys.executable, "-c", READER, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


LOOKS: dict[str, Callable[[SqliteStore], object]] = {
    "read": lambda store: store.read(Query()),
    "instances": lambda store: store.instances(),
    "opened": lambda store: asyncio.run(come_and_go(store.path)),
}
"""What a process does with a file that it has open already."""


async def come_and_go(path: str) -> None:
    async with opened(SqliteStore(path)):
        pass


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_committed_is_seen_whoever_has_closed_the_file(path: Path, look: str) -> None:
    """A lock that was lost would let the one that closes it last remove the write-ahead log that
    the other still writes to."""

    async def story() -> None:
        store = SqliteStore(str(path))
        async with opened(store):
            await commit(store, claim("a", 0))
            await asyncio.to_thread(LOOKS[look], store)
            assert await asyncio.to_thread(read_elsewhere, path) == 1
            await commit(store, finish("a", 1))
            assert await asyncio.to_thread(read_elsewhere, path) == 2

    asyncio.run(story())


def test_what_is_taken_does_not_wait_for_the_disk_and_what_is_written_does(path: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            assert isinstance(store, SqliteStore) and store._connection is not None
            await store.schedule([Planned("f:a", "f", "{}", "daily", 1, 1)], 1)
            said: list[str] = []
            store._connection.set_trace_callback(said.append)
            assert len((await store.take({"f": 1}, 1))[0]) == 1
            await commit(store, claim("a", 0))
            store._connection.set_trace_callback(None)
            kept = [each for each in said if each.startswith(("PRAGMA sync", "COMMIT"))]
            levels = "PRAGMA synchronous = 1", "PRAGMA synchronous = 2"
            assert kept == [levels[0], "COMMIT", levels[1], "COMMIT"]

    asyncio.run(story())


def test_to_schedule_takes_one_statement_in_one_transaction(path: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            assert isinstance(store, SqliteStore) and store._connection is not None
            said: list[str] = []
            store._connection.set_trace_callback(said.append)
            await store.schedule([Planned("f:a", "f", "{}", "daily", 1, 1)], 1)
            store._connection.set_trace_callback(None)
            assert [each.split()[0] for each in said] == ["BEGIN", "INSERT", "COMMIT"]

    asyncio.run(story())
