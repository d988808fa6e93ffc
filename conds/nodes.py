"""The nodes: one frozen class per construct of LANGUAGE.md §4.

Nodes are values. Equality and hash ignore spans; comparing with a number builds a new node and
never changes the old one. Nodes know nothing of clocks, zones or logs: the engine compiles them.
What joins other nodes is in `tree`, and handed on from here.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time
from typing import Any as Value
from typing import Self

from .diagnostic import Span
from .fluent import Counted, Ranged, make_between, refuse_second_range, task_name, whole
from .fluent import DurationLike as DurationLike
from .fluent import PointLike as PointLike
from .parts import After as After
from .parts import Age as Age
from .parts import At as At
from .parts import Before as Before
from .parts import Between as Between
from .parts import Bound as Bound
from .parts import Count as Count
from .parts import Event as Event
from .parts import Past as Past
from .parts import Range as Range
from .parts import Since as Since
from .parts import Starting as Starting
from .parts import ThisCycle as ThisCycle
from .parts import check_number, check_range
from .points import Clock as Clock
from .points import CronFields as CronFields
from .points import Duration as Duration
from .points import Point as Point
from .points import Unit as Unit
from .points import to_point
from .tree import All as All
from .tree import Any as Any
from .tree import Composite as Composite
from .tree import Condition as Condition
from .tree import Defined as Defined
from .tree import LimitError as LimitError
from .tree import Not as Not
from .tree import Zoned as Zoned
from .tree import check_name as check_name
from .tree import join as join
from .tree import needs_parentheses as needs_parentheses
from .tree import postorder as postorder
from .tree import program as program
from .tree import rebuild as rebuild
from .tree import relocate as relocate
from .tree import strip_spans as strip_spans


def check_optional_name(name: str | None) -> None:
    if name is not None:
        check_name(name)


# --- windows --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Constant(Condition):
    """`true`, `false`."""

    value: bool


@dataclass(frozen=True, slots=True, repr=False)
class TimeOf(Ranged, Condition):
    """Window: `time of day after 10:00`."""

    unit: Unit
    range: Range | None = None

    def __post_init__(self) -> None:
        check_range(self.unit, self.range)

    def _cycle(self) -> Unit:
        return self.unit

    def _with_range(self, range_: Range) -> Self:
        refuse_second_range(self, self.range)
        return replace(self, range=range_)


@dataclass(frozen=True, slots=True, repr=False)
class TimeOfCron(Condition):
    """Window: the minutes (seconds, with six fields) that a cron expression matches."""

    fields: CronFields


@dataclass(frozen=True, slots=True, repr=False)
class OnWeekdays(Condition):
    """Window: `on Mon, Wed`; days from 0 (Monday) to 6, sorted."""

    days: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.days or not all(0 <= day <= 6 for day in self.days):
            raise ValueError(f"{self.days!r} are not weekdays: 0 (Monday) to 6, at least one")
        object.__setattr__(self, "days", tuple(sorted(set(self.days))))


@dataclass(frozen=True, slots=True, repr=False)
class Dates(Condition):
    """Window: `between 2026-01-01 and 2026-06-30`, `before …`, `after …` (naive, local).

    A bare date as an end stands for the whole day: `end_is_date`."""

    start: datetime | None
    end: datetime | None
    end_is_date: bool = False

    def __post_init__(self) -> None:
        if self.start is None and self.end is None:
            raise ValueError("dates need a start or an end")
        for moment in (self.start, self.end):
            check_naive(moment)
        if self.end_is_date and (self.end is None or self.end.time() != time()):
            raise ValueError("an end that names a whole day has no time of day")
        if self.start is not None and self.end is not None:
            last = self.end.date() if self.end_is_date else self.end
            first = self.start.date() if self.end_is_date else self.start
            if last < first or (last == first and not self.end_is_date):
                raise ValueError(dates_message(self.start, self.end))


def dates_message(start: datetime, end: datetime) -> str:
    first, last = start.isoformat(" "), end.isoformat(" ")
    return f"between {first} and {last} is empty: its end is not after its start"


def check_naive(moment: datetime | None) -> None:
    if moment is not None and moment.tzinfo is not None:
        raise ValueError(f"{moment!r} has a zone: give a naive one, and the zone by in_zone")


# --- cadences -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Cadence(Ranged, Condition):
    """`daily after 10:00`: in a window of the period, and no run that counts in that window."""

    unit: Unit
    range: Range | None = None

    def __post_init__(self) -> None:
        check_range(self.unit, self.range)

    def _cycle(self) -> Unit:
        return self.unit

    def _with_range(self, range_: Range) -> Self:
        refuse_second_range(self, self.range)
        return replace(self, range=range_)


@dataclass(frozen=True, slots=True, repr=False)
class Every(Condition):
    """`every D [since last …] [between …]`; the range is of a day."""

    duration: Duration
    since: Since = Since.RUN
    range: Between | After | Before | None = None

    def __post_init__(self) -> None:
        check_range(Unit.DAY, self.range)

    def after(self, start: PointLike) -> Self:
        """Only from `start` to the end of a day."""
        return self._with_range(After(to_point(Unit.DAY, start)))

    def before(self, end: PointLike) -> Self:
        """Only from the start of a day to `end`."""
        return self._with_range(Before(to_point(Unit.DAY, end, end=True)))

    def between(self, start: PointLike, end: PointLike) -> Self:
        """Only from `start` to `end`, over midnight if `end` is not later."""
        return self._with_range(make_between(Unit.DAY, start, end))

    def _with_range(self, range_: Between | After | Before) -> Self:
        refuse_second_range(self, self.range)
        return replace(self, range=range_)


@dataclass(frozen=True, slots=True, repr=False)
class Cron(Condition):
    """Cadence: once in each minute (second, with six fields) that matches."""

    fields: CronFields


@dataclass(frozen=True, slots=True, repr=False)
class Once(Condition):
    """`once at X` (naive, local)."""

    at: datetime

    def __post_init__(self) -> None:
        check_naive(self.at)


# --- the log --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Has(Ranged, Counted, Condition):
    """`[task T] has A [count] [span]`; a task of None is the owner.

    In Python: `failed`, `failed("extract")`, `failed.today.between("10:00", "12:00")`,
    `failed.past("2 hours") >= 3`."""

    event: Event
    task: str | None = None
    count: Count | None = None
    within: ThisCycle | Past | None = None

    def __post_init__(self) -> None:
        check_optional_name(self.task)

    def __call__(self, task: object = None) -> Self:
        """The same of another task: its name, itself or its function."""
        return replace(self, task=None if task is None else task_name(task))

    def past(self, duration: DurationLike) -> Self:
        """In the past `duration`."""
        return self._in(Past(Duration.of(duration)))

    @property
    def today(self) -> Self:
        return self._in(ThisCycle(Unit.DAY))

    this_day = today

    @property
    def this_second(self) -> Self:
        return self._in(ThisCycle(Unit.SECOND))

    @property
    def this_minute(self) -> Self:
        return self._in(ThisCycle(Unit.MINUTE))

    @property
    def this_hour(self) -> Self:
        return self._in(ThisCycle(Unit.HOUR))

    @property
    def this_week(self) -> Self:
        return self._in(ThisCycle(Unit.WEEK))

    @property
    def this_month(self) -> Self:
        return self._in(ThisCycle(Unit.MONTH))

    @property
    def this_year(self) -> Self:
        return self._in(ThisCycle(Unit.YEAR))

    def _in(self, within: ThisCycle | Past) -> Self:
        if self.within is not None:
            raise ValueError(f"{str(self)!r} has a span already")
        return replace(self, within=within)

    def _cycle(self) -> Unit:
        if not isinstance(self.within, ThisCycle):
            raise ValueError(f"{str(self)!r} has no cycle to put a range on: say today first")
        return self.within.unit

    def _with_range(self, range_: Range) -> Self:
        unit = self._cycle()
        assert isinstance(self.within, ThisCycle)
        refuse_second_range(self, self.within.range)
        return replace(self, within=ThisCycle(unit, range_))

    def _with_count(self, count: Count) -> Condition:
        counted = replace(self, count=count)
        return counted if self.count is None else All((self, counted))


OUTCOMES = (Event.SUCCEEDED, Event.FAILED, Event.FINISHED, Event.TERMINATED)


@dataclass(frozen=True, slots=True, repr=False)
class AfterTasks(Condition):
    """`after task T O`, `after [all|any] tasks A, B O`. Names once each, in the order given; of
    one task `any` is false."""

    tasks: tuple[str, ...]
    outcome: Event = Event.SUCCEEDED
    any: bool = False

    def __post_init__(self) -> None:
        check_names(self, "tasks")
        if self.outcome not in OUTCOMES:
            raise ValueError(f"{self.outcome.value!r} is no outcome: {', '.join(OUTCOMES)}")
        if len(self.tasks) == 1:
            object.__setattr__(self, "any", False)


def check_names(node: AfterTasks | ParamsExist, attribute: str) -> None:
    """Refuse empty names and no names; drop repeats."""
    names: tuple[str, ...] = getattr(node, attribute)
    for name in names:
        check_name(name)
    if not names:
        raise ValueError(f"{attribute} are missing: at least one name is needed")
    if len(names) > 1:
        object.__setattr__(node, attribute, tuple(dict.fromkeys(names)))


@dataclass(frozen=True, slots=True, repr=False)
class Running(Counted, Condition):
    """`[task T] is running [age | count]`; a task of None is the owner.

    In Python: `running`, `running("extract").more_than("10 min")`, `running >= 2`."""

    task: str | None = None
    age: Age | None = None
    count: Count | None = None

    def __post_init__(self) -> None:
        check_optional_name(self.task)
        if self.age is not None and self.count is not None:
            raise ValueError("a running condition has an age or a count, not both: join two by &")

    def __call__(
        self,
        task: object = None,
        *,
        more_than: DurationLike | None = None,
        less_than: DurationLike | None = None,
    ) -> Self:
        """The same of another task: its name, itself or its function."""
        named = replace(self, task=None if task is None else task_name(task))
        if more_than is None and less_than is None:
            return named
        return named._aged(Age(duration_or_none(more_than), duration_or_none(less_than)))

    def more_than(self, duration: DurationLike) -> Self:
        """For at least `duration`."""
        return self._aged(Age(Duration.of(duration)))

    def less_than(self, duration: DurationLike) -> Self:
        """For less than `duration`."""
        return self._aged(Age(None, Duration.of(duration)))

    def between(self, start: DurationLike, end: DurationLike) -> Self:
        """For at least `start` and less than `end`."""
        return self._aged(Age(Duration.of(start), Duration.of(end)))

    def _aged(self, age: Age) -> Self:
        if self.age is not None:
            raise ValueError(f"{str(self)!r} has an age already: give both ends by between")
        return replace(self, age=age)

    def _with_count(self, count: Count) -> Condition:
        if self.count is None and self.age is None:
            return replace(self, count=count)
        return All((self, Running(self.task, None, count)))


def duration_or_none(value: DurationLike | None) -> Duration | None:
    return None if value is None else Duration.of(value)


@dataclass(frozen=True, slots=True, repr=False)
class Retry(Condition):
    """`retry [n times] [after D]`. In Python: `retry`, `retry(3)`, `retry(3).after("30 s")`.

    What has no words in the language is in Python alone, and left out of `str`: each retry waits
    `backoff` times as long as the one before it, `max_delay` at most, and up to `jitter` (a part
    of the delay, 0 to 1) longer, so that what failed together is not retried together."""

    times: int | None = None
    delay: Duration | None = None
    backoff: float = 1
    jitter: float = 0
    max_delay: Duration | None = None

    def __post_init__(self) -> None:
        if self.times is not None:
            if self.times < 0:
                raise ValueError(f"{self.times} retries: the number of retries is 0 or more")
            check_number(self.times)
        for name, number in (("backoff", self.backoff), ("jitter", self.jitter)):
            if not isinstance(number, int | float) or isinstance(number, bool):
                raise TypeError(f"{name} {number!r} is not a number")
        if not 1 <= self.backoff < 1e9:
            raise ValueError(f"backoff {self.backoff!r}: a factor of 1 or more")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter {self.jitter!r}: a part of the delay, from 0 to 1")

    def __call__(
        self,
        times: int | None = None,
        *,
        after: DurationLike | None = None,
        backoff: float = 1,
        jitter: float = 0,
        max_delay: DurationLike | None = None,
    ) -> Self:
        """At most `times` retries, each `after` the outcome it retries."""
        count = None if times is None else whole(times)
        delay, most = duration_or_none(after), duration_or_none(max_delay)
        return type(self)(count, delay, backoff, jitter, most)

    def after(self, delay: DurationLike) -> Self:
        """Not before `delay` has passed since the outcome."""
        return replace(self, delay=Duration.of(delay))


# --- the scheduler, parameters, custom functions ------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class SchedulerAge(Condition):
    """`scheduler started D ago` (now < start + D); `has run over D` is its opposite: over."""

    duration: Duration
    over: bool


@dataclass(frozen=True, slots=True, repr=False)
class SchedulerCycles(Counted, Condition):
    """`scheduler has more than n cycles`."""

    count: Count

    def _with_count(self, count: Count) -> Condition:
        return All((self, SchedulerCycles(count)))


@dataclass(frozen=True, slots=True, repr=False)
class Env(Condition):
    """`env NAME`: the app's `env` parameter, compared as text."""

    name: str

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True, slots=True, repr=False)
class ParamsExist(Condition):
    """`param 'x', 'y' exists`: all of them. Names once each, in the order given."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        check_names(self, "names")


@dataclass(frozen=True, slots=True, repr=False)
class ParamIs(Condition):
    """`param 'x' is 'y'`, compared as text; the value may be empty."""

    name: str
    value: str

    def __post_init__(self) -> None:
        check_name(self.name)


Argument = str | int | float | Duration | datetime | Clock


@dataclass(frozen=True, slots=True, repr=False)
class Call(Condition):
    """A custom function by call syntax, `is_holiday('FI')`."""

    name: str
    args: tuple[Argument, ...] = ()
    kinds: tuple[type, ...] = field(init=False, repr=False)  # so that f(1) is not f(1.0)

    def __post_init__(self) -> None:
        check_name(self.name)
        for value in self.args:
            check_argument(value)
            if isinstance(value, Clock):
                raise TypeError("a call takes no time of day: give it as text")
        object.__setattr__(self, "kinds", tuple(type(value) for value in self.args))


@dataclass(frozen=True, slots=True, repr=False)
class Phrase(Condition):
    """A registered phrase or pattern: the template's text and the values matched in it.

    `text` is what a pattern matched; a phrase's text follows from template and values."""

    template: str
    values: tuple[tuple[str, Argument], ...] = ()
    text: str | None = None
    kinds: tuple[type, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_name(self.template)
        for _, value in self.values:
            check_argument(value)
        object.__setattr__(self, "kinds", tuple(type(value) for _, value in self.values))

    @property
    def open_ended(self) -> bool:
        """A pattern could take the words of a zone for its own."""
        return self.text is not None


@dataclass(frozen=True, slots=True, repr=False)
class Func(Condition):
    """A custom function given as itself (`conds.condition()`), so it needs no registering. It
    prints as call syntax, and pickles by the function's reference."""

    function: object
    args: tuple[object, ...] = ()
    kwargs: tuple[tuple[str, object], ...] = ()
    every: Duration | None = None
    kinds: tuple[type, ...] = field(init=False, repr=False)  # so that f(1) is not f(True)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"{self.function!r} is not a function")
        values = (*self.args, *(value for _, value in self.kwargs))
        object.__setattr__(self, "kinds", tuple(type(value) for value in values))
        for value in values:
            try:
                hash(value)
            except TypeError:
                message = f"{value!r} cannot be an argument of a condition: it has no hash"
                raise TypeError(f"{message}; give a tuple or another value that is fixed") from None

    def __repr__(self) -> str:
        given = [repr(value) for value in self.args] + [f"{k}={v!r}" for k, v in self.kwargs]
        called = f"({', '.join(given)})" if given else ""
        return f"<condition {getattr(self.function, '__module__', None)}.{self._path}{called}>"

    @property
    def _path(self) -> str:
        return str(getattr(self.function, "__qualname__", type(self.function).__qualname__))

    def __reduce__(self) -> tuple[object, ...]:
        """By reference: where the decorated function's name leads to a condition of the same
        function, that is what is kept, and the arguments beside it."""
        module = getattr(self.function, "__module__", None)
        found = referred(module, self._path)
        if isinstance(found, Func) and found.function is self.function:
            return _func_of, (module, self._path, self.args, self.kwargs, self.every, self.span)
        return _func, (self.function, self.args, self.kwargs, self.every, self.span)

    def __call__(self, *args: object, **kwargs: object) -> Self:
        """The condition with arguments for the function."""
        return replace(self, args=args, kwargs=tuple(sorted(kwargs.items())))


def referred(module: str | None, path: str) -> object:
    """What a module has under a dotted name; None if nothing."""
    found: object = sys.modules.get(module or "")
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _func(
    function: object,
    args: tuple[object, ...],
    kwargs: tuple[tuple[str, object], ...],
    every: Duration | None,
    span: Span | None,
) -> Func:
    return Func(function, args, kwargs, every, span=span)


def _func_of(module: str, path: str, *rest: Value) -> Func:
    importlib.import_module(module)
    found = referred(module, path)
    if not isinstance(found, Func):
        raise TypeError(f"{module}.{path} is no condition any more")
    return _func(found.function, *rest)


def check_argument(value: object) -> None:
    """Raise for a value that has no text in the language."""
    match value:
        case bool():
            raise TypeError(f"{value!r} is not an argument: give text or a number")
        case int():
            check_number(value)
        case float():
            check_float(value)
        case datetime():
            check_naive(value)
        case str() | Duration() | Clock():
            return
        case _:
            raise TypeError(f"{value!r} is not an argument: text, number, duration or datetime")


def check_float(value: float) -> None:
    from .printer import float_text

    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(f"{value!r} is not a number that can be written")
    if sum(char.isdigit() for char in float_text(value)) > 18:
        raise ValueError(f"{value!r} is too long: at most 18 digits")


def all_of(*terms: Condition) -> Condition:
    """The *and* of any number of conditions: `true` of none, the condition itself of one."""
    return terms[0] if len(terms) == 1 else All(terms) if terms else Constant(True)


def any_of(*terms: Condition) -> Condition:
    """The *or* of any number of conditions: `false` of none, the condition itself of one."""
    return terms[0] if len(terms) == 1 else Any(terms) if terms else Constant(False)


def shown_fields(node: object) -> Iterator[tuple[str, object, object]]:
    """Name, value and default of each field that `repr` may show."""
    for item in fields(node):  # type: ignore[arg-type]
        if item.init and item.name != "span":
            yield item.name, getattr(node, item.name), item.default


def to_datetime(value: str | date | datetime) -> tuple[datetime, bool]:
    """A naive datetime from what the Python API takes, and whether it is a bare date."""
    from .dates import read_datetime

    match value:
        case str():
            return read_datetime(value)
        case datetime():
            return value, False
        case date():
            return datetime(value.year, value.month, value.day), True
        case _:
            raise TypeError(f"{value!r} is not a date: give text, a date or a datetime")
