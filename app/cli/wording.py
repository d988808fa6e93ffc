"""Instants, windows and distances in words, and the lines and colours they come in."""

from __future__ import annotations

from datetime import datetime, timedelta
from textwrap import wrap

from ...conds.dates import datetime_text, midnight
from ...conds.diagnostic import printable
from ...conds.durations import DAY, HOUR, MINUTE, SECOND
from ...conds.points import WEEKDAYS
from ...engine.civil import BEGINNING, FOREVER, Zone, to_datetime

TOO_EARLY, TOO_LATE = "before the year 1", "after the year 9999"
OUTCOMES = {"success": "green", "fail": "red", "crash": "red", "terminate": "yellow"}
"""Colours."""
UNITS = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"))


def local(instant: int, zone: Zone) -> datetime | None:
    """The instant as a datetime; None for no bound, or where datetimes cannot say it."""
    return None if instant in (BEGINNING, FOREVER) else to_datetime(instant, zone)


def moment_text(instant: int, zone: Zone) -> str:
    """`Tue 2026-03-10 10:00 +01:00`."""
    moment = local(instant, zone)
    if moment is None:
        return TOO_EARLY if instant < 0 else TOO_LATE
    return f"{dated(moment)} {offset(moment)}"


def dated(moment: datetime) -> str:
    return f"{WEEKDAYS[moment.weekday()]} {datetime_text(moment, False)}"


def offset(moment: datetime) -> str:
    """How far the wall clock is ahead of UTC: `+01:00`, with seconds only where there are any."""
    return moment.isoformat(timespec="microseconds")[26:]


def window_text(start: int, end: int, zone: Zone) -> str:
    """`Tue 2026-03-10 10:00 +01:00 to 14:00`; the end has its date where that is another, and
    its offset where that is."""
    first, last = local(start, zone), local(end, zone)
    if first is None and last is None:
        return "at any time" if start < 0 < end else moment_text(start, zone)
    if first is None:
        return f"until {moment_text(end, zone)}"
    if last is None:
        since = moment_text(start, zone)
        return f"from {since} on" if end == FOREVER else f"{since} to {TOO_LATE}"
    changed = "" if last.utcoffset() == first.utcoffset() else f" {offset(last)}"
    return f"{dated(first)} {offset(first)} to {end_text(first, last)}{changed}"


def end_text(first: datetime, last: datetime) -> str:
    """An end as short as its start allows."""
    if last.date() == first.date():
        return datetime_text(last, False).split()[1]
    if midnight(last) and last.date() == first.date() + timedelta(days=1):
        return "24:00"
    return dated(last)


def remaining(start: int, end: int, now: int) -> str:
    """How far off a window is that ends after `now`."""
    if now < start:
        return f"in {distance(start - now)}"
    return "open" if end == FOREVER else f"open, {distance(end - now)} left"


def distance(microseconds: int) -> str:
    """Elapsed time in its two largest units: `1 day 2 hours`."""
    for i, (size, name) in enumerate(UNITS):
        if microseconds >= size:
            count, rest = divmod(microseconds, size)
            smaller, less = UNITS[i + 1] if i + 1 < len(UNITS) else (SECOND, "")
            text = counted(count, name)
            return f"{text} {counted(rest // smaller, less)}" if rest >= smaller else text
    return "less than a second"


def counted(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def wrapped(text: str, width: int, indent: str) -> list[str]:
    """The text in lines of that width; the lines after the first are a little further in."""
    return wrap(
        printable(text),
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )
