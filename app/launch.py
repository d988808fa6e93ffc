"""How runs begin: from a start that was decided to the call that an executor takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engine.civil import FOREVER
from ..engine.decisions import Start
from ..engine.records import Record, new
from .binding import CONTEXT, NOTHING, asks_for_flag, collect, prepare, refuse_lacking
from .context import Context, OwnPulse
from .executors import NO_ARGUMENTS, Call, Ending, Running
from .families import Family, Member
from .options import json_values
from .work import DelayedFunction

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

NONE: Mapping[str, Any] = {}
Extend = Callable[["Live"], Coroutine[Any, Any, None]]
"""Makes the lease of a run last longer."""


class Launcher:
    """What is the same for all runs of a task, as long as its options and the config are."""

    __slots__ = (
        "blocks",
        "execution",
        "given",
        "label",
        "name",
        "on_loop",
        "plain",
        "pooled",
        "session",
        "task",
        "version",
        "wants_context",
        "zone",
    )

    def __init__(self, session: Session, task: Task[..., Any]) -> None:
        self.session = session
        self.task = task
        self.execution = task.execution
        self.blocks = self.execution == "main"
        self.version = task.row.version if isinstance(task, Member) else None
        self.pooled = self.execution == "process"
        self.on_loop = self.execution in ("main", "async") and not task.awaited
        self.label: Callable[[Any, Any], str] = task.func_run_id or session.config.func_run_id
        self.name = task.name
        self.plain = task.needs is NOTHING and not task.parameters
        self.wants_context = task.needs.wants_context or isinstance(task.function, DelayedFunction)
        self.zone = task.timezone or session.config.timezone
        self.given = self._given(task)

    @staticmethod
    def _given(task: Task[..., Any]) -> frozenset[str] | None:
        """The parameters of a function that asks for nothing but the context, where they are given
        it as it is; None: there is more to do."""
        if task.parameters or task.execution == "process" or task.needs.anything:
            return None
        arguments = task.needs.arguments
        alone = all(arguments.get(name) is CONTEXT for name in task.needs.names)
        return task.needs.names if alone else None

    def of(self, member: Member) -> Launcher:
        """The same for another task of its family, made quickly."""
        other = Launcher.__new__(Launcher)
        other.session, other.execution, other.blocks = self.session, self.execution, self.blocks
        other.pooled, other.on_loop, other.label = self.pooled, self.on_loop, self.label
        other.plain, other.given = self.plain, self.given
        other.wants_context = self.wants_context
        other.task, other.name, other.version = member, member.name, member.row.version
        other.zone = member.plan.zone
        return other

    def context(self, live: Live, extend: Extend) -> Context:
        """What a run of it knows of itself."""
        task, session, record = self.task, self.session, live.record
        return Context(
            task,
            json_values(task.args, "args"),
            session.app_context,
            run_id=record.run_id or "",
            scheduled_at=record.logical,
            attempt=record.attempt or 0,
            token=live.seq,
            lease=live.lease,
            zone=self.zone,
            pulse=OwnPulse(partial(extend, live), lambda: live.held_until),
        )

    def call(
        self,
        parameters: Mapping[str, Any],
        done: Callable[[Ending], None],
        context: Context | None = None,
    ) -> Call:
        """The task's code with the arguments of this run, those made that are to be made before
        it. Raises ArgumentError for one that cannot be had, and what the code of an argument
        raises."""
        if self.plain and not parameters:
            return new(Call, (self.task.function, done, NO_ARGUMENTS, self.name, None, None))
        task, flag, beat = self.task, None, None
        if self.given is None or parameters:
            values = collect(task.needs, self.session.parameters, task.parameters, parameters)
            refuse_lacking(task.needs, values)
            unknown = isinstance(task.function, DelayedFunction)  # what it asks for
            flag = threading.Event() if unknown or asks_for_flag(values) else None
            function, arguments = prepare(
                task.function,
                values,
                task=task,
                session=self.session,
                flag=flag,
                context=context,
                in_process=self.execution == "process",
                materialize=self.session.config.param_materialize,  # type: ignore[arg-type]
            )
        else:
            function, arguments = task.function, dict.fromkeys(self.given, context)
        if context is not None and isinstance(pulse := context.pulse, OwnPulse):
            beat = pulse.from_elsewhere
            if self.on_loop:
                function = pulse.within(function)
        return Call(function, done, arguments, self.name, flag, beat)


class Launchers(dict[str, Launcher]):
    """The launchers by the names of tasks, each made when its task first runs."""

    def __init__(self, session: Session, task_of: Callable[[str], Task[..., Any]]) -> None:
        super().__init__()
        self._session = session
        self._task_of = task_of
        self._of_families: dict[Family[..., Any], tuple[Any, Any, Launcher]] = {}

    def __missing__(self, name: str) -> Launcher:
        task = self._task_of(name)
        made = self._of(task) if isinstance(task, Member) else Launcher(self._session, task)
        self[name] = made
        return made

    def _of(self, member: Member) -> Launcher:
        """As those of other tasks of its family are, of which there may be many."""
        family, config = member.family, self._session.config.values
        values, of_config, known = self._of_families.get(family, (None, None, None))
        if known is None or values is not family.values or of_config is not config:
            known = Launcher(self._session, member)
            self._of_families[family] = family.values, config, known
        return known.of(member)

    def renew(self, task: Task[..., Any]) -> None:
        """The task, or something that is said of it, is another."""
        if task.key in self:
            self[task.key] = Launcher(self._session, task)


class Live:
    """A run of ours from its claim to its ending. Whether it was `told` to end, and `why`; `end_at`
    is when one that was is waited for no more. `lease` is for how many microseconds it is ours
    without an extension, None: as long as we live. `ended` is called once, with its ending."""

    __slots__ = (
        "_ended", "end_at", "extended_until", "hooks", "launcher", "lease", "parameters", "record",
        "running", "seq", "told", "why",
    )  # fmt: skip

    def __init__(
        self, launcher: Launcher, start: Start, seq: int, ended: Callable[[Live, Ending], None]
    ) -> None:
        self.launcher = launcher
        self.seq = seq
        self._ended = ended
        self.record: Record = start.record
        self.lease = start.lease
        self.extended_until: int | None = None
        self.parameters = NONE if start.request is None else start.request.parameters
        self.running: Running | None = None
        self.why: str | None = None
        self.hooks: Sequence[Iterator[Any]] = ()
        self.told = False
        self.end_at = FOREVER

    def end(self, ending: Ending) -> None:
        self._ended(self, ending)

    @property
    def held_until(self) -> int | None:
        """Until when its lease lasts, None: as long as we live."""
        if self.lease is None or self.extended_until is not None:
            return self.extended_until
        return self.record.at + self.lease


def parameters_of(start: Start) -> Mapping[str, Any]:
    return NONE if start.request is None else start.request.parameters
