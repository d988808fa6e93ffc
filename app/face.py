"""The functions of the public face that need no app: text or node in, datetimes in and out.

Naive datetimes are wall clock in the zone of the question; what comes back is aware, in that
zone. None stands for "no bound".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from itertools import islice
from operator import index
from typing import Any, NamedTuple, TypeVar

from ..conds import lint as tree_lint
from ..conds.diagnostic import Diagnostic
from ..conds.durations import Duration
from ..conds.nodes import Condition
from ..engine import forecast
from ..engine import lint as window_lint
from ..engine.atoms import Scheduler
from ..engine.civil import BEGINNING, FOREVER, Zone, from_datetime, to_datetime
from ..engine.civil import zone as zone_of
from ..engine.explain import Explainer, Explanation
from ..engine.history import History
from ..engine.periods import period_of
from ..engine.plan import Planner
from ..engine.policy import ExecutionMode, FailureMode, Policy
from ..engine.records import Action, Record
from ..engine.verdict import Read, named
from ..grammar.errors import ConditionSyntaxError
from ..grammar.parser import parse

Mode = TypeVar("Mode", bound=StrEnum)
LogLine = Record | Mapping[str, Any]


def check(
    text: str,
    *,
    tasks: Iterable[str] | None = None,
    phrases: Sequence[Any] = (),
    timezone: str | tzinfo | Zone | None = None,
) -> list[Diagnostic]:
    """What is wrong with a condition, and what may surprise; empty when it is clean.

    The errors are those of `parse`; a condition without errors is looked at for warnings and
    hints, as the start_cond of a task. `tasks` are the names of the known tasks: given, other
    names are warned of. `timezone` is the zone in which windows are judged. Never raises for
    any text.
    """
    try:
        node = parse(text, phrases=phrases)
    except ConditionSyntaxError as error:
        return list(error.diagnostics)
    known = None if tasks is None else tuple(tasks)
    hints = (
        *tree_lint.lint(node, tasks=known, source=text),
        *window_lint.lint(node, zone_at(timezone)),
    )
    return tree_lint.arrange(hints, text)


def evaluate(
    cond: str | Condition,
    *,
    at: datetime,
    log: Iterable[LogLine] = (),
    task: str = "self",
    params: Mapping[str, object] | None = None,
    timezone: str | tzinfo | Zone | None = None,
    scheduler_started: datetime | None = None,
    cycles: int | None = None,
    failure_mode: FailureMode | str = FailureMode.COMMIT,
    execution_mode: ExecutionMode | str = ExecutionMode.AT_LEAST_ONCE,
    lease_duration: float | str | timedelta = 60,
) -> Verdict:
    """Whether a condition of `task` holds at an instant, and for how long that stands.

    `log` is in order of sequence: `Record`s, or mappings with `task`, `action`, `at` (a
    datetime, its ISO text, or microseconds since the epoch) and, optionally, `scheduled_at`,
    `run_id`, `attempt`. What becomes of a failed run of the task is up to `failure_mode`
    (`commit`: it is done, `unlock`: released, `none`: released `lease_duration` after its start)
    and `execution_mode` (`at_most_once`: a start counts, whatever follows).

    Pure: the same answer every time. A record later than `at` is taken as one at `at` where
    elapsed time counts, and stays where it is in windows. Raises ConditionSyntaxError for text
    that is no condition, ValueError for an unknown zone or mode, or a line of the log that cannot
    be read.
    """
    policy = policy_of(failure_mode, execution_mode, lease_duration)
    question = Question(cond, at, log, task, params, timezone, scheduler_started, cycles, policy)
    value, since, until, reads = question.plan.check(question.now)
    return Verdict(value, shown(since, question.zone), shown(until, question.zone), named(reads))


def explain(
    cond: str | Condition,
    *,
    at: datetime,
    log: Iterable[LogLine] = (),
    task: str = "self",
    params: Mapping[str, object] | None = None,
    timezone: str | tzinfo | Zone | None = None,
    scheduler_started: datetime | None = None,
    cycles: int | None = None,
    failure_mode: FailureMode | str = FailureMode.COMMIT,
    execution_mode: ExecutionMode | str = ExecutionMode.AT_LEAST_ONCE,
    lease_duration: float | str | timedelta = 60,
) -> Explanation:
    """Why a condition of `task` holds or does not, what would change that, and when.

    The parameters are those of `evaluate`. `str` of the result draws the tree. What it names as a
    flip can be tried: `evaluate(cond, at=flip.at, log=[*log, *flip.records])` has the other value.
    """
    policy = policy_of(failure_mode, execution_mode, lease_duration)
    question = Question(cond, at, log, task, params, timezone, scheduler_started, cycles, policy)
    return Explainer(question.planner, task, question.now).explain(question.node, question.zone)


class Verdict(NamedTuple):
    """Whether a condition holds, and the promise that goes with it: at every instant from `since`
    up to but not including `until`, with no record or change on a key in `reads`, a fresh
    evaluation gives the same value. Aware datetimes; None for no bound. As a truth value it is
    `value`."""

    value: bool
    since: datetime | None
    until: datetime | None
    reads: frozenset[Read]

    def __bool__(self) -> bool:
        return self.value


class Window(NamedTuple):
    """[start, end) as aware datetimes in the zone that was asked for; None for no bound."""

    start: datetime | None
    end: datetime | None


def windows(
    expr: str | Condition,
    start: datetime,
    end: datetime | None = None,
    *,
    timezone: str | tzinfo | Zone | None = None,
    backward: bool = False,
) -> Iterator[Window]:
    """The windows of a window expression, of a cadence's period, or of a boolean combination,
    from the one that contains or follows `start` up to `end`, which no window begins at or after.

    Backward, they go from the one that contains or precedes `start` down to `end`, which no
    window ends at or before. `always` is one window without bounds, `never` none. Raises
    ConditionSyntaxError, and ValueError for a condition that is not about time alone.
    """
    zone = zone_at(timezone)
    period = period_of(node_of(expr), zone)
    first = from_datetime(start, zone)
    last = None if end is None else from_datetime(end, zone)
    for found in period.windows_before(first) if backward else period.windows_from(first):
        if last is not None and (found.end <= last if backward else found.start >= last):
            return
        window = Window(shown(found.start, zone), shown(found.end, zone))
        if window == (None, None) and found != (BEGINNING, FOREVER):
            return  # beyond the years that datetimes have
        yield window


def upcoming(
    cond: str | Condition,
    start: datetime,
    *,
    count: int | None = None,
    end: datetime | None = None,
    duration: float | str | timedelta = 0,
    timezone: str | tzinfo | Zone | None = None,
) -> Iterator[datetime]:
    """When a task with this start_cond would start, from `start` on: at most `count` starts, all
    before `end`. Each run succeeds after `duration` (seconds, text or timedelta); the log is
    empty at first. Ends when time alone will start the task no more.
    """
    zone = zone_at(timezone)
    node = node_of(cond)
    first = from_datetime(start, zone)
    last = FOREVER if end is None else from_datetime(end, zone)
    lasting = Duration.of(duration).microseconds if duration else 0
    for at in islice(forecast.upcoming(node, first, lasting, zone), count):
        moment = shown(at, zone)
        if at >= last or moment is None:
            return
        yield moment


def policy_of(
    failure: FailureMode | str,
    execution: ExecutionMode | str,
    lease: float | str | timedelta,
) -> Policy:
    return Policy(
        one_of(FailureMode, failure),
        one_of(ExecutionMode, execution),
        Duration.of(lease).microseconds,
    )


def one_of(modes: type[Mode], given: str) -> Mode:
    try:
        return modes(given)
    except ValueError:
        known = ", ".join(repr(mode.value) for mode in modes)
        raise ValueError(f"there is no mode {given!r}; there are {known}") from None


def zone_at(timezone: str | tzinfo | Zone | None) -> Zone:
    """A zone by its name, or by a tzinfo that has one; None is the system's."""
    match timezone:
        case Zone():
            return timezone
        case None | str():
            return zone_of(timezone)
        case tzinfo():
            return zone_of(getattr(timezone, "key", None) or str(timezone))
        case _:
            raise TypeError(
                f"timezone={timezone!r}: it is the name of a zone, such as 'Europe/Dublin'"
            )


def node_of(cond: str | Condition) -> Condition:
    if isinstance(cond, str):
        return parse(cond)
    if not isinstance(cond, Condition):
        raise TypeError(f"{cond!r} is neither a condition nor the text of one")
    return cond


def shown(instant: int, zone: Zone) -> datetime | None:
    return None if instant in (BEGINNING, FOREVER) else to_datetime(instant, zone)


class Question:
    """A condition with all that its answer depends on."""

    def __init__(
        self,
        cond: str | Condition,
        at: datetime,
        log: Iterable[LogLine],
        task: str,
        params: Mapping[str, object] | None,
        timezone: str | tzinfo | Zone | None,
        scheduler_started: datetime | None,
        cycles: int | None,
        policy: Policy,
    ) -> None:
        self.node = node_of(cond)
        self.zone = zone_at(timezone)
        self.now = from_datetime(at, self.zone)
        started = None if scheduler_started is None else from_datetime(scheduler_started, self.zone)
        history = History()
        history.of(task).policy = policy
        for record in records_of(log, self.zone):
            history.add(record)
        self.planner = Planner(history, params or {}, Scheduler(started, cycles))
        self.plan = self.planner.plan(self.node, task, self.zone)


NAMES = {"task_name": "task", "created": "at"}
KINDS: dict[str, type] = {"task": str, "attempt": int, "run": int, "seq": int}
NOUNS = {str: "text", int: "a whole number"}


def records_of(log: Iterable[LogLine], zone: Zone) -> Iterator[Record]:
    """The lines of a log, numbered from 1. Where they have numbers of their own, as those of a part
    of a log have, `run` is such a number. Raises ValueError, naming the line."""
    numbers: dict[int, int] = {}
    for number, line in enumerate(log, 1):
        record = record_of(line, number, zone)
        given = line.seq if isinstance(line, Record) else line.get("seq")
        if given:
            numbers[given] = number
        if given and record.run is not None:
            record = record._replace(run=numbers.get(record.run))
        yield record


def record_of(line: LogLine, seq: int, zone: Zone) -> Record:
    """A line of a log, as record number `seq`. Raises ValueError, naming the line."""
    try:
        return Record(**fields_of(line, zone) | {"seq": seq})
    except (TypeError, ValueError) as error:
        raise ValueError(f"line {seq} of the log: {error}: {line!r}") from None


def fields_of(line: LogLine, zone: Zone) -> dict[str, Any]:
    given = line._asdict() if isinstance(line, Record) else line
    if not isinstance(given, Mapping):
        raise ValueError("it is neither a Record nor a mapping")
    fields = {NAMES.get(name, name): value for name, value in given.items()}
    unknown = fields.keys() - set(Record._fields)
    missing = {"task", "action", "at"} - fields.keys()
    if unknown or missing:
        what = "has no" if missing else "has the unknown"
        raise ValueError(f"it {what} {', '.join(map(repr, sorted(missing or unknown)))}")
    for name, kind in KINDS.items():
        value = fields.get(name)
        if not (isinstance(value, kind) or (value is None and name != "task")):
            raise ValueError(f"{name!r} is {value!r}, not {NOUNS[kind]}")
    if fields["action"] not in tuple(Action):
        raise ValueError(f"there is no action {fields['action']!r}; there are {', '.join(Action)}")
    fields["action"] = Action(fields["action"])
    for name in ("at", "scheduled_at", "until"):
        if name == "at" or fields.get(name) is not None:
            fields[name] = instant_of(name, fields[name], zone)
    return fields


def instant_of(name: str, value: Any, zone: Zone) -> int:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return from_datetime(moment, zone) if isinstance(moment, datetime) else index(moment)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name!r} is {value!r}, not a datetime, its ISO text as in '2026-01-31 10:00', or "
            "whole microseconds since the epoch"
        ) from None
