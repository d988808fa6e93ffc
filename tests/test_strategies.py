"""What the strategies draw is valid, keeps to its knobs, and shrinks to short canonical text."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from oncue.conds import nodes
from oncue.conds.nodes import Condition, postorder
from oncue.conds.zones import is_zone
from oncue.engine.records import Action, Record
from oncue.grammar.parser import read
from oncue.testing.strategies import (
    CADENCES,
    WINDOWS,
    ZONES,
    atom_strategies,
    conditions,
    durations,
    instants,
    logs,
    periods,
)

# not the phase that explains: `find` would give the last text that it tried
PHASES = (Phase.generate, Phase.shrink)
QUICK = settings(max_examples=30, derandomize=True, deadline=None, phases=PHASES)
NORMAL = settings(max_examples=1000, derandomize=True, deadline=None, phases=PHASES)
LONGEST = 32  # characters of the simplest text of an atom


@pytest.mark.parametrize("kind", atom_strategies())
def test_atoms_shrink_to_short_text(kind: type[Condition]) -> None:
    simplest = find(atom_strategies()[kind], lambda node: True, settings=QUICK)
    assert isinstance(simplest, kind)
    assert len(str(simplest)) <= LONGEST
    assert read(str(simplest)) == simplest


def has(kind: type[Condition]) -> Callable[[Condition], bool]:
    return lambda condition: any(isinstance(node, kind) for node in postorder(condition))


@pytest.mark.parametrize("kind", [nodes.Every, nodes.Has, nodes.Cron, nodes.Dates, nodes.Call])
def test_what_fails_for_one_atom_shrinks_to_that_atom(kind: type[Condition]) -> None:
    simplest = find(conditions(), has(kind), settings=NORMAL)
    assert isinstance(simplest, kind)
    assert len(str(simplest)) <= LONGEST


WITH_AN_ATOM: dict[str, Callable[[Condition], bool]] = {
    "anything": lambda condition: True,
    "not daily": lambda condition: "daily" not in str(condition),
    "a word": lambda condition: "week" in str(condition),
    "a range": lambda condition: "between" in str(condition),
    "a name with a quote": lambda condition: "\\'" in str(condition),
    "a duration": lambda condition: "minutes" in str(condition),
    "a count": lambda condition: "at least" in str(condition),
}


@pytest.mark.parametrize("holds", WITH_AN_ATOM.values(), ids=WITH_AN_ATOM)
def test_what_fails_for_a_text_shrinks_to_one_atom(holds: Callable[[Condition], bool]) -> None:
    simplest = find(conditions(), holds, settings=NORMAL)
    assert simplest.atoms == 1
    assert not isinstance(simplest, nodes.Composite)
    assert len(str(simplest)) <= 2 * LONGEST


@pytest.mark.parametrize("kind", [nodes.All, nodes.Any, nodes.Not, nodes.Zoned])
def test_operators_shrink_to_short_text(kind: type[Condition]) -> None:
    simplest = find(conditions(), has(kind), settings=NORMAL)
    assert isinstance(simplest, kind)
    assert all(not term.operands for term in simplest.operands)
    assert simplest.atoms == (2 if kind in (nodes.All, nodes.Any) else 1)
    assert len(str(simplest)) <= LONGEST


@pytest.mark.parametrize("many", [2, 3, 5])
def test_many_atoms_shrink_to_as_many(many: int) -> None:
    simplest = find(conditions(), lambda condition: condition.atoms >= many, settings=NORMAL)
    assert simplest.atoms == many
    assert len(str(simplest)) <= many * len("daily & ")


def test_every_atom_of_the_grammar_is_drawn() -> None:
    custom = {"Phrase", "Func"}  # these are not of the grammar alone
    joining = {"Composite", "All", "Any", "Not", "Zoned", "Defined", "Condition"}
    known = {
        name
        for name, value in vars(nodes).items()
        if isinstance(value, type) and issubclass(value, Condition)
    }
    assert {kind.__name__ for kind in atom_strategies()} == known - custom - joining


@given(conditions(atoms=CADENCES, zoned=False))
def test_knobs_are_kept_to(condition: Condition) -> None:
    for node in postorder(condition):
        assert isinstance(node, (*CADENCES, nodes.All, nodes.Any, nodes.Not))


@given(st.one_of([st.tuples(st.just(deep), conditions(depth=deep)) for deep in range(6)]))
def test_operators_stand_no_deeper_than_is_asked_for(drawn: tuple[int, Condition]) -> None:
    deepest, condition = drawn
    depths: dict[int, int] = {}
    for node in postorder(condition):
        below = [depths[id(term)] for term in node.operands]
        depths[id(node)] = 1 + max(below) if below else 0
    assert depths[id(condition)] <= deepest


@given(conditions(atoms=st.just(nodes.Env("mine")), zoned=False))
def test_atoms_may_be_of_ones_own(condition: Condition) -> None:
    assert {str(node) for node in postorder(condition) if not node.operands} == {"env 'mine'"}


@given(conditions(leaves=3))
def test_atoms_are_no_more_than_is_asked_for(condition: Condition) -> None:
    assert condition.atoms <= 3


def test_conditions_of_given_tasks_shrink_to_their_names() -> None:
    simplest = find(conditions(tasks=["extract"]), has(nodes.AfterTasks), settings=NORMAL)
    assert str(simplest) == "after task 'extract'"


@given(durations(timedelta(milliseconds=3), timedelta(minutes=1)))
def test_durations_keep_to_their_bounds(duration: nodes.Duration) -> None:
    assert timedelta(milliseconds=3) <= duration.timedelta <= timedelta(minutes=1)


@given(periods())
def test_periods_are_of_windows_alone(condition: Condition) -> None:
    assert all(isinstance(node, WINDOWS) for node in postorder(condition) if not node.operands)


def test_zones_are_zones() -> None:
    assert all(is_zone(name) for name in ZONES)


@given(instants(datetime(2024, 1, 1), datetime(2024, 1, 2)))
def test_instants_keep_to_their_bounds(instant: int) -> None:
    assert 1_704_067_200_000_000 <= instant <= 1_704_153_600_000_000


@given(logs())
def test_logs_are_in_order_and_ends_follow_their_runs(log: list[Record]) -> None:
    assert [record.seq for record in log] == list(range(1, len(log) + 1))
    assert [record.at for record in log] == sorted(record.at for record in log)
    for record in log:
        if record.action is Action.RUN:
            assert record.scheduled_at is not None and record.scheduled_at <= record.at
        else:
            assert record.run is not None
            run = log[record.run - 1]
            assert run.seq < record.seq
            assert (run.action, run.task, run.run_id) == (Action.RUN, record.task, record.run_id)
