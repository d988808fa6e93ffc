"""The facts of cron.jsonl: local datetimes, in UTC."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from oncue.conds.nodes import Cron
from oncue.conds.points import CronFields
from oncue.engine.civil import MINUTE, from_datetime, zone
from oncue.engine.periods import period_of

UTC = zone("UTC")
FILE = Path(__file__).with_name("cron.jsonl")
FACTS = [json.loads(line) for line in FILE.read_text().splitlines()]


def instant(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text), UTC)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: str(fact["id"]))
def test_fact(fact: dict[str, Any]) -> None:
    period = period_of(Cron(CronFields.parse(fact["expr"])), UTC)
    at = instant(fact["at"])
    if fact["kind"] == "cron_contains":
        assert period.contains(at) is fact["expected"]
    else:
        minute = at - at % MINUTE
        found = period.window_from(minute + MINUTE)
        assert found is not None and found.start == instant(fact["expected"])
