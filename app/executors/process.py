"""Worker processes that are kept for the next call, at most so many.

Each worker has a pipe of its own and, in this process, a thread of its own that waits on it: its
keeper. So nothing is shared that a dying worker could leave locked, nothing polls while nothing
runs, and a death is known at once, with its exit code. (The pools of the library that was to be
used here, Pebble, share one pipe and one lock between all workers and look after them ten times a
second: a worker killed while it sends its result stops the others for a minute each, one that
dies while idle breaks the pool.)

A call waits for a keeper in the order of the starts; the keeper makes its worker when it needs
one. A worker that had to be told to end is not used again: SIGTERM first, which raises in its
task, and SIGKILL for its process group after `TERM_GRACE`.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import multiprocessing
import os
import pickle
import select
import signal
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue

from ...engine.records import Action
from ..errors import DefinitionError, LeaseLostException, StoreError
from ..work import signal_name
from . import worker
from .parcel import pack
from .post import Post
from .protocol import ENDED, Call, Ending, Running

TERM_GRACE = 3.0  # seconds
EXIT_GRACE = 3.0  # seconds for a worker that was let go to have ended
EXIT_LIMIT = 10.0  # seconds for all of them

GUARD = (
    "its error output says why; a script that runs the app on being imported must do so under: "
    "if __name__ == '__main__':"
)

FROM_OUTSIDE = "the process of the task was told to end, by SIGTERM from outside"

_starting = threading.Lock()  # multiprocessing looks after all its processes whenever one starts
_children: weakref.WeakSet[Child] = weakref.WeakSet()


def context() -> multiprocessing.context.BaseContext:
    """forkserver, or spawn where there is none. The server is given our worker to import, and not
    the user's script: what fails there fails in one worker, and is said."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([worker.__name__])
    return made


class Died(Exception):
    """The worker is gone."""


def ready_of(pipe: Connection, sentinel: int) -> Callable[[float | None], list[int]]:
    """Says which of the two have something to be read, after so many milliseconds at most: what
    `multiprocessing.connection.wait` does, which builds a selector each time it is asked."""
    if sys.platform == "win32":
        both = {pipe: pipe.fileno(), sentinel: sentinel}
        return lambda most: [both[each] for each in wait(both, most and most / 1000)]
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    poll.register(sentinel, select.POLLIN)
    return lambda most: [each for each, _ in poll.poll(most)]


class Child:
    """A worker process, from the outside. Its keeper talks to it; `terminate` and `kill` come
    from other threads."""

    def __init__(self, made_by: multiprocessing.context.BaseContext, daemon: bool) -> None:
        levels = levels_of_loggers()
        with _starting:
            self._pipe, theirs = made_by.Pipe()
            process: multiprocessing.process.BaseProcess = made_by.Process(  # type: ignore[attr-defined]
                target=worker.work, args=(theirs, levels), name="oncue-worker", daemon=daemon
            )
            try:
                process.start()
            except BaseException:
                self._pipe.close()
                raise
            finally:
                theirs.close()
            self._process = process
            self._ready = ready_of(self._pipe, process.sentinel)
            self.ready = False
            _children.add(self)

    @property
    def alive(self) -> bool:
        return self._process.sentinel not in self._ready(0)

    def run(
        self, parcel: bytes, beat: Callable[[], int | None] | None = None
    ) -> tuple[Ending, bool]:
        """The ending of what is in the parcel, and whether SIGTERM brought it. Raises Died."""
        if not self.ready:
            self._receive()
            self.ready = True
        self._send(parcel)
        while True:
            message = self._receive()
            match message[:1]:
                case worker.LOG:
                    log_again(message)
                case worker.BEAT:
                    self._send(answered(beat))
                case _:
                    return ending_in(message)

    def _send(self, message: bytes) -> None:
        try:
            self._pipe.send_bytes(message)
        except OSError as error:
            raise Died from error

    def _receive(self) -> bytes:
        """The next message; those that were sent before the worker died are not lost."""
        try:
            if self._pipe.fileno() in self._ready(None):
                return self._pipe.recv_bytes()
        except (EOFError, OSError):
            pass
        raise Died

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        """At once, and all that it has started."""
        if sys.platform != "win32" and self.ready and self._process.pid is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._process.kill()

    def reap(self) -> str:
        """How it ended, in words. One that has not yet is let go: its pipe ends."""
        _children.discard(self)
        self._pipe.close()
        if not wait([self._process.sentinel], EXIT_GRACE):
            self.kill()
        wait([self._process.sentinel])
        with _starting:
            self._process.join()
            code = self._process.exitcode
            self._process.close()
        return obituary(code, self.ready)


@atexit.register
def _leave_nothing() -> None:
    """Before multiprocessing waits, at the end of the interpreter, for every process it made. None
    is left half made, and none is made any more: the lock is kept."""
    _starting.acquire()
    for child in list(_children):
        child.kill()


def levels_of_loggers() -> dict[str, int]:
    known = list(logging.root.manager.loggerDict.items())
    levels = {name: log.level for name, log in known if isinstance(log, logging.Logger)}
    return {"": logging.root.level, **{name: level for name, level in levels.items() if level}}


def log_again(message: bytes) -> None:
    """A record of the worker's, handled by the logger of its name here."""
    try:
        record = logging.makeLogRecord(pickle.loads(message[1:]))
    except Exception as error:
        logging.getLogger("oncue.scheduler").warning("a worker's log line is lost: %r", error)
        return
    logger = logging.getLogger(None if record.name == "root" else record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def answered(beat: Callable[[], int | None] | None) -> bytes:
    """What a worker is told that asked for more time: until when it has it, or the error."""
    try:
        until = None if beat is None else beat()
    except LeaseLostException as lost:
        return pickle.dumps((None, lost))
    except Exception as error:
        return pickle.dumps((None, StoreError(str(error))))
    return pickle.dumps((until, None))


def ending_in(message: bytes) -> tuple[Ending, bool]:
    try:
        action, error, terminated, value = pickle.loads(memoryview(message)[1:])
    except Exception as broken:
        text = f"what the task returned cannot be loaded here: {type(broken).__name__}: {broken}"
        return Ending(Action.FAIL, error=text), False
    return Ending(Action(action), value, error), terminated


def obituary(code: int | None, ready: bool) -> str:
    """The reason in the log for a run whose process died under it."""
    if not ready:
        how = "was killed" if code is not None and code < 0 else f"exited with {code}"
        return f"the worker process {how} before it could run the task: {GUARD}"
    if code is not None and code < 0:
        name = signal_name(-code)
        more = ": killed from outside, or out of memory" if name == "SIGKILL" else ""
        return f"the process of the task was ended by {name}{more}"
    return f"the process of the task exited with {code} before the task had returned"


class ProcessRun:
    """One call on its way through a keeper. `_lock` guards the state: a worker is signalled only
    while it is at this call, and a call that no keeper has taken yet is given up at once."""

    __slots__ = (
        "_child", "_ended", "_killing", "_lock", "_loop", "_taken",
        "call", "ending", "parcel", "terminated",
    )  # fmt: skip

    def __init__(self, call: Call, parcel: bytes, ended: Callable[[ProcessRun], None]) -> None:
        self.call = call
        self.parcel = parcel
        self.ending = Ending(Action.TERMINATE)
        self.terminated = False
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._taken = False
        self._child: Child | None = None
        self._killing: asyncio.TimerHandle | None = None

    def terminate(self) -> None:
        with self._lock:
            if self.terminated:
                return
            self.terminated = True
            if not self._taken:
                self._loop.call_soon(self._ended, self)
            elif self._child is not None:
                self._child.terminate()
                self._killing = self._loop.call_later(TERM_GRACE, self.kill)

    def kill(self) -> None:
        with self._lock:
            self.terminated = True
            if self._child is not None:
                self._child.kill()

    def take(self) -> bool:
        """The keeper has come to the call; whether it is still wanted."""
        with self._lock:
            self._taken = True
            return not self.terminated

    def hold(self, child: Child | None) -> bool:
        """This child, or none any more, is at the call; whether it is still wanted."""
        with self._lock:
            self._child = child
            return not self.terminated

    def settle(self) -> None:
        """On the loop: it has ended."""
        if self._killing is not None:
            self._killing.cancel()


class ProcessExecutor:
    """`max_process_count` workers at most, by default one per processor; a `daemon` may start no
    processes by multiprocessing."""

    def __init__(self, max_process_count: int | None = None, daemon: bool = True) -> None:
        self.allow(max_process_count)
        self._context = context()
        self._daemon = daemon
        self._queue: SimpleQueue[ProcessRun | None] = SimpleQueue()
        self._idle: deque[None] = deque()
        self._keepers = 0
        self._runs: set[ProcessRun] = set()
        self._post: Post[ProcessRun | None] = Post(self._hear)
        self._quiet = asyncio.Event()  # no call is running
        self._empty = asyncio.Event()  # no keeper is left

    def allow(self, max_process_count: int | None) -> None:
        """From now on there may be so many workers; those that there are stay."""
        if max_process_count is not None and max_process_count < 1:
            raise DefinitionError(f"max_process_count {max_process_count} is less than 1")
        self._limit = max_process_count or os.cpu_count() or 1

    async def start(self, call: Call) -> Running:
        try:
            parcel = pack(call.function, call.arguments, call.name)
        except DefinitionError as error:
            call.done(Ending(Action.FAIL, error=str(error)))
            return ENDED
        run = ProcessRun(call, parcel, self._ended)
        self._runs.add(run)
        if not self._take_idle() and self._keepers < self._limit:
            self._keepers += 1
            name = f"oncue-keeper-{self._keepers}"
            threading.Thread(target=self._keep, name=name, daemon=True).start()
        self._queue.put(run)
        return run

    def _take_idle(self) -> bool:
        try:
            self._idle.pop()
        except IndexError:
            return False
        return True

    def _hear(self, run: ProcessRun | None) -> None:
        if run is not None:
            self._ended(run)
            return
        self._keepers -= 1
        if not self._keepers:
            self._empty.set()

    def _ended(self, run: ProcessRun) -> None:
        self._runs.discard(run)
        run.settle()
        run.call.done(run.ending)
        if not self._runs:
            self._quiet.set()

    async def close(self, grace: float = 0.0) -> list[str]:
        for run in self._runs:
            run.terminate()
        if self._runs and grace > 0:
            await within(grace, self._quiet)
        for run in self._runs:
            run.kill()
        for _ in range(self._keepers):
            self._queue.put(None)
        if self._keepers:
            await within(EXIT_LIMIT, self._empty)
        return [run.call.name for run in self._runs]

    # --- in the keeper's thread -----------------------------------------------------------------

    def _keep(self) -> None:
        child: Child | None = None
        while (run := self._queue.get()) is not None:
            taken = run.take()
            if taken:
                child = self._serve(run, child)
            self._idle.append(None)
            if taken and not self._post.send(run):
                break
            del run  # what it holds is not ours to keep while we wait
        if child is not None:
            child.reap()
        self._post.send(None)

    def _serve(self, run: ProcessRun, child: Child | None) -> Child | None:
        """Bring the call to its ending; the worker for the next one, if it can be used again."""
        try:
            child = self._usable(child)
        except Exception as error:
            run.ending = Ending(Action.FAIL, error=f"no worker process can be made: {error}")
            return None
        if not run.hold(child):
            return child
        try:
            ending, by_signal = child.run(run.parcel, run.call.beat)
        except Died:
            wanted = run.hold(None)
            reason = child.reap()
            if wanted:
                run.ending = Ending(Action.FAIL, error=reason)
            return None
        wanted = run.hold(None)
        run.ending = Ending(Action.FAIL, error=FROM_OUTSIDE) if wanted and by_signal else ending
        if wanted and not by_signal:
            return child
        child.kill()
        child.reap()
        return None

    def _usable(self, child: Child | None) -> Child:
        if child is not None and child.alive:
            return child
        if child is not None:
            child.reap()
        return Child(self._context, self._daemon)


async def within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, not longer than that."""
    event.clear()
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
