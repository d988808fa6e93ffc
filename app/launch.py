"""From a start that was claimed to the call that an executor takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .binding import NOTHING, asks_for_flag, collect, prepare
from .executors import Call, Ending

if TYPE_CHECKING:
    from .session import Session
    from .task import Task


def label_of(session: Session, task: Task[..., Any], parameters: Mapping[str, Any]) -> str:
    """The run's label. Raises what the user's function raises."""
    return str((task.func_run_id or session.config.func_run_id)(task, dict(parameters)))


def call_of(
    session: Session,
    task: Task[..., Any],
    parameters: Mapping[str, Any],
    done: Callable[[Ending], None],
) -> Call:
    """The task's code with the arguments of this run, those made that are to be made before it.
    Raises ArgumentError for one that cannot be had, and what the code of an argument raises."""
    if task.needs is NOTHING and not (parameters or task.parameters):
        return Call(task.function, done, name=task.name)
    values = collect(task.needs, session.parameters, task.parameters, parameters)
    flag = threading.Event() if asks_for_flag(values) else None
    prepared = prepare(
        task.function,
        values,
        task=task,
        session=session,
        flag=flag,
        in_process=task.execution == "process",
        materialize=session.config.param_materialize,  # type: ignore[arg-type]
    )
    return Call(prepared.function, done, prepared.arguments, task.name, flag)
