"""`MODULE:APP` to the app it names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from .completing import complete_file

if TYPE_CHECKING:
    from ..app import App

target_argument = click.argument("target", metavar="MODULE:APP", shell_complete=complete_file)


class TargetError(ValueError):
    """The target names no app."""


def is_target(what: str) -> bool:
    """Whether the argument is `module:app`, or a Python file: no condition looks like that."""
    place, colon, name = what.partition(":")
    if place.endswith(".py"):
        return True
    dotted = all(part.isidentifier() for part in place.split("."))
    return bool(colon) and dotted and all(part.isidentifier() for part in name.split("."))


def load(target: str) -> App:
    """The app that `module:app`, `module` or `path/to/file.py` names. What the module itself
    raises when it is imported is left as it is."""
    from ..app import App  # which a shell that completes a word need not wait for

    place, _, name = target.partition(":")
    name = name or "app"
    if not place.removesuffix(".py") or place.startswith(".") and not place.endswith(".py"):
        raise TargetError(f"{target!r} names no module: say jobs:app, or path/to/jobs.py")
    module = from_file(Path(place)) if place.endswith(".py") else from_name(place)
    app: object = module
    for part in name.split("."):
        app = getattr(app, part, None)
    if not isinstance(app, App):
        found = [key for key, value in vars(module).items() if isinstance(value, App)]
        there = f"it has {', '.join(found)}" if found else "it has no app"
        raise TargetError(f"{place} has no app {name!r}; {there}")
    return app


def app_at(target: str) -> App:
    """The app of a command's argument; one that names none is a usage error."""
    try:
        return load(target)
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="MODULE:APP") from error


def refuse_unknown(app: App, tasks: Iterable[str]) -> None:
    """Raise a usage error for a name of no task."""
    for task in tasks:
        if task not in app:
            known = ", ".join(sorted(each.name for each in app)) or "none"
            raise click.BadParameter(
                f"there is no task {task!r}; there are {known}", param_hint="--task"
            )


def from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TargetError(f"there is no file {str(path)!r}")
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        raise TargetError(f"{str(path)!r} would hide the module {path.stem!r}; rename the file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.absolute()))
    spec.loader.exec_module(module)
    return module


def from_name(name: str) -> ModuleType:
    """A module on the path, or in the current folder."""
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise
        raise TargetError(f"there is no module {name!r} here or on the path") from error
