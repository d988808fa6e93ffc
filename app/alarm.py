"""Waking the loop at an instant, to the tenth of a millisecond.

A loop's own timers are up to two milliseconds late: what it waits by counts in whole ones, and is
rounded up twice. Linux has timers that are files, which a loop can watch; where there are none, or
the loop watches no files, its own have to do.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Protocol

NANOSECONDS = 1_000_000_000
CLOCK_MONOTONIC = 1
FLAGS = os.O_NONBLOCK | os.O_CLOEXEC if sys.platform == "linux" else 0


class Alarm(Protocol):
    """Calls a function on the loop's thread, once for each time it is set, never too early."""

    def set(self, seconds: float) -> None:
        """Ring so many seconds from now, and at no instant that was set before."""

    def stop(self) -> None:
        """Do not ring any more."""

    def close(self) -> None: ...


def alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], object]) -> Alarm:
    """The most precise there is."""
    try:
        return FileAlarm(loop, ring)
    except (AttributeError, NotImplementedError, OSError, TypeError):
        return LoopAlarm(loop, ring)


class LoopAlarm:
    """By the loop's own timers."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], object]) -> None:
        self._loop = loop
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        self.stop()
        self._timer = self._loop.call_later(seconds, self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        self.stop()


class Times(ctypes.Structure):
    """`struct itimerspec`: how often to ring again, and when first (all 0: never)."""

    _fields_ = [(name, ctypes.c_long) for name in ("again", "again_ns", "first", "first_ns")]


class FileAlarm:
    """By a timerfd. Making one raises an error of some kind where that does not work."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], object]) -> None:
        library = ctypes.PyDLL(None, use_errno=True)  # its calls are too short to let others run
        self._set_file = library.timerfd_settime
        self._file: int = library.timerfd_create(CLOCK_MONOTONIC, FLAGS)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._loop = loop
        self._ring = ring
        self._times = Times()
        self._pointer = ctypes.byref(self._times)
        try:
            loop.add_reader(self._file, self._rung)
        except BaseException:
            os.close(self._file)
            raise

    def set(self, seconds: float) -> None:
        times, left = self._times, max(1, int(seconds * NANOSECONDS))
        times.first, times.first_ns = divmod(left, NANOSECONDS)
        self._set_file(self._file, 0, self._pointer, None)

    def stop(self) -> None:
        times = self._times
        times.first = times.first_ns = 0
        self._set_file(self._file, 0, self._pointer, None)

    def _rung(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return  # it was stopped, or set anew, since
        self._ring()

    def close(self) -> None:
        self._loop.remove_reader(self._file)
        os.close(self._file)
