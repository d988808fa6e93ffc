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
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..conds.lint import lint
from ..conds.nodes import Condition
from ..engine.agenda import Agenda, Start
from ..engine.atoms import Custom, Scheduler
from ..engine.civil import FOREVER, Zone, to_datetime
from ..engine.explain import Explainer, Explanation
from ..engine.history import History, TaskLog
from ..engine.plan import Planner, without_retry
from ..engine.records import Action, Record
from .clock import Clock
from .executors import EXECUTIONS, Call, Ending, Executor, Running, pack
from .journal import SECOND, Journal, scheduler_log, tell
from .stores.protocol import Store
from .task import Task

UNKNOWN_TASK = "unknown-task"


class Runtime:
    """One life of an app, from opening its store to closing it. Everything here happens on the
    loop's thread, but for `call`."""

    def __init__(
        self,
        tasks: dict[str, Task[..., Any]],
        store: Store,
        clock: Clock,
        zone: Zone,
        shut_cond: Condition,
        customs: Mapping[str, Custom],
    ) -> None:
        self.tasks = tasks
        self.clock = clock
        self.zone = zone
        now = clock.now()
        self.planner = Planner(History(), {}, Scheduler(now), customs)
        self.agenda = Agenda(self.planner, now)
        self.journal = Journal(store, self.agenda)
        self.serving = False
        self.loaded = False
        self._shut = self.planner.plan(shut_cond, "", zone)
        self._stops = 0
        self._ended: list[Record] = []
        self._executors: dict[str, Executor] = {}
        self._blocking: asyncio.Future[Running] | None = None  # a `main` run under way

    # --- from outside ---------------------------------------------------------------------

    def call(self, change: Callable[[], None]) -> None:
        """Apply a change on the loop's thread and take a turn. From that thread it is applied
        at once; from others it has been when this returns."""
        if threading.get_ident() == self._thread:
            change()
            self._wakeup.set()
        else:
            asyncio.run_coroutine_threadsafe(self._called(change), self._loop).result()

    async def _called(self, change: Callable[[], None]) -> None:
        change()
        self._wakeup.set()

    def shut_down(self) -> None:
        self._stops += 1
        if self._stops == 1:
            waiting = sorted({run.task for run in self.journal.live.values()})
            after = f", waiting for {', '.join(waiting)}" if waiting else ""
            scheduler_log.info("shutting down%s", after)
        elif self._blocking is not None:
            self._blocking.cancel()

    def define(self, task: Task[..., Any]) -> None:
        """Plan a task defined while serving, once its look-back has been read."""
        if not self.loaded:
            return  # it is planned with all the others
        plan = self.planner.plan(task.start_cond, task.name, self.zone)
        logs = [source for source in plan.sources if isinstance(source, TaskLog)]
        for log in (*logs, self.planner.history.of(task.name)):
            log.known = log.task in self.tasks
        self.journal.want({task.name, *(log.task for log in logs)}, self.clock.now())
        self._plan(task)

    def explain(self, task: Task[..., Any]) -> Explanation:
        explainer = Explainer(self.planner, task.name, self.clock.now())
        return explainer.explain(task.start_cond, self.zone)

    # --- a life ---------------------------------------------------------------------------

    async def serve(self, *, signals: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._wakeup = asyncio.Event()
        self.serving = True
        handlers = Signals(self) if signals else None
        try:
            await self.look()
            scheduler_log.info("started with %d tasks", len(self.tasks))
            try:
                await self._work()
            finally:
                await self._leave()
        finally:
            self.serving = False
            if handlers is not None:
                handlers.remove()

    async def look(self) -> None:
        """Open the store, plan the tasks and read what they need of the log."""
        for task in self.tasks.values():
            if task.execution == "process":
                pack(task.function, {}, task.name)  # refused now rather than at its first run
        now = self.clock.now()
        await self.journal.store.open(now)
        try:
            for task in self.tasks.values():
                self.planner.plan(task.start_cond, task.name, self.zone)
            await self.journal.load(now)
            for task in self.tasks.values():
                self._plan(task)
        except BaseException:
            await self.journal.store.close()
            raise
        self.loaded = True
        self._warn_of_unknown()

    def _warn_of_unknown(self) -> None:
        """Name the tasks that conditions wait for and that do not exist; until one does, what is
        asked of it is false."""
        for name, log in self.planner.history.tasks.items():
            log.known = name in self.tasks
        for task in self.tasks.values():
            for hint in lint(task.start_cond, tasks=self.tasks):
                if hint.code == UNKNOWN_TASK:
                    scheduler_log.warning("task %s: %s", task.name, hint.message)

    def _plan(self, task: Task[..., Any]) -> None:
        plan = partial(self.planner.plan, task=task.name, zone=self.zone)
        self.agenda.add(
            task.name,
            plan(task.start_cond),
            fresh=plan(without_retry(task.start_cond)),
            priority=task.priority,
        )

    async def _work(self) -> None:
        while True:
            await self._turn()
            settled = self.journal.settled and not self._ended
            if self._stops > 1 or (self._stops and (settled or self.journal.hopeless)):
                return
            await self._sleep()

    async def _leave(self) -> None:
        """End what still runs, save what has ended."""
        now = self.clock.now()
        left = [name for each in self._executors.values() for name in await each.close()]
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
            self.journal.clock_set_back(now)
        if not self._stops and self._shut.check(now).value:
            self.shut_down()
        for record in self._drain():
            self.journal.end(record, now)
        if not await self.journal.look(now):
            return
        starts: list[Start] = []
        if self._stops or self.journal.failing:
            self.agenda.absorb()
        else:
            starts = self.agenda.decide(now)
        for missed in self.agenda.drain_missed():
            moment = to_datetime(missed.scheduled_at, self.zone)
            scheduler_log.warning("missed: %s at %s", missed.task, moment)
        for run in sorted(await self.journal.commit(starts, now), key=self._blocks):
            # what is claimed is begun, but for a `main` run, which would keep the end waiting
            if self._stops > (0 if self._blocks(run) else 1):
                self._end(run, Ending(Action.CRASH, error="not begun: the app was shutting down"))
            else:
                await self._launch(run)

    def _drain(self) -> list[Record]:
        ended, self._ended = self._ended, []
        return ended

    @property
    def blocked(self) -> bool:
        """Whether a `main` run is under way."""
        return self._blocking is not None

    def _blocks(self, run: Record) -> bool:
        return self.tasks[run.task].execution == "main"

    async def _launch(self, run: Record) -> None:
        task = self.tasks[run.task]
        tell(run)
        executor = self._executors.get(task.execution)
        if executor is None:
            executor = self._executors[task.execution] = EXECUTIONS[task.execution]()
        call = Call(task.function, partial(self._end, run), name=task.name)
        if not self._blocks(run):
            await executor.start(call)
            return
        self._blocking = blocking = asyncio.ensure_future(executor.start(call))
        try:
            await blocking
        except asyncio.CancelledError:
            if self._stops < 2:
                raise
        finally:
            self._blocking = None

    def _end(self, run: Record, ending: Ending) -> None:
        at = max(self.clock.now(), run.at)
        self._ended.append(
            Record(run.task, ending.action, at, run=run.seq, run_id=run.run_id, error=ending.error)
        )
        self._wakeup.set()

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
            until = min(until, self._shut.verdict.until)
            if not self.journal.failing:
                until = min(until, self.agenda.wake or FOREVER)
        return max(0, until - self.clock.now()) / SECOND


class Signals:
    """SIGINT and SIGTERM shut down in order while this stands; the second does not wait, not even
    for a `main` run that keeps this thread."""

    CAUGHT = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._loop = asyncio.get_running_loop()
        self._seen = 0
        self._before = {number: signal.signal(number, self._catch) for number in self.CAUGHT}

    def _catch(self, number: int, frame: object) -> None:
        self._seen += 1
        self._loop.call_soon_threadsafe(self._runtime.call, self._runtime.shut_down)
        if self._seen > 1 and self._runtime.blocked:
            raise KeyboardInterrupt

    def remove(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
