"""The checker finds what is wrong: a good life, and one that is bad in one way for each rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from oncue.app.stores.dynamic import Dynamic
from oncue.engine.decisions import Missed
from oncue.engine.policy import ExecutionMode, FailureMode
from oncue.engine.records import Action, Record
from oncue.engine.schedule import CatchUp, Overlap
from oncue.tests.durability.case import Case
from oncue.tests.durability.checker import RULES, Rule, check
from oncue.tests.durability.evidence import (
    SECOND,
    Effect,
    Evidence,
    Kind,
    Promise,
    Span,
    every_cell,
)

RUN, SUCCESS, FAIL, CRASH = Action.RUN, Action.SUCCESS, Action.FAIL, Action.CRASH
INTERVAL = Promise("a", every=10 * SECOND)
WINDOW = Promise("a", cell=every_cell(10 * SECOND))
ONCE = replace(INTERVAL, execution=ExecutionMode.AT_MOST_ONCE)
UNLOCK = replace(INTERVAL, failure=FailureMode.UNLOCK)
NONE = replace(WINDOW, failure=FailureMode.NONE, lease=4 * SECOND)
AFTER = Promise("b", after="a")


def log(*lines: str) -> list[Record]:
    """Records from lines such as `a run 3 for 2` and `a success 4 of 1`, numbered from 1; times are
    in seconds. `#7` at the end is another number."""
    found: list[Record] = []
    for place, line in enumerate(lines, 1):
        text, _, number = line.partition(" #")
        seq = int(number or place)
        task, action, at, *rest = text.split()
        when = round(float(at) * SECOND)
        if action == RUN:
            scheduled = round(float(rest[1]) * SECOND) if rest else when
            found.append(Record(task, RUN, when, seq, scheduled, 0, run_id=f"run {seq}"))
        else:
            run = int(rest[1])
            ended = Record(task, Action(action), when, seq, run=run, run_id=f"run {run}")
            found.append(ended)
    return found


def effects(records: Iterable[Record]) -> list[Effect]:
    """What tasks wrote whose life is this log."""
    found: list[Effect] = []
    runs: dict[int | None, Record] = {}
    for r in records:
        found.append(Effect(Kind.WRITTEN, "i", r.at, r.task, run_id=r.run_id, action=r.action))
        if r.action is RUN:
            runs[r.seq] = r
            found.append(Effect(Kind.BEGAN, "i", r.at, r.task, r.scheduled_at, r.seq, r.run_id))
        elif r.action is SUCCESS and r.run in runs:
            begun = runs[r.run].scheduled_at
            found.append(Effect(Kind.ENDED, "i", r.at, r.task, begun, r.run, r.run_id))
    return found


def broken(*lines: str, promise: Promise = INTERVAL, up: float = 0.0, **more: object) -> list[str]:
    """The rules that a life breaks; an instance was `up` until then."""
    records = log(*lines)
    promises = {promise.task: promise}
    if any(record.task == "b" for record in records):
        promises["b"] = AFTER
    spans = [Span("i", 0, round(up * SECOND))] if up else []
    life = Evidence(records, effects(records), promises, spans)
    return sorted({found.rule for found in check(replace(life, **more))})  # type: ignore[arg-type]


def test_a_good_life_breaks_no_rule() -> None:
    good = ("a run 0", "a success 1 of 1", "b run 1", "b success 2 of 3", "a run 10.2 for 10")
    assert broken(*good, "a success 11 of 5", "b run 11", "b success 11.5 of 7", up=12) == []


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("sequence", ["a run 0", "a success 1 of 1", "a run 10 #2", "a success 11 of 2 #4"]),
        ("endings", ["a success 1 of 7"]),
        ("endings", ["a run 0", "b success 1 of 1"]),
        ("endings", ["a run 0", "a success 1 of 1", "a crash 2 of 1"]),
        ("settled", ["a run 0"]),
        ("lease", ["a run 0", "a run 10", "a success 11 of 1", "a success 12 of 2"]),
        ("served", ["a run 0", "a success 1 of 1", "a run 1 for 0", "a success 2 of 3"]),
        ("after", ["a run 0", "b run 1", "a success 2 of 1", "b success 3 of 2"]),
        ("phase", ["a run 0", "a success 1 of 1", "a run 12", "a success 13 of 3"]),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: str, lines: list[str]) -> None:
    assert rule in broken(*lines)


TWICE = ["a run 0", "a crash 1 of 1", "a run 2 for 0", "a success 3 of 3"]
FAILED = ["a run 0", "a fail 1 of 1", "a run 3 for 0", "a success 3.5 of 3"]


@pytest.mark.parametrize(
    ("promise", "lines", "expected"),
    [
        (INTERVAL, TWICE, []),
        (ONCE, TWICE, ["at most once", "served"]),
        (UNLOCK, FAILED, []),
        (INTERVAL, FAILED, ["served"]),
        (NONE, FAILED, ["served"]),
        (NONE, [*FAILED[:2], "a run 4 for 0", "a success 5 of 3"], []),
        (WINDOW, ["a run 1", "a success 2 of 1", "a run 9", "a success 10 of 3"], ["served"]),
        (WINDOW, ["a run 9", "a success 9 of 1", "a run 10", "a success 11 of 3"], []),
    ],
)
def test_what_counts_is_not_run_again(
    promise: Promise, lines: list[str], expected: list[str]
) -> None:
    assert broken(*lines, promise=promise) == expected


def test_runs_may_be_beside_each_other_where_that_is_allowed() -> None:
    lines = ["a run 0", "a run 10", "a success 11 of 1", "a success 12 of 2"]
    assert broken(*lines, promise=replace(INTERVAL, overlap=Overlap.ALLOW)) == []


def test_what_excludes_each_other_is_never_live_together() -> None:
    lines = ["a run 0", "c run 1", "a success 2 of 1", "c success 3 of 2"]
    assert broken(*lines, exclusive=[("a", "c")]) == ["exclusive"]
    assert broken(*lines, exclusive=[("a", "d")]) == []


LIFE = log("a run 0", "a success 1 of 1", "a run 10", "a success 11 of 3")
WROTE = effects(LIFE)
BEGAN = next(effect for effect in WROTE if effect.kind is Kind.BEGAN)


@pytest.mark.parametrize(
    ("rule", "wrote"),
    [
        ("claim", [*WROTE, BEGAN._replace(token=2)]),
        ("claim", [*WROTE, BEGAN._replace(token=9)]),
        ("claim", [*WROTE, BEGAN]),
        ("claim", [e._replace(scheduled_at=5) if e == BEGAN else e for e in WROTE]),
        ("at most once", [*WROTE, BEGAN._replace(instance="j")]),
        ("lost", [*WROTE, Effect(Kind.WRITTEN, "i", 0, "a", run_id="run 3", action=FAIL)]),
        ("success", [effect for effect in WROTE if effect.kind is not Kind.ENDED]),
    ],
)
def test_the_log_and_what_tasks_wrote_agree(rule: str, wrote: list[Effect]) -> None:
    assert rule in broken_beside(wrote)


def broken_beside(wrote: list[Effect]) -> list[str]:
    return [found.rule for found in check(Evidence(LIFE, wrote, {"a": ONCE}))]


def test_a_token_that_is_lower_than_one_given_before_is_found() -> None:
    swapped = {1: 3, 3: 1}
    wrote = [e._replace(token=swapped[e.token]) if e.token else e for e in WROTE]
    assert "fencing" in broken_beside(wrote)
    assert broken_beside(WROTE) == []


SERVED = ["a run 0", "a success 1 of 1"]


@pytest.mark.parametrize(
    ("promise", "lines", "up", "expected"),
    [
        (INTERVAL, [], 0.9, []),
        (INTERVAL, [], 1.1, ["undone"]),
        (INTERVAL, SERVED, 10.9, []),
        (INTERVAL, SERVED, 11.1, ["undone"]),
        (INTERVAL, [*SERVED, "a run 11.1 for 10", "a success 12 of 3"], 13, ["undone"]),
        (INTERVAL, [*SERVED, "a run 10.1 for 10", "a success 19 of 3"], 20, []),
        (WINDOW, SERVED, 11.1, ["undone"]),
        (WINDOW, ["a run 0", "a success 10.5 of 1"], 20, ["undone"]),
        (WINDOW, ["a run 0", "a success 19.5 of 1"], 20, []),
        (UNLOCK, ["a run 0", "a fail 0.5 of 1"], 2.4, []),
        (UNLOCK, ["a run 0", "a fail 0.5 of 1"], 2.6, ["undone"]),
        (INTERVAL, ["a run 0", "a fail 0.5 of 1"], 2.6, []),
        (NONE, ["a run 0", "a fail 0.5 of 1"], 5.9, []),
        (NONE, ["a run 0", "a fail 0.5 of 1"], 6.1, ["undone"]),
    ],
)
def test_what_nobody_did_is_found(
    promise: Promise, lines: list[str], up: float, expected: list[str]
) -> None:
    assert broken(*lines, promise=promise, up=up) == expected


def test_a_window_is_only_owed_while_it_is_open_or_is_caught_up_with() -> None:
    served = ("a run 20", "a success 20.1 of 1")
    spans = [Span("i", 0, SECOND // 2), Span("i", 20 * SECOND, 22 * SECOND)]
    later = replace(WINDOW, catch_up=CatchUp.ALL)
    noted = [Missed("a", 0), Missed("a", 10 * SECOND)]
    assert broken(*served, promise=WINDOW, spans=spans) == []
    assert broken(*served, promise=later, spans=spans) == ["undone"]
    assert broken(*served, promise=later, spans=spans, missed=noted) == []


def test_a_success_that_nobody_heard_is_found() -> None:
    assert broken("a run 0", "a success 1 of 1", promise=AFTER, up=2.1) == ["undone"]
    assert broken("a run 0", "a success 1 of 1", "b run 2", "b success 3 of 3", up=4) == []


UP = [Span("i", 0, 99 * SECOND)]
ASKED = Promise("f:a", catch_up=CatchUp.ONCE, dynamic=True)


def asked(*lines: str) -> list[Effect]:
    """Effects from lines such as `scheduling x at 3 for 5` and `done x at 3`, of the instance `i`;
    `#7` at the end is the newest record then, `by 4` the run that began."""
    found: list[Effect] = []
    for line in lines:
        kind, name, *rest = line.replace("#", "# ").split()
        said = dict(zip(rest[::2], map(float, rest[1::2]), strict=True))
        due = round(said["for"] * SECOND) if "for" in said else None
        at, run = round(said["at"] * SECOND), round(said["by"]) if "by" in said else None
        position = round(said.get("#", 0))
        found.append(Effect(Kind(kind), "i", at, "f:a", due, run, None, None, name, position))
    return found


def asked_and(lines: list[str], *requests: str, row: str | None = None, up: int = 20) -> list[str]:
    """The rules that a life breaks of which a row by a request is left."""
    text = f'{{"args": {{"request": "{row}"}}}}'
    rows = [Dynamic("f:a", "f", text, "", 1, 0, 0, None, None, None, 0, 0, None)]
    life = Evidence(
        log(*[line.replace("a ", "f:a ", 1) for line in lines]),
        asked(*requests),
        {"f:a": ASKED},
        [Span("i", 0, up * SECOND)],
        rows=rows if row else (),
    )
    return sorted({found.rule for found in check(life)} - {"success"})


X = ["scheduling x at 1 for 5", "done x at 1"]
RAN = ["a run 5", "a success 6 of 1"]
BY_X = "began x at 5 for 5 by 1"
AGAIN = ["a run 7 for 5", "a success 8 of 3"]
REMOVED = [*X, "unscheduling y at 2", "done y at 2"]
CHANGED = [*X, "scheduling z at 2 for 9", "done z at 2"]


@pytest.mark.parametrize(
    ("lines", "requests", "row", "broken"),
    [
        (RAN, [*X, BY_X], None, []),
        (RAN, [*X, BY_X], "x", ["rows"]),
        ([], X, "x", ["undone"]),
        ([], X[:1], "x", []),  # nobody knows whether that was done
        ([], X, None, ["rows", "undone"]),
        ([*RAN, *AGAIN], [*X, BY_X, "began x at 7 for 5 by 3"], None, ["served"]),
        ([], REMOVED, None, []),
        ([], REMOVED, "x", ["rows"]),
        (RAN, [*REMOVED, BY_X], None, ["unscheduled"]),
        (RAN, [*REMOVED[:3], BY_X], None, []),  # it may have been before
        (RAN, [*CHANGED, BY_X], "z", ["outdated", "undone"]),
        ([], [*REMOVED, "scheduling w at 3", "done w at 3"], "w", ["undone"]),
        (["a run 3"], ["scheduling w at 3", "done w at 3"], "w", ["settled"]),
    ],
)
def test_what_was_asked_of_a_dynamic_task_is_done(
    lines: list[str], requests: list[str], row: str | None, broken: list[str]
) -> None:
    assert asked_and(lines, *requests, row=row) == broken


def test_a_dynamic_task_that_is_held_for_ever_is_found() -> None:
    row = Dynamic("f:a", "f", '{"args": {"request": "x"}}', "", 1, 0, 0, None, 1, 1, 0, 0, "i")
    assert [found.rule for found in check(Evidence([], rows=[row]))] == ["rows"]


BAD = (
    Evidence(log("a run 0 #2", "a run 0 #1", "a success 1 of 9"), (), {"a": ONCE}),
    Evidence(log("a run 0", "c run 0"), exclusive=[("a", "c")]),
    Evidence(log(*SERVED, "a run 12"), [BEGAN, BEGAN, *WROTE[:1]], {"a": INTERVAL}, UP),
    Evidence(LIFE, [e._replace(token=9 - (e.token or 0)) for e in WROTE], {"a": ONCE}),
    Evidence(LIFE, [], {"a": WINDOW, "b": AFTER}, UP),
    Evidence(LIFE, [BEGAN, BEGAN], {"a": ONCE}),
    Evidence(log("b run 0"), [Effect(Kind.WRITTEN, "i", 0, "a")], {"b": AFTER}),
    Evidence([], asked(*X), {"f:a": ASKED}, UP),
    Evidence([], asked(BY_X), {"f:a": ASKED}),
    Evidence([], asked(*REMOVED, "scheduling w at 3", "done w at 3"), {"f:a": ASKED}, UP),
)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_broken_by_some_life(rule: Rule) -> None:
    assert any(list(rule(Case(life))) for life in BAD)
