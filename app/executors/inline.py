"""On the scheduler's own loop: `async` beside it, `main` instead of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

from .protocol import Call, Ending, conclude


async def outcome_of(function: Callable[[], object]) -> Ending:
    """Call the function, await what it returns if that can be awaited."""
    try:
        value = function()
        if inspect.isawaitable(value):
            value = await value
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # we were cancelled; otherwise the code cancelled itself
        return conclude(error)
    except BaseException as error:
        return conclude(error)
    return conclude(None, value)


class MainExecutor:
    """Nothing is checked, started or ended until the call is over, coroutine or not."""

    async def start(self, call: Call) -> None:
        call.done(await outcome_of(call.function))

    async def close(self) -> None:
        return None


class AsyncExecutor:
    """Each call is an asyncio task; a plain function blocks the loop while it runs."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._run(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call) -> None:
        call.done(await outcome_of(call.function))

    async def close(self) -> None:
        return None
