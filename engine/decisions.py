"""What the agenda decides: starts to be claimed, runs to be ended, occurrences that were missed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .history import Mark, Source
from .records import Record
from .schedule import Request
from .verdict import Read, Reads, named, touches


class Claim:
    """`record` is the RUN record to be written. The claim holds only if the log has, after
    `position`, no record of its task, nor of what is in `reads`. `lease` is for how many
    microseconds the run is the claimer's; None: for as long as its instance lives. `version` is
    that of a dynamic task which was decided about; None: it is none."""

    __slots__ = ("lease", "position", "reads", "record", "version")

    def __init__(
        self,
        record: Record,
        reads: Reads,
        position: int,
        lease: int | None = None,
        version: int | None = None,
    ) -> None:
        self.record = record
        self.reads = reads
        self.position = position
        self.lease = lease
        self.version = version

    @property
    def keys(self) -> frozenset[Read]:
        return named(self.reads)


class Start(Claim):
    """A decision, to be claimed. Whoever claims it may give the record its label."""

    __slots__ = ("decided_at", "mark", "request")

    def __init__(
        self,
        record: Record,
        mark: Mark,
        reads: Reads,
        position: int,
        decided_at: int,
        request: Request | None = None,
        lease: int | None = None,
    ) -> None:
        self.record = record
        self.lease = lease
        self.version: int | None = None  # whoever claims it knows
        self.mark = mark
        self.reads = reads
        self.position = position
        self.decided_at = decided_at
        self.request = request


@dataclass(frozen=True, slots=True)
class Missed:
    """An occurrence that no run served: it came and went, or a newer one took its place. With
    `until`: those from `scheduled_at` up to that instant, of which there were too many to look for
    each."""

    task: str
    scheduled_at: int
    until: int | None = None


class Ended(StrEnum):
    """Why a run is to be ended."""

    BY_CONDITION = "its end_cond holds"
    BY_TIMEOUT = "its timeout is over"
    BY_NEWER = "a newer occurrence takes its place"


@dataclass(frozen=True, slots=True)
class Stop:
    """A live run that is to be ended; `mark` is the place of its RUN record."""

    task: str
    mark: Mark
    reason: Ended


class Starts:
    """The starts of one decision, in order, and whether each needs a place in the pool, as `pooled`
    of them do; by their tasks, and by what they read."""

    __slots__ = ("made", "of", "pooled", "readers")

    def __init__(self) -> None:
        self.made: dict[Start, bool] = {}
        self.pooled = 0
        self.of: dict[str, list[Start]] = {}
        self.readers: dict[Source, list[Start]] = {}

    def add(self, start: Start, pooled: bool = False) -> None:
        self.made[start] = pooled
        self.pooled += pooled
        task, reads = start.record.task, start.reads
        if task in self.of:
            self.of[task].append(start)
        else:
            self.of[task] = [start]
        for source, _ in reads:
            if source in self.readers:
                self.readers[source].append(start)
            else:
                self.readers[source] = [start]

    def that_read(self, source: Source, bit: int) -> list[Start]:
        readers = self.readers.get(source, ())
        return [start for start in readers if touches(start.reads, source, bit)]

    def drop(self, start: Start) -> bool:
        """Whether it was there."""
        pooled = self.made.pop(start, None)
        self.pooled -= bool(pooled)
        return pooled is not None


class ConditionFailed(Exception):
    """A condition of the task raised instead of answering; the cause is what it raised."""

    def __init__(self, task: str) -> None:
        super().__init__(f"a condition of task {task!r} failed")
        self.task = task
