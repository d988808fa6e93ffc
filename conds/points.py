"""Points as text: the one reader, for the grammar and for the Python API alike.

`read_point` says what a text is as a point of a unit, or why it is none and what was meant. The
values themselves are in `places`; they, durations and cron fields are handed on from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import time
from functools import cache, lru_cache

from .cron import CronFields as CronFields
from .cron import read_cron as read_cron
from .diagnostic import nearest
from .durations import DAY, MINUTE, SECOND
from .durations import Duration as Duration
from .durations import read_duration as read_duration
from .places import CADENCES as CADENCES
from .places import LONG_MONTHS as LONG_MONTHS
from .places import LONG_WEEKDAYS as LONG_WEEKDAYS
from .places import MONTH_LENGTHS as MONTH_LENGTHS
from .places import MONTH_NUMBERS as MONTH_NUMBERS
from .places import MONTHS as MONTHS
from .places import WEEKDAY_NUMBERS as WEEKDAY_NUMBERS
from .places import WEEKDAYS as WEEKDAYS
from .places import Clock as Clock
from .places import MonthPoint as MonthPoint
from .places import Point as Point
from .places import Unit as Unit
from .places import WeekPoint as WeekPoint
from .places import YearPoint as YearPoint
from .places import a as a
from .places import clock_text as clock_text
from .places import is_cycle_start as is_cycle_start
from .places import month_message as month_message
from .places import point_fits as point_fits
from .reading import ReadError as ReadError
from .reading import ordinal

CLOCK = re.compile(
    r"(?ai:(?P<h>[0-9]{1,2})(?::(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})(?:\.(?P<f>[0-9]{1,6}))?)?)?"
    r"(?:\s*(?P<half>[ap]m))?|(?P<name>noon|midnight))"
)
SECONDS = re.compile(r"(?:0?0:)?([0-9]{1,2})(?:\.([0-9]{1,6}))?")
MINUTES = re.compile(r"([0-9]{1,2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?")
QUARTERS = re.compile(r"(?ai:([0-9])\s*(?:quarters?|q))")
MILLISECONDS = re.compile(r"[0-9]{1,3}")
MONTH_DAY = re.compile(
    r"(?ai:(?:(?P<n>[0-9]{1,2})(?P<ending>st|nd|rd|th|\.)?(?![0-9:.])(?:\s+(?P<back>last))?"
    r"|(?P<last>last))(?:\s+(?:day\b|(?P<name>[a-z]+)\b))?)"
)
WORD = re.compile(r"[A-Za-z]+")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
RUN = re.compile(r"([\w:.]+(?: [\w:.]+)?)\s*-\s*([\w:.]+(?: [\w:.]+)?)")


@lru_cache(maxsize=2048)
def read_point(unit: Unit, text: str, end: bool = False) -> Point:
    """The point of a cycle of `unit` that `text` spells; `end` reads it as an end, where
    midnight is 24:00. Raises ReadError, with offsets into `text`."""
    text = text.strip()
    if not text:
        raise ReadError(f"a point of {a(unit)} is missing: {FORMS[unit]}", text, code="bad-point")
    return READERS[unit](text, end)


def read_clock(text: str, end: bool, offset: int = 0) -> int:
    """Microseconds of a day for the text from `offset` on."""
    parts = CLOCK.fullmatch(text, offset)
    if parts is None:
        raise wrong(Unit.DAY, text, offset)
    if parts["name"]:
        noon = parts["name"].lower() == "noon"
        return DAY // 2 if noon else DAY if end else 0
    hour, minute, second = int(parts["h"]), int(parts["m"] or 0), int(parts["s"] or 0)
    if parts["half"]:
        hour = to_24_hours(hour, parts["half"].lower(), text, offset)
    if minute > 59 or second > 59:
        raise out_of_range(text, offset, "minutes and seconds are 0 to 59")
    micro = ((hour * 60 + minute) * 60 + second) * SECOND + micros(parts["f"])
    if micro > DAY:
        raise out_of_range(text, offset, "a day has 0 to 24 hours")
    if micro == DAY and not end:
        raise ReadError(
            "24:00 can only be an end: a day starts at 00:00",
            text,
            start=offset,
            fix="00:00",
            code="point-range",
        )
    return micro


def to_24_hours(hour: int, half: str, text: str, offset: int) -> int:
    if not 1 <= hour <= 12:
        raise out_of_range(text, offset, f"{half} goes with 1 to 12")
    return hour % 12 + (12 if half == "pm" else 0)


def micros(digits: str | None) -> int:
    return int(digits.ljust(6, "0")) if digits else 0


def read_day(text: str, end: bool) -> Clock:
    return Clock(read_clock(text, end))


def read_second(text: str, end: bool) -> Clock:
    if MILLISECONDS.fullmatch(text) is None:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            raise out_of_range(text, 0, "a second has 0 to 999 milliseconds")
        raise wrong(Unit.SECOND, text)
    return Clock(int(text) * 1000)


def read_minute(text: str, end: bool) -> Clock:
    parts = SECONDS.fullmatch(text)
    if parts is None and re.fullmatch(r"[0-9]+(\.[0-9]{1,6})?", text) is None:
        raise wrong(Unit.MINUTE, text)
    if parts is None or int(parts[1]) > 59:
        raise out_of_range(text, 0, "a minute has 0 to 59.999999 seconds")
    return Clock(int(parts[1]) * SECOND + micros(parts[2]))


def read_hour(text: str, end: bool) -> Clock:
    if quarters := QUARTERS.fullmatch(text):
        if int(quarters[1]) > 3:
            raise out_of_range(text, 0, "an hour has 0 to 3 quarters")
        return Clock(int(quarters[1]) * 15 * MINUTE)
    parts = MINUTES.fullmatch(text)
    if parts is None and re.fullmatch(r"[0-9]{3,}(:[0-9]{2}(\.[0-9]+)?)?", text) is None:
        raise wrong(Unit.HOUR, text)
    if parts is None or int(parts[1]) > 59 or int(parts[2] or 0) > 59:
        raise out_of_range(text, 0, "an hour has 0 to 59:59.999999 minutes")
    return Clock(int(parts[1]) * MINUTE + int(parts[2] or 0) * SECOND + micros(parts[3]))


def read_week(text: str, end: bool) -> WeekPoint:
    word = WORD.match(text)
    weekday = WEEKDAY_NUMBERS.get(word[0].lower()) if word else None
    if word is None or weekday is None:
        raise wrong(Unit.WEEK, text)
    return WeekPoint(weekday, read_clock_after(Unit.WEEK, text, word.end(), end))


def read_clock_after(unit: Unit, text: str, position: int, end: bool) -> int | None:
    """The clock that follows a day, after white space, or None where the text ends."""
    if position == len(text):
        return None
    rest = text[position:]
    offset = position + len(rest) - len(rest.lstrip())
    if offset == position:
        raise wrong(unit, text)
    if not reads(Unit.DAY, rest.strip()) and len(points_in(unit, text)) > 1:
        raise wrong(unit, text)
    return read_clock(text, end, offset)


def read_month(text: str, end: bool) -> MonthPoint:
    return read_month_from(text, 0, end)


def read_month_from(text: str, offset: int, end: bool) -> MonthPoint:
    """The month form that begins at `offset`: a day, or an nth weekday, and perhaps a clock."""
    parts = MONTH_DAY.match(text, offset)
    if parts is None:
        if re.match(r"[0-9]{3,}", text[offset:]):
            raise out_of_range(text, offset, "a month has days 1st to 31st")
        raise wrong(Unit.MONTH, text, offset)
    number = int(parts["n"]) if parts["n"] else 1
    position = parts.end()
    weekday = None
    if parts["name"]:
        weekday = WEEKDAY_NUMBERS.get(parts["name"].lower())
        if weekday is None:
            position = parts.start("name")
            position -= len(text[:position]) - len(text[:position].rstrip())
    check_ordinal(text, parts, number, weekday)
    clock = read_clock_after(Unit.MONTH, text, position, end)
    return MonthPoint(-number if parts["back"] or parts["last"] else number, weekday, clock)


def check_ordinal(text: str, parts: re.Match[str], number: int, weekday: int | None) -> None:
    """Refuse `32nd`, `2th`, `6th Monday`, `2nd last Friday`."""
    if weekday is not None and parts["back"]:
        raise ReadError(
            "a weekday is counted from the start, or it is the last: 1st to 5th, or last",
            text,
            start=parts.start(),
            end=parts.end(),
            code="point-range",
        )
    if weekday is not None and not 1 <= number <= 5:
        raise out_of_range(text, parts.start(), "a month has 1st to 5th of a weekday", parts.end())
    if not 1 <= number <= 31:
        end = parts.end("ending") if parts["ending"] else parts.end("n")
        raise out_of_range(text, parts.start(), "a month has days 1st to 31st", end)
    ending = parts["ending"]
    if ending and ending != "." and f"{number}{ending.lower()}" != ordinal(number):
        raise ReadError(
            f"{parts['n']}{ending} is spelt {ordinal(number)}",
            text,
            start=parts.start("n"),
            end=parts.end("ending"),
            fix=ordinal(number),
            code="ordinal",
        )


def read_year(text: str, end: bool) -> YearPoint:
    word = WORD.match(text)
    month = MONTH_NUMBERS.get(word[0].lower()) if word else None
    if word is None or month is None:
        raise wrong(Unit.YEAR, text)
    if word.end() == len(text):
        return YearPoint(month)
    rest = text[word.end() :]
    offset = word.end() + len(rest) - len(rest.lstrip())
    if offset == word.end():
        raise wrong(Unit.YEAR, text)
    day = read_month_from(text, offset, end)
    if day.weekday is None and abs(day.day) > MONTH_LENGTHS[month - 1]:
        raise ReadError(month_message(month), text, start=offset, code="point-range")
    return YearPoint(month, day)


READERS: dict[Unit, Callable[[str, bool], Point]] = {
    Unit.SECOND: read_second,
    Unit.MINUTE: read_minute,
    Unit.HOUR: read_hour,
    Unit.DAY: read_day,
    Unit.WEEK: read_week,
    Unit.MONTH: read_month,
    Unit.YEAR: read_year,
}
FORMS = {
    Unit.SECOND: "milliseconds, as in 500",
    Unit.MINUTE: "seconds, as in 45 or 45.5",
    Unit.HOUR: "minutes, as in 30:00 or 1 quarter",
    Unit.DAY: "a time, as in 10:00, 10am or noon",
    Unit.WEEK: "a weekday, as in Mon or Mon 10:00",
    Unit.MONTH: "a day, as in 1st, last or 1st Mon",
    Unit.YEAR: "a month, as in Feb or Feb 15th",
}
LIKELY = (Unit.WEEK, Unit.MONTH, Unit.YEAR, Unit.DAY, Unit.HOUR, Unit.MINUTE, Unit.SECOND)


def out_of_range(text: str, start: int, rule: str, end: int | None = None) -> ReadError:
    shown = text[start : len(text) if end is None else end]
    return ReadError(
        f"{shown} is out of range: {rule}", text, start=start, end=end, code="point-range"
    )


def wrong(unit: Unit, text: str, start: int = 0) -> ReadError:
    """Why `text` from `start` on is no point of `unit`, and what it may have been meant for."""
    shown = text[start:]
    if run := RUN.fullmatch(shown):
        ends = [part for part in run.groups() if reads(unit, part)]
        if len(ends) == 2:
            return ReadError(
                f"a range is written between {ends[0]} and {ends[1]}",
                text,
                start=start,
                fix=f"between {ends[0]} and {ends[1]}",
                code="dashed-range",
            )
    if start == 0 and len(several := points_in(unit, text)) > 1:
        fix = ", ".join(several)
        message = f"{shown!r} are {len(several)} points, in a list they have commas: {fix}"
        return ReadError(message, text, fix=fix, code="missing-comma")
    spelt = TIME.fullmatch(shown) if unit is Unit.DAY else None
    if spelt and reads(unit, fix := f"{spelt[1]}:{spelt[2] or spelt[3] or '00'}{spelt[4] or ''}"):
        return ReadError(
            f"{shown!r} is not a time: {fix}", text, start=start, fix=fix, code="bad-point"
        )
    if start == 0 and DATE.fullmatch(shown):
        message = f"{shown!r} is a date, not a point of {a(unit)}"
        return ReadError(message, text, code="wrong-unit", other="date")
    for other in LIKELY:
        if other is not unit and start == 0 and reads(other, text):
            return ReadError(
                f"{shown!r} is a point of {a(other)}, not of {a(unit)}",
                text,
                code="wrong-unit",
                other=other,
            )
    return misspelt(unit, text, start)


TIME = re.compile(r"(?i:([0-9]{1,2})(?:[.h]([0-9]{2})?|([0-9]{2}))(\s*[ap]m)?)")
NEXT = re.compile(r"\S|\Z")


def points_in(unit: Unit, text: str) -> list[str]:
    """The points that stand side by side in a text; none if it holds anything else."""
    found, position = [], 0
    while position < len(text):
        point = shape(unit).match(text, position)
        if point is None or text[point.end() : point.end() + 1].strip():
            return []
        found.append(point[0])
        position = NEXT.search(text, point.end()).start()  # type: ignore[union-attr]  # or the end
    return found


def misspelt(unit: Unit, text: str, start: int) -> ReadError:
    shown = text[start:]
    word = WORD.match(text, start)
    near = nearest(word[0], spellings(unit, start), 1) if word else ()
    if word and near and near[0].lower() != word[0].lower():
        return ReadError(
            f"{word[0]!r} is not a point of {a(unit)}: {near[0]}?",
            text,
            start=start,
            end=word.end(),
            fix=near[0],
            code="bad-point",
        )
    return ReadError(
        f"{shown!r} is not a point of {a(unit)}: {FORMS[unit]}", text, start=start, code="bad-point"
    )


def spellings(unit: Unit, start: int) -> tuple[str, ...]:
    """The names that a point of `unit` may hold at its start, or after it."""
    if unit is Unit.WEEK and start == 0:
        return WEEKDAYS + LONG_WEEKDAYS
    if unit is Unit.YEAR and start == 0:
        return MONTHS + LONG_MONTHS
    if unit is Unit.MONTH:
        return ("last", *WEEKDAYS, *LONG_WEEKDAYS)
    return ("noon", "midnight")


def reads(unit: Unit, text: str) -> bool:
    """Whether `text` is a point of `unit`; `wrong` asks it, so it must not explain."""
    return shape(unit).fullmatch(text) is not None


_DAY_SHAPE = (
    r"(?:(?:[01]?[0-9]|2[0-3])(?::[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?)?"
    r"(?:\s*[ap]m)?|noon|midnight)"
)
_WEEK_SHAPE = rf"(?:{'|'.join(sorted(WEEKDAY_NUMBERS, key=len, reverse=True))})"
_MONTH_SHAPE = (
    r"(?:[0-9]{1,2}(?:st|nd|rd|th|\.)?(?:\s+last)?|last)"
    rf"(?:\s+(?:day|{_WEEK_SHAPE}))?(?:\s+{_DAY_SHAPE})?"
)
SHAPES = {
    Unit.SECOND: r"[0-9]{1,3}",
    Unit.MINUTE: r"(?:0?0:)?[0-5]?[0-9](?:\.[0-9]{1,6})?",
    Unit.HOUR: r"[0-5]?[0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?|[0-3]\s*(?:quarters?|q)",
    Unit.DAY: _DAY_SHAPE,
    Unit.WEEK: rf"{_WEEK_SHAPE}(?:\s+{_DAY_SHAPE})?",
    Unit.MONTH: _MONTH_SHAPE,
    Unit.YEAR: rf"(?:{'|'.join(sorted(MONTH_NUMBERS, key=len, reverse=True))})"
    rf"(?:\s+{_MONTH_SHAPE})?",
}


@cache
def shape(unit: Unit) -> re.Pattern[str]:
    """What a point of `unit` looks like; for guesses in errors, so compiled when one is needed."""
    return re.compile(f"(?ai:{SHAPES[unit]})")


def to_point(unit: Unit, value: str | int | time | Point, end: bool = False) -> Point:
    """A point of `unit` from what the Python API takes: text, a time of day, or a number, which
    is read as its text (weekdays and months are numbered from 1). Raises ValueError, TypeError."""
    match value:
        case str():
            return read_point(unit, value, end)
        case bool():
            raise TypeError(f"{value!r} is not a point of {a(unit)}: {FORMS[unit]}")
        case int():
            return read_point(unit, numbered(unit, value), end)
        case time():
            return read_point(unit, value.replace(tzinfo=None).isoformat(), end)
        case Clock() | WeekPoint() | MonthPoint() | YearPoint():
            return value
        case _:
            raise TypeError(f"{value!r} is not a point of {a(unit)}: {FORMS[unit]}")


def numbered(unit: Unit, value: int) -> str:
    if unit is Unit.WEEK and 1 <= value <= 7:
        return WEEKDAYS[value - 1]
    if unit is Unit.YEAR and 1 <= value <= 12:
        return MONTHS[value - 1]
    return str(value)
