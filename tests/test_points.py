"""Points, durations, dates, cron expressions and zones: what they read, refuse and write."""

import pickle
from datetime import datetime, time, timedelta

import pytest

from oncue.conds.cron import read_cron
from oncue.conds.dates import read_datetime
from oncue.conds.durations import Duration, read_duration
from oncue.conds.points import (
    Clock,
    MonthPoint,
    Point,
    Unit,
    WeekPoint,
    YearPoint,
    read_point,
    to_point,
)
from oncue.conds.reading import ReadError
from oncue.conds.zones import is_zone, near_zones

S = 1_000_000
M = 60 * S
H = 60 * M
DAY = 24 * H

POINTS: list[tuple[Unit, str, Point, str]] = [
    (Unit.SECOND, "0", Clock(0), "0"),
    (Unit.SECOND, "007", Clock(7_000), "7"),
    (Unit.SECOND, "999", Clock(999_000), "999"),
    (Unit.MINUTE, "5", Clock(5 * S), "5"),
    (Unit.MINUTE, "45.5", Clock(45 * S + S // 2), "45.5"),
    (Unit.MINUTE, "00:45", Clock(45 * S), "45"),
    (Unit.MINUTE, "59.999999", Clock(M - 1), "59.999999"),
    (Unit.HOUR, "30", Clock(30 * M), "30:00"),
    (Unit.HOUR, "5:07", Clock(5 * M + 7 * S), "05:07"),
    (Unit.HOUR, "30:15.50", Clock(30 * M + 15 * S + S // 2), "30:15.5"),
    (Unit.HOUR, "0 quarters", Clock(0), "00:00"),
    (Unit.HOUR, "3 Q", Clock(45 * M), "45:00"),
    (Unit.HOUR, "1quarter", Clock(15 * M), "15:00"),
    (Unit.DAY, "10", Clock(10 * H), "10:00"),
    (Unit.DAY, "9:05", Clock(9 * H + 5 * M), "09:05"),
    (Unit.DAY, "10:00:30.5", Clock(10 * H + 30 * S + S // 2), "10:00:30.5"),
    (Unit.DAY, "12am", Clock(0), "00:00"),
    (Unit.DAY, "12 PM", Clock(12 * H), "12:00"),
    (Unit.DAY, "10:30pm", Clock(22 * H + 30 * M), "22:30"),
    (Unit.DAY, "Noon", Clock(12 * H), "12:00"),
    (Unit.DAY, "midnight", Clock(0), "00:00"),
    (Unit.WEEK, "MON", WeekPoint(0), "Mon"),
    (Unit.WEEK, "Wednesday  10pm", WeekPoint(2, 22 * H), "Wed 22:00"),
    (Unit.WEEK, "sun midnight", WeekPoint(6, 0), "Sun 00:00"),
    (Unit.MONTH, "1", MonthPoint(1), "1st"),
    (Unit.MONTH, "2.", MonthPoint(2), "2nd"),
    (Unit.MONTH, "23RD", MonthPoint(23), "23rd"),
    (Unit.MONTH, "11th 10", MonthPoint(11, None, 10 * H), "11th 10:00"),
    (Unit.MONTH, "5 10:00", MonthPoint(5, None, 10 * H), "5th 10:00"),
    (Unit.MONTH, "last", MonthPoint(-1), "last"),
    (Unit.MONTH, "1st last", MonthPoint(-1), "last"),
    (Unit.MONTH, "last day noon", MonthPoint(-1, None, 12 * H), "last 12:00"),
    (Unit.MONTH, "2nd last day", MonthPoint(-2), "2nd last"),
    (Unit.MONTH, "3rd last 5pm", MonthPoint(-3, None, 17 * H), "3rd last 17:00"),
    (Unit.MONTH, "5th fri", MonthPoint(5, 4), "5th Fri"),
    (Unit.MONTH, "1 Monday 9:30", MonthPoint(1, 0, 9 * H + 30 * M), "1st Mon 09:30"),
    (Unit.MONTH, "last Friday 17", MonthPoint(-1, 4, 17 * H), "last Fri 17:00"),
    (Unit.YEAR, "may", YearPoint(5), "May"),
    (Unit.YEAR, "Sep last 10:00", YearPoint(9, MonthPoint(-1, None, 10 * H)), "Sep last 10:00"),
    (Unit.YEAR, "February 29", YearPoint(2, MonthPoint(29)), "Feb 29th"),
    (Unit.YEAR, "Feb 5th Mon", YearPoint(2, MonthPoint(5, 0)), "Feb 5th Mon"),
]


@pytest.mark.parametrize(("unit", "text", "point", "written"), POINTS)
def test_a_point_reads_and_writes(unit: Unit, text: str, point: Point, written: str) -> None:
    assert read_point(unit, text) == point
    assert point.text(unit) == written
    assert read_point(unit, written) == point


@pytest.mark.parametrize("text", ["24:00", "24", "midnight", "24:00:00"])
def test_midnight_as_an_end_is_24_hours(text: str) -> None:
    assert read_point(Unit.DAY, text, end=True) == Clock(DAY)
    assert read_point(Unit.WEEK, f"Fri {text}", end=True) == WeekPoint(4, DAY)
    assert Clock(DAY).text(Unit.DAY) == "24:00"


BAD_POINTS = [
    (Unit.SECOND, "1000", 0, 4, "0 to 999 milliseconds", None),
    (Unit.SECOND, "1.5", 0, 3, "0 to 999 milliseconds", None),
    (Unit.MINUTE, "60", 0, 2, "0 to 59.999999 seconds", None),
    (Unit.MINUTE, "1.1234567", 0, 9, "seconds", None),
    (Unit.HOUR, "60:00", 0, 5, "0 to 59:59.999999 minutes", None),
    (Unit.HOUR, "10:60", 0, 5, "0 to 59:59.999999 minutes", None),
    (Unit.HOUR, "4 quarters", 0, 10, "0 to 3 quarters", None),
    (Unit.DAY, "25:00", 0, 5, "0 to 24 hours", None),
    (Unit.DAY, "24:01", 0, 5, "0 to 24 hours", None),
    (Unit.DAY, "24:00", 0, 5, "only be an end", "00:00"),
    (Unit.DAY, "10:60", 0, 5, "minutes and seconds are 0 to 59", None),
    (Unit.DAY, "0am", 0, 3, "1 to 12", None),
    (Unit.DAY, "10.30", 0, 5, "10:30", "10:30"),
    (Unit.DAY, "nooon", 0, 5, "noon", "noon"),
    (Unit.DAY, "Mon", 0, 3, "a week", None),
    (Unit.DAY, "", 0, 0, "missing", None),
    (Unit.WEEK, "Mon 25:00", 4, 9, "0 to 24 hours", None),
    (Unit.WEEK, "Mon-Fri", 0, 7, "between", "between Mon and Fri"),
    (Unit.WEEK, "Tuseday", 0, 7, "Tuesday", "Tuesday"),
    (Unit.WEEK, "Mon10:00", 0, 8, "weekday", None),
    (Unit.WEEK, "Mon Tue", 0, 7, "comma", "Mon, Tue"),
    (Unit.MONTH, "0th", 0, 3, "1st to 31st", None),
    (Unit.MONTH, "32nd", 0, 4, "1st to 31st", None),
    (Unit.MONTH, "100", 0, 3, "1st to 31st", None),
    (Unit.MONTH, "2th", 0, 3, "2nd", "2nd"),
    (Unit.MONTH, "6th Mon", 0, 7, "1st to 5th", None),
    (Unit.MONTH, "2nd last Fri", 0, 12, "or last", None),
    (Unit.MONTH, "5th nooon", 4, 9, "noon", "noon"),
    (Unit.MONTH, "Feb", 0, 3, "a year", None),
    (Unit.YEAR, "Feb 30th", 4, 8, "February has at most 29 days", None),
    (Unit.YEAR, "Jun 31st last", 4, 13, "June has at most 30 days", None),
    (Unit.YEAR, "Jan32", 0, 5, "month", None),
    (Unit.YEAR, "Febuary", 0, 7, "February", "February"),
    (Unit.YEAR, "2026-01-01", 0, 10, "is a date", None),
]


@pytest.mark.parametrize(("unit", "text", "start", "end", "says", "fix"), BAD_POINTS)
def test_a_bad_point_is_told_at_its_place(
    unit: Unit, text: str, start: int, end: int, says: str, fix: str | None
) -> None:
    with pytest.raises(ReadError) as caught:
        read_point(unit, text)
    error = caught.value
    assert says in error.message
    assert (error.start, error.end, error.fix) == (start, end, fix)


def test_the_python_api_takes_numbers_and_times() -> None:
    assert to_point(Unit.DAY, 10) == Clock(10 * H)
    assert to_point(Unit.DAY, time(10, 30)) == Clock(10 * H + 30 * M)
    assert to_point(Unit.WEEK, 1) == WeekPoint(0)
    assert to_point(Unit.WEEK, 7) == WeekPoint(6)
    assert to_point(Unit.MONTH, 31) == MonthPoint(31)
    assert to_point(Unit.YEAR, 12) == YearPoint(12)
    assert to_point(Unit.DAY, Clock(1)) == Clock(1)
    for unit, value in ((Unit.WEEK, 8), (Unit.WEEK, 0), (Unit.YEAR, 13), (Unit.DAY, 25)):
        with pytest.raises(ValueError):
            to_point(unit, value)
    for wrong in (True, 1.5, None):
        with pytest.raises(TypeError):
            to_point(Unit.DAY, wrong)  # type: ignore[arg-type]


# --- durations ------------------------------------------------------------------------------

DURATIONS = [
    ("1us", 1, "1 µs"),
    ("1 µs", 1, "1 µs"),
    ("1 \u03bcs", 1, "1 µs"),
    ("1.5 ms", 1500, "1 millisecond 500 µs"),
    ("0.1 s", 100_000, "100 milliseconds"),
    ("1 Sec", S, "1 second"),
    ("90 secs", 90 * S, "1 minute 30 seconds"),
    ("2 MIN", 2 * M, "2 minutes"),
    ("1.5 hrs", 90 * M, "1 hour 30 minutes"),
    ("1 d, 12h,30 m", 36 * H + 30 * M, "1 day 12 hours 30 minutes"),
    ("1 w", 7 * DAY, "1 week"),
    ("0.5 weeks", 7 * DAY // 2, "3 days 12 hours"),
    ("14 days", 14 * DAY, "2 weeks"),
    ("15 days", 15 * DAY, "15 days"),
    ("1 hour 1 hour", 2 * H, "2 hours"),
    ("00:10:00", 10 * M, "10 minutes"),
    ("100:00:00.000001", 100 * H + 1, "4 days 4 hours 1 µs"),
    ("2 days 03:04:05.5", 2 * DAY + 3 * H + 4 * M + 5 * S + S // 2, None),
    ("0.000001 s", 1, "1 µs"),
    ("999999999 days", 999_999_999 * DAY, "999999999 days"),
]


@pytest.mark.parametrize(("text", "microseconds", "written"), DURATIONS)
def test_a_duration_reads_and_writes(text: str, microseconds: int, written: str | None) -> None:
    duration = read_duration(text)
    assert duration.microseconds == microseconds
    assert written is None or str(duration) == written
    assert read_duration(str(duration)) == duration


BAD_DURATIONS = [
    ("", "missing", None),
    ("10", "a unit is missing", "10 minutes"),
    ("minutes", "a number is missing", "1 minutes"),
    ("10 minuts", "minutes?", "minutes"),
    ("1 hous", "hour?", "hour"),
    ("2 milisecond", "milliseconds?", "milliseconds"),
    ("1 month", "say monthly", None),
    ("2 years", "say yearly", None),
    ("1 ns", "not a unit", None),
    ("0 s", "longer than nothing", None),
    ("-5 s", "longer than nothing", None),
    ("1.0000001 s", "finer than a microsecond", None),
    ("0.5 us", "finer than a microsecond", None),
    ("00:60:00", "0 to 59", None),
    ("00:00:00.0000001", "finer", None),
    ("1000000000 days", "at most 999,999,999 days", None),
    ("1234567890123456789 s", "19 digits", None),
    ("1 day,, 2 hours", "not a duration", None),
    ("10 min and 5 s", "'and 5 s' is not a duration", None),
    ("1 h x", "'x' is not a duration", None),
]


@pytest.mark.parametrize(("text", "says", "fix"), BAD_DURATIONS)
def test_a_bad_duration_is_told(text: str, says: str, fix: str | None) -> None:
    with pytest.raises(ReadError) as caught:
        read_duration(text)
    assert says in caught.value.message
    assert caught.value.fix == fix
    assert 0 <= caught.value.start <= caught.value.end <= len(text)


def test_durations_of_other_things() -> None:
    assert Duration.of(90) == Duration.of(90.0) == Duration.of("90 s") == Duration(90 * S)
    assert Duration.of(timedelta(minutes=1, microseconds=1)) == Duration(M + 1)
    assert Duration.of(Duration(5)) == Duration(5) == Duration.parse("5us")
    assert (Duration(M).seconds, Duration(M).timedelta) == (60.0, timedelta(minutes=1))
    assert Duration(1) < Duration(2)
    for value in (0, -1, float("nan"), float("inf"), 1e30, timedelta(0), ""):
        with pytest.raises(ValueError):
            Duration.of(value)
    for wrong in (True, None, b"1 s"):
        with pytest.raises(TypeError):
            Duration.of(wrong)  # type: ignore[arg-type]


# --- dates ----------------------------------------------------------------------------------


def test_dates_read() -> None:
    assert read_datetime("2026-01-31") == (datetime(2026, 1, 31), True)
    assert read_datetime("2026-01-31 00:00") == (datetime(2026, 1, 31), False)
    assert read_datetime("2024-02-29T10:00:05.25") == (
        datetime(2024, 2, 29, 10, 0, 5, 250000),
        False,
    )
    assert read_datetime("0001-01-01")[0] == datetime.min
    assert read_datetime("9999-12-31 23:59:59.999999")[0] == datetime.max


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-13-01", 5, 7),
        ("2026-00-01", 5, 7),
        ("2026-04-31", 8, 10),
        ("2026-02-29", 8, 10),
        ("1900-02-29", 8, 10),
        ("0000-01-01", 0, 10),
        ("2026-01-01 24:00", 11, 16),
        ("2026-01-01 10:60", 11, 16),
        ("2026-1-1", 0, 8),
        ("2026-01-01 10", 0, 13),
        ("2026-01-01t10:00", 0, 16),
        ("tomorrow", 0, 8),
    ],
)
def test_bad_dates_are_told_at_their_place(text: str, start: int, end: int) -> None:
    with pytest.raises(ReadError) as caught:
        read_datetime(text)
    assert (caught.value.start, caught.value.end) == (start, end)


# --- cron -----------------------------------------------------------------------------------


def test_cron_fields_are_sets() -> None:
    cron = read_cron("*/15 9-17/4 1,15,L jan-MAR 1-5,sun")
    assert cron.minutes == (0, 15, 30, 45)
    assert cron.hours == (9, 13, 17)
    assert (cron.days, cron.last_day) == ((1, 15), True)
    assert cron.months == (1, 2, 3)
    assert cron.weekdays == (0, 1, 2, 3, 4, 6)
    assert cron.seconds is None
    assert not (cron.any_day or cron.any_weekday or cron.real_time)
    assert cron.text == "*/15 9-17/4 1,15,L JAN-MAR 1-5,SUN"


def test_cron_weekdays_count_from_sunday_and_7_is_sunday() -> None:
    def days(field: str) -> tuple[int, ...]:
        return read_cron(f"0 0 * * {field}").weekdays  # 0 is Monday

    assert days("*/2") == (1, 3, 5, 6)
    assert days("*/3") == (2, 5, 6)
    assert days("0") == days("7") == days("SUN") == (6,)
    assert days("1/2") == (0, 2, 4)
    assert days("7/2") == days("0/2") == days("*/2")
    assert days("5-7") == days("FRI-SUN") == (4, 5, 6)
    assert days("0-2") == days("SUN-TUE") == (0, 1, 6)
    assert days("1-7/2") == (0, 2, 4, 6)
    assert days("7-2") == days("0-2")
    assert days("7-7") == days("SUN-SUN") == days("7-SUN") == days("0-0") == (6,)
    assert days("0-7") == days("SUN-7") == days("MON-SUN") == (0, 1, 2, 3, 4, 5, 6)
    assert read_cron("0 0 * * FRI#2,1#5,7#1").nth_weekdays == ((0, 5), (4, 2), (6, 1))


@pytest.mark.parametrize(
    ("text", "any_day", "any_weekday", "real_time"),
    [
        ("* * * * *", True, True, True),
        ("*/1 0 */1 * */1", True, True, True),
        ("0 * * * *", True, True, True),
        ("*/5 0 1 * *", False, True, False),
        ("0 0 */2 * 1-5", False, False, False),
    ],
)
def test_what_a_cron_expression_restricts(
    text: str, any_day: bool, any_weekday: bool, real_time: bool
) -> None:
    cron = read_cron(text)
    assert (cron.any_day, cron.any_weekday, cron.real_time) == (any_day, any_weekday, real_time)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7-7", "0-0"),
        ("07-07", "0-0"),
        ("7-2", "0-2"),
        ("7-SUN", "0-SUN"),
        ("5-7", "5-7"),
        ("fri-sun/2", "FRI-SUN/2"),
        ("sun-7", "SUN-7"),
    ],
)
def test_a_range_of_weekdays_in_canonical_text_means_the_same(text: str, meant: str) -> None:
    found = read_cron(f"0 0 * * {text}")
    assert found.text == f"0 0 * * {meant}"
    assert read_cron(found.text).weekdays == found.weekdays


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("5-1 * * * *", "5-59,0-1"),
        ("59-0 * * * *", "59,0"),
        ("0 0 1 NOV-FEB *", "NOV-DEC,JAN-FEB"),
        ("0 0 1 DEC-JAN *", "DEC,JAN"),
        ("0 0 * * SAT-MON", "SAT,SUN-MON"),
        ("0 0 * * 5-0", "5-6,0"),
        ("0 20-4/2 * * *", None),  # where the step goes on from is anybody's guess
    ],
)
def test_a_backward_range_is_offered_in_two_parts(text: str, fix: str | None) -> None:
    with pytest.raises(ReadError, match="backwards") as caught:
        read_cron(text)
    assert caught.value.fix == fix
    if fix is not None:
        error = caught.value
        read_cron(text[: error.start] + fix + text[error.end :])


def test_a_step_from_a_number_runs_to_the_end() -> None:
    assert read_cron("50/5 * * * *").minutes == (50, 55)
    assert read_cron("* * 29/2 * *").days == (29, 31)
    assert read_cron("*/100 * * * *").minutes == (0,)
    assert read_cron("0 0 * * * */20").seconds == (0, 20, 40)


@pytest.mark.parametrize(
    ("text", "says", "span"),
    [
        ("60 * * * *", "not a minute: 0 to 59", (0, 2)),
        ("* 24 * * *", "not an hour: 0 to 23", (2, 4)),
        ("* * 0 * *", "day of month: 1 to 31", (4, 5)),
        ("* * * 13 *", "month: 1 to 12 or JAN-DEC", (6, 8)),
        ("* * * * 8", "day of week: 0 to 7 or SUN-SAT", (8, 9)),
        ("* * * * * 60", "second: 0 to 59", (10, 12)),
        ("1,,2 * * * *", "empty", (2, 2)),
        ("1,60 * * * *", "'60'", (2, 4)),
        ("5-1 * * * *", "backwards", (0, 3)),
        ("* * * * SAT-MON", "backwards", (8, 15)),
        ("*/0 * * * *", "at least 1", (2, 3)),
        ("*/1234567890123456789 * * * *", "at most 18", (2, 21)),
        ("1-x * * * *", "'1-x'", (0, 3)),
        ("* * 15W * *", "W (the nearest working day)", (4, 7)),
        ("* * LW * *", "W (the nearest working day)", (4, 6)),
        ("* * ? * *", "write *", (4, 5)),
        ("* * * * 5L", "only for the day of month", (8, 10)),
        ("* * * * MON#6", "1st to 5th", (8, 13)),
        ("* * * * MON#", "1st to 5th", (8, 12)),
        ("* * * * #1", "day of week", (8, 8)),
        ("0 0 30 2 *", "never", (0, 10)),
        ("0 0 31 4,6,9,11 *", "never", (0, 17)),
        ("* * * *", "five or six fields", (0, 7)),
        ("", "five or six fields", (0, 0)),
        ("@never", "@yearly", (0, 6)),
        ("@daily 5", "nickname", (0, 8)),
        ("99999999999 * * * *", "not a minute", (0, 11)),
    ],
)
def test_bad_cron_expressions_are_told_at_their_place(
    text: str, says: str, span: tuple[int, int]
) -> None:
    with pytest.raises(ReadError) as caught:
        read_cron(text)
    assert says in caught.value.message
    assert (caught.value.start, caught.value.end) == span


@pytest.mark.parametrize("text", ["0 0 30 2 MON", "0 0 30 2,3 *", "0 0 L 2 *", "0 0 29 2 *"])
def test_dates_that_some_year_has_are_possible(text: str) -> None:
    assert read_cron(text).text == text


# --- zones and errors -----------------------------------------------------------------------


def test_zones() -> None:
    for name in ("UTC", "Europe/Dublin", "America/Argentina/Buenos_Aires", "UTC+12", "EST5EDT"):
        assert is_zone(name)
    outside = ("", "x" * 100, "/etc/localtime", "../etc/passwd", "posix/UTC", "right/UTC")
    for name in (*outside, "Europe/Dublin/", "Europe", "localtime", "a\0b", "UTC+", "Nowhere"):
        assert not is_zone(name)
    assert near_zones("Europe/Dubln")[0] == "Europe/Dublin"
    assert near_zones("Dublin") == ("Europe/Dublin",)
    assert near_zones("europe/dublin") == ("Europe/Dublin",)
    assert near_zones("qqqqqqqqqqqqqqqq") == ()


def test_a_read_error_travels() -> None:
    with pytest.raises(ReadError) as caught:
        read_point(Unit.DAY, "10.30")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.fix, again.code) == (
        "'10.30' is not a time: 10:30",
        "10:30",
        "bad-point",
    )
