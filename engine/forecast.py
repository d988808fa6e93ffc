"""When a task would start: the agenda itself, driven on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator

from ..conds.nodes import Condition
from .agenda import Agenda
from .civil import Zone
from .history import History
from .plan import Planner, without_retry
from .records import Action, Record

TASK = "self"


def upcoming(node: Condition, start: int, duration: int, zone: Zone) -> Iterator[int]:
    """The instants from `start` on at which a task with this start_cond would start, by an app
    that begins at `start` with an empty log; each run succeeds after `duration` microseconds.
    Ends when time alone will start the task no more."""
    history = History()
    planner = Planner(history)
    agenda = Agenda(planner, start)
    agenda.add(
        TASK,
        planner.plan(node, TASK, zone),
        fresh=planner.plan(without_retry(node), TASK, zone),
    )
    now, seq = start, 0
    while True:
        for decided in agenda.decide(now):
            yield now
            agenda.settle(TASK, decided.mark, seq + 1)
            seq += 2
            ends = now + duration
            agenda.take(Record(TASK, Action.SUCCESS, ends, seq, run=seq - 1), ends)
            now = ends
        wake = agenda.wake
        if wake is None:
            return
        now = max(now, wake)
