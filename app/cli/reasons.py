"""Why a window that one would expect does not come, or comes at another time.

Two things interfere: the calendar (a month without a 31st) and the changes of a zone's offset (a
02:30 that a day does not have, or has twice). Neither is a list of known cases. The calendar's are
read off the almanac: a month in which no window of the pattern begins. The zone's are found by
laying out the same condition on a wall clock that never changes, and asking the zone what the
times near each of its changes mean: what is not where it was laid out is what there is to explain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from functools import lru_cache, reduce
from itertools import islice
from operator import or_
from typing import assert_never

from ...conds import nodes
from ...conds.dates import datetime_text
from ...conds.parts import After, At, Before, Between, Range, Starting
from ...conds.points import (
    LONG_MONTHS,
    WEEKDAYS,
    CronFields,
    MonthPoint,
    Point,
    Unit,
    YearPoint,
    clock_text,
)
from ...engine.civil import DAY, Segment, Zone, to_datetime
from ...engine.civil import zone as zone_of
from ...engine.lint import bounds, zones_of
from ...engine.periods import Period, almanac
from ...engine.periods.anchored import anchored, day_number
from ...engine.periods.cron import matching_days
from ...engine.periods.dial import ANY_START, marks
from .timepart import mapped, windows_of

EPOCH = date(1970, 1, 1)
LAST_DAY = (date(9999, 11, 30) - EPOCH).days
YEAR = 366 * DAY
REACH = 2 * DAY  # no change of offset moves a window farther
MOST_TIMES = 3  # of one change that are named; more are "…"
LAID_OUT = zone_of("UTC")
TRUE = nodes.Constant(True)
ALL_MONTHS = tuple(range(1, 13))

TIMED = (
    nodes.TimeOf,
    nodes.TimeOfCron,
    nodes.OnWeekdays,
    nodes.Dates,
    nodes.Cadence,
    nodes.Every,
    nodes.Cron,
    nodes.Once,
)


class Effect(Enum):
    """What became of a window: it did not come; or it begins, or ends, at another time."""

    SKIPPED = "skipped"
    BEGINS = "begins"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Reason:
    """What became of a window at the instant `at`, and why."""

    at: int
    text: str
    effect: Effect


def reasons(node: nodes.Condition, zone: Zone, start: int, end: int) -> list[Reason]:
    """All that there is to explain in the windows of a condition in [start, end], in order;
    `zone` is that of what names none itself."""
    found = set(calendar_reasons(node, zone, start, end))
    for part, home in uniform_parts(node, zone):
        where = "" if home is zone else f" in {home.name}"
        found.update(clock_reasons(part, home, start, end, where))
    return sorted(
        (reason for reason in found if start <= reason.at <= end),
        key=lambda reason: (reason.at, reason.text),
    )


# --- changes of offset ----------------------------------------------------------------------


def uniform_parts(node: nodes.Condition, zone: Zone) -> Iterator[tuple[nodes.Condition, Zone]]:
    """The largest parts that are judged in one zone only, and that zone."""
    homes = zones_of(node, zone)
    names: dict[int, set[Zone]] = {}
    for part in nodes.postorder(node):
        below = [names[id(term)] for term in part.operands]
        own = {homes[id(part)]} if isinstance(part, TIMED) else set()
        names[id(part)] = own.union(*below)
    stack = [node]
    while stack:
        part = stack.pop()
        if len(names[id(part)]) == 1:
            (home,) = names[id(part)]
            yield part, home
        elif names[id(part)]:
            stack += part.operands


def clock_reasons(
    node: nodes.Condition, zone: Zone, start: int, end: int, where: str
) -> Iterator[Reason]:
    """What the changes of offset in [start, end] did to the windows of a condition, all of which
    is judged in `zone`; `where` says so in words, if it is not the zone that was asked for."""
    if zone.fixed:
        return
    real, _ = windows_of(node, zone)
    planned, _ = windows_of(mapped(node, lambda atom: atom, zones=False), LAID_OUT)
    for change in changes_near(planned, zone, start - REACH, end + REACH):
        look = skipped_times if change.shift > 0 else repeated_times
        yield from look(change, planned, real, where)


def changes_near(planned: Period, zone: Zone, start: int, end: int) -> Iterator[Segment]:
    """The changes of offset, year by year, of the years that have a planned window."""
    while start < end:
        window = planned.window_from(start)
        if window is None:
            return
        start = max(start, window.start - REACH)
        yield from zone.changes(start, min(end, start + YEAR))
        start += YEAR


def skipped_times(change: Segment, planned: Period, real: Period, where: str) -> Iterator[Reason]:
    """The clock jumps from the local time `low` on to `high`."""
    high = change.start + change.offset
    low = high - change.shift
    far = "" if low // DAY == high // DAY else f"{day_text(high)} "
    jump = f"on {day_text(low)}{where}: clocks go from {clock(low)} to {far}{clock(high)}"
    begins = starts_in(planned, low, high)
    if begins:
        moved = change.start in starts_in(real, change.start, change.start + 1)
        taken = high in starts_in(planned, high, high + 1)  # by the window that belongs there
        effect = Effect.BEGINS if moved and not taken else Effect.SKIPPED
        verb = "does" if len(begins) == 1 else "do"
        yield Reason(change.start, f"{times_text(begins)} {verb} not exist {jump}", effect)
    window = planned.window_from(low)
    if window is not None and window.start < low < window.end < high:
        yield Reason(change.start, f"{clock(window.end)} does not exist {jump}", Effect.ENDS)


def repeated_times(change: Segment, planned: Period, real: Period, where: str) -> Iterator[Reason]:
    """The clock goes back from the local time `high` to `low`: [low, high) comes twice."""
    low = change.start + change.offset
    high = low - change.shift
    before = change.offset - change.shift  # the offset of the first pass
    day = f"on {day_text(low)}{where}"
    back = f"clocks go back from {clock(high)} to {clock(low)}"
    begins = starts_in(planned, low, high)
    again = starts_in(real, change.start, change.start + high - low)
    if begins and again:
        yield Reason(again[0], f"{clock(low)} comes a second time {day}: {back}", Effect.BEGINS)
        return
    for local in begins[:MOST_TIMES]:
        text = f"{clock(local)} comes twice {day}, and the first counts: {back}"
        yield Reason(local - before, text, Effect.BEGINS)
    window = planned.window_from(low - 1)
    if window is not None and window.start < low <= window.end < high:
        text = f"{clock(window.end)} comes twice {day}, and the first counts: {back}"
        yield Reason(window.end - before, text, Effect.ENDS)


def starts_in(period: Period, start: int, end: int) -> list[int]:
    """Where windows begin in [start, end); no more of them than need to be told apart."""
    begins = (window.start for window in islice(period.windows_from(start), MOST_TIMES + 2))
    return [t for t in begins if start <= t < end]


def times_text(local: list[int]) -> str:
    shown = ", ".join(clock(t) for t in local[:MOST_TIMES])
    return f"{shown} …" if len(local) > MOST_TIMES else shown


def clock(local: int) -> str:
    return clock_text(local % DAY)


def day_text(local: int) -> str:
    moment = to_datetime(local, LAID_OUT)
    assert moment is not None
    return f"{WEEKDAYS[moment.weekday()]} {datetime_text(moment, True)}"


# --- the calendar ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Calendar:
    """One month of one year: `first` is its first local day, from 1970-01-01."""

    year: int
    first: int
    month: almanac.Month

    def __str__(self) -> str:
        return f"{LONG_MONTHS[self.month.number - 1]} {self.year}"

    @property
    def end(self) -> int:
        """The local day after its last."""
        return self.first + self.month.length

    @property
    def days(self) -> int:
        """Its days, as a set of the almanac."""
        return self.month.days(1, self.month.length)

    def lacks(self, day: MonthPoint) -> str | None:
        """How it lacks that day, in words; None if it has it."""
        if day_number(day.day, day.weekday, self.month) is not None:
            return None
        if day.weekday is None:
            name = MonthPoint(day.day).text()
            return f"no {name}: {self} has {self.month.length} days"
        return f"{self} has no {MonthPoint(day.day, day.weekday).text()}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a range or a cron expression asks of each of some `months`: windows begin on the day
    `start` and end on the day `end`, where it names them. `begins` is the almanac's set of the
    days on which windows do begin."""

    months: tuple[int, ...]
    begins: int
    start: MonthPoint | None
    end: MonthPoint | None = None

    def broken_in(self, month: Calendar) -> Iterator[tuple[Effect, str]]:
        """What a month that lacks a day made of the window."""
        if month.month.number not in self.months:
            return
        begins_here = bool(self.begins & month.days)
        if self.start is not None:
            lacks = month.lacks(self.start)
            if lacks:
                late = self.begins & almanac.day_after(month.days) & ~month.days
                yield Effect.BEGINS if late else Effect.SKIPPED, lacks
            elif not begins_here and self.end is not None:
                order = f"the {self.end.text()} is before the {self.start.text()}"
                yield Effect.SKIPPED, f"no window in {month}: {order}"
        if self.end is not None and begins_here:
            lacks = month.lacks(self.end)
            if lacks:
                yield Effect.ENDS, lacks


def calendar_reasons(node: nodes.Condition, zone: Zone, start: int, end: int) -> Iterator[Reason]:
    """The months in [start, end] that lack a day, and what that did to the windows."""
    homes = zones_of(node, zone)
    for atom in upright_atoms(node):
        rules = rules_of(atom)
        if not rules:
            continue
        home = homes[id(atom)]
        others = without(node, atom)
        for month in months(bounds(others, zone).can, home, start, end):
            at = home.boundary(month.end * DAY)
            for rule in rules:
                yield from (Reason(at, text, effect) for effect, text in rule.broken_in(month))


def upright_atoms(node: nodes.Condition) -> list[nodes.Condition]:
    """The atoms that are not under a *not*: their windows are wanted, not ruled out."""
    found, stack = [], [node]
    while stack:
        part = stack.pop()
        if not part.operands:
            found.append(part)
        elif not isinstance(part, nodes.Not):
            stack += part.operands
    return found


def without(node: nodes.Condition, atom: nodes.Condition) -> nodes.Condition:
    """The condition with one of its atoms taken as true."""
    return mapped(node, lambda part: TRUE if part is atom else part)


def months(others: Period, zone: Zone, start: int, end: int) -> Iterator[Calendar]:
    """The months of [start, end] in which the rest of the condition can hold."""
    while start <= end:
        window = others.window_from(start)
        if window is None or max(start, window.start) > end:
            return
        start = max(start, window.start)
        day = (start + zone.offset(start)) // DAY
        if day > LAST_DAY:
            return
        found = calendar_of(day)
        yield found
        start = max(start + 1, zone.boundary(found.end * DAY))


def calendar_of(day: int) -> Calendar:
    """The month of a local day."""
    found = EPOCH + timedelta(days=day)
    kind = 7 * almanac.is_leap(found.year) + date(found.year, 1, 1).weekday()
    month = almanac.MONTHS[12 * kind + found.month - 1]
    return Calendar(found.year, day - found.day + 1, month)


@lru_cache(maxsize=256)
def rules_of(atom: nodes.Condition) -> tuple[Rule, ...]:
    """The rules of an atom that speak of days of months."""
    match atom:
        case nodes.TimeOf(unit, range_) | nodes.Cadence(unit, range_):
            if unit in (Unit.MONTH, Unit.YEAR) and range_ is not None:
                return tuple(range_rules(unit, range_))
        case nodes.Cron(fields) | nodes.TimeOfCron(fields):
            return tuple(cron_rules(fields))
    return ()


def range_rules(unit: Unit, range_: Range) -> Iterator[Rule]:
    match range_:
        case At(points):
            for point in points:
                yield range_rule(unit, At((point,)), point, None)
        case After(start) | Starting(start):
            yield range_rule(unit, range_, start, None)
        case Before(end):
            yield range_rule(unit, range_, None, end)
        case Between(start, end):
            yield range_rule(unit, range_, start, end)
        case _:
            assert_never(range_)


def range_rule(unit: Unit, range_: Range, start: Point | None, end: Point | None) -> Rule:
    """An end in another month than the start has nothing to do with its days."""
    begins = reduce(or_, (m for m, tree in anchored(unit, range_).parts if marks(tree) & ANY_START))
    month, first = day_of(start)
    end_month, last = day_of(end)
    if start is None:
        month = end_month
    elif end_month != month:
        last = None
    return Rule(ALL_MONTHS if month is None else (month,), begins, first, last)


def day_of(point: Point | None) -> tuple[int | None, MonthPoint | None]:
    """The month, if it names one, and the day that a point of a month or a year names."""
    match point:
        case MonthPoint():
            return None, point
        case YearPoint(month, day):
            return month, day
        case _:
            return None, None


def cron_rules(fields: CronFields) -> Iterator[Rule]:
    """The day without which a month has no match."""
    if fields.any_weekday and not fields.any_day and not fields.last_day:
        yield Rule(fields.months, matching_days(fields), MonthPoint(min(fields.days)))
    elif fields.any_day and not fields.weekdays and fields.nth_weekdays:
        weekday, nth = min(fields.nth_weekdays, key=lambda nth: nth[1])
        yield Rule(fields.months, matching_days(fields), MonthPoint(nth, weekday))
