"""What parsing costs, for text not seen before."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue.grammar.parser import parse

SAMPLES = [
    "every 10 minutes",
    "task 'extract' has succeeded today",
    "daily",
    "after task 'extract'",
    "daily after 10:00",
    "daily after 10:00 & after task 'extract'",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_parse_cold(benchmark: BenchmarkFixture, text: str) -> None:
    """Each text differs from all before it by a comment, so that no memory of it helps."""
    number: Iterator[int] = count()
    parse(text)
    assert benchmark(lambda: parse(f"{text} # {next(number)}")) == parse(text)
