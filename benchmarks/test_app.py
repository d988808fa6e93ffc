"""What a whole app costs: from the end of one run to the start of the next, runs a second."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue import App
from oncue.conds import succeeded
from oncue.conds.nodes import all_of

LINKS = 50
RUNS = 5_000
BRIEFLY = 500
BESIDE = 100


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


async def nothing() -> None: ...


def run(address: str | None, count: int) -> None:
    """Tasks that start again as soon as they have ended, `BESIDE` of them beside each other."""
    each = count // BESIDE
    app = App(address, cycle_sleep=None)
    names = [f"task {n}" for n in range(BESIDE)]
    for name in names:
        condition = f"has succeeded at most {each - 1} times"
        app.task(condition, func=nothing, name=name, execution="async")
    app.session.config.shut_cond = all_of(*(succeeded(name) >= each for name in names))
    asyncio.run(asyncio.wait_for(app.serve(), 60))
    assert app.session.get_repo().filter_by(action="success").count() == count


@pytest.mark.parametrize("kind", ["memory", "full", "normal"])
def test_runs_a_second(benchmark: BenchmarkFixture, kind: str, tmp_path: Path) -> None:
    """Of a coroutine that does nothing; `full` and `normal` are how an SQLite file is synced."""
    numbers = itertools.count()
    runs, rounds = (BRIEFLY, 1) if benchmark.disabled else (RUNS, 5)

    def once() -> None:
        file = tmp_path / f"{next(numbers)}.db"
        run(None if kind == "memory" else f"sqlite:{file}?synchronous={kind}", runs)

    benchmark.pedantic(once, rounds=rounds)
    if benchmark.stats is not None:
        benchmark.extra_info["runs a second"] = round(runs / benchmark.stats.stats.median)
