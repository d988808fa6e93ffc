"""The tables of an SQLite file: namespaces, and files of older versions."""

import asyncio
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores.dynamic import Planned, Wanted
from oncue.app.stores.files import APPLICATION_ID, VERSION, here
from oncue.app.stores.protocol import Missed, Query, Refused, Registered, Store
from oncue.app.stores.schema import MIGRATIONS
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action
from oncue.tests.stores.conftest import ended_process
from oncue.tests.stores.steps import claim, commit, extend, finish, log_of, opened, shown

VERSION_1 = f"""
CREATE TABLE record (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, action TEXT NOT NULL, at INTEGER NOT NULL,
    scheduled_at INTEGER, attempt INTEGER, run INTEGER, run_id TEXT, error TEXT
);
CREATE INDEX record_by_key ON record (task, action, seq);
CREATE INDEX record_by_run ON record (run) WHERE run IS NOT NULL;
CREATE INDEX record_by_time ON record (task, at);
CREATE TABLE lease (run INTEGER PRIMARY KEY REFERENCES record, instance TEXT NOT NULL);
CREATE TABLE instance (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, expires_up INTEGER NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 1
"""
"""As the first version made it."""

VERSION_2 = f"""
CREATE TABLE record (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, action TEXT NOT NULL, at INTEGER NOT NULL,
    scheduled_at INTEGER, attempt INTEGER, run INTEGER, run_id TEXT, error TEXT, until INTEGER
);
CREATE INDEX record_by_time ON record (task, action, at);
CREATE INDEX record_by_run ON record (run) WHERE run IS NOT NULL;
CREATE TABLE head (
    task TEXT NOT NULL, action TEXT NOT NULL, seq INTEGER NOT NULL, run INTEGER,
    PRIMARY KEY (task, action)
) WITHOUT ROWID;
CREATE TABLE lease (
    run INTEGER PRIMARY KEY REFERENCES record, instance TEXT NOT NULL,
    expires_at INTEGER, expires_up INTEGER
);
CREATE TABLE instance (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, expires_up INTEGER NOT NULL, since INTEGER NOT NULL
);
CREATE TABLE missed (
    task TEXT NOT NULL, scheduled_at INTEGER NOT NULL, until INTEGER,
    PRIMARY KEY (task, scheduled_at)
) WITHOUT ROWID;
CREATE TABLE task (
    name TEXT PRIMARY KEY, condition TEXT NOT NULL, since INTEGER NOT NULL, decided INTEGER
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 2
"""
"""As the second did."""

VERSION_3 = (
    VERSION_2.replace("PRAGMA user_version = 2", "PRAGMA user_version = 3;")
    + """
CREATE TABLE dynamic (
    task TEXT PRIMARY KEY, shard TEXT NOT NULL, text TEXT NOT NULL, condition TEXT NOT NULL,
    version INTEGER NOT NULL, born INTEGER NOT NULL, since INTEGER NOT NULL, decided INTEGER,
    due INTEGER, look INTEGER, wait INTEGER NOT NULL, waits INTEGER NOT NULL, holder TEXT
) WITHOUT ROWID;
CREATE INDEX dynamic_by_look ON dynamic (shard, look) WHERE look IS NOT NULL;
CREATE INDEX dynamic_by_holder ON dynamic (holder) WHERE holder IS NOT NULL;
CREATE TABLE waiting (
    task TEXT NOT NULL, action TEXT NOT NULL, position INTEGER NOT NULL, waiter TEXT NOT NULL,
    PRIMARY KEY (task, action, position, waiter)
) WITHOUT ROWID;
CREATE INDEX waiting_by_waiter ON waiting (waiter);
CREATE TABLE stirred (
    task TEXT NOT NULL, action TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (task, action)
) WITHOUT ROWID;
"""
)
"""As the third did."""

RECORDS = [
    (1, "a", "run", 5, 4, 0, None, "first", None),
    (2, "a", "fail", 9, None, None, 1, "first", "Traceback"),
    (3, "b", "run", 10, 10, 0, None, "second", None),
    (4, "c", "run", 11, 11, 2, None, None, None),
]
FAR = 1 << 40  # in seconds
SECOND = 1_000_000


def made(path: Path, schema: str, pid: int, *, expires: int = FAR) -> None:
    """A file of that schema, with an instance of that process whose runs 3 and 4 are live."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(schema)
        columns = "seq, task, action, at, scheduled_at, attempt, run, run_id, error"
        db.executemany(f"INSERT INTO record ({columns}) VALUES (?,?,?,?,?,?,?,?,?)", RECORDS)
        db.executemany("INSERT INTO lease (run, instance) VALUES (?, ?)", [(3, "old"), (4, "old")])
        if schema is not VERSION_1:
            db.execute(
                "INSERT INTO head SELECT task, action, max(seq), max(run) FROM record "
                "GROUP BY task, action"
            )
            instance = ("old", here(), pid, expires * SECOND, expires * SECOND, 0)
        else:
            instance = ("old", here(), pid, expires, expires)  # type: ignore[assignment]
        db.execute(f"INSERT INTO instance VALUES ({','.join('?' * len(instance))})", instance)


def layout(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What SQLite says of each table and index: names, types, keys."""
    with closing(sqlite3.connect(path)) as db:
        names = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
        return {
            name: [
                (column, kind, key)
                for _, column, kind, _, _, key in db.execute(f"PRAGMA table_info({name})")
            ]
            or list(db.execute(f"PRAGMA index_info({name})"))
            for (name,) in db.execute(names)
        }


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


OLDER = pytest.mark.parametrize("schema", [VERSION_1, VERSION_2, VERSION_3], ids=["1", "2", "3"])


@OLDER
def test_a_file_of_an_older_version_works_on(path: Path, schema: str) -> None:
    async def story() -> None:
        made(path, schema, ended_process())
        async with opened(SqliteStore(str(path), create=False)) as store:
            crashes = ["5 crash of 3", "6 crash of 4"]
            assert log_of(store) == ["1 run", "2 fail of 1", "3 run", "4 run", *crashes]
            first, failed = store.read(Query(seqs=(1, 2)))
            assert (first.scheduled_at, first.attempt, first.run_id) == (4, 0, "first")
            assert (failed.error, failed.until) == ("Traceback", None)
            assert await commit(store, claim("a", 6, at=20, lease=1), Missed("b", 7)) == [7, 7]
            assert await commit(store, extend("a", 7, 100_000_000)) == [7]
            assert await commit(store, finish("a", 7)) == [8]
            assert store.missed() == [Missed("b", 7)]
            assert await store.register({"a": "daily"}, 30) == {"a": Registered(30, None)}
            assert [instance.own for instance in store.instances()] == [True]
            await store.schedule([Planned("f:a", "f", "{}", "daily", 5, 1)], 30)
            assert [row.task for row in (await store.take({"f": 1}, 40))[0]] == ["f:a"]

    asyncio.run(story())


@OLDER
def test_a_file_of_an_older_version_becomes_what_a_new_one_is(tmp_path: Path, schema: str) -> None:
    async def story(path: Path) -> None:
        async with opened(SqliteStore(str(path))):
            pass

    old, new = tmp_path / "old.db", tmp_path / "new.db"
    made(old, schema, ended_process())
    asyncio.run(story(old))
    asyncio.run(story(new))
    columns = {table: sorted(found, key=str) for table, found in layout(old).items()}
    assert columns == {table: sorted(found, key=str) for table, found in layout(new).items()}
    assert version(old) == version(new) == VERSION == len(MIGRATIONS) + 1


@OLDER
def test_a_file_of_an_older_version_is_read_as_it_is(path: Path, schema: str) -> None:
    made(path, schema, ended_process())
    before = path.read_bytes()
    store = SqliteStore(str(path))
    assert log_of(store, "a", "b") == ["1 run", "2 fail of 1", "3 run"]
    assert store.count(Query(actions=(Action.RUN,))) == 3
    assert (store.missed(), store.registered(), store.dynamic(Wanted())) == ([], {}, [])
    (instance,) = store.instances()
    assert (instance.id, instance.alive, instance.since) == ("old", False, 0)
    position, records = store.peek({"a": 0, "b": 0}, 30)
    assert (position, shown(records)) == (4, ["1 run", "2 fail of 1", "3 run", "5 crash of 3"])
    assert path.read_bytes() == before


def test_a_file_that_an_older_oncue_has_open_is_left_alone(path: Path) -> None:
    made(path, VERSION_1, os.getpid())
    before = path.read_bytes()
    message = f"is open by an older oncue, process {os.getpid()}; end that first"
    with pytest.raises(StoreError, match=message):
        asyncio.run(SqliteStore(str(path)).open(0))
    assert (version(path), path.read_bytes()) == (1, before)


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    made(path, VERSION_1, ended_process())
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE task (mine)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="table task already exists"):
        asyncio.run(SqliteStore(str(path)).open(0))
    assert path.read_bytes() == before


def test_all_namespaces_of_a_file_are_brought_up_together(path: Path) -> None:
    async def story() -> None:
        made(path, VERSION_1, ended_process())
        with closing(sqlite3.connect(path)) as db, db:
            named = r"(TABLE|INDEX|ON|REFERENCES) (\w+)"
            db.executescript(re.sub(named, r"\1 billing_\2", VERSION_1))
            db.execute("INSERT INTO billing_record SELECT * FROM record WHERE seq = 1")
        async with opened(SqliteStore(str(path))):
            pass
        async with opened(SqliteStore(str(path), namespace="billing", create=False)) as billing:
            assert log_of(billing) == ["1 run"]
            assert await commit(billing, claim("a", 1, lease=9), Missed("a", 7)) == [2, 2]

    asyncio.run(story())


# --- namespaces ---------------------------------------------------------------------------------


def test_a_namespace_has_a_log_of_its_own(path: Path) -> None:
    def at(namespace: str) -> Store:
        return SqliteStore(str(path), namespace=namespace)

    async def story() -> None:
        async with opened(at("")) as one, opened(at("billing")) as two, opened(at("a_record")):
            assert await commit(one, claim("a", 0), claim("b", 0), Missed("a", 3)) == [1, 2, 2]
            assert await commit(two, claim("a", 0)) == [1]
            assert await commit(two, finish("b", 2)) == [Refused.LEASE_LOST]
            await one.register({"a": "daily"}, 5)
            assert (len(one.missed()), two.missed()) == (1, [])
            assert (len(one.registered()), two.registered()) == (1, {})
            assert [len(store.instances()) for store in (one, two)] == [1, 1]
            assert [log_of(store) for store in (one, two)] == [["1 run", "2 run"], ["1 run"]]
        async with opened(at("a_record")) as three:
            assert log_of(three) == []

    asyncio.run(story())


def test_a_namespace_that_is_not_there_yet_is_empty(path: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path), namespace="billing")) as store:
            await commit(store, claim("a", 0))

    asyncio.run(story())
    for namespace in ("", "other"):
        store = SqliteStore(str(path), namespace=namespace)
        assert store.read(Query()) == []
        assert (store.peek({"a": 0}, 0), store.instances()) == ((0, []), [])


@pytest.mark.parametrize("made_in", ["full", "normal"])
def test_commits_are_synced_as_was_said(path: Path, made_in: str) -> None:
    async def story() -> None:
        store = SqliteStore(str(path), synchronous=made_in)
        async with opened(store):
            assert store._connection is not None
            expected = {"journal_mode": "wal", "synchronous": {"full": 2, "normal": 1}[made_in]}
            for pragma, value in expected.items():
                assert store._connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)

    asyncio.run(story())
