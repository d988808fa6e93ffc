"""Hints that need windows: never true, always true, days some months lack, clock changes.

Each hint is its own function from a condition (or one range in it) and a zone to diagnostics;
`lint` joins them. They are exact: what is called never true is so at every instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..conds.diagnostic import Diagnostic, Severity
from ..conds.nodes import (
    All,
    Any,
    Cadence,
    Condition,
    Constant,
    Cron,
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
from ..conds.points import MONTHS, MonthPoint, Point, Unit, YearPoint, clock_text
from .civil import DAY, ERA, MINUTE, SECOND, Segment, Zone
from .civil import zone as zone_of
from .periods import ALWAYS, NEVER, Period, is_window, period_of
from .periods.anchored import clock_of, skips_cycles

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
    known: dict[int, Bounds] = {}
    zones = zones_of(node, zone)
    for part in postorder(node):
        terms = [known[id(term)] for term in part.operands]
        known[id(part)] = bounds_of(part, terms, zones[id(part)])
    return known[id(node)]


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


def never_true(node: Condition, zone: Zone) -> Iterator[Diagnostic]:
    """The parts that no instant makes true; of parts within one another the innermost."""
    zones = zones_of(node, zone)
    parts = list(postorder(node))
    blamed: set[int] = set()
    for part in parts if len(parts) <= MOST_PARTS else [node]:
        if any(id(term) in blamed for term in part.operands):
            blamed.add(id(part))
        elif not has_constant(part) and bounds(part, zones[id(part)]).can.is_empty:
            blamed.add(id(part))
            yield warning("never-true", f"never true: {why_never(part)}", part)


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
    zones = zones_of(node, zone)
    for part in postorder(node):
        here = zones[id(part)]
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
            if fields.any_weekday and not fields.any_day and not fields.last_day:
                if min(fields.days) > 28:
                    yield unreachable(part, MonthPoint(min(fields.days)))
            return
    match part.range:
        case At(points):
            candidates: tuple[Point, ...] = points
        case After(point) | Between(point, _):
            candidates = (point,)
        case _:
            return
    for point in candidates:
        alone = At((point,)) if isinstance(part.range, At) else part.range
        if skips_cycles(part.unit, alone):
            yield unreachable(part, point)


def unreachable(part: Part, point: Point) -> Diagnostic:
    """What to say of a day that is not always there."""
    month = f"{MONTHS[point.month - 1]} " if isinstance(point, YearPoint) else ""
    day = point.day if isinstance(point, YearPoint) else point
    assert isinstance(day, MonthPoint)
    name = month + MonthPoint(day.day, day.weekday).text()
    instead = "L" if isinstance(part.node, (Cron, TimeOfCron)) else month + always_there(day)
    cycle = Unit.YEAR if month else Unit.MONTH
    message = f"some {cycle}s have no {name} and are skipped; every {cycle} has {instead}"
    return warning("unreachable-day", message, part.node)


def always_there(day: MonthPoint) -> str:
    """The day that every month has, and that may be meant."""
    if day.weekday is None:
        return "last" if day.day > 0 else "1st"
    return MonthPoint(-1, day.weekday).text()


# --- clock changes --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changes:
    """The clock times [start, end) that a zone skips, or repeats, on some days; a stretch may
    run over midnight."""

    skipped: tuple[tuple[int, int], ...]
    repeated: tuple[tuple[int, int], ...]


@lru_cache(maxsize=64)
def changes_of(zone: Zone) -> Changes:
    """The changes of a zone by the rules of today."""
    found = list(zone.changes(RULES_START, RULES_END))
    return Changes(
        tuple(sorted({affected(change) for change in found if change.shift > 0})),
        tuple(sorted({affected(change) for change in found if change.shift < 0})),
    )


def affected(change: Segment) -> tuple[int, int]:
    after = change.start + change.offset
    start, end = sorted((after - change.shift, after))
    return start % DAY, start % DAY + end - start


def clock_change(part: Part) -> Iterator[Diagnostic]:
    """Fixed times that some days skip or repeat in the zone."""
    if part.unit in (Unit.SECOND, Unit.MINUTE, Unit.HOUR):
        return
    times = fixed_times(part)
    changes = changes_of(part.zone)
    skipped = [time for time in times if within(time, changes.skipped)]
    repeated = [time for time in times if within(time, changes.repeated)]
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


def fixed_times(part: Part) -> list[int]:
    """The clock times that a range or a cron expression gives, sorted."""
    match part.node:
        case Cron(fields) | TimeOfCron(fields):
            if fields.real_time:
                return []
            minutes = [hour * 60 + minute for hour in fields.hours for minute in fields.minutes]
            return [minute * MINUTE for minute in minutes]
    if part.range is None:
        return []
    times = (clock_of(point) for point, _ in range_ends(part.range))
    return sorted({time % DAY for time in times if time is not None})


def within(time: int, stretches: tuple[tuple[int, int], ...]) -> bool:
    return any(start <= time < end or start <= time + DAY < end for start, end in stretches)


def spelled(times: list[int]) -> str:
    shown = ", ".join(clock_text(time) for time in times[:3])
    return f"{shown} …" if len(times) > 3 else shown


def warning(code: str, message: str, node: Condition) -> Diagnostic:
    return Diagnostic(Severity.WARNING, code, message, node.span)
