"""Rewrites: from tree to tree, each a function of its own; no tree is too deep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from .nodes import (
    AfterTasks,
    All,
    Any,
    Condition,
    Constant,
    Defined,
    Has,
    Not,
    Retry,
    Running,
    Zoned,
    postorder,
)


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


def at_best(root: Condition) -> Condition:
    """The same where what counts the runs of its own task is as it has to be for it to hold."""
    done: dict[int, tuple[Condition, Condition]] = {}  # by id: at best, and at worst
    for node in postorder(root):
        best = tuple(done[id(part)][0] for part in node.operands)
        worst = tuple(done[id(part)][1] for part in node.operands)
        match node:
            case All() | Any():
                done[id(node)] = type(node)(best), type(node)(worst)
            case Not():
                done[id(node)] = Not(worst[0]), Not(best[0])
            case Zoned() | Defined():
                done[id(node)] = replace(node, term=best[0]), replace(node, term=worst[0])
            case Retry(times=0):
                done[id(node)] = node, node
            case Has(task=None) | Running(task=None) | Retry():
                done[id(node)] = Constant(True), Constant(False)
            case _:
                done[id(node)] = node, node
    return done[id(root)][0]
