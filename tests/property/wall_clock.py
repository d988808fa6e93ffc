"""A second opinion on windows: LANGUAGE.md §6 done by hand, day by day, with datetimes.

Nothing here is shared with the engine, and nothing is clever. What follows real time is found by
reading the wall clock at the instant asked about, or second by second where windows are wanted;
what comes once per cycle of the wall clock by writing down the windows of the cycles around.
Windows of combinations come from the lists of the parts. Instants are aware datetimes in UTC.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from oncue.conds import nodes, parts
from oncue.conds.points import Clock, CronFields, MonthPoint, Point, Unit, WeekPoint, YearPoint

Cell = tuple[datetime, datetime]  # [start, end): instants, or local times while naive

MICROSECOND = timedelta(microseconds=1)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
LENGTHS = {Unit.SECOND: SECOND, Unit.MINUTE: MINUTE, Unit.HOUR: HOUR, Unit.DAY: DAY}
SUB_UNITS = {Unit.SECOND: SECOND / 1000, Unit.MINUTE: SECOND, Unit.HOUR: MINUTE, Unit.DAY: HOUR}
REAL = (Unit.SECOND, Unit.MINUTE, Unit.HOUR)


# --- wall clocks ----------------------------------------------------------------------------


def wall(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def offset(instant: datetime, zone: tzinfo) -> timedelta:
    return wall(instant, zone) - instant.replace(tzinfo=None)


def reading(local: datetime, zone: tzinfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def boundary(local: datetime, zone: tzinfo) -> datetime:
    """The first instant that reads `local`, or the end of the gap that it is in."""
    instant = reading(local, zone, fold=0)
    if wall(instant, zone) == local:
        return instant
    before, after = reading(local, zone, fold=1), instant
    while after - before > SECOND:
        middle = before + (after - before) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        if offset(middle, zone) == offset(before, zone):
            before = middle
        else:
            after = middle
    return after


def mapped(cells: list[Cell], zone: tzinfo) -> list[Cell]:
    """Windows of the wall clock, in order, as windows of real time: each once, in order."""
    found: list[Cell] = []
    for start, end in cells:
        first, last = boundary(start, zone), boundary(end, zone)
        if last <= first:
            last = first + (end - start)
        if found and found[-1][0] == first:
            found[-1] = (first, max(last, found[-1][1]))
            continue
        if found and found[-1][1] > first:
            last = max(last, found[-1][1])
            found[-1] = (found[-1][0], first)
        found.append((first, last))
    return found


def offset_runs(start: datetime, end: datetime, zone: tzinfo) -> Iterator[Cell]:
    """The stretches of [start, end) with one offset."""
    at = start
    while at < end:
        upto = at
        while upto < end and offset(upto, zone) == offset(at, zone):
            upto += MINUTE if upto == upto_floor(upto, MINUTE) else SECOND
        yield at, min(upto, end)
        at = upto


def upto_floor(instant: datetime, step: timedelta) -> datetime:
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return instant - since % step


# --- real time: second, minute, hour --------------------------------------------------------


def cycle_windows(unit: Unit, range_: parts.Range | None) -> list[tuple[timedelta, timedelta]]:
    """The windows of one cycle, from its start; one may end after the cycle does."""
    span = LENGTHS[unit]
    match range_:
        case None:
            return [(timedelta(0), span)]
        case parts.After(Clock(a)):
            return [(a * MICROSECOND, span)]
        case parts.Before(Clock(b)):
            return [(timedelta(0), b * MICROSECOND)]
        case parts.Between(Clock(a), Clock(b)):
            return [(a * MICROSECOND, b * MICROSECOND + (span if b <= a else timedelta(0)))]
        case parts.Starting(Clock(a)):
            return [(a * MICROSECOND, a * MICROSECOND + span)]
        case parts.At(points):
            clocks = [point.microseconds for point in points if isinstance(point, Clock)]
            return [(c * MICROSECOND, c * MICROSECOND + SUB_UNITS[unit]) for c in clocks]
        case _:
            raise AssertionError(range_)


def real_windows(
    unit: Unit, range_: parts.Range | None, start: datetime, end: datetime, zone: tzinfo
) -> list[Cell]:
    found: list[Cell] = []
    span = LENGTHS[unit]
    for first, last in offset_runs(start - HOUR, end + HOUR, zone):
        shift = offset(first, zone)
        cycle = upto_floor(first + shift, span) - 2 * span
        cells: list[Cell] = []
        while cycle < last + shift:
            cells += [(cycle + a, cycle + b) for a, b in cycle_windows(unit, range_)]
            cycle += span
        for a, b in joined(cells):
            found.append((max(a - shift, first), min(b - shift, last)))
    return [(a, b) for a, b in found if a < b]


# --- the calendar: day, week, month, year ---------------------------------------------------


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def cycles(unit: Unit, start: date, end: date) -> Iterator[tuple[datetime, datetime]]:
    """The cycles of a unit around [start, end], on the wall clock."""
    match unit:
        case Unit.DAY:
            day, step = start, 1
        case Unit.WEEK:
            day, step = start - timedelta(days=start.weekday()), 7
        case _:
            yield from month_cycles(unit, start, end)
            return
    while day <= end:
        yield midnight(day), midnight(day) + step * DAY
        day += timedelta(days=step)


def month_cycles(unit: Unit, start: date, end: date) -> Iterator[tuple[datetime, datetime]]:
    year, month = start.year, start.month if unit is Unit.MONTH else 1
    while date(year, month, 1) <= end:
        first = datetime(year, month, 1)
        if unit is Unit.YEAR:
            year += 1
        else:
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        yield first, datetime(year, month, 1)


def day_in_month(point: MonthPoint, year: int, month: int) -> date | None:
    """The day that `5th`, `last` or `1st Mon` is; None if the month has none."""
    weekday, length = monthrange(year, month)
    days = [date(year, month, day) for day in range(1, length + 1)]
    if point.weekday is not None:
        days = [day for day in days if day.weekday() == point.weekday]
    index = point.day - 1 if point.day > 0 else point.day
    return days[index] if -len(days) <= index < len(days) else None


def place(point: Point, cycle: datetime, is_end: bool) -> datetime:
    """Where a point lies in a cycle; a day the month lacks is the month's end."""
    match point:
        case Clock(microseconds):
            return cycle + microseconds * MICROSECOND
        case WeekPoint(weekday, clock):
            return on_clock(cycle + weekday * DAY, clock, is_end)
        case MonthPoint():
            day = day_in_month(point, cycle.year, cycle.month)
            if day is None:
                return cycle + monthrange(cycle.year, cycle.month)[1] * DAY
            return on_clock(midnight(day), point.clock, is_end)
        case YearPoint(month, None):
            first = datetime(cycle.year, month, 1)
            return first + monthrange(cycle.year, month)[1] * DAY if is_end else first
        case YearPoint(month, MonthPoint() as inner):
            return place(inner, datetime(cycle.year, month, 1), is_end)
        case _:
            raise AssertionError(point)


def on_clock(day: datetime, clock: int | None, is_end: bool) -> datetime:
    if clock is None:
        return day + DAY if is_end else day
    return day + clock * MICROSECOND


def exists(point: Point, cycle: datetime) -> bool:
    match point:
        case MonthPoint():
            return day_in_month(point, cycle.year, cycle.month) is not None
        case YearPoint(month, MonthPoint() as inner):
            return day_in_month(inner, cycle.year, month) is not None
        case _:
            return True


def sub_unit(unit: Unit, point: Point, start: datetime) -> timedelta:
    if unit is Unit.DAY:
        return HOUR
    if isinstance(point, YearPoint) and point.day is None:
        return monthrange(start.year, start.month)[1] * DAY
    return DAY


def always_wraps(start: Point, end: Point, unit: Unit) -> bool:
    """Whether the end is never after the start, in 28 years that have every kind of month."""
    return all(
        place(end, cycle, True) <= place(start, cycle, False)
        for cycle, _ in cycles(unit, date(2000, 1, 1), date(2027, 12, 31))
    )


def local_windows(
    unit: Unit, range_: parts.Range | None, start: date, end: date
) -> Iterator[tuple[datetime, datetime]]:
    """The windows of the cycles around, on the wall clock."""
    around = list(cycles(unit, start, end))
    following = [*around[1:], (around[-1][1], around[-1][1])]
    wraps = isinstance(range_, parts.Between) and always_wraps(range_.start, range_.end, unit)
    for (cycle, over), (after, _) in zip(around, following, strict=True):
        match range_:
            case None:
                yield cycle, over
            case parts.After(a):
                yield place(a, cycle, False), over
            case parts.Before(b):
                yield cycle, place(b, cycle, True)
            case parts.Between(a, b):
                yield place(a, cycle, False), place(b, after if wraps else cycle, True)
            case parts.Starting(a):
                yield place(a, cycle, False), place(a, after, False)
            case parts.At(points):
                for point in points:
                    if exists(point, cycle):
                        at = place(point, cycle, False)
                        yield at, at + sub_unit(unit, point, at)


def calendar_windows(
    unit: Unit, range_: parts.Range | None, start: datetime, end: datetime, zone: tzinfo
) -> list[Cell]:
    reach = {Unit.DAY: 3, Unit.WEEK: 16, Unit.MONTH: 70, Unit.YEAR: 740}[unit]
    first, last = wall(start, zone).date(), wall(end, zone).date()
    days = timedelta(days=reach)
    cells = list(local_windows(unit, range_, first - days, last + days))
    cells = sorted((a, b) for a, b in cells if a < b)
    return mapped(joined(cells), zone)


# --- cron -----------------------------------------------------------------------------------


def cron_matches(fields: CronFields, local: datetime) -> bool:
    return (
        local.minute in fields.minutes
        and local.hour in fields.hours
        and (fields.seconds is None or local.second in fields.seconds)
        and cron_day(fields, local.date())
    )


def cron_day(fields: CronFields, day: date) -> bool:
    length = monthrange(day.year, day.month)[1]
    by_day = day.day in fields.days or (fields.last_day and day.day == length)
    nth = (day.weekday(), (day.day - 1) // 7 + 1)
    by_weekday = day.weekday() in fields.weekdays or nth in fields.nth_weekdays
    if fields.any_day or fields.any_weekday:
        found = (fields.any_day or by_day) and (fields.any_weekday or by_weekday)
    else:
        found = by_day or by_weekday
    return found and day.month in fields.months


def cron_windows(fields: CronFields, start: datetime, end: datetime, zone: tzinfo) -> list[Cell]:
    step = MINUTE if fields.seconds is None else SECOND
    if fields.real_time:
        found, at = [], upto_floor(start, step) - step
        while at < end + step:
            if cron_matches(fields, wall(at, zone)):
                found.append((at, at + step))
            at += step
        return found
    local = upto_floor(wall(start, zone).replace(tzinfo=UTC), step).replace(tzinfo=None)
    local, last = local - 2 * HOUR, wall(end, zone) + 2 * HOUR
    starts = set()
    while local < last:
        if cron_matches(fields, local):
            starts.add(boundary(local, zone))
        local += step
    return [(at, at + step) for at in sorted(starts)]


# --- conditions -----------------------------------------------------------------------------


def windows(node: nodes.Condition, start: datetime, end: datetime, zone: tzinfo) -> list[Cell]:
    """The windows of a condition, clipped to [start, end)."""
    return clipped(unclipped(node, start, end, zone), start, end)


def unclipped(node: nodes.Condition, start: datetime, end: datetime, zone: tzinfo) -> list[Cell]:
    match node:
        case nodes.Constant(value):
            return [(start, end)] if value else []
        case nodes.TimeOf(unit, range_) | nodes.Cadence(unit, range_):
            find = real_windows if unit in REAL else calendar_windows
            return find(unit, range_, start, end, zone)
        case nodes.OnWeekdays(days):
            points = parts.At(tuple(WeekPoint(day) for day in days))
            return calendar_windows(Unit.WEEK, points, start, end, zone)
        case nodes.TimeOfCron(fields) | nodes.Cron(fields):
            return cron_windows(fields, start, end, zone)
        case nodes.Dates(first, last, whole_day):
            return dates(first, last, whole_day, start, end, zone)
        case nodes.Zoned(term, name):
            return windows(term, start, end, ZoneInfo(name))
        case nodes.Not(term):
            return gaps(windows(term, start, end, zone), start, end)
        case nodes.All(terms):
            found = windows(terms[0], start, end, zone)
            for term in terms[1:]:
                found = common(found, windows(term, start, end, zone))
            return found
        case nodes.Any(terms):
            cells = [cell for term in terms for cell in windows(term, start, end, zone)]
            return joined(sorted(cells))
        case _:
            raise AssertionError(node)


def dates(
    first: datetime | None,
    last: datetime | None,
    whole_day: bool,
    start: datetime,
    end: datetime,
    zone: tzinfo,
) -> list[Cell]:
    if last is not None and whole_day:
        last += DAY
    if first is not None and last is not None:
        return mapped([(first, last)], zone)
    return [(boundary(first, zone) if first else start, boundary(last, zone) if last else end)]


def clipped(cells: list[Cell], start: datetime, end: datetime) -> list[Cell]:
    cut = ((max(a, start), min(b, end)) for a, b in cells)
    return [(a, b) for a, b in cut if a < b]


def joined(cells: list[Cell]) -> list[Cell]:
    """Sorted windows with those that overlap joined, and those that touch left two."""
    found: list[Cell] = []
    for a, b in sorted(cells):
        if found and a < found[-1][1]:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def common(some: list[Cell], others: list[Cell]) -> list[Cell]:
    cells = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return sorted((a, b) for a, b in cells if a < b)


def gaps(cells: list[Cell], start: datetime, end: datetime) -> list[Cell]:
    """What is left over of [start, end), in maximal windows."""
    found, at = [], start
    for a, b in cells:
        if at < a:
            found.append((at, a))
        at = b
    return [*found, (at, end)] if at < end else found
