"""What a life of several instances leaves behind, for a checker to judge.

The log is what the store holds at the end. The effects are what the tasks themselves wrote, in the
order in which they were written, past the scheduler: a line as a run's code begins and one as it
ends, each with the run's fencing token. The spans are when each instance was up: not before it was
ready, not while it was stopped, not after it was killed. A promise is what a task's definition
says, in words of the checker's own.

Instants are microseconds since the epoch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from oncue.app.stores.dynamic import Dynamic
from oncue.engine.decisions import Missed
from oncue.engine.policy import ExecutionMode, FailureMode
from oncue.engine.records import Action, Record
from oncue.engine.schedule import CatchUp, Overlap

SECOND = 1_000_000


class Kind(StrEnum):
    """BEGAN and ENDED are of a run's code; WRITTEN: the store has said that it has a record of the
    run; READY: the instance has begun to look at what is due. SCHEDULING and UNSCHEDULING: it is
    about to ask the store to schedule a dynamic task, or not to any more; then that was DONE, or
    has FAILED, whatever came of it. GONE: the instance is dead."""

    BEGAN = "began"
    ENDED = "ended"
    WRITTEN = "written"
    READY = "ready"
    SCHEDULING = "scheduling"
    UNSCHEDULING = "unscheduling"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


class Effect(NamedTuple):
    """`token` is the run's fencing token, `run_id` its label; `action` is what was written.
    `request` names what was asked, or what the run was scheduled by; `scheduled_at` is then when
    it is to run once, `position` the newest number of the log before it was asked, or after it was
    done."""

    kind: Kind
    instance: str
    at: int
    task: str = ""
    scheduled_at: int | None = None
    token: int | None = None
    run_id: str | None = None
    action: Action | None = None
    request: str | None = None
    position: int | None = None


class Span(NamedTuple):
    """When an instance was up, [begin, end)."""

    instance: str
    begin: int
    end: int


Cell = Callable[[int], tuple[int, int]]
"""The window around an instant, or the next, [start, end)."""


@dataclass(frozen=True, slots=True)
class Promise:
    """How a task was defined. Its occurrences are one of: the windows of `cell`, each to be run
    once; every `every` microseconds from its last `scheduled_at`, without drift; each success of
    the task `after`. `lease` is how long a run under NONE counts that failed. A `dynamic`
    task is owed nothing before it was scheduled; one that has none of these occurrences is
    scheduled, changed and unscheduled again and again."""

    task: str
    execution: ExecutionMode = ExecutionMode.AT_LEAST_ONCE
    failure: FailureMode = FailureMode.COMMIT
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.SKIP
    lease: int = 60 * SECOND
    cell: Cell | None = None
    every: int | None = None
    after: str | None = None
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """`exclusive` are pairs of tasks whose conditions exclude each other. `settled`: at the end
    instances were up for long enough to end everything that was begun, and left in order. `margin`
    is how long an instance may take to do what it is up for. `rows` are the dynamic tasks there
    are at the end; `lapses` are when an instance that was not up may have held some. A request
    without an answer may have been `in_doubt` for so long since it failed."""

    log: Sequence[Record]
    effects: Sequence[Effect] = ()
    promises: Mapping[str, Promise] = field(default_factory=dict)
    spans: Sequence[Span] = ()
    missed: Sequence[Missed] = ()
    exclusive: Sequence[tuple[str, str]] = ()
    settled: bool = True
    margin: int = SECOND
    rows: Sequence[Dynamic] = ()
    lapses: Sequence[Span] = ()
    in_doubt: int = 0


def every_cell(length: int) -> Cell:
    """Windows of equal length, counted from the epoch."""

    def cell(at: int) -> tuple[int, int]:
        start = at - at % length
        return start, start + length

    return cell


def moments(length: int) -> Cell:
    """Windows of a second, one every so often, counted from the epoch."""

    def cell(at: int) -> tuple[int, int]:
        start = at - at % length
        start += 0 if at < start + SECOND else length
        return start, start + SECOND

    return cell


class EffectFile:
    """Effects on disk. Every line is one write to a file opened for appending, and synced: lines
    of several processes neither mix nor get lost, and stand in the order of the writes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, effect: Effect) -> None:
        os.write(self._file, json.dumps(effect._asdict()).encode() + b"\n")
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def read_effects(path: Path) -> list[Effect]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [effect_of(json.loads(line)) for line in lines]


def effect_of(values: dict[str, object]) -> Effect:
    action = values.pop("action")
    kind = Kind(str(values.pop("kind")))
    return Effect(kind, action=None if action is None else Action(str(action)), **values)  # type: ignore[arg-type]
