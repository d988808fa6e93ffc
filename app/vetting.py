"""What is looked at before tasks run: what can be known to go wrong is refused or named then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..conds.lint import lint
from ..conds.nodes import Condition
from ..engine.agenda import Agenda
from ..engine.history import TaskLog
from ..engine.schedule import NEVER
from ..engine.verdict import Plan
from .arguments import BaseArgument
from .binding import collect, made_before, missing, refuse_in_process
from .errors import DefinitionError
from .executors import pack
from .journal import scheduler_log

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

UNKNOWN_TASK = "unknown-task"


def refuse_missing(tasks: Iterable[Task[..., Any]], session: Session) -> None:
    """Refuse to run tasks whose arguments are known to be missing, if they can ever start."""
    found: list[str] = []
    for task in tasks:
        if is_only_asked_for(task):
            continue
        values = collect(task.needs, session.parameters, task.parameters)
        lines = missing(task.needs, values, session)
        found += [f"task {task.name!r}: argument {line}" for line in lines]
        if task.execution == "process":
            refuse_in_process(values, task.name)
    if found:
        raise DefinitionError("; ".join(found))


def is_only_asked_for(task: Task[..., Any]) -> bool:
    """Whether it never starts by itself; then its arguments may come with `run()`."""
    return task.start_cond == NEVER and task.plan.standing


def refuse_unsendable(task: Task[..., Any]) -> None:
    """Raise DefinitionError for a process task of which something cannot be sent to one: now rather
    than at its first run."""
    if task.execution != "process":
        return
    session, values = task.session, task.parameters
    if not is_only_asked_for(task):
        values = collect(task.needs, session.parameters, values)
    materialize = session.config.param_materialize
    sent = {k: v for k, v in values.items() if is_sent(v, materialize)}
    pack(task.function, sent, task.name)


def is_sent(value: Any, materialize: Any) -> bool:
    """Whether this is known to go to a process just as it is."""
    if not isinstance(value, BaseArgument):
        return True
    staged = type(value).stage is not BaseArgument.stage
    return not (staged or made_before(value, True, materialize))


def logs_of(plan: Plan, session: Session) -> list[TaskLog]:
    """The logs that a plan reads, each told whether there is such a task."""
    logs = [source for source in plan.sources if isinstance(source, TaskLog)]
    for log in logs:
        log.known = session.is_known(log.task)
    return logs


def name_unknown(agenda: Agenda, session: Session) -> list[str]:
    """Name the tasks that conditions wait for and that do not exist; until one does, what is
    asked of it is false. What was said."""
    lines: list[str] = []
    unknown: set[Plan] = set()
    for name, log in agenda.history.tasks.items():
        log.known = session.is_known(name)
        if not log.known:
            unknown.update(log.readers)
    names = [name for name in agenda.history.tasks if session.is_known(name)] if unknown else []
    said: dict[Condition, list[str]] = {}  # by condition, which many tasks may have
    for entry in agenda.entries.values():
        if entry.plan not in unknown:
            continue
        condition = entry.schedule.condition
        if condition not in said:
            hints = lint(condition, tasks=names)
            said[condition] = [hint.message for hint in hints if hint.code == UNKNOWN_TASK]
        for message in said[condition]:
            lines.append(f"task {entry.name}: {message}")
    for line in lines:
        scheduler_log.warning("%s", line)
    return lines
