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

from ..conds.nodes import Condition
from ..engine.agenda import Agenda
from ..engine.atoms import Custom, Scheduler
from ..engine.civil import FOREVER, Zone, to_datetime
from ..engine.explain import Explainer, Explanation
from ..engine.history import History, TaskLog
from ..engine.plan import Planner, without_retry
from ..engine.records import Record
from .clock import Clock
from .executors import EXECUTIONS, Call, Ending, Executor
from .journal import SECOND, Journal, scheduler_log, tell
from .stores.protocol import Store
from .task import Task


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
        self._shut = self.planner.plan(shut_cond, "", zone)
        self._stops = 0
        self._ended: list[Record] = []
        self._executors: dict[str, Executor] = {}

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

    def define(self, task: Task[..., Any]) -> None:
        """Plan a task defined while serving, once its look-back has been read."""
        plan = self.planner.plan(task.start_cond, task.name, self.zone)
        read = {source.task for source in plan.sources if isinstance(source, TaskLog)}
        self.journal.want(read | {task.name}, self.clock.now())
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
        handlers = Signals(self._loop, partial(self.call, self.shut_down)) if signals else None
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
        """Save what has ended, end what is ours."""
        now = self.clock.now()
        for record in self._drain():
            self.journal.end(record, now)
        try:
            await self.journal.close()
        finally:
            left = sorted({run.task for run in self.journal.live.values()})
            if left:
                scheduler_log.warning("not waited for: %s", ", ".join(left))
            for executor in self._executors.values():
                await executor.close()

    # --- a turn ---------------------------------------------------------------------------

    async def _turn(self) -> None:
        now = self.clock.now()
        if not self._stops and self._shut.check(now).value:
            self.shut_down()
        for record in self._drain():
            self.journal.end(record, now)
        if not await self.journal.look(now):
            return
        idle = self._stops or self.journal.failing
        starts = [] if idle else self.agenda.decide(now)
        for missed in self.agenda.drain_missed():
            moment = to_datetime(missed.scheduled_at, self.zone)
            scheduler_log.warning("missed: %s at %s", missed.task, moment)
        for run in sorted(await self.journal.commit(starts, now), key=self._blocks):
            await self._launch(run)

    def _drain(self) -> list[Record]:
        ended, self._ended = self._ended, []
        return ended

    def _blocks(self, run: Record) -> bool:
        return self.tasks[run.task].execution == "main"

    async def _launch(self, run: Record) -> None:
        task = self.tasks[run.task]
        tell(run)
        executor = self._executors.get(task.execution)
        if executor is None:
            executor = self._executors[task.execution] = EXECUTIONS[task.execution]()
        await executor.start(Call(task.function, partial(self._end, run)))

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
    """SIGINT and SIGTERM shut down in order while this stands."""

    CAUGHT = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, loop: asyncio.AbstractEventLoop, shut_down: Callable[[], None]) -> None:
        self._loop = loop
        self._before: dict[signal.Signals, Any] = {}
        for number in self.CAUGHT:
            try:
                loop.add_signal_handler(number, shut_down)
            except NotImplementedError:  # Windows
                self._before[number] = signal.signal(number, lambda *_: shut_down())

    def remove(self) -> None:
        for number in self.CAUGHT:
            if number in self._before:
                signal.signal(number, self._before[number])
            else:
                self._loop.remove_signal_handler(number)
