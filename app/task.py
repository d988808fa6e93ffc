"""A task: a function, and the condition that starts it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ..conds.nodes import Condition, Constant
from ..grammar.phrases import Phrases
from .errors import DefinitionError
from .executors import EXECUTIONS

if TYPE_CHECKING:
    from ..engine.explain import Explanation
    from .app import App

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Task(Generic[P, R]):
    """What `@app.task` makes of a function. Calling it calls the function, as ever."""

    def __init__(
        self,
        app: App,
        function: Callable[P, R],
        start_cond: Condition,
        *,
        name: str,
        execution: str,
        priority: int = 0,
    ) -> None:
        self.app = app
        self.function = function
        self.start_cond = start_cond
        self.name = name
        self.execution = execution
        self.priority = priority
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}: {self.start_cond}>"

    def explain(self) -> Explanation:
        """Why the task's condition holds or does not, now, by the log of this app."""
        return self.app.explain(self.name)


def condition_of(start_cond: str | bool | Condition | None, phrases: Phrases) -> Condition:
    """A start_cond as users write it; None never starts."""
    match start_cond:
        case str():
            return phrases.parse(start_cond)
        case bool() | None:
            return Constant(bool(start_cond))
        case Condition():
            return start_cond
        case _:
            raise DefinitionError(
                f"a start_cond is text or a condition, not {type(start_cond).__name__} "
                f"{start_cond!r}"
            )


def name_of(function: Callable[..., object], name: str | None) -> str:
    given = getattr(function, "__name__", None) if name is None else name
    if not isinstance(given, str) or not given or given == "<lambda>":
        raise DefinitionError(f"the task of {function!r} needs a name: task(…, name='…')")
    if not given.isprintable():
        raise DefinitionError(f"the name {given!r} has characters that cannot be printed")
    return given


def execution_of(function: Callable[..., object], execution: str | None, name: str) -> str:
    """Coroutine functions run `async`, plain ones in a `thread`, unless named otherwise."""
    if execution is None:
        return "async" if inspect.iscoroutinefunction(function) else "thread"
    if execution not in EXECUTIONS:
        known = ", ".join(EXECUTIONS)
        raise DefinitionError(f"task {name!r}: no execution {execution!r}; there are {known}")
    return execution


def refuse_parameters(function: Callable[..., Any], name: str) -> None:
    """A task's function is called without arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in optional]
    if needed:
        raise DefinitionError(
            f"task {name!r} is called without arguments, but its function needs "
            f"{', '.join(needed)}; give them defaults"
        )
