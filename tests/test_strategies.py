"""What the strategies draw is valid, keeps to its knobs, and shrinks to short canonical text."""

from datetime import datetime

import pytest
from hypothesis import find, given

from oncue.conds import nodes
from oncue.conds.nodes import Condition, postorder
from oncue.conds.zones import is_zone
from oncue.engine.records import Action, Record
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

SIMPLEST = {
    nodes.Cadence: "daily",
    nodes.TimeOf: "time of day",
    nodes.Constant: "false",
    nodes.Every: "every 1 minute",
    nodes.AfterTasks: "after task 'a'",
    nodes.Has: "has started",
    nodes.Running: "is running",
    nodes.Retry: "retry",
    nodes.OnWeekdays: "on Mon",
    nodes.Cron: "cron * * * * *",
    nodes.TimeOfCron: "time of cron * * * * *",
    nodes.Once: "once at 2000-01-01",
    nodes.Dates: "after 2000-01-01",
    nodes.SchedulerAge: "scheduler started 1 minute ago",
    nodes.SchedulerCycles: "scheduler has at least 0 cycles",
    nodes.Env: "env 'a'",
    nodes.ParamsExist: "param 'a' exists",
    nodes.ParamIs: "param 'a' is 'a'",
}


@pytest.mark.parametrize("kind", SIMPLEST)
def test_atoms_shrink_to_short_text(kind: type[Condition]) -> None:
    assert str(find(conditions(atoms=[kind]), lambda node: True)) == SIMPLEST[kind]


def test_every_atom_of_the_grammar_is_drawn() -> None:
    custom = {nodes.Phrase, nodes.Func}  # these are not of the grammar alone
    joining = {nodes.Composite, *nodes.Composite.__subclasses__()}
    atoms = set(Condition.__subclasses__()) - custom - joining
    assert {kind for kind in atoms if kind.__module__ == "oncue.conds.nodes"} == set(
        atom_strategies()
    )


def test_operators_shrink_too() -> None:
    assert str(find(conditions(), lambda node: isinstance(node, nodes.All))) == "daily & daily"
    assert str(find(conditions(), lambda node: isinstance(node, nodes.Not))) == "~daily"
    assert str(find(conditions(), lambda node: isinstance(node, nodes.Zoned))) == "daily in 'UTC'"


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


def test_logs_hold_every_action() -> None:
    for action in Action:
        assert find(logs(), lambda log, want=action: any(r.action is want for r in log))
