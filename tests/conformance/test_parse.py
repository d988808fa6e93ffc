"""The facts of parse.jsonl: what is a condition, what is none, and how long a duration is."""

import json
from pathlib import Path

import pytest

from oncue.conds.durations import read_duration
from oncue.grammar import ConditionSyntaxError, parse

FILE = Path(__file__).with_name("parse.jsonl")
FACTS = [json.loads(line) for line in FILE.read_text().splitlines()]


def of_kind(kind: str) -> list[object]:
    return [pytest.param(fact, id=fact["id"]) for fact in FACTS if fact["kind"] == kind]


def test_every_fact_is_of_a_known_kind() -> None:
    assert {fact["kind"] for fact in FACTS} == {"parse_ok", "parse_error", "duration"}


@pytest.mark.parametrize("fact", of_kind("parse_ok"))
def test_is_a_condition(fact: dict[str, str]) -> None:
    condition = parse(fact["expr"])
    assert parse(str(condition)) == condition


@pytest.mark.parametrize("fact", of_kind("parse_error"))
def test_is_not_a_condition(fact: dict[str, str]) -> None:
    with pytest.raises(ConditionSyntaxError):
        parse(fact["expr"])


@pytest.mark.parametrize("fact", of_kind("duration"))
def test_is_so_many_seconds(fact: dict[str, object]) -> None:
    assert read_duration(str(fact["expr"])).seconds == fact["expected"]
