"""Whose a run is, and for how long; who is there."""

import asyncio
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress

import psycopg
import pytest
from redis import Redis as Client

from oncue.app.clock import uptime
from oncue.app.errors import StoreError
from oncue.app.stores import store_at
from oncue.app.stores.postgres import PostgresStore
from oncue.app.stores.protocol import CLOCK_CHECK, LEASE, Answer, Query, Refused, Step, Store
from oncue.app.stores.redisdb import RedisStore
from oncue.app.stores.renewals import GRACE
from oncue.engine.records import Action
from oncue.tests.durability.servers import PostgresServer, RedisServer, Server
from oncue.tests.stores.conftest import Make
from oncue.tests.stores.steps import claim, commit, extend, finish, log_of, opened, shown

SECOND = 1_000_000


def test_runs_left_live_have_crashed_when_the_store_is_opened_again(make: Make) -> None:
    async def story() -> None:
        store = make()
        async with opened(store):
            await commit(store, claim("a", 0))
        async with opened(store):
            found = [(r.action, r.run, r.run_id) for r in store.read(Query(tasks=("a",)))]
            assert found == [(Action.RUN, None, "id of a"), (Action.CRASH, 1, "id of a")]
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(store, claim("a", 2)) == [3]

    asyncio.run(story())


def test_a_run_that_outlasts_its_lease_has_crashed_when_somebody_looks(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0, lease=2 * SECOND), claim("b", 0))
            make.elapse(SECOND)
            assert await store.follow(2, 2000) == []
            make.elapse(SECOND)
            assert [(r.at, r.run_id) for r in await store.follow(2, 3000)] == [(3000, "id of a")]
            assert log_of(store) == ["1 run", "2 run", "3 crash of 1"]
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(store, extend("a", 1, SECOND)) == [Refused.LEASE_LOST]
            assert await commit(store, finish("b", 2)) == [4]

    asyncio.run(story())


def test_a_finish_after_the_lease_is_in_time_while_nobody_has_looked(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0, lease=SECOND))
            make.elapse(5 * SECOND)
            assert await commit(store, finish("a", 1)) == [2]
            assert shown(await store.follow(0, 2000)) == ["1 run", "2 success of 1"]

    asyncio.run(story())


def test_an_extension_makes_the_lease_last_from_then_on(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0, lease=2 * SECOND))
            make.elapse(SECOND)
            assert await commit(store, extend("a", 1, 2 * SECOND)) == [1]
            make.elapse(SECOND)
            assert await store.follow(1, 2000) == []
            make.elapse(2 * SECOND)  # over, but nobody has looked
            assert await commit(store, extend("a", 1, 2 * SECOND)) == [1]
            make.elapse(SECOND)
            assert await store.follow(1, 2000) == []
            make.elapse(SECOND)
            assert shown(await store.follow(1, 2000)) == ["2 crash of 1"]

    asyncio.run(story())


def test_an_extension_gives_a_run_a_lease_of_its_own(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            assert await commit(store, extend("a", 1, SECOND)) == [1]
            make.elapse(SECOND)
            assert shown(await store.follow(1, 2000)) == ["2 crash of 1"]

    asyncio.run(story())


def test_a_run_that_has_ended_is_not_extended(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            assert await commit(store, extend("a", 7, SECOND)) == [Refused.LEASE_LOST]
            await commit(store, claim("a", 0))
            ended = await commit(store, finish("a", 1), extend("a", 1, SECOND))
            assert ended == [2, Refused.LEASE_LOST]

    asyncio.run(story())


def test_opening_ends_the_leases_that_are_over(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one:
            await commit(one, claim("a", 0, lease=SECOND), claim("b", 0, lease=3 * SECOND))
            share.elapse(SECOND)
            async with opened(share()) as two:
                assert log_of(two) == ["1 run", "2 run", "3 crash of 1"]
                assert await commit(one, finish("a", 1)) == [Refused.LEASE_LOST]
                assert await commit(two, finish("b", 2)) == [Refused.LEASE_LOST]
                assert await commit(one, finish("b", 2)) == [4]

    asyncio.run(story())


def test_a_peek_tells_what_has_crashed_and_writes_nothing(make: Make) -> None:
    async def story() -> None:
        store = make()
        async with opened(store):
            await commit(store, claim("a", 0, lease=SECOND), claim("b", 0), claim("c", 0))
            assert shown(store.peek({"a": 0, "b": 0}, 7)[1]) == ["1 run", "2 run"]
            make.elapse(SECOND)
            position, records = store.peek({"a": 0, "b": 0}, 7)
            assert (position, shown(records)) == (3, ["1 run", "2 run", "4 crash of 1"])
            assert records[-1].at == 7
            assert len(log_of(store)) == 3
        assert shown(store.peek({"b": 0}, 7)[1]) == ["2 run", "5 crash of 2"]

    asyncio.run(story())


def test_the_later_of_two_runs_of_a_task_has_the_higher_token(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            tokens: list[int] = []
            for _ in range(3):
                (token,) = await commit(store, claim("a", store.count(Query()), lease=SECOND))
                assert isinstance(token, int)
                tokens.append(token)
                make.elapse(SECOND)
                await store.follow(0, 0)
            assert tokens == sorted({*tokens})
            late = [await commit(store, finish("a", token)) for token in tokens]
            assert late == [[Refused.LEASE_LOST]] * 3

    asyncio.run(story())


# --- several instances --------------------------------------------------------------------------


def test_a_claim_is_refused_for_what_another_instance_wrote(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            assert await commit(one, claim("a", 0)) == [1]
            assert await commit(two, claim("a", 0)) == [Refused.NEWER]
            assert shown(await two.follow(0, 0)) == ["1 run"]
            assert await commit(two, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(two, claim("b", 1), claim("c", 1)) == [2, 3]
            assert await commit(one, finish("a", 1)) == [4]
            assert await commit(two, claim("a", 4)) == [5]

    asyncio.run(story())


def test_runs_of_an_instance_that_is_gone_have_crashed(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await commit(one, claim("a", 0), claim("b", 0, lease=9 * SECOND))
            assert await two.follow(2, 0) == []
            share.lose(one)
            assert shown(await two.follow(2, 5000)) == ["3 crash of 1", "4 crash of 2"]
            assert [instance.own for instance in two.instances()] == [True]

    asyncio.run(story())


def test_an_instance_that_was_taken_for_gone_goes_on_without_what_it_lost(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await commit(one, claim("a", 0))
            share.lose(one)
            await two.follow(1, 0)
            assert await commit(one, finish("a", 1)) == [Refused.LEASE_LOST]
            assert await commit(one, claim("b", 2)) == [3]
            assert await two.follow(3, 0) == []  # it is there again, so its run lives
            assert await commit(one, finish("b", 3)) == [4]
            assert [instance.alive for instance in two.instances()] == [True, True]

    asyncio.run(story())


def test_instances_are_those_that_have_the_store_open(share: Make) -> None:
    async def story() -> None:
        one, two = share(), share()
        async with opened(one, 1000):
            assert one.patience == CLOCK_CHECK
            async with opened(two, 2000):
                await one.follow(0, 3000)
                assert (one.patience, two.patience) == (share.crowded, share.crowded)
                first, second = two.instances()
                assert first.id != second.id
                assert (first.since, first.own, first.alive) == (1000, False, True)
                assert (second.since, second.own, second.alive) == (2000, True, True)
                assert (first.pid, first.host) == (os.getpid(), platform.node())
                share.lose(one)
                assert [instance.alive for instance in two.instances()] == [False, True]
            await one.follow(0, 4000)
            assert one.patience == CLOCK_CHECK
        assert one.instances() == []

    asyncio.run(story())


# --- a server that was away ---------------------------------------------------------------------


@pytest.fixture(params=["postgres", "redis"])
def server(request: pytest.FixtureRequest) -> Make:
    make: Make = request.getfixturevalue(request.param)
    return make


def renew(store: Store) -> None:
    """Besides when it does so by itself."""
    if isinstance(store, RedisStore):
        assert store._writer is not None
        store._writer.renew()
    else:
        assert isinstance(store, PostgresStore) and store._link is not None
        store._join(store._link)


def test_who_could_not_reach_the_server_gives_the_others_time_to(
    server: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0]
    for module in ("renewals", "postgres", "rediswriting"):
        monkeypatch.setattr(f"oncue.app.stores.{module}.uptime", lambda: uptime() + passed[0])

    async def story() -> None:
        async with opened(server()) as one, opened(server()) as two:
            assert await commit(one, claim("a", 0), claim("b", 0)) == [1, 2]
            server.lose(one)  # its lease has run out
            passed[0] += 2 * LEASE
            assert await two.follow(2, 0) == []
            renew(two)
            assert await two.follow(2, 0) == []
            assert await commit(one, finish("a", 1)) == [3]
            for _ in range(2):
                assert shown(await two.follow(2, 0)) == ["3 success of 1"]
                passed[0] += LEASE // 3
                renew(two)
            assert shown(await two.follow(3, 0)) == ["4 crash of 2"]

    asyncio.run(story())


def test_what_was_asked_of_a_server_before_it_stopped_takes_nobody_for_gone(server: Make) -> None:
    async def story() -> None:
        async with opened(server()) as one, opened(server()) as two:
            assert await commit(one, claim("a", 0)) == [1]
            server.lose(one)
            server.lose(two)  # while it asks
            assert await two.follow(1, 0) == []
            renew(two)
            assert shown(await two.follow(1, 0)) == ["2 crash of 1"]

    asyncio.run(story())


def past(server: Server, commands: Mapping[str, str], **values: object) -> None:
    """Do by hand, on Redis or on PostgreSQL, what only time would."""
    if isinstance(server, RedisServer):
        with Client.from_url(server.address()) as client:
            client.execute_command(*commands["redis"].format(**values).split())
    else:
        with psycopg.connect(server.address(), autocommit=True) as link:
            link.execute(commands["postgres"].format(**values).encode())


LEASE_IS_OVER = {
    "redis": "ZADD oncue:{{-}}:instance 1 {id}",
    "postgres": "UPDATE oncue_instance SET expires_at = 1 WHERE id = '{id}'",
}
GRACE_IS_OVER = {
    "redis": "HINCRBY oncue:{{-}}:meta resumed -{grace}",
    "postgres": "UPDATE oncue_log SET resumed = resumed - {grace}",
}


@pytest.mark.parametrize("make_server", [RedisServer, PostgresServer])
def test_who_first_comes_to_a_server_that_is_back_takes_nobody_for_gone(
    make_server: Callable[[], Server],
) -> None:
    server = make_server()

    async def story() -> None:
        async with opened(store_at(server.address())) as one:
            assert await commit(one, claim("a", 0), claim("b", 0)) == [1, 2]
            (own,) = one.instances()
            past(server, LEASE_IS_OVER, id=own.id)
            server.stop()
            server.start()
            server.wait()
            async with opened(store_at(server.address())) as new:
                assert await new.follow(2, 0) == []
                assert await answer(one, finish("a", 1)) == [3]
                past(server, LEASE_IS_OVER, id=own.id)
                assert shown(await new.follow(2, 0)) == ["3 success of 1"]
                past(server, GRACE_IS_OVER, grace=GRACE)
                assert shown(await new.follow(3, 0)) == ["4 crash of 2"]

    async def answer(store: Store, step: Step) -> list[Answer]:
        """Its connection was lost, as it learns by that."""
        with suppress(StoreError):
            return await commit(store, step)
        return await commit(store, step)

    try:
        server.start()
        server.wait()
        asyncio.run(story())
    finally:
        server.remove()
