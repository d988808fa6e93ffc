"""docs/reference.md has every public name, each once, and what it shows has a docstring."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import pytest

from oncue.tests.pages import BLOCKS

MODULES = (
    *("oncue", "oncue.args", "oncue.conds", "oncue.exc", "oncue.log", "oncue.tasks"),
    *("oncue.testing", "oncue.testing.strategies"),
)
BLOCK = re.compile(
    r"^\.\. (auto\w+|py:data):: (.*\n(?:[ ]+[\w.]+\n)*)((?:   :.*\n)*)", re.MULTILINE
)
BODY = "\n".join(block.body for block in BLOCKS["docs/reference.md"] if "rst" in block.kind)


def documented() -> list[tuple[str, str, list[str]]]:
    """(directive, the full name, the members shown) of everything that the page has."""
    module, found = "", []
    for line in re.split(r"(?=^\.\. )", BODY, flags=re.MULTILINE):
        if line.startswith(".. py:module:: "):
            module = line.split()[2]
        elif match := BLOCK.match(line):
            kind, names, options = match.groups()
            members = re.findall(r":members: (.+)", options)
            for name in names.split():
                whole = name if name.startswith("oncue") else f"{module}.{name}"
                found.append((kind, whole, members[0].split(", ") if members else []))
    return found


SHOWN = documented()


def public() -> dict[str, list[str]]:
    """The public names by the object; a name of several modules is documented in one."""
    return {name: list(import_module(name).__all__) for name in MODULES}


def found(name: str) -> Any:
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


def test_every_public_name_is_there_and_no_other() -> None:
    names = [name for _, name, _ in SHOWN]
    assert len(names) == len(set(names))
    known = {f"{module}.{name}" for module, all_ in public().items() for name in all_}
    assert sorted(set(names) - known) == []
    shown = {id(found(name)) for name in names}
    assert sorted(name for name in known - set(names) if id(found(name)) not in shown) == []


@pytest.mark.parametrize(("kind", "name", "members"), SHOWN, ids=[name for _, name, _ in SHOWN])
def test_what_is_shown_says_what_it_is(kind: str, name: str, members: list[str]) -> None:
    thing = found(name)
    if kind != "py:data":
        assert inspect.getdoc(thing), name
    for member in members:
        assert hasattr(thing, member), f"{name} has no {member}"
        said = inspect.getattr_static(thing, member)
        assert getattr(said, "__doc__", None), f"{name}.{member} says nothing"


def test_every_method_that_users_call_is_shown() -> None:
    from oncue import App, Task
    from oncue.app.options import options_of

    members = {name: shown for _, name, shown in SHOWN}
    assert set(options_of(Task)) <= set(members["oncue.Task"])
    callable_here = {
        name for name in dir(App) if not name.startswith("_") and callable(getattr(App, name))
    }
    assert callable_here <= set(members["oncue.App"])
