"""The formatter: the canonical text of a condition, over several lines if need be, comments kept.

A comment belongs to the atom it stands beside (the last one that ends before it on its line, or
the one it stands in), else to the atom that follows, else to the end. Formatting what was
formatted changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..conds.layout import WIDTH, Comments, lay_out
from ..conds.nodes import Condition, Defined, postorder
from .parser import COMMENT, parse

if TYPE_CHECKING:
    from .phrases import Phrases


def format_condition(
    text: str, *, phrases: Phrases | Iterable[object] = (), width: int = WIDTH
) -> str:
    """The condition in canonical form, in lines of at most `width` where it can be broken, with
    its comments. Raises ConditionSyntaxError."""
    root = parse(text, phrases=phrases)
    comments = [
        (found.start(), found[0].rstrip())
        for found in COMMENT.finditer(text)
        if found[0].startswith("#")
    ]
    placed, left = place(text, root, comments)
    return "\n".join((*lay_out(root, placed, width), *left))


def place(
    text: str, root: Condition, comments: list[tuple[int, str]]
) -> tuple[dict[int, Comments], list[str]]:
    """The comments of each atom, by its `id`, and those that follow the last atom."""
    shown = postorder(root, written=True)
    atoms = [node for node in shown if isinstance(node, Defined) or not node.operands]
    placed: dict[int, Comments] = {}
    left: list[str] = []
    next_atom = 0
    for start, comment in comments:
        while next_atom < len(atoms) and begins_before(atoms[next_atom], start):
            next_atom += 1
        last = atoms[next_atom - 1] if next_atom else None
        if last is not None and stands_beside(text, last, start):
            placed.setdefault(id(last), Comments()).beside.append(comment)
        elif next_atom < len(atoms):
            placed.setdefault(id(atoms[next_atom]), Comments()).before.append(comment)
        else:
            left.append(comment)
    return placed, left


def begins_before(atom: Condition, position: int) -> bool:
    assert atom.span is not None
    return atom.span.start < position


def stands_beside(text: str, atom: Condition, position: int) -> bool:
    """Whether a comment at `position` is in `atom`, or on the line where it ends."""
    assert atom.span is not None
    return "\n" not in text[atom.span.end : position]


class Block(NamedTuple):
    """One condition of a file: where its first line is, from 1, and its text."""

    line: int
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The conditions of a file: one or more lines each, with blank lines between them. A block
    of comments alone is a block, and no condition."""
    lines: list[str] = []
    for number, line in enumerate((*text.splitlines(), ""), 1):
        if line.strip():
            lines.append(line)
        elif lines:
            yield Block(number - len(lines), "\n".join(lines))
            lines = []


def only_comments(text: str) -> bool:
    return all(line.lstrip().startswith("#") for line in text.splitlines())
