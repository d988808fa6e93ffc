"""The hints that need windows: each, and what must not have it."""

from __future__ import annotations

import pytest

from oncue.conds.diagnostic import Diagnostic, Severity
from oncue.engine.civil import UnknownZoneError, zone
from oncue.engine.lint import lint
from oncue.grammar.parser import parse


def hints(text: str, name: str = "UTC") -> list[Diagnostic]:
    return lint(parse(text), zone(name))


def codes(text: str, name: str = "UTC") -> list[str]:
    return [hint.code for hint in hints(text, name)]


CLEAN = [
    "daily after 10:00",
    "monthly on 28th",
    "monthly on last",
    "monthly between 25th and 31st",
    "monthly between 30th and 5th",
    "monthly starting 31st",
    "monthly before 31st",
    "monthly on 4th Mon",
    "yearly on Feb",
    "yearly on Feb last",
    "yearly after Feb 29th",
    "yearly on Dec 31st",
    "cron 0 0 L * *",
    "cron 0 0 31 * FRI",
    "cron 0 0 1,31 * *",
    "cron 0 0 31 1,3 *",
    "cron 0 0 30 4,6 *",
    "always",
    "never",
    "daily & false",
    "every 10 minutes & time of day",
    "daily | ~daily",
    "hourly after 30",
    "has failed today between 10:00 and 12:00",
    "is running",
]


@pytest.mark.parametrize("text", CLEAN)
def test_nothing_to_say(text: str) -> None:
    assert hints(text) == []


NEVER = [
    ("time of day before 10:00 & time of day after 14:00", 0, 50),
    ("daily after 14:00 & time of day before 10:00 & after task 'x'", 0, 61),
    ("time of month on 31st & time of week on Mon & time of year on Feb", 0, 65),
    ("every 10 minutes before 9:00 & time of day after 9:00", 0, 53),
    ("cron 0 9 * * * & time of day after 10:00", 0, 40),
    ("once at 2026-06-01 & before 2026-01-01", 0, 38),
    ("is running | on Mon & on Tue", 13, 28),
    ("~(time of day before 10:00 & time of day after 14:00)", 2, 52),
    ("(on Mon & on Tue) & daily", 0, 25),
    ("(time of day before 9:00 in Asia/Tokyo) & time of day between 1:00 and 9:00", 0, 75),
]


@pytest.mark.parametrize(("text", "start", "end"), NEVER)
def test_never_true(text: str, start: int, end: int) -> None:
    (hint,) = [hint for hint in hints(text) if hint.code == "never-true"]
    assert hint.severity is Severity.WARNING and "never true" in hint.message
    assert hint.span is not None and (hint.span.start, hint.span.end) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "time of day",
        "time of day before 10:00 | time of day after 10:00",
        "time of day | after task 'x'",
        "~(on Mon) | on weekdays",
        "time of day | daily & is running",
        "after 2026-01-01 | before 2026-06-30",
    ],
)
def test_always_true(text: str) -> None:
    (hint,) = hints(text)
    assert hint.code == "always-true" and hint.severity is Severity.WARNING


def test_of_a_long_condition_the_whole_is_judged() -> None:
    times = (f"{hour}:{minute:02d}" for hour in range(9) for minute in range(60))
    text = " | ".join(f"time of day at {time}" for time in times)
    assert hints(text) == []
    assert codes(f"({text}) & time of day after 12:00") == ["never-true"]


UNREACHABLE = [
    ("monthly on 31st", "no 31st", "every month has last"),
    ("monthly on 15th, 30th", "no 30th", "every month has last"),
    ("time of month after 29th", "no 29th", "every month has last"),
    ("monthly between 30th and 31st", "no 30th", "every month has last"),
    ("monthly on 31st 10:00", "no 31st", "every month has last"),
    ("monthly on 5th Mon", "no 5th Mon", "every month has last Mon"),
    ("monthly on 31st last", "no 31st last", "every month has 1st"),
    ("yearly on Feb 29th", "some years have no Feb 29th", "every year has Feb last"),
    ("yearly on May 5th Fri", "some years have no May 5th Fri", "every year has May last Fri"),
    ("cron 0 0 31 * *", "no 31st", "every month has L"),
    ("time of cron 0 0 29-31 * *", "no 29th", "every month has L"),
    ("has succeeded this month on 31st", "no 31st", "every month has last"),
    ("cron 0 0 31 3,4 *", "some months have no 31st", "every month has L"),
    ("cron 0 0 29 2 *", "some years have no Feb 29th", "every year has L in February"),
    ("time of month between 2nd Mon and 8th", "are skipped", "between 2nd Mon and 8th there"),
    ("time of month between last and 29th last", "skipped", "between last and 29th last there"),
    ("yearly between Feb last and Feb 28th", "some years", "Feb last and Feb 28th there"),
    ("time of month between 5th Mon and 31st", "no 5th Mon", "every month has last Mon"),
]


@pytest.mark.parametrize(("text", "lacking", "instead"), UNREACHABLE)
def test_unreachable_day(text: str, lacking: str, instead: str) -> None:
    (hint,) = [hint for hint in hints(text) if hint.code == "unreachable-day"]
    assert lacking in hint.message and hint.message.endswith(instead)
    assert hint.severity is Severity.WARNING and hint.span is not None


CHANGES = [
    ("daily after 02:30", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("daily before 02:00", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("daily between 03:00 and 23:00", "Europe/Berlin", []),
    ("daily after 01:30", "Europe/Berlin", []),
    ("daily after 01:30", "America/New_York", ["repeated-time"]),
    ("daily after 02:30", "America/New_York", ["skipped-time"]),
    ("daily after 02:30", "Asia/Tokyo", []),
    ("daily after 02:30 in Europe/Berlin", "Asia/Tokyo", ["skipped-time", "repeated-time"]),
    ("weekly on Sun 02:30", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("weekly on Mon 02:30", "Europe/Berlin", []),
    ("monthly on 1st 02:30", "Europe/Berlin", []),
    ("monthly on last Sun 02:30", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("yearly on Mar 31st 02:30", "Europe/Berlin", ["skipped-time"]),
    ("yearly on Oct 24th 02:30", "Europe/Berlin", []),
    ("yearly on Oct 25th 02:30", "Europe/Berlin", ["repeated-time"]),
    ("cron 30 2 * * 1", "Europe/Berlin", []),
    ("cron 30 2 * 10 7", "Europe/Berlin", ["repeated-time"]),
    ("cron 30 2 * * * 15", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("once at 2026-03-29 02:30", "Europe/Berlin", ["skipped-time"]),
    ("once at 2026-10-25 02:30", "Europe/Berlin", ["repeated-time"]),
    ("once at 2026-03-29 02:30", "UTC", []),
    ("once at 2026-03-29 03:00", "Europe/Berlin", []),
    ("between 2026-03-29 02:15 and 2026-03-29 02:45", "Europe/Berlin", ["skipped-time"]),
    ("before 2026-10-25 02:30 in Europe/Berlin", "UTC", ["repeated-time"]),
    ("between 2026-03-08 and 2026-03-09", "America/Havana", []),
    ("weekly on Mon", "America/Havana", []),
    ("daily at 00:30", "America/Havana", ["skipped-time", "repeated-time"]),
    ("hourly after 30", "Europe/Berlin", []),
    ("every 10 min after 02:30", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("cron 30 1,2 * * *", "Europe/Berlin", ["skipped-time", "repeated-time"]),
    ("cron 30 * * * *", "Europe/Berlin", []),
    ("cron * 2 * * *", "Europe/Berlin", []),
    ("daily after 01:45", "Australia/Lord_Howe", ["repeated-time"]),
    ("daily after 02:15", "Australia/Lord_Howe", ["skipped-time"]),
]


@pytest.mark.parametrize(("text", "name", "expected"), CHANGES)
def test_times_that_some_days_skip_or_repeat(text: str, name: str, expected: list[str]) -> None:
    assert codes(text, name) == expected


def test_the_times_and_the_zone_are_named() -> None:
    first, second = hints("daily at 02:00, 02:30, 12:00", "Europe/Berlin")
    assert "02:00, 02:30 is skipped" in first.message and "Europe/Berlin" in first.message
    assert "only the first" in second.message
    (many, _) = hints("cron 0,10,20,30 2 * * *", "Europe/Berlin")
    assert "02:00, 02:10, 02:20 …" in many.message


def test_an_unknown_zone_is_an_error_of_the_caller() -> None:
    with pytest.raises(UnknownZoneError):
        hints("daily", "Europe/Dubln")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("monthly on 31st", "monthly on last"),
        ("monthly on 1st, 30th 10:00", "monthly on 1st, last 10:00"),
        ("time of month on 5th Mon", "time of month on last Mon"),
        ("monthly on 31st last", "monthly on 1st"),
        ("yearly on Feb 29th", "yearly on Feb last"),
        ("monthly after 31st", None),  # `after last` is another window
        ("cron 0 0 31 * *", None),
    ],
)
def test_a_day_that_some_months_lack_is_mended_by_one_they_all_have(
    text: str, fix: str | None
) -> None:
    found = [hint for hint in hints(text) if hint.code == "unreachable-day"]
    assert [hint.fix for hint in found] == [fix]
    if fix is not None:
        assert not [hint for hint in hints(fix) if hint.code == "unreachable-day"]
