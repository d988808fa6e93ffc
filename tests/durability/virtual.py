"""Event loops on a virtual time, several of them beside each other.

A machine has one time and any number of loops. It gives a turn to one of those that have something
to do, chosen by its random; when none has, time jumps to the next timer. Nothing waits, nothing
runs on a thread, and the same random gives the same course. A loop that is stopped has no turns
until it is continued, its timers are late then: that is an instance under SIGSTOP. One that is
dropped has none any more: SIGKILL.

Time is in microseconds from 0 on.
"""

from __future__ import annotations

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")
SECOND = 1_000_000
NEVER = 1 << 62
MOST_TURNS = 20_000  # of all loops at one instant: more is a hot loop


class HotLoop(AssertionError):
    """Something goes on and on while no time passes."""


class Machine:
    """`now` is the time of all its loops."""

    def __init__(self, random: Random) -> None:
        self.now = 0
        self.random = random
        self.loops: list[VirtualLoop] = []
        self._dropped: list[VirtualLoop] = []

    def loop(self) -> VirtualLoop:
        made = VirtualLoop(self)  # type: ignore[abstract]  # it leaves out what is never asked for
        self.loops.append(made)
        return made

    def drop(self, loop: VirtualLoop) -> None:
        """It has no turn any more; from within a turn of its own, after that."""
        self.loops.remove(loop)
        self._dropped.append(loop)

    def _bury(self) -> None:
        """Let the tasks of dropped loops end, which would complain if they were just forgotten."""
        while self._dropped:
            loop = self._dropped.pop()
            for _ in range(MOST_TURNS):
                for task in loop.tasks:
                    task.cancel()
                if not loop.tasks:
                    break
                loop.turn(NEVER)

    def run(self, main: asyncio.Future[T]) -> T:
        """Until this future, of one of the loops, is done. Raises what it raises, and HotLoop."""
        turns = 0
        while not main.done():
            due = [loop for loop in self.loops if not loop.stopped and loop.due <= self.now]
            if due:
                turns += 1
                if turns > MOST_TURNS:
                    raise HotLoop(f"no end of turns at {self.now / SECOND:.6f} s")
                loop = due[0] if len(due) == 1 else self.random.choice(due)
                loop.turn(self.now)
                self._bury()
                continue
            waiting = [loop.due for loop in self.loops if not loop.stopped]
            turns, self.now = 0, min(waiting)
            if self.now >= NEVER:
                raise HotLoop("nothing is left that could ever happen")
        return main.result()


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of a loop as code needs that does no input or output and has no threads."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.stopped = False
        self.errors: list[dict[str, Any]] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._serial = count()

    @property
    def due(self) -> int:
        """When it next has something to do."""
        if self._ready:
            return 0
        while self._timers and self._timers[0][2].cancelled():
            heappop(self._timers)
        return self._timers[0][0] if self._timers else NEVER

    def turn(self, now: int) -> None:
        """Call what is ready at an instant, once each."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            self._ready.append(heappop(timers)[2])
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(before)

    # --- what asyncio asks for ------------------------------------------------------------

    def time(self) -> float:
        return self.machine.now / SECOND

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._call_at(self.machine.now + round(delay * SECOND), callback, args, context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._call_at(round(when * SECOND), callback, args, context)

    def _call_at(
        self,
        due: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(due / SECOND, callback, args, self, context)
        heappush(self._timers, (due, next(self._serial), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is dropped when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def get_task_factory(self) -> None:
        return None

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> NoReturn:
        raise AssertionError(f"{func} would run on a thread, where time is another")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)
