"""What each rule of the grammar makes: the values of its parts to a node, or a part of one.

The driver calls an action with the source, the rule's first and last offset, and the values that
the rule keeps (see `values`); `ACTIONS` finds it by the name it has in the grammar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any as Value

from ..conds import nodes
from ..conds.diagnostic import Span
from ..conds.nodes import Condition
from ..conds.parts import (
    Age,
    At,
    Bound,
    Count,
    Event,
    Past,
    Since,
    Starting,
    ThisCycle,
    age_message,
)
from ..conds.points import (
    CADENCES,
    WEEKDAY_NUMBERS,
    CronFields,
    Duration,
    Unit,
    read_cron,
    read_duration,
    reads,
)
from ..conds.reading import ReadError
from .values import (
    UNITS,
    Raw,
    Refused,
    Source,
    Token,
    after,
    at,
    bare,
    bare_zone,
    before,
    between,
    duration,
    duration_of,
    moment,
    moment_of,
    number,
    quoted_name,
    quoted_zone,
    ranged,
    refusal,
    starting,
    text,
    unquote,
    whole,
)

# --- operators ------------------------------------------------------------------------------


def chain(source: Source, start: int, end: int, *values: Value) -> list[Value]:
    return list(values)


def longer_chain(
    source: Source, start: int, end: int, values: list[Value], value: Value
) -> list[Value]:
    values.append(value)
    return values


def any_of(source: Source, start: int, end: int, terms: list[Condition]) -> Condition:
    return nodes.Any(tuple(terms), span=source.span(start, end))


def all_of(source: Source, start: int, end: int, terms: list[Condition]) -> Condition:
    return nodes.All(tuple(terms), span=source.span(start, end))


def negated(source: Source, start: int, end: int, term: Condition) -> Condition:
    return nodes.Not(term, span=source.span(start, end))


def zoned(source: Source, start: int, end: int, term: Condition, zone: str) -> Condition:
    """A zone after `has not …` is the zone of the history, not of the *not* that is no word of
    its own."""
    span = source.span(start, end)
    if isinstance(term, nodes.Not) and isinstance(term.term, nodes.Has | nodes.Running):
        if term.span is not None and source.text[term.span.start] not in "~(nN":
            return nodes.Not(nodes.Zoned(term.term, zone, span=span), span=span)
    return nodes.Zoned(term, zone, span=span)


# --- windows --------------------------------------------------------------------------------


def always(source: Source, start: int, end: int) -> Condition:
    return nodes.Constant(True, span=source.span(start, end))


def never(source: Source, start: int, end: int) -> Condition:
    return nodes.Constant(False, span=source.span(start, end))


def time_of(source: Source, start: int, end: int, word: str, raw: Raw | None = None) -> Condition:
    unit = Unit(word)
    return nodes.TimeOf(unit, ranged(source, start, unit, raw), span=source.span(start, end))


def time_of_cron(source: Source, start: int, end: int, fields: CronFields) -> Condition:
    return nodes.TimeOfCron(fields, span=source.span(start, end))


def cron_text(source: Source, start: int, end: int, token: Token) -> CronFields:
    try:
        return read_cron(token[0])
    except ReadError as error:
        raise refusal(error, token[1]) from None


def cron_quoted(source: Source, start: int, end: int, token: Token) -> CronFields:
    inner = unquote(token)
    try:
        return read_cron(inner)
    except ReadError as error:
        raise refusal(error, token[1] + 1) from None


def all_weekdays(source: Source, start: int, end: int) -> tuple[int, ...]:
    return (0, 1, 2, 3, 4)


def all_weekends(source: Source, start: int, end: int) -> tuple[int, ...]:
    return (5, 6)


def days_named(source: Source, start: int, end: int, days: list[Token]) -> tuple[int, ...]:
    return tuple(WEEKDAY_NUMBERS[day.lower()] for day, _ in days)


def on_weekdays(source: Source, start: int, end: int, days: tuple[int, ...]) -> Condition:
    return nodes.OnWeekdays(days, span=source.span(start, end))


def only_weekdays(source: Source, start: int, end: int) -> Condition:
    return nodes.OnWeekdays((0, 1, 2, 3, 4), span=source.span(start, end))


def only_weekends(source: Source, start: int, end: int) -> Condition:
    return nodes.OnWeekdays((5, 6), span=source.span(start, end))


def dates_between(source: Source, start: int, end: int, first: Token, last: Token) -> Condition:
    begin, _ = moment_of(first)
    finish, whole_day = moment_of(last)
    try:
        return nodes.Dates(begin, finish, whole_day, span=source.span(start, end))
    except ValueError as error:
        at = last[1]
        raise Refused("empty-range", str(error), at, at + len(last[0])) from None


def dates_before(source: Source, start: int, end: int, last: Token) -> Condition:
    finish, whole_day = moment_of(last)
    return nodes.Dates(None, finish, whole_day, span=source.span(start, end))


def dates_after(source: Source, start: int, end: int, first: Token) -> Condition:
    return nodes.Dates(moment_of(first)[0], None, span=source.span(start, end))


# --- cadences -------------------------------------------------------------------------------


def cadence(source: Source, start: int, end: int, word: str, raw: Raw | None = None) -> Condition:
    unit = UNITS[word]
    if raw is None:
        return nodes.Cadence(unit, span=source.span(start, end))
    return nodes.Cadence(unit, ranged(source, start, unit, raw), span=source.span(start, end))


def every(source: Source, start: int, end: int, length: Token) -> Condition:
    return nodes.Every(interval_of(source, start, length), span=source.span(start, end))


def every_in_range(source: Source, start: int, end: int, length: Token, raw: Raw) -> Condition:
    return every_since(source, start, end, length, "run", raw)


def every_since(
    source: Source, start: int, end: int, length: Token, since: str, raw: Raw | None = None
) -> Condition:
    within = ranged(source, start, Unit.DAY, raw)
    assert not isinstance(within, At | Starting)
    return nodes.Every(
        interval_of(source, start, length), Since(since), within, span=source.span(start, end)
    )


def interval_of(source: Source, start: int, token: Token) -> Duration:
    """The duration of an interval; `every 1 month` is told of `monthly`."""
    try:
        return read_duration(token[0])
    except ReadError as error:
        if reads(Unit.DAY, token[0]) and not token[0].isdigit():
            fix, end = f"daily at {token[0]}", token[1] + len(token[0])
            message = f"{token[0]!r} is a time, every takes a duration: {fix}"
            raise Refused("bad-interval", message, start, end, fix) from None
        if error.other is None:
            raise refusal(error, token[1]) from None
        fix = CADENCES[Unit(error.other)]
        single = token[0].split()[0] == "1"
        end = token[1] + error.end
        raise Refused(
            error.code, error.message, start, end, fix if single else None, ("monthly", "yearly")
        ) from None


def cron_cadence(source: Source, start: int, end: int, fields: CronFields) -> Condition:
    return nodes.Cron(fields, span=source.span(start, end))


def once(source: Source, start: int, end: int, at: Token) -> Condition:
    return nodes.Once(moment_of(at)[0], span=source.span(start, end))


# --- the log --------------------------------------------------------------------------------


def yes(source: Source, start: int, end: int) -> bool:
    return True


def no(source: Source, start: int, end: int) -> bool:
    return False


def same(source: Source, start: int, end: int, value: Value) -> Value:
    return value


def signed(term: Condition, positive: bool, span: Span) -> Condition:
    return term if positive else nodes.Not(term, span=span)


def history(
    source: Source, start: int, end: int, has: bool, event: str, count: Count | None = None
) -> Condition:
    span = source.span(start, end)
    return signed(nodes.Has(Event(event), None, count, span=span), has, span)


def history_of(
    source: Source,
    start: int,
    end: int,
    task: str,
    has: bool,
    event: str,
    count: Count | None = None,
) -> Condition:
    span = source.span(start, end)
    return signed(nodes.Has(Event(event), task, count, span=span), has, span)


def history_in(source: Source, start: int, end: int, term: Condition, within: Value) -> Condition:
    """A history with its span, which is a `Past` or (unit, range's tokens)."""
    span = source.span(start, end)
    has = term.term if isinstance(term, nodes.Not) else term
    assert isinstance(has, nodes.Has)
    if not isinstance(within, Past):
        unit, raw, begin = within
        within = ThisCycle(unit, ranged(source, begin, unit, raw))
    inner = nodes.Has(has.event, has.task, has.count, within, span=span)
    return signed(inner, has is term, span)


def today(source: Source, start: int, end: int, raw: Raw | None = None) -> Value:
    return (Unit.DAY, raw, start)


def this_cycle(source: Source, start: int, end: int, unit: str, raw: Raw | None = None) -> Value:
    return (Unit(unit), raw, start)


def past(source: Source, start: int, end: int, length: Token) -> Past:
    return Past(duration_of(length))


def at_least(source: Source, start: int, end: int) -> tuple[Bound, int]:
    return (Bound.AT_LEAST, 0)


def at_most(source: Source, start: int, end: int) -> tuple[Bound, int]:
    return (Bound.AT_MOST, 0)


def more_than(source: Source, start: int, end: int) -> tuple[Bound, int]:
    return (Bound.AT_LEAST, 1)


def less_than(source: Source, start: int, end: int) -> tuple[Bound, int]:
    return (Bound.AT_MOST, -1)


def exactly(source: Source, start: int, end: int) -> tuple[Bound, int]:
    return (Bound.EXACTLY, 0)


def count(source: Source, start: int, end: int, bound: tuple[Bound, int], times: Token) -> Count:
    kind, offset = bound
    try:
        return Count(kind, whole(times) + offset)
    except ValueError as error:
        raise Refused("count", str(error), start, end) from None


def after_tasks(
    source: Source,
    start: int,
    end: int,
    tasks: str | list[str],
    outcome: str = "succeeded",
) -> Condition:
    names = (tasks,) if isinstance(tasks, str) else tuple(tasks)
    return nodes.AfterTasks(names, Event(outcome), span=source.span(start, end))


def after_any_tasks(
    source: Source, start: int, end: int, tasks: list[str], outcome: str = "succeeded"
) -> Condition:
    return nodes.AfterTasks(tuple(tasks), Event(outcome), True, span=source.span(start, end))


def running(source: Source, start: int, end: int, is_: bool) -> Condition:
    span = source.span(start, end)
    return signed(nodes.Running(span=span), is_, span)


def running_of(source: Source, start: int, end: int, task: str, is_: bool) -> Condition:
    span = source.span(start, end)
    return signed(nodes.Running(task, span=span), is_, span)


def running_aged(source: Source, start: int, end: int, term: Condition, age: Age) -> Condition:
    return running_more(source, start, end, term, age, None)


def running_counted(
    source: Source, start: int, end: int, term: Condition, times: Count
) -> Condition:
    return running_more(source, start, end, term, None, times)


def running_more(
    source: Source, start: int, end: int, term: Condition, age: Age | None, times: Count | None
) -> Condition:
    span = source.span(start, end)
    live = term.term if isinstance(term, nodes.Not) else term
    assert isinstance(live, nodes.Running)
    return signed(nodes.Running(live.task, age, times, span=span), live is term, span)


def older(source: Source, start: int, end: int, length: Token) -> Age:
    return Age(duration_of(length))


def younger(source: Source, start: int, end: int, length: Token) -> Age:
    return Age(None, duration_of(length))


def aged_between(source: Source, start: int, end: int, first: Token, last: Token) -> Age:
    low, high = duration_of(first), duration_of(last)
    if high <= low:
        at = last[1]
        raise Refused("empty-range", age_message(low, high), at, at + len(last[0]))
    return Age(low, high)


def retry(
    source: Source, start: int, end: int, times: Token | None = None, delay: Token | None = None
) -> Condition:
    return nodes.Retry(
        None if times is None else whole(times),
        None if delay is None else duration_of(delay),
        span=source.span(start, end),
    )


def retry_after(source: Source, start: int, end: int, delay: Token) -> Condition:
    return retry(source, start, end, None, delay)


# --- the scheduler, parameters, custom conditions -----------------------------------------------


def scheduler_over(source: Source, start: int, end: int, length: Token) -> Condition:
    return nodes.SchedulerAge(duration_of(length), True, span=source.span(start, end))


def scheduler_started(source: Source, start: int, end: int, length: Token) -> Condition:
    return nodes.SchedulerAge(duration_of(length), False, span=source.span(start, end))


def scheduler_cycles(source: Source, start: int, end: int, cycles: Token) -> Condition:
    return scheduler_counted(source, start, end, (Bound.EXACTLY, 0), cycles)


def scheduler_counted(
    source: Source, start: int, end: int, bound: tuple[Bound, int], cycles: Token
) -> Condition:
    times = count(source, start, end, bound, cycles)
    return nodes.SchedulerCycles(times, span=source.span(start, end))


def env(source: Source, start: int, end: int, name: str) -> Condition:
    return nodes.Env(name, span=source.span(start, end))


def params_exist(source: Source, start: int, end: int, names: list[str]) -> Condition:
    return nodes.ParamsExist(tuple(names), span=source.span(start, end))


def param_is(source: Source, start: int, end: int, name: str, value: str) -> Condition:
    return nodes.ParamIs(name, value, span=source.span(start, end))


def param_is_number(source: Source, start: int, end: int, name: str, value: Token) -> Condition:
    number(source, value[1], end, value)
    return nodes.ParamIs(name, value[0], span=source.span(start, end))


def call(
    source: Source, start: int, end: int, name: str, args: list[Value] | None = None
) -> Condition:
    if source.phrases is not None and not source.phrases.knows_call(name):
        near = source.phrases.like(name)
        message = f"unknown condition {name!r}"
        raise Refused(
            "unknown-condition", f"{message}: {near[0]}?" if near else message, start, end
        )
    return nodes.Call(name, tuple(args or ()), span=source.span(start, end))


def phrase(source: Source, start: int, end: int, make: Callable[[Span], Condition]) -> Condition:
    return make(source.span(start, end))


ACTIONS: dict[str, Callable[..., Value]] = {
    action.__name__: action
    for action in (
        *(chain, longer_chain, any_of, all_of, negated, zoned, bare_zone, quoted_zone),
        *(bare, text, number, duration, moment, between, after, before, starting, at),
        *(always, never, time_of, time_of_cron, cron_text, cron_quoted, all_weekdays),
        *(all_weekends, on_weekdays, only_weekdays, only_weekends, dates_between, dates_before),
        *(dates_after, cadence, every, every_in_range, every_since, cron_cadence, once),
        *(yes, no, same, history, history_of, history_in, today, this_cycle, past, at_least),
        *(at_most, more_than, less_than, exactly, count, after_tasks, after_any_tasks, running),
        *(running_of, running_aged, running_counted, older, younger, aged_between, retry),
        *(retry_after, scheduler_over, scheduler_started, scheduler_cycles, scheduler_counted),
        *(env, params_exist, param_is, param_is_number, call, phrase, days_named),
    )
} | {"quoted": quoted_name}
