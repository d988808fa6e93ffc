"""What the methods of nodes share: ranges put on cycles, counts put on histories.

Each method makes a new node and never changes the old one. The mixins know nothing of the nodes
they are for but the few hooks they ask for.
"""

from __future__ import annotations

from datetime import time, timedelta
from typing import Self

from .parts import After, At, Before, Between, Bound, Count, Range, Starting
from .points import Duration, Point, Unit, to_point
from .tree import Condition

PointLike = str | int | time | Point
DurationLike = Duration | timedelta | str | float


def make_between(unit: Unit, start: PointLike, end: PointLike) -> Between:
    return Between(to_point(unit, start), to_point(unit, end, end=True))


class Ranged:
    """Methods that put a range on a cycle. A range is given once."""

    __slots__ = ()

    def _cycle(self) -> Unit:
        raise NotImplementedError

    def _with_range(self, range_: Range) -> Self:
        raise NotImplementedError

    def after(self, start: PointLike) -> Self:
        """From `start` to the end of the cycle."""
        return self._with_range(After(to_point(self._cycle(), start)))

    def before(self, end: PointLike) -> Self:
        """From the start of the cycle to `end`; a bare weekday, day or month is included."""
        return self._with_range(Before(to_point(self._cycle(), end, end=True)))

    def between(self, start: PointLike, end: PointLike) -> Self:
        """From `start` to `end`, over the end of the cycle if `end` is not later."""
        return self._with_range(make_between(self._cycle(), start, end))

    def starting(self, point: PointLike) -> Self:
        """The whole cycle, begun at `point`."""
        return self._with_range(Starting(to_point(self._cycle(), point)))

    def at(self, *points: PointLike) -> Self:
        """One sub-unit from each of `points`."""
        return self._with_range(At(tuple(to_point(self._cycle(), point) for point in points)))

    on = at


class Counted:
    """Comparisons with a number: each makes a new node. On a node that has a count already, both
    must hold. `==` is plain equality; the method is `exactly`."""

    __slots__ = ()

    def _with_count(self, count: Count) -> Condition:
        raise NotImplementedError

    def __ge__(self, times: int) -> Condition:
        return self._with_count(Count(Bound.AT_LEAST, whole(times)))

    def __gt__(self, times: int) -> Condition:
        return self._with_count(Count(Bound.AT_LEAST, whole(times) + 1))

    def __le__(self, times: int) -> Condition:
        return self._with_count(Count(Bound.AT_MOST, whole(times)))

    def __lt__(self, times: int) -> Condition:
        return self._with_count(Count(Bound.AT_MOST, whole(times) - 1))

    def exactly(self, times: int) -> Condition:
        """`exactly n times`."""
        return self._with_count(Count(Bound.EXACTLY, whole(times)))


def whole(times: object) -> int:
    if isinstance(times, bool) or not isinstance(times, int):
        raise TypeError(f"{times!r} is not a number of times: give a whole number")
    return times


def task_name(task: object) -> str:
    """The name of a task given as its name, itself, or the function it was made of."""
    if isinstance(task, str):
        return task
    name = getattr(task, "name", None) or getattr(task, "__name__", None)
    if not isinstance(name, str):
        raise TypeError(f"{task!r} is not a task: give a name, a task or its function")
    return name


def refuse_second_range(node: Condition, range_: object) -> None:
    if range_ is not None:
        raise ValueError(f"{str(node)!r} has a range already: give both ends by between")
