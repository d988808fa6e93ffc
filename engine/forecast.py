"""What would happen: the agenda itself, driven on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from ..conds.nodes import Cadence, Condition, Cron, Once
from .agenda import Agenda
from .atoms import Scheduler
from .civil import FOREVER, Zone
from .history import History
from .periods import Period, period_of
from .plan import Planner, without_retry
from .records import Action, Record

PATIENCE = 16  # how often a forecast looks in vain before it asks when to look


class Candidate(NamedTuple):
    """A task as far as its starts depend on it."""

    name: str
    condition: Condition
    zone: Zone
    priority: int = 0
    multilaunch: bool = False


Course = Callable[[Record], tuple[int, Action]]
"""Of a run: after how many microseconds it ends, and how."""


def simulate(
    tasks: Iterable[Candidate], start: int, course: Course, end: int = FOREVER
) -> Iterator[Record]:
    """The records, in order, that an app of these tasks would write from `start` up to `end`,
    with an empty log at first and nobody ever late. The same questions give the same answers.
    Ends early when time alone will start nothing more."""
    planner = Planner(History(), {}, Scheduler(start))
    agenda = Agenda(planner, start)
    for task in tasks:
        plan = planner.plan(task.condition, task.name, task.zone)
        fresh = planner.plan(without_retry(task.condition), task.name, task.zone)
        agenda.add(
            task.name,
            plan,
            fresh=fresh,
            priority=task.priority,
            multilaunch=task.multilaunch,
        )
    running: list[tuple[int, int, Record]] = []
    now, seq = start, 0
    while now < end:
        for decided in agenda.decide(now):
            seq += 1
            run = decided.record._replace(seq=seq)
            agenda.settle(run.task, decided.mark, seq)
            length, ending = course(run)
            over = Record(run.task, ending, now + length, run=seq)
            heappush(running, (over.at, seq, over))
            yield run
        wake = FOREVER if agenda.wake is None else agenda.wake
        now = max(now, min(wake, running[0][0] if running else FOREVER))
        while running and running[0][0] <= now < end:
            seq += 1
            over = heappop(running)[2]._replace(seq=seq)
            agenda.take(over, now)
            yield over


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
    plan = planner.plan(node, "self", zone)
    agenda.add("self", plan, fresh=planner.plan(without_retry(node), "self", zone))
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
