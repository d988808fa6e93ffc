"""Pyncette's side: instances of a dynamic task, all due at once, on an SQLite file as it opens it.
It knows no conditions and keeps no log, so most scenarios are not for it."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyncette import Context, Pyncette

from scenarios import SCHEDULED, Execution, Samples, report


class OfPyncette:
    def parse(self, text: str) -> Samples:
        raise NotImplementedError("it has no conditions")

    def define(self) -> Samples:
        raise NotImplementedError("its static tasks are polled one by one")

    memory = ask_all = look_idle = look_due = idle_cpu = chain = lateness = define

    def check(self, records: int) -> Samples:
        raise NotImplementedError("it has no conditions")

    def stored_runs(self) -> Samples:
        """Of dynamic tasks too: a static one runs once a poll."""
        return self.dynamic_runs()

    def runs(self, execution: Execution) -> Samples:
        raise NotImplementedError("it keeps its tasks in a store")

    def schedule(self) -> Samples:
        scheduled, _ = self._dynamic()
        return Samples([scheduled])

    def dynamic_runs(self) -> Samples:
        _, ran = self._dynamic()
        return Samples([ran])

    def _dynamic(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(self._one_by_one(Path(folder) / "tasks.db"))

    async def _one_by_one(self, path: Path) -> tuple[float, float]:
        app = Pyncette(sqlite_database=str(path), poll_interval=timedelta(milliseconds=1))
        began = ended = 0.0
        left = SCHEDULED

        @app.dynamic_task()  # type: ignore[untyped-decorator]
        async def due(context: Context) -> None:
            nonlocal began, ended, left
            if left == SCHEDULED:
                began = time.perf_counter()
            left -= 1
            if not left:
                ended = time.perf_counter()
                running.shutdown()

        async with app.create() as running:
            now = datetime.now(UTC)
            asked = time.perf_counter()
            for n in range(SCHEDULED):
                await running.schedule_task(due, f"task {n}", execute_at=now)
            scheduled = time.perf_counter() - asked
            await running.run()
        return scheduled / SCHEDULED, (ended - began) / SCHEDULED


if __name__ == "__main__":
    report(OfPyncette())
