"""What apps and groups of tasks have in common: the decorators that define things; and groups."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, overload

from ..conds.durations import Duration
from ..conds.nodes import Condition, Func, all_of
from ..conds.rewrite import renamed
from ..engine.schedule import NEVER
from ..grammar.phrases import Phrases
from . import options
from .arguments import BaseArgument, FuncArg
from .binding import Needs, refuse_in_process
from .clock import SystemClock
from .errors import DefinitionError
from .hooks import finish
from .kinds import KINDS
from .options import DurationLike, Option, optional
from .session import Session
from .stores import store_at
from .task import Task

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class Definer:
    """Defines tasks, parameters and conditions for a session."""

    session: Session

    def __getitem__(self, task: Any) -> Task[..., Any]:
        return self.session[task]

    def __contains__(self, task: object) -> bool:
        return task in self.session

    def __iter__(self) -> Iterator[Task[..., Any]]:
        return iter(self.session)

    # --- tasks ----------------------------------------------------------------------------

    @overload
    def task(
        self,
        start_cond: str | bool | Condition | None = None,
        *,
        func: None = None,
        path: None = None,
        command: None = None,
        code: None = None,
        **options: Any,
    ) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    @overload
    def task(
        self,
        start_cond: str | bool | Condition | None = None,
        *,
        func: Callable[P, R],
        **options: Any,
    ) -> Task[P, R]: ...
    @overload
    def task(
        self, start_cond: str | bool | Condition | None = None, **options: Any
    ) -> Task[..., Any]: ...
    def task(self, start_cond: Any = None, **options: Any) -> Any:
        """A task that starts when `start_cond` holds: a decorator for its function, or the task
        itself where `func`, `path` (of a Python file, with `func_name`), `command` (a program's
        text or list) or `code` (source text) is given.

        The options are those of a `Task`: name, execution, priority, end_cond, timeout, retries,
        parameters and so on. Raises ConditionSyntaxError for text that is no condition and
        DefinitionError for what cannot be, such as a name that is taken, before anything changes.
        """
        given = {"start_cond": start_cond, **options}
        if any(options.get(name) is not None for name in KINDS):
            return self.session.create_task(**given)
        read = self.session.read_options(given)
        return lambda function: self.session.create_task(func=function, **read)

    # --- parameters -----------------------------------------------------------------------

    def params(self, **values: Any) -> None:
        """Give the session parameters, which all tasks may ask for by name."""
        self.session.parameters.update(values)

    def param(self, name: str | None = None) -> Callable[[F], F]:
        """Make what a function returns a parameter, under its name or another; it is called for
        each run that asks for it."""
        refuse_bare(name, "param")

        def register(function: F) -> F:
            self.session.parameters[name or function.__name__] = FuncArg(function)
            return function

        return register

    # --- conditions -----------------------------------------------------------------------

    @property
    def phrases(self) -> Phrases:
        """The custom conditions there are, for `parse(text, phrases=app.phrases)`."""
        return self.session.phrases

    def cond(
        self,
        syntax: str | re.Pattern[str] | None = None,
        *,
        every: DurationLike | None = None,
        safe: bool = False,
    ) -> Callable[[Callable[..., object]], Func]:
        """Make a function a custom condition, true when what it returns is.

        `syntax` is a phrase, `disk is below {percent:int} percent` (placeholders: name, int,
        float, duration, time), or a compiled regular expression whose named groups become the
        arguments; without it the function's name is registered for call syntax,
        `is_holiday('FI')`. The function is asked only when its answer matters, at most once per
        instant, and again after `every` (default: 0.1 s). If it is `safe`, conditions of dynamic
        tasks may ask it too, whatever the arguments they give. What comes back is a condition
        itself, and with arguments in parentheses. Raises PhraseError for a phrase that is not well
        formed, is taken, or could be read in two ways.
        """
        refuse_bare(syntax, "cond")
        interval = None if every is None else Duration.of(every)

        def register(function: Callable[..., object]) -> Func:
            self.session.register(syntax, function, interval, safe)
            return Func(function, every=interval)

        return register

    def define(self, name: str, condition: str | Condition) -> None:
        """Give a condition a name that other conditions can use, such as
        `app.define("business hours", "weekdays & time of day between 9 and 17")`. Raises
        PhraseError for a name that is taken, ConditionSyntaxError for the condition's text."""
        self.session.define(name, condition)


class Grouper(Definer):
    """Tasks that belong together, defined apart from any app: `app.include_grouper(group)` makes
    them the app's.

    Then their names get the `prefix`, their start_conds are joined with the group's by *and*, and
    those that do not say run by the group's `execution`. In the group's conditions and arguments a
    task of the group is called by the name it has there.
    """

    start_cond = Option[Condition | None](
        optional(options.condition), doc="Has to hold for each of them to start."
    )
    execution = Option[str | None](optional(options.execution), doc="How they run.")

    def __init__(
        self,
        prefix: str | None = None,
        start_cond: str | bool | Condition | None = None,
        execution: str | None = None,
    ) -> None:
        if not isinstance(prefix, str | None):
            raise DefinitionError(f"prefix={prefix!r}: it is text")
        self.prefix = prefix or ""
        self.values: dict[str, Any] = {}
        self.session = Session(store_at(None), SystemClock(), {})
        self.start_cond = start_cond
        self.execution = execution

    def assigned(self, name: str) -> None:
        """What is assigned counts when the group is included."""

    def include(self, session: Session) -> None:
        """Move all there is to another session, in its turn. Raises DefinitionError for what cannot
        be; then no task and no parameter has moved."""
        tasks = self.session.tasks
        names = {task.name: session.free_name(self.prefix + task.name) for task in tasks}
        session.refuse_taken(names.values())
        for task in tasks:
            if (self._execution_of(task) or session.config.execution) == "process":
                refuse_in_process({**task.needs.arguments, **task.parameters}, names[task.name])
        session.replay(self.session, names)
        parameters = {k: in_group(v, names) for k, v in self.session.parameters.items()}
        hidden = {k: v for k, v in session.parameters.items() if k in parameters}
        before = [(task, task.name, task.values, task.needs) for task in tasks]
        session.parameters.update(parameters)
        try:
            for task in tasks:
                self.session.remove_task(task)
                task.values = task.values | self._values_of(task, names)
                task.needs = task.needs.renamed(names)
                task.name = names[task.name]
            left = session.add_tasks(tasks)
        except BaseException:
            for name in parameters:
                del session.parameters[name]
            session.parameters.update(hidden)
            self._take_back(before)
            raise
        finish(left)

    def _take_back(self, before: list[tuple[Task[..., Any], str, dict[str, Any], Needs]]) -> None:
        """Have the tasks as they were."""
        for task in self.session.tasks:
            self.session.remove_task(task)
        for task, name, values, needs in before:
            task.values, task.needs, task.name = values, needs, name
            self.session.add_task(task)

    def _values_of(self, task: Task[..., Any], names: dict[str, str]) -> dict[str, Any]:
        """The options that are others in the app."""
        start_cond = task.start_cond
        if self.start_cond is not None and start_cond != NEVER:
            start_cond = all_of(self.start_cond, start_cond)
        found = {
            "start_cond": renamed(start_cond, names),
            "end_cond": renamed(task.end_cond, names),
            "parameters": {k: in_group(v, names) for k, v in task.parameters.items()},
        }
        found["execution"] = self._execution_of(task)
        return found

    def _execution_of(self, task: Task[..., Any]) -> str | None:
        """How a task runs by what it and the group say."""
        return task.values.get("execution") or self.execution


def refuse_bare(given: object, decorator: str) -> None:
    """Raise DefinitionError where a decorator was given the function itself, for its name."""
    if callable(given):
        raise DefinitionError(f"{decorator}: {given!r} is no name; write @app.{decorator}()")


def in_group(value: Any, names: dict[str, str]) -> Any:
    return value.renamed(names) if isinstance(value, BaseArgument) else value
