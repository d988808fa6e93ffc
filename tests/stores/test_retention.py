"""What is dropped of a log when it is old, and what stays."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oncue.app.stores.dynamic import Planned
from oncue.app.stores.ledger import KEPT
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Missed, Query, Refused, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.app.stores.sweep import SWEPT
from oncue.engine.records import Action, Record
from oncue.tests.stores.conftest import Make, Postgres, Redis
from oncue.tests.stores.steps import LATE, claim, commit, finish, grow, log_of, opened, shown

ENDINGS = [action for action in Action if action is not Action.RUN]
TASKS = ("a", "b", "c")
KINDS = ("memory", "sqlite", "postgres", "redis")

Event = tuple[str, Action, int, int]
"""The task, what happens, how far the clock moves on (or back), and which of its live runs ends."""

events = st.lists(
    st.tuples(
        st.sampled_from(TASKS),
        st.sampled_from([Action.RUN, Action.RUN, *ENDINGS]),
        st.integers(-3, 10),
        st.integers(0, 3),
    ),
    max_size=40,
)
lookbacks = st.dictionaries(st.sampled_from(TASKS), st.integers(0, 250) | st.just(LATE))


New = Callable[[], AbstractContextManager[Store]]


@pytest.fixture(params=KINDS)
def new(request: pytest.FixtureRequest) -> New:
    """Makes empty stores of a kind."""
    if request.param in ("postgres", "redis"):
        return partial(emptied, request.getfixturevalue(request.param))
    return partial(made, request.param)


@contextmanager
def emptied(make: Postgres | Redis) -> Iterator[Store]:
    make.empty()
    yield make()


@contextmanager
def made(kind: str) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore()
        return
    with tempfile.TemporaryDirectory() as folder:
        yield SqliteStore(str(Path(folder) / "log.db"), synchronous="normal")


async def play(store: Store, log: list[Event]) -> None:
    live: dict[str, list[int]] = {task: [] for task in TASKS}
    now = 20
    for task, action, passed, which in log:
        now = max(0, now + passed)
        if action is Action.RUN:
            (run,) = await commit(store, claim(task, LATE, at=now))
            assert isinstance(run, int)
            live[task].append(run)
        elif live[task]:
            run = live[task].pop(which % len(live[task]))
            await commit(store, finish(task, run, action, now))


def needed(log: list[Record], lookback: dict[str, int]) -> set[int]:
    """What the protocol says of `load`, in its order."""
    ended = {record.run for record in log}
    found: set[int] = set()
    for task, since in lookback.items():
        own = [record for record in log if record.task == task]
        for action in Action:
            of_action = [record for record in own if record.action is action]
            found.update(record.seq for record in of_action[-1:])
            runs = [record.run for record in of_action if record.run]
            found.update([max(runs)] if runs else [])
        found.update(r.seq for r in own if r.action is Action.RUN and r.seq not in ended)
        found.update(r.seq for r in own if r.at >= since)
    found |= {record.run for record in log if record.seq in found and record.run}
    return found | {record.seq for record in log if record.run in found}


@given(log=events, lookback=lookbacks)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_load_is_what_the_protocol_says(
    new: New, log: list[Event], lookback: dict[str, int]
) -> None:
    async def story() -> None:
        with new() as store:
            async with opened(store):
                await play(store, log)
                whole = store.read(Query())
                position, loaded = await store.load(lookback)
                assert position == len(whole)
                assert {record.seq for record in loaded} == needed(whole, lookback)
                assert loaded == [record for record in whole if record in loaded]

    asyncio.run(story())


@given(
    log=events,
    lookback=lookbacks,
    before=st.integers(0, 300),
    most=st.sampled_from([1, 3, 1000]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_trimming_leaves_what_a_start_needs_and_drops_the_rest(
    new: New, log: list[Event], lookback: dict[str, int], before: int, most: int
) -> None:
    async def story() -> None:
        with new() as store:
            async with opened(store):
                await play(store, log)
                whole = store.read(Query())
                loaded = await store.load(lookback)
                everything = {task: lookback.get(task, LATE) for task in TASKS}
                dropped = 0
                while (found := await store.trim(before, lookback, most)) > 0:
                    assert found <= most
                    dropped += found
                assert await store.load(lookback) == loaded
                left = store.read(Query())
                stays = needed(whole, everything) | needed(whole, dict.fromkeys(TASKS, before))
                assert {record.seq for record in left} == stays
                assert dropped == len(whole) - len(left)
                assert await store.trim(before, lookback, most) == 0

    asyncio.run(story())


def test_the_oldest_go_first(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await grow(store, *[Action.SUCCESS] * 5)
            assert await store.trim(LATE, {}, 3) == 3
            assert log_of(store)[0] == "4 success of 3"
            assert await store.trim(LATE, {}, 100) == 5
            assert log_of(store) == ["9 run", "10 success of 9"]
            assert await commit(store, claim("a", LATE)) == [11]

    asyncio.run(story())


def test_what_is_live_stays(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, claim("a", LATE, lease=LATE), claim("a", LATE), claim("a", LATE))
            await commit(store, finish("a", 3))
            await grow(store, Action.SUCCESS)
            assert await store.trim(LATE, {}, 100) == 2
            assert log_of(store) == ["1 run", "2 run", "5 run", "6 success of 5"]
            assert await commit(store, finish("a", 1)) == [7]

    asyncio.run(story())


def test_old_missed_occurrences_are_forgotten(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await commit(store, *[Missed("a", at) for at in (40, 10, 30, 20)])
            assert await store.trim(40, {}, 2) == 2
            assert store.missed() == [Missed("a", 30), Missed("a", 40)]
            assert await store.trim(40, {"a": 0}, 2) == 1
            assert store.missed() == [Missed("a", 40)]

    asyncio.run(story())


def test_a_sweep_of_a_long_log_is_short_transactions(path: Path) -> None:
    """Whatever it keeps, it goes on to the end; each transaction deletes no more than it looks at,
    and none scans a table."""

    async def story() -> None:
        store = SqliteStore(str(path), synchronous="normal")
        async with opened(store):
            steps = [claim("kept", LATE, at=n) for n in range(3 * SWEPT)]
            runs = await store.commit(steps)
            await store.commit([finish("kept", int(str(run)), at=5) for run in runs])
            await grow(store, *[Action.SUCCESS] * 5, task="dropped")
            db = store._connection
            assert db is not None
            said: list[str] = []
            db.set_trace_callback(said.append)
            assert await store.trim(LATE, {"kept": 0}, 100) == 8
            db.set_trace_callback(None)
            assert said.count("COMMIT") == 8  # of 6,010 records, and a last look
            plans = [db.execute(f"EXPLAIN QUERY PLAN {each}").fetchall() for each in said]
            scans = {step for plan in plans for *_, step in plan if step.startswith("SCAN")}
            assert scans <= {"SCAN lease", "SCAN CONSTANT ROW", "SCAN missed"}

    asyncio.run(story())


def test_a_log_in_memory_keeps_the_newest_and_what_a_start_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        monkeypatch.setattr("oncue.app.stores.ledger.KEPT", 10)
        async with opened(MemoryStore()) as store:
            await commit(store, claim("live", LATE))
            await grow(store, Action.FAIL, *[Action.SUCCESS] * 30)
            seqs = [record.seq for record in store.read(Query())]
            newest = seqs[-1]
            assert newest == 63
            assert {1, 2, 3} < {*seqs}  # the live run, and the latest failure with its run
            assert {*range(newest - 9, newest + 1)} < {*seqs}
            assert len(seqs) < 20 + 3

    assert KEPT == 100_000
    asyncio.run(story())


def test_of_a_dynamic_task_that_is_gone_nothing_stays(make: Make) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            names = ["f:gone", "f:there", "f:live", "g:gone"]
            await store.schedule([Planned(n, n[0], "{}", "daily", 0, 1) for n in names], 10)
            for name in names:
                await grow(store, Action.SUCCESS, Action.FAIL, task=name)
            (live,) = await commit(store, claim("f:live", LATE))
            await store.unschedule(["f:gone", "f:live", "g:gone"])
            assert await store.trim(LATE, {}, 100) == 0  # nobody knows that it is dynamic
            await store.take({"f": 1}, 0)
            assert await store.trim(LATE, {}, 100) == 4
            assert {r.task for r in store.read(Query())} == {"f:there", "f:live", "g:gone"}
            assert await store.trim(LATE, {"f:gone": 0}, 100) == 0
            assert isinstance(live, int)
            await commit(store, finish("f:live", live))
            await grow(store, Action.SUCCESS, task="f:there")
            assert await store.trim(LATE, {}, 100) == 8
            assert {r.task for r in store.read(Query())} == {"f:there", "g:gone"}
            await store.load({"f:gone": LATE, "f:live": LATE})
            await grow(store, Action.SUCCESS, task="f:gone")
            assert len((await store.load({"f:gone": LATE}))[1]) == 2

    asyncio.run(story())


def test_numbers_never_go_back_whatever_was_dropped(make: Make) -> None:
    """Nor when the store is closed, opened again and trimmed again."""

    async def story() -> None:
        store = make()
        async with opened(store):
            await grow(store, Action.SUCCESS, Action.FAIL, task="f:gone")
            await store.take({"f": 1}, 0)
            await store.trim(LATE, {}, 100)
            left = log_of(store)
            assert left in ([], ["3 run", "4 fail of 3"])
            assert await store.trim(LATE, {}, 100) == 0
            assert (await store.load({}))[0] == 4
        async with opened(store):
            await store.take({"f": 1}, 0)
            assert await store.trim(LATE, {}, 100) == 0
            assert await commit(store, claim("f:gone", 4), claim("b", 4)) == [5, 6]
            await commit(store, finish("f:gone", 5), finish("b", 6))
            await store.trim(LATE, {}, 100)
            assert log_of(store) == ["6 run", "8 success of 6"]  # what ended earlier has gone

    asyncio.run(story())


def test_a_claim_from_before_all_was_dropped_is_refused_for_what_came_after(share: Make) -> None:
    async def story() -> None:
        async with opened(share()) as one, opened(share()) as two:
            await grow(one, Action.SUCCESS, task="f:gone")
            await one.take({"f": 1}, 0)
            await one.trim(LATE, {}, 100)
            assert await commit(two, claim("a", 2)) == [3]
            assert await commit(one, claim("a", 2)) == [Refused.NEWER]
            assert shown(await one.follow(2, 0)) == ["3 run"]

    asyncio.run(story())


def test_a_log_in_memory_is_bounded_however_many_dynamic_tasks_there_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        monkeypatch.setattr("oncue.app.stores.ledger.KEPT", 100)
        async with opened(MemoryStore()) as store:
            await store.take({"f": 1}, 0)
            for number in range(2000):
                await store.schedule([Planned(f"f:{number}", "f", "{}", "daily", LATE, 1)], 10)
                await store.load({f"f:{number}": LATE})
                await grow(store, Action.SUCCESS, task=f"f:{number}")
                await store.unschedule([f"f:{number}"])
            assert store.count(Query()) < 300

    asyncio.run(story())
