"""Windows that come once in each second, minute, hour, day, week, month or year.

Every range form of LANGUAGE.md §6 becomes a pattern by the same few sets: what lies from a point
on to the end of its cycle, what lies in the cycle up to it, and where the windows begin. A day
that a month does not have is clamped to the month's end: then nothing of that month lies from it
on, all of it lies before, and what begins there begins with the next month.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import assert_never

from ...conds.parts import After, At, Before, Between, Range, Starting
from ...conds.points import Clock, MonthPoint, Point, Unit, WeekPoint, YearPoint
from ..civil import DAY, HOUR, MINUTE, SECOND
from .almanac import (
    ALL,
    KINDS,
    MONTHS,
    NEW_YEARS,
    SLOTS,
    YEAR,
    Month,
    day_after,
    days,
    month_days,
    weekday_days,
)
from .dial import ANY_START, BEGIN, END, OUT, SEAM, SPANS, WITHIN, arc, drawn, marks, repeated
from .pattern import Pattern, windows

LEVELS = {Unit.DAY: 0, Unit.HOUR: 1, Unit.MINUTE: 2, Unit.SECOND: 3}
PARTS = {Unit.DAY: HOUR, Unit.HOUR: MINUTE, Unit.MINUTE: SECOND, Unit.SECOND: 1_000}
"""One sub-unit, for `at T`; of a week and longer it is a day, or a month of a year."""


@lru_cache(maxsize=2048)
def anchored(unit: Unit, range: Range | None) -> Pattern:
    """The windows of `time of UNIT [range]`. Raises ValueError for a point of another unit."""
    if isinstance(range, At):
        return at_points(unit, range.points)
    if unit in LEVELS:
        return of_clock(unit, range)
    return of_calendar(unit, range)


def at_points(unit: Unit, points: tuple[Point, ...]) -> Pattern:
    """`at T, …`: one sub-unit from each point; those that overlap are one window."""
    found = Pattern.daily(OUT)
    for point in points:
        found |= at_clock(unit, point) if unit in LEVELS else at_place(place_of(unit, point))
    return found


def clock_of(point: Point) -> int | None:
    """The clock time of a point, if it has one; None names a whole day or month."""
    match point:
        case Clock(microseconds):
            return microseconds
        case WeekPoint(_, clock) | MonthPoint(_, _, clock):
            return clock
        case YearPoint(_, day):
            return None if day is None else day.clock


# --- second, minute, hour, day --------------------------------------------------------------


def of_clock(unit: Unit, range: Range | None) -> Pattern:
    span = SPANS[LEVELS[unit]]
    match range:
        case None:
            return every(unit, 0, span)
        case After(Clock(start)):
            return every(unit, start, span - start)
        case Before(Clock(end)):
            return every(unit, 0, end)
        case Between(Clock(start), Clock(end)):
            return every(unit, start, end - start if start < end else end - start + span)
        case Starting(Clock(start)):
            return every(unit, start, span)
        case _:
            raise ValueError(f"{range!r} is not a range of a {unit}: its points are clock times")


def at_clock(unit: Unit, point: Point) -> Pattern:
    if not isinstance(point, Clock):
        raise ValueError(f"{point!r} is not a point of a {unit}: a clock time would be")
    return every(unit, point.microseconds, PARTS[unit])


def every(unit: Unit, start: int, length: int) -> Pattern:
    """A window of that length, from that point of every cycle; it may run over the cycle's
    end."""
    level = LEVELS[unit]
    span = SPANS[level]
    if length == span:
        pieces = [(1, SEAM), (span, WITHIN)]
    else:
        pieces = [(1, BEGIN), (length, WITHIN), (length + 1, END), (span, OUT)]
    return Pattern.daily(repeated(drawn(rotated(pieces, start), level), level))


def rotated(pieces: list[tuple[int, int]], by: int) -> list[tuple[int, int]]:
    """The pieces of a cycle, beginning so much later; what passes its end comes first."""
    span = pieces[-1][0]
    ends = [(end + by, bits) for end, bits in pieces]
    late = [(end - span, bits) for end, bits in ends if end > span]
    early = [(end, bits) for end, bits in ends if end <= span]
    if late and late[0][0] > 0 and (not early or early[-1][0] < span):
        early.append((span, late[0][1]))
    merged = [*late, *early]
    return [piece for before, piece in zip([(0, 0), *merged], merged) if piece[0] > before[0]]


# --- week, month, year ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A point of a week, month or year as sets of days.

    `on` is the day it names (a year's point may name a month), `begins` the first of them,
    `later` the days after it in its cycle. `lacking` is the last day of each month that does not
    have it."""

    on: int
    begins: int
    later: int
    lacking: int
    clock: int | None

    def from_here(self) -> Pattern:
        """What lies in the cycle at or after the point."""
        return Pattern.of_days(self.later) | Pattern.of_days(self.on, arc(self.clock or 0, DAY))

    def up_to_here(self) -> Pattern:
        """What lies in the cycle before the point, as an end: a whole day if no clock is given."""
        end = DAY if self.clock is None else self.clock
        earlier = Pattern.of_days(ALL & ~self.on & ~self.later)
        return earlier | Pattern.of_days(self.on, arc(0, end))

    def starts(self) -> Pattern:
        """Where windows begin that begin at the point."""
        clock = self.clock or 0
        clamped = Pattern.of_days(day_after(self.lacking), arc(0, 1))
        return Pattern.of_days(self.begins, arc(clock, clock + 1)) | clamped


def of_calendar(unit: Unit, range: Range | None) -> Pattern:
    opening = Pattern.of_days(cycle_starts(unit), arc(0, 1))
    match range:
        case None:
            return windows(Pattern.daily(WITHIN), opening)
        case After(start):
            place = place_of(unit, start)
            return windows(place.from_here(), place.starts())
        case Before(end):
            return windows(place_of(unit, end).up_to_here(), opening)
        case Between(start, end):
            first, last = place_of(unit, start), place_of(unit, end)
            if wraps(start, end):
                return windows(first.from_here() | last.up_to_here(), first.starts())
            return windows(first.from_here() & last.up_to_here(), first.starts())
        case Starting(point):
            return windows(Pattern.daily(WITHIN), place_of(unit, point).starts())
        case _:
            raise ValueError(f"{range!r} is not a range of a {unit}")


def at_place(place: Place) -> Pattern:
    """One day, or the month that the point names, from the point on."""
    clock = place.clock or 0
    inside = Pattern.of_days(place.on, arc(clock, DAY))
    inside |= Pattern.of_days(day_after(place.on), arc(0, clock))
    return windows(inside, Pattern.of_days(place.begins, arc(clock, clock + 1)))


@cache
def cycle_starts(unit: Unit) -> int:
    match unit:
        case Unit.WEEK:
            return weekday_days(0)
        case Unit.MONTH:
            return days(lambda month: month.days(1, 1))
        case Unit.YEAR:
            return NEW_YEARS
        case _:
            raise ValueError(f"a {unit} is not a cycle of days")


def place_of(unit: Unit, point: Point) -> Place:
    match unit, point:
        case Unit.WEEK, WeekPoint(weekday, clock):
            on = weekday_days(weekday)
            later = sum(weekday_days(day) for day in range(weekday + 1, 7))
            return Place(on, on, later, 0, clock)
        case Unit.MONTH, MonthPoint(day, weekday, clock):
            on, later, lacking = day_of_month(day, weekday)
            return Place(on, on, later, lacking, clock)
        case Unit.YEAR, YearPoint(number, None):
            on = month_days(number)
            return Place(on, on & cycle_starts(Unit.MONTH), months_after(number), 0, None)
        case Unit.YEAR, YearPoint(number, MonthPoint(day, weekday, clock)):
            month = month_days(number)
            on, later, lacking = (mask & month for mask in day_of_month(day, weekday))
            return Place(on, on, later | months_after(number), lacking, clock)
        case _:
            raise ValueError(f"{point!r} is not a point of a {unit}")


def months_after(number: int) -> int:
    return sum(month_days(later) for later in range(number + 1, 13))


@cache
def day_of_month(day: int, weekday: int | None) -> tuple[int, int, int]:
    """Of all months: the day itself, the days after it, the last day of the months without it."""
    on = later = lacking = 0
    for month in MONTHS:
        number = day_number(day, weekday, month)
        if number is None:
            lacking |= month.days(month.length, month.length)
        else:
            on |= month.days(number, number)
            later |= month.days(number + 1, month.length)
    return on, later, lacking


def skipped_cycles(unit: Unit, range: Range) -> list[int]:
    """The months (of a range of a month) or years (of a year) that have no window of it, each as
    the set of its days."""
    if unit not in (Unit.MONTH, Unit.YEAR):
        return []
    if isinstance(range, Between) and wraps(range.start, range.end):
        return []
    begins = sum(mask for mask, tree in anchored(unit, range).parts if marks(tree) & ANY_START)
    if unit is Unit.YEAR:
        cycles = [YEAR << kind * SLOTS for kind in KINDS]
    else:
        cycles = [month.days(1, month.length) for month in MONTHS]
    return [cycle for cycle in cycles if not cycle & begins]


def day_number(day: int, weekday: int | None, month: Month) -> int | None:
    """Which day of that month `5th`, `2nd last` or `1st Mon` is; None if it does not have it."""
    if weekday is None:
        number = day if day > 0 else month.length + 1 + day
    elif day > 0:
        number = 1 + (weekday - month.weekday) % 7 + 7 * (day - 1)
    else:
        final = (month.weekday + month.length - 1) % 7
        number = month.length - (final - weekday) % 7 + 7 * (day + 1)
    return number if 1 <= number <= month.length else None


def wraps(start: Point, end: Point) -> bool:
    """Whether [start, end) runs over the cycle's end: in no month does the end come later.

    Where it does in some months only (`between 28th and last Fri`), there are no windows in the
    others: a window left empty is skipped. Of a year only the months that a point names count."""
    return all(
        moment(end, month, is_end=True) <= moment(start, month, is_end=False)
        for month in months_of(start)
    )


def months_of(point: Point) -> list[Month]:
    """The months, of every kind of year, that a point can lie in."""
    number = point.month if isinstance(point, YearPoint) else None
    return [month for month in MONTHS if number in (None, month.number)]


def moment(point: Point, month: Month, is_end: bool) -> int:
    """Where a point lies in its cycle, in a month like that: good only for comparing."""
    match point:
        case Clock(microseconds):
            return microseconds
        case WeekPoint(weekday, clock):
            return weekday * DAY + clock_within(clock, is_end)
        case MonthPoint(day, weekday, clock):
            number = day_number(day, weekday, month)
            if number is None:
                return month.length * DAY
            return (number - 1) * DAY + clock_within(clock, is_end)
        case YearPoint(number, day):
            whole = month.length * DAY if is_end else 0
            return number * 32 * DAY + (whole if day is None else moment(day, month, is_end))
        case _:
            assert_never(point)


def clock_within(clock: int | None, is_end: bool) -> int:
    if clock is None:
        return DAY if is_end else 0
    return clock
