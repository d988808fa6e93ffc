"""Threads that are kept for the next call. Daemon threads: one deaf to everything does not keep
the process from ending."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

from .protocol import Call, Ending, conclude


class ThreadExecutor:
    """Idle threads wait on one queue; a call finds one of them or makes a new one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._threads = 0
        self._busy = 0

    async def start(self, call: Call) -> None:
        self._busy += 1
        if self._busy > self._threads:
            self._threads += 1
            name = f"oncue-task-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._queue.put(call)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            ending = self._run(call)
            try:
                self._loop.call_soon_threadsafe(self._report, call, ending)
            except RuntimeError:
                return  # the loop has ended without waiting for this call

    @staticmethod
    def _run(call: Call) -> Ending:
        try:
            value = call.function()
            return conclude(None, asyncio.run(value) if asyncio.iscoroutine(value) else value)
        except BaseException as error:
            return conclude(error)

    def _report(self, call: Call, ending: Ending) -> None:
        self._busy -= 1
        call.done(ending)

    async def close(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)
