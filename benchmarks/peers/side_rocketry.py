"""Rocketry's side: the defaults of an app with execution="async": its log in memory, 0.1 s between
the end of a cycle and the next. A look of its scheduler is one cycle."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from redbird.repos import MemoryRepo
from rocketry import Rocketry as App
from rocketry.log import MinimalRecord
from rocketry.parse import parse_condition

from scenarios import (
    DONE_TODAY,
    IDLE,
    MANY_RUNS,
    NOON,
    SECONDS_WATCHED,
    Execution,
    Samples,
    cpu_share,
    hours_ahead,
    links,
    report,
    timed,
    tracing,
)

MANY = IDLE  # a cycle over 10,000 takes it 15 s
BESIDE = 10  # tasks that run again and again
FEWER = {"async": 2_000, "thread": 500, "process": 100}


class Rocketry:
    def parse(self, text: str) -> Samples:
        session = new_app().session
        return Samples(timed(lambda: parse_condition(text, session=session)))

    def define(self) -> Samples:
        return Samples(timed(lambda: app_of(DONE_TODAY), repeat=1, number=1))

    def memory(self) -> Samples:
        app = new_app()
        app.task(DONE_TODAY, name="first", func=plain)
        functions = [(lambda: None) for _ in range(IDLE)]
        with tracing() as each:
            for number, function in enumerate(functions):
                app.task(DONE_TODAY, name=f"task {number}", func=function)
            return Samples([each()], size=IDLE, unit="B")

    def check(self, records: int) -> Samples:
        repo = MemoryRepo(model=MinimalRecord)
        app = new_app(time_func=NOON.timestamp, logger_repo=repo)
        app.task(DONE_TODAY, name="task", func=nothing)
        asyncio.run(app.session.scheduler.startup())
        two_days_ago = NOON.timestamp() - 2 * 86_400
        repo.collection += [
            MinimalRecord(
                created=two_days_ago - records + n,
                task_name="task",
                action=("run", "success")[n % 2],
            )
            for n in range(records)
        ]
        task, session = app.session["task"], app.session
        ask = partial(task.start_cond.observe, task=task, session=session)
        assert ask()
        return Samples(timed(ask, repeat=3, number=0 if records < 10_000 else 1))

    def ask_all(self) -> Samples:
        return self.look_idle()  # it always asks all

    def look_idle(self) -> Samples:
        app = done_today(app_of(DONE_TODAY, time_func=NOON.timestamp))
        return Samples(timed(lambda: cycle(app), repeat=3, number=1), size=MANY)

    def look_due(self) -> Samples:
        app = done_today(app_of(DONE_TODAY, time_func=NOON.timestamp))
        app.task(DONE_TODAY, name="due")(nothing)
        values = timed(lambda: cycle(app), repeat=1, number=1)
        assert app.session["due"].last_run is not None
        return Samples(values, size=MANY)

    def idle_cpu(self) -> Samples:
        app = app_of(hours_ahead())
        stop = app.session.shut_down
        return Samples([asyncio.run(cpu_share(app.serve, stop))], unit="CPU")

    def chain(self) -> Samples:
        app = new_app()
        waited: list[float] = []
        a, b = links(waited, app.session.shut_down)
        app.task("daily | after task 'b'", name="a")(a)
        app.task("after task 'a'", name="b")(b)
        asyncio.run(app.serve())
        return Samples(waited)

    def runs(self, execution: Execution) -> Samples:
        runs = min(MANY_RUNS[execution], FEWER[execution])
        app = App(execution=execution, cycle_sleep=None)
        for i in range(BESIDE):
            app.task("true", name=f"task {i}", func=nothing if execution == "async" else plain)
        log = Successes(runs, app.session.shut_down)
        logging.getLogger("rocketry.task").addHandler(log)
        began = time.perf_counter()
        asyncio.run(app.serve())
        logging.getLogger("rocketry.task").removeHandler(log)
        return Samples([(log.ended - began) / runs], size=runs)

    def stored_runs(self) -> Samples:
        raise NotImplementedError("its logs are in memory or CSV files")

    def schedule(self) -> Samples:
        raise NotImplementedError("it has no dynamic tasks")

    dynamic_runs = schedule

    def lateness(self) -> Samples:
        app = app_of(hours_ahead())
        late: list[float] = []

        async def due() -> None:
            late.append(time.time() % 1)
            if len(late) > SECONDS_WATCHED:
                app.session.shut_down()

        app.task("secondly before 500", name="due", func=due)
        asyncio.run(app.serve())
        return Samples(late[1:])


class Successes(logging.Handler):
    """Counts them, and ends the app when there are enough."""

    def __init__(self, left: int, stop: Callable[[], object]) -> None:
        super().__init__()
        self.left = left
        self.stop = stop
        self.ended = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "action", None) == "success":
            self.left -= 1
            if self.left == 0:
                self.ended = time.perf_counter()
                self.stop()


def plain() -> None: ...


def new_app(**config: object) -> App:
    return App(execution="async", **config)


async def nothing() -> None: ...


def app_of(condition: str, **config: object) -> App:
    app = new_app(**config)
    for i in range(IDLE):
        app.task(condition, name=f"task {i}")(lambda: None)
    return app


def done_today(app: App) -> App:
    """The app, told that each task has run an hour ago. Reading that from a log of IDLE runs, as
    it does when it starts, would take it a quarter of a minute."""
    asyncio.run(app.session.scheduler.startup())
    for task in app.session.tasks:
        task._last_run = task._last_success = NOON.timestamp() - 3600
    return app


def cycle(app: App) -> None:
    asyncio.run(app.session.scheduler.run_cycle())


if __name__ == "__main__":
    report(Rocketry())
