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
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
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
COLUMNS = "seq, task, action, at, scheduled_at, attempt, run, run_id, error"
UNIX_NOW = "CAST(strftime('%s', 'now') AS INTEGER)"
HEADS = "SELECT " + ", ".join(
    f"(SELECT max(seq) FROM record WHERE task = :task AND action = '{action}')" for action in Action
)
LIVE = "SELECT task, seq FROM lease CROSS JOIN record WHERE record.seq = lease.run"

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
        return await self._call(self._load, lookback)

    async def commit(self, steps: Sequence[Step]) -> list[Answer]:
        return await self._call(self._commit, steps)

    async def follow(self, position: int, now: int) -> list[Record]:
        return await self._call(self._follow, position, now)

    def read(self, query: Query) -> list[Record]:
        condition, values = clauses(query)
        order = "ORDER BY seq"
        if query.newest is not None:
            order = f"ORDER BY seq DESC LIMIT {query.newest}"
        rows = self._read(f"SELECT {COLUMNS} FROM record {condition} {order}", values)
        found = [record_of(row) for row in rows]
        return found if query.newest is None else found[::-1]

    def count(self, query: Query) -> int:
        condition, values = clauses(query)
        rows = self._read(f"SELECT count(*) FROM record {condition}", values)
        return min(rows[0][0], rows[0][0] if query.newest is None else query.newest) if rows else 0

    def _read(self, statement: str, values: Sequence[object]) -> list[Any]:
        """By a connection of its own, so that nobody waits for the worker thread."""
        refuse_what_is_not_ours(Path(self.path))
        if not os.path.exists(self.path) or not os.path.getsize(self.path):
            return []
        try:
            with closing(connect(self.path)) as db:
                return db.execute(statement, values).fetchall()
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

    def _select(self, condition: str, *values: object) -> list[Record]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM record {condition}", values)
        return [record_of(row) for row in rows]

    def _load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        found: dict[int, Record] = {}
        with transaction(self._db, "BEGIN") as db:  # one view of the log
            (newest,) = db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
            live: dict[str, set[int]] = {}
            for task, run in db.execute(LIVE):  # leases first: there are few
                live.setdefault(task, set()).add(run)
            for task, since in lookback.items():
                needed = self._needed(task, since, live.get(task, set()))
                found |= {record.seq: record for record in needed}
        return newest, [found[seq] for seq in sorted(found)]

    def _needed(self, task: str, since: int, live: set[int]) -> list[Record]:
        """What `load` gives of one task: a handful of look-ups, and the window asked for."""
        records = self._select("WHERE task = ? AND at >= ?", task, since)
        seen = {record.seq for record in records}
        heads = [seq for seq in self._db.execute(HEADS, {"task": task}).fetchone() if seq]
        records += self._by_number({*heads, *live} - seen)
        records = self._whole(records)
        return self._whole(records + self._overlapping(task, records, {*heads}))

    def _overlapping(self, task: str, records: list[Record], heads: set[int]) -> list[Record]:
        """The runs begun while one of those was under way that the latest endings ended: the
        latest run of an outcome is among these, or among them, whichever ended first."""
        runs = "WHERE task = ? AND action = 'run' AND seq > ? AND seq < ?"
        known = {record.seq for record in records}
        spans = [(r.run, r.seq) for r in records if r.seq in heads and r.run]
        found = {run.seq: run for span in spans for run in self._select(runs, task, *span)}
        return [run for seq, run in found.items() if seq not in known]

    def _whole(self, records: list[Record]) -> list[Record]:
        """The records, with the runs that they end and the endings of the runs among them."""
        known = {record.seq for record in records}
        records = records + self._by_number({r.run for r in records if r.run} - known)
        ended = {record.run for record in records}
        for run in [r.seq for r in records if r.action is Action.RUN and r.seq not in ended]:
            records += self._select("WHERE run = ?", run)
        return records

    def _by_number(self, numbers: Iterable[object]) -> list[Record]:
        return [record for seq in numbers for record in self._select("WHERE seq = ?", seq)]

    def _follow(self, position: int, now: int) -> list[Record]:
        self._reap(now)
        return self._select("WHERE seq > ? ORDER BY seq", position)

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
            db.executemany(f"INSERT INTO record ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", records)
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
        others = self._others()
        self._crowded = any(not gone for _, gone in others)
        gone = [(id_,) for id_, is_gone in others if is_gone]
        orphaned = "SELECT 1 FROM lease WHERE instance NOT IN (SELECT id FROM instance)"
        if not gone and self._db.execute(orphaned).fetchone() is None:
            return
        with transaction(self._db) as db:
            db.executemany("DELETE FROM instance WHERE id = ?", gone)
            orphans = db.execute(
                "SELECT record.task, lease.run, record.run_id FROM lease JOIN record "
                "ON record.seq = lease.run WHERE instance NOT IN (SELECT id FROM instance)"
            ).fetchall()
            db.executemany(
                "INSERT INTO record (task, action, at, run, run_id) VALUES (?, 'crash', ?, ?, ?)",
                [(task, now, run, label) for task, run, label in orphans],
            )
            db.executemany("DELETE FROM lease WHERE run = ?", [(run,) for _, run, _ in orphans])

    def _others(self) -> list[tuple[str, bool]]:
        """The other instances, and whether each is gone."""
        rows = self._db.execute(
            f"SELECT id, host, pid, expires_at < {UNIX_NOW}, expires_up FROM instance "
            "WHERE id != ?",
            (self._id,),
        ).fetchall()
        return [
            (id_, expires_up < uptime() or not is_alive(pid) if host == here() else bool(expired))
            for id_, host, pid, expired, expires_up in rows
        ]

    # --- on the renewal thread ------------------------------------------------------------

    def _renew(self, id_: str) -> None:
        while not self._left.wait(LEASE_SECONDS / 3):
            try:
                with closing(connect(self.path)) as db, transaction(db):
                    join(db, id_)
            except sqlite3.Error as error:
                scheduler_log.warning("the lease on %r was not renewed: %s", self.path, error)


def clauses(query: Query) -> tuple[str, list[object]]:
    """A query as a WHERE and its values."""
    parts: list[str] = []
    values: list[object] = []
    lists = {
        "task": query.tasks,
        "action": query.actions,
        "run_id": query.run_ids,
        "seq": query.seqs,
    }
    for column, wanted in lists.items():
        if wanted is not None:  # as one value, since a statement takes only so many
            parts.append(f"{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(wanted))
    for sign, instant in ((">=", query.since), ("<", query.until)):
        if instant is not None:
            parts.append(f"at {sign} ?")
            values.append(instant)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values


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


def record_of(row: tuple[object, ...]) -> Record:
    seq, task, action, at, scheduled_at, attempt, run, run_id, error = row
    return Record(
        str(task),
        Action(str(action)),
        at=at,  # type: ignore[arg-type]
        seq=seq,  # type: ignore[arg-type]
        scheduled_at=scheduled_at,  # type: ignore[arg-type]
        attempt=attempt,  # type: ignore[arg-type]
        run=run,  # type: ignore[arg-type]
        run_id=run_id,  # type: ignore[arg-type]
        error=error,  # type: ignore[arg-type]
    )


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
