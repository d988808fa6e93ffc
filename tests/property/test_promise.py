"""The promise of a verdict, on generated conditions, logs and instants: it is right, it stays
right from `since` to `until`, and no record but those it reads can change it."""

from __future__ import annotations

from hypothesis import given, note, settings
from hypothesis import strategies as st

from oncue.conds import nodes, parts
from oncue.conds.parts import Bound, Count, Event
from oncue.conds.points import Clock, Duration, Unit
from oncue.engine.civil import FOREVER, zone
from oncue.engine.explain import flips_at
from oncue.engine.history import History
from oncue.engine.plan import Planner
from oncue.engine.records import BIT, Action, Key, Record
from oncue.engine.verdict import named
from oncue.tests.property.model import LENGTH, SECOND, SUB_UNIT, holds

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


names = st.none() | st.sampled_from(TASKS)
atoms = st.one_of(
    st.builds(nodes.Constant, st.booleans()),
    with_range(nodes.TimeOf),
    with_range(nodes.Cadence),
    st.builds(nodes.Every, durations),
    st.builds(
        nodes.AfterTasks,
        st.sampled_from(TASKS).map(lambda name: (name,)),
        st.sampled_from([Event.SUCCEEDED, Event.FAILED, Event.FINISHED, Event.TERMINATED]),
    ),
    st.builds(
        nodes.Has,
        st.sampled_from(Event),
        names,
        counts,
        st.none() | cycles() | st.builds(parts.Past, durations),
    ),
    st.builds(nodes.Running, names, st.none(), counts),
    st.builds(nodes.Retry, st.none() | st.integers(0, 2), st.none() | durations),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: nodes.All(tuple(terms))),
        st.lists(inner, min_size=2, max_size=3).map(lambda terms: nodes.Any(tuple(terms))),
        inner.map(lambda term: ~term),
    ),
    max_leaves=5,
)
instants = st.integers(-26 * 12, 26 * 12).map(lambda k: NOON + k * 300 * SECOND)


@st.composite
def records(draw: st.DrawFn, log: list[Record]) -> Record:
    """A record that may follow `log`: an ending names a live run, or none."""
    task = draw(st.sampled_from(TASKS))
    action = draw(st.sampled_from(Action))
    at = draw(instants)
    record = Record(task, action, at, seq=len(log) + 1)
    if action is Action.RUN:
        late = draw(st.integers(0, 3)) * 300 * SECOND
        attempt = draw(st.none() | st.integers(0, 2))
        return record._replace(scheduled_at=at - late, attempt=attempt)
    ended = {r.run for r in log}
    live = [r.seq for r in log if r.task == task and r.action is Action.RUN and r.seq not in ended]
    return record._replace(run=draw(st.sampled_from(live)) if live else -1)


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    log: list[Record] = []
    for _ in range(draw(st.integers(0, 8))):
        log.append(draw(records(log)))
    return log


@given(conditions, logs(), instants, st.data())
@settings(max_examples=300, deadline=None)
def test_a_verdict_is_right_and_stays_right(
    node: nodes.Condition, log: list[Record], now: int, data: st.DataObject
) -> None:
    note(f"{node!r}")
    verdict = Planner(History(log)).plan(node, "self", UTC).check(now)
    assert verdict.value == holds(node, now, log, "self")
    assert verdict.since <= now < verdict.until
    inside = [
        t
        for t in (
            now + 1,
            data.draw(instants),
            data.draw(instants),
            verdict.since,
            verdict.until - 1,
            (now + min(verdict.until, now + 48 * HOUR)) // 2,
        )
        if verdict.since <= t < verdict.until and abs(t - NOON) < 96 * HOUR
    ]
    for t in inside:
        assert holds(node, t, log, "self") == verdict.value, f"at {t}"
    for _ in range(2):
        more = data.draw(records(log))
        if Key(more.task, more.action) not in named(verdict.reads):
            note(f"not read: {more}")
            for t in [now, *inside]:
                assert holds(node, t, [*log, more], "self") == verdict.value, f"at {t}"


@given(conditions, logs(), st.lists(instants, min_size=1, max_size=4), st.data())
@settings(max_examples=200, deadline=None)
def test_a_plan_kept_through_time_and_records_answers_as_a_new_one(
    node: nodes.Condition, log: list[Record], times: list[int], data: st.DataObject
) -> None:
    note(f"{node!r}")
    history = History(log)
    planner = Planner(history)
    plan = planner.plan(node, "self", UTC)
    for now in times:
        assert plan.check(now).value == holds(node, now, log, "self")
        more = data.draw(records(log))
        log = [*log, more]
        history.add(more)
        planner.changed(history.of(more.task), BIT[more.action])
        assert plan.check(now).value == holds(node, now, log, "self"), f"after {more}"


@given(conditions, logs(), instants)
@settings(max_examples=200, deadline=None)
def test_time_alone_flips_a_condition_when_its_explanation_says(
    node: nodes.Condition, log: list[Record], now: int
) -> None:
    note(f"{node!r}")
    plan = Planner(History(log)).plan(node, "self", UTC)
    value = holds(node, now, log, "self")
    instant = flips_at(plan, now)
    assert instant > now
    if instant < FOREVER:
        assert holds(node, instant, log, "self") is not value
    last = min(instant - 1, now + 72 * HOUR)
    for t in {now, last, *range(now, last, max(1, (last - now) // 40))}:
        assert holds(node, t, log, "self") is value, f"at {t}"


@given(conditions, logs(), st.lists(instants, min_size=2, max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_what_a_history_drops_is_never_missed(
    node: nodes.Condition, log: list[Record], times: list[int], data: st.DataObject
) -> None:
    """Time goes on; before each question every log is cut down to what the plans retain."""
    note(f"{node!r}")
    history = History(log)
    planner = Planner(history)
    plan = planner.plan(node, "self", UTC)
    for now in sorted(times):
        for task_log in list(history.tasks.values()):
            if task_log.last:
                planner.trim(task_log, now)
        plan.forget()
        assert plan.check(now).value == holds(node, now, log, "self")
        more = data.draw(records(log))
        log = [*log, more]
        history.add(more)
        planner.forget()
        assert plan.check(now).value == holds(node, now, log, "self"), f"after {more}"
