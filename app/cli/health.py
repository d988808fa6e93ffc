"""`oncue health`: whether somebody runs an app, told from outside by its store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from ...conds.durations import Duration
from ...engine.civil import Zone, to_datetime
from ..app import App
from ..errors import OncueError
from ..health import Due, plain
from ..missed import Fate
from ..options import LEAST_AGE
from ..stores.memory import MemoryStore
from ..stores.protocol import Instance
from ..upkeep import MARK_EVERY
from .target import app_at, target_argument
from .wording import dated, distance, offset

SECOND = 1_000_000
LEAST = Duration(MARK_EVERY + LEAST_AGE)  # by the loop, which has to turn for that


def max_age(given: str) -> Duration:
    try:
        found = Duration.of(float(given)) if is_number(given) else Duration.parse(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if found.microseconds < LEAST.microseconds:
        raise click.BadParameter(
            f"{given!r}: up to when an app has decided is written every {Duration(MARK_EVERY)}; "
            f"give {LEAST} or more"
        )
    return found


def is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


@click.command("health")
@target_argument
@click.option(
    "--max-age",
    type=max_age,
    default="60",
    show_default=True,
    metavar="DURATION",
    help="How long ago, in seconds or as '2 minutes', the app may last have decided.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def health_(target: str, max_age: Duration, as_json: bool) -> None:
    """Say whether somebody runs an app, by its store; end with status 1 if not.

    Somebody runs it if an instance is alive on the store, and has lately decided what is due.

    \b
        oncue health jobs:app
        oncue health jobs:app --max-age "2 minutes" --json
    """
    found = outside(app_at(target), max_age)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        for line in lines(found):
            click.echo(line)
    raise SystemExit(found.why is not None)


@dataclass(frozen=True, slots=True)
class Outside:
    """What the store tells. `why` says in a line what is not as it should be; `decided` is the last
    instant up to which all that came due is known to have been decided."""

    why: str | None
    now: int
    instances: tuple[Instance, ...]
    decided: int | None
    oldest_due: Due | None
    zone: Zone

    def to_dict(self) -> dict[str, Any]:
        return {
            "healthy": self.why is None,
            "why": self.why,
            "decided": self._iso(self.decided),
            "instances": [
                {
                    "id": each.id,
                    "host": each.host,
                    "pid": each.pid,
                    "since": self._iso(each.since),
                    "alive": each.alive,
                }
                for each in self.instances
            ],
            "oldest_due": None
            if self.oldest_due is None
            else plain({name: getattr(self.oldest_due, name) for name in ("task", "at", "late")}),
        }

    def _iso(self, instant: int | None) -> str | None:
        moment = None if instant is None else to_datetime(instant, self.zone)
        return None if moment is None else moment.isoformat()


def outside(app: App, max_age: Duration) -> Outside:
    session = app.session
    if isinstance(session.store, MemoryStore):
        raise OncueError(
            "the app's log is in its own memory, so only the app itself can tell: ask "
            "app.health(), or over HTTP, see the option health_address"
        )
    now, instances = session.clock.now(), tuple(session.store.instances())
    known = session.store.registered()
    names = [task.name for task in session]
    decided = max(
        (known[name].decided or 0 for name in names if name in known), default=0
    )  # of a task that is disabled, say, nothing is written
    return Outside(
        why_not(instances, decided, now, max_age),
        now,
        instances,
        decided or None,
        oldest_due(app, now),
        session.config.timezone,
    )


def why_not(
    instances: tuple[Instance, ...], decided: int, now: int, max_age: Duration
) -> str | None:
    joined = [each.since for each in instances if each.alive]
    if not joined:
        return "no instance of the app is alive on its store"
    age = now - max(decided, *joined)
    if age > max_age.microseconds:
        return f"nothing has been decided for {distance(age)}: the loop is stuck, or shutting down"
    return None


def oldest_due(app: App, now: int) -> Due | None:
    """What has been due for longest, as far as can be told from outside."""
    waiting = [each for each in app.session.occurrences() if each.fate is not Fate.MISSED]
    if not waiting:
        return None
    first = waiting[0]
    return Due(first.task, first.at, round(now / SECOND - first.at.timestamp(), 3))


def lines(found: Outside) -> Iterator[str]:
    yield "healthy" if found.why is None else f"not healthy: {found.why}"
    for each in found.instances:
        since = "" if not each.since else f", since {told(each.since, found.zone)}"
        state = "alive" if each.alive else "gone"
        yield f"instance {each.id[:8]}: {state}, process {each.pid} on {each.host}{since}"
    if found.decided is not None:
        ago = distance(max(0, found.now - found.decided))
        yield f"decided up to {told(found.decided, found.zone)}, {ago} ago"
    if found.oldest_due is not None:
        due = found.oldest_due
        late = distance(round(due.late * SECOND))
        yield f"due and not started: {due.task} since {dated(due.at)} {offset(due.at)}, {late} ago"


def told(instant: int, zone: Zone) -> str:
    """To the second."""
    moment = to_datetime(instant // SECOND * SECOND, zone)
    return "?" if moment is None else f"{dated(moment)} {offset(moment)}"
