"""Apps on a Redis server, end to end."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from oncue import App
from oncue.tests.stores.conftest import Redis
from oncue.tests.stores.steps import log_of
from oncue.tests.stores.test_redis import running

LONG = 30  # seconds that nothing should take
HOUR = 3600 * 1_000_000


def lived(apps: list[App], story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Serve the apps together while something is done."""

    async def live() -> None:
        ready = [asyncio.Event() for _ in apps]
        serving = [
            asyncio.create_task(app.session.serve(ready=each.set))
            for app, each in zip(apps, ready, strict=True)
        ]
        try:
            for each in ready:
                await asyncio.wait_for(each.wait(), LONG)
            await asyncio.wait_for(story(), LONG)
        finally:
            for app in apps:
                app.shut_down()
            await asyncio.gather(*serving)

    asyncio.run(live())


def test_a_record_of_one_app_starts_a_task_of_another(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By notice alone: they look at the store once an hour."""
    for patience in ("CLOCK_CHECK", "CROWDED_PATIENCE"):
        monkeypatch.setattr(f"oncue.app.stores.redisdb.{patience}", HOUR)
    ran: list[str] = []
    over = threading.Event()

    def define(name: str) -> App:
        app = App(f"{redis.url}?namespace={redis.namespace}")

        @app.task(name="first", execution="async")
        async def first() -> None:
            ran.append(f"first by {name}")

        @app.task("after task 'first'", name="second", execution="async", enabled=name == "two")
        async def second() -> None:
            ran.append(f"second by {name}")
            over.set()

        return app

    one, two = define("one"), define("two")

    async def story() -> None:
        one.session["first"].run()
        await asyncio.to_thread(over.wait, LONG)

    lived([one, two], story)
    assert ran == ["first by one", "second by two"]
    assert log_of(redis()) == ["1 run", "2 success of 1", "3 run", "4 success of 3"]


def test_an_app_goes_on_with_a_server_that_has_forgotten_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running("appendonly no") as server:
        app = App(server.address())
        ran = threading.Semaphore(0)

        @app.task(name="a", execution="async")
        async def a() -> None:
            ran.release()

        async def story() -> None:
            app.session["a"].run()
            await asyncio.to_thread(ran.acquire, timeout=LONG)
            while len(log_of(app.session.store)) < 2:
                await asyncio.sleep(0.01)
            server.crash()
            app.session["a"].run()
            while not app.health().why:
                await asyncio.sleep(0.01)
            server.start()
            server.wait()
            await asyncio.to_thread(ran.acquire, timeout=LONG)

        lived([app], story)
        assert "does not answer" in caplog.text
        assert "has lost records: it has 0, what was known went up to 2" in caplog.text
        assert log_of(app.session.store) == ["3 run", "4 success of 3"]
        assert app.session.store.registered().keys() == {"a"}
