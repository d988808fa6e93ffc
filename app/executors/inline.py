"""On the scheduler's own loop: `async` beside it, `main` instead of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import CoroutineType
from typing import Any

from ...engine.records import Action
from ..clock import stopwatch
from .protocol import ENDED, SUCCEEDED, Call, Ending, Running, conclude

STALL = 1.0  # seconds for which a task may hold the loop without being named in the log

SWALLOWED = (
    "terminated; but the task swallowed its cancellation and returned: "
    "let asyncio.CancelledError pass, after cleaning up"
)

Held = Callable[[float], None]
"""Is told for how many seconds a step of a call kept the loop, if that is more than STALL."""

Judge = Callable[[Ending, bool], Ending | None]
"""Says how a run within middlewares has ended, by how they have and whether they were told to; None
where they have swallowed that."""

COROUTINES = (CoroutineType, Coroutine)  # by far the most are of the first, and quicker told so
TERMINATED = Ending(Action.TERMINATE)

scheduler_log = logging.getLogger("oncue.scheduler")


def begun(call: Call, held: Held) -> Ending | Awaitable[object]:
    """Call the function; the first step of a coroutine is taken with the call. How it has ended, or
    what is to be awaited still: of a coroutine `Steps`."""
    try:
        began = stopwatch()
        try:
            value = call.function(**call.arguments)
            if isinstance(value, COROUTINES):
                try:
                    return Steps(value, value.send(None), held)
                except StopIteration as end:
                    value = end.value
                    return SUCCEEDED if value is None else conclude(None, value)
        finally:
            if (seconds := stopwatch() - began) > STALL:
                held(seconds)
    except BaseException as error:
        return raised(error)
    if value is not None and inspect.isawaitable(value):
        return value
    return conclude(None, value)


async def rest_of(awaited: Awaitable[object]) -> Ending:
    try:
        value = await awaited
    except BaseException as error:
        return raised(error)
    return conclude(None, value)


def raised(error: BaseException) -> Ending:
    """How code has ended that raised; where it did because we are cancelled, we raise it too."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise error  # otherwise the code has cancelled itself
    return conclude(error)


async def outcome_of(call: Call, held: Held) -> Ending:
    """Run the call to its end."""
    ending = begun(call, held)
    return ending if isinstance(ending, Ending) else await rest_of(ending)


class Steps:
    """The rest of a coroutine that waits for `waiting`, awaited with an eye on the time that each
    of its steps takes."""

    __slots__ = ("_coroutine", "_held", "_waiting")

    def __init__(self, coroutine: Coroutine[Any, Any, object], waiting: object, held: Held) -> None:
        self._coroutine = coroutine
        self._waiting = waiting
        self._held = held

    def __await__(self) -> Generator[Any, Any, object]:
        coroutine, waiting = self._coroutine, self._waiting
        while True:
            resume: Callable[[Any], Any] = coroutine.send
            try:
                sent: Any = yield waiting
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                sent, resume = error, coroutine.throw
            began = stopwatch()
            try:
                waiting = resume(sent)
            except StopIteration as end:
                return end.value
            finally:
                if (seconds := stopwatch() - began) > STALL:
                    self._held(seconds)


def unnoticed(seconds: float) -> None:
    """A `main` run is to keep the loop."""


class MainExecutor:
    """Nothing is checked, started or ended until the call is over, coroutine or not."""

    async def start(self, call: Call) -> Running:
        call.done(await outcome_of(call, unnoticed))
        return ENDED

    async def close(self, grace: float = 0.0) -> list[str]:
        return []


class AsyncRun:
    """One asyncio task. It is cancelled at its next await; a plain function has none.

    It reports its ending itself. Only one that was cancelled before its first step cannot: then
    `terminate` does. `left`: nobody waits for it any more."""

    __slots__ = ("_begun", "_live", "call", "left", "task", "terminated")

    def __init__(self, call: Call, live: set[AsyncRun]) -> None:
        self.call = call
        self.terminated = False
        self.left = False
        self._begun = False
        self._live = live
        live.add(self)
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        self._begun = True
        ending = TERMINATED
        try:
            found = begun(self.call, self._held)
            ending = found if isinstance(found, Ending) else await rest_of(found)
            if self.terminated:
                ending = self._judged(ending)
        finally:
            self._report(ending)

    def _report(self, ending: Ending) -> None:
        self._live.discard(self)
        if not self.left:
            self.call.done(ending)

    def _judged(self, ending: Ending) -> Ending:
        """A run that was told to end, and ended like this."""
        return self._swallowed() if ending.action is Action.SUCCESS else ending

    def _swallowed(self) -> Ending:
        scheduler_log.warning("task %r: %s", self.call.name, SWALLOWED)
        return Ending(Action.TERMINATE, error=SWALLOWED)

    def terminate(self) -> None:
        if self.terminated:
            return
        if self.call.flag is not None:
            self.call.flag.set()
        self.terminated = self.task.cancel()
        if self.terminated and not self._begun:
            self.task.get_loop().call_soon(self._report, TERMINATED)

    def _held(self, seconds: float) -> None:
        scheduler_log.warning(
            "task %r held the loop for %.1f s, and nothing else could run; "
            "let it await, or give it execution='thread'",
            self.call.name,
            seconds,
        )

    def force(self) -> None:
        """Take its coroutine from a task that lives on in spite of its cancellation."""
        self.left = True
        coroutine = self.task.get_coro()
        try:
            if coroutine is not None:
                coroutine.close()
        except RuntimeError:
            return  # it is deaf to that too
        self.task.add_done_callback(asyncio.Task.exception)  # there is one; nobody asks for it
        self.task.cancel()


class ChainRun(AsyncRun):
    """A run within middlewares, which `judge` how it has ended."""

    __slots__ = ("_judge",)

    def __init__(self, call: Call, live: set[AsyncRun], judge: Judge) -> None:
        self._judge = judge
        super().__init__(call, live)

    async def _run(self) -> None:
        self._begun = True
        ending = TERMINATED
        try:
            found = await outcome_of(self.call, self._held)
            ending = self._judge(found, self.terminated) or self._swallowed()
        finally:
            self._report(ending)


class AsyncExecutor:
    """Each call is an asyncio task; a plain function blocks the loop while it runs."""

    def __init__(self) -> None:
        self._live: set[AsyncRun] = set()

    async def start(self, call: Call) -> Running:
        return AsyncRun(call, self._live)

    def start_chain(self, call: Call, judge: Judge) -> ChainRun:
        return ChainRun(call, self._live, judge)

    async def close(self, grace: float = 0.0) -> list[str]:
        for run in list(self._live):
            run.terminate()
        if self._live:
            await asyncio.wait([run.task for run in self._live], timeout=grace)
        left = list(self._live)
        for run in left:
            run.force()
        if left:
            await asyncio.wait([run.task for run in left], timeout=0)
        return [run.call.name for run in left]
