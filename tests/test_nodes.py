"""Nodes are values: flat, hashable, never changed, within limits, and as deep as the limits let
them be without recursing."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any as Value

import pytest

from oncue.conds import nodes
from oncue.conds.build import daily, every, failed, hourly, retry, running, weekly
from oncue.conds.diagnostic import Span
from oncue.conds.nodes import (
    All,
    Any,
    Condition,
    Defined,
    Has,
    LimitError,
    Not,
    Running,
    Zoned,
    all_of,
    any_of,
    postorder,
    relocate,
    strip_spans,
)
from oncue.conds.parts import After, Age, At, Before, Between, Bound, Count, Past, ThisCycle
from oncue.conds.points import Clock, Duration, MonthPoint, Unit, WeekPoint, YearPoint, read_cron

HERE = Span(3, 8, 1, 4)


# --- operators ------------------------------------------------------------------------------


def test_operators_flatten_whoever_calls_them() -> None:
    flat = All((daily, hourly, weekly))
    assert daily & hourly & weekly == flat
    assert daily & (hourly & weekly) == flat
    assert All((All((daily, hourly)), weekly)) == flat
    assert All((All((daily, hourly, weekly)),)) == flat
    assert (daily | (hourly | weekly)).operands == (daily, hourly, weekly)
    assert (daily & (hourly | weekly)).operands == (daily, hourly | weekly)


def test_not_of_not_is_the_term() -> None:
    assert ~~daily is daily
    twice: object = Not(Not(daily))
    assert twice is daily
    assert Not(Not(Not(daily))) == ~daily


def test_all_of_and_any_of_take_any_number() -> None:
    assert all_of() == nodes.Constant(True) and any_of() == nodes.Constant(False)
    assert all_of(daily) is daily and any_of(daily) is daily
    assert all_of(daily, hourly) == daily & hourly
    assert any_of(daily, hourly) == daily | hourly


@pytest.mark.parametrize("kind", [All, Any])
def test_fewer_than_two_terms_are_refused(kind: type[All] | type[Any]) -> None:
    for terms in ((), (daily,)):
        with pytest.raises(ValueError, match="at least two"):
            kind(terms)


def test_operators_know_conditions_only() -> None:
    text: Value = "hourly"
    joins: list[Callable[[], Condition]]
    joins = [lambda: daily & text, lambda: daily | text, lambda: text & daily]
    for join in joins:
        with pytest.raises(TypeError):
            join()
    makes: list[Callable[[], Condition]]
    makes = [lambda: Not(text), lambda: Zoned(text, "UTC"), lambda: All((daily, text))]
    for make in makes:
        with pytest.raises(TypeError, match="is not a condition"):
            make()


def test_a_condition_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(daily)
    with pytest.raises(TypeError):
        daily and hourly  # noqa: B018
    with pytest.raises(TypeError):
        1 <= failed <= 3  # noqa: B015


# --- values ---------------------------------------------------------------------------------


def test_equality_and_hash_ignore_spans() -> None:
    for node in (daily, ~daily, daily & hourly, Zoned(daily, "UTC")):
        moved = relocate(node, HERE)
        assert moved == node and hash(moved) == hash(node)
        assert moved.span == HERE and node.span is None
        assert strip_spans(moved).span is None


def test_equality_is_of_kind_and_parts() -> None:
    different = (
        *(daily, hourly, ~daily, ~hourly, daily & hourly, hourly & daily, daily | hourly),
        *(Zoned(daily, "UTC"), Zoned(daily, "Asia/Tokyo"), Zoned(hourly, "UTC")),
        *(Defined("a", daily), Defined("b", daily), nodes.TimeOf(Unit.DAY)),
        *(nodes.Call("f", (1,)), nodes.Call("f", (1.0,)), nodes.Call("f", ("1",))),
        *(daily & hourly & weekly, nodes.Constant(True), nodes.Env("x"), None, "daily", 1),
    )
    for place, one in enumerate(different):
        for other in different[place + 1 :]:
            assert one != other
    assert len(set(different)) == len(different)


def test_comparing_counts_never_changes_the_old_node() -> None:
    started = nodes.Has(nodes.Event.STARTED)
    low, high = started >= 1, started <= 3
    assert started.count is None
    assert low == Has(nodes.Event.STARTED, count=Count(Bound.AT_LEAST, 1))
    assert high == Has(nodes.Event.STARTED, count=Count(Bound.AT_MOST, 3))
    assert (low <= 3) == low & high
    none: object = 0
    assert (started == none) is False
    assert (running >= 2) == Running(count=Count(Bound.AT_LEAST, 2))
    assert (running("a").more_than("1 min") < 2) == (
        running("a").more_than("1 min") & Running("a", count=Count(Bound.AT_MOST, 1))
    )


@pytest.mark.parametrize("times", [True, 1.5, "1", None])
def test_counts_are_whole_numbers(times: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        failed >= times  # type: ignore[operator]  # noqa: B015


def test_nodes_are_frozen_and_slotted() -> None:
    for node in (daily, ~daily, daily & hourly):
        with pytest.raises(dataclasses.FrozenInstanceError):
            node.span = HERE  # type: ignore[misc]
        assert not hasattr(node, "__dict__")


def test_copies_and_pickles() -> None:
    node = relocate(daily.after("10:00"), HERE) & ~(nodes.Env("x") | Zoned(weekly, "UTC"))
    assert copy.copy(node) is node and copy.deepcopy(node) is node
    again = pickle.loads(pickle.dumps(node))
    assert again == node and hash(again) == hash(node)
    assert again.operands[0].span == HERE
    defined = Defined("office hours", daily & hourly)
    assert pickle.loads(pickle.dumps(defined)) == defined


def test_a_cached_hash_does_not_travel() -> None:
    fresh, hashed = daily & hourly, daily & hourly
    hash(hashed)
    assert pickle.dumps(fresh) == pickle.dumps(hashed)


def test_repr_is_python() -> None:
    assert repr(daily.after("10:00")) == "Cadence(Unit.DAY, After(start=Clock(36000000000)))"
    assert repr(every("1 s") & ~retry(3)) == "All((Every(Duration(1000000)), Not(Retry(3))))"
    assert repr(retry.after("1 s")) == "Retry(delay=Duration(1000000))"
    assert repr(Zoned(daily, "UTC")) == "Zoned(Cadence(Unit.DAY), 'UTC')"


# --- limits ---------------------------------------------------------------------------------


def nested(depth: int, wrap: Callable[[Condition], Condition], core: Condition) -> Condition:
    for _ in range(depth):
        core = wrap(core)
    return core


DEEPEST = [
    (lambda term: ~(term & hourly), 200, daily),
    (lambda term: (term | hourly) & daily, 200, daily),
    (lambda term: Zoned(term, "UTC"), 200, Zoned(daily, "UTC")),
    (lambda term: Defined("x", term), 200, daily),
]


@pytest.mark.parametrize(("wrap", "limit", "core"), DEEPEST)
def test_the_deepest_tree_works_and_a_deeper_one_is_refused(
    wrap: Callable[[Condition], Condition], limit: int, core: Condition
) -> None:
    deepest = nested(limit, wrap, core)
    twin = nested(limit, wrap, core)
    assert deepest == twin and hash(deepest) == hash(twin)
    assert deepest != nested(limit - 1, wrap, core)
    assert pickle.loads(pickle.dumps(deepest)) == deepest
    assert copy.deepcopy(deepest) is deepest
    assert str(deepest)
    assert eval(repr(deepest), vars(nodes)) == deepest
    assert eval(f"[({repr(deepest)},)]", vars(nodes)) == [(deepest,)]  # shown by what holds it
    assert deepest.nesting == limit
    with pytest.raises(LimitError, match="at most 200"):
        wrap(deepest)


def test_every_kind_of_level_in_one_tree() -> None:
    """Each parenthesis around an or, an and, a not and a zone: four nodes a level."""
    tree: Condition = daily
    for _ in range(100):
        tree = Zoned(~((tree & hourly) | weekly), "UTC")
    assert tree.nesting == 200
    assert tree == pickle.loads(pickle.dumps(tree))
    assert sum(1 for _ in postorder(tree)) > 600


def test_a_thousand_atoms_and_no_more() -> None:
    most = All((daily,) * 1000)
    assert most.atoms == 1000
    with pytest.raises(LimitError, match="1001 atoms"):
        most & daily
    half = Any((hourly,) * 500)
    assert (half & half).atoms == 1000
    with pytest.raises(LimitError):
        ~(half & half) | daily


def test_a_text_longer_than_64_kib_is_refused() -> None:
    fitting = nodes.AfterTasks(("x" * (64 * 1024 - len("after task ''")),))
    assert len(str(fitting)) == 64 * 1024
    with pytest.raises(LimitError, match="65537 bytes"):
        str(nodes.AfterTasks((fitting.tasks[0] + "x",)))
    with pytest.raises(LimitError):
        str(All(tuple(nodes.Env(f"{n:070}") for n in range(1000))))


# --- what cannot be -------------------------------------------------------------------------

DAY = 86_400_000_000
JANUARY = datetime(2026, 1, 1)

IMPOSSIBLE: list[Callable[[], object]] = [
    lambda: nodes.Cadence(Unit.DAY, After(WeekPoint(0))),
    lambda: nodes.Cadence(Unit.DAY, After(Clock(DAY))),
    lambda: nodes.Cadence(Unit.DAY, Before(Clock(0))),
    lambda: nodes.TimeOf(Unit.WEEK, Before(WeekPoint(0, 0))),
    lambda: nodes.TimeOf(Unit.MONTH, Before(MonthPoint(1, None, 0))),
    lambda: nodes.TimeOf(Unit.YEAR, Before(YearPoint(1, MonthPoint(1, None, 0)))),
    lambda: nodes.TimeOf(Unit.SECOND, After(Clock(1))),
    lambda: nodes.TimeOf(Unit.MINUTE, After(Clock(60_000_000))),
    lambda: nodes.TimeOf(Unit.WEEK, Between(WeekPoint(0, DAY), WeekPoint(1))),
    lambda: ThisCycle(Unit.HOUR, At((Clock(3_600_000_000),))),
    lambda: nodes.Every(Duration(1), range=After(Clock(DAY))),
    lambda: At(()),
    lambda: Age(),
    lambda: Age(Duration(2), Duration(2)),
    lambda: Count(Bound.AT_LEAST, -1),
    lambda: Count(Bound.AT_LEAST, 10**18),
    lambda: Duration(0),
    lambda: Duration(-1),
    lambda: Duration(999_999_999 * DAY + 1),
    lambda: WeekPoint(7),
    lambda: WeekPoint(0, DAY + 1),
    lambda: MonthPoint(0),
    lambda: MonthPoint(32),
    lambda: MonthPoint(6, 0),
    lambda: MonthPoint(-2, 0),
    lambda: YearPoint(13),
    lambda: YearPoint(2, MonthPoint(30)),
    lambda: nodes.OnWeekdays(()),
    lambda: nodes.OnWeekdays((7,)),
    lambda: nodes.Dates(None, None),
    lambda: nodes.Dates(JANUARY, JANUARY),
    lambda: nodes.Dates(JANUARY, JANUARY - timedelta(days=1), True),
    lambda: nodes.Dates(None, JANUARY + timedelta(hours=1), True),
    lambda: nodes.Dates(JANUARY.replace(tzinfo=UTC), None),
    lambda: nodes.Once(JANUARY.replace(tzinfo=UTC)),
    lambda: nodes.AfterTasks(()),
    lambda: nodes.AfterTasks(("",)),
    lambda: nodes.AfterTasks(("a",), nodes.Event.STARTED),
    lambda: Has(nodes.Event.FAILED, ""),
    lambda: Running("", None),
    lambda: Running(None, Age(Duration(1)), Count(Bound.AT_LEAST, 1)),
    lambda: nodes.Retry(-1),
    lambda: nodes.Env(""),
    lambda: nodes.ParamsExist(()),
    lambda: nodes.ParamIs("", "x"),
    lambda: nodes.Call("f", (float("nan"),)),
    lambda: nodes.Call("f", (1e300,)),
    lambda: nodes.Call("f", (10**18,)),
    lambda: Zoned(daily, "Nowhere/Land"),
    lambda: Defined("", daily),
]


@pytest.mark.parametrize("make", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_what_cannot_be_said_cannot_be_built(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError):
        make()


WRONG_TYPES: list[Callable[[], object]] = [
    lambda: nodes.Call("f", (True,)),
    lambda: nodes.Call("f", (Clock(0),)),
    lambda: nodes.Call("f", (None,)),  # type: ignore[arg-type]
    lambda: nodes.Env(1),  # type: ignore[arg-type]
    lambda: Zoned(daily, 1),  # type: ignore[arg-type]
    lambda: nodes.Func("f"),
]


@pytest.mark.parametrize("make", WRONG_TYPES, ids=range(len(WRONG_TYPES)))
def test_wrong_types_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        make()


def test_lists_are_sorted_or_without_repeats() -> None:
    points = At((WeekPoint(4), WeekPoint(0, 0), WeekPoint(0), WeekPoint(4)))
    assert points.points == (WeekPoint(0), WeekPoint(0, 0), WeekPoint(4))
    assert At((MonthPoint(-1), MonthPoint(-2), MonthPoint(1, 0), MonthPoint(1))).points == (
        MonthPoint(1),
        MonthPoint(1, 0),
        MonthPoint(-2),
        MonthPoint(-1),
    )
    assert nodes.OnWeekdays((6, 0, 6)).days == (0, 6)
    assert nodes.AfterTasks(("b", "a", "b")).tasks == ("b", "a")
    assert nodes.AfterTasks(("a", "a"), any=True) == nodes.AfterTasks(("a",))
    assert nodes.ParamsExist(("b", "a", "b")).names == ("b", "a")


def test_a_past_span_and_cron_are_values_too() -> None:
    assert Past(Duration(1)) == Past(Duration(1))
    assert pickle.loads(pickle.dumps(nodes.Cron(read_cron("@daily")))) == nodes.Cron(
        read_cron("0 0 * * *")
    )
