"""What goes to a worker process: a function and its arguments, pickled.

A function is pickled by the name of its place in its module. Where a decorator has put something
else there (a task, a wrapper), the way from that to the function goes along: the attributes
`function` and `__wrapped__`, in the order in which they lead to it.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from types import FunctionType
from typing import Any

from ..errors import DefinitionError

LAYERS = ("function", "__wrapped__")  # where a task and a decorator's wrapper keep what they wrap
DEEPEST = 20  # layers
Cached = type(lru_cache(len))  # what pickles by its name, too


def pack(function: Callable[..., object], arguments: Mapping[str, object], name: str) -> bytes:
    """The function and its arguments for a worker. Raises DefinitionError, naming what of the
    task `name` cannot be sent; call it before a run is claimed, and nothing has happened."""
    try:
        return dumps((function, dict(arguments)))
    except Exception as error:
        blame(function, arguments, name)
        raise DefinitionError(f"task {name!r} cannot be sent to a process: {error}") from error


def blame(function: Callable[..., object], arguments: Mapping[str, object], name: str) -> None:
    """Raise DefinitionError for the part that cannot be pickled alone."""
    parts = {f"its argument {key!r}": value for key, value in arguments.items()}
    for what, part in {"its function": function, **parts}.items():
        try:
            dumps(part)
        except Exception as error:
            raise DefinitionError(
                f"task {name!r} runs in a process, and {what} cannot be sent to one: "
                f"{reason(part, error)}"
            ) from error


def reason(part: object, error: Exception) -> str:
    if isinstance(part, FunctionType) and ("<lambda>" in part.__qualname__):
        return "a lambda has no name to import it by; define it with def, in a module"
    if isinstance(part, FunctionType) and "<locals>" in part.__qualname__:
        return f"{part.__qualname__} is defined inside a function; move it to the module"
    return str(error)


def dumps(value: object) -> bytes:
    buffer = io.BytesIO()
    Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


class Packer(pickle.Pickler):
    """Pickles as pickle does, but finds functions behind their decorators."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, FunctionType | Cached):
            return NotImplemented
        if obj.__module__ == "__main__" and not importable_main():
            raise pickle.PicklingError(
                f"{obj.__qualname__} is defined in an interactive session; put it in a file"
            )
        try:
            outer = at(obj.__module__, obj.__qualname__)
        except (ImportError, AttributeError):
            return NotImplemented
        layers = layers_to(obj, outer)
        return (resolve, (obj.__module__, obj.__qualname__, layers)) if layers else NotImplemented


def importable_main() -> bool:
    main = sys.modules["__main__"]
    return getattr(main, "__spec__", None) is not None or hasattr(main, "__file__")


def at(module: str, qualname: str) -> object:
    """What stands in the module under that name."""
    found: object = import_module(module)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def layers_to(function: object, outer: object) -> tuple[str, ...] | None:
    """The attributes that lead from what has the function's name to the function."""
    path: list[str] = []
    while outer is not function:
        inner = next((name for name in LAYERS if getattr(outer, name, None) is not None), None)
        if inner is None or len(path) == DEEPEST:
            return None
        path.append(inner)
        outer = getattr(outer, inner)
    return tuple(path)


def resolve(module: str, qualname: str, layers: tuple[str, ...]) -> object:
    """In the worker: the function behind its decorators."""
    found = at(module, qualname)
    for layer in layers:
        found = getattr(found, layer)
    return found
