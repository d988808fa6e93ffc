"""Every claim of an explanation, checked by counterfactual against the plain model.

What is offered as a flip flips the condition at its instant, and neither a microsecond earlier nor
with any of its records missing. A way is a minimal set of atoms: turned together they turn the
whole, fewer do not, and there is a future in which they are turned. Nothing flips before the
earliest instant that is named, whatever is recorded until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

from hypothesis import given, note, settings
from hypothesis import strategies as st

from oncue.conds import nodes
from oncue.conds.points import Unit
from oncue.engine.civil import from_datetime
from oncue.engine.explain import Change, Explainer, Explanation
from oncue.engine.plan import Planner
from oncue.engine.records import Action, Record
from oncue.grammar.parser import parse
from oncue.tests.property.generated import (
    HOUR,
    TASKS,
    UTC,
    conditions,
    history_of,
    instants,
    logs,
    policies,
)
from oncue.tests.property.model import SECOND, Rules, holds, runs_of

Log = Sequence[Record]


def explained(node: nodes.Condition, now: int, log: Log, rules: Rules) -> Explanation:
    planner = Planner(history_of(list(log), rules))
    return Explainer(planner, "self", now).explain(node, UTC)


def renumbered(log: Log, records: Sequence[Record]) -> list[Record]:
    """The log with more records; an ending whose run is not among them has none."""
    numbers = {record.seq: seq for seq, record in enumerate(records, len(log) + 1)}
    known = {None, *(record.seq for record in log)}
    more = [
        record._replace(
            seq=numbers[record.seq],
            run=record.run if record.run in known else numbers.get(record.run or 0, -1),
        )
        for record in records
    ]
    return [*log, *more]


def samples(start: int, end: int) -> Iterator[int]:
    """Instants of [start, end)."""
    last = min(end, start + 72 * HOUR)
    if start < end:
        yield from {start, (start + last) // 2, end - 1, *range(start, last, 1800 * 1_000_000)}


@given(conditions, logs(), instants, policies)
@settings(max_examples=200, deadline=None)
def test_a_flip_flips_and_nothing_less_does(
    node: nodes.Condition, log: list[Record], now: int, rules: Rules
) -> None:
    note(f"{node!r}")
    found = explained(node, now, log, rules)
    assert found.value is holds(node, now, log, "self", rules)
    assert [flip.at for flip in found.flips] == sorted(flip.at for flip in found.flips)
    for flip in found.flips:
        note(f"{flip}")
        check_flip(node, now, log, rules, found.value, flip)


def check_flip(
    node: nodes.Condition, now: int, log: list[Record], rules: Rules, value: bool, flip: Change
) -> None:
    at = from_datetime(flip.at, UTC)
    stamp = flip.records[0].at if flip.records else now
    assert now <= stamp <= at

    def answer(instant: int, records: Sequence[Record]) -> bool:
        return holds(node, instant, renumbered(log, records), "self", rules)

    assert answer(at, flip.records) is not value
    for t in samples(now, stamp):
        assert answer(t, ()) is value, f"before the records, at {t}"
    for t in samples(stamp, at):
        assert answer(t, flip.records) is value, f"too early, at {t}"
    for n in range(len(flip.records)):
        for fewer in combinations(flip.records, n):
            assert answer(at, fewer) is value, f"with {fewer} alone"
    if now < stamp == at:
        earlier = [
            r._replace(at=at - 1, scheduled_at=r.scheduled_at and at - 1) for r in flip.records
        ]
        assert answer(at - 1, earlier) is value, "a microsecond earlier"


# --- ways ---------------------------------------------------------------------------------------

ZONELESS = (nodes.AfterTasks, nodes.Running, nodes.Retry)


def truth(node: nodes.Condition, zone: str, answer: Callable[[str], bool]) -> bool:
    """The condition's value by those of its atoms, which are asked for by their text."""
    match node:
        case nodes.All(terms):
            return all([truth(term, zone, answer) for term in terms])
        case nodes.Any(terms):
            return any([truth(term, zone, answer) for term in terms])
        case nodes.Not(term):
            return not truth(term, zone, answer)
        case nodes.Zoned(term, name):
            return truth(term, name, answer)
        case nodes.Every(duration, since, range_) if range_ is not None:
            inside = answer(text_of(nodes.TimeOf(Unit.DAY, range_), zone))
            return answer(text_of(nodes.Every(duration, since), zone)) and inside
        case nodes.AfterTasks(names, outcome, either) if len(names) > 1:
            each = [answer(str(nodes.AfterTasks((name,), outcome))) for name in names]
            return any(each) if either else all(each)
        case _:
            return answer(text_of(node, zone))


def text_of(node: nodes.Condition, zone: str) -> str:
    named = zone != "UTC" and not isinstance(node, ZONELESS)
    return str(nodes.Zoned(node, zone) if named else node)


def minimal_sets(node: nodes.Condition, values: dict[str, bool]) -> set[frozenset[str]]:
    """The minimal sets of atoms that, turned, turn the whole: by trying all."""
    value = truth(node, "UTC", values.__getitem__)
    found: set[frozenset[str]] = set()
    for n in range(1, len(values) + 1):
        for atoms in map(frozenset, combinations(values, n)):
            turned = {text: held is not (text in atoms) for text, held in values.items()}
            if truth(node, "UTC", turned.__getitem__) is not value and not any(
                less < atoms for less in found
            ):
                found.add(atoms)
    return found


def told_of(values: dict[str, bool], atoms: Iterable[str]) -> Iterator[str]:
    for text in atoms:
        yield str(nodes.Not(parse(text))) if values[text] else text


def turned(node: nodes.Condition, value: bool, atoms: Iterable[str]) -> nodes.Condition:
    """That these atoms come true (those with `~` before them: end), and the whole is turned."""
    return nodes.All((*map(parse, atoms), ~node if value else node))


@given(conditions, logs(), instants, policies)
@settings(max_examples=100, deadline=None)
def test_the_ways_are_the_minimal_sets_of_atoms_that_can_change(
    node: nodes.Condition, log: list[Record], now: int, rules: Rules
) -> None:
    note(f"{node!r}")
    found = explained(node, now, log, rules)
    values: dict[str, bool] = {}

    def look(text: str) -> bool:
        values[text] = holds(parse(text), now, log, "self", rules)
        return values[text]

    assert truth(node, "UTC", look) is found.value
    told = {frozenset(told_of(values, atoms)) for atoms in minimal_sets(node, values)}
    ways = {frozenset(way) for way in found.ways}
    assert len(ways) == len(found.ways)
    assert ways <= told
    for way in ways:
        goal = turned(node, found.value, way)
        flips = explained(goal, now, log, rules).flips
        assert flips
        check_flip(goal, now, log, rules, False, flips[0])
    if len(told) <= 16:
        for way in told - ways:
            note(f"not offered: {way}")
            check_impossible(turned(node, found.value, way), now, log, rules)


def check_impossible(goal: nodes.Condition, now: int, log: list[Record], rules: Rules) -> None:
    """Neither time alone nor one record now makes the goal hold."""
    for records in [(), *((record,) for record in possible_records(log, now))]:
        longer = [*log, *records]
        for t in samples(now, now + 26 * HOUR):
            assert not holds(goal, t, longer, "self", rules), f"{records}, at {t}"


def possible_records(log: list[Record], at: int) -> Iterator[Record]:
    """What an app could write next: runs that start, runs that end, in every way."""
    for task in TASKS:
        live = [run.start.seq for run in runs_of(task, log) if run.ending is None]
        yield Record(task, Action.RUN, at, len(log) + 1, at, 0)
        for action in [a for a in Action if a is not Action.RUN and live]:
            yield Record(task, action, at, len(log) + 1, run=live[0])


@given(conditions, logs(), instants, policies, st.data())
@settings(max_examples=200, deadline=None)
def test_nothing_flips_it_before_the_earliest_instant(
    node: nodes.Condition, log: list[Record], now: int, rules: Rules, data: st.DataObject
) -> None:
    note(f"{node!r}")
    found = explained(node, now, log, rules)
    assert not (found.final and found.flips)
    if found.earliest is None and not found.final:
        return  # none was found, which says nothing
    end = now + 30 * HOUR if found.earliest is None else from_datetime(found.earliest, UTC)
    longer, since = log, now
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, 40).map(lambda k: since + k * 300 * SECOND))
        if at >= end:
            break
        more = data.draw(st.sampled_from(list(possible_records(longer, at))))
        for t in samples(since, at):
            assert holds(node, t, longer, "self", rules) is found.value, f"at {t}"
        longer, since = [*longer, more], at
        note(f"{more}")
    for t in samples(since, end):
        assert holds(node, t, longer, "self", rules) is found.value, f"at {t}"
