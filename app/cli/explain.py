"""`oncue explain`: why a condition holds or does not, or why a task is not running."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from ...engine.civil import Zone, to_datetime
from ...engine.civil import zone as zone_of
from ...engine.explain import Explanation
from ..face import explain
from .completing import complete_file, complete_task
from .options import Moment, now, read_conditions, read_moment, zone_option
from .target import app_at, is_target, refuse_unknown
from .wording import counted

if TYPE_CHECKING:
    from ..app import App

NOBODY = "due, but no instance of the app runs"


@click.command("explain")
@click.argument("what", metavar="CONDITION|MODULE:APP", shell_complete=complete_file)
@click.option(
    "--task",
    metavar="NAME",
    shell_complete=complete_task,
    help="The task: of the app, or that owns the condition.",
)
@click.option(
    "--at",
    type=read_moment,
    metavar="DATETIME",
    help="The instant asked about; default: now. Only of a condition.",
)
@click.option(
    "--log",
    "lines",
    type=click.File(encoding="utf-8"),
    help="The log as JSON lines, {task, action, at}. Only of a condition.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@zone_option
def explain_(
    what: str,
    task: str | None,
    at: Moment | None,
    lines: IO[str] | None,
    as_json: bool,
    zone: Zone | None,
) -> None:
    """Say why a condition holds or does not, what would change that, and when time alone will.

    With MODULE:APP and --task, why that task is not running, by the app's own store.

    \b
        oncue explain "daily after 10:00 & after task 'extract'" --at "2026-03-10 09:00"
        oncue explain "has failed today" --log log.jsonl --task load
        oncue explain jobs:app --task load

    A dynamic task is called FAMILY:NAME.
    """
    if is_target(what):
        if task is None:
            raise click.UsageError(f"give --task NAME, the task of {what} that is asked about")
        if at is not None or lines is not None or zone is not None:
            raise click.UsageError("--at, --log and --zone are for a condition, not for an app")
        found = of_app(what, task)
    else:
        found = of_condition(what, task or "self", at, lines, zone or zone_of(None))
    if as_json:
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
    else:
        show(found)


def of_app(target: str, task: str) -> Explanation:
    app = app_at(target)
    try:
        found = app.explain(task)  # which may be a dynamic one
    except KeyError:
        refuse_unknown(app, [task])
        raise
    return from_outside(found, what_keeps(app))


def what_keeps(app: App) -> str | None:
    """What keeps all that is due from being started, as far as the store tells."""
    session = app.session
    alive = sum(instance.alive for instance in session.store.instances())
    if not alive:
        return NOBODY
    limit, runs = session.config.concurrency_limit, session.under_way
    if limit is None or runs < limit * alive:
        return None
    running, there = counted(runs, "run"), counted(alive, "instance")
    return f"due, but there is no room: {running} under way, all that {there} may have"


def from_outside(found: Explanation, kept: str | None) -> Explanation:
    """With what the app itself need not say."""
    if not found.value or found.obstacles or kept is None:
        return found
    return replace(found, obstacles=(kept,))


def of_condition(
    text: str, task: str, at: Moment | None, lines: IO[str] | None, zone: Zone
) -> Explanation:
    (condition,) = read_conditions([text])
    instant = to_datetime(now() if at is None else at.start(zone), zone)
    if instant is None:
        raise click.BadParameter("the instant is out of range", param_hint="--at")
    try:
        log = list(read_log(lines)) if lines is not None else []
        return explain(condition, at=instant, log=log, task=task, timezone=zone)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def read_log(lines: IO[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number} of the log is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"line {number} of the log is not an object: {line.strip()}")
        yield record


def show(found: Explanation) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for line, holds in found.lines():
        console.print(Text(line, style="green" if holds else "red"))
    for obstacle in found.obstacles:
        console.print(Text(f"✗ {obstacle}", style="red"))
    for line in outcome(found):
        console.print(Text(line, style="bold"))


def outcome(found: Explanation) -> Iterator[str]:
    """When it changes by time alone, and what would change it otherwise."""
    if found.flips_at is not None:
        yield f"{'holds until' if found.value else 'will hold at'} {told(found.flips_at)}"
    else:
        yield f"by time alone it stays {'true' if found.value else 'false'}"
        if found.final:
            yield "and nothing that can be recorded changes that"
        elif not found.flips:
            yield "and no change of a few records was found that would turn it"
    needs: dict[datetime, list[str]] = {}
    for flip in found.flips:
        if flip.needs:
            needs.setdefault(flip.at, []).append(flip.needs)
    for at, ways in needs.items():
        verb = "would end" if found.value else "would hold"
        yield f"{verb} {told(at)} with {', or '.join(ways)}"


def told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
