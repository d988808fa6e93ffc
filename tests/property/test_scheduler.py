"""An agenda driven event by event starts exactly what evaluating everything everywhere would.

The reference asks every task's condition, by the plain model, at every minute there is, and
applies the rules of starts word by word: one live run per task, one start per task and instant,
higher priority first, a start at the first minute at which the condition holds and the task can
start. The agenda is woken late and early, sees runs end in every way, and records of others.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from oncue.conds import nodes
from oncue.conds.nodes import Condition
from oncue.engine.agenda import Agenda
from oncue.engine.civil import zone
from oncue.engine.history import History
from oncue.engine.plan import Planner, without_retry
from oncue.engine.records import Action, Record
from oncue.engine.schedule import Schedule
from oncue.grammar.parser import parse
from oncue.tests.property.model import holds

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_773_100_800 * SECOND  # 2026-03-10 00:00, a Tuesday
UTC = zone("UTC")
NAMES = ("a", "b", "c")

# Each holds for whole minutes, and has at most one cadence that ends within a late waking.
CONDITIONS = [
    "daily",
    "daily after 10:00",
    "daily between 22:00 and 02:00",
    "hourly",
    "hourly after 30",
    "hourly between 50 and 10",
    "every 10 minutes",
    "every 25 minutes",
    "after task 'a'",
    "after task 'b' finished",
    "after task 'c' failed",
    "daily after 06:00 & after task 'a'",
    "hourly & ~task 'b' is running",
    "hourly & ~task 'a' is running",
    "hourly before 20 & task 'a' has succeeded today",
    "daily & task 'b' has finished at least 2 times past 3 hours",
    "hourly | retry 2 times after 5 minutes",
    "daily after 08:00 | retry",
    "hourly & ~has failed past 2 hours",
    "time of day between 05:00 and 06:00 & every 10 minutes",
    "hourly after 15 & ~daily",
]


class Reference:
    """The rules, word by word, minute by minute."""

    def __init__(self, tasks: dict[str, Condition]) -> None:
        self.tasks = tasks
        self.log: list[Record] = []
        self.asleep_from = START
        self.not_before = dict.fromkeys(tasks, START)
        self.wait = dict.fromkeys(tasks, 0)

    def live(self, name: str) -> list[Record]:
        ended = {record.run for record in self.log}
        return [
            r for r in self.log if r.task == name and r.action is Action.RUN and r.seq not in ended
        ]


machine_settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Scheduling(RuleBasedStateMachine):
    """Time passes in whole minutes; the agenda is woken at its own instants and at others."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("oncue.engine.items.CRASH_WAIT", MINUTE)  # all in whole minutes
        self.patch.setattr("oncue.engine.items.CRASH_WAIT_MOST", 60 * MINUTE)

    def teardown(self) -> None:
        self.patch.undo()

    @initialize(chosen=st.lists(st.sampled_from(CONDITIONS), min_size=3, max_size=3))
    def define(self, chosen: list[str]) -> None:
        note(f"{chosen}")
        self.tasks = {name: parse(text) for name, text in zip(NAMES, chosen, strict=True)}
        self.planner = Planner(History())
        self.agenda = Agenda(self.planner, START, cycle_sleep=MINUTE)
        for name, node in self.tasks.items():
            self.agenda.add(name, Schedule(node, UTC))
        self.reference = Reference(self.tasks)
        self.now = START
        self.seq = 0
        self.wake()

    def wake(self) -> None:
        """Wake the agenda; each of its starts must be what the reference says, and no more."""
        found = []
        for start in self.agenda.decide(self.now):
            self.seq += 1
            record = start.record._replace(seq=self.seq)
            self.agenda.settle(record.task, start.mark, self.seq)
            self.agenda.history.position = self.seq
            found.append((record.task, record.scheduled_at))
        assert found == self.expected(), f"at {(self.now - START) // MINUTE} min"

    def expected(self) -> list[tuple[str, int]]:
        """Every minute since the last waking, the instant after each, since a task may start once
        at any, and now, since something may just have happened; every task that can start."""
        reference, found = self.reference, list[tuple[str, int]]()
        first = reference.asleep_from - reference.asleep_from % MINUTE
        minutes = range(first, self.now + 1, MINUTE)
        for instant in sorted({*minutes, *(minute + 1 for minute in minutes), self.now}):
            if not reference.asleep_from <= instant <= self.now:
                continue
            for name, node in self.tasks.items():
                if reference.live(name) or instant < reference.not_before[name]:
                    continue
                owed = self.owed(name)
                if owed is not None and holds(node, owed, reference.log, name):
                    found.append((name, self.start(name, node, instant, owed)))
                    continue
                if holds(node, instant, reference.log, name):
                    found.append((name, self.start(name, node, instant)))
        reference.asleep_from = self.now
        return found

    def owed(self, name: str) -> int | None:
        """The instant of the latest run, if that has crashed."""
        log = self.reference.log
        runs = [r for r in log if r.task == name and r.action is Action.RUN]
        crashed = {r.run for r in log if r.action is Action.CRASH}
        return runs[-1].logical if runs and runs[-1].seq in crashed else None

    def start(self, name: str, node: Condition, minute: int, owed: int | None = None) -> int:
        log = self.reference.log
        scheduled = self.phase(name, node, minute) if owed is None else owed
        of = minute if owed is None else owed
        record = Record(name, Action.RUN, self.now, len(log) + 1, scheduled_at=scheduled)
        endings = [r for r in log if r.task == name and r.action is not Action.RUN]
        bad = endings and endings[-1].action in (Action.FAIL, Action.CRASH)
        again = bad and not holds(without_retry(node), of, log, name)
        before = [r for r in log if r.task == name and r.action is Action.RUN]
        last = next((r.attempt for r in reversed(before)), 0) or 0
        log.append(record._replace(attempt=last + 1 if again else 0))
        consumed = not holds(node, minute, log, name)
        self.reference.not_before[name] = minute + (1 if consumed else MINUTE)
        return scheduled

    def phase(self, name: str, node: Condition, instant: int) -> int:
        """An interval keeps its phase: the largest last + k·D not after now, if the condition has
        held since then."""
        terms = node.terms if isinstance(node, nodes.All) else (node,)
        (every,) = [t for t in terms if isinstance(t, nodes.Every)] or (None,)
        log = self.reference.log
        crashed = {r.run for r in log if r.action is Action.CRASH}
        runs = [r for r in log if r.task == name and r.action is Action.RUN]
        counting = [r for r in runs if r.seq not in crashed]
        if every is None or not counting:
            return instant
        lasting = every.duration.microseconds
        kept = instant - (instant - counting[-1].logical) % lasting
        held = all(holds(node, t, log, name) for t in range(kept, instant, MINUTE))
        return kept if held and kept >= counting[-1].logical + lasting else instant

    # --- what may happen ------------------------------------------------------------------

    @rule()
    def at_the_next_instant(self) -> None:
        """The agenda is woken when it asks to be."""
        wake = self.agenda.wake
        if wake is not None and wake < START + 60 * HOUR:
            assert wake > self.now
            self.now = wake
            self.wake()

    @rule(minutes=st.integers(1, 45))
    def for_nothing(self, minutes: int) -> None:
        """Woken early, and at instants that nobody asked for."""
        target = self.now + minutes * MINUTE
        while (wake := self.agenda.wake) is not None and wake <= target:
            self.now = max(self.now, wake)
            self.wake()
        self.now = target
        self.wake()

    @precondition(lambda self: any(self.reference.live(name) for name in NAMES))
    @rule(data=st.data(), action=st.sampled_from([a for a in Action if a is not Action.RUN]))
    def a_run_ends(self, data: st.DataObject, action: Action) -> None:
        live = [run for name in NAMES for run in self.reference.live(name)]
        run = data.draw(st.sampled_from(live))
        self.record(Record(run.task, action, self.now, run=run.seq))
        reference = self.reference
        if action is Action.CRASH:
            reference.wait[run.task] = min(max(MINUTE, 2 * reference.wait[run.task]), HOUR)
            waits = self.now + reference.wait[run.task]
            reference.not_before[run.task] = max(reference.not_before[run.task], waits)
        else:
            reference.wait[run.task] = 0
        self.wake()

    @rule(
        name=st.sampled_from([*NAMES, "d"]), action=st.sampled_from([Action.SUCCESS, Action.FAIL])
    )
    def another_instance_runs_it(self, name: str, action: Action) -> None:
        """A whole run of it, between two of our looks."""
        if self.reference.live(name):
            return
        self.record(Record(name, Action.RUN, self.now, scheduled_at=self.now, attempt=0))
        self.record(Record(name, action, self.now, run=self.seq))
        if name in self.tasks:
            self.reference.wait[name] = 0
        self.wake()

    def record(self, record: Record) -> None:
        self.seq += 1
        numbered = record._replace(seq=self.seq)
        self.reference.log.append(numbered)
        self.agenda.take(numbered, self.now)


TestScheduling = Scheduling.TestCase
TestScheduling.settings = machine_settings
