"""Boolean combinations of periods, as trees over leaves.

A tree is read in two ways by the same fold: with bits (what holds at one instant) and with
patterns (what holds on a stretch of the timeline on which every leaf is a pattern or a constant).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import assert_never

from ..civil import Zone
from .dial import OPPOSITE, OUT, WIDEST, WITHIN
from .pattern import CONSTANT, Pattern


class Rule(Enum):
    """How windows on the wall clock become windows of real time (LANGUAGE.md §6).

    REAL: they follow real time, and are cut where the offset changes.
    WALL: once per cycle of the wall clock.
    CRON: as WALL, but a minute stays a minute long where the next one begins an hour later.
    """

    REAL = "real"
    WALL = "wall"
    CRON = "cron"


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """Windows on the wall clock of a zone; none is shorter there than `shortest`."""

    zone: Zone
    rule: Rule
    pattern: Pattern
    shortest: int


@dataclass(frozen=True, slots=True)
class Span:
    """One window [start, end) of instants."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class Both:
    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Opposite:
    term: Expression


@dataclass(frozen=True, slots=True)
class Widest:
    """The same instants in maximal windows."""

    term: Expression


Expression = Leaf | Span | Constant | Both | Either | Opposite | Widest
Atom = Leaf | Span


def atoms(expression: Expression) -> Iterator[Atom]:
    """The leaves and spans, left to right, with repeats."""
    match expression:
        case Leaf() | Span():
            yield expression
        case Constant():
            pass
        case Both(terms) | Either(terms):
            for term in terms:
                yield from atoms(term)
        case Opposite(term) | Widest(term):
            yield from atoms(term)
        case _:
            assert_never(expression)


Value = int | Pattern
"""What an expression says: of an instant its bits, of a stretch the bits of all of it or a
pattern."""


def fold(expression: Expression, atom: Callable[[Atom], Value]) -> Value:
    """The value of the whole, from those of the leaves and spans."""
    match expression:
        case Leaf() | Span():
            return atom(expression)
        case Constant(value):
            return WITHIN if value else OUT
        case Both(terms):
            return reduce(meet, (fold(term, atom) for term in terms))
        case Either(terms):
            return reduce(join, (fold(term, atom) for term in terms))
        case Opposite(term):
            return mapped(fold(term, atom), OPPOSITE)
        case Widest(term):
            return mapped(fold(term, atom), WIDEST)
        case _:
            assert_never(expression)


def meet(a: Value, b: Value) -> Value:
    if isinstance(a, int) and isinstance(b, int):
        return a & b
    return OUT if OUT in (a, b) else as_pattern(a) & as_pattern(b)


def join(a: Value, b: Value) -> Value:
    if isinstance(a, int) and isinstance(b, int):
        return a | b
    return WITHIN if WITHIN in (a, b) else as_pattern(a) | as_pattern(b)


def mapped(value: Value, table: tuple[int, ...]) -> Value:
    return table[value] if isinstance(value, int) else value.mapped(table)


def as_pattern(value: Value) -> Pattern:
    return CONSTANT[value] if isinstance(value, int) else value
