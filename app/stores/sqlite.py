"""The log in one SQLite file: WAL, synchronous=FULL, a thread of its own.

Every statement runs on one worker thread, so the event loop never waits for the disk. A second
thread keeps this instance's lease alive by a connection of its own, so a task that blocks
everything else keeps it too. An instance is gone when it left, when its lease ran out, or at
once when its process on this host is gone.

The schema version is `user_version`, ours is told from other programs' by `application_id`.
Both stand in the file's first hundred bytes, which are read before SQLite touches the file.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from ...engine.records import Action, Key, Record
from ..errors import StoreError
from .protocol import Answer, Claim, Step, judge

APPLICATION_ID = 0x6F6E6375  # "oncu"
VERSION = 1
LEASE_SECONDS = 15
BUSY_SECONDS = 10.0

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE record (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, action TEXT NOT NULL, at INTEGER NOT NULL,
    scheduled_at INTEGER, attempt INTEGER, run INTEGER, run_id TEXT, error TEXT
);
CREATE INDEX record_by_key ON record (task, action, seq);
CREATE INDEX record_by_run ON record (run) WHERE run IS NOT NULL;
CREATE INDEX record_by_time ON record (task, at);
CREATE TABLE lease (run INTEGER PRIMARY KEY REFERENCES record, instance TEXT NOT NULL);
CREATE TABLE instance (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, expires_at INTEGER NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
COLUMNS = "seq, task, action, at, scheduled_at, attempt, run, run_id, error"
UNIX_NOW = "CAST(strftime('%s', 'now') AS INTEGER)"
HEADS = "SELECT " + ", ".join(
    f"(SELECT max(seq) FROM record WHERE task = :task AND action = '{action}')" for action in Action
)
LATEST_COUNTING_RUN = """
SELECT seq FROM record WHERE task = :task AND action = 'run' AND seq NOT IN
    (SELECT run FROM record WHERE task = :task AND action = 'crash' AND run IS NOT NULL)
ORDER BY seq DESC LIMIT 1
"""
LIVE = "SELECT lease.run FROM lease JOIN record ON record.seq = lease.run WHERE task = ?"

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore:
    def __init__(self, path: str) -> None:
        self.path = path
        self._id = uuid4().hex
        self._worker: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._left = threading.Event()

    # --- the protocol ---------------------------------------------------------------------

    async def open(self, now: int) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="oncue-sqlite")
        try:
            await self._call(self._open, now)
        except BaseException:
            self._worker.shutdown()
            raise
        self._left.clear()
        threading.Thread(target=self._renew, name="oncue-lease", daemon=True).start()

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        return await self._call(self._load, lookback)

    async def commit(self, steps: Sequence[Step]) -> list[Answer]:
        return await self._call(self._commit, steps)

    async def follow(self, position: int, now: int) -> list[Record]:
        return await self._call(self._follow, position, now)

    async def log_of(self, task: str) -> list[Record]:
        return await self._call(self._select, "WHERE task = ? ORDER BY seq", task)

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
        db = connect(self.path)
        try:
            create(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            join(db, self._id)
        except BaseException:
            db.close()
            raise
        self._connection = db
        self._reap(now)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.execute("DELETE FROM instance WHERE id = ?", (self._id,))
            self._connection.close()
            self._connection = None

    def _select(self, condition: str, *values: object) -> list[Record]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM record {condition}", values)
        return [record_of(row) for row in rows]

    def _load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        found: dict[int, Record] = {}
        for task, since in lookback.items():
            found |= {record.seq: record for record in self._needed(task, since)}
        (newest,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
        return newest, [found[seq] for seq in sorted(found)]

    def _needed(self, task: str, since: int) -> list[Record]:
        """What `load` gives of one task: a handful of look-ups, and the window asked for."""
        records = self._select("WHERE task = ? AND at >= ?", task, since)
        seen = {record.seq for record in records}
        heads = [seq for seq in self._db.execute(HEADS, {"task": task}).fetchone() if seq]
        live = [run for (run,) in self._db.execute(LIVE, (task,))] if heads else []
        records += self._by_number({*heads, *live} - seen)
        crashed = {record.run for record in records if record.action is Action.CRASH}
        if not {r.seq for r in records if r.action is Action.RUN} - crashed:
            records += self._by_number(
                {seq for (seq,) in self._db.execute(LATEST_COUNTING_RUN, {"task": task})}
            )
        records += self._by_number({r.run for r in records if r.run} - {r.seq for r in records})
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
        with transaction(self._db) as db:
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

    def _reap(self, now: int) -> None:
        """Write `crash` for the live runs of instances that are gone."""
        gone = [id_ for id_ in self._gone() if id_ != self._id]
        orphaned = "SELECT 1 FROM lease WHERE instance NOT IN (SELECT id FROM instance)"
        if not gone and self._db.execute(orphaned).fetchone() is None:
            return
        with transaction(self._db) as db:
            db.executemany("DELETE FROM instance WHERE id = ?", [(id_,) for id_ in gone])
            orphans = db.execute(
                "SELECT record.task, lease.run, record.run_id FROM lease JOIN record "
                "ON record.seq = lease.run WHERE instance NOT IN (SELECT id FROM instance)"
            ).fetchall()
            db.executemany(
                "INSERT INTO record (task, action, at, run, run_id) VALUES (?, 'crash', ?, ?, ?)",
                [(task, now, run, label) for task, run, label in orphans],
            )
            db.executemany("DELETE FROM lease WHERE run = ?", [(run,) for _, run, _ in orphans])

    def _gone(self) -> Iterable[str]:
        rows = self._db.execute(
            f"SELECT id, host, pid, expires_at < {UNIX_NOW} FROM instance"
        ).fetchall()
        for id_, host, pid, expired in rows:
            if expired or (host == here() and not is_alive(pid)):
                yield id_

    # --- on the renewal thread ------------------------------------------------------------

    def _renew(self) -> None:
        while not self._left.wait(LEASE_SECONDS / 3):
            try:
                with closing(connect(self.path)) as db, transaction(db):
                    join(db, self._id)
            except sqlite3.Error:
                continue  # the worker meets the same trouble, and tells


def connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


class transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK on any exception."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
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
    keys = {(r.task, str(r.action)) for r in claim.reads if isinstance(r, Key)}
    own = "SELECT 1 FROM record WHERE seq > ? AND task = ?"
    if db.execute(own, (claim.position, claim.record.task)).fetchone():
        return True
    read = "SELECT 1 FROM record WHERE task = ? AND action = ? AND seq > ?"
    return any(db.execute(read, (*key, claim.position)).fetchone() for key in keys)


# --- files and processes -------------------------------------------------------------------


def refuse_what_is_not_ours(path: Path) -> None:
    """Raise StoreError, the file untouched, unless it is ours, empty or not there yet."""
    if not path.parent.is_dir():
        raise StoreError(f"cannot open {str(path)!r}: there is no folder {str(path.parent)!r}")
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot open {str(path)!r}: {error.strerror}") from error
    if not header:
        return
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StoreError(f"{str(path)!r} is not an SQLite database; choose another path")
    version, application = struct.unpack(">I4xI", header[60:72])
    if application != APPLICATION_ID and (application or has_tables(path)):
        raise StoreError(f"{str(path)!r} is a database of another program; choose another path")
    if application == APPLICATION_ID and version > VERSION:
        raise StoreError(
            f"{str(path)!r} has schema version {version}, this oncue knows up to {VERSION}; "
            "upgrade oncue"
        )


def has_tables(path: Path) -> bool:
    """Asked without touching the file: no lock, no journal."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as db:
            return db.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
    except sqlite3.Error:
        return True


def create(db: sqlite3.Connection) -> None:
    """The schema, once; of two that come at the same time one finds it done."""
    if version_of(db):
        return
    try:
        db.executescript(SCHEMA)
    except sqlite3.OperationalError:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if not version_of(db):
            raise


def version_of(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def join(db: sqlite3.Connection, instance: str) -> None:
    db.execute(
        f"INSERT INTO instance VALUES (?, ?, ?, {UNIX_NOW} + {LEASE_SECONDS}) "
        "ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at",
        (instance, here(), os.getpid()),
    )


def here() -> str:
    """This host; on Linux with the namespace its process numbers belong to."""
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # asking would signal it; its lease will tell
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
