"""Points as values: places on the wall clock within one cycle, and the text they write.

A point has no zone; the engine turns it into an instant. Weekdays are numbered as Python does, 0
is Monday. `points` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .durations import DAY, HOUR, MINUTE, SECOND
from .reading import fraction, ordinal


class Unit(StrEnum):
    """A cycle of the clock or the calendar."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    def __repr__(self) -> str:
        return f"Unit.{self.name}"


CADENCES = {
    Unit.SECOND: "secondly",
    Unit.MINUTE: "minutely",
    Unit.HOUR: "hourly",
    Unit.DAY: "daily",
    Unit.WEEK: "weekly",
    Unit.MONTH: "monthly",
    Unit.YEAR: "yearly",
}

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAY_NUMBERS = {
    name.lower(): i for names in (WEEKDAYS, LONG_WEEKDAYS) for i, name in enumerate(names)
}
MONTH_NUMBERS = {
    name.lower(): i for names in (MONTHS, LONG_MONTHS) for i, name in enumerate(names, 1)
}
MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def a(unit: Unit) -> str:
    """The unit with its article."""
    return f"an {unit}" if unit is Unit.HOUR else f"a {unit}"


CYCLES = {Unit.SECOND: SECOND, Unit.MINUTE: MINUTE, Unit.HOUR: HOUR, Unit.DAY: DAY}


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Clock:
    """A point of a second, minute, hour or day: microseconds of wall clock since its start.
    A day's may be 24:00, as an end."""

    microseconds: int

    def __post_init__(self) -> None:
        check_clock(self.microseconds)

    def text(self, unit: Unit) -> str:
        """The canonical text as a point of `unit`."""
        match unit:
            case Unit.SECOND:
                return str(self.microseconds // 1000)
            case Unit.MINUTE:
                seconds, rest = divmod(self.microseconds, SECOND)
                return f"{seconds}{fraction(rest)}"
            case Unit.HOUR:
                return hour_text(self.microseconds)
            case _:
                return clock_text(self.microseconds)

    def __repr__(self) -> str:
        return f"Clock({self.microseconds})"


@dataclass(frozen=True, slots=True, repr=False)
class WeekPoint:
    """`Mon` (no clock: as an end it names the whole day) or `Mon 10:00`."""

    weekday: int
    clock: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise ValueError(f"{self.weekday} is not a weekday: 0 (Monday) to 6")
        check_clock(self.clock)

    def text(self, unit: Unit = Unit.WEEK) -> str:
        return with_clock(WEEKDAYS[self.weekday], self.clock)

    def __repr__(self) -> str:
        return f"WeekPoint({arguments(self.weekday, self.clock)})"


@dataclass(frozen=True, slots=True, repr=False)
class MonthPoint:
    """`5th`, `last` (-1), `2nd last` (-2); with a weekday, its nth: `1st Mon`, `last Fri` (-1).
    No clock: as an end it names the whole day."""

    day: int
    weekday: int | None = None
    clock: int | None = None

    def __post_init__(self) -> None:
        if self.weekday is None:
            if not (1 <= self.day <= 31 or -31 <= self.day <= -1):
                raise ValueError(f"{self.day} is not a day of a month: 1 to 31, or -1 for the last")
        elif not (1 <= self.day <= 5 or self.day == -1) or not 0 <= self.weekday <= 6:
            raise ValueError("the nth weekday of a month is 1 to 5, or -1 for the last")
        check_clock(self.clock)

    def text(self, unit: Unit = Unit.MONTH) -> str:
        day = ordinal(self.day) if self.day > 0 else "last"
        if self.day < -1:
            day = f"{ordinal(-self.day)} last"
        if self.weekday is not None:
            day = f"{day} {WEEKDAYS[self.weekday]}"
        return with_clock(day, self.clock)

    def __repr__(self) -> str:
        return f"MonthPoint({arguments(self.day, self.weekday, self.clock)})"


@dataclass(frozen=True, slots=True, repr=False)
class YearPoint:
    """`Feb`, or `Feb` with any month form."""

    month: int
    day: MonthPoint | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.month <= 12:
            raise ValueError(f"{self.month} is not a month: 1 (January) to 12")
        if self.day is not None and self.day.weekday is None:
            if abs(self.day.day) > MONTH_LENGTHS[self.month - 1]:
                raise ValueError(month_message(self.month))

    def text(self, unit: Unit = Unit.YEAR) -> str:
        month = MONTHS[self.month - 1]
        return month if self.day is None else f"{month} {self.day.text()}"

    def __repr__(self) -> str:
        return f"YearPoint({arguments(self.month, self.day)})"


Point = Clock | WeekPoint | MonthPoint | YearPoint


def arguments(*values: object) -> str:
    """The arguments of a call without the Nones at the end."""
    shown = list(values)
    while shown and shown[-1] is None:
        shown.pop()
    return ", ".join(map(repr, shown))


def check_clock(microseconds: int | None) -> None:
    if microseconds is not None and not 0 <= microseconds <= DAY:
        raise ValueError(f"{microseconds} is not a time of a day: 0 to {DAY} microseconds")


def month_message(month: int) -> str:
    return f"{LONG_MONTHS[month - 1]} has at most {MONTH_LENGTHS[month - 1]} days"


def clock_text(microseconds: int) -> str:
    """`HH:MM[:SS[.f]]`."""
    minutes, rest = divmod(microseconds, MINUTE)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    if rest:
        text += f":{rest // SECOND:02d}{fraction(rest % SECOND)}"
    return text


def hour_text(microseconds: int) -> str:
    """`MM:SS[.f]`."""
    seconds, rest = divmod(microseconds, SECOND)
    return f"{seconds // 60:02d}:{seconds % 60:02d}{fraction(rest)}"


def with_clock(text: str, clock: int | None) -> str:
    return text if clock is None else f"{text} {clock_text(clock)}"


def point_fits(unit: Unit, point: Point, end: bool) -> bool:
    """Whether `point` is a point of `unit`, at its end if `end`."""
    match point:
        case Clock(microseconds):
            if unit is Unit.SECOND and microseconds % 1000:
                return False
            limit = CYCLES.get(unit, -1)
            return microseconds < limit or (end and unit is Unit.DAY and microseconds == limit)
        case WeekPoint(_, clock):
            return unit is Unit.WEEK and clock_fits(clock, end)
        case MonthPoint():
            return unit is Unit.MONTH and clock_fits(point.clock, end)
        case YearPoint(_, day):
            return unit is Unit.YEAR and (day is None or clock_fits(day.clock, end))


def clock_fits(clock: int | None, end: bool) -> bool:
    return clock is None or clock < DAY or (end and clock == DAY)


def is_cycle_start(point: Point) -> bool:
    """Whether nothing of the cycle lies before `point` taken as an end."""
    match point:
        case Clock(microseconds):
            return microseconds == 0
        case WeekPoint(weekday, clock):
            return weekday == 0 and clock == 0
        case MonthPoint(day, weekday, clock):
            return day == 1 and weekday is None and clock == 0
        case YearPoint(month, day):
            return month == 1 and day is not None and is_cycle_start(day)
