"""When tasks would start: the agenda itself, driven on a virtual clock.

A simulation is an app without effects. Its time goes from one instant at which something can
happen to the next: a run's ending, or what the agenda wakes for. A run takes as long as it is said
to take and ends as it is said to end, unless its timeout or its end_cond ends it before. The same
input gives the same records, every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from ..conds.nodes import Cadence, Condition, Cron, Once
from .agenda import CYCLE_SLEEP, Agenda
from .atoms import Custom, Scheduler
from .civil import BEGINNING, FOREVER, Zone
from .decisions import Missed
from .history import History
from .periods import Period, period_of
from .plan import Planner, as_it_is
from .records import Action, Record
from .schedule import NEVER, Request, Schedule
from .verdict import Plan, Verdict

PACE = 1000  # starts of a task in a row, each as soon after the other as can be
Binding = Callable[[Callable[..., object], str], Callable[..., object]]
PATIENCE = 16  # how often a forecast looks in vain before it asks when to look


class Course(NamedTuple):
    """What becomes of a run: it ends so, after so many microseconds. One that is `blocking` keeps
    everything else waiting until then."""

    duration: int
    outcome: Action = Action.SUCCESS
    blocking: bool = False


class Standstill(Exception):
    """A task starts again and again and no time passes: the simulation would come to no end."""

    def __init__(self, task: str, instant: int) -> None:
        super().__init__(f"task {task!r} starts {PACE} times in a row and no time passes")
        self.task = task
        self.instant = instant


class ShutCondFailed(Exception):
    """The shut_cond raised instead of answering; the cause is what it raised."""

    def __init__(self) -> None:
        super().__init__("the shut_cond failed")


class Simulation:
    """An app from `start` on. `course` says what becomes of a run, by its RUN record. The tasks
    that are not `standing` start with the app if they are in `at_start`, and end it if they are in
    `at_end`; the runs of those in `till_end` end with it. `log` is what has happened before, in
    order of sequence; a run that it leaves live goes on as `course` says. `requests` are the
    starts asked for. Raises Standstill, and what `Agenda.decide` and the shut_cond raise."""

    def __init__(
        self,
        schedules: Mapping[str, Schedule],
        start: int,
        course: Callable[[Record], Course],
        *,
        log: Iterable[Record] = (),
        parameters: Mapping[str, object] | None = None,
        customs: Mapping[str, Custom] | None = None,
        cycle_sleep: int = CYCLE_SLEEP,
        shut_cond: Condition = NEVER,
        zone: Zone | None = None,
        at_start: Iterable[str] = (),
        at_end: Iterable[str] = (),
        till_end: Iterable[str] = (),
        requests: Iterable[tuple[str, Request]] = (),
        rhythm: int = CYCLE_SLEEP,
        bind: Binding = as_it_is,
        silenced: Callable[[str, Exception], None] | None = None,
    ) -> None:
        history = History(log)
        history.set_back(start, start)
        self.now = start
        self.planner = Planner(
            history, parameters or {}, Scheduler(start), customs or {}, rhythm, bind
        )
        self.agenda = Agenda(self.planner, start, cycle_sleep=cycle_sleep)
        self.agenda.asking.silenced = silenced
        self.missed: list[Missed] = []
        self._course = course
        self._seq = history.position
        self._endings: list[tuple[int, int, Record]] = []  # by instant and order of the starts
        self._live: dict[int, Record] = {}  # the RUN records of the runs under way
        self._shut: Plan = self.planner.plan(shut_cond, "", zone)
        self._at_end, self._till_end = tuple(at_end), frozenset(till_end)
        self._closing = False
        self._paces: dict[str, tuple[int, int]] = {}  # the latest start, how many without time
        for name, schedule in schedules.items():
            self.agenda.add(name, schedule)
        for log_of_task in history.tasks.values():
            log_of_task.known = log_of_task.task in schedules
        self._go_on(history)
        for name, request in requests:
            self.agenda.request(name, request)
        for name in at_start:
            self._occasion(name)

    def _go_on(self, history: History) -> None:
        """What was under way before the start has its course as well."""
        live = (
            (seq, name, run)
            for name in self.agenda.entries
            for seq, run in history.of(name).live.items()
        )
        for seq, name, run in sorted(live, key=lambda each: each[0]):
            at, scheduled, attempt = run.mark.at, run.scheduled_at, run.attempt
            record = Record(name, Action.RUN, at, seq, scheduled, attempt, run_id=run.run_id)
            self._live[seq] = record
            course = self._course(record)
            self._end_at(max(self.now, at + course.duration), record, course)

    def run(self, end: int) -> Iterator[Record]:
        """The records up to `end`, in order of sequence. What is under way then goes on when this
        is called again; what the agenda would start after the app has ended does not start."""
        while self.now < end:
            yield from self._happenings()
            if self._closing and not self._live:
                return
            following = self._next()
            if following >= end:
                self.now = end
                return
            self.now = max(self.now, following)

    def _next(self) -> int:
        instants = [FOREVER if self.agenda.wake is None else self.agenda.wake]
        if self._endings:
            instants.append(self._endings[0][0])
        if not self._closing:
            shut = self._shutting()
            instants.append(self.now if shut.value else shut.until)
        return min(instants)

    def _shutting(self) -> Verdict:
        try:
            return self._shut.check(self.now)
        except Exception as error:
            if self.agenda.asking.silenced is None:
                raise ShutCondFailed from error
            self.agenda.asking.say_once(self._shut, "shut_cond", error)
            return Verdict(False, self.now, self.now + self.planner.rhythm)

    def _happenings(self) -> Iterator[Record]:
        """All that happens now: first the runs that end, then what is decided with that."""
        while self._endings and self._endings[0][0] <= self.now:
            yield from self._finish(heappop(self._endings)[2])
        if not self._closing and self._shutting().value:
            yield from self._close()
        blocking: list[tuple[Record, Course]] = []
        for start in self.agenda.decide(self.now):
            self._seq += 1
            record = start.record._replace(seq=self._seq)
            self.agenda.settle(record.task, start.mark, self._seq)
            self.agenda.history.see(self._seq)
            self._live[self._seq] = record
            self._pace(record)
            yield record
            course = self._course(record)
            if course.blocking:
                blocking.append((record, course))
            else:
                self._end_at(self.now + course.duration, record, course)
        for record, course in blocking:  # one after the other, when the others have begun
            self.now += course.duration
            self._end_at(self.now, record, course)
        for stop in self.agenda.drain_stops():
            run = self._live.get(stop.mark.seq)
            if run is not None:
                reason = f"ended: {stop.reason}"
                yield from self._finish(
                    Record(run.task, Action.TERMINATE, self.now, run=run.seq, error=reason)
                )
        self.missed += self.agenda.drain_missed()

    def _pace(self, record: Record) -> None:
        at, times = self._paces.get(record.task, (BEGINNING, 0))
        times = times + 1 if record.at <= at + 1 else 0
        self._paces[record.task] = record.at, times
        if times >= PACE:
            raise Standstill(record.task, record.at)

    def _end_at(self, at: int, run: Record, course: Course) -> None:
        ending = Record(run.task, course.outcome, at, run=run.seq, run_id=run.run_id)
        heappush(self._endings, (at, run.seq, ending))

    def _finish(self, ending: Record) -> Iterator[Record]:
        """A run ends, unless it has ended before."""
        if self._live.pop(ending.run or 0, None) is None:
            return
        self._seq += 1
        numbered = ending._replace(seq=self._seq, at=max(ending.at, self.now))
        self.agenda.take(numbered, self.now)
        yield numbered

    def _occasion(self, name: str) -> None:
        asking = self.agenda.entries[name].schedule.start_cond != NEVER
        self.agenda.request(name, Request(asking=asking))

    def _close(self) -> Iterator[Record]:
        """The app ends: nothing starts any more but what is to start then."""
        self._closing = True
        for name, entry in self.agenda.entries.items():
            if entry.enabled and name in self._at_end:
                self._occasion(name)
            else:
                entry.enabled = False
                entry.requests.clear()
        for run in list(self._live.values()):
            if run.task in self._till_end:
                why = "ended: the app ends"
                yield from self._finish(
                    Record(run.task, Action.TERMINATE, self.now, run=run.seq, error=why)
                )


def upcoming(node: Condition, start: int, duration: int, zone: Zone) -> Iterator[int]:
    """The instants from `start` on at which a task with this start_cond would start, by an app
    that begins at `start` with an empty log; each run succeeds after `duration` microseconds.
    Ends when time alone will start the task no more."""
    if isinstance(node, Cadence | Cron | Once):
        return of_cadence(period_of(node, zone), start, duration)
    return of_condition(node, start, duration, zone)


def of_cadence(period: Period, now: int, duration: int) -> Iterator[int]:
    """Once in each window, as soon as the run before it has ended."""
    while (window := period.window_from(now)) is not None:
        now = max(now, window.start)
        yield now
        now = max(window.end, now + duration)


def of_condition(node: Condition, now: int, duration: int, zone: Zone) -> Iterator[int]:
    agenda = Agenda(Planner(History(), {}, Scheduler(now)), now)
    plan = agenda.add("self", Schedule(node, zone)).plan
    seq = idle = 0
    while True:
        for decided in agenda.decide(now):
            idle = 0
            yield now
            agenda.settle("self", decided.mark, seq + 1)
            seq += 2
            now += duration
            agenda.take(Record("self", Action.SUCCESS, now, seq, run=seq - 1), now)
        wake = agenda.wake
        if wake is None:
            return
        now, idle = max(now, wake), idle + 1
        if idle % PATIENCE == 0:  # looking at every window may never end: when will it hold?
            window = Period(plan.outlook(now)).window_from(now)
            if window is None:
                return
            now = max(now, window.start)
