"""The long layout: a condition over several lines, broken at its loosest operators first.

What fits on a line stays on it. Else each term of an *and* or *or* has a line of its own, led by
its operator; an *and* inside an *or* goes on one step deeper; a group that does not fit opens and
closes on lines of its own. Comments go with the atom they stand beside or before: they force the
breaks that keep them there. The work is a stack of lines to come, so depth costs no recursion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .nodes import All, Any, Condition, Defined, Not, Zoned, needs_parentheses, postorder
from .printer import pieces, quoted, text

WIDTH = 88
STEP = 4


@dataclass(slots=True)
class Comments:
    """The comments of one atom: on lines before it, and at the end of its line."""

    before: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


NONE = Comments()


@dataclass(frozen=True, slots=True)
class Piece:
    """A node that is still to be written at an indent, between `prefix` and `suffix`, in
    parentheses if `wrapped`; the terms after the first of an *and* or *or* stand `deeper`."""

    node: Condition
    indent: int
    prefix: str = ""
    suffix: str = ""
    wrapped: bool = False
    deeper: int = 0


def lay_out(root: Condition, comments: Mapping[int, Comments], width: int = WIDTH) -> list[str]:
    """The lines of `root`. `comments` are by the `id` of the atom they belong to."""
    return Layout(root, comments, width).lines


class Layout:
    """Lays out one condition; `lines` is the result, and grows until it is complete."""

    def __init__(self, root: Condition, comments: Mapping[int, Comments], width: int) -> None:
        self.comments = comments
        self.width = width
        self.lines: list[str] = []
        self.inside = self._inside(root) if comments else frozenset()
        stack: list[str | Piece] = [Piece(root, 0)]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                self.lines.append(item)
            elif self._fits(item):
                self._write(item)
            else:
                stack.extend(reversed(broken(item)))

    def _inside(self, root: Condition) -> frozenset[int]:
        """The nodes that cannot be on one line, because a comment stands between their atoms: by
        id."""
        ends: dict[int, tuple[bool, bool, bool]] = {}  # a comment before, beside, in between
        for node in postorder(root, written=True):
            if branches(node):
                terms = [ends[id(term)] for term in node.operands]
                between = any(term[2] for term in terms)
                between |= any(term[0] for term in terms[1:]) or any(t[1] for t in terms[:-1])
                ends[id(node)] = (terms[0][0], terms[-1][1], between)
            else:
                own = self.comments.get(id(node), NONE)
                ends[id(node)] = (bool(own.before), bool(own.beside), False)
        return frozenset(key for key, (_, _, between) in ends.items() if between)

    def _fits(self, piece: Piece) -> bool:
        if not breakable(piece.node):
            return True
        if id(piece.node) in self.inside:
            return False
        room = self.width - piece.indent - len(piece.prefix) - len(piece.suffix)
        room -= 2 * piece.wrapped + len(beside(self._last(piece.node)))
        for part in pieces(piece.node):
            room -= len(part)
            if room < 0:
                return False
        return True

    def _first(self, node: Condition) -> Comments:
        while branches(node):
            node = node.operands[0]
        return self.comments.get(id(node), NONE)

    def _last(self, node: Condition) -> Comments:
        while branches(node):
            node = node.operands[-1]
        return self.comments.get(id(node), NONE)

    def _write(self, piece: Piece) -> None:
        """One line, with the comments before it and beside it."""
        blank = " " * piece.indent
        self.lines += [blank + comment for comment in self._first(piece.node).before]
        shown = f"({text(piece.node)})" if piece.wrapped else text(piece.node)
        comment = beside(self._last(piece.node))
        self.lines.append(f"{blank}{piece.prefix}{shown}{piece.suffix}{comment}")


def beside(comments: Comments) -> str:
    """The comments at the end of a line, as one."""
    return f"  {' '.join(comments.beside)}" if comments.beside else ""


def broken(piece: Piece) -> list[str | Piece]:
    """A piece that does not fit on a line, as lines and smaller pieces."""
    node, indent, prefix, suffix = piece.node, piece.indent, piece.prefix, piece.suffix
    if piece.wrapped:
        blank = " " * indent
        return [f"{blank}{prefix}(", Piece(node, indent + STEP), f"{blank}){suffix}"]
    match node:
        case All(terms):
            return broken_terms(piece, terms, "& ")
        case Any(terms):
            return broken_terms(piece, terms, "| ")
        case Not(term):
            return [Piece(term, indent, f"{prefix}~", suffix, isinstance(term, All | Any))]
        case Zoned(term, zone):
            zoned = f" in {quoted(zone)}{suffix}"
            return [Piece(term, indent, prefix, zoned, needs_parentheses(term))]
        case _:
            raise TypeError(f"{type(node).__name__} has no lines")


def broken_terms(piece: Piece, terms: tuple[Condition, ...], operator: str) -> list[str | Piece]:
    """Each term on a line of its own, or on more."""
    first = Piece(terms[0], piece.indent, piece.prefix)
    rest = (Piece(term, piece.indent + piece.deeper, operator) for term in terms[1:])
    return [
        replace(
            item,
            wrapped=operator == "& " and isinstance(item.node, Any),
            deeper=STEP if isinstance(item.node, All) else 0,
        )
        for item in (first, *rest)
    ]


def branches(node: Condition) -> tuple[Condition, ...]:
    """The operands that the text shows."""
    return () if isinstance(node, Defined) else node.operands


def breakable(node: Condition) -> bool:
    """Whether there is a place in `node` to break a line at."""
    while isinstance(node, Not | Zoned):
        node = node.term
    return isinstance(node, All | Any)
