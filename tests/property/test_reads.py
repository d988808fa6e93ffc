"""What an atom's verdict reads is what can change it: of every key that it names there is a next
record, or a few of them, that gives it another value while the verdict stands. (That nothing else
can is for `test_promise.py`.)"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from hypothesis import given, note, settings

from oncue.conds import nodes
from oncue.conds.parts import Count, ThisCycle
from oncue.engine.periods import period_of
from oncue.engine.plan import Planner
from oncue.engine.records import Action, Key, Record
from oncue.engine.verdict import named
from oncue.tests.property.generated import (
    HOUR,
    UTC,
    atoms,
    history_of,
    instants,
    logs,
    policies,
)
from oncue.tests.property.model import LENGTH, Rules, holds, runs_of

MOST = 9  # logs have up to eight records


def nexts(key: Key, now: int, log: list[Record]) -> Iterator[list[Record]]:
    """The log with a next record of that key, now and at other times, of every run there is, and
    of one that has just begun."""
    live = [run.start.seq for run in runs_of(key.task, log) if run.ending is None]
    runs = [None] if key.action is Action.RUN else [*live, -1]
    seq = len(log) + 1
    ago = (0, 1, 30 * HOUR, -30 * HOUR, *range(HOUR // 12, HOUR, HOUR // 12))
    for at, run in product([*(now - t for t in ago), *(record.at for record in log)], runs):
        begun = {"scheduled_at": at, "attempt": 0} if key.action is Action.RUN else {"run": run}
        yield [*log, Record(key.task, key.action, at, seq, **begun)]
    if key.action is not Action.RUN:
        start = Record(key.task, Action.RUN, now, seq, now, 0)
        for at in (now, now - 30 * HOUR):
            yield [*log, start, Record(key.task, key.action, at, seq + 1, run=seq)]


def changes(node: nodes.Condition, key: Key, now: int, log: list[Record], rules: Rules) -> bool:
    value = holds(node, now, log, "self", rules)
    for _ in range(MOST):
        longer = list(nexts(key, now, log))
        if any(holds(node, now, more, "self", rules) is not value for more in longer):
            return True
        log = longer[0]
    return False


def is_one(node: nodes.Condition) -> bool:
    """Whether it is one atom: an interval in hours is two, and several tasks are several. (To find
    several records for a range that opens later would take too long.)"""
    match node:
        case nodes.Every(range=range_):
            return range_ is None
        case nodes.AfterTasks(names):
            return len(names) == 1
        case nodes.Has(count=Count(times=times), within=ThisCycle(range=range_)):
            return times < 2 or range_ is None
        case _:
            return True


def openings(node: nodes.Condition, now: int) -> Iterator[int]:
    """When the range that a count looks at next begins, where to look for records in it."""
    match node:
        case nodes.Has(within=ThisCycle() as cycle):
            window = period_of(cycle, UTC).window_from(now)
            while window is not None and window.start < now:
                window = period_of(cycle, UTC).window_from(window.end)
            if window is not None:
                yield window.start


@given(atoms.filter(is_one), logs(), instants, policies)
@settings(max_examples=150, deadline=None)
def test_every_key_that_an_atom_reads_can_change_it(
    node: nodes.Condition, log: list[Record], now: int, rules: Rules
) -> None:
    note(f"{node!r}")
    verdict = Planner(history_of(log, rules)).plan(node, "self", UTC).check(now)
    later = (now + k * LENGTH[unit] // 10 for unit in LENGTH for k in (0, 1, 3, 6, 9))
    told = (*later, now + rules.lease, *openings(node, now))
    standing = [t for t in told if t < verdict.until]
    for key in named(verdict.reads):
        assert isinstance(key, Key)
        found = any(changes(node, key, t, log, rules) for t in standing)
        assert found, f"{key.task} {key.action} cannot change it"
