"""Text to conditions: `parse`, and the one error it raises."""

from .errors import ConditionSyntaxError
from .parser import parse

__all__ = ["ConditionSyntaxError", "parse"]
