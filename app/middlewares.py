"""Functions of the user's around every run.

`async def timed(context, next): ...; await next(); ...`. The one that was added first is the
outermost. `next()` runs what is within, in the end the task's code, each time it is awaited, and
gives what the code returned or raises what it raised: the exception itself, but of code in a
process, of which there is only the text.

How the outermost ends is how the run does. An exception that a middleware keeps to itself is a
success, without a value; a run whose code was not run is an `inaction`. What a middleware returns
is not looked at. A run that is told to end is cancelled as a whole: `next()` raises CancelledError
once the code has ended by that.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from ..engine.records import Action
from .context import Context
from .errors import (
    DefinitionError,
    OncueError,
    RunFailed,
    TaskInactionException,
    TaskTerminationException,
)
from .executors import Ending, Running
from .work import is_awaited

Next = Callable[[], Awaitable[Any]]
Middleware = Callable[[Context, Next], Awaitable[Any]]
Begin = Callable[[Callable[[Ending], None]], Awaitable[Running]]
"""Begins the code of a run once; what it is given is told of the ending."""


def refuse_unfit(middleware: Any) -> None:
    """Raise DefinitionError for what can be no middleware."""
    if not callable(middleware):
        raise DefinitionError(f"a middleware is a coroutine function, not {middleware!r}")
    if not is_awaited(middleware):
        raise DefinitionError(f"the middleware {middleware!r} is no coroutine function: async def")
    try:
        inspect.signature(middleware).bind(None, None)
    except TypeError:
        raise DefinitionError(f"the middleware {middleware!r} takes (context, next)") from None


LEFT = "a middleware did not wait for its next(), so the code was ended with it"


class Chain:
    """One run within its middlewares. `ending` is how the code ended when it was last run, None
    if it has not."""

    def __init__(self, middlewares: Sequence[Middleware], context: Context, begin: Begin) -> None:
        self._middlewares = tuple(middlewares)
        self._context = context
        self._begin = begin
        self._value: object = None
        self._under_way: tuple[Running, asyncio.Future[Ending]] | None = None
        self._busy = False
        self._over = False
        self._left = False  # whether a `next()` was not waited for
        self.ending: Ending | None = None

    async def __call__(self) -> object:
        try:
            return await self._within(0)
        finally:
            self._over = True
            if self._under_way is not None:
                self._left = True
                self._under_way[0].terminate()
                await self._ended()

    async def _within(self, depth: int) -> object:
        """What the middleware of that depth is around, or the code."""
        if depth == len(self._middlewares):
            return await self._run()
        await self._middlewares[depth](self._context, partial(self._within, depth + 1))
        return self._value

    async def _run(self) -> object:
        if self._over or self._busy:
            when = "after the run has ended" if self._over else "while it is under way"
            raise OncueError(f"next() was awaited {when}; a run's code is run once at a time")
        self._value, self.ending, self._busy = None, None, True
        ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        try:
            self._under_way = await self._begin(partial(tell, ended)), ended
            told = await self._ended()
        finally:
            self._busy = False
        ending = self.ending = ended.result()
        if told and ending.action is Action.TERMINATE:
            raise asyncio.CancelledError
        if ending.action is Action.SUCCESS and ending.raised is None:
            self._value = ending.value
            return self._value
        raise ending.raised or raised_by(ending)

    async def _ended(self) -> bool:
        """Wait for the code, which is told to end when we are; whether it was."""
        assert self._under_way is not None
        running, ended = self._under_way
        told = 0
        try:
            while not ended.done():
                try:
                    await asyncio.wait([ended])
                except asyncio.CancelledError:
                    told += 1
                    running.terminate()
        finally:
            self._under_way = None
        task = asyncio.current_task()
        if task is not None and ended.result().action is not Action.TERMINATE:
            for _ in range(told):  # in vain
                task.uncancel()
        return told > 0

    def judge(self, ending: Ending, terminated: bool) -> Ending | None:
        """How the run has ended, where the chain has ended so; None: as one that has swallowed
        its cancellation."""
        code = self.ending
        if self._left:
            return Ending(Action.TERMINATE, error=LEFT)
        if code is not None and ending.raised is not None and ending.raised is code.raised:
            return code
        if ending.action is not Action.SUCCESS or ending.raised is not None:
            return ending
        if terminated and (code is None or code.action is Action.TERMINATE):
            return None
        return ending if code is not None else Ending(Action.INACTION)


def tell(ended: asyncio.Future[Ending], ending: Ending) -> None:
    if not ended.done():
        ended.set_result(ending)


def raised_by(ending: Ending) -> Exception:
    """What stands for an exception that is in another process."""
    match ending.action:
        case Action.INACTION:
            return TaskInactionException()
        case Action.TERMINATE:
            return TaskTerminationException()
        case _:
            return RunFailed(ending.error or "the run failed")
