"""`oncue simulate`: what an app would do, on a virtual clock."""

from __future__ import annotations

import json
from datetime import datetime
from typing import IO

import click
from rich.console import Console
from rich.text import Text

from ...conds.durations import Duration
from ...engine.civil import to_datetime
from ..app import App
from ..errors import OncueError
from ..simulation import Outcome, Simulation, simulate
from .explain import read_log
from .options import Moment, encodable, end_of, end_option, now, start_option
from .progress import progress
from .strip import text
from .target import app_at, target_argument
from .timeline import glyphs_for
from .wording import OUTCOMES


def named(given: str) -> tuple[str, str]:
    """`NAME=VALUE`; without a name it is for all."""
    name, sign, value = given.rpartition("=")
    if not value or (sign and not name):
        raise click.BadParameter(f"{given!r} is not TASK=VALUE")
    return name, value


def duration(given: str) -> tuple[str, Duration]:
    name, value = named(given)
    try:
        return name, Duration.parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{given!r}: {error}") from error


def outcome(given: str) -> tuple[str, Outcome]:
    name, value = named(given)
    if not name:
        raise click.BadParameter(f"{given!r} is not TASK=OUTCOME[,OUTCOME...]")
    return name, value.split(",") if "," in value else value


@click.command("simulate")
@target_argument
@start_option("now")
@end_option
@click.option(
    "--duration",
    "durations",
    type=duration,
    multiple=True,
    metavar="[TASK=]LENGTH",
    help="How long the runs of a task take, or all that are not named; default: 1 second.",
)
@click.option(
    "--outcome",
    "outcomes",
    type=outcome,
    multiple=True,
    metavar="TASK=OUTCOME[,OUTCOME...]",
    help="How the runs of a task end: all of them, or the first ones; default: success.",
)
@click.option(
    "--log",
    "lines",
    type=click.File(encoding="utf-8"),
    help="What happened before, as JSON lines, {task, action, at}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--chart", is_flag=True, help="Draw the runs of each task as a strip.")
@click.option(
    "--svg",
    "picture",
    type=click.File("w", encoding="utf-8", lazy=True),
    metavar="FILE",
    help="Write the chart as an SVG picture; - is standard output.",
)
def simulate_(
    target: str,
    start: Moment | None,
    end: Moment | None,
    days: float | None,
    durations: tuple[tuple[str, Duration], ...],
    outcomes: tuple[tuple[str, Outcome], ...],
    lines: IO[str] | None,
    as_json: bool,
    chart: bool,
    picture: IO[str] | None,
) -> None:
    """Show what an app would do: every run, with its retries, timeouts and dependences.

    Nothing is run or stored, and no time passes; the app is imported, as `oncue run` does.

    \b
        oncue simulate jobs:app --days 7
        oncue simulate jobs:app --from 2026-03-27 --to 2026-03-30 --duration extract=20min
        oncue simulate jobs:app --outcome load=fail,fail --chart
    """
    app = app_at(target)
    zone = app.session.config.timezone
    first = now() if start is None else start.start(zone)
    last = end_of(first, end, days, zone)
    began, ended = to_datetime(first, zone), to_datetime(last, zone)
    if began is None or ended is None:
        raise click.UsageError("the simulation goes beyond the years that datetimes have")
    console = Console(soft_wrap=True, highlight=False)
    found = run(app, began, ended, durations, outcomes, lines)
    if picture is not None:
        picture.write(found.svg())
        if picture.name != "-":
            click.echo(f"wrote {picture.name}")
    elif as_json:
        click.echo(json.dumps(found.to_dicts(), indent=2, ensure_ascii=False))
    elif chart:
        drawing = text(found.chart(), console.width, glyphs_for(console.encoding))
        console.print(encodable(drawing, console.encoding))
    else:
        show(found, console)


def run(
    app: App,
    start: datetime,
    end: datetime,
    durations: tuple[tuple[str, Duration], ...],
    outcomes: tuple[tuple[str, Outcome], ...],
    lines: IO[str] | None,
) -> Simulation:
    """The simulation, or one line that says why there is none."""
    general = dict(durations).get("", Duration.of(1))
    lasting = {task.name: general for task in app if not task.permanent}
    lasting |= {name: length for name, length in durations if name}
    try:
        log = [] if lines is None else list(read_log(lines))
        with progress("simulating") as done:
            return simulate(
                app,
                start,
                end,
                durations=lasting,
                outcomes=dict(outcomes),
                log=log,
                progress=done,
            )
    except (OncueError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def show(found: Simulation, console: Console) -> None:
    head, *rows = str(found).splitlines()
    console.print(Text(head, style="bold"))
    for row, run_ in zip(rows, found.runs, strict=True):
        console.print(Text(row, style=OUTCOMES.get(run_.outcome or "", "")))
    for task, at in found.missed:
        console.print(Text(f"missed: {task} at {at:%Y-%m-%d %H:%M:%S}", style="yellow"))
    for task, at, until in found.missed_between:
        times = f"{at:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}"
        line = f"missed: {task} from {times}, more than are told one by one"
        console.print(Text(line, style="yellow"))
    if not rows:
        console.print("nothing runs")
