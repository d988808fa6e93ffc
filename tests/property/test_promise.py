"""The promise of a verdict, on generated conditions, logs and instants: it is right, it stays
right from `since` to `until`, and no record but those it reads can change it."""

from __future__ import annotations

from hypothesis import given, note, settings
from hypothesis import strategies as st

from oncue.conds import nodes
from oncue.engine.civil import FOREVER
from oncue.engine.explain import flips_at
from oncue.engine.plan import Planner
from oncue.engine.records import BIT, Key, Record
from oncue.engine.verdict import named
from oncue.tests.property.generated import (
    HOUR,
    NOON,
    UTC,
    conditions,
    history_of,
    instants,
    logs,
    policies,
    records,
)
from oncue.tests.property.model import Rules, holds


@given(conditions, logs(), instants, policies, st.data())
@settings(max_examples=300, deadline=None)
def test_a_verdict_is_right_and_stays_right(
    node: nodes.Condition, log: list[Record], now: int, rules: Rules, data: st.DataObject
) -> None:
    note(f"{node!r}")
    verdict = Planner(history_of(log, rules)).plan(node, "self", UTC).check(now)
    assert verdict.value == holds(node, now, log, "self", rules)
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
        assert holds(node, t, log, "self", rules) == verdict.value, f"at {t}"
    for _ in range(2):
        more = data.draw(records(log))
        if Key(more.task, more.action) not in named(verdict.reads):
            note(f"not read: {more}")
            for t in [now, *inside]:
                assert holds(node, t, [*log, more], "self", rules) == verdict.value, f"at {t}"


@given(conditions, logs(), st.lists(instants, min_size=1, max_size=4), policies, st.data())
@settings(max_examples=200, deadline=None)
def test_a_plan_kept_through_time_and_records_answers_as_a_new_one(
    node: nodes.Condition, log: list[Record], times: list[int], rules: Rules, data: st.DataObject
) -> None:
    note(f"{node!r}")
    history = history_of(log, rules)
    planner = Planner(history)
    plan = planner.plan(node, "self", UTC)
    for now in times:
        assert plan.check(now).value == holds(node, now, log, "self", rules)
        more = data.draw(records(log))
        log = [*log, more]
        history.add(more)
        planner.changed(history.of(more.task), BIT[more.action])
        assert plan.check(now).value == holds(node, now, log, "self", rules), f"after {more}"


@given(conditions, logs(), instants, policies)
@settings(max_examples=200, deadline=None)
def test_time_alone_flips_a_condition_when_its_explanation_says(
    node: nodes.Condition, log: list[Record], now: int, rules: Rules
) -> None:
    note(f"{node!r}")
    plan = Planner(history_of(log, rules)).plan(node, "self", UTC)
    value = holds(node, now, log, "self", rules)
    instant = flips_at(plan, now)
    assert instant > now
    if instant < FOREVER:
        assert holds(node, instant, log, "self", rules) is not value
    last = min(instant - 1, now + 72 * HOUR)
    for t in {now, last, *range(now, last, max(1, (last - now) // 40))}:
        assert holds(node, t, log, "self", rules) is value, f"at {t}"


@given(conditions, logs(), st.lists(instants, min_size=2, max_size=6), policies, st.data())
@settings(max_examples=200, deadline=None)
def test_what_a_history_drops_is_never_missed(
    node: nodes.Condition, log: list[Record], times: list[int], rules: Rules, data: st.DataObject
) -> None:
    """Time goes on; before each question every log is cut down to what the plans retain."""
    note(f"{node!r}")
    history = history_of(log, rules)
    planner = Planner(history)
    plan = planner.plan(node, "self", UTC)
    for now in sorted(times):
        for task_log in list(history.tasks.values()):
            if task_log.last:
                planner.trim(task_log, now)
        plan.forget()
        assert plan.check(now).value == holds(node, now, log, "self", rules)
        more = data.draw(records(log))
        log = [*log, more]
        history.add(more)
        planner.forget()
        assert plan.check(now).value == holds(node, now, log, "self", rules), f"after {more}"
