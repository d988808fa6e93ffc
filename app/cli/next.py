"""`oncue next`: the coming windows and runs of a condition, and why some do not come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

import click
from rich.console import Console
from rich.text import Text

from ...engine.civil import Zone
from ...engine.civil import zone as zone_of
from .options import Moment, encodable, now, read_conditions, start_option, zone_option
from .outlook import Entry, Outlook, Row, Skipped
from .wording import TOO_LATE, distance, moment_text, remaining, window_text, wrapped

MOST_SKIPPED = 4  # in a row that are told one by one
UNLIMITED = 1_000_000  # columns of a pipe


@click.command("next")
@click.argument("condition")
@start_option("now")
@click.option(
    "--count",
    "-n",
    default=5,
    show_default=True,
    type=click.IntRange(1, 10_000),
    metavar="N",
    help="How many windows, and how many runs.",
)
@zone_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def next_(
    condition: str, start: Moment | None, count: int, zone: Zone | None, as_json: bool
) -> None:
    """Print the coming windows and runs of a condition.

    Runs are those of a task with this start_cond, by time alone, each succeeding at once. What a
    short month or a change of the clocks skips or moves is said with its reason.

    \b
        oncue next "daily between 10:00 and 14:00"
        oncue next "monthly on 31st" --count 12
        oncue next "cron 30 2 * * *" --from 2026-03-28 --zone Europe/Berlin
    """
    (node,) = read_conditions([condition])
    zone = zone or zone_of()
    outlook = Outlook.of(node, zone, now() if start is None else start.start(zone), count)
    if as_json:
        click.echo(json.dumps(outlook.to_dict(), indent=2))
        return
    console = Console(soft_wrap=True, highlight=False)
    for line in lines(outlook, console.width if console.is_terminal else UNLIMITED):
        console.print(encodable(line, console.encoding))


def lines(outlook: Outlook, width: int) -> Iterator[Text]:
    """The answer as text: a heading, the windows, the runs, and what they take for granted."""
    zone = outlook.part.zone
    yield from (Text(line, "bold") for line in wrapped(str(outlook.part.node), width, ""))
    since = f"from {moment_text(outlook.start, zone)}, {zone.name}"
    yield from (Text(line, "dim") for line in wrapped(since, width, ""))
    if outlook.windows:
        title = "windows" if outlook.part.exact else "windows, as far as time decides"
        yield from section(title, outlook.windows, outlook, width)
    if outlook.runs:
        yield from section("runs", outlook.runs, outlook, width)
    for remark in remarks(outlook):
        yield Text()
        yield from (Text(line) for line in wrapped(remark, width, ""))


def section(title: str, entries: tuple[Entry, ...], outlook: Outlook, width: int) -> Iterator[Text]:
    yield Text()
    yield from (Text(line, "bold") for line in wrapped(title, width, ""))
    told = [(entry, *told_of(entry, outlook)) for entry in entries if isinstance(entry, Row)]
    column = max(len(when) for _, when, _ in told)
    texts = {id(row): (when, far) for row, when, far in told}
    for skipped, group in groupby(entries, key=lambda entry: isinstance(entry, Skipped)):
        if skipped:
            yield from skipped_lines((e.note for e in group if isinstance(e, Skipped)), width)
            continue
        for row in group:
            if isinstance(row, Row):
                yield from row_lines(row, *texts[id(row)], column, width)


def told_of(row: Row, outlook: Outlook) -> tuple[str, str]:
    """When it is, and how far off that is."""
    zone = outlook.part.zone
    if row.end is None:
        away = row.start - outlook.start
        return moment_text(row.start, zone), f"in {distance(away)}" if away else "now"
    return window_text(row.start, row.end, zone), remaining(row.start, row.end, outlook.start)


def row_lines(row: Row, when: str, far: str, column: int, width: int) -> Iterator[Text]:
    if 2 + column + 2 + len(far) <= width:
        yield Text(f"  {when:<{column}}  ").append(far, "dim")
    else:
        yield from (Text(line) for line in wrapped(when, width, "  "))
        yield from (Text(line, "dim") for line in wrapped(far, width, "    "))
    for note in row.notes:
        yield from (Text(line, "yellow") for line in wrapped(note, width, "    "))


def skipped_lines(notes: Iterable[str], width: int) -> Iterator[Text]:
    found = list(notes)
    told = found if len(found) <= MOST_SKIPPED else found[: MOST_SKIPPED - 1]
    for note in told:
        yield from (Text(line, "yellow") for line in wrapped(f"skipped: {note}", width, "  "))
    if len(told) < len(found):
        yield Text(f"  skipped: {len(found) - len(told)} more such", "yellow")


def remarks(outlook: Outlook) -> Iterator[str]:
    """What the lists leave open."""
    part = outlook.part
    if outlook.is_over:
        yield over(outlook)
    elif not outlook.runs and is_after_all_dates(outlook):
        yield f"the next window comes {TOO_LATE}"
    elif outlook.runs == ():
        awaited = "; ".join(assumed.awaited for assumed in part.assumptions if not assumed.value)
        yield "no run by time alone" + (f": it waits for {awaited}" if awaited else "")
    elif outlook.runs:
        if not part.consumes:
            yield (
                "then again and again as long as it is true: nothing in it says that a run is "
                "done; oncue check says more"
            )
        for value in (False, True):
            atoms = [str(assumed.atom) for assumed in part.assumptions if assumed.value is value]
            if atoms:
                yield f"taken as {str(value).lower()}: {'; '.join(atoms)}"


def is_after_all_dates(outlook: Outlook) -> bool:
    """Whether the next window is one that no date can say."""
    window = outlook.part.period.window_from(outlook.start)
    return window is not None and window_text(*window, outlook.part.zone) == TOO_LATE


def over(outlook: Outlook) -> str:
    """Why there is no window."""
    last = outlook.part.period.window_before(outlook.start)
    if last is None:
        return "never: it has no window at all"
    return f"never again: its last window ended {moment_text(last.end, outlook.part.zone)}"
