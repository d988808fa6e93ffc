"""The log on a Redis server: a script for each change, by the server's clock, and notice.

Commands go by one worker thread, so the event loop never waits for the network; a second thread
keeps this instance's lease alive, a third hears what other instances write. Readers have
connections of their own. What a log is made of is in `redislua.py`.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import methodcaller
from typing import Any, TypeVar

from redis.exceptions import NoPermissionError, RedisError

from ...engine.records import Record
from ..clock import stopwatch
from ..errors import StoreError
from .address import refuse_namespace
from .dynamic import Awaited, Dynamic, Planned, Shares, Wanted
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
from .redisnews import AGAIN, Listener
from .redisreading import Reader
from .rediswire import Client, Server, leave, persistent
from .rediswriting import VERSION, Writer
from .skew import Skew
from .worker import HasWorker, Worker

scheduler_log = logging.getLogger("oncue.scheduler")
T = TypeVar("T")


class RedisStore(HasWorker):
    """`address` is `redis://USER:PASSWORD@HOST:PORT/NUMBER`, or `rediss://` for TLS; `options` are
    those of `rediswire.py`, as text. `create=False` forbids to make a namespace that is not there.
    Raises DefinitionError for what cannot be."""

    def __init__(
        self, address: str, *, namespace: str = "", create: bool = True, **options: str
    ) -> None:
        refuse_namespace(namespace)
        self.namespace = namespace
        self.create = create
        self._given = address, options
        self.server = Server(address, options, f"oncue:{namespace}" if namespace else "oncue")
        self.prefix = f"oncue:{{{namespace or '-'}}}:"
        self._heard: Callable[[int], None] | None = None
        self._listener: Listener | None = None
        self._client: Client | None = None
        self._writer: Writer | None = None
        self._left = threading.Event()
        self._renewal: threading.Thread | None = None
        self._said: set[str] = set()  # of the server; once for this store and those made by `again`

    # --- the protocol ---------------------------------------------------------------------

    @property
    def patience(self) -> int:
        listening = self._listener is not None and self._listener.listening
        crowded = self._writer is not None and self._writer.crowded
        return CROWDED_PATIENCE if crowded and not listening else CLOCK_CHECK

    @property
    def skew(self) -> Skew | None:
        return None if self._writer is None else self._writer.skew

    def on_notice(self, heard: Callable[[int], None]) -> None:
        self._heard = heard

    def again(self) -> RedisStore:
        address, options = self._given
        again = RedisStore(address, namespace=self.namespace, create=self.create, **options)
        again._said = self._said
        return again

    async def open(self, now: int) -> None:
        self._worker = Worker("oncue-redis")
        try:
            await self._worker.call(lambda: self._open(now))
        except BaseException:
            self._stop_worker()
            raise

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        return await self._call(lambda writer: writer.load(lookback))

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        answers = await self._call(lambda writer: writer.commit(steps, position))
        if self._listener is not None and answers.between is not None:
            self._listener.seen = answers.newest
        return answers

    async def follow(self, position: int, now: int) -> list[Record]:
        asked = stopwatch()
        records = await self._call(lambda writer: writer.follow(position, now, asked))
        if self._listener is not None and records:
            self._listener.seen = records[-1].seq
        return records

    async def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int] = {}
    ) -> dict[str, Registered]:
        return await self._call(lambda writer: writer.register(conditions, now, again))

    async def decided(self, tasks: Mapping[str, int]) -> None:
        await self._call(lambda writer: writer.decided(tasks))

    async def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        """In short steps, between which others may write."""
        dropped = await self._call(lambda writer: writer.trim_missed(before, most))
        more = True
        while more and dropped < most:
            trim = methodcaller("trim", before, lookback, most - dropped)
            found, more = await self._call(trim)
            dropped += found
        return dropped

    async def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        if tasks:
            await self._call(lambda writer: writer.schedule(tasks, now))

    async def unschedule(self, tasks: Sequence[str]) -> set[str]:
        return await self._call(lambda writer: writer.unschedule(tasks))

    async def take(
        self, shares: Shares, now: int, but: Mapping[str, int] = {}
    ) -> tuple[list[Dynamic], int]:
        return await self._call(lambda writer: writer.take(shares, now, but))

    async def let_go(self, but: Sequence[str]) -> None:
        await self._call(lambda writer: writer.let_go(but))

    async def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        if keys:
            await self._call(lambda writer: writer.rouse(keys, now))

    async def set_back(self, now: int, beyond: int) -> None:
        await self._call(lambda writer: writer.set_back(now, beyond))

    async def close(self) -> None:
        self._left.set()
        if self._worker is not None:
            try:
                await self._worker.call(self._close)
            finally:
                self._stop_worker()

    async def _call(self, function: Callable[[Writer], T]) -> T:
        worker, writer = self._worker, self._writer
        if worker is None or writer is None:
            raise StoreError(f"the store {self.server.where!r} is not open")

        def done() -> T:
            with self.server.speaking():
                return writer.certain(lambda: function(writer))

        return await worker.call(done)

    # --- reading, on any thread -----------------------------------------------------------

    def is_there(self) -> bool:
        with self._reading() as reader:
            return reader.version() > 0

    @contextmanager
    def watch(self, heard: Callable[[], None]) -> Iterator[None]:
        if not self.is_there():
            raise StoreError(f"there is no namespace {self.namespace!r} at {self.server.where!r}")

        client = self.server.connect()
        listener = Listener(client, f"{self.prefix}news", "", lambda newest: heard())
        listener.start()
        try:
            yield
        finally:
            listener.leave()
            listener.join()
            leave(client)

    def read(self, query: Query) -> list[Record]:
        with self._reading() as reader:
            return reader.query(query)

    def count(self, query: Query) -> int:
        with self._reading() as reader:
            return reader.count(query)

    def missed(self, tasks: Sequence[str] | None = None, newest: int | None = None) -> list[Missed]:
        with self._reading() as reader:
            return reader.missed(tasks, newest)

    def registered(self, conditions: Mapping[str, str] | None = None) -> dict[str, Registered]:
        with self._reading() as reader:
            return reader.registered(conditions)

    def instances(self) -> list[Instance]:
        with self._reading() as reader:
            return reader.instances("" if self._writer is None else self._writer.id)

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        with self._reading() as reader:
            return reader.rows.find(wanted)

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        with self._reading() as reader:
            newest, records = reader.load(lookback)
            crashed = reader.crashes(now, newest)
            return newest, records + [r for r in crashed if r.task in lookback]

    @contextmanager
    def _reading(self) -> Iterator[Reader]:
        """By a connection of one's own, so that nobody waits for the worker thread."""
        own = self._client
        client = self.server.connect() if own is None else own
        try:
            with self.server.speaking():
                reader = Reader(client, self.prefix)
                self._refuse_newer(reader.version())
                yield reader
        finally:
            if own is None:
                leave(client)

    # --- on the worker thread -------------------------------------------------------------

    def _open(self, now: int) -> None:
        asked = stopwatch()
        client = self.server.connect()
        writer = Writer(self.server, client, self.prefix, (platform.node(), os.getpid(), now))
        try:
            with self.server.speaking():
                self._look_at_server(client)
                self._listen(client, writer.id)  # before it joins, so that it misses nothing
                version = writer.join(self.create, now, asked)
            if not version:
                raise StoreError(
                    f"{self.server.where!r} has no namespace {self.namespace!r}, and create=False "
                    "forbids to make one; leave it out once"
                )
            self._refuse_newer(version)
        except BaseException:
            self._stop_listening()
            leave(client)
            raise
        self._client, self._writer, self._left = client, writer, threading.Event()
        self._renewal = threading.Thread(
            target=self._renew, args=(writer, self._left), name="oncue-lease", daemon=True
        )
        self._renewal.start()

    def _look_at_server(self, client: Client) -> None:
        """Refuse one that is too old; say which of its settings may lose what was written."""
        try:
            info: dict[str, Any] = persistent(client.info)
        except NoPermissionError:
            return  # it cannot be known
        self.server.refuse_old(str(info.get("redis_version", "")))
        risks = []
        if not info.get("aof_enabled", True):
            risks.append("with appendonly no, a crash of the server loses the latest records")
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            risks.append(f"with maxmemory-policy {policy}, full memory loses any key")
        said = "; ".join(risks)
        if risks and said not in self._said:
            self._said.add(said)
            scheduler_log.warning("the store %r: %s", self.server.where, said)

    def _refuse_newer(self, version: int) -> None:
        if version > VERSION:
            raise StoreError(
                f"the store {self.server.where!r} was made by a newer oncue (its version is "
                f"{version}, this one knows {VERSION}); use that one"
            )

    def _close(self) -> None:
        renewal, self._renewal = self._renewal, None
        if renewal is not None:
            renewal.join()
        listener, client, writer = self._listener, self._client, self._writer
        self._listener = self._client = self._writer = None
        if client is None or writer is None:
            return
        if listener is not None:
            listener.leave()
        with suppress(RedisError):  # its lease will run out
            writer.leave()  # which the listener hears too
        if listener is not None:
            listener.join()
        leave(client)

    # --- on other threads -----------------------------------------------------------------

    def _listen(self, client: Client, own: str) -> None:
        if self._heard is not None:
            self._listener = Listener(client, f"{self.prefix}news", own, self._heard)
            self._listener.start()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.leave()
            listener.join()

    def _renew(self, writer: Writer, left: threading.Event) -> None:
        failing = False
        while not left.wait(AGAIN if failing else LEASE / 3_000_000):
            try:
                with self.server.speaking():
                    writer.renew()
                failing = False
            except StoreError as error:
                if not failing:
                    scheduler_log.warning("the lease was not renewed: %s", error)
                failing = True
