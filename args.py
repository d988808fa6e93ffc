"""The arguments that a task may ask for."""

from __future__ import annotations

from .app.arguments import Arg as Arg
from .app.arguments import BaseArgument as BaseArgument
from .app.arguments import CliArg as CliArg
from .app.arguments import Config as Config
from .app.arguments import EnvArg as EnvArg
from .app.arguments import FuncArg as FuncArg
from .app.arguments import Pipe as Pipe
from .app.arguments import Private as Private
from .app.arguments import Return as Return
from .app.arguments import SchedulerLogger as SchedulerLogger
from .app.arguments import Session as Session
from .app.arguments import SimpleArg as SimpleArg
from .app.arguments import Task as Task
from .app.arguments import TaskLogger as TaskLogger
from .app.arguments import TerminationFlag as TerminationFlag
from .app.arguments import argument as argument

__all__ = [
    "Arg",
    "BaseArgument",
    "CliArg",
    "Config",
    "EnvArg",
    "FuncArg",
    "Pipe",
    "Private",
    "Return",
    "SchedulerLogger",
    "Session",
    "SimpleArg",
    "Task",
    "TaskLogger",
    "TerminationFlag",
    "argument",
]
