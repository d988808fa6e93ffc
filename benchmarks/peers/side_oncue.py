"""oncue's side: the defaults of an App, its log in memory, conditions as text."""

import asyncio
import tempfile
import time
from datetime import UTC as UTC_TIME
from datetime import datetime
from pathlib import Path
from typing import Any

from oncue import App, Context, parse
from oncue.conds import succeeded
from oncue.conds.nodes import all_of
from oncue.engine.agenda import Agenda
from oncue.engine.civil import from_datetime, zone
from oncue.engine.history import History
from oncue.engine.plan import Planner
from oncue.engine.records import Action, Record
from oncue.engine.schedule import Schedule
from scenarios import (
    DONE_TODAY,
    IDLE,
    MANY_RUNS,
    NOON,
    SCHEDULED,
    SECONDS_WATCHED,
    STORED_RUNS,
    Execution,
    Samples,
    cpu_share,
    hours_ahead,
    links,
    report,
    timed,
    tracing,
    unseen,
)

MANY = 10_000  # tasks of the agenda that is looked at
UTC = zone("UTC")
NOW = from_datetime(NOON, UTC)
HOUR = 3_600_000_000
BESIDE = {"async": 100, "thread": 20, "process": 8}


def nothing() -> None: ...


async def nothing_async() -> None: ...


NOTHING: dict[Execution, Any] = {
    "async": nothing_async,
    "thread": nothing,
    "process": nothing,
}


class Oncue:
    def parse(self, text: str) -> Samples:
        texts = unseen(text)
        parse(text)
        return Samples(timed(lambda: parse(next(texts))))

    def define(self) -> Samples:
        return Samples(timed(lambda: app_of(DONE_TODAY), repeat=5, number=1))

    def memory(self) -> Samples:
        return Samples([asyncio.run(idle_bytes())], size=MANY, unit="B")

    def check(self, records: int) -> Samples:
        begin = NOW - 48 * HOUR - records * 1_000_000
        log = (
            Record("task", (Action.RUN, Action.SUCCESS)[n % 2], at=begin + n * 1_000_000, seq=n + 1)
            for n in range(records)
        )
        plan = Planner(History(log)).plan(parse(DONE_TODAY), "task", UTC)
        assert plan.check(NOW).value

        def ask() -> None:
            plan.forget()
            plan.check(NOW)

        return Samples(timed(ask))

    def ask_all(self) -> Samples:
        agenda = idle_agenda()

        def ask() -> None:
            agenda.planner.forget()
            for entry in agenda.entries.values():
                entry.plan.check(NOW)

        return Samples(timed(ask, number=1), size=MANY)

    def look_idle(self) -> Samples:
        agenda = idle_agenda()
        return Samples(timed(lambda: agenda.decide(NOW)), size=MANY)

    def look_due(self) -> Samples:
        """In an agenda that goes on: one more task is due at each look."""
        agenda = idle_agenda()
        return Samples([self.one_look_due(agenda, f"due {n}") for n in range(25)], size=MANY)

    def one_look_due(self, agenda: Agenda, name: str) -> float:
        add(agenda, name)
        (seconds,) = timed(lambda: agenda.decide(NOW), repeat=1, number=1)
        assert agenda.history.of(name).live
        return seconds

    def idle_cpu(self) -> Samples:
        app = app_of(hours_ahead())
        return Samples([asyncio.run(cpu_share(app.serve, app.shut_down))], unit="CPU")

    def chain(self) -> Samples:
        app = App()
        waited: list[float] = []
        a, b = links(waited, app.shut_down)
        app.task("daily | after task 'b'", name="a")(a)
        app.task("after task 'a'", name="b")(b)
        asyncio.run(app.serve())
        return Samples(waited)

    def runs(self, execution: Execution) -> Samples:
        return Samples([seconds_a_run(App(cycle_sleep=None), execution, MANY_RUNS[execution])])

    def stored_runs(self) -> Samples:
        """Durable: `synchronous=FULL`, the claim before the code runs."""
        with tempfile.TemporaryDirectory() as folder:
            app = App(Path(folder) / "log.db", cycle_sleep=None)
            return Samples([seconds_a_run(app, "async", STORED_RUNS)])

    def schedule(self) -> Samples:
        scheduled, _ = dynamic()
        return Samples([scheduled])

    def dynamic_runs(self) -> Samples:
        _, ran = dynamic()
        return Samples([ran])

    def lateness(self) -> Samples:
        app = app_of(hours_ahead())
        late: list[float] = []

        @app.task("secondly before 500", name="due")
        async def due() -> None:
            late.append(time.time() % 1)
            if len(late) > SECONDS_WATCHED:
                app.shut_down()

        asyncio.run(app.serve())
        return Samples(late[1:])


def seconds_a_run(app: App, execution: Execution, runs: int) -> float:
    """Of tasks that start again as soon as they have ended, some beside each other."""
    beside = BESIDE[execution]
    each = runs // beside
    for i in range(beside):
        app.task(
            f"has succeeded at most {each - 1} times",
            func=NOTHING[execution],
            name=f"task {i}",
            execution=execution,
        )
    app.session.config.shut_cond = all_of(*(succeeded(f"task {i}") >= each for i in range(beside)))
    began = time.perf_counter()
    asyncio.run(app.serve())
    return (time.perf_counter() - began) / runs


def dynamic() -> tuple[float, float]:
    """Seconds to schedule one of many, and to run it."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder) / "log.db", cycle_sleep=None)
        return asyncio.run(one_by_one(app))


async def one_by_one(app: App) -> tuple[float, float]:
    began = ended = 0.0
    left = SCHEDULED

    @app.dynamic_task()
    async def due(context: Context) -> None:
        nonlocal began, ended, left
        if left == SCHEDULED:
            began = time.perf_counter()
        left -= 1
        if not left:
            ended = time.perf_counter()
            context.app_context.shutdown()

    async with app.create() as running:
        now = datetime.now(UTC_TIME)
        asked = time.perf_counter()
        for n in range(SCHEDULED):
            await running.schedule_task(due, f"task {n}", execute_at=now)
        scheduled = time.perf_counter() - asked
        await running.run()
    return scheduled / SCHEDULED, (ended - began) / SCHEDULED


def app_of(condition: str) -> App:
    app = App()
    for i in range(IDLE):
        app.task(condition, name=f"task {i}")(lambda: None)
    return app


async def idle_bytes() -> float:
    app, ready, condition = App(), asyncio.Event(), hours_ahead()
    app.task(condition, name="first", func=nothing)  # what all of them share
    serving = asyncio.create_task(app.session.serve(ready.set))
    await ready.wait()
    functions = [(lambda: None) for _ in range(MANY)]
    with tracing(MANY) as each:
        for number, function in enumerate(functions):
            app.task(condition, name=f"task {number}", func=function)
        await asyncio.sleep(0.1)  # until the app has taken a turn
        found = each()
    app.shut_down()
    await serving
    return found


def idle_agenda() -> Agenda:
    """MANY tasks with a run an hour ago, and everything decided that there was to decide."""
    records = (
        Record(f"task {i}", action, at=NOW - HOUR, seq=2 * i + part)
        for i in range(MANY)
        for part, action in enumerate((Action.RUN, Action.SUCCESS), 1)
    )
    agenda = Agenda(Planner(History(records)), NOW)
    for i in range(MANY):
        add(agenda, f"task {i}")
    assert agenda.decide(NOW) == []
    return agenda


def add(agenda: Agenda, name: str) -> None:
    agenda.add(name, Schedule(parse(DONE_TODAY), UTC))


if __name__ == "__main__":
    report(Oncue())
