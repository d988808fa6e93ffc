"""That `async with app.create()` is left only when nothing runs in it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

_within: ContextVar[Future[None]] = ContextVar("oncue_within")  # which call; tasks inherit


class Calls:
    """Of `run`, in one app context, on any loop; `closed` once no life is to begin in them.
    `tell` makes the life there is end, at once or in order."""

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self.closed = False
        self._tell = tell
        self._going: list[Future[None]] = []  # done when the call returns

    @contextmanager
    def another(self) -> Iterator[None]:
        over = Future[None]()
        self._going.append(over)
        token = _within.set(over)
        try:
            yield
        finally:
            _within.reset(token)
            self._going.remove(over)
            over.set_result(None)

    @asynccontextmanager
    async def ended(self) -> AsyncIterator[None]:
        """Have returned when this is left: in order, unless something was raised."""
        at_once = True
        try:
            yield
            at_once = False
        finally:
            await self._end(at_once)

    async def _end(self, at_once: bool) -> None:
        self.closed = True
        if not self._going:
            return
        within = _within.get(None)  # it would wait for us
        others = [asyncio.wrap_future(over) for over in self._going if over is not within]
        self._tell(at_once)
        try:
            if others:
                await asyncio.wait(others)
        except asyncio.CancelledError:
            self._tell(True)
            await asyncio.wait(others)
            raise
