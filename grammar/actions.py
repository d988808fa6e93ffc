"""What each rule of the grammar makes: the values of its parts to a node, or a part of one.

The driver calls an action with the source, the rule's first and last offset, and the values that
the rule keeps: a keyword's text in lower case, any other token as (text, offset). Points are read
where their unit is known, so a range is carried as its tokens until then. What a value's own
reader refuses becomes a `Refused`, with its place in the source.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import Any as Value
from typing import Protocol

from ..conds import nodes
from ..conds.dates import read_datetime
from ..conds.diagnostic import Span
from ..conds.nodes import Condition
from ..conds.parts import (
    After,
    Age,
    At,
    Before,
    Between,
    Bound,
    Count,
    Event,
    Past,
    Range,
    Since,
    Starting,
    ThisCycle,
    age_message,
    empty_message,
)
from ..conds.points import (
    CADENCES,
    WEEKDAY_NUMBERS,
    CronFields,
    Duration,
    Point,
    Unit,
    is_cycle_start,
    read_cron,
    read_duration,
    read_point,
    reads,
)
from ..conds.printer import quoted
from ..conds.reading import DIGITS, ReadError
from ..conds.zones import check_zone

Token = tuple[str, int]
Raw = tuple[type[Range], tuple[Token, ...], int]  # a range as its tokens, and where it starts
UNITS = {cadence: unit for unit, cadence in CADENCES.items()}


class Refused(Exception):
    """A text that the grammar accepts and the language does not."""

    def __init__(
        self,
        code: str,
        message: str,
        start: int,
        end: int,
        fix: str | None = None,
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.start = start
        self.end = end
        self.fix = fix
        self.expected = expected


class Custom(Protocol):
    """What the parser asks the registry of custom conditions (`phrases.Phrases`)."""

    def match(
        self, text: str, position: int
    ) -> tuple[Callable[[Span], Condition], int, int] | None: ...

    def knows_call(self, name: str) -> bool: ...

    def like(self, word: str) -> tuple[str, ...]: ...


class Source:
    """The text that is parsed, and where its lines begin; it never changes."""

    __slots__ = ("text", "phrases", "_lines")

    def __init__(self, text: str, phrases: Custom | None = None) -> None:
        self.text = text
        self.phrases = phrases
        self._lines: list[int] | None = None
        if "\n" in text:
            self._lines = [0, *(i + 1 for i, char in enumerate(text) if char == "\n")]

    def span(self, start: int, end: int) -> Span:
        if self._lines is None:
            return Span(start, end, 1, start + 1)
        line = bisect_right(self._lines, start)
        return Span(start, end, line, start - self._lines[line - 1] + 1)


def refusal(error: ReadError, offset: int) -> Refused:
    """A reader's error at its place in the source."""
    start, end = offset + error.start, offset + error.end
    return Refused(error.code, error.message, start, end, error.fix)


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
    span = source.span(start, end)
    if isinstance(term, nodes.Not) and isinstance(term.term, nodes.Has | nodes.Running):
        if term.span is not None and source.text[term.span.start] not in "~(nN":
            return nodes.Not(nodes.Zoned(term.term, zone, span=span), span=span)
    return nodes.Zoned(term, zone, span=span)


def bare_zone(source: Source, start: int, end: int, token: Token) -> str:
    return known_zone(token[0], token[1], end)


def quoted_zone(source: Source, start: int, end: int, token: Token) -> str:
    return known_zone(unquote(token), token[1], end)


def known_zone(name: str, start: int, end: int) -> str:
    try:
        check_zone(name)
    except ReadError as error:
        fix = None
        if error.fix is not None:
            fix = error.fix if start + len(name) == end else quoted(error.fix)
        raise Refused(error.code, error.message, start, end, fix) from None
    return name


# --- names and numbers ----------------------------------------------------------------------


def unquote(token: Token) -> str:
    """The text of a quoted string; only the quotes and the backslash are escaped."""
    text, offset = token
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    written, position = [], 0
    while (slash := inner.find("\\", position)) >= 0:
        if inner[slash + 1] not in "'\"\\":
            at = offset + 1 + slash
            raise Refused(
                "escape",
                f"{inner[slash : slash + 2]!r} is not an escape: only \\', \\\" and \\\\ are",
                at,
                at + 2,
                "\\" + inner[slash : slash + 2],
            )
        written += [inner[position:slash], inner[slash + 1]]
        position = slash + 2
    return "".join((*written, inner[position:]))


def bare(source: Source, start: int, end: int, token: Token) -> str:
    return token[0]


def text(source: Source, start: int, end: int, token: Token) -> str:
    return unquote(token)


def quoted_name(source: Source, start: int, end: int, token: Token) -> str:
    name = unquote(token)
    if not name:
        raise Refused("empty-name", "a name is empty", start, end)
    return name


def whole(token: Token) -> int:
    digits, offset = token
    if len(digits) > DIGITS:
        message = f"a number of {len(digits)} digits is too long: at most {DIGITS}"
        raise Refused("too-long", message, offset, offset + len(digits))
    return int(digits)


def number(source: Source, start: int, end: int, token: Token) -> int | float:
    digits = sum(char.isdigit() for char in token[0])
    if digits > DIGITS:
        message = f"a number of {digits} digits is too long: at most {DIGITS}"
        raise Refused("too-long", message, start, end)
    return float(token[0]) if "." in token[0] else int(token[0])


def duration(source: Source, start: int, end: int, token: Token) -> Duration:
    return duration_of(token)


def duration_of(token: Token) -> Duration:
    try:
        return read_duration(token[0])
    except ReadError as error:
        raise refusal(error, token[1]) from None


def moment(source: Source, start: int, end: int, token: Token) -> datetime:
    return moment_of(token)[0]


def moment_of(token: Token) -> tuple[datetime, bool]:
    try:
        return read_datetime(token[0])
    except ReadError as error:
        raise refusal(error, token[1]) from None


# --- ranges ---------------------------------------------------------------------------------


def between(source: Source, start: int, end: int, first: Token, last: Token) -> Raw:
    return (Between, (first, last), start)


def after(source: Source, start: int, end: int, point: Token) -> Raw:
    return (After, (point,), start)


def before(source: Source, start: int, end: int, point: Token) -> Raw:
    return (Before, (point,), start)


def starting(source: Source, start: int, end: int, point: Token) -> Raw:
    return (Starting, (point,), start)


def at(source: Source, start: int, end: int, points: list[Token]) -> Raw:
    return (At, tuple(points), start)


def ranged(source: Source, start: int, unit: Unit, raw: Raw | None) -> Range | None:
    """The range of a cycle of `unit`, in an atom that starts at `start`."""
    if raw is None:
        return None
    kind, tokens, range_start = raw
    try:
        if kind is Between:
            first, last = tokens
            return Between(read_point(unit, first[0]), read_point(unit, last[0], True))
        if kind is Before:
            return before_point(unit, tokens[0])
        if kind is At:
            return At(tuple(read_point(unit, token[0]) for token in tokens))
        single = read_point(unit, tokens[0][0])
    except ReadError as error:
        raise point_refusal(source, start, unit, raw, error) from None
    return Starting(single) if kind is Starting else After(single)


def before_point(unit: Unit, token: Token) -> Before:
    end: Point = read_point(unit, token[0], True)
    if is_cycle_start(end):
        raise ReadError(empty_message(unit, end), token[0], code="empty-range")
    return Before(end)


def point_refusal(source: Source, start: int, unit: Unit, raw: Raw, error: ReadError) -> Refused:
    """A point's error at its place; if it is a point of another unit, with the atom that takes
    it as the fix."""
    _, tokens, range_start = raw
    token = next(token for token in tokens if token[0].strip() == error.text)
    if error.code == "dashed-range":
        found = refusal(error, token[1])
        found.start = range_start
        return found
    if error.other == "date":
        return dates_beside(source, start, raw, error, token)
    if error.other is not None:
        return other_unit(source, start, Unit(error.other), raw, error, token)
    return refusal(error, token[1])


def dates_beside(source: Source, start: int, raw: Raw, error: ReadError, token: Token) -> Refused:
    """`daily after 2026-01-01`: two conditions, and an `&` is missing between them."""
    kind, tokens, range_start = raw
    found = refusal(error, token[1])
    if kind not in (After, Before, Between) or any(not is_date(text) for text, _ in tokens):
        return found
    last = tokens[-1][1] + len(tokens[-1][0])
    fix = f"{source.text[start:range_start].rstrip()} & {source.text[range_start:last]}"
    return Refused(error.code, f"{error.message}: {fix}", start, last, fix)


def is_date(text: str) -> bool:
    try:
        read_datetime(text)
    except ReadError:
        return False
    return True


def other_unit(
    source: Source, start: int, unit: Unit, raw: Raw, error: ReadError, token: Token
) -> Refused:
    _, tokens, range_start = raw
    found = refusal(error, token[1])
    head = source.text[start:range_start].split()
    last = tokens[-1][1] + len(tokens[-1][0])
    if head[-1].lower() in UNITS:
        head[-1] = CADENCES[unit]
    elif head[-1].lower() in UNIT_WORDS:
        head[-1] = unit.value
    elif head[-1].lower() == "today":
        head[-1] = f"this {unit.value}"
    else:
        return found
    if not all(reads(unit, text) for text, _ in tokens):
        return found
    fix = f"{' '.join(head)} {source.text[range_start:last]}"
    return Refused(error.code, f"{error.message}: {fix}", start, last, fix)


UNIT_WORDS = frozenset(unit.value for unit in Unit)


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
