"""Pyncette's side: instances of a dynamic task, all due at once, on an SQLite file as it opens it.
It knows no conditions and keeps no log, so most scenarios are not for it."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyncette import Context, Pyncette

from scenarios import STORED_RUNS, Execution, Samples, report


class OfPyncette:
    def parse(self, text: str) -> Samples:
        raise NotImplementedError("it has no conditions")

    def define(self) -> Samples:
        raise NotImplementedError("its static tasks are polled one by one")

    look_idle = look_due = idle_cpu = chain = lateness = define

    def runs(self, execution: Execution) -> Samples:
        raise NotImplementedError("it keeps its tasks in a store")

    def stored_runs(self) -> Samples:
        with tempfile.TemporaryDirectory() as folder:
            return Samples([asyncio.run(self._stored_runs(Path(folder) / "tasks.db"))])

    async def _stored_runs(self, path: Path) -> float:
        runs = STORED_RUNS // 4  # it takes its time
        app = Pyncette(sqlite_database=str(path), poll_interval=timedelta(milliseconds=1))
        began = ended = 0.0
        left = runs

        @app.dynamic_task()  # type: ignore[untyped-decorator]
        async def due(context: Context) -> None:
            nonlocal began, ended, left
            if left == runs:
                began = time.perf_counter()
            left -= 1
            if not left:
                ended = time.perf_counter()
                running.shutdown()

        async with app.create() as running:
            now = datetime.now(UTC)
            for n in range(runs):
                await running.schedule_task(due, f"task {n}", execute_at=now)
            await running.run()
        return (ended - began) / runs


if __name__ == "__main__":
    report(OfPyncette())
