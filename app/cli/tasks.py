"""`oncue tasks`: the tasks of an app, how each last went, when it is due and why not now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from ...engine.civil import SECOND, Zone, from_datetime, to_datetime
from ...engine.explain import Explanation, Part
from ..app import App
from ..task import Task
from .explain import from_outside, what_keeps
from .options import now, tasks_option
from .progress import progress
from .target import app_at, refuse_unknown, target_argument
from .taskrows import Cells, show
from .wording import distance


@dataclass(frozen=True, slots=True)
class Row:
    """A task as it stands: `status` is its latest record's action, None if it never ran; `why` are
    the reasons why it does not run now, none if it does or is about to. Datetimes are aware, in the
    task's zone."""

    task: Task[..., Any]
    status: str | None
    last_run: datetime | None
    next_due: datetime | None
    why: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        task = self.task
        moments = {
            "last_run": self.last_run,
            "last_success": task.last_success,
            "last_fail": task.last_fail,
            "next_due": self.next_due,
        }
        return {
            "task": task.name,
            "condition": str(task.start_cond),
            "description": task.description,
            "enabled": task.enabled,
            "status": self.status,
            **{name: at and at.isoformat() for name, at in moments.items()},
            "why": list(self.why),
        }


@click.command("tasks")
@target_argument
@tasks_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def tasks_(target: str, tasks: tuple[str, ...], as_json: bool) -> None:
    """List the tasks of an app: how each last went, when it is next due, why it does not run.

    The store tells, whether the app runs or not, and nothing is changed. Next due is when time
    alone lets it start: of a task that waits for another there is none until then. What oncue
    explain says of one task is longer.

    \b
        oncue tasks jobs:app
        oncue tasks jobs:app --task load --json
    """
    app = app_at(target)
    refuse_unknown(app, tasks)
    rows = list(rows_of(app, tasks))
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in rows], indent=2, ensure_ascii=False))
    elif rows:
        zone = app.session.config.timezone
        show([cells(row, now(), zone) for row in rows], zone.name)
    else:
        click.echo("the app has no tasks", err=True)


def rows_of(app: App, names: tuple[str, ...]) -> Iterator[Row]:
    """In order of definition."""
    wanted = [task for task in app if not names or task.name in names]
    kept = what_keeps(app)
    with progress("asking each task") as done:
        for number, task in enumerate(wanted, 1):
            status, found = task.status, from_outside(task.explain(), kept)
            why = () if status == "run" else tuple(reasons(found))
            yield Row(task, status, task.last_run, task.next_due, why)
            done(number / len(wanted))


def reasons(found: Explanation) -> Iterator[str]:
    """Why a task that does not run does not: what keeps it whatever its condition says; then what
    of the condition does, of which time alone may change but a part."""
    yield from found.obstacles
    if found.value:
        return
    timely = next((flip.causes for flip in found.flips if not flip.needs), ())
    texts = {cause.removeprefix("~") for cause in timely}
    parts = list(blamed(found))
    told = [part for part in parts if part.text in texts] or parts
    yield from dict.fromkeys(part.reason or constant(part) for part in told)


def constant(part: Part) -> str:
    """What there is to say of a part that is always what it is."""
    return "its condition is never true" if part.text == "false" else f"{part.text} rules it out"


def blamed(part: Part) -> Iterator[Part]:
    """The atoms that make a condition what it is: of its parts those that have its value or, where
    it is a *not*, the part that has the other."""
    same = [below for below in part.parts if below.value == part.value]
    if not part.parts:
        yield part
    for below in same or part.parts:
        yield from blamed(below)


def cells(row: Row, at: int, zone: Zone) -> Cells:
    """What a table has of it, its times in one zone."""
    status = "running" if row.status == "run" else row.status or "never ran"
    last, due = (
        "" if moment is None else nearby(from_datetime(moment, zone), at, zone)
        for moment in (row.last_run, row.next_due)
    )
    return Cells(row.task.name, status, last, due, "; ".join(row.why))


def nearby(instant: int, at: int, zone: Zone) -> str:
    """`14:30:00, 5 minutes ago`, with the date where that is another."""
    then, today = to_datetime(instant, zone), to_datetime(at, zone)
    if then is None or today is None:
        return "?"
    if abs(instant - at) < SECOND:
        return "now"
    far = " ".join(distance(abs(instant - at)).split()[:2])
    clock = f"{then:%H:%M:%S}" if then.date() == today.date() else f"{then:%Y-%m-%d %H:%M}"
    return f"{clock}, {f'in {far}' if instant > at else f'{far} ago'}"
