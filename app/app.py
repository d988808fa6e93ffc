"""The app: tasks, where their log lives, and the ways to run them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from ..conds.nodes import Condition
from ..engine.civil import zone as zone_of
from ..engine.explain import Explanation
from .clock import Clock, SystemClock
from .errors import DefinitionError
from .runtime import Runtime
from .stores import store_at
from .task import Task, condition_of, execution_of, name_of, refuse_parameters

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
        self.shut_cond = condition_of(shut_cond)
        self.tasks: dict[str, Task[..., Any]] = {}
        self._runtime = Runtime(
            store_at(store), clock or SystemClock(), self.zone, self.shut_cond, self.tasks
        )

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

        `execution` is `main`, `async` or `thread`; by default coroutine functions run `async`,
        plain ones in a `thread`. Of tasks due at the same instant those of higher `priority`
        start first, then those defined first. Raises ConditionSyntaxError for text that is no
        condition and DefinitionError for a name that is taken, before anything changes.
        """
        condition = condition_of(start_cond)

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
            self._runtime.define(task)
            return task

        return define

    def run(self) -> None:
        """Run until `shut_cond` holds, `shut_down` is called, or SIGINT or SIGTERM comes.

        Running tasks are waited for; a second signal does not wait. Raises StoreError when the
        store cannot be opened or endings cannot be written.
        """
        asyncio.run(self._runtime.serve(signals=True))

    async def serve(self) -> None:
        """`run`, on a running event loop; signals are left to their owner."""
        await self._runtime.serve()

    def shut_down(self) -> None:
        """Start nothing more and end when the running tasks have; a second call does not wait.
        May be called from any thread."""
        self._runtime.shut_down()

    def explain(self, name: str) -> Explanation:
        """Why the start_cond of the task holds or does not, now. Raises KeyError for a name of
        no task, and StoreError when the app has not run and its store cannot be read."""
        return self._runtime.explain(self.tasks[name])
