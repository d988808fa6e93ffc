"""Names of time zones: which are known, and which are near a name that is not.

A zone is an IANA name, or a name that `dateutil` reads by itself, such as `UTC+12` (which is
east). A name is never used as a path: no absolute one, no dots, none of the database's own files.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from .diagnostic import nearest
from .reading import ReadError

IANA = re.compile(r"[A-Za-z_][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
NOT_ZONES = ("posix/", "right/", "localtime", "posixrules", "Factory")
OFFSET = re.compile(  # an abbreviation and hours, then maybe a summer time and its rules
    r"[A-Za-z]{3,}[+-]?[0-9]{1,4}(?::[0-9]{2})*"
    r"(?:[A-Za-z]{3,}(?:[+-]?[0-9:]+)?(?:,[A-Za-z0-9,/.:+-]*)?)?"
)
LONGEST = 64


@lru_cache(maxsize=256)
def is_zone(name: str) -> bool:
    """Whether `name` is the name of a zone."""
    return len(name) <= LONGEST and (is_iana(name) or is_offset(name))


def is_iana(name: str) -> bool:
    """Whether the IANA database has `name`."""
    from zoneinfo import ZoneInfo

    if IANA.fullmatch(name) is None or name.startswith(NOT_ZONES):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def is_offset(name: str) -> bool:
    """Whether `dateutil` reads `name` as a rule of its own, such as `UTC+12` or `EST5EDT`."""
    if OFFSET.fullmatch(name) is None:
        return False
    from dateutil.tz import tzstr

    try:
        rule = tzstr(name)
        for month in (1, 7):  # an offset of a day or more is refused here
            datetime(2000, month, 1, tzinfo=rule).utcoffset()
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False
    return True


def check_zone(name: str) -> None:
    """Raise ReadError, with the nearest name as the fix, for a name that is no zone."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is not the name of a zone: give text, such as 'Europe/Dublin'")
    if is_zone(name):
        return
    near = near_zones(name)
    message = f"unknown time zone {name!r}"
    raise ReadError(
        f"{message}: {near[0]}?" if near else f"{message}: as in Europe/Dublin or UTC",
        name,
        fix=near[0] if near else None,
        code="unknown-zone",
    )


def near_zones(name: str) -> tuple[str, ...]:
    """Zones whose whole name, or whose city, looks like `name`."""
    from zoneinfo import available_timezones

    zones = sorted(zone for zone in available_timezones() if not zone.startswith(NOT_ZONES))
    same_city = [zone for zone in zones if zone.rpartition("/")[2].lower() == name.lower()]
    if same_city:
        return tuple(same_city[:3])
    folded = [zone for zone in zones if zone.lower() == name.lower()]
    return tuple(folded[:1]) or nearest(name, zones)
