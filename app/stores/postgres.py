"""The log in a PostgreSQL database: one statement to a commit, notice by LISTEN/NOTIFY.

Every statement of an instance's own runs on one worker thread, by one connection; a second thread
with a connection of its own hears of what others write and keeps the instance's lease alive
(`postgres_listening.py`). Who only reads makes a connection for that.

A connection that is lost fails the call that finds it so. A commit that fails may be in the log:
the next connection takes the instance over from that one, writes `crash` for runs that were claimed
without anybody knowing, and finds out which endings are written. A server that was
promoted may lack the latest commits of the one before; then they never were, as far as anybody can
tell, and what they claimed may start once more.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar
from uuid import uuid4

import psycopg

from ...engine.records import Record
from ..clock import stopwatch, uptime
from ..errors import StoreError
from .address import masked, refuse_namespace
from .dynamic import Awaited, Dynamic, Planned, Shares, Wanted
from .postgres_link import Connection, connect, cut, options_of, why
from .postgres_listening import Listener
from .postgres_reading import Reader
from .postgres_rows import LEAVE, RowWriter
from .postgres_schema import (
    ALWAYS,
    COMMIT,
    CRASH,
    DECIDED,
    DROP,
    ENDINGS,
    FOLLOW,
    FORGET,
    JOIN,
    LOCK,
    READ_ON,
    REGISTER,
    SEEN,
    THERE,
    UNKNOWN,
    Texts,
    prepare,
)
from .postgres_steps import answer_of, as_json, records_of
from .protocol import (
    CLOCK_CHECK,
    LEASE,
    NOWHERE,
    Answer,
    Answers,
    Claim,
    Finish,
    Instance,
    LogLost,
    Missed,
    Query,
    Registered,
    Step,
)
from .reading import record_of
from .renewals import Renewals
from .skew import Skew
from .sweep import SWEPT, Sweep
from .worker import HasWorker, Worker, little_by_little

SECOND = 1_000_000
RENEW = 5.0  # seconds
READERS = 4  # connections for those who only read, at the same time
ANSWER_SECONDS = 40.0  # the server's own limits come first
SOON = SECOND // 20

T = TypeVar("T")


class PostgresStore(HasWorker):
    """`url` is as libpq takes it. `create=False` forbids to make the tables of a namespace. Raises
    DefinitionError for a namespace or an address that cannot be."""

    def __init__(self, url: str, *, namespace: str = "", create: bool = True) -> None:
        refuse_namespace(namespace)
        self.shown = masked(url)
        self._url = url
        self.namespace = namespace
        self.create = create
        self._options = options_of(url, self.shown)
        self._text = Texts(namespace)
        self._id = ""
        self._since = 0
        self._link: Connection | None = None
        self._number = 0  # of the connection
        self._listener: Listener | None = None
        self._readers = threading.BoundedSemaphore(READERS)
        self._heard: Callable[[int], None] = lambda newest: None
        self._seen = 0  # all up to this number was read or written
        self._pause = CLOCK_CHECK
        self._skew: Skew | None = None
        self._conditions: dict[str, str] = {}  # as this instance has registered them
        self._held: set[int] = set()  # our live runs, as far as was answered
        self._doubtful: dict[int, Record] = {}  # endings of a commit without an answer, by run
        self._written: dict[int, int] = {}  # numbers of such that turned out to be in the log
        self._sweep = Sweep()
        self._rows = RowWriter(self._text, "")
        self._renewals = Renewals(at_once=True)

    # --- the protocol ---------------------------------------------------------------------

    @property
    def patience(self) -> int:
        return self._pause

    @property
    def skew(self) -> Skew | None:
        return self._skew

    def on_notice(self, heard: Callable[[int], None]) -> None:
        self._heard = heard

    def again(self) -> PostgresStore:
        return PostgresStore(self._url, namespace=self.namespace, create=self.create)

    async def open(self, now: int) -> None:
        self._worker = Worker("oncue-postgres")
        try:
            await self._call(lambda: self._open(now))
        except BaseException:
            self._stop_worker()
            raise

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        return await self._ask_own(lambda link: Reader(link, self._text).load(lookback))

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        if not steps:
            return []
        answers = await self._ask_own(lambda link: self._commit(link, steps, position))
        if answers.between is not None:
            self._seen = max(self._seen, answers.newest)
        return answers

    async def follow(self, position: int, now: int) -> list[Record]:
        began = stopwatch()
        newest, clock, ends_at, records = await self._ask_own(
            lambda link: self._follow(link, position, now)
        )
        self._learn(clock, now, began, ends_at)
        self._seen = newest
        return records

    async def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int] = {}
    ) -> dict[str, Registered]:
        def register(link: Connection) -> dict[str, Registered]:
            said = {"tasks": json.dumps(conditions), "again": json.dumps(again), "now": now}
            link.execute(self._text(REGISTER), said)
            self._conditions |= conditions
            known = Reader(link, self._text).registered()
            return {task: known[task] for task in conditions}

        return await self._ask_own(register)

    async def decided(self, tasks: Mapping[str, int]) -> None:
        conditions = self._conditions
        said = {
            "tasks": json.dumps(
                [
                    {"name": task, "decided": at, "condition": conditions.get(task)}
                    for task, at in tasks.items()
                ]
            )
        }
        await self._ask_own(lambda link: link.execute(self._text(DECIDED), said))

    async def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        """In short transactions."""
        return await little_by_little(
            lambda left: self._ask_own(
                partial(self._trim, before=before, lookback=lookback, most=left)
            ),
            most,
        )

    async def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        if tasks:
            await self._ask_own(lambda link: self._rows.schedule(link, tasks, now))

    async def unschedule(self, tasks: Sequence[str]) -> set[str]:
        return await self._ask_own(lambda link: self._rows.unschedule(link, tasks))

    async def take(
        self, shares: Shares, now: int, but: Mapping[str, int] = {}
    ) -> tuple[list[Dynamic], int]:
        return await self._ask_own(lambda link: self._take(link, shares, now, but))

    async def let_go(self, but: Sequence[str]) -> None:
        await self._ask_own(lambda link: self._rows.let_go(link, but))

    async def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        if keys:
            await self._ask_own(lambda link: self._rows.rouse(link, keys, now))

    async def set_back(self, now: int, beyond: int) -> None:
        await self._ask_own(lambda link: self._rows.set_back(link, now, beyond))

    async def close(self) -> None:
        if self._worker is not None:
            await self._call(self._close)
            self._stop_worker()

    async def _ask_own(self, question: Callable[[Connection], T]) -> T:
        return await self._call(lambda: self._answered(question))

    async def _call(self, function: Callable[[], T]) -> T:
        """On the worker thread. A server that is silent is given up."""
        if self._worker is None:
            raise StoreError(f"the store {self.shown!r} is not open")
        limit = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._give_up)
        try:
            return await self._worker.call(function)
        finally:
            limit.cancel()

    def _give_up(self) -> None:
        link = self._link
        if link is not None:
            cut(link)

    # --- reading, on any thread -----------------------------------------------------------

    def is_there(self) -> bool:
        return self._ask(lambda _: True, False)

    @contextmanager
    def watch(self, heard: Callable[[], None]) -> Iterator[None]:
        if not self.is_there():
            raise StoreError(f"there is no store at {self.shown!r}")
        connected = partial(connect, self._options)
        try:
            listener = Listener(connected, self._listen, answers, RENEW, lambda _: heard())
        except psycopg.Error as error:
            raise StoreError(self._silent(error)) from error
        try:
            yield
        finally:
            listener.stop()

    def read(self, query: Query) -> list[Record]:
        return self._ask(lambda reader: reader.query(query), [])

    def count(self, query: Query) -> int:
        return self._ask(lambda reader: reader.count(query), 0)

    def missed(self, tasks: Sequence[str] | None = None, newest: int | None = None) -> list[Missed]:
        return self._ask(lambda reader: reader.missed(tasks, newest), [])

    def registered(self, conditions: Mapping[str, str] | None = None) -> dict[str, Registered]:
        return self._ask(lambda reader: reader.registered(conditions), {})

    def instances(self) -> list[Instance]:
        return self._ask(lambda reader: reader.instances(self._id), [])

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        nothing: tuple[int, list[Record]] = 0, []
        return self._ask(lambda reader: reader.peek(lookback, now), nothing)

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        return self._ask(lambda reader: reader.dynamic(wanted), [])

    def _ask(self, question: Callable[[Reader], T], nothing: T) -> T:
        """By a connection of its own, so that nobody waits for the worker thread."""
        try:
            with self._readers, connect(self._options) as link:
                reader = Reader(link, self._text)
                return question(reader) if reader.is_there(self.shown) else nothing
        except psycopg.Error as error:
            raise StoreError(self._silent(error)) from error

    def _silent(self, error: Exception) -> str:
        return f"the store {self.shown!r} does not answer: {why(error)}"

    # --- on the worker thread -------------------------------------------------------------

    def _answered(self, question: Callable[[Connection], T]) -> T:
        try:
            return question(self._link or self._take_over())
        except psycopg.Error as error:
            if self._link is not None and not self._link.closed:
                raise StoreError(self._silent(error)) from error
            self._drop_link()
            raise LogLost(self._silent(error)) from error

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _open(self, now: int) -> None:
        began = stopwatch()
        self._id, self._since, self._number = uuid4().hex, now, 1
        self._conditions, self._held, self._doubtful, self._written = {}, set(), {}, {}
        self._skew = None
        self._rows = RowWriter(self._text, self._id)
        self._renewals = Renewals(at_once=True)
        try:
            link = self._link = connect(self._options)
            prepare(link, self._text, self.create, self.shown)
            self._join(link)
            self._listener = Listener(
                partial(connect, self._options), self._listen, self._join, RENEW, self._hear
            )
            self._seen, clock, ends_at, _ = self._follow(link, NOWHERE, now)
        except BaseException as error:
            self._stop_listening()
            self._drop_link()
            if isinstance(error, psycopg.Error | StoreError):
                raise StoreError(f"cannot open {self.shown!r}: {why(error)}") from error
            raise
        self._learn(clock, now, began, ends_at)

    def _take_over(self) -> Connection:
        """Another connection in the place of one that was lost. What that has asked for and was
        never answered is done or never will be: what of it was done is found out."""
        link = self._link = connect(self._options)
        self._number += 1
        try:
            with link.transaction():
                link.execute(self._text(LOCK))
                self._join(link)
                held = list(self._held)
                unknown = link.execute(self._text(UNKNOWN), (self._id, held)).fetchall()
                if unknown:
                    link.execute(self._text(CRASH), (self._id, [run for (run,) in unknown]))
                endings = link.execute(self._text(ENDINGS), (list(self._doubtful),)).fetchall()
        except BaseException:
            self._drop_link()
            raise
        for run, seq, action, at in endings:
            if (action, at) == (self._doubtful[run].action, self._doubtful[run].at):
                self._written[run] = seq
        self._doubtful = {}
        return link

    def _join(self, link: Connection) -> None:
        at = uptime()
        me = (self._id, platform.node(), os.getpid(), self._since, LEASE, self._number)
        link.execute(self._text(JOIN), me)
        self._renewals.renewed(at)

    def _close(self) -> None:
        self._stop_listening()
        try:
            if self._link is not None:
                self._link.execute(self._text(LEAVE), (self._id,))
        except psycopg.Error:
            pass  # its lease will run out
        finally:
            self._drop_link()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _follow(
        self, link: Connection, position: int, now: int
    ) -> tuple[int, int, int | None, list[Record]]:
        """The newest number, the server's clock, when the next lease ends, and the records."""
        reaps = self._renewals.are_regular
        asked = (self._id, position, now) if reaps else (position,)
        text = self._text(FOLLOW if reaps else READ_ON)
        found = link.execute(text, asked, prepare=True, binary=True)
        first, *rows = found.fetchall()
        newest, clock, ends_at = first[:3]
        return newest, clock, ends_at, [record_of(row[3:]) for row in rows]

    def _learn(self, clock: int, now: int, began: float, ends_at: int | None) -> None:
        """The server read its clock at some instant since `began`, when ours said `now`."""
        took = round((stopwatch() - began) * SECOND)
        self._skew = Skew.measured(clock, now, took).since(self._skew)
        self._pause = CLOCK_CHECK
        if ends_at is not None:
            self._pause = min(CLOCK_CHECK, max(SOON, ends_at - clock + SOON))

    def _commit(
        self, link: Connection, steps: Sequence[Step], position: int | None = None
    ) -> Answers:
        endings = {step.record.run: step for step in steps if isinstance(step, Finish)}
        known = {run: seq for run, seq in self._written.items() if run in endings}
        asked = [s for s in steps if not (isinstance(s, Finish) and s.record.run in known)]
        self._doubtful = {run: step.record for run, step in endings.items() if run is not None}
        answers = Answers()
        try:
            found = iter(self._write(link, asked, position, answers) if asked else [])
        except psycopg.Error:
            self._drop_link()
            raise
        self._doubtful = {}
        self._written = {run: seq for run, seq in self._written.items() if run not in known}
        for step in steps:
            run = step.record.run if isinstance(step, Finish) else None
            answer = known[run] if run in known else answer_of(next(found))
            answers.append(answer)
            if isinstance(step, Claim) and isinstance(answer, int):
                self._held.add(answer)
            if run is not None:
                self._held.discard(run)
        return answers

    def _write(
        self, link: Connection, steps: Sequence[Step], position: int | None, answers: Answers
    ) -> list[int]:
        """What is answered to the steps; what was between is told to the answers."""
        asked = (self._id, self._number, as_json(steps, self._conditions), position)
        while True:
            asking = link.execute(self._text(COMMIT), asked, prepare=True, binary=True)
            ((found, numbers, texts),) = asking
            if found is not None:
                if numbers is not None:
                    answers.between = records_of(numbers, texts)
                return list(found)
            self._join(
                link
            )  # it was taken for gone; what was live has crashed, what begins is ours

    def _take(
        self, link: Connection, shares: Shares, now: int, but: Mapping[str, int]
    ) -> tuple[list[Dynamic], int]:
        self._sweep.learn(shares)
        while True:
            taken = self._rows.take(link, self._number, shares, now, but)
            if taken is not None:
                return taken
            self._join(link)  # it was taken for gone

    def _trim(
        self, link: Connection, *, before: int, lookback: Mapping[str, int], most: int
    ) -> tuple[int, bool]:
        def always(tasks: set[str]) -> set[int]:
            asked = {"tasks": json.dumps(dict.fromkeys(tasks, NOWHERE))}
            return {seq for (seq,) in link.execute(self._text(ALWAYS), asked)}

        def there(tasks: set[str]) -> set[str]:
            return {task for (task,) in link.execute(self._text(THERE), (list(tasks),))}

        with link.transaction():
            forgotten = {"before": before, "most": most}
            dropped = link.execute(self._text(FORGET), forgotten).rowcount
            left = most - dropped
            swept = {"swept": self._sweep.position, "most": SWEPT if left else 0}
            seen = link.execute(self._text(SEEN), swept).fetchall()
            doomed, more = self._sweep.doomed(seen, before, lookback, left, always, there)
            tasks = {seq: task for seq, task, _ in seen}
            link.execute(self._text(DROP), (doomed, [tasks[seq] for seq in doomed]))
        return dropped + len(doomed), more

    # --- on the listening thread ----------------------------------------------------------

    def _listen(self, link: Connection) -> None:
        ((channel,),) = link.execute(self._text("SELECT {p}channel()"))
        link.execute(f'LISTEN "{channel}"'.encode())

    def _hear(self, said: Sequence[str] | None) -> None:
        """Of others, and of what is not read yet."""
        newest = NOWHERE if said is None else max(map(self._told, said))
        if newest > self._seen:
            self._heard(newest)

    def _told(self, said: str) -> int:
        """Up to which number another instance has written; anybody may say anything."""
        instance, _, number = said.partition(" ")
        try:
            newest = int(number)
        except ValueError:  # also of too many digits
            newest = NOWHERE
        return 0 if instance == self._id else newest or NOWHERE


def answers(link: Connection) -> None:
    """Find out whether the server is still there."""
    link.execute("SELECT 1")
