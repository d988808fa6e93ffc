"""Why an instant is no hit: the few atoms that say so, whatever the others are.

Bits under `&` and `|` grow with their terms, and fall with them under `~`. So with an atom replaced
by everything or by nothing, as the side of the expression that it is on asks, the expression has
all the hits that it had, and more. If what is left has none from here on, neither has the whole:
that is how a search over dozens of zones is one over two or three.
"""

from __future__ import annotations

from collections.abc import Callable

from .algebra import Atom, Constant, Expression, Operation, Operator, fold
from .dial import ANY_IN, MARKS


class Grounds:
    """An expression that hits of one kind are looked for in."""

    def __init__(self, expression: Expression, want: int) -> None:
        self.expression = expression
        self.want = want
        self._most = sides(expression, want == ANY_IN)

    def at(self, bits: Callable[[Atom], int], given: set[int]) -> set[int]:
        """The atoms, as places in the expression, that say that an instant is no hit at which
        each has these `bits`: those that are `given`, and as few others as need be."""
        places = range(len(self.expression))
        others = [place for place in places if self._is_atom(place) and place not in given]
        block = len(others)
        while block:
            start = 0
            while start < len(others):
                fewer = others[:start] + others[start + block :]
                found = fold(self.only(given.union(fewer)), bits)
                assert isinstance(found, int)
                if MARKS[found] & self.want:
                    start += block
                else:
                    others = fewer
            block //= 2
        return given.union(others)

    def only(self, places: set[int]) -> Expression:
        """The expression with the atoms at these places alone; it has all hits of the whole."""
        return tuple(
            step if place in places or not self._is_atom(place) else Constant(self._most[place])
            for place, step in enumerate(self.expression)
        )

    def _is_atom(self, place: int) -> bool:
        return not isinstance(self.expression[place], (Constant, Operation))


def sides(expression: Expression, most: bool) -> list[bool]:
    """For each step, whether the most or the least that it can be makes for hits of the whole, of
    which that is so as `most` says."""
    found = [most] * len(expression)
    asked = [most]
    for place in range(len(expression) - 1, -1, -1):
        step, most = expression[place], asked.pop()
        found[place] = most
        if isinstance(step, Operation):
            asked += [most is not (step.operator is Operator.OPPOSITE)] * step.count
    return found
