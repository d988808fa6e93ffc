"""A task: what it runs, the condition that starts it, and everything else that is said of it.

A task belongs to a session, or to none yet; its options may be assigned at any time, and a running
app plans it anew. What it asks of the log and of its live runs it asks of the session.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar

from ..conds.cron import CronFields
from ..conds.diagnostic import nearest
from ..conds.durations import Duration
from ..conds.nodes import Condition, Retry
from ..engine.civil import Zone
from ..engine.policy import ExecutionMode, FailureMode
from ..engine.records import Action
from ..engine.schedule import NEVER, CatchUp, Overlap, Request, Schedule
from ..grammar.phrases import Phrases
from . import options, timetable
from .binding import Needs, needs_of
from .compat import SWITCHES, OlderNames
from .definition import (
    execution_of,
    failure_mode_of,
    lease_duration_of,
    name_of,
    policy,
    read_options,
    refuse_contradictions,
    said_of,
    with_extra,
)
from .errors import DefinitionError, OncueError
from .executors import pack
from .options import Limit, Option, optional
from .repo import TaskLogger
from .work import Command, is_awaited

if TYPE_CHECKING:
    from ..engine.explain import Explanation
    from .session import Session

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])

scheduler_log = logging.getLogger("oncue.scheduler")


class LiveRun(NamedTuple):
    """A run under way: its label, when its start was decided, and when it began; aware datetimes
    in the task's zone."""

    run_id: str | None
    scheduled_at: datetime | None
    started: datetime | None


class Task(OlderNames, Generic[P, R]):
    """What `@app.task` makes of a function. Calling it calls the function, as ever.

    Its options are attributes, which may be assigned at any time, from any thread. What is None
    is as the session's config says. `status` and the `last_…` are what the log says.
    """

    values: dict[str, Any]
    function: Callable[P, R]
    needs: Needs
    _name: str
    _session: Session | None
    _waiting: tuple[Request, ...]  # asked for before the app runs

    start_cond = Option[Condition](
        optional(options.condition),  # type: ignore[arg-type]
        derive=lambda task: timetable.starting(task.values),
        instead_of=timetable.WAYS,
        doc="Starts it when it holds.",
    )
    schedule = Option[CronFields | None](
        optional(timetable.fields),
        instead_of=timetable.WAYS,
        doc="Starts it at the times of a cron, of five fields or six with seconds last.",
    )
    interval = Option[Duration | None](
        optional(options.duration),
        instead_of=timetable.WAYS,
        doc="Starts it at once, then so long after each `scheduled_at`, without drift.",
    )
    execute_at = Option[datetime | None](
        optional(timetable.moment),
        instead_of=timetable.WAYS,
        doc="Starts it once, at that instant or, where that is over, at once; a naive datetime, or "
        "ISO text, is in the task's zone.",
    )
    end_cond = Option[Condition](
        options.condition, NEVER, doc="Ends its runs when it holds, and lets none start."
    )
    description = Option[str | None](
        optional(options.text),
        derive=lambda task: said_of(task.function),
        doc="What it does, in words; by default what its function says.",
    )
    execution = Option[str](
        optional(options.execution),  # type: ignore[arg-type]
        derive=lambda task: execution_of(task),
        doc="How it runs: `main`, `async`, `thread` or `process`. By default as the config says, "
        "else coroutines and commands `async`, all other code in a `thread`.",
    )
    priority = Option[int](options.whole, 0, doc="Of tasks due at once, the higher starts first.")
    timeout = Option[Limit | None](
        optional(options.limit),
        doc="How long a run may take, in seconds, text or timedelta; or `never`.",
    )
    retries = Option[Retry | None](
        optional(options.retries),
        doc="How often a run is retried that failed, or the policy: `retry(3, after='10 s')`.",
    )
    enabled = Option[bool](options.switch, True, doc="Whether it starts, in this process.")
    on_startup = Option[bool](options.switch, False, doc="Starts when the app does, only then.")
    on_shutdown = Option[bool](options.switch, False, doc="Starts when the app ends, only then.")
    permanent = Option[bool](
        options.switch, False, doc="Runs for as long as the app does: has no timeout, and is "
        "ended at a shut-down instead of waited for.",
    )  # fmt: skip
    overlap = Option[Overlap | None](
        optional(options.overlap),
        doc="What becomes of an occurrence that comes due while the task runs: it starts if it is "
        "still due afterwards (`skip`), starts then all the same (`queue`), starts beside the run "
        "(`allow`), or in its place (`replace`).",
    )
    failure_mode = Option[FailureMode](
        optional(options.failure_mode),  # type: ignore[arg-type]
        derive=lambda task: failure_mode_of(task),
        doc="What a run that failed is: done all the same (`commit`), retried soon (`unlock`), "
        "or retried when its lease ends (`none`). By default `none` for tasks that start by "
        "schedule, interval or execute_at, else `commit`.",
    )
    execution_mode = Option[ExecutionMode](
        options.execution_mode,
        ExecutionMode.AT_LEAST_ONCE,
        doc="Whether a run whose process is gone is run again (`at_least_once`) or not "
        "(`at_most_once`), nor one that failed.",
    )
    lease_duration = Option[Duration](
        optional(options.duration),  # type: ignore[arg-type]
        derive=lambda task: lease_duration_of(task),
        doc="How long a run is its instance's alone without a heartbeat. Tasks that start by a "
        "condition and do not say are so for as long as the instance lives.",
    )
    catch_up = Option[CatchUp | None](
        optional(options.catch_up),
        doc="What is done about occurrences that came and went while no app ran: nothing (`skip`), "
        "the newest is run (`once`), each is, in order (`all`).",
    )
    max_lateness = Option[Duration | None](
        optional(options.grace),
        doc="How late an occurrence may start that is caught up with, waits, or is run again.",
    )
    args = Option[dict[str, Any]](
        options.json_object, {}, doc="Values of JSON that each run has a copy of, `context.args`."
    )
    func_run_id = Option[Callable[[Any, Any], str] | None](
        optional(options.function), doc="Gives a run its label, from the task and the parameters."
    )
    parameters = Option[dict[str, Any]](
        options.parameters, {}, doc="Values for its function; they win over the session's."
    )
    timezone = Option[Zone | None](optional(options.zone), doc="The zone of its conditions.")
    misfire_grace = Option[Duration | None](
        optional(options.grace), doc="How late an occurrence may start at which nobody looked."
    )

    def __init__(
        self,
        work: Callable[P, R],
        *,
        name: str | None = None,
        session: Session | None = None,
        **given: Any,
    ) -> None:
        if isinstance(work, Task):  # several tasks of one function
            work = work.function
        put = partial(object.__setattr__, self)  # past our own: there may be many tasks
        put("function", work)
        put("needs", needs_of(work))
        put("awaited", is_awaited(work))
        put("_name", name_of(work, name))
        put("_session", session)
        put("_waiting", ())
        put("__doc__", getattr(work, "__doc__", None))
        values, extra = read_options(type(self), self, given)
        put("values", values if not extra else with_extra(values, extra, self))
        put("_session", None)
        refuse_contradictions(self)
        if session is not None:
            self.enter(session)

    def enter(self, session: Session) -> None:
        """Be one of a session's."""
        session.add_task(self)

    def join(self, session: Session) -> None:
        """Belong to a session; `add_task` calls it."""
        if self._session not in (None, session):
            raise DefinitionError(f"task {self.name!r} belongs to another app already")
        self._session = session
        self.values = session.shared(self.values)

    def leave(self) -> None:
        """Belong to none any more."""
        self._session = None

    # --- as a function --------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What a function has: its `__name__`, `__doc__`, `__wrapped__` and attributes."""
        if name in ("function", "values"):  # not there yet
            raise AttributeError("the task has no function yet")
        if name == "__wrapped__":
            return self.function
        return getattr(self.function, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuses a misspelt option; other attributes are the user's own."""
        if name[0] != "_" and name not in OWN and not hasattr(type(self), name):
            kind: type = type(self)
            known = options.options_of(kind)
            if nearest(name, [*known, *SWITCHES]):
                raise DefinitionError(options.unknown(name, known))
        super().__setattr__(name, value)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By reference: the name under which its module has it."""
        module, name = self.function.__module__, getattr(self.function, "__qualname__", None)
        if name is None or "<" in name:
            raise TypeError(f"{self!r} has no name in a module to be found by")
        return find, (module, name, self.name)

    def __repr__(self) -> str:
        return f"<Task {self.name!r}: {self.start_cond}>"

    # --- definition -----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """By which its session has it, which is for good."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if self._session is not None:
            raise DefinitionError(f"task {self._name!r} cannot be called {name!r}: it has its name")
        self._name = name_of(self.function, name)
        if isinstance(self.function, Command):
            work = replace(self.function, name=self._name)  # whose output is the task's
            self.function = work  # type: ignore[assignment]

    @property
    def key(self) -> str:
        """Its name in the log."""
        return self._name

    @property
    def session(self) -> Session:
        """The session it belongs to. Raises OncueError when there is none yet."""
        if self._session is None:
            raise OncueError(f"task {self.name!r} belongs to no app yet; include or add it first")
        return self._session

    @property
    def phrases(self) -> Phrases:
        return NO_PHRASES if self._session is None else self._session.phrases

    def assigned(self, name: str) -> None:
        refuse_contradictions(self)
        if self._session is not None:
            self._session.changed(self, name)

    @property
    def leased(self) -> bool:
        """Whether a run is its instance's for its `lease_duration`, not as long as that lives."""
        return timetable.is_timed(self.values) or self.values.get("lease_duration") is not None

    @property
    def plan(self) -> Schedule:
        """What the agenda knows of it."""
        return schedule_of(self)

    # --- state ----------------------------------------------------------------------------

    @property
    def status(self) -> Action | None:
        """The latest record's action; None if it never ran."""
        last = self.session.log_of(self).last
        return max(last, key=lambda action: last[action].seq, default=None)

    def _last(self, action: Action) -> datetime | None:
        mark = self.session.log_of(self).last.get(action)
        return None if mark is None else self.session.moment(mark.at, self)

    @property
    def last_run(self) -> datetime | None:
        """When it last started; this and its like are in the task's zone, None if never."""
        return self._last(Action.RUN)

    @property
    def last_success(self) -> datetime | None:
        """When it last succeeded."""
        return self._last(Action.SUCCESS)

    @property
    def last_fail(self) -> datetime | None:
        """When it last failed."""
        return self._last(Action.FAIL)

    @property
    def last_terminate(self) -> datetime | None:
        """When it was last terminated."""
        return self._last(Action.TERMINATE)

    @property
    def last_inaction(self) -> datetime | None:
        """When it last found nothing to do."""
        return self._last(Action.INACTION)

    @property
    def last_crash(self) -> datetime | None:
        """When a run of it was last found to be gone."""
        return self._last(Action.CRASH)

    @property
    def requests(self) -> list[Request]:
        """The starts that were asked for and have not begun."""
        return [*self._waiting, *self.session.requests_of(self)]

    @property
    def is_running(self) -> bool:
        """From the start, or from `run()`, until that run's finish is in the store."""
        return bool(self.requests) or self.n_alive > 0

    @property
    def live_runs(self) -> list[LiveRun]:
        """Its runs that have begun, here or elsewhere, and whose finish is not in the store; in
        order of their starts."""
        return self.session.live_runs(self)

    @property
    def n_alive(self) -> int:
        """How many of its runs are live."""
        return len(self.live_runs)

    def is_alive(self) -> bool:
        return self.n_alive > 0

    @property
    def next_due(self) -> datetime | None:
        """When its condition next lets it start if nothing more is recorded; None: time alone
        will not."""
        return self.session.next_due(self)

    def explain(self) -> Explanation:
        """Why the task does not start, or does, now, by the log of this app."""
        return self.session.explain(self)

    @property
    def logger(self) -> TaskLogger:
        """A logger whose lines carry the task's name, as `task_name`, and that finds the task's
        records: `task.logger.filter_by(action="fail").last()`."""
        return TaskLogger(self.key, self.session.get_repo())

    # --- control --------------------------------------------------------------------------

    def run(self, **parameters: Any) -> None:
        """Start it once more, whatever its condition says, as soon as it is not running; several
        calls queue several runs. Raises OncueError for a disabled task, DefinitionError for
        parameters that cannot be sent to its process."""
        if not self.enabled:
            raise OncueError(
                f"task {self.name!r} is disabled; enable it, or assign force_run to start it once"
            )
        if self.execution == "process":
            pack(self.function, parameters, self.name)
        self._ask(Request(parameters))

    def force(self) -> None:
        """Start it once, disabled or not."""
        self._ask(Request(forced=True))

    def _ask(self, request: Request) -> None:
        if not self.session.ask(self, request):
            self._waiting += (request,)

    def withdraw(self) -> None:
        """Forget the starts that were asked for."""
        self._waiting = ()
        self.session.withdraw(self)

    def waited(self) -> tuple[Request, ...]:
        """Take out the starts that were asked for before the app ran."""
        waiting, self._waiting = self._waiting, ()
        return waiting

    def terminate(self) -> None:
        """End its runs, those that were asked for and have not begun too."""
        self._waiting = ()
        self.session.terminate(self)

    def delete(self) -> None:
        """Remove it from its session."""
        self.session.remove_task(self)


def schedule_of(task: Task[..., Any]) -> Schedule:
    """What its options come to, and those of its app."""
    config, timed = task.session.config, timetable.is_timed(task.values)
    timeout = options.NEVER if task.permanent else task.timeout or config.timeout
    grace = task.misfire_grace or config.misfire_grace
    lateness = task.max_lateness or config.max_lateness
    lease = task.lease_duration.microseconds
    return Schedule(
        task.start_cond,
        task.timezone or config.timezone,
        end_cond=task.end_cond,
        retries=task.retries,
        priority=task.priority,
        overlap=task.overlap or config.overlap,
        timeout=timeout.microseconds if isinstance(timeout, Duration) else None,
        misfire_grace=grace.microseconds,
        catch_up=task.catch_up or config.catch_up or (ONCE if timed else SKIP),
        max_lateness=None if lateness is None else lateness.microseconds,
        policy=policy(task.failure_mode, task.execution_mode, lease),
        lease=lease if task.leased else None,
        enabled=task.enabled,
        standing=not (task.on_startup or task.on_shutdown),
        pooled=task.execution == "process",
    )


NO_PHRASES = Phrases()
OWN = frozenset(("values", "function", "needs"))  # what a task has besides its options
ONCE, SKIP = CatchUp.ONCE, CatchUp.SKIP


def find(module: str, name: str, task: str) -> Any:
    """What a task pickles as. Its function's name in the module may stand for another task of the
    same function."""
    from .executors.parcel import at

    found = at(module, name)
    return found.session[task] if isinstance(found, Task) and found.name != task else found
