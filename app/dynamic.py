"""The dynamic tasks of one life of an app: loaded when they are due, let go of when nothing is left
to decide.

A turn takes rows that are due, no more than there is room for, and puts them on the agenda like any
task, with the log that their conditions read; so what is decided about them is decided by the same
engine. A task that does not run and has caught up is at rest: its row is given back in the commit
that writes the turn's endings, with the instant at which its answer next changes and the records
that could change it. Whoever finds that instant past, or such a record, takes it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..engine.agenda import MANY, Agenda
from ..engine.civil import FOREVER
from ..engine.history import NO_MARKS, PROVISIONAL, TaskLog
from ..engine.items import Entry
from ..engine.records import FINISHED, Action, Key
from ..engine.schedule import CatchUp, Overlap
from ..engine.verdict import Parameter, named
from .families import Member, is_local
from .stores.dynamic import (
    NO_VERSION,
    PARAMETER,
    Awaited,
    Dynamic,
    Rest,
    family_of,
    floor_of,
)
from .stores.protocol import Answer, Refused
from .vetting import logs_of

if TYPE_CHECKING:
    from .runs import Runs
    from .session import Session

T = TypeVar("T")
LOCAL: Awaited = "", PARAMETER
"""What conditions wait for that depend on the app they are decided in: another life of one."""
GIVEN_BACK: Awaited = "", ""
"""What nobody waits for. To rouse it tells the other apps to look for what is due."""
UNREADABLE = 300_000_000  # for how long a row is left alone that cannot be read here
MOST_UNREADABLE = 1000  # so many are passed over here; more are put off for everybody
SUCCESS = Action.SUCCESS
ENDS = (*FINISHED, Action.CRASH, Action.INACTION)

scheduler_log = logging.getLogger("oncue.scheduler")


class Unreadable(NamedTuple):
    """A row of that version cannot be read here: it is passed over until an instant."""

    version: int
    until: int


class DynamicTasks:
    """`loaded` are those on the agenda, by their names in the log."""

    def __init__(
        self, session: Session, agenda: Agenda, runs: Runs, wake: Callable[[], None]
    ) -> None:
        self.began = agenda.logical
        self.session = session
        self.agenda = agenda
        self.runs = runs
        self._wake = wake
        self.loaded: dict[str, Member] = {}
        self.closed = False
        self._first = 0  # when there is something to be had
        self._arrived: list[Member] = []  # whose logs are still to be read
        self._unsettled: dict[str, None] = {}  # those that may be at rest, in order
        self._ended: dict[str, None] = {}  # since that was last asked; most of them are
        self._outdated: set[str] = set()  # those that are of another version, or another's, by now
        self._unreadable: dict[str, Unreadable] = {}
        self._given_back: dict[str, Rest] = {}  # what cannot be read
        self._full: set[str] = set()  # shards that had more than they were asked for
        self._left_out = False  # whether something was not looked for, since no process is free
        self._turn = 0
        self._set_back = True  # whether the clock may have been, since what the store says
        self._roused = {LOCAL}
        self._unsure = False

    @property
    def at_rest(self) -> bool:
        """Whether nothing is loaded, nor about to be."""
        return not (self.loaded or self._arrived or self._unsure)

    # --- to load ----------------------------------------------------------------------------

    @property
    def look_at(self) -> int:
        """When there is something to take; FOREVER while there is no room."""
        return self._first if self.session.families and self._room else FOREVER

    @property
    def _room(self) -> int:
        """How many more may be taken: what cannot run is left to others."""
        if self.closed:
            return 0
        limit = self.session.config.concurrency_limit
        waiting = len(self._unsettled)
        room = MANY
        if limit is not None:
            room = limit - len(self.runs.live) - waiting - len(self._ended)
        return max(0, min(self.session.config.batch_size - waiting, room))

    def expect(self, instant: int) -> None:
        """There is something at that instant, perhaps. On the loop's thread."""
        if instant < self._first:
            self._first = instant
            self._wake()

    def rouse(self, source: str) -> None:
        """A parameter of that name has another value, or there is a task of it."""
        if self.session.families:
            self._roused.add((source, PARAMETER))
            self.expect(0)

    async def take(self, now: int) -> set[str]:
        """Take what is due; the tasks whose logs have to be read before anything is decided."""
        shares = self._shares()
        if not shares:
            if self._room:  # but no process is free, or no partition enabled
                self._first = FOREVER
            return set()
        store = self.session.store
        if self._roused:
            roused = sorted(self._roused)
            await store.rouse(roused, now)
            self._roused.difference_update(roused)  # there may be more meanwhile
        if self._unsure:
            await store.let_go([*self.loaded, *(member.key for member in self._arrived)])
        passed_over = {k: each for k, each in self._unreadable.items() if each.until > now}
        if len(self._unreadable) >= MOST_UNREADABLE:
            self._unreadable = passed_over
        but = {task: each.version for task, each in passed_over.items()}
        again = min((each.until for each in passed_over.values()), default=FOREVER)
        self._unsure, self._first = True, again  # until it is known what was taken
        try:
            rows, first = await store.take(shares, now, but)
        except BaseException:
            self._first = 0
            raise
        self._unsure, self._first = False, min(self._first, first)  # or what is expected since
        taken: dict[str, int] = {}
        for row in rows:
            taken[row.shard] = taken.get(row.shard, 0) + 1
        self._full = {shard for shard, found in taken.items() if found >= shares[shard]}
        wanted: set[str] = set()
        for row in rows:
            wanted |= self._arrive(row, now)
        return wanted

    def set_back(self, now: int) -> None:
        """The clock was."""
        self.read_again()
        self.began = min(self.began, now)
        self._set_back = True

    async def look_again(self, now: int, beyond: int) -> None:
        """At what was decided later than that, if the clock was set back."""
        if self._set_back and self.session.families and not self.closed:
            await self.session.store.set_back(now, beyond)
            self._set_back, self._first = False, 0

    def _shares(self) -> dict[str, int]:
        """How many of each shard: the same of all families, and of all parts of a family; but more
        of those that had more than the last time. What needs a process is not looked for while none
        is free."""
        room, pool = self._room, self.runs.pool_room
        self._left_out = False
        families: list[tuple[list[str], bool]] = []
        for family in self.session.families.values():
            shards, pooled = family.shards, family.execution == "process"
            self._left_out |= pooled and not pool
            if shards and (pool or not pooled):
                families.append((shards, pooled))
        if not (room and families):
            return {}
        self._turn += 1
        hungry = [bool(self._full.intersection(shards)) for shards, _ in families]
        few = 1 / len(families) if any(hungry) else 1
        unit = room / sum(1 if more else few for more in hungry)
        order = list(zip(families, hungry, strict=True))
        shares: dict[str, int] = {}
        for (shards, pooled), more in rotated(order, self._turn):
            share = min(room, max(1, int(unit if more else unit * few)))
            if pooled:
                share = min(share, pool)
                pool -= share
            room -= share
            shares |= self._parts(shards, share)
        return shares

    def _parts(self, shards: list[str], share: int) -> dict[str, int]:
        """The share of a family, by its parts: one for each, as far as it goes, beginning with
        those that had more than the last time; and the rest for those, or for all. Of a part that
        gets none it is told all the same when it has something."""
        first = rotated(shards, self._turn)
        if self._full and len(shards) > 1:
            first.sort(key=lambda shard: shard not in self._full)
        parts = {shard: int(place < share) for place, shard in enumerate(first)}
        left = share - len(shards)
        if left > 0:
            eager = [shard for shard in first if shard in self._full] or first
            each, more = divmod(left, len(eager))
            for place, shard in enumerate(eager):
                parts[shard] += each + (place < more)
        return parts

    def _arrive(self, row: Dynamic, now: int) -> set[str]:
        """Make plans of a row; the tasks whose logs they read."""
        planner, session = self.agenda.planner, self.session
        try:
            family = session.families[family_of(row.task)]
            member = Member(family, row)
            schedule = member.plan
            plan = planner.plan(schedule.condition, row.task, schedule.zone)
        except Exception as error:
            self._give_back(row, now, error)
            return set()
        if self._unreadable:
            self._unreadable.pop(row.task, None)
        own = planner.history.of(row.task)
        wanted = {log.task for log in logs_of(plan, session)} if plan.sources != (own,) else set()
        if own.last is NO_MARKS and is_new(row):
            wanted.discard(row.task)  # there is no record
        else:
            wanted.add(row.task)
        own.born, own.known = row.born, True
        self._arrived.append(member)
        return wanted

    def _give_back(self, row: Dynamic, now: int, error: Exception) -> None:
        """To those who can read it, due as it was; of too many it is put off for all."""
        known = self._unreadable.get(row.task)
        if known is None or known.version != row.version:
            scheduler_log.error("%s cannot be read here: %s", row.task, error)
        floor, until = floor_of(row), now + UNREADABLE
        due = row.look or min(floor, now)
        if known is not None or len(self._unreadable) < MOST_UNREADABLE:
            self._unreadable[row.task] = Unreadable(row.version, until)
        else:
            due = until
        self._given_back[row.task] = Rest(row.task, row.version, due, floor, wait=row.wait)

    def read_again(self) -> None:
        """What could not be read may be now."""
        if self._unreadable:
            self._unreadable = {k: each._replace(until=0) for k, each in self._unreadable.items()}
            self.expect(0)

    def asked_about(self, now: int) -> int:
        """From when on there is something to decide of what was taken, but for what is forgotten;
        what their conditions read has to be known from then on."""
        return min((self._asked_about(member, now) for member in self._arrived), default=now)

    def _asked_about(self, member: Member, now: int) -> int:
        since, schedule = min(searched_from(member, None), now), member.plan
        if since < self.began and schedule.catch_up is CatchUp.SKIP:
            return max(since, now - schedule.misfire_grace)
        return since

    def enter(self, now: int, beyond: int) -> None:
        """The logs of what was taken have been read. One that has records later than `beyond` is by
        a clock that was set back: they are read as at the latest decision, and so each time."""
        arrived, self._arrived = self._arrived, []
        if self.closed:
            return  # they are let go of with the store
        for member in arrived:
            key, agenda = member.key, self.agenda
            log = agenda.history.of(key)
            log.set_back(min(floor_of(member.row), now), beyond)
            if key in self.loaded:
                self.runs.leave_alone(self.loaded[key])  # what still runs of one that was before
            since = min(searched_from(member, log), now)
            self.runs.launchers.pop(key, None)
            self.loaded[key] = member
            self._outdated.discard(key)
            self._unsettled[key] = None
            if key in agenda.entries:
                agenda.change(key, member.plan)
                agenda.search(key, since)
            else:
                agenda.add(key, member.plan, since, waited=member.row.wait)
            entry = agenda.entries[key]
            if max(since, entry.behind or since) >= self.began:
                entry.queued = True  # nobody was absent: it waited for room, or for its own run

    # --- to let go of -------------------------------------------------------------------------

    def ended(self, key: str) -> None:
        """A run of it has: it may be at rest."""
        if self._left_out:
            self._first = 0
        if key in self.loaded:
            self._ended[key] = None

    def lost(self, key: str) -> None:
        """The lease of a run of it was: by now others may hold it."""
        if key in self.loaded:
            self.outdate(key)

    def outdate(self, key: str) -> None:
        """It was scheduled anew, or unscheduled, or is not held any more: let go of it as it is."""
        self._outdated.add(key)
        self._unsettled[key] = None
        entry = self.agenda.entries[key]
        entry.requests.clear()
        self.agenda.enable(key, False)

    def rests(self, now: int) -> list[Rest]:
        """What is at rest, after all that is due has been decided."""
        if self.closed:
            return []
        found = list(self._given_back.values())
        self._unsettled.update(self._ended)
        self._ended.clear()
        for key in list(self._unsettled):
            entry, member = self.agenda.entries[key], self.loaded[key]
            if key in self._outdated:
                found.append(Rest(key, NO_VERSION, None, floor_of(member.row)))
            elif entry.log.live and self._runs_here(entry):
                del self._unsettled[key]
            elif not self._is_busy(entry, now):
                found.append(self._rest(entry, member))
        return found

    def _runs_here(self, entry: Entry) -> bool:
        live = entry.log.live
        return any(run in self.runs.live or run > PROVISIONAL for run in live)

    @staticmethod
    def _is_busy(entry: Entry, now: int) -> bool:
        """Whether there is something to decide before it can be let go of. What waits after a crash
        comes back to what it is behind with, and what has no room to that."""
        soon = entry.due <= now or (entry.due < FOREVER and not entry.crash_wait)
        return bool(entry.requests) or (entry.behind is not None and soon)

    def _rest(self, entry: Entry, member: Member) -> Rest:
        agenda, log = self.agenda, entry.log
        due = entry.behind if entry.due >= FOREVER else entry.due  # one that had no room is due
        reads = set(self._awaited(entry, member))
        done = due is None and not reads and log.outcome is not None
        return Rest(
            entry.name,
            member.row.version,
            due,
            agenda.logical if entry.behind is None else min(entry.behind, agenda.logical),
            agenda.history.position,
            tuple(sorted(reads)),
            entry.crash_wait,
            done and log.outcome is not None and log.outcome.action is SUCCESS,
        )

    def _awaited(self, entry: Entry, member: Member) -> Iterable[Awaited]:
        """What could change its answer before time does."""
        own = entry.log
        others = tuple(each for each in entry.reads if each[0] is not own)
        for read in named(others) if others else ():
            match read:
                case Key(task, action):
                    yield task, str(action)
                case Parameter(name):
                    yield name, PARAMETER
        if own.live:  # elsewhere
            yield from ((entry.name, str(action)) for action in ENDS)
        if is_local(entry.schedule.start_cond):
            yield LOCAL
        for source in entry.plan.sources:
            if source is not own and isinstance(source, TaskLog) and not source.known:
                yield source.task, PARAMETER
                yield LOCAL

    def rested(self, rests: Sequence[Rest], answers: Sequence[Answer]) -> None:
        """What the store says of them."""
        for rest, answer in zip(rests, answers, strict=True):
            if isinstance(answer, Refused):
                continue
            if rest.task in self._outdated:
                self._first = 0  # another version of it may be due
            elif rest.due is not None:
                self._first = min(self._first, rest.due)
            self._unload(rest.task)

    def written(self) -> None:
        """There are records in the store that somebody may wait for."""
        self._first = 0

    def _unload(self, key: str) -> None:
        member = self.loaded.pop(key, None)
        if member is None:
            if self._given_back.pop(key, None) is not None:
                self._roused.add(GIVEN_BACK)
            return
        self._unsettled.pop(key, None)
        self._ended.pop(key, None)
        self._outdated.discard(key)
        if self.agenda.entries[key].log.live:
            self.runs.leave_alone(member)
        self.runs.launchers.pop(key, None)
        self.agenda.remove(key)

    def close(self) -> None:
        """From now on nothing is taken or decided: what is held is let go of with the store."""
        self.closed = True
        for key in self.loaded:
            self.agenda.entries[key].requests.clear()
            self.agenda.enable(key, False)


def rotated(given: Sequence[T], turn: int) -> list[T]:
    """The same in order, beginning with another one each turn."""
    first = turn % len(given)
    return [*given[first:], *given[:first]]


def is_new(row: Dynamic) -> bool:
    """Whether nobody has ever taken it: who lets go of one says up to when it was decided, or that
    it is due at once."""
    return row.decided is None and bool(row.look) and row.look == row.due


def searched_from(member: Member, log: TaskLog | None) -> int:
    """From when on there may be something to decide: since it was let go of nothing has changed
    before it was due, or looked at for a record; but for one that only waited after a crash, with
    what it was behind with, or what has come into its queue meanwhile. None: its log is not known,
    and it may be one of those."""
    row, floor = member.row, floor_of(member.row)
    if row.decided is None and not is_new(row):
        return floor
    if row.wait:
        if log is None:
            return floor
        if log.outcome is not None:
            ended, queues = log.outcome.mark.at, member.plan.overlap is Overlap.QUEUE
            if floor < ended or (queues and floor == ended):
                return floor
    known = [instant for instant in (row.due, row.look) if instant]
    return max(floor, min(known, default=floor))
