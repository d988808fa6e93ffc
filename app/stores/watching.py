"""Notice of what others write, for stores that give none by themselves: a thread looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .protocol import CROWDED_PATIENCE


@contextmanager
def looking(state: Callable[[], object], heard: Callable[[], None]) -> Iterator[None]:
    """While in it, `heard` is called whenever `state` is another than at the last look, or cannot
    be had: whoever reads then will be told why. The first look is before this returns."""
    left = threading.Event()
    seen = state()

    def look() -> None:
        known: object = seen
        while not left.wait(CROWDED_PATIENCE / 1_000_000):
            try:
                now = state()
            except Exception as error:
                now = repr(error)
            if now != known:
                known = now
                heard()

    thread = threading.Thread(target=look, name="oncue-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
