"""Endings on their way from other threads to the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Post(Generic[T]):
    """What threads send is delivered on the loop's thread, in order; one wake-up of the loop
    serves all that was sent before it."""

    def __init__(self, deliver: Callable[[T], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._deliver = deliver
        self._waiting: deque[T] = deque()
        self._woken = False

    def send(self, item: T) -> bool:
        """From any thread. Says whether there is still a loop to hear it."""
        self._waiting.append(item)
        if self._woken:
            return True
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._empty)
        except RuntimeError:
            self._woken = False
            return False
        return True

    def _empty(self) -> None:
        self._woken = False
        while self._waiting:
            self._deliver(self._waiting.popleft())
