"""The older names, each translated once into what it means now; nothing else knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..engine.schedule import CatchUp, Overlap
from .errors import DefinitionError

if TYPE_CHECKING:
    from .task import Task

RENAMED = {
    "task_execution": "execution",
    "permanent_task": "permanent",
}
GONE = {
    "cls_lock": "tasks have no locks",
    "debug": "it had no effect",
    "scheduler_logger_basename": "the logger is called 'oncue.scheduler'",
    "task_logger_basename": "the logger is called 'oncue.task'",
    "task_priority": "it had no effect; give tasks a priority",
    "use_instance_naming": "give tasks a name",
}
TASK_GONE = {
    "force_run": "leave it out, and call `force()` of the task",
    "force_termination": "leave it out, and call `terminate()` of the task",
    "daemon": "leave it out: worker processes never outlive the app",
    "batches": "leave it out, and call `run(…)` of the task",
    "lock": "leave it out: options may be assigned from any thread",
    "logger_name": "leave it out: the logger is `oncue.task`, its lines carry the task's name",
    "fmt_log_message": "leave it out; a handler's formatter has task_name and action",
    "cache": "leave it out: the file is read whenever the task runs",
    "sys_paths": "leave it out, and extend sys.path; the file's own folder is on it",
    "kwds_popen": "say `env=` and `cwd=`",
}
"""Options of tasks that are no more, and what to do instead."""
OPPOSITES = {
    "disabled": "enabled",
    "disable": "enabled",
}


SWITCHES: Mapping[str, tuple[str, Mapping[bool, Any]]] = {
    "multilaunch": ("overlap", {True: Overlap.ALLOW, False: Overlap.SKIP}),
    "fast_forward": ("catch_up", {True: CatchUp.ONCE, False: CatchUp.ALL}),
}
"""Switches that say what a newer option says with more words."""


OLDER = frozenset((*GONE, *RENAMED, *OPPOSITES, *SWITCHES))


def newer(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options under the names they have now. Raises DefinitionError for one that is given by
    both, and for one that is no more."""
    if OLDER.isdisjoint(given):
        return dict(given)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in GONE:
            raise DefinitionError(f"the option {name!r} is gone: {GONE[name]}")
        now = RENAMED.get(name) or OPPOSITES.get(name) or SWITCHES.get(name, (name,))[0]
        if now in found or (now != name and now in given):
            raise DefinitionError(f"{name!r} and {now!r} are the same option; give one")
        if name in OPPOSITES:
            value = not switch(name, value)
        elif name in SWITCHES and value is not None:
            value = SWITCHES[name][1][switch(name, value)]
        found[now] = value
    return found


def switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise DefinitionError(f"{name}={value!r}: it is True or False")
    return value


class OlderNames:
    """Attributes of a task under their older names."""

    @property
    def multilaunch(self: Task[..., Any]) -> bool | None:  # type: ignore[misc]
        return None if self.overlap is None else self.overlap is Overlap.ALLOW

    @multilaunch.setter
    def multilaunch(self: Task[..., Any], value: bool | None) -> None:  # type: ignore[misc]
        self.overlap = newer({"multilaunch": value})["overlap"]

    @property
    def fast_forward(self: Task[..., Any]) -> bool | None:  # type: ignore[misc]
        return None if self.catch_up is None else self.catch_up is CatchUp.ONCE

    @fast_forward.setter
    def fast_forward(self: Task[..., Any], value: bool | None) -> None:  # type: ignore[misc]
        self.catch_up = newer({"fast_forward": value})["catch_up"]

    @property
    def disabled(self: Task[..., Any]) -> bool:  # type: ignore[misc]
        return not self.enabled

    @disabled.setter
    def disabled(self: Task[..., Any], value: bool) -> None:  # type: ignore[misc]
        self.enabled = not switch("disabled", value)

    disable = disabled

    @property
    def force_run(self: Task[..., Any]) -> bool:  # type: ignore[misc]
        return any(request.forced for request in self.requests)

    @force_run.setter
    def force_run(self: Task[..., Any], value: bool) -> None:  # type: ignore[misc]
        if switch("force_run", value):
            self.force()
        else:
            self.withdraw()

    @property
    def permanent_task(self: Task[..., Any]) -> bool:  # type: ignore[misc]
        return self.permanent

    @permanent_task.setter
    def permanent_task(self: Task[..., Any], value: bool) -> None:  # type: ignore[misc]
        self.permanent = value

    @property
    def force_termination(self: Task[..., Any]) -> bool:  # type: ignore[misc]
        return False

    @force_termination.setter
    def force_termination(self: Task[..., Any], value: bool) -> None:  # type: ignore[misc]
        if switch("force_termination", value):
            self.terminate()
