"""The types of tasks, by what they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from .definition import name_of
from .errors import DefinitionError
from .task import P, R, Task
from .work import Code, Command, DelayedFunction


class FuncTask(Task[P, R]):
    """A function, or one in a file that is looked up whenever it runs:
    `FuncTask(path="job.py", func_name="main")`. As a decorator it takes the function later:
    `@FuncTask(start_cond="daily", session=app.session)`. One that is made so, and not by an app, is
    called `module:function` if it has no name, as there may be many of one name in many modules."""

    _later: dict[str, Any] | None = None  # the options of one that has no function yet

    def __init__(
        self,
        func: Callable[P, R] | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        func_name: str | None = None,
        **given: Any,
    ) -> None:
        if func is None and path is None:
            if func_name is not None:
                raise DefinitionError(f"func_name={func_name!r} needs the path of a file")
            self._later = given
            return
        if func is not None and (path is not None or func_name is not None):
            raise DefinitionError("a task has a function or a path, not both")
        self._make(func or delayed(path, func_name), given=given)

    def _make(self, func: Callable[P, R], *, given: dict[str, Any]) -> None:
        if given.get("name") is None:
            given["name"] = name_in_module(func)
        super().__init__(func, **given)

    def __repr__(self) -> str:
        return super().__repr__() if self._later is None else "<Task of a function yet to come>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        later = self._later
        if later is None:
            return super().__call__(*args, **kwargs)
        del self._later
        self._make(*args, given=later)
        return self


class CommandTask(Task[..., str]):
    """A program, or a line for the shell; parameters become its arguments, and what it writes to
    stdout is what it returns."""

    def __init__(
        self,
        command: str | list[str] | tuple[str, ...],
        *,
        shell: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        argform: str = "long",
        name: str | None = None,
        **given: Any,
    ) -> None:
        called = name or ""
        work = Command.of(command, shell=shell, cwd=cwd, env=env, argform=argform, name=called)
        super().__init__(work, name=name, **given)  # type: ignore[arg-type]  # awaited where it runs


class CodeTask(Task[..., Any]):
    """Source text, run with its parameters as variables. It can do all that this process can:
    never take it from outside."""

    def __init__(self, code: str, *, output_variable: str = "return_value", **given: Any) -> None:
        super().__init__(Code(code, output_variable), **given)


def of_function(
    func: Callable[..., Any], *, name: str | None = None, **given: Any
) -> FuncTask[..., Any]:
    """As an app makes it."""
    return FuncTask(func, name=name_of(func, name), **given)


KINDS: dict[str, Callable[..., Task[..., Any]]] = {
    "func": of_function,
    "path": FuncTask,
    "command": CommandTask,
    "code": CodeTask,
}
"""The keyword that says what a task runs, and the type of task it makes."""


def name_in_module(func: Callable[..., object]) -> str:
    """Of a function, but that of the script itself, with the name of its module."""
    work = func.function if isinstance(func, Task) else func
    name, module = name_of(work, None), getattr(work, "__module__", None)
    if module in (None, "__main__") or isinstance(work, Command | Code | DelayedFunction):
        return name
    return f"{module}:{name}"


def delayed(path: str | os.PathLike[str] | None, func_name: str | None) -> Callable[..., Any]:
    if not isinstance(path, str | os.PathLike):
        raise DefinitionError(f"path={path!r}: it is the path of a Python file")
    return DelayedFunction(os.fspath(path), func_name or "main")
