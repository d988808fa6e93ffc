"""What a condition is by time alone: its windows, its starts, and what else it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from ...conds import nodes
from ...conds.lint import consumes
from ...conds.parts import Event
from ...engine import forecast
from ...engine.civil import Zone
from ...engine.history import History
from ...engine.lint import bounds
from ...engine.periods import Period, is_window, period_of
from ...engine.plan import Planner

CUSTOM = (nodes.Call, nodes.Phrase, nodes.Func)
PARAMETERS = (nodes.Env, nodes.ParamsExist, nodes.ParamIs)
FALSE = nodes.Constant(False)
UNHAPPY = (Event.FAILED, Event.TERMINATED, Event.INACTED, Event.CRASHED)
INFINITIVES = {
    Event.SUCCEEDED: "succeed",
    Event.FAILED: "fail",
    Event.FINISHED: "finish",
    Event.TERMINATED: "be terminated",
}


@dataclass(frozen=True, slots=True)
class Assumption:
    """An atom that time does not decide, and the value it has while nothing else happens."""

    atom: nodes.Condition
    value: bool

    @property
    def awaited(self) -> str:
        """What has to happen for it to be true."""
        match self.atom:
            case nodes.AfterTasks(names, outcome, either):
                listed = ", ".join(repr(name) for name in names)
                what = f"task {listed}" if len(names) == 1 else f"tasks {listed}"
                return f"{'any of ' * either}{what} to {INFINITIVES[outcome]}"
            case nodes.Retry():
                return f"a run that fails ({self.atom})"
            case nodes.Call() | nodes.Phrase() | nodes.Func():
                return f"{self.atom} to say yes"
            case _:
                return str(self.atom)


@dataclass(frozen=True, slots=True)
class TimePart:
    """A condition as the time sees it.

    `period` are the instants at which it can be true: its windows if time alone decides
    (`exact`), else the most that anything else could make of them. `assumptions` are the atoms
    that something else decides.
    """

    node: nodes.Condition
    zone: Zone
    period: Period
    exact: bool
    assumptions: tuple[Assumption, ...]

    @classmethod
    def of(cls, node: nodes.Condition, zone: Zone, start: int) -> TimePart:
        """The time part of `node`, of an app that begins at `start`; `zone` is that of what names
        none itself."""
        atoms = dict.fromkeys(atom for atom in nodes.postorder(node) if is_foreign(atom))
        assumed = tuple(Assumption(atom, at_first(atom, start, zone)) for atom in atoms)
        period, exact = windows_of(node, zone)
        return cls(node, zone, period, exact, assumed)

    @property
    def is_window(self) -> bool:
        """Whether it knows nothing of runs."""
        return is_window(self.node)

    @property
    def consumes(self) -> bool:
        """Whether a run makes it false, so that it does not start again at once."""
        return consumes(self.node)

    def starts(self, start: int) -> Iterator[int]:
        """When a task with this start_cond would start by time alone, from `start` on, each run
        succeeding at once. Of a condition that no run makes false only the first."""
        if self.period.window_from(start) is None:
            return iter(())
        found = forecast.upcoming(without_custom(self.node), start, 0, self.zone)
        return found if self.consumes else islice(found, 1)


def windows_of(node: nodes.Condition, zone: Zone) -> tuple[Period, bool]:
    """The windows of a condition, and whether time alone decides; else the most they could be."""
    try:
        return period_of(node, zone), True
    except ValueError:
        return bounds(node, zone).can, False


def is_foreign(atom: nodes.Condition) -> bool:
    """Whether something else than the time and the task's own success decides an atom."""
    match atom:
        case nodes.AfterTasks() | nodes.Running() | nodes.Retry():
            return True
        case nodes.Has(event, name):
            return name is not None or event in UNHAPPY
        case _:
            return isinstance(atom, (*CUSTOM, *PARAMETERS))


def at_first(atom: nodes.Condition, start: int, zone: Zone) -> bool:
    """What an atom is before anything has happened; what is custom counts as false."""
    if isinstance(atom, CUSTOM):
        return False
    return Planner(History()).plan(atom, "", zone).check(start).value


def without_custom(node: nodes.Condition) -> nodes.Condition:
    """The condition with every custom atom taken as false."""
    return mapped(node, lambda atom: FALSE if isinstance(atom, CUSTOM) else atom)


def mapped(
    node: nodes.Condition,
    change: Callable[[nodes.Condition], nodes.Condition],
    *,
    zones: bool = True,
) -> nodes.Condition:
    """The condition with `change` made of each atom; if not `zones`, without the zones it names."""
    done: dict[int, nodes.Condition] = {}
    for part in nodes.postorder(node):
        terms = tuple(done[id(term)] for term in part.operands)
        match part:
            case nodes.Zoned() if not zones:
                done[id(part)] = terms[0]
            case nodes.Composite():
                done[id(part)] = nodes.join(type(part), terms, part.label, part.span)
            case _:
                done[id(part)] = change(part)
    return done[id(node)]
