"""How fast this machine is just now, in the kind of work that oncue does: the measure by which
`guard.py` compares the figures of two runs."""

from __future__ import annotations

from bisect import insort
from heapq import heappop, heappush

from pytest_benchmark.fixture import BenchmarkFixture


def loop() -> int:
    heap: list[tuple[int, str]] = []
    seen: dict[str, list[int]] = {}
    for number in range(2000):
        name = f"task {number % 50}"
        heappush(heap, (number * 7919 % 1009, name))
        insort(seen.setdefault(name, []), number)
    while heap:
        heappop(heap)
    return sum(map(len, seen.values()))


def test_calibration(benchmark: BenchmarkFixture) -> None:
    assert benchmark(loop) == 2000
