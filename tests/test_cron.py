"""Cron expressions: which minutes match, with cronsim and croniter as second opinions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oncue.conds.nodes import Cron, TimeOfCron
from oncue.conds.points import CronFields
from oncue.conds.reading import ReadError
from oncue.engine.civil import FOREVER, MINUTE, SECOND, from_datetime, to_datetime, zone
from oncue.engine.periods import Window, period_of

YEAR_END = datetime(2030, 12, 31)


def runs(text: str, start: datetime, name: str = "UTC") -> Iterator[datetime]:
    """When an expression fires, on the wall clock of the zone, from `start` on."""
    here = zone(name)
    found = period_of(Cron(CronFields.parse(text)), here)
    for window in found.windows_from(from_datetime(start, here)):
        run = to_datetime(window.start, here)
        assert run is not None
        yield run


# --- second opinions where no clock changes -------------------------------------------------

EXPRESSIONS = [
    "* * * * *",
    "*/15 * * * *",
    "5/15 * * * *",
    "0 9-17/2 * * *",
    "*/5 9-17 * * 1-5",
    "0 0 29 2 *",
    "0 0 31 * *",
    "59 23 31 12 *",
    "0 0 1,15 * MON",
    "0 0 13 * FRI",
    "0 0 * * SUN",
    "0 0 * * 7",
    "0 0 * * 5-7",
    "0 0 * * */2",
    "0 0 */10 * *",
    "0 0 L * *",
    "0 0 L 2 *",
    "0 12 * * MON#1",
    "0 12 * * FRI#5",
    "30 4 1-7 6-8 *",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_runs_are_those_of_cronsim(text: str) -> None:
    start = datetime(2023, 12, 31, 23, 58)
    expected = list(islice(CronSim(text, start), 100))
    found = islice(runs(text, datetime(2023, 12, 31, 23, 59)), 100)
    assert [run.replace(tzinfo=None) for run in found] == expected


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_runs_are_those_of_croniter(text: str) -> None:
    start = datetime(2023, 12, 31, 23, 58)
    theirs = croniter(text, start)
    expected = [theirs.get_next(datetime) for _ in range(50)]
    found = islice(runs(text, datetime(2023, 12, 31, 23, 59)), 50)
    assert [run.replace(tzinfo=None) for run in found] == expected


SIX_FIELDS = [
    "0 0 * * * */20",
    "30 4 * * 1 7,59",
    "* * * * * *",
    "*/15 * * * * 5-59/7",
    "5/20 3/6 * * * 1/29",
    "0 12 L * * 0,30",
    "0 12 L 2,4 * 59",
    "0 12 * * MON#1 */30",
    "0 12 * * FRI#5,TUE#2 15",
    "59 23 31 DEC * 58,59",
    "0 0 29 2 * */30",
    "0 0 13 * FRI 10",
    "0 0 1-7/3 JAN-MAR/2 * 0",
    "0 6 * * MON-SAT/2 0",
    "0 6 * * */2 0",
    "0 6 * * 1/3 0",
    "0 6 * * 7 0",
    "*/30 9-17/4 15,L * * 3",
]


@pytest.mark.parametrize("text", SIX_FIELDS)
def test_six_fields_have_the_seconds_last(text: str) -> None:
    theirs = croniter(text, datetime(2023, 12, 31, 23, 59, 57))
    expected = [theirs.get_next(datetime) for _ in range(60)]
    found = islice(runs(text, datetime(2023, 12, 31, 23, 59, 58)), 60)
    assert [run.replace(tzinfo=None) for run in found] == expected


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    pairs = st.tuples(number, number).map(sorted).filter(lambda pair: pair[0] < pair[1])
    span = pairs.map(lambda pair: f"{pair[0]}-{pair[1]}")
    step = st.tuples(span, st.integers(1, 7)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    item = st.one_of(number.map(str), span, step)
    listed = st.lists(item, min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), listed)


fields = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))


@settings(deadline=None, max_examples=300)
@given(text=fields.map(" ".join), start=st.datetimes(datetime(2000, 1, 1), YEAR_END))
def test_generated_expressions_run_as_cronsim_says(text: str, start: datetime) -> None:
    try:
        CronFields.parse(text)
    except ReadError:  # a date that no year has
        assume(False)
    expected = list(islice(CronSim(text, start), 8))
    found = runs(text, start.replace(second=0, microsecond=0) + timedelta(minutes=1))
    assert [run.replace(tzinfo=None) for run in islice(found, len(expected))] == expected


six_fields = st.tuples(fields, field(0, 59)).map(lambda pair: " ".join([*pair[0], pair[1]]))


@settings(deadline=None, max_examples=200)
@given(text=six_fields, start=st.datetimes(datetime(2000, 1, 1), YEAR_END))
def test_generated_six_fields_run_as_croniter_says(text: str, start: datetime) -> None:
    start = start.replace(microsecond=0)
    try:
        CronFields.parse(text)
    except ReadError:  # a date that no year has
        assume(False)
    theirs = croniter(text, start)
    found = islice(runs(text, start + timedelta(seconds=1)), 6)
    for run in found:
        assert run.replace(tzinfo=None) == theirs.get_next(datetime)


# --- daylight saving ------------------------------------------------------------------------

# cronsim loses runs where clocks change by half an hour, and counts `*/2` as starred.
ZONES = ["Europe/Berlin", "America/New_York", "America/Havana", "Europe/Dublin"]
FIXED_OR_STARRED = [
    "30 2 * * *",
    "0,30 2 * * *",
    "30 1,2,3 * * *",
    "0 3 * * *",
    "15 0 * * *",
    "15 0-23/2 * * *",
    "0-59/20 2 * * *",
    "* 2 * * *",
    "30 * * * *",
    "*/20 * * * *",
    "0 0 * * *",
]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("text", FIXED_OR_STARRED)
def test_runs_about_a_change_are_those_of_cronsim(text: str, name: str) -> None:
    for change in zone(name).changes(start_of(2026), start_of(2028)):
        moment = to_datetime(change.start - 36 * 60 * MINUTE, zone("UTC"))
        assert moment is not None
        aware = moment.astimezone(ZoneInfo(name))
        until = to_datetime(change.start + 36 * 60 * MINUTE, zone("UTC"))
        expected = [run.astimezone(UTC) for run in takeuntil(CronSim(text, aware), until)]
        later = takeuntil(runs(text, aware, name), until)
        found = [run.astimezone(UTC) for run in later if run > aware]
        assert found == expected, change


def start_of(year: int) -> int:
    return from_datetime(datetime(year, 1, 1), zone("UTC"))


def takeuntil(found: Iterator[datetime], until: datetime | None) -> Iterator[datetime]:
    for run in found:
        if until is None or run >= until:
            return
        yield run


def test_a_skipped_fixed_time_runs_at_the_end_of_the_gap() -> None:
    found = islice(runs("0,30 2 * * *", datetime(2026, 3, 29), "Europe/Berlin"), 3)
    assert [run.isoformat() for run in found] == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_repeated_fixed_time_runs_at_its_first_occurrence() -> None:
    found = islice(runs("30 2 * * *", datetime(2026, 10, 25), "Europe/Berlin"), 2)
    assert [run.isoformat() for run in found] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_a_starred_field_follows_real_time() -> None:
    found = islice(runs("30 * * * *", datetime(2026, 10, 25, 1), "Europe/Berlin"), 4)
    assert [run.isoformat()[11:] for run in found] == [
        "01:30:00+02:00",
        "02:30:00+02:00",
        "02:30:00+01:00",
        "03:30:00+01:00",
    ]


def test_a_minute_stays_a_minute() -> None:
    """Also the last one before an hour is repeated, after which the next begins an hour later."""
    berlin = zone("Europe/Berlin")
    found = period_of(TimeOfCron(CronFields.parse("58,59 2 * * *")), berlin)
    first = from_datetime(datetime(2026, 10, 25, 2, 59), berlin)
    assert found.window_from(first) == Window(first, first + MINUTE)
    assert not found.contains(first + 30 * MINUTE)
    next_day = from_datetime(datetime(2026, 10, 26, 2, 58), berlin)
    assert found.window_from(first + MINUTE) == Window(next_day, next_day + MINUTE)
    assert (~found).window_from(first + MINUTE) == Window(first + MINUTE, next_day)


def test_windows_are_the_seconds_with_six_fields() -> None:
    found = period_of(Cron(CronFields.parse("0 10 * * * 0,1")), zone("UTC"))
    ten = from_datetime(datetime(2026, 1, 1, 10), zone("UTC"))
    assert list(islice(found.windows_from(ten), 2)) == [
        Window(ten, ten + SECOND),
        Window(ten + SECOND, ten + 2 * SECOND),
    ]
    assert found.change_after(ten) == ten + 2 * SECOND != FOREVER
