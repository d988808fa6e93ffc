"""APScheduler's side, version 3: an AsyncIOScheduler with its defaults, its jobs in memory, without
a log. It knows no conditions, so the scenarios about them are not for it."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scenarios import (
    DONE_TODAY,
    IDLE,
    MANY_RUNS,
    SECONDS_WATCHED,
    Execution,
    Samples,
    cpu_share,
    report,
    timed,
    tracing,
)

POOLS: dict[str, Callable[[], Any]] = {
    "async": lambda: None,
    "thread": ThreadPoolExecutor,
    "process": ProcessPoolExecutor,
}


async def nothing_async() -> None: ...


def nothing() -> None: ...


class Apscheduler:
    def parse(self, text: str) -> Samples:
        raise NotImplementedError("it has no conditions")

    def define(self) -> Samples:
        return Samples(timed(lambda: idle(AsyncIOScheduler()), repeat=5, number=1))

    def memory(self) -> Samples:
        async def planned() -> float:
            scheduler = AsyncIOScheduler()
            scheduler.start()
            hour = (datetime.now() + timedelta(hours=11)).hour
            functions = [(lambda: None) for _ in range(IDLE)]
            with tracing() as each:
                for number, function in enumerate(functions):
                    scheduler.add_job(function, "cron", hour=hour, id=f"task {number}")
                found = each()
            scheduler.shutdown()
            return found

        return Samples([asyncio.run(planned())], size=IDLE, unit="B")

    def check(self, records: int) -> Samples:
        raise NotImplementedError(f"it has no {DONE_TODAY!r}")

    def ask_all(self) -> Samples:
        raise NotImplementedError(f"it has no {DONE_TODAY!r}")

    look_idle = look_due = ask_all

    def idle_cpu(self) -> Samples:
        async def share() -> float:
            scheduler = idle(AsyncIOScheduler())
            scheduler.start()
            stop = asyncio.Event()
            return await cpu_share(stop.wait, stop.set)

        return Samples([asyncio.run(share())], unit="CPU")

    def chain(self) -> Samples:
        raise NotImplementedError("it has no 'after task'")

    def runs(self, execution: Execution) -> Samples:
        """One-shot jobs, all due at once: the quickest that it has."""
        return Samples([asyncio.run(self._runs(execution))])

    async def _runs(self, execution: Execution) -> float:
        runs = MANY_RUNS[execution]
        pool = POOLS[execution]()
        scheduler = AsyncIOScheduler(executors={"default": pool} if pool else {})
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        left = runs

        def executed(event: Any) -> None:
            nonlocal left
            left -= 1
            if not left:
                loop.call_soon_threadsafe(ended.set)

        scheduler.add_listener(executed, EVENT_JOB_EXECUTED)
        function = nothing_async if execution == "async" else nothing
        scheduler.start(paused=True)
        now = datetime.now(UTC)
        for _ in range(runs):
            scheduler.add_job(function, "date", run_date=now, misfire_grace_time=None)
        began = time.perf_counter()
        scheduler.resume()
        await ended.wait()
        took = time.perf_counter() - began
        scheduler.shutdown(wait=False)
        return took / runs

    def stored_runs(self) -> Samples:
        raise NotImplementedError("its SQLite store keeps jobs, not runs")

    def schedule(self) -> Samples:
        raise NotImplementedError("it has no dynamic tasks")

    dynamic_runs = schedule

    def lateness(self) -> Samples:
        async def watch() -> list[float]:
            late: list[float] = []
            ended = asyncio.Event()

            async def due() -> None:
                late.append(time.time() % 1)
                if len(late) > SECONDS_WATCHED:
                    ended.set()

            scheduler = idle(AsyncIOScheduler())
            scheduler.add_job(due, "cron", second="*")
            scheduler.start()
            await ended.wait()
            scheduler.shutdown(wait=False)
            return late[1:]

        return Samples(asyncio.run(watch()))


def idle(scheduler: AsyncIOScheduler) -> AsyncIOScheduler:
    hour = (datetime.now() + timedelta(hours=11)).hour
    for i in range(IDLE):
        scheduler.add_job(nothing_async, "cron", hour=hour, id=f"task {i}")
    return scheduler


if __name__ == "__main__":
    report(Apscheduler())
