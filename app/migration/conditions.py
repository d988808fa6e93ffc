"""What a condition means here that it did not mean in Rocketry or in Red Engine.

A text is parsed as oncue parses it. One that is refused is told with its caret; of the others each
atom is looked at, as a node and as it was written. What differs by no more than an instant (ends
that were closed, the first microsecond of a day) is left to the guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...conds.nodes import (
    AfterTasks,
    Cadence,
    Condition,
    Cron,
    Every,
    Has,
    ParamIs,
    ParamsExist,
    Retry,
    Running,
    SchedulerAge,
    SchedulerCycles,
    TimeOf,
    TimeOfCron,
    postorder,
)
from ...conds.parts import Event, Since, ThisCycle
from ...conds.points import Unit
from ...grammar.errors import ConditionSyntaxError
from ...grammar.phrases import Phrases
from .report import Level

RED_ENGINE = "Red Engine"

CADENCE = (
    "a run counts for the window in which its start was decided; it counted for the one in which "
    "it finished, so a run over midnight was yesterday's and today's"
)
EVERY = (
    "`every D` keeps its rhythm: a late start does not move the next one, and a run that crashed "
    "does not count; it was measured from the last start, whatever came of it"
)
EVERY_FINISH = (
    "`every D` is measured from the start; Red Engine measured it from the finish: "
    "`every D since last finish` does"
)
BARE_HOUR = (
    "a bare number is an hour, 10 is 10:00; it was read as a day of the month, so the time was "
    "00:00: say which is meant"
)
MONTH_DAY = (
    "a day that the month has not is skipped, or is the month's end where a range ends or begins; "
    "it fell into the next month"
)
PREVIOUS = (
    "before the range has begun in this cycle there is no record in it; the previous cycle's range "
    "was looked at"
)
AFTER_FINISHED = "`finished` is also terminated after `after`; it was success or fail only"
RETRY = "a run that crashed is retried too; only failed ones were"
CYCLES = (
    "a cycle is a look at what is due, and oncue looks when something can have changed, not ten "
    "times a second: say `scheduler has run over D`, or `has finished at least n times`"
)
PARAM = "it is true when the parameter is there; it never was in a running app"
CRON_WEEKDAY = "steps of the weekday count from Sunday; they counted from Monday"
CRON_LATE = (
    "a minute at which the app was too busy to look is made up for, up to `misfire_grace` (1 "
    "minute) late; it was missed"
)
RUNNING = "it is true while the task runs; it was true for ever after the first run"
COUNT_OF_RUNS = (
    "a start is decided on the number of runs before it: `running <= n` lets n + 1 runs go on at "
    "once, as it did, though it was documented as n; `running < n` is at most n"
)

BARE_NUMBER = re.compile(
    r"\b(?:after|before|between|and|at|on|starting)\s+\d{1,2}(?![\d:.]|\s*[ap]m)", re.I
)
LATE_DAY = re.compile(r"\b(?:29|30|31)(?:th|st|\.)?(?![\d:])")


def examine(text: str, phrases: Phrases, peer: str) -> Iterator[tuple[Level, str]]:
    """What there is to say of a condition's text."""
    try:
        condition = phrases.parse(text)
    except ConditionSyntaxError as error:
        for problem in error.diagnostics:
            yield Level.BY_HAND, f"the condition cannot be read\n{problem}"
        return
    for message in dict.fromkeys(differences(condition, text, peer)):
        yield Level.DIFFERS, message


def differences(condition: Condition, text: str, peer: str) -> Iterator[str]:
    for node in postorder(condition):
        span = node.span
        written = text if span is None else text[span.start : span.end]
        yield from of_atom(node, written, peer)


def of_atom(node: Condition, written: str, peer: str) -> Iterator[str]:
    """What one atom means now that it did not; `written` is its text."""
    match node:
        case Cadence(unit):
            yield CADENCE
            yield from of_points(unit, written)
        case TimeOf(unit):
            yield from of_points(unit, written)
        case Every(_, since):
            if peer == RED_ENGINE:
                yield EVERY_FINISH
            elif since is Since.RUN:
                yield EVERY
        case Cron(fields):
            yield CRON_LATE
            yield from of_cron(fields.text)
        case TimeOfCron(fields):
            yield from of_cron(fields.text)
        case Has(within=ThisCycle(unit, range_)) if range_ is not None:
            yield PREVIOUS
            yield from of_points(unit, written)
        case AfterTasks(outcome=Event.FINISHED):
            yield AFTER_FINISHED
        case Retry():
            yield RETRY
        case SchedulerCycles():
            yield CYCLES
        case ParamsExist() | ParamIs():
            yield PARAM
        case Running() if peer == RED_ENGINE:
            yield RUNNING
        case SchedulerAge() | _:
            return


def of_points(unit: Unit, written: str) -> Iterator[str]:
    if unit is Unit.DAY and BARE_NUMBER.search(written):
        yield BARE_HOUR
    if unit is Unit.MONTH and LATE_DAY.search(written):
        yield MONTH_DAY


def of_cron(expression: str) -> Iterator[str]:
    if "/" in "".join(expression.split()[4:5]):
        yield CRON_WEEKDAY


# --- the Python API -----------------------------------------------------------------------------

CADENCES = frozenset(("secondly", "minutely", "hourly", "daily", "weekly", "monthly"))
HISTORIES = frozenset(("started", "succeeded", "failed", "finished"))
INCLUSIVE_UNITS = {
    "time_of_minute": ("seconds", "minute"),
    "time_of_hour": ("minutes", "hour"),
    "time_of_day": ("hours", "day"),
    "minutely": ("seconds", "minute"),
    "hourly": ("minutes", "hour"),
    "daily": ("hours", "day"),
}
RANGES = frozenset(("between", "before", "after", "at", "on", "starting"))
NAMED = {"day": Unit.DAY, "month": Unit.MONTH}


def of_name(name: str, peer: str) -> Iterator[str]:
    """What a name of the Python API means now that it did not."""
    if name in CADENCES:
        yield CADENCE
    elif name == "every":
        yield EVERY_FINISH if peer == RED_ENGINE else EVERY
    elif name.startswith("after_") and name.endswith("_finish"):
        yield AFTER_FINISHED
    elif name == "retry":
        yield RETRY
    elif name == "scheduler_cycles":
        yield CYCLES
    elif name == "cron":
        yield CRON_LATE


def of_range(name: str, method: str, values: list[object]) -> Iterator[str]:
    """What `name.method(values)` means now that it did not; an unknown value is None."""
    if method not in RANGES:
        return
    last = values[-1] if values else None
    if name in INCLUSIVE_UNITS and method in ("between", "before"):
        if isinstance(last, int) and not isinstance(last, bool):
            unit, cycle = INCLUSIVE_UNITS[name]
            yield (
                f"an end of {last} is exact; a number as the end of part of a {cycle} included its "
                f"unit, so it ended at {last + 1} {unit}"
            )
    unit_name = {"daily": "day", "monthly": "month"}.get(name, name.removeprefix("time_of_"))
    if unit_name in NAMED:
        written = " ".join(f"at {value}" for value in values if isinstance(value, str))
        yield from of_points(NAMED[unit_name], written)
    if unit_name == "month" and any(value in (29, 30, 31) for value in values):
        yield MONTH_DAY


def of_cron_call(values: list[object], fields: dict[str, object]) -> Iterator[str]:
    """What `cron(…)` means now that it did not, by its expression or its fields."""
    weekday = f"* * * * {fields.get('day_of_week', '')}"
    yield from of_cron(values[0] if values and isinstance(values[0], str) else weekday)
