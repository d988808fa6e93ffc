"""What an app says of a task now: why it does not start, and when it will."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..engine.agenda import Agenda
from ..engine.civil import FOREVER, to_datetime
from ..engine.explain import Explainer, Explanation
from ..engine.periods import Period
from ..engine.schedule import Overlap

if TYPE_CHECKING:
    from .task import Task


def explanation(agenda: Agenda, task: Task[..., Any], now: int) -> Explanation:
    schedule = task.plan
    found = Explainer(agenda.planner, task.name, now).explain(schedule.condition, schedule.zone)
    return replace(found, obstacles=tuple(obstacles(agenda, task, now)))


def obstacles(agenda: Agenda, task: Task[..., Any], now: int) -> Iterator[str]:
    """What keeps a task from starting whatever its condition says."""
    entry = agenda.entries.get(task.name)
    if not task.enabled:
        yield "the task is disabled in this process"
    if task.on_startup or task.on_shutdown:
        yield f"it starts when the app {'starts' if task.on_startup else 'ends'}, and only then"
    if entry is None:
        return
    if entry.log.live and entry.schedule.overlap is not Overlap.ALLOW:
        since = min(run.mark.at for run in list(entry.log.live.values()))
        yield f"it is running, since {to_datetime(since, entry.schedule.zone)}"
    if entry.not_before > now and entry.crash_wait:
        until = to_datetime(entry.not_before, entry.schedule.zone)
        yield f"its last run has crashed: it waits until {until}"


def next_due(agenda: Agenda, task: Task[..., Any], now: int) -> int:
    """When its condition next holds, if nothing more is recorded; FOREVER if never."""
    schedule = task.plan
    if not (schedule.standing and task.enabled):
        return FOREVER
    plan = agenda.planner.plan(schedule.condition, task.name, schedule.zone)
    window = Period(plan.outlook(now)).window_from(now)
    return FOREVER if window is None else max(window.start, now)
