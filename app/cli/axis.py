"""The time axis of a chart: which local times get a tick, and how they are named.

Ticks are round times of the wall clock, placed where they are on the line of real time: on a day
of 23 hours they are nearer together by one. What fits decides how fine they are, so one rule
serves a terminal of forty columns and a picture, seconds and centuries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import assert_never

from ...conds.durations import DAY, HOUR, MINUTE, SECOND
from ...conds.points import LONG_MONTHS, MONTHS, WEEKDAYS, clock_text
from ...engine.civil import Zone

EPOCH = date(1970, 1, 1)
FIRST_DAY, LAST_DAY = (date.min - EPOCH).days, (date.max - EPOCH).days


class Pace(Enum):
    """What the steps of an axis count."""

    CLOCK = "clock"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Step:
    """The distance of two ticks: `size` of the pace, of a clock in microseconds. `length` is
    about how long that is."""

    pace: Pace
    size: int
    length: int


CLOCK_SIZES = (
    *(n * SECOND for n in (1, 5, 15, 30)),
    *(n * MINUTE for n in (1, 5, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
)
YEAR = 365 * DAY
STEPS = (
    *(Step(Pace.CLOCK, size, size) for size in CLOCK_SIZES),
    Step(Pace.DAY, 1, DAY),
    Step(Pace.WEEK, 1, 7 * DAY),
    *(Step(Pace.MONTH, n, n * 30 * DAY) for n in (1, 3, 6)),
    *(Step(Pace.YEAR, n, n * YEAR) for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)),
)


@dataclass(frozen=True, slots=True)
class Tick:
    """An instant, and its names from the longest to the shortest; empty where it has none."""

    at: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """The ticks of [start, end), and the headings above them: the day of hours, the month of
    days, the year of months. The first heading is at `start`."""

    ticks: tuple[Tick, ...]
    headings: tuple[Tick, ...]


def axis_of(start: int, end: int, zone: Zone, room: float) -> Axis:
    """The axis of [start, end) that has room for that many characters side by side."""
    step = fitting_step(end - start, room)
    ticks = tuple(Tick(at, tick_names(step, local)) for at, local in steps(step, start, end, zone))
    return Axis(ticks, tuple(headings(step, start, end, zone)))


def fitting_step(length: int, room: float) -> Step:
    """The finest step whose shortest names leave two blanks between them."""
    for step in STEPS:
        if room * step.length / length >= len(tick_names(step, 0)[-1]) + 2:
            return step
    return STEPS[-1]


def steps(step: Step, start: int, end: int, zone: Zone) -> Iterator[tuple[int, int]]:
    """The ticks of [start, end): their instants and local times, in order. A time that is skipped
    has none, one that comes twice is the first."""
    latest = start - 1
    for local in local_steps(step, start + zone.offset(start) - DAY, end + zone.offset(end) + DAY):
        at = zone.boundary(local)
        if at >= end:
            return
        if at > latest and at + zone.offset(at) == local:
            latest = at
            yield at, local


def local_steps(step: Step, start: int, end: int) -> Iterator[int]:
    """The round local times of [start, end)."""
    match step.pace:
        case Pace.CLOCK:
            yield from range(-(-start // step.size) * step.size, end, step.size)
        case Pace.DAY:
            yield from range(-(-start // DAY) * DAY, end, DAY)
        case Pace.WEEK:  # the epoch was a Thursday
            first = -(-(start // DAY - 4) // 7) * 7 + 4
            yield from range(first * DAY, end, 7 * DAY)
        case Pace.MONTH | Pace.YEAR:
            size = step.size * (12 if step.pace is Pace.YEAR else 1)
            month = months_of(start // DAY) // size * size
            while month < 12 * 9999 and (local := first_of(month) * DAY) < end:
                yield local
                month += size
        case _:
            assert_never(step.pace)


def day_of(day: int) -> date:
    """A local day, from 1970-01-01; what a date cannot say is the nearest that it can."""
    return EPOCH + timedelta(days=max(FIRST_DAY, min(day, LAST_DAY)))


def months_of(day: int) -> int:
    """The number of the month of a day; January of the year 0 would be 0."""
    found = day_of(day)
    return 12 * found.year + found.month - 1


def first_of(month: int) -> int:
    """The first day of a month."""
    month = max(month, 12)
    return (date(month // 12, month % 12 + 1, 1) - EPOCH).days


# --- names ----------------------------------------------------------------------------------


def tick_names(step: Step, local: int) -> tuple[str, ...]:
    found = day_of(local // DAY)
    match step.pace:
        case Pace.CLOCK if step.size >= HOUR:
            return clock_text(local % DAY), clock_text(local % DAY)[:2]
        case Pace.CLOCK if step.size >= MINUTE:
            return (clock_text(local % DAY),)
        case Pace.CLOCK:
            clock = clock_text(local % DAY)
            return (clock if len(clock) > 5 else f"{clock}:00",)
        case Pace.DAY | Pace.WEEK:
            return f"{WEEKDAYS[found.weekday()]} {found.day}", f"{found.day:2}"
        case Pace.MONTH:
            return (MONTHS[found.month - 1],)
        case Pace.YEAR:
            return (f"{found.year}",)
        case _:
            assert_never(step.pace)


ABOVE = {Pace.CLOCK: Pace.DAY, Pace.DAY: Pace.MONTH, Pace.WEEK: Pace.MONTH, Pace.MONTH: Pace.YEAR}


def headings(step: Step, start: int, end: int, zone: Zone) -> Iterator[Tick]:
    """The longer cycle of each tick: where it begins, and for the first one where the axis does."""
    pace = ABOVE.get(step.pace)
    if pace is None:
        return
    first = start + zone.offset(start)
    yield Tick(start, heading_names(pace, first))
    for at, local in steps(Step(pace, 1, DAY), start, end, zone):
        if at > start:
            yield Tick(at, heading_names(pace, local))


def heading_names(pace: Pace, local: int) -> tuple[str, ...]:
    found = day_of(local // DAY)
    day = f"{WEEKDAYS[found.weekday()]} {found.day}"
    month = MONTHS[found.month - 1]
    if pace is Pace.DAY:
        return f"{day} {month} {found.year}", f"{day} {month}", day, str(found.day)
    if pace is Pace.MONTH:
        return f"{LONG_MONTHS[found.month - 1]} {found.year}", f"{month} {found.year}", month
    return (str(found.year),)


# --- placing --------------------------------------------------------------------------------


def placed(
    ticks: Sequence[Tick], places: Sequence[float], end: float, gap: float
) -> list[tuple[float, str]]:
    """The names that fit side by side, each with its place; `places` are those of the ticks and
    `end` the end of the axis, in characters, and `gap` is left between two names.

    All names are of the same kind, the longest that fits between every two ticks (the pieces at
    the beginning and the end aside), or shorter. What still does not fit is left out."""
    if not ticks:
        return []
    distances = [after - place for place, after in zip(places, [*places[1:], end], strict=True)]
    whole = distances[1:-1] or distances
    kinds = min(len(tick.names) for tick in ticks)
    kind = next((k for k in range(kinds) if fits(ticks, whole, k, gap)), kinds - 1)
    found: list[tuple[float, str]] = []
    limit = end
    for place, tick in sorted(zip(places, ticks, strict=True), key=lambda p: -p[0]):
        for name in tick.names[kind:]:
            if place + len(name) <= limit:
                found.append((place, name))
                limit = place - gap
                break
    return found[::-1]


def fits(ticks: Sequence[Tick], distances: Sequence[float], kind: int, gap: float) -> bool:
    longest = max(len(tick.names[kind]) for tick in ticks)
    return longest + gap <= min(distances)
