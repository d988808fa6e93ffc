"""The one loop that sleeps.

A turn: take in the runs that ended, look at the store if it is time to, decide what starts,
commit endings and claims together, then launch what was claimed. Between turns the loop sleeps
until the agenda's next instant, an ending, a call from outside, or the journal's next look at the
store, whichever is first; every waking looks at the clock anew, so one that was moved is noticed.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..conds.lint import lint
from ..engine.agenda import CYCLE_SLEEP, Agenda, ConditionFailed, Start, Stop
from ..engine.atoms import Scheduler
from ..engine.civil import FOREVER, to_datetime
from ..engine.explain import Explainer, Explanation
from ..engine.history import History, TaskLog
from ..engine.periods import Period
from ..engine.plan import Planner
from ..engine.records import Action, Record
from ..engine.schedule import NEVER, Overlap, Request, Schedule
from ..engine.verdict import Plan
from .arguments import BaseArgument
from .binding import ArgumentError, bound, collect, missing, refuse_in_process
from .config import new_run_id
from .errors import DefinitionError, OncueError, SchedulerExit, SchedulerRestart
from .executors import EXECUTIONS, Call, Ending, Executor, ProcessExecutor, Running, conclude, pack
from .hooks import NOTHING_RAISED, ExcInfo, finish
from .journal import SECOND, Journal, scheduler_log, tell
from .launch import NONE, Launcher, Launchers, Live, parameters_of

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

SUCCESS, TERMINATE = Action.SUCCESS, Action.TERMINATE  # quicker to name
GRACE = 3 * SECOND  # for a run that was told to end, before a shut-down leaves it behind
DEAF = 0.2  # seconds
FORCED_GRACE = 1.0  # seconds for all of them, when nobody waits any more
UNKNOWN_TASK = "unknown-task"
TIMED_OUT = "its timeout is over"


class Once(NamedTuple):
    """These tasks are to run, each once, and no others; if `obeying`, those whose condition
    holds."""

    tasks: list[str]
    obeying: bool


class Runtime:
    """One life of an app, from opening its store to closing it. Everything here happens on the
    loop's thread, but for `call`."""

    def __init__(self, session: Session, once: Once | None = None) -> None:
        self.session = session
        self._once = once
        self.clock = session.clock
        now = self.clock.now()
        started = Scheduler(now)
        self.planner = Planner(History(), session.parameters, started, session.customs)
        self.planner.bind = partial(bound, session)
        self.agenda = Agenda(self.planner, now)
        self.journal = Journal(session.store, self.agenda)
        self.serving = False
        self.loaded = False
        self.restarting = False
        self._stops = 0
        self._failure: OncueError | None = None
        self._shut_again: int | None = None  # when a shut_cond that raised is asked again
        self._launchers = Launchers(session)
        self._ended: list[Record] = []
        self._live: dict[int, Live] = {}
        self._unwanted: dict[str, str | None] = {}  # told to end while their claims are written
        self._executors: dict[str, Executor] = {}
        self._blocking: asyncio.Future[Running] | None = None  # a `main` run under way
        self.configured()

    # --- from outside ---------------------------------------------------------------------

    def call(self, change: Callable[[], None]) -> None:
        """Apply a change on the loop's thread and take a turn. From that thread it is applied
        at once; from others it has been when this returns."""
        if threading.get_ident() == self._thread:
            change()
            self._wakeup.set()
        else:
            done: Future[None] = Future()
            self._loop.call_soon_threadsafe(self._called, change, done)
            done.result()

    def _called(self, change: Callable[[], None], done: Future[None]) -> None:
        """The caller goes on at once: a hook of the shut-down may wait for its thread."""
        try:
            change()
        except BaseException as error:
            done.set_exception(error)
        else:
            self._wakeup.set()
            done.set_result(None)

    def shut_down(self, *, force: bool = False) -> None:
        instead, self.restarting = self.restarting, False  # of a restart that is under way
        self._stops += not instead
        if force or self.session.config.instant_shutdown:
            self._stops = max(2, self._stops)
        if instead and self._stops == 1:
            scheduler_log.info("shutting down instead of restarting")
        elif self._stops == 1:
            waiting = sorted({run.task for run in self.journal.live.values()})
            after = f", waiting for {', '.join(waiting)}" if waiting else ""
            scheduler_log.info("shutting down%s", after)
            self._close_agenda()
        elif self._blocking is not None:
            self._blocking.cancel()

    def restart(self) -> None:
        if not self._stops:
            self.shut_down()
        self.restarting = True

    def _close_agenda(self) -> None:
        """From now on nothing starts but what is to start at the end."""
        for task in self.session:
            entry = self.agenda.entries.get(task.name)
            if entry is None:
                continue
            if task.permanent:
                self._terminate(task, "the app ends")
            if task.on_shutdown and entry.enabled:
                self._occasion(task)
                continue
            if entry.requests:
                scheduler_log.warning("not started: %s, %d times", task.name, len(entry.requests))
                entry.requests.clear()
            entry.enabled = False
        for live in self._live.values():
            if live.launcher.task.permanent:  # also of a task that was removed
                self._stop(live, "the app ends")

    def request(self, task: Task[..., Any], request: Request) -> None:
        """A start was asked for from outside. Where conditions start nothing, it is forced; when
        the app ends, it comes too late."""
        if self._stops:
            scheduler_log.warning("not started: %s, the app is shutting down", task.name)
        else:
            self.agenda.request(task.name, replace(request, forced=True) if self._once else request)

    def _may_start(self, task: Task[..., Any]) -> bool:
        """Whether its condition, or the end of the app, may start it now."""
        if self._stops:
            return task.on_shutdown and task.enabled
        return task.enabled and self._once is None

    def _schedule(self, task: Task[..., Any]) -> Schedule:
        """What the agenda is to know of a task now."""
        schedule, enabled = task.schedule, self._may_start(task)
        return schedule if schedule.enabled == enabled else replace(schedule, enabled=enabled)

    def _occasion(self, task: Task[..., Any]) -> None:
        """The start, or the end, of the app: a task that has a condition is asked for it."""
        asking = task.start_cond != NEVER
        self.agenda.request(task.name, Request(asking=asking))

    def define(self, task: Task[..., Any]) -> None:
        """Plan a task defined while serving, once its look-back has been read."""
        if not self.loaded:
            return  # it is planned with all the others
        self._refuse_missing([task])
        refuse_unsendable(task)
        schedule = task.schedule
        self.planner.history.of(task.name).known = True
        self._want(self.planner.plan(schedule.condition, task.name, schedule.zone), task.name)
        self._plan(task)

    def _want(self, plan: Plan, *tasks: str) -> None:
        """Before the next decision, read what a plan made just now needs of the log, and of these
        tasks."""
        logs = [source for source in plan.sources if isinstance(source, TaskLog)]
        for log in logs:
            log.known = log.task in self.session
        self.journal.want({*tasks, *(log.task for log in logs)}, self.clock.now())

    def changed(self, task: Task[..., Any], option: str) -> None:
        """An option of the task was assigned."""
        if not self.loaded or task.name not in self.agenda.entries:
            return
        if option in ("execution", "parameters"):
            refuse_unsendable(task)
        self._launchers.renew(task)
        if option == "enabled":
            self.agenda.enable(task.name, self._may_start(task))
            return
        schedule = task.schedule
        self._want(self.planner.plan(schedule.condition, task.name, schedule.zone), task.name)
        self.agenda.change(task.name, self._schedule(task))

    def configured(self) -> None:
        """The config is new, or has changed."""
        config = self.session.config
        sleep = config.cycle_sleep
        self.agenda.cycle_sleep = 0 if sleep is None else sleep.microseconds
        self.planner.rhythm = CYCLE_SLEEP if sleep is None else sleep.microseconds
        self.agenda.silenced = self._silenced if config.silence_cond_check else None
        self._shut = self.planner.plan(config.shut_cond, "", config.timezone)
        self.agenda.others = (self._shut,)
        if self.loaded:
            self._want(self._shut)
        for name in list(self.agenda.entries):
            task = self.session[name]
            self._launchers.renew(task)
            self.agenda.change(name, self._schedule(task))

    def parameter_changed(self, name: str) -> None:
        self.agenda.parameter_changed(name)

    def remove(self, task: Task[..., Any]) -> None:
        """Its live runs keep their time limit."""
        limit = task.schedule.timeout
        for live in self._live.values():
            if live.launcher.task is task and limit is not None:
                left = (live.record.at + limit - self.clock.now()) / SECOND
                self._loop.call_later(max(0, left), self._stop, live, TIMED_OUT)
        if task.name in self.agenda.entries:
            self.agenda.remove(task.name)
        self.planner.history.of(task.name).known = False
        self.agenda.rewritten(task.name)

    def terminate(self, task: Task[..., Any]) -> None:
        self.withdraw(task)
        self._terminate(task, None)

    def withdraw(self, task: Task[..., Any]) -> None:
        entry = self.agenda.entries.get(task.name)
        if entry is not None and entry.requests:
            scheduler_log.info("not started any more: %s, %d times", task.name, len(entry.requests))
            entry.requests.clear()

    def _terminate(self, task: Task[..., Any], why: str | None) -> None:
        self._unwanted[task.name] = why
        for live in self._live.values():
            if live.launcher.task is task:
                self._stop(live, why)

    def _stop(self, live: Live, why: str | None) -> None:
        """Tell a run to end; one that has not begun ends instead of beginning."""
        if live.told:
            return
        live.why = why
        live.end_at = self.clock.now() + GRACE
        if live.running is not None:
            live.running.terminate()

    def explain(self, task: Task[..., Any]) -> Explanation:
        now, schedule = self.clock.now(), task.schedule
        explainer = Explainer(self.planner, task.name, now)
        found = explainer.explain(schedule.condition, schedule.zone)
        return replace(found, obstacles=tuple(self._obstacles(task, now)))

    def _obstacles(self, task: Task[..., Any], now: int) -> Iterator[str]:
        """What keeps a task from starting whatever its condition says."""
        entry = self.agenda.entries.get(task.name)
        if not task.enabled:
            yield "the task is disabled in this process"
        if task.on_startup or task.on_shutdown:
            yield f"it starts when the app {'starts' if task.on_startup else 'ends'}, and only then"
        if entry is None:
            return
        if entry.log.live and entry.schedule.overlap is not Overlap.ALLOW:
            since = min(run.mark.at for run in list(entry.log.live.values()))
            yield f"it is running, since {to_datetime(since, entry.schedule.zone)}"
        if entry.not_before > now and entry.crash_wait:
            until = to_datetime(entry.not_before, entry.schedule.zone)
            yield f"its last run has crashed: it waits until {until}"

    def next_due(self, task: Task[..., Any]) -> int:
        """When its condition next holds, if nothing more is recorded; FOREVER if never."""
        schedule, now = task.schedule, self.clock.now()
        if not (schedule.standing and task.enabled):
            return FOREVER
        plan = self.planner.plan(schedule.condition, task.name, schedule.zone)
        window = Period(plan.outlook(now)).window_from(now)
        return FOREVER if window is None else max(window.start, now)

    def _silenced(self, task: str, error: Exception) -> None:
        """A condition raised, and is false."""
        whose = f"a condition of task {task}" if task else "the shut_cond"
        scheduler_log.error("%s failed: %r", whose, error)

    # --- a life ---------------------------------------------------------------------------

    async def serve(
        self, *, signals: bool = False, ready: Callable[[], object] | None = None
    ) -> None:
        """Live. `ready` is called once everything is planned."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._wakeup = asyncio.Event()
        self.serving = True
        handlers = Signals(self) if signals else None
        try:
            starting = await self.session.hooks.begin("startup")
            await self.look()
            scheduler_log.info("started with %d tasks", len(self.session))
            try:
                self._begin()
                finish(starting)
                if ready is not None:
                    ready()
                await self._work()
            finally:
                await self._leave()
            if self._failure is not None:
                raise self._failure
        finally:
            self.serving = False
            if handlers is not None:
                handlers.remove()

    async def look(self) -> None:
        """Open the store, plan the tasks and read what they need of the log."""
        self._refuse_missing(self.session.tasks)
        for task in self.session:
            refuse_unsendable(task)
        now = self.clock.now()
        await self.journal.store.open(now)
        try:
            self._compile()
            await self.journal.load(now)
            self._plan_all()
        except BaseException:
            await self.journal.store.close()
            raise

    def peek(self) -> None:
        """Know what the store says, without opening it or running anything."""
        now = self.clock.now()
        self._compile()
        self.journal.peek(now)
        self._plan_all()

    def _compile(self) -> None:
        """Make the plans of all tasks, which say what of the log is needed."""
        for task in self.session:
            schedule = task.schedule
            self.planner.plan(schedule.condition, task.name, schedule.zone)

    def _plan_all(self) -> None:
        for task in self.session:
            self._plan(task)
        self.loaded = True
        self._warn_of_unknown()

    def _refuse_missing(self, tasks: list[Task[..., Any]]) -> None:
        """Refuse to run tasks whose arguments are known to be missing, if they can ever start."""
        found: list[str] = []
        for task in tasks:
            if task.start_cond == NEVER and task.schedule.standing:
                continue
            values = collect(task.needs, self.session.parameters, task.parameters)
            lines = missing(task.needs, values, self.session)
            found += [f"task {task.name!r}: argument {line}" for line in lines]
            if task.execution == "process":
                refuse_in_process(values, task.name)
        if found:
            raise DefinitionError("; ".join(found))

    def _warn_of_unknown(self) -> None:
        """Name the tasks that conditions wait for and that do not exist; until one does, what is
        asked of it is false."""
        unknown: set[Plan] = set()
        for name, log in self.planner.history.tasks.items():
            log.known = name in self.session
            if not log.known:
                unknown.update(log.readers)
        names = [task.name for task in self.session] if unknown else []
        for entry in self.agenda.entries.values():
            if entry.plan not in unknown:
                continue
            for hint in lint(entry.schedule.condition, tasks=names):
                if hint.code == UNKNOWN_TASK:
                    scheduler_log.warning("task %s: %s", entry.name, hint.message)

    def _plan(self, task: Task[..., Any]) -> None:
        self._launchers.renew(task)
        self.agenda.add(task.name, self._schedule(task))
        if self._once is not None:
            return  # what was asked for before waits for a life in which others may start
        for request in task.waited():
            self.request(task, request)

    def _begin(self) -> None:
        """What is to start with the app is asked for before anything else."""
        if self._stops:  # told to end before there was anything
            self._close_agenda()
            return
        if self._once is not None:
            for name in self._once.tasks:
                self.agenda.request(name, Request(forced=True, asking=self._once.obeying))
            return
        for task in self.session:
            if task.on_startup and task.enabled:
                self._occasion(task)

    async def _work(self) -> None:
        hooks = self.session.hooks
        while True:
            left = await hooks.begin("cycle") if hooks.has("cycle") else []
            await self._turn()
            finish(left)
            if self.journal.hopeless and not self.session.config.silence_task_logging:
                self._fail("the store does not answer", self.journal.error)
            ending = self._stops or self._once
            if self._stops > 1 or (ending and (self._settled or self.journal.hopeless)):
                return
            await self._sleep()

    @property
    def _settled(self) -> bool:
        """Whether all has ended and been written, but for what does not listen."""
        entries = self.agenda.entries.values()
        if self._ended or any(e.requests and (e.enabled or e.requests[0].forced) for e in entries):
            return False
        if self.journal.settled:
            return True
        now = self.clock.now()
        return not self.journal.unsaved and all(run.end_at <= now for run in self._live.values())

    async def _leave(self) -> None:
        """End what still runs, save what has ended."""
        try:
            ending = await self.session.hooks.begin("shutdown")
        finally:
            await self._close()
        finish(ending)

    async def _close(self) -> None:
        now = self.clock.now()
        grace = FORCED_GRACE if self._stops > 1 else 0
        left = [name for each in self._executors.values() for name in await each.close(grace)]
        for record in self._drain():
            self.journal.end(record, now)
        self.agenda.absorb()
        if left:
            scheduler_log.warning("not waited for: %s", ", ".join(sorted(set(left))))
        await self.journal.close()

    # --- a turn ---------------------------------------------------------------------------

    async def _turn(self) -> None:
        now = self.clock.now()
        if now < self.agenda.logical:
            self.journal.want_all(now)  # the look-back is another now
        if not (self._stops or self._once) and self._is_over(now):
            self.shut_down()
        for record in self._drain():
            self.journal.end(record, now)
        if self.session.config.force_status_from_logs:
            if now >= self.journal.look_at:
                self.journal.want_all(now)
            else:
                self.journal.want(self.agenda.asked(now), now)
        if not await self.journal.look(now):
            return
        starts = self._decided(now)
        self._unwanted.clear()
        begun = await self.journal.commit(starts, now)
        runs = [self._began(start, seq) for start, seq in begun]
        for stop in self.agenda.drain_stops():
            self._obey(stop)
        await self._launch([run for run in runs if not run.launcher.blocks])
        await self._launch([run for run in runs if run.launcher.blocks])

    def _began(self, start: Start, seq: int) -> Live:
        launcher = self._launchers[start.record.task]
        live = self._live[seq] = Live(launcher, start, seq, self._end)
        if live.record.task in self._unwanted:
            self._stop(live, self._unwanted[live.record.task])
        return live

    def _is_over(self, now: int) -> bool:
        if self._shut_again is not None and now < self._shut_again:
            return False
        try:
            over = self._shut.check(now).value
            self._shut_again = None
            return over
        except Exception as error:
            if self.session.config.silence_cond_check:
                self.agenda.say_once(self._shut, "", error)
                self._shut_again = now + self.planner.rhythm
                return False
            raise OncueError(f"the shut_cond failed: {error!r}") from error

    def _decided(self, now: int) -> list[Start]:
        """What starts now, with the labels of the runs."""
        if self._stops > 1 or self.journal.failing:
            self.agenda.absorb()
            return []
        try:
            starts = self.agenda.decide(now)
        except ConditionFailed as failure:
            self._fail(f"{failure}: {failure.__cause__!r}", failure.__cause__)
            return []
        for missed in self.agenda.drain_missed():
            moment = to_datetime(missed.scheduled_at, self.session.config.timezone)
            scheduler_log.warning("missed: %s at %s", missed.task, moment)
        for start in starts:
            self._label(start)
        return starts

    def _label(self, start: Start) -> None:
        launcher = self._launchers[start.record.task]
        try:
            label = str(launcher.label(launcher.task, parameters_of(start)))
        except Exception as error:
            name = launcher.task.name
            self._fail(f"the func_run_id of task {name!r} failed: {error!r}", error)
            label = new_run_id(launcher.task, NONE)
        start.record = start.record.labelled(label)

    def _fail(self, what: str, error: BaseException | None) -> None:
        """Something that is not silenced: the app stops in order, with this as the cause."""
        scheduler_log.error("%s", what)
        if self._failure is None:
            self._failure = OncueError(what)
            self._failure.__cause__ = error
            self.shut_down()

    def _obey(self, stop: Stop) -> None:
        live = self._live.get(stop.mark.seq)
        if live is None:
            return  # another instance's, which looks after it
        scheduler_log.warning("%s is ended: %s", stop.task, stop.reason)
        self._stop(live, stop.reason)

    def _drain(self) -> list[Record]:
        ended, self._ended = self._ended, []
        return ended

    @property
    def blocked(self) -> bool:
        """Whether a `main` run is under way."""
        return self._blocking is not None

    async def _launch(self, runs: list[Live]) -> None:
        for live in runs:
            tell(live.record)
            if self._stops and self._comes_too_late(live.launcher):
                self._end(live, Ending(Action.CRASH, error="not begun: the app was shutting down"))
            elif live.told:
                self._end(live, Ending(Action.TERMINATE))
            elif (call := self._call(live)) is not None:
                executor = self._executor(live.launcher.execution)
                if live.launcher.blocks:
                    await self._block(executor, call)
                    continue
                live.running = await executor.start(call)
                if live.told:
                    live.running.terminate()

    def _comes_too_late(self, launcher: Launcher) -> bool:
        """What is claimed is begun, but for a `main` run, which would keep the end waiting."""
        return self._stops > (launcher.task.on_shutdown or not launcher.blocks)

    def _call(self, live: Live) -> Call | None:
        """The call of a run; None if it cannot be made, which is the end of the run then."""
        try:
            if self.session.hooks.has("task_execute"):
                self.session.hooks.begin_run(live.launcher.task, live.hooks)
            return live.launcher.call(live.parameters, live.done)
        except (ArgumentError, DefinitionError) as error:
            self._end(live, Ending(Action.FAIL, error=str(error)))
        except Exception as error:
            self._end(live, conclude(error))
            if not self.session.config.silence_task_prerun:
                self._fail(f"task {live.record.task!r} could not be set up: {error!r}", error)
        return None

    async def _block(self, executor: Executor, call: Call) -> None:
        """A `main` run: this thread has nothing else until it ends."""
        self._blocking = blocking = asyncio.ensure_future(executor.start(call))
        try:
            await blocking
        except asyncio.CancelledError:
            if self._stops < 2:
                raise
        finally:
            self._blocking = None

    def _executor(self, execution: str) -> Executor:
        executor = self._executors.get(execution)
        if executor is None:
            made = EXECUTIONS[execution]
            config = self.session.config
            process = config.max_process_count, config.tasks_as_daemon
            executor = made(*process) if made is ProcessExecutor else made()
            self._executors[execution] = executor
        return executor

    def _end(self, live: Live, ending: Ending) -> None:
        run = live.record
        del self._live[live.seq]
        error = ending.error
        if live.hooks:
            self._finish_hooks(live, ending)
        if ending.raised is not None:
            self._obey_raised(ending.raised)
        if ending.action is SUCCESS:
            self.session.returns[run.task] = ending.value
        elif ending.action is TERMINATE and error is None and live.why is not None:
            error = f"ended: {live.why}"
        at = self.clock.now()
        if at < run.at:
            at = run.at
        self._ended.append(
            Record(run.task, ending.action, at, 0, None, None, live.seq, run.run_id, error)
        )
        self._wakeup.set()

    def _finish_hooks(self, live: Live, ending: Ending) -> None:
        try:
            finish(live.hooks, exc_info(ending))
        except Exception as error:
            self._fail(f"a hook failed after a run of {live.record.task!r}: {error!r}", error)

    def _obey_raised(self, raised: BaseException) -> None:
        """A task may end or restart the app by what it raises."""
        if isinstance(raised, SchedulerExit) and not self._stops:
            self.shut_down()
        if isinstance(raised, SchedulerRestart):
            self.restart()

    # --- sleep ----------------------------------------------------------------------------

    async def _sleep(self) -> None:
        if self._wakeup.is_set():
            await asyncio.sleep(0)
        else:
            timer = self._loop.call_later(self._delay(), self._wakeup.set)
            try:
                await self._wakeup.wait()
            finally:
                timer.cancel()
        self._wakeup.clear()

    def _delay(self) -> float:
        """Seconds until there is something to look at."""
        until = self.journal.look_at
        if not self._stops:
            again = self._shut.verdict.until if self._shut_again is None else self._shut_again
            until = min(until, again)
        else:
            until = min((until, *(live.end_at for live in self._live.values())))
        if not self.journal.failing:
            until = min(until, self.agenda.wake or FOREVER)
        return max(0, until - self.clock.now()) / SECOND


def refuse_unsendable(task: Task[..., Any]) -> None:
    """Raise DefinitionError for a process task of which something cannot be sent to one: now rather
    than at its first run."""
    if task.execution == "process":
        pack(task.function, plain(task.parameters), task.name)


def plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are values already."""
    return {k: v for k, v in parameters.items() if not isinstance(v, BaseArgument)}


def exc_info(ending: Ending) -> ExcInfo:
    """What a run raised, as `sys.exc_info()` has it; of a process there is only the text."""
    raised = ending.raised
    if raised is None and ending.action is Action.FAIL:
        raised = OncueError(ending.error or "the run failed")
    return NOTHING_RAISED if raised is None else (type(raised), raised, raised.__traceback__)


class Signals:
    """SIGINT and SIGTERM shut down in order while this stands; the second does not wait, not even
    for a `main` run that keeps this thread, or for other code that has kept the loop from hearing
    of the first for `DEAF` seconds."""

    CAUGHT = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._unheard: float | None = None  # since when the loop has not heard of a signal
        self._before = {number: signal.signal(number, self._catch) for number in self.CAUGHT}

    def _catch(self, number: int, frame: object) -> None:
        self._seen += 1
        now = self._loop.time()
        self._loop.call_soon_threadsafe(self._hear)
        if self._unheard is None:
            self._unheard = now
        deaf = now - self._unheard > DEAF
        if self._seen > 1 and (self._runtime.blocked or deaf):
            raise KeyboardInterrupt

    def _hear(self) -> None:
        self._unheard = None
        self._runtime.call(self._runtime.shut_down)

    def remove(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
