"""Commits on Redis whose answers are lost on the way: each happens once or not at all, and whoever
asked comes to know which."""

import asyncio
from collections.abc import Iterator
from hashlib import sha1

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores.protocol import LogLost, Query, Refused
from oncue.app.stores.redisdb import RedisStore
from oncue.app.stores.redislua import COMMIT
from oncue.app.stores.rediswire import PAUSES
from oncue.engine.records import Action, Key
from oncue.tests.stores.conftest import Redis
from oncue.tests.stores.proxy import Proxy
from oncue.tests.stores.steps import claim, commit, extend, finish, log_of, opened, shown

ALL = 1 + len(PAUSES)  # attempts that are made
NO_ANSWER = "does not answer"


@pytest.fixture
def proxy(redis: Redis) -> Iterator[Proxy]:
    """Cuts commits."""
    with Proxy(redis.url, sha1(COMMIT.encode()).hexdigest().encode()) as proxy:
        yield proxy


def through(proxy: Proxy, redis: Redis) -> RedisStore:
    return RedisStore(proxy.url, namespace=redis.namespace)


def test_a_commit_whose_answer_is_lost_is_asked_for_again_and_happens_once(
    redis: Redis, proxy: Proxy
) -> None:
    async def story() -> None:
        async with opened(through(proxy, redis)) as store:
            assert await commit(store, claim("a", 0)) == [1]
            proxy.cuts = ALL - 1
            steps = (finish("a", 1), claim("a", 1), extend("b", 9, 10), claim("c", 1))
            assert await commit(store, *steps) == [2, 3, Refused.LEASE_LOST, 4]
            assert proxy.cuts == 0
            assert log_of(store) == ["1 run", "2 success of 1", "3 run", "4 run"]

    asyncio.run(story())


def test_what_an_unanswered_commit_has_done_is_settled_before_anything_else(
    redis: Redis, proxy: Proxy
) -> None:
    """Its endings stand, what it claimed was never launched."""

    async def story() -> None:
        async with opened(through(proxy, redis)) as store:
            await commit(store, claim("a", 0), claim("b", 0))
            proxy.cuts = ALL
            with pytest.raises(StoreError, match=NO_ANSWER):
                await commit(store, finish("a", 1), claim("c", 2, at=70))
            assert log_of(store) == ["1 run", "2 run", "3 success of 1", "4 run"]
            found = await store.follow(2, 9000)
            assert shown(found) == ["3 success of 1", "4 run", "5 crash of 4"]
            assert (found[2].at, found[2].run_id) == (70, "id of c")
            again = await commit(store, finish("a", 1), finish("b", 2), claim("c", 5))
            assert again == [3, 6, 7]
            assert len(log_of(store)) == 7
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]

    asyncio.run(story())


def test_a_commit_that_never_arrived_is_void_and_stays_so_when_it_arrives_late(
    redis: Redis, proxy: Proxy
) -> None:
    async def story() -> None:
        async with opened(through(proxy, redis)) as store:
            await commit(store, claim("a", 0))
            proxy.cuts, proxy.arriving = ALL, False
            with pytest.raises(StoreError, match=NO_ANSWER):
                await commit(store, finish("a", 1), claim("b", 1))
            assert await store.follow(1, 0) == []
            late = arguments(proxy.kept[0])
            assert redis.client.execute_command(*late) == [b"void", None]
            assert await commit(store, finish("a", 1), claim("b", 1)) == [2, 3]
            assert redis.client.execute_command(*late) == [b"void", None]
            assert log_of(store) == ["1 run", "2 success of 1", "3 run"]

    asyncio.run(story())


def arguments(sent: bytes) -> list[bytes]:
    """Those of a command as it was sent."""
    return sent.split(b"\r\n")[2::2]


def test_a_commit_that_can_not_be_settled_yet_waits_for_it(redis: Redis, proxy: Proxy) -> None:
    async def story() -> None:
        async with opened(through(proxy, redis)) as store:
            await commit(store, claim("a", 0))
            proxy.cuts = ALL
            with pytest.raises(StoreError, match=NO_ANSWER):
                await commit(store, finish("a", 1))
            proxy._marker, proxy.cuts = b"EVAL", ALL
            with pytest.raises(StoreError, match=NO_ANSWER):
                await store.follow(0, 0)
            assert shown(await store.follow(1, 0)) == ["2 success of 1"]
            proxy.cuts = ALL
            with pytest.raises(StoreError, match=NO_ANSWER):
                await commit(store, finish("a", 1), claim("a", 2))  # the ending is known still
            assert await commit(store, finish("a", 1)) == [2]
            assert log_of(store) == ["1 run", "2 success of 1", "3 run", "4 crash of 3"]

    asyncio.run(story())


def test_a_log_that_is_gone_is_told_to_every_instance_and_numbers_go_on(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with opened(redis()) as one, opened(redis()) as two:
            await commit(one, claim("a", 0), claim("b", 0))
            assert len(await two.follow(0, 0)) == 2
            redis.empty()
            with pytest.raises(LogLost, match="has lost records; what it has is read anew"):
                await commit(one, finish("a", 1))
            assert "has lost records: it has 0, what was known went up to 2" in caplog.text
            assert await one.load({"a": 0, "b": 0}) == (2, [])
            assert await commit(one, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(one, claim("c", 2)) == [3]
            with pytest.raises(LogLost):
                await two.follow(2, 0)
            assert shown(await two.follow(2, 0)) == ["3 run"]
            assert await commit(two, claim("d", 3)) == [4]
            assert shown(await one.follow(3, 0)) == ["4 run"]
            assert [instance.alive for instance in one.instances()] == [True, True]

    asyncio.run(story())


def snapshot(redis: Redis) -> dict[str | bytes, bytes]:
    return {key: redis.client.dump(key) or b"" for key in redis.client.keys(f"{redis.prefix}*")}


def restore(redis: Redis, dumps: dict[str | bytes, bytes]) -> None:
    redis.empty()
    for key, dump in dumps.items():
        redis.client.execute_command("RESTORE", key, 0, dump)


def test_a_log_that_has_lost_its_latest_records_is_told(redis: Redis) -> None:
    async def story() -> None:
        async with opened(redis()) as one, opened(redis()) as two:
            await commit(one, claim("a", 0))
            before = snapshot(redis)
            await commit(one, finish("a", 1), claim("b", 1))
            await two.follow(0, 0)
            restore(redis, before)
            with pytest.raises(LogLost):
                await one.follow(3, 0)
            assert log_of(one) == ["1 run"]
            with pytest.raises(LogLost):
                await commit(two, claim("b", 3))
            assert await commit(two, claim("b", 0, Key("b", Action.RUN))) == [4]
            assert two.count(Query()) == 2

    asyncio.run(story())


@pytest.mark.parametrize("known_by", ["commit", "follow"])
def test_lost_records_in_whose_place_there_are_others_are_told(redis: Redis, known_by: str) -> None:
    async def story() -> None:
        async with opened(redis()) as one, opened(redis()) as two:
            await commit(one, claim("a", 0))
            before = snapshot(redis)
            await commit(one, finish("a", 1, at=5))
            knowing = one if known_by == "commit" else two
            await two.follow(0, 0)
            restore(redis, before)
            async with opened(redis()) as three:
                await commit(three, claim("b", 0, at=5), claim("c", 0))
                with pytest.raises(LogLost):
                    await knowing.follow(2, 0)
                assert shown(await knowing.follow(1, 0)) == ["2 run", "3 run"]

    asyncio.run(story())
