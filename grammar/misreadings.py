"""The slips inside atoms where a value should stand, and what stands there is none.

Functions as in `slips`, tried in the order of `MISREADINGS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..conds.diagnostic import Diagnostic, nearest
from ..conds.durations import UNITS, read_duration
from ..conds.points import (
    CADENCES,
    FORMS,
    WEEKDAY_NUMBERS,
    WEEKDAYS,
    Unit,
    a,
    read_cron,
    read_point,
    reads,
)
from ..conds.printer import quoted
from ..conds.reading import ReadError, readable
from ..conds.words import is_keyword
from .errors import NEARBY, Stop
from .idioms import SEVERAL_DAYS
from .slips import BINARY


def reader_error(stop: Stop, read: Callable[[], object], start: int) -> Diagnostic | None:
    """The error of a value's reader, whose text begins at `start`; None if it reads."""
    try:
        read()
    except ReadError as error:
        first, last = start + error.start, start + error.end
        return stop.error(error.code, error.message, first, last, error.fix)
    return None


def bad_point(stop: Stop) -> Diagnostic | None:
    if "POINT" not in stop.accepts:
        return None
    unit = stop.unit
    if stop.token in ("", ",", ")", "(", "&", "|", "~") or stop.word in ("and", "or"):
        message = f"a point of {a(unit)} is missing: {FORMS[unit]}"
        return stop.error("missing-point", message, expected=(FORMS[unit],))
    if stop.token[0] in "'\"" and reads(unit, fix := stop.token[1:-1]):
        return stop.error("bad-point", f"points have no quotes: {fix}", fix=fix)
    found = reader_error(stop, lambda: read_point(unit, stop.token), stop.start)
    if found is not None and found.code == "dashed-range":
        start = stop.starts[-1]
        return stop.error(found.code, found.message, start, stop.end, found.fix)
    return found


FOLLOWS = re.compile(r"(?<!\S)(?:since|between|after|before|ago|in|at|on|starting)(?!\S)", re.I)


def bad_duration(stop: Stop) -> Diagnostic | None:
    if "DURATION" not in stop.accepts:
        return None
    rest = stop.rest()
    follow = FOLLOWS.search(rest)
    text = rest[: follow.start()].rstrip() if follow else rest
    if stop.previous == "every" and (fix := interval_meant(text)) is not None:
        unit = text.lower()
        more = f", or every 1 {unit}" if unit in UNITS else ""
        end = stop.start + len(text)
        message = f"every takes a duration: {fix}{more}"
        return stop.error("bad-interval", message, stop.starts[-1], end, fix)
    return reader_error(stop, lambda: read_duration(text), stop.start)


def interval_meant(text: str) -> str | None:
    """The cadence that `every …` was meant for."""
    nouns = {unit.value: cadence for unit, cadence in CADENCES.items()}
    if text.lower() in nouns:
        return nouns[text.lower()]
    days = [WEEKDAY_NUMBERS.get(day.strip().lower()) for day in text[:NEARBY].split(",")]
    if all(day is not None for day in days):
        return f"weekly on {', '.join(WEEKDAYS[day] for day in days if day is not None)}"
    if not text.isdigit() and reads(Unit.DAY, text):
        return f"daily at {text}"
    return None


def unfinished_duration(stop: Stop) -> Diagnostic | None:
    """`every 10 min 5`."""
    if not stop.token[:1].isdigit() or not readable(read_duration, stop.previous):
        return None
    return reader_error(stop, lambda: read_duration(stop.token), stop.start)


def bad_cron(stop: Stop) -> Diagnostic | None:
    if "CRON" not in stop.accepts:
        return None
    return reader_error(stop, lambda: read_cron(""), stop.start)


def bad_argument(stop: Stop) -> Diagnostic | None:
    if "ARG_DURATION" not in stop.accepts:
        return None
    what = f"{stop.token!r} is not an argument" if stop.token else "an argument is missing"
    return stop.error("bad-argument", f"{what}: a text in quotes, a number, a duration or a date")


def bad_date(stop: Stop) -> Diagnostic | None:
    if "DATETIME" not in stop.accepts:
        return None
    form = "as in 2026-01-31 or 2026-01-31 10:00"
    text = stop.rest() or stop.token
    if not text or stop.token.lower() in BINARY:
        return stop.error("bad-date", f"a date is missing: {form}")
    return stop.error("bad-date", f"{text!r} is not a date: {form}", end=stop.start + len(text))


def bad_weekday(stop: Stop) -> Diagnostic | None:
    if "WEEKDAY" not in stop.accepts:
        return None
    ends = stop.token.split("-")
    if len(ends) == 2 and all(end.lower() in WEEKDAY_NUMBERS for end in ends):
        fix = f"time of week between {ends[0]} and {ends[1]}"
        message = f"a range of weekdays: {fix}"
        return stop.error("dashed-range", message, stop.starts[-1], stop.end, fix)
    if (days := SEVERAL_DAYS.get(stop.word)) is not None:  # in a list with others
        fix = ", ".join(days)
        return stop.error("bad-point", f"{stop.token!r} in a list is {fix}", fix=fix)
    names = (*(name.title() for name in WEEKDAY_NUMBERS), "weekdays", "weekends")
    near = () if is_keyword(stop.word) else nearest(stop.word, names, 1)
    if near:
        return stop.error("bad-point", f"{stop.token!r} is not a weekday: {near[0]}?", fix=near[0])
    what = f"{stop.token!r} is not a weekday" if stop.token else "a weekday is missing"
    return stop.error("bad-point", f"{what}: {', '.join(WEEKDAYS)}", expected=WEEKDAYS)


def missing_name(stop: Stop) -> Diagnostic | None:
    if stop.accepts not in ({"NAME", "STRING"}, {"NAME", "NUMBER", "STRING"}):
        return None
    if stop.token[:1].isalnum():
        word = re.compile(r"[^\s&|(),]+").match(stop.plain, stop.start)
        assert word is not None
        fix = quoted(word[0])
        return stop.error("quote-name", f"such a name needs quotes: {fix}", end=word.end(), fix=fix)
    before = f" before {stop.token!r}" if stop.token else ""
    return stop.error("missing-name", f"a name is missing{before}: a word, or any text in quotes")


def missing_zone(stop: Stop) -> Diagnostic | None:
    if "ZONE" not in stop.accepts:
        return None
    return stop.error("missing-zone", "a time zone is missing: as in Europe/Dublin or UTC")


def second_zone(stop: Stop) -> Diagnostic | None:
    if stop.word != "in" or not stop.after_operand or "IN" in stop.accepts:
        return None
    return stop.error("second-zone", "a zone is given already: put the first in parentheses")


MISREADINGS: tuple[Callable[[Stop], Diagnostic | None], ...] = (
    bad_point,
    bad_duration,
    unfinished_duration,
    bad_cron,
    bad_argument,
    bad_date,
    bad_weekday,
    missing_name,
    missing_zone,
    second_zone,
)
