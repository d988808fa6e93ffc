"""What a shell is offered to complete a word with.

Nothing of the user's is imported or run for it, since a module may do anything, and a Tab is no
order to do it. The names of tasks are those that the file's text spells, read as a syntax tree, and
those that a store in a file knows; a store on a server is not asked. So what a name is made of at
run time is not offered.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

DEFINERS = ("task", "dynamic_task", "create_task")


def complete_file(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The shell knows files best."""
    return [CompletionItem(incomplete, type="file")]


def complete_task(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    first = ctx.args[0] if ctx.args else None  # click gives up at the option without a value
    target = ctx.params.get("target") or ctx.params.get("what") or first
    found = known_tasks(target, ctx.params.get("address"))
    return [CompletionItem(name) for name in sorted(found) if name.startswith(incomplete)]


def known_tasks(target: str | None, address: str | None) -> set[str]:
    """Of the target, or of the store that was given instead; none where they cannot be told."""
    try:
        if address is not None:
            return set(noted_tasks(address))
        return set() if target is None else set(written_tasks(file_of(target).read_bytes()))
    except Exception:  # whatever it is, a Tab is not where to say so
        return set()


def file_of(target: str) -> Path:
    place = target.partition(":")[0]
    if place.endswith(".py"):
        return Path(place)
    module = Path(*place.split("."))
    package = module / "__init__.py"
    return package if package.exists() else module.with_suffix(".py")


def written_tasks(source: bytes) -> Iterator[str]:
    """The names of the tasks that a module defines, as far as its text says."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found = [named(each, node.name) for each in node.decorator_list]
            case ast.Call():
                found = [named(node)]
            case _:
                continue
        yield from filter(None, found)


def named(node: ast.expr, default: str | None = None) -> str | None:
    """The name that `app.task`, its like or a call of it gives a task; None where it is no such
    thing, or its name is no plain text."""
    function = node.func if isinstance(node, ast.Call) else node
    if not (isinstance(function, ast.Attribute) and function.attr in DEFINERS):
        return None
    for keyword in node.keywords if isinstance(node, ast.Call) else ():
        if keyword.arg == "name":
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            return value if isinstance(value, str) else None
    return default


def noted_tasks(address: str) -> Iterator[str]:
    """The names of the tasks that have been registered in a file."""
    from ..stores.address import read_address
    from ..stores.sqlite import SqliteStore

    found = read_address(address, "", False)
    if found.kind == "sqlite":
        yield from SqliteStore(found.place, namespace=found.namespace, create=False).registered()
