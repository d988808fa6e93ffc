"""`oncue log`: the log of runs, as the store has it."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import IO

import click

from ...conds.diagnostic import nearest
from ...conds.durations import Duration
from ...conds.reading import ReadError
from ...engine.civil import Zone
from ...engine.civil import zone as zone_of
from ...engine.records import Action
from ..errors import OncueError
from ..stores import store_at
from ..stores.address import masked
from ..stores.memory import MemoryStore
from ..stores.protocol import Query, Store
from .completing import complete_file
from .loglines import JsonLines, Lines, Teller
from .logreading import Reading
from .options import Moment, now, read_moment, tasks_option, zone_option
from .progress import progress
from .target import app_at

LATEST, LATEST_FOLLOWED = 50, 10


def read_since(text: str) -> Moment | Duration:
    """A datetime, or how long ago."""
    with suppress(ReadError):
        return Duration.parse(text)
    return read_moment(text)


def instant_of(start: Moment | Duration, zone: Zone) -> int:
    return now() - start.microseconds if isinstance(start, Duration) else start.start(zone)


@click.command("log")
@click.argument("target", metavar="[MODULE:APP]", required=False, shell_complete=complete_file)
@click.option(
    "--store",
    "address",
    metavar="URL",
    help="The store to read, instead of an app's: jobs.db, postgresql://..., redis://...",
)
@tasks_option
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice(list(map(str, Action))),
    metavar="ACTION",
    help=f"Of this kind: {', '.join(Action)}; may be given again.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="ID",
    help="Of this run: its number, as in #17 without the sign, or its label.",
)
@click.option(
    "--from",
    "--since",
    "start",
    type=read_since,
    metavar="DATETIME",
    help="From when on, as 2026-03-10, '2026-03-10 12:00' or '2 hours' ago.",
)
@click.option(
    "--to",
    "--until",
    "end",
    type=read_moment,
    metavar="DATETIME",
    help="Until when; a bare date is included.",
)
@click.option(
    "--last",
    "-n",
    type=click.IntRange(1),
    metavar="N",
    help="How many of the latest; default: 50, 10 with --follow, all with --from, --to, --run or "
    "--output.",
)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.option("--tracebacks", "-t", is_flag=True, help="Print the tracebacks of what failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines, which --log reads.")
@click.option(
    "--output",
    "-o",
    type=click.File("w", encoding="utf-8", lazy=True),
    metavar="FILE",
    help="Write JSON lines to a file.",
)
@zone_option
def log_(
    target: str | None,
    address: str | None,
    tasks: tuple[str, ...],
    actions: tuple[str, ...],
    runs: tuple[str, ...],
    start: Moment | Duration | None,
    end: Moment | None,
    last: int | None,
    everything: bool,
    follow: bool,
    tracebacks: bool,
    as_json: bool,
    output: IO[str] | None,
    zone: Zone | None,
) -> None:
    """Print the log of an app's runs, the latest at the end.

    Each record is a line: when, which task, what happened, the number of the run, how long it took
    and what it failed of. The log is only read, whether the app runs or not.

    \b
        oncue log jobs:app --task load --action fail --tracebacks
        oncue log jobs:app --follow
        oncue log --store jobs.db --since "2 hours"
        oncue log jobs:app --output log.jsonl
    """
    if everything and last is not None:
        raise click.UsageError("--all and --last both say how many: give one of them")
    if follow and (end is not None or output is not None):
        raise click.UsageError("--follow has no end: leave out --to and --output")
    if last is None and not (everything or start or end or runs or output):
        last = LATEST_FOLLOWED if follow else LATEST
    store, home = store_of(target, address)
    at = zone or home
    query = Query(
        tasks=tasks or None,
        actions=tuple(map(Action, actions)) or None,
        since=None if start is None else instant_of(start, at),
        until=None if end is None else end.end(at),
    )
    refuse_unknown(store, tasks)
    reading = Reading(store, query, runs)
    if output is not None or as_json:
        show(reading, JsonLines(output or sys.stdout, at), last, follow)
    else:
        show(reading, Lines(store, at, tracebacks), last, follow)


def store_of(target: str | None, address: str | None) -> tuple[Store, Zone]:
    """The store to read, and the zone in which its times are told. Raises OncueError where there is
    none to be read."""
    if (target is None) is (address is None):
        raise click.UsageError("give an app, as in jobs:app, or the --store to read")
    if address is not None:
        store, zone = store_at(address, create=False), zone_of()
        if not store.is_there():
            raise OncueError(f"there is no store at {masked(address)!r}: is the address right?")
        return store, zone
    assert target is not None
    session = app_at(target).session
    if isinstance(session.store, MemoryStore):
        raise OncueError(
            "the app's log is in its own memory, where nobody else can read it: give the app a "
            "store, as in App('jobs.db')"
        )
    if not session.store.is_there():
        raise OncueError(f"the app has not run yet, so there is no log: oncue run {target}")
    return session.store, session.config.timezone


def refuse_unknown(store: Store, tasks: tuple[str, ...]) -> None:
    """Raise a usage error for the name of a task that the store has never heard of."""
    for task in tasks:
        known = store.registered()
        if task not in known and not store.read(Query(tasks=(task,), newest=1)):
            near = nearest(task, known)
            names = ", ".join(sorted(known)) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"there are {names}"
            raise click.BadParameter(f"the log knows no task {task!r}; {hint}", param_hint="--task")


def show(reading: Reading, teller: Teller, last: int | None, follow: bool) -> None:
    """What there is and, if it is to be followed, what comes, until somebody has seen enough."""
    if not follow:
        show_what_there_is(reading, teller, last, follow)
        teller.end()
        return
    try:
        with reading.watching():
            show_what_there_is(reading, teller, last, follow)
            for records in reading.coming():
                teller.tell(records)
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            click.echo(err=True)  # the prompt is not to follow the ^C


def show_what_there_is(reading: Reading, teller: Teller, last: int | None, follow: bool) -> None:
    if last is not None:
        records, more = reading.latest(last)
        if more and not follow:
            click.echo(f"the latest {last}; --all shows all", err=True)
        teller.tell(records)
        return
    with progress("reading the log", beside_output=teller.to_stdout) as done:
        for records in reading.pages(done):
            teller.tell(records)
