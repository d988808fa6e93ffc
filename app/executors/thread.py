"""Threads that are kept for the next call. Daemon threads: one deaf to everything does not keep
the process from ending.

A call takes an idle thread or makes a new one, so calls may wait for one another. A thread that
finishes says first that it is idle, then how its call ended; one that found nothing to do for
`IDLE` seconds asks the loop whether it is still needed.

Waking a thread costs more than a short call does. So one at a time is woken: before it begins its
call it wakes the next, if another call waits, and when that has ended it takes what waits still.
Short calls are done by one thread before the next has come; long ones have each its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections import deque
from collections.abc import Awaitable
from queue import Empty, SimpleQueue

from ...engine.records import Action
from .post import Post
from .protocol import Call, Ending, Running, conclude

IDLE = 60.0  # seconds


class ThreadRun:
    """One call in a thread. A coroutine has a loop of its own there, and is cancelled in it."""

    __slots__ = ("_inner", "call", "context", "ending", "terminated")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.context = contextvars.copy_context()
        self.ending: Ending
        self.terminated = False
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Task[object]] | None = None

    def terminate(self) -> None:
        if self.terminated:
            return
        self.terminated = True
        if self.call.flag is not None:
            self.call.flag.set()
        if self._inner is not None:
            loop, task = self._inner
            try:
                loop.call_soon_threadsafe(task.cancel)
            except RuntimeError:
                return  # its loop has ended just now

    def work(self) -> None:
        """In the thread."""
        try:
            value = self.context.run(self.call.function, **self.call.arguments)
            if inspect.isawaitable(value):
                value = self.context.run(asyncio.run, self._awaited(value))
            self.ending = conclude(None, value)
        except asyncio.CancelledError as error:
            self.ending = Ending(Action.TERMINATE) if self.terminated else conclude(error)
        except BaseException as error:
            self.ending = conclude(error)

    async def _awaited(self, value: Awaitable[object]) -> object:
        task = asyncio.current_task()
        assert task is not None
        self._inner = asyncio.get_running_loop(), task
        if self.terminated:
            task.cancel()
        return await value


class ThreadExecutor:
    """`_idle` holds one token for each thread that waits and has not been promised a call.
    `_waiting` are the calls that no thread has taken, None: an order to end. While there are any, a
    thread is about to look, or a token is in `_bell`, and `_rung` then; one too many does no harm.
    """

    def __init__(self) -> None:
        self._waiting: deque[ThreadRun | None] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._rung = False
        self._idle: deque[None] = deque()
        self._runs: set[ThreadRun] = set()
        self._post: Post[ThreadRun | None] = Post(self._hear)
        self._threads = 0
        self._quiet = asyncio.Event()
        self._closed = False

    async def start(self, call: Call) -> Running:
        run = ThreadRun(call)
        self._runs.add(run)
        if not self._take_idle():
            self._threads += 1
            name = f"oncue-task-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        self._give(run)
        return run

    def _give(self, run: ThreadRun | None) -> None:
        self._waiting.append(run)
        self._ring()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def _take_idle(self) -> bool:
        try:
            self._idle.pop()
        except IndexError:
            return False
        return True

    def _work(self) -> None:
        waiting = self._waiting
        while True:
            if not waiting:
                try:
                    self._bell.get(timeout=IDLE)
                except Empty:
                    if not self._post.send(None):
                        return
                    continue
                self._rung = False  # before it looks: what comes from now on rings again
            try:
                run = waiting.popleft()
            except IndexError:
                continue
            if waiting:
                self._ring()
            if run is None:
                return
            run.work()
            self._idle.append(None)
            if not self._post.send(run):
                return  # the loop has ended without waiting for this call
            del run  # what it holds is not ours to keep while we wait

    def _hear(self, run: ThreadRun | None) -> None:
        if run is None:
            self._retire()
            return
        self._runs.discard(run)
        if not self._closed:
            run.call.done(run.ending)
        if not self._runs:
            self._quiet.set()

    def _retire(self) -> None:
        """Some thread has had nothing to do for a while."""
        if not self._closed and self._take_idle():
            self._threads -= 1
            self._give(None)

    async def close(self, grace: float = 0.0) -> list[str]:
        for run in self._runs:
            run.terminate()
        if self._runs and grace > 0:
            self._quiet.clear()
            try:
                await asyncio.wait_for(self._quiet.wait(), grace)
            except TimeoutError:
                pass
        self._closed = True
        for _ in range(self._threads):
            self._give(None)
        return [run.call.name for run in self._runs]
