"""The runs of an app instance: from a start that was claimed to an ending that is to be written.

All of it happens on the loop's thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ..engine.decisions import Start
from ..engine.records import Action, Record, new
from .binding import ArgumentError
from .config import new_run_id
from .errors import DefinitionError, LeaseLostException, OncueError
from .executors import (
    EXECUTIONS,
    AsyncExecutor,
    Call,
    Ending,
    Executor,
    ProcessExecutor,
    conclude,
)
from .hooks import NOTHING_RAISED, ExcInfo, finish
from .journal import SECOND, Journal, is_told, tell
from .launch import NONE, Launcher, Launchers, Live, parameters_of
from .middlewares import Chain
from .stores.protocol import UNSPEAKABLE, Extension, Refused

if TYPE_CHECKING:
    from .context import Context
    from .executors import Running
    from .session import Session
    from .task import Task

SUCCESS, FAIL, TERMINATE = Action.SUCCESS, Action.FAIL, Action.TERMINATE  # quicker to name
GRACE = 3 * SECOND  # for a run that was told to end, before a shut-down leaves it behind
FORCED_GRACE = 1.0  # seconds for all of them, when nobody waits any more
CHAIN_GRACE = 0.2  # seconds for middlewares, once the code within them has ended
TIMED_OUT = "its timeout is over"


class Runs:
    """`live` are those that have been claimed and have not ended, by the number of their RUN
    record. `stops` is how often the app was told to end: after the first time what is claimed is
    begun all the same, after the second nothing is. `task_of` gives the task of a name in the log,
    `wake` is called when a run has ended,
    `failed` with what a run makes the app end of, `raised` with what a run raised."""

    def __init__(
        self,
        session: Session,
        journal: Journal,
        *,
        task_of: Callable[[str], Task[..., Any]],
        wake: Callable[[], None],
        failed: Callable[[str, BaseException | None], None],
        raised: Callable[[BaseException], None],
    ) -> None:
        self.session = session
        self.clock = session.clock
        self.journal = journal
        self.live: dict[int, Live] = {}
        self.stops = 0
        self.launchers = Launchers(session, task_of)
        self._wake = wake
        self._failed = failed
        self._raised = raised
        self._processors = os.cpu_count() or 1
        self._pooled = 0  # how many of those that live take a place in the pool of processes
        self._ended: list[Record] = []
        self._ended_one = self._end  # bound once for all runs
        self._unwanted: dict[str, str | None] = {}  # told to end while their claims are written
        self._executors: dict[str, Executor] = {}
        self._chains = AsyncExecutor()  # of runs within middlewares
        self._blocking: asyncio.Future[Any] | None = None  # a `main` run under way

    # --- to begin -------------------------------------------------------------------------

    def label(self, start: Start) -> None:
        """Give a run its label, before it is claimed."""
        record = start.record
        launcher = self.launchers[record.task]
        start.version = launcher.version
        try:
            label = str(launcher.label(launcher.task, parameters_of(start)))
        except Exception as error:
            name = launcher.task.name
            self._failed(f"the func_run_id of task {name!r} failed: {error!r}", error)
            label = new_run_id(launcher.task, NONE)
        if not label.isprintable():
            label = UNSPEAKABLE.sub("\ufffd", label)
        start.record = record.labelled(label)

    def claimed(self, start: Start, seq: int) -> Live:
        """A start was granted."""
        task = start.record.task
        launcher = self.launchers[task]
        live = self.live[seq] = Live(launcher, start, seq, self._ended_one)
        self._pooled += launcher.pooled
        if task in self._unwanted:
            self.stop(live, self._unwanted[task])
        return live

    async def launch(self, runs: list[Live]) -> None:
        """Begin those that go beside each other, then the others, one by one."""
        blocking = [run for run in runs if run.launcher.blocks]
        if blocking:
            runs = [run for run in runs if not run.launcher.blocks]
        await self._launch(runs)
        await self._launch(blocking)

    async def _launch(self, runs: list[Live]) -> None:
        told = is_told(Action.RUN)
        for live in runs:
            if told:
                tell(live.record)
            if self.stops and self._comes_too_late(live.launcher):
                self._end(live, Ending(Action.CRASH, error="not begun: the app was shutting down"))
            elif live.told:
                self._end(live, Ending(TERMINATE))
            elif (call := self._call(live)) is not None:
                if live.launcher.blocks:
                    await self._block(live, call)
                elif isinstance(call.function, Chain):
                    live.running = self._chains.start_chain(call, call.function.judge)
                else:
                    live.running = await self._executor(live.launcher.execution).start(call)
                    if live.told:
                        live.running.terminate()

    def _comes_too_late(self, launcher: Launcher) -> bool:
        """What is claimed is begun, but for a `main` run, which would keep the end waiting."""
        return self.stops > (launcher.task.on_shutdown or not launcher.blocks)

    def _call(self, live: Live) -> Call | None:
        """The call of a run; None if it cannot be made, which is the end of the run then."""
        launcher = live.launcher
        try:
            if self.session.hooks.of_runs:
                live.hooks = begun = list[Iterator[Any]]()
                self.session.hooks.begin_run(launcher.task, begun)
            if self.session.middlewares:
                return Call(self._chain(live), live.end, name=live.record.task)
            context = launcher.context(live, self.extend) if launcher.wants_context else None
            return launcher.call(live.parameters, live.end, context)
        except (ArgumentError, DefinitionError) as error:
            self._end(live, Ending(Action.FAIL, error=str(error)))
        except Exception as error:
            self._end(live, conclude(error))
            self._say_not_set_up(live, error)
        return None

    def _say_not_set_up(self, live: Live, error: Exception) -> None:
        if not self.session.config.silence_task_prerun:
            self._failed(f"task {live.record.task!r} could not be set up: {error!r}", error)

    def _chain(self, live: Live) -> Chain:
        """A run within the middlewares."""
        context = live.launcher.context(live, self.extend)
        return Chain(self.session.middlewares, context, partial(self._begin, live, context))

    async def _begin(self, live: Live, context: Context, done: Callable[[Ending], None]) -> Running:
        """Begin the code of a run that is within middlewares."""
        try:
            call = live.launcher.call(live.parameters, done, context)
        except (ArgumentError, DefinitionError):
            raise
        except Exception as error:
            self._say_not_set_up(live, error)
            raise
        return await self._executor(live.launcher.execution).start(call)

    async def extend(self, live: Live) -> None:
        """Make the lease of a run last longer. Raises LeaseLostException, and StoreError."""
        task = live.record.task
        if live.lease is None:
            if not self.journal.holds(task, live.seq):
                raise LeaseLostException(f"task {task!r}: {Refused.LEASE_LOST.value}")
            return
        extending = self.journal.extend(Extension(task, live.seq, live.lease))
        if self.blocked:
            await self._commit_extensions()
        else:
            self._wake()
        live.extended_until = await extending

    async def _commit_extensions(self) -> None:
        """While a `main` run is under way nothing else does."""
        await self.journal.commit([], self.clock.now())

    async def _block(self, live: Live, call: Call) -> None:
        """A `main` run: this thread has nothing else until it ends."""
        running: Awaitable[object]
        if isinstance(call.function, Chain):
            running = self._chains.run_chain(call, call.function.judge)
        else:
            running = self._executor(live.launcher.execution).start(call)
        self._blocking = blocking = asyncio.ensure_future(running)
        try:
            await self._commit_extensions()
            await asyncio.wait([blocking])
        except BaseException:  # ours: the run makes of it what it will
            blocking.cancel()
            await asyncio.wait([blocking])
            raise
        finally:
            self._blocking = None
        if not blocking.cancelled():
            blocking.result()

    @property
    def blocked(self) -> bool:
        """Whether a `main` run is under way."""
        return self._blocking is not None

    def unblock(self) -> None:
        """End the `main` run that is under way."""
        if self._blocking is not None:
            self._blocking.cancel()

    def _executor(self, execution: str) -> Executor:
        executor = self._executors.get(execution)
        if executor is None:
            made = EXECUTIONS[execution]
            config = self.session.config
            process = config.max_process_count, config.tasks_as_daemon
            executor = made(*process) if made is ProcessExecutor else made()
            self._executors[execution] = executor
        return executor

    def configured(self) -> None:
        """The config may be another."""
        executor = self._executors.get("process")
        if isinstance(executor, ProcessExecutor):
            executor.allow(self.session.config.max_process_count)

    @property
    def pool_room(self) -> int:
        """How many processes are free for runs: one that has to wait is not claimed."""
        limit = self.session.config.max_process_count or self._processors
        return max(0, limit - self._pooled)

    # --- to end ---------------------------------------------------------------------------

    def of(self, task: Task[..., Any]) -> Iterator[Live]:
        return (live for live in self.live.values() if live.launcher.task is task)

    def terminate(self, task: Task[..., Any], why: str | None) -> None:
        """End the runs of a task, those too whose claims are being written."""
        self._unwanted[task.key] = why
        for live in self.of(task):
            self.stop(live, why)

    def forgive(self) -> None:
        """What is claimed from now on is wanted."""
        self._unwanted.clear()

    def stop(self, live: Live, why: str | None) -> None:
        """Tell a run to end; one that has not begun ends instead of beginning."""
        if live.told:
            return
        live.why = why
        live.told, live.end_at = True, self.clock.now() + GRACE
        if live.running is not None:
            live.running.terminate()

    def leave_alone(self, task: Task[..., Any]) -> None:
        """The task is gone from the agenda: its runs keep their time limit."""
        limit, loop = task.plan.timeout, asyncio.get_running_loop()
        for live in self.of(task):
            if limit is not None:
                left = (live.record.at + limit - self.clock.now()) / SECOND
                loop.call_later(max(0, left), self.stop, live, TIMED_OUT)

    def _end(self, live: Live, ending: Ending) -> None:
        run = live.record
        del self.live[live.seq]
        live.running = None  # it knows of us: else only the garbage collector could free the two
        self._pooled -= live.launcher.pooled
        error = ending.error
        if live.hooks:
            self._finish_hooks(live, ending)
        if ending.raised is not None:
            self._raised(ending.raised)
        if ending.action is SUCCESS:
            if live.launcher.version is None:  # of dynamic tasks there may be millions
                self.session.returns[run.task] = ending.value
        elif ending.action is TERMINATE and error is None and live.why is not None:
            error = f"ended: {live.why}"
        at = self.clock.now()
        if at < run.at:
            at = run.at
        until = live.extended_until if ending.action is FAIL else None
        if not self._ended:
            self._wake()  # for all that end before it is drained
        fields = run.task, ending.action, at, 0, None, None, live.seq, run.run_id, error, until
        self._ended.append(new(Record, fields))

    def _finish_hooks(self, live: Live, ending: Ending) -> None:
        try:
            finish(live.hooks, exc_info(ending))
        except Exception as error:
            self._failed(f"a hook failed after a run of {live.record.task!r}: {error!r}", error)

    @property
    def any_ended(self) -> bool:
        return bool(self._ended)

    def drain(self) -> list[Record]:
        """The endings since this was last asked."""
        ended, self._ended = self._ended, []
        return ended

    def none_listens(self, now: int) -> bool:
        """Whether all that is left was told to end and does not."""
        return all(live.end_at <= now for live in self.live.values())

    async def close(self) -> list[str]:
        """Let everything go; the names of tasks that are left behind because they do not end."""
        grace = FORCED_GRACE if self.stops > 1 else 0
        left = [name for each in self._executors.values() for name in await each.close(grace)]
        return left + await self._chains.close(max(grace, CHAIN_GRACE))


def exc_info(ending: Ending) -> ExcInfo:
    """What a run raised, as `sys.exc_info()` has it; of a process there is only the text."""
    raised = ending.raised
    if raised is None and ending.action is Action.FAIL:
        raised = OncueError(ending.error or "the run failed")
    return NOTHING_RAISED if raised is None else (type(raised), raised, raised.__traceback__)
