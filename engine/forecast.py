"""When a task would start: the agenda itself, driven on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator

from ..conds.nodes import Cadence, Condition, Cron, Once
from .agenda import Agenda
from .atoms import Scheduler
from .civil import Zone
from .history import History
from .periods import Period, period_of
from .plan import Planner
from .records import Action, Record
from .schedule import Schedule

PATIENCE = 16  # how often a forecast looks in vain before it asks when to look


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
    planner = Planner(History(), {}, Scheduler(now))
    agenda = Agenda(planner, now)
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
