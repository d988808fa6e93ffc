"""The answer to "does this condition hold?", and for how long it stands."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from .civil import BEGINNING, FOREVER
from .periods.algebra import Constant, Expression, Span, any_of
from .records import Key

Instant = TypeVar("Instant")


class Parameter(NamedTuple):
    """A session parameter that a verdict reads."""

    name: str


Read = Key | Parameter


class Verdict(NamedTuple, Generic[Instant]):
    """The value of a condition, and the promise that goes with it (LANGUAGE.md §8): at every
    instant from `since` up to but not including `until`, with no record or change on a key in
    `reads`, a fresh evaluation gives the same value.

    Inside the engine instants are microseconds since the epoch, and BEGINNING and FOREVER stand
    for no bound; at the public face they are aware datetimes, and None stands for no bound.
    """

    value: bool
    since: Instant
    until: Instant
    reads: frozenset[Read]

    def __bool__(self) -> bool:
        return self.value


NO_READS: frozenset[Read] = frozenset()
_STALE: Verdict[int] = Verdict(False, 1, 0, NO_READS)  # stands at no instant


class Plan:
    """A compiled condition. `verdict` is its latest answer, `keys` all it can ever read.

    Subclasses give `evaluate`; `check` asks it only when the latest answer no longer stands.
    `landings` are plans below, lowest first, that are asked beforehand: each finds the answers it
    needs a few levels below, so no condition is too deep for the stack.
    """

    __slots__ = ("height", "keys", "landings", "verdict")

    def __init__(self, keys: frozenset[Read] = NO_READS) -> None:
        self.keys = keys
        self.verdict = _STALE
        self.height = 0
        self.landings: tuple[Plan, ...] = ()

    def check(self, now: int) -> Verdict[int]:
        verdict = self.verdict
        if not verdict[1] <= now < verdict[2]:
            for plan in self.landings:
                plan.check(now)
            verdict = self.verdict = self.evaluate(now)
        return verdict

    def evaluate(self, now: int) -> Verdict[int]:
        raise TypeError(f"{type(self).__name__} gives no verdicts")

    def phase(self, now: int, since: int) -> int:
        """The logical instant of a start decided at `now`, the condition true since `since`."""
        return now

    def lookback(self, now: int) -> int:
        """The instant from which on the plan needs every record of the log; FOREVER if the
        latest ones of each task and action are enough."""
        return FOREVER

    def outlook(self, now: int) -> Expression:
        """When the plan will be true from `now` on, if nothing more is recorded. Here for plans
        that the log as it is lets change only so often; periodic ones have their own."""
        spans: list[Expression] = []
        while now < FOREVER:
            verdict = self.check(now)
            if verdict.value:
                spans.append((Span(now, verdict.until),))
            now = verdict.until
        return any_of(*spans) if spans else (Constant(False),)

    def forget(self) -> None:
        self.verdict = _STALE


class ConstantPlan(Plan):
    __slots__ = ("answer",)

    def __init__(self, value: bool) -> None:
        super().__init__()
        self.answer: Verdict[int] = Verdict(value, BEGINNING, FOREVER, NO_READS)

    def evaluate(self, now: int) -> Verdict[int]:
        return self.answer
