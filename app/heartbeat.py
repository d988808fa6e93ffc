"""Heartbeats in the background of a task's code."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from .arguments import signature_of
from .binding import contexts_in
from .context import Context
from .errors import DefinitionError, LeaseLostException, StoreError
from .work import called, is_awaited

P = ParamSpec("P")
R = TypeVar("R")

AGAIN = 1.0  # seconds until a heartbeat is tried again that the store did not take

scheduler_log = logging.getLogger("oncue.scheduler")


def with_heartbeat(
    lease_remaining_ratio: float = 0.5, cancel_on_lease_lost: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Extend the lease of the run while the function runs, whenever so much of it has gone by: a
    coroutine function, or a plain one in a thread or a process. It has to take the context.

    When the lease is lost, a coroutine goes on, unless `cancel_on_lease_lost`: then it is
    cancelled, and the run ends in LeaseLostException. Raises DefinitionError for what cannot be.
    """
    if not isinstance(lease_remaining_ratio, int | float) or not 0 < lease_remaining_ratio < 1:
        raise DefinitionError(
            f"lease_remaining_ratio={lease_remaining_ratio!r}: it is more than 0 and less than 1"
        )

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        context_of = finder(function)
        if is_awaited(function):

            @wraps(function)
            async def beating(*args: Any, **kwargs: Any) -> Any:
                context = context_of(*args, **kwargs)
                async with Beats(context, lease_remaining_ratio, cancel_on_lease_lost):
                    return await function(*args, **kwargs)  # type: ignore[misc]  # it is

            return beating  # type: ignore[return-value]
        if cancel_on_lease_lost:
            raise DefinitionError(
                f"{called(function)} is a plain function, which cannot be cancelled; make it a "
                "coroutine function, or drop cancel_on_lease_lost"
            )

        @wraps(function)
        def beaten(*args: P.args, **kwargs: P.kwargs) -> R:
            with BeatsInThread(context_of(*args, **kwargs), lease_remaining_ratio):
                return function(*args, **kwargs)

        return beaten

    return decorate


def finder(function: Callable[..., Any]) -> Callable[..., Context]:
    """What finds the context among the arguments of a call."""
    if not callable(function):
        raise DefinitionError(f"with_heartbeat() decorates a function, not {function!r}")
    names = contexts_in(function, list(signature_of(function)))
    if not names:
        raise DefinitionError(
            f"{called(function)} takes no context, by which its lease is "
            "extended; give it a parameter `context`"
        )
    signature = inspect.signature(function)

    def find(*args: Any, **kwargs: Any) -> Context:
        found: Context = signature.bind(*args, **kwargs).arguments[names[0]]
        return found

    return find


class Pace:
    """`seconds` is how long it is until the next heartbeat: not long after one that the store did
    not take, which is said once until it takes one again."""

    def __init__(self, context: Context, seconds: float) -> None:
        self._context = context
        self._usual = seconds
        self._failing = False

    @property
    def seconds(self) -> float:
        return min(self._usual, AGAIN) if self._failing else self._usual

    def taken(self) -> None:
        self._failing = False

    def failed(self, error: StoreError) -> None:
        if not self._failing:
            said(self._context, error)
        self._failing = True


def pace_of(context: Context, ratio: float) -> Pace | None:
    """None where the lease lasts as long as the instance."""
    duration = context.lease.duration
    return None if duration is None else Pace(context, duration.seconds * ratio)


def said(context: Context, error: Exception) -> None:
    scheduler_log.warning("task %r: a heartbeat failed: %s", context.task.name, error)


class Beats:
    """Heartbeats while a coroutine is in this block."""

    def __init__(self, context: Context, ratio: float, cancelling: bool) -> None:
        self._context = context
        self._pace = pace_of(context, ratio)
        self._cancelling = cancelling
        self._lost: LeaseLostException | None = None
        self._over = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        body = asyncio.current_task()
        if self._pace is not None and body is not None:
            self._beating = asyncio.create_task(self._beat(self._pace, body))

    async def _beat(self, pace: Pace, body: asyncio.Task[Any]) -> None:
        while True:
            try:
                await asyncio.wait_for(self._over.wait(), pace.seconds)
                return
            except TimeoutError:
                pass
            try:
                await self._context.heartbeat()
                pace.taken()
            except LeaseLostException as lost:
                said(self._context, lost)
                if self._cancelling:
                    self._lost = lost
                    body.cancel()
                return
            except StoreError as error:
                pace.failed(error)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        if self._beating is not None:
            self._beating.cancel()
        if self._lost is not None and kind is asyncio.CancelledError:
            body = asyncio.current_task()
            if body is not None and not body.uncancel():
                raise self._lost


class BeatsInThread:
    """Heartbeats, by a thread, while a plain function is in this block."""

    def __init__(self, context: Context, ratio: float) -> None:
        context.pulse.refuse_blocked()
        self._context = context
        self._pace = pace_of(context, ratio)
        self._over = threading.Event()
        self._beating = threading.Thread(
            target=self._beat, args=(self._pace,), name="oncue-heartbeat", daemon=True
        )

    def __enter__(self) -> None:
        if self._pace is not None:
            self._beating.start()

    def _beat(self, pace: Pace) -> None:
        while not self._over.wait(pace.seconds):
            try:
                self._context.heartbeat()
                pace.taken()
            except LeaseLostException as lost:
                said(self._context, lost)
                return
            except StoreError as error:
                pace.failed(error)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._pace is not None:
            self._beating.join()
