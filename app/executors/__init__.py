"""How a task's code is run: one protocol, several executions."""

from __future__ import annotations

from .inline import AsyncExecutor, ChainRun, MainExecutor
from .parcel import pack
from .process import ProcessExecutor
from .protocol import NO_ARGUMENTS, Call, Ending, Executor, Running, conclude
from .thread import ThreadExecutor
from .worker import in_worker, refuse_in_worker

EXECUTIONS: dict[str, type[Executor]] = {
    "main": MainExecutor,
    "async": AsyncExecutor,
    "thread": ThreadExecutor,
    "process": ProcessExecutor,
}

__all__ = [
    "EXECUTIONS",
    "NO_ARGUMENTS",
    "AsyncExecutor",
    "Call",
    "ChainRun",
    "Ending",
    "Executor",
    "ProcessExecutor",
    "Running",
    "conclude",
    "in_worker",
    "pack",
    "refuse_in_worker",
]
