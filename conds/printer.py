"""Nodes to text: the canonical text of LANGUAGE.md §5, and Python that builds the same node.

Both walk the tree with a stack of what is still to be written, so depth costs no recursion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import assert_never

from .dates import datetime_text, midnight
from .nodes import (
    AfterTasks,
    All,
    Any,
    Argument,
    Cadence,
    Call,
    Composite,
    Condition,
    Constant,
    Cron,
    Dates,
    Defined,
    Env,
    Every,
    Func,
    Has,
    LimitError,
    Not,
    Once,
    OnWeekdays,
    ParamIs,
    ParamsExist,
    Phrase,
    Retry,
    Running,
    SchedulerAge,
    SchedulerCycles,
    TimeOf,
    TimeOfCron,
    Zoned,
    needs_parentheses,
    program,
    shown_fields,
)
from .parts import (
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
)
from .points import CADENCES, WEEKDAYS, Clock, Duration, Unit
from .reading import plural
from .words import is_bare

MAX_TEXT = 64 * 1024
"""No text of a condition is longer, in UTF-8 (LANGUAGE.md §2)."""

ON = frozenset((Unit.WEEK, Unit.MONTH, Unit.YEAR))
"""The units whose points follow `on`; `at` those of the others."""

PLACEHOLDER = re.compile(r"\{([^\W\d]\w*)(?::([a-z]+))?\}")


def text(node: Condition) -> str:
    """The canonical text. Raises LimitError where it would be longer than a text may be."""
    written = "".join(pieces(node))
    if len(written) * 4 > MAX_TEXT and (size := text_size(written)) > MAX_TEXT:
        raise LimitError(f"a condition of {size} bytes of text is too long: at most {MAX_TEXT}")
    return written


def text_size(text: str) -> int:
    """Bytes of `text` in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def pieces(root: Condition) -> Iterator[str]:
    """The canonical text in pieces, each atom whole."""
    stack: list[str | Condition] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, Composite):
            stack.extend(reversed(layout(item)))
        else:
            yield atom_text(item)


def layout(node: Composite) -> list[str | Condition]:
    """A composite as texts and conditions, in the order they are written."""
    match node:
        case All(terms):
            return joined(" & ", terms, (Any,))
        case Any(terms):
            return joined(" | ", terms, ())
        case Not(term):
            return ["~", *enclosed(term, (All, Any))]
        case Zoned(term, zone):
            inner = ["(", term, ")"] if needs_parentheses(term) else [term]
            return [*inner, f" in {quoted(zone)}"]
        case Defined(name):
            return [name]
        case _:
            raise TypeError(f"{type(node).__name__} has no text")


def joined(
    symbol: str, terms: tuple[Condition, ...], loose: tuple[type[Condition], ...]
) -> list[str | Condition]:
    parts: list[str | Condition] = []
    for term in terms:
        parts += [symbol, *enclosed(term, loose)]
    return parts[1:]


def enclosed(term: Condition, loose: tuple[type[Condition], ...]) -> list[str | Condition]:
    """`term`, in parentheses if it binds looser than what is around it."""
    return ["(", term, ")"] if isinstance(term, loose) else [term]


def atom_text(node: Condition) -> str:
    """The canonical text of one atom."""
    match node:
        case Cadence(unit, range_):
            return CADENCES[unit] + range_text(unit, range_)
        case Every(duration, since, range_):
            last = "" if since is Since.RUN else f" since last {since.value}"
            return f"every {duration}{last}{range_text(Unit.DAY, range_)}"
        case AfterTasks():
            return after_text(node)
        case Has():
            return has_text(node)
        case Running():
            return running_text(node)
        case Retry(times, delay):
            count = "" if times is None else f" {plural(times, 'time')}"
            return f"retry{count}" + (f" after {delay}" if delay else "")
        case Constant() | TimeOf() | TimeOfCron() | OnWeekdays() | Dates() | Cron() | Once():
            return window_text(node)
        case _:
            return other_text(node)


def window_text(
    node: Constant | TimeOf | TimeOfCron | OnWeekdays | Dates | Cron | Once,
) -> str:
    match node:
        case Constant(value):
            return "true" if value else "false"
        case TimeOf(unit, range_):
            return f"time of {unit.value}{range_text(unit, range_)}"
        case TimeOfCron(fields):
            return f"time of cron {fields.text}"
        case OnWeekdays(days):
            return f"on {weekdays_text(days)}"
        case Dates():
            return dates_text(node)
        case Cron(fields):
            return f"cron {fields.text}"
        case Once(at):
            return f"once at {datetime_text(at, midnight(at))}"
        case _:
            assert_never(node)


def other_text(node: Condition) -> str:
    match node:
        case SchedulerAge(duration, over):
            return (
                f"scheduler has run over {duration}"
                if over
                else (f"scheduler started {duration} ago")
            )
        case SchedulerCycles(count):
            return f"scheduler has {cycles_text(count)}"
        case Env(name):
            return f"env {quoted(name)}"
        case ParamsExist(names):
            return f"param {names_text(names)} exists"
        case ParamIs(name, value):
            return f"param {quoted(name)} is {quoted(value)}"
        case Call(name, args):
            shown = name if is_bare(name) else quoted(name)
            return f"{shown}({', '.join(map(argument_text, args))})"
        case Phrase():
            return phrase_text(node)
        case Func(function, args, kwargs):
            given = [repr(value) for value in args] + [f"{k}={v!r}" for k, v in kwargs]
            return f"{getattr(function, '__name__', 'condition')}({', '.join(given)})"
        case _:
            raise TypeError(f"{type(node).__name__} has no text")


def range_text(unit: Unit, range_: Range | None) -> str:
    """A range with a blank before it, or nothing."""
    match range_:
        case None:
            return ""
        case Between(start, end):
            return f" between {start.text(unit)} and {end.text(unit)}"
        case After(start):
            return f" after {start.text(unit)}"
        case Before(end):
            return f" before {end.text(unit)}"
        case Starting(point):
            return f" starting {point.text(unit)}"
        case At(points):
            word = "on" if unit in ON else "at"
            return f" {word} {', '.join(point.text(unit) for point in points)}"
        case _:
            assert_never(range_)


def weekdays_text(days: tuple[int, ...]) -> str:
    if days == (0, 1, 2, 3, 4):
        return "weekdays"
    if days == (5, 6):
        return "weekends"
    return ", ".join(WEEKDAYS[day] for day in days)


def dates_text(node: Dates) -> str:
    start = None if node.start is None else datetime_text(node.start, midnight(node.start))
    end = None if node.end is None else datetime_text(node.end, node.end_is_date)
    if start is None:
        return f"before {end}"
    return f"after {start}" if end is None else f"between {start} and {end}"


def after_text(node: AfterTasks) -> str:
    word = "task" if len(node.tasks) == 1 else "any tasks" if node.any else "tasks"
    outcome = "" if node.outcome is Event.SUCCEEDED else f" {node.outcome.value}"
    return f"after {word} {names_text(node.tasks)}{outcome}"


def has_text(node: Has) -> str:
    count = "" if node.count is None else f" {count_text(node.count)}"
    match node.within:
        case None:
            span = ""
        case ThisCycle(Unit.DAY, range_):
            span = " today" + range_text(Unit.DAY, range_)
        case ThisCycle(unit, range_):
            span = f" this {unit.value}{range_text(unit, range_)}"
        case Past(duration):
            span = f" past {duration}"
        case _:
            assert_never(node.within)
    return f"{subject(node.task)}has {node.event.value}{count}{span}"


def running_text(node: Running) -> str:
    more = ""
    if node.count is not None:
        more = f" {count_text(node.count)}"
    elif node.age is not None:
        more = f" {age_text(node.age)}"
    return f"{subject(node.task)}is running{more}"


def subject(task: str | None) -> str:
    return "" if task is None else f"task {quoted(task)} "


def age_text(age: Age) -> str:
    if age.less_than is None:
        return f"more than {age.at_least}"
    if age.at_least is None:
        return f"less than {age.less_than}"
    return f"between {age.at_least} and {age.less_than}"


def count_text(count: Count) -> str:
    return f"{count.bound.value} {plural(count.times, 'time')}"


def cycles_text(count: Count) -> str:
    """Cycles are counted by `more than` and `less than`; `at least 0` has no such form."""
    if count.bound is Bound.EXACTLY:
        return plural(count.times, "cycle")
    if count.bound is Bound.AT_MOST:
        return f"less than {plural(count.times + 1, 'cycle')}"
    if count.times == 0:
        return "at least 0 cycles"
    return f"more than {plural(count.times - 1, 'cycle')}"


def names_text(names: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, names))


def quoted(name: str) -> str:
    """`name` in single quotes, `\\` and `'` escaped."""
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def float_text(value: float) -> str:
    """The shortest decimal text that reads back as `value`, without an exponent."""
    plain = format(Decimal(repr(value)), "f")
    return plain if "." in plain else f"{plain}.0"


def argument_text(value: Argument) -> str:
    match value:
        case str():
            return quoted(value)
        case float():
            return float_text(value)
        case int():
            return str(value)
        case Duration():
            return str(value)
        case datetime():
            return datetime_text(value, midnight(value))
        case Clock():
            return value.text(Unit.DAY)
        case _:
            assert_never(value)


def phrase_text(node: Phrase) -> str:
    """A pattern's match as matched; a phrase with its values in the places they were taken from."""
    if node.text is not None:
        return node.text
    values = dict(node.values)
    return PLACEHOLDER.sub(lambda place: argument_text(values[place[1]]), node.template)


# --- Python ---------------------------------------------------------------------------------


MOST_PARENTHESES = 90
"""How deep the parentheses of a `repr` nest at most; Python reads 200 of them, and what shows a
condition may add some."""


def python_text(root: Condition) -> str:
    """Python that builds the same node, given the names of `oncue.conds.nodes`. A tree too deep
    for Python's own parser is given as its flat program."""
    written: list[str] = []
    stack: list[str | Condition] = [root]
    depth = 0
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            written.append(item)
            depth += item.count("(") - item.count(")")
        elif isinstance(item, Composite):
            if depth > MOST_PARENTHESES:
                return python_program(root)
            stack.extend(reversed(python_layout(item)))
        else:
            written.append(python_atom(item))
    return "".join(written)


def python_program(root: Condition) -> str:
    steps = (
        f"({step[0].__name__}, {step[1]}, {step[2]!r}, None)"
        if isinstance(step, tuple)
        else python_atom(step)
        for step in program(root)
    )
    return f"rebuild(({', '.join(steps)}))"


def python_layout(node: Composite) -> list[str | Condition]:
    name = type(node).__name__
    match node:
        case All(terms) | Any(terms):
            parts: list[str | Condition] = []
            for term in terms:
                parts += [", ", term]
            return [f"{name}((", *parts[1:], "))"]
        case Zoned(term, zone):
            return [f"{name}(", term, f", {zone!r})"]
        case Defined(label, term):
            return [f"{name}({label!r}, ", term, ")"]
        case Not(term):
            return [f"{name}(", term, ")"]
        case _:
            raise TypeError(f"{name} has no text")


def python_atom(node: object) -> str:
    """A call of the class, without the arguments that are as by default."""
    shown, named = [], False
    for name, value, default in shown_fields(node):
        if value is default or (isinstance(default, (Enum, type(None))) and value == default):
            named = True
        else:
            shown.append(f"{name}={value!r}" if named else repr(value))
    return f"{type(node).__name__}({', '.join(shown)})"
