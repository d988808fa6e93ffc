"""What the commands about time ask for in the same way: conditions, datetimes, a zone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import click
from rich.console import Console
from rich.text import Text

from ...conds.dates import read_datetime
from ...conds.nodes import Condition
from ...conds.reading import ReadError
from ...engine.civil import DAY, SECOND, UnknownZoneError, Zone, from_datetime, local_time
from ...engine.civil import zone as zone_of
from ...grammar.errors import ConditionSyntaxError
from ...grammar.parser import parse
from ..clock import SystemClock
from .completing import complete_task
from .target import is_target

WEEK = 7.0
MOST_DAYS = 1_000_000

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Moment(NamedTuple):
    """A datetime as it was given: naive ones are on the wall clock of the zone asked for; a
    bare date names the whole day."""

    at: datetime
    is_date: bool

    def start(self, zone: Zone) -> int:
        return from_datetime(self.at, zone)

    def end(self, zone: Zone) -> int:
        """As an end: the day that a bare date names is included (LANGUAGE.md §6)."""
        if self.is_date:
            return zone.boundary(local_time(self.at) + DAY)
        return from_datetime(self.at, zone)


def read_moment(text: str) -> Moment:
    """A datetime as conditions write them, or ISO 8601 with an offset."""
    try:
        return Moment(*read_datetime(text))
    except ReadError as error:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise click.BadParameter(error.message) from error
        if moment.tzinfo is None:  # a form, such as 20260131, that conditions do not have
            raise click.BadParameter(error.message) from error
        return Moment(moment, False)


def read_zone(name: str) -> Zone:
    try:
        return zone_of(name)
    except UnknownZoneError as error:
        raise click.BadParameter(str(error)) from error


def zone_option(command: AnyFunction) -> AnyFunction:
    """`--zone`; without it the system's."""
    return click.option(
        "--zone",
        "--timezone",
        "-z",
        type=read_zone,
        metavar="ZONE",
        help="The zone of the answer, and of conditions that name none; default: the system's.",
    )(command)


def start_option(default: str) -> Callable[[AnyFunction], AnyFunction]:
    """`--from`; without it what `default` says."""
    return click.option(
        "--from",
        "start",
        type=read_moment,
        metavar="DATETIME",
        help=f"Where to begin, as 2026-03-10 or '2026-03-10 12:00'; default: {default}.",
    )


def read_days(given: str) -> float:
    try:
        days = float(given)
    except ValueError:
        days = 0
    if not 0 < days <= MOST_DAYS:  # of which nan is none either
        known = f"a number above 0, as in 7 or 0.5, of at most {MOST_DAYS:,}"
        raise click.BadParameter(f"{given!r} is no number of days: {known}")
    return days


def end_option(command: AnyFunction) -> AnyFunction:
    """`--to`, or `--days` in its place."""
    days = click.option(
        "--days",
        type=read_days,
        metavar="N",
        help="How many days, instead of --to; default: 7.",
    )
    end = click.option(
        "--to",
        "end",
        type=read_moment,
        metavar="DATETIME",
        help="Where to end; a bare date is included.",
    )
    return end(days(command))


def tasks_option(command: AnyFunction) -> AnyFunction:
    """`--task`, as often as one likes."""
    return click.option(
        "--task",
        "tasks",
        metavar="NAME",
        multiple=True,
        shell_complete=complete_task,
        help="Of this task; may be given again.",
    )(command)


def end_of(start: int, end: Moment | None, days: float | None, zone: Zone) -> int:
    """The end that `--to` and `--days` say. Raises UsageError where both do."""
    if end is not None and days is not None:
        raise click.UsageError("--to and --days both say where to end: give one of them")
    return days_later(start, WEEK if days is None else days, zone) if end is None else end.end(zone)


def days_later(start: int, days: float, zone: Zone) -> int:
    """The instant at which the wall clock has gone on by that many days."""
    return zone.boundary(start + zone.offset(start) + round(days * DAY))


def now() -> int:
    """This instant, to the second."""
    return SystemClock().now() // SECOND * SECOND


def read_conditions(texts: Iterable[str]) -> list[Condition]:
    """The conditions that the texts spell. All that is wrong goes to standard error, with a caret
    under it; then the command ends with status 1. An app in the place of one is a usage error."""
    found, wrong = [], False
    for text in texts:
        if is_target(text):
            tasks = f"oncue tasks {text} says when its tasks are due"
            raise click.UsageError(f"{text} is an app, where a condition is asked for; {tasks}")
        try:
            found.append(parse(text))
        except ConditionSyntaxError as error:
            wrong = True
            console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
            for diagnostic in error.diagnostics:
                console.print(Text(str(diagnostic), style="bold red"))
    if wrong:
        raise SystemExit(1)
    return found


def encodable(text: Text, encoding: str) -> Text:
    """The text with a `?` for each character that a terminal or a pipe of that encoding lacks."""
    plain = text.plain.encode(encoding, "replace").decode(encoding)
    if plain != text.plain:
        text = text.copy()
        text.plain = plain
    return text
