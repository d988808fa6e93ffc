"""The answer to "does this condition hold?", and for how long it stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from .civil import BEGINNING, FOREVER
from .history import Source, TaskLog
from .periods.algebra import Constant, Expression, Span, any_of
from .records import BIT, Action, Key


class Parameter(NamedTuple):
    """A session parameter that a verdict reads."""

    name: str


Read = Key | Parameter
"""What a verdict reads, by name."""

Reads = tuple[tuple[Source, int], ...]
"""The same as the engine has it: of each source a set of actions, as a sum of bits."""


class ParameterSource(Source):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def named(reads: Reads) -> frozenset[Read]:
    found: set[Read] = set()
    for source, actions in reads:
        if isinstance(source, TaskLog):
            found.update(Key(source.task, action) for action in Action if actions & BIT[action])
        elif isinstance(source, ParameterSource):
            found.add(Parameter(source.name))
    return frozenset(found)


def touches(reads: Reads, source: Source, bit: int) -> bool:
    for read, actions in reads:
        if read is source and actions & bit:
            return True
    return False


class Verdict(NamedTuple):
    """The value of a condition, and the promise that goes with it (LANGUAGE.md §8): at every
    instant from `since` up to but not including `until`, with no record or change of what is in
    `reads`, a fresh evaluation gives the same value. BEGINNING and FOREVER stand for no bound.
    """

    value: bool
    since: int
    until: int
    reads: Reads = ()


STALE = Verdict(False, 1, 0)  # stands at no instant


class Plan:
    """A compiled condition. `verdict` is its latest answer; `askers` are those who are to look
    again when something it reads has changed.

    Subclasses give `evaluate`; `check` asks it only when the latest answer no longer stands.
    `costly` ones ask a user's function, so they are asked last, and only if it matters.
    `landings` are plans below, lowest first, that are asked beforehand: each finds the answers it
    needs a few levels below, so no condition is too deep for the stack.
    """

    __slots__ = ("askers", "verdict")
    costly = False
    height = 0
    landings: tuple[Plan, ...] = ()

    def __init__(self) -> None:
        self.verdict = STALE
        self.askers: Collection[Any] = ()

    @property
    def sources(self) -> Iterable[Source]:
        """All that the plan can ever read."""
        return ()

    def check(self, now: int) -> Verdict:
        verdict = self.verdict
        if not verdict[1] <= now < verdict[2]:
            for plan in self.landings:
                plan.check(now)
            verdict = self.verdict = self.evaluate(now)
            for source, actions in verdict[3]:
                source.read |= actions
        return verdict

    def evaluate(self, now: int) -> Verdict:
        raise TypeError(f"{type(self).__name__} gives no verdicts")

    @property
    def paced(self) -> Plan | None:
        """The interval in it that gives a start its phase."""
        return None

    def phase(self, now: int, since: int) -> int:
        """Of an interval: the logical instant of a start decided at `now`, the condition true since
        `since`."""
        return now

    def newest(self, instant: int, late: int) -> int:
        """Of the starts that it has brought from `instant` up to `late`, the newest."""
        return instant

    def lookback(self, now: int) -> int:
        """The instant from which on the plan needs every record of the log; FOREVER if the
        latest ones of each task and action are enough."""
        return FOREVER

    def retains(self, now: int) -> int:
        """The instant from which on it needs the instant of every record later on."""
        return self.lookback(now)

    def outlook(self, now: int) -> Expression:
        """When the plan will be true from `now` on, if nothing more is recorded. Here for plans
        that the log as it is lets change only so often; periodic ones have their own."""
        spans: list[Expression] = []
        while now < FOREVER:
            verdict = self.check(now)
            if verdict.value:
                spans.append((Span(now, verdict.until),))
            assert verdict.until > now
            now = verdict.until
        return any_of(*spans) if spans else (Constant(False),)

    def forget(self) -> None:
        self.verdict = STALE


class ConstantPlan(Plan):
    __slots__ = ("answer",)

    def __init__(self, value: bool) -> None:
        super().__init__()
        self.answer = Verdict(value, BEGINNING, FOREVER)

    def evaluate(self, now: int) -> Verdict:
        return self.answer
