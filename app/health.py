"""Whether an app lives: when its loop last turned, whether its store answers, what waits.

All of it is read from attributes, on any thread, so that a loop that is stuck can be told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..conds.durations import Duration
from ..engine.civil import Zone, to_datetime
from .clock import stopwatch

if TYPE_CHECKING:
    from .runtime import Runtime

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """`answers` is whether the store did what it was last asked; None: it was not asked. `error` is
    what it said instead, `answered` when it last did."""

    answers: bool | None
    answered: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """What is due and has not started: the task, since when, and for how many seconds."""

    task: str
    at: datetime
    late: float


@dataclass(frozen=True, slots=True)
class Health:
    """`why` says in a line why the app is not `alive`. `last_turn` is when the loop last looked at
    what is due, `turned` how many seconds ago. `oldest_due` is what has waited for longest, to be
    decided or for room; while the loop is stuck, that may turn out to have changed nothing.
    `running` is how many runs are live here, `stopping` whether the app was told to end. Datetimes
    are aware, in the app's zone."""

    alive: bool
    why: str | None
    last_turn: datetime | None = None
    turned: float | None = None
    store: StoreHealth = StoreHealth(None)
    oldest_due: Due | None = None
    running: int = 0
    stopping: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; datetimes in ISO 8601."""
        return plain(asdict(self))


def plain(values: dict[str, Any]) -> dict[str, Any]:
    found = dict(values)
    for name, value in values.items():
        if isinstance(value, datetime):
            found[name] = value.isoformat()
        elif isinstance(value, dict):
            found[name] = plain(value)
    return found


def health(life: Runtime | None, zone: Zone, max_age: Duration) -> Health:
    """How the life of an app goes, if there is one. A loop that turned longer than `max_age` ago
    is taken for stuck."""
    if life is None or not life.serving:
        return Health(False, "the app does not run here")
    now, turned = life.clock.now(), stopwatch() - life.turned
    store = store_health(life, zone)
    why = None
    if turned * SECOND > max_age.microseconds:
        why = f"the loop has not turned for {turned:.0f} s: something keeps it, or its store does"
    elif not store.answers:
        why = store.error or "the store has not answered yet"
    return Health(
        alive=why is None,
        why=why,
        last_turn=to_datetime(now - round(turned * SECOND), zone),
        turned=round(turned, 3),
        store=store,
        oldest_due=oldest_due(life, zone, now),
        running=len(life.runs.live),
        stopping=life.runs.stops > 0,
    )


def store_health(life: Runtime, zone: Zone) -> StoreHealth:
    journal = life.journal
    answered = None if journal.answered is None else to_datetime(journal.answered, zone)
    if journal.failing:
        return StoreHealth(False, answered, str(journal.error))
    return StoreHealth(None if answered is None else True, answered)


def oldest_due(life: Runtime, zone: Zone, now: int) -> Due | None:
    waiting = life.agenda.waiting(now)
    at = None if waiting is None else to_datetime(waiting[0], zone)
    if waiting is None or at is None:
        return None
    return Due(waiting[1], at, round((now - waiting[0]) / SECOND, 3))
