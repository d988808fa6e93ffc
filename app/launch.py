"""How runs begin: from a start that was decided to the call that an executor takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..engine.agenda import Start
from ..engine.civil import FOREVER
from ..engine.records import Record
from .binding import NOTHING, asks_for_flag, collect, prepare, refuse_lacking
from .executors import NO_ARGUMENTS, Call, Ending, Running

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

NONE: Mapping[str, Any] = {}


class Launcher:
    """What is the same for all runs of a task, as long as its options and the config are."""

    __slots__ = ("blocks", "execution", "label", "plain", "session", "task")

    def __init__(self, session: Session, task: Task[..., Any]) -> None:
        self.session = session
        self.task = task
        self.execution = task.execution
        self.blocks = self.execution == "main"
        self.label: Callable[[Any, Any], str] = task.func_run_id or session.config.func_run_id
        self.plain = task.needs is NOTHING and not task.parameters

    def call(self, parameters: Mapping[str, Any], done: Callable[[Ending], None]) -> Call:
        """The task's code with the arguments of this run, those made that are to be made before
        it. Raises ArgumentError for one that cannot be had, and what the code of an argument
        raises."""
        task = self.task
        if self.plain and not parameters:
            return Call(task.function, done, NO_ARGUMENTS, task.name)
        values = collect(task.needs, self.session.parameters, task.parameters, parameters)
        refuse_lacking(task.needs, values)
        flag = threading.Event() if asks_for_flag(values) else None
        prepared = prepare(
            task.function,
            values,
            task=task,
            session=self.session,
            flag=flag,
            in_process=self.execution == "process",
            materialize=self.session.config.param_materialize,  # type: ignore[arg-type]
        )
        return Call(prepared.function, done, prepared.arguments, task.name, flag)


class Launchers(dict[str, Launcher]):
    """The launchers by the names of tasks, each made when its task first runs."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def __missing__(self, name: str) -> Launcher:
        launcher = self[name] = Launcher(self._session, self._session[name])
        return launcher

    def renew(self, task: Task[..., Any]) -> None:
        """The task, or something that is said of it, is another."""
        if task.name in self:
            self[task.name] = Launcher(self._session, task)


class Live:
    """A run of ours from its claim to its ending. `why` it was told to end; `end_at` is when one
    that was is waited for no more."""

    __slots__ = (
        "_ended", "end_at", "hooks", "launcher", "parameters", "record", "running", "seq", "why",
    )  # fmt: skip

    def __init__(
        self, launcher: Launcher, start: Start, seq: int, ended: Callable[[Live, Ending], None]
    ) -> None:
        self.launcher = launcher
        self.seq = seq
        self.record: Record = start.record
        self.parameters = parameters_of(start)
        self.running: Running | None = None
        self.why: str | None = None
        self.hooks: list[Iterator[Any]] = []
        self.end_at = FOREVER
        self._ended = ended

    @property
    def told(self) -> bool:
        """Whether it was told to end."""
        return self.end_at < FOREVER

    def done(self, ending: Ending) -> None:
        self._ended(self, ending)


def parameters_of(start: Start) -> Mapping[str, Any]:
    return NONE if start.request is None else start.request.parameters
