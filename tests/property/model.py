"""What conditions mean, written as plainly as can be: no caches, no indexes, no horizons.

Reads the whole log for every question, in UTC, for cycles of a day and shorter. Written apart
from the engine, against LANGUAGE.md, to judge it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oncue.conds import nodes, parts
from oncue.conds.parts import Event
from oncue.conds.points import Clock, Unit
from oncue.engine.records import Action, Record

SECOND = 1_000_000
LENGTH = {
    Unit.SECOND: SECOND,
    Unit.MINUTE: 60 * SECOND,
    Unit.HOUR: 3600 * SECOND,
    Unit.DAY: 24 * 3600 * SECOND,
}
SUB_UNIT = {
    Unit.SECOND: 1000,
    Unit.MINUTE: SECOND,
    Unit.HOUR: 60 * SECOND,
    Unit.DAY: 3600 * SECOND,
}
MATCHING = {
    Event.STARTED: {Action.RUN},
    Event.SUCCEEDED: {Action.SUCCESS},
    Event.FAILED: {Action.FAIL},
    Event.FINISHED: {Action.SUCCESS, Action.FAIL, Action.TERMINATE},
    Event.TERMINATED: {Action.TERMINATE},
    Event.INACTED: {Action.INACTION},
    Event.CRASHED: {Action.CRASH},
}


def clock(point: object) -> int:
    assert isinstance(point, Clock)
    return point.microseconds


def windows_near(unit: Unit, range_: parts.Range | None, now: int) -> list[tuple[int, int]]:
    """The windows of the cycles around `now`, in order."""
    length = LENGTH[unit]
    found: list[tuple[int, int]] = []
    for base in range(now - now % length - 2 * length, now + 3 * length, length):
        match range_:
            case None:
                found.append((base, base + length))
            case parts.After(start):
                found.append((base + clock(start), base + length))
            case parts.Before(end):
                found.append((base, base + clock(end)))
            case parts.Between(start, end):
                a, b = clock(start), clock(end)
                found.append((base + a, base + b + (length if b <= a else 0)))
            case parts.Starting(point):
                found.append((base + clock(point), base + clock(point) + length))
            case parts.At(points):
                found += [(base + clock(p), base + clock(p) + SUB_UNIT[unit]) for p in points]
    return sorted(found)


@dataclass
class Run:
    start: Record
    ending: Record | None = None

    @property
    def counts(self) -> bool:
        return self.ending is None or self.ending.action is not Action.CRASH


def runs_of(task: str, log: Sequence[Record]) -> list[Run]:
    runs: list[Run] = []
    for record in log:
        if record.task != task:
            continue
        if record.action is Action.RUN:
            runs.append(Run(record))
            continue
        ended = [run for run in runs if run.ending is None and run.start.seq == record.run]
        if not ended and record.action is not Action.CRASH:
            runs.append(Run(record, record))
        for run in ended:
            run.ending = record
    return runs


def holds(node: nodes.Condition, now: int, log: Sequence[Record], me: str) -> bool:
    mine = runs_of(me, log)
    counting = [run for run in mine if run.counts]
    latest = counting[-1] if counting else None
    match node:
        case nodes.Constant(value):
            return value
        case nodes.All(terms):
            return all([holds(term, now, log, me) for term in terms])
        case nodes.Any(terms):
            return any([holds(term, now, log, me) for term in terms])
        case nodes.Not(term):
            return not holds(term, now, log, me)
        case nodes.TimeOf(unit, range_):
            return any(a <= now < b for a, b in windows_near(unit, range_, now))
        case nodes.Cadence(unit, range_):
            return any(
                a <= now < b and not any(a <= run.start.logical < b for run in counting)
                for a, b in windows_near(unit, range_, now)
            )
        case nodes.Every(duration, parts.Since.RUN, None):
            return latest is None or latest.start.logical + duration.microseconds <= now
        case nodes.AfterTasks((name,), outcome):
            floor = latest.start.seq if latest else 0
            return any(
                r.task == name and r.action in MATCHING[outcome] and r.seq > floor for r in log
            )
        case nodes.Has(event, name, count, within):
            at = [r.at for r in log if r.task == (name or me) and r.action in MATCHING[event]]
            return compare(count, sum(looked_at(t, within, now) for t in at))
        case nodes.Running(name, None, count):
            return compare(count, sum(run.ending is None for run in runs_of(name or me, log)))
        case nodes.Retry(times, delay):
            return retries(mine, log, now, times, delay.microseconds if delay else 0, me)
    raise AssertionError(node)


def compare(count: parts.Count | None, n: int) -> bool:
    match count:
        case None:
            return n >= 1
        case parts.Count(parts.Bound.AT_LEAST, times):
            return n >= times
        case parts.Count(parts.Bound.AT_MOST, times):
            return n <= times
        case parts.Count(_, times):
            return n == times


def looked_at(at: int, within: parts.ThisCycle | parts.Past | None, now: int) -> bool:
    match within:
        case None:
            return True
        case parts.Past(duration):
            return at > now - duration.microseconds
        case parts.ThisCycle(unit, range_):
            cycle = now - now % LENGTH[unit]
            begun = [w for w in windows_near(unit, range_, now) if w[0] <= now]
            if not begun or begun[-1][1] <= cycle:
                return False
            return begun[-1][0] <= at < begun[-1][1]


def retries(
    runs: list[Run], log: Sequence[Record], now: int, times: int | None, delay: int, me: str
) -> bool:
    endings = [r for r in log if r.task == me and r.action is not Action.RUN]
    if not endings or endings[-1].action not in (Action.FAIL, Action.CRASH):
        return False
    last = endings[-1]
    ended = [run.start.attempt for run in runs if run.ending is last]
    streak = 0
    for record in reversed(endings):
        if record.action not in (Action.FAIL, Action.CRASH):
            break
        streak += 1
    attempt = ended[0] if ended and ended[0] is not None else streak - 1
    later = any(run.ending is None and run.start.seq > last.seq for run in runs)
    return (times is None or attempt < times) and now >= last.at + delay and not later
