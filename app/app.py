"""The app: a session, the decorators that define what it runs, and the ways to run it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from functools import partial
from typing import Any, ParamSpec, TypeVar

from ..engine.explain import Explanation
from .clock import Clock, SystemClock
from .config import from_outside
from .context import AppContext
from .errors import DefinitionError, OncueError
from .executors import refuse_in_worker
from .families import Family, PartitionSelector, by_hash
from .groups import Definer, Grouper, refuse_bare
from .health import Health
from .middlewares import Middleware, refuse_unfit
from .scheduling import Tasks, pairs
from .session import Session
from .stores import store_at
from .stores.protocol import Store

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=Middleware)
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_inside: ContextVar[Session] = ContextVar("oncue_inside")  # of which code is called; tasks inherit


class App(Definer):
    """Runs tasks when their conditions say so.

    `store` is the path of an SQLite file, or another address of a store
    (`sqlite:jobs.db?synchronous=normal`), or a store; without one the log is in memory. Several
    apps may have one store, each in a namespace of its own; `create=False` makes nothing where no
    store is, and is an error when the app runs. The options are those
    of `app.session.config`, by keyword or as a dictionary `config`; `shut_cond` ends the app when
    it holds, `timezone` is the zone of conditions that name none. Raises DefinitionError,
    ConditionSyntaxError or ValueError (an unknown zone) for what cannot be; the store is opened by
    `run` and `serve`.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store | None = None,
        *,
        namespace: str = "",
        create: bool = True,
        config: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        **options: Any,
    ) -> None:
        if config is not None and not isinstance(config, Mapping):
            raise DefinitionError(f"config={config!r}: it is a dictionary of options")
        given = {**from_outside(), **(config or {}), **options}
        opened_later = store_at(store, namespace=namespace, create=create, clock=clock)
        self.session = Session(opened_later, clock or SystemClock(), given)
        self._background: Background | None = None

    def include_grouper(self, group: Grouper) -> None:
        """Make the tasks and parameters of a group this app's. Raises DefinitionError for a name
        that is taken here, for a task that could not run, and for what is no group; then neither
        has changed."""
        if not isinstance(group, Grouper):
            raise DefinitionError(f"{group!r} is not a group of tasks: Grouper(…) makes one")
        self.session.in_turn(partial(group.include, self.session))

    def setup(self) -> Callable[[F], F]:
        """Call a function when the app starts, before the store is opened and anything is
        planned: it may define tasks and parameters. Another name of
        `app.session.hook_startup()`."""
        return self.session.hook_startup()

    # --- dynamic tasks --------------------------------------------------------------------

    def dynamic_task(self, **options: Any) -> Callable[[Callable[P, R]], Family[P, R]]:
        """A family of tasks that are scheduled while the app runs, by `schedule_task`: a decorator
        for their function. The options are those of a `Family`. Raises DefinitionError for what
        cannot be."""
        return lambda function: Family(function, session=self.session, **options)

    def partitioned_task(
        self,
        *,
        partition_count: int = 32,
        enabled_partitions: Iterable[int] | None = None,
        partition_selector: PartitionSelector = by_hash,
        **options: Any,
    ) -> Callable[[Callable[P, R]], Family[P, R]]:
        """A `dynamic_task` in so many partitions, each looked for by itself. Instances may divide
        them between each other: only those of `enabled_partitions` run here. `partition_selector`
        says which one a task belongs to, by the number of partitions and the task's name."""
        return self.dynamic_task(
            partition_count=partition_count,
            enabled_partitions=enabled_partitions,
            partition_selector=partition_selector,
            **options,
        )

    def schedule_task(self, task: Any, name: str, **when: Any) -> Any:
        """See `AppContext.schedule_task`. Where the app does not run, its store is opened for the
        call."""
        return self.session.scheduling.schedule(task, [(name, when)])

    def schedule_tasks(self, task: Any, tasks: Tasks) -> Any:
        """See `AppContext.schedule_tasks`."""
        return self.session.scheduling.schedule(task, pairs(tasks))

    def unschedule_task(self, task: Any, name: str) -> Any:
        """See `AppContext.unschedule_task`."""
        return self.session.scheduling.unschedule(task, [name])

    def get_task(self, task: Any, name: str) -> Any:
        """See `AppContext.get_task`."""
        return self.session.scheduling.get(task, name)

    def list_tasks(self, task: Any = None, **wanted: Any) -> Any:
        """See `AppContext.list_tasks`."""
        return self.session.scheduling.list(task, **wanted)

    # --- around runs ----------------------------------------------------------------------

    def middleware(self, function: M) -> M:
        """Put a coroutine function `(context, next)` around every run that begins from now on,
        within those that were put before; see `app/middlewares.py`. A decorator; `use_middleware`
        is the same. Raises DefinitionError for what can be none."""
        refuse_unfit(function)
        self.session.middlewares.append(function)
        return function

    use_middleware = middleware

    def fixture(self, name: str | None = None) -> Callable[[F], F]:
        """Make what a function gives an attribute of every run's context, and of the app's, under
        its name or another. It is called when the app starts, before anything else; the rest of a
        generator, asynchronous or not, when the app has ended. It takes the AppContext, or
        nothing. Raises DefinitionError for a name that a context has."""
        refuse_bare(name, "fixture")

        def register(function: F) -> F:
            self.use_fixture(name or function.__name__, function)
            return function

        return register

    def use_fixture(self, name: str, function: Callable[..., Any]) -> None:
        """`fixture`, without a decorator."""
        if self.session.app_context is not None:
            raise DefinitionError(f"fixture {name!r}: the app runs, and fixtures are set up before")
        self.session.fixtures.add(name, function)

    # --- running --------------------------------------------------------------------------

    def run(self) -> None:
        """Run until `shut_cond` holds, `shut_down` is called, or SIGINT or SIGTERM comes.

        Running tasks are waited for; a second signal does not wait. Raises StoreError when the
        store cannot be opened or endings cannot be written, and OncueError for a failure that
        the config does not silence.
        """
        self.session.run()

    async def serve(self) -> None:
        """`run`, on a running event loop; signals are left to their owner."""
        await self.session.serve()

    def main(self) -> None:
        """`run`, for programs that do nothing else: logs to stdout from level INFO on, where
        logging is not configured yet."""
        refuse_in_worker("app.main()")
        if not logging.getLogger("oncue").hasHandlers():
            logging.basicConfig(stream=sys.stdout, level=logging.INFO, format=LINE)
        self.run()

    def create(self) -> AbstractAsyncContextManager[AppContext]:
        """The app, about to run: `async with app.create() as ctx: await ctx.run()`. Signals are
        left to their owner. If it runs in another asyncio task when this is left, it is ended
        first, in order or, when something was raised, at once. Raises OncueError when the app is
        running already."""
        return self.session.create()

    def start(self) -> None:
        """Run in a thread of its own; returns once it runs. `stop` ends it: a program that ends
        without leaves its live runs to be written as crashed. Raises what keeps it from running."""
        if self._background is not None and self._background.is_alive():
            raise OncueError("the app is running already")
        background = Background(self.session)
        background.begin()
        self._background = background

    def stop(self) -> None:
        """End what `start` began, in order, and wait for it. Raises what it ended of, and
        OncueError in a task of the app, for which it would wait: there, call `shut_down`."""
        if _inside.get(None) is self.session:
            raise OncueError("a task cannot wait for its own app to end; call shut_down()")
        background, self._background = self._background, None
        if background is not None:
            self.shut_down()
            background.end()

    def shut_down(self) -> None:
        """Start nothing more and end when the running tasks have; a second call does not wait.
        May be called from any thread."""
        self.session.shut_down()

    def health(self, max_age: Any = None) -> Health:
        """Whether the app lives here, and what it is about; see `app.session.health`."""
        return self.session.health(max_age)

    def explain(self, task: Any) -> Explanation:
        """Why the task starts or does not, now. May be called from any thread. Raises KeyError for
        a task there is not, and StoreError when the app has not run and its store cannot be
        read."""
        return self.session.explain(task)


class Background(threading.Thread):
    """A session that runs beside the program that started it."""

    def __init__(self, session: Session) -> None:
        super().__init__(name="oncue-app", daemon=True)
        self._session = session
        self._ready = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        _inside.set(self._session)
        try:
            asyncio.run(self._session.serve(self._ready.set))
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()

    def begin(self) -> None:
        """Start, and wait until it runs or cannot."""
        self.start()
        self._ready.wait()
        if self._error is not None:
            self.end()

    def end(self) -> None:
        """Wait for its end. Raises what it ended of."""
        self.join()
        if self._error is not None:
            raise self._error
