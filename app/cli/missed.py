"""`oncue missed`: what of an app nobody has run, and when."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import click
from rich.console import Console
from rich.text import Text

from ...conds.diagnostic import printable
from ...engine.civil import Zone, from_datetime
from ..app import App
from ..missed import Fate, Occurrence
from .options import Moment, encodable, read_moment, tasks_option
from .progress import progress
from .target import app_at, refuse_unknown, target_argument
from .wording import counted, dated, offset

NEWEST = 100
COLOURS = {Fate.MISSED: "red", Fate.DUE: "bold", Fate.AGAIN: "yellow", Fate.CAUGHT_UP: "yellow"}


@click.command("missed")
@target_argument
@tasks_option
@click.option(
    "--from",
    "start",
    type=read_moment,
    metavar="DATETIME",
    help="From when on, as 2026-03-10 or '2026-03-10 12:00'; default: ever.",
)
@click.option(
    "--to",
    "end",
    type=read_moment,
    metavar="DATETIME",
    help="Until when; a bare date is included; default: now.",
)
@click.option(
    "--newest",
    default=NEWEST,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="How many of the latest to show.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def missed_(
    target: str,
    tasks: tuple[str, ...],
    start: Moment | None,
    end: Moment | None,
    newest: int,
    as_json: bool,
) -> None:
    """List what nobody ran, and when.

    That is what the app has noted in its store and, for the time since it last decided, what has
    come due meanwhile, and what a start of the app would do about it. Only the store is read,
    whether the app runs or not, and nothing is changed.

    \b
        oncue missed jobs:app
        oncue missed jobs:app --task report --from 2026-03-01
    """
    app = app_at(target)
    found = [each for each in of_app(app, tasks) if within(each, start, end, zone_of(app))]
    shown = found[-newest:]
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in shown], indent=2, ensure_ascii=False))
    else:
        show(shown)
        click.echo(summary(found))
    if len(shown) < len(found):
        rest = f"{counted(len(found) - len(shown), 'earlier one')} not shown"
        click.echo(f"{rest}: --newest {len(found)} shows all", err=as_json)


def of_app(app: App, tasks: tuple[str, ...]) -> list[Occurrence]:
    refuse_unknown(app, tasks)
    with progress("looking for what is due"):
        return app.session.occurrences(*tasks)


def zone_of(app: App) -> Zone:
    return app.session.config.timezone


def within(each: Occurrence, start: Moment | None, end: Moment | None, zone: Zone) -> bool:
    """Whether it lies there, or some of it where it is a time."""
    first = from_datetime(each.at, zone)
    last = first if each.until is None else from_datetime(each.until, zone)
    return (start is None or last >= start.start(zone)) and (end is None or first < end.end(zone))


def show(found: list[Occurrence]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    rows = [(when(each), printable(each.task), each.fate) for each in found]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    for at, task, fate in rows:
        line = Text(f"{at:<{widths[0]}}  {task:<{widths[1]}}  ").append(fate, COLOURS[fate])
        console.print(encodable(line, console.encoding))


def when(each: Occurrence) -> str:
    at = f"{dated(each.at)} {offset(each.at)}"
    if each.until is None:
        return at
    return f"{at} to {dated(each.until)} {offset(each.until)}, more than are told one by one"


def summary(found: list[Occurrence]) -> str:
    return ", ".join(parts(found)) or "nothing was missed"


def parts(found: list[Occurrence]) -> Iterator[str]:
    counts = Counter(each.fate for each in found)
    for fate in Fate:
        if counts[fate]:
            some = "at least " if any(each.until for each in found if each.fate is fate) else ""
            yield f"{some}{counts[fate]:,} {fate}"
