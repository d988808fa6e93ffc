"""The parts of conditions: ranges of a cycle, counts, ages and spans of the log.

Each part refuses what has no meaning, so a node that exists can be printed and read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from .points import (
    Clock,
    Duration,
    MonthPoint,
    Point,
    Unit,
    WeekPoint,
    YearPoint,
    a,
    is_cycle_start,
    point_fits,
)
from .reading import DIGITS


class Event(StrEnum):
    """What `has …` looks for in the log. FINISHED is success, fail or terminate."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FINISHED = "finished"
    TERMINATED = "terminated"
    INACTED = "inacted"
    CRASHED = "crashed"

    def __repr__(self) -> str:
        return f"Event.{self.name}"


class Since(StrEnum):
    """What `every D since last …` measures from."""

    RUN = "run"
    SUCCESS = "success"
    FAIL = "fail"
    FINISH = "finish"

    def __repr__(self) -> str:
        return f"Since.{self.name}"


class Bound(StrEnum):
    """How a count compares; `more than n` is AT_LEAST n+1, `less than n` is AT_MOST n-1."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    EXACTLY = "exactly"

    def __repr__(self) -> str:
        return f"Bound.{self.name}"


@dataclass(frozen=True, slots=True)
class Between:
    """`between A and B`: [A, B), wrapping over the cycle's end when B <= A."""

    start: Point
    end: Point


@dataclass(frozen=True, slots=True)
class After:
    """`after T`: [T, cycle end)."""

    start: Point


@dataclass(frozen=True, slots=True)
class Before:
    """`before T`: [cycle start, T)."""

    end: Point


@dataclass(frozen=True, slots=True)
class Starting:
    """`starting T`: the whole cycle, begun at T."""

    point: Point


@dataclass(frozen=True, slots=True)
class At:
    """`at T, …` / `on T, …`: one sub-unit from each point; sorted, without repeats."""

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a list of points is empty: at least one is needed")
        if len(self.points) > 1:
            object.__setattr__(self, "points", tuple(sorted(set(self.points), key=order)))


Range = Between | After | Before | Starting | At


def order(point: Point) -> tuple[int, ...]:
    """The place of a point in its cycle, as nearly as it is known without a calendar."""
    match point:
        case Clock(microseconds):
            return (microseconds,)
        case WeekPoint(weekday, clock):
            return (weekday, clock_order(clock))
        case MonthPoint(day, weekday, clock):
            named = -1 if weekday is None else weekday
            return (day if day > 0 else 100 + day, named, clock_order(clock))
        case YearPoint(month, day):
            return (month, *((-1,) if day is None else order(day)))
        case _:
            assert_never(point)


def clock_order(clock: int | None) -> int:
    return -1 if clock is None else clock


def range_ends(range_: Range) -> tuple[tuple[Point, bool], ...]:
    """The points of a range, each with whether it is an end."""
    match range_:
        case Between(start, end):
            return ((start, False), (end, True))
        case After(start):
            return ((start, False),)
        case Before(end):
            return ((end, True),)
        case Starting(point):
            return ((point, False),)
        case At(points):
            return tuple((point, False) for point in points)
        case _:
            assert_never(range_)


def check_range(unit: Unit, range_: Range | None) -> None:
    """Raise ValueError for a range that is not one of a cycle of `unit`, or is empty."""
    if range_ is None:
        return
    for point, end in range_ends(range_):
        if not point_fits(unit, point, end):
            raise ValueError(f"{point!r} is not {'an end' if end else 'a point'} of {a(unit)}")
    if isinstance(range_, Before) and is_cycle_start(range_.end):
        raise ValueError(empty_message(unit, range_.end))


def empty_message(unit: Unit, end: Point) -> str:
    return f"before {end.text(unit)} is empty: that is where {a(unit)} starts"


@dataclass(frozen=True, slots=True)
class Count:
    """How many: `at least 3 times`."""

    bound: Bound
    times: int

    def __post_init__(self) -> None:
        if self.times < 0:
            raise ValueError(f"a count of less than 0 ({self.times}) is never true")
        check_number(self.times)


@dataclass(frozen=True, slots=True)
class Age:
    """`more than D` is (D, None); `less than D` is (None, D); `between A and B` is [A, B)."""

    at_least: Duration | None = None
    less_than: Duration | None = None

    def __post_init__(self) -> None:
        if self.at_least is None and self.less_than is None:
            raise ValueError("an age needs a bound: more than or less than a duration")
        if self.at_least and self.less_than and self.less_than <= self.at_least:
            raise ValueError(age_message(self.at_least, self.less_than))


def age_message(start: Duration, end: Duration) -> str:
    return f"between {start} and {end} is empty: its end is not after its start"


@dataclass(frozen=True, slots=True)
class ThisCycle:
    """The span `today`, `this week` …, or the latest occurrence of a range of that cycle."""

    unit: Unit
    range: Range | None = None

    def __post_init__(self) -> None:
        check_range(self.unit, self.range)


@dataclass(frozen=True, slots=True)
class Past:
    """The span `past D`: instants after now - D."""

    duration: Duration


def check_number(value: int) -> None:
    """Raise ValueError for a number of too many digits."""
    if abs(value) >= 10**DIGITS:
        raise ValueError(f"a number is too long: at most {DIGITS} digits")
