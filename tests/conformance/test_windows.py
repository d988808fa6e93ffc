"""The facts of windows.jsonl: local datetimes, in UTC, against the periods of their conditions."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from oncue.engine.civil import from_datetime, zone
from oncue.engine.periods import Period, Window, period_of
from oncue.grammar.parser import parse

UTC = zone("UTC")
FILE = Path(__file__).with_name("windows.jsonl")
FACTS = [json.loads(line) for line in FILE.read_text().splitlines()]


def instant(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text), UTC)


def window(expected: dict[str, str] | None) -> Window | None:
    if expected is None:
        return None
    return Window(instant(expected["start"]), instant(expected["end"]))


def clipped(period: Period, kind: str, at: int) -> Window | None:
    """What the engine answers, clipped to `at` as the facts are."""
    if kind == "window_from":
        found = period.window_from(at)
        return found and Window(max(found.start, at), found.end)
    found = period.window_before(at)
    return found and Window(found.start, min(found.end, at))


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: str(fact["id"]))
def test_fact(fact: dict[str, Any]) -> None:
    period = period_of(parse(fact["expr"]), UTC)
    at = instant(fact["at"])
    if fact["kind"] == "period_contains":
        assert period.contains(at) is fact["expected"]
    else:
        assert clipped(period, fact["kind"], at) == window(fact["expected"])
