"""`oncue run` and `oncue check`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable

import click
from rich.console import Console
from rich.text import Text

from ...conds.diagnostic import Diagnostic, Severity
from ..app import App
from ..errors import OncueError
from ..face import check
from .target import TargetError, load

COLOURS = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFORMATION: "cyan",
}


@click.group()
@click.version_option(package_name="oncue")
def main() -> None:
    """Run Python tasks when conditions say so."""


@main.command("run")
@click.argument("target", metavar="MODULE:APP")
def run(target: str) -> None:
    """Run an app until it is told to stop.

    MODULE is a module's name or a file's path, APP the app's name in it (default: app).

    \b
        oncue run jobs:app
        oncue run examples/morning.py
    """
    app = app_at(target)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S", stream=sys.stdout
    )
    try:
        app.run()
    except OncueError as error:
        raise click.ClickException(str(error)) from error


@main.command("check")
@click.argument("condition")
@click.option("--timezone", "-z", help="The zone in which windows are judged.")
def check_(condition: str, timezone: str | None) -> None:
    """Say what is wrong with a condition, and what may surprise.

    Ends with status 1 when there is an error.

    \b
        oncue check "daily after 10:00 & after task 'extract'"
    """
    try:
        found = check(condition, timezone=timezone)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timezone") from error
    show(found)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        raise SystemExit(1)


def show(found: Iterable[Diagnostic]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for diagnostic in found:
        console.print(Text(str(diagnostic), style=COLOURS[diagnostic.severity]))


def app_at(target: str) -> App:
    try:
        return load(target)
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="MODULE:APP") from error
