"""What is looked at before tasks run: what can be known to go wrong is refused or named then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..conds.lint import lint, named_tasks
from ..conds.nodes import AfterTasks, Condition
from ..conds.tree import postorder
from ..engine.agenda import Agenda
from ..engine.history import TaskLog
from ..engine.schedule import NEVER
from ..engine.verdict import Plan
from .arguments import BaseArgument
from .binding import collect, made_before, missing, refuse_in_process
from .errors import DefinitionError
from .executors import pack
from .journal import scheduler_log
from .stores.dynamic import family_of

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

UNKNOWN_TASK = "unknown-task"
MOST_NAMES = 100


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
            said[condition] = unknown_in(condition, names)
        for message in said[condition]:
            lines.append(f"task {entry.name}: {message}")
    for line in lines:
        scheduler_log.warning("%s", line)
    return lines


def unknown_in(condition: Condition, names: Iterable[str]) -> list[str]:
    """What is said of the tasks it names that are none of these."""
    hints = lint(condition, tasks=[*names])
    return [hint.message for hint in hints if hint.code == UNKNOWN_TASK]


class UnknownNames:
    """The tasks that conditions of dynamic tasks wait for and that do not exist. Of each it is said
    once that there is none, of those of one family once for all, and of no more than MOST_NAMES:
    they may be of other apps on the store, and as many as the tasks that wait."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said: set[str] = set()

    def of(self, condition: Condition) -> list[str]:
        """Those of which it is still to be said. Raises DefinitionError for any under
        `strict_names`."""
        names = names_in(condition)
        unknown = [name for name in names if not self._session.is_known(name)] if names else []
        if unknown and self._session.config.strict_names:
            raise DefinitionError("; ".join(map(self._message, unknown)))
        return [name for name in unknown if self._is_to_say(name)]

    def warn(self, found: Mapping[str, str]) -> None:
        """Say it of names, each with a task that waits for it."""
        for name, task in found.items():
            if self._is_to_say(name):
                self._said.add(family_of(name))
                scheduler_log.warning("task %s: %s", task, self._message(name))

    def _is_to_say(self, name: str) -> bool:
        return len(self._said) < MOST_NAMES and family_of(name) not in self._said

    def _message(self, name: str) -> str:
        (message,) = unknown_in(AfterTasks((name,)), (task.name for task in self._session))
        return message


def names_in(condition: Condition) -> tuple[str, ...]:
    """The tasks that a condition names, but for those behind defined names."""
    if condition.atoms > 1:
        return _names_in(condition)
    only = next(postorder(condition, written=True)) if condition.operands else condition
    return named_tasks(only)


@lru_cache(maxsize=1024)
def _names_in(condition: Condition) -> tuple[str, ...]:
    found = (name for atom in postorder(condition, written=True) for name in named_tasks(atom))
    return tuple(dict.fromkeys(found))
