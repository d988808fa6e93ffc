"""What every executor promises: it runs a call once, and reports its ending once.

| execution | parallel | can be terminated | can modify the session |
|---|---|---|---|
| process | yes | yes | no |
| thread | partially | if the task listens to its flag | yes |
| async | partially | if it awaits | yes |
| main | no | no | yes |

Time limits are the caller's business: it says `terminate`, and hears of the ending as of any other.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from ...engine.records import Action
from ..errors import (
    PlainFailure,
    SchedulerExit,
    SchedulerRestart,
    TaskInactionException,
    TaskTerminationException,
)

OURS = str(Path(__file__).parent.parent / "_").removesuffix("_")  # our folder, with its slash
NO_ARGUMENTS: Mapping[str, object] = MappingProxyType({})


class Ending(NamedTuple):
    """How a call ended: the action to log, what it returned, the reason of a failure (or what
    else is to be said of the ending), and what it raised, where that was in this process."""

    action: Action
    value: object = None
    error: str | None = None
    raised: BaseException | None = None


SUCCEEDED = Ending(Action.SUCCESS)


class Call(NamedTuple):
    """A run's code, and where its ending goes. `done` is called on the loop's thread, once.

    `name` is the task's, for messages. `flag` is what the task listens to, where it asked for one.
    `beat` extends the lease of the run from another thread, and says until when; an executor that
    runs the code elsewhere brings it there.
    """

    function: Callable[..., object]
    done: Callable[[Ending], None]
    arguments: Mapping[str, object] = NO_ARGUMENTS
    name: str = "?"
    flag: threading.Event | None = None
    beat: Callable[[], int | None] | None = None


class Running(Protocol):
    """One begun call."""

    def terminate(self) -> None:
        """Ask it to end, on the loop's thread; its ending is reported as ever. Asking again, or
        asking what has ended, does nothing."""


class Executor(Protocol):
    """Made on a running loop; everything here is called on the loop's thread.

    How many runs go beside each other is the executor's business: a call that has to wait for
    its turn has been started all the same, and can be terminated.
    """

    async def start(self, call: Call) -> Running:
        """Begin the call; an executor without parallelism returns when it has ended. Does not
        raise: what cannot be begun is reported to `done` as a failure."""

    async def close(self, grace: float = 0.0) -> list[str]:
        """Terminate what is running, wait for it up to `grace` seconds, and let everything go;
        the names of tasks that are left behind because they do not end. Nothing is reported of
        those any more."""


class Ended:
    """What is running when the call is over already."""

    def terminate(self) -> None:
        return None


ENDED = Ended()


def conclude(error: BaseException | None, value: object = None) -> Ending:
    """What the log says of code that returned `value` or raised `error`. A SystemExit or
    KeyboardInterrupt from a task's code ends that task, never the scheduler."""
    if error is None:
        return SUCCEEDED if value is None else Ending(Action.SUCCESS, value)
    match error:
        case SchedulerExit() | SchedulerRestart():
            return Ending(Action.SUCCESS, raised=error)
        case TaskInactionException():
            return Ending(Action.INACTION, raised=error)
        case TaskTerminationException():
            return Ending(Action.TERMINATE, raised=error)
        case PlainFailure():
            return Ending(Action.FAIL, error=str(error), raised=error)
        case _:
            return Ending(Action.FAIL, error=told(error), raised=error)


def told(error: BaseException) -> str:
    """The traceback, without our own frames above the task's code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(OURS):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    text = "".join(lines).rstrip()
    return text.encode("utf-8", "backslashreplace").decode()  # a store takes only what is UTF-8
