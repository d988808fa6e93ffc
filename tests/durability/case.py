"""The evidence of a life, sorted for the rules: runs, who was up, when a task was free to start.

"Earlier" and "later" are by sequence; clocks are asked only where a rule is about time, and then
with the evidence's margin.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from oncue.engine.policy import ExecutionMode, FailureMode
from oncue.engine.records import Action, Record
from oncue.tests.durability.evidence import SECOND, Effect, Evidence, Kind, Promise

FOREVER = 1 << 62
RELEASE_WAIT = SECOND
RELEASE_WAIT_MOST = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Violation:
    rule: str
    task: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.task}: {self.what}"


@dataclass(frozen=True, slots=True)
class Run:
    """A RUN record and what ended it."""

    begun: Record
    ending: Record | None

    @property
    def seq(self) -> int:
        return self.begun.seq

    @property
    def scheduled_at(self) -> int:
        return self.begun.logical

    @property
    def ended_seq(self) -> int:
        return FOREVER if self.ending is None else self.ending.seq

    @property
    def ended_at(self) -> int:
        return FOREVER if self.ending is None else self.ending.at

    def counts(self, promise: Promise, seq: int = FOREVER, at: int = FOREVER) -> bool:
        """Whether it counted when the log was known up to `seq`, at an instant."""
        live = self.ending is None or self.ending.seq > seq
        if promise.execution is ExecutionMode.AT_MOST_ONCE or live:
            return True
        assert self.ending is not None
        match self.ending.action:
            case Action.CRASH:
                return False
            case Action.FAIL if promise.failure is FailureMode.UNLOCK:
                return False
            case Action.FAIL if promise.failure is FailureMode.NONE:
                return at < self.counted_until(promise)
            case _:
                return True

    def counted_until(self, promise: Promise) -> int:
        """Until when it kept another from being started, by the clock."""
        if self.ending is None:
            return FOREVER
        if self.ending.action is Action.FAIL and promise.failure is FailureMode.NONE:
            return max(self.ended_at, self.ending.until or self.begun.at + promise.lease)
        return self.ended_at


class Gap(NamedTuple):
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Request:
    """That a dynamic task be scheduled, or not any more. `begun` and `over` are its places among
    the effects; `done` is None where no answer was heard."""

    asked: Effect
    begun: int
    over: int = FOREVER
    over_at: int = FOREVER
    done: Effect | None = None

    @property
    def schedules(self) -> bool:
        return self.asked.kind is Kind.SCHEDULING

    @property
    def due(self) -> int | None:
        """When it is to run once."""
        return self.asked.scheduled_at

    def precedes(self, other: Request, in_doubt: int) -> bool:
        """Whether all that comes of this came before the other was asked."""
        certain = self.done is not None or not in_doubt
        return self.over < other.begun and (certain or self.over_at + in_doubt < other.asked.at)


class Case:
    """The evidence, sorted for the rules."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.log = evidence.log
        self.margin = evidence.margin
        endings: dict[int, Record] = {}
        for record in self.log:
            if record.action is not Action.RUN and record.run is not None:
                endings.setdefault(record.run, record)
        self._busy_of: dict[str, list[Gap]] = {}
        self.runs: dict[str, list[Run]] = defaultdict(list)
        for record in self.log:
            if record.action is Action.RUN:
                self.runs[record.task].append(Run(record, endings.get(record.seq)))

    @cached_property
    def by_token(self) -> dict[int, Run]:
        return {run.seq: run for runs in self.runs.values() for run in runs}

    @cached_property
    def requests(self) -> dict[str, dict[str, Request]]:
        """Of each task, by their names."""
        found: dict[str, dict[str, Request]] = defaultdict(dict)
        for place, effect in enumerate(self.evidence.effects):
            of, name = found[effect.task], effect.request or ""
            match effect.kind:
                case Kind.SCHEDULING | Kind.UNSCHEDULING:
                    of[name] = Request(effect, place)
                case Kind.DONE | Kind.FAILED:
                    done = effect if effect.kind is Kind.DONE else None
                    of[name] = replace(of[name], over=place, over_at=effect.at, done=done)
                case Kind.GONE:
                    for requests in found.values():
                        for each, request in requests.items():
                            if request.asked.instance == effect.instance:
                                if request.over == FOREVER:
                                    over = replace(request, over=place, over_at=effect.at)
                                    requests[each] = over
        return found

    @cached_property
    def asked_by(self) -> dict[int, str]:
        """Of each run that began the request that its task was scheduled by, if there was one."""
        began = self.effects(Kind.BEGAN)
        return {e.token: e.request for e in began if e.token is not None and e.request is not None}

    def owed_from(self, promise: Promise) -> int:
        """Since when somebody is there to run it; FOREVER: never."""
        begin = min((span.begin for span in self.evidence.spans), default=FOREVER)
        if not promise.dynamic:
            return begin
        asked = self.requests[promise.task].values()
        scheduled = (r.done.at for r in asked if r.schedules and r.done is not None)
        return max(begin, min(scheduled, default=FOREVER))

    def effects(self, kind: Kind) -> Iterator[Effect]:
        return (effect for effect in self.evidence.effects if effect.kind is kind)

    def promised(self) -> Iterator[tuple[Promise, list[Run]]]:
        for promise in self.evidence.promises.values():
            yield promise, self.runs.get(promise.task, [])

    @cached_property
    def end(self) -> int:
        return max((span.end for span in self.evidence.spans), default=0)

    def idle(self, promise: Promise, begin: int, end: int) -> Gap | None:
        """The first time in [begin, end) for which some instance was up without a break, longer
        than the margin, and nothing kept it from starting the task. A dynamic one it has to take
        first, and again each time it was changed meanwhile."""
        margin = self.margin * (3 if promise.dynamic else 1)
        for free in self.free(promise, begin, end):
            for span in self.evidence.spans:
                gap = Gap(max(free.begin, span.begin), min(free.end, span.end))
                if gap.end - gap.begin > margin:
                    return gap
        return None

    def free(self, promise: Promise, begin: int, end: int) -> Iterator[Gap]:
        """[begin, end) without the task's own runs and what it waits after those."""
        busy = self._busy(promise)
        for gap in busy[bisect_right(busy, begin, key=lambda gap: gap.end) :]:
            if gap.begin > begin:
                yield Gap(begin, min(gap.begin, end))
            begin = max(begin, gap.end)
            if begin >= end:
                return
        yield Gap(begin, end)

    def _busy(self, promise: Promise) -> list[Gap]:
        """Apart from each other, in order."""
        found = self._busy_of.get(promise.task)
        if found is None:
            found = self._busy_of[promise.task] = []
            gaps = [*self._runs_and_waits(promise)]
            if promise.dynamic:
                gaps += [Gap(lapse.begin, lapse.end) for lapse in self.evidence.lapses]
            for gap in sorted(gaps):
                if found and gap.begin <= found[-1].end:
                    found[-1] = Gap(found[-1].begin, max(gap.end, found[-1].end))
                else:
                    found.append(gap)
        return found

    def _runs_and_waits(self, promise: Promise) -> Iterator[Gap]:
        wait = 0
        for run in self.runs[promise.task]:
            crashed = run.ending is not None and run.ending.action is Action.CRASH
            waits = crashed or not run.counts(promise)
            wait = min(max(RELEASE_WAIT, 2 * wait), RELEASE_WAIT_MOST) if waits else 0
            until = max(run.counted_until(promise), self.known_at(run.ending))
            yield Gap(run.begun.at, until + wait)

    def known_at(self, record: Record | None) -> int:
        """When others could know of it."""
        if record is None:
            return FOREVER
        return max(record.at, self._written.get((record.task, record.run_id, record.action), 0))

    @cached_property
    def _written(self) -> dict[tuple[str, str | None, Action | None], int]:
        effects = reversed(list(self.effects(Kind.WRITTEN)))  # the first is what counts
        return {(e.task, e.run_id, e.action): e.at for e in effects}

    def counting_before(self, promise: Promise, number: int) -> Run | None:
        """The latest run that counted when the run of that number was claimed."""
        runs = self.runs[promise.task]
        run = runs[number]
        before = reversed(runs[:number])
        return next((r for r in before if r.counts(promise, run.seq, run.begun.at)), None)


def succeeded(runs: Iterable[Run]) -> list[Run]:
    return [r for r in runs if r.ending is not None and r.ending.action is Action.SUCCESS]


def undone(promise: Promise, what: str, gap: Gap) -> Violation:
    long = (gap.end - gap.begin) / SECOND
    text = f"{what} was not run though an instance was up for {long:.3f} s from {gap.begin} on"
    return Violation("undone", promise.task, text)
