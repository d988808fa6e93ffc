"""Boolean combinations of periods.

An expression is a list of steps in postfix order, so that nothing recurses over a deep condition.
It is read in two ways by the same fold: with bits (what holds at one instant) and with patterns
(what holds on a stretch of the timeline on which every leaf is a pattern or a constant).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from itertools import chain
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
    """Windows on the wall clock of a zone."""

    zone: Zone
    rule: Rule
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Span:
    """One window [start, end) of instants."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


class Operator(Enum):
    BOTH = "&"
    EITHER = "|"
    OPPOSITE = "~"
    WIDEST = "the same instants in maximal windows"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator on the `count` expressions before it."""

    operator: Operator
    count: int


Atom = Leaf | Span
Step = Atom | Constant | Operation
Expression = tuple[Step, ...]

OPPOSITE_OF_ONE = Operation(Operator.OPPOSITE, 1)
WIDEST_OF_ONE = Operation(Operator.WIDEST, 1)


def all_of(*terms: Expression) -> Expression:
    return (*chain(*terms), Operation(Operator.BOTH, len(terms)))


def any_of(*terms: Expression) -> Expression:
    return (*chain(*terms), Operation(Operator.EITHER, len(terms)))


def opposite(term: Expression) -> Expression:
    return (*term, OPPOSITE_OF_ONE)


def difference(term: Expression, other: Expression) -> Expression:
    """What is in the one and not in the other, in maximal windows."""
    return (*all_of(term, opposite(other)), WIDEST_OF_ONE)


def atoms(expression: Expression) -> list[Atom]:
    """The leaves and spans, without repeats."""
    return list(dict.fromkeys(step for step in expression if isinstance(step, (Leaf, Span))))


Value = int | Pattern
"""What an expression says: of an instant its bits, of a stretch the bits of all of it or a
pattern."""


Apply = Callable[[Operator, list[Value]], Value]


def apply(operator: Operator, terms: list[Value]) -> Value:
    match operator:
        case Operator.BOTH:
            return reduce(meet, terms)
        case Operator.EITHER:
            return reduce(join, terms)
        case Operator.OPPOSITE:
            return mapped(terms[0], OPPOSITE)
        case Operator.WIDEST:
            return mapped(terms[0], WIDEST)
        case _:
            assert_never(operator)


def fold(expression: Expression, atom: Callable[[Atom], Value], apply: Apply = apply) -> Value:
    """The value of the whole, from those of the leaves and spans."""
    stack: list[Value] = []
    for step in expression:
        if isinstance(step, Operation):
            terms = stack[-step.count :]
            stack[-step.count :] = [apply(step.operator, terms)]
        elif isinstance(step, Constant):
            stack.append(WITHIN if step.value else OUT)
        else:
            stack.append(atom(step))
    (whole,) = stack
    return whole


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
