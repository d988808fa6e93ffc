"""Periods: what each range form means, combinations, what is never and what is always, cursors,
and the rules of daylight saving at every change of every zone."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import available_timezones

import pytest
from dateutil.rrule import MONTHLY, YEARLY, rrule

from oncue.conds.nodes import Condition, Cron, TimeOf, TimeOfCron
from oncue.conds.parts import After, At, Between, Range, ThisCycle
from oncue.conds.points import Clock, CronFields, MonthPoint, Unit, WeekPoint, YearPoint
from oncue.engine.civil import (
    BEGINNING,
    DAY,
    FOREVER,
    HOUR,
    MINUTE,
    Segment,
    UnknownZoneError,
    Zone,
    from_datetime,
    local_time,
    zone,
)
from oncue.engine.periods import ALWAYS, NEVER, Period, Window, is_window, period_of
from oncue.engine.periods.almanac import (
    day_after,
    day_before,
    days,
    kind_of_day,
    month_days,
    weekday_days,
)
from oncue.engine.periods.anchored import anchored
from oncue.engine.periods.pieces import Pieces
from oncue.grammar.parser import parse

UTC = zone("UTC")
BERLIN = zone("Europe/Berlin")


def period(text: str, name: str = "UTC") -> Period:
    return period_of(parse(text), zone(name))


def instant(text: str, name: str = "UTC") -> int:
    return from_datetime(datetime.fromisoformat(text), zone(name))


def texts(windows: Iterable[Window]) -> list[str]:
    return [f"{text(window.start)} {text(window.end)}" for window in windows]


def text(at: int) -> str:
    if at in (BEGINNING, FOREVER):
        return "-"
    moment = datetime(1970, 1, 1) + timedelta(microseconds=at)
    return moment.isoformat(sep="T", timespec="auto").removesuffix(":00").removesuffix("T00:00")


# --- what the forms mean, in UTC ------------------------------------------------------------

FORMS = [
    # second, minute, hour
    ("time of second", "2026-01-01T10:00", "2026-01-01T10:00 2026-01-01T10:00:01"),
    ("time of second after 500", "2026-01-01", "2026-01-01T00:00:00.500000 2026-01-01T00:00:01"),
    ("time of second at 7", "2026-01-01", "2026-01-01T00:00:00.007000 2026-01-01T00:00:00.008000"),
    ("time of minute before 45", "2026-01-01", "2026-01-01 2026-01-01T00:00:45"),
    (
        "time of minute at 59.5",
        "2026-01-01",
        "2025-12-31T23:59:59.500000 2026-01-01T00:00:00.500000",
    ),
    ("time of minute between 45 and 15", "2026-01-01", "2025-12-31T23:59:45 2026-01-01T00:00:15"),
    ("time of hour at 30", "2026-01-01", "2026-01-01T00:30 2026-01-01T00:31"),
    ("time of hour starting 2 quarter", "2026-01-01", "2025-12-31T23:30 2026-01-01T00:30"),
    # day
    ("time of day", "2026-01-01T12:00", "2026-01-01 2026-01-02"),
    ("time of day after 10:00", "2026-01-01", "2026-01-01T10:00 2026-01-02"),
    ("time of day before 10:00", "2026-01-01T11:00", "2026-01-02 2026-01-02T10:00"),
    ("time of day before 24:00", "2026-01-01", "2026-01-01 2026-01-02"),
    ("time of day between 22:00 and 2:00", "2026-01-01", "2025-12-31T22:00 2026-01-01T02:00"),
    ("time of day between 10:00 and 10:00", "2026-01-01", "2025-12-31T10:00 2026-01-01T10:00"),
    ("time of day starting 10:00", "2026-01-01", "2025-12-31T10:00 2026-01-01T10:00"),
    ("time of day at 23:30", "2026-01-01T00:10", "2025-12-31T23:30 2026-01-01T00:30"),
    ("time of day at 10:00, 10:30", "2026-01-01", "2026-01-01T10:00 2026-01-01T11:30"),
    ("time of day at 10:00, 11:00", "2026-01-01", "2026-01-01T10:00 2026-01-01T11:00"),
    # week; 2026-01-01 is a Thursday
    ("time of week", "2026-01-01", "2025-12-29 2026-01-05"),
    ("time of week on Mon", "2026-01-01", "2026-01-05 2026-01-06"),
    ("time of week on Mon 10:00", "2026-01-01", "2026-01-05T10:00 2026-01-06T10:00"),
    ("time of week on Sun 10:00", "2026-01-05", "2026-01-04T10:00 2026-01-05T10:00"),
    ("time of week between Mon and Fri", "2026-01-01", "2025-12-29 2026-01-03"),
    (
        "time of week between Fri 17:00 and Mon 9:00",
        "2026-01-04",
        "2026-01-02T17:00 2026-01-05T09:00",
    ),
    ("time of week between Tue and Mon", "2026-01-01", "2025-12-30 2026-01-06"),
    ("time of week between Sat and Sat", "2026-01-01", "2026-01-03 2026-01-04"),
    ("time of week before Fri", "2026-01-01", "2025-12-29 2026-01-03"),
    ("time of week before Fri 00:00", "2026-01-01", "2025-12-29 2026-01-02"),
    ("time of week after Sat", "2026-01-01", "2026-01-03 2026-01-05"),
    ("time of week starting Wed", "2026-01-01", "2025-12-31 2026-01-07"),
    ("on weekdays", "2026-01-03", "2026-01-05 2026-01-06"),
    # month
    ("time of month", "2026-02-10", "2026-02-01 2026-03-01"),
    ("time of month on 31st", "2026-02-01", "2026-03-31 2026-04-01"),
    ("time of month on 31st 10:00", "2026-02-02", "2026-03-31T10:00 2026-04-01T10:00"),
    ("time of month on last", "2028-02-01", "2028-02-29 2028-03-01"),
    ("time of month on 2nd last", "2026-02-01", "2026-02-27 2026-02-28"),
    ("time of month on 30th last", "2026-02-01", "2026-03-02 2026-03-03"),
    ("time of month on 1st Mon", "2026-02-01", "2026-02-02 2026-02-03"),
    ("time of month on 5th Mon", "2026-02-01", "2026-03-30 2026-03-31"),
    ("time of month on last Fri 17:00", "2026-02-01", "2026-02-27T17:00 2026-02-28T17:00"),
    ("time of month between 25th and 31st", "2026-02-01", "2026-02-25 2026-03-01"),
    ("time of month between 25th and 5th", "2026-02-26", "2026-02-25 2026-03-06"),
    ("time of month between 30th and 5th", "2026-02-26", "2026-03-01 2026-03-06"),
    ("time of month between 30th and 31st", "2026-02-01", "2026-03-30 2026-04-01"),
    ("time of month between 31st and 30th", "2026-02-01", "2026-01-31 2026-03-01"),
    ("time of month between last and 2nd", "2026-02-26", "2026-02-28 2026-03-03"),
    ("time of month between 15th and 1st Mon", "2026-02-20", "2026-02-15 2026-03-03"),
    ("time of month between 28th and last Fri", "2026-02-01", "2026-05-28 2026-05-30"),
    ("time of month before 5th", "2026-02-01", "2026-02-01 2026-02-06"),
    ("time of month before 31st", "2026-02-01", "2026-02-01 2026-03-01"),
    ("time of month before 5th Mon", "2026-02-01", "2026-02-01 2026-03-01"),
    ("time of month after 31st", "2026-02-01", "2026-03-31 2026-04-01"),
    ("time of month starting 31st", "2026-03-10", "2026-03-01 2026-03-31"),
    ("time of month starting 5th Mon 10:00", "2026-02-10", "2026-02-01 2026-03-01"),
    # year
    ("time of year", "2026-02-10", "2026-01-01 2027-01-01"),
    ("time of year on Feb", "2026-01-01", "2026-02-01 2026-03-01"),
    ("time of year on Feb 29th", "2026-01-01", "2028-02-29 2028-03-01"),
    ("time of year on Dec 31st 12:00", "2026-01-01", "2025-12-31T12:00 2026-01-01T12:00"),
    ("time of year between Jun and Aug", "2026-01-01", "2026-06-01 2026-09-01"),
    ("time of year between Nov and Feb", "2026-01-01", "2025-11-01 2026-03-01"),
    ("time of year between Feb and Jan", "2026-01-01", "2025-02-01 2026-02-01"),
    ("time of year between Feb 10th and Feb", "2026-01-01", "2026-02-10 2026-03-01"),
    ("time of year between Aug last and Aug 30th", "2026-01-01", "2025-08-31 2026-08-31"),
    (
        "time of year between Dec last and Dec 29th last 10:00",
        "2026-01-01",
        "2025-12-31 2026-12-03T10:00",
    ),
    (
        "time of year between Aug 3rd last 10:15 and Aug 28th",
        "2026-01-01",
        "2025-08-29T10:15 2026-08-29",
    ),
    ("time of year between Feb last and Feb 28th", "2027-06-01", "2029-02-28 2029-03-01"),
    ("time of year after Feb 29th", "2026-01-01", "2026-03-01 2027-01-01"),
    ("time of year before Feb 29th", "2026-01-01", "2026-01-01 2026-03-01"),
    ("time of year starting Feb 29th", "2026-01-01", "2025-03-01 2026-03-01"),
    ("time of year on Feb last 10:00", "2026-01-01", "2026-02-28T10:00 2026-03-01T10:00"),
    # dates, cron, cadences
    ("between 2026-01-01 and 2026-06-30", "2020-01-01", "2026-01-01 2026-07-01"),
    (
        "between 2026-01-01 10:00 and 2026-01-02 09:00",
        "2020-01-01",
        "2026-01-01T10:00 2026-01-02T09:00",
    ),
    ("between 2026-01-01 and 2026-01-01", "2020-01-01", "2026-01-01 2026-01-02"),
    ("before 2026-01-01", "2020-01-01", "- 2026-01-02"),
    ("before 2026-01-01 00:00", "2020-01-01", "- 2026-01-01"),
    ("after 2026-01-01", "2020-01-01", "2026-01-01 -"),
    ("once at 2026-01-01 10:00", "2020-01-01", "2026-01-01T10:00 -"),
    ("time of cron */5 9-17 * * 1-5", "2026-01-01T17:56", "2026-01-02T09:00 2026-01-02T09:01"),
    ("cron 0 0 * * * */20", "2026-01-01T00:00:01", "2026-01-01T00:00:20 2026-01-01T00:00:21"),
    ("every 10 minutes between 9:00 and 17:00", "2026-01-01", "2026-01-01T09:00 2026-01-01T17:00"),
    ("every 10 minutes", "2026-01-01", "- -"),
    ("daily after 10:00", "2026-01-01", "2026-01-01T10:00 2026-01-02"),
    ("always", "2026-01-01", "- -"),
]


@pytest.mark.parametrize(("condition", "at", "expected"), FORMS)
def test_first_window_that_ends_after(condition: str, at: str, expected: str) -> None:
    found = period(condition).window_from(instant(at))
    assert found is not None and texts([found]) == [expected]


@pytest.mark.parametrize(("condition", "at", "expected"), FORMS)
def test_windows_backward_are_those_forward(condition: str, at: str, expected: str) -> None:
    found = period(condition)
    start = instant(at)
    forward = list(islice(found.windows_from(start), 5))
    last = forward[-1]
    assert list(islice(found.windows_before(last.start), len(forward))) == forward[::-1]
    assert found.window_before(last.end - 1) == last


def test_today_is_a_day() -> None:
    today = period_of(ThisCycle(Unit.DAY, After(Clock(10 * HOUR))), UTC)
    assert today == period("time of day after 10:00")


def test_edges_are_half_open_to_the_microsecond() -> None:
    found = period("time of day between 10:00 and 14:00")
    start, end = instant("2026-01-01T10:00"), instant("2026-01-01T14:00")
    assert [found.contains(t) for t in (start - 1, start, end - 1, end)] == [
        False,
        True,
        True,
        False,
    ]
    assert found.window_from(start - 1) == found.window_from(start) == Window(start, end)
    assert found.window_from(end) != Window(start, end) == found.window_before(end)
    assert found.window_before(start) == Window(start, end) != found.window_before(start - 1)


@pytest.mark.parametrize("year", [1900, 2100, 9999])
def test_any_year_is_exact(year: int) -> None:
    found = period("time of month on last", "Europe/Berlin")
    at = instant(f"{year}-02-01T12:00")
    window = found.window_from(at)
    assert window is not None
    assert window.start == instant(f"{year}-02-28", "Europe/Berlin")
    assert window.end == instant(f"{year}-03-01", "Europe/Berlin")


def test_after_the_last_instant_there_is_nothing() -> None:
    after = period("after 2026-01-01")
    assert after.window_from(FOREVER) is None
    assert after.window_before(FOREVER) == after.window_from(0)
    before = period("before 2026-01-01")
    assert before.window_before(BEGINNING - 1) is None
    assert texts([*before.windows_from(BEGINNING - 1)]) == ["- 2026-01-02"]
    assert period("daily").window_before(BEGINNING - 1) is None


# --- combinations ---------------------------------------------------------------------------

COMBINED = [  # `&` cuts, `|` joins what overlaps and leaves what touches, `~` is maximal
    (
        "time of day & time of hour",
        ["2026-01-01 2026-01-01T01:00", "2026-01-01T01:00 2026-01-01T02:00"],
    ),
    (
        "time of day between 8:00 and 10:00 | time of day between 10:00 and 12:00",
        ["2026-01-01T08:00 2026-01-01T10:00", "2026-01-01T10:00 2026-01-01T12:00"],
    ),
    (
        "time of day between 8:00 and 10:00 | time of day between 9:00 and 12:00",
        ["2026-01-01T08:00 2026-01-01T12:00", "2026-01-02T08:00 2026-01-02T12:00"],
    ),
    ("~(on Mon, Tue)", ["2025-12-31 2026-01-05", "2026-01-07 2026-01-12"]),
    ("on Mon, Tue", ["2026-01-05 2026-01-06", "2026-01-06 2026-01-07"]),
    ("~~(on Mon, Tue)", ["2026-01-05 2026-01-06", "2026-01-06 2026-01-07"]),
    (
        "time of day between 22:00 and 2:00 & time of week on Fri",
        ["2026-01-02 2026-01-02T02:00", "2026-01-02T22:00 2026-01-03"],
    ),
    (
        "between 2026-01-01 12:00 and 2026-01-02 & time of day",
        ["2026-01-01T12:00 2026-01-02", "2026-01-02 2026-01-03"],
    ),
    ("time of day | time of day starting 12:00", ["- -"]),
    (
        "time of day after 22:00 | between 2026-01-01 23:00 and 2026-01-03 12:00",
        ["2026-01-01T22:00 2026-01-03T12:00", "2026-01-03T22:00 2026-01-04"],
    ),
    (
        "(time of day after 12:00 in Asia/Tokyo) & time of day before 12:00",
        ["2026-01-01T03:00 2026-01-01T12:00", "2026-01-02T03:00 2026-01-02T12:00"],
    ),
    (  # 25 hours apart
        "(time of month on 1st in Pacific/Kiritimati) & (time of month on last in Pacific/Niue)",
        ["2025-12-31T11:00 2026-01-01T10:00", "2026-01-31T11:00 2026-02-01T10:00"],
    ),
]


@pytest.mark.parametrize(("condition", "expected"), COMBINED)
def test_windows_are_cells(condition: str, expected: list[str]) -> None:
    found = period(condition)
    assert texts(islice(found.windows_from(instant("2026-01-01")), 2)) == expected


def test_a_difference_is_maximal() -> None:
    rest = period("time of day") - period("time of week on Mon")
    assert texts(islice(rest.windows_from(instant("2026-01-01")), 2)) == [
        "2025-12-30 2026-01-05",
        "2026-01-06 2026-01-12",
    ]


def test_change_after_is_of_membership_not_of_windows() -> None:
    assert period("time of day").change_after(0) == FOREVER
    weekdays = period("on weekdays")
    assert text(weekdays.change_after(instant("2026-01-01"))) == "2026-01-03"
    assert text(weekdays.change_after(instant("2026-01-03"))) == "2026-01-05"
    assert NEVER.change_after(0) == FOREVER == ALWAYS.change_after(0)


EQUAL = [
    ("time of day before 10:00 | time of day between 10:00 and 12:00", "time of day before 12:00"),
    ("~time of day before 10:00", "time of day after 10:00"),
    ("time of day between 10:00 and 10:00", "time of day"),
    ("time of week on Sat, Sun", "~on weekdays"),
    ("on weekends", "time of week between Sat and Sun"),
    ("time of week", "time of month"),
    ("time of year on Feb last", "time of month on last & time of year on Feb"),
    ("time of month on 5th Mon", "time of month after 29th & on Mon"),
    ("time of cron 0 9 * * 1-5", "on weekdays & time of day at 9:00 & time of hour at 0"),
    ("time of hour before 30 & time of minute", "time of hour before 2 quarter"),
    ("cron 0 0 * * *", "time of cron @daily"),
    ("between 2026-01-01 and 2026-01-31", "between 2026-01-01 00:00 and 2026-02-01 00:00"),
    ("between 2026-01-01 and 2026-06-30 & after 2026-03-01", "between 2026-03-01 and 2026-06-30"),
    ("time of day after 10:00 in 'UTC+12'", "time of day between 22:00 and 12:00"),
    ("after 2026-01-01 | before 2026-06-30", "always"),
    ("time of day before 10:00 & time of day after 10:00", "never"),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_sets_are_equal(left: str, right: str) -> None:
    assert period(left) == period(right)
    assert hash(period(left)) == hash(period(right))


UNEQUAL = [
    ("time of day before 10:00", "time of day before 10:01"),
    ("time of month on last", "time of month on 31st"),
    ("time of year on Feb 29th", "never"),
    ("time of second after 500", "time of second after 501"),
    ("after 2026-01-01", "always"),
]


@pytest.mark.parametrize(("left", "right"), UNEQUAL)
def test_other_sets_are_not(left: str, right: str) -> None:
    assert period(left) != period(right)
    assert period(left) != left


def test_equality_is_exact_where_clocks_change() -> None:
    """In Berlin 02:00-03:00 is left out once a year: then a window that lies in it is moved, and
    two small ones are not one large one."""
    apart = "time of day between 2:00 and 2:15 | time of day between 2:15 and 2:45"
    assert period(apart) == period("time of day between 2:00 and 2:45")
    assert period(apart, "Europe/Berlin") != period(
        "time of day between 2:00 and 2:45", "Europe/Berlin"
    )
    later = "time of day between 4:00 and 4:15 | time of day between 4:15 and 4:45"
    assert period(later, "Europe/Berlin") == period(
        "time of day between 4:00 and 4:45", "Europe/Berlin"
    )
    real, wall = "time of cron * 2 * * *", "time of day at 2:00"
    assert period(real) == period(wall)
    assert period(real, "Europe/Berlin") != period(wall, "Europe/Berlin")


def test_days_follow_one_another() -> None:
    """Whatever the kind of year: also over New Year's."""
    for weekday in range(7):
        assert day_after(weekday_days(weekday)) == weekday_days((weekday + 1) % 7)
        assert day_before(weekday_days(weekday)) == weekday_days((weekday - 1) % 7)
    firsts = days(lambda month: month.days(1, 1))
    lasts = days(lambda month: month.days(month.length, month.length))
    assert day_after(lasts) == firsts and day_before(firsts) == lasts


@pytest.mark.parametrize("year", [1896, 1900, 2000, 2026, 2028, 2100, 9999])
def test_the_kind_of_a_day_is_that_of_the_calendar(year: int) -> None:
    epoch = date(1970, 1, 1)
    for day in (date(year, 1, 1), date(year, 2, 28), date(year, 3, 1), date(year, 12, 31)):
        bit = 1 << kind_of_day((day - epoch).days)
        assert bit & weekday_days(day.weekday()) and bit & month_days(day.month)


# --- never, always, and no long search ------------------------------------------------------

NEVERS = [
    "time of month on 31st & time of week on Mon & time of year on Feb",
    "time of hour at 30 & time of cron 0 * * * *",
    "time of minute before 10 & time of minute after 20",
    "time of second after 500 & time of second before 250",
    "time of minute after 30 & time of second after 500 & time of cron * * * * * 0-29",
    "time of day between 9:00 and 10:00 in Asia/Tokyo & time of day between 9:00 and 10:00",
    "time of month on 29th & time of year on Feb & time of month on last Mon & on Sun",
    "between 2026-01-01 and 2026-12-31 & after 2027-01-02",
    "~(time of day before 10:00 | time of day after 10:00)",
    "~(time of day | time of cron * * * * *)",
    "~(time of week between Mon and Sat | time of week between Sat 12:00 and Tue)",
    "never",
]


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("condition", NEVERS)
def test_never_is_decided(condition: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With little work: what lies between two changes of offset is looked at as a whole."""
    looked = counted(monkeypatch, Pieces, "_find")
    found = period(condition, name)
    found = Period(found.expression)  # that nobody has asked yet
    assert found.is_empty and (~found).is_full and not found.is_full
    assert found.window_from(instant("2026-01-01")) is None
    assert found.window_before(instant("2026-01-01")) is None
    assert len(looked) < (500 if name == "UTC" else 4000)


def counted(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[int]:
    """The instants that a method is called with from now on."""
    called: list[int] = []
    real = getattr(owner, name)

    def noting(self: object, t: int) -> object:
        called.append(t)
        return real(self, t)

    monkeypatch.setattr(owner, name, noting)
    return called


RARE = [
    ("time of month on 29th & time of week on Mon & time of year on Feb", "2044-02-29"),
    ("time of cron 0 0 29 2 MON & time of year on Feb 29th & on Mon", "2044-02-29"),
    (
        "time of minute at 30 & time of second at 7 & time of cron 59 23 31 12 * & on Sun",
        "2028-12-31",
    ),
    ("~(time of minute & ~time of cron 0 0 29 2 *)", "2028-02-29"),
]


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize(("condition", "day"), RARE)
def test_rare_windows_are_found(condition: str, day: str, name: str) -> None:
    found = period(condition, name).window_from(instant("2026-01-01"))
    assert found is not None
    midnight = instant(day, name)
    assert midnight <= found.start < midnight + DAY


def test_a_condition_of_the_greatest_size_compiles() -> None:
    """A thousand atoms, and as deep as the language allows."""
    wide = " | ".join(f"time of day at {i // 60 % 24}:{i % 60:02d}" for i in range(0, 5000, 5))
    assert period(wide).is_full
    deep = "time of day after 10:00"
    for i in range(190):
        deep = f"~({deep} {'&|'[i % 2]} time of hour after {i % 60})"
    found = period(deep)
    assert found.is_empty is (found.window_from(0) is None)
    assert (~found).contains(0) is not found.contains(0)


# --- what is a period -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("time of day", True),
        ("on weekdays & ~(time of cron * 9 * * * in Asia/Tokyo) | always", True),
        ("between 2026-01-01 and 2026-06-30", True),
        ("daily", False),
        ("time of day & after task 'x'", False),
    ],
)
def test_is_window(condition: str, expected: bool) -> None:
    assert is_window(parse(condition)) is expected


@pytest.mark.parametrize("condition", ["after task 'x'", "time of day & has succeeded", "env prod"])
def test_conditions_about_runs_have_no_windows(condition: str) -> None:
    with pytest.raises(ValueError, match="has no windows"):
        period(condition)


@pytest.mark.parametrize(
    ("unit", "times"),
    [
        (Unit.DAY, At((WeekPoint(0),))),
        (Unit.HOUR, After(WeekPoint(0))),
        (Unit.WEEK, After(Clock(0))),
        (Unit.MONTH, At((YearPoint(1),))),
        (Unit.YEAR, Between(MonthPoint(1), MonthPoint(2))),
    ],
)
def test_points_of_another_unit_are_refused(unit: Unit, times: Range) -> None:
    with pytest.raises(ValueError, match="is not a (point|range) of a"):
        anchored(unit, times)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(UnknownZoneError):
        zone("Europe/Nowhere")


# --- cursors --------------------------------------------------------------------------------


def test_a_cursor_knows_where_it_is() -> None:
    cursor = period("time of day between 10:00 and 14:00").cursor()
    ten, two = instant("2026-01-01T10:00"), instant("2026-01-01T14:00")
    assert cursor.at(ten) and (cursor.since, cursor.until) == (ten, two)
    assert not cursor.at(two) and (cursor.since, cursor.until) == (two, ten + DAY)
    assert not cursor.at(ten - 1) and (cursor.since, cursor.until) == (two - DAY, ten)
    never = NEVER.cursor()
    assert not never.at(0) and (never.since, never.until) == (BEGINNING, FOREVER)
    assert ALWAYS.cursor().at(0)


def test_a_cursor_looks_only_once_in_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = counted(monkeypatch, Period, "window_from")
    cursor = period("time of day between 10:00 and 14:00").cursor()
    start = instant("2026-01-01")
    answers = [cursor.at(start + minute * MINUTE) for minute in range(24 * 60)]
    assert sum(answers) == 4 * 60
    assert len(looked) == 2
    assert cursor.ahead() == cursor.ahead() == (start + 34 * 60 * MINUTE, start + 38 * 60 * MINUTE)
    assert cursor.at(start + 35 * 60 * MINUTE) and len(looked) == 2


@pytest.mark.parametrize("text", [
    "hourly", "time of day between 22:00 and 02:00", "time of week before Tue", "never", "always",
    "time of day between 10:00 and 14:00 & time of week after Wed",
])  # fmt: skip
@pytest.mark.parametrize("step", [7 * MINUTE, 95 * MINUTE, 700 * MINUTE, -95 * MINUTE])
def test_a_cursor_that_goes_on_is_where_a_new_one_would_be(text: str, step: int) -> None:
    looking = period(text).cursor()
    start = instant("2026-03-10")
    for number in range(300):
        at = start + number * step
        new = period(text).cursor()
        assert (looking.at(at), looking.since, looking.until) == (new.at(at), new.since, new.until)
        if number % 3:
            assert looking.ahead() == new.ahead()


def test_a_cursor_allocates_nothing() -> None:
    cursor = period("time of day between 10:00 and 14:00").cursor()
    noon = instant("2026-01-01T12:00")
    assert cursor.at(noon)
    gc.collect()
    gc.disable()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        cursor.at(noon)
    after = sys.getallocatedblocks()
    gc.enable()
    assert after - before < 10


# --- second opinion: dateutil's rules, where no clock changes -------------------------------

RULES = [
    ("time of month on 31st", MONTHLY, {"bymonthday": 31}),
    ("time of month on last", MONTHLY, {"bymonthday": -1}),
    ("time of month on 3rd last", MONTHLY, {"bymonthday": -3}),
    ("time of month on 2nd Tue", MONTHLY, {"byweekday": 1, "bysetpos": 2}),
    ("time of month on 5th Fri", MONTHLY, {"byweekday": 4, "bysetpos": 5}),
    ("time of month on last Fri", MONTHLY, {"byweekday": 4, "bysetpos": -1}),
    ("time of year on Feb 29th", YEARLY, {"bymonth": 2, "bymonthday": 29}),
    ("time of year on Nov last", YEARLY, {"bymonth": 11, "bymonthday": -1}),
    ("time of year on May 1st Mon", YEARLY, {"bymonth": 5, "byweekday": 0, "bysetpos": 1}),
]


@pytest.mark.parametrize(("condition", "frequency", "rule"), RULES)
def test_months_and_years_are_as_dateutil_counts_them(
    condition: str, frequency: int, rule: dict[str, int]
) -> None:
    rules = rrule(frequency, dtstart=datetime(2020, 1, 1), **rule)  # type: ignore[arg-type]
    expected = [local_time(day) for day in islice(rules, 60)]
    found = period(condition).windows_from(instant("2020-01-01"))
    assert list(islice(found, 60)) == [Window(day, day + DAY) for day in expected]


# --- daylight saving, at every change of every zone -----------------------------------------


def distinct_zones() -> list[str]:
    """One name of each set of zones that change alike, with a change between 1970 and 2040."""
    until = instant("2040-01-01")
    seen: dict[tuple[tuple[int, int], ...], str] = {}
    for name in sorted(available_timezones() - {"Factory", "localtime"}):
        changes = tuple((c.start, c.shift) for c in zone(name).changes(0, until))
        seen.setdefault(changes, name)
    return [name for changes, name in seen.items() if changes]


@pytest.mark.parametrize("name", distinct_zones())
def test_every_change_of(name: str) -> None:
    here = zone(name)
    for change in here.changes(0, instant("2040-01-01")):
        hour_windows_follow_real_time(here, change)
        if abs(change.shift) < 12 * HOUR:  # else whole days are left out: see below
            each_day_has_its_window_once(here, change)
            each_week_has_its_window_once(here, change)
            each_month_and_year_has_its_window_once(here, change)
            fixed_cron_fires_once_a_day(here, change)
            starred_cron_follows_real_time(here, change)


def skipped_or_repeated(change: Segment) -> tuple[int, int]:
    """The local times that a change leaves out or brings twice."""
    after = change.start + change.offset
    start, end = sorted((after - change.shift, after))
    return start, end


def once(here: Zone, start: int, end: int) -> Window:
    """The rule of LANGUAGE.md §6 for the local times [start, end)."""
    first, last = here.boundary(start), here.boundary(end)
    return Window(first, last if last > first else first + end - start)


def around(found: Period, start: int, end: int) -> list[Window]:
    return list(takewhile(lambda window: window.start < end, found.windows_from(start)))


def each_day_has_its_window_once(here: Zone, change: Segment) -> None:
    """Windows within, into, out of and over the hour of the change."""
    start, end = skipped_or_repeated(change)
    part = (end - start) // 4
    day = start - start % DAY
    for begin, over in (
        (start + part, end - part),
        (start - part, start + part),
        (end - part, end + part),
        (start - part, end + part),
    ):
        times = Between(Clock(begin % DAY), Clock(over % DAY))
        found = period_of(TimeOf(Unit.DAY, times), here)
        length = over - begin
        first = begin - 2 * DAY
        expected = [once(here, first + n * DAY, first + n * DAY + length) for n in range(5)]
        assert around(found, expected[0].start, expected[-1].end) == expected, (day, times)


def each_week_has_its_window_once(here: Zone, change: Segment) -> None:
    start, end = skipped_or_repeated(change)
    middle = (start + end) // 2
    begin = WeekPoint(weekday(middle), middle % DAY)
    over = WeekPoint(weekday(middle + 36 * HOUR), (middle + 36 * HOUR) % DAY)
    found = period_of(TimeOf(Unit.WEEK, Between(begin, over)), here)
    first = middle - 7 * DAY
    expected = [once(here, at, at + 36 * HOUR) for at in (first, middle, middle + 7 * DAY)]
    assert around(found, expected[0].start, expected[-1].end) == expected


def each_month_and_year_has_its_window_once(here: Zone, change: Segment) -> None:
    """A window of the day of the change, within the hour that is left out or comes twice."""
    start, end = skipped_or_repeated(change)
    begin = start + (end - start) // 4
    over = min(end - (end - start) // 4, begin - begin % DAY + DAY - MINUTE)
    day = date(1970, 1, 1) + timedelta(days=begin // DAY)
    points = [MonthPoint(day.day, None, local % DAY) for local in (begin, over)]
    of_month = TimeOf(Unit.MONTH, Between(*points))
    of_year = TimeOf(Unit.YEAR, Between(*(YearPoint(day.month, point) for point in points)))
    for node in (of_month, of_year):
        found = around(period_of(node, here), change.start - 20 * DAY, change.start + 20 * DAY)
        assert found == [once(here, begin, over)]


def weekday(local: int) -> int:
    return (date(1970, 1, 1) + timedelta(days=local // DAY)).weekday()


def hour_windows_follow_real_time(here: Zone, change: Segment) -> None:
    found = period_of(TimeOf(Unit.HOUR, Between(Clock(10 * MINUTE), Clock(25 * MINUTE))), here)
    for t in range(change.start - 2 * HOUR, change.start + 2 * HOUR, 5 * MINUTE):
        minute = (t + here.offset(t)) % HOUR
        assert found.contains(t) is (10 * MINUTE <= minute < 25 * MINUTE)


def fixed_cron_fires_once_a_day(here: Zone, change: Segment) -> None:
    start, end = skipped_or_repeated(change)
    middle = (start + end) // 2 // MINUTE * MINUTE
    hour, minute = middle // HOUR % 24, middle // MINUTE % 60
    found = period_of(Cron(CronFields.parse(f"{minute} {hour} * * *")), here)
    expected = [here.boundary(middle + n * DAY) for n in range(-2, 3)]
    fired = around(found, expected[0], expected[-1] + 1)
    assert [window.start for window in fired] == expected
    assert all(window.end - window.start == MINUTE for window in fired)


def starred_cron_follows_real_time(here: Zone, change: Segment) -> None:
    found = period_of(TimeOfCron(CronFields.parse("*/20 * * * *")), here)
    start, end = change.start - 3 * HOUR, change.start + 3 * HOUR
    expected = {
        t
        for t in range(start - start % MINUTE, end, MINUTE)
        if (t + here.offset(t)) // MINUTE % 20 == 0 and (t + here.offset(t)) % MINUTE == 0
    }
    if change.start % MINUTE == 0 and change.offset % MINUTE == change.shift % MINUTE == 0:
        assert {w.start for w in around(found, start, end)} == expected


def test_a_span_within_a_gap_keeps_its_length() -> None:
    gap_end = instant("2026-03-29T01:00")
    half = period("between 2026-03-29 02:10 and 2026-03-29 02:40", "Europe/Berlin")
    assert list(half.windows_from(0)) == [Window(gap_end, gap_end + 30 * MINUTE)]
    into = period("between 2026-03-29 01:30 and 2026-03-29 02:40", "Europe/Berlin")
    assert list(into.windows_from(0)) == [Window(gap_end - 30 * MINUTE, gap_end)]


def test_samoa_left_out_a_day() -> None:
    """There was no 30 December 2011: its windows come where the gap ends, next to or over those
    of the 31st."""
    change = instant("2011-12-30T10:00")
    noon = period("time of day between 10:00 and 12:00", "Pacific/Apia")
    assert around(noon, change, change + DAY) == [
        Window(change, change + 2 * HOUR),
        Window(change + 10 * HOUR, change + 12 * HOUR),
    ]
    late = period("time of day after 10:00", "Pacific/Apia")
    assert around(late, change, change + DAY) == [
        Window(change, change + 10 * HOUR),
        Window(change + 10 * HOUR, change + DAY),
    ]
    friday = period("on Fri", "Pacific/Apia")
    assert friday.window_from(change) == Window(change, change + DAY)


def test_nodes_may_be_built_by_hand() -> None:
    node: Condition = TimeOf(Unit.MONTH, At((MonthPoint(-1),)))
    assert period_of(node, BERLIN) == period("time of month on last", "Europe/Berlin")
    assert period_of(node, BERLIN) is period_of(node, BERLIN)
