"""The app: tasks, where their log lives, and the ways to run them."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

from ..conds.durations import Duration
from ..conds.nodes import Condition, Func
from ..engine.atoms import Custom
from ..engine.civil import zone as zone_of
from ..engine.explain import Explanation
from ..grammar.phrases import Phrases
from .clock import Clock, SystemClock
from .errors import DefinitionError, OncueError
from .executors import refuse_in_worker
from .runtime import Runtime
from .stores import store_at
from .task import Task, condition_of, execution_of, name_of, refuse_parameters

DurationLike = Duration | timedelta | str | float
P = ParamSpec("P")
R = TypeVar("R")


class App:
    """Runs tasks when their conditions say so.

    `store` is the path of an SQLite file; without one the log is in memory. `timezone` is the
    zone of conditions that name none (default: the system's). The app stops by itself when
    `shut_cond` holds. Raises DefinitionError, ConditionSyntaxError or ValueError (an unknown
    zone) for what cannot be; the store is opened by `run` and `serve`.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        *,
        timezone: str | None = None,
        shut_cond: str | Condition | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.zone = zone_of(timezone)
        self.phrases = Phrases()
        self.customs: dict[str, Custom] = {}
        self.shut_cond = condition_of(shut_cond, self.phrases)
        self.tasks: dict[str, Task[..., Any]] = {}
        self._store = store_at(store)
        self._clock = clock or SystemClock()
        self._life: Runtime | None = None

    def __getitem__(self, name: str) -> Task[..., Any]:
        return self.tasks[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tasks

    def __iter__(self) -> Iterator[Task[..., Any]]:
        return iter(self.tasks.values())

    def task(
        self,
        start_cond: str | bool | Condition | None = None,
        *,
        name: str | None = None,
        execution: str | None = None,
        priority: int = 0,
    ) -> Callable[[Callable[P, R]], Task[P, R]]:
        """Make a function a task that starts when `start_cond` holds.

        `execution` is `main`, `async`, `thread` or `process`; by default coroutine functions run
        `async`, plain ones in a `thread`. Of tasks due at the same instant those of higher
        `priority` start first, then those defined first. Raises ConditionSyntaxError for text that
        is no condition and DefinitionError for a name that is taken, before anything changes.
        """
        condition = condition_of(start_cond, self.phrases)

        def define(function: Callable[P, R]) -> Task[P, R]:
            called = name_of(function, name)
            if called in self.tasks:
                raise DefinitionError(
                    f"there is a task {called!r} already; give this one another name"
                )
            refuse_parameters(function, called)
            task = Task(
                self,
                function,
                condition,
                name=called,
                execution=execution_of(function, execution, called),
                priority=priority,
            )
            self.tasks[called] = task
            if self._life is not None and self._life.serving:
                self._life.call(partial(self._life.define, task))
            return task

        return define

    def cond(
        self,
        syntax: str | re.Pattern[str] | None = None,
        *,
        every: DurationLike | None = None,
    ) -> Callable[[Callable[..., object]], Func]:
        """Make a function a custom condition, true when what it returns is.

        `syntax` is a phrase, `disk is below {percent:int} percent` (placeholders: name, int,
        float, duration, time), or a compiled regular expression whose named groups become the
        arguments; without it the function's name is registered for call syntax,
        `is_holiday('FI')`. The function is asked only when its answer matters, at most once per
        instant, and again after `every` (default: 0.1 s). What comes back is a condition itself,
        and with arguments in parentheses. Raises PhraseError for a phrase that is not well
        formed, is taken, or could be read in two ways.
        """
        interval = None if every is None else Duration.of(every)

        def register(function: Callable[..., object]) -> Func:
            name = function.__name__
            match syntax:
                case None:
                    self.phrases.add_call(name)
                case str():
                    name = self.phrases.add_phrase(syntax).text
                case _:
                    self.phrases.add_pattern(syntax)
                    name = syntax.pattern
            self.customs[name] = Custom(
                function, None if interval is None else interval.microseconds
            )
            return Func(function, every=interval)

        return register

    def define(self, name: str, condition: str | Condition) -> None:
        """Give a condition a name that other conditions of this app can use, such as
        `app.define("business hours", "weekdays & time of day between 9 and 17")`. Raises
        PhraseError for a name that is taken, ConditionSyntaxError for the condition's text."""
        self.phrases.define(name, condition)

    def run(self) -> None:
        """Run until `shut_cond` holds, `shut_down` is called, or SIGINT or SIGTERM comes.

        Running tasks are waited for; a second signal does not wait. Raises StoreError when the
        store cannot be opened or endings cannot be written.
        """
        with suppress(KeyboardInterrupt):  # one that comes before or after the loop's own care
            asyncio.run(self._serve(signals=in_main_thread()))

    async def serve(self) -> None:
        """`run`, on a running event loop; signals are left to their owner."""
        await self._serve()

    async def _serve(self, *, signals: bool = False) -> None:
        refuse_in_worker()
        before, life = self._life, self._begin()
        self._life = life
        try:
            await life.serve(signals=signals)
        finally:
            if not life.loaded:
                self._life = before

    def _begin(self) -> Runtime:
        if self._life is not None and self._life.serving:
            raise OncueError("the app is running already")
        return Runtime(
            self.tasks, self._store, self._clock, self.zone, self.shut_cond, self.customs
        )

    def shut_down(self) -> None:
        """Start nothing more and end when the running tasks have; a second call does not wait.
        May be called from any thread."""
        if self._life is not None and self._life.serving:
            self._life.call(self._life.shut_down)

    def explain(self, name: str) -> Explanation:
        """Why the start_cond of the task holds or does not, now. May be called from any thread.
        Raises KeyError for a name of no task, and StoreError when the app has not run and its
        store cannot be read."""
        task = self.tasks[name]
        life = self._life or self._look()
        if not life.serving:
            return life.explain(task)
        found: list[Explanation] = []
        life.call(lambda: found.append(life.explain(task)))
        return found[0]

    def _look(self) -> Runtime:
        """What the store says, read without running anything."""
        life = self._begin()

        async def look() -> None:
            await life.look()
            await self._store.close()

        with ThreadPoolExecutor(1) as thread:  # there may be a loop on this one
            thread.submit(asyncio.run, look()).result()
        self._life = life
        return life


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
