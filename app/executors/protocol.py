"""What every executor promises: it runs a call once, and reports its ending once."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...engine.records import Action
from ..errors import TaskInactionException, TaskTerminationException

HERE = str(Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended: the action to log, what it returned, the traceback of a failure."""

    action: Action
    value: object = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A run's code, and where its ending goes. `done` is called on the loop's thread."""

    function: Callable[[], object]
    done: Callable[[Ending], None]


class Executor(Protocol):
    """Made on a running loop; `start` is called on the loop's thread and does not raise."""

    async def start(self, call: Call) -> None:
        """Begin the call; an executor without parallelism returns when it has ended."""

    async def close(self) -> None:
        """Called when no call is left running."""


def conclude(error: BaseException | None, value: object = None) -> Ending:
    """What the log says of code that returned `value` or raised `error`. A SystemExit or
    KeyboardInterrupt from a task's code ends that task, never the scheduler."""
    match error:
        case None:
            return Ending(Action.SUCCESS, value)
        case TaskInactionException():
            return Ending(Action.INACTION)
        case TaskTerminationException():
            return Ending(Action.TERMINATE)
        case _:
            return Ending(Action.FAIL, error=told(error))


def told(error: BaseException) -> str:
    """The traceback, without the executor's own frames above the task's code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HERE):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    return "".join(lines).rstrip()
