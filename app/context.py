"""What a run is told of itself: the context, and the running app it belongs to.

A function with a parameter called `context`, or annotated `Context`, is given the run's. To a
process goes a copy, without what stays in the app's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from ..conds.durations import Duration
from ..engine.civil import UnknownZoneError, Zone, to_datetime, zone
from .errors import LeaseLostException, OncueError
from .executors.worker import beat

if TYPE_CHECKING:
    from .session import Session

NAMED = re.compile(r"(?<![\w.])(oncue\.)?Context(?![\w.])")
ON_THE_LOOP = (
    "a plain function that runs on the app's own loop cannot extend its lease, as nothing else "
    "happens there meanwhile; make it a coroutine function, or give it execution='thread'"
)


def is_context(note: object) -> bool:
    """Whether an annotation means the context, by itself or as one of several. Text is one that
    could not be evaluated."""
    if isinstance(note, str):
        return NAMED.search(note) is not None
    if isinstance(note, type):
        return issubclass(note, Context)
    match get_origin(note):
        case origin if origin is Annotated:
            return is_context(get_args(note)[0])
        case origin if origin in (Union, UnionType):
            return any(map(is_context, get_args(note)))
    return False


@dataclass(frozen=True, slots=True)
class Lease:
    """That a run is its instance's alone. `token` is the fencing token: of two runs of a task the
    later has the higher one. `until` is when it ends unless it is extended, by `duration` from then
    on; both are None where it lasts as long as the instance lives."""

    token: int
    duration: Duration | None = None
    until: datetime | None = None


class Context:
    """What a run knows of itself. `args` are a copy of the task's, `run_id` is the run's label,
    `scheduled_at` when its start was decided (in the task's zone), `attempt` 0 or which retry it
    is. It has the values of the app's fixtures by their names, and takes any attribute."""

    def __init__(
        self,
        task: Any,
        args: dict[str, Any],
        app_context: AppContext | None,
        *,
        run_id: str,
        scheduled_at: int,
        attempt: int,
        token: int,
        lease: int | None,
        zone: Zone,
        pulse: OwnPulse | SentPulse,
    ) -> None:
        self.task = task
        self.args = args
        self.run_id = run_id
        self.attempt = attempt
        self._app_context = app_context
        self._scheduled_at = scheduled_at
        self._token = token
        self._lease = lease
        self._zone = zone
        self.pulse = pulse

    @property
    def scheduled_at(self) -> datetime:
        """When its start was decided, in the task's zone."""
        return self._moment(self._scheduled_at)

    def _moment(self, instant: int) -> datetime:
        found = to_datetime(instant, self._zone)
        assert found is not None
        return found

    @property
    def lease(self) -> Lease:
        """What is known of it now."""
        if self._lease is None:
            return Lease(self._token)
        until = self.pulse.until
        moment = None if until is None else self._moment(until)
        return Lease(self._token, Duration(self._lease), moment)

    @property
    def app_context(self) -> AppContext:
        """The running app. Raises OncueError in a process."""
        if self._app_context is None:
            raise OncueError("context.app_context stays in the app's process; this is another")
        return self._app_context

    def heartbeat(self) -> Any:
        """Extend the lease of the run, by its duration from now. To be awaited in a coroutine; in
        a thread it has been done when this returns. Raises LeaseLostException when the run is not
        its instance's any more, StoreError when the store does not answer, and OncueError in a
        plain function that runs on the app's loop."""
        return self.pulse.beat()

    def __getattr__(self, name: str) -> Any:
        """The value of a fixture."""
        if name.startswith("_"):
            raise AttributeError(name)
        if self._app_context is None:
            raise AttributeError(f"the context has no {name!r} in a process, where no fixture is")
        return self._app_context.value(name)

    def __reduce__(self) -> tuple[Any, ...]:
        sent = {
            "args": self.args,
            "run_id": self.run_id,
            "scheduled_at": self._scheduled_at,
            "attempt": self.attempt,
            "token": self._token,
            "lease": self._lease,
        }
        return in_process, (self.task.name, self._zone.name, self.pulse.until, sent)

    def __repr__(self) -> str:
        return f"<Context of {self.task!r}, {self.scheduled_at}>"


# --- in the app's process -----------------------------------------------------------------------


class OwnPulse:
    """Of a run of this process, from any of its threads. `calling` while the run's function is
    called on the app's loop, and nothing else can happen there."""

    __slots__ = ("_extend", "_loop", "_thread", "_until", "calling")

    def __init__(
        self, extend: Callable[[], Coroutine[Any, Any, None]], until: Callable[[], int | None]
    ) -> None:
        self._extend = extend
        self._until = until
        self._loop = asyncio.get_running_loop()
        self.calling = False

    @property
    def until(self) -> int | None:
        return self._until()

    def refuse_blocked(self) -> None:
        """Raise OncueError where nothing can be extended."""
        if self.calling and running_loop() is self._loop:
            raise OncueError(ON_THE_LOOP)

    def beat(self) -> Any:
        self.refuse_blocked()
        here = running_loop()
        if here is self._loop:
            return self._extend()
        extending = self._extend()
        try:
            future = asyncio.run_coroutine_threadsafe(extending, self._loop)
        except RuntimeError:
            extending.close()
            raise LeaseLostException("the app has ended, and with it the lease") from None
        return future.result() if here is None else asyncio.wrap_future(future)

    def from_elsewhere(self) -> int | None:
        """The same for code in another process: until when."""
        self.beat()
        return self.until

    def within(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, to be called on the app's loop."""

        def call(**arguments: Any) -> Any:
            self.calling = True
            try:
                return function(**arguments)
            finally:
                self.calling = False

        return call


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The one that this thread runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class AppContext:
    """An app that runs, or is about to: `async with app.create() as ctx: await ctx.run()`. It has
    the values of the app's fixtures by their names, all of them as `values`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.again: str | None = None  # how the app is to begin again, once all this has ended
        self.values: dict[str, Any] = {}
        self._over = False

    async def run(self) -> None:
        """Run until `shutdown` is called or the app's `shut_cond` holds. Raises as `app.serve`, and
        OncueError outside the `async with`, where there are no fixtures any more."""
        if self.session.app_context is not self:
            raise OncueError("this app context is over; enter app.create() again")
        if not self._over:
            await self.session.serve_in(self)

    def shutdown(self) -> None:
        """Start nothing more and end when the running tasks have; a second call does not wait. May
        be called from any thread, and before `run`, which then returns at once."""
        self._over = True
        self.session.shut_down()

    # --- dynamic tasks ---------------------------------------------------------------------

    def schedule_task(self, task: Any, name: str, **when: Any) -> Any:
        """Let there be a task of that name of the family `task` (what `@app.dynamic_task` made, its
        function or its name), started by one of `start_cond`, `schedule`, `interval` and
        `execute_at`. With `timezone`, that is the zone of the condition; other keywords, or
        `args={…}`, are values of JSON that its runs find in `context.args`. One that there is
        already is changed and keeps its records.

        To be awaited where a loop runs; elsewhere it has been done when this returns. Raises
        DefinitionError and ConditionSyntaxError for what cannot be, before anything changes, and
        StoreError."""
        return self.session.scheduling.schedule(task, [(name, when)])

    def schedule_tasks(self, task: Any, tasks: Any) -> Any:
        """The same of many, all or none: a mapping, or pairs, of names and of what
        `schedule_task` takes by keyword. What is raised says, or has a note, whose it is."""
        from .scheduling import pairs

        return self.session.scheduling.schedule(task, pairs(tasks))

    def unschedule_task(self, task: Any, name: str) -> Any:
        """Remove that task of the family; whether there was one. A run of it goes on to its end.
        Scheduled again it begins anew: its conditions do not see the records there were."""
        return self.session.scheduling.unschedule(task, [name])

    def get_task(self, task: Any, name: str) -> Any:
        """The `DynamicTask` of that name; None if there is none."""
        return self.session.scheduling.get(task, name)

    def list_tasks(self, task: Any = None, **wanted: Any) -> Any:
        """A `TaskPage` of the dynamic tasks of a family, or of all, by name. `state` is one of
        `scheduled`, `due`, `held` (it is decided about or runs), `waiting` (for a record) and
        `spent` (nothing starts it any more); `due_after` and `due_before` are when it is looked at
        next, from the first on, before the second. `limit` (100) is how many to give;
        `continuation_token` goes on after another page. Raises DefinitionError for what cannot be
        asked for."""
        return self.session.scheduling.list(task, **wanted)

    def value(self, name: str) -> Any:
        """That of a fixture. Raises AttributeError for one there is not."""
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(f"there is no {name!r}, and no fixture of that name") from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.value(name)


OF_A_RUN = ("task", "args", "run_id", "attempt", "pulse")
RESERVED = frozenset((*OF_A_RUN, "session", "again", "values", *dir(Context), *dir(AppContext)))
"""Names that no fixture can have."""

# --- in another process -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TaskName:
    """All that a process knows of its task."""

    name: str


class SentPulse:
    """Of a run in a worker, through the way to the app's process."""

    __slots__ = ("until",)

    def __init__(self, until: int | None) -> None:
        self.until = until

    def refuse_blocked(self) -> None:
        """There is a way from everywhere."""

    def beat(self) -> Any:
        return self._beat() if running_loop() is None else asyncio.to_thread(self._beat)

    def _beat(self) -> None:
        self.until = beat()


def in_process(task: str, zone_name: str, until: int | None, sent: Mapping[str, Any]) -> Context:
    """What a context pickles as."""
    try:
        found = zone(zone_name)
    except UnknownZoneError:  # the system's has a name of its own
        found = zone()
    return Context(TaskName(task), app_context=None, zone=found, pulse=SentPulse(until), **sent)
