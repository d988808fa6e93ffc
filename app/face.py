"""The functions of the public face that need no app: text or node in, datetimes in and out.

Naive datetimes are wall clock in the zone of the question; what comes back is aware, in that
zone. None stands for "no bound".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, SupportsIndex

from ..conds import lint as tree_lint
from ..conds.diagnostic import Diagnostic
from ..conds.nodes import Condition
from ..engine import lint as window_lint
from ..engine.atoms import Scheduler
from ..engine.civil import BEGINNING, FOREVER, Zone, from_datetime, to_datetime
from ..engine.civil import zone as zone_of
from ..engine.explain import Explainer, Explanation
from ..engine.history import History
from ..engine.plan import Planner
from ..engine.records import Action, Record
from ..engine.verdict import Verdict
from ..grammar.errors import ConditionSyntaxError
from ..grammar.parser import parse

LogLine = Record | Mapping[str, Any]


def check(
    text: str,
    *,
    tasks: Iterable[str] | None = None,
    phrases: Sequence[Any] = (),
    timezone: str | None = None,
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
    return [
        *tree_lint.lint(node, tasks=known, source=text),
        *window_lint.lint(node, zone_of(timezone)),
    ]


def evaluate(
    cond: str | Condition,
    *,
    at: datetime,
    log: Iterable[LogLine] = (),
    task: str = "self",
    params: Mapping[str, object] | None = None,
    timezone: str | None = None,
    scheduler_started: datetime | None = None,
    cycles: int | None = None,
) -> Verdict[datetime | None]:
    """Whether a condition of `task` holds at an instant, and for how long that stands.

    `log` is in order of sequence: `Record`s, or mappings with `task`, `action`, `at` (a
    datetime, its ISO text, or microseconds since the epoch) and, optionally, `scheduled_at`,
    `run_id`, `attempt`. Raises ConditionSyntaxError for text that is no condition, ValueError
    for an unknown zone or a line of the log that cannot be read.
    """
    question = Question(cond, at, log, task, params, timezone, scheduler_started, cycles)
    value, since, until, reads = question.plan.check(question.now)
    return Verdict(value, question.shown(since), question.shown(until), reads)


def explain(
    cond: str | Condition,
    *,
    at: datetime,
    log: Iterable[LogLine] = (),
    task: str = "self",
    params: Mapping[str, object] | None = None,
    timezone: str | None = None,
    scheduler_started: datetime | None = None,
    cycles: int | None = None,
) -> Explanation:
    """Why a condition of `task` holds or does not, and when time alone will change that.

    The parameters are those of `evaluate`; `str` of the result draws the tree.
    """
    question = Question(cond, at, log, task, params, timezone, scheduler_started, cycles)
    return Explainer(question.planner, task, question.now).explain(question.node, question.zone)


class Question:
    """A condition with all that its answer depends on."""

    def __init__(
        self,
        cond: str | Condition,
        at: datetime,
        log: Iterable[LogLine],
        task: str,
        params: Mapping[str, object] | None,
        timezone: str | None,
        scheduler_started: datetime | None,
        cycles: int | None,
    ) -> None:
        self.node = parse(cond) if isinstance(cond, str) else cond
        self.zone = zone_of(timezone)
        self.now = from_datetime(at, self.zone)
        started = None if scheduler_started is None else from_datetime(scheduler_started, self.zone)
        history = History(record_of(line, n, self.zone) for n, line in enumerate(log, 1))
        self.planner = Planner(history, params or {}, Scheduler(started, cycles))
        self.plan = self.planner.plan(self.node, task, self.zone)

    def shown(self, instant: int) -> datetime | None:
        return None if instant in (BEGINNING, FOREVER) else to_datetime(instant, self.zone)


NAMES = {"task_name": "task", "created": "at"}


def record_of(line: LogLine, seq: int, zone: Zone) -> Record:
    """A line of a log, as record number `seq`."""
    if isinstance(line, Record):
        fields: dict[str, Any] = line._asdict()
    else:
        fields = {NAMES.get(name, name): value for name, value in line.items()}
    unknown = fields.keys() - set(Record._fields)
    missing = {"task", "action", "at"} - fields.keys()
    if unknown or missing:
        what = f"has no {sorted(missing)}" if missing else f"has the unknown {sorted(unknown)}"
        raise ValueError(f"line {seq} of the log {what}: {line!r}")
    for name in ("at", "scheduled_at"):
        if fields.get(name) is not None:
            fields[name] = instant_of(fields[name], zone)
    try:
        fields["action"] = Action(fields["action"])
    except ValueError:
        actions = ", ".join(Action)
        raise ValueError(
            f"line {seq} of the log has the action {fields['action']!r}; there are {actions}"
        ) from None
    return Record(**fields | {"seq": seq})


def instant_of(value: datetime | str | SupportsIndex, zone: Zone) -> int:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return from_datetime(value, zone) if isinstance(value, datetime) else value.__index__()
