"""The one place that reads a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Gives the current instant, in microseconds since the Unix epoch."""

    def now(self) -> int: ...


def wall() -> int:
    """Microseconds since the Unix epoch, by the wall clock of this machine."""
    return time.time_ns() // 1000


class SystemClock:
    """The wall clock of this machine."""

    now = staticmethod(wall)


class FunctionClock:
    """What a function says, in seconds since the Unix epoch."""

    def __init__(self, function: Callable[[], float]) -> None:
        self._function = function

    def now(self) -> int:
        return round(self._function() * 1_000_000)


stopwatch = time.monotonic
"""Seconds, for how long something took."""


def uptime() -> int:
    """Microseconds on a clock that all processes of this host share and that is never set."""
    return time.monotonic_ns() // 1000
