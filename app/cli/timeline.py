"""`oncue timeline`: the windows of conditions, drawn under each other."""

from __future__ import annotations

from dataclasses import astuple
from datetime import datetime
from typing import IO

import click
from rich.console import Console

from ...engine.civil import DAY, Zone, from_datetime
from ...engine.civil import zone as zone_of
from .chart import chart_of
from .options import (
    Moment,
    encodable,
    end_of,
    end_option,
    now,
    read_conditions,
    start_option,
    zone_option,
)
from .strip import ASCII, BLOCKS, Glyphs, text
from .svg import svg


@click.command("timeline")
@click.argument("conditions", metavar="CONDITION...", nargs=-1, required=True)
@start_option("today")
@end_option
@zone_option
@click.option(
    "--svg",
    "picture",
    type=click.File("w", encoding="utf-8", lazy=True),
    metavar="FILE",
    help="Write an SVG picture instead; - is standard output.",
)
def timeline(
    conditions: tuple[str, ...],
    start: Moment | None,
    end: Moment | None,
    days: float | None,
    zone: Zone | None,
    picture: IO[str] | None,
) -> None:
    """Draw the windows of conditions under each other.

    Of "every ..." the runs are drawn too, those of an app that begins at --from.

    \b
        oncue timeline "on weekdays" "daily between 9 and 17"
        oncue timeline "monthly on 31st" --from 2026-01-01 --to 2026-12-31
        oncue timeline "daily after 02:30" --zone Europe/Berlin --svg windows.svg
    """
    nodes = read_conditions(conditions)
    zone = zone or zone_of()
    first = today(zone) if start is None else start.start(zone)
    last = min(end_of(first, end, days, zone), after_all_dates(zone))
    if last <= first:
        raise click.UsageError("the timeline is empty: --to has to be after --from")
    chart = chart_of(nodes, first, last, zone)
    if picture is None:
        console = Console(soft_wrap=True, highlight=False)
        drawing = text(chart, console.width, glyphs_for(console.encoding))
        console.print(encodable(drawing, console.encoding))
        return
    picture.write(svg(chart))
    if picture.name != "-":
        click.echo(f"wrote {picture.name}")


def today(zone: Zone) -> int:
    """The last midnight."""
    at = now()
    return zone.boundary((at + zone.offset(at)) // DAY * DAY)


def after_all_dates(zone: Zone) -> int:
    """The instant at which the year 9999 is over."""
    return from_datetime(datetime.max, zone) + 1


def glyphs_for(encoding: str) -> Glyphs:
    """Blocks, where the terminal's encoding has them."""
    try:
        "".join(astuple(BLOCKS)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BLOCKS
