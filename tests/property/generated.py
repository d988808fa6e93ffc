"""Conditions, logs and instants for laws that the plain model judges (`model.py`).

Instants are whole multiples of five minutes around one noon, so that boundaries meet. A log is in
order of sequence, not of time: records lie in the past and in the future of the instant asked
about. Some have a `scheduled_at` and an `attempt`, some do not; an ending names its run by number
or by label, or names none; some endings have no run at all.
"""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

from oncue.conds import nodes, parts
from oncue.conds.parts import Bound, Count, Event
from oncue.conds.points import Clock, Duration, Unit
from oncue.engine.civil import zone
from oncue.engine.history import History
from oncue.engine.policy import ExecutionMode, FailureMode, Policy
from oncue.engine.records import Action, Record
from oncue.tests.property.model import LENGTH, OFFSET, SECOND, SUB_UNIT, Rules

UTC = zone("UTC")
NOON = 1_773_144_000 * SECOND  # 2026-03-10 12:00
TASKS = ("self", "a", "b")
HOUR = 3600 * SECOND

units = st.sampled_from(sorted(LENGTH))
counts = st.none() | st.builds(Count, st.sampled_from(Bound), st.integers(0, 3))
durations = st.sampled_from([1, 30, 60, 600, 3600, 86_400]).map(lambda s: Duration(s * SECOND))


@st.composite
def ranges(draw: st.DrawFn, unit: Unit) -> parts.Range | None:
    step = LENGTH[unit] // 10
    places = st.integers(0, 9).map(lambda k: Clock(k * step))
    ends = st.integers(1, 9).map(lambda k: Clock(k * step))
    kind = draw(st.integers(0, 5))
    a, b = draw(places), draw(ends)
    if kind == 0:
        return parts.After(a)
    if kind == 1:
        return parts.Before(b)
    if kind == 2:
        return parts.Between(a, b)
    if kind == 3:
        return parts.Starting(a)
    if kind == 4 and SUB_UNIT[unit] <= step:
        return parts.At((a,))
    return None


@st.composite
def with_range(draw: st.DrawFn, kind: type[nodes.Cadence] | type[nodes.TimeOf]) -> nodes.Condition:
    unit = draw(units)
    return kind(unit, draw(ranges(unit)))


@st.composite
def cycles(draw: st.DrawFn) -> parts.ThisCycle:
    unit = draw(st.sampled_from([Unit.MINUTE, Unit.HOUR, Unit.DAY]))
    return parts.ThisCycle(unit, draw(ranges(unit)))


day_ranges: st.SearchStrategy[parts.Range | None] = ranges(Unit.DAY).filter(
    lambda r: isinstance(r, parts.After | parts.Before | parts.Between)
)
ages = (
    st.tuples(st.integers(0, 3), st.integers(0, 3))
    .filter(any)
    .map(
        lambda pair: parts.Age(
            Duration(pair[0] * 600 * SECOND) if pair[0] else None,
            Duration(sum(pair) * 600 * SECOND) if pair[1] else None,
        )
    )
)
moments = st.integers(-6, 6).map(lambda k: datetime(2026, 3, 10 + k // 4, 6 * (k % 4)))
names = st.none() | st.sampled_from(TASKS)
atoms = st.one_of(
    st.builds(nodes.Constant, st.booleans()),
    with_range(nodes.TimeOf),
    with_range(nodes.Cadence),
    st.builds(nodes.Every, durations, st.sampled_from(parts.Since), st.none() | day_ranges),
    st.builds(
        nodes.AfterTasks,
        st.lists(st.sampled_from(TASKS), min_size=1, max_size=2).map(tuple),
        st.sampled_from([Event.SUCCEEDED, Event.FAILED, Event.FINISHED, Event.TERMINATED]),
        st.booleans(),
    ),
    st.builds(
        nodes.Has,
        st.sampled_from(Event),
        names,
        counts,
        st.none() | cycles() | st.builds(parts.Past, durations),
    ),
    st.builds(nodes.Running, names, st.none(), counts),
    st.builds(nodes.Running, names, ages),
    st.builds(nodes.Once, moments),
    st.builds(nodes.Dates, moments, st.none()),
    st.builds(nodes.Dates, st.none(), moments),
    st.builds(nodes.Retry, st.none() | st.integers(0, 2), st.none() | durations),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(nodes.Zoned, inner, st.sampled_from(sorted(OFFSET))),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: nodes.All(tuple(terms))),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: nodes.Any(tuple(terms))),
        inner.map(lambda term: ~term),
    ),
    max_leaves=6,
)
policies = st.one_of(
    st.just(Rules()),
    st.builds(
        Rules,
        st.sampled_from(["commit", "unlock", "none", "at most once"]),
        st.sampled_from([60, 900, 7200]).map(lambda s: s * SECOND),
    ),
)


def policy_of(rules: Rules) -> Policy:
    if rules.mode == "at most once":
        return Policy(execution=ExecutionMode.AT_MOST_ONCE)
    return Policy(FailureMode(rules.mode), lease=rules.lease)


def history_of(log: list[Record], rules: Rules, task: str = "self") -> History:
    history = History()
    history.of(task).policy = policy_of(rules)
    for record in log:
        history.add(record)
    return history


instants = st.integers(-26 * 12, 26 * 12).map(lambda k: NOON + k * 300 * SECOND)


@st.composite
def records(draw: st.DrawFn, log: list[Record]) -> Record:
    """A record that may follow `log`: an ending names a live run, or none."""
    task = draw(st.sampled_from(TASKS))
    action = draw(st.sampled_from(Action))
    at = draw(instants)
    record = Record(task, action, at, seq=len(log) + 1)
    label = draw(st.sampled_from([None, None, "x", "y"]))
    if action is Action.RUN:
        late = draw(st.none() | st.integers(-1, 3))
        attempt = draw(st.none() | st.integers(0, 2))
        scheduled_at = None if late is None else at - late * 300 * SECOND
        return record._replace(scheduled_at=scheduled_at, attempt=attempt, run_id=label)
    ended = {r.run for r in log}
    live = [r.seq for r in log if r.task == task and r.action is Action.RUN and r.seq not in ended]
    run = draw(st.sampled_from([*live, None, -1]))
    return record._replace(run=run, run_id=label)


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    log: list[Record] = []
    for _ in range(draw(st.integers(0, 8))):
        log.append(draw(records(log)))
    return log
