"""What conditions mean, written as plainly as can be: no caches, no indexes, no horizons.

Reads the whole log for every question, in UTC, for cycles of a day and shorter. Written apart
from the engine, against LANGUAGE.md, to judge it. Records later than the instant asked about are
read as at it where elapsed time counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oncue.conds import nodes, parts
from oncue.conds.parts import Event
from oncue.conds.points import Clock, Unit
from oncue.engine.civil import from_datetime, zone
from oncue.engine.records import Action, Record

UTC = zone("UTC")
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


OFFSET = {"UTC": 0, "Asia/Kolkata": 19_800 * SECOND, "Etc/GMT+7": -25_200 * SECOND}


@dataclass(frozen=True)
class Rules:
    """What becomes of a failed run: a failure mode, or "at most once"; and how far the wall clock
    is ahead of UTC."""

    mode: str = "commit"
    lease: int = 60 * SECOND
    offset: int = 0

    def windows(self, unit: Unit, range_: parts.Range | None, now: int) -> list[tuple[int, int]]:
        near = windows_near(unit, range_, now + self.offset)
        return [(start - self.offset, end - self.offset) for start, end in near]


COMMIT = Rules()


@dataclass
class Run:
    start: Record
    ending: Record | None = None

    def counts(self, now: int, rules: Rules) -> bool:
        """LANGUAGE.md §7, the paragraph on what counts."""
        if self.ending is None or rules.mode == "at most once":
            return True
        if self.ending.action is Action.CRASH:
            return False
        if self.ending.action is not Action.FAIL or rules.mode == "commit":
            return True
        return rules.mode == "none" and now < self.start.at + rules.lease


def runs_of(task: str, log: Sequence[Record]) -> list[Run]:
    runs: list[Run] = []
    for record in log:
        if record.task != task:
            continue
        if record.action is Action.RUN:
            runs.append(Run(record))
            continue
        ended = ended_by(record, [run for run in runs if run.ending is None])
        if not ended and record.action is not Action.CRASH:
            runs.append(Run(record, record))
        for run in ended:
            run.ending = record
    return runs


def ended_by(record: Record, live: list[Run]) -> list[Run]:
    """By number; else by label, the oldest; without either all that have no label."""
    if record.run is not None:
        return [run for run in live if run.start.seq == record.run]
    same = [run for run in live if run.start.run_id == record.run_id]
    return same if record.run_id is None else same[:1]


def holds(
    node: nodes.Condition, now: int, log: Sequence[Record], me: str, rules: Rules = COMMIT
) -> bool:
    mine = runs_of(me, log)
    counting = [run for run in mine if run.counts(now, rules)]
    latest = counting[-1] if counting else None
    match node:
        case nodes.Constant(value):
            return value
        case nodes.All(terms):
            return all([holds(term, now, log, me, rules) for term in terms])
        case nodes.Any(terms):
            return any([holds(term, now, log, me, rules) for term in terms])
        case nodes.Zoned(term, name):
            return holds(term, now, log, me, replace(rules, offset=OFFSET[name]))
        case nodes.Not(term):
            return not holds(term, now, log, me, rules)
        case nodes.TimeOf(unit, range_):
            return any(a <= now < b for a, b in rules.windows(unit, range_, now))
        case nodes.Cadence(unit, range_):
            return any(
                a <= now < b and not any(a <= run.start.logical < b for run in counting)
                for a, b in rules.windows(unit, range_, now)
            )
        case nodes.Every(duration, parts.Since.RUN, None):
            return latest is None or latest.start.logical + duration.microseconds <= now
        case nodes.Every(duration, since, None):
            event = {"success": Event.SUCCEEDED, "fail": Event.FAILED}.get(since, Event.FINISHED)
            ends = [r.at for r in log if r.task == me and r.action in MATCHING[event]]
            return not ends or max(ends) + duration.microseconds <= now
        case nodes.Every(duration, since, range_):
            inside = holds(nodes.TimeOf(Unit.DAY, range_), now, log, me, rules)
            return inside and holds(nodes.Every(duration, since), now, log, me, rules)
        case nodes.AfterTasks(names, outcome, either) if len(names) > 1:
            each = [
                holds(nodes.AfterTasks((name,), outcome), now, log, me, rules) for name in names
            ]
            return any(each) if either else all(each)
        case nodes.AfterTasks((name,), outcome):
            floor = latest.start.seq if latest else 0
            return any(
                r.task == name and r.action in MATCHING[outcome] and r.seq > floor for r in log
            )
        case nodes.Has(event, name, count, within):
            at = [r.at for r in log if r.task == (name or me) and r.action in MATCHING[event]]
            return compare(count, sum(looked_at(t, within, now, rules) for t in at))
        case nodes.Running(name, None, count):
            return compare(count, sum(run.ending is None for run in runs_of(name or me, log)))
        case nodes.Running(name, parts.Age(low, high)):
            ages = [now - r.start.at for r in runs_of(name or me, log) if r.ending is None]
            return any(
                (low is None or max(age, 0) >= low.microseconds)
                and (high is None or max(age, 0) < high.microseconds)
                for age in ages
            )
        case nodes.Once(at):
            since_ = from_datetime(at, UTC) - rules.offset
            return since_ <= now and not any(run.start.logical >= since_ for run in counting)
        case nodes.Dates(start, end):
            local = now + rules.offset
            first = start is None or from_datetime(start, UTC) <= local
            return first and (end is None or local < from_datetime(end, UTC))
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


def looked_at(at: int, within: parts.ThisCycle | parts.Past | None, now: int, rules: Rules) -> bool:
    match within:
        case None:
            return True
        case parts.Past(duration):
            return at > now - duration.microseconds
        case parts.ThisCycle(unit, range_):
            cycle = now - (now + rules.offset) % LENGTH[unit]
            begun = [w for w in rules.windows(unit, range_, now) if w[0] <= now]
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
    return (times is None or attempt < times) and now >= min(last.at, now) + delay and not later
