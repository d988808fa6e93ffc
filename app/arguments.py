"""Values that a task is given when it runs: `def load(data=Return("extract"))`.

An argument stands in a signature, as a default or in `Annotated[…, Arg("x")]`, or among the
parameters of a task or a session. Just before the run it is asked to `stage` itself, and then for
its value: before the thread or process is entered (`pre`), or inside the run (`post`).

What has no value raises a KeyError; in a pipe, `Arg("x") >> EnvArg("X") >> "none"`, the next one
is asked then.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal, Protocol

from .errors import DefinitionError
from .work import called, is_awaited

Materialize = Literal["pre", "post"]


class Scope(Protocol):
    """What arguments ask of a session: its parameters, what tasks last returned by their names,
    its config, and its tasks."""

    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def returns(self) -> Mapping[str, Any]: ...
    @property
    def config(self) -> Any: ...
    def __getitem__(self, name: str, /) -> Any: ...
    def __contains__(self, name: object, /) -> bool: ...


class Missing(KeyError):
    """An argument has no value; the text says why."""

    def __str__(self) -> str:
        return str(self.args[0])


class Unset:
    """The default of an argument without one."""

    def __repr__(self) -> str:
        return "unset"


UNSET: Any = Unset()


class BaseArgument(ABC):
    """A value that is made when a task runs. Subclasses give `get_value`.

    `local`: it needs nothing of the app's process, so a process task may make it on its own side.
    `ours`: its value belongs to the app's process, so a process task cannot have it.
    """

    local: ClassVar[bool] = False
    ours: ClassVar[bool] = False

    @abstractmethod
    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        """The value. Raises KeyError when there is none. `kwargs` may grow: pass them on."""

    def stage(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        """What goes to the run in its place; asked on the loop, before anything is begun."""
        return self

    @property
    def materialize(self) -> Materialize | None:
        """When its value is made; None as the session says."""
        return None

    def parts(self) -> Iterator[BaseArgument]:
        """Itself, and the arguments that its value is made of."""
        yield self

    def renamed(self, names: Mapping[str, str]) -> BaseArgument:
        """The same of tasks that have other names now."""
        return self

    def known_missing(self, session: Scope) -> str | None:
        """Why it will have no value, where that can be known before the task runs."""
        return None

    def __rshift__(self, other: object) -> Pipe:
        return Pipe(self, other)

    def __rrshift__(self, other: object) -> Pipe:
        return Pipe(other, self)

    def __repr__(self) -> str:
        shown = ", ".join(repr(v) for v in vars(self).values() if v is not UNSET)
        return f"{type(self).__name__}({shown})"


def value_of(value: Any, **context: Any) -> Any:
    """The value that an argument, or an argument's value, stands for in the end."""
    while isinstance(value, BaseArgument):
        value = value.get_value(**context)
    return value


def or_default(default: Any, reason: str, **context: Any) -> Any:
    """The default of an argument that has no other value."""
    if default is UNSET:
        raise Missing(reason)
    return value_of(default, **context)


def named(key: Any, asked: BaseArgument) -> str:
    """The name that an argument is asked for by. Raises DefinitionError for what is none."""
    if not isinstance(key, str):
        raise DefinitionError(f"{type(asked).__name__}({key!r}): the name is text")
    return key


# --- plain values -------------------------------------------------------------------------------


class SimpleArg(BaseArgument):
    """This value."""

    local = True

    def __init__(self, value: Any) -> None:
        self.value = value

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        return self.value


class Private(SimpleArg):
    """This value, which is shown to the task alone."""

    def __repr__(self) -> str:
        return "Private(*****)"

    def __str__(self) -> str:
        return "*****"


class Pipe(BaseArgument):
    """The first of these that has a value."""

    def __init__(self, *choices: object) -> None:
        self.choices: tuple[BaseArgument, ...] = tuple(
            part
            for choice in choices
            for part in (choice.choices if isinstance(choice, Pipe) else (as_argument(choice),))
        )

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        reasons = []
        for choice in self.choices:
            try:
                return value_of(choice, task=task, session=session, **kwargs)
            except KeyError as error:
                reasons.append(str(error))
        raise Missing("; ".join(reasons))

    def parts(self) -> Iterator[BaseArgument]:
        yield self
        for choice in self.choices:
            yield from choice.parts()

    def renamed(self, names: Mapping[str, str]) -> BaseArgument:
        return Pipe(*(choice.renamed(names) for choice in self.choices))

    def known_missing(self, session: Scope) -> str | None:
        reasons = [choice.known_missing(session) for choice in self.choices]
        known = [reason for reason in reasons if reason is not None]
        return "; ".join(known) if len(known) == len(reasons) else None

    def __repr__(self) -> str:
        return " >> ".join(map(repr, self.choices))


def as_argument(value: object) -> BaseArgument:
    return value if isinstance(value, BaseArgument) else SimpleArg(value)


# --- from the session ---------------------------------------------------------------------------


class Arg(BaseArgument):
    """The session's parameter of that name."""

    def __init__(self, key: str, default: Any = UNSET) -> None:
        self.key = named(key, self)
        self.default = default

    def get_value(
        self, task: Any = None, session: Any = None, asked: tuple[str, ...] = (), **kwargs: Any
    ) -> Any:
        if self.key in asked:
            raise Missing(f"parameter {self.key!r} asks for itself")
        kwargs.update(task=task, session=session, asked=(*asked, self.key))
        found = in_session(session).parameters.get(self.key, UNSET)
        if found is UNSET:
            return or_default(self.default, f"there is no parameter {self.key!r}", **kwargs)
        return value_of(found, **kwargs)

    def known_missing(self, session: Scope) -> str | None:
        if self.key in session.parameters or self.default is not UNSET:
            return None
        return f"there is no parameter {self.key!r}"


class Return(BaseArgument):
    """What a task last returned; the task by its name, itself, or its function."""

    def __init__(self, task: Any, default: Any = UNSET) -> None:
        self.task = name_of(task)
        self.default = default

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        found = in_session(session).returns.get(self.task, UNSET)
        if found is UNSET:
            reason = f"task {self.task!r} has returned nothing yet"
            return or_default(self.default, reason, task=task, session=session, **kwargs)
        return found

    def renamed(self, names: Mapping[str, str]) -> BaseArgument:
        return Return(names.get(self.task, self.task), self.default)

    def known_missing(self, session: Scope) -> str | None:
        if self.task in session or self.task in session.returns or self.default is not UNSET:
            return None
        return f"there is no task {self.task!r}"


def name_of(task: Any) -> str:
    """The name of a task that is given by it, by itself, or by its function."""
    name = task if isinstance(task, str) else getattr(task, "name", None)
    name = name or getattr(task, "__name__", None)
    if not isinstance(name, str) or not name:
        raise DefinitionError(f"{task!r}: a task is given by its name or itself")
    return name


class Session(BaseArgument):
    """The session itself."""

    ours = True

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        return in_session(session)


class Task(BaseArgument):
    """The task that asks, or another: by its name, itself, or its function."""

    ours = True

    def __init__(self, task: Any = None) -> None:
        self.name = None if task is None else name_of(task)

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        if self.name is None:
            return task
        if self.name not in in_session(session):
            raise Missing(f"there is no task {self.name!r}")
        return session[self.name]

    def renamed(self, names: Mapping[str, str]) -> BaseArgument:
        return self if self.name is None else Task(names.get(self.name, self.name))

    def known_missing(self, session: Scope) -> str | None:
        known = self.name is None or self.name in session
        return None if known else f"there is no task {self.name!r}"

    def __repr__(self) -> str:
        return f"Task({self.name!r})" if self.name else "Task()"


class Config(BaseArgument):
    """The session's config."""

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        return in_session(session).config


class TaskLogger(BaseArgument):
    """The logger of the task that asks: its lines carry the task's name, as `task_name`."""

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        own = getattr(task, "logger", None)
        extra = {"task_name": getattr(task, "name", None)}
        return own or logging.LoggerAdapter(logging.getLogger("oncue.task"), extra)


class SchedulerLogger(BaseArgument):
    """The scheduler's logger."""

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        return logging.getLogger("oncue.scheduler")


def in_session(session: Any) -> Any:
    if session is None:
        raise Missing("a process has no session; give the task this parameter itself")
    return session


class TerminationFlag(BaseArgument):
    """A `threading.Event` that is set when the task is to end. Thread tasks are to listen to it;
    it is set for async ones too, never for those that run in `main` or in a process."""

    local = True

    def get_value(
        self,
        task: Any = None,
        session: Any = None,
        flag: threading.Event | None = None,
        **kwargs: Any,
    ) -> threading.Event:
        return threading.Event() if flag is None else flag


# --- from the world -----------------------------------------------------------------------------


class EnvArg(BaseArgument):
    """An environment variable."""

    def __init__(self, key: str, default: Any = UNSET) -> None:
        self.key = named(key, self)
        self.default = default

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        found = os.environ.get(self.key)
        if found is None:
            reason = f"the environment variable {self.key!r} is not set"
            return or_default(self.default, reason, task=task, session=session, **kwargs)
        return found

    def known_missing(self, session: Scope) -> str | None:
        if self.key in os.environ or self.default is not UNSET:
            return None
        return f"the environment variable {self.key!r} is not set"


class CliArg(BaseArgument):
    """The value of an option on the command line: `--x 1` or `--x=1` for `CliArg("--x")`."""

    def __init__(self, key: str, default: Any = UNSET) -> None:
        self.key = named(key, self)
        self.default = default

    def _given(self) -> str | None:
        words = sys.argv[1:]
        for word, following in zip(words, [*words[1:], None], strict=False):
            if word == self.key:
                return following
            if word.startswith(f"{self.key}="):
                return word.removeprefix(f"{self.key}=")
        return None

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        found = self._given()
        if found is None:
            reason = f"the command line has no {self.key}"
            return or_default(self.default, reason, task=task, session=session, **kwargs)
        return found

    def known_missing(self, session: Scope) -> str | None:
        if self._given() is not None or self.default is not UNSET:
            return None
        return f"the command line has no {self.key}"


class FuncArg(BaseArgument):
    """What a plain function returns when it is called with these, which may be arguments; so may
    the defaults in its signature."""

    def __init__(
        self,
        function: Callable[..., Any],
        *args: Any,
        materialize: Materialize | None = None,
        **kwargs: Any,
    ) -> None:
        if not callable(function):
            raise DefinitionError(f"FuncArg({function!r}): it is a function that gives the value")
        if is_awaited(function):
            raise DefinitionError(
                f"FuncArg({called(function)}): the function is a coroutine; it has to be plain"
            )
        if materialize not in ("pre", "post", None):
            raise DefinitionError(f"materialize {materialize!r} is neither 'pre' nor 'post'")
        self.function = function
        self.args = args
        self.kwargs = {**arguments_in(function), **kwargs}
        self._materialize = materialize

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def materialize(self) -> Materialize | None:
        return self._materialize

    @property
    def local(self) -> bool:  # type: ignore[override]  # what its parts are
        return all(part.local for part in self.parts() if part is not self)

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        kwargs.update(task=task, session=session)
        args = [value_of(value, **kwargs) for value in self.args]
        named = {name: value_of(value, **kwargs) for name, value in self.kwargs.items()}
        return self.function(*args, **named)

    def parts(self) -> Iterator[BaseArgument]:
        yield self
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, BaseArgument):
                yield from value.parts()

    def renamed(self, names: Mapping[str, str]) -> BaseArgument:
        def of(value: Any) -> Any:
            return value.renamed(names) if isinstance(value, BaseArgument) else value

        kwargs = {name: of(value) for name, value in self.kwargs.items()}
        return FuncArg(self.function, *map(of, self.args), materialize=self._materialize, **kwargs)

    def known_missing(self, session: Scope) -> str | None:
        parts = (p for p in (*self.args, *self.kwargs.values()) if isinstance(p, BaseArgument))
        return next((why for part in parts if (why := part.known_missing(session))), None)

    def __repr__(self) -> str:
        return f"FuncArg({getattr(self.function, '__name__', self.function)!s})"


def argument(*, materialize: Materialize | None = None) -> Callable[[Callable[..., Any]], FuncArg]:
    """Make a function an argument: `@argument()`, then `def task(x=the_function)`."""
    return lambda function: FuncArg(function, materialize=materialize)


def arguments_in(function: Callable[..., Any]) -> dict[str, BaseArgument]:
    """The arguments in a signature, by the parameter: those that are defaults, and those in
    `Annotated`, whose plain default then takes the place of a missing value."""
    found: dict[str, BaseArgument] = {}
    annotated = annotations_of(function)
    for name, parameter in signature_of(function).items():
        default = parameter.default
        wish = default if is_argument(default, name) else annotated.get(name)
        if wish is None:
            continue
        plain = default is not parameter.empty and not isinstance(default, BaseArgument)
        found[name] = Pipe(wish, default) if plain else wish
    return found


def notes_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Its annotations, evaluated where they can be."""
    try:
        return inspect.get_annotations(function, eval_str=True)
    except Exception:  # a name that is there for type checkers alone
        notes: Mapping[str, Any] = getattr(function, "__annotations__", {})
        return notes


def annotations_of(function: Callable[..., Any]) -> dict[str, BaseArgument]:
    return {
        name: wish
        for name, note in notes_of(function).items()
        for wish in getattr(note, "__metadata__", ())
        if is_argument(wish, name)
    }


def is_argument(value: object, name: str) -> bool:
    if isinstance(value, type) and issubclass(value, BaseArgument):
        raise DefinitionError(
            f"parameter {name!r}: {value.__name__} is a class; write {value.__name__}()"
        )
    return isinstance(value, BaseArgument)


def signature_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # some builtins have none
        return {}
