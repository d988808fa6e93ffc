"""What an instance writes to the log on Redis.

A commit whose answer was lost is asked for again under the same token, which the server answers as
it did before. Where even that cannot be asked, it is made certain before anything else is done: it
is void if it has not happened; if it has, its endings stand and what it claimed has crashed, since
it was never launched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from ...engine.records import Key, Record
from ..clock import stopwatch, uptime
from ..errors import StoreError
from . import redislua as lua
from .dynamic import Awaited, Dynamic, Planned, Shares
from .protocol import (
    BETWEEN,
    LEASE,
    Answer,
    Answers,
    Claim,
    Extension,
    Finish,
    LogLost,
    Missed,
    Refused,
    Registered,
    Rest,
    Step,
)
from .redisreading import PIECE, Reader, pieces
from .redisrows import RowWriter, rest_arguments
from .redistext import (
    decoded,
    encoded,
    lines_of,
    member_of,
    raw,
    records_of,
    registered_of,
    text_of,
)
from .rediswire import Argument, Client, Script, Server, persistent
from .renewals import Renewals
from .skew import Skew
from .sweep import Sweep

VERSION = 2
KEPT_ANSWERS = 3600  # seconds for which the server knows what it answered to an instance
MARKED = 100  # bytes by which a record is known again

REFUSED = {
    "newer": Refused.NEWER,
    "lost": Refused.LEASE_LOST,
    "superseded": Refused.SUPERSEDED,
}

opening, renewing, leaving = Script(lua.OPEN), Script(lua.RENEW), Script(lua.LEAVE)
committing, settling, restoring = Script(lua.COMMIT), Script(lua.SETTLE), Script(lua.RESTORE)
following, dropping = Script(lua.FOLLOW), Script(lua.DROP)
registering, deciding = Script(lua.REGISTER), Script(lua.DECIDED)

scheduler_log = logging.getLogger("oncue.scheduler")
T = TypeVar("T")


class Unsure(NamedTuple):
    """A commit of which nobody knows whether it has happened."""

    token: int
    steps: Sequence[Step]


class Writer:
    """Writes by a client what lies under a prefix, for one instance, which `member` describes: its
    host, its process and since when it is there. `skew` is how far the server's clock is ahead of
    the app's; `crowded` whether other instances are there."""

    def __init__(self, server: Server, client: Client, prefix: str, member: Sequence[Any]) -> None:
        self._server = server
        self._client = client
        self._reader = Reader(client, prefix)
        self._meta = f"{prefix}meta"
        self._prefix = prefix
        self.id = uuid4().hex
        self._member = encoded(member)
        self.skew: Skew | None = None
        self.crowded = False
        self._log = ""  # the id of the log
        self._known = 0  # the newest number that it is known to have had
        self._mark = b""  # how the latest record that is known begins
        self._token = 0
        self._conditions: dict[str, str] = {}  # as this instance has registered them
        self._unsure: Unsure | None = None
        self._saved: dict[int | None, int] = {}  # endings of such a commit, by run
        self._sweep = Sweep()
        self._rows = RowWriter(self._run, self.id)
        self._renewals = Renewals(at_once=True)

    def certain(self, function: Callable[[], T]) -> T:
        """What the function gives, which is called once nothing is unsure. Raises LogLost, after
        which what there is can be gone on with."""
        try:
            if self._unsure is not None:
                self._settle(self._unsure)
            return function()
        except ResponseError as error:
            if "ONCUELOST" not in str(error):
                raise
            raise self._restored() from None

    def _run(self, script: Script, *arguments: Argument) -> Any:
        """What a script gives that may be run twice."""
        return persistent(lambda: script(self._client, self._meta, *arguments))

    def join(self, create: bool, now: int, asked: float) -> int:
        """The version of the log, which is joined unless it is a newer one; 0: there is none. The
        app's clock was `now` when the stopwatch was at `asked`."""
        new, may = uuid4().hex, "1" if create else "0"
        found = self._run(opening, VERSION, new, may, self.id, self._member, LEASE, now)
        if len(found) == 2:
            host, pid, _ = decoded(found[1].decode())
            raise StoreError(
                f"the store {self._server.where!r} is open by an older oncue, process {pid} on "
                f"{host}; end that first"
            )
        if len(found) > 2:
            _, log, newest, clock, others = found
            self._log, self._known, self.crowded = log.decode(), int(newest), others > 0
            self._measure(int(clock), now, asked)
        return int(found[0]) if found else 0

    def _measure(self, clock: int, now: int, asked: float) -> None:
        """The app's clock was `now` when the stopwatch was at `asked`."""
        took = round((stopwatch() - asked) * 1_000_000)
        self.skew = Skew.measured(clock, now, took).since(self.skew)

    def renew(self) -> None:
        """On any thread."""
        at = uptime()
        self._run(renewing, self.id, self._member, LEASE)
        self._renewals.renewed(at)

    def leave(self) -> None:
        leaving(self._client, self._meta, self.id)

    def commit(self, steps: Sequence[Step], position: int | None) -> Answers:
        if self._saved:
            return self._commit_but_saved(steps, position)
        self._token += 1
        arguments: list[Argument] = [*self._what_is_known, self.id, self._member, LEASE]
        arguments += [self._token, KEPT_ANSWERS, "" if position is None else position, BETWEEN]
        for step in steps:
            arguments += arguments_of(step, self._conditions)
        self._unsure = Unsure(self._token, steps)
        try:
            said, between = self._run(committing, *arguments)
        except (ConnectionError, TimeoutError):
            raise
        except BaseException:
            self._unsure = None  # the server has answered
            raise
        self._unsure = None
        answers = answers_of(said)
        if between is not None:
            answers.between = records_of(lines_of(between))
        self._know(answers)
        for step, answer in zip(reversed(steps), reversed(answers), strict=True):
            if isinstance(step, Claim | Finish) and isinstance(answer, int):
                self._mark = f"{answer} {text_of(step.record)}".encode()[:MARKED]
                break
        return answers

    @property
    def _what_is_known(self) -> tuple[str, int, bytes]:
        return self._log, self._known, self._mark

    def _commit_but_saved(self, steps: Sequence[Step], position: int | None) -> Answers:
        """The same without what was written by a commit that turned out to have happened."""
        saved, self._saved = self._saved, {}
        runs = [step.record.run if isinstance(step, Finish) else None for step in steps]
        left = [step for step, run in zip(steps, runs, strict=True) if run not in saved]
        try:
            found = self.commit(left, position)
        except BaseException:
            self._saved = saved
            raise
        left_over = iter(found)
        answers = Answers(saved[run] if run in saved else next(left_over) for run in runs)
        answers.between = found.between
        return answers

    def _know(self, answers: Sequence[Answer]) -> None:
        numbers = [answer for answer in answers if isinstance(answer, int)]
        self._known = max(numbers, default=self._known)

    def _settle(self, unsure: Unsure) -> None:
        claimed = [step.record.at for step in unsure.steps if isinstance(step, Claim)]
        at = max(claimed, default=0)
        said = self._run(settling, self.id, unsure.token, KEPT_ANSWERS, at)
        self._unsure = None
        if said == b"void":
            return
        answers = answers_of(said)
        self._know(answers)
        for step, answer in zip(unsure.steps, answers, strict=True):
            if isinstance(step, Finish) and isinstance(answer, int):
                self._saved[step.record.run] = answer

    def follow(self, position: int, now: int, asked: float) -> list[Record]:
        records: list[Record] = []
        reap = int(self._renewals.are_regular)
        while True:
            newest, clock, others, text = self._run(
                following, *self._what_is_known, self.id, now, position, PIECE, reap
            )
            self._measure(int(clock), now, asked)
            self._known = int(newest)
            self.crowded = others > 0
            lines = lines_of(text)
            records += records_of(lines)
            self._mark = lines[-1][:MARKED] if lines else self._mark
            if len(lines) < PIECE:
                return records
            position, reap = records[-1].seq, 0

    def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int]
    ) -> dict[str, Registered]:
        found: dict[str, Registered] = {}
        for piece in pieces(list(conditions)):
            said = [(raw(t), raw(conditions[t]), again.get(t, "")) for t in piece]
            texts = [each for told in said for each in told]
            for task, known in zip(piece, self._run(registering, now, *texts), strict=True):
                found[task] = registered_of(*known.split())
        self._conditions |= conditions
        return found

    def decided(self, tasks: Mapping[str, int]) -> None:
        for piece in pieces(list(tasks)):
            said = [(raw(t), tasks[t], raw(self._conditions.get(t, ""))) for t in piece]
            self._run(deciding, *[each for told in said for each in told])

    def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        self._rows.schedule(self._what_is_known, tasks, now)

    def unschedule(self, tasks: Sequence[str]) -> set[str]:
        return {gone for piece in pieces(tasks) for gone in self._rows.unschedule(piece)}

    def take(self, shares: Shares, now: int, but: Mapping[str, int]) -> tuple[list[Dynamic], int]:
        self._sweep.learn(shares)
        return self._rows.take(self._what_is_known, (self._member, LEASE), shares, now, but)

    def let_go(self, but: Sequence[str]) -> None:
        self._rows.let_go(but)

    def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        self._rows.rouse(keys, now)

    def set_back(self, now: int, beyond: int) -> None:
        self._rows.set_back(now, beyond)

    def trim_missed(self, before: int, most: int) -> int:
        members = self._reader.old_missed(before, most)
        for piece in pieces(members):
            self._client.zrem(f"{self._prefix}missed", *piece)
        return len(members)

    def trim(self, before: int, lookback: Mapping[str, int], most: int) -> tuple[int, bool]:
        """Drop what is old of the next piece of the log; how many records, and whether there is
        more to look at."""
        reader, sweep = self._reader, self._sweep
        seen = reader.seen(sweep.position)
        doomed, more = sweep.doomed(seen, before, lookback, most, reader.always, reader.there)
        tasks = {seq: task for seq, task, _ in seen}
        named = [each for seq in doomed for each in (seq, raw(tasks[seq]))]
        return (int(self._run(dropping, *named)) if named else 0), more

    def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        newest, records = self._reader.load(lookback)
        if newest < self._known:
            raise self._restored()
        self._known = newest
        return newest, records

    def _restored(self) -> LogLost:
        """Go on with what the server has: numbers go on from where they were."""
        log, newest, found = self._run(restoring, VERSION, self._log, uuid4().hex, self._known)
        lost = f"the store {self._server.where!r} has lost records"
        scheduler_log.error(
            "%s: it has %d, what was known went up to %d", lost, int(found), self._known
        )
        self._log, self._known, self._mark = log.decode(), int(newest), b""
        return LogLost(f"{lost}; what it has is read anew")


def arguments_of(step: Step, conditions: Mapping[str, str]) -> list[Argument]:
    """A step as the script takes it; `conditions` as the instance has registered them."""
    match step:
        case Claim():
            record = step.record
            reads = {raw(f"{key.action} {key.task}") for key in step.keys if isinstance(key, Key)}
            return [
                "claim",
                raw(record.task),
                text_of(record),
                record.at,
                step.position,
                "" if record.scheduled_at is None else record.scheduled_at,
                "" if step.lease is None else step.lease,
                len(reads),
                raw(conditions.get(record.task, "")),
                "" if step.version is None else step.version,
                *reads,
            ]
        case Finish():
            record = step.record
            return [
                "finish",
                raw(record.task),
                text_of(record),
                record.at,
                record.action._value_,
                record.run or "",
            ]
        case Extension():
            return ["extend", step.run, step.lease]
        case Rest():
            return rest_arguments(step)
        case Missed():
            until = "" if step.until is None else step.until
            return ["missed", member_of(step), raw(step.task), step.scheduled_at, until]


def answers_of(said: bytes) -> Answers:
    if said == b"void":
        raise StoreError("a commit was asked for twice, and the second time in vain")
    texts = said.decode().split()
    return Answers(REFUSED[each] if each in REFUSED else int(each.lstrip("c")) for each in texts)
