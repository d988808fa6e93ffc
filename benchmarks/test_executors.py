"""Runs a second of a function that does nothing, by each executor, and by APScheduler's pools.

The peer runs in its own environment (benchmarks/peers/.venv, made by compare.py) right before and
after ours; its median is in `extra_info`. Both sides are executors alone, without a scheduler's
decisions and without a log: all calls are begun, then all are waited for.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue.app.executors import EXECUTIONS, Call, Ending, Executor

RUNS = 5_000
PEERS = Path(__file__).resolve().parent / "peers" / ".venv" / "bin" / "python"
POOLS = {"process": "ProcessPoolExecutor", "thread": "ThreadPoolExecutor"}

PEER = """
import gc, sys, threading, time
from datetime import datetime, timezone
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.executors import pool
from apscheduler.schedulers.background import BackgroundScheduler

runs = int(sys.argv[2])

def main():
    executor = getattr(pool, sys.argv[1])()
    scheduler = BackgroundScheduler(executors={"pool": executor}, timezone="UTC")
    scheduler.start()
    job = scheduler.add_job(
        gc.isenabled, "interval", weeks=9, executor="pool", max_instances=runs,
        misfire_grace_time=None,
    )
    left, ended = runs, threading.Event()

    def executed(event):
        nonlocal left
        left -= 1
        if not left:
            ended.set()

    scheduler.add_listener(executed, EVENT_JOB_EXECUTED)
    for seconds in (0, 1):
        left = runs
        ended.clear()
        began = time.perf_counter()
        for _ in range(runs):
            executor.submit_job(job, [datetime.now(timezone.utc)])
        ended.wait(60)
        took = time.perf_counter() - began
    print(runs / took)
    scheduler.shutdown()

if __name__ == "__main__":
    main()
"""


def runs_of(loop: asyncio.AbstractEventLoop, execution: str) -> None:
    """RUNS calls, by an executor whose workers are warm."""

    async def story() -> None:
        left, ended = RUNS, asyncio.Event()

        def done(ending: Ending) -> None:
            nonlocal left
            left -= 1
            if not left:
                ended.set()

        for _ in range(RUNS):
            await executor.start(Call(gc.isenabled, done))
        await asyncio.wait_for(ended.wait(), 60)

    executor = executors[execution]
    loop.run_until_complete(story())


executors: dict[str, Executor] = {}


async def make(execution: str) -> None:
    executors[execution] = EXECUTIONS[execution]()


def peer(execution: str, tmp_path: Path) -> float:
    """APScheduler's runs a second, warm."""
    script = tmp_path / "peer.py"
    script.write_text(PEER, encoding="utf-8")
    done = subprocess.run(
        [PEERS, "-W", "ignore", script, POOLS[execution], str(RUNS)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize("execution", sorted(EXECUTIONS))
def test_runs_a_second(benchmark: BenchmarkFixture, execution: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        runner.run(make(execution))
        loop = runner.get_loop()
        theirs: list[float] = []
        beside = execution in POOLS and PEERS.exists() and not benchmark.disabled
        if beside:
            theirs.append(peer(execution, tmp_path))
        benchmark.pedantic(runs_of, args=(loop, execution), warmup_rounds=1, rounds=3)
        if beside:
            theirs.append(peer(execution, tmp_path))
            benchmark.extra_info["APScheduler 3, runs a second"] = round(median(theirs))
        if benchmark.stats is not None:
            ours = RUNS / benchmark.stats.stats.median
            benchmark.extra_info["runs a second"] = round(ours)
        assert runner.run(executors.pop(execution).close()) == []
