"""Claims and finishes: what every store writes, and what it refuses."""

import asyncio

import pytest

from oncue.app.stores.protocol import BETWEEN, Answers, Claim, Finish, Query, Refused
from oncue.engine.records import Action, Key, Record
from oncue.tests.stores.conftest import Make
from oncue.tests.stores.steps import LATE, claim, commit, finish, log_of, opened


def test_numbers_are_given_in_commit_order(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            assert await commit(store, claim("a", 0), claim("b", 0)) == [1, 2]
            assert await commit(store, finish("b", 2), claim("c", 2)) == [3, 4]
            found = await store.follow(1, 2000)
            assert [(r.seq, r.task, r.action, r.run) for r in found] == [
                (2, "b", Action.RUN, None),
                (3, "b", Action.SUCCESS, 2),
                (4, "c", Action.RUN, None),
            ]

    asyncio.run(story())


def test_a_record_comes_back_whole(make: Make) -> None:
    async def story() -> None:
        whole = Record("a", Action.RUN, at=5, scheduled_at=4, attempt=2, run_id="label")
        ending = Record("a", Action.FAIL, at=9, run=1, run_id="label", error="Trace …", until=60)
        async with opened(make()) as store:
            await commit(store, Claim(whole, (), 0))
            await commit(store, Finish(ending))
            one, two = store.read(Query(tasks=("a",)))
            assert one == Record("a", Action.RUN, 5, 1, 4, 2, None, "label", None, None)
            assert two == Record("a", Action.FAIL, 9, 2, None, None, 1, "label", "Trace …", 60)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("reads", "position", "refused"),
    [
        ((), 2, False),
        ((Key("a", Action.SUCCESS),), 2, False),
        ((Key("a", Action.FAIL),), 1, False),
        ((Key("a", Action.SUCCESS),), 1, True),
        ((Key("b", Action.RUN), Key("a", Action.SUCCESS)), 0, True),
    ],
)
def test_a_claim_is_refused_when_what_it_read_has_changed(
    make: Make, reads: tuple[Key, ...], position: int, refused: bool
) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            await commit(store, finish("a", 1))
            expected = Refused.NEWER if refused else 3
            assert await commit(store, claim("b", position, *reads)) == [expected]
            assert len(store.read(Query(tasks=("b",)))) == (0 if refused else 1)

    asyncio.run(story())


def test_a_claim_is_refused_when_its_own_task_has_a_newer_record(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            assert await commit(store, claim("a", 0)) == [1]
            assert await commit(store, claim("a", 0)) == [Refused.NEWER]

    asyncio.run(story())


def test_no_claim_is_granted_after_a_refused_record(make: Make) -> None:
    """It may rest on that record, though it does not read it: what became true by a success stays
    true whatever else that task does."""

    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            answers = await commit(store, claim("a", 0), claim("b", 1, Key("a", Action.RUN)))
            assert answers == [Refused.NEWER, Refused.NEWER]
            assert await commit(store, finish("a", 1), claim("c", 1)) == [2, 3]
            answers = await commit(store, finish("a", 1), finish("c", 3), claim("b", 3))
            assert answers == [Refused.LEASE_LOST, 4, Refused.NEWER]
            assert await commit(store, claim("b", 4)) == [5]

    asyncio.run(story())


def test_decisions_of_one_commit_may_have_seen_each_other(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            steps = (finish("a", 1), claim("b", 1, Key("a", Action.SUCCESS)))
            assert await commit(store, *steps, claim("c", 1, Key("b", Action.RUN))) == [2, 3, 4]

    asyncio.run(story())


def test_a_finish_without_a_lease_changes_nothing(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            assert await commit(store, finish("a", 1)) == [2]
            assert await commit(store, finish("a", 1)) == [Refused.LEASE_LOST]
            assert len(store.read(Query(tasks=("a",)))) == 2

    asyncio.run(story())


def test_a_run_ends_once_in_a_commit(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", 0))
            twice = await commit(store, finish("a", 1), finish("a", 1, Action.FAIL))
            assert twice == [2, Refused.LEASE_LOST]
            assert log_of(store) == ["1 run", "2 success of 1"]

    asyncio.run(story())


def test_a_store_that_is_not_there_yet_is_empty(make: Make) -> None:
    store = make()
    assert store.read(Query()) == []
    assert store.count(Query()) == 0
    assert store.peek({"a": 0}, 0) == (0, [])
    assert (store.missed(), store.registered(), store.instances()) == ([], {}, [])


def test_a_store_is_read_open_and_closed(make: Make) -> None:
    async def story() -> None:
        store = make()
        async with opened(store):
            await commit(store, claim("a", 0))
            await commit(store, finish("a", 1))
            assert log_of(store) == ["1 run", "2 success of 1"]
            inside = await asyncio.to_thread(store.read, Query())
        assert inside == store.read(Query())
        assert store.count(Query(actions=(Action.RUN,))) == 1
        assert [record.seq for record in store.peek({"a": 0}, 0)[1]] == [1, 2]

    asyncio.run(story())


@pytest.mark.parametrize("server", ["postgres", "redis"])
def test_a_commit_tells_what_others_have_written_before_it(
    server: str, request: pytest.FixtureRequest
) -> None:
    make: Make = request.getfixturevalue(server)

    async def story() -> None:
        async with opened(make()) as one, opened(make()) as two:
            await two.commit([claim("a", 0)])
            fail = Finish(Record("a", Action.FAIL, 7, run=1, error="a\nlong error", until=9))
            await two.commit([fail])
            answers = await one.commit([claim("b", LATE)], 0)
            assert answers == [3] and isinstance(answers, Answers)
            assert answers.between == (await one.follow(0, 0))[:2]
            answers = await one.commit([finish("b", 3)], 3)
            assert isinstance(answers, Answers) and answers.between == []
            await two.commit([claim("c", LATE)])
            answers = await one.commit([claim("c", 4)], 4)
            assert answers == [Refused.NEWER] and isinstance(answers, Answers)
            assert answers.between == await one.follow(4, 0) != []
            many = [claim(f"task {n}", LATE) for n in range(BETWEEN + 1)]
            await two.commit(many)
            answers = await one.commit([claim("d", LATE)], 5)
            assert isinstance(answers, Answers) and answers.between is None

    asyncio.run(story())
