"""The log in one SQLite file: WAL, synchronous=FULL, a thread of its own.

Every statement runs on one worker thread, so the event loop never waits for the disk. A second
thread keeps this instance's lease alive by a connection of its own, so a task that blocks
everything else keeps it too. An instance is gone when it left, when its lease ran out (on this
host by a clock that is never set, elsewhere by the wall clock), or at once when its process on
this host is gone; who could not renew its own lease takes nobody for gone by theirs (`Renewals`).
The lease of a run that has one of its own is timed by the same clocks.

The schema version is `user_version`, ours is told from other programs' by `application_id`; both
are read before anything is written (`files.py`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from ...engine.records import Record
from ..errors import DefinitionError, StoreError
from .address import refuse_namespace
from .dynamic import Awaited, Dynamic, Planned, Shares, Wanted
from .files import (
    APPLICATION_ID,
    VERSION,
    identity_of,
    is_damage,
    refuse_unless,
    refuse_what_is_not_ours,
    why,
)
from .protocol import (
    CLOCK_CHECK,
    CROWDED_PATIENCE,
    LEASE,
    Answer,
    Instance,
    Missed,
    Query,
    Registered,
    Step,
)
from .reading import Reader
from .renewals import Renewals
from .schema import Tables, create, migrate, namespaces, see_through
from .sqliterows import RowWriter, rows_of
from .watching import looking
from .worker import HasWorker, Worker, little_by_little
from .writing import Writer, crashes, is_gone, join, others_than, transaction

BUSY_SECONDS = 10.0
SYNCHRONOUS = ("full", "normal")
CHECKPOINT_PAGES = 4000  # the write-ahead log grows to 16 MB: a page that changes often moves once

scheduler_log = logging.getLogger("oncue.scheduler")
T = TypeVar("T")


class SqliteStore(HasWorker):
    """`create=False` forbids to make what is not there: the file, or the tables of a namespace.
    `synchronous` is `full`, or `normal`, by which a loss of power may cost the latest commits.
    Raises DefinitionError for a namespace that cannot be, and for another word."""

    def __init__(
        self, path: str, *, namespace: str = "", create: bool = True, synchronous: str = "full"
    ) -> None:
        refuse_namespace(namespace)
        if synchronous not in SYNCHRONOUS:
            raise DefinitionError(f"synchronous={synchronous!r}: it is {' or '.join(SYNCHRONOUS)}")
        self.path = os.path.abspath(path)
        self.namespace = namespace
        self.create = create
        self._synchronous = synchronous
        self._tables = Tables(namespace)
        self._id = ""
        self._crowded = False
        self._connection: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._left = threading.Event()
        self._renewals = Renewals()
        self._damage: sqlite3.Error | None = None  # of the file, as of the latest renewal
        self._said = False  # that the lease is not renewed; once, until it is

    # --- the protocol ---------------------------------------------------------------------

    @property
    def patience(self) -> int:
        return CROWDED_PATIENCE if self._crowded else CLOCK_CHECK

    @property
    def skew(self) -> None:
        return None

    def on_notice(self, heard: Callable[[int], None]) -> None:
        """It gives none."""

    def again(self) -> SqliteStore:
        return SqliteStore(
            self.path,
            namespace=self.namespace,
            create=self.create,
            synchronous=self._synchronous,
        )

    async def open(self, now: int) -> None:
        self._worker = Worker("oncue-sqlite")
        try:
            await self._call(lambda: self._open(now))
        except BaseException:
            self._stop_worker()
            raise
        self._left = threading.Event()
        renewal = (self._id, now, self._renewals, self._left)
        threading.Thread(target=self._renew, args=renewal, name="oncue-lease", daemon=True).start()

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        def load() -> tuple[int, list[Record]]:
            with transaction(self._db, "BEGIN") as db:
                return Reader(db, self._tables).load(lookback)

        return await self._call(load)

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        return await self._call(lambda: self._write.commit(steps))

    async def follow(self, position: int, now: int) -> list[Record]:
        return await self._call(lambda: self._follow(position, now))

    async def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int] = {}
    ) -> dict[str, Registered]:
        return await self._call(lambda: self._write.register(conditions, now, again))

    async def decided(self, tasks: Mapping[str, int]) -> None:
        await self._call(lambda: self._write.decided(tasks))

    async def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        """In short transactions, between which others may write."""
        return await little_by_little(
            lambda left: self._call(partial(self._trim, before, lookback, left)), most
        )

    def schedule(self, tasks: Sequence[Planned], now: int) -> asyncio.Future[None]:
        return self._call(lambda: self._write.schedule(tasks, now))

    def unschedule(self, tasks: Sequence[str]) -> asyncio.Future[set[str]]:
        return self._call(lambda: self._write.unschedule(tasks))

    async def take(
        self, shares: Shares, now: int, but: Mapping[str, int] = {}
    ) -> tuple[list[Dynamic], int]:
        return await self._call(lambda: self._write.take(shares, now, but))

    async def let_go(self, but: Sequence[str]) -> None:
        await self._call(lambda: self._write.let_go(but))

    async def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        await self._call(lambda: self._write.rouse(keys, now))

    async def set_back(self, now: int, beyond: int) -> None:
        await self._call(lambda: self._write.set_back(now, beyond))

    async def close(self) -> None:
        self._left.set()
        if self._worker is not None:
            await self._call(self._close)
            self._stop_worker()

    def _call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        if self._worker is None:
            raise self._closed
        return self._worker.call(lambda: self._answer(function))

    def _answer(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except sqlite3.Error as error:
            raise self._silent(error) from error

    @property
    def _closed(self) -> StoreError:
        return StoreError(f"the store {self.path!r} is not open")

    def _silent(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"the store {self.path!r} does not answer: {why(error)}")

    # --- reading, on any thread -----------------------------------------------------------

    def is_there(self) -> bool:
        return self._ask(lambda _: True, False)

    @contextmanager
    def watch(self, heard: Callable[[], None]) -> Iterator[None]:
        if not self.is_there():
            raise StoreError(f"there is no store at {self.path!r}")
        with closing(connect_to_read(self.path)) as db:

            def state() -> tuple[int, ...]:
                """Another after each commit of anybody, and for another file."""
                file = os.stat(self.path)
                ((version,),) = db.execute("PRAGMA data_version")
                return version, file.st_dev, file.st_ino

            with looking(state, heard):
                yield

    def read(self, query: Query) -> list[Record]:
        return self._ask(lambda reader: reader.query(query), [])

    def count(self, query: Query) -> int:
        return self._ask(lambda reader: reader.count(query), 0)

    def missed(self, tasks: Sequence[str] | None = None, newest: int | None = None) -> list[Missed]:
        return self._ask(lambda reader: reader.missed(tasks, newest), [])

    def registered(self, conditions: Mapping[str, str] | None = None) -> dict[str, Registered]:
        return self._ask(lambda reader: reader.registered(conditions), {})

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        return self._ask(lambda reader: rows_of(reader.db, self._tables, wanted), [])

    def instances(self) -> list[Instance]:
        def members(reader: Reader) -> list[Instance]:
            columns = "id, host, pid, since, expires_at, expires_up"
            rows = reader.db.execute(
                f"SELECT {columns} FROM {self._tables.instance} ORDER BY since, id"
            )
            return [
                Instance(
                    id_,
                    host.split()[0],
                    pid,
                    since,
                    not is_gone(host, pid, *expires),
                    id_ == self._id,
                )
                for id_, host, pid, since, *expires in rows
            ]

        return self._ask(members, [])

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        def look(reader: Reader) -> tuple[int, list[Record]]:
            with transaction(reader.db, "BEGIN") as db:
                newest, records = reader.load(lookback)
                gone = [id_ for id_, is_gone in others_than(db, self._tables, "") if is_gone]
                crashed = crashes(db, self._tables, gone, now, newest)
                return newest, records + [r for r in crashed if r.task in lookback]

        nothing: tuple[int, list[Record]] = 0, []
        return self._ask(look, nothing)

    def _ask(self, question: Callable[[Reader], T], nothing: T) -> T:
        """By a connection of its own, so that nobody waits for the worker thread."""
        refuse_what_is_not_ours(Path(self.path))
        if not os.path.exists(self.path) or not os.path.getsize(self.path):
            return nothing
        try:
            with closing(connect_to_read(self.path)) as db:
                if self.namespace not in namespaces(db):
                    return nothing
                see_through(db, self._tables)
                return question(Reader(db, self._tables))
        except sqlite3.Error as error:
            raise self._silent(error) from error

    # --- on the worker thread -------------------------------------------------------------

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise self._closed
        return self._connection

    @property
    def _write(self) -> Writer:
        """Raises StoreError while the file is another one, or damaged, though this connection goes
        on for a while by what it has read: what it writes may be lost, and others do not see it."""
        if self._writer is None:
            raise self._closed
        self._refuse_another_file()
        if self._damage is not None:
            raise self._silent(self._damage)
        return self._writer

    def _open(self, now: int) -> None:
        refuse_what_is_not_ours(Path(self.path))
        if not self.create and not (os.path.exists(self.path) and os.path.getsize(self.path)):
            raise self._absent(f"there is no store at {self.path!r}")
        self._id = uuid4().hex
        db = connect(self.path, "mode=rwc" if self.create else "mode=rw")
        try:
            with transaction(db):
                self._prepare(db)
            self._switch_to_wal(db)
            db.execute(f"PRAGMA synchronous = {self._synchronous}")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            with transaction(db):
                join(db, self._tables, self._id, now)
            self._renewals, self._damage, self._said = Renewals(), None, False
        except BaseException:
            db.close()
            raise
        self._connection = db
        self._writer = Writer(db, self._tables, self._id, now, self._renewals)
        self._file = os.stat(self.path)
        self._reap(now)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """The tables, once and of this version; of two that come at the same time one finds them
        made. Raises StoreError, with nothing written, for a file that turns out not to be ours, and
        for one that an older oncue has open."""
        application, version, tables = identity_of(db)
        refuse_unless(application, version, tables, path=self.path)
        if application == APPLICATION_ID and version < VERSION:
            migrate(db, version)
            self._refuse_while_open(db)
        if self.namespace not in namespaces(db):
            if not self.create:
                raise self._absent(f"{self.path!r} has no namespace {self.namespace!r}")
            create(db, self._tables)

    def _refuse_while_open(self, db: sqlite3.Connection) -> None:
        """An older oncue would go on writing as it knows, and be taken for gone."""
        for namespace in namespaces(db):
            living = [id_ for id_, gone in others_than(db, Tables(namespace), "") if not gone]
            if living:
                pids = f"SELECT pid FROM {Tables(namespace).instance} WHERE id = ?"
                (pid,) = db.execute(pids, living[:1]).fetchone()
                raise StoreError(
                    f"{self.path!r} is open by an older oncue, process {pid}; end that first"
                )

    def _absent(self, what: str) -> StoreError:
        return StoreError(f"{what}, and create=False forbids to make one; leave it out once")

    def _switch_to_wal(self, db: sqlite3.Connection) -> None:
        """Once for a file; the switch does not wait by itself for others that open it too."""
        for attempt in range(100, -1, -1):
            try:
                db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError:
                if not attempt:
                    raise
                threading.Event().wait(BUSY_SECONDS / 100)

    def _close(self) -> None:
        db, self._connection, self._writer = self._connection, None, None
        if db is None:
            return
        try:
            with transaction(db):
                RowWriter(db, self._tables, self._id).release_all([self._id])
                db.execute(f"DELETE FROM {self._tables.instance} WHERE id = ?", (self._id,))
        except sqlite3.Error:
            pass  # its lease will run out
        finally:
            db.close()

    def _follow(self, position: int, now: int) -> list[Record]:
        self._reap(now)
        return Reader(self._db, self._tables).select("WHERE seq > ? ORDER BY seq", position)

    def _trim(self, before: int, lookback: Mapping[str, int], most: int) -> tuple[int, bool]:
        return self._write.trim(before, lookback, most)

    def _refuse_another_file(self) -> None:
        """What is written to a file that was removed or replaced would be lost."""
        try:
            same = os.path.samestat(os.stat(self.path), self._file)
        except OSError:
            same = False
        if not same:
            raise StoreError(f"the store {self.path!r} was removed or replaced while in use")

    def _reap(self, now: int) -> None:
        self._crowded = bool(self._write.reap(now))

    # --- on the renewal thread ------------------------------------------------------------

    def _renew(self, id_: str, since: int, renewals: Renewals, left: threading.Event) -> None:
        while not left.wait(LEASE / 3_000_000):
            self._renew_once(id_, since, renewals, left)

    def _renew_once(self, id_: str, since: int, renewals: Renewals, left: threading.Event) -> None:
        try:
            self._refuse_another_file()  # of which we are no instance
            with closing(connect(self.path)) as db:
                with transaction(db):
                    if left.is_set():
                        return
                    at = join(db, self._tables, id_, since)
                renewals.renewed(at)  # what is not committed is not
                self._damage, self._said = None, False
        except (sqlite3.Error, StoreError) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error):
                self._damage = error
            if not self._said:
                scheduler_log.warning("the lease on %r was not renewed: %s", self.path, error)
            self._said = True


def connect(path: str, how: str = "mode=rw") -> sqlite3.Connection:
    return sqlite3.connect(
        f"{Path(path).as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def connect_to_read(path: str) -> sqlite3.Connection:
    """Where nobody has the file open and its folder is read-only, SQLite cannot make what readers
    share; then it is read as it is."""
    alone = not os.path.exists(f"{path}-wal") and not os.access(os.path.dirname(path), os.W_OK)
    return connect(path, "immutable=1" if alone else "mode=rw")
