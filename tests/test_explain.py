"""Explanations: the fact behind each atom, what would flip a condition, and what is drawn."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oncue import App, Explanation, Record, evaluate, explain, parse
from oncue.engine.history import TaskLog

NINE = datetime(2026, 3, 10, 9)


def record(task: str, action: str, at: str, **more: Any) -> dict[str, Any]:
    return {"task": task, "action": action, "at": f"2026-03-10 {at}", **more}


LOG = [
    record("a", "run", "08:00"),
    record("a", "fail", "08:10"),
    record("a", "run", "08:40"),
    record("b", "run", "08:50"),
    record("b", "run", "08:58"),
    record("self", "run", "08:30"),
    record("self", "fail", "08:59:50"),
    record("c", "success", "09:00"),
]


def why(condition: str, log: list[dict[str, Any]] | None = None, **options: Any) -> Explanation:
    given = {"at": NINE, "timezone": "UTC", "log": LOG if log is None else log, **options}
    return explain(condition, **given)


@pytest.mark.parametrize(
    ("condition", "fact"),
    [
        ("true", ""),
        ("time of day after 10", "opens 10:00"),
        ("time of day before 10", "open until 10:00"),
        ("after 2026-01-01", "open for ever"),
        ("before 2026-01-01", "the window never opens again"),
        ("time of day after 10 in Asia/Tokyo", "open until 2026-03-11 00:00"),
        ("hourly", "open until 10:00, and not run in it yet"),
        ("daily", "run in this window already, at 08:30 (fail); again 2026-03-11 00:00"),
        (
            "daily in Asia/Tokyo",
            "run in this window already, at 17:30 (fail); again 2026-03-11 00:00",
        ),
        ("cron 0 10 * * *", "opens 10:00"),
        ("once at 2026-03-10", "run in this window already, at 08:30 (fail); never again"),
        ("once at 2027-01-01", "opens 2027-01-01 00:00"),
        ("every 10 min", "last run 08:30, due now"),
        ("every 1 hour", "last run 08:30, due 09:30"),
        ("every 1 hour since last fail", "last fail 08:59:50, due 09:59:50"),
        ("every 1 hour since last finish", "last finish 08:59:50, due 09:59:50"),
        ("every 1 hour since last success", "no success yet, due now"),
        ("has failed", "last fail 08:59:50"),
        ("task 'a' has succeeded", "never succeeded"),
        ("task 'a' has succeeded today", "never succeeded between 00:00 and 2026-03-11 00:00"),
        ("task 'a' has failed at least 2 times", "failed once, last fail 08:10"),
        (
            "task 'a' has failed at least 2 times past 1 h",
            "failed once since 08:00, last fail 08:10",
        ),
        (
            "task 'a' has failed this week before Wed",
            "failed once between 2026-03-09 00:00 and 2026-03-12 00:00, last fail 08:10",
        ),
        (
            "task 'a' has failed today after 10:00",
            "failed 0 times (the range has not begun: opens 10:00), last fail 08:10",
        ),
        ("after task 'c'", "'c' succeeded 09:00, after this task's own start 08:30"),
        ("after task 'd'", "'d' has not succeeded yet"),
        ("after task 'a' failed", "last fail of 'a' 08:10, before this task's own start 08:30"),
        ("is running", "not running, last ended 08:59:50"),
        ("task 'd' is running", "not running, never run"),
        ("task 'a' is running", "1 running, since 08:40 (20 minutes)"),
        (
            "task 'b' is running more than 5 min",
            "2 running, since 08:50 (10 minutes) and 08:58 (2 minutes), 1 of that age",
        ),
        ("retry", "attempt 1 ended in fail at 08:59:50"),
        (
            "retry 3 times after 30 s",
            "attempt 1 of 4 ended in fail at 08:59:50, due 09:00:20",
        ),
        ("retry 0 times", "attempt 1 of 1 ended in fail at 08:59:50, no attempt is left"),
        ("scheduler started 10 min ago", "started 08:55, the limit is 09:05"),
        ("scheduler has run over 2 min", "started 08:55, the limit was 08:57"),
        ("scheduler has more than 3 cycles", "3000 cycles since 08:55"),
        ("env prod", "env is 'test'"),
        ("param 'x', 'y' exists", "x is set, y is not set"),
        ("param x is y", "x is 'z'"),
        ("param y is y", "y is not set"),
    ],
)
def test_the_fact_behind_an_atom(condition: str, fact: str) -> None:
    started = NINE - timedelta(minutes=5)
    found = why(condition, params={"x": "z", "env": "test"}, scheduler_started=started)
    assert (found.reason, found.parts) == (fact, ())


def test_what_the_scheduler_says_without_having_started() -> None:
    assert why("scheduler has run over 2 min").reason == "the scheduler has not started"
    assert why("scheduler has more than 3 cycles").reason == "the scheduler has not started"
    assert why("scheduler has more than 3 cycles", cycles=7).reason == "7 cycles"


def test_a_retry_waits_for_a_later_run() -> None:
    log = [*LOG, record("self", "run", "08:59:55")]
    assert why("retry", log).reason == (
        "attempt 1 ended in fail at 08:59:50, and a later run is under way since 08:59:55"
    )


@pytest.mark.parametrize("condition", ["task 'x' has failed", "task 'x' is running"])
def test_a_task_that_does_not_exist_is_told(condition: str) -> None:
    app = App(timezone="UTC", shut_cond="true")
    app.task(condition, name="a")(lambda: None)
    app.run()
    found = app.explain("a")
    assert (found.reason, found.flips) == ("there is no task 'x'", ())
    assert not found


def test_a_released_run_is_told() -> None:
    found = why("daily", failure_mode="unlock")
    assert found.reason == (
        "open until 2026-03-11 00:00, and not run in it yet (the run at 08:30: fail)"
    )
    found = why("daily", failure_mode="none", lease_duration="1 hour")
    assert found.reason == "run in this window already, at 08:30 (fail), released 09:30"
    assert found.flips_at == found.until == found.earliest
    assert found.until is not None
    assert (found.until.hour, found.until.minute) == (9, 30)


def test_an_interval_tells_of_a_run_that_failed() -> None:
    found = why("every 2 hours", failure_mode="none", lease_duration="1 hour")
    assert found.reason == "last run 08:30 (fail), released 09:30"
    assert found.flips_at is not None and (found.flips_at.hour, found.flips_at.minute) == (9, 30)
    found = why("every 2 hours", failure_mode="unlock")
    assert found.reason == "the run at 08:30 (fail) is released, due now"


@pytest.mark.parametrize(
    ("failure_mode", "said", "next_due"),
    [
        ("none", "has ended in fail: it starts again at 2026-03-10 09:00:30+00:00", "09:01:00"),
        ("unlock", "has ended in fail: it starts again at 2026-03-10 09:00:01+00:00", "09:01:00"),
        ("commit", None, "09:01:00"),
    ],
)
def test_what_a_failed_run_has_left_undone_is_told_when_its_window_is_over(
    failure_mode: str, said: str | None, next_due: str
) -> None:
    app = App(
        timezone="UTC", lease_duration="30 s", time_func=NINE.replace(tzinfo=UTC).timestamp,
        shut_cond="task 'a' has failed",
    )  # fmt: skip

    @app.task(schedule="* * * * * 0", failure_mode=failure_mode)
    async def a() -> None:
        raise ValueError

    app.run()
    told = a.explain().obstacles
    assert [said is not None and said in each for each in told] == [True] * (said is not None)
    assert f"{a.next_due:%H:%M:%S}" == next_due


def test_a_task_that_waits_after_a_failure_is_due_when_it_has_waited() -> None:
    app = App(
        timezone="UTC",
        time_func=NINE.replace(tzinfo=UTC).timestamp,
        shut_cond="task 'a' has failed",
    )

    @app.task(interval="1 hour", failure_mode="unlock")
    async def a() -> None:
        raise ValueError

    app.run()
    assert f"{a.next_due:%H:%M:%S}" == "09:00:01"


def test_a_custom_condition_tells_its_answer_and_is_asked_once() -> None:
    app = App(timezone="UTC", shut_cond="true")
    asked: list[None] = []

    @app.cond("it rains", every="1 hour")
    def rains() -> bool:
        asked.append(None)
        return True

    @app.task("~it rains & after task 'a' & hourly")
    def a() -> None: ...

    app.run()
    asked.clear()
    found = a.explain()
    assert "✓ it rains  —  it answered yes" in str(found)
    assert found.ways == (("~it rains", "after task 'a'"),)
    assert len(asked) <= 1


# --- the parts of a whole -------------------------------------------------------------------------


def test_each_part_has_its_own_zone_and_instants() -> None:
    found = why("daily after 20:00 in Asia/Tokyo & (hourly | ~has failed) in Europe/Dublin", [])
    tokyo, dublin = found.parts
    assert str(found) == (
        "✗ daily after 20:00 in 'Asia/Tokyo' & (hourly | ~has failed) in 'Europe/Dublin'\n"
        "├─ ✗ daily after 20:00 in 'Asia/Tokyo'  —  opens 20:00\n"
        "└─ ✓ (hourly | ~has failed) in 'Europe/Dublin'\n"
        "   ├─ ✓ hourly  —  open until 10:00, and not run in it yet\n"
        "   └─ ✓ ~has failed\n"
        "      └─ ✗ has failed  —  never failed"
    )
    assert tokyo.until is not None
    assert tokyo.until.isoformat() == "2026-03-10T20:00:00+09:00"
    assert found.flips_at == tokyo.until
    assert (dublin.until, dublin.flips_at) == (None, None)


def test_several_tasks_and_an_interval_in_hours_are_taken_apart() -> None:
    found = why("every 10 minutes between 09:00 and 17:00 & after any tasks 'x', 'y'", [])
    texts = [[inner.text for inner in part.parts] for part in found.parts]
    assert texts == [
        ["every 10 minutes", "time of day between 09:00 and 17:00"],
        ["after task 'x'", "after task 'y'"],
    ]
    assert found.ways == (("after task 'x'",), ("after task 'y'",))


# --- what would flip it ---------------------------------------------------------------------------


RUNNING = [record("self", "run", "08:00")]


def needs(found: Explanation) -> list[str]:
    return [f"{flip.at:%d %H:%M:%S} {flip.needs}".strip() for flip in found.flips]


@pytest.mark.parametrize(
    ("condition", "log", "expected"),
    [
        ("daily after 10:00 & after task 'x'", [], ["10 10:00:00 a success of 'x'"]),
        ("daily after 10:00 | after task 'x'", [], ["10 09:00:00 a success of 'x'", "10 10:00:00"]),
        ("daily after 10:00 & daily after 11:00", [], ["10 11:00:00"]),
        ("retry after 30 seconds", [], ["10 09:00:30 a fail of 'self'"]),
        ("task 'x' has failed at least 3 times", [], ["10 09:00:00 3 fails of 'x'"]),
        ("task 'x' is running more than 10 min", [], ["10 09:10:00 a run of 'x'"]),
        ("after task 'self'", [], ["10 09:00:00 a run of 'self' and a success of 'self'"]),
        ("after tasks 'x', 'y'", [], ["10 09:00:00 a success of 'x' and a success of 'y'"]),
        ("time of day before 9 & has failed today", [], ["11 00:00:00 a fail of 'self'"]),
        (
            "daily",
            [record("self", "run", "08:00")],
            ["10 09:00:00 a crash of 'self'", "11 00:00:00"],
        ),
        ("hourly", [], ["10 09:00:00 a run of 'self'", "10 10:00:00"][:1]),
        ("~task 'x' has crashed", [], ["10 09:00:00 a crash of 'x'"]),
        ("has crashed at least 2 times today", [], ["10 09:00:00 2 crashes of 'self'"]),
        # just before the window: in it, it would be a run that the window is for
        ("daily after 10:00 & has failed past 1 hour", [], ["10 10:00:00 a fail of 'self'"]),
        ("daily after 10 & is running less than 1 min", [], ["10 10:00:00 a run of 'self'"]),
        ("param x is y & env prod", [], ["10 09:00:00 param 'x' is 'y' and env 'prod'"]),
        # what cannot come about is not offered
        ("false", [], []),
        ("true", [], []),
        ("task 'x' is running & ~task 'x' is running", [], []),
        ("time of day after 10 & time of day before 10", [], []),
        ("time of day after 10 | time of day before 10", [], []),
        ("before 2026-01-01 & after task 'x'", [], []),
        ("~has started", RUNNING, []),
        ("daily at 10 & time of day at 12", [], []),
        ("false & after task 'x'", [], []),
    ],
)
def test_what_would_flip_it(condition: str, log: list[dict[str, Any]], expected: list[str]) -> None:
    found = why(condition, log)
    assert needs(found) == expected
    assert bool(found.ways) == bool(expected)
    assert found.earliest == (found.flips[0].at if expected else None)


@pytest.mark.parametrize(
    ("condition", "final"),
    [
        ("false", True),
        ("before 2026-01-01 & after task 'x'", True),
        ("has failed exactly 0 times", True),
        ("has failed exactly 0 times today", False),
        ("has failed at least 1 times", True),
        ("task 'a' is running & ~task 'a' is running", False),  # both may be turned, not together
        ("task 'x' has failed at least 300 times & task 'x' is running at least 400 times", False),
    ],
)
def test_what_can_never_flip_is_told_from_what_was_not_found(condition: str, final: bool) -> None:
    found = why(condition)
    assert found.final is final is found.to_dict()["final"]
    assert not (final and found.flips)


def test_a_fresh_run_that_fails_is_retried_though_another_has_no_attempt_left() -> None:
    first = [record("self", "run", "08:00"), record("self", "fail", "08:01")]
    log = [*first, record("self", "run", "08:02", attempt=1)]
    found = why("retry 1 times", log)
    assert needs(found)[0] == "10 09:00:00 a run of 'self' and a fail of 'self'"


def test_one_atom_in_several_places_is_one() -> None:
    found = why("(after task 'x' & hourly | after task 'x' & daily) & after task 'x'", [])
    assert found.ways == (("after task 'x'",),)


def test_many_causes_are_found_together() -> None:
    found = why(" & ".join(f"after task 't{i}'" for i in range(60)), [])
    assert [len(way) for way in found.ways] == [60]
    assert [len(flip.records) for flip in found.flips] == [60]


@pytest.mark.parametrize(
    "condition",
    [
        "daily after 10:00 & after task 'a'",
        "~task 'b' is running & every 1 hour",
        "after any tasks 'a', 'd' failed & time of day after 12",
        "task 'a' has failed at least 3 times past 2 hours",
        "hourly & ~task 'a' is running less than 1 hour",
    ],
)
def test_a_flip_can_be_tried_by_anyone(condition: str) -> None:
    found = why(condition)
    for flip in found.flips:
        assert evaluate(condition, at=flip.at, log=[*LOG, *flip.records], timezone="UTC").value is (
            not found.value
        )
        assert all(isinstance(each, Record) for each in flip.records)
    assert found.flips


def test_as_json() -> None:
    found = json.loads(json.dumps(why("daily after 10:00 & after task 'x'", []).to_dict()))
    assert found["value"] is False
    assert [part["text"] for part in found["parts"]] == ["daily after 10:00", "after task 'x'"]
    assert found["ways"] == [["daily after 10:00", "after task 'x'"]]
    assert found["earliest"] == "2026-03-10T10:00:00+00:00"
    (flip,) = found["flips"]
    assert flip["at"] == found["earliest"]
    assert flip["needs"] == "a success of 'x'"
    assert flip["causes"] == found["ways"][0]
    assert [(each["task"], each["action"]) for each in flip["records"]] == [("x", "success")]


def test_a_condition_as_deep_as_they_come_is_explained() -> None:
    node = parse("after task 'x'")
    for i in range(150):
        node = ~(node & parse(f"after task 'a{i}'") | parse("has failed"))
    found = explain(node, at=NINE, timezone="UTC")
    assert str(found).count("\n") > 450
    assert found.to_dict()["value"] is found.value


def test_no_more_records_are_tried_than_can_make_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added = 0
    add = TaskLog.add

    def counted(log: TaskLog, *record: Any) -> Any:
        nonlocal added
        added += 1
        return add(log, *record)

    monkeypatch.setattr(TaskLog, "add", counted)
    condition = "is running less than 10 minutes & cron 59 3 * * *"
    assert explain(condition, at=datetime(2026, 3, 10, 9, tzinfo=UTC)).flips
    assert added < 1500
