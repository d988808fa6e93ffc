"""SIGINT and SIGTERM, while an app has the main thread."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DEAF = 0.2  # seconds


class Signals:
    """They shut down in order while this stands; the second does not wait, not even for a `main`
    run that keeps this thread (`blocked` tells), or for other code that has kept the loop from
    hearing of the first for `DEAF` seconds."""

    CAUGHT = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, shut_down: Callable[[], None], blocked: Callable[[], bool]) -> None:
        self._shut_down = shut_down
        self._blocked = blocked
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._unheard: float | None = None  # since when the loop has not heard of a signal
        self._before = {number: signal.signal(number, self._catch) for number in self.CAUGHT}

    def _catch(self, number: int, frame: object) -> None:
        self._seen += 1
        now = self._loop.time()
        self._loop.call_soon_threadsafe(self._hear)
        if self._unheard is None:
            self._unheard = now
        deaf = now - self._unheard > DEAF
        if self._seen > 1 and (self._blocked() or deaf):
            raise KeyboardInterrupt

    def _hear(self) -> None:
        self._unheard = None
        self._shut_down()

    def remove(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Where nothing of that stands, SIGTERM does in this block what `asyncio.run` has SIGINT do:
    it cancels the asyncio task, so that all is left in order, and the second does not wait."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    caught = False

    def catch(number: int, frame: object) -> None:
        nonlocal caught
        if caught:
            raise KeyboardInterrupt
        caught = True
        loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGTERM, catch)
    try:
        yield
    except asyncio.CancelledError:
        if caught:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def in_main_thread() -> bool:
    """Whether signals can be caught here."""
    return threading.current_thread() is threading.main_thread()
