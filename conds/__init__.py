"""Conditions as values: the tree, its text, and the Python API that builds it without text."""

from .build import *  # noqa: F403
from .build import __all__ as _api
from .diagnostic import Diagnostic, Severity, Span
from .nodes import Condition, LimitError
from .points import Duration, ReadError, Unit

__all__ = [  # noqa: PLE0604
    *_api,
    "Condition",
    "Diagnostic",
    "Duration",
    "LimitError",
    "ReadError",
    "Severity",
    "Span",
    "Unit",
]
