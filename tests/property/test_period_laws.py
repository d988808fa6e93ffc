"""Periods, generated: against a model that reads the wall clock, and the laws of their algebra."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from hypothesis import assume, given, note, settings
from hypothesis import strategies as st

from oncue.conds import nodes, parts
from oncue.conds.points import (
    Clock,
    CronFields,
    MonthPoint,
    Point,
    Unit,
    WeekPoint,
    YearPoint,
)
from oncue.engine.civil import DAY, FOREVER, HOUR, MINUTE, SECOND, Segment, from_datetime, zone
from oncue.engine.periods import Period, Window, period_of
from oncue.engine.periods.normal import normal
from oncue.grammar.parser import parse
from oncue.testing.strategies import conditions
from oncue.tests.property import wall_clock

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # changed at one minute past midnight
    "America/Havana",  # changes at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Antarctica/Troll",  # by two hours
    "Africa/Casablanca",  # four times a year
    "Europe/Dublin",  # standard time in summer
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Pacific/Apia",  # left out a day
    "Pacific/Kwajalein",  # left out a day, too
)
CHANGES = {name: list(zone(name).changes(3 * 365 * DAY, 60 * 365 * DAY)) for name in ZONES}


def at(name: str) -> st.SearchStrategy[int]:
    """Instants, half of them within a day of a change of offset."""
    anywhere = st.integers(3 * 365 * DAY // MINUTE, 60 * 365 * DAY // MINUTE)
    anywhere = anywhere.map(lambda minutes: minutes * MINUTE)
    if not CHANGES[name]:
        return anywhere
    around = st.builds(
        lambda change, minutes: change.start + minutes * MINUTE,
        st.sampled_from(CHANGES[name]),
        st.integers(-24 * 60, 24 * 60),
    )
    return st.one_of(anywhere, around)


clocks = st.one_of(
    st.integers(0, 24 * 60 - 1).map(lambda minutes: minutes * MINUTE),
    st.sampled_from([0, HOUR, 2 * HOUR, 2 * HOUR + MINUTE, 150 * MINUTE, 3 * HOUR, 23 * HOUR]),
)
maybe_clock = st.none() | clocks
month_points = st.one_of(
    st.builds(
        MonthPoint, st.sampled_from([1, 2, 15, 28, 29, 30, 31, -1, -2, -29]), clock=maybe_clock
    ),
    st.builds(MonthPoint, st.sampled_from([1, 4, 5, -1]), st.integers(0, 6), maybe_clock),
)


def fits(month: int, day: MonthPoint | None) -> bool:
    try:
        YearPoint(month, day)
    except ValueError:
        return False
    return True


year_points = (
    st.tuples(st.integers(1, 12), st.none() | month_points)
    .filter(lambda pair: fits(*pair))
    .map(lambda pair: YearPoint(*pair))
)
POINTS: dict[Unit, st.SearchStrategy[Point]] = {
    Unit.SECOND: st.integers(0, 999).map(lambda n: Clock(n * 1000)),
    Unit.MINUTE: st.sampled_from([0, 1, 15, 30, 45, 59.5]).map(lambda s: Clock(int(s * SECOND))),
    Unit.HOUR: st.integers(0, 59).map(lambda n: Clock(n * MINUTE)),
    Unit.DAY: clocks.map(Clock),
    Unit.WEEK: st.builds(WeekPoint, st.integers(0, 6), maybe_clock),
    Unit.MONTH: month_points,
    Unit.YEAR: year_points,
}


@st.composite
def ranges(draw: st.DrawFn, unit: Unit) -> parts.Range | None:
    points = POINTS[unit]
    kind = draw(st.sampled_from(["none", "after", "before", "between", "starting", "at"]))
    try:
        match kind:
            case "none":
                return None
            case "after":
                return parts.After(draw(points))
            case "before":
                found: parts.Range = parts.Before(draw(points))
            case "between":
                found = parts.Between(draw(points), draw(points))
            case "starting":
                found = parts.Starting(draw(points))
            case _:
                found = parts.At(tuple(draw(st.lists(points, min_size=1, max_size=3))))
        parts.check_range(unit, found)
    except ValueError:
        assume(False)
    return found


CRONS = (
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "* 2 * * *",
    "*/20 1-3 * * *",
    "0,30 2 * * *",
    "59 1,2 * * *",
    "0 0 * * *",
    "0 3 31 * *",
    "15 2 13 * FRI",
    "5 1 L * *",
    "10 0 * * MON#2",
    "0-59 0-3 * * *",
    "0 0 29 2 *",
    "0 2 * 3,10,11 SUN",
    "30 23 * * * */20",
)


def timed(*units: Unit) -> st.SearchStrategy[nodes.Condition]:
    return st.sampled_from(units).flatmap(lambda u: st.builds(nodes.TimeOf, st.just(u), ranges(u)))


crons = st.sampled_from(CRONS).map(lambda text: nodes.TimeOfCron(CronFields.parse(text)))
weekdays = st.lists(st.integers(0, 6), min_size=1, max_size=4).map(
    lambda days: nodes.OnWeekdays(tuple(days))
)


def combined(leaves: st.SearchStrategy[nodes.Condition]) -> st.SearchStrategy[nodes.Condition]:
    return conditions(atoms=leaves, leaves=4, depth=3, zoned=False)


long_windows = timed(Unit.WEEK, Unit.MONTH, Unit.YEAR) | weekdays
day_windows = timed(Unit.HOUR, Unit.DAY, Unit.DAY, Unit.WEEK) | crons | weekdays
short_windows = timed(Unit.SECOND, Unit.MINUTE) | timed(Unit.HOUR, Unit.DAY) | crons
any_window = timed(*Unit) | crons | weekdays


@st.composite
def dates(draw: st.DrawFn) -> nodes.Condition:
    """A span of dates, often about a change of offset in Berlin or Apia."""
    day = draw(
        st.sampled_from([datetime(2011, 12, 28), datetime(2022, 3, 26), datetime(2022, 10, 29)])
    )
    start = day + timedelta(minutes=draw(st.integers(0, 4 * 24 * 60)))
    end = start + timedelta(minutes=draw(st.integers(1, 24 * 60)))
    match draw(st.integers(0, 3)):
        case 0:
            return nodes.Dates(start, None)
        case 1:
            return nodes.Dates(None, end)
        case 2:
            return nodes.Dates(start, end)
        case _:
            return nodes.Dates(day, day + timedelta(days=2), end_is_date=True)


zoned_windows = st.one_of(
    day_windows,
    dates(),
    st.builds(nodes.Zoned, day_windows | dates(), st.sampled_from(ZONES)),
)


def model(node: nodes.Condition, start: int, end: int, name: str) -> list[Window]:
    """What the model says of [start, end)."""
    cells = wall_clock.windows(node, moment(start), moment(end), ZoneInfo(name))
    utc = zone("UTC")
    return [Window(from_datetime(a, utc), from_datetime(b, utc)) for a, b in cells]


def moment(instant: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)


def forward(period: Period, start: int, end: int) -> list[Window]:
    """The windows of a period, clipped to [start, end)."""
    found = takewhile(lambda window: window.start < end, period.windows_from(start))
    return [Window(max(a, start), min(b, end)) for a, b in found]


def backward(period: Period, start: int, end: int) -> list[Window]:
    found = takewhile(lambda window: window.end > start, period.windows_before(end - 1))
    return [Window(max(a, start), min(b, end)) for a, b in found][::-1]


def agree(node: nodes.Condition, start: int, length: int, name: str) -> None:
    period, end = period_of(node, zone(name)), start + length
    expected = model(node, start, end, name)
    note(f"{node} in {name} from {moment(start)}")
    assert forward(period, start, end) == expected
    assert backward(period, start, end) == expected


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(ZONES), node=combined(long_windows))
def test_windows_of_days_are_those_of_the_model(
    data: st.DataObject, name: str, node: nodes.Condition
) -> None:
    agree(node, data.draw(at(name)), 120 * DAY, name)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(ZONES), node=combined(day_windows))
def test_windows_of_hours_are_those_of_the_model(
    data: st.DataObject, name: str, node: nodes.Condition
) -> None:
    agree(node, data.draw(at(name)), 2 * DAY, name)


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(ZONES),
    node=combined(zoned_windows),
    start=st.sampled_from([datetime(2011, 12, 28), datetime(2022, 3, 26), datetime(2022, 10, 29)]),
)
def test_windows_of_several_zones_and_dates_are_those_of_the_model(
    name: str, node: nodes.Condition, start: datetime
) -> None:
    agree(node, from_datetime(start, zone("UTC")), 4 * DAY, name)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(ZONES), node=combined(short_windows))
def test_windows_of_seconds_are_those_of_the_model(
    data: st.DataObject, name: str, node: nodes.Condition
) -> None:
    agree(node, data.draw(at(name)), 2 * MINUTE, name)


@st.composite
def times_about(draw: st.DrawFn, change: Segment) -> nodes.Condition:
    """A window of a day, a week or a cron expression, with times within and about the hour that a
    change of offset skips or repeats."""
    after = change.start + change.offset
    first = min(after, after - change.shift) // (15 * MINUTE) * 15 * MINUTE
    quarters = abs(change.shift) // (15 * MINUTE)
    times = st.integers(-3, quarters + 3).map(lambda n: first + n * 15 * MINUTE)
    some = sorted({time % DAY for time in draw(st.lists(times, min_size=1, max_size=4))})
    weekday = (first // DAY + 3) % 7
    match draw(st.integers(0, 4)):
        case 0:
            return nodes.TimeOf(Unit.DAY, parts.Between(Clock(some[0]), Clock(some[-1])))
        case 1:
            return nodes.TimeOf(Unit.DAY, parts.At(tuple(map(Clock, some))))
        case 2:
            points = [WeekPoint((weekday + n) % 7, some[-n]) for n in (0, 1)]
            return nodes.TimeOf(Unit.WEEK, parts.Between(*points))
        case 3:
            minutes = ",".join(str(time // MINUTE % 60) for time in some)
            hours = ",".join(str(time // HOUR) for time in some)
            return nodes.TimeOfCron(CronFields.parse(f"{minutes},59 {hours} * * *"))
        case _:
            return nodes.TimeOf(
                Unit.HOUR, parts.Between(Clock(some[0] % HOUR), Clock(some[-1] % HOUR))
            )


@settings(deadline=None, max_examples=150)
@given(data=st.data(), name=st.sampled_from([name for name in ZONES if CHANGES[name]]))
def test_windows_about_a_change_are_those_of_the_model(data: st.DataObject, name: str) -> None:
    change = data.draw(st.sampled_from(CHANGES[name]))
    node = data.draw(combined(times_about(change)))
    agree(node, change.start - 30 * HOUR, 60 * HOUR, name)


# --- laws -----------------------------------------------------------------------------------

small = combined(timed(Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH) | crons | dates())


@st.composite
def periods(draw: st.DrawFn, count: int) -> tuple[list[Period], int]:
    """So many periods of one zone, and an instant."""
    name = draw(st.sampled_from(ZONES))
    found = [period_of(draw(small), zone(name)) for _ in range(count)]
    return found, draw(at(name))


@settings(deadline=None, max_examples=60)
@given(periods(2))
def test_the_laws_of_sets(drawn: tuple[list[Period], int]) -> None:
    (a, b), _ = drawn
    assert ~(a & b) == ~a | ~b and ~(a | b) == ~a & ~b
    assert a & (a | b) == a == a | a & b
    assert a & a == a == a | a == ~~a
    assert a - b == a & ~b
    assert (a & ~a).is_empty and (a | ~a).is_full
    assert hash(a & b) == hash(b & a) and hash(a | b) == hash(b | a)


@settings(deadline=None, max_examples=60)
@given(periods(2))
def test_membership_is_pointwise(drawn: tuple[list[Period], int]) -> None:
    (a, b), start = drawn
    for t in range(start - 2 * DAY, start + 2 * DAY, 37 * MINUTE):
        one, other = a.contains(t), b.contains(t)
        assert (a & b).contains(t) is (one and other)
        assert (a | b).contains(t) is (one or other)
        assert (~a).contains(t) is not one
        assert (a - b).contains(t) is (one and not other)


@settings(deadline=None, max_examples=100)
@given(periods(1))
def test_looking_forward_and_backward_agree(drawn: tuple[list[Period], int]) -> None:
    (a,), t = drawn
    after, before = a.window_from(t), a.window_before(t)
    inside = a.contains(t)
    if after is not None:
        assert after.end > t and after.start < after.end
        assert a.contains(max(after.start, t)) and (after.start <= t) is inside
        assert a.window_before(after.start) == after
        following = a.window_from(after.end)
        assert following is None or following.start >= after.end
    if before is not None:
        assert before.start <= t and (t < before.end) is inside
        assert a.window_from(before.end - 1) == before
        preceding = a.window_before(before.start - 1)
        assert preceding is None or preceding.end <= before.start
    if inside:
        assert after == before
    elif before is not None:
        assert a.window_from(before.end) == after


@settings(deadline=None, max_examples=100)
@given(periods(1), st.integers(0, 10**9))
def test_membership_changes_first_where_it_is_said_to(
    drawn: tuple[list[Period], int], part: int
) -> None:
    (a,), t = drawn
    change = a.change_after(t)
    assert change > t
    if change == FOREVER:
        assert (a if a.contains(t) else ~a).change_after(t + DAY) == FOREVER
    else:
        assert a.contains(change) is not a.contains(t)
        within = t + (change - 1 - t) * part // 10**9
        assert a.contains(within) is a.contains(change - 1) is a.contains(t)


@settings(deadline=None, max_examples=60)
@given(periods(2))
def test_a_difference_has_maximal_windows(drawn: tuple[list[Period], int]) -> None:
    (a, b), t = drawn
    for difference in (a - b, ~a):
        windows = forward(difference, t, t + 10 * DAY)
        assert all(w.end < v.start for w, v in zip(windows, windows[1:], strict=False))


few = combined(
    st.sampled_from(
        [
            "time of day after 10:00",
            "time of hour before 30",
            "on Mon",
            "between 2026-01-01 and 2026-06-30",
            "always",
            "never",
        ]
    ).map(parse)
)


@settings(deadline=None, max_examples=200)
@given(few, few)
def test_what_has_one_form_has_the_same_instants(a: nodes.Condition, b: nodes.Condition) -> None:
    here = zone("Europe/Berlin")
    one, other = period_of(a, here), period_of(b, here)
    symmetric = (one - other) | (other - one)
    if normal(one.expression) == normal(other.expression):
        assert symmetric.is_empty
    assert (one == other) is symmetric.is_empty
    assert normal((one & other).expression) == normal((other & one).expression)
    assert normal((~(one | other)).expression) == normal((~other & ~one).expression)
