"""Dynamic tasks: scheduled in bulk and one by one, taken when due, run; on each store.

To look for what is due costs the same however many there are: `test_a_look_with_none_due` shows it
from 10,000 to a million on a file, with the memory of the process and the size of the file in
`extra_info`.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import uuid4

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue import App, Context
from oncue.app.stores.dynamic import Planned
from oncue.app.stores.sqlite import SqliteStore
from oncue.benchmarks.test_servers import REMOVE, SERVERS, address

RUNS = 5_000
BULK = 20_000
ONE_BY_ONE = 5_000  # the log of a new file grows with the first 1,500 of them, which takes longer
PAST = datetime.now(UTC) - timedelta(seconds=1)
STORES = ["memory", "sqlite", *SERVERS]


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    """The address of an empty one."""
    kind = request.param
    if kind in SERVERS:
        url, namespace = address(kind), f"bench_{uuid4().hex}"
        try:
            yield f"{url}{'&' if '?' in url else '?'}namespace={namespace}"
        finally:
            REMOVE[kind](url, namespace)
    else:
        yield None if kind == "memory" else str(tmp_path / "log.db")


async def seconds(store: str | None, count: int, bulk: bool) -> tuple[float, float]:
    """To schedule so many that are due, and to run them all."""
    app = App(store, cycle_sleep=None, timezone="UTC")
    left = count

    @app.dynamic_task()
    async def due(context: Context) -> None:
        nonlocal left
        left -= 1
        if not left:
            context.app_context.shutdown()

    async with app.create() as running:
        began = time.perf_counter()
        given = [(uuid4().hex, {"execute_at": PAST, "user": n}) for n in range(count)]
        if bulk:
            await running.schedule_tasks(due, given)
        else:
            for name, when in given:
                await running.schedule_task(due, name, **when)
        scheduled = time.perf_counter()
        await running.run()
        return scheduled - began, time.perf_counter() - scheduled


@pytest.mark.parametrize("store", STORES, indirect=True)
def test_runs_of_dynamic_tasks(benchmark: BenchmarkFixture, store: str | None) -> None:
    took: list[float] = []
    count = 500 if benchmark.disabled else RUNS
    rounds = 1 if benchmark.disabled else 3
    benchmark.pedantic(
        lambda: took.append(asyncio.run(seconds(store, count, bulk=True))[1]), rounds=rounds
    )
    benchmark.extra_info["runs a second"] = round(count / median(took))


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "one by one"])
@pytest.mark.parametrize("store", STORES, indirect=True)
def test_scheduling(benchmark: BenchmarkFixture, store: str | None, bulk: bool) -> None:
    took: list[float] = []
    count = 100 if benchmark.disabled else BULK if bulk else ONE_BY_ONE
    app = App(store, timezone="UTC")

    @app.dynamic_task()
    async def later(context: Context) -> None: ...

    async def schedule() -> None:
        far = datetime.now(UTC) + timedelta(days=1)
        given = [(uuid4().hex, {"execute_at": far, "user": n}) for n in range(count)]
        async with app.create() as running:
            await running.schedule_task(later, "first", execute_at=far)
            began = time.perf_counter()
            if bulk:
                await running.schedule_tasks(later, given)
            else:
                for name, when in given:
                    await running.schedule_task(later, name, **when)
            took.append(time.perf_counter() - began)

    benchmark.pedantic(lambda: asyncio.run(schedule()), rounds=1 if benchmark.disabled else 3)
    benchmark.extra_info["scheduled a second"] = round(count / median(took))


@pytest.mark.parametrize("count", [10_000, 100_000, 1_000_000])
def test_a_look_with_none_due(benchmark: BenchmarkFixture, tmp_path: Path, count: int) -> None:
    """By the store, without the thread that it works on: the look itself."""
    path = tmp_path / "log.db"
    there = count if not benchmark.disabled else 1000
    store = SqliteStore(str(path), synchronous="normal")

    async def begin() -> None:
        await store.open(0)
        for first in range(0, there, 50_000):
            await store.schedule(
                [
                    Planned(f"f:{n}", "f", '{"args": {}}', "daily", (1 << 60) + n, n)
                    for n in range(first, min(first + 50_000, there))
                ],
                0,
            )

    async def end() -> None:
        await store.close()

    asyncio.run(begin())
    writer = store._writer
    assert writer is not None
    benchmark(lambda: writer.take({"f": 100}, 1, {}))
    written = [path, path.with_name("log.db-wal")]
    benchmark.extra_info["file, MB"] = round(sum(each.stat().st_size for each in written) / 1e6)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    benchmark.extra_info["memory of the process, MB"] = round(used / 1000)
    asyncio.run(end())
