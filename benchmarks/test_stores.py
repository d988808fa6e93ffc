"""Runs a second that a store takes: of each a claim and a finish, those of one turn of the loop
committed together.

Beside the file there is a bare loop of the standard module that writes the same rows to the same
tables, in turns; the median of the ratios is in `extra_info`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Claim, Finish, Store
from oncue.app.stores.schema import SCHEMA, Tables, statements
from oncue.app.stores.sqlite import CHECKPOINT_PAGES, SqliteStore
from oncue.engine.records import Action, Record

RUNS = 5_000
BRIEFLY = 200
AT = 1_800_000_000_000_000
LABEL = "f" * 32
HEAD = (
    "INSERT INTO head VALUES (?, ?, ?, ?) ON CONFLICT (task, action) DO UPDATE SET "
    "seq = excluded.seq, run = excluded.run"
)
LATE = 1 << 60  # a position that no record is newer than


async def ours(store: Store, beside: int, runs: int) -> float:
    """Seconds for the runs, so many at a time."""
    await store.open(AT)
    tasks = [f"task {n}" for n in range(beside)]
    starts = [Record(t, Action.RUN, AT, scheduled_at=AT, attempt=0, run_id=LABEL) for t in tasks]
    live: list[int] = []
    began = time.perf_counter()
    for _ in range(runs // beside):
        steps: list[Claim | Finish] = [
            Finish(Record(task, Action.SUCCESS, AT, run=run, run_id=LABEL))
            for task, run in zip(tasks, live, strict=False)
        ]
        ended = len(steps)
        steps += [Claim(start, (), LATE) for start in starts]
        answers = await store.commit(steps)
        live = [answer for answer in answers[ended:] if isinstance(answer, int)]
    took = time.perf_counter() - began
    assert len(live) == beside
    await store.close()
    return took


def bare(path: Path, beside: int, runs: int, synchronous: str) -> float:
    """Seconds for the same rows by `sqlite3` alone."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements(SCHEMA, Tables("")):
            db.execute(statement)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        tasks = [f"task {n}" for n in range(beside)]
        live: list[int] = []
        numbers = count(1)
        began = time.perf_counter()
        for _ in range(runs // beside):
            rows: list[tuple[object, ...]] = [
                (next(numbers), task, "success", AT, None, None, run, LABEL, None, None)
                for task, run in zip(tasks, live, strict=False)
            ]
            gone = [(run,) for run in live]
            live = [next(numbers) for _ in tasks]
            rows += [
                (seq, task, "run", AT, AT, 0, None, LABEL, None, None)
                for seq, task in zip(live, tasks, strict=True)
            ]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
            heads = [(task, action, seq, run) for seq, task, action, _, _, _, run, *_ in rows]
            db.executemany(HEAD, heads)
            leases = [(seq, LABEL, None, None) for seq in live]
            db.executemany("INSERT INTO lease VALUES (?,?,?,?)", leases)
            db.executemany("DELETE FROM lease WHERE run = ?", gone)
            db.execute("COMMIT")
        return time.perf_counter() - began


@pytest.mark.parametrize("beside", [1, 10, 100])
@pytest.mark.parametrize("synchronous", ["full", "normal"])
def test_runs_that_a_file_takes(
    benchmark: BenchmarkFixture, synchronous: str, beside: int, tmp_path: Path
) -> None:
    runs, rounds = (BRIEFLY, 1) if benchmark.disabled else (RUNS, 5)
    took: list[float] = []
    ratios: list[float] = []
    files = count()

    def once() -> None:
        store = SqliteStore(str(tmp_path / f"{next(files)}.db"), synchronous=synchronous)
        took.append(asyncio.run(ours(store, beside, runs)))

    def before() -> None:
        ratios.append(bare(tmp_path / f"{next(files)}.db", beside, runs, synchronous))

    benchmark.pedantic(once, setup=before, rounds=rounds)
    benchmark.extra_info["runs a second"] = round(runs / median(took))
    pairs = zip(ratios, took, strict=True)
    benchmark.extra_info["of a bare loop"] = round(median(alone / own for alone, own in pairs), 2)


@pytest.mark.parametrize("beside", [1, 100])
def test_runs_that_memory_takes(benchmark: BenchmarkFixture, beside: int) -> None:
    runs, rounds = (BRIEFLY, 1) if benchmark.disabled else (RUNS, 5)
    took: list[float] = []

    def once() -> None:
        took.append(asyncio.run(ours(MemoryStore(), beside, runs)))

    benchmark.pedantic(once, rounds=rounds)
    benchmark.extra_info["runs a second"] = round(runs / median(took))
