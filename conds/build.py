"""The Python API: conditions without text. `daily.after("10:00") == parse("daily after 10:00")`.

Names without parentheses are nodes and may be used as they stand; their methods (see `nodes`)
make new ones. Durations are seconds, text or a timedelta; a task is its name, itself or the
function it was made of. Errors are ValueError or TypeError, raised where the mistake is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Literal

from .fluent import DurationLike, task_name, whole
from .nodes import (
    AfterTasks,
    Argument,
    Cadence,
    Call,
    Condition,
    Constant,
    Cron,
    Dates,
    Env,
    Every,
    Func,
    Has,
    Once,
    OnWeekdays,
    ParamIs,
    ParamsExist,
    Retry,
    Running,
    SchedulerAge,
    SchedulerCycles,
    TimeOf,
    TimeOfCron,
    all_of,
    any_of,
    to_datetime,
)
from .parts import Bound, Count, Event, Since
from .points import WEEKDAY_NUMBERS, CronFields, Duration, ReadError, Unit, read_cron

true = always = Constant(True)
false = never = Constant(False)

secondly = Cadence(Unit.SECOND)
minutely = Cadence(Unit.MINUTE)
hourly = Cadence(Unit.HOUR)
daily = Cadence(Unit.DAY)
weekly = Cadence(Unit.WEEK)
monthly = Cadence(Unit.MONTH)
yearly = Cadence(Unit.YEAR)

time_of_second = TimeOf(Unit.SECOND)
time_of_minute = TimeOf(Unit.MINUTE)
time_of_hour = TimeOf(Unit.HOUR)
time_of_day = TimeOf(Unit.DAY)
time_of_week = TimeOf(Unit.WEEK)
time_of_month = TimeOf(Unit.MONTH)
time_of_year = TimeOf(Unit.YEAR)

weekdays = OnWeekdays((0, 1, 2, 3, 4))
weekends = OnWeekdays((5, 6))

started = Has(Event.STARTED)
succeeded = Has(Event.SUCCEEDED)
failed = Has(Event.FAILED)
finished = Has(Event.FINISHED)
terminated = Has(Event.TERMINATED)
inacted = Has(Event.INACTED)
crashed = Has(Event.CRASHED)

running = Running()
retry = Retry()


def every(
    duration: DurationLike, *, based: Literal["run", "success", "fail", "finish"] = "run"
) -> Every:
    """`every D [since last …]`; `.between`, `.after`, `.before` keep it to a part of the day."""
    return Every(Duration.of(duration), Since(based))


def cron(
    expression: str | None = None,
    *,
    minute: str | int = "*",
    hour: str | int = "*",
    day_of_month: str | int = "*",
    month: str | int = "*",
    day_of_week: str | int = "*",
    second: str | int | None = None,
) -> Cron:
    """`cron …`: the expression, or its fields by name."""
    fields = (minute, hour, day_of_month, month, day_of_week, second)
    return Cron(cron_fields(expression, fields))


def crontime(
    expression: str | None = None,
    *,
    minute: str | int = "*",
    hour: str | int = "*",
    day_of_month: str | int = "*",
    month: str | int = "*",
    day_of_week: str | int = "*",
    second: str | int | None = None,
) -> TimeOfCron:
    """`time of cron …`: the expression, or its fields by name."""
    fields = (minute, hour, day_of_month, month, day_of_week, second)
    return TimeOfCron(cron_fields(expression, fields))


def cron_fields(expression: str | None, fields: Iterable[str | int | None]) -> CronFields:
    """The fields of an expression or of the parts it is given by, not of both."""
    given = [str(field) for field in fields if field is not None]
    if expression is None:
        for field in given:
            if field.split() != [field]:
                raise ReadError(f"{field!r} is not one field of a cron expression", field)
        return read_cron(" ".join(given))
    if given != ["*"] * 5:
        raise TypeError("give cron an expression or fields by name, not both")
    return read_cron(expression)


def once(at: str | date | datetime) -> Once:
    """`once at X`; naive, in the zone of the condition."""
    return Once(to_datetime(at)[0])


def dates_between(start: str | date | datetime, end: str | date | datetime) -> Dates:
    """`between X and Y`; a bare date as the end is included."""
    moment, whole_day = to_datetime(end)
    return Dates(to_datetime(start)[0], moment, whole_day)


def dates_after(start: str | date | datetime) -> Dates:
    """`after X`."""
    return Dates(to_datetime(start)[0], None)


def dates_before(end: str | date | datetime) -> Dates:
    """`before X`; a bare date is included."""
    moment, whole_day = to_datetime(end)
    return Dates(None, moment, whole_day)


def on_weekdays(*days: str | int) -> OnWeekdays:
    """`on Mon, Wed`; names, or numbers from 1 (Monday) to 7."""
    return OnWeekdays(tuple(weekday_number(day) for day in days))


def weekday_number(day: str | int) -> int:
    if isinstance(day, str) and day.strip().lower() in WEEKDAY_NUMBERS:
        return WEEKDAY_NUMBERS[day.strip().lower()]
    if isinstance(day, int) and not isinstance(day, bool) and 1 <= day <= 7:
        return day - 1
    raise ValueError(f"{day!r} is not a weekday: Mon to Sun, or 1 to 7")


def after(*tasks: object, outcome: Event | str = Event.SUCCEEDED, any: bool = False) -> AfterTasks:
    """`after [any] tasks … [outcome]`."""
    return AfterTasks(tuple(map(task_name, tasks)), Event(outcome), any)


def after_success(task: object) -> AfterTasks:
    """`after task T`."""
    return after(task)


def after_fail(task: object) -> AfterTasks:
    """`after task T failed`."""
    return after(task, outcome=Event.FAILED)


def after_finish(task: object) -> AfterTasks:
    """`after task T finished`."""
    return after(task, outcome=Event.FINISHED)


def after_terminate(task: object) -> AfterTasks:
    """`after task T terminated`."""
    return after(task, outcome=Event.TERMINATED)


def after_all_success(*tasks: object) -> AfterTasks:
    """`after tasks A, B`."""
    return after(*tasks)


def after_all_fail(*tasks: object) -> AfterTasks:
    """`after tasks A, B failed`."""
    return after(*tasks, outcome=Event.FAILED)


def after_all_finish(*tasks: object) -> AfterTasks:
    """`after tasks A, B finished`."""
    return after(*tasks, outcome=Event.FINISHED)


def after_all_terminate(*tasks: object) -> AfterTasks:
    """`after tasks A, B terminated`."""
    return after(*tasks, outcome=Event.TERMINATED)


def after_any_success(*tasks: object) -> AfterTasks:
    """`after any tasks A, B`."""
    return after(*tasks, any=True)


def after_any_fail(*tasks: object) -> AfterTasks:
    """`after any tasks A, B failed`."""
    return after(*tasks, outcome=Event.FAILED, any=True)


def after_any_finish(*tasks: object) -> AfterTasks:
    """`after any tasks A, B finished`."""
    return after(*tasks, outcome=Event.FINISHED, any=True)


def after_any_terminate(*tasks: object) -> AfterTasks:
    """`after any tasks A, B terminated`."""
    return after(*tasks, outcome=Event.TERMINATED, any=True)


def scheduler_running(
    more_than: DurationLike | None = None, less_than: DurationLike | None = None
) -> Condition:
    """`scheduler has run over D` and `scheduler started D ago`; both are joined by *and*."""
    terms: list[Condition] = []
    if more_than is not None:
        terms.append(SchedulerAge(Duration.of(more_than), over=True))
    if less_than is not None:
        terms.append(SchedulerAge(Duration.of(less_than), over=False))
    if not terms:
        raise TypeError("give scheduler_running more_than or less_than")
    return all_of(*terms)


def scheduler_cycles(
    more_than: int | None = None, less_than: int | None = None, exactly: int | None = None
) -> Condition:
    """`scheduler has more than n cycles` and its siblings; several are joined by *and*."""
    terms: list[Condition] = []
    if more_than is not None:
        terms.append(SchedulerCycles(Count(Bound.AT_LEAST, whole(more_than) + 1)))
    if less_than is not None:
        terms.append(SchedulerCycles(Count(Bound.AT_MOST, whole(less_than) - 1)))
    if exactly is not None:
        terms.append(SchedulerCycles(Count(Bound.EXACTLY, whole(exactly))))
    if not terms:
        raise TypeError("give scheduler_cycles more_than, less_than or exactly")
    return all_of(*terms)


def env(name: str) -> Env:
    """`env NAME`."""
    return Env(name)


def param_exists(*names: str) -> ParamsExist:
    """`param 'x', 'y' exists`."""
    return ParamsExist(names)


def param_is(name: str, value: object) -> ParamIs:
    """`param 'x' is 'y'`; the value is compared as text."""
    return ParamIs(name, str(value))


def call(name: str, *args: Argument) -> Call:
    """`name('a', 1)`: a custom function registered on the app."""
    return Call(name, args)


def condition(*, every: DurationLike | None = None) -> Callable[[Callable[..., object]], Func]:
    """A decorator: the function becomes a condition, `is_foo` or, with arguments, `is_foo("x")`.

    It is asked at most once per instant, and again every `every` (default: the app's
    `cycle_sleep`)."""
    interval = None if every is None else Duration.of(every)

    def decorate(function: Callable[..., object]) -> Func:
        return Func(function, every=interval)

    return decorate


__all__ = [
    "after",
    "after_all_fail",
    "after_all_finish",
    "after_all_success",
    "after_all_terminate",
    "after_any_fail",
    "after_any_finish",
    "after_any_success",
    "after_any_terminate",
    "after_fail",
    "after_finish",
    "after_success",
    "after_terminate",
    "all_of",
    "always",
    "any_of",
    "call",
    "condition",
    "crashed",
    "cron",
    "crontime",
    "daily",
    "dates_after",
    "dates_before",
    "dates_between",
    "env",
    "every",
    "failed",
    "false",
    "finished",
    "hourly",
    "inacted",
    "minutely",
    "monthly",
    "never",
    "on_weekdays",
    "once",
    "param_exists",
    "param_is",
    "retry",
    "running",
    "scheduler_cycles",
    "scheduler_running",
    "secondly",
    "started",
    "succeeded",
    "terminated",
    "time_of_day",
    "time_of_hour",
    "time_of_minute",
    "time_of_month",
    "time_of_second",
    "time_of_week",
    "time_of_year",
    "true",
    "weekdays",
    "weekends",
    "weekly",
    "yearly",
]
