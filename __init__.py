"""oncue runs Python tasks when conditions say so.

Importing it is cheap: a name is loaded when it is first used, so a tool that only parses pays
neither for asyncio nor for a store.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app.app import App as App
    from .app.context import AppContext as AppContext
    from .app.context import Context as Context
    from .app.face import Verdict as Verdict
    from .app.face import Window as Window
    from .app.face import check as check
    from .app.face import evaluate as evaluate
    from .app.face import explain as explain
    from .app.face import upcoming as upcoming
    from .app.face import windows as windows
    from .app.groups import Grouper as Grouper
    from .app.heartbeat import with_heartbeat as with_heartbeat
    from .app.session import Session as Session
    from .app.task import Task as Task
    from .conds.diagnostic import Diagnostic as Diagnostic
    from .conds.nodes import Condition as Condition
    from .engine.explain import Explanation as Explanation
    from .engine.policy import ExecutionMode as ExecutionMode
    from .engine.policy import FailureMode as FailureMode
    from .engine.records import Action as Action
    from .engine.records import Record as Record
    from .grammar.errors import ConditionSyntaxError as ConditionSyntaxError
    from .grammar.format import format_condition as format_condition
    from .grammar.parser import parse as parse

_HOME = {
    "Action": ".engine.records",
    "App": ".app.app",
    "AppContext": ".app.context",
    "Condition": ".conds.nodes",
    "ConditionSyntaxError": ".grammar.errors",
    "Context": ".app.context",
    "Diagnostic": ".conds.diagnostic",
    "ExecutionMode": ".engine.policy",
    "Explanation": ".engine.explain",
    "FailureMode": ".engine.policy",
    "Grouper": ".app.groups",
    "Record": ".engine.records",
    "Session": ".app.session",
    "Task": ".app.task",
    "Verdict": ".app.face",
    "Window": ".app.face",
    "check": ".app.face",
    "evaluate": ".app.face",
    "explain": ".app.face",
    "format_condition": ".grammar.format",
    "parse": ".grammar.parser",
    "upcoming": ".app.face",
    "windows": ".app.face",
    "with_heartbeat": ".app.heartbeat",
}
__all__ = list(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'oncue' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home, __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
