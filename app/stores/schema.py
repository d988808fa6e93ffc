"""The tables of an SQLite file, and how those of older versions become these.

Each namespace has tables of its own, told apart by a prefix; the version is the file's. A file of
an older version is brought up by the migrations it lacks, all namespaces in one transaction, while
no instance of an older oncue has it open. Who only reads such a file sees it through temporary
views, and changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .files import APPLICATION_ID, VERSION

DYNAMIC = """\
CREATE TABLE {p}dynamic (
    task TEXT PRIMARY KEY, shard TEXT NOT NULL, text TEXT NOT NULL, condition TEXT NOT NULL,
    version INTEGER NOT NULL, born INTEGER NOT NULL, since INTEGER NOT NULL, decided INTEGER,
    due INTEGER, look INTEGER, wait INTEGER NOT NULL, waits INTEGER NOT NULL, holder TEXT
) WITHOUT ROWID;
CREATE INDEX {p}dynamic_by_look ON {p}dynamic (shard, look) WHERE look IS NOT NULL;
CREATE INDEX {p}dynamic_by_holder ON {p}dynamic (holder) WHERE holder IS NOT NULL;
CREATE TABLE {p}waiting (
    task TEXT NOT NULL, action TEXT NOT NULL, position INTEGER NOT NULL, waiter TEXT NOT NULL,
    PRIMARY KEY (task, action, position, waiter)
) WITHOUT ROWID;
CREATE INDEX {p}waiting_by_waiter ON {p}waiting (waiter);
CREATE TABLE {p}stirred (
    task TEXT NOT NULL, action TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (task, action)
) WITHOUT ROWID
"""

BY_DECIDED = "CREATE INDEX {p}dynamic_by_decided ON {p}dynamic (coalesce(decided, since))"

SCHEMA = (
    """
CREATE TABLE {p}record (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, action TEXT NOT NULL, at INTEGER NOT NULL,
    scheduled_at INTEGER, attempt INTEGER, run INTEGER, run_id TEXT, error TEXT, until INTEGER
);
CREATE INDEX {p}record_by_time ON {p}record (task, action, at);
CREATE INDEX {p}record_by_run ON {p}record (run) WHERE run IS NOT NULL;
CREATE TABLE {p}head (
    task TEXT NOT NULL, action TEXT NOT NULL, seq INTEGER NOT NULL, run INTEGER,
    PRIMARY KEY (task, action)
) WITHOUT ROWID;
CREATE TABLE {p}lease (
    run INTEGER PRIMARY KEY REFERENCES {p}record, instance TEXT NOT NULL,
    expires_at INTEGER, expires_up INTEGER
);
CREATE TABLE {p}instance (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, expires_up INTEGER NOT NULL, since INTEGER NOT NULL
);
CREATE TABLE {p}missed (
    task TEXT NOT NULL, scheduled_at INTEGER NOT NULL, until INTEGER,
    PRIMARY KEY (task, scheduled_at)
) WITHOUT ROWID;
CREATE TABLE {p}task (
    name TEXT PRIMARY KEY, condition TEXT NOT NULL, since INTEGER NOT NULL, decided INTEGER
) WITHOUT ROWID;
"""
    + DYNAMIC
    + ";"
    + BY_DECIDED
)
"""A head is the latest record of a task and action, and the latest run that such a record ended.
`expires_at` is by the wall clock, for other hosts, `expires_up` by the uptime of the host of the
instance; both in microseconds. A lease without them is its instance's. What is `waiting` and
`stirred` tells `sqliterows.py`."""


NO_DYNAMIC = """
CREATE TEMP VIEW {p}dynamic AS SELECT NULL AS task, NULL AS shard, NULL AS text, NULL AS condition,
    NULL AS version, NULL AS born, NULL AS since, NULL AS decided, NULL AS due, NULL AS look,
    NULL AS wait, NULL AS waits, NULL AS holder WHERE false
"""


class Migration(NamedTuple):
    """`statements` bring the tables of a namespace up from the version before; `view` are what the
    tables read as to who does not change them."""

    statements: str
    views: str


MIGRATIONS = (
    Migration(
        """
ALTER TABLE {p}record ADD COLUMN until INTEGER;
DROP INDEX {p}record_by_key;
DROP INDEX {p}record_by_time;
CREATE INDEX {p}record_by_time ON {p}record (task, action, at);
CREATE TABLE {p}head (
    task TEXT NOT NULL, action TEXT NOT NULL, seq INTEGER NOT NULL, run INTEGER,
    PRIMARY KEY (task, action)
) WITHOUT ROWID;
INSERT INTO {p}head SELECT task, action, max(seq), max(run) FROM {p}record GROUP BY task, action;
ALTER TABLE {p}lease ADD COLUMN expires_at INTEGER;
ALTER TABLE {p}lease ADD COLUMN expires_up INTEGER;
ALTER TABLE {p}instance ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
UPDATE {p}instance SET expires_at = expires_at * 1000000, expires_up = expires_up * 1000000;
CREATE TABLE {p}missed (
    task TEXT NOT NULL, scheduled_at INTEGER NOT NULL, until INTEGER,
    PRIMARY KEY (task, scheduled_at)
) WITHOUT ROWID;
CREATE TABLE {p}task (
    name TEXT PRIMARY KEY, condition TEXT NOT NULL, since INTEGER NOT NULL, decided INTEGER
) WITHOUT ROWID
""",
        """
CREATE TEMP VIEW {p}record AS SELECT *, NULL AS until FROM main.{p}record;
CREATE TEMP VIEW {p}head AS
    SELECT task, action, max(seq) AS seq, max(run) AS run FROM main.{p}record GROUP BY task, action;
CREATE TEMP VIEW {p}lease AS
    SELECT *, NULL AS expires_at, NULL AS expires_up FROM main.{p}lease;
CREATE TEMP VIEW {p}instance AS
    SELECT id, host, pid, expires_at * 1000000 AS expires_at, expires_up * 1000000 AS expires_up,
        0 AS since FROM main.{p}instance;
CREATE TEMP VIEW {p}missed AS SELECT NULL AS task, NULL AS scheduled_at, NULL AS until
    WHERE false;
CREATE TEMP VIEW {p}task AS
    SELECT NULL AS name, NULL AS condition, NULL AS since, NULL AS decided WHERE false;
"""
        + NO_DYNAMIC,
    ),
    Migration(DYNAMIC, NO_DYNAMIC),
    Migration(BY_DECIDED, ""),
)
"""From version 1 on, in order. The views of each make its version read as this one; whoever adds a
migration adds to those of all before it."""


class Tables:
    """The names of a namespace's tables."""

    def __init__(self, namespace: str) -> None:
        self.prefix = f"{namespace}_" if namespace else ""
        self.record, self.head, self.lease, self.instance, self.missed, self.task = (
            f"{self.prefix}{name}"
            for name in ("record", "head", "lease", "instance", "missed", "task")
        )
        self.dynamic, self.waiting, self.stirred = (
            f"{self.prefix}{name}" for name in ("dynamic", "waiting", "stirred")
        )


def namespaces(db: sqlite3.Connection) -> list[str]:
    """Those that the file has tables of."""
    names = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND (name = 'record' OR name LIKE '%\\_record' ESCAPE '\\') ORDER BY name"
    )
    return [name.removesuffix("record").removesuffix("_") for (name,) in names]


def create(db: sqlite3.Connection, tables: Tables) -> None:
    run(db, SCHEMA, tables)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {VERSION}")


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring every namespace up from a version to this one."""
    for migration in MIGRATIONS[version - 1 :]:
        for namespace in namespaces(db):
            run(db, migration.statements, Tables(namespace))
    db.execute(f"PRAGMA user_version = {VERSION}")


def see_through(db: sqlite3.Connection, tables: Tables) -> None:
    """Make the tables of an older version read as those of this one, by this connection."""
    ((version,),) = db.execute("PRAGMA user_version")
    if version < VERSION:
        run(db, MIGRATIONS[version - 1].views, tables)


def run(db: sqlite3.Connection, text: str, tables: Tables) -> None:
    for statement in statements(text, tables):
        db.execute(statement)


def statements(text: str, tables: Tables) -> Iterator[str]:
    yield from text.format(p=tables.prefix).split(";")
