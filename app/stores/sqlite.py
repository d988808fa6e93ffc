"""The log in one SQLite file: WAL, synchronous=FULL, a thread of its own.

Every statement runs on one worker thread, so the event loop never waits for the disk. A second
thread keeps this instance's lease alive by a connection of its own, so a task that blocks
everything else keeps it too. An instance is gone when it left, when its lease ran out (on this
host by a clock that is never set, elsewhere by the wall clock), or at once when its process on
this host is gone.

The schema version is `user_version`, ours is told from other programs' by `application_id`; both
are read before anything is written (`files.py`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from ...engine.records import Action, Key, Record
from ..clock import uptime
from ..errors import StoreError
from .files import (
    APPLICATION_ID,
    VERSION,
    here,
    identity_of,
    is_alive,
    path_of,
    refuse_unless,
    refuse_what_is_not_ours,
)
from .protocol import CLOCK_CHECK, Answer, Claim, Query, Step, judge
from .reading import COLUMNS, Reader

LEASE_SECONDS = 15
BUSY_SECONDS = 10.0
CROWDED_PATIENCE = 250_000  # microseconds between two looks while others have the file open

SCHEMA = f"""
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
PRAGMA user_version = {VERSION}
"""
UNIX_NOW = "CAST(strftime('%s', 'now') AS INTEGER)"

scheduler_log = logging.getLogger("oncue.scheduler")
P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._id = ""
        self._crowded = False
        self._worker: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._left = threading.Event()

    # --- the protocol ---------------------------------------------------------------------

    @property
    def patience(self) -> int:
        return CROWDED_PATIENCE if self._crowded else CLOCK_CHECK

    async def open(self, now: int) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="oncue-sqlite")
        try:
            await self._call(self._open, now)
        except BaseException:
            self._worker.shutdown()
            raise
        self._left.clear()
        threading.Thread(
            target=self._renew, args=(self._id,), name="oncue-lease", daemon=True
        ).start()

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        def load() -> tuple[int, list[Record]]:
            with transaction(self._db, "BEGIN") as db:
                return Reader(db).load(lookback)

        return await self._call(load)

    async def commit(self, steps: Sequence[Step]) -> list[Answer]:
        return await self._call(self._commit, steps)

    async def follow(self, position: int, now: int) -> list[Record]:
        return await self._call(self._follow, position, now)

    def read(self, query: Query) -> list[Record]:
        return self._ask(lambda db: Reader(db).query(query), [])

    def count(self, query: Query) -> int:
        return self._ask(lambda db: Reader(db).count(query), 0)

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        def look(db: sqlite3.Connection) -> tuple[int, list[Record]]:
            with transaction(db, "BEGIN"):
                newest, records = Reader(db).load(lookback)
                gone = [id_ for id_, is_gone in others_than(db, "") if is_gone]
                return newest, records + crashes(db, gone, now, newest)

        nothing: tuple[int, list[Record]] = 0, []
        return self._ask(look, nothing)

    def _ask(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """By a connection of its own, so that nobody waits for the worker thread."""
        refuse_what_is_not_ours(Path(self.path))
        if not os.path.exists(self.path) or not os.path.getsize(self.path):
            return nothing
        try:
            with closing(connect(self.path)) as db:
                return question(db)
        except sqlite3.Error as error:
            raise StoreError(f"the store {self.path!r} does not answer: {error}") from error

    async def close(self) -> None:
        self._left.set()
        await self._call(self._close)
        if self._worker is not None:
            self._worker.shutdown()

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def guarded() -> T:
            try:
                return function(*args, **kwargs)
            except sqlite3.Error as error:
                raise StoreError(f"the store {self.path!r} does not answer: {error}") from error

        return await asyncio.get_running_loop().run_in_executor(self._worker, guarded)

    # --- on the worker thread -------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store {self.path!r} is not open")
        return self._connection

    def _open(self, now: int) -> None:
        refuse_what_is_not_ours(Path(self.path))
        self._id = uuid4().hex
        db = connect(self.path, create=True)
        try:
            create(db)
            self._switch_to_wal(db)
            db.execute("PRAGMA synchronous = FULL")
            with transaction(db):
                join(db, self._id)
        except BaseException:
            db.close()
            raise
        self._connection = db
        self._file = os.stat(self.path)
        self._reap(now)

    def _switch_to_wal(self, db: sqlite3.Connection) -> None:
        """Once for a file; the switch does not wait by itself for others that open it too."""
        for attempt in range(100, -1, -1):
            try:
                db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if not attempt:
                    raise
                self._left.wait(BUSY_SECONDS / 100)

    def _close(self) -> None:
        db, self._connection = self._connection, None
        if db is None:
            return
        try:
            db.execute("DELETE FROM instance WHERE id = ?", (self._id,))
        except sqlite3.Error:
            pass  # its lease will run out
        finally:
            db.close()

    def _follow(self, position: int, now: int) -> list[Record]:
        self._reap(now)
        return Reader(self._db).select("WHERE seq > ? ORDER BY seq", position)

    def _commit(self, steps: Sequence[Step]) -> list[Answer]:
        self._refuse_another_file()
        with transaction(self._db) as db:
            if not db.execute("SELECT 1 FROM instance WHERE id = ?", (self._id,)).fetchone():
                join(db, self._id)  # taken for gone; what was live has crashed, what begins is ours
            (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
            held = db.execute("SELECT run FROM lease WHERE instance = ?", (self._id,))
            runs: set[int | None] = {run for (run,) in held}

            def overtaken(claim: Claim) -> bool:
                return claim.position < newest and overtakes(db, claim)

            answers: list[Answer] = []
            records, leases, released = [], [], []
            for step, refused in zip(steps, judge(steps, overtaken, runs), strict=True):
                if refused is not None:
                    answers.append(refused)
                    continue
                newest += 1
                answers.append(newest)
                records.append(row_of(step.record, newest))
                if isinstance(step, Claim):
                    leases.append((newest, self._id))
                else:
                    released.append((step.record.run,))
            insert(db, records)
            db.executemany("INSERT INTO lease (run, instance) VALUES (?, ?)", leases)
            db.executemany("DELETE FROM lease WHERE run = ?", released)
        return answers

    def _refuse_another_file(self) -> None:
        """What is written to a file that was removed or replaced would be lost."""
        try:
            same = os.path.samestat(os.stat(self.path), self._file)
        except OSError:
            same = False
        if not same:
            raise StoreError(f"the store {self.path!r} was removed or replaced while in use")

    def _reap(self, now: int) -> None:
        """Write `crash` for the live runs of instances that are gone."""
        others = others_than(self._db, self._id)
        self._crowded = any(not gone for _, gone in others)
        gone = [id_ for id_, is_gone in others if is_gone]
        orphaned = "SELECT 1 FROM lease WHERE instance NOT IN (SELECT id FROM instance)"
        if not gone and self._db.execute(orphaned).fetchone() is None:
            return
        with transaction(self._db) as db:
            (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
            written = crashes(db, gone, now, newest)
            insert(db, [row_of(record, record.seq) for record in written])
            db.executemany("DELETE FROM lease WHERE run = ?", [(r.run,) for r in written])
            db.executemany("DELETE FROM instance WHERE id = ?", [(id_,) for id_ in gone])

    # --- on the renewal thread ------------------------------------------------------------

    def _renew(self, id_: str) -> None:
        while not self._left.wait(LEASE_SECONDS / 3):
            try:
                with closing(connect(self.path)) as db, transaction(db):
                    join(db, id_)
            except sqlite3.Error as error:
                scheduler_log.warning("the lease on %r was not renewed: %s", self.path, error)


def connect(path: str, *, create: bool = False) -> sqlite3.Connection:
    mode = "rwc" if create else "rw"
    return sqlite3.connect(
        f"{Path(path).as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


class transaction:
    """BEGIN … COMMIT, or ROLLBACK on any exception."""

    def __init__(self, db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> None:
        self._db = db
        self._begin = begin

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute(self._begin)
        return self._db

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._db.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def others_than(db: sqlite3.Connection, instance: str) -> list[tuple[str, bool]]:
    """The other instances, and whether each is gone."""
    rows = db.execute(
        f"SELECT id, host, pid, expires_at < {UNIX_NOW}, expires_up FROM instance WHERE id != ?",
        (instance,),
    ).fetchall()
    return [
        (id_, expires_up < uptime() or not is_alive(pid) if host == here() else bool(expired))
        for id_, host, pid, expired, expires_up in rows
    ]


def crashes(db: sqlite3.Connection, gone: list[str], now: int, newest: int) -> list[Record]:
    """The `crash` of each live run whose instance is gone or was never there, numbered from the
    newest on."""
    orphans = db.execute(
        "SELECT record.task, lease.run, record.run_id FROM lease JOIN record "
        "ON record.seq = lease.run WHERE instance NOT IN (SELECT id FROM instance) "
        "OR instance IN (SELECT value FROM json_each(?))",
        (json.dumps(gone),),
    )
    return [
        Record(task, Action.CRASH, now, newest + number, run=run, run_id=label)
        for number, (task, run, label) in enumerate(orphans, 1)
    ]


def insert(db: sqlite3.Connection, rows: Sequence[Sequence[object]]) -> None:
    db.executemany(f"INSERT INTO record ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", rows)


def row_of(record: Record, seq: int) -> tuple[object, ...]:
    return (
        seq,
        record.task,
        str(record.action),
        record.at,
        record.scheduled_at,
        record.attempt,
        record.run,
        record.run_id,
        record.error,
    )


def overtakes(db: sqlite3.Connection, claim: Claim) -> bool:
    """Whether the log has, after the claim's position, a record of its task or of its reads."""
    keys = {(r.task, str(r.action)) for r in claim.keys if isinstance(r, Key)}
    own = "SELECT 1 FROM record WHERE seq > ? AND task = ?"
    if db.execute(own, (claim.position, claim.record.task)).fetchone():
        return True
    read = "SELECT 1 FROM record WHERE task = ? AND action = ? AND seq > ?"
    return any(db.execute(read, (*key, claim.position)).fetchone() for key in keys)


def join(db: sqlite3.Connection, instance: str) -> None:
    db.execute(
        f"INSERT INTO instance VALUES (?, ?, ?, {UNIX_NOW} + {LEASE_SECONDS}, ?) "
        "ON CONFLICT (id) DO UPDATE SET "
        "expires_at = excluded.expires_at, expires_up = excluded.expires_up",
        (instance, here(), os.getpid(), uptime() + LEASE_SECONDS),
    )


def create(db: sqlite3.Connection) -> None:
    """The schema, once; of two that come at the same time one finds it done. Raises StoreError,
    before anything is written, for a file that turns out not to be ours."""
    with transaction(db):
        refuse_unless(*identity_of(db), path=path_of(db))
        if identity_of(db)[0] == APPLICATION_ID:
            return
        for statement in SCHEMA.split(";"):
            db.execute(statement)
