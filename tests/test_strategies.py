"""What the strategies draw is valid, keeps to its knobs, and shrinks to short canonical text."""

from datetime import datetime
from functools import partial

import pytest
from hypothesis import find, given, settings

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
    instants,
    logs,
    periods,
)

QUICK = settings(max_examples=30, database=None, deadline=None)
NORMAL = settings(max_examples=500, database=None, deadline=None)
LONGEST = 32  # characters of the simplest text of an atom


@pytest.mark.parametrize("kind", atom_strategies())
def test_atoms_shrink_to_short_text(kind: type[Condition]) -> None:
    simplest = find(atom_strategies()[kind], lambda node: True, settings=QUICK)
    assert isinstance(simplest, kind)
    assert len(str(simplest)) <= LONGEST
    assert read(str(simplest)) == simplest


def is_a(kind: type[Condition], node: Condition) -> bool:
    return isinstance(node, kind)


def test_operators_shrink_to_short_text() -> None:
    for kind in (nodes.All, nodes.Any, nodes.Not, nodes.Zoned):
        simplest = find(conditions(atoms=[nodes.Env]), partial(is_a, kind), settings=NORMAL)
        assert len(str(simplest)) <= LONGEST
        assert simplest.atoms <= 2


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
