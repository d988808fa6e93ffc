"""The Python API beside the text that says the same."""

import pickle
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import pytest

from oncue import conds
from oncue.conds import (
    after,
    after_all_fail,
    after_all_finish,
    after_all_success,
    after_all_terminate,
    after_any_fail,
    after_any_finish,
    after_any_success,
    after_any_terminate,
    after_fail,
    after_finish,
    after_success,
    after_terminate,
    always,
    call,
    condition,
    crashed,
    cron,
    crontime,
    daily,
    dates_after,
    dates_before,
    dates_between,
    env,
    every,
    failed,
    false,
    finished,
    hourly,
    inacted,
    minutely,
    monthly,
    never,
    on_weekdays,
    once,
    param_exists,
    param_is,
    retry,
    running,
    scheduler_cycles,
    scheduler_running,
    secondly,
    started,
    succeeded,
    terminated,
    time_of_day,
    time_of_hour,
    time_of_minute,
    time_of_month,
    time_of_second,
    time_of_week,
    time_of_year,
    true,
    weekdays,
    weekends,
    weekly,
    yearly,
)
from oncue.conds.nodes import Condition, Duration, Func
from oncue.grammar import parse


class Named:
    """Something with a name, as a task has one."""

    name = "extract"


def extract() -> None:
    """A function of which a task was made."""


SAME: list[tuple[Condition, str]] = [
    (true, "true"),
    (always, "always"),
    (false, "false"),
    (never, "never"),
    (secondly, "secondly"),
    (minutely, "minutely"),
    (hourly, "hourly"),
    (daily, "daily"),
    (weekly, "weekly"),
    (monthly, "monthly"),
    (yearly, "yearly"),
    (secondly.after(500), "secondly after 500"),
    (minutely.before("45"), "minutely before 45"),
    (hourly.at("1 quarter"), "hourly at 1 quarter"),
    (daily.after("10:00"), "daily after 10:00"),
    (daily.before("10:00"), "daily before 10:00"),
    (daily.before("midnight"), "daily before midnight"),
    (daily.between("22:00", "02:00"), "daily between 22:00 and 2:00"),
    (daily.between(9, 17), "daily between 9 and 17"),
    (daily.after(time(10, 30)), "daily after 10:30"),
    (daily.at("10:00"), "daily at 10:00"),
    (daily.on("14:00", "10:00"), "daily on 10:00, 14:00"),
    (daily.starting("10:00"), "daily starting 10:00"),
    (weekly.on("Monday"), "weekly on Mon"),
    (weekly.on(1, 3), "weekly on Mon, Wed"),
    (weekly.between("Mon", "Fri"), "weekly between Mon and Fri"),
    (monthly.after("5th"), "monthly after 5th"),
    (monthly.on("last Fri 17:00"), "monthly on last Friday 17"),
    (monthly.starting(15), "monthly starting 15th"),
    (yearly.before("Feb"), "yearly before Feb"),
    (yearly.between(11, 2), "yearly between Nov and Feb"),
    (time_of_second.after(1), "time of second after 1"),
    (time_of_minute.at(30), "time of minute at 30"),
    (time_of_hour.between("15:00", "45:00"), "time of hour between 15:00 and 45:00"),
    (time_of_day, "time of day"),
    (time_of_day.between("10:00", "12:00"), "time of day between 10:00 and 12:00"),
    (time_of_week.on("Mon", "Tue"), "time of week on Mon, Tue"),
    (time_of_month.before("5th"), "time of month before 5th"),
    (time_of_year.on("Feb last"), "time of year on Feb last"),
    (weekdays, "weekdays"),
    (weekends, "on weekends"),
    (on_weekdays("Mon", "friday", 7), "on Mon, Fri, Sun"),
    (every("10 min"), "every 10 minutes"),
    (every(timedelta(seconds=90)), "every 90 s"),
    (every(1.5), "every 1500 ms"),
    (every("1 hour", based="run"), "every 1 hour since last run"),
    (every("1 hour", based="success"), "every 1 hour since last success"),
    (every("1 hour", based="fail"), "every 1 hour since last fail"),
    (every("1 hour", based="finish"), "every 1 hour since last finish"),
    (every("10 min").between("9:00", "17:00"), "every 10 min between 9 and 17"),
    (every("10 min").after("9:00"), "every 10 min after 9"),
    (every("10 min").before("17:00"), "every 10 min before 17"),
    (cron("*/5 9-17 * * 1-5"), "cron */5 9-17 * * 1-5"),
    (cron("@daily"), "cron @daily"),
    (cron(minute="*/5", hour=9), "cron */5 9 * * *"),
    (cron(day_of_month="L", month="JAN", day_of_week="*", second=0), "cron * * L JAN * 0"),
    (crontime("* 9 * * *"), "time of cron * 9 * * *"),
    (crontime(day_of_week="Mon"), "time of cron * * * * MON"),
    (once("2026-01-01 10:00"), "once at 2026-01-01 10:00"),
    (once(datetime(2026, 1, 1, 10)), "once at 2026-01-01 10:00"),
    (once(date(2026, 1, 1)), "once at 2026-01-01"),
    (dates_between("2026-01-01", "2026-06-30"), "between 2026-01-01 and 2026-06-30"),
    (
        dates_between(date(2026, 1, 1), datetime(2026, 6, 30)),
        "between 2026-01-01 and 2026-06-30 00:00",
    ),
    (dates_after("2026-01-01"), "after 2026-01-01"),
    (dates_before(date(2026, 1, 1)), "before 2026-01-01"),
    (after_success("extract"), "after task 'extract'"),
    (after_success(Named()), "after task 'extract' succeeded"),
    (after_success(extract), "after task extract"),
    (after_fail("a"), "after task a failed"),
    (after_finish("a"), "after task a finished"),
    (after_terminate("a"), "after task a terminated"),
    (after_all_success("a", extract), "after all tasks a, extract"),
    (after_all_fail("a", "b"), "after all tasks a, b failed"),
    (after_all_finish("a", "b"), "after tasks a, b finished"),
    (after_all_terminate("a", "b"), "after tasks a, b terminated"),
    (after_any_success("a", "b"), "after any tasks a, b"),
    (after_any_fail("a", "b"), "after any tasks a, b failed"),
    (after_any_finish("a", "b"), "after any tasks a, b finished"),
    (after_any_terminate("a", "b"), "after any tasks a, b terminated"),
    (after("a", "b", outcome="failed", any=True), "after any tasks a, b failed"),
    (started, "has started"),
    (succeeded(), "has succeeded"),
    (failed("a"), "task a has failed"),
    (finished(task="a"), "task a has finished"),
    (terminated(extract), "task extract has terminated"),
    (inacted.this_second, "has inacted this second"),
    (crashed.this_minute, "has crashed this minute"),
    (failed.this_hour.after("30:00"), "has failed this hour after 30"),
    (failed.today, "has failed today"),
    (failed.this_day, "has failed this day"),
    (failed.this_week.on("Mon"), "has failed this week on Mon"),
    (failed.this_month.before("5th"), "has failed this month before 5th"),
    (failed.this_year, "has failed this year"),
    (failed("a").today.between("10:00", "12:00"), "task a has failed today between 10 and 12"),
    (failed.today.at("10:00"), "has failed today at 10:00"),
    (failed.today.starting("10:00"), "has failed today starting 10:00"),
    (failed.past("2 hours"), "has failed past 2 hours"),
    (started >= 2, "has started at least 2 times"),
    (started > 2, "has started more than 2 times"),
    (started <= 2, "has started at most 2 times"),
    (started < 2, "has started less than 2 times"),
    (started("a").today.exactly(2), "task a has started exactly 2 times today"),
    ((failed >= 1) & ~failed, "has failed at least 1 time & has not failed"),
    (running, "is running"),
    (running(), "while is running"),
    (running("a"), "task a is running"),
    (running(Named()), "while task extract is running"),
    (running("a").more_than("10 min"), "task a is running more than 10 min"),
    (running.less_than(60), "is running less than 1 minute"),
    (running.between("1 min", "2 min"), "is running between 1 min and 2 min"),
    (running(more_than="10 min"), "is running more than 10 min"),
    (running("a", less_than="10 min"), "task a is running less than 10 min"),
    (running >= 2, "is running at least 2 times"),
    (running("a") <= 4, "task a is running at most 4 times"),
    (running.exactly(1), "is running exactly 1 time"),
    (~running, "is not running"),
    (retry, "retry"),
    (retry(), "retry"),
    (retry(3), "retry 3 times"),
    (retry(3).after("30 s"), "retry 3 times after 30 s"),
    (retry(3, after="30 s"), "retry 3 times after 30 s"),
    (retry.after(30), "retry after 30 s"),
    (daily | retry(3), "daily | retry 3 times"),
    (scheduler_running("10 min"), "scheduler has run over 10 minutes"),
    (scheduler_running(less_than="10 min"), "scheduler started 10 minutes ago"),
    (
        scheduler_running("1 min", "2 min"),
        "scheduler has run over 1 min & scheduler started 2 min ago",
    ),
    (scheduler_cycles(3), "scheduler has more than 3 cycles"),
    (scheduler_cycles(less_than=3), "scheduler has less than 3 cycles"),
    (scheduler_cycles(exactly=3), "scheduler has 3 cycles"),
    (env("prod"), "env prod"),
    (param_exists("x", "y"), "param x, y exists"),
    (param_is("x", 5), "param x is 5"),
    (call("is_holiday", "FI", 1), "is_holiday('FI', 1)"),
    (daily.after("10:00").in_zone("Europe/Dublin"), "daily after 10:00 in Europe/Dublin"),
    ((daily | weekly).in_zone("UTC"), "(daily | weekly) in UTC"),
]


@pytest.mark.parametrize(("built", "text"), SAME, ids=[text for _, text in SAME])
def test_the_api_builds_what_the_text_says(built: Condition, text: str) -> None:
    assert built == parse(text)
    assert str(built) == str(parse(text))


WRONG: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: daily.after("25:00"), ValueError, "0 to 24 hours"),
    (lambda: daily.after("Mon"), ValueError, "a week"),
    (lambda: daily.before("00:00"), ValueError, "empty"),
    (lambda: daily.after("10:00").before("12:00"), ValueError, "by between"),
    (lambda: time_of_day.after("10:00").at("12:00"), ValueError, "has a range already"),
    (lambda: every("1 s").after("1:00").before("2:00"), ValueError, "has a range already"),
    (lambda: failed.today.at("1:00").at("2:00"), ValueError, "has a range already"),
    (lambda: daily.at(), ValueError, "at least one"),
    (lambda: failed.at("10:00"), ValueError, "say today first"),
    (lambda: failed.past("1 s").at("10:00"), ValueError, "say today first"),
    (lambda: failed.today.this_week, ValueError, "a span already"),
    (lambda: running.more_than(1).less_than(2), ValueError, "an age already"),
    (lambda: running.between("2 s", "1 s"), ValueError, "not after its start"),
    (lambda: started < 0, ValueError, "never true"),
    (lambda: every(0), ValueError, "longer than nothing"),
    (lambda: every("1 month"), ValueError, "monthly"),
    (lambda: every("1 s", based="crash"), ValueError, "crash"),  # type: ignore[arg-type]
    (lambda: cron("60 * * * *"), ValueError, "minute"),
    (lambda: cron(minute="1 2"), ValueError, "one field"),
    (lambda: cron("* * * * *", minute=1), TypeError, "not both"),
    (lambda: once("10:00"), ValueError, "not a date"),
    (lambda: once(5), TypeError, "not a date"),  # type: ignore[arg-type]
    (lambda: on_weekdays("Mo"), ValueError, "not a weekday"),
    (lambda: on_weekdays(0), ValueError, "1 to 7"),
    (lambda: on_weekdays(), ValueError, "at least one"),
    (lambda: after_success(5), TypeError, "not a task"),
    (lambda: after_success(""), ValueError, "empty"),
    (lambda: after_all_success(), ValueError, "at least one"),
    (lambda: scheduler_running(), TypeError, "more_than"),
    (lambda: scheduler_cycles(), TypeError, "more_than"),
    (lambda: scheduler_cycles(less_than=0), ValueError, "never true"),
    (lambda: retry("3"), TypeError, "whole number"),  # type: ignore[arg-type]
    (lambda: retry(-1), ValueError, "0 or more"),
    (lambda: daily.in_zone("Nowhere"), ValueError, "unknown time zone"),
]


@pytest.mark.parametrize(("make", "error", "says"), WRONG, ids=range(len(WRONG)))
def test_what_makes_no_sense_is_refused_where_it_is_written(
    make: Callable[[], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


def test_everything_the_module_promises_is_there() -> None:
    for name in conds.__all__:
        assert getattr(conds, name) is not None


def test_a_function_becomes_a_condition() -> None:
    @condition(every="30 s")
    def is_foo(*values: object) -> bool:
        return bool(values)

    assert isinstance(is_foo, Func)
    assert is_foo.every == Duration(30_000_000)
    with_arguments = is_foo("x", b=2, a=1)
    assert with_arguments == is_foo("x", a=1, b=2) != is_foo
    assert (with_arguments.args, with_arguments.kwargs) == (("x",), (("a", 1), ("b", 2)))
    assert str(daily & with_arguments) == "daily & is_foo('x', a=1, b=2)"
    assert callable(is_foo.function) and is_foo.function(1) is True


@condition(every="30 s")
def is_quiet(*rooms: object) -> bool:
    return bool(rooms)


def test_a_decorated_function_pickles_by_its_name() -> None:
    for node in (is_quiet, is_quiet("kitchen"), is_quiet("kitchen") & ~is_quiet):
        assert pickle.loads(pickle.dumps(node)) == node
    assert pickle.loads(pickle.dumps(is_quiet("kitchen"))).every == is_quiet.every
    plain = Func(len, ("abc",))
    assert pickle.loads(pickle.dumps(plain)) == plain
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(Func(lambda: True))


def test_arguments_of_a_function_have_a_hash() -> None:
    assert hash(is_quiet("kitchen")) == hash(is_quiet("kitchen"))
    with pytest.raises(TypeError, match=r"\['kitchen'\] cannot be an argument of a condition"):
        is_quiet(["kitchen"])


def test_a_function_is_shown_by_its_name() -> None:
    assert repr(is_quiet("a", *[1])) == f"<condition {__name__}.is_quiet('a', 1)>"
    assert repr(is_quiet) == f"<condition {__name__}.is_quiet>"
