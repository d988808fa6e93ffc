"""Nodes to plans: `plan.check(now)` gives the verdict, from the cache while it stands.

A `Planner` compiles each distinct (node, owner, zone) once, so equal subtrees share one plan.
Atoms are in `atoms.py`; here are the operators and the compiling. The combination rules are
LANGUAGE.md §8: an *and* is false until the latest `until` of its false terms and reads what that
term reads; it is true until the earliest of all and reads what all read; an *or* is the dual.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import chain
from typing import ClassVar, NamedTuple

from ..conds import nodes, parts, points
from ..conds.rewrite import rewritten
from .atoms import (
    AfterPlan,
    AgePlan,
    CadencePlan,
    Cells,
    Custom,
    CustomPlan,
    CyclesPlan,
    EveryPlan,
    HasPlan,
    ParameterPlan,
    RetryPlan,
    RunningPlan,
    Scheduler,
    WindowPlan,
)
from .civil import BEGINNING, FOREVER, Zone
from .civil import zone as zone_of
from .formula import Piece
from .history import History, Source, TaskLog
from .periods import is_window, period_of
from .periods.algebra import Expression, Operation, Operator, Step
from .records import FINISHED, Action
from .schedule import NEVER
from .verdict import STALE, ConstantPlan, ParameterSource, Plan, Reads, Verdict

ACTIONS = {
    parts.Event.STARTED: (Action.RUN,),
    parts.Event.SUCCEEDED: (Action.SUCCESS,),
    parts.Event.FAILED: (Action.FAIL,),
    parts.Event.FINISHED: FINISHED,
    parts.Event.TERMINATED: (Action.TERMINATE,),
    parts.Event.INACTED: (Action.INACTION,),
    parts.Event.CRASHED: (Action.CRASH,),
}
SINCE = {
    parts.Since.RUN: (),
    parts.Since.SUCCESS: (Action.SUCCESS,),
    parts.Since.FAIL: (Action.FAIL,),
    parts.Since.FINISH: FINISHED,
}


STOREY = 16  # levels of a condition between two landings


class Composite(Plan):
    """A plan of other plans."""

    __slots__ = ("_paced", "_sources", "costly", "height", "landings", "terms")
    operator: ClassVar[Operator]

    def __init__(self, terms: tuple[Plan, ...]) -> None:
        super().__init__()
        self.terms = tuple(sorted(terms, key=lambda term: term.costly))
        self.costly = self.terms[-1].costly
        self._sources = tuple(dict.fromkeys(chain(*(term.sources for term in terms))))
        self.height = 1 + max(term.height for term in terms)
        below = dict.fromkeys(plan for term in terms for plan in term.landings)
        grounded = (term for term in terms if term.height and term.height % STOREY == 0)
        self.landings = (*below, *grounded)
        self._paced = next((term.paced for term in terms if term.paced is not None), None)

    @property
    def sources(self) -> Iterable[Source]:
        return self._sources

    @property
    def paced(self) -> Plan | None:
        return self._paced

    def outlook(self, now: int) -> Expression:
        steps: list[Step] = []
        stack: list[Plan | Operation] = [self]
        while stack:
            part = stack.pop()
            if isinstance(part, Operation):
                steps.append(part)
            elif isinstance(part, Composite):
                stack += [Operation(part.operator, len(part.terms)), *part.terms]
            else:
                steps += part.outlook(now)
        return tuple(steps)


class AllPlan(Composite):
    """`a & b & …`"""

    __slots__ = ()
    operator = Operator.BOTH
    decisive = False

    def evaluate(self, now: int) -> Verdict:
        decisive: Verdict | None = None
        since, until = BEGINNING, FOREVER
        reads: Reads = ()
        for term in self.terms:
            if decisive is not None and term.costly:
                break
            verdict = term.check(now)
            if verdict[0] is self.decisive:
                if verdict[2] >= FOREVER:
                    return verdict  # no other stands for longer
                if decisive is None or verdict[2] > decisive[2]:
                    decisive = verdict
            elif decisive is None:
                since = max(since, verdict[1])
                until = min(until, verdict[2])
                reads += verdict[3]
        if decisive is not None:
            return decisive
        return Verdict(not self.decisive, since, until, reads)


class AnyPlan(AllPlan):
    """`a | b | …`, the dual."""

    __slots__ = ()
    operator = Operator.EITHER
    decisive = True


class NotPlan(Composite):
    __slots__ = ()
    operator = Operator.OPPOSITE

    def evaluate(self, now: int) -> Verdict:
        value, since, until, reads = self.terms[0].check(now)
        return Verdict(not value, since, until, reads)


def as_it_is(function: Callable[..., object], task: str) -> Callable[..., object]:
    return function


Question = tuple[nodes.Condition, str, Zone]  # a condition, the task it is of, and its zone
Operand = tuple[nodes.Condition, Zone, bool]  # whether its plan is of one task alone


class Part(NamedTuple):
    """A node of a condition, in its zone. `own`: its plan is of one task alone; that of what
    concerns the task nowhere is the same for every task. `operands` are what it is made of."""

    node: nodes.Condition
    own: bool
    zone: Zone
    operands: tuple[Operand, ...]


@dataclass(slots=True)
class Planner:
    """Compiles conditions against one history; equal (node, owner, zone) share a plan. `customs`
    are the functions of custom conditions, by name, template or pattern; `rhythm` is how long the
    answer of one stands that does not say; `bind` gives one what it asks for beyond its arguments,
    for the task whose condition it is."""

    history: History
    parameters: Mapping[str, object] = field(default_factory=dict)
    scheduler: Scheduler = field(default_factory=Scheduler)
    customs: Mapping[str, Custom] = field(default_factory=dict)
    rhythm: int = 100_000
    bind: Callable[[Callable[..., object], str], Callable[..., object]] = as_it_is
    _plans: dict[Question, Plan] = field(default_factory=dict)
    _cells: dict[tuple[nodes.Condition, Zone], Cells] = field(default_factory=dict)
    _parameters: dict[str, ParameterSource] = field(default_factory=dict)

    def plan(self, node: nodes.Condition, task: str, zone: Zone | None = None) -> Plan:
        """The plan of `node` as a condition of `task`; None is the system's zone."""
        parts = parts_of(node, zone or zone_of(None))
        node, own, there, _ = parts[-1]
        plan = self._plans.get((node, task if own else "", there))
        if plan is None:
            for part in parts:
                asked = part.node, task if part.own else "", part.zone
                plan = self._plans.get(asked) or self._keep(asked, self._compile(part, task))
        assert plan is not None  # the whole is what comes last
        return plan

    def _keep(self, asked: Question, plan: Plan) -> Plan:
        self._plans[asked] = plan
        for source in plan.sources:
            source.tell(plan)
        return plan

    @property
    def read(self) -> list[str]:
        """The tasks whose logs plans read."""
        return [task for task, log in self.history.tasks.items() if log.readers]

    def lookback(self, now: int, tasks: Iterable[str]) -> dict[str, int]:
        """Of each of these tasks the instant from which on plans need every record, FOREVER where
        the latest ones are enough."""
        logs = self.history.tasks
        return {
            task: min(
                (plan.lookback(now) for plan in (logs[task].readers if task in logs else ())),
                default=FOREVER,
            )
            for task in tasks
        }

    @staticmethod
    def trim(log: TaskLog, now: int) -> None:
        """Drop what no plan will ask of a log again."""
        log.keep(min((plan.retains(now) for plan in log.readers), default=FOREVER), now)

    @staticmethod
    def changed(source: Source, bit: int = ~0) -> Sequence[Plan]:
        """The plans that may read a source; those whose answer did forget it."""
        for plan in source.readers:
            for read, actions in plan.verdict[3]:
                if read is source and actions & bit:
                    plan.verdict = STALE
        return source.readers

    @staticmethod
    def rewritten(source: Source) -> Sequence[Plan]:
        """The plans that may read a source; all of them forget their answer."""
        for plan in source.readers:
            plan.forget()
        return source.readers

    def parameter(self, name: str) -> ParameterSource:
        if name not in self._parameters:
            self._parameters[name] = ParameterSource(name)
        return self._parameters[name]

    def _cells_of(self, node: nodes.Condition, zone: Zone) -> Cells:
        cells = self._cells.get((node, zone))
        if cells is None:
            cells = self._cells[node, zone] = Cells(period_of(node, zone))
        return cells

    def _compile(self, part: Part, task: str) -> Plan:
        """The plan of a part whose operands have theirs."""
        node, _, zone, operands = part
        if is_window(node) and not isinstance(node, nodes.Constant):
            return WindowPlan(period_of(node, zone))
        terms = tuple(self._plans[term, task if of_one else "", z] for term, z, of_one in operands)
        log = self.history.of
        match node:
            case nodes.Constant(value):
                return ConstantPlan(value)
            case nodes.All() | nodes.Every(range=parts.Between() | parts.After() | parts.Before()):
                return AllPlan(terms)
            case nodes.Any():
                return AnyPlan(terms)
            case nodes.Not():
                return NotPlan(terms)
            case nodes.AfterTasks(names, any=either) if len(names) > 1:
                return AnyPlan(terms) if either else AllPlan(terms)
            case nodes.Cadence() | nodes.Cron() | nodes.Once():
                return CadencePlan(self._cells_of(node, zone), log(task))
            case nodes.Every(duration, since):
                return EveryPlan(duration.microseconds, SINCE[since], log(task))
            case nodes.AfterTasks(names, outcome):
                return AfterPlan(log(names[0]), ACTIONS[outcome], log(task))
            case nodes.Has(event, name, count, within):
                return HasPlan(log(name or task), ACTIONS[event], count, within, zone)
            case nodes.Running(name, age, count):
                return RunningPlan(log(name or task), age, count)
            case nodes.Retry():
                return RetryPlan(node, log(task))
            case nodes.SchedulerAge(duration, over):
                return AgePlan(self.scheduler, duration.microseconds, over)
            case nodes.SchedulerCycles(count):
                return CyclesPlan(self.scheduler, count)
            case nodes.Env(name):
                return ParameterPlan(self.parameters, (self.parameter("env"),), name)
            case nodes.ParamsExist(names):
                return ParameterPlan(self.parameters, tuple(map(self.parameter, names)), None)
            case nodes.ParamIs(name, text):
                return ParameterPlan(self.parameters, (self.parameter(name),), text)
            case nodes.Func(function, args, kwargs, every):
                assert callable(function)
                rhythm = self.rhythm if every is None else every.microseconds
                bound = self.bind(function, task)
                return CustomPlan(partial(bound, *args, **dict(kwargs)), rhythm)
            case nodes.Call(name, args):
                return self._custom(node, task, name, args, {})
            case nodes.Phrase(template, values):
                return self._custom(node, task, template, (), dict(values))
            case _:
                raise TypeError(f"no plan for {type(node).__name__}: {node}")

    def _custom(
        self,
        node: nodes.Condition,
        task: str,
        name: str,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> Plan:
        if name not in self.customs:
            raise ValueError(f"the custom condition {str(node)!r} has no function here")
        function, every = self.customs[name]
        ask = partial(self.bind(function, task), *args, **kwargs)
        return CustomPlan(ask, self.rhythm if every is None else every)

    @property
    def size(self) -> int:
        """How many plans there are."""
        return len(self._plans)

    def sweep(self, roots: Iterable[Plan], tasks: Container[str]) -> None:
        """Let go of what these plans are not made of, and of the logs of other tasks that nobody
        reads and that have nothing live."""
        kept: set[Plan] = set()
        stack = list(roots)
        while stack:
            plan = stack.pop()
            if plan not in kept:
                kept.add(plan)
                stack += plan.terms if isinstance(plan, Composite) else ()
        self._plans = {asked: plan for asked, plan in self._plans.items() if plan in kept}
        cells = {plan.cells for plan in kept if isinstance(plan, CadencePlan)}
        self._cells = {key: cell for key, cell in self._cells.items() if cell in cells}
        for source in (*self.history.tasks.values(), *self._parameters.values()):
            source.keep_readers(kept)
        for name, log in list(self.history.tasks.items()):
            if not (log.readers or log.live or name in tasks):
                del self.history.tasks[name]

    def forget(self) -> None:
        """Drop every answer."""
        for plan in self._plans.values():
            plan.forget()


@lru_cache(maxsize=1024)
def parts_of(root: nodes.Condition, zone: Zone) -> tuple[Part, ...]:
    """What a condition is made of, each before what it is in; many tasks may have the same."""
    order: list[tuple[nodes.Condition, Zone, tuple[Piece, ...]]] = []
    stack = [piece(root, zone)]
    while stack:
        node, there = stack.pop()
        below = () if is_window(node) else operands(node, there)  # no window is split
        order.append((node, there, below))
        stack += below
    found: list[Part] = []
    owned: list[bool] = []  # of the parts that are in none yet
    for node, there, below in reversed(order):
        first = len(owned) - len(below)
        own = any(owned[first:]) if below else is_own(node)
        split = tuple((*term, of_one) for term, of_one in zip(below, owned[first:], strict=True))
        owned[first:] = [own]
        found.append(Part(node, own, there, split))
    return tuple(found)


def is_own(atom: nodes.Condition) -> bool:
    """Whether an atom is another for each task whose condition it is in."""
    match atom:
        case nodes.Has(task=task) | nodes.Running(task=task):
            return task is None
        case nodes.Env() | nodes.ParamsExist() | nodes.ParamIs():
            return False
        case nodes.SchedulerAge() | nodes.SchedulerCycles():
            return False
        case _:
            return not is_window(atom)


def piece(node: nodes.Condition, zone: Zone) -> Piece:
    """The plan of what is said in a zone, or by a name, is that of what is said."""
    while not is_window(node):
        match node:
            case nodes.Zoned(term, name):
                node, zone = term, zone_of(name)
            case nodes.Defined(_, term):
                node = term
            case _:
                break
    return node, zone


def operands(node: nodes.Condition, zone: Zone) -> tuple[Piece, ...]:
    """What the plan of a node is made of: windows side by side are one."""
    match node:
        case nodes.All(terms) | nodes.Any(terms):
            windows = tuple(term for term in terms if is_window(term))
            if len(windows) > 1:
                terms = (type(node)(windows), *(term for term in terms if not is_window(term)))
        case nodes.Every(duration, since, range_) if range_ is not None:
            terms = (nodes.TimeOf(points.Unit.DAY, range_), nodes.Every(duration, since))
        case nodes.AfterTasks(names, outcome) if len(names) > 1:
            terms = tuple(nodes.AfterTasks((name,), outcome) for name in names)
        case _:
            terms = node.operands
    return tuple(piece(term, zone) for term in terms)


@lru_cache(maxsize=1024)
def without_retry(root: nodes.Condition) -> nodes.Condition:
    """The condition with every `retry` taken as false: does it start anew, or only again?"""
    if not any(isinstance(node, nodes.Retry) for node in nodes.postorder(root)):
        return root
    return rewritten(root, lambda atom: NEVER if isinstance(atom, nodes.Retry) else atom)
