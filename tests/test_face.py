"""The functions that need no app: datetimes in, datetimes out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from oncue import (
    Action,
    ConditionSyntaxError,
    FailureMode,
    Record,
    check,
    evaluate,
    explain,
    parse,
    upcoming,
    windows,
)

NOON = datetime(2026, 3, 10, 12)
DUBLIN = ZoneInfo("Europe/Dublin")


def starts(condition: str, start: str, count: int, **options: object) -> list[str]:
    found = upcoming(condition, datetime.fromisoformat(start), count=count, **options)  # type: ignore[arg-type]
    return [moment.strftime("%m-%d %H:%M:%S").removesuffix(":00") for moment in found]


# --- evaluate ----------------------------------------------------------------------------------


def test_a_verdict_is_in_the_zone_that_was_asked_for() -> None:
    verdict = evaluate("daily after 10:00", at=datetime(2026, 3, 10, 9), timezone="Europe/Dublin")
    assert not verdict
    assert verdict.until == datetime(2026, 3, 10, 10, tzinfo=DUBLIN)
    assert verdict.until.tzinfo is not None
    assert verdict.until.utcoffset() == timedelta(0)


def test_an_aware_datetime_is_the_instant_it_is() -> None:
    at = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)  # 10:30 in Dublin
    assert evaluate("daily after 10:00", at=at, timezone="Europe/Dublin")
    assert not evaluate("daily after 10:00", at=at, timezone="UTC")


def test_no_bound_is_none() -> None:
    verdict = evaluate("true", at=NOON, timezone="UTC")
    assert (verdict.value, verdict.since, verdict.until) == (True, None, None)
    assert verdict.reads == frozenset()


@pytest.mark.parametrize(
    "log",
    [
        [{"task": "a", "action": "success", "at": datetime(2026, 3, 10, 11)}],
        [{"task": "a", "action": "success", "at": "2026-03-10 11:00"}],
        [{"task_name": "a", "action": "success", "created": "2026-03-10T11:00:00+00:00"}],
        [{"task": "a", "action": Action.SUCCESS, "at": 1773140400000000, "run_id": "x"}],
        [Record("a", Action.SUCCESS, at=1773140400000000)],
        [Record("a", Action.SUCCESS, at=datetime(2026, 3, 10, 11))],  # type: ignore[arg-type]
    ],
)
def test_a_log_may_be_written_in_many_ways(log: list[Record]) -> None:
    verdict = evaluate("task 'a' has succeeded past 2 hours", at=NOON, log=log, timezone="UTC")
    assert verdict.value
    assert verdict.until == datetime(2026, 3, 10, 13, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"task": "a", "action": "success"}, "line 1 of the log: it has no 'at'"),
        ({"task": "a", "action": "won", "at": NOON}, "no action 'won'; there are run, success"),
        ({"task": "a", "action": "run", "at": NOON, "runid": 1}, "has the unknown 'runid'"),
        ({"task": "a", "action": "run", "at": "noon"}, "line 1 of the log: 'at' is 'noon', not a"),
        ({"task": "a", "action": "run", "at": 1.5}, "'at' is 1.5, not a datetime, its ISO text"),
        ({"task": "a", "action": "run", "at": None}, "line 1 of the log: 'at' is None, not a"),
        ({"task": 5, "action": "run", "at": NOON}, "'task' is 5, not text"),
        ({"task": None, "action": "run", "at": NOON}, "'task' is None, not text"),
        ({"task": "a", "action": ["run"], "at": NOON}, r"no action \['run'\]; there are run"),
        ({"task": "a", "action": "run", "at": NOON, "attempt": "two"}, "'attempt' is 'two', not a"),
        ("a run", "line 1 of the log: it is neither a Record nor a mapping: 'a run'"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate("daily", at=NOON, log=[line])


def test_a_zone_may_be_given_as_python_has_it() -> None:
    for zone in ("Europe/Dublin", ZoneInfo("Europe/Dublin")):
        found = evaluate("daily after 12:30", at=NOON, timezone=zone)
        assert found.until == datetime(2026, 3, 10, 12, 30, tzinfo=ZoneInfo("Europe/Dublin"))
    assert evaluate("daily", at=NOON, timezone=UTC)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: evaluate("daily", at="noon"), "'noon' is not a datetime"),  # type: ignore[arg-type]
        (lambda: evaluate(None, at=NOON), "None is neither a condition nor the text"),  # type: ignore[arg-type]
        (lambda: explain(5, at=NOON), "5 is neither a condition nor the text of one"),  # type: ignore[arg-type]
        (lambda: list(windows(5, NOON)), "5 is neither a condition nor the text of one"),  # type: ignore[arg-type]
        (lambda: list(upcoming("daily", NOON.date())), "is not a datetime"),  # type: ignore[arg-type]
        (lambda: evaluate("daily", at=NOON, timezone=5), "the name of a zone, such as"),  # type: ignore[arg-type]
    ],
)
def test_what_is_of_another_kind_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        wrong()


def test_the_owner_of_a_condition_is_the_task_asked_for() -> None:
    log = [Record("a", Action.RUN, at=1773140400000000)]
    assert not evaluate("daily", at=NOON, log=log, task="a", timezone="UTC")
    assert evaluate("daily", at=NOON, log=log, task="b", timezone="UTC")


def test_a_condition_as_deep_as_they_come_is_answered() -> None:
    text = "daily"
    for i in range(190):
        text = f"~({text} & has failed | after task 'a')" if i % 2 else f"({text} | hourly) & daily"
        if i > 120:
            break
    assert evaluate(text, at=NOON).value in (True, False)
    assert str(explain(text, at=NOON))


# --- what becomes of a failed run -----------------------------------------------------------------

FAILED = [
    {"task": "self", "action": "run", "at": "2026-03-10 10:00"},
    {"task": "self", "action": "fail", "at": "2026-03-10 10:00:20"},
]
AT_MOST_ONCE = {"failure_mode": "unlock", "execution_mode": "at_most_once"}


@pytest.mark.parametrize(
    ("how", "at", "value", "until"),
    [
        ({}, "10:00:40", False, "11 00:00:00"),
        ({"failure_mode": "unlock"}, "10:00:40", True, "11 00:00:00"),
        ({"failure_mode": FailureMode.NONE}, "10:00:40", False, "10 10:01:00"),
        ({"failure_mode": "none"}, "10:01", True, "11 00:00:00"),
        ({"failure_mode": "none", "lease_duration": "5 min"}, "10:04", False, "10 10:05:00"),
        (
            {"failure_mode": "unlock", "execution_mode": "at_most_once"},
            "12:00",
            False,
            "11 00:00:00",
        ),
    ],
)
def test_a_failed_run_is_done_or_released(
    how: dict[str, Any], at: str, value: bool, until: str
) -> None:
    moment = datetime.fromisoformat(f"2026-03-10 {at}")
    found = evaluate("daily", at=moment, log=FAILED, timezone="UTC", **how)
    assert found.value is value
    assert f"{found.until:%d %H:%M:%S}" == until


def test_a_crash_is_released_unless_a_start_counts_whatever_follows() -> None:
    log = [*FAILED[:1], {"task": "self", "action": "crash", "at": "2026-03-10 10:00:20"}]
    for text in ("daily", "every 1 day", "after task 'a'"):
        seen = [{"task": "a", "action": "success", "at": "2026-03-10 09:00"}, *log]
        assert evaluate(text, at=NOON, log=seen)
        assert not evaluate(text, at=NOON, log=seen, execution_mode="at_most_once")


@pytest.mark.parametrize("how", [{"failure_mode": "never"}, {"execution_mode": "once"}])
def test_a_mode_that_does_not_exist_is_named(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="there is no mode '.*'; there are '"):
        evaluate("daily", at=NOON, **how)


# --- check -------------------------------------------------------------------------------------


def test_check_joins_the_errors_and_hints_of_all_floors() -> None:
    assert [found.severity for found in check("daliy")] == ["error"]
    assert check("daily after 10:00 & after task 'a'") == []
    impossible = check("time of day before 10:00 & time of day after 14:00")
    assert any("never" in found.message for found in impossible)
    unknown = check("after task 'extrct'", tasks=["extract"])
    assert any("extract" in str(found) for found in unknown)


def test_evaluate_raises_what_parse_raises() -> None:
    with pytest.raises(ConditionSyntaxError):
        evaluate("daliy", at=NOON)


# --- windows and starts ------------------------------------------------------------------------


def test_windows_go_on_from_the_one_that_contains_the_start() -> None:
    found = islice(windows("time of day between 10:00 and 14:00", NOON, timezone="UTC"), 2)
    assert [(w.start, w.end) for w in found] == [
        (datetime(2026, 3, d, 10, tzinfo=UTC), datetime(2026, 3, d, 14, tzinfo=UTC))
        for d in (10, 11)
    ]


def test_windows_go_back_too_and_end_where_told() -> None:
    end = datetime(2026, 3, 8)
    found = list(windows("daily before 10:00", NOON, end, backward=True, timezone="UTC"))
    assert [w.start for w in found] == [datetime(2026, 3, d, tzinfo=UTC) for d in (10, 9, 8)]
    found = list(windows("daily before 10:00", NOON, datetime(2026, 3, 12), timezone="UTC"))
    assert [w.start for w in found] == [datetime(2026, 3, 11, tzinfo=UTC)]


def test_always_is_one_window_and_never_none() -> None:
    assert list(windows("always", NOON)) == [(None, None)]
    assert list(windows("never", NOON)) == []


def test_what_is_not_about_time_alone_has_no_windows() -> None:
    with pytest.raises(ValueError, match="AfterTasks has no windows"):
        next(windows("daily & after task 'a'", NOON))


def test_starts_of_cadences_and_intervals() -> None:
    assert starts("daily after 10:00", "2026-03-10 12:00", 2) == ["03-10 12:00", "03-11 10:00"]
    assert starts("every 90 minutes", "2026-03-10 12:00", 3) == [
        "03-10 12:00",
        "03-10 13:30",
        "03-10 15:00",
    ]
    assert starts("cron 0 9 * * 1", "2026-03-10 12:00", 2) == ["03-16 09:00", "03-23 09:00"]


def test_starts_of_what_no_scheduler_could_say() -> None:
    condition = "(cron */20 * * * * & time of day between 9 and 10) | (daily after 17:00 & on Tue)"
    assert starts(condition, "2026-03-10 09:30", 4) == [
        "03-10 09:40",
        "03-10 17:00",
        "03-11 09:00",
        "03-11 09:20",
    ]


def test_a_long_run_puts_off_the_next_start() -> None:
    assert starts("every 10 minutes", "2026-03-10 12:00", 3, duration="25 min") == [
        "03-10 12:00",
        "03-10 12:25",
        "03-10 12:50",
    ]


def test_starts_end_where_told_and_where_time_alone_starts_nothing() -> None:
    end = datetime(2026, 3, 12)
    assert len(list(upcoming("daily after 10:00", NOON, end=end))) == 2
    assert list(upcoming("once at 2026-01-01", NOON, timezone="UTC")) == [NOON.replace(tzinfo=UTC)]
    assert list(upcoming("after task 'a'", NOON)) == []


@pytest.mark.parametrize(
    "condition",
    [
        "daily at 10 & time of day at 12",
        "secondly at 5 & time of second at 6",
        "hourly at 5 & time of hour at 6 | once at 2026-01-01",
        "daily at 10 & (time of day at 12 | ~has succeeded)",
    ],
)
def test_what_will_never_start_again_is_known(condition: str) -> None:
    assert len(list(upcoming(condition, NOON, timezone="UTC"))) <= 1


def test_windows_end_with_the_years() -> None:
    found = list(windows("time of year", datetime(9998, 6, 1), timezone="UTC"))
    assert [w.start and w.start.year for w in found] == [9998, 9999]


def test_a_start_on_each_day_of_the_clock_change() -> None:
    found = upcoming(
        "daily after 01:30", datetime(2026, 3, 28, 12), count=3, timezone="Europe/Dublin"
    )
    assert [f"{m:%d %H:%M %z}" for m in found] == [
        "28 12:00 +0000",
        "29 02:00 +0100",
        "30 01:30 +0100",
    ]


def test_nodes_are_as_good_as_text() -> None:
    node = parse("daily after 10:00")
    assert evaluate(node, at=NOON) == evaluate(str(node), at=NOON)
    assert list(upcoming(node, NOON, count=2)) == list(upcoming(str(node), NOON, count=2))
