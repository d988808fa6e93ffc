"""Laws of the public face on what `oncue.testing.strategies` draws: any condition, log, instant
and zone."""

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from oncue import ConditionSyntaxError, check, evaluate, explain, parse, windows
from oncue.conds import nodes
from oncue.conds.nodes import Condition
from oncue.engine.civil import to_datetime, zone
from oncue.engine.records import Record
from oncue.testing.strategies import (
    CADENCES,
    TASKS,
    ZONES,
    atom_strategies,
    conditions,
    instants,
    logs,
    periods,
    zones,
)

MICROSECOND = timedelta(microseconds=1)
# a call asks a function that an app must have
ANSWERED = conditions(atoms=[kind for kind in atom_strategies() if kind is not nodes.Call])
IN_THE_LOG = instants(datetime(2023, 12, 30), datetime(2024, 3, 4))


def moment(instant: int) -> datetime:
    found = to_datetime(instant, zone("UTC"))
    assert found is not None
    return found


@given(ANSWERED, IN_THE_LOG, logs(), zones())
def test_a_verdict_stands_as_long_as_it_says(
    condition: Condition, instant: int, log: list[Record], name: str
) -> None:
    at = moment(instant)
    known = [record for record in log if record.at <= instant]
    started = at - timedelta(hours=1)

    def value(when: datetime) -> bool:
        return evaluate(
            condition, at=when, log=known, timezone=name, scheduler_started=started, cycles=7
        ).value

    verdict = evaluate(
        str(condition), at=at, log=known, timezone=name, scheduler_started=started, cycles=7
    )
    assert value(at) is verdict.value
    if verdict.until is not None:
        last = verdict.until - MICROSECOND
        assert last >= at and value(last) is verdict.value
    explained = explain(
        condition, at=at, log=known, timezone=name, scheduler_started=started, cycles=7
    )
    assert explained.value is verdict.value


@given(periods(), instants(), zones())
def test_a_window_is_where_its_condition_is_true(
    period: Condition, instant: int, name: str
) -> None:
    at = moment(instant)
    found = next(windows(period, at, timezone=name), None)
    value = evaluate(period, at=at, timezone=name).value
    inside = (
        found is not None
        and (found.start is None or found.start <= at)
        and (found.end is None or at < found.end)
    )
    assert value is inside


@given(conditions(atoms=CADENCES, leaves=1), instants(), zones())
def test_windows_come_in_order_and_are_not_empty(
    cadence: Condition, instant: int, name: str
) -> None:
    found = list(islice(windows(cadence, moment(instant), timezone=name), 4))
    for window in found:
        assert window.start is None or window.end is None or window.start < window.end
    for one, other in zip(found, found[1:], strict=False):
        assert one.end is not None and other.start is not None and one.end <= other.start


@given(st.text(max_size=40) | conditions(leaves=4).map(str))
def test_check_says_what_is_wrong_and_raises_for_no_text(text: str) -> None:
    found = check(text, tasks=TASKS)
    try:
        parse(text)
    except ConditionSyntaxError as error:
        assert found == list(error.diagnostics)
    else:
        assert all(hint.severity != "error" for hint in found)
    for hint in found:
        assert hint.message in str(hint)
        assert json.loads(json.dumps(hint.to_dict()))["code"] == hint.code


@given(st.sampled_from(ZONES), instants())
def test_instants_are_the_same_on_every_wall_clock(name: str, instant: int) -> None:
    local = to_datetime(instant, zone(name))
    assert local is not None
    assert local == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
    if "/" in name:
        assert local.replace(tzinfo=None) == moment(instant).astimezone(ZoneInfo(name)).replace(
            tzinfo=None
        )
