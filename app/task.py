"""A task: what it runs, the condition that starts it, and everything else that is said of it.

A task belongs to a session, or to none yet; its options may be assigned at any time, and a running
app plans it anew. What it asks of the log and of its live runs it asks of the session.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar

from ..conds.diagnostic import nearest
from ..conds.durations import Duration
from ..conds.nodes import Condition, Retry
from ..engine.civil import Zone
from ..engine.records import Action
from ..engine.schedule import NEVER, Overlap, Request, Schedule
from ..grammar.phrases import Phrases
from . import options
from .binding import Needs, asks_for_flag, needs_of, refuse_in_process
from .compat import SWITCHES, OlderNames, newer
from .errors import DefinitionError, OncueError
from .executors import pack
from .options import Limit, Option, optional
from .repo import TaskLogger
from .work import Code, Command, DelayedFunction

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

    start_cond = Option[Condition](options.condition, NEVER, doc="Starts it when it holds.")
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
        put = partial(object.__setattr__, self)  # past our own: there may be many tasks
        put("function", work)
        put("needs", needs_of(work))
        put("awaited", inspect.iscoroutinefunction(work) or isinstance(work, Command))
        put("_name", name_of(work, name))
        put("_session", session)
        put("_waiting", ())
        put("__doc__", getattr(work, "__doc__", None))
        put("values", options.read_all(type(self), self, newer(given)))
        put("_session", None)
        refuse_contradictions(self)
        if session is not None:
            session.add_task(self)

    def join(self, session: Session) -> None:
        """Belong to a session; `add_task` calls it."""
        if self._session not in (None, session):
            raise DefinitionError(f"task {self.name!r} belongs to another app already")
        self._session = session

    def leave(self) -> None:
        """Belong to none any more."""
        self._session = None

    # --- as a function --------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What a function has: its `__name__`, `__doc__`, `__wrapped__` and attributes."""
        if name in ("function", "values"):  # not there yet
            raise AttributeError(name)
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
        return find, (module, name)

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
    def schedule(self) -> Schedule:
        """What the agenda knows of it."""
        config = self.session.config
        timeout = options.NEVER if self.permanent else self.timeout or config.timeout
        grace = self.misfire_grace or config.misfire_grace
        return Schedule(
            self.start_cond,
            self.timezone or config.timezone,
            end_cond=self.end_cond,
            retries=self.retries,
            priority=self.priority,
            overlap=self.overlap or config.overlap,
            timeout=timeout.microseconds if isinstance(timeout, Duration) else None,
            misfire_grace=grace.microseconds,
            enabled=self.enabled,
            standing=not (self.on_startup or self.on_shutdown),
        )

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
        return self._last(Action.SUCCESS)

    @property
    def last_fail(self) -> datetime | None:
        return self._last(Action.FAIL)

    @property
    def last_terminate(self) -> datetime | None:
        return self._last(Action.TERMINATE)

    @property
    def last_inaction(self) -> datetime | None:
        return self._last(Action.INACTION)

    @property
    def last_crash(self) -> datetime | None:
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
        return TaskLogger(self.name, self.session.get_repo())

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


class FuncTask(Task[P, R]):
    """A function, or one in a file that is looked up whenever it runs:
    `FuncTask(path="job.py", func_name="main")`. As a decorator it takes the function later:
    `@FuncTask(start_cond="daily", session=app.session)`."""

    _later: dict[str, Any] | None = None  # the options of one that has no function yet

    def __init__(
        self,
        func: Callable[P, R] | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        func_name: str | None = None,
        **given: Any,
    ) -> None:
        if func is None and path is None:
            if func_name is not None:
                raise DefinitionError(f"func_name={func_name!r} needs the path of a file")
            self._later = given
            return
        if func is not None and (path is not None or func_name is not None):
            raise DefinitionError("a task has a function or a path, not both")
        super().__init__(func or delayed(path, func_name), **given)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        later = self._later
        if later is None:
            return super().__call__(*args, **kwargs)
        del self._later
        super().__init__(*args, **later)
        return self


class CommandTask(Task[..., str]):
    """A program, or a line for the shell; parameters become its arguments, and what it writes to
    stdout is what it returns."""

    def __init__(
        self,
        command: str | list[str] | tuple[str, ...],
        *,
        shell: bool = False,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str | None] | None = None,
        argform: str = "long",
        name: str | None = None,
        **given: Any,
    ) -> None:
        called = name or ""
        work = Command.of(command, shell=shell, cwd=cwd, env=env, argform=argform, name=called)
        super().__init__(work, name=name, **given)  # type: ignore[arg-type]  # awaited where it runs


class CodeTask(Task[..., Any]):
    """Source text, run with its parameters as variables. It can do all that this process can:
    never take it from outside."""

    def __init__(self, code: str, *, output_variable: str = "return_value", **given: Any) -> None:
        super().__init__(Code(code, output_variable), **given)


KINDS: dict[str, Callable[..., Task[..., Any]]] = {
    "func": FuncTask,
    "path": FuncTask,
    "command": CommandTask,
    "code": CodeTask,
}
"""The keyword that says what a task runs, and the type of task it makes."""

NO_PHRASES = Phrases()
OWN = frozenset(("values", "function", "needs"))  # what a task has besides its options


def delayed(path: str | os.PathLike[str] | None, func_name: str | None) -> Callable[..., Any]:
    assert path is not None
    return DelayedFunction(os.fspath(path), func_name or "main")


def find(module: str, name: str) -> Any:
    """What a task pickles as."""
    from .executors.parcel import at

    return at(module, name)


def said_of(work: Callable[..., object]) -> str | None:
    """What its function says of itself; what is no function of the user's says nothing."""
    while isinstance(work, partial):
        work = work.func
    return None if isinstance(work, Command | Code | DelayedFunction) else inspect.getdoc(work)


def execution_of(task: Task[..., Any]) -> str:
    """How a task runs that does not say."""
    config = None if task._session is None else task._session.config.execution
    return config or ("async" if task.awaited else "thread")


def name_of(work: Callable[..., object], name: str | None) -> str:
    given = getattr(work, "__name__", None) if name is None else name
    if not isinstance(given, str) or not given or given == "<lambda>":
        raise DefinitionError(f"the task of {work!r} needs a name: task(…, name='…')")
    if not given.isprintable():
        raise DefinitionError(f"the name {given!r} has characters that cannot be printed")
    return given


def refuse_contradictions(task: Task[..., Any]) -> None:
    """What no task can be, said before it is one."""
    if task.on_startup and task.on_shutdown:
        raise DefinitionError(f"task {task.name!r}: on_startup and on_shutdown exclude each other")
    given = {**task.needs.arguments, **task.parameters}
    execution = task.execution if given else None
    if execution == "process":
        refuse_in_process(given, task.name)
    if execution in ("process", "main") and asks_for_flag(given):
        scheduler_log.warning(
            "task %r asks for a TerminationFlag, which is never set where execution is %r",
            task.name,
            execution,
        )
