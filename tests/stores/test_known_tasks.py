"""What a store knows of tasks beside the log: how their conditions read, what was decided, what was
missed."""

import asyncio

import pytest

from oncue.app.stores.protocol import Missed, Refused, Registered
from oncue.tests.stores.conftest import Make, Postgres, Redis
from oncue.tests.stores.steps import claim, commit, finish, opened


def test_a_condition_is_registered_since_it_reads_as_it_does(make: Make) -> None:
    async def story() -> None:
        store = make()
        async with opened(store):
            first = {"a": Registered(10, None), "b": Registered(10, None)}
            assert await store.register({"a": "daily", "b": "hourly"}, 10) == first
            await store.decided({"a": 15, "b": 16})
            changed = await store.register({"a": "daily", "b": "weekly"}, 20)
            assert changed == {"a": Registered(10, 15), "b": Registered(20, None)}
            assert await store.register({"c": "daily"}, 30) == {"c": Registered(30, None)}
        assert store.registered() == {**changed, "c": Registered(30, None)}
        as_now = {"a": "daily", "b": "hourly", "d": "daily"}
        assert store.registered(as_now) == {"a": Registered(10, 15)}
        async with opened(store):
            assert await store.register({"a": "daily"}, 40) == {"a": Registered(10, 15)}

    asyncio.run(story())


def test_what_was_decided_never_goes_back_and_is_of_registered_tasks(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.register({"a": "daily", "b": "daily"}, 10)
            await store.decided({"a": 30, "none": 30})
            await store.decided({"a": 20, "b": 20})
            assert store.registered() == {"a": Registered(10, 30), "b": Registered(10, 20)}

    asyncio.run(story())


def test_a_task_is_claimed_and_decided_by_those_who_know_its_newest_condition(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.register({"a": "daily", "b": "daily"}, 10)
            await two.register({"a": "hourly", "b": "daily"}, 20)
            asked = (claim("b", 0), claim("a", 0), claim("c", 0))
            assert await commit(one, *asked) == [1, Refused.SUPERSEDED, Refused.NEWER]
            await one.decided({"a": 30, "b": 30})
            assert two.registered() == {"a": Registered(20, None), "b": Registered(10, 30)}
            assert await commit(two, claim("a", 1)) == [2]
            assert await commit(one, claim("c", 2)) == [3]
            await two.decided({"a": 40})
            await one.register({"a": "hourly"}, 50)
            assert await commit(two, finish("a", 2)) == [4]
            assert await commit(one, claim("a", 4)) == [5]
            assert two.registered(dict(a="hourly")) == {"a": Registered(20, 40)}

    asyncio.run(story())


def test_a_condition_that_is_said_again_takes_no_newer_ones_place(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.register({"a": "daily", "b": "daily"}, 10)
            await two.register({"a": "hourly"}, 20)
            await two.decided({"a": 25})
            again = {"a": 10, "b": 10}
            known = {"a": Registered(20, 25), "b": Registered(10, None)}
            assert await one.register({"a": "daily", "b": "daily"}, 30, again) == known
            assert await commit(one, claim("b", 0)) == [1]
            assert await commit(one, claim("a", 1)) == [Refused.SUPERSEDED]
            assert await two.register({"a": "hourly"}, 40, {"a": 20}) == {"a": known["a"]}
            assert await commit(two, claim("a", 1)) == [2]

    asyncio.run(story())


@pytest.mark.parametrize("older_first", [True, False])
@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_the_newer_condition_is_known_again_to_a_server_that_has_forgotten(
    server: str, older_first: bool, request: pytest.FixtureRequest
) -> None:
    make: Postgres | Redis = request.getfixturevalue(server)

    async def story() -> None:
        async with opened(make()) as one, opened(make()) as two:
            await one.register({"a": "daily"}, 10)
            await two.register({"a": "hourly"}, 20)
            make.forget_tasks()
            said = [(one, "daily", 10), (two, "hourly", 20)]
            for store, condition, since in said if older_first else reversed(said):
                await store.register({"a": condition}, 30, {"a": since})
            assert two.registered({"a": "hourly"}) == {"a": Registered(20, 30)}

    asyncio.run(story())


def test_thousands_of_tasks_are_registered_at_once(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            names = [f"task '{n}' ∑" for n in range(10_000)]
            await store.register(dict.fromkeys(names, "daily"), 10)
            await store.decided(dict.fromkeys(names, 20))
            assert store.registered() == dict.fromkeys(names, Registered(10, 20))

    asyncio.run(story())


def test_what_was_missed_is_noted_once(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            notes = [Missed("b", 20), Missed("a", 10), Missed("a", 20), Missed("a", 10)]
            assert await commit(store, claim("a", 0), *notes) == [1] * 5
            assert await commit(store, Missed("a", 10)) == [1]
            all_of_them = [Missed("a", 10), Missed("a", 20), Missed("b", 20)]
            assert store.missed() == all_of_them
            assert store.missed(["a"]) == all_of_them[:2]
            assert store.missed(newest=2) == all_of_them[1:]
            assert store.missed(["a", "none"], 1) == [Missed("a", 20)]
            assert (store.missed([]), store.missed(newest=0)) == ([], [])

    asyncio.run(story())


@pytest.mark.parametrize("order", ["after", "before", "with"])
def test_what_a_run_has_served_is_not_missed(make: Make, order: str) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            served, noted = claim("a", 0, at=10), Missed("a", 10)
            others = [Missed("a", 11), Missed("b", 10)]
            if order == "with":
                await commit(store, noted, *others, served)
            elif order == "before":
                await commit(store, served)
                await commit(store, noted, *others)
            else:
                await commit(store, noted, *others)
                await commit(store, served)
            assert store.missed() == [Missed("b", 10), Missed("a", 11)]

    asyncio.run(story())


def test_a_time_in_which_too_much_was_missed_is_noted_and_served_by_no_run(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            notes = [Missed("a", 10, until=20), Missed("a", 20), Missed("b", 5)]
            await commit(store, *notes, claim("a", 0, at=10))
            assert store.missed() == [Missed("b", 5), *notes[:2]]
            assert await store.trim(20, {}, 10) == 1
            assert store.missed() == notes[:2]
            assert await store.trim(21, {}, 10) == 2

    asyncio.run(story())


def test_a_refused_claim_serves_nothing(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, Missed("a", 10), claim("a", 0))
            await commit(store, claim("a", 0, at=10))
            assert store.missed() == [Missed("a", 10)]

    asyncio.run(story())
