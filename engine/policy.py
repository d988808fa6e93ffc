"""What becomes of a run that fails: which runs count, and until when (LANGUAGE.md §7).

A run counts while it is live and after every ending that does not release it. A policy says which
endings release, and when: at once, or (a failed run under NONE) when its lease ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from .civil import BEGINNING, FOREVER
from .records import BIT, Action, bits

LEASE = 60_000_000
FAIL = Action.FAIL
ENDINGS = bits(*Action) - bits(Action.RUN)


class FailureMode(StrEnum):
    """What a failed run is: done all the same (COMMIT), released at once (UNLOCK), or released
    when its lease ends (NONE)."""

    NONE = "none"
    UNLOCK = "unlock"
    COMMIT = "commit"


class ExecutionMode(StrEnum):
    """AT_MOST_ONCE: a run counts from its start on, whatever follows."""

    AT_LEAST_ONCE = "at_least_once"
    AT_MOST_ONCE = "at_most_once"


@dataclass(frozen=True, slots=True)
class Policy:
    """`lease` is how long the run of a failure under NONE goes on counting, in microseconds from
    its start. `undoing` are the endings that release a run, as bits; `starting` the records that
    are, or stand for, a run that counts: an ending that ends nothing known stands for a run of its
    own, but for a crash."""

    failure: FailureMode = FailureMode.COMMIT
    execution: ExecutionMode = ExecutionMode.AT_LEAST_ONCE
    lease: int = LEASE
    undoing: int = field(init=False, repr=False, compare=False)
    starting: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        undoing = 0
        if self.execution is not ExecutionMode.AT_MOST_ONCE:
            commits = self.failure is FailureMode.COMMIT
            undoing = bits(Action.CRASH) if commits else bits(Action.CRASH, Action.FAIL)
        object.__setattr__(self, "undoing", undoing)
        counting = (a for a in Action if self.counts_until(a, 0) > BEGINNING)
        object.__setattr__(self, "starting", bits(*counting) & ~bits(Action.CRASH))

    def counts_until(self, ending: Action | None, started: int, extended: int | None = None) -> int:
        """Until when a run that started and ended so counts; FOREVER if nothing releases it
        any more, BEGINNING if it was released as it ended. `extended`: to when its lease was."""
        if ending is None or not self.undoing & BIT[ending]:
            return FOREVER
        leased = ending is FAIL and self.failure is FailureMode.NONE
        if not leased:
            return BEGINNING
        return started + self.lease if extended is None else extended


COMMIT = Policy()
