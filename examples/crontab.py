"""A crontab, run by oncue: the same lines, and a log of what became of them.

    python examples/crontab.py FILE

Takes what cron takes: five fields or a nickname, then a line for the shell; NAME=VALUE sets the
environment of the lines below. As in cron, runs of one line may go on beside each other, and what
came due while nobody ran it is left out. Unlike cron, an app that begins in a minute that matches
starts its line in that minute, and a `%` is only a `%`.
"""

import logging
import re
import sys
from pathlib import Path

from oncue import App

VARIABLE = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")
JOB = re.compile(r"\s*(@\w+|(?:\S+\s+){4}\S+)\s+(.+)")


def app_of(text, store=None):
    """The app of a crontab's text. Raises ValueError for a line that is none."""
    app = App(store)
    environment = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if found := VARIABLE.fullmatch(line):
            environment[found[1]] = found[2].strip("'\"")
        elif found := JOB.fullmatch(line):
            add(app, f"line {number}", found[1], found[2], dict(environment))
        else:
            raise ValueError(f"line {number} is neither a job nor a variable: {line!r}")
    return app


def add(app, name, schedule, command, environment):
    app.task(
        name=name,
        schedule=schedule,
        command=command,
        shell=True,
        env=environment,
        description=command,
        overlap="allow",
        catch_up="skip",
        failure_mode="commit",
        timeout="never",
    )


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    app_of(Path(sys.argv[1]).read_text(encoding="utf-8"), "crontab.db").run()


if __name__ == "__main__":
    main()
