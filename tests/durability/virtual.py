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
from contextvars import Context, copy_context
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
            now = self.now
            due = [x for x in self.loops if (x.ready or x.next <= now) and not x.stopped]
            if due:
                turns += 1
                if turns > MOST_TURNS:
                    raise HotLoop(f"no end of turns at {self.now / SECOND:.6f} s")
                loop = due[0] if len(due) == 1 else self.random.choice(due)
                loop.turn(now)
                if self._dropped:
                    self._bury()
                continue
            turns, self.now = 0, min(loop.next for loop in self.loops if not loop.stopped)
            if self.now >= NEVER:
                raise HotLoop("nothing is left that could ever happen")
        return main.result()


class Call:
    """What a loop is to call, unless it is cancelled before: as much of a handle as is asked for,
    since half of a life's time would go into asyncio's own."""

    __slots__ = ("_args", "_callback", "_context", "is_cancelled")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = copy_context() if context is None else context
        self.is_cancelled = False

    def __call__(self) -> None:
        self._context.run(self._callback, *self._args)

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled


class VirtualLoop(asyncio.AbstractEventLoop):
    """As much of a loop as code needs that does no input or output and has no threads."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.stopped = False
        self.errors: list[dict[str, Any]] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.ready: deque[Call] = deque()  # what it has to do now
        self.next = NEVER  # when its next timer is due
        self._timers: list[tuple[int, int, Call]] = []
        self._serial = count()

    def turn(self, now: int) -> None:
        """Call what is ready at an instant, once each."""
        timers, ready = self._timers, self.ready
        while timers and timers[0][0] <= now:
            ready.append(heappop(timers)[2])
        self.next = timers[0][0] if timers else NEVER
        events._set_running_loop(self)
        try:
            for _ in range(len(ready)):
                call = ready.popleft()
                if not call.is_cancelled:
                    call()
        finally:
            events._set_running_loop(None)

    # --- what asyncio asks for ------------------------------------------------------------

    def time(self) -> float:
        return self.machine.now / SECOND

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        call = Call(callback, args, context)
        self.ready.append(call)
        return call

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Call:
        return self._call_at(self.machine.now + round(delay * SECOND), callback, args, context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Call:
        return self._call_at(round(when * SECOND), callback, args, context)

    def _call_at(
        self,
        due: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> Call:
        call = Call(callback, args, context)
        heappush(self._timers, (due, next(self._serial), call))
        if due < self.next:
            self.next = due
        return call

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
