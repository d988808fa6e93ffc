"""What every store keeps of dynamic tasks: rows that are held, let go of, and woken by records."""

import asyncio
from collections.abc import Iterable

import pytest

from oncue.app.stores.dynamic import (
    NO_VERSION,
    PARAMETER,
    PIECE,
    Dynamic,
    Planned,
    Rest,
    State,
    Wanted,
)
from oncue.app.stores.postgres_rows import BULK
from oncue.app.stores.protocol import Refused, Store
from oncue.app.stores.rows import Rows
from oncue.engine.civil import FOREVER
from oncue.engine.records import Action
from oncue.tests.stores.conftest import Make
from oncue.tests.stores.steps import LATE, claim, commit, extend, finish, opened

DONE = ("x", "success")
SECOND = 1_000_000


def planned(name: str, due: int = 0, version: int = 1, **other: str) -> Planned:
    said = {"shard": "f", "text": f'{{"interval": "{due} s"}}', "condition": "every 1 second"}
    return Planned(f"f:{name}", due=due, version=version, **{**said, **other})


def row(name: str, due: int, *, version: int = 1, since: int = 10) -> Dynamic:
    """One as it is when nothing has happened to it."""
    of = planned(name, due, version)
    return Dynamic(*of[:4], version, 0, since, None, due, due, 0, 0, None)


def rest(name: str, due: int | None, *reads: tuple[str, str], position: int = 0) -> Rest:
    return Rest(f"f:{name}", 1, due, 50, position, reads)


def names(rows: Iterable[Dynamic]) -> str:
    return " ".join(each.task.removeprefix("f:") for each in rows)


async def take(store: Store, now: int = 100, share: int = 1000) -> str:
    rows, _ = await store.take({"f": share}, now)
    return names(rows)


async def happens(
    store: Store, action: Action = Action.SUCCESS, task: str = "x", at: int = 60
) -> None:
    """A run of the task begins and, at an instant, ends so: two records."""
    (run,) = await commit(store, claim(task, LATE))
    assert isinstance(run, int)
    assert await commit(store, finish(task, run, action, at)) == [run + 1]


async def next_look(store: Store) -> int:
    return (await store.take({"f": 0}, 0))[1]


def test_what_is_due_is_taken_the_longest_due_first(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("c", 30), planned("a", 20), planned("b", 90)], 10)
            assert await store.take({"f": 10}, 19) == ([], 20)
            assert await store.take({"f": 1}, 30) == ([row("a", 20)], 30)
            assert await store.take({"f": 9}, 30) == ([row("c", 30)], 90)
            assert await store.take({"f": 9, "other": 9}, 89) == ([], 90)
            assert await store.take({"other": 9}, 100) == ([], FOREVER)
            held = {each.task: (each.look, each.holder is None) for each in found(store)}
            assert held == {"f:a": (None, False), "f:b": (90, True), "f:c": (None, False)}
            assert await store.take({"f": 9}, 100) == ([row("b", 90)], FOREVER)

    asyncio.run(story())


def found(store: Store, **wanted: object) -> list[Dynamic]:
    return store.dynamic(Wanted(**wanted))  # type: ignore[arg-type]


def test_each_shard_has_its_share(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned(f"many {n:04}", n) for n in range(3000)], 10)
            await store.schedule([planned(f"few {n}", 5000 + n, shard="g") for n in range(3)], 10)
            rows, more = await store.take({"f": 100, "g": 100}, 9000)
            assert [each.shard for each in rows] == ["f"] * 100 + ["g"] * 3
            assert more == 100
            assert names(rows[:2]) == "many 0000 many 0001"

    asyncio.run(story())


def test_some_are_passed_over_while_they_are_of_a_version(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            of = {"a": 20, "b": 20, "c": 30, "d": 40, "e": 90}
            await store.schedule([planned(name, due) for name, due in of.items()], 10)
            await store.schedule([planned("g", 35, shard="g")], 10)
            but = {"f:a": 1, "f:b": 1, "f:d": 1, "f:g": 1, "f:e": 7, "f:none": 1}
            both = {"f": 0, "g": 0}
            assert await store.take(both, 100, but) == ([], 30)
            assert await store.take({"f": 1, "g": 9}, 50, but) == ([row("c", 30)], 90)
            assert await store.take(both, 100, {**but, "f:e": 1}) == ([], FOREVER)
            assert await store.take({"f": 9}, 100, {**but, "f:e": 1}) == ([], FOREVER)
            assert names(found(store, state=State.DUE, now=50)) == "a b d g"
            assert await store.take(both, 100, {"f:b": 1}) == ([], 20)
            changed = planned("d", 40, 1 << 61, text="{}")
            await store.schedule([changed], 60)
            assert await store.take(both, 100, but) == ([], 0)
            assert await store.take(both, 100, {**but, "f:d": changed.version}) == ([], 90)
            assert await store.take(both, 100, {**but, "f:d": changed.version - 1}) == ([], 0)
            rows, more = await store.take({"f": 1}, 100, but)
            assert (names(rows), more) == ("d", 90)
            assert await store.take({"f": 9}, 100, but) == ([row("e", 90)], FOREVER)
            rows, more = await store.take({"f": 9, "g": 9}, 100)
            assert (names(rows), more) == ("a b g", FOREVER)

    asyncio.run(story())


def test_a_rest_lets_go_until_an_instant(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20), planned("b", 20)], 10)
            assert await take(store) == "a b"
            assert await commit(store, rest("a", 200), rest("b", None)) == [0, 0]
            assert found(store) == [
                row("a", 20)._replace(decided=50, due=200, look=200),
                row("b", 20)._replace(decided=50, due=None, look=None),
            ]
            assert [each.state(100) for each in found(store)] == [State.SCHEDULED, State.SPENT]
            assert await store.take({"f": 9}, 199) == ([], 200)
            assert await take(store, 200) == "a"
            assert await commit(store, rest("a", None)._replace(done=True)) == [0]
            assert names(found(store)) == "b"
            assert await store.take({"f": 9}, LATE) == ([], FOREVER)

    asyncio.run(story())


def test_a_record_wakes_those_who_wait_for_it(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a"), planned("b", 0), planned("c")], 10)
            assert await take(store) == "a b c"
            both = (("y", "fail"), DONE)
            await commit(store, rest("a", 900, DONE), rest("b", None, *both), rest("c", 300))
            assert {each.task: (each.waits, each.state(100)) for each in found(store)} == {
                "f:a": (1, State.SCHEDULED),
                "f:b": (2, State.WAITING),
                "f:c": (0, State.SCHEDULED),
            }
            await happens(store, Action.FAIL)
            assert await store.take({"f": 9}, 100) == ([], 300)
            await happens(store, at=70)
            await happens(store, at=80)
            rows, _ = await store.take({"f": 9}, 100)
            assert {each.task: (each.due, each.look) for each in rows} == {
                "f:a": (900, 70),
                "f:b": (None, 70),
            }
            assert await store.take({"f": 9}, 100) == ([], 300)
            await commit(store, rest("a", 900, DONE, position=6), rest("b", None, position=6))
            assert await take(store) == ""
            await happens(store)
            assert await take(store) == "a"

    asyncio.run(story())


def test_a_record_that_was_not_known_yet_wakes_at_once(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a"), planned("b")], 10)
            await take(store)
            await happens(store)
            await take(store)  # may find whom the record concerned
            await commit(
                store, rest("a", None, DONE, position=1), rest("b", None, DONE, position=2)
            )
            assert await take(store) == "a"

    asyncio.run(story())


def test_a_record_that_crashes_a_run_wakes_too(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one:
            two = share()
            await two.open(10)
            await two.commit([claim("x", LATE)])
            await one.schedule([planned("a")], 10)
            await take(one)
            await commit(one, rest("a", None, ("x", "crash"), position=1))
            assert await take(one) == ""
            share.lose(two)
            await one.follow(1, 100)
            assert await take(one) == "a"
            await two.close()

    asyncio.run(story())


def test_many_are_woken_piece_by_piece(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            count = PIECE + PIECE // 2
            await store.schedule([planned(str(n)) for n in range(count)], 10)
            await take(store, share=count)
            await commit(store, *(rest(str(n), None, DONE) for n in range(count)))
            await happens(store)
            rows, more = await store.take({"f": count}, 100)
            assert (len(rows), more) == (PIECE, 0)
            rows, more = await store.take({"f": count}, 100)
            assert (len(rows), more) == (count - PIECE, FOREVER)

    asyncio.run(story())


def test_whoever_waits_for_a_parameter_is_roused(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a"), planned("b"), planned("c")], 10)
            await take(store)
            env = ("env", PARAMETER)
            waiting = rest("a", None, env, DONE), rest("b", 900, env)
            await commit(store, *waiting, rest("c", None, ("x", PARAMETER)))
            await store.rouse([("other", PARAMETER), env], 90)
            rows, _ = await store.take({"f": 9}, 100)
            assert [(each.task, each.look) for each in rows] == [("f:a", 90), ("f:b", 90)]
            await store.rouse([env], 95)
            assert await take(store) == ""

    asyncio.run(story())


def test_what_was_decided_later_than_it_is_now_is_due_at_once(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            tasks = "early", "held", "late", "spent", "waits"
            await store.schedule([planned(name, 20) for name in tasks], 10)
            await store.schedule([planned("new", 990)], 900)
            assert await take(store) == " ".join(tasks)
            decided = {"early": 50, "late": 500, "spent": 400, "waits": 400}
            reads = {"waits": (DONE,)}
            rests = [
                rest(name, None if name in ("spent", "waits") else 700, *reads.get(name, ()))
                for name in decided
            ]
            await commit(store, *(r._replace(decided=decided[r.task[2:]]) for r in rests))
            await store.set_back(60, 500)
            assert await next_look(store) == 0
            taken, _ = await store.take({"f": 9}, 60)
            assert taken == [row("new", 990)._replace(since=60, due=None, look=0)]
            await store.set_back(60, 60)
            assert await next_look(store) == 0
            taken, more = await store.take({"f": 9}, 60)
            assert [(each.task, each.decided, each.due, each.look) for each in taken] == [
                (f"f:{name}", 60, None, 0) for name in ("late", "spent", "waits")
            ]
            assert more == 700
            await commit(store, *(rest(name, 800) for name in ("late", "spent", "waits")))
            await store.set_back(60, 60)
            assert await store.take({"f": 9}, 60) == ([], 700)

    asyncio.run(story())


def test_however_many_were_decided_later_all_are_due(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            count = PIECE + 500
            await store.schedule([planned(f"{n:05}", 900) for n in range(count)], 800)
            await store.set_back(60, 70)
            rows, _ = await store.take({"f": 2 * count}, 60)
            assert len(rows) == count

    asyncio.run(story())


def test_scheduled_again_as_it_is_nothing_changes(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20)], 10)
            await store.schedule([planned("a", 20, version=2)], 15)
            assert found(store) == [row("a", 20)]

    asyncio.run(story())


@pytest.mark.parametrize("count", [1, BULK + 1])
def test_said_as_before_but_of_another_condition_it_begins_anew(make: Make, count: int) -> None:
    """As of another zone, where the task does not say which."""

    def all_of(*first: Planned) -> list[Planned]:
        return [*first, *(planned(f"other {n}", LATE) for n in range(count - 1))]

    async def story() -> None:
        async with opened(make()) as store:
            there = ("f:a", "f:b")
            both = planned("a", 20, condition="daily in UTC"), planned("b", 20)
            await store.schedule(both, 10)
            assert await take(store, 20) == "a b"
            await commit(store, rest("a", 200))
            said = planned("a", 30, 2, condition="daily in Asia/Tokyo", text=both[0].text)
            held = planned("b", 40, 2, condition="hourly in UTC", text=both[1].text)
            await store.schedule(all_of(said, held), 60)
            changed = found(store, tasks=there)
            assert changed[0] == row("a", 30, version=2, since=60)._replace(
                text=said.text, condition=said.condition, look=0
            )
            assert changed[1]._replace(holder=None) == row("b", 40, version=2, since=60)._replace(
                text=held.text, condition=held.condition, look=None
            )
            again = [each._replace(version=3, due=50) for each in (said, held)]
            await store.schedule(all_of(*again), 70)
            assert found(store, tasks=there) == changed

    asyncio.run(story())


def test_scheduled_otherwise_it_is_looked_at_anew(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20), planned("b", 20)], 10)
            assert await take(store, 20) == "a b"
            await commit(store, rest("a", 200, DONE), rest("b", 200, DONE))
            other = [
                planned("a", 30, 2, text='{"args": {}}'),
                planned("b", 30, 2, text="{}", condition="hourly", shard="g"),
            ]
            await store.schedule(other, 60)
            assert found(store) == [
                Dynamic(
                    "f:a", "f", '{"args": {}}', "every 1 second", 2, 0, 10, 50, 200, 0, 0, 1, None
                ),
                Dynamic("f:b", "g", "{}", "hourly", 2, 0, 60, None, 30, 0, 0, 1, None),
            ]
            assert await take(store) == "a"
            assert names((await store.take({"g": 1}, 100))[0]) == "b"

    asyncio.run(story())


def test_of_the_same_name_twice_the_last_counts(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20), planned("a", 30, 2)], 10)
            (only,) = found(store)
            assert (only.text, only.version) == (planned("a", 30).text, 2)

    asyncio.run(story())


def test_what_was_scheduled_anew_while_it_was_held_is_due_when_it_is_let_go_of(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20)], 10)
            assert await take(store) == "a"
            await store.schedule([planned("a", 500, version=2)], 60)
            assert await take(store) == ""
            assert await commit(store, rest("a", 900)) == [0]
            assert names(found(store, state=State.DUE, now=1)) == "a"
            ((again,), _) = await store.take({"f": 9}, 100)
            assert (again.version, again.look, again.decided) == (2, 0, None)

    asyncio.run(story())


def test_unscheduled_it_is_gone_and_can_begin_anew(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20), planned("b", 20)], 10)
            await take(store)
            await commit(store, rest("a", None, DONE))
            assert await store.unschedule(["f:a", "f:b", "f:c"]) == {"f:a", "f:b"}
            assert await store.unschedule(["f:a"]) == set()
            await happens(store)
            assert await commit(store, rest("b", 900)) == [2]
            assert (found(store), await take(store)) == ([], "")
            await store.schedule([planned("a", 20, version=2)], 70)
            assert found(store) == [row("a", 20, version=2, since=70)._replace(born=2)]
            assert await take(store) == "a"

    asyncio.run(story())


def test_a_claim_is_of_the_version_that_was_decided_about(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.schedule([planned("a"), planned("b"), planned("c")], 10)
            assert await take(one) == "a b c"
            await two.schedule([planned("b", 9, version=2)], 20)
            await two.unschedule(["f:c"])
            claims = [claim(f"f:{name}", LATE) for name in "abc"]
            for each in claims:
                each.version = 1
            assert await commit(one, claims[0]) == [1]
            assert await commit(one, claims[1]) == [Refused.SUPERSEDED]
            assert await commit(one, claims[2]) == [Refused.SUPERSEDED]

    asyncio.run(story())


def test_what_follows_on_a_refused_step_is_not_let_go_of(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a")], 10)
            await take(store)
            refused = [Refused.LEASE_LOST, Refused.NEWER]
            assert await commit(store, finish("f:a", 7), rest("a", 900)) == refused
            assert [each.holder is None for each in found(store)] == [False]

    asyncio.run(story())


def test_what_an_instance_holds_no_other_has(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.schedule([planned("a"), planned("b", 10)], 10)
            assert await take(one, share=1) == "a"
            assert await take(two) == "b"
            assert await commit(two, rest("a", 900)) == [0]  # it is not its to let go of
            assert await commit(one, rest("b", 900)) == [0]
            assert [each.holder is None for each in found(one)] == [False, False]
            assert len({each.holder for each in found(one)}) == 2

    asyncio.run(story())


def test_the_task_of_a_run_that_outlasts_its_lease_is_due_at_once(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.schedule([planned(name, 10) for name in "abc"], 10)
            assert await take(one) == "a b c"
            claims = [claim(f"f:{name}", LATE, lease=SECOND) for name in "ab"]
            assert await commit(one, *claims, claim("x", LATE, lease=SECOND)) == [1, 2, 3]
            assert await commit(one, extend("f:b", 2, 9 * SECOND)) == [3]
            share.elapse(SECOND)
            assert await take(two) == ""
            assert [each.run for each in await two.follow(3, 100)] == [1, 3]
            assert await two.take({"f": 9}, 100) == ([row("a", 10)._replace(look=0)], FOREVER)
            assert await commit(one, finish("f:a", 1)) == [Refused.LEASE_LOST]
            for version in (1, 2, NO_VERSION):
                await commit(one, rest("a", 900)._replace(version=version))
            assert len({each.holder for each in found(one, state=State.HELD)}) == 2
            assert await commit(one, finish("f:b", 2), rest("b", 900)) == [6, 6]
            await commit(two, rest("a", 800))
            assert {each.task: each.look for each in found(one)} == {
                "f:a": 800,
                "f:b": 900,
                "f:c": None,
            }

    asyncio.run(story())


def test_what_another_has_taken_meanwhile_is_not_released_with_a_run(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.schedule([planned("a", 10)], 10)
            assert await take(one) == "a"
            assert await commit(one, claim("f:a", LATE, lease=SECOND)) == [1]
            await one.let_go([])
            assert await take(two) == "a"
            share.elapse(SECOND)
            assert [each.run for each in await one.follow(1, 100)] == [1]
            assert (await take(one), names(found(two, state=State.HELD))) == ("", "a")
            await commit(two, rest("a", 800))
            assert [each.look for each in found(two)] == [800]

    asyncio.run(story())


def test_a_rest_of_no_version_lets_go_and_says_nothing(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a", 20)], 10)
            assert await take(store) == "a"
            assert await commit(store, rest("a", None)._replace(version=NO_VERSION)) == [0]
            assert found(store) == [row("a", 20)._replace(look=0)]

    asyncio.run(story())


@pytest.mark.parametrize("ends", ["close", "lose"])
def test_what_one_held_that_is_gone_is_due_at_once(share: Make, ends: str) -> None:
    async def story() -> None:
        async with opened(share()) as one:
            two = share()
            await two.open(10)
            await one.schedule([planned("a", 10)], 10)
            assert await take(two) == "a"
            if ends == "close":
                await two.close()
            else:
                share.lose(two)
            await one.follow(0, 100)
            ((again,), _) = await one.take({"f": 9}, 100)
            assert again == row("a", 10)._replace(look=0)
            if ends == "lose":
                await two.close()
            assert [each.holder is None for each in found(one)] == [False]

    asyncio.run(story())


def test_who_was_taken_for_gone_takes_as_one_that_is_there(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await one.schedule([planned("a"), planned("b", 20)], 10)
            assert await take(one, share=1) == "a"
            for lost in ("a", "b"):
                share.lose(one)
                await two.follow(0, 100)
                assert await take(two, share=1) == lost
                if lost == "a":
                    assert await take(one) == "b"
            assert await commit(one, rest("a", 300), rest("b", 300)) == [0, 0]
            assert names(found(two, state=State.HELD)) == "a b"

    asyncio.run(story())


def test_instances_that_take_at_once_get_different_tasks(share: Make) -> None:
    async def drain(store: Store, share: int) -> list[str]:
        found: list[str] = []
        while rows := (await store.take({"f": share}, 100))[0]:
            found += [each.task for each in rows]
        return found

    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two, opened(share()) as last:
            await one.schedule([planned(f"{n:04}") for n in range(1000)], 10)
            shares = await asyncio.gather(drain(one, 3), drain(two, 20), drain(last, 70))
            together = [task for share in shares for task in share]
            assert sorted(together) == [each.task for each in found(one)]

    asyncio.run(story())


def test_what_is_held_without_being_known_is_let_go_of(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned(name, 10) for name in "abc"], 10)
            await take(store)
            await store.let_go(["f:b", "f:none"])
            assert await take(store) == "a c"
            await store.let_go([])
            assert await take(store) == "a b c"

    asyncio.run(story())


def test_a_record_of_a_clock_that_is_ahead_wakes_now(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a")], 10)
            await take(store)
            await commit(store, rest("a", None, DONE))
            await happens(store, at=500)
            ((again,), _) = await store.take({"f": 9}, 100)
            assert again.look == 100

    asyncio.run(story())


def test_they_are_found_by_what_they_are(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned(name, 10 * n) for n, name in enumerate("abcdef")], 10)
            others = [
                Planned(f"{family}:a", family, "{}", "daily", 25, 1) for family in ("e", "f2", "g")
            ]
            await store.schedule(others, 10)
            await store.take({"f": 2}, 100)
            await commit(store, rest("a", None, DONE))

            def those(**wanted: object) -> str:
                return " ".join(each.task for each in found(store, **wanted))

            assert those(family="f") == "f:a f:b f:c f:d f:e f:f"
            assert those() == "e:a f2:a f:a f:b f:c f:d f:e f:f g:a"
            assert those(family="f", after="f:b", most=2) == "f:c f:d"
            assert those(after="f:f") == "g:a"
            assert those(tasks=("f:b", "g:a", "none")) == "f:b g:a"
            assert those(state=State.HELD) == "f:b"
            assert those(state=State.WAITING) == "f:a"
            assert those(state=State.SPENT) == ""
            assert those(state=State.DUE, now=25) == "e:a f2:a f:c g:a"
            assert those(state=State.SCHEDULED, now=25) == "f:d f:e f:f"
            assert those(since=30, until=50) == "f:d f:e"
            await commit(store, rest("b", None))
            assert those(state=State.SPENT, family="f") == "f:b"

    asyncio.run(story())


def test_in_memory_the_others_are_not_looked_at_for_some(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def matches(wanted: Wanted, row: Dynamic) -> bool:
        looked_at.append(row.task)
        return True

    monkeypatch.setattr(Wanted, "matches", matches)
    rows = Rows()
    rows.schedule([planned(name) for name in "abcdef"], 10, 0)
    assert names(rows.find(Wanted(tasks=("f:c", "f:b", "none")))) == "b c"
    assert sorted(looked_at) == ["f:b", "f:c"]


def test_names_may_have_any_sign(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            odd = ["a b", "'", "%", "_", "ü: {} ∑", '"', "\\", "a:b", "1"]
            await store.schedule([planned(name, 5) for name in odd], 10)
            all_of_them = {f"f:{name}": 1 for name in odd}
            assert await store.take({"f": 100}, 100, all_of_them) == ([], FOREVER)
            rows, _ = await store.take({"f": 100}, 100)
            assert sorted(each.task for each in rows) == sorted(f"f:{name}" for name in odd)
            reads = ((odd[0], "success"), (odd[4], "fail"))
            await commit(store, *(rest(name, None, *reads) for name in odd))
            await happens(store, Action.FAIL, odd[4])
            assert len((await store.take({"f": 100}, 100))[0]) == len(odd)
            assert names(found(store, tasks=("f:%",))) == "%"
            assert await store.unschedule([f"f:{odd[4]}"]) == {f"f:{odd[4]}"}

    asyncio.run(story())


def test_they_are_there_when_the_store_is_opened_again(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as store:
            await store.schedule([planned("a", 20)], 10)
            await take(store)
            await commit(store, rest("a", 200, DONE))
        async with opened(share(), 1000) as store:
            assert names(found(store)) == "a"
            await happens(store)
            assert await take(store) == "a"

    asyncio.run(story())


def test_nobody_is_woken_by_what_he_does_not_wait_for_any_more(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await store.schedule([planned("a")], 10)
            await take(store)
            await commit(store, rest("a", 20, DONE))
            await take(store)
            await commit(store, rest("a", 900))
            await happens(store)
            assert await next_look(store) == 900

    asyncio.run(story())
