"""The formatter: the canonical text of a condition, over several lines if need be, comments kept.

A comment belongs to the atom it stands beside (the last one that ends before it on its line, or
the one it stands in), else to the atom that follows, else to the end. Formatting what was
formatted changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..conds.layout import WIDTH, Comments, lay_out
from ..conds.nodes import Condition, Defined, postorder
from ..conds.printer import MAX_TEXT, text_size
from .parser import COMMENT, QUOTED, parse

if TYPE_CHECKING:
    from .phrases import Phrases


def format_condition(
    text: str, *, phrases: Phrases | Iterable[object] = (), width: int = WIDTH
) -> str:
    """The condition in canonical form, in lines of at most `width` where it can be broken, with
    its comments. What would be longer than a text may be is broken only at comments, or left as it
    is. Raises ConditionSyntaxError."""
    root = parse(text, phrases=phrases)
    comments = [
        (found.start(), found[0].rstrip())
        for found in COMMENT.finditer(text)
        if found[0].startswith("#")
    ]
    placed, left = place(text, root, comments)
    for room in (width, MAX_TEXT):  # indents add up: what grows too long stands on one line
        shown = "\n".join((*lay_out(root, placed, room), *left))
        if text_size(shown) <= MAX_TEXT:
            return shown
    return text


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
    return LINE_END.search(text, atom.span.end, position) is None


class Block(NamedTuple):
    """One condition of a file: where its first line is, from 1, and its text."""

    line: int
    text: str


LINE_END = re.compile(r"\r\n?|\n")
BREAK = re.compile(  # what ends a line; quotes and comments hold what would
    rf"{QUOTED}|(?<!\S)\#[^\r\n]*|(?P<end>\r\n?|\n)", re.S
)


def blocks(text: str) -> Iterator[Block]:
    """The conditions of a file: one or more lines each, with blank lines between them (in quotes
    a blank line is text). A block of comments alone is a block, and no condition. Lines end with
    CR, LF or both; a byte order mark at the start is passed over."""
    text = text.removeprefix("\ufeff")
    number, start, first = 1, 0, 1  # of this line, of this block
    kept: str | None = None
    begin = 0
    for end, after in line_ends(text):
        if not text[start:end].strip():
            if kept is not None:
                yield Block(first, kept)
                kept = None
        else:
            if kept is None:
                begin, first = start, number
            kept = text[begin:end]
        number += len(LINE_END.findall(text, start, after))
        start = after
    if kept is not None:
        yield Block(first, kept)


def line_ends(text: str) -> Iterator[tuple[int, int]]:
    """Where each line ends, and where the next begins. An open quote is closed by its line's end,
    so that one slip does not swallow the conditions after it."""
    position = 0
    while (found := BREAK.search(text, position)) is not None:
        position = found.end()
        if found["end"] is not None:
            yield found.span()
        elif found[0][0] in "'\"" and (len(found[0]) < 2 or found[0][-1] != found[0][0]):
            ended = LINE_END.search(text, found.start())
            if ended is None:
                break
            position = ended.start()
    yield len(text), len(text)


def with_line_ends_of(text: str, formatted: str) -> str:
    """`formatted` with lines that end as those of `text` do: in CR and LF, if any does. What is in
    quotes is a name, and stays."""
    if not any(found["end"] == "\r\n" for found in BREAK.finditer(text)):
        return formatted
    return BREAK.sub(lambda found: "\r\n" if found["end"] == "\n" else found[0], formatted)


def only_comments(text: str) -> bool:
    return all(line.lstrip().startswith("#") for line in LINE_END.split(text))
