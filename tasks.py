"""The types of tasks, for those who make tasks without a decorator."""

from __future__ import annotations

from .app.task import CodeTask as CodeTask
from .app.task import CommandTask as CommandTask
from .app.task import FuncTask as FuncTask
from .app.task import Task as Task

__all__ = ["CodeTask", "CommandTask", "FuncTask", "Task"]
