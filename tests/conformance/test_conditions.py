"""Facts of conditions: what each answers at an instant, given a log."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from oncue import evaluate

LINES = (Path(__file__).parent / "conditions.jsonl").read_text().splitlines()
FACTS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("fact", [f for f in FACTS if f["kind"] == "cond"], ids=lambda f: f["id"])
def test_condition(fact: dict[str, Any]) -> None:
    started = fact.get("scheduler_started")
    verdict = evaluate(
        fact["expr"],
        at=datetime.fromisoformat(fact["now"]),
        log=fact["log"],
        task=fact["task"],
        params=fact.get("params"),
        timezone="UTC",
        scheduler_started=None if started is None else datetime.fromisoformat(started),
        cycles=fact.get("scheduler_cycles"),
    )
    assert verdict.value is fact["expected"]


def test_every_fact_is_of_a_known_kind() -> None:
    assert {fact["kind"] for fact in FACTS} == {"cond"}
