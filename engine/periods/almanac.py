"""The kinds of days there are, and sets of them.

Whether a local day is a 31st, a Monday or the last Friday of February depends on nothing but its
place in the year, whether the year is a leap year, and the weekday the year begins on. So there
are 14 kinds of years and 5,117 kinds of days, and a set of kinds is one int with a bit for each:
bit 366 * kind + day of the year (from 0). Whatever a boolean combination of calendar conditions
says of days is found by `&` and `|` of such ints. A day of any kind comes again within 40 years.

A local day is numbered by days since 1970-01-01.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

SLOTS = 366  # bits for each kind of year
KINDS = range(14)  # 7 * leap + the weekday (Monday is 0) of 1 January
YEAR = (1 << SLOTS) - 1
ERA_DAYS = 146_097

DATUM = 10_957  # 2000-01-01, a Saturday, where an era of 400 years begins
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def era() -> tuple[list[int], list[int]]:
    """For each year of an era, and the one after it: its first day, from DATUM, and its kind."""
    starts, kinds, day = [], [], 0
    for year in range(2000, 2401):
        starts.append(day)
        kinds.append(7 * is_leap(year) + (day + 5) % 7)
        day += 365 + is_leap(year)
    return starts, kinds


YEAR_STARTS, YEAR_KINDS = era()


def place(day: int) -> tuple[int, int, int]:
    """Where a local day is: the era's first day, the year in it, the day of the year."""
    since = (day - DATUM) % ERA_DAYS
    year = bisect_right(YEAR_STARTS, since) - 1
    return day - since, year, since - YEAR_STARTS[year]


def kind_of_day(day: int) -> int:
    """The number of the bit of a local day."""
    _, year, number = place(day)
    return YEAR_KINDS[year] * SLOTS + number


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one kind of year: `bit` is that of its first day."""

    number: int
    bit: int
    length: int
    weekday: int  # of its first day

    def days(self, first: int, last: int) -> int:
        """The set of its days from `first` to `last` (from 1)."""
        return ((1 << max(0, last - first + 1)) - 1) << (self.bit + first - 1)


def months_of_kind(kind: int) -> Iterator[Month]:
    leap, weekday = divmod(kind, 7)
    bit = kind * SLOTS
    for number, length in enumerate(LENGTHS, 1):
        length += leap and number == 2
        yield Month(number, bit, length, weekday)
        weekday = (weekday + length) % 7
        bit += length


MONTHS = tuple(month for kind in KINDS for month in months_of_kind(kind))
ALL = sum(month.days(1, month.length) for month in MONTHS)
NEW_YEARS = sum(1 << kind * SLOTS for kind in KINDS)


def days(choose: Callable[[Month], int]) -> int:
    """The union of what is chosen of every month of every kind of year."""
    return sum(map(choose, MONTHS))


@cache
def weekday_days(weekday: int) -> int:
    """All Mondays, say (0)."""
    year = sum(1 << day for day in range(0, SLOTS + 7, 7))
    shifts = ((weekday - kind) % 7 for kind in KINDS)
    return sum((year << shift & YEAR) << kind * SLOTS for kind, shift in enumerate(shifts)) & ALL


@cache
def month_days(number: int) -> int:
    """All days of January, say (1)."""
    return days(lambda month: month.days(1, month.length) if month.number == number else 0)


def day_after(mask: int) -> int:
    """The kinds of the days that follow a day of the set.

    The year after a 31 December can be a leap year or not: no condition of the language tells
    the two kinds of New Year's Day apart, nor the two of 31 December.
    """
    following = mask << 1 & ALL & ~NEW_YEARS
    for kind in KINDS:
        before = (kind - 1) % 7  # a common year that ends the day before begins on that weekday
        following |= (mask >> (before * SLOTS + 364) & 1) << kind * SLOTS
    return following


def day_before(mask: int) -> int:
    """The kinds of the days that precede a day of the set."""
    preceding = (mask & ~NEW_YEARS) >> 1
    for kind in KINDS:
        leap, weekday = divmod(kind, 7)
        after = (weekday + 1 + leap) % 7  # and a common year that begins the day after
        preceding |= (mask >> after * SLOTS & 1) << (kind * SLOTS + 364 + leap)
    return preceding
