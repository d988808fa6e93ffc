"""The session of an app: its tasks, parameters, returns and config, and the life it has while it
runs.

Everything here may be called from any thread, a task's own included. What changes a running app is
applied on its loop's thread and has been when the call returns; of an app that does not run it is
kept for its next life.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from ..conds.durations import Duration
from ..conds.nodes import Condition
from ..engine.atoms import Custom
from ..engine.civil import FOREVER, to_datetime
from ..engine.explain import Explanation
from ..engine.history import TaskLog
from ..engine.schedule import Request
from ..grammar.phrases import Phrases
from .clock import Clock, FunctionClock
from .config import Config
from .context import AppContext
from .definition import read_options, refuse_contradictions, refuse_misplaced
from .endpoint import Endpoint
from .errors import DefinitionError, OncueError
from .executors import refuse_in_worker
from .families import Family, Member
from .fixtures import Fixtures
from .health import Health, health
from .hooks import Hooks, finish
from .kinds import KINDS, FuncTask
from .leaving import Calls
from .middlewares import Middleware
from .missed import Fate, Occurrence, occurrences
from .parameters import Parameters
from .repo import MinimalRecord, Repo
from .restart import restart
from .runtime import Once, Runtime
from .scheduling import Scheduling
from .signals import in_main_thread, interrupted_by_sigterm
from .stores.dynamic import Wanted, family_of
from .stores.protocol import Store
from .task import LiveRun, Task

AnyTask = Task[..., Any]
AnyFamily = Family[..., Any]
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
OF_WORK = (*KINDS, "func_name")  # what is said of what a task runs; None says nothing
MOST_SAID = 1000  # different options of tasks that are remembered


class Session:
    """`session["name"]` is the task of that name, which may also be given by itself or its
    function. `parameters` are shared by all tasks, `returns` what each last returned, `config` the
    options of the app."""

    def __init__(self, store: Store, clock: Clock, config: dict[str, Any]) -> None:
        self.phrases = Phrases()
        self.customs: dict[str, Custom] = {}
        self.safe: set[str] = set()  # those that conditions from outside may ask
        self.parameters = Parameters(self._parameter_changed)
        self.returns: dict[str, Any] = {}
        self.store = store
        self._clock = clock
        self._tasks: dict[str, AnyTask] = {}
        self._changing = threading.RLock()  # the tasks, while the app does not run
        self.families: dict[str, AnyFamily] = {}
        self._said: dict[tuple[tuple[str, int], ...], dict[str, Any]] = {}
        self.hooks = Hooks(self)
        self.middlewares: list[Middleware] = []
        self.fixtures = Fixtures()
        self.renamings: dict[Callable[..., object], Mapping[str, str]] = {}
        self._registered: list[Callable[[Session], None]] = []
        self._replayed: set[Callable[[Session], None]] = set()  # those of groups
        self._life: Runtime | None = None
        self._beginning = threading.Lock()  # of a life
        self.app_context: AppContext | None = None  # while it runs, or is about to
        self._calls = Calls(self._end)  # of `run`, in that context
        self.config = Config(self, config)
        self._repo = Repo(store, self.config.timezone)
        self.scheduling = Scheduling(self)

    @property
    def clock(self) -> Clock:
        """What gives the time."""
        function = self.config.time_func
        return self._clock if function is None else FunctionClock(function)

    # --- tasks ----------------------------------------------------------------------------

    @property
    def tasks(self) -> list[AnyTask]:
        """In order of definition."""
        return list(self._tasks.values())

    def __getitem__(self, task: Any) -> AnyTask:
        found = self._find(task)
        if found is None:
            raise KeyError(f"there is no task {name_of(task)!r}")
        return found

    def _find(self, task: object) -> AnyTask | None:
        """The task of that name, itself, or the first of that function."""
        found = self._tasks.get(name_of(task))
        if isinstance(task, str | Task) or (found is not None and found.function is task):
            return found
        return next((each for each in self._tasks.values() if each.function is task), found)

    def get(self, name: str) -> AnyTask | None:
        """The task of that name, or None."""
        return self._tasks.get(name)

    def __contains__(self, task: object) -> bool:
        return self._find(task) is not None

    def __iter__(self) -> Iterator[AnyTask]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def create_task(self, **given: Any) -> AnyTask:
        """A task of this session, from one of `func`, `path` (with `func_name`), `command` and
        `code`, and the options of a task. Raises DefinitionError and ConditionSyntaxError, before
        anything changes."""
        kinds = [name for name in KINDS if given.get(name) is not None]
        if len(kinds) != 1:
            said = "both " + " and ".join(kinds) if kinds else "nothing"
            raise DefinitionError(f"a task runs one of {', '.join(KINDS)}; {said} was given")
        if "session" in given:
            raise DefinitionError("session=…: what a session creates is its own; leave it out")
        if kinds != ["path"]:
            refuse_without_path(given)
        rest = {k: v for k, v in given.items() if v is not None or k not in OF_WORK}
        made = KINDS[kinds[0]](session=self, **rest)
        return self._tasks.get(made.name, made)

    def read_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a function's task, checked before there is a function."""
        refuse_without_path(given)
        rest = {k: v for k, v in given.items() if k not in ("name", *OF_WORK)}
        values, extra = read_options(FuncTask, self, rest)
        return {"name": given.get("name"), **values, **extra}

    def refuse_taken(self, names: Iterable[str]) -> None:
        """Raise DefinitionError if one of these names cannot be had here."""
        taken = [name for name in names if name in self._tasks]
        if taken and self.config.task_pre_exist == "raise":
            raise DefinitionError(
                f"there is a task {taken[0]!r} already; give the group another prefix"
            )

    def add_task(self, task: AnyTask) -> None:
        """Make a task one of this session's. What is done with one whose name is taken is said by
        `config.task_pre_exist`."""
        self.in_turn(lambda: finish(self.add_tasks([task])))

    def add_tasks(self, tasks: Iterable[AnyTask]) -> list[Iterator[Any]]:
        """The same of several, all or none, which may ask for one another; to be called in turn.
        What is left of the `task_init` hooks is for the caller to finish."""
        added: list[AnyTask] = []
        replaced: list[AnyTask] = []
        left: list[Iterator[Any]] = []
        try:
            for task in filter(self._makes_room, tasks):
                left += self.hooks.begin_definition(task)
                task.join(self)
                if task.name in self._tasks:
                    replaced.append(self._tasks[task.name])
                self._tasks[task.name] = task
                added.append(task)
            self._apply(lambda life: life.define(added, replaced))
        except BaseException:
            for task in added:
                task.leave()
                del self._tasks[task.name]
            self._tasks |= {task.name: task for task in replaced}
            raise
        for task in replaced:
            task.leave()
        return left

    def _makes_room(self, task: AnyTask) -> bool:
        """Whether the task is to be one of ours, by the name it then has. Raises DefinitionError
        for one that cannot be."""
        if not isinstance(task, Task):
            raise DefinitionError(f"{task!r} is no task; create_task(func=…) makes one of it")
        self._refuse_of_family(task.name)
        taken = self._tasks.get(task.name)
        if taken is task:
            return False
        if task.values.get("execution") is None and self.config.execution is not None:
            refuse_misplaced(task, self.config.execution)
        if taken is not None:
            match self.config.task_pre_exist:
                case "raise":
                    raise DefinitionError(
                        f"there is a task {task.name!r} already; give this one another name"
                    )
                case "ignore":
                    return False
                case "rename":
                    task.name = self.free_name(task.name)
        return True

    def _refuse_of_family(self, name: str) -> None:
        family = family_of(name)
        if family != name and family in self.families:
            raise DefinitionError(f"the name {name!r} is one of a task of the family {family!r}")

    def add_family(self, family: AnyFamily) -> None:
        """Let there be dynamic tasks of it. Raises DefinitionError for a name that is taken."""
        name = family.name
        if name in self.families or name in self._tasks:
            raise DefinitionError(f"there is a task {name!r} already; give this one another name")
        for task in self._tasks:
            if task.startswith(f"{name}:"):
                raise DefinitionError(f"the task {task!r} would be one of the family {name!r}")
        family.join(self)
        self.families[name] = family
        self._apply(lambda life: life.define_family())

    def family(self, task: Any) -> AnyFamily:
        """The family of that name, itself or of that function. Raises DefinitionError."""
        found = self.families.get(name_of(task))
        if found is None or not (isinstance(task, str) or task in (found, found.function)):
            raise DefinitionError(
                f"{name_of(task)!r} is no dynamic task of this app; one is defined by "
                "@app.dynamic_task()"
            )
        return found

    def is_known(self, name: str) -> bool:
        """Whether there is such a task, or a family that may have it."""
        return name in self._tasks or family_of(name) in self.families

    def shared(self, values: dict[str, Any]) -> dict[str, Any]:
        """The same options, in one object for all tasks that are given the same ones."""
        if len(self._said) > MOST_SAID:
            self._said.clear()
        said = tuple((name, id(value)) for name, value in values.items())
        return self._said.setdefault(said, values)

    def free_name(self, name: str) -> str:
        """The name that a task of that name is given here, if taken ones are to be others."""
        if name not in self._tasks or self.config.task_pre_exist != "rename":
            return name
        number = 1
        while f"{name} - {number}" in self._tasks:
            number += 1
        return f"{name} - {number}"

    def remove_task(self, task: Any) -> None:
        """Let it start no more. Runs that are live go on to their end. Raises KeyError for one
        there is not."""
        self.in_turn(partial(self._remove_task, task))

    def _remove_task(self, task: Any) -> None:
        found = self[task]
        del self._tasks[found.name]
        self._apply(lambda life: life.remove(found))
        found.leave()

    # --- conditions -----------------------------------------------------------------------

    def register(
        self,
        syntax: str | re.Pattern[str] | None,
        function: Callable[..., object],
        every: Duration | None,
        safe: bool = False,
    ) -> None:
        """Make a function a custom condition; see `App.cond`."""
        name = function.__name__
        match syntax:
            case None:
                self.phrases.add_call(name)
            case str():
                name = self.phrases.add_phrase(syntax).text
            case _:
                self.phrases.add_pattern(syntax)
                name = syntax.pattern
        self.customs[name] = Custom(function, None if every is None else every.microseconds)
        if safe:
            self.safe.add(name)
        self._registered.append(lambda other: other.register(syntax, function, every, safe))
        self._apply(lambda life: life.dynamic.read_again())

    def define(self, name: str, condition: str | Condition) -> None:
        """Give a condition a name; see `App.define`."""
        self.phrases.define(name, condition)
        self._registered.append(lambda other: other.define(name, condition))
        self._apply(lambda life: life.dynamic.read_again())

    def replay(self, group: Session, names: Mapping[str, str]) -> None:
        """Register the conditions of a group's session here too; its tasks have these names."""
        for register in group._registered:
            if register not in self._replayed:
                register(self)
                self._replayed.add(register)
        self.renamings |= {custom.function: names for custom in group.customs.values()}

    # --- hooks ----------------------------------------------------------------------------

    def hook_startup(self) -> Callable[[F], F]:
        """Call a function when the app starts, before its store is opened; the rest of a
        generator once it has started."""
        return partial(self.hooks.add, "startup")

    def hook_shutdown(self) -> Callable[[F], F]:
        """Call a function when all has ended, before the store is closed; the rest of a generator
        after that."""
        return partial(self.hooks.add, "shutdown")

    def hook_scheduler_cycle(self) -> Callable[[F], F]:
        """Call a function before each look at what is due; the rest of a generator after it."""
        return partial(self.hooks.add, "cycle")

    def hook_task_init(self) -> Callable[[F], F]:
        """Call a function with each task that is defined from now on, before it is the session's;
        the rest of a generator once it is."""
        return partial(self.hooks.add, "task_init")

    def hook_task_execute(self) -> Callable[[F], F]:
        """Call a function before each run; the rest of a generator after it, sent what the run
        raised as `sys.exc_info()` has it."""
        return partial(self.hooks.add, "task_execute")

    # --- running --------------------------------------------------------------------------

    @property
    def life(self) -> Runtime | None:
        """The running app, once its store is open."""
        life = self._life
        return life if life is not None and life.serving and life.loaded else None

    @property
    def serving(self) -> bool:
        return self._life is not None and self._life.serving

    def run(self, *tasks: Any, execution: str | None = None, obey_cond: bool = False) -> None:
        """Run until `shut_cond` holds, `shut_down` is called, or SIGINT or SIGTERM comes.

        With tasks (their names, themselves or their functions), run each of those once, whatever
        its condition says unless `obey_cond`, by `execution` where it is given. No other starts by
        its condition; what those tasks ask for by `run()` does.

        Running tasks are waited for; a second signal does not wait. Raises KeyError for a task
        there is not, StoreError when the store cannot be opened or endings cannot be written, and
        OncueError for a failure that the config does not silence.
        """
        refuse_on_loop()
        once = Once([self[task].name for task in tasks], obey_cond) if tasks else None
        with suppress(KeyboardInterrupt):  # one that comes before or after the loop's own care
            with self._executed_by(execution, tasks):
                asyncio.run(self._serve(signals=in_main_thread(), once=once))

    start = run  # by its older name

    @contextmanager
    def _executed_by(self, execution: str | None, tasks: Iterable[Any]) -> Iterator[None]:
        """Other executions for a while."""
        found = [self[task] for task in tasks] if execution is not None else []
        before = [task.values for task in found]
        try:
            for task in found:
                task.execution = execution
            yield
        finally:
            for task, values in zip(found, before, strict=True):
                task.values = values

    async def serve(self, ready: Callable[[], object] | None = None) -> None:
        """`run`, on a running event loop; signals are left to their owner. `ready` is called once
        everything is planned."""
        await self._serve(ready=ready)

    @asynccontextmanager
    async def create(self) -> AsyncIterator[AppContext]:
        """The app, about to run; if it still does when this is left, it is ended first. Raises
        OncueError when it is running already."""
        refuse_in_worker()
        if self.app_context is not None:
            raise OncueError("the app is running already")
        self.app_context = context = AppContext(self)
        self._calls = Calls(self._end)
        self.scheduling.enter()
        try:
            async with self.fixtures.around(context), self._calls.ended():
                yield context
        finally:
            self.app_context = None
            await self.scheduling.leave()
        if context.again is not None:
            restart(context.again)

    async def _serve(
        self,
        *,
        signals: bool = False,
        once: Once | None = None,
        ready: Callable[[], object] | None = None,
    ) -> None:
        with interrupted_by_sigterm() if signals else nullcontext():
            async with self.create() as context:
                await self.serve_in(context, signals=signals, once=once, ready=ready)

    async def serve_in(
        self,
        context: AppContext,
        *,
        signals: bool = False,
        once: Once | None = None,
        ready: Callable[[], object] | None = None,
    ) -> None:
        """One life after another, until no other is to follow here."""
        with self._calls.another(), self._watched(once):
            await self._live(context, signals, once, ready)

    async def _live(
        self,
        context: AppContext,
        signals: bool,
        once: Once | None,
        ready: Callable[[], object] | None,
    ) -> None:
        while True:
            async with self.scheduling.handing_over() as handed_over:
                if self._calls.closed:
                    return
                before, life = self._life, self._begin(once)
                with self._beginning:
                    self._life = life

                def loaded(opened: Callable[[], None] = handed_over) -> None:
                    opened()
                    if ready is not None:
                        ready()

                try:
                    await life.serve(signals=signals, ready=loaded)
                finally:
                    if not life.loaded:
                        self._life = before
            if not life.restarting:
                return
            if self.config.restarting != "recall":
                context.again = self.config.restarting
                return

    @contextmanager
    def _watched(self, once: Once | None) -> Iterator[None]:
        """While its health can be asked for over HTTP, if that is said."""
        address = self.config.health_address
        if address is None or once is not None:
            yield
            return
        endpoint = Endpoint(address, self.health)
        try:
            yield
        finally:
            endpoint.close()

    def restart(self) -> None:
        """End in order, then begin again as `config.restarting` says."""
        self._apply(lambda life: life.restart())

    def _begin(self, once: Once | None = None) -> Runtime:
        if self.serving:
            raise OncueError("the app is running already")
        return Runtime(self, once)

    def shut_down(self, force: bool = False) -> None:
        """Start nothing more and end when the running tasks have; a second call, or `force`, does
        not wait."""
        if self.serving:
            self._apply(lambda life: life.shut_down(force=force))

    def _end(self, at_once: bool) -> None:
        """`shut_down`, where that was not called yet, or `at_once`."""

        def end(life: Runtime) -> None:
            if at_once or life.restarting or not life.runs.stops:
                life.shut_down(force=at_once)

        self._apply(end)

    def shutdown(self) -> None:
        """`shut_down`, by its older name."""
        self.shut_down()

    @property
    def env(self) -> Any:
        """The parameter `env`, which `env NAME` compares."""
        return self.parameters.get("env")

    @env.setter
    def env(self, value: Any) -> None:
        self.parameters["env"] = value

    # --- the log --------------------------------------------------------------------------

    def get_repo(self) -> Repo:
        """The log as its readers see it: `get_repo().filter_by(task_name="load").last()`. Its
        `model` may be assigned, one of the shapes in `oncue.log`."""
        return self._repo

    def get_task_log(self, **conditions: Any) -> list[MinimalRecord]:
        """The records with these properties; see `get_repo().filter_by`."""
        return self._repo.filter_by(**conditions).all()

    # --- how it goes ----------------------------------------------------------------------

    def health(self, max_age: Any = None) -> Health:
        """Whether the app lives here, and what it is about. May be called from any thread, and
        waits for nothing. `max_age` is how long ago the loop may have turned; without it
        `config.health_max_age`."""
        limit = self.config.health_max_age if max_age is None else Duration.of(max_age)
        return health(self._life, self.config.timezone, limit)

    def missed(self, *tasks: Any) -> list[tuple[str, datetime]]:
        """What nobody has run and nobody will, of these tasks or of all, by instant: each task's
        name and a datetime in its zone. Of a task that has missed thousands it is the first and the
        last; `occurrences` has the time between them too. Raises KeyError for a task there is not,
        and StoreError when the store cannot be read."""
        found = [each for each in self.occurrences(*tasks) if each.fate is Fate.MISSED]
        return [(each.task, each.at) for each in found if each.until is None]

    def occurrences(self, *tasks: Any) -> list[Occurrence]:
        """What nobody has run, of these tasks or of all, and what becomes of it: what the store has
        noted as missed and, while the app does not run here, what has come due since somebody last
        decided. Blocks, and changes nothing. Raises what `missed` does."""
        names = {self[task].name for task in tasks} if tasks else None
        return occurrences(self, None if self.serving else self._peeked(), names)

    # --- what tasks ask of it -------------------------------------------------------------

    def _apply(self, change: Callable[[Runtime], None]) -> None:
        """On the loop of a running app; of one that does not run there is nothing to change."""
        life = self._life
        if life is not None and life.serving:
            life.call(partial(change, life))

    def in_turn(self, change: Callable[[], object]) -> None:
        """Change the tasks there are, one change after another: of a running app on its loop, whose
        thread waits for no other."""
        life = self._life
        if life is not None and life.serving:
            life.call(change)
        else:
            with self._changing:
                change()

    def _known(self) -> Runtime:
        """The life that knows the log: the one now, the last one, or a look at the store."""
        return self._life or self._look()

    def _look(self) -> Runtime:
        """What the store says, read without running anything; or the life that has begun meanwhile
        on another thread."""
        life = self._peeked()
        with self._beginning:
            self._life = self._life or life
            return self._life

    def _peeked(self) -> Runtime:
        life = Runtime(self)
        life.peek()
        return life

    def changed(self, task: AnyTask, option: str) -> None:
        self._apply(lambda life: life.changed(task, option))

    def configured(self, option: str) -> None:
        if option == "execution":
            for task in self:
                refuse_contradictions(task)
        self._repo.zone = self.config.timezone
        self._apply(lambda life: life.configured())

    def _parameter_changed(self, name: str) -> None:
        self._apply(lambda life: life.parameter_changed(name))

    def ask(self, task: AnyTask, request: Request) -> bool:
        """Whether there is a running app to give the request to."""
        if self.life is None:
            return False
        self._apply(lambda life: life.request(task, request))
        return True

    def requests_of(self, task: AnyTask) -> list[Request]:
        entry = self._life.agenda.entries.get(task.key) if self._life is not None else None
        return [] if entry is None or not self.serving else list(entry.requests)

    def withdraw(self, task: AnyTask) -> None:
        self._apply(lambda life: life.withdraw(task))

    def terminate(self, task: AnyTask) -> None:
        self._apply(lambda life: life.terminate(task))

    def live_runs(self, task: AnyTask) -> list[LiveRun]:
        life = self._life
        if life is None or not life.serving:
            return []
        runs = list(self.log_of(task).live.items())
        found = {seq: (run.run_id, run.scheduled_at, run.mark.at) for seq, run in runs}
        for seq, record in list(life.journal.live.items()):
            if record.task == task.key:  # ours, with its label; it may have ended just now
                found[seq] = record.run_id, record.logical, record.at
        return [
            LiveRun(label, self.moment(scheduled_at, task), self.moment(at, task))
            for _, (label, scheduled_at, at) in sorted(found.items())
        ]

    @property
    def under_way(self) -> int:
        """How many runs of its tasks, but for dynamic ones, are live anywhere."""
        logs = self._known().planner.history.tasks
        return sum(len(logs[task.key].live) for task in self if task.key in logs)

    def log_of(self, task: AnyTask) -> TaskLog:
        return self._known().planner.history.of(task.key)

    def moment(self, instant: int, task: AnyTask) -> datetime | None:
        return to_datetime(instant, task.timezone or self.config.timezone)

    def next_due(self, task: AnyTask) -> datetime | None:
        found = self._asked(lambda life: life.next_due(task))
        return None if found >= FOREVER else self.moment(found, task)

    def explain(self, task: Any) -> Explanation:
        """Why the task starts or does not, now; a dynamic task is given by its name in the log,
        FAMILY:NAME, or as `context.task` of its run. Raises KeyError for a task there is not, and
        StoreError when the app has not run and its store cannot be read."""
        if isinstance(task, Member):
            told = self._told(task.key)
            if told is not None:
                return told
            task = task.key
        member = self._member(task)
        if member is not None:
            return Runtime(self).peek_at(member)
        found = self[task]
        return self._asked(lambda life: life.explain(found))

    def _told(self, key: str) -> Explanation | None:
        """Of a dynamic task that the running app has loaded, by what it knows of it."""

        def question(life: Runtime) -> Explanation | None:
            loaded = life.dynamic.loaded.get(key)
            return None if loaded is None else life.explain(loaded)

        return None if self.life is None else self._asked(question)

    def _member(self, key: Any) -> Member | None:
        """The dynamic task that the log knows by this name."""
        family = self.families.get(family_of(key)) if isinstance(key, str) else None
        rows = [] if family is None else self.store.dynamic(Wanted(tasks=(key,)))
        return Member(family, rows[0]) if family is not None and rows else None

    def _asked(self, question: Callable[[Runtime], T]) -> T:
        """The answer, found on the loop's thread if there is one."""
        life = self._known()
        if not life.serving:
            return question(life)
        found: list[T] = []
        life.call(lambda: found.append(question(life)))
        return found[0]


def refuse_without_path(given: Mapping[str, Any]) -> None:
    """Raise DefinitionError for the name of a function in no file."""
    if given.get("func_name") is not None:
        raise DefinitionError(f"func_name={given['func_name']!r} needs the path of a file")


def name_of(task: Any) -> str:
    """A task's name, from it, from itself or from its function; a dynamic task's in the log."""
    if isinstance(task, Member):
        return task.key
    name = task if isinstance(task, str) else getattr(task, "name", None)
    return name if isinstance(name, str) else str(getattr(task, "__name__", task))


def refuse_on_loop() -> None:
    """Raise OncueError where a loop is running, as in a notebook: there is none for us then."""
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise OncueError("a loop is running here already; await app.serve(), or call app.start()")
