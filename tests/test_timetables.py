"""Tasks by schedule, interval and execute_at: the condition each is, and what goes with it."""

import asyncio
import json
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from oncue import App, Context, ExecutionMode, FailureMode, Grouper
from oncue.app.options import options_of
from oncue.conds import every
from oncue.exc import DefinitionError
from oncue.tasks import Task
from oncue.tests.test_tasks import actions, run

MINUTE = 60_000_000  # microseconds
BERLIN = ZoneInfo("Europe/Berlin")
TOKYO = timezone(timedelta(hours=9))


def nothing() -> None: ...
async def told(context: Context) -> None: ...


def task(**options: Any) -> Task[..., Any]:
    made: Task[..., Any] = App(timezone="UTC").task(**{"func": nothing, **options})
    return made


# --- the condition ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "condition"),
    [
        ({"schedule": "*/5 9-17 * * mon-fri"}, "cron */5 9-17 * * MON-FRI"),
        ({"schedule": "* * * * * */10"}, "cron * * * * * */10"),
        ({"schedule": "@hourly"}, "cron 0 * * * *"),
        ({"interval": 90}, "every 1 minute 30 seconds"),
        ({"interval": timedelta(hours=2)}, "every 2 hours"),
        ({"interval": "1 day"}, "every 1 day"),
        ({"execute_at": datetime(2026, 3, 1, 10, 30)}, "once at 2026-03-01 10:30"),
        ({"execute_at": "2026-03-01T10:30"}, "once at 2026-03-01 10:30"),
        ({"execute_at": "2026-03-01 10:30+09:00"}, "once at 2026-03-01 01:30 in 'UTC'"),
        (
            {"execute_at": datetime(2026, 3, 1, 10, 30, tzinfo=TOKYO)},
            "once at 2026-03-01 01:30 in 'UTC'",
        ),
        ({"execute_at": datetime(2026, 10, 25, 1, 30, fold=1)}, "once at 2026-10-25 01:30"),
        (
            {"execute_at": datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)},
            "once at 2026-10-25 00:30 in 'UTC'",
        ),
        (
            {"execute_at": datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)},
            "once at 2026-10-25 01:30 in 'UTC'",
        ),
    ],
)
def test_each_is_a_condition(options: dict[str, Any], condition: str) -> None:
    made = task(**options)
    assert str(made.start_cond) == condition and made.plan.start_cond == made.start_cond


def test_what_was_given_is_what_is_said() -> None:
    made = task(schedule="*/5 * * * *")
    assert (str(made.schedule), made.interval, made.execute_at) == ("*/5 * * * *", None, None)


def test_the_last_that_is_assigned_counts() -> None:
    made = task(schedule="*/5 * * * *")
    made.interval = "10 min"
    assert (str(made.start_cond), made.schedule) == ("every 10 minutes", None)
    made.start_cond = "daily"
    assert (str(made.start_cond), made.interval) == ("daily", None)
    made.execute_at = "2026-01-01"
    assert str(made.start_cond) == "once at 2026-01-01"
    made.schedule = made.interval = None  # neither was said
    assert str(made.start_cond) == "once at 2026-01-01"
    made.execute_at = None
    assert str(made.start_cond) == "false"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "* * * *"}, "schedule='. . . .': a cron expression has five or six fields"),
        ({"schedule": "60 * * * *"}, "schedule='60 .*': .*minute"),
        ({"schedule": 5}, "schedule=5: it is the text of a cron"),
        ({"interval": 0}, "interval=0: .*longer than nothing"),
        ({"interval": "5 minuts"}, "interval='5 minuts': .*minutes"),
        ({"execute_at": "tomorrow"}, "execute_at='tomorrow': it is a datetime, or text such as"),
        ({"execute_at": date(2026, 1, 1)}, "execute_at=datetime.date.*: it is a datetime"),
        ({"execute_at": datetime(1, 1, 1, tzinfo=TOKYO)}, "execute_at=.*: it is a datetime"),
        ({"schedule": "* * * * *", "interval": 3}, "schedule and interval both say when"),
        ({"start_cond": "daily", "execute_at": "2026-01-01"}, "start_cond and execute_at both"),
        ({"failure_mode": "undo"}, "failure_mode='undo': it is one of none, unlock, commit"),
        ({"execution_mode": "once"}, "execution_mode='once': it is one of at_least_once"),
        ({"lease_duration": 0}, "lease_duration=0: .*longer than nothing"),
        ({"catch_up": "twice"}, "catch_up='twice': it is one of skip, once, all"),
        ({"max_lateness": -1}, "max_lateness=-1"),
        ({"args": {"x": {1}}}, r"args\['x'\]=\{1\}: it is no value of JSON"),
        ({"args": {"x": [{"y": float("inf")}]}}, r"args\['x'\]\[0\]\['y'\]=inf: it is no value"),
        ({"args": {"x": {1: 2}}}, r"args\['x'\]=\{1: 2\}: it is no value of JSON"),
        ({"args": {"x": [10**4300]}}, r"args\['x'\]\[0\]: a number of 14,285 bits is too large"),
        ({"timezone": "Mars"}, "timezone='Mars': no time zone is called 'Mars'"),
        ({"args": [1]}, r"args=\[1\]: it is a dictionary"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    app = App()
    with pytest.raises(DefinitionError, match=message):
        app.task(func=nothing, **options)
    assert not app.session.tasks


def test_the_largest_number_that_json_can_say_is_taken() -> None:
    largest = 2**14_284 - 1
    found = task(args={"x": -largest}).args
    assert json.loads(json.dumps(found)) == {"x": -largest}
    with pytest.raises(DefinitionError):
        task(args={"x": largest + 1})


def test_arguments_that_hold_themselves_are_refused() -> None:
    held: list[Any] = []
    held.append(held)
    with pytest.raises(DefinitionError, match="args: it is nested too deeply, or holds itself"):
        task(args={"x": held})


# --- what goes with it --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "failure", "lease", "catch_up"),
    [
        ({"start_cond": "daily"}, "commit", None, "skip"),
        ({"schedule": "* * * * *"}, "none", MINUTE, "once"),
        ({"interval": 1}, "none", MINUTE, "once"),
        ({"execute_at": "2026-01-01"}, "none", MINUTE, "once"),
        ({"interval": 1, "lease_duration": 5}, "none", MINUTE // 12, "once"),
        ({"start_cond": "daily", "lease_duration": 5}, "commit", MINUTE // 12, "skip"),
        ({"start_cond": "daily", "failure_mode": "unlock"}, "unlock", None, "skip"),
        ({"interval": 1, "failure_mode": FailureMode.COMMIT}, "commit", MINUTE, "once"),
        ({"interval": 1, "execution_mode": "at_most_once"}, "commit", MINUTE, "once"),
        ({"interval": 1, "catch_up": "all"}, "none", MINUTE, "all"),
    ],
)
def test_the_agenda_knows_what_a_task_is_bound_to(
    options: dict[str, Any], failure: str, lease: int | None, catch_up: str
) -> None:
    plan = task(**options).plan
    assert (plan.policy.failure, plan.lease, plan.catch_up) == (failure, lease, catch_up)
    assert plan.policy.lease == (lease or MINUTE)


def test_fast_forward_is_understood() -> None:
    made = task(interval=1, fast_forward=False)
    assert (made.catch_up, made.plan.catch_up, made.fast_forward) == ("all", "all", False)
    made.fast_forward = True
    assert made.plan.catch_up == "once"
    with pytest.raises(DefinitionError, match="'fast_forward' and 'catch_up' are the same option"):
        task(interval=1, fast_forward=True, catch_up="all")


def test_the_app_says_what_a_task_does_not() -> None:
    app = App(catch_up="all", max_lateness="1 h", lease_duration=30)
    by_condition = app.task("daily", func=nothing, name="a").plan
    by_interval = app.task(func=nothing, name="b", interval=60, max_lateness=0).plan
    assert by_condition.catch_up == by_interval.catch_up == "all"
    assert (by_condition.max_lateness, by_interval.max_lateness) == (60 * MINUTE, 1)
    assert (by_condition.lease, by_interval.lease) == (None, MINUTE // 2)
    app.session.config.catch_up = None
    assert (app["a"].plan.catch_up, app["b"].plan.catch_up) == ("skip", "once")


@pytest.mark.parametrize("mode", [FailureMode.NONE, "unlock"])
def test_what_runs_at_most_once_is_not_run_again(mode: Any) -> None:
    with pytest.raises(DefinitionError, match="what runs at most once is not run again"):
        task(interval=1, execution_mode=ExecutionMode.AT_MOST_ONCE, failure_mode=mode)
    made = task(interval=1, failure_mode=mode)
    with pytest.raises(DefinitionError, match="what runs at most once is not run again"):
        made.execution_mode = "at_most_once"
    assert made.execution_mode is ExecutionMode.AT_LEAST_ONCE
    made = task(interval=1, execution_mode="at_most_once")
    with pytest.raises(DefinitionError, match="what runs at most once is not run again"):
        made.failure_mode = mode
    assert made.failure_mode is FailureMode.COMMIT


def test_nothing_is_kept_that_was_not_given() -> None:
    assert list(task(interval=1).values) == ["interval"]
    assert list(task(start_cond="daily").values) == ["start_cond"]
    assert options_of(Task)["args"].default == {} == task().args


# --- arguments by keyword -----------------------------------------------------------------------


def test_other_keywords_are_arguments_of_the_run() -> None:
    app = App()

    @app.task("daily", username="bill", args={"age": 7})
    async def hello(context: Context) -> None: ...

    assert hello.args == {"age": 7, "username": "bill"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multilanch": True}, "did you mean 'multilaunch'"),
        ({"retry": 3}, "there is no option 'retry'; did you mean 'retries'"),
        ({"intervall": 3}, "did you mean 'interval'"),
        ({"comand": "ls"}, "did you mean 'command'"),
        ({"username": object()}, r"args\['username'\]=<object.*: it is no value of JSON"),
        ({"username": "x", "args": {"username": "y"}}, "'username' is in args and given beside"),
    ],
)
def test_a_keyword_that_is_meant_otherwise_is_refused(
    options: dict[str, Any], message: str
) -> None:
    app = App()
    with pytest.raises(DefinitionError, match=message):
        app.task("daily", **options)(told)
    assert not app.session.tasks


def test_without_a_context_there_is_nowhere_to_find_them() -> None:
    with pytest.raises(DefinitionError, match="no option 'username', and the function takes no"):
        task(username="bill")


# --- several tasks of one function --------------------------------------------------------------

module_app = App()


@module_app.task(name="often", schedule="*/5 * * * *")
@module_app.task(name="seldom", schedule="0 4 * * *", args={"deep": True})
async def twice(context: Context) -> None: ...


def test_one_function_is_several_tasks() -> None:
    often, seldom = module_app["often"], module_app["seldom"]
    assert often is twice and often.function is seldom.function
    assert (often.args, seldom.args) == ({}, {"deep": True})
    assert pickle.loads(pickle.dumps(seldom)) is seldom
    assert pickle.loads(pickle.dumps(often)) is often
    with pytest.raises(DefinitionError, match="there is a task 'often' already"):
        module_app.task(name="often", interval=1)(twice)


def test_the_tasks_of_a_group_are_bound_as_they_say() -> None:
    group = Grouper(prefix="etl.", start_cond="on weekdays")
    group.task(func=nothing, name="load", interval="1 h", args={"x": 1})
    app = App()
    app.include_grouper(group)
    made = app["etl.load"]
    assert str(made.start_cond) == "on weekdays & every 1 hour"
    assert (made.plan.policy.failure, made.plan.lease, made.args) == ("none", MINUTE, {"x": 1})


# --- on a running app ---------------------------------------------------------------------------


def test_an_interval_begins_at_once_and_keeps_its_phase() -> None:
    app = App(shut_cond="task 'task' has succeeded at least 3 times", cycle_sleep=None)
    seen: list[datetime] = []

    @app.task(name="task", interval=0.05)
    async def task(context: Context) -> None:
        seen.append(context.scheduled_at)

    begun = datetime.now(UTC)
    run(app)
    assert seen[0] - begun < timedelta(seconds=20)
    steps = [(later - seen[0]) / timedelta(seconds=0.05) for later in seen]
    assert steps == [round(step) for step in steps] and len(set(steps)) == len(steps)


def test_what_is_overdue_is_executed_once_at_once() -> None:
    app = App(shut_cond="task 'end' has succeeded")
    app.task(func=nothing, name="task", execute_at="2020-01-01")
    app.task("after task 'task' & scheduler has more than 3 cycles", func=nothing, name="end")
    run(app)
    assert actions(app, "task") == ["run", "success"]


def test_a_condition_in_python_is_not_bound_to_a_lease() -> None:
    assert task(start_cond=every("10 min")).plan.lease is None


def test_an_assignment_counts_while_the_app_runs() -> None:
    app = App(shut_cond="task 'task' has succeeded")
    made = app.task(func=nothing, name="task", execute_at="2999-01-01")

    @app.task("daily")
    async def change() -> None:
        made.execute_at = "2020-01-01"

    asyncio.run(asyncio.wait_for(app.serve(), 30))
    assert actions(app, "task") == ["run", "success"]
