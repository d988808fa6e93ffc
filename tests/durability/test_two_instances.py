"""Two apps on one server: how they share what is due, and how they hear of each other."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from statistics import median
from typing import Any
from uuid import uuid4

import pytest

from oncue import App
from oncue.app.stores.protocol import Query
from oncue.engine.records import Action
from oncue.tests.durability.evidence import SECOND
from oncue.tests.durability.proxy import Proxy
from oncue.tests.durability.servers import PostgresServer, Server

LIMIT = 60.0  # seconds, for what takes a moment
TASKS = 40
TIMES = 20
STORES = {"postgres": "oncue.app.stores.postgres", "redis": "oncue.app.stores.redisdb"}


@pytest.fixture
def namespace() -> str:
    return f"test_{uuid4().hex}"


Begun = SimpleQueue[tuple[int, str]]
"""Of which app, and which task."""


def noted(begun: Begun, number: int, name: str) -> Callable[[], Coroutine[Any, Any, None]]:
    async def work() -> None:
        begun.put((number, name))
        await asyncio.sleep(0.05)

    return work


def test_what_is_due_at_once_is_shared_by_those_who_have_room(
    server: Server, namespace: str
) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=3)).replace(tzinfo=None)
    names = [str(number) for number in range(TASKS)]
    begun: Begun = SimpleQueue()
    with ExitStack() as stack:
        for number in (1, 2):
            app = App(server.address(), namespace=namespace, timezone="UTC", concurrency_limit=2)
            for name in names:
                app.task(f"once at {due}", name=name)(noted(begun, number, name))
            app.start()
            stack.callback(app.stop)
        found = [begun.get(timeout=LIMIT) for _ in names]
    assert begun.empty() and sorted(name for _, name in found) == sorted(names)
    shares = Counter(number for number, _ in found)
    print(f"{server.kind}: of {TASKS} tasks due at once {shares[1]} and {shares[2]}")
    assert min(shares[1], shares[2]) >= TASKS / 4


@contextmanager
def ping_and_pong(one: App, two: App) -> Iterator[Callable[[], float]]:
    """While they run: a function that runs `ping` in the first and gives how many seconds after its
    end `pong`, which comes after it, began in the second. It returns when nothing happens there any
    more."""
    ended: SimpleQueue[float] = SimpleQueue()
    begun: SimpleQueue[float] = SimpleQueue()

    async def ping() -> None:
        ended.put(time.monotonic())

    async def pong() -> None:
        begun.put(time.monotonic())

    one.task(name="ping")(ping)
    two.task(name="ping")(pong)  # known there, and never started
    two.task("after task 'ping'", name="pong")(pong)

    def written() -> int:
        return two.session.store.count(Query(tasks=("pong",), actions=(Action.SUCCESS,)))

    def wait() -> float:
        before = written()
        one.session["ping"].run()
        took = begun.get(timeout=LIMIT) - ended.get(timeout=LIMIT)
        until = time.monotonic() + LIMIT
        while written() == before and time.monotonic() < until:
            time.sleep(0.005)
        return took

    with ExitStack() as stack:
        for app in (one, two):
            app.start()
            stack.callback(app.stop)
        yield wait


def test_what_an_instance_writes_wakes_what_waits_for_it_in_another(
    server: Server, namespace: str
) -> None:
    one, two = (App(server.address(), namespace=namespace) for _ in range(2))
    with ping_and_pong(one, two) as wait:
        waits = [wait() for _ in range(TIMES)]
    half, most = median(waits) * 1000, max(waits) * 1000
    print(f"{server.kind}: heard of after {half:.1f} ms (median), {most:.1f} ms at most")
    assert half < 1000  # nobody looks for 5 s by himself


def test_a_lost_notice_is_made_up_for_by_the_next_look(
    server: Server, road: Proxy, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{STORES[server.kind]}.CLOCK_CHECK", SECOND)
    one = App(server.address(), namespace=namespace)
    two = App(server.address(road.port), namespace=namespace)
    with ping_and_pong(one, two) as wait:
        wait()
        road.mute(server.listening)
        took = wait()
        assert road.kept
        road.cut()
    print(f"{server.kind}: found without a notice after {took:.1f} s")
    assert took < 1 + LIMIT / 4


@pytest.mark.parametrize("server", [PostgresServer], indirect=True)
def test_a_connection_that_falls_silent_is_given_up_while_the_lease_lasts(
    server: Server, road: Proxy, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that hears of others renews the lease too."""
    monkeypatch.setattr(f"{STORES[server.kind]}.LEASE", 3 * SECOND)
    monkeypatch.setattr(f"{STORES[server.kind]}.RENEW", 1.0)
    app = App(server.address(road.port), namespace=namespace)
    app.start()
    try:
        road.mute(server.listening)
        until = time.monotonic() + LIMIT
        while not road.carries(server.listening) and time.monotonic() < until:
            time.sleep(0.05)
        assert road.carries(server.listening)
    finally:
        app.stop()
