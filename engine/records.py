"""What the log holds: one record per thing that happened to a run of a task.

Instants are whole microseconds since the Unix epoch. Sequence numbers are given in commit order,
from 1; "later" and "latest" mean later in sequence, never by the clock (LANGUAGE.md §7).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """What happened. Every action but RUN ends a run."""

    RUN = "run"
    SUCCESS = "success"
    FAIL = "fail"
    TERMINATE = "terminate"
    INACTION = "inaction"
    CRASH = "crash"


BIT = {action: 1 << n for n, action in enumerate(Action)}
"""Sets of actions are sums of these."""

FINISHED = (Action.SUCCESS, Action.FAIL, Action.TERMINATE)
"""What `finished` means, in `has finished` and `after task … finished` alike."""


def bits(*actions: Action) -> int:
    return sum(BIT[action] for action in actions)


new = tuple.__new__
"""Makes a Record, or another named tuple, of a tuple of all its fields; for those made by the
thousand, as it is twice as quick as calling the class."""


class Key(NamedTuple):
    """What a verdict reads of the log: the records of one action of one task."""

    task: str
    action: Action


class Record(NamedTuple):
    """One line of the log.

    `scheduled_at` and `attempt` are of RUN records: the logical instant at which the start was
    decided, and 0 or one more than the run it retries (None: the log does not say).
    `run` names the run an ending record ends: the sequence number of its RUN record, None where
    a log carries no such link; then `run_id`, a label, or the order of the log has to do.
    `error` is the traceback of a failed run. `until` is when the lease of a run that failed
    ends, if it was extended.
    """

    task: str
    action: Action
    at: int
    seq: int = 0
    scheduled_at: int | None = None
    attempt: int | None = None
    run: int | None = None
    run_id: str | None = None
    error: str | None = None
    until: int | None = None

    def labelled(self, run_id: str) -> Record:
        """The same, with this label."""
        task, action, at, seq, scheduled_at, attempt, run, _, error, until = self[:]
        return new(
            Record, (task, action, at, seq, scheduled_at, attempt, run, run_id, error, until)
        )

    @property
    def logical(self) -> int:
        """The instant cadences look at: `scheduled_at`, or `at` where there is none."""
        return self.at if self.scheduled_at is None else self.scheduled_at
