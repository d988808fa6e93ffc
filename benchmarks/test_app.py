"""What a whole app costs: from the end of one run to the start of the next, runs a second."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue import App

LINKS = 50


def chain(store: Path | None) -> list[float]:
    """Seconds from the end of each run of A to the start of the run of B it causes."""
    app = App(store)
    ended: list[float] = []
    waited: list[float] = []

    @app.task("daily | after task 'b'", name="a")
    async def a() -> None:
        ended.append(time.perf_counter())

    @app.task("after task 'a'", name="b")
    async def b() -> None:
        waited.append(time.perf_counter() - ended[-1])
        if len(waited) == LINKS:
            app.shut_down()

    asyncio.run(asyncio.wait_for(app.serve(), 60))
    return waited


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_end_of_a_to_start_of_b(benchmark: BenchmarkFixture, kind: str, tmp_path: Path) -> None:
    """The median latency of a link is in `extra_info`; the time is that of the whole chain."""
    store = None if kind == "memory" else tmp_path / "chain.db"
    waited = benchmark.pedantic(chain, args=(store,), rounds=1)
    benchmark.extra_info["median link, ms"] = round(sorted(waited)[len(waited) // 2] * 1e3, 3)
    assert len(waited) == LINKS
