"""The one loop that sleeps.

A turn: take in the runs that ended, look at the store if it is time to, decide what starts,
commit endings and claims together, then launch what was claimed. Between turns the loop sleeps
until the agenda's next instant, an ending, a call from outside, or the journal's next look at the
store, whichever is first; every waking looks at the clock anew, so one that was moved is noticed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine.agenda import CYCLE_SLEEP, MANY, Agenda
from ..engine.atoms import Scheduler
from ..engine.civil import FOREVER
from ..engine.decisions import ConditionFailed, Start, Stop
from ..engine.explain import Explanation
from ..engine.history import History
from ..engine.plan import Planner
from ..engine.schedule import NEVER, Request, Schedule
from ..engine.verdict import Plan
from .alarm import alarm
from .answers import explanation, next_due
from .binding import bound
from .clock import stopwatch
from .dynamic import DynamicTasks
from .errors import DefinitionError, OncueError, SchedulerExit, SchedulerRestart
from .families import Member
from .hooks import finish
from .journal import SECOND, Journal, scheduler_log
from .missed import tell_missed
from .runs import Runs
from .signals import Signals
from .stores.protocol import Refused
from .vetting import logs_of, name_unknown, refuse_missing, refuse_unsendable

if TYPE_CHECKING:
    from .session import Session
    from .task import Task

STANDSTILL = 2 * SECOND  # by how much a clock may be set back that is waited for
LAST_TURN = 1.0  # seconds between looks whether the loop will take one more


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
        self.journal = Journal(
            session.store,
            self.agenda,
            self.clock,
            forgotten=self._register_all,
            superseded=self._superseded,
        )
        self._outdated: set[str] = set()  # tasks that others have a newer condition of
        self.serving = False
        self.loaded = False
        self.restarting = False
        self.turned = stopwatch()  # when the latest turn began; may be read on any thread
        self._failure: OncueError | None = None
        self._shut_again: int | None = None  # when a shut_cond that raised is asked again
        self.runs = Runs(
            session,
            self.journal,
            task_of=self._task_of,
            wake=self._wake,
            failed=self._fail,
            raised=self._obey_raised,
        )
        self.dynamic = DynamicTasks(session, self.agenda, self.runs, self._wake)
        self.dynamic.closed = once is not None
        self.journal.dynamic = self.dynamic
        self.configured()

    # --- from outside ---------------------------------------------------------------------

    def call(self, change: Callable[[], object]) -> None:
        """Apply a change on the loop's thread and take a turn. From that thread it is applied
        at once; from others it has been when this returns, here if the loop is closed by then."""
        if threading.get_ident() == self._thread:
            self._changed(change)
        else:
            done: Future[None] = Future()
            with suppress(RuntimeError):  # it is closed
                self.loop.call_soon_threadsafe(self._called, change, done)
            while not (self.loop.is_closed() or wait([done], LAST_TURN).done):
                pass  # it may have been closed without another turn
            if done.done():
                done.result()
            else:
                change()

    def _changed(self, change: Callable[[], object]) -> None:
        """What comes of a change is not dated before it."""
        self.agenda.reach(self.clock.now())
        change()
        self._wakeup.set()

    def _wake(self) -> None:
        self._wakeup.set()

    def _hear_notice(self, newest: int) -> None:
        """Of the store, on any thread; also when the loop is closed already."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._noticed, newest)

    def _noticed(self, newest: int) -> None:
        if self.journal.notice(newest) and self.serving:
            delay = self._delay()
            if delay:
                self._alarm.set(delay)
            else:
                self._wakeup.set()

    def _hear_signal(self) -> None:
        self.call(self.shut_down)

    def _is_blocked(self) -> bool:
        return self.runs.blocked

    def _called(self, change: Callable[[], object], done: Future[None]) -> None:
        """The caller goes on at once: a hook of the shut-down may wait for its thread."""
        try:
            self._changed(change)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    def shut_down(self, *, force: bool = False) -> None:
        instead, self.restarting = self.restarting, False  # of a restart that is under way
        runs = self.runs
        runs.stops += not instead
        if force or self.session.config.instant_shutdown:
            runs.stops = max(2, runs.stops)
        if instead and runs.stops == 1:
            scheduler_log.info("shutting down instead of restarting")
        elif runs.stops == 1:
            waiting = sorted({run.task for run in self.journal.live.values()})
            after = f", waiting for {', '.join(waiting)}" if waiting else ""
            scheduler_log.info("shutting down%s", after)
            self._close_agenda()
        else:
            runs.unblock()

    def restart(self) -> None:
        if not self.runs.stops:
            self.shut_down()
        self.restarting = True

    def _task_of(self, key: str) -> Task[..., Any]:
        """The task that the log and the agenda know by this name."""
        found = self.dynamic.loaded.get(key)
        return self.session[key] if found is None else found

    def _close_agenda(self) -> None:
        """From now on nothing starts but what is to start at the end."""
        if self.loaded and self._once is None:
            self.journal.leave()
        self.dynamic.close()
        for task in self.session:
            entry = self.agenda.entries.get(task.name)
            if entry is None:
                continue
            if task.permanent:
                self.runs.terminate(task, "the app ends")
            if task.on_shutdown and entry.enabled:
                self._occasion(task)
                continue
            if entry.requests:
                scheduler_log.warning("not started: %s, %d times", task.name, len(entry.requests))
                entry.requests.clear()
            entry.enabled = False
        for live in self.runs.live.values():
            if live.launcher.task.permanent:  # also of a task that was removed
                self.runs.stop(live, "the app ends")

    def request(self, task: Task[..., Any], request: Request) -> None:
        """A start was asked for from outside. Where conditions start nothing, it is forced; when
        the app ends, it comes too late, and where another app has a newer condition of the task
        it is that one's to start it."""
        if self.runs.stops:
            scheduler_log.warning("not started: %s, the app is shutting down", task.name)
        elif task.name in self._outdated:
            why = Refused.SUPERSEDED.value
            scheduler_log.warning("not started: %s, %s", task.name, why)
        else:
            self.agenda.request(task.name, replace(request, forced=True) if self._once else request)

    def _may_start(self, task: Task[..., Any]) -> bool:
        """Whether its condition, or the end of the app, may start it now."""
        if self.runs.stops:
            return task.on_shutdown and task.enabled and task.name not in self._outdated
        return task.enabled and self._once is None and task.name not in self._outdated

    def _schedule(self, task: Task[..., Any]) -> Schedule:
        """What the agenda is to know of a task now."""
        schedule, enabled = task.plan, self._may_start(task)
        return schedule if schedule.enabled == enabled else replace(schedule, enabled=enabled)

    def _occasion(self, task: Task[..., Any]) -> None:
        """The start, or the end, of the app: a task that has a condition is asked for it."""
        asking = task.start_cond != NEVER
        self.agenda.request(task.name, Request(asking=asking))

    def define(self, tasks: Sequence[Task[..., Any]], replaced: Iterable[Task[..., Any]]) -> None:
        """Plan tasks defined while serving, once their look-back has been read; in the place of
        those that have their names, if all can run."""
        if self.loaded:
            refuse_missing(tasks, self.session)
            for task in tasks:
                refuse_unsendable(task)
        for task in replaced:
            self.remove(task)
        if self.loaded:
            for task in tasks:
                if task.name not in self.agenda.entries:  # else it was, with all the others
                    self._define(task)

    def _define(self, task: Task[..., Any]) -> None:
        schedule = task.plan
        self.planner.history.of(task.name).known = True
        self._want(self.planner.plan(schedule.condition, task.name, schedule.zone), task.name)
        self._plan(task)
        self._ask_what_waited(task)
        self._register(task)
        self.dynamic.rouse(task.name)

    def _want(self, plan: Plan, *tasks: str) -> None:
        """Before the next decision, read what a plan made just now needs of the log, and of these
        tasks."""
        logs = logs_of(plan, self.session)
        self.journal.want({*tasks, *(log.task for log in logs)}, self.clock.now())

    def changed(self, task: Task[..., Any], option: str) -> None:
        """An option of the task was assigned."""
        if task.name in self.session.families:
            self.dynamic.expect(0)  # others of its partitions may be enabled
        if not self.loaded or task.name not in self.agenda.entries:
            return
        if option in ("execution", "parameters"):
            refuse_unsendable(task)
        self.runs.launchers.renew(task)
        if option == "enabled":
            self.agenda.enable(task.name, self._may_start(task))
            return
        schedule = task.plan
        self._want(self.planner.plan(schedule.condition, task.name, schedule.zone), task.name)
        before = self.agenda.entries[task.name].schedule
        if (before.start_cond, before.zone) != (schedule.start_cond, schedule.zone):
            self._register(task)
        self.agenda.change(task.name, self._schedule(task))

    def define_family(self) -> None:
        """There is a family more, of dynamic tasks that conditions may wait for."""
        for name, log in list(self.planner.history.tasks.items()):
            if not log.known and self.session.is_known(name):
                log.known = True
                self.journal.want({name}, self.clock.now())
                self.agenda.rewritten(name)
        self.dynamic.rouse("")
        self.dynamic.read_again()

    def _register(self, task: Task[..., Any]) -> None:
        """Its condition counts from now on."""
        self._outdated.discard(task.name)
        self.journal.upkeep.register(task.name, registered_as(task))

    def _superseded(self, name: str) -> None:
        """Another app has registered a newer condition: that one starts the task."""
        if name in self.dynamic.loaded:
            self.dynamic.outdate(name)
            return
        self._outdated.add(name)
        entry = self.agenda.entries.get(name)
        if entry is not None:
            entry.requests.clear()
            self.agenda.enable(name, False)
        why = Refused.SUPERSEDED.value
        scheduler_log.warning("%s is not started here any more: %s", name, why)

    def configured(self) -> None:
        """The config is new, or has changed."""
        self.runs.configured()
        config = self.session.config
        sleep = config.cycle_sleep
        self.journal.upkeep.keep = None if config.keep is None else config.keep.microseconds
        skew = config.max_skew
        self.journal.max_skew = None if skew is None else skew.microseconds
        self.agenda.cycle_sleep = 0 if sleep is None else sleep.microseconds
        self.planner.rhythm = CYCLE_SLEEP if sleep is None else sleep.microseconds
        self.agenda.asking.silenced = self._silenced if config.silence_cond_check else None
        self._shut = self.planner.plan(config.shut_cond, "", config.timezone)
        self.agenda.others = (self._shut,)
        if self.loaded:
            self._want(self._shut)
        for name in list(self.agenda.entries):
            task = self._task_of(name)
            if isinstance(task, Member):
                task.renew()
            self.runs.launchers.renew(task)
            self.agenda.change(name, self._schedule(task))

    def parameter_changed(self, name: str) -> None:
        self.agenda.parameter_changed(name)
        self.dynamic.rouse(name)

    def remove(self, task: Task[..., Any]) -> None:
        """It is no more; its live runs go on."""
        self.runs.leave_alone(task)
        self._outdated.discard(task.name)
        if task.name in self.agenda.entries:
            self.agenda.remove(task.name)
        self.planner.history.of(task.name).known = False
        self.agenda.rewritten(task.name)

    def _register_all(self) -> None:
        """The store may not know the conditions any more."""
        ours = [task for task in self.session if task.name not in self._outdated]
        self.journal.upkeep.register_again({task.name: registered_as(task) for task in ours})

    def terminate(self, task: Task[..., Any]) -> None:
        self.withdraw(task)
        self.runs.terminate(task, None)

    def withdraw(self, task: Task[..., Any]) -> None:
        entry = self.agenda.entries.get(task.key)
        if entry is not None and entry.requests:
            scheduler_log.info("not started any more: %s, %d times", task.key, len(entry.requests))
            entry.requests.clear()

    def explain(self, task: Task[..., Any]) -> Explanation:
        return explanation(self.agenda, task, self.clock.now(), serving=self.serving)

    def next_due(self, task: Task[..., Any]) -> int:
        return next_due(self.agenda, task, self.clock.now())

    def _silenced(self, task: str, error: Exception) -> None:
        """A condition raised, and is false."""
        whose = f"a condition of task {task}" if task else "the shut_cond"
        scheduler_log.error("%s failed: %r", whose, error, exc_info=error)

    # --- a life ---------------------------------------------------------------------------

    async def serve(
        self, *, signals: bool = False, ready: Callable[[], object] | None = None
    ) -> None:
        """Live. `ready` is called once everything is planned."""
        self.loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._wakeup = asyncio.Event()
        self._alarm = alarm(self.loop, self._wake)
        self.serving = True
        self.turned = stopwatch()
        handlers = Signals(self._hear_signal, self._is_blocked) if signals else None
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
            self._alarm.close()
            if handlers is not None:
                handlers.remove()

    async def look(self) -> None:
        """Open the store, plan the tasks and read what they need of the log."""
        refuse_missing(self.session.tasks, self.session)
        for task in self.session:
            refuse_unsendable(task)
        now = self.clock.now()
        self.journal.store.on_notice(self._hear_notice)
        await self.journal.store.open(now)
        try:
            self._compile()
            await self.journal.load({t.name: registered_as(t) for t in self.session}, now)
            self._plan_all()
            if self._unknown and self.session.config.strict_names:
                raise DefinitionError("; ".join(self._unknown))
            for task in self.session:
                self._ask_what_waited(task)
        except BaseException:
            await self.journal.store.close()
            raise

    def peek(self) -> None:
        """Know what the store says, without opening it or running anything."""
        now = self.clock.now()
        self._compile()
        self.journal.peek({t.name: registered_as(t) for t in self.session}, now)
        self._plan_all()

    def peek_at(self, member: Member) -> Explanation:
        """Why a dynamic task starts or does not, by what the store says, without opening it."""
        now, schedule = self.clock.now(), member.plan
        plan = self.planner.plan(schedule.condition, member.key, schedule.zone)
        logs_of(plan, self.session)
        self.planner.history.of(member.key).born = member.row.born
        self.journal.peek({}, now, member.key)
        self.agenda.add(member.key, schedule)
        return explanation(self.agenda, member, now)

    def _compile(self) -> None:
        """Make the plans of all tasks, which say what of the log is needed."""
        for task in self.session:
            schedule = task.plan
            self.planner.plan(schedule.condition, task.name, schedule.zone)

    def _plan_all(self) -> None:
        for task in self.session:
            self._plan(task)
        self.loaded = True
        self._unknown = name_unknown(self.agenda, self.session)

    def _plan(self, task: Task[..., Any]) -> None:
        self.runs.launchers.renew(task)
        since = self.journal.upkeep.take_since(task.name)
        self.agenda.add(task.name, self._schedule(task), since)

    def _ask_what_waited(self, task: Task[..., Any]) -> None:
        """What was asked for before the app ran; it waits for a life in which others may start."""
        if self._once is None:
            for request in task.waited():
                self.request(task, request)

    def _begin(self) -> None:
        """What is to start with the app is asked for before anything else."""
        if self.runs.stops:  # told to end before there was anything
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
            if hooks.has("cycle"):
                left = await hooks.begin("cycle")
                await self._turn()
                finish(left)
            else:
                await self._turn()
            if self.journal.hopeless and not (self.runs.stops or self._is_patient):
                self._fail("the store does not answer", self.journal.error)
            ending = self.runs.stops or self._once
            if self.runs.stops > 1 or (ending and (self._settled or self._is_hopeless)):
                return
            await self._sleep()

    @property
    def _is_patient(self) -> bool:
        """Whether the store is tried for ever."""
        away = self.journal.by_server and self._once is None
        return away or bool(self.session.config.silence_task_logging)

    @property
    def _is_hopeless(self) -> bool:
        """Whether nothing more can be done: all has ended, and the store does not answer."""
        return self.journal.hopeless and self.runs.none_listens(self.clock.now())

    @property
    def _settled(self) -> bool:
        """Whether all has ended and been written, but for what does not listen."""
        entries = self.agenda.entries.values()
        if self.runs.any_ended:
            return False
        if not self.journal.skewed and any(
            e.requests and (e.enabled or e.requests[0].forced) for e in entries
        ):
            return False
        if self.journal.settled:
            return True
        now = self.clock.now()
        return not self.journal.unsaved and self.runs.none_listens(now)

    async def _leave(self) -> None:
        """End what still runs, save what has ended."""
        try:
            ending = await self.session.hooks.begin("shutdown")
        finally:
            await self._close()
        finish(ending)

    async def _close(self) -> None:
        now = self.clock.now()
        self.journal.refuse_extensions()
        left = await self.runs.close()
        for record in self.runs.drain():
            self.journal.end(record, now)
        self.agenda.absorb()
        await self.session.scheduling.part_with(self)
        if left:
            scheduler_log.warning("not waited for: %s", ", ".join(sorted(set(left))))
        await self.journal.close()

    # --- a turn ---------------------------------------------------------------------------

    async def _turn(self) -> None:
        self.turned = stopwatch()
        now = await self._looked()
        if now is None:
            return
        starts = self._decided(now)
        self.runs.forgive()
        halted = self.journal.failing or self.journal.skewed  # nothing has been decided
        rests = [] if halted else self.dynamic.rests(now)
        begun = await self.journal.commit(starts, now, rests)
        if len(begun) < len(starts):
            granted = {start for start, _ in begun}
            for start in starts:
                if start not in granted:
                    self.dynamic.ended(start.record.task)
        runs = [self.runs.claimed(*each) for each in begun]
        del starts, begun  # before their runs take as much memory
        for stop in self.agenda.drain_stops():
            self._obey(stop)
        await self.runs.launch(runs)

    async def _looked(self) -> int | None:
        """Take in what has ended and what the store says; up to when. None: it does not answer.
        Where something is changed meanwhile, time has gone on, and it is looked at once more."""
        for _ in range(2):
            now, known = self.clock.now(), self.agenda.logical
            if known - STANDSTILL <= now < known:
                now = known  # until the clock has caught up
            if now < known:
                self.journal.want_all(now)  # the look-back is another now
                self.journal.upkeep.set_back(now)
                self.dynamic.set_back(now)
            if not (self.runs.stops or self._once) and self._is_over(now):
                self.shut_down()
            for record in self.runs.drain():
                self.journal.end(record, now)
                self.dynamic.ended(record.task)
            if self.session.config.force_status_from_logs:
                if now >= self.journal.next_look:
                    self.journal.want_all(now)
                else:
                    self.journal.want(self.agenda.asked(now), now)
            if not await self.journal.look(now):
                return None
            if self.agenda.logical <= max(now, known):
                return now
        return self.agenda.logical

    def _is_over(self, now: int) -> bool:
        if self._shut_again is not None and now < self._shut_again:
            return False
        try:
            over = self._shut.check(now).value
            self._shut_again = None
            return over
        except Exception as error:
            if self.session.config.silence_cond_check:
                self.agenda.asking.say_once(self._shut, "", error)
                self._shut_again = now + self.planner.rhythm
                return False
            raise OncueError(f"the shut_cond failed: {error!r}") from error

    def _decided(self, now: int) -> list[Start]:
        """What starts now, with the labels of the runs."""
        if self.journal.failing or self.journal.skewed:
            return []
        if self.runs.stops > 1:
            self.agenda.absorb()
            return []
        try:
            starts = self.agenda.decide(now, self._room, self.runs.pool_room)
        except ConditionFailed as failure:
            self._fail(f"{failure}: {failure.__cause__!r}", failure.__cause__)
            return []
        missed = self.agenda.drain_missed()
        for each in missed:
            tell_missed(each, self.agenda.entries[each.task].schedule.zone)
        self.journal.miss(missed)
        for start in starts:
            self.runs.label(start)
        return starts

    @property
    def _room(self) -> int:
        """How many runs may begin beside those that are live here."""
        limit = self.session.config.concurrency_limit
        return MANY if limit is None else max(0, limit - len(self.runs.live))

    def _fail(self, what: str, error: BaseException | None) -> None:
        """Something that is not silenced: the app stops in order, with this as the cause."""
        scheduler_log.error("%s", what, exc_info=None if isinstance(error, OncueError) else error)
        if self._failure is None:
            self._failure = OncueError(what)
            self._failure.__cause__ = error
            self.shut_down()

    def _obey(self, stop: Stop) -> None:
        live = self.runs.live.get(stop.mark.seq)
        if live is None:
            return  # another instance's, which looks after it
        scheduler_log.warning("%s is ended: %s", stop.task, stop.reason)
        self.runs.stop(live, stop.reason)

    def _obey_raised(self, raised: BaseException) -> None:
        """A task may end or restart the app by what it raises."""
        if isinstance(raised, SchedulerExit) and not self.runs.stops:
            self.shut_down()
        if isinstance(raised, SchedulerRestart):
            self.restart()

    # --- sleep ----------------------------------------------------------------------------

    async def _sleep(self) -> None:
        if self._wakeup.is_set():
            await asyncio.sleep(0)
        else:
            self._alarm.set(self._delay())
            try:
                await self._wakeup.wait()
            finally:
                self._alarm.stop()
        self._wakeup.clear()

    def _delay(self) -> float:
        """Seconds until there is something to look at."""
        until = self.journal.wake_at
        if not self.runs.stops:
            again = self._shut.verdict.until if self._shut_again is None else self._shut_again
            until = min(until, again)
        else:
            until = min((until, *(live.end_at for live in self.runs.live.values())))
        if not (self.journal.failing or self.journal.skewed):
            until = min(until, self.agenda.wake or FOREVER)
        return max(0, until - self.clock.now()) / SECOND


def registered_as(task: Task[..., Any]) -> str:
    """How the store knows a task's condition: another text is another condition."""
    zone = task.timezone or task.session.config.timezone
    return f"{task.start_cond} in {zone.name}"
