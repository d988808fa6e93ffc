"""A worker process, from the inside: it takes one parcel after another from its pipe, runs it, and
sends back log lines, heartbeats (which are answered) and an ending.

Messages to the parent begin with a byte that says what they are. SIGTERM raises
`Terminated` in the main thread, between two messages; the worker reports how its task ended, and
ends. The worker is the leader
of a process group, so that whatever its task has started can be ended with it. It ends when its
pipe does, so it does not outlive its parent by more than the task at hand.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import logging
import logging.handlers
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection

from ...engine.records import Action
from .. import work as work_of_tasks
from ..errors import LeaseLostException, OncueError, SchedulerExit, SchedulerRestart
from .protocol import Ending, conclude

NOT_HERE = (
    "a task in a process cannot end or restart the app; give it execution='thread' or 'async'"
)
READY = b"R"
LOG = b"L"
BEAT = b"B"
END = b"E"

_working = False
_line: Line | None = None


class Terminated(BaseException):
    """The task is to end: raised where it stands, so that its `finally` blocks run."""


def in_worker() -> bool:
    """Whether this process is a worker, or one that is just being made and imports the script."""
    bootstrapping: bool = getattr(multiprocessing.current_process(), "_inheriting", False)
    return _working or bootstrapping


def refuse_in_worker(what: str = "app.run()") -> None:
    """Raise OncueError in a worker: a script that is imported there must not run its app again."""
    if in_worker():
        raise OncueError(
            f"{what} was reached in a worker process, which imports the script to find its tasks; "
            "run the app under: if __name__ == '__main__':"
        )


def beat() -> int | None:
    """Extend the lease of the run that is at work here: until when. From any thread; blocks.
    Raises what it fails of in the app's process, and LeaseLostException when the run is over."""
    if _line is None:
        raise OncueError("there is no run in this process whose lease could be extended")
    return _line.beat()


class Line:
    """The way to the parent. A message is whole or not sent: termination waits for its end, and
    for a moment at which the worker can be stopped: waiting for a parcel, or at the task.

    A heartbeat is asked and answered before another one, or the ending of its run, is sent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._beating = threading.Lock()
        self.at_work = False
        self._sending = False
        self._stoppable = False
        self.terminated = False

    def send(self, kind: bytes, value: object) -> None:
        """Raises what pickling raises, before anything is sent."""
        buffer = io.BytesIO(kind)
        buffer.seek(0, io.SEEK_END)
        pickle.dump(value, buffer, pickle.HIGHEST_PROTOCOL)
        with self._lock:
            main = threading.current_thread() is threading.main_thread()
            self._sending = main
            try:
                self._pipe.send_bytes(buffer.getbuffer())
            finally:
                if main:
                    self._sending = False
        if main:
            self._obey()

    def beat(self) -> int | None:
        with self._beating:
            if not self.at_work:
                raise LeaseLostException("the run is over, and with it its lease")
            try:
                self.send(BEAT, None)
                until, error = pickle.loads(self._pipe.recv_bytes())
            except (EOFError, OSError) as gone:
                raise LeaseLostException(
                    "the app's process is gone, and with it the lease"
                ) from gone
        if error is not None:
            raise error
        found: int | None = until
        return found

    def leave_work(self) -> None:
        """Once a heartbeat that is under way is answered."""
        with self._beating:
            self.at_work = False

    def terminate(self, *_: object) -> None:
        """The handler of SIGTERM."""
        self.terminated = True
        if not self._sending:
            self._obey()

    def _obey(self) -> None:
        if self.terminated and self._stoppable:
            self._stoppable = False
            raise Terminated

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """In this block `Terminated` may be raised; if it should have been before, it is now."""
        try:
            self._stoppable = True
            self._obey()
            yield
        finally:
            self._stoppable = False


class ToParent(logging.handlers.QueueHandler):
    """Sends records to the parent, whose loggers handle them."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)  # type: ignore[arg-type]  # asked for nothing but by `enqueue`
        self._line = line

    def enqueue(self, record: logging.LogRecord) -> None:
        fields = record.__dict__
        try:
            self._line.send(LOG, fields)
        except ConnectionError:
            return  # the parent is gone
        except Exception:
            self._line.send(LOG, {key: plain(value) for key, value in fields.items()})


def plain(value: object) -> object:
    """A value that can be sent, or how it looks."""
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def work(pipe: Connection, levels: Mapping[str, int]) -> None:
    """The worker's life; `levels` are those of the parent's loggers."""
    global _working, _line
    _working = True
    _line = line = Line(pipe)
    prepare(line, levels)
    line.send(READY, os.getpid())
    while not line.terminated:
        try:
            with line.stoppable():
                parcel = pipe.recv_bytes()
            serve(line, parcel)
        except (Terminated, EOFError, OSError):
            return


def prepare(line: Line, levels: Mapping[str, int]) -> None:
    if hasattr(os, "setsid"):
        os.setsid()
        work_of_tasks.own_groups = False
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, line.terminate)
    logging.root.handlers[:] = [ToParent(line)]
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)


def serve(line: Line, parcel: bytes) -> None:
    line.at_work = True
    ending, terminated = outcome_of(line, parcel)
    line.leave_work()
    if isinstance(ending.raised, SchedulerExit | SchedulerRestart):
        ending = Ending(Action.FAIL, error=NOT_HERE)
    say = (str(ending.action), ending.error, terminated)
    try:
        line.send(END, (*say, ending.value))
    except ConnectionError:
        raise
    except BaseException as error:
        returned = f"what the task returned, a {type(ending.value).__name__}, cannot be sent back"
        line.send(END, (str(Action.FAIL), f"{returned}: {error}", terminated, None))


def outcome_of(line: Line, parcel: bytes) -> tuple[Ending, bool]:
    """The ending, and whether it came by SIGTERM."""
    try:
        with line.stoppable():
            return run(parcel), False
    except Terminated:
        return Ending(Action.TERMINATE), True


def run(parcel: bytes) -> Ending:
    try:
        function, arguments = pickle.loads(parcel)
        value = function(**arguments)
        if inspect.isawaitable(value):
            value = asyncio.run(awaited(value))
    except BaseException as error:
        if came_of_terminated(error):
            raise Terminated from error
        return conclude(error)
    return conclude(None, value)


def came_of_terminated(error: BaseException | None) -> bool:
    """Whether it is `Terminated`, or was raised while that went up: it may cut in anywhere, so
    the code it passes may fail in its turn, as a lock does that was not taken yet."""
    while error is not None and not isinstance(error, Terminated):
        error = error.__context__
    return error is not None


async def awaited(value: Awaitable[object]) -> object:
    return await value
