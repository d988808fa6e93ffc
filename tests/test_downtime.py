"""Whole apps that are not there for a while: what a later life, or another instance, does then."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oncue import App, Context
from oncue.app.stores import store_at
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Claim, Query, Store
from oncue.engine.civil import from_datetime, to_datetime, zone
from oncue.engine.records import Action, Record

LIMIT = 30  # seconds; nothing here takes long
UTC = zone("UTC")
ASKING = "task 'c' has succeeded at least 1 time past 30 days & daily"


class Hands:
    """A clock that is put on by hand, and goes on by itself from there."""

    def __init__(self, at: str) -> None:
        self.set(at)

    def set(self, at: str) -> None:
        self._base = from_datetime(datetime.fromisoformat(at), UTC) - time.monotonic_ns() // 1000

    def now(self) -> int:
        return self._base + time.monotonic_ns() // 1000


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_at(None if request.param == "memory" else tmp_path / "log.db")


def live(
    store: Store, clock: Hands, define: Callable[[App], object], until: Callable[[App], bool]
) -> App:
    """A life of an app, till there is nothing more to wait for."""
    app = App(store, clock=clock, timezone="UTC", cycle_sleep=0.01)
    define(app)

    @app.cond(every="20 ms")
    def over() -> bool:
        return until(app)

    app.session.config.shut_cond = over
    asyncio.run(asyncio.wait_for(app.serve(), LIMIT))
    return app


def starts(store: Store, task: str = "a") -> list[str]:
    """When the runs of a task were scheduled."""
    runs = store.read(Query(tasks=(task,), actions=(Action.RUN,)))
    return [f"{to_datetime(run.logical, UTC):%H:%M:%S}" for run in runs]


def task(condition: str = "cron 0 7-23 * * *", **options: Any) -> Callable[[App], object]:
    async def nothing() -> None: ...

    return lambda app: app.task(condition, func=nothing, name="a", **options)


def idle(app: App) -> bool:
    """Whether nothing is due any more."""
    life: Any = app.session._life
    return (
        life.loaded
        and not (life.runs.live or life.runs.any_ended)
        and (life.agenda.wake or 1 << 62) > app.session.clock.now() + 1_000_000
    )


@pytest.mark.parametrize(
    ("options", "ran", "missed"),
    [
        ({}, [], ["08:00:00", "09:00:00", "10:00:00"]),
        ({"catch_up": "once"}, ["10:00:00"], ["08:00:00", "09:00:00"]),
        ({"catch_up": "all"}, ["08:00:00", "09:00:00", "10:00:00"], []),
        (
            {"catch_up": "all", "max_lateness": "2 hours"},
            ["09:00:00", "10:00:00"],
            ["08:00:00"],
        ),
    ],
)
def test_a_later_life_catches_up(
    store: Store, options: dict[str, Any], ran: list[str], missed: list[str]
) -> None:
    clock = Hands("2026-03-10 07:30")
    live(store, clock, task(**options), idle)
    clock.set("2026-03-10 10:40")
    live(store, clock, task(**options), idle)
    assert starts(store) == ran
    found = [f"{to_datetime(each.scheduled_at, UTC):%H:%M:%S}" for each in store.missed(["a"])]
    assert found == missed


def test_what_was_not_registered_yet_is_not_caught_up_with(store: Store) -> None:
    clock = Hands("2026-03-10 10:40")
    live(store, clock, task(catch_up="all"), idle)
    assert starts(store) == [] and store.missed() == []


def test_nor_is_what_a_condition_that_is_another_now_would_have_done(store: Store) -> None:
    clock = Hands("2026-03-10 07:30")
    live(store, clock, task("cron 0 7-23 * * *", catch_up="all"), idle)
    clock.set("2026-03-10 10:40")
    live(store, clock, task("cron 30 7-23 * * *", catch_up="all"), idle)
    assert starts(store) == [] and store.missed() == []


def test_a_task_that_was_not_there_for_a_life_is_searched_from_when_it_was(store: Store) -> None:
    clock = Hands("2026-03-10 07:30")
    live(store, clock, task(catch_up="all"), idle)
    clock.set("2026-03-10 08:30")
    live(store, clock, lambda app: app.task("false", func=print, name="b"), idle)
    clock.set("2026-03-10 09:30")

    def later(app: App) -> None:
        @app.task("once at 2026-03-10")
        def defines() -> None:
            task(catch_up="all")(app)

    live(store, clock, later, lambda app: len(starts(store)) == 2 and idle(app))
    assert starts(store) == ["08:00:00", "09:00:00"]


def test_what_starts_with_the_app_is_of_now(store: Store) -> None:
    clock = Hands("2026-03-10 07:30")
    live(store, clock, task("hourly", on_startup=True), idle)
    clock.set("2026-03-10 10:40")
    live(store, clock, task("hourly", on_startup=True), idle)
    assert starts(store) == ["07:30:00", "10:40:00"]


KILLED = """
import os, signal, sys
from oncue import App

app = App(sys.argv[1], timezone="UTC")

@app.task("daily", execution="main")
def a():
    os.kill(os.getpid(), signal.SIGKILL)

app.run()
"""


def test_a_run_whose_process_is_gone_is_owed_by_the_next_life(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    child = subprocess.run([sys.executable, "-c", KILLED, str(path)], timeout=LIMIT)
    assert child.returncode == -signal.SIGKILL

    async def quick() -> None: ...

    app = App(path, timezone="UTC", shut_cond="task 'a' has succeeded")
    app.task("daily", func=quick, name="a")
    asyncio.run(asyncio.wait_for(app.serve(), LIMIT))
    records = app.session.store.read(Query(tasks=("a",)))
    assert [str(r.action) for r in records] == ["run", "crash", "run", "success"]
    assert records[0].scheduled_at == records[2].scheduled_at


def test_what_is_over_the_limit_is_left_to_another_instance(tmp_path: Path) -> None:
    ran: list[tuple[str, str]] = []
    begun = asyncio.Event

    async def story() -> None:
        all_begun = begun()

        def instance(name: str) -> App:
            app = App(tmp_path / "log.db", concurrency_limit=2)
            for number in range(4):

                async def work(context: Context) -> None:
                    ran.append((name, context.task.name))
                    if len(ran) == 4:
                        all_begun.set()
                    await all_begun.wait()

                app.task("once at 2026-03-10", func=work, name=f"t{number}")
            return app

        apps = [instance("one"), instance("two")]
        serving = [asyncio.ensure_future(app.serve()) for app in apps]
        await asyncio.wait_for(all_begun.wait(), LIMIT)
        for app in apps:
            app.shut_down()
        await asyncio.wait_for(asyncio.gather(*serving), LIMIT)

    asyncio.run(story())
    assert sorted(task for _, task in ran) == ["t0", "t1", "t2", "t3"]
    assert sorted(name for name, _ in ran) == ["one", "one", "two", "two"]


def test_a_run_that_outlasts_its_lease_may_run_twice_and_its_finish_is_refused(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tokens: list[int] = []

    def define(app: App) -> None:
        @app.task(execute_at=datetime(2026, 3, 10), lease_duration=0.2)
        async def a(context: Context) -> None:
            tokens.append(context.lease.token)
            if len(tokens) == 1:
                while len(tokens) < 2:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.05)

    clock = Hands("2026-03-10 09:00:00")
    over = Query(tasks=("a",), actions=(Action.SUCCESS,))
    live(store, clock, define, lambda app: store.count(over) == 1 and idle(app))
    actions = [str(r.action) for r in store.read(Query(tasks=("a",)))]
    assert actions == ["run", "crash", "run", "success"]
    assert len(tokens) == 2 and tokens[0] < tokens[1]
    assert "success of a: the run's lease was lost" in caplog.text


def test_old_records_go_but_what_conditions_ask_for_stays(store: Store) -> None:
    clock = Hands("2026-03-01 09:00:00")

    async def nothing() -> None: ...

    def define(app: App) -> None:
        app.task("secondly", func=nothing, name="a")
        app.task(ASKING, func=nothing, name="b")
        app.task("daily", func=nothing, name="c")

    live(store, clock, define, lambda app: store.count(Query(tasks=("a",))) >= 4)
    before = store.count(Query(tasks=("a",)))
    clock.set("2026-03-20 09:00:00")

    def keeps(app: App) -> None:
        app.session.config.keep = timedelta(days=10)
        app.task(ASKING, func=nothing, name="b")

    live(store, clock, keeps, lambda app: store.count(Query(tasks=("a",))) < before)
    assert [str(r.action) for r in store.read(Query(tasks=("a",)))] == ["run", "success"]
    assert store.count(Query(tasks=("c",))) == 2


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow", "replace"])
def test_what_comes_due_while_another_instance_runs_the_task(tmp_path: Path, overlap: str) -> None:
    """One instance has the run; a second window opens, which both know of."""
    clock = Hands("2026-03-10 09:00:10")
    path = tmp_path / "log.db"
    log = store_at(path)
    events: list[str] = []

    def records() -> list[str]:
        return [str(record.action) for record in log.read(Query(tasks=("a",)))]

    async def story() -> None:
        done = asyncio.Event()

        def instance(name: str) -> App:
            app = App(path, clock=clock, timezone="UTC")

            @app.task("hourly before 30", name="a", overlap=overlap, timeout="never")
            async def a() -> None:
                events.append(f"{name} begins")
                try:
                    replaced = overlap == "replace" and len(events) == 1
                    await (asyncio.Event() if replaced else done).wait()
                finally:
                    events.append(f"{name} ends")

            return app

        first, second = instance("one"), instance("two")
        serving = [asyncio.ensure_future(first.serve())]
        await until(lambda: events == ["one begins"])
        serving.append(asyncio.ensure_future(second.serve()))
        await until(lambda: len(log.instances()) == 2)
        clock.set("2026-03-10 10:00:10")
        first.session._apply(lambda life: None)  # as the clock check does in a while
        second.session._apply(lambda life: None)
        if overlap == "allow":
            await until(lambda: len(events) == 2)
        elif overlap == "replace":
            await until(lambda: records() == ["run", "terminate", "run"])
        else:
            clock.set("2026-03-10 10:40:00")
        done.set()
        if overlap == "queue":
            await until(lambda: records() == ["run", "success"] * 2)
        for app in (first, second):
            app.shut_down()
        await asyncio.gather(*serving)

    async def until(holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(story(), LIMIT))
    expected = {
        "skip": ["run", "success"],
        "queue": ["run", "success"] * 2,
        "allow": ["run", "run", "success", "success"],
        "replace": ["run", "terminate", "run", "success"],
    }
    assert records() == expected[overlap]
    assert starts(log) == ["09:00:10", "10:00:00"][: records().count("run")]


def for_a_while() -> None:
    time.sleep(0.7)


def test_a_run_that_would_wait_for_a_process_is_not_claimed(tmp_path: Path) -> None:
    """Else its lease would run out before it begins."""
    path = tmp_path / "log.db"
    app = App(path, timezone="UTC", max_process_count=1)
    for number in range(4):
        app.task(
            execute_at="2026-03-10",
            func=for_a_while,
            name=f"t{number}",
            execution="process",
        )
    app.session.config.shut_cond = "after tasks 't0', 't1', 't2', 't3' finished"
    asyncio.run(asyncio.wait_for(app.serve(), LIMIT))
    records = app.session.store.read(Query())
    assert [str(r.action) for r in records] == ["run", "success"] * 4


@pytest.mark.parametrize("condition", ["true", "time of day after 00:00", "~task 'x' has failed"])
def test_what_runs_elsewhere_is_not_started_though_its_condition_does_not_read_it(
    condition: str,
) -> None:
    ledger = Ledger()
    other, app = MemoryStore(ledger), App(timezone="UTC")
    app.session.store = MemoryStore(ledger)

    @app.task(condition, execution="async")
    async def task() -> None: ...

    async def main() -> None:
        now = app.session.clock.now()
        await other.open(now)
        await other.commit([Claim(Record("task", Action.RUN, now, scheduled_at=now), (), 0)])
        ready = asyncio.Event()
        serving = asyncio.create_task(app.session.serve(ready.set))
        await ready.wait()
        await asyncio.sleep(0.05)
        life = app.session.life
        assert task.is_running
        assert life is not None and "task" in life.agenda.lookback(now)  # also if it is read anew
        app.shut_down()
        await serving

    asyncio.run(asyncio.wait_for(main(), LIMIT))
    assert len(other.read(Query(actions=(Action.RUN,)))) == 1
