"""Runs a second that a store on a server takes: of each a claim and a finish, those of one turn
committed together; by one instance, and by four beside each other, each a process of its own.

A store joins by its name in `SERVERS`; the servers are those of `make services`, without which a
benchmark is skipped.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oncue.app.stores import store_at
from oncue.app.stores.protocol import Claim, Finish
from oncue.engine.records import Action, Record

SERVERS = ["postgres", "redis"]
SECONDS = 2.0
STARTING = 2.0  # seconds that a process has to be ready
AT = 1_800_000_000_000_000
LABEL = "f" * 32
LATE = 1 << 60  # a position that no record is newer than
NOTES = Path(__file__).resolve().parent.parent / ".cache" / "services"


@pytest.mark.parametrize("beside", [1, 10, 100])
@pytest.mark.parametrize("instances", [1, 4])
@pytest.mark.parametrize("server", SERVERS)
def test_runs_that_a_server_takes(
    benchmark: BenchmarkFixture, server: str, instances: int, beside: int
) -> None:
    url = address(server)
    namespace = f"bench_{uuid4().hex}"
    seconds = 0.1 if benchmark.disabled else SECONDS
    store = f"{url}{'&' if '?' in url else '?'}namespace={namespace}"
    asyncio.run(begun(store))
    found: list[int] = []

    def once() -> None:
        begin = time.time() + STARTING
        names = [f"{who}" for who in range(instances)]
        with ProcessPoolExecutor(instances, multiprocessing.get_context("spawn")) as pool:
            jobs = [pool.submit(work, store, name, beside, begin, seconds) for name in names]
            found.append(sum(job.result() for job in jobs))

    try:
        benchmark.pedantic(once, rounds=1)
    finally:
        REMOVE[server](url, namespace)
    benchmark.extra_info["runs a second"] = round(found[-1] / seconds)


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


def work(address: str, name: str, beside: int, begin: float, seconds: float) -> int:
    """How many runs an instance makes in so many seconds, from when all are there."""
    return asyncio.run(runs(address, [f"{name}.{n}" for n in range(beside)], begin, seconds))


async def runs(address: str, tasks: list[str], begin: float, seconds: float) -> int:
    store = store_at(address)
    await store.open(AT)
    starts = [Record(t, Action.RUN, AT, scheduled_at=AT, attempt=0, run_id=LABEL) for t in tasks]
    live: list[int] = []
    ended = 0
    await asyncio.sleep(max(0.0, begin - time.time()))
    while time.time() < begin + seconds:
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


REMOVE = {"postgres": remove_from_postgres, "redis": remove_from_redis}
