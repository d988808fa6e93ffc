"""The other ways to say when a task starts: `schedule=`, `interval=` and `execute_at=`.

Each is a condition, made of what was given: `cron …`, `every …`, `once at …`. A task that starts by
one is bound to its lease, is caught up with, and is tried again when it fails (`FailureMode.NONE`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from ..conds.cron import CronFields
from ..conds.durations import Duration
from ..conds.nodes import Condition, Cron, Every, Once
from ..conds.reading import ReadError
from ..engine.schedule import NEVER
from .errors import DefinitionError
from .options import Speaker


def fields(given: Any, name: str, owner: Speaker) -> CronFields:
    """Five or six fields of cron, seconds last, or a nickname."""
    if isinstance(given, CronFields):
        return given
    if not isinstance(given, str):
        raise DefinitionError(f"{name}={given!r}: it is the text of a cron, such as '*/5 * * * *'")
    try:
        return CronFields.parse(given)
    except ReadError as error:
        raise DefinitionError(f"{name}={given!r}: {error}") from error


def moment(given: Any, name: str, owner: Speaker) -> datetime:
    """A datetime, or its ISO text."""
    found = given
    try:
        if isinstance(given, str):
            found = datetime.fromisoformat(given)
        if isinstance(found, datetime):
            once(found)
            return found
    except (ValueError, OverflowError):
        pass
    raise DefinitionError(f"{name}={given!r}: it is a datetime, or text such as 2026-01-31 10:00")


def once(at: datetime) -> Condition:
    """From that instant on; a naive one is in the task's zone."""
    return _once(at, at.fold)  # in which two that are equal may differ


@lru_cache(maxsize=1024)
def _once(at: datetime, fold: int) -> Condition:
    if at.utcoffset() is None:
        return Once(at.replace(tzinfo=None, fold=0))
    return Once(at.astimezone(UTC).replace(tzinfo=None)).in_zone("UTC")


def every(interval: Duration) -> Condition:
    return Every(interval)


CONDITIONS: Mapping[str, Callable[[Any], Condition]] = {
    "schedule": Cron,
    "interval": every,
    "execute_at": once,
}
"""What makes a condition of each of them."""

WAYS = ("start_cond", *CONDITIONS)
"""All that says when a task starts; of these one is given."""


def is_timed(values: Mapping[str, Any]) -> bool:
    """Whether a task with these options starts by one of the three."""
    return any(values.get(name) is not None for name in CONDITIONS)


def condition_of(name: str, given: Any) -> Condition:
    """What starts a task by this option."""
    make = CONDITIONS.get(name)
    found: Condition = given if make is None else make(given)
    return found


def way_of(values: Mapping[str, Any]) -> str | None:
    """By which of these options a task starts."""
    for name in WAYS:
        if values.get(name) is not None:
            return name
    return None


def starting(values: Mapping[str, Any]) -> Condition:
    """What starts a task with these options."""
    way = way_of(values)
    return NEVER if way is None else condition_of(way, values[way])


def refuse_several(given: Mapping[str, Any]) -> None:
    """Raise DefinitionError if a task is told when to start in more than one way."""
    ways = [name for name in WAYS if given.get(name) is not None]
    if len(ways) > 1:
        raise DefinitionError(f"{ways[0]} and {ways[1]} both say when the task starts; give one")
