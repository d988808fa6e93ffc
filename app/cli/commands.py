"""`oncue`, and `oncue run`; the other commands have files of their own."""

from __future__ import annotations

import logging
import sys

import click

from ..errors import OncueError
from .check import check_
from .explain import explain_
from .fmt import fmt
from .health import health_
from .migrate import migrate
from .missed import missed_
from .next import next_
from .simulate import simulate_
from .target import app_at
from .timeline import timeline


@click.group()
@click.version_option(package_name="oncue")
def main() -> None:
    """Run Python tasks when conditions say so."""


main.add_command(check_)
main.add_command(explain_)
main.add_command(fmt)
main.add_command(health_)
main.add_command(migrate)
main.add_command(missed_)
main.add_command(next_)
main.add_command(simulate_)
main.add_command(timeline)


@main.command("run")
@click.argument("target", metavar="MODULE:APP")
@click.option(
    "--production",
    is_flag=True,
    help="Go on where a condition, a task's set-up or the store fails: what would end the app is "
    "said and silenced.",
)
def run(target: str, production: bool) -> None:
    """Run an app until it is told to stop.

    MODULE is a module's name or a file's path, APP the app's name in it (default: app).

    \b
        oncue run jobs:app
        oncue run examples/morning.py
    """
    app = app_at(target)
    if production:
        app.session.config.use("production")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s  %(message)s", datefmt="%H:%M:%S", stream=sys.stdout
    )
    try:
        app.run()
    except OncueError as error:
        raise click.ClickException(str(error)) from error
