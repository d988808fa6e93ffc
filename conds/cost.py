"""What a condition costs to answer, told by its tree alone: for conditions that come from outside,
of which there may be millions."""

from __future__ import annotations

from . import nodes
from .tree import postorder

COUNTED = 5
"""Of an atom that counts records, or how long a run has lasted."""
CUSTOM = 10
"""Of a function of the user's."""


def cost(condition: nodes.Condition) -> int:
    """The sum over its atoms: 1 for what is decided by time, or by the latest record of a task, for
    each task; `COUNTED` for what counts records; `CUSTOM` for what asks a function."""
    return sum(map(cost_of, postorder(condition)))


def cost_of(atom: nodes.Condition) -> int:
    match atom:
        case nodes.AfterTasks(names):
            return len(names)
        case nodes.Has(count=None, within=None):
            return 1
        case nodes.Has() | nodes.Running() | nodes.Retry():
            return COUNTED
        case nodes.Func() | nodes.Call() | nodes.Phrase():
            return CUSTOM
        case _:
            return 0 if atom.operands else 1
