"""Apps whose log is in PostgreSQL: several on one store, a clock that is off, a server that goes
away and comes back with less."""

from __future__ import annotations

import asyncio
import logging
import random
import string
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from oncue import App, Context
from oncue.app.journal import LAST_TRIES, VAIN_PAUSE
from oncue.app.stores.postgres import PostgresStore
from oncue.app.stores.postgres_link import connect
from oncue.app.stores.protocol import Query
from oncue.engine.records import Action
from oncue.tests.stores.conftest import Postgres
from oncue.tests.stores.steps import grow, opened, shown

LIMIT = 20  # seconds, for what takes a moment


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Postgres]:
    make = Postgres(postgres_url)
    yield make
    make.remove()


def app_on(postgres: Postgres, **options: Any) -> App:
    return App(postgres.url, namespace=postgres.namespace, **options)


def run(*apps: App) -> None:
    """All until they have ended, each on a loop and a thread of its own."""

    def live(app: App) -> None:
        asyncio.run(asyncio.wait_for(app.serve(), LIMIT))

    threads = [threading.Thread(target=live, args=(app,)) for app in apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ends(*apps: App) -> Callable[[], None]:
    def end() -> None:
        for app in apps:
            app.shut_down()

    return end


@contextmanager
def when_logged(text: str, act: Callable[[], object]) -> Iterator[None]:
    """Do that once the scheduler says so."""

    class Waits(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                act()

    logger, handler = logging.getLogger("oncue.scheduler"), Waits()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def actions(postgres: Postgres, task: str) -> list[Action]:
    return [record.action for record in postgres().read(Query(tasks=(task,)))]


def test_a_run_of_one_app_starts_what_waits_for_it_in_another_at_once(postgres: Postgres) -> None:
    """By the notice: nobody looks for 5 s by himself."""
    one, two = app_on(postgres), app_on(postgres)
    ended: list[float] = []
    waited: list[float] = []

    @one.task("after task 'pong' | daily", name="ping", execution="async")
    async def ping() -> None:
        ended.append(time.perf_counter())

    @two.task("after task 'ping'", name="pong", execution="async")
    async def pong() -> None:
        waited.append(time.perf_counter() - ended[-1])
        if len(waited) == 20:
            ends(one, two)()

    one.task("after task 'ping'", name="pong", func=lambda: None, enabled=False)
    two.task("after task 'pong' | daily", name="ping", func=lambda: None, enabled=False)
    run(two, one)
    assert len(waited) == 20
    assert sorted(waited)[10] < 1


def test_apps_that_write_hear_of_each_other_by_what_they_are_answered(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()
    apps = [app_on(postgres, cycle_sleep=None, concurrency_limit=4) for _ in range(2)]
    for app in apps:
        for n in range(8):
            app.task("always", func=nothing, name=f"task {n}", execution="async")
        app.session.config.shut_cond = "task 'task 0' has succeeded at least 100 times"
        counted(app.session.store, counts, monkeypatch)
    run(*apps)
    assert counts["commit"] > 100 and counts["follow"] < counts["commit"] / 2
    records = postgres().read(Query())
    assert [record.seq for record in records] == [*range(1, len(records) + 1)]
    for task in {record.task for record in records}:
        found = [record.action for record in records if record.task == task]
        assert found == [Action.RUN, Action.SUCCESS] * (len(found) // 2)


async def nothing() -> None: ...


def counted(store: Any, counts: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Count what is asked of the store."""
    for name in ("commit", "follow"):

        def asked(*args: Any, name: str = name, ask: Any = getattr(store, name)) -> Any:
            counts[name] += 1
            return ask(*args)

        monkeypatch.setattr(store, name, asked)


def test_the_longest_names_fit_in_the_indexes(postgres: Postgres) -> None:
    """A commit that the server refuses would be tried again for ever, and nothing start."""
    app = app_on(postgres)
    noise = random.Random(1)
    first, second = ("".join(noise.choices(string.ascii_letters, k=998)) for _ in "ab")

    @app.dynamic_task(name="f")
    async def function(context: Context) -> None:
        if context.task.name == second:
            app.shut_down()

    app.schedule_task(function, second, start_cond=f"after task 'f:{first}'")
    app.schedule_task(function, first, start_cond="once at 2026-01-01")
    run(app)
    assert Action.RUN in actions(postgres, f"f:{second}")


def test_apps_on_one_store_start_each_due_run_once(postgres: Postgres) -> None:
    apps = [app_on(postgres, cycle_sleep=None) for _ in range(3)]
    for app in apps:
        app.task("has succeeded less than 30 times", name="a", func=lambda: None)
        app.task("after task 'a'", name="b", func=lambda: None, execution="main")
        last = (
            "task 'a' has succeeded at least 30 times & ~task 'b' is running & ~task 'a' is running"
        )
        app.task(last, name="last", func=ends(*apps))
    run(*apps)
    log = postgres().read(Query())
    assert [record.seq for record in log] == [*range(1, len(log) + 1)]
    assert actions(postgres, "a") == [Action.RUN, Action.SUCCESS] * 30
    in_order = [record.task for record in log if record.action is Action.RUN]
    assert in_order.count("b") <= 30
    assert set(actions(postgres, "b")) == {Action.RUN, Action.SUCCESS}


def test_the_newest_condition_of_a_task_wins_and_the_older_app_says_so(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    older, newer = app_on(postgres), app_on(postgres)
    ran: list[str] = []
    older.task("every 20 ms", name="a", func=lambda: ran.append("older"))
    newer.task("every 30 ms", name="a", func=lambda: ran.append("newer"))
    thread = threading.Thread(target=run, args=(newer,))

    @older.task("after task 'a'", name="b")
    def b() -> None:
        if not thread.ident:
            thread.start()

    @newer.task("task 'a' has succeeded at least 20 times", name="last")
    def last() -> None:
        ends(older, newer)()

    newer.task("after task 'a'", name="b", enabled=False, func=lambda: None)
    run(older)
    thread.join()
    assert "a is not started here any more: another app has registered a newer" in caplog.text
    assert caplog.text.count("not started here any more") == 1
    change = ran.index("newer")
    assert set(ran[:change]) == {"older"}
    assert set(ran[change:]) == {"newer"}
    assert older["a"].enabled


def test_an_older_app_that_was_cut_off_takes_no_newer_conditions_place(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 50_000)
    caplog.set_level(logging.INFO, logger="oncue.scheduler")
    app = named(postgres)
    app.task("after task 'b' & has started", name="a", func=lambda: None)
    app.task("false", name="b", func=lambda: None)

    @app.session.hook_startup()
    def starts() -> Iterator[None]:
        yield  # once all is planned
        threading.Thread(target=asyncio.run, args=(deploy(),)).start()

    async def deploy() -> None:
        async with opened(postgres()) as other:
            await other.register({"a": "other"}, time.time_ns() // 1000)
            cut(postgres)
            await asyncio.to_thread(settled.wait, LIMIT)
        app.shut_down()

    settled = threading.Event()
    with when_logged("answers again", settled.set):
        run(app)
    assert settled.is_set()
    assert postgres().registered({"a": "other"}).keys() == {"a"}


def test_an_older_app_starts_a_task_again_that_it_gives_a_condition_anew(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_on(postgres)
    app.task("every 20 ms", name="a", func=lambda: None)
    told: list[str] = []

    async def deploy() -> None:
        async with opened(postgres()) as other:
            await other.register({"a": "other"}, time.time_ns() // 1000)

    @app.task("after task 'a'", name="b")
    def b() -> None:
        if not told:
            told.append("deployed")
            asyncio.run(deploy())
        elif "refused" in told:
            app.shut_down()

    def again() -> None:
        told.append("refused")
        app["a"].priority = 3  # which makes it no newer
        app["a"].start_cond = "every 30 ms"

    with when_logged("a is not started here any more", again):
        run(app)
    assert told == ["deployed", "refused"]
    assert caplog.text.count("not started here any more") == 1


def test_an_app_whose_clock_is_off_starts_nothing_and_says_so(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("oncue.app.stores.postgres.CLOCK_CHECK", 50_000)
    caplog.set_level(logging.INFO, logger="oncue.scheduler")
    off = [7.0]
    app = app_on(postgres, time_func=lambda: time.time() + off[0])
    seen: list[int] = []

    @app.task("true", name="a")
    def a() -> None:
        seen.append(len(off))
        app.shut_down()

    def set_right() -> None:
        off.append(0.0)
        off[0] = 0.0

    with when_logged("ahead of the store's, more than max_skew", set_right):
        run(app)
    assert seen == [2]
    assert "agrees with the store's again" in caplog.text
    assert caplog.text.count("more than max_skew") == 1


def test_an_app_whose_clock_is_off_can_be_ended(postgres: Postgres) -> None:
    app = app_on(postgres, time_func=lambda: time.time() - 7)
    app.task("true", name="a", func=lambda: None)
    app.task(name="last", func=lambda: None, on_shutdown=True)
    with when_logged("7.0 s behind the store's", app.shut_down):
        run(app)
    assert postgres().read(Query()) == []


def test_how_far_a_clock_may_be_off_can_be_said(postgres: Postgres) -> None:
    app = app_on(postgres, time_func=lambda: time.time() - 7, max_skew="1 minute")
    app.task("true", name="a", func=app.shut_down)
    run(app)
    assert actions(postgres, "a") == [Action.RUN, Action.SUCCESS]


def cut(postgres: Postgres, *before: str) -> None:
    """End the connections of all who are on the namespace; do that before."""
    for statement in before:
        postgres.run(statement)
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = %s AND pid <> pg_backend_pid()",
        postgres.namespace,
    )


def named(postgres: Postgres, **options: Any) -> App:
    sign = "&" if "?" in postgres.url else "?"
    address = f"{postgres.url}{sign}application_name={postgres.namespace}"
    return App(address, namespace=postgres.namespace, **options)


def test_an_app_that_is_cut_off_finishes_what_runs_and_goes_on(
    postgres: Postgres, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 50_000)
    app = named(postgres)

    @app.task("daily", name="a")
    def a() -> None:
        cut(postgres)

    app.task("after task 'a'", name="b", func=app.shut_down)
    run(app)
    assert shown(postgres().read(Query())) == [
        "1 run", "2 success of 1", "3 run", "4 success of 3",
    ]  # fmt: skip
    assert "nothing new is started until it answers" in caplog.text


def test_a_server_that_is_away_for_long_is_waited_for(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 1000)
    app = named(postgres)
    tries: list[int] = []

    def away(options: Any) -> Any:
        tries.append(1)
        if len(tries) == 5 * LAST_TRIES:
            monkeypatch.setattr("oncue.app.stores.postgres.connect", connect)
        raise psycopg.OperationalError("the server is away")

    @app.task("daily", name="a")
    def a() -> None:
        monkeypatch.setattr("oncue.app.stores.postgres.connect", away)
        cut(postgres)

    app.task("after task 'a'", name="b", func=app.shut_down)
    run(app)
    assert actions(postgres, "a") == actions(postgres, "b") == [Action.RUN, Action.SUCCESS]


def test_a_promoted_server_that_lacks_the_latest_is_read_anew(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does not know of was not: it happens once more."""
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 50_000)
    app = named(postgres)
    app.task("daily", name="a", func=lambda: None)
    seen: list[int] = []

    @app.task("after task 'a'", name="b")
    def b() -> None:
        seen.append(1)
        if len(seen) == 2:
            app.shut_down()
            return
        forget = "DELETE FROM {p}%s"
        tables = ("record", "head", "lease")
        cut(postgres, *(forget % each for each in tables), "UPDATE {p}log SET newest = 0")

    run(app)
    assert len(seen) == 2
    log = [(r.seq, r.task, r.action) for r in postgres().read(Query(actions=(Action.RUN,)))]
    assert log == [(1, "a", Action.RUN), (3, "b", Action.RUN)]


def test_a_busy_instance_is_not_looked_at_for_each_of_its_records(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    follow = PostgresStore.follow

    async def counted(store: PostgresStore, position: int, now: int) -> Any:
        looks.append(now)
        return await follow(store, position, now)

    monkeypatch.setattr(PostgresStore, "follow", counted)
    app = app_on(postgres)
    app.task("task 'busy' has succeeded exactly 100 times", name="last", func=app.shut_down)
    app.task("false", name="busy", func=lambda: None)

    @app.session.hook_startup()
    def starts() -> Iterator[None]:
        yield  # once all is planned
        threading.Thread(target=asyncio.run, args=(busy(),)).start()

    async def busy() -> None:
        async with opened(postgres()) as other:
            await grow(other, *[Action.SUCCESS] * 100, task="busy")

    run(app)
    began, ended = looks[0], looks[-1]
    assert len(looks) <= (ended - began) / VAIN_PAUSE + 8
    assert actions(postgres, "last") == [Action.RUN, Action.SUCCESS]


def test_an_idle_app_says_nothing_to_the_server_by_itself(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for a look and a renewal, each every 5 s."""
    said: list[bytes] = []
    execute = psycopg.Connection.execute

    def told(link: Any, text: bytes, *values: Any, **more: Any) -> Any:
        said.append(text)
        return execute(link, text, *values, **more)

    app = app_on(postgres)
    for number in range(100):
        app.task("after task 'task 0'", name=f"task {number}", func=lambda: None)
    began: list[float] = []

    @app.session.hook_startup()
    def starts() -> Iterator[None]:
        yield  # once all is planned
        began.append(time.monotonic())
        monkeypatch.setattr(psycopg.Connection, "execute", told)
        asyncio.get_running_loop().call_later(1.5, app.shut_down)

    run(app)
    looks = (time.monotonic() - began[0]) / 5
    assert len(said) <= 2 * looks + 5  # the first turn's, and what is said at the end
