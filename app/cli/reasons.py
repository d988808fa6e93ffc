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
from datetime import date
from itertools import islice

from ...conds import nodes
from ...conds.dates import datetime_text
from ...conds.points import (
    WEEKDAYS,
    clock_text,
)
from ...engine.civil import DAY, Segment, Zone, to_datetime
from ...engine.civil import zone as zone_of
from ...engine.lint import bounds, zones_of
from ...engine.periods import Period
from .timepart import mapped, windows_of

EPOCH = date(1970, 1, 1)
LAST_DAY = (date(9999, 11, 30) - EPOCH).days
YEAR = 366 * DAY
REACH = 2 * DAY  # no change of offset moves a window farther
MOST_TIMES = 3  # of one change that are named; more are "…"
LAID_OUT = zone_of("UTC")

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


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """`text` explains what happened at the instant `at`: if `skipped`, a window did not come,
    else the window that begins or ends there would have done so at another time."""

    at: int
    text: str
    skipped: bool = False


def reasons(node: nodes.Condition, zone: Zone, start: int, end: int) -> list[Reason]:
    """All that there is to explain in the windows of a condition in [start, end], in order;
    `zone` is that of what names none itself."""
    found = set(calendar_reasons(node, zone, start, end))
    for part, home in uniform_parts(node, zone):
        found.update(clock_reasons(part, home, start, end))
    return sorted(reason for reason in found if start <= reason.at <= end)


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
            yield part, *names[id(part)]
        elif names[id(part)]:
            stack += part.operands


def clock_reasons(node: nodes.Condition, zone: Zone, start: int, end: int) -> Iterator[Reason]:
    """What the changes of offset in [start, end] did to the windows of a condition, all of which
    is judged in `zone`."""
    if zone.fixed:
        return
    real, _ = windows_of(node, zone)
    planned, _ = windows_of(mapped(node, lambda atom: atom, zones=False), LAID_OUT)
    for change in changes_near(planned, zone, start - REACH, end + REACH):
        look = skipped_times if change.shift > 0 else repeated_times
        yield from look(change, planned, real, zone)


def changes_near(planned: Period, zone: Zone, start: int, end: int) -> Iterator[Segment]:
    """The changes of offset, year by year, of the years that have a planned window."""
    while start < end:
        window = planned.window_from(start)
        if window is None:
            return
        start = max(start, window.start - REACH)
        yield from zone.changes(start, min(end, start + YEAR))
        start += YEAR


def skipped_times(change: Segment, planned: Period, real: Period, zone: Zone) -> Iterator[Reason]:
    """The clock jumps from the local time `low` on to `high`."""
    high = change.start + change.offset
    low = high - change.shift
    why = f"clocks go from {clock(low)} to {clock(high)} on {day_text(low)}"
    begins = starts_in(planned, low, high)
    if begins:
        window = real.window_from(change.start)
        takes_over = planned.window_from(high)
        moved = window is not None and window.start == change.start
        if moved and (takes_over is None or takes_over.start != high):
            yield Reason(change.start, f"for {times_text(begins)}: {why}")
        else:
            yield Reason(change.start, f"no {times_text(begins)}: {why}", skipped=True)
    window = planned.window_from(low)
    if window is not None and window.start < low < window.end < high:
        yield Reason(change.start, f"ends for {clock(window.end)}: {why}")


def repeated_times(change: Segment, planned: Period, real: Period, zone: Zone) -> Iterator[Reason]:
    """The clock goes back from the local time `high` to `low`: [low, high) comes twice."""
    low = change.start + change.offset
    length = -change.shift
    begins = starts_in(planned, low, low + length)
    again = starts_in(real, change.start, change.start + length)
    back = f"clocks go back from {clock(low + length)} to {clock(low)} on {day_text(low)}"
    if begins and again:
        yield Reason(again[0], f"{clock(low)} to {clock(low + length)} comes twice: {back}")
        return
    before = change.offset - change.shift  # the offset of the first pass
    for local in begins[:MOST_TIMES]:
        yield Reason(local - before, f"{clock(local)} comes twice and the first counts: {back}")
    window = planned.window_from(low - 1)
    if window is not None and window.start < low <= window.end < low + length:
        ends = f"{clock(window.end)} comes twice and the first counts: {back}"
        yield Reason(window.end - before, ends)


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


def calendar_reasons(node: nodes.Condition, zone: Zone, start: int, end: int) -> Iterator[Reason]:
    """The months in [start, end] that lack a day, and what that did to the windows."""
    homes = zones_of(node, zone)
    for atom in upright_atoms(node):
        for rule in rules_of(atom):
            rest = bounds(mapped(node, lambda a, b=atom: TRUE if a is b else a), zone).can
            home = homes[id(atom)]
            for month in months(rest, home, start, end):
                text = rule.broken_in(month)
                if text is not None:
                    skipped, why = text
                    yield Reason(home.boundary(month.end * DAY), why, skipped)
