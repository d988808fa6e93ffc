"""What phrases cost: parsing a text among many of them, and registering them.

`make bench` shows 50, 100 and 200 phrases beside each other: parsing should cost the same, and
registering, which is divided by the number of phrases in `extra_info`, the same for each.
"""

from __future__ import annotations

from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue import parse
from oncue.grammar.phrases import Phrases

NUMBERS = [50, 100, 200]
SHAPES = [
    "disk {n} is below {{percent:int}} percent",
    "queue {n} of {{host}} is empty",
    "market {n} is open since {{length:duration}}",
    "shift {n} begins at {{start:time}}",
    "site number {n} is up",
]


def templates(number: int, prefix: str = "") -> list[str]:
    """So many phrases of several shapes, few of which share a beginning."""
    return [prefix + SHAPES[i % len(SHAPES)].format(n=f"n{i}") for i in range(number)]


TEXTS = {
    "a phrase": "disk n0 is below 10 percent & every 10 minutes",
    "the last phrase": "site number n{last} is up & every 10 minutes",
    "no phrase": "daily after 10:00 & after task 'extract'",
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_parse_cold_among_phrases(benchmark: BenchmarkFixture, kind: str, number: int) -> None:
    """Each text differs from all before it by a comment, so that no memory of it helps. The goal
    is a millisecond, at 200 phrases."""
    benchmark.group = f"parse {kind} among phrases"
    phrases = Phrases(templates(number))
    text = TEXTS[kind].format(last=number - 1)
    numbers = count()
    expected = parse(text, phrases=phrases)
    assert benchmark(lambda: parse(f"{text} # {next(numbers)}", phrases=phrases)) == expected


def given_phrases(kind: str, number: int) -> list[str]:
    match kind:
        case "apart":
            return templates(number)
        case "alike":  # each begins with the same words
            return templates(number, "the state of our ")
        case _:  # "crossed": a placeholder of half of them stands where the others have words
            half = [f"server number{i} is down" for i in range(number // 2)]
            return half + [f"server {{name}} of rack{i} is up" for i in range(number - len(half))]


@pytest.mark.parametrize("kind", ["alike", "apart", "crossed"])
@pytest.mark.parametrize("number", NUMBERS)
def test_register(benchmark: BenchmarkFixture, number: int, kind: str) -> None:
    benchmark.group = f"register phrases, {kind}"
    given = given_phrases(kind, number)
    phrases = benchmark(Phrases, given)
    assert [template.text for template in phrases.templates] == given
    if benchmark.stats is not None:
        each = benchmark.stats.stats.median / number
        benchmark.extra_info["each, µs"] = round(each * 1e6, 1)
