"""How a task's code is run: one protocol, several executions."""

from __future__ import annotations

from .inline import AsyncExecutor, MainExecutor
from .protocol import Call, Ending, Executor, conclude
from .thread import ThreadExecutor

EXECUTIONS: dict[str, type[Executor]] = {
    "main": MainExecutor,
    "async": AsyncExecutor,
    "thread": ThreadExecutor,
}

__all__ = ["EXECUTIONS", "Call", "Ending", "Executor", "conclude"]
