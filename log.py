"""The shapes in which the log's records come, and what to look for in it."""

from __future__ import annotations

from .app.repo import LogRecord as LogRecord
from .app.repo import MinimalRecord as MinimalRecord
from .app.repo import MinimalRunRecord as MinimalRunRecord
from .app.repo import RunRecord as RunRecord
from .app.repo import TaskLogRecord as TaskLogRecord
from .app.repo import TaskRunRecord as TaskRunRecord
from .app.repo import between as between
from .app.repo import greater_equal as greater_equal
from .app.repo import in_ as in_
from .app.repo import less as less

__all__ = [
    "LogRecord",
    "MinimalRecord",
    "MinimalRunRecord",
    "RunRecord",
    "TaskLogRecord",
    "TaskRunRecord",
    "between",
    "greater_equal",
    "in_",
    "less",
]
