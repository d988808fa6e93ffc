"""Nodes to plans: `plan.check(now)` gives the verdict, from the cache while it stands.

A `Planner` compiles each distinct (node, owner, zone) once, so equal subtrees share one plan.
Atoms are in `atoms.py`; here are the operators and the compiling. The combination rules are
LANGUAGE.md §8: an *and* is false until the latest `until` of its false terms and reads what that
term reads; it is true until the earliest of all and reads what all read; an *or* is the dual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..conds import nodes
from .atoms import (
    AfterPlan,
    AgePlan,
    CadencePlan,
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
from .history import History
from .periods import is_window, period_of
from .records import FINISHED, Action
from .verdict import NO_READS, ConstantPlan, Plan, Read, Verdict

ACTIONS = {
    nodes.Event.STARTED: (Action.RUN,),
    nodes.Event.SUCCEEDED: (Action.SUCCESS,),
    nodes.Event.FAILED: (Action.FAIL,),
    nodes.Event.FINISHED: FINISHED,
    nodes.Event.TERMINATED: (Action.TERMINATE,),
    nodes.Event.INACTED: (Action.INACTION,),
    nodes.Event.CRASHED: (Action.CRASH,),
}
SINCE = {
    nodes.Since.RUN: (),
    nodes.Since.SUCCESS: (Action.SUCCESS,),
    nodes.Since.FAIL: (Action.FAIL,),
    nodes.Since.FINISH: FINISHED,
}


class AllPlan(Plan):
    """`a & b & …`"""

    __slots__ = ("terms",)
    stops_at = False

    def __init__(self, terms: tuple[Plan, ...]) -> None:
        super().__init__(frozenset[Read]().union(*(term.keys for term in terms)))
        self.terms = terms

    def evaluate(self, now: int) -> Verdict[int]:
        decisive: Verdict[int] | None = None
        since, until = BEGINNING, FOREVER
        reads: list[frozenset[Read]] = []
        for term in self.terms:
            verdict = term.check(now)
            if verdict[0] is self.stops_at:
                if decisive is None or verdict[2] > decisive[2]:
                    decisive = verdict
            elif decisive is None:
                since = max(since, verdict[1])
                until = min(until, verdict[2])
                if verdict[3]:
                    reads.append(verdict[3])
        if decisive is not None:
            return decisive
        return Verdict(not self.stops_at, since, until, union(reads))

    def lookback(self, now: int) -> int:
        return min(term.lookback(now) for term in self.terms)

    def phase(self, now: int, since: int) -> int:
        for term in self.terms:
            instant = term.phase(now, since)
            if instant != now:
                return instant
        return now


class AnyPlan(AllPlan):
    """`a | b | …`, the dual."""

    __slots__ = ()
    stops_at = True


class NotPlan(Plan):
    __slots__ = ("term",)

    def __init__(self, term: Plan) -> None:
        super().__init__(term.keys)
        self.term = term

    def evaluate(self, now: int) -> Verdict[int]:
        value, since, until, reads = self.term.check(now)
        return Verdict(not value, since, until, reads)

    def lookback(self, now: int) -> int:
        return self.term.lookback(now)


def union(reads: list[frozenset[Read]]) -> frozenset[Read]:
    if not reads:
        return NO_READS
    return reads[0] if len(reads) == 1 else reads[0].union(*reads[1:])


@dataclass(slots=True)
class Planner:
    """Compiles conditions against one history; equal (node, owner, zone) share a plan."""

    history: History
    parameters: Mapping[str, object] = field(default_factory=dict)
    scheduler: Scheduler = field(default_factory=Scheduler)
    _plans: dict[tuple[nodes.Condition, str, Zone], Plan] = field(default_factory=dict)
    _readers: dict[Read, list[Plan]] = field(default_factory=dict)

    def plan(self, node: nodes.Condition, task: str, zone: Zone | None = None) -> Plan:
        """The plan of `node` as a condition of `task`; None is the system's zone."""
        if zone is None:
            zone = zone_of(None)
        key = (node, task, zone)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._compile(node, task, zone)
            for read in plan.keys:
                self._readers.setdefault(read, []).append(plan)
        return plan

    def changed(self, read: Read) -> list[Plan]:
        """Make the plans whose answer reads `read` forget it; they are returned."""
        stale = [plan for plan in self._readers.get(read, ()) if read in plan.verdict.reads]
        for plan in stale:
            plan.forget()
        return stale

    def _compile(self, node: nodes.Condition, task: str, zone: Zone) -> Plan:
        log = self.history.of
        if is_window(node) and not isinstance(node, nodes.Constant):
            return WindowPlan(period_of(node, zone))
        match node:
            case nodes.Constant(value):
                return ConstantPlan(value)
            case nodes.Zoned(term, name):
                return self.plan(term, task, zone_of(name))
            case nodes.All(terms):
                return AllPlan(self._terms(nodes.All, terms, task, zone))
            case nodes.Any(terms):
                return AnyPlan(self._terms(nodes.Any, terms, task, zone))
            case nodes.Not(term):
                return NotPlan(self.plan(term, task, zone))
            case nodes.Cadence() | nodes.Cron() | nodes.Once():
                return CadencePlan(period_of(node, zone), log(task))
            case nodes.Every(duration, since, None):
                return EveryPlan(duration.microseconds, SINCE[since], log(task))
            case nodes.Every(duration, since, range_):
                window = nodes.TimeOf(nodes.Unit.DAY, range_)
                return self.plan(nodes.All((window, nodes.Every(duration, since))), task, zone)
            case nodes.AfterTasks((name,), outcome):
                return AfterPlan(log(name), ACTIONS[outcome], log(task))
            case nodes.AfterTasks(names, outcome, any=either):
                each = tuple(self.plan(nodes.AfterTasks((n,), outcome), task, zone) for n in names)
                return AnyPlan(each) if either else AllPlan(each)
            case nodes.Has(event, name, count, within):
                return HasPlan(log(name or task), ACTIONS[event], count, within, zone)
            case nodes.Running(name, age, count):
                return RunningPlan(log(name or task), age, count)
            case nodes.Retry(times, delay):
                return RetryPlan(times, delay.microseconds if delay else 0, log(task))
            case nodes.SchedulerAge(duration, over):
                return AgePlan(self.scheduler, duration.microseconds, over)
            case nodes.Env(name):
                return ParameterPlan(self.parameters, ("env",), name)
            case nodes.ParamsExist(names):
                return ParameterPlan(self.parameters, names, None)
            case nodes.ParamIs(name, text):
                return ParameterPlan(self.parameters, (name,), text)
            case _:
                raise TypeError(f"no plan for {type(node).__name__}: {node}")

    def _terms(
        self,
        kind: type[nodes.All] | type[nodes.Any],
        terms: tuple[nodes.Condition, ...],
        task: str,
        zone: Zone,
    ) -> tuple[Plan, ...]:
        """The plans of `terms`, those of windows alone fused into one period."""
        windows = tuple(term for term in terms if is_window(term))
        if len(windows) < 2:
            return tuple(self.plan(term, task, zone) for term in terms)
        rest = tuple(term for term in terms if not is_window(term))
        return tuple(self.plan(term, task, zone) for term in (kind(windows), *rest))

    def forget(self) -> None:
        """Drop every answer."""
        for plan in self._plans.values():
            plan.forget()


def without_retry(node: nodes.Condition) -> nodes.Condition:
    """The condition with every `retry` taken as false: does it start anew, or only again?"""
    match node:
        case nodes.Retry():
            return nodes.Constant(False)
        case nodes.All(terms) | nodes.Any(terms):
            changed = tuple(without_retry(term) for term in terms)
            return node if changed == terms else type(node)(changed)
        case nodes.Not(term) | nodes.Zoned(term):
            inner = without_retry(term)
            return node if inner == term else replace(node, term=inner)
        case _:
            return node
