"""Rewrites: from tree to tree, each a function of its own; no tree is too deep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from .nodes import AfterTasks, All, Any, Condition, Defined, Has, Not, Running, Zoned, postorder


def rewritten(root: Condition, change: Callable[[Condition], Condition]) -> Condition:
    """The same tree of other atoms: each is what `change` makes of it."""
    done: dict[int, Condition] = {}
    for node in postorder(root):
        parts = tuple(done[id(part)] for part in node.operands)
        if all(new is old for new, old in zip(parts, node.operands, strict=True)):
            done[id(node)] = node if parts else change(node)
            continue
        match node:
            case All() | Any():
                done[id(node)] = type(node)(parts)
            case Not() | Zoned() | Defined():
                done[id(node)] = replace(node, term=parts[0])
    return done[id(root)]


def renamed(root: Condition, names: Mapping[str, str]) -> Condition:
    """The same of tasks that have other names now."""

    def change(atom: Condition) -> Condition:
        match atom:
            case AfterTasks(tasks):
                return replace(atom, tasks=tuple(names.get(name, name) for name in tasks))
            case Has(task=str(task)) | Running(task=str(task)):
                return replace(atom, task=names.get(task, task))
            case _:
                return atom

    return rewritten(root, change)
