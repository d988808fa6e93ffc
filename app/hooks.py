"""Functions of the user's that are called at certain moments of an app.

A hook is a plain function, a coroutine function or a generator. It may ask for `session`, and
where there is one for `task`, by the name of a parameter or by an argument in its signature. A
generator's rest runs when what it was called before is over; that of `task_execute` is sent what
the run raised, as `sys.exc_info()` has it, or three times None.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from .binding import given_by_context
from .errors import DefinitionError
from .work import called, code_of, is_awaited

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

F = TypeVar("F", bound=Callable[..., Any])
NOTHING_RAISED = (None, None, None)
ExcInfo = tuple[Any, Any, Any]


class Hooks:
    """The hooks of a session, by moment, in the order in which they were added."""

    MOMENTS = ("startup", "shutdown", "cycle", "task_init", "task_execute")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_moment: dict[str, list[Callable[..., Any]]] = {name: [] for name in self.MOMENTS}
        self.of_runs = self._by_moment["task_execute"]  # for a quick look whether there are any

    def add(self, moment: str, hook: F) -> F:
        """Call it at that moment from now on. Raises DefinitionError for one that cannot be."""
        if not callable(hook):
            raise DefinitionError(f"a hook is a function, not {hook!r}")
        if inspect.isasyncgenfunction(code_of(hook)):
            raise DefinitionError(f"{called(hook)}: a hook is no asynchronous generator")
        if moment in ("task_init", "task_execute") and is_awaited(hook):
            raise DefinitionError(f"{called(hook)}: a hook of {moment} is no coroutine")
        self._by_moment[moment].append(hook)
        return hook

    def has(self, moment: str) -> bool:
        return bool(self._by_moment[moment])

    async def begin(self, moment: str) -> list[Iterator[Any]]:
        """Call the hooks of a moment; what is left of those that are generators."""
        left: list[Iterator[Any]] = []
        for hook in self._by_moment[moment]:
            called = self._call(hook, None)
            if inspect.isawaitable(called):
                await called
            elif inspect.isgenerator(called):
                left += begun(called)
        return left

    def begin_definition(self, task: Task[..., Any]) -> list[Iterator[Any]]:
        """Call the `task_init` hooks, before a task is defined; what is left of them."""
        return [rest for hook in self._by_moment["task_init"] for rest in self._begun(hook, task)]

    def begin_run(self, task: Task[..., Any], left: list[Iterator[Any]]) -> None:
        """The `task_execute` hooks, before a run of the task; what is left of them is `left`, of
        those before one that raises too."""
        for hook in self._by_moment["task_execute"]:
            left += self._begun(hook, task)

    def _begun(self, hook: Callable[..., Any], task: Task[..., Any]) -> list[Iterator[Any]]:
        called = self._call(hook, task)
        return begun(called) if inspect.isgenerator(called) else []

    def _call(self, hook: Callable[..., Any], task: Task[..., Any] | None) -> Any:
        return hook(**given_by_context(hook, {"session": self._session, "task": task}))


def begun(generator: Iterator[Any]) -> list[Iterator[Any]]:
    """The generator after its first step, if there is more of it."""
    try:
        next(generator)
    except StopIteration:
        return []
    return [generator]


def finish(left: Sequence[Iterator[Any]], raised: ExcInfo | None = None) -> None:
    """Run the rest of generators, the last that was begun first. Raises what one of them raises,
    when all have run."""
    with ExitStack() as stack:
        for generator in left:
            stack.callback(finish_one, generator, raised)


def finish_one(generator: Iterator[Any], raised: ExcInfo | None) -> None:
    try:
        if raised is None:
            next(generator)
        else:
            generator.send(raised)  # type: ignore[attr-defined]
    except StopIteration:
        return
    raise RuntimeError(f"the hook {generator!r} yields more than once")
