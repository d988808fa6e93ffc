"""What becomes of a run that fails: which runs count, and until when (LANGUAGE.md §7).

A run counts while it is live and after every ending that does not release it. A policy says which
endings release, and when: at once, or (a failed run under NONE) when its lease ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .civil import BEGINNING, FOREVER
from .records import Action, bits

LEASE = 60_000_000
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
    its start."""

    failure: FailureMode = FailureMode.COMMIT
    execution: ExecutionMode = ExecutionMode.AT_LEAST_ONCE
    lease: int = LEASE

    def counts_until(self, ending: Action | None, started: int) -> int:
        """Until when a run that started and ended so counts; FOREVER if nothing releases it
        any more, BEGINNING if it was released as it ended."""
        if self.execution is ExecutionMode.AT_MOST_ONCE:
            return FOREVER
        if ending is Action.CRASH:
            return BEGINNING
        if ending is not Action.FAIL or self.failure is FailureMode.COMMIT:
            return FOREVER
        return BEGINNING if self.failure is FailureMode.UNLOCK else started + self.lease

    @property
    def undoing(self) -> int:
        """The endings that release a run, as bits."""
        return bits(*(a for a in Action if self.counts_until(a, 0) < FOREVER))

    @property
    def starting(self) -> int:
        """The records that are, or stand for, a run that counts: an ending that ends nothing
        known stands for a run of its own, but for a crash."""
        counting = (a for a in Action if self.counts_until(a, 0) > BEGINNING)
        return bits(*counting) & ~bits(Action.CRASH)


COMMIT = Policy()
