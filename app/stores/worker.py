"""A thread that does one thing after another for an event loop.

The same as an executor of one thread, in half the time: what is asked for and what comes of it
cross over by a queue and one call, without a second future and its locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple[Callable[[], Any], asyncio.Future[Any]]


class Worker:
    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """What the function gives or raises on the thread, after all that was asked before. It is
        done whether anybody waits for it or not."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((function, future))
        return future

    def stop(self) -> None:
        """Wait for what was asked; nothing more may be."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, future = job
            result: Any = None
            failure: BaseException | None = None
            try:
                result = function()
            except BaseException as error:
                failure = error
            try:
                future.get_loop().call_soon_threadsafe(self._conclude, future, result, failure)
            except RuntimeError:
                pass  # the loop is closed: nobody waits
            del job, function, future, result, failure

    @staticmethod
    def _conclude(future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
        if future.done():
            return  # cancelled
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)


class HasWorker:
    """What does its work on a thread while it is open."""

    _worker: Worker | None = None

    def _stop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop()


async def little_by_little(step: Callable[[int], Awaitable[tuple[int, bool]]], most: int) -> int:
    """How many a step has dropped that is taken again and again: it is given how many it may drop
    still, and tells how many it did and whether there may be more."""
    dropped, more = 0, True
    while more and dropped < most:
        found, more = await step(most - dropped)
        dropped += found
    return dropped
