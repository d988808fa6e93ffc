"""Hints that need windows: never true, always true, days some months lack, clock changes.

Each hint is its own function from a condition (or one range in it) and a zone to diagnostics;
`lint` joins them. They are exact: what is called never true is so at every instant.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from ..conds.dates import datetime_text, midnight
from ..conds.diagnostic import Diagnostic, Severity
from ..conds.nodes import (
    All,
    Any,
    Cadence,
    Condition,
    Constant,
    Cron,
    Dates,
    Defined,
    Every,
    Has,
    Not,
    Once,
    TimeOf,
    TimeOfCron,
    Zoned,
    postorder,
)
from ..conds.parts import After, At, Between, Range, ThisCycle, range_ends
from ..conds.points import (
    LONG_MONTHS,
    MONTHS,
    CronFields,
    MonthPoint,
    Point,
    Unit,
    YearPoint,
    clock_text,
)
from .civil import DAY, ERA, MINUTE, SECOND, Fold, Gap, Segment, Zone, local_time
from .civil import zone as zone_of
from .periods import ALWAYS, NEVER, Period, is_window, period_of
from .periods.almanac import MONTHS as KINDS_OF_MONTHS
from .periods.anchored import anchored, clock_of, place_of, skipped_cycles
from .periods.cron import cron_windows
from .periods.dial import BEGIN, END, SEAM
from .periods.pattern import Pattern

FEBRUARY = 2
MOST_PARTS = 40  # of a longer condition only the whole is looked at

RULES_START = 1_893_456_000 * SECOND  # 2030-01-01: the rules of today, with nothing irregular
RULES_END = RULES_START + ERA // 14  # and every kind of year


def lint(node: Condition, zone: Zone) -> list[Diagnostic]:
    """What may surprise in the windows of a condition, judged in `zone` where it names none.
    Raises UnknownZoneError for a zone that it names and that does not exist."""
    found = list(never_true(node, zone)) or list(always_true(node, zone))
    for part in ranged_parts(node, zone):
        found += unreachable_day(part)
        found += clock_change(part)
    for dated, here in zoned_parts(node, zone):
        found += dated_change(dated, here)
    return found


# --- never, always --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bounds:
    """The instants at which a condition can be true at all, and those at which it must be."""

    can: Period
    must: Period


ANYTHING = Bounds(can=ALWAYS, must=NEVER)


def bounds(node: Condition, zone: Zone) -> Bounds:
    """What the windows in a condition say of it, whatever the log says."""
    return bounds_of_parts(node, zone)[id(node)]


def bounds_of_parts(node: Condition, zone: Zone) -> dict[int, Bounds]:
    """The same of each part, by its identity."""
    known: dict[int, Bounds] = {}
    for part, here in zoned_parts(node, zone):
        terms = [known[id(term)] for term in part.operands]
        known[id(part)] = bounds_of(part, terms, here)
    return known


def bounds_of(node: Condition, terms: list[Bounds], zone: Zone) -> Bounds:
    match node:
        case _ if is_window(node):
            period = period_of(node, zone)
            return Bounds(period, period)
        case Cadence() | Cron() | Every() | Once():
            return Bounds(period_of(node, zone), NEVER)
        case All():
            return Bounds(
                Period.all_of(term.can for term in terms), Period.all_of(t.must for t in terms)
            )
        case Any():
            return Bounds(
                Period.any_of(term.can for term in terms), Period.any_of(t.must for t in terms)
            )
        case Not():
            return Bounds(~terms[0].must, ~terms[0].can)
        case Zoned() | Defined():
            return terms[0]
        case _:
            return ANYTHING


def zones_of(node: Condition, zone: Zone) -> dict[int, Zone]:
    """The zone that each part is judged in, by its identity."""
    found: dict[int, Zone] = {}
    stack = [(node, zone)]
    while stack:
        part, here = stack.pop()
        found[id(part)] = here
        below = zone_of(part.zone) if isinstance(part, Zoned) else here
        stack += [(term, below) for term in part.operands]
    return found


def zoned_parts(node: Condition, zone: Zone) -> Iterator[tuple[Condition, Zone]]:
    """Each part with the zone that it is judged in, what is within it first."""
    zones = zones_of(node, zone)
    return ((part, zones[id(part)]) for part in postorder(node))


def never_true(node: Condition, zone: Zone) -> Iterator[Diagnostic]:
    """The parts that no instant makes true; of parts within one another the innermost."""
    parts = list(postorder(node))
    never = impossible(parts if len(parts) <= MOST_PARTS else [node], bounds_of_parts(node, zone))
    blamed: set[int] = set()
    for part in parts:
        if any(id(term) in blamed for term in part.operands):
            blamed.add(id(part))
        elif id(part) in never and not has_constant(part):
            blamed.add(id(part))
            yield warning("never-true", f"never true: {why_never(part)}", part)


def impossible(parts: list[Condition], known: dict[int, Bounds]) -> set[int]:
    """Those of the parts, the innermost first, that no instant makes true. What holds at some
    instant makes its terms hold there, if it is all of them."""
    possible: set[int] = set()
    never: set[int] = set()
    for part in reversed(parts):
        if id(part) not in possible and known[id(part)].can.is_empty:
            never.add(id(part))
            continue
        if isinstance(part, All | Zoned | Defined):
            possible.update(map(id, part.operands))
    return never


def why_never(part: Condition) -> str:
    if isinstance(part, All):
        return "these windows have no instant in common"
    return "its windows are empty"


def always_true(node: Condition, zone: Zone) -> Iterator[Diagnostic]:
    """The whole condition, if it is true at every instant, and not because it says so."""
    if not has_constant(node) and bounds(node, zone).must.is_full:
        yield warning("always-true", "always true: its windows leave nothing out", node)


def has_constant(node: Condition) -> bool:
    """Whether `always` or `never` is written in it: then it is meant."""
    return any(isinstance(part, Constant) for part in postorder(node))


# --- ranges ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """One range or cron expression of a condition, and the zone it is judged in."""

    node: Condition
    unit: Unit
    range: Range | None
    zone: Zone


def ranged_parts(node: Condition, zone: Zone) -> Iterator[Part]:
    for part, here in zoned_parts(node, zone):
        match part:
            case TimeOf(unit, range_) | Cadence(unit, range_):
                yield Part(part, unit, range_, here)
            case Has(within=ThisCycle(unit, range_)):
                yield Part(part, unit, range_, here)
            case Every(range=range_):
                yield Part(part, Unit.DAY, range_, here)
            case Cron() | TimeOfCron():
                yield Part(part, Unit.DAY, None, here)


def unreachable_day(part: Part) -> Iterator[Diagnostic]:
    """A day that some months lack, so that they have no window."""
    match part.node:
        case Cron(fields) | TimeOfCron(fields):
            yield from unreachable_match(part, fields)
            return
    match part.range:
        case At(points):
            for point in points:
                yield from skipped_for(part, At((point,)), point)
        case After(point) | Between(point, _):
            yield from skipped_for(part, part.range, point)
        case _:
            return


def unreachable_match(part: Part, fields: CronFields) -> Iterator[Diagnostic]:
    """The same of a cron expression, in the months that it names."""
    if not fields.any_weekday or fields.any_day or fields.last_day:
        return
    first = min(fields.days)
    if not any(month.number in fields.months and month.length < first for month in KINDS_OF_MONTHS):
        return
    if fields.months == (FEBRUARY,):
        yield unreachable(part, YearPoint(FEBRUARY, MonthPoint(first)))
    else:
        yield unreachable(part, MonthPoint(first))


def skipped_for(part: Part, range_: Range, start: Point) -> Iterator[Diagnostic]:
    """What the months or years without a window of a range lack: its start, or else some time
    between its ends."""
    skipped = skipped_cycles(part.unit, range_)
    if not skipped:
        return
    lacking = place_of(part.unit, start).lacking
    if all(cycle & lacking for cycle in skipped):
        yield unreachable(part, start)
    elif isinstance(range_, Between):
        first, last = range_.start.text(part.unit), range_.end.text(part.unit)
        message = f"some {part.unit}s are skipped: nothing lies between {first} and {last} there"
        yield warning("unreachable-day", message, part.node)


def unreachable(part: Part, point: Point) -> Diagnostic:
    """What to say of a day that is not always there."""
    month = f"{MONTHS[point.month - 1]} " if isinstance(point, YearPoint) else ""
    day = point.day if isinstance(point, YearPoint) else point
    assert isinstance(day, MonthPoint)
    name = month + MonthPoint(day.day, day.weekday).text()
    instead = month + MonthPoint(always_there(day).day, day.weekday).text()
    if isinstance(part.node, (Cron, TimeOfCron)):
        instead = f"L in {LONG_MONTHS[point.month - 1]}" if isinstance(point, YearPoint) else "L"
    cycle = Unit.YEAR if month else Unit.MONTH
    message = f"some {cycle}s have no {name} and are skipped; every {cycle} has {instead}"
    return warning("unreachable-day", message, part.node, mended(part, point))


def always_there(day: MonthPoint) -> MonthPoint:
    """The day that every month has, and that may be meant."""
    number = 1 if day.weekday is None and day.day < 0 else -1
    return MonthPoint(number, day.weekday, day.clock)


def mended(part: Part, point: Point) -> str | None:
    """The atom with the day that is always there, where it names single days."""
    if not isinstance(part.node, TimeOf | Cadence) or not isinstance(part.range, At):
        return None
    if isinstance(point, YearPoint):
        assert point.day is not None
        instead: Point = YearPoint(point.month, always_there(point.day))
    else:
        assert isinstance(point, MonthPoint)
        instead = always_there(point)
    points = tuple(instead if each == point else each for each in part.range.points)
    return str(replace(part.node, range=At(points)))


# --- clock changes --------------------------------------------------------------------------


Stretch = tuple[int, int]
STARTS = frozenset((BEGIN, SEAM))
EDGES = STARTS | {END}


@dataclass(frozen=True, slots=True)
class Changes:
    """The local times [start, end) that a zone skips, or repeats; a stretch may run over
    midnight."""

    skipped: tuple[Stretch, ...]
    repeated: tuple[Stretch, ...]


@lru_cache(maxsize=64)
def changes_of(zone: Zone) -> Changes:
    """The changes of a zone by the rules of today."""
    found = list(zone.changes(RULES_START, RULES_END))
    return Changes(
        tuple(affected(change) for change in found if change.shift > 0),
        tuple(affected(change) for change in found if change.shift < 0),
    )


def affected(change: Segment) -> Stretch:
    after = change.start + change.offset
    start, end = sorted((after - change.shift, after))
    return start, end


def clock_change(part: Part) -> Iterator[Diagnostic]:
    """Fixed times of its windows that some days skip or repeat in the zone."""
    if part.unit in (Unit.SECOND, Unit.MINUTE, Unit.HOUR):
        return
    times = fixed_times(part)
    changes = changes_of(part.zone)
    edges = STARTS if isinstance(part.range, At) else EDGES  # the end of `at T` is nobody's time
    skipped = times_within(times, changes.skipped, edges)
    repeated = times_within(times, changes.repeated, edges)
    name = part.zone.name
    if skipped:
        yield warning(
            "skipped-time",
            f"{spelled(skipped)} is skipped on some days in {name}, when clocks go forward: "
            "there the end of the skipped hour counts instead",
            part.node,
        )
    if repeated:
        yield warning(
            "repeated-time",
            f"{spelled(repeated)} comes twice on some days in {name}, when clocks go back: "
            "there only the first counts",
            part.node,
        )


def fixed_times(part: Part) -> dict[int, Pattern]:
    """The clock times that a range or a cron expression gives, in order, and the windows that
    begin or end there."""
    match part.node:
        case Cron(fields) | TimeOfCron(fields):
            if fields.real_time:
                return {}
            found = cron_windows(fields)
            second = 0 if fields.seconds is None else fields.seconds[0] * SECOND
            minutes = [hour * 60 + minute for hour in fields.hours for minute in fields.minutes]
            return {minute * MINUTE + second: found for minute in minutes}
    times: dict[int, Pattern] = {}
    for point, _ in () if part.range is None else range_ends(part.range):
        time = clock_of(point)
        if time is not None:
            alone = At((point,)) if isinstance(part.range, At) else part.range
            found = anchored(part.unit, alone)
            times[time % DAY] = found | times[time % DAY] if time % DAY in times else found
    return dict(sorted(times.items()))


def times_within(
    times: dict[int, Pattern], stretches: tuple[Stretch, ...], edges: frozenset[int]
) -> list[int]:
    """The times that lie in a stretch on a day on which their windows have such an edge then."""
    found: set[int] = set()
    clocks = sorted(times)
    for start, end in stretches:
        for day in range(start // DAY, (end - 1) // DAY + 1):
            first = bisect_left(clocks, start - day * DAY)
            last = bisect_left(clocks, end - day * DAY)
            found.update(t for t in clocks[first:last] if times[t].value(day * DAY + t) in edges)
    return sorted(found)


def dated_change(node: Condition, zone: Zone) -> Iterator[Diagnostic]:
    """Datetimes that the zone skips or repeats; a midnight that stands for a day aside."""
    match node:
        case Once(at):
            moments = [at]
        case Dates(start, end):
            ends = (start, end)
            moments = [one for one in ends if one is not None and not midnight(one)]
        case _:
            return
    meant = {datetime_text(one, False): zone.resolve(local_time(one)) for one in moments}
    skipped = [text for text, local in meant.items() if isinstance(local, Gap)]
    repeated = [text for text, local in meant.items() if isinstance(local, Fold)]
    if skipped:
        message = f"{', '.join(skipped)} is skipped in {zone.name}, where clocks go forward then"
        yield warning("skipped-time", f"{message}: the end of the skipped hour counts", node)
    if repeated:
        message = f"{', '.join(repeated)} comes twice in {zone.name}, where clocks go back then"
        yield warning("repeated-time", f"{message}: only the first counts", node)


def spelled(times: list[int]) -> str:
    shown = ", ".join(clock_text(time) for time in times[:3])
    return f"{shown} …" if len(times) > 3 else shown


def warning(code: str, message: str, node: Condition, fix: str | None = None) -> Diagnostic:
    return Diagnostic(Severity.WARNING, code, message, node.span, (), fix)
