"""The one loop that sleeps.

A turn: take in the runs that ended, decide what starts, commit endings and claims together,
then launch what was claimed. Between turns the loop sleeps until the agenda's next instant, an
ending, a call from outside, or for `CLOCK_CHECK`, whichever is first; after that it looks
whether the clock was moved or other instances wrote records.

A store that fails starts nothing new and loses nothing: endings are kept and tried again every
`STORE_RETRY`, and decisions are made anew once it answers.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from ..conds.nodes import Condition
from ..engine.agenda import Agenda, Start
from ..engine.atoms import Scheduler
from ..engine.civil import FOREVER, Zone
from ..engine.explain import Explainer, Explanation
from ..engine.history import History, Mark
from ..engine.plan import Planner, without_retry
from ..engine.records import Action, Key, Record
from .clock import Clock
from .errors import StoreError
from .executors import EXECUTIONS, Call, Ending, Executor
from .stores.protocol import Answer, Claim, Finish, Refused, Store
from .task import Task

SECOND = 1_000_000
CLOCK_CHECK = 5 * SECOND
STORE_RETRY = SECOND
LAST_TRIES = 10

task_log = logging.getLogger("oncue.task")
scheduler_log = logging.getLogger("oncue.scheduler")
T = TypeVar("T")


@dataclass(slots=True)
class Ended:
    """An ending that is not in the store yet; `mark` is its place in the history."""

    record: Record
    mark: Mark


class Runtime:
    """Drives one app. Everything here happens on the loop's thread, but for `shut_down`,
    `define` and `explain`, which may be called from any."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        zone: Zone,
        shut_cond: Condition,
        tasks: dict[str, Task[..., Any]],
    ) -> None:
        self.store = store
        self.clock = clock
        self.zone = zone
        self.shut_cond = shut_cond
        self.tasks = tasks
        self.agenda: Agenda | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._stops = 0

    # --- from outside ---------------------------------------------------------------------

    def define(self, task: Task[..., Any]) -> None:
        """A new task; while serving it is planned on the loop's next turn."""
        self.tasks[task.name] = task
        if self._loop is not None:
            self._tell(partial(self._new.append, task))

    def shut_down(self) -> None:
        if self._loop is not None:
            self._tell(self._stop)

    def explain(self, task: Task[..., Any]) -> Explanation:
        if self.agenda is None:
            asyncio.run(self._look())
        if self._loop is None or threading.get_ident() == self._thread:
            return self._explain(task)
        return asyncio.run_coroutine_threadsafe(self._explained(task), self._loop).result()

    async def _explained(self, task: Task[..., Any]) -> Explanation:
        return self._explain(task)

    def _explain(self, task: Task[..., Any]) -> Explanation:
        assert self.agenda is not None
        explainer = Explainer(self.agenda.planner, task.name, self.clock.now())
        return explainer.explain(task.start_cond, self.zone)

    def _tell(self, change: Callable[[], None]) -> None:
        """Apply a change on the loop's thread and take a turn."""
        assert self._loop is not None
        if threading.get_ident() == self._thread:
            change()
            self._wakeup.set()
        else:
            self._loop.call_soon_threadsafe(change)
            self._loop.call_soon_threadsafe(self._wakeup.set)

    def _stop(self) -> None:
        self._stops += 1
        if self._stops == 1:
            waiting = sorted({record.task for record in self._live.values()})
            scheduler_log.info(
                "shutting down%s", f", waiting for {', '.join(waiting)}" if waiting else ""
            )

    # --- a life ---------------------------------------------------------------------------

    async def serve(self, *, signals: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._stops = 0
        self._wakeup = asyncio.Event()
        self._executors: dict[str, Executor] = {}
        self._live: dict[int, Record] = {}
        self._ended: list[Record] = []
        self._unsaved: list[Ended] = []
        self._new: list[Task[..., Any]] = []
        self._failing_since: int | None = None
        self._failures = 0
        handlers = Signals(self._loop, self.shut_down) if signals else None
        try:
            await self.store.open(self.clock.now())
            try:
                await self._load()
                await self._work()
            finally:
                await self._leave()
        finally:
            if handlers is not None:
                handlers.remove()
            self._loop = None

    async def _look(self) -> None:
        """Load what an explanation needs, without running anything."""
        await self.store.open(self.clock.now())
        try:
            await self._load()
        finally:
            await self.store.close()

    async def _load(self) -> None:
        now = self.clock.now()
        planner = Planner(History(), {}, Scheduler(now))
        self.agenda = Agenda(planner, now)
        self._shut = planner.plan(self.shut_cond, "", self.zone)
        tasks = list(self.tasks.values())
        plans = [planner.plan(task.start_cond, task.name, self.zone) for task in tasks]
        for record in await self.store.load(planner.lookback(now)):
            planner.history.add(record)
        for task in tasks:
            self._plan(task)
        self._follow_at = now + CLOCK_CHECK
        scheduler_log.info("started with %d tasks", len(plans))

    def _plan(self, task: Task[..., Any]) -> None:
        assert self.agenda is not None
        plan = partial(self.agenda.planner.plan, task=task.name, zone=self.zone)
        self.agenda.add(
            task.name,
            plan(task.start_cond),
            fresh=plan(without_retry(task.start_cond)),
            priority=task.priority,
        )

    async def _work(self) -> None:
        while True:
            await self._turn()
            idle = not (self._live or self._ended or self._unsaved)
            if self._stops > 1 or (self._stops and idle):
                return
            await self._sleep()

    async def _leave(self) -> None:
        """Save what has ended, end what is ours."""
        try:
            for record in self._ended:
                self._unsaved.append(Ended(record, Mark(record.at, 0)))
            if self._unsaved:
                await self.store.commit([Finish(ended.record) for ended in self._unsaved])
            if self._live:
                left = sorted({record.task for record in self._live.values()})
                scheduler_log.warning("not waited for: %s", ", ".join(left))
        finally:
            for executor in self._executors.values():
                await executor.close()
            await self.store.close()

    # --- a turn ---------------------------------------------------------------------------

    async def _turn(self) -> None:
        agenda = self.agenda
        assert agenda is not None
        now = self.clock.now()
        if not self._stops and self._shut.check(now).value:
            self._stop()
        for task in self._drain(self._new):
            await self._admit(task, now)
        for record in self._drain(self._ended):
            numbered = record._replace(seq=agenda.history.next_provisional())
            self._unsaved.append(Ended(record, agenda.take(numbered, now)))
        if self._failing_since is not None or now >= self._follow_at:
            if not await self._follow(now):
                return
        starts = [] if self._stops else agenda.decide(now)
        for missed in self._drain(agenda.missed):
            scheduler_log.warning("missed: %s at %d", missed.task, missed.scheduled_at)
        if starts or self._unsaved:
            await self._commit(starts, now)

    @staticmethod
    def _drain(items: list[T]) -> list[T]:
        taken = items[:]
        items.clear()
        return taken

    async def _admit(self, task: Task[..., Any], now: int) -> None:
        """Plan a task defined while serving, with what its look-back needs of the log."""
        assert self.agenda is not None
        plan = self.agenda.planner.plan(task.start_cond, task.name, self.zone)
        for name in sorted({key.task for key in plan.keys if isinstance(key, Key)}):
            self.agenda.reload(name, await self.store.log_of(name))
        self._plan(task)

    async def _commit(self, starts: list[Start], now: int) -> None:
        """Endings and claims in one commit; then launch what was claimed."""
        assert self.agenda is not None
        agenda = self.agenda
        labelled = [start.record._replace(seq=0, run_id=uuid4().hex) for start in starts]
        claims = [
            Claim(record, start.reads, start.position)
            for record, start in zip(labelled, starts, strict=True)
        ]
        endings = self._drain(self._unsaved)
        try:
            answers = await self.store.commit([*(Finish(e.record) for e in endings), *claims])
        except StoreError as error:
            self._unsaved[:0] = endings
            for start in starts:
                agenda.refused(start)
            self._fail(error, now)
            return
        self._failing_since = None
        await self._settle(endings, answers[: len(endings)], now)
        claimed = zip(starts, labelled, answers[len(endings) :], strict=True)
        ready = [run for claim in claimed if (run := self._claimed(*claim)) is not None]
        await self._read_on(answers, now)
        for record in sorted(ready, key=self._blocks):
            await self._launch(record)

    async def _settle(self, endings: list[Ended], answers: list[Answer], now: int) -> None:
        assert self.agenda is not None
        for ended, answer in zip(endings, answers, strict=True):
            record = ended.record
            self._live.pop(record.run or 0, None)
            if isinstance(answer, Refused):
                scheduler_log.error(
                    "%s of %s not written: %s", record.action, record.task, answer.value
                )
                self.agenda.reload(record.task, await self.store.log_of(record.task))
            else:
                self.agenda.settle(record.task, ended.mark, answer)
                tell(record)

    def _claimed(self, start: Start, record: Record, answer: Answer) -> Record | None:
        """The run to launch, unless the store refused it."""
        assert self.agenda is not None
        if isinstance(answer, Refused):
            self.agenda.refused(start)
            return None
        self.agenda.settle(record.task, start.mark, answer)
        return record._replace(seq=answer)

    async def _read_on(self, answers: list[Answer], now: int) -> None:
        """Records of other instances may stand between and before ours."""
        assert self.agenda is not None
        history = self.agenda.history
        ours = [answer for answer in answers if isinstance(answer, int)]
        if len(ours) == len(answers) and ours[-1] == history.position + len(ours):
            history.position = ours[-1]
            return
        for record in await self.store.follow(history.position, now):
            if record.seq not in ours:
                self.agenda.take(record, now)
            history.position = record.seq
        self._wakeup.set()

    async def _follow(self, now: int) -> bool:
        """Look for records of other instances; whether the store answers."""
        assert self.agenda is not None
        if self._failing_since is not None and now < self._follow_at:
            return False
        try:
            for record in await self.store.follow(self.agenda.history.position, now):
                self.agenda.take(record, now)
        except StoreError as error:
            self._fail(error, now)
            return False
        self._follow_at = now + CLOCK_CHECK
        return True

    def _fail(self, error: StoreError, now: int) -> None:
        """Say once that the store fails; give up only when asked to stop."""
        if self._failing_since is None:
            self._failing_since, self._failures = now, 0
            scheduler_log.error("%s; nothing new is started until it answers", error)
        self._failures += 1
        self._follow_at = now + STORE_RETRY
        if self._stops and self._failures > LAST_TRIES:
            raise error

    # --- runs -----------------------------------------------------------------------------

    def _blocks(self, record: Record) -> bool:
        return self.tasks[record.task].execution == "main"

    async def _launch(self, record: Record) -> None:
        task = self.tasks[record.task]
        self._live[record.seq] = record
        tell(record)
        executor = self._executors.get(task.execution)
        if executor is None:
            executor = self._executors[task.execution] = EXECUTIONS[task.execution]()
        await executor.start(Call(task.function, partial(self._end, record)))

    def _end(self, run: Record, ending: Ending) -> None:
        self._ended.append(
            Record(
                run.task,
                ending.action,
                at=max(self.clock.now(), run.at),
                run=run.seq,
                run_id=run.run_id,
                error=ending.error,
            )
        )
        self._wakeup.set()

    # --- sleep ----------------------------------------------------------------------------

    async def _sleep(self) -> None:
        assert self.agenda is not None and self._loop is not None
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
        assert self.agenda is not None
        until = min(self._shut.verdict.until, self._follow_at)
        if self._failing_since is None and not self._stops:
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


def tell(record: Record) -> None:
    """One line per record, for those who listen."""
    level = logging.ERROR if record.action in (Action.FAIL, Action.CRASH) else logging.INFO
    if task_log.isEnabledFor(level):
        extra = {"task_name": record.task, "action": str(record.action), "run_id": record.run_id}
        text = f"{record.task}  {record.action}"
        task_log.log(level, f"{text}\n{record.error}" if record.error else text, extra=extra)
