"""Nodes to periods."""

from __future__ import annotations

from functools import lru_cache

from ...conds.nodes import (
    All,
    Any,
    Cadence,
    Condition,
    Constant,
    Cron,
    Dates,
    Defined,
    Every,
    Not,
    Once,
    OnWeekdays,
    TimeOf,
    TimeOfCron,
    Zoned,
    postorder,
)
from ...conds.parts import Range, ThisCycle
from ...conds.points import CronFields, Unit, WeekPoint
from ..civil import Zone
from ..civil import zone as zone_of
from . import algebra
from .algebra import OPPOSITE_OF_ONE, Expression, Leaf, Operation, Operator, Rule, Step
from .anchored import anchored, at_points
from .cron import cron_windows
from .period import Period
from .spans import span_of

WINDOWS = (TimeOf, TimeOfCron, OnWeekdays, Dates, Constant, All, Any, Not, Zoned, Defined)
CLOCK_UNITS = (Unit.SECOND, Unit.MINUTE, Unit.HOUR)


@lru_cache(maxsize=4096)
def period_of(node: Condition | ThisCycle, zone: Zone) -> Period:
    """The period that a window, a cadence, a span of the current cycle, or a boolean combination
    of them denotes; `zone` is that of what names none itself.

    A cadence's is what it runs once in the windows of: of `every D` the hours it is confined to,
    of `once at X` all that follows X. Raises ValueError for a condition that is not about time
    alone, and UnknownZoneError.
    """
    return Period(expression_of(node, zone))


@lru_cache(maxsize=4096)
def is_window(node: Condition) -> bool:
    """Whether a condition knows nothing of runs: a window, or a combination of windows."""
    return all(isinstance(part, WINDOWS) for part in postorder(node))


def expression_of(node: Condition | ThisCycle, zone: Zone) -> Expression:
    steps: list[Step] = []
    stack: list[tuple[Condition | ThisCycle | Operation, Zone]] = [(node, zone)]
    while stack:
        part, here = stack.pop()
        match part:
            case Operation():
                steps.append(part)
            case Zoned(term, name):
                stack.append((term, zone_of(name)))
            case Defined(_, term):
                stack.append((term, here))
            case All(terms) | Any(terms):
                operator = Operator.BOTH if isinstance(part, All) else Operator.EITHER
                stack.append((Operation(operator, len(terms)), here))
                stack.extend((term, here) for term in terms)
            case Not(term):
                stack += [(OPPOSITE_OF_ONE, here), (term, here)]
            case _:
                steps.append(step_of(part, here))
    return tuple(steps)


def step_of(node: Condition | ThisCycle, zone: Zone) -> Step:
    """What an atom denotes."""
    match node:
        case Constant(value):
            return algebra.Constant(value)
        case TimeOf(unit, range) | Cadence(unit, range) | ThisCycle(unit, range):
            return anchored_leaf(unit, range, zone)
        case TimeOfCron(fields) | Cron(fields):
            return cron_leaf(fields, zone)
        case OnWeekdays(days):
            return weekday_leaf(days, zone)
        case Dates(start, end, end_is_date):
            return span_of(start, end, end_is_date, zone)
        case Every(range=range):
            return algebra.Constant(True) if range is None else anchored_leaf(Unit.DAY, range, zone)
        case Once(at):
            return span_of(at, None, False, zone)
        case _:
            kind = type(node).__name__
            raise ValueError(f"{kind} has no windows: it depends on more than the time")


@lru_cache(maxsize=4096)
def anchored_leaf(unit: Unit, range: Range | None, zone: Zone) -> Leaf:
    rule = Rule.REAL if unit in CLOCK_UNITS else Rule.WALL
    return Leaf(zone, rule, anchored(unit, range))


@lru_cache(maxsize=4096)
def cron_leaf(fields: CronFields, zone: Zone) -> Leaf:
    rule = Rule.REAL if fields.real_time else Rule.CRON
    return Leaf(zone, rule, cron_windows(fields))


@lru_cache(maxsize=256)
def weekday_leaf(days: tuple[int, ...], zone: Zone) -> Leaf:
    return Leaf(zone, Rule.WALL, at_points(Unit.WEEK, tuple(map(WeekPoint, days))))
