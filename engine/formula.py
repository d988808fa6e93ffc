"""A condition taken apart: what it is made of, and what of it would have to change.

A `Formula` is the condition in postfix order over numbered atoms, so nothing recurses over a deep
one and an atom that is written several times is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from ..conds import nodes, points
from .civil import Zone
from .civil import zone as zone_of
from .periods.algebra import Expression, Operation, Operator, opposite

MOST_TERMS = 64  # alternatives kept while a condition is taken apart

Piece = tuple[nodes.Condition, Zone]


def pieces(node: nodes.Condition, zone: Zone) -> tuple[Piece, ...]:
    """What a condition is made of, as it is written; of an atom, nothing."""
    match node:
        case nodes.Zoned(term, name):
            return ((term, zone_of(name)),)
        case nodes.Every(duration, since, range_) if range_ is not None:
            plain = nodes.Every(duration, since)
            return ((plain, zone), (nodes.TimeOf(points.Unit.DAY, range_), zone))
        case nodes.AfterTasks(names, outcome) if len(names) > 1:
            return tuple((nodes.AfterTasks((name,), outcome), zone) for name in names)
        case _:
            return tuple((term, zone) for term in node.operands)


def operator_of(node: nodes.Condition) -> Operator | None:
    """How the pieces are joined; None where there is one and it stands for the whole."""
    match node:
        case nodes.Any() | nodes.AfterTasks(any=True):
            return Operator.EITHER
        case nodes.All() | nodes.Every() | nodes.AfterTasks():
            return Operator.BOTH
        case nodes.Not():
            return Operator.OPPOSITE
        case _:
            return None


Step = int | Operation  # an atom by its number, or an operator on what stands before it


@dataclass(frozen=True, slots=True)
class Formula:
    """A condition in postfix order over numbered atoms."""

    steps: tuple[Step, ...]

    def holds(self, values: Sequence[bool]) -> bool:
        stack: list[bool] = []
        for step in self.steps:
            if isinstance(step, int):
                stack.append(values[step])
            else:
                terms = stack[-step.count :]
                stack[-step.count :] = [joined(step.operator, terms)]
        return stack[0]

    def expression(self, atoms: Callable[[int, bool], Expression]) -> Expression:
        """As a period, from those of the atoms; each is asked for with whether it is wanted to
        hold: false below an odd number of `~`, and what it gives is then when it may not."""
        found: list[Expression] = []
        for step, wanted in self._signed():
            if isinstance(step, int):
                part = atoms(step, wanted)
                found.append(part if wanted else opposite(part))
            else:
                found.append((step,))
        return tuple(part for parts in found for part in parts)

    def _signed(self) -> list[tuple[Step, bool]]:
        signed: list[tuple[Step, bool]] = []
        signs = [True]  # of the operands still to come, the next one last
        for step in reversed(self.steps):
            sign = signs.pop()
            signed.append((step, sign))
            if isinstance(step, Operation):
                signs += [sign is not (step.operator is Operator.OPPOSITE)] * step.count
        return signed[::-1]

    def wrong(self, values: Sequence[bool]) -> list[frozenset[int]]:
        """Groups of atoms that keep it from holding: of each group one has to be turned."""
        stack: list[tuple[bool, list[frozenset[int]]]] = []  # value, and what would turn it
        for step in self.steps:
            if isinstance(step, int):
                stack.append((values[step], [frozenset((step,))]))
                continue
            terms = stack[-step.count :]
            value = joined(step.operator, [value for value, _ in terms])
            if step.operator is Operator.OPPOSITE:
                groups = terms[0][1]
            elif value is (step.operator is Operator.EITHER):  # all that hold it have to turn
                groups = [group for held, inner in terms if held is value for group in inner]
            else:  # any one would do, and of it one of any group
                groups = [frozenset().union(*(min(inner, key=len) for _, inner in terms))]
            stack[-step.count :] = [(value, groups)]
        value, groups = stack[0]
        return [] if value else list(dict.fromkeys(groups))

    def attainable(self, values: Sequence[bool], moving: Sequence[bool]) -> bool:
        """Whether it could hold if those atoms that are moving had other values."""
        stack: list[tuple[bool, bool]] = []  # whether it can be true, and false
        for step in self.steps:
            if isinstance(step, int):
                stack.append((values[step] or moving[step], not values[step] or moving[step]))
                continue
            terms = stack[-step.count :]
            true, false = [t for t, _ in terms], [f for _, f in terms]
            match step.operator:
                case Operator.BOTH:
                    can = all(true), any(false)
                case Operator.EITHER:
                    can = any(true), all(false)
                case _:
                    can = false[0], true[0]
            stack[-step.count :] = [can]
        return stack[0][0]

    def denied(self) -> Formula:
        return Formula((*self.steps, Operation(Operator.OPPOSITE, 1)))

    def alternatives(self, values: Sequence[bool]) -> list[frozenset[int]]:
        """The minimal sets of atoms that, turned, make it hold."""
        stack: list[tuple[list[Term], list[Term]]] = []  # what makes it true, what false
        for step in self.steps:
            if isinstance(step, int):
                stack.append(([frozenset({(step, True)})], [frozenset({(step, False)})]))
                continue
            terms = stack[-step.count :]
            match step.operator:
                case Operator.BOTH:
                    true = together([t for t, _ in terms], values)
                    false = fewest([term for _, f in terms for term in f], values)
                case Operator.EITHER:
                    true = fewest([term for t, _ in terms for term in t], values)
                    false = together([f for _, f in terms], values)
                case _:
                    false, true = terms[0]
            stack[-step.count :] = [(true, false)]
        turned = [turns(term, values) for term in stack[0][0]]
        return [s for s in dict.fromkeys(turned) if not any(other < s for other in turned)]


Term = frozenset[tuple[int, bool]]  # atoms, with the value each must have


def joined(operator: Operator, terms: list[bool]) -> bool:
    match operator:
        case Operator.BOTH:
            return all(terms)
        case Operator.EITHER:
            return any(terms)
        case _:
            return not terms[0]


def turns(term: Term, values: Sequence[bool]) -> frozenset[int]:
    return frozenset(atom for atom, value in term if values[atom] is not value)


def together(choices: list[list[Term]], values: Sequence[bool]) -> list[Term]:
    """One term of each, all at once, where they do not contradict each other."""
    found: list[Term] = [frozenset()]
    for terms in choices:
        pairs = (one | other for one, other in product(found, terms))
        found = fewest([p for p in pairs if len(dict(p)) == len(p)], values)
    return found


def fewest(terms: list[Term], values: Sequence[bool]) -> list[Term]:
    """Without those that others make needless; the ones that turn least, if there are many."""
    terms = list(dict.fromkeys(terms))
    if len(terms) > MOST_TERMS:
        terms = sorted(terms, key=lambda term: len(turns(term, values)))[:MOST_TERMS]
    return [term for term in terms if not any(other < term for other in terms)]
