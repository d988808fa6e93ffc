"""On the scheduler's own loop: `async` beside it, `main` instead of it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
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


def begun(call: Call, held: Held, context: Context) -> Ending | Steps:
    """Call the function in a context; the first step of what is to be awaited is taken with the
    call. How it has ended, or what is left."""
    run = context.run
    try:
        began = stopwatch()
        try:
            arguments = call.arguments  # of most there are none, and it is quicker not to give them
            value = run(call.function, **arguments) if arguments else run(call.function)
            if not isinstance(value, COROUTINES):
                if value is None or not inspect.isawaitable(value):
                    return conclude(None, value)
                value = value_of(value)
            try:
                return Steps(value, run(value.send, None), held, context)
            except StopIteration as end:
                value = end.value
                return SUCCEEDED if value is None else conclude(None, value)
        finally:
            if (seconds := stopwatch() - began) > STALL:
                held(seconds)
    except BaseException as error:
        return raised(error)


async def value_of(awaited: Awaitable[object]) -> object:
    return await awaited


def raised(error: BaseException) -> Ending:
    """How code has ended that raised; where it did because we are cancelled, we raise it too."""
    if isinstance(error, asyncio.CancelledError) and this_task().cancelling():
        raise error  # otherwise the code has cancelled itself
    return conclude(error)


def this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def outcome_of(call: Call, held: Held) -> Ending:
    """Run the call to its end."""
    ending = begun(call, held, copy_context())
    return ending if isinstance(ending, Ending) else await ending


class Steps:
    """The rest of a coroutine that waits for `waiting`, awaited in its context, with an eye on the
    time that each of its steps takes; how it has ended."""

    __slots__ = ("_context", "_coroutine", "_held", "_waiting")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, object],
        waiting: object,
        held: Held,
        context: Context,
    ) -> None:
        self._coroutine = coroutine
        self._waiting = waiting
        self._held = held
        self._context = context

    def __await__(self) -> Generator[Any, Any, Ending]:
        coroutine, waiting, run = self._coroutine, self._waiting, self._context.run
        while True:
            resume: Callable[[Any], Any] = coroutine.send
            try:
                sent: Any = yield waiting
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:
                sent, resume = error, coroutine.throw
            began = stopwatch()
            try:
                waiting = run(resume, sent)
            except StopIteration as end:
                return conclude(None, end.value)
            except BaseException as error:
                return raised(error)
            finally:
                if (seconds := stopwatch() - began) > STALL:
                    self._held(seconds)


def unnoticed(seconds: float) -> None:
    """A `main` run is to keep the loop."""


class MainExecutor:
    """Nothing is checked, started or ended until the call is over, coroutine or not. To cancel
    `start` is to terminate the call, if it awaits."""

    async def start(self, call: Call) -> Running:
        try:
            ending = await outcome_of(call, unnoticed)
        except asyncio.CancelledError:
            call.done(TERMINATED)
            raise
        call.done(ending)
        return ENDED

    async def close(self, grace: float = 0.0) -> list[str]:
        return []


class AsyncRun:
    """One call. It is cancelled at its next await; a plain function has none.

    `task` is the asyncio task that it is in, from its begin to its end. `left`: nobody waits for it
    any more."""

    __slots__ = ("_context", "_live", "call", "left", "task", "terminated")

    def __init__(self, call: Call, live: set[AsyncRun]) -> None:
        self.call = call
        self.task: asyncio.Task[Any] | None = None
        self.terminated = False
        self.left = False
        self._context = copy_context()
        self._live = live
        live.add(self)

    def begin(self, task: asyncio.Task[Any]) -> Steps | None:
        """Call it in this task, the current one; what is left of it then."""
        self.task = task
        ending = TERMINATED
        try:
            if not self.terminated:
                found = begun(self.call, self._held, self._context)
                if not isinstance(found, Ending):
                    return found
                ending = self._judged(found)
        except asyncio.CancelledError:
            pass
        self._report(ending)
        return None

    async def end(self, rest: Steps) -> None:
        ending = TERMINATED
        try:
            ending = self._judged(await rest)
        finally:
            self._report(ending)

    def _report(self, ending: Ending) -> None:
        self._live.discard(self)
        self.task = None
        if not self.left:
            self.call.done(ending)

    def _judged(self, ending: Ending) -> Ending:
        swallowed = self.terminated and ending.action is Action.SUCCESS
        return self._swallowed() if swallowed else ending

    def _swallowed(self) -> Ending:
        scheduler_log.warning("task %r: %s", self.call.name, SWALLOWED)
        return Ending(Action.TERMINATE, error=SWALLOWED)

    def terminate(self) -> None:
        if self.terminated:
            return
        if self.call.flag is not None:
            self.call.flag.set()
        self.terminated = self.task is None or self.task.cancel()

    def _held(self, seconds: float) -> None:
        scheduler_log.warning(
            "task %r held the loop for %.1f s, and nothing else could run; "
            "let it await, or give it execution='thread'",
            self.call.name,
            seconds,
        )

    def force(self) -> None:
        """Take its coroutine from a task that lives on in spite of its cancellation."""
        self.left, task = True, self.task
        if task is None:
            return
        coroutine = task.get_coro()
        try:
            if coroutine is not None:
                coroutine.close()
        except RuntimeError:
            return  # it is deaf to that too
        task.add_done_callback(asyncio.Task.exception)  # there is one; nobody asks for it
        task.cancel()


class ChainRun(AsyncRun):
    """A run within middlewares, which `judge` how it has ended."""

    __slots__ = ("_judge",)

    def __init__(self, call: Call, live: set[AsyncRun], judge: Judge) -> None:
        super().__init__(call, live)
        self._judge = judge

    def _judged(self, ending: Ending) -> Ending:
        return self._judge(ending, self.terminated) or self._swallowed()


class AsyncExecutor:
    """Calls wait for their turn in one asyncio task, where those that end with their first step
    need no more; the first that goes on keeps that task. Each of those after it gets its own, and
    so does every call while the latest has gone on, or where the loop has a task factory, which may
    tell tasks apart. A plain function blocks the loop while it runs."""

    def __init__(self) -> None:
        self._live: set[AsyncRun] = set()
        self._waiting: deque[AsyncRun] = deque()
        self._shared: asyncio.Task[None] | None = None  # the task in which those that wait begin
        self._goes_on = False  # whether the call begun last has gone on after its first step

    async def start(self, call: Call) -> Running:
        run = AsyncRun(call, self._live)
        if self._goes_on:
            self._begin_apart(run)
        elif self._shared is not None and not self._shared.done():
            self._waiting.append(run)
        elif (loop := asyncio.get_running_loop()).get_task_factory() is None:
            self._waiting.append(run)
            self._shared = loop.create_task(self._begin_all())
        else:
            self._begin_apart(run)
        return run

    def start_chain(self, call: Call, judge: Judge) -> ChainRun:
        run = ChainRun(call, self._live, judge)
        self._begin_apart(run)
        return run

    async def run_chain(self, call: Call, judge: Judge) -> None:
        await self._begin(ChainRun(call, self._live, judge))

    def _begin_apart(self, run: AsyncRun) -> None:
        asyncio.get_running_loop().create_task(self._begin(run))

    async def _begin(self, run: AsyncRun) -> None:
        rest = run.begin(this_task())
        self._goes_on = rest is not None
        if rest is not None:
            await run.end(rest)

    async def _begin_all(self) -> None:
        task, rest, waiting = this_task(), None, self._waiting
        try:
            while waiting and rest is None and not task.cancelling():
                run = waiting.popleft()
                rest = run.begin(task)
        finally:
            self._shared = None
            self._goes_on = rest is not None
            while waiting:
                self._begin_apart(waiting.popleft())
        if rest is not None:
            await run.end(rest)

    async def close(self, grace: float = 0.0) -> list[str]:
        for run in list(self._live):
            run.terminate()
        await asyncio.create_task(self._begin_all())  # what has not begun has ended by then
        await self._wait(grace)
        left = list(self._live)
        for run in left:
            run.force()
        await self._wait(0)
        return [run.call.name for run in left]

    async def _wait(self, seconds: float) -> None:
        tasks = [run.task for run in self._live if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
