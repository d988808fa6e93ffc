"""One form for expressions that are the same by the laws of sets alone.

Membership knows nothing of cells: so complements are moved to the atoms (De Morgan), terms have no
order and no repeats, and what contains another term is absorbed by it. Equal forms have the same
instants; of unequal ones only a search can tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..civil import Zone
from .algebra import Constant, Expression, Leaf, Operation, Operator, Rule, Span
from .dial import Tree
from .grounds import sides

LeafKey = tuple[Zone, Rule, frozenset[tuple[int, Tree]]]


@dataclass(frozen=True, slots=True)
class Literal:
    """An atom, or its complement."""

    atom: LeafKey | Span
    holds: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """All of some terms, or any of them."""

    every: bool
    terms: frozenset[Term]


Term = Literal | Terms


def normal(expression: Expression) -> Term:
    """The form of an expression."""
    stack: list[Term] = []
    for step, holds in zip(expression, sides(expression, most=True), strict=True):
        match step:
            case Leaf(zone, rule, pattern):
                stack.append(Literal((zone, rule, frozenset(pattern.parts)), holds))
            case Span():
                stack.append(Literal(step, holds))
            case Constant(value):
                stack.append(Terms(value is holds, frozenset()))
            case Operation(Operator.BOTH | Operator.EITHER as operator, count):
                every = (operator is Operator.BOTH) is holds
                stack[-count:] = [joined(every, stack[-count:])]
            case Operation():
                pass  # a complement is in its atoms, and windows do not matter
    (whole,) = stack
    return whole


def joined(every: bool, terms: list[Term]) -> Term:
    """All of the terms, or any of them: in one level, and without what the others absorb."""
    found: set[Term] = set()
    for term in terms:
        found |= term.terms if isinstance(term, Terms) and term.every is every else {term}
    others = [term for term in found if isinstance(term, Terms)]
    for term in others:
        inside = term.terms
        if any(x in inside for x in found) or any(x.terms < inside for x in others):
            found.discard(term)
    nothing = Terms(not every, frozenset())
    if nothing in found or any(opposite(term) in found for term in found):
        return nothing
    return found.pop() if len(found) == 1 else Terms(every, frozenset(found))


def opposite(term: Term) -> Term | None:
    """The complement of an atom."""
    return Literal(term.atom, not term.holds) if isinstance(term, Literal) else None
