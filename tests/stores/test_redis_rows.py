"""What is a Redis server's own about dynamic tasks: what is held when
answers are lost, many that are scheduled at once, notices, logs of the version before, and work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores import redislua, redisrowslua
from oncue.app.stores.dynamic import PARAMETER, PIECE, Dynamic, Planned, Rest, State, Wanted
from oncue.app.stores.protocol import LogLost, Store
from oncue.app.stores.rediswire import PAUSES, Argument, Client, Script
from oncue.engine.civil import FOREVER
from oncue.tests.stores.conftest import Redis
from oncue.tests.stores.proxy import Proxy
from oncue.tests.stores.steps import LATE, claim, commit, finish, opened
from oncue.tests.stores.test_redis import Ear
from oncue.tests.stores.test_redis_lost_answers import ALL, NO_ANSWER, arguments, through

MANY = 3 * PIECE + 1


def planned(name: str, due: int = 0, version: int = 1) -> Planned:
    return Planned(f"f:{name}", "f", "{}", "every 1 second", due, version)


def many(count: int) -> list[Planned]:
    return [planned(f"{n:06}") for n in range(count)]


def rest(name: str, due: int | None, *reads: tuple[str, str], position: int = 0) -> Rest:
    return Rest(f"f:{name}", 1, due, 50, position, reads)


def tasks(rows: list[Dynamic]) -> list[str]:
    return [row.task for row in rows]


@contextmanager
def losing(redis: Redis, script: str) -> Iterator[Proxy]:
    """A way to the server on which calls of that script, or answers to them, can be lost."""
    with Proxy(redis.url, sha1(script.encode()).hexdigest().encode()) as proxy:
        yield proxy


def keys(redis: Redis) -> set[str]:
    """What there is, without the prefix."""
    found = redis.client.scan_iter(f"{redis.prefix}*")
    return {str(key, "utf-8").removeprefix(redis.prefix) for key in found}


# --- who holds what -----------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [ALL - 1, ALL])
def test_what_was_taken_without_an_answer_is_taken_again(redis: Redis, lost: int) -> None:
    """By the same call, or by the next one."""

    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store, opened(redis()) as other:
            await store.schedule([planned("a"), planned("b", 20)], 10)
            assert tasks((await store.take({"f": 1}, 100))[0]) == ["f:a"]
            proxy.cuts = lost
            if lost == ALL:
                with pytest.raises(StoreError, match=NO_ANSWER):
                    await store.take({"f": 9}, 100)
                assert await other.take({"f": 9}, 100) == ([], FOREVER)
            assert tasks((await store.take({"f": 9}, 100))[0]) == ["f:b"]
            assert proxy.cuts == 0
            assert tasks(store.dynamic(Wanted(state=State.HELD))) == ["f:a", "f:b"]

    with losing(redis, redisrowslua.TAKE) as proxy:
        asyncio.run(story(proxy))


def test_a_rest_without_an_answer_is_settled(redis: Redis) -> None:
    """It stands, and asked for again it changes nothing."""

    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store:
            await store.schedule([planned("a"), planned("b")], 10)
            await store.take({"f": 9}, 100)
            proxy.cuts = ALL
            with pytest.raises(StoreError, match=NO_ANSWER):
                await commit(store, claim("x", 0), rest("a", 300), rest("b", None, ("x", "crash")))
            rows = store.dynamic(Wanted())
            assert [row.look for row in rows] == [300, None]
            ((woken,), _) = await store.take({"f": 9}, 100)
            assert woken.task == "f:b"  # by the crash of what was never launched
            assert await commit(store, rest("a", 500)) == [2]
            assert [row.look for row in store.dynamic(Wanted())] == [300, None]

    with losing(redis, redislua.COMMIT) as proxy:
        asyncio.run(story(proxy))


def test_a_rest_that_never_arrived_lets_go_of_nothing_when_it_arrives_late(redis: Redis) -> None:
    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store:
            await store.schedule([planned("a")], 10)
            await store.take({"f": 9}, 100)
            proxy.cuts, proxy.arriving = ALL, False
            with pytest.raises(StoreError, match=NO_ANSWER):
                await commit(store, rest("a", 300))
            assert await store.take({"f": 9}, 100) == ([], FOREVER)
            late = redis.client.execute_command(*arguments(proxy.kept[0]))
            assert late == [b"void", None]
            assert [row.holder is None for row in store.dynamic(Wanted())] == [False]
            assert await commit(store, rest("a", 500)) == [0]
            assert [row.look for row in store.dynamic(Wanted())] == [500]

    with losing(redis, redislua.COMMIT) as proxy:
        asyncio.run(story(proxy))


def test_a_removal_without_an_answer_tells_what_it_removed(redis: Redis) -> None:
    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store:
            await store.schedule([planned("a"), planned("b")], 10)
            proxy.cuts = ALL - 1
            assert await store.unschedule(["f:a", "f:c"]) == {"f:a"}
            assert await store.unschedule(["f:a", "f:b"]) == {"f:b"}

    with losing(redis, redisrowslua.UNSCHEDULE) as proxy:
        asyncio.run(story(proxy))


def test_nothing_is_taken_of_a_log_that_has_lost_records(redis: Redis) -> None:
    async def story() -> None:
        async with opened(redis()) as store:
            await commit(store, claim("x", 0))
            redis.empty()
            with pytest.raises(LogLost):
                await store.take({"f": 9}, 100)
            await store.schedule([planned("a")], 10)
            assert tasks((await store.take({"f": 9}, 100))[0]) == ["f:a"]

    asyncio.run(story())


# --- many at once -------------------------------------------------------------------------------


def test_many_that_were_not_confirmed_are_none(redis: Redis) -> None:
    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store, opened(redis()) as other:
            proxy.cuts, proxy.arriving = ALL, False
            with pytest.raises(StoreError, match=NO_ANSWER):
                await store.schedule(many(MANY), 10)
            assert await other.take({"f": 9}, 100) == ([], FOREVER)
            assert other.dynamic(Wanted()) == []
            (staged,) = (key for key in keys(redis) if key.startswith("staged:"))
            assert redis.client.ttl(redis.prefix + staged) > 0

    with losing(redis, redisrowslua.CONFIRM) as proxy:
        asyncio.run(story(proxy))


@pytest.mark.parametrize("goes_on", ["take", "schedule", "schedule many", "unschedule"])
def test_many_that_were_confirmed_are_scheduled_by_whoever_comes_by(
    redis: Redis, goes_on: str
) -> None:
    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store, opened(redis()) as other:
            proxy.cuts, proxy.arriving = ALL, False
            with pytest.raises(StoreError, match=NO_ANSWER):
                await store.schedule(many(MANY), 10)
            assert other.dynamic(Wanted()) == []
            if goes_on == "take":
                while (await other.take({"f": 1}, 100))[1] == 0:
                    if len(other.dynamic(Wanted())) == MANY:
                        break
            elif goes_on == "schedule":
                await other.schedule([planned("000007", version=2)], 20)
            elif goes_on == "schedule many":
                await other.schedule(many(MANY), 20)
            else:
                assert await other.unschedule(["f:none"]) == set()
            rows = other.dynamic(Wanted())
            assert tasks(rows) == [each.task for each in many(MANY)]
            assert {(row.version, row.since) for row in rows} == {(1, 10)}
            assert not any(key.startswith(("staged:", "planned")) for key in keys(redis))

    with losing(redis, redisrowslua.GO_ON) as proxy:
        asyncio.run(story(proxy))


@pytest.mark.parametrize("script", ["STAGE", "CONFIRM", "GO_ON"])
def test_many_are_scheduled_once_whatever_answer_is_lost(redis: Redis, script: str) -> None:
    async def story(proxy: Proxy) -> None:
        async with opened(through(proxy, redis)) as store:
            proxy.cuts = len(PAUSES)
            await store.schedule(many(MANY), 10)
            assert proxy.cuts == 0
            assert len(store.dynamic(Wanted())) == MANY

    with losing(redis, getattr(redisrowslua, script)) as proxy:
        asyncio.run(story(proxy))


# --- notices ------------------------------------------------------------------------------------


def test_other_instances_hear_of_what_is_scheduled_removed_and_roused(redis: Redis) -> None:
    async def story() -> None:
        ear, one, two = Ear(), redis(), redis()
        two.on_notice(ear)
        async with opened(two), opened(one):
            assert ear.was_called()  # it has joined
            for change in (
                lambda: one.schedule([planned("a")], 10),
                lambda: one.schedule(many(MANY), 10),
                lambda: one.rouse([("env", PARAMETER)], 20),
                lambda: one.unschedule(["f:a"]),
            ):
                await two.follow(0, 0)
                await change()
                assert ear.was_called()

    asyncio.run(story())


# --- logs of the version before -----------------------------------------------------------------


def test_a_log_of_version_1_is_gone_on_with_once_nobody_has_it_open(redis: Redis) -> None:
    async def story() -> None:
        async with opened(redis()) as older:
            await commit(older, claim("a", 0))
            redis.client.hset(f"{redis.prefix}meta", "version", "1")
            with pytest.raises(StoreError, match="is open by an older oncue, process [0-9]+ on "):
                await redis().open(0)
        async with opened(redis()) as store:
            assert redis.client.hget(f"{redis.prefix}meta", "version") == b"2"
            await store.schedule([planned("a")], 10)
            ((row,), _) = await store.take({"f": 9}, 100)
            assert row.born == 2  # after the crash of what was live

    asyncio.run(story())


# --- work ---------------------------------------------------------------------------------------


def asked_of(patch: pytest.MonkeyPatch) -> list[int]:
    """How many arguments each script is given from now on."""
    asked: list[int] = []
    call = Script.__call__

    def told(script: Script, client: Client, key: str, *arguments: Argument) -> object:
        asked.append(len(arguments))
        return call(script, client, key, *arguments)

    patch.setattr(Script, "__call__", told)
    return asked


def test_what_is_asked_is_one_script(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with opened(redis()) as store:
            asked = asked_of(monkeypatch)
            await store.schedule([planned("a", 50), planned("b", 500)], 10)
            await store.take({"f": 9}, 20)
            await store.take({"f": 9}, 100)
            await commit(store, claim("x", 0), rest("a", 300))
            await store.unschedule(["f:a", "f:b"])
            assert len(asked) == 5

    asyncio.run(story())


def test_a_page_and_what_is_held_are_read_without_the_others(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(redis()) as store:
            await store.schedule(many(MANY), 10)
            asked = asked_of(monkeypatch)
            page = Wanted(family="f", after="f:001000", most=10)
            assert tasks(store.dynamic(page))[::9] == ["f:001001", "f:001010"]
            await store.take({"f": 3}, 100)
            assert len(store.dynamic(Wanted(state=State.HELD))) == 3
            found, _, held = asked
            assert (found, held) == (4 + 10, 4 + 3)

    asyncio.run(story())


def test_nothing_is_left_of_what_was_removed(redis: Redis) -> None:
    async def story() -> None:
        async with opened(redis()) as store:
            await commit(store, claim("x", 0))
            before = keys(redis)
            await store.schedule([planned(name) for name in "abc"], 10)
            await store.take({"f": 9}, 100)
            await commit(store, rest("a", 300, ("x", "fail")), rest("b", None, ("x", "success")))
            await commit(store, finish("x", 1))
            await store.unschedule(["f:a", "f:b", "f:c"])
            await store.take({"f": 9}, LATE)
            ours = {"at:x", "ended", "latest"}  # of the ending
            assert keys(redis) - before - ours == {f"removed:{held(store)}"}

    asyncio.run(story())


def held(store: Store) -> str:
    """The name of the instance."""
    return next(each.id for each in store.instances() if each.own)
