"""All that may happen to an agenda, against a reference that looks at everything, everywhere.

What `test_scheduler.py` leaves out: wakings that are late, runs that are to be ended, starts that
are asked for, many runs beside each other, tasks that are enabled, changed, removed and added,
priorities, claims that are refused, a clock set back. The reference asks each task at every minute
and the instants after it, in order of rank, until nothing more happens there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from oncue.conds import nodes
from oncue.engine.agenda import Agenda
from oncue.engine.decisions import Ended
from oncue.engine.history import History
from oncue.engine.plan import Planner
from oncue.engine.records import Action, Record
from oncue.engine.schedule import Overlap, Request, Schedule
from oncue.grammar.parser import parse
from oncue.tests.property.model import holds, windows_near
from oncue.tests.property.test_scheduler import CONDITIONS, HOUR, MINUTE, NAMES, START, UTC

GRACE = 1000 * HOUR  # nothing here is later than that
STARTING = [*CONDITIONS, "false", "task 'a' is running", "is running at most 2 times & hourly"]
ENDING = [
    "false",
    "false",
    "is running more than 20 minutes",
    "time of hour after 40",
    "task 'b' is running",
    "after task 'a'",
]
schedules = st.builds(
    lambda start, end, **options: Schedule(
        parse(start), UTC, end_cond=parse(end), misfire_grace=GRACE, **options
    ),
    st.sampled_from(STARTING),
    st.sampled_from(ENDING),
    priority=st.integers(0, 2),
    overlap=st.sampled_from([Overlap.SKIP, Overlap.ALLOW]),
    timeout=st.none() | st.sampled_from([15 * MINUTE, 2 * HOUR]),
    enabled=st.sampled_from([True, True, True, False]),
    standing=st.sampled_from([True, True, True, False]),
)
requests = st.builds(Request, forced=st.booleans(), asking=st.booleans())


@dataclass
class Task:
    """What the reference knows of one task."""

    name: str
    schedule: Schedule
    place: int
    enabled: bool = True
    requests: list[Request] = field(default_factory=list)
    not_before: int = 0
    latest: int = 0
    wait: int = 0
    behind: int | None = None  # from when on it is looked at again, when it can start
    told: set[int] = field(default_factory=set)

    @property
    def rank(self) -> tuple[bool, int, int]:
        return self.schedule.standing, -self.schedule.priority, self.place


class Reference:
    """The rules, word by word. `log` is what is known, `now` the instant of the look."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.log: list[Record] = []
        self.looked_at = START
        self.now = START
        self.starts: list[tuple[str, int]] = []
        self.stops: list[tuple[str, int, Ended]] = []
        self.missed: list[tuple[str, int]] = []
        self.paced: dict[int, int] = {}  # what intervals are measured from, after a set back

    def live(self, name: str) -> list[Record]:
        ended = {r.run for r in self.log}
        runs = (r for r in self.log if r.task == name and r.action is Action.RUN)
        return [run for run in runs if run.seq not in ended]

    def holds(self, node: nodes.Condition, instant: int, name: str) -> bool:
        log = self.log
        if self.paced and any(isinstance(part, nodes.Every) for part in below(node)):
            log = [r._replace(scheduled_at=self.paced.get(r.seq, r.scheduled_at)) for r in log]
        return holds(node, instant, log, name)

    def set_back(self, now: int) -> None:
        """What is later is read as now, but for the windows that runs lie in."""
        self.looked_at = now
        for record in self.log:
            if record.action is Action.RUN:
                self.paced[record.seq] = min(now, self.paced.get(record.seq, record.logical))
        self.log = [r._replace(at=min(r.at, now)) for r in self.log]
        for task in self.tasks.values():
            task.not_before = task.latest = 0
            endings = [r for r in self.log if r.task == task.name and r.action is not Action.RUN]
            if task.wait and endings:
                task.not_before = endings[-1].at + task.wait

    def refuse(self) -> None:
        """The start made last was not granted."""
        task = self.tasks[self.log.pop().task]
        task.not_before = task.latest = 0

    def look(self, now: int) -> None:
        self.starts, self.stops, self.missed = [], [], []
        self.now = now
        since = [t.behind for t in self.tasks.values() if t.behind is not None]
        first = min((self.looked_at, *since))
        minutes = range(first - first % MINUTE, now + 1, MINUTE)
        near = (minute + n for minute in minutes for n in range(5))
        for instant in sorted({*near, self.looked_at, now, *since}):
            if first <= instant <= now:
                while self.something_happens(instant):
                    pass
        for task in self.tasks.values():
            if not self.live(task.name) and now >= task.not_before:
                task.behind = None
        self.looked_at = now
        live = {run.seq for name in self.tasks for run in self.live(name)}
        self.stops = [stop for stop in self.stops if stop[1] in live]

    def something_happens(self, instant: int) -> bool:
        for task in sorted(self.tasks.values(), key=lambda task: task.rank):
            if instant < self.looked_at:
                if task.behind is not None and task.behind <= instant:
                    if self.starts_behind(task, instant):
                        return True
            elif self.starts_at(task, instant) or self.stops_at(task, instant):
                return True
        return False

    def starts_at(self, task: Task, instant: int) -> bool:
        schedule = task.schedule
        if self.live(task.name) and schedule.overlap is Overlap.SKIP:
            return False
        if task.requests and (task.enabled or task.requests[0].forced):
            if instant <= task.latest:
                return False
            request = task.requests.pop(0)
            if not request.asking or self.holds(schedule.condition, instant, task.name):
                self.start(task, instant, instant)
            return True
        if not (task.enabled and schedule.standing) or instant < task.not_before:
            return False
        owed = self.owed(task, instant)
        if owed is not None:
            self.start(task, instant, owed)
            if schedule.overlap is Overlap.SKIP and instant < self.now and task.behind is None:
                task.behind = instant
            return True
        if not self.holds(schedule.condition, instant, task.name):
            return False
        if self.is_missed(task, instant):
            return False
        self.start(task, instant, self.newest(task, instant))
        return True

    def starts_behind(self, task: Task, instant: int) -> bool:
        """Whether it starts for what came due while it could not, since it began late."""
        schedule = task.schedule
        runs = [r for r in self.log if r.task == task.name and r.action is Action.RUN]
        if self.live(task.name) or task.requests or instant in {r.logical for r in runs}:
            return False
        ended = {r.run: r.at for r in self.log if r.action is not Action.RUN}
        if any(r.at <= instant < ended[r.seq] for r in runs):
            return False  # it was busy then
        if not (task.enabled and schedule.standing) or self.looked_at < task.not_before:
            return False
        if self.owed(task, self.looked_at) is not None:
            return False
        if not self.holds(schedule.condition, instant, task.name) or self.is_missed(task, instant):
            return False
        self.start(task, instant, self.newest(task, instant))
        return True

    def owed(self, task: Task, instant: int) -> int | None:
        """The instant of the latest run, if that has crashed and is to be done again."""
        runs = [r for r in self.log if r.task == task.name and r.action is Action.RUN]
        crashed = {r.run for r in self.log if r.action is Action.CRASH}
        if not runs or runs[-1].seq not in crashed or runs[-1].logical > instant:
            return None
        due = self.holds(task.schedule.condition, runs[-1].logical, task.name)
        ends = self.holds(task.schedule.end_cond, instant, task.name)
        return runs[-1].logical if due and not ends else None

    def is_missed(self, task: Task, instant: int) -> bool:
        """Whether it came true again before now, when this occurrence was over."""
        again = [p for p in below(task.schedule.condition) if isinstance(p, nodes.Retry)]
        retried = any(self.holds(part, instant, task.name) for part in again)
        over = False  # what is to be retried is the same occurrence until it is
        for minute in range(instant - instant % MINUTE + MINUTE, self.now + 1, MINUTE):
            value = self.holds(task.schedule.condition, minute, task.name)
            other = occurrence(task.schedule.condition, minute)
            if not retried:
                over |= other != occurrence(task.schedule.condition, instant)
            over |= not value
            if over and value and self.due_still(task, instant, minute):
                self.missed.append((task.name, instant))
                task.not_before = minute
                return True
        return False

    def due_still(self, task: Task, instant: int, minute: int) -> bool:
        """Whether it would be due then, had it run at `instant` and found nothing to do."""
        seq = len(self.log) + 1
        run = Record(task.name, Action.RUN, instant, seq, scheduled_at=instant)
        self.log += [run, Record(task.name, Action.INACTION, instant, seq + 1, run=seq)]
        due = self.holds(task.schedule.condition, minute, task.name)
        del self.log[-2:]
        return due

    def start(self, task: Task, instant: int, scheduled: int) -> None:
        seq = len(self.log) + 1
        self.log.append(
            Record(task.name, Action.RUN, self.now, seq, scheduled_at=scheduled, attempt=None)
        )
        consumed = not self.holds(task.schedule.condition, instant, task.name)
        task.not_before = instant + (1 if consumed else MINUTE)
        task.latest = instant
        self.starts.append((task.name, scheduled))

    def phase(self, task: Task, instant: int) -> int:
        node = task.schedule.condition
        every = next((n for n in below(node) if isinstance(n, nodes.Every)), None)
        crashed = {r.run for r in self.log if r.action is Action.CRASH}
        runs = [r for r in self.log if r.task == task.name and r.action is Action.RUN]
        counting = [r for r in runs if r.seq not in crashed]
        if every is None or not counting:
            return instant
        length, base = every.duration.microseconds, counting[-1].logical
        base = self.paced.get(counting[-1].seq, base)
        kept = instant - (instant - base) % length
        held = all(self.holds(node, t, task.name) for t in range(kept, instant, MINUTE))
        return kept if held and kept >= base + length else instant

    def newest(self, task: Task, instant: int) -> int:
        """Of what an interval has brought by now, while it held, only the newest runs."""
        node, scheduled = task.schedule.condition, self.phase(task, instant)
        every = next((n for n in below(node) if isinstance(n, nodes.Every)), None)
        if every is None or not self.holds(every, scheduled, task.name):
            return scheduled
        minutes = range(instant - instant % MINUTE + MINUTE, self.now + 1, MINUTE)
        over = (minute - 1 for minute in minutes if not self.holds(node, minute, task.name))
        late = next(over, self.now)
        return late - (late - scheduled) % every.duration.microseconds

    def stops_at(self, task: Task, instant: int) -> bool:
        for run in self.live(task.name):
            if run.seq in task.told or run.at > instant:
                continue
            timeout = task.schedule.timeout
            if self.holds(task.schedule.end_cond, instant, task.name):
                reason = Ended.BY_CONDITION
            elif timeout is not None and instant >= run.at + timeout:
                reason = Ended.BY_TIMEOUT
            else:
                continue
            task.told.add(run.seq)
            self.stops.append((task.name, run.seq, reason))
            return True
        return False


def below(node: nodes.Condition) -> Iterator[nodes.Condition]:
    yield node
    for operand in node.operands:
        yield from below(operand)


def occurrence(node: nodes.Condition, instant: int) -> list[tuple[int, int]]:
    """The windows of the cadences that the instant is in."""
    return [
        (a, b)
        for part in below(node)
        if isinstance(part, nodes.Cadence)
        for a, b in windows_near(part.unit, part.range, instant)
        if a <= instant < b
    ]


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("oncue.engine.items.CRASH_WAIT", MINUTE)
        self.patch.setattr("oncue.engine.items.CRASH_WAIT_MOST", 60 * MINUTE)
        self.reference = Reference()
        self.agenda = Agenda(Planner(History()), START, cycle_sleep=MINUTE)
        self.now = START
        self.seq = 0
        self.places = 0

    def teardown(self) -> None:
        self.patch.undo()

    @initialize(chosen=st.lists(schedules, min_size=3, max_size=3))
    def define(self, chosen: list[Schedule]) -> None:
        for name, schedule in zip(NAMES, chosen, strict=True):
            self.add(name, schedule)
        self.look()

    def add(self, name: str, schedule: Schedule) -> None:
        note(f"{name}: {schedule}")
        self.agenda.add(name, schedule)
        self.places += 1
        task = Task(name, schedule, self.places, schedule.enabled)
        self.reference.tasks[name] = task
        endings = [r for r in self.reference.log if r.task == name and r.action is not Action.RUN]
        if endings and endings[-1].action is Action.CRASH:
            task.wait = MINUTE
            task.not_before = endings[-1].at + MINUTE

    def look(self, refuse: bool = False) -> None:
        """Everything that comes of a look is what the reference says, in its order. If told to,
        the claim of the one start is refused, since another instance has claimed the same."""
        self.reference.look(self.now)
        starts = self.agenda.decide(self.now)
        if refuse and len(starts) == 1 and starts[0].request is None:
            self.reference.refuse()
            self.agenda.refused(starts[0])
            self.record(starts[0].record)
            stops, missed = self.reference.stops, self.reference.missed
            self.reference.look(self.now)
            self.reference.stops[:0], self.reference.missed[:0] = stops, missed
            starts = self.agenda.decide(self.now)
        for start in starts:
            self.seq += 1
            self.agenda.settle(start.record.task, start.mark, self.seq)
            self.agenda.history.see(self.seq)
        found = [(start.record.task, start.record.scheduled_at) for start in starts]
        stops = [(s.task, s.mark.seq, s.reason) for s in self.agenda.drain_stops()]
        missed = [(m.task, m.scheduled_at) for m in self.agenda.drain_missed()]
        where = f"at {(self.now - START) / MINUTE} min"
        assert found == self.reference.starts, where
        assert stops == self.reference.stops, where
        assert sorted(missed) == sorted(self.reference.missed), where
        wake = self.agenda.wake
        assert wake is None or wake > self.now

    # --- time ---------------------------------------------------------------------------------

    @rule(refuse=st.booleans())
    def at_the_next_instant(self, refuse: bool) -> None:
        wake = self.agenda.wake
        if wake is not None and wake < START + 90 * HOUR:
            self.now = max(self.now, wake)
            self.look(refuse)

    @rule(minutes=st.integers(1, 300))
    def the_clock_is_set_back(self, minutes: int) -> None:
        self.now -= minutes * MINUTE
        self.reference.set_back(self.now)
        self.look()

    @rule(minutes=st.integers(1, 45))
    def in_time(self, minutes: int) -> None:
        target = self.now + minutes * MINUTE
        while (wake := self.agenda.wake) is not None and wake <= target:
            self.now = max(self.now, wake)
            self.look()
        self.now = target
        self.look()

    @rule(minutes=st.integers(1, 200))
    def late(self, minutes: int) -> None:
        self.now += minutes * MINUTE
        self.look()

    # --- records ------------------------------------------------------------------------------

    @rule(data=st.data(), action=st.sampled_from([a for a in Action if a is not Action.RUN]))
    def a_run_ends(self, data: st.DataObject, action: Action) -> None:
        live = [run for name in NAMES for run in self.reference.live(name)]
        if live:
            run = data.draw(st.sampled_from(live))
            self.record(Record(run.task, action, self.now, run=run.seq))
            self.look()

    @rule(name=st.sampled_from([*NAMES, "d"]), ends=st.booleans())
    def another_instance_runs_it(self, name: str, ends: bool) -> None:
        if self.reference.live(name):
            return
        self.record(Record(name, Action.RUN, self.now, scheduled_at=self.now, attempt=0))
        if ends:
            self.record(Record(name, Action.SUCCESS, self.now, run=self.seq))
        self.look()

    def record(self, record: Record) -> None:
        self.seq += 1
        numbered = record._replace(seq=self.seq)
        self.reference.log.append(numbered)
        self.agenda.take(numbered, self.now)
        task = self.reference.tasks.get(record.task)
        if task is None or record.action is Action.RUN:
            return
        task.wait = min(max(MINUTE, 2 * task.wait), HOUR) if record.action is Action.CRASH else 0
        if task.wait:
            task.not_before = max(task.not_before, self.now + task.wait)

    # --- tasks --------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), request=requests)
    def ask(self, name: str, request: Request) -> None:
        task = self.reference.tasks.get(name)
        if task is not None and len(task.requests) < 3:
            place = 0 if request.forced else len(task.requests)  # it waits for none that is not
            task.requests.insert(place, request)
            self.agenda.request(name, request)

    @rule(name=st.sampled_from(NAMES), enabled=st.booleans())
    def enable(self, name: str, enabled: bool) -> None:
        if name in self.reference.tasks:
            self.reference.tasks[name].enabled = enabled
            self.agenda.enable(name, enabled)

    @rule(name=st.sampled_from(NAMES), schedule=schedules)
    def change(self, name: str, schedule: Schedule) -> None:
        if name in self.reference.tasks:
            note(f"{name}: {schedule}")
            task = self.reference.tasks[name]
            task.schedule, task.enabled = schedule, schedule.enabled
            self.agenda.change(name, schedule)

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        if name in self.reference.tasks:
            del self.reference.tasks[name]
            self.agenda.remove(name)
            self.agenda.rewritten(name)

    @rule(name=st.sampled_from(NAMES), schedule=schedules)
    def add_again(self, name: str, schedule: Schedule) -> None:
        if name not in self.reference.tasks:
            self.add(name, schedule)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
