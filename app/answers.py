"""What an app says of a task now: why it does not start, and when it will."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..engine.agenda import Agenda, lateness
from ..engine.civil import FOREVER, to_datetime
from ..engine.explain import Explainer, Explanation
from ..engine.history import Run
from ..engine.items import Entry
from ..engine.periods import Period
from ..engine.schedule import Overlap

if TYPE_CHECKING:
    from .task import Task


def explanation(
    agenda: Agenda, task: Task[..., Any], now: int, *, serving: bool = False
) -> Explanation:
    schedule = task.plan
    found = Explainer(agenda.planner, task.key, now).explain(schedule.condition, schedule.zone)
    return replace(found, obstacles=tuple(obstacles(agenda, task, now, serving)))


def obstacles(agenda: Agenda, task: Task[..., Any], now: int, serving: bool) -> Iterator[str]:
    """What keeps a task from starting whatever its condition says."""
    entry = agenda.entries.get(task.key)
    if not task.enabled:
        yield "the task is disabled in this process"
    if task.on_startup or task.on_shutdown:
        yield f"it starts when the app {'starts' if task.on_startup else 'ends'}, and only then"
    if entry is None:
        return
    if entry.log.live and entry.schedule.overlap is not Overlap.ALLOW:
        since = min(run.mark.at for run in list(entry.log.live.values()))
        yield f"it is running, since {to_datetime(since, entry.schedule.zone)}"
    if serving and agenda.held_back(entry):
        yield "it waits for room: as many runs as there may be are under way in this process"
    zone, run = entry.schedule.zone, owed(entry)
    again = restart(entry, now)
    if run is not None and again - run.scheduled_at <= lateness(entry.schedule):
        occurrence, due = to_datetime(run.scheduled_at, zone), to_datetime(again, zone)
        told = f"its run of {occurrence} has ended in {run.ending}"
        if again > now:
            yield f"{told}: it starts again at {due}, if its condition still holds of then"
    elif again > now:
        yield f"its last run has crashed: it waits until {to_datetime(again, zone)}"


def owed(entry: Entry) -> Run | None:
    """The latest run, if it is released now or when its lease ends: what it was to do is owed."""
    run = entry.log.starts[-1] if entry.log.starts else None
    if run is None or run.ending is None or entry.log.counted(run) == FOREVER:
        return None
    return run


def restart(entry: Entry, now: int) -> int:
    """When a task may start whose last run was released: its lease has ended, and the wait that
    follows. Now, if there is nothing to wait for."""
    run = owed(entry)
    waits = entry.not_before if entry.crash_wait else now
    return max(now, waits, now if run is None else entry.log.counted(run))


def next_due(agenda: Agenda, task: Task[..., Any], now: int) -> int:
    """When its condition next holds, if nothing more is recorded; FOREVER if never."""
    schedule = task.plan
    if not (schedule.standing and task.enabled):
        return FOREVER
    entry = agenda.entries.get(task.key)
    if entry is not None and entry.crash_wait:
        now = max(now, entry.not_before)
    plan = agenda.planner.plan(schedule.condition, task.key, schedule.zone)
    window = Period(plan.outlook(now)).window_from(now)
    return FOREVER if window is None else max(window.start, now)
