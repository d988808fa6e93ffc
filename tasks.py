"""The types of tasks, for those who make tasks without a decorator."""

from __future__ import annotations

from .app.kinds import CodeTask as CodeTask
from .app.kinds import CommandTask as CommandTask
from .app.kinds import FuncTask as FuncTask
from .app.task import Task as Task

__all__ = ["CodeTask", "CommandTask", "FuncTask", "Task"]
