"""The same story on a ledger in memory, on a file and on servers: the same answers and log."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Claim, Missed, Query, Step, Store
from oncue.engine.records import Action, Key
from oncue.tests.stores.conftest import Postgres, Redis, Sqlite
from oncue.tests.stores.steps import LATE, claim, commit, extend, finish

INSTANCES = 3
TASKS = st.sampled_from("ab")
WHICH = st.integers(0, 3)  # of the runs that an instance has begun, from the latest on
ENDINGS = st.sampled_from([action for action in Action if action is not Action.RUN])
READS = st.lists(st.builds(Key, TASKS, st.sampled_from(Action)), max_size=2)

INSTANTS = st.integers(1, 4).map(lambda n: 10 * n)

steps = st.one_of(
    st.tuples(
        st.just("claim"), TASKS, st.just(LATE) | st.integers(0, 12), READS, st.none() | INSTANTS
    ),
    st.tuples(st.just("finish"), WHICH, ENDINGS),
    st.tuples(st.just("extend"), WHICH, INSTANTS),
    st.tuples(st.just("miss"), TASKS, INSTANTS),
)
commits = st.tuples(st.just("commit"), st.lists(steps, min_size=1, max_size=4))
events = st.one_of(
    commits,
    commits,
    st.tuples(st.sampled_from(["follow", "follow", "lose", "leave", "peek", "trim", "know"])),
    st.tuples(st.just("elapse"), INSTANTS),
)
stories = st.lists(st.tuples(st.integers(0, INSTANCES - 1), events), min_size=5, max_size=40)
"""What the instances do, one after another."""


class Clock:
    """A lease of so many units lasts until it has moved on by so many microseconds."""

    instant = 0
    unit = 1

    def moved(self) -> None:
        """To be said after each change."""

    def __call__(self) -> int:
        return self.instant


class OnLedger:
    def __init__(self, clock: Clock) -> None:
        self._ledger = Ledger(clock)

    def __call__(self) -> Store:
        return MemoryStore(self._ledger)

    def lose(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        self._ledger.lose(store.id)


def step_of(kind: str, *rest: Any, begun: list[tuple[str, int]], clock: Clock) -> Step:
    now = clock.instant
    match kind:
        case "claim":
            task, position, reads, lease = rest
            lease = None if lease is None else lease * clock.unit
            return claim(task, position, *reads, at=now, lease=lease)
        case "miss":
            return Missed(*rest)
    which, what = rest
    task, run = begun[-1 - which] if which < len(begun) else ("a", 99)
    return (
        finish(task, run, what, now) if kind == "finish" else extend(task, run, what * clock.unit)
    )


async def told(make: Any, clock: Clock, story: Sequence[Any]) -> list[object]:
    """What comes of a story."""
    clock.instant = 0
    clock.moved()
    stores: list[Store] = [make() for _ in range(INSTANCES)]
    begun: list[list[tuple[str, int]]] = [[] for _ in stores]
    found: list[object] = []
    for store in stores:
        await store.open(0)
    for who, (kind, *rest) in story:
        store, now = stores[who], clock.instant
        match kind:
            case "commit":
                taken = [step_of(*each, begun=begun[who], clock=clock) for each in rest[0]]
                answers = await commit(store, *taken)
                for step, answer in zip(taken, answers, strict=True):
                    if isinstance(step, Claim) and isinstance(answer, int):
                        begun[who].append((step.record.task, answer))
                found.append(answers)
            case "follow":
                found.append(await store.follow(0, now))
            case "lose":
                if any(instance.own for instance in store.instances()):
                    make.lose(store)
            case "leave":
                await store.close()
                stores[who] = make()
                await stores[who].open(now)
            case "peek":
                found.append(store.peek({"a": 5}, now))
            case "trim":
                found.append(await store.trim(now, {"a": 5}, 2))
            case "know":
                await store.decided({"a": now, "b": 9 - now})
                found.append(await store.register({"a": f"daily {now % 3}"}, now))
            case _:
                clock.instant += rest[0]
                clock.moved()
        found.append(sorted(instance.alive for instance in store.instances()))
        found.append((store.missed(), store.registered()))
    for store in stores:
        found.append(await store.follow(0, clock.instant))
        await store.close()
    found.append(stores[0].read(Query()))
    return found


@contextmanager
def on_file(clock: Clock) -> Iterator[Sqlite]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        make = Sqlite(Path(folder) / "log.db", patch, synchronous="normal")
        patch.setattr("oncue.app.stores.writing.uptime", clock)
        patch.setattr("oncue.app.stores.writing.wall", clock)
        yield make


@given(story=stories)
@settings(max_examples=60)
def test_a_file_tells_the_same_story_as_memory(story: list[Any]) -> None:
    async def both() -> None:
        clock = Clock()
        in_memory = await told(OnLedger(clock), clock, story)
        with on_file(clock) as make:
            assert await told(make, clock, story) == in_memory

    asyncio.run(both())


class ServersClock(Clock):
    """That of a namespace on a server."""

    def __init__(self, make: Postgres) -> None:
        self._make = make

    def moved(self) -> None:
        with suppress(psycopg.errors.UndefinedTable):
            self._make.run("UPDATE {p}test_clock SET instant = %s", self.instant)


@given(story=stories)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_server_tells_the_same_story_as_memory(postgres: Postgres, story: list[Any]) -> None:
    async def both() -> None:
        clock = Clock()
        in_memory = await told(OnLedger(clock), clock, story)
        servers = ServersClock(postgres)
        await begin(postgres)
        assert await told(postgres, servers, story) == in_memory

    asyncio.run(both())


async def begin(make: Postgres) -> None:
    """With nothing in it, and a clock that stands."""
    if not make.run("SELECT to_regclass('{p}test_clock')")[0][0]:
        store = make()
        await store.open(0)
        await store.close()
        make.run(
            "CREATE TABLE {p}test_clock AS SELECT 0::BIGINT AS instant; "
            "CREATE OR REPLACE FUNCTION {p}clock() RETURNS BIGINT LANGUAGE sql AS "
            "$$ SELECT instant FROM {p}test_clock $$"
        )
    make.empty()


class LeasesClock(Clock):
    """Moves the ends of leases, in seconds: what a server's own clock does meanwhile is little."""

    unit = 1_000_000

    def __init__(self, make: Redis) -> None:
        self._make = make
        self._before = 0

    def moved(self) -> None:
        passed, self._before = self.instant - self._before, self.instant
        self._make.elapse(passed * self.unit, "lease")


@given(story=stories)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scripts_tell_the_same_story_as_memory(redis: Redis, story: list[Any]) -> None:
    async def both() -> None:
        clock = Clock()
        in_memory = await told(OnLedger(clock), clock, story)
        redis.empty()
        assert await told(redis, LeasesClock(redis), story) == in_memory

    asyncio.run(both())
