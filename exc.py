"""The exceptions that users raise or catch."""

from __future__ import annotations

from .app.errors import (
    DefinitionError as DefinitionError,
)
from .app.errors import (
    LeaseLostException as LeaseLostException,
)
from .app.errors import (
    OncueError as OncueError,
)
from .app.errors import (
    RunFailed as RunFailed,
)
from .app.errors import (
    SchedulerExit as SchedulerExit,
)
from .app.errors import (
    SchedulerRestart as SchedulerRestart,
)
from .app.errors import (
    StoreError as StoreError,
)
from .app.errors import (
    TaskInactionException as TaskInactionException,
)
from .app.errors import (
    TaskTerminationException as TaskTerminationException,
)
from .grammar.errors import ConditionSyntaxError as ConditionSyntaxError

__all__ = [
    "ConditionSyntaxError",
    "DefinitionError",
    "LeaseLostException",
    "OncueError",
    "RunFailed",
    "SchedulerExit",
    "SchedulerRestart",
    "StoreError",
    "TaskInactionException",
    "TaskTerminationException",
]
