"""Runs a second that a server takes, by one instance and by four beside each other, each a process
of its own: of a store alone, of each run a claim and a finish, those of one turn committed
together; and of whole apps that all have the same tasks, of which each occurrence is run by one.

A store joins by its name in `SERVERS`; the servers are those of `make services`, without which a
benchmark is skipped.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.synchronize import Barrier
from operator import sub
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue import App
from oncue.app.stores import store_at
from oncue.app.stores.protocol import Answer, Answers, Claim, Finish, Refused, Step, Store
from oncue.engine.records import Action, Record

SERVERS = ["postgres", "redis"]
SECONDS = 2.0
TASKS = 100
STARTED = 60.0  # seconds, a limit for what takes a moment
WARMING = 1.0  # seconds in which apps open their store before they are counted
AT = 1_800_000_000_000_000
LABEL = "f" * 32
LATE = 1 << 60  # a position that no record is newer than
together: Barrier  # of the processes of one benchmark
NOTES = Path(__file__).resolve().parent.parent / ".cache" / "services"


@pytest.mark.parametrize("beside", [1, 10, 100])
@pytest.mark.parametrize("instances", [1, 4])
@pytest.mark.parametrize("server", SERVERS)
def test_runs_that_a_server_takes(
    benchmark: BenchmarkFixture, server: str, instances: int, beside: int
) -> None:
    seconds = 0.1 if benchmark.disabled else SECONDS
    found: list[int] = []

    def once() -> None:
        names = [f"{who}" for who in range(instances)]
        with beside_each_other(instances) as pool:
            jobs = [pool.submit(work, store, name, beside, seconds) for name in names]
            found.append(sum(job.result() for job in jobs))

    with namespace_on(server) as store:
        benchmark.pedantic(once, rounds=1)
    benchmark.extra_info["runs a second"] = round(found[-1] / seconds)


@pytest.mark.parametrize("limit", [None, TASKS // 4])
@pytest.mark.parametrize("instances", [1, 4])
@pytest.mark.parametrize("server", SERVERS)
def test_runs_of_apps_with_the_same_tasks(
    benchmark: BenchmarkFixture, server: str, instances: int, limit: int | None
) -> None:
    """Each task is due again as soon as it has run, so that without a `limit`, which is the
    `concurrency_limit`, whoever has run it runs it again and the others read of it."""
    seconds, warming = (0.1, 0.1) if benchmark.disabled else (SECONDS, WARMING)
    found: list[Counted] = []

    def once() -> None:
        with beside_each_other(instances) as pool:
            asked = server, store, limit, warming, seconds
            jobs = [pool.submit(live, *asked) for _ in range(instances)]
            found[:] = [job.result() for job in jobs]

    with namespace_on(server) as store:
        benchmark.pedantic(once, rounds=1)
    all_of = Counted(*map(sum, zip(*found, strict=True)))
    runs = max(1, all_of.runs)
    benchmark.extra_info |= {
        "runs a second": round(all_of.runs / seconds),
        "share of the busiest": round(max(each.runs for each in found) / runs, 2),
        "refused claims a run": round(all_of.refused / runs, 3),
        "statements a run": round(all_of.statements / runs, 3),
        "records read a run": round(all_of.records / runs, 3),
        "processor time a run, µs": round(all_of.microseconds / runs),
    }


def beside_each_other(instances: int) -> ProcessPoolExecutor:
    """So many processes that can wait until all are ready, `together`."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(instances)
    return ProcessPoolExecutor(instances, spawn, initializer=meet_at, initargs=(barrier,))


@contextmanager
def namespace_on(server: str) -> Iterator[str]:
    """The address of one that is there until it is left."""
    url = address(server)
    namespace = f"bench_{uuid4().hex}"
    store = f"{url}{'&' if '?' in url else '?'}namespace={namespace}"
    asyncio.run(begun(store))
    try:
        yield store
    finally:
        REMOVE[server](url, namespace)


def address(server: str) -> str:
    note = NOTES / f"{server}.url"
    url = os.environ.get(f"ONCUE_{server.upper()}_URL") or (
        note.read_text(encoding="utf-8").strip() if note.exists() else ""
    )
    if not url:
        pytest.skip(f"no {server} server is known: run `make services`")
    return url


async def begun(address: str) -> None:
    """With a namespace made."""
    store = store_at(address)
    await store.open(AT)
    await store.close()


def work(address: str, name: str, beside: int, seconds: float) -> int:
    """How many runs an instance makes in so many seconds, from when all are there."""
    return asyncio.run(runs(address, [f"{name}.{n}" for n in range(beside)], seconds))


async def runs(address: str, tasks: list[str], seconds: float) -> int:
    store = store_at(address)
    await store.open(AT)
    starts = [Record(t, Action.RUN, AT, scheduled_at=AT, attempt=0, run_id=LABEL) for t in tasks]
    live: list[int] = []
    ended = 0
    together.wait(STARTED)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        steps: list[Claim | Finish] = [
            Finish(Record(task, Action.SUCCESS, AT, run=run, run_id=LABEL))
            for task, run in zip(tasks, live, strict=False)
        ]
        ending = len(steps)
        answers = await store.commit([*steps, *(Claim(start, (), LATE) for start in starts)])
        live = [answer for answer in answers[ending:] if isinstance(answer, int)]
        assert len(live) == len(tasks)
        ended += ending
    await store.close()
    return ended


class Counted(NamedTuple):
    """What an instance did while it was counted, and the processor time that took."""

    runs: int = 0
    refused: int = 0
    statements: int = 0
    records: int = 0
    microseconds: int = 0


def meet_at(barrier: Barrier) -> None:
    global together
    together = barrier


def live(server: str, address: str, limit: int | None, warming: float, seconds: float) -> Counted:
    """What an app does in so many seconds, once all have started."""
    store = store_at(address)
    counts: Counter[str] = Counter()
    count_calls(store, counts)
    count_statements(server, counts)
    app = App(store, cycle_sleep=None, concurrency_limit=limit)

    async def nothing() -> None:
        counts["runs"] += 1

    def counted() -> Counted:
        return Counted(**counts, microseconds=round(time.process_time() * 1e6))

    for n in range(TASKS):
        app.task("always", func=nothing, name=f"task {n}", execution="async")

    async def life() -> Counted:
        serving = asyncio.create_task(app.serve())
        await asyncio.sleep(warming)
        before = counted()
        await asyncio.sleep(seconds)
        after = counted()
        app.shut_down()
        await serving
        return Counted(*map(sub, after, before))

    together.wait(STARTED)
    return asyncio.run(life())


def count_calls(store: Store, counts: Counter[str]) -> None:
    """Count what a store refuses, and what it gives."""
    commit, follow = store.commit, store.follow

    async def commits(steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        answers = await commit(steps, position)
        if isinstance(answers, Answers):
            counts["records"] += len(answers.between or ())
        counts["refused"] += sum(isinstance(answer, Refused) for answer in answers)
        return answers

    async def looks(position: int, now: int) -> list[Record]:
        records = await follow(position, now)
        counts["records"] += len(records)
        return records

    vars(store).update(commit=commits, follow=looks)


def count_statements(server: str, counts: Counter[str]) -> None:
    """Those of the whole process."""
    module, client, name = CLIENTS[server]
    kind = getattr(import_module(module), client)
    ask = getattr(kind, name)

    def counting(*args: Any, **options: Any) -> Any:
        counts["statements"] += 1
        return ask(*args, **options)

    setattr(kind, name, counting)


def remove_from_redis(url: str, namespace: str) -> None:
    from redis import Redis

    client = Redis.from_url(url)
    for key in client.scan_iter(f"oncue:{{{namespace}}}:*", 1000):
        client.delete(key)
    client.close()


def remove_from_postgres(url: str, namespace: str) -> None:
    import psycopg

    names = (
        "SELECT 'TABLE ' || oid::REGCLASS FROM pg_class "
        "WHERE relkind = 'r' AND starts_with(relname, %s) UNION ALL "
        "SELECT 'ROUTINE ' || oid::REGPROCEDURE FROM pg_proc WHERE starts_with(proname, %s)"
    )
    prefix = f"oncue_{namespace}_"
    with psycopg.connect(url, autocommit=True) as link:
        for (name,) in link.execute(names, (prefix, prefix)).fetchall():
            link.execute(f"DROP {name}".encode())


CLIENTS = {
    "postgres": ("psycopg", "Connection", "execute"),
    "redis": ("redis", "Redis", "execute_command"),
}
REMOVE = {"postgres": remove_from_postgres, "redis": remove_from_redis}
