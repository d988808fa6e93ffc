"""`oncue run`: an app, until it is told to stop."""

from __future__ import annotations

import logging
import sys

import click

from ..errors import OncueError
from .target import app_at, target_argument

scheduler_log = logging.getLogger("oncue.scheduler")


@click.command("run")
@target_argument
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
    except OncueError:
        raise  # it says what would be right, and the log where it came from
    except Exception as error:
        scheduler_log.error("the app has ended: %r", error, exc_info=error)
        raise
