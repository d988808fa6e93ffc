"""When a task is to start and to be ended: all that the agenda has to know of it.

A start asks one condition, made here of what the task says: its start_cond or a retry, and not
its end_cond. So verdicts, explanations, claims and forecasts all speak of the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..conds.nodes import Condition, Constant, Not, Retry, all_of, any_of
from .civil import Zone
from .policy import COMMIT, Policy

SECOND = 1_000_000
MISFIRE_GRACE = 60 * SECOND
NEVER = Constant(False)
put = object.__setattr__


class CatchUp(StrEnum):
    """What is done about occurrences that came and went while nobody looked: nothing but what
    `misfire_grace` forgives (SKIP), the newest is run (ONCE), each is, in order (ALL)."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of an occurrence that comes due while the task runs: it starts if it is still
    due when the run has ended (SKIP), starts then all the same (QUEUE), starts beside it (ALLOW),
    or ends the run and starts in its place (REPLACE)."""

    SKIP = "skip"
    QUEUE = "queue"
    ALLOW = "allow"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Durations are in microseconds. `timeout` is how long a run may take, None: for ever.
    `misfire_grace` is how late an occurrence that nobody looked at may still start; `max_lateness`
    (None: any) the same of one that is caught up with, waits in a queue, or is owed because its
    run was released. `lease` is how long a run is its instance's without an extension, None: for
    as long as that lives. `standing`: the task starts by its condition; else only when it is asked
    to. `pooled`: its runs need a place in a pool that has so many."""

    start_cond: Condition
    zone: Zone
    end_cond: Condition = NEVER
    retries: Retry | None = None
    priority: int = 0
    overlap: Overlap = Overlap.SKIP
    timeout: int | None = None
    misfire_grace: int = MISFIRE_GRACE
    catch_up: CatchUp = CatchUp.SKIP
    max_lateness: int | None = None
    policy: Policy = COMMIT
    lease: int | None = None
    enabled: bool = True
    standing: bool = True
    pooled: bool = False
    condition: Condition = field(init=False, repr=False, compare=False)
    """What has to hold for a start."""

    def __post_init__(self) -> None:
        if self.end_cond == NEVER:
            put(self, "end_cond", NEVER)  # the one that is asked for by identity
        put(self, "condition", self._condition(self.start_cond))

    def __hash__(self) -> int:
        """By what tells most of them apart, quickly."""
        return hash((self.start_cond, self.zone))

    def at(self, start_cond: Condition, zone: Zone) -> Schedule:
        """The same for another condition, made quickly: there may be many."""
        other = object.__new__(Schedule)
        for name in Schedule.__slots__:
            put(other, name, getattr(self, name))
        put(other, "start_cond", start_cond)
        put(other, "zone", zone)
        put(other, "condition", self._condition(start_cond))
        return other

    def _condition(self, starting: Condition) -> Condition:
        if self.retries is not None:
            starting = any_of(starting, self.retries)
        return starting if self.end_cond is NEVER else all_of(starting, Not(self.end_cond))


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A start that was asked for. It waits for a run that is live, but for no condition, unless
    it is `asking`: then it starts if the condition holds when its turn comes, or never.
    `forced`: of a disabled task too. `parameters` are the run's own. `refused_at` is the instant of
    the start that was made of it, if that was refused."""

    parameters: Mapping[str, object] = field(default_factory=dict)
    forced: bool = False
    asking: bool = False
    refused_at: int | None = None
