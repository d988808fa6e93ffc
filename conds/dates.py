"""Dates and times: `YYYY-MM-DD`, with `HH:MM[:SS[.f]]` after a blank or a `T`; naive."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from .points import MONTH_LENGTHS, month_message
from .reading import ReadError, fraction

SHAPE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:(?:\s+|T)([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?)?"
)


@lru_cache(maxsize=1024)
def read_datetime(text: str) -> tuple[datetime, bool]:
    """The datetime that `text` spells, and whether it is a bare date. Raises ReadError."""
    text = text.strip()
    parts = SHAPE.fullmatch(text)
    if parts is None:
        fix = date_meant(text)
        form = fix or "as in 2026-01-31 or 2026-01-31 10:00"
        raise ReadError(f"{text!r} is not a date: {form}", text, fix=fix, code="bad-date")
    year, month, day = int(parts[1]), int(parts[2]), int(parts[3])
    check_date(year, month, day, text)
    hour, minute, second = int(parts[4] or 0), int(parts[5] or 0), int(parts[6] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ReadError(
            f"{text[parts.start(4) :]} is out of range: 00:00 to 23:59:59.999999",
            text,
            start=parts.start(4),
            code="date-range",
        )
    micro = int(parts[7].ljust(6, "0")) if parts[7] else 0
    return datetime(year, month, day, hour, minute, second, micro), parts[4] is None


LOOSE = re.compile(
    r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})"
    r"(?:(?:\s+at)?(?:\s+|[Tt])([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,6})?)?)?)?(Z)?"
)


def date_meant(text: str) -> str | None:
    """The date that a text was meant for, year first, as it is written; None if it is none. A `Z`
    becomes a zone."""
    parts = LOOSE.fullmatch(text.strip())
    if parts is None:
        return None
    year, month, day, hour, minute, second, rest, zulu = parts.groups("")
    found = f"{year}-{month:0>2}-{day:0>2}"
    if hour:
        found += f" {hour:0>2}:{minute or '00'}" + (f":{second}{rest}" if second else "")
    try:
        read_datetime(found)
    except ReadError:
        return None
    return f"{found} in UTC" if zulu else found


def check_date(year: int, month: int, day: int, text: str) -> None:
    if year == 0:
        raise ReadError("0000 is out of range: years are 0001 to 9999", text, code="date-range")
    if not 1 <= month <= 12:
        raise ReadError(
            f"{text[5:7]} is out of range: months are 01 to 12",
            text,
            start=5,
            end=7,
            code="date-range",
        )
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= MONTH_LENGTHS[month - 1]:
        message = month_message(month)
    elif month == 2 and day == 29 and not leap:
        message = f"February has 28 days in {year}"
    else:
        return
    raise ReadError(
        f"{text[8:10]} is out of range: {message}", text, start=8, end=10, code="date-range"
    )


def datetime_text(moment: datetime, date_only: bool) -> str:
    """`YYYY-MM-DD` if `date_only`, else with the time of day."""
    day = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"
    if date_only:
        return day
    text = f"{day} {moment.hour:02d}:{moment.minute:02d}"
    if moment.second or moment.microsecond:
        text += f":{moment.second:02d}{fraction(moment.microsecond)}"
    return text


def midnight(moment: datetime) -> bool:
    return not (moment.hour or moment.minute or moment.second or moment.microsecond)
