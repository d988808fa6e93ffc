"""From what a task's code asks for, and what there is, to a call.

`needs_of` reads a signature once, when the task is defined. For each run `collect` chooses the
values: later sources win, the session's parameters, then arguments in the signature, then the
task's parameters, then the run's; names that the function does not take are left out. `prepare`
then makes the values that are to be made before the run, and leaves the rest to the run itself.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

from .arguments import (
    BaseArgument,
    Materialize,
    Missing,
    Scope,
    Session,
    Task,
    TerminationFlag,
    arguments_in,
    notes_of,
    signature_of,
    value_of,
)
from .context import Context, is_context
from .errors import DefinitionError, PlainFailure
from .work import Code, Command, DelayedFunction

HIDDEN: Mapping[str, BaseArgument] = {
    "_session_": Session(),
    "_task_": Task(),
    "_thread_terminate_": TerminationFlag(),
}
"""Parameters that are given to whoever names them."""


class ContextArgument(BaseArgument):
    """The context of the run."""

    @property
    def materialize(self) -> Materialize:
        return "pre"

    def get_value(
        self, task: Any = None, session: Any = None, context: Any = None, **kwargs: Any
    ) -> Any:
        if context is None:
            raise Missing("there is no run to have a context")
        return context


CONTEXT = ContextArgument()


class ArgumentError(PlainFailure):
    """A run that cannot have an argument; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What code can be called with: the `names` it takes, those it `required`s, the `arguments`
    in its signature, and whether it takes any name (`anything`)."""

    names: frozenset[str]
    required: tuple[str, ...]
    arguments: Mapping[str, BaseArgument]
    anything: bool = False

    @property
    def wants_context(self) -> bool:
        return any(value is CONTEXT for value in self.arguments.values())

    def takes(self, name: str) -> bool:
        return self.anything or name in self.names

    def renamed(self, names: Mapping[str, str]) -> Needs:
        """The same of tasks that have other names now."""
        arguments = {name: value.renamed(names) for name, value in self.arguments.items()}
        return replace(self, arguments=arguments) if arguments else self


NOTHING = Needs(frozenset(), (), {})


def needs_of(work: Callable[..., Any]) -> Needs:
    """What the code asks for. Raises DefinitionError for a parameter that nothing can be given
    to. Of a function that is looked up when it runs nothing is known yet."""
    if isinstance(work, Command | Code | DelayedFunction):
        return Needs(frozenset(), (), {}, anything=True)
    if takes_nothing(work):
        return NOTHING
    names: list[str] = []
    required: list[str] = []
    anything = False
    for name, parameter in signature_of(work).items():
        match parameter.kind:
            case parameter.VAR_KEYWORD:
                anything = True
            case parameter.VAR_POSITIONAL:
                continue
            case parameter.POSITIONAL_ONLY:
                _refuse_nameless(name, parameter)
            case _:
                names.append(name)
                if parameter.default is parameter.empty:
                    required.append(name)
    hidden = {name: HIDDEN[name] for name in names if name in HIDDEN}
    if not names and not anything:
        return NOTHING
    hidden |= dict.fromkeys(contexts_in(work, names), CONTEXT)
    return Needs(frozenset(names), tuple(required), {**hidden, **arguments_in(work)}, anything)


def contexts_in(work: Callable[..., Any], names: list[str]) -> list[str]:
    """Those of its parameters that are given the context: what is called so or annotated so."""
    notes = notes_of(work)
    return [n for n in names if n == "context" or (n in notes and is_context(notes[n]))]


def takes_nothing(work: Callable[..., Any]) -> bool:
    """Whether it is a plain function without parameters; that is told without its signature."""
    if type(work) is not FunctionType or hasattr(work, "__wrapped__"):
        return False
    code = work.__code__
    variable = code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return not (code.co_argcount or code.co_kwonlyargcount or variable)


def _refuse_nameless(name: str, parameter: inspect.Parameter) -> None:
    if parameter.default is parameter.empty:
        raise DefinitionError(
            f"parameter {name!r} takes no name, and arguments are given by name; drop the '/'"
        )


def collect(
    needs: Needs,
    session: Mapping[str, Any],
    task: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The values of a call, arguments not made yet, from the parameters of session, task and
    run. What takes any name is given the task's and the run's, not all of the session's."""
    values = {name: session[name] for name in needs.names if name in session}
    values.update(needs.arguments)
    for parameters in (task, run):
        if parameters:
            values.update((k, v) for k, v in parameters.items() if needs.takes(k))
    return values


def refuse_lacking(needs: Needs, values: Mapping[str, Any]) -> None:
    """Raise ArgumentError for a parameter that is to have a value and has none."""
    for name in needs.required:
        if name not in values:
            raise ArgumentError(f"argument {name!r}: nothing gives it a value")


def missing(needs: Needs, values: Mapping[str, Any], session: Scope) -> list[str]:
    """Why calls with these values will fail, where that can be known before: one line per
    parameter, each naming it."""
    found = [f"{name!r}: nothing gives it a value" for name in needs.required if name not in values]
    for name, value in values.items():
        why = value.known_missing(session) if isinstance(value, BaseArgument) else None
        if why is not None:
            found.append(f"{name!r}: {why}")
    return found


def refuse_in_process(values: Mapping[str, Any], name: str) -> None:
    """Raise DefinitionError when a process task asks for what cannot leave the app's process."""
    for parameter, part in parts_of(values):
        if part.ours:
            raise DefinitionError(
                f"task {name!r} runs in a process, and its parameter {parameter!r} asks for "
                f"{part!r}, which stays in the app's; give it execution='thread' or 'async'"
            )


def asks_for_flag(values: Mapping[str, Any]) -> bool:
    """Whether a run needs a termination flag; where execution is `main` or `process` it is never
    set, and asking for it deserves a warning."""
    return any(isinstance(part, TerminationFlag) for _, part in parts_of(values))


def parts_of(values: Mapping[str, Any]) -> Iterable[tuple[str, BaseArgument]]:
    for name, value in values.items():
        if isinstance(value, BaseArgument):
            for part in value.parts():
                yield name, part


class Prepared(NamedTuple):
    """What an executor's call is made of. All of it can go to a process, if it is for one."""

    function: Callable[..., Any]
    arguments: dict[str, Any]


def prepare(
    work: Callable[..., Any],
    values: Mapping[str, Any],
    *,
    task: Any,
    session: Any,
    flag: threading.Event | None = None,
    context: Context | None = None,
    in_process: bool = False,
    materialize: Materialize = "post",
) -> Prepared:
    """Make the values of a run that are to be made before it. Raises ArgumentError for one that
    cannot be had, and what the code of an argument raises, with a note that names it."""
    scope = {"task": task, "session": session, "flag": flag, "context": context}
    ready: dict[str, Any] = {}
    later: dict[str, BaseArgument] = {}
    for name, value in values.items():
        if isinstance(value, BaseArgument):
            value = made(name, value.stage, scope)
        if not isinstance(value, BaseArgument):
            ready[name] = value
        elif made_before(value, in_process, materialize):
            ready[name] = made(name, partial(value_of, value), scope)
        else:
            later[name] = value
    if not later and not isinstance(work, DelayedFunction):
        return Prepared(work, ready)
    known = {"context": context} if in_process else scope
    return Prepared(Bound(work, later, known, tuple(values)), ready)


def made_before(value: BaseArgument, in_process: bool, materialize: Materialize) -> bool:
    """Whether the value is made before the run: when it is to be, or cannot be made there."""
    if in_process and isinstance(value, TerminationFlag):
        return False
    return (value.materialize or materialize) == "pre" or (in_process and not value.local)


def made(name: str, make: Callable[..., Any], context: Mapping[str, Any]) -> Any:
    """What is made for an argument, or why there is none."""
    try:
        return make(**context)
    except Missing as error:
        raise ArgumentError(f"argument {name!r}: {error}") from error
    except Exception as error:
        error.add_note(f"(while the argument {name!r} was made)")
        raise


@dataclass(frozen=True, slots=True)
class Bound:
    """Code whose remaining arguments are made in the run. In a process `scope` has the context
    alone. `names` are those of all arguments, in the order in which a command has them."""

    work: Callable[..., Any]
    later: Mapping[str, BaseArgument]
    scope: Mapping[str, Any]
    names: tuple[str, ...]

    def __call__(self, **ready: Any) -> Any:
        given = {**ready, **self.later}
        work, values = self.work, {name: given[name] for name in self.names}
        if isinstance(work, DelayedFunction):
            work = work.load()
            values = self._delayed(work, values)
        arguments = {
            name: made(name, partial(value_of, value), self.scope) for name, value in values.items()
        }
        return work(**arguments)

    def _delayed(self, function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """Now the function is known, and with it what it asks for."""
        session = self.scope.get("session")
        parameters = {} if session is None else session.parameters
        needs = needs_of(function)
        found = collect(needs, parameters, values)
        refuse_lacking(needs, found)
        return found


def bound(session: Any, function: Callable[..., Any], task: str) -> Callable[..., Any]:
    """The function of a custom condition with the arguments in its signature, such as `Task()` for
    the one whose condition it is, made each time it is asked."""
    names = session.renamings.get(function, {})
    arguments = {k: wish.renamed(names) for k, wish in arguments_in(function).items()}
    if not arguments:
        return function
    signature = inspect.signature(function)

    def ask(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind_partial(*args, **kwargs).arguments
        context = {"task": session.get(task), "session": session}
        made_now = {
            name: made(name, partial(value_of, value), context)
            for name, value in arguments.items()
            if name not in given
        }
        return function(*args, **kwargs, **made_now)

    return ask


def given_by_context(function: Callable[..., Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """What a function that is called at some moment is given: the arguments in its signature, and
    those of its other parameters that the context has a value for."""
    values = {name: context[name] for name in needs_of(function).names if name in context}
    for name, argument in arguments_in(function).items():
        values[name] = made(name, partial(value_of, argument), context)
    return values
