"""Dynamic tasks of whole apps: scheduled, run, changed and removed while the app lives."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import pytest

from oncue import App, AppContext, ConditionSyntaxError, Context
from oncue.app import dynamic
from oncue.app.errors import DefinitionError, StoreError
from oncue.app.stores import store_at
from oncue.app.stores.dynamic import Awaited, Wanted
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import NOWHERE, Claim, Query, Store
from oncue.conds.durations import Duration
from oncue.engine.civil import FOREVER, from_datetime, to_datetime, zone
from oncue.engine.records import Action, Record
from oncue.tests.durability.hooked import HookedStore

LIMIT = 30  # seconds; nothing here takes long
PAST = datetime(2026, 3, 1)
FAR = datetime(2100, 1, 1)
UTC_ZONE = zone("UTC")


class Hands:
    """A clock that is put on by hand, and goes on by itself from there."""

    def __init__(self, at: str) -> None:
        self.set(at)

    def set(self, at: str) -> None:
        instant = from_datetime(datetime.fromisoformat(at), UTC_ZONE)
        self._base = instant - time.monotonic_ns() // 1000

    def now(self) -> int:
        return self._base + time.monotonic_ns() // 1000


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_at(None if request.param == "memory" else tmp_path / "log.db")


class Seen:
    """The runs of a family, which end what waits for so many."""

    def __init__(self) -> None:
        self.runs: list[Context] = []
        self.begun = asyncio.Event()

    @property
    def names(self) -> str:
        return " ".join(sorted(context.task.name for context in self.runs))

    def counted(self) -> Counter[str]:
        return Counter(context.task.name for context in self.runs)

    def add(self, context: Context) -> None:
        self.runs.append(context)
        self.begun.set()

    async def after(self, count: int) -> None:
        while len(self.runs) < count:
            self.begun.clear()
            await self.begun.wait()


def family(app: App, name: str = "f", **options: Any) -> tuple[Any, Seen]:
    seen = Seen()

    @app.dynamic_task(name=name, **options)
    async def function(context: Context) -> None:
        seen.add(context)

    return function, seen


def live(app: App, story: Callable[[AppContext], Awaitable[None]]) -> None:
    """The app runs beside the story, and ends with it."""

    async def both() -> None:
        async with app.create() as context:
            running = asyncio.create_task(context.run())
            while app.session.life is None and not running.done():
                await asyncio.sleep(0)
            try:
                await story(context)
                await settled(app)
            finally:
                context.shutdown()
                await running

    asyncio.run(asyncio.wait_for(both(), LIMIT))


async def settled(app: App) -> None:
    """Nothing of the dynamic tasks is left to do now."""
    life = app.session.life
    assert life is not None
    while True:
        dynamic = life.dynamic
        waiting = not dynamic.at_rest or dynamic.look_at <= app.session.clock.now()
        if not (waiting or life.runs.any_ended or life.runs.live):
            return
        await asyncio.sleep(0.001)


def starts(store: Store, task: str) -> list[str]:
    """When the runs of a task were scheduled."""
    runs = store.read(Query(tasks=(task,), actions=(Action.RUN,)))
    return [f"{to_datetime(run.logical, UTC_ZONE):%d %H:%M:%S}" for run in runs]


# --- how they start -------------------------------------------------------------------


def test_each_way_to_say_when(store: Store) -> None:
    clock = Hands("2026-03-10 10:20")
    app = App(store, clock=clock, timezone="UTC")
    remind, seen = family(app)
    app.schedule_task(remind, "once", execute_at="2026-03-10 10:30", a=1, b=[2])
    app.schedule_task(remind, "over", execute_at=PAST)
    app.schedule_task(remind, "cron", schedule="30 10 * * *")
    app.schedule_task(remind, "pace", interval="1 h", args={"interval": 5})
    app.schedule_task(remind, "text", start_cond="daily after 10:00")
    app.schedule_task(remind, "zone", execute_at="2026-03-10 11:30", timezone="Europe/Berlin")
    app.schedule_task(remind, "later", execute_at="2026-03-10 11:31")
    clock.set("2026-03-10 10:29:59.8")

    async def story(context: AppContext) -> None:
        await seen.after(6)

    live(app, story)
    assert seen.names == "cron once over pace text zone"
    found = {each.task.name: each for each in seen.runs}
    assert found["once"].args == {"a": 1, "b": [2]}
    assert found["pace"].args == {"interval": 5}
    for name in ("once", "cron", "zone"):
        assert found[name].scheduled_at == datetime(2026, 3, 10, 10, 30, tzinfo=UTC)
    assert str(found["zone"].scheduled_at.tzinfo) == "Europe/Berlin"
    once = found["once"]
    assert (once.task.family, once.task.key) == (remind, "f:once")
    assert once.lease.duration == Duration.of(60)
    assert (str(once.task.start_cond), once.attempt) == ("once at 2026-03-10 10:30", 0)
    assert starts(store, "f:cron") == ["10 10:30:00"]
    left = " ".join(each.name for each in app.list_tasks().tasks)
    assert left == "cron later pace text"  # what came once is removed after its success


def test_a_task_waits_for_records_of_others() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)

    @app.task(name="extract", execution="main")
    def extract() -> None: ...

    async def story(context: AppContext) -> None:
        both = "after tasks 'extract', 'f:first'"
        await context.schedule_task(remind, "after", start_cond="after task 'extract'")
        await context.schedule_task(remind, "both", start_cond=both)
        await context.schedule_task(remind, "never", start_cond="after task 'extract' failed")
        await settled(app)
        assert {each.name: each.state for each in (await context.list_tasks()).tasks} == {
            "after": "waiting",
            "both": "waiting",
            "never": "waiting",
        }
        assert seen.names == ""
        app["extract"].run()
        await seen.after(1)
        await settled(app)
        assert seen.names == "after"
        await context.schedule_task(remind, "first", execute_at=PAST)
        await seen.after(3)
        app["extract"].run()
        await seen.after(4)

    live(app, story)
    assert seen.names == "after after both first"


@pytest.mark.parametrize("lives", [1, 2])
def test_other_conditions_read_what_dynamic_tasks_do(
    store: Store, lives: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In the life in which they ran, and in one in which they do not."""
    for number in range(lives):
        app = App(store, timezone="UTC", shut_cond="task 'f:a' has succeeded & after task 'f:a'")
        remind, _ = family(app)
        app.task("after task 'f:a'", func=lambda: None, name="next", execution="main")
        app.schedule_task(remind, "a", start_cond="daily")
        if number + 1 == lives:
            asyncio.run(asyncio.wait_for(app.serve(), LIMIT))
        else:
            live(app, done)
    assert "f:a" not in caplog.text


async def done(context: AppContext) -> None:
    """Nothing more."""


def test_a_family_may_come_later_than_who_waits_for_its_tasks() -> None:
    app = App(timezone="UTC")
    ran = asyncio.Event()

    @app.task("after task 'f:a'")
    async def next_() -> None:
        ran.set()

    async def story(context: AppContext) -> None:
        remind, seen = family(app)
        await context.schedule_task(remind, "a", execute_at=PAST)
        await ran.wait()

    live(app, story)


def test_a_start_by_a_record_is_at_its_instant() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)
    app.task(name="extract", func=lambda: None, execution="main")

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="after task 'extract'")
        await settled(app)
        await asyncio.sleep(0.05)
        app["extract"].run()
        await seen.after(1)

    live(app, story)
    ended = app["extract"].last_success
    assert ended is not None
    assert ended <= seen.runs[0].scheduled_at < ended + timedelta(seconds=1)


def test_a_task_waits_for_a_parameter() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="daily & env 'prod'")
        await context.schedule_task(remind, "b", start_cond="daily & param 'x' is 'y'")
        await settled(app)
        app.session.env = "prod"
        await seen.after(1)
        app.session.parameters["x"] = "y"
        await seen.after(2)

    live(app, story)
    assert seen.names == "a b"


def test_another_life_may_have_other_parameters(store: Store) -> None:
    ran: list[str] = []
    for value in ("test", "prod", "prod"):
        app = App(store, timezone="UTC")
        app.session.env = value
        remind, seen = family(app)

        async def story(context: AppContext, remind: Any = remind) -> None:
            await context.schedule_task(remind, "a", start_cond="daily & env 'prod'")
            await context.schedule_task(
                remind, "b", start_cond="daily & scheduler started 1 hour ago & env 'prod'"
            )

        live(app, story)
        ran.append(seen.names)
    assert ran == ["", "a b", ""]


def test_a_task_waits_for_one_that_is_not_defined_yet() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="after task 'later'")
        await settled(app)
        app.task(name="later", func=lambda: None, execution="main").run()
        await seen.after(1)

    live(app, story)


def test_a_name_of_no_task_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    app = App(timezone="UTC")
    remind, _ = family(app)
    app.task(name="extract", func=lambda: None)
    with pytest.raises(DefinitionError):
        app.schedule_tasks(remind, {"a": {"start_cond": "after task 'extarct'"}, "b": {}})
    assert caplog.messages == []  # nothing was scheduled
    wait = "daily & after tasks 'extract', 'extarct', 'f:any'"
    app.schedule_tasks(remind, {str(n): {"start_cond": wait} for n in range(3)})
    app.schedule_task(remind, "a", start_cond="after task 'extarct'")
    assert caplog.messages == ["task f:0: no task is called 'extarct': 'extract'?"]
    app.schedule_tasks(remind, {str(n): {"start_cond": f"after task 'g:{n}'"} for n in range(3)})
    assert caplog.messages[1:] == ["task f:0: no task is called 'g:0'"]  # a family of another app
    app.schedule_tasks(remind, {str(n): {"start_cond": f"after task '{n}'"} for n in range(200)})
    assert len(caplog.messages) == 100


def test_a_safe_condition_of_ones_own_may_be_asked() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)
    open_ = threading.Event()

    @app.cond("gate {number:int} is open", every="10 ms", safe=True)
    def gate(number: int) -> bool:
        return number == 7 and open_.is_set()

    @app.cond("unsafe")
    def unsafe() -> bool:
        return True

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="daily & gate 7 is open")
        await context.schedule_task(remind, "b", start_cond="daily & gate 8 is open")
        with pytest.raises(DefinitionError, match="'unsafe' asks a function"):
            await context.schedule_task(remind, "c", start_cond="daily & unsafe")
        with pytest.raises(DefinitionError, match="asks a function"):
            await context.schedule_task(remind, "c", start_cond=gate(7))
        await asyncio.sleep(0.05)
        assert seen.names == ""
        open_.set()
        await seen.after(1)

    live(app, story)
    assert seen.names == "a"


# --- in time --------------------------------------------------------------------------


def lives(
    store: Store, clock: Hands, *times: str, begin: dict[str, Any], **options: Any
) -> list[Seen]:
    """One life of an app at each time: the first schedules the task `a`."""
    found: list[Seen] = []
    for number, at in enumerate(times):
        clock.set(at)
        app = App(store, clock=clock, timezone="UTC")
        remind, seen = family(app, **options)

        async def story(context: AppContext, number: int = number, remind: Any = remind) -> None:
            if not number:
                await context.schedule_task(remind, "a", **begin)

        live(app, story)
        found.append(seen)
    return found


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ({"catch_up": "skip"}, []),
        ({}, ["10 10:00:00"]),
        ({"catch_up": "all"}, ["10 08:00:00", "10 09:00:00", "10 10:00:00"]),
        ({"catch_up": "all", "max_lateness": "2 hours"}, ["10 09:00:00", "10 10:00:00"]),
    ],
)
def test_a_later_life_catches_up(store: Store, options: dict[str, Any], runs: list[str]) -> None:
    begin = {"schedule": "0 7-23 * * *"}
    clock = Hands("2026-03-10 07:30")
    lives(store, clock, "2026-03-10 07:30", "2026-03-10 10:40", begin=begin, **options)
    assert starts(store, "f:a") == runs
    missed = {to_datetime(each.scheduled_at, UTC_ZONE) for each in store.missed()}
    all_of_them = {datetime(2026, 3, 10, hour, tzinfo=UTC) for hour in (8, 9, 10)}
    assert missed == {each for each in all_of_them if f"{each:%d %H:%M:%S}" not in runs}


@pytest.mark.parametrize(("count", "runs"), [("at least", ["10 10:20:50"]), ("at most", [])])
def test_what_was_missed_is_decided_by_what_others_had_done_by_then(
    store: Store, count: str, runs: list[str]
) -> None:
    clock = Hands("2026-03-10 10:20:10")
    condition = f"minutely after 00:50 & task 'g:x' has succeeded {count} 2 times this minute"

    def app_of(*names: str) -> tuple[App, list[Seen]]:
        app = App(store, clock=clock, timezone="UTC")
        return app, [family(app, name, catch_up="once")[1] for name in names]

    async def waiting(context: AppContext) -> None:
        await context.schedule_task("f", "a", start_cond=condition)

    async def working(context: AppContext) -> None:
        await context.schedule_task("g", "x", interval="10 ms")
        await seen.after(4)
        await context.unschedule_task("g", "x")

    async def coming_back(context: AppContext) -> None:
        await settled(app)

    app, _ = app_of("f", "g")
    live(app, waiting)
    clock.set("2026-03-10 10:20:40")
    app, (seen,) = app_of("g")
    live(app, working)
    clock.set("2026-03-10 10:21:15")
    app, _ = app_of("f", "g")
    live(app, coming_back)
    assert starts(store, "f:a") == runs


def test_a_condition_is_not_caught_up_with_unless_it_is_said(store: Store) -> None:
    begin = {"start_cond": "daily before 09:00"}
    times = "2026-03-10 10:00", "2026-03-11 10:00", "2026-03-12 08:30"
    lives(store, Hands(times[0]), *times, begin=begin)
    assert starts(store, "f:a") == ["12 00:00:00"]


async def put(app: App, clock: Hands, at: str) -> None:
    """The clock says so now, and the app has noticed."""
    clock.set(at)
    life, now = app.session.life, clock.now()
    assert life is not None
    turned = life.turned
    life.call(lambda: None)
    while life.turned == turned or not now <= life.agenda.logical < now + 60_000_000:
        await asyncio.sleep(0)
    await settled(app)


BACK = "10:00", "11:00:10", "11:30:10", "12:00:10", "13:10", "14:00:10"
BACK_TWICE = "10:00", "11:00:10", "11:30", "10:30", "11:20", "12:00:10", "13:10", "14:00:10"


@pytest.mark.parametrize(
    ("begin", "times"),
    [
        ({"start_cond": "daily between 11:00 and 12:00"}, BACK_TWICE),
        ({"start_cond": "daily between 11:00 and 12:00 & after task 'other'"}, BACK_TWICE),
        ({"start_cond": "daily"}, BACK_TWICE),
        ({"start_cond": "has not succeeded today"}, BACK_TWICE),
        ({"schedule": "0 11,13 * * *"}, BACK_TWICE),
        ({"execute_at": datetime(2026, 3, 2, 12, 30)}, BACK_TWICE),
        ({"execute_at": datetime(2026, 3, 2, 14)}, BACK_TWICE),
        ({"start_cond": "every 30 min"}, BACK),
        ({"interval": "1 hour"}, BACK),
    ],
)
def test_when_the_clock_is_set_back_it_does_what_other_tasks_do(
    store: Store, begin: dict[str, Any], times: tuple[str, ...]
) -> None:
    clock = Hands("2026-03-02 13:00")
    app = App(store, clock=clock, timezone="UTC")
    remind, _ = family(app)
    app.task("hourly", name="other", func=lambda: None, execution="async")
    app.task(name="same", func=lambda: None, execution="async", **begin)

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", **begin)
        await settled(app)
        for at in times:
            await put(app, clock, f"2026-03-02 {at}")

    live(app, story)
    assert starts(store, "f:a") == starts(store, "same") != []


def test_a_life_that_begins_before_the_latest_has_ended_looks_again(store: Store) -> None:
    begin = {"start_cond": "daily between 11:00 and 12:00"}
    times = "2026-03-02 13:00", "2026-03-02 10:00", "2026-03-02 11:30", "2026-03-02 11:10"
    lives(store, Hands(times[0]), *times, begin=begin)
    assert [each[:5] for each in starts(store, "f:a")] == ["02 11"]


def test_what_the_last_other_held_is_looked_for_as_soon_as_that_is_gone() -> None:
    ledger = Ledger()
    app = App(clock=Hands("2026-03-10 10:00"), timezone="UTC")
    app.session.store = MemoryStore(ledger)
    remind, _ = family(app)
    other = MemoryStore(ledger)

    async def story(context: AppContext) -> None:
        await other.open(0)
        await context.schedule_task(remind, "a", execute_at=FAR)
        rows, _ = await other.take({"f": 1}, from_datetime(FAR, UTC_ZONE))
        assert len(rows) == 1
        life = app.session.life
        assert life is not None
        life.journal.notice(NOWHERE)  # so that it knows of the other
        life._wake()
        await asyncio.sleep(0.05)
        ledger.lose(other.id)
        while other.id in ledger.instances:
            await asyncio.sleep(0)
        assert life.journal.wake_at <= app.session.clock.now()

    live(app, story)


def test_what_failed_is_retried_before_what_else_is_caught_up_with(store: Store) -> None:
    app = App(store, clock=Hands("2026-03-10 07:30"), timezone="UTC")
    app.schedule_task(family(app)[0], "a", schedule="0 7-10 * * *")
    app = App(store, clock=Hands("2026-03-10 10:40"), timezone="UTC")
    begun: list[datetime] = []
    enough = asyncio.Event()

    @app.dynamic_task(name="f", catch_up="all", failure_mode="unlock")
    async def function(context: Context) -> None:
        begun.append(context.scheduled_at)
        if len(begun) == 4:
            enough.set()
        if len(begun) == 1:
            raise ValueError("once")

    async def story(context: AppContext) -> None:
        await enough.wait()

    live(app, story)
    assert [each.hour for each in begun] == [8, 8, 9, 10]


def test_an_interval_keeps_its_pace(store: Store) -> None:
    times = "2026-03-10 10:00", "2026-03-10 11:30:10", "2026-03-10 11:30:20"
    lives(store, Hands(times[0]), *times, begin={"interval": "30 min"})
    first, later = starts(store, "f:a")
    assert (first[3:8], later[3:8]) == ("10:00", "11:30")
    assert first[9:] == later[9:]  # the seconds


@pytest.mark.parametrize(
    ("options", "runs"),
    [
        ({"lease_duration": "1 second"}, 2),  # when that has ended
        ({"failure_mode": "unlock"}, 2),
        ({"failure_mode": "commit"}, 1),
        ({"execution_mode": "at_most_once"}, 1),
    ],
)
def test_what_fails_is_retried_as_its_mode_says(
    store: Store, options: dict[str, Any], runs: int
) -> None:
    app = App(store, timezone="UTC")
    begun: list[datetime] = []
    retried = asyncio.Event()

    @app.dynamic_task(name="f", **options)
    async def function(context: Context) -> None:
        begun.append(context.scheduled_at)
        if len(begun) == runs:
            retried.set()
        if len(begun) == 1:
            raise ValueError("once")

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", execute_at=PAST)
        await retried.wait()
        await settled(app)
        state = None if runs == 2 else "spent"
        found = await context.get_task("f", "a")
        assert (found and found.state) == state

    live(app, story)
    assert len(begun) == runs
    assert len(set(begun)) == 1


def test_the_wait_after_failures_grows_over_loads() -> None:
    app = App(timezone="UTC")
    begun: list[float] = []
    enough = asyncio.Event()

    @app.dynamic_task(name="f", failure_mode="unlock")
    async def function(context: Context) -> None:
        begun.append(time.monotonic())
        if len(begun) == 3:
            enough.set()
        raise ValueError

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", interval="1 day")
        await enough.wait()

    live(app, story)
    first, second = begun[1] - begun[0], begun[2] - begun[1]
    assert 0.9 < first < 1.9 < second


@pytest.mark.parametrize(("overlap", "most"), [("skip", 1), ("queue", 1), ("allow", 2)])
def test_what_comes_due_while_it_runs(overlap: str, most: int) -> None:
    app = App(timezone="UTC")
    live_now = peak = 0
    runs = 0
    enough = asyncio.Event()

    @app.dynamic_task(name="f", overlap=overlap)
    async def function(context: Context) -> None:
        nonlocal live_now, peak, runs
        live_now, runs = live_now + 1, runs + 1
        peak = max(peak, live_now)
        if runs == 4:
            enough.set()
        await asyncio.sleep(0.15)
        live_now -= 1

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", interval="100 ms")
        await enough.wait()
        await context.unschedule_task("f", "a")
        while app.session._life.runs.live:  # type: ignore[union-attr]
            await asyncio.sleep(0.001)

    live(app, story)
    assert peak == most


def test_what_comes_due_while_a_failed_run_is_owed_waits_in_its_queue(store: Store) -> None:
    app = App(store, timezone="UTC")
    begun: list[datetime] = []
    enough = asyncio.Event()

    @app.dynamic_task(name="f", overlap="queue", failure_mode="unlock")
    async def function(context: Context) -> None:
        begun.append(context.scheduled_at)
        if len(begun) == 1:
            raise ValueError("once")  # a second later it is tried again
        if len(begun) == 2:
            await asyncio.sleep(0.5)
        if len(begun) == 6:
            enough.set()

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", interval="300 ms")
        await enough.wait()

    live(app, story)
    assert [moment - begun[0] for moment in begun[:6]] == [
        n * timedelta(milliseconds=300) for n in (0, 0, 1, 2, 3, 4)
    ]


def test_a_run_that_takes_too_long_is_ended(store: Store) -> None:
    app = App(store, timezone="UTC")

    @app.dynamic_task(name="f", timeout="50 ms")
    async def function(context: Context) -> None:
        await asyncio.sleep(LIMIT)

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", execute_at=PAST)

    live(app, story)
    assert [str(each.action) for each in store.read(Query())] == ["run", "terminate"]


@pytest.mark.parametrize("execution", ["main", "thread", "process"])
def test_every_execution(execution: str, tmp_path: Path) -> None:
    app = App(tmp_path / "log.db", timezone="UTC")
    app.dynamic_task(name="f", execution=execution)(writes)

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", execute_at=PAST, path=str(tmp_path / "out"))

    live(app, story)
    assert (tmp_path / "out").read_text() == "a"


def writes(context: Context) -> None:
    Path(context.args["path"]).write_text(context.task.name)


# --- changed and removed --------------------------------------------------------------


def test_changed_in_place_it_keeps_what_it_has_done(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="daily", x=1)
        await seen.after(1)
        await context.schedule_task(remind, "a", start_cond="daily", x=2)
        await settled(app)
        assert len(seen.runs) == 1
        assert (await context.get_task(remind, "a")).args == {"x": 2}
        await context.schedule_task(remind, "a", start_cond="daily | has succeeded today", x=3)
        await seen.after(2)
        await context.unschedule_task(remind, "a")

    live(app, story)
    assert [each.args for each in seen.runs][:2] == [{"x": 1}, {"x": 3}]


@pytest.mark.parametrize("whose", ["app", "family"])
def test_the_same_words_in_another_zone_are_another_time(store: Store, whose: str) -> None:
    clock = Hands("2026-03-10 11:00")
    for zone_name in ("UTC", "Asia/Tokyo"):
        said: dict[str, Any] = {"timezone": zone_name}
        app = App(store, clock=clock, **(said if whose == "app" else {"timezone": "UTC"}))
        remind, seen = family(app, **(said if whose == "family" else {}))
        app.schedule_task(remind, "a", schedule="0 22 * * *")

    async def story(context: AppContext) -> None:
        await settled(app)
        assert not seen.runs
        await put(app, clock, "2026-03-10 13:00")
        await seen.after(1)

    live(app, story)
    assert starts(store, "f:a") == ["10 13:00:00"]


def test_what_its_own_log_makes_true_is_not_refused(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="daily")
        await seen.after(1)
        await settled(app)
        await context.schedule_task(remind, "a", start_cond="has succeeded today")
        await seen.after(2)
        await context.unschedule_task(remind, "a")
        for never_yet in ("is running", "retry 2 times", "has failed & ~has succeeded"):
            await context.schedule_task(remind, "b", start_cond=never_yet)
            await settled(app)
            assert (await context.get_task(remind, "b")).state == "spent"

    live(app, story)
    assert "b" not in seen.names


def test_changed_while_it_runs_it_goes_on_as_it_was_and_then_as_it_is(store: Store) -> None:
    app = App(store, timezone="UTC")
    seen: list[int] = []
    begun, goes_on, again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @app.dynamic_task(name="f")
    async def function(context: Context) -> None:
        seen.append(context.args["x"])
        begun.set()
        await goes_on.wait()
        if len(seen) == 2:
            again.set()

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", start_cond="daily", x=1)
        await begun.wait()
        found = await context.get_task("f", "a")
        assert (found.state, found.held_by.own) == ("held", True)
        await context.schedule_task("f", "a", interval="1 h", x=2)
        goes_on.set()
        await settled(app)
        assert len(seen) == 1  # an interval is measured from the latest run
        await context.schedule_task("f", "a", interval="1 ms", x=3)
        await again.wait()
        assert await context.unschedule_task("f", "a")

    live(app, story)
    assert seen[:2] == [1, 3]


def test_changed_between_being_taken_and_claimed_it_is_taken_again_at_once() -> None:
    inner = MemoryStore()
    changed = asyncio.Event()

    async def change(call: str) -> None:
        if call == "take" and inner.dynamic(Wanted()) and not changed.is_set():
            changed.set()
            await app.schedule_task(remind, "a", execute_at=PAST, x=2)

    app = App(cast(Store, HookedStore(inner, after=change)), timezone="UTC")
    remind, seen = family(app)

    async def story(context: AppContext) -> None:
        began = time.monotonic()
        await context.schedule_task(remind, "a", execute_at=PAST, x=1)
        await seen.after(1)
        assert time.monotonic() - began < inner.patience / 2_000_000

    live(app, story)
    assert [each.args for each in seen.runs] == [{"x": 2}]


def test_scheduled_again_it_begins_anew(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)
    condition = "daily & ~has succeeded"

    async def story(context: AppContext) -> None:
        for number in range(1, 4):
            await context.schedule_task(remind, "a", start_cond=condition)
            await seen.after(number)
            await settled(app)
            assert await context.unschedule_task(remind, "a") is True
        assert await context.unschedule_task(remind, "a") is False
        assert await context.get_task(remind, "a") is None

    live(app, story)
    assert len(seen.runs) == len(starts(store, "f:a")) == 3


def test_what_a_run_asks_of_its_task_is_not_done_to_another_of_that_name() -> None:
    app = App()
    app.task("never", func=writes, name="a")
    refusals: list[str] = []

    @app.dynamic_task()
    async def f(context: Context) -> None:
        task = context.task
        app["a"].run()

        def disable() -> None:
            task.enabled = False

        for act in (task.run, task.force, task.delete, disable):
            with pytest.raises(DefinitionError) as caught:
                act()
            refusals.append(str(caught.value))
        assert "a" in app and app["a"].enabled and len(app["a"].requests) == 1
        task.terminate()
        assert len(app["a"].requests) == 1
        context.app_context.shutdown()

    app.schedule_task(f, "a", interval="1 day")
    app.run()
    assert refusals == [
        "'f:a' is a dynamic task; schedule_task says when it starts",
        "'f:a' is a dynamic task; schedule_task says when it starts",
        "'f:a' is a dynamic task; unschedule_task removes it",
        "enabled of 'f:a' cannot be assigned; schedule_task changes a dynamic task, and what is "
        "assigned to its family all its tasks",
    ]


def test_changed_in_place_while_it_runs_it_keeps_what_waits_in_its_queue(store: Store) -> None:
    app = App(store, timezone="UTC")
    seen = Seen()

    @app.dynamic_task(name="f", overlap="queue")
    async def function(context: Context) -> None:
        seen.add(context)
        await asyncio.sleep(0.25)

    app.schedule_task("f", "a", interval="0.1 s")
    time.sleep(0.01)  # the app begins later

    async def story(context: AppContext) -> None:
        await seen.after(2)
        await asyncio.sleep(0.15)  # more come due
        await context.schedule_task("f", "a", interval="0.1 s", text="new")
        await seen.after(5)
        await context.unschedule_task("f", "a")

    live(app, story)
    dates = [context.scheduled_at for context in seen.runs]
    assert {later - one for one, later in pairwise(dates)} == {timedelta(seconds=0.1)}
    assert [context.args.get("text") for context in seen.runs[:5]] == [None, None, *3 * ["new"]]


@pytest.mark.parametrize("execution", ["async", "thread"])
def test_a_run_may_ask_what_its_task_is_about(store: Store, execution: str) -> None:
    app = App(store, clock=Hands("2026-03-10 10:00"), timezone="UTC")
    app.task("never", func=writes, name="a")
    told: list[str] = []
    tasks: list[Any] = []

    def look(context: Context) -> None:
        task = context.task
        for found in (task.explain(), app.explain(task)):
            told.append(str(found))
        assert (task.status, task.is_running, task.n_alive) == ("run", True, 1)
        assert task.last_run.date() == context.scheduled_at.date()
        assert (task.last_success, task.last_fail, task.requests) == (None, None, [])
        assert task.next_due == datetime(2026, 3, 11, tzinfo=UTC)
        assert [each.run_id for each in task.live_runs] == [context.run_id]
        assert [each.action for each in task.logger.filter_by().all()] == ["run"]
        with pytest.raises(KeyError, match="there is no task 'f:a'"):
            app[task]
        tasks.append(task)

    async def look_on_the_loop(context: Context) -> None:
        look(context)

    app.dynamic_task(name="f")(look if execution == "thread" else look_on_the_loop)
    app.schedule_task("f", "a", start_cond="daily")
    live(app, done)
    assert len(told) == 2
    assert all("✗ daily" in each and "it is running, since 2026-03-10" in each for each in told)
    (task,) = tasks
    assert "✗ daily" in str(task.explain())
    app.unschedule_task("f", "a")
    with pytest.raises(KeyError, match="there is no task 'f:a'"):
        task.explain()


def test_unscheduled_while_it_runs_it_ends_and_starts_no_more(store: Store) -> None:
    app = App(store, timezone="UTC")
    begun, goes_on = asyncio.Event(), asyncio.Event()

    @app.dynamic_task(name="f")
    async def function(context: Context) -> None:
        begun.set()
        await goes_on.wait()

    async def story(context: AppContext) -> None:
        await context.schedule_task("f", "a", interval="1 ms")
        await begun.wait()
        assert await context.unschedule_task("f", "a")
        goes_on.set()

    live(app, story)
    assert [str(each.action) for each in store.read(Query())] == ["run", "success"]


def test_of_two_that_schedule_the_same_name_one_wins_whole(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, _ = family(app)

    async def story(context: AppContext) -> None:
        async def schedule(number: int) -> None:
            await context.schedule_task(remind, "a", interval=f"{number + 1} h", number=number)

        await asyncio.gather(*(schedule(number) for number in range(20)))
        found = await context.get_task(remind, "a")
        assert Duration.of(found.interval) == Duration.of(3600 * (found.args["number"] + 1))

    live(app, story)


@pytest.mark.parametrize("runs", [False, True])
def test_what_is_asked_for_in_turn_is_done_in_turn(store: Store, runs: bool) -> None:
    app = App(store, timezone="UTC")
    remind, _ = family(app)

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", interval="1 h")
        gone, _ = await asyncio.gather(
            context.unschedule_task(remind, "a"),
            context.schedule_task(remind, "a", interval="2 h"),
        )
        assert gone
        assert (await context.get_task(remind, "a")).interval == "2 hours"
        _, gone = await asyncio.gather(
            context.schedule_task(remind, "b", interval="1 h"),
            context.unschedule_task(remind, "b"),
        )
        assert gone
        assert await context.get_task(remind, "b") is None

    async def before() -> None:
        async with app.create() as context:
            await story(context)

    if runs:
        live(app, story)
    else:
        asyncio.run(before())


def test_what_is_being_scheduled_when_the_app_begins_is_there(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)

    async def story() -> None:
        async with app.create() as context:
            await context.schedule_task(remind, "a", execute_at="2100-01-01")
            for name in "bcd":
                context.schedule_task(remind, name, execute_at="2026-01-01")
            running = asyncio.create_task(context.run())
            await seen.after(3)
            context.shutdown()
            await running

    asyncio.run(asyncio.wait_for(story(), LIMIT))
    assert seen.names == "b c d"


def test_who_waits_for_an_earlier_one_is_not_woken_for_a_later(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("memory", "sqlite"):  # a look for its own sake may come between
        monkeypatch.setattr(f"oncue.app.stores.{module}.CLOCK_CHECK", 3_600_000_000)
    app = App(store, clock=Hands("2026-03-10 10:00"), timezone="UTC")
    remind, _ = family(app)

    async def story(context: AppContext) -> None:
        life = app.session.life
        assert life is not None
        await settled(app)
        woken = 0
        wake = life.dynamic._wake

        def counted() -> None:
            nonlocal woken
            woken += 1
            wake()

        life.dynamic._wake = counted
        for hour, times in [(12, 1), (13, 1), (14, 1), (11, 2)]:
            await context.schedule_task(remind, str(hour), execute_at=f"2026-03-10 {hour}:00")
            await settled(app)
            assert woken == times

    live(app, story)


# --- what is refused ------------------------------------------------------------------


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "when\\? give one of start_cond, schedule, interval, execute_at"),
    ({"interval": 1, "execute_at": PAST}, "interval and execute_at both say when"),
    ({"interval": 0}, "interval=0"),
    ({"interval": "1 day", "timezone": "Europe/Dubln"}, "^f 'a': timezone='Europe/Dubln': no time"),
    ({"interval": "1 day", "priority": 1}, "priority is an option of the family 'f'"),
    ({"interval": "1 day", "intervall": 1}, "did you mean 'interval'"),
    ({"interval": "1 day", "x": {1, 2}}, "no value of JSON"),
    ({"interval": "1 day", "args": {"x": object()}}, "no value of JSON"),
    ({"interval": 60, "n": 1, "args": {"n": 2}}, "^f 'a': 'n' is in args and given beside it"),
    ({"interval": "1 day", "x": [10**4300]}, r"args\['x'\]\[0\]: a number of 14,285 bits is too"),
    ({"interval": "1 day", "args": {"x": -(10**5000)}}, r"args\['x'\]: a number of 16,610 bits is"),
    ({"interval": "1 day", "x": "\ud800"}, r"args\['x'\]: '\\ud800' holds .* half of a surrogate"),
    ({"interval": "1 day", "x": [{"\udfff": 1}]}, r"args\['x'\]\[0\]: '\\udfff' holds"),
    ({"start_cond": "daily & before 2020-01-01"}, "never true"),
    ({"start_cond": "false"}, "never true"),
    ({"start_cond": "has succeeded today & before 2020-01-01"}, "never true"),
    ({"start_cond": "~has failed & ~(is running | always)"}, "never true"),
    ({"start_cond": "retry 0 times"}, "never true"),
    ({"start_cond": " & ".join(f"after task 't{n}'" for n in range(101))}, "costs 101, more than"),
    ({"schedule": "* * * *"}, "five or six fields"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_changes(
    given: dict[str, Any], message: str
) -> None:
    app = App(timezone="UTC")
    remind, _ = family(app)
    error = (DefinitionError, ConditionSyntaxError, ValueError)
    with pytest.raises(error, match=message):
        app.schedule_tasks(remind, {"good": {"interval": "1 day"}, "a": given})
    assert app.list_tasks().tasks == ()


def test_under_strict_names_a_name_of_no_task_is_refused() -> None:
    app = App(timezone="UTC", strict_names=True)
    remind, _ = family(app)
    app.task(name="extract", func=lambda: None)
    known = {"start_cond": "after tasks 'extract', 'f:any'"}
    message = "f 'a': no task is called 'extarct': 'extract'\\?; no task is called 'g:1'$"
    with pytest.raises(DefinitionError, match=message):
        start = "after tasks 'extarct', 'extract', 'g:1'"
        app.schedule_tasks(remind, {"good": known, "a": {"start_cond": start}})
    assert app.list_tasks().tasks == ()
    app.schedule_task(remind, "good", **known)


def test_whose_condition_cannot_be_read_is_noted() -> None:
    app = App(timezone="UTC")
    remind, _ = family(app)
    tasks: dict[str, dict[str, Any]] = {"good": {"interval": 1}, "a": {"start_cond": "dayly"}}
    with pytest.raises(ConditionSyntaxError, match="dayly") as caught:
        app.schedule_tasks(remind, tasks)
    assert caught.value.__notes__ == ["in what is given for f 'a'"]


@pytest.mark.parametrize("name", ["", "a\nb", None, 5])
def test_a_name_is_text_that_can_be_printed(name: Any) -> None:
    app = App()
    remind, _ = family(app)
    with pytest.raises(DefinitionError, match="the name"):
        app.schedule_task(remind, name, interval="1 day")


def test_a_name_is_no_longer_than_every_store_can_keep() -> None:
    app = App()
    remind, _ = family(app)
    longest = "é" * 499  # with `f:` 1000 bytes
    app.schedule_task(remind, longest, start_cond=f"after task 'f:{longest}'")
    message = r"the name '.*…' has 100[12] bytes as UTF-8; a name has at most 1000$"
    with pytest.raises(DefinitionError, match=message):
        app.schedule_task(remind, longest + "a", interval="1 day")
    for words in (
        "after task '{}'",
        "task '{}' has failed",
        "param '{}' is 1",
        "param '{}' exists",
    ):
        with pytest.raises(DefinitionError, match="start_cond: " + message):
            app.schedule_task(remind, "a", start_cond=words.format("é" * 501))
    with pytest.raises(DefinitionError, match=message):
        app.dynamic_task(name="a" * 1001)(lambda: None)


def test_what_a_family_cannot_be() -> None:
    app = App()
    remind, _ = family(app)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"start_cond": "daily"}, "start_cond is not for a dynamic task"),
        ({"on_startup": True}, "on_startup is not for a dynamic task"),
        ({"name": "f"}, "there is a task 'f' already"),
        ({"name": "a:b"}, "has a colon"),
        ({"max_cost": 0}, "max_cost=0"),
        ({"enabled_partitions": [0]}, "needs partition_count"),
        ({"partition_count": 4, "enabled_partitions": [4]}, "4 is not in 0 to 4 - 1"),
        ({"partition_count": 4, "enabled_partitions": "12"}, "a list of numbers"),
        ({"prioriti": 1}, "priority"),
    ]
    for options, message in refused:
        with pytest.raises(DefinitionError, match=message):
            family(app, **{"name": "g", **options})
    with pytest.raises(DefinitionError, match="one of a task of the family 'f'"):
        app.task("daily", func=writes, name="f:x")
    app.task("daily", func=writes, name="h:x")
    with pytest.raises(DefinitionError, match="would be one of the family 'h'"):
        family(app, name="h")
    with pytest.raises(DefinitionError, match="no dynamic task of this app"):
        app.schedule_task("none", "a", interval=1)
    with pytest.raises(DefinitionError, match="no dynamic task of this app"):
        app.schedule_task(app["h:x"], "a", interval=1)
    assert (remind.name, "f" in app) == ("f", False)


@pytest.mark.parametrize(
    ("name", "given"), [("start_cond", "daily"), ("interval", 60), ("enabled", False)]
)
def test_a_family_is_not_told_later_what_it_cannot_be(name: str, given: Any) -> None:
    app = App()
    remind, _ = family(app)
    with pytest.raises(DefinitionError, match=f"^{name} is not for a dynamic task"):
        setattr(remind, name, given)
    assert remind.enabled and remind.interval is None


def test_a_family_is_not_run_itself() -> None:
    app = App()
    remind, _ = family(app)
    for ask in (remind.run, remind.force):
        with pytest.raises(DefinitionError, match="'f' is no task but a family of them"):
            ask()
    assert not remind.is_running


def test_a_function_without_a_context_has_no_args() -> None:
    app = App()

    @app.dynamic_task()
    async def plain() -> None: ...

    with pytest.raises(DefinitionError, match="takes no context"):
        app.schedule_task(plain, "a", interval="1 day", user="x")
    app.schedule_task(plain, "a", interval="1 day")


OPEN = "daily & ready now"
"""A condition that only apps know which define the phrase in it."""


def with_open(app: App) -> App:
    app.cond("ready now", safe=True)(lambda: True)
    return app


async def beside(app: App, other: App, story: Callable[[], Awaitable[None]]) -> None:
    """Two apps live at the same time, until the story ends."""
    async with app.create() as one, other.create() as two:
        running = [asyncio.ensure_future(each.run()) for each in (one, two)]
        while app.session.life is None or other.session.life is None:
            await asyncio.sleep(0.001)
        await story()
        one.shutdown()
        two.shutdown()
        await asyncio.gather(*running)


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes stores on one log."""
    ledger = Ledger()
    if request.param == "memory":
        return lambda: MemoryStore(ledger)
    return lambda: store_at(tmp_path / "log.db")


def test_what_one_app_cannot_read_is_run_at_once_by_one_that_can(
    stores: Callable[[], Store], caplog: pytest.LogCaptureFixture
) -> None:
    older, newer = App(stores(), timezone="UTC"), with_open(App(stores(), timezone="UTC"))
    (_, seen), (remind, run) = family(older), family(newer)
    newer.schedule_tasks(remind, {str(n): {"start_cond": OPEN} for n in range(20)})
    newer.schedule_task(remind, "plain", execute_at=PAST)

    async def alone(context: AppContext) -> None:
        await seen.after(1)

    live(older, alone)
    assert seen.names == "plain"
    assert {each.state for each in newer.list_tasks().tasks} == {"due"}
    assert caplog.text.count("cannot be read here") == 20
    caplog.clear()

    async def together() -> None:
        await run.after(20)
        named = {f"late {n}": {"start_cond": OPEN} for n in range(20)}
        await newer.schedule_tasks(remind, named)
        await run.after(40)

    asyncio.run(asyncio.wait_for(beside(older, newer, together), LIMIT))
    assert max(run.counted().values()) == 1
    assert seen.names == "plain"
    lines = [each for each in caplog.messages if "cannot be read here" in each]
    assert len(lines) == len(set(lines))


def test_what_cannot_be_read_is_looked_at_again_once_there_is_a_phrase_more(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    app, newer = App(store, timezone="UTC"), with_open(App(store, timezone="UTC"))
    (_, seen), (remind, _) = family(app), family(newer)
    newer.schedule_tasks(remind, {str(n): {"start_cond": OPEN} for n in range(5)})

    async def story(context: AppContext) -> None:
        while "cannot be read here" not in caplog.text:
            await asyncio.sleep(0.001)
        await settled(app)
        app.define("business hours", "time of day")
        await settled(app)
        assert seen.names == ""
        with_open(app)
        await seen.after(5)

    live(app, story)
    assert seen.names == "0 1 2 3 4"
    assert caplog.text.count("cannot be read here") == 5


def test_what_cannot_be_read_is_asked_for_no_more_until_its_time_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor later by others, if it is more than is passed over."""
    monkeypatch.setattr(dynamic, "MOST_UNREADABLE", 5)
    clock, ledger = Hands("2026-03-10 10:20"), Ledger()
    store = Counting(ledger)
    app = App(store, clock=clock, timezone="UTC")
    newer = with_open(App(MemoryStore(ledger), clock=clock, timezone="UTC"))
    (_, seen), (remind, _) = family(app), family(newer)
    newer.schedule_tasks(remind, {str(n): {"start_cond": OPEN} for n in range(7)})

    async def story(context: AppContext) -> None:
        while "cannot be read here" not in caplog.text:
            await asyncio.sleep(0.001)
        await settled(app)
        asked = store.asked
        await asyncio.sleep(0.1)
        assert (store.taken, store.asked - asked) == (7, 0)
        page = await newer.list_tasks()
        states = Counter(str(each.state) for each in page.tasks)
        assert states == {"due": 5, "scheduled": 2}
        await newer.schedule_task(remind, "0", execute_at=PAST)
        app.session.parameters["x"] = 1  # a turn, in which it is looked for
        await seen.after(1)
        assert (store.taken, seen.names) == (8, "0")
        clock.set("2026-03-10 10:25:01")
        app.session.parameters["x"] = 2
        await settled(app)
        assert store.taken == 14

    live(app, story)
    assert dynamic.GIVEN_BACK in store.roused  # others are told
    assert caplog.text.count("f:1 cannot be read here") == 1


def test_a_row_that_cannot_be_read_here_is_left_alone_and_said(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(store, timezone="UTC")
    remind, _ = family(app)
    app.define("business hours", "time of day")
    app.schedule_task(remind, "a", start_cond="daily & business hours")
    app.schedule_task(remind, "b", execute_at=PAST)
    before = app.get_task(remind, "a")
    other = App(store, timezone="UTC")
    _, seen = family(other)

    async def story(context: AppContext) -> None:
        await seen.after(1)

    live(other, story)
    assert seen.names == "b"
    assert caplog.text.count("f:a cannot be read here") == 1
    found = other.get_task("f", "a")
    assert (found.state, found.due) == ("due", before.due)


# --- who calls ------------------------------------------------------------------------


def test_plain_code_schedules_where_no_app_runs(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)
    assert app.schedule_task(remind, "a", execute_at=PAST) is None
    assert app.schedule_tasks("f", [("b", {"execute_at": FAR}), ("c", {"interval": 9})]) is None
    assert app.get_task(remind, "b").execute_at == "2100-01-01 00:00:00"
    assert app.unschedule_task(remind, "c") is True
    assert [each.name for each in app.list_tasks(remind).tasks] == ["a", "b"]

    async def story(context: AppContext) -> None:
        await seen.after(1)

    live(app, story)
    assert seen.names == "a"


def test_plain_code_schedules_in_threads_and_on_the_loop() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)

    @app.task("every 1 hour", execution="thread")
    def in_a_thread(context: Context) -> None:
        there = context.app_context
        there.schedule_task(remind, "thread", execute_at=PAST)
        there.schedule_task(remind, "far", execute_at=FAR)
        assert there.get_task(remind, "far").name == "far"
        assert there.unschedule_task(remind, "far") is True

    @app.task("every 1 hour", execution="main")
    def on_the_loop(context: Context) -> None:
        context.app_context.schedule_task(remind, "loop", execute_at=PAST)

    async def story(context: AppContext) -> None:
        await seen.after(2)

        def elsewhere() -> None:
            app.schedule_task(remind, "outside", execute_at=PAST)

        await asyncio.to_thread(elsewhere)
        await seen.after(3)

    live(app, story)
    assert seen.names == "loop outside thread"
    assert app["in_a_thread"].status == "success"


def test_a_context_that_does_not_run_schedules_for_those_who_do(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    worker, web = App(path, timezone="UTC"), App(path, timezone="UTC")
    _, seen = family(worker)
    remind, none = family(web)

    async def story(context: AppContext) -> None:
        async with web.create() as from_outside:
            for name in "abc":
                await from_outside.schedule_task(remind, name, execute_at=PAST)
            assert len(web.session.store.instances()) == 2
            await seen.after(3)
        assert len(worker.session.store.instances()) == 1

    live(worker, story)
    assert (seen.names, none.names) == ("a b c", "")


@pytest.mark.parametrize("first", ["schedule", "run"])
def test_a_store_is_not_opened_twice_while_the_app_begins(tmp_path: Path, first: str) -> None:
    app = App(tmp_path / "log.db")
    remind, seen = family(app)
    opens: list[int] = []
    opened = app.session.store.open

    async def counted(now: int) -> None:
        assert len(opens) == opens.count(0)  # what was open has been closed
        opens.append(1)
        await opened(now)

    closed = app.session.store.close

    async def noted() -> None:
        await closed()
        opens[-1] = 0

    app.session.store.open, app.session.store.close = counted, noted  # type: ignore[method-assign]

    async def story() -> None:
        async with app.create() as context:
            if first == "schedule":
                scheduled = context.schedule_task(remind, "a", execute_at=PAST)
            running = asyncio.create_task(context.run())
            if first == "run":
                scheduled = context.schedule_task(remind, "a", execute_at=PAST)
            await scheduled
            await seen.after(1)
            context.shutdown()
            await running

    asyncio.run(asyncio.wait_for(story(), LIMIT))
    assert opens == ([0, 0] if first == "schedule" else [0])


def test_a_fixture_schedules_before_the_app_runs(tmp_path: Path) -> None:
    app = App(tmp_path / "log.db", timezone="UTC")
    remind, seen = family(app)

    @app.fixture()
    async def begin(context: AppContext) -> None:
        await context.schedule_task(remind, "a", execute_at=PAST)

    async def story(context: AppContext) -> None:
        await seen.after(1)

    live(app, story)


def test_a_hook_of_the_start_schedules_while_the_store_is_about_to_be_opened(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)

    @app.setup()
    async def begin() -> None:
        await app.schedule_task(remind, "a", execute_at=PAST)

    async def story(context: AppContext) -> None:
        await seen.after(1)

    live(app, story)


def test_several_schedule_at_once_where_no_app_runs(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, _ = family(app)

    async def together() -> None:
        await asyncio.gather(
            *(app.schedule_task(remind, f"{n}", interval="1 day") for n in range(5))
        )

    def alone(first: int) -> None:
        for n in range(first, first + 3):
            app.schedule_task(remind, f"{n}", interval="1 day")

    asyncio.run(together())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(alone, range(5, 17, 3)))
        list(pool.map(lambda _: asyncio.run(together()), range(2)))
    assert len(app.list_tasks().tasks) == 17
    assert app.session.store.instances() == []


def test_those_on_other_threads_schedule_while_the_app_begins_and_ends(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)
    over = threading.Event()

    def schedule(first: int) -> int:
        count = 0
        while not over.is_set():
            app.schedule_task(remind, f"{first}.{count}", execute_at=FAR)
            count += 1
        return count

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(schedule, first) for first in range(2)]
        try:
            for _ in range(5):
                app.start()
                app.stop()
        finally:
            over.set()
        counts = [each.result(LIMIT) for each in done]
    assert min(counts) > 0
    assert len(app.list_tasks(limit=1_000_000).tasks) == sum(counts)


def test_those_on_other_threads_schedule_in_a_context_that_is_about_to_run(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, seen = family(app)

    async def story() -> None:
        async with app.create() as context:
            await asyncio.gather(
                *(
                    asyncio.to_thread(context.schedule_task, remind, f"t{n}", execute_at=PAST)
                    for n in range(5)
                ),
                *(context.schedule_task(remind, f"{n}", execute_at=PAST) for n in range(5)),
            )
            running = asyncio.create_task(context.run())
            await seen.after(10)
            context.shutdown()
            await running

    asyncio.run(asyncio.wait_for(story(), LIMIT))


def test_a_store_that_fails_says_so(tmp_path: Path) -> None:
    app = App(tmp_path / "none" / "log.db")
    remind, _ = family(app)
    with pytest.raises(StoreError, match="no folder"):
        app.schedule_task(remind, "a", execute_at=PAST)


# --- what there is --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"foo": 1}, "list_tasks takes no 'foo'; it takes a family, state, due_after, due_before"),
        ({"limit": 0}, "limit=0: it is a number from 1 to 1,000,000"),
        ({"limit": 1 << 70}, "limit=1180591620717411303424: it is a number"),
        ({"limit": True}, "limit=True: it is a number"),
        ({"state": "late"}, "state='late': it is one of scheduled, due"),
        ({"due_after": "2026-03-01"}, "due_after: '2026-03-01' is not a datetime"),
        ({"due_before": 5}, "due_before: 5 is not a datetime"),
        ({"continuation_token": 5}, "continuation_token=5: it is that of a page"),
        ({"continuation_token": "f:\0"}, r"continuation_token='f:\\x00': it is that of a page"),
    ],
)
def test_what_cannot_be_asked_for_is_said(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        App().list_tasks(**wanted)


@pytest.mark.parametrize("tasks", [5, "ab", ["ab"], {"a": 5}, [("a", {}, 1)]])
def test_many_are_given_as_names_and_options(tasks: Any) -> None:
    app = App()
    remind, _ = family(app)
    with pytest.raises(DefinitionError, match="a mapping, or pairs, of names and of what each is"):
        app.schedule_tasks(remind, tasks)


def test_they_are_listed_by_what_they_are(store: Store) -> None:
    app = App(store, timezone="Europe/Berlin")
    one, _ = family(app, "one")
    two, _ = family(app, "two")
    app.schedule_tasks(one, {f"t{n:02}": {"execute_at": f"2090-01-{n:02}"} for n in range(1, 29)})
    app.schedule_task(two, "x", start_cond="after task 'none'", timezone="UTC", a=1)
    first = app.list_tasks(one, limit=20)
    assert [each.name for each in first.tasks] == [f"t{n:02}" for n in range(1, 21)]
    rest = app.list_tasks(one, limit=20, continuation_token=first.continuation_token)
    assert ([each.name for each in rest.tasks][::7], rest.continuation_token) == (
        ["t21", "t28"],
        None,
    )
    between = {"due_after": datetime(2090, 1, 3), "due_before": datetime(2090, 1, 5)}
    found = app.list_tasks(**between).tasks
    assert [each.name for each in found] == ["t03", "t04"]
    assert str(found[0].due) == "2090-01-03 00:00:00+01:00"
    assert (found[0].state, found[0].execute_at) == ("scheduled", "2090-01-03 00:00:00")
    (other,) = app.list_tasks("two").tasks
    assert (other.family, other.start_cond, other.timezone) == ("two", "after task 'none'", "UTC")
    assert (other.args, other.state) == ({"a": 1}, "due")
    assert len(app.list_tasks(limit=100).tasks) == 29
    assert len(app.list_tasks(state="scheduled", limit=100).tasks) == 28
    with pytest.raises(DefinitionError, match="state='gone': it is one of scheduled, due, held"):
        app.list_tasks(state="gone")
    with pytest.raises(DefinitionError, match="limit=0"):
        app.list_tasks(limit=0)


def test_what_only_a_record_brings_is_not_due(store: Store) -> None:
    app = App(store, timezone="UTC")
    remind, _ = family(app)
    app.task(name="extract", func=lambda: None)
    app.schedule_task(remind, "a", start_cond="after task 'extract'")
    live(app, done)
    assert app.get_task(remind, "a").due is None
    app.schedule_task(remind, "a", start_cond="after task 'extract'", x=1)
    found = app.get_task(remind, "a")
    assert (found.state, found.due) == ("due", None)


def test_why_one_does_not_start_is_told(store: Store) -> None:
    app = App(store, clock=Hands("2026-03-10 10:00"), timezone="UTC")
    remind, seen = family(app)
    told: list[str] = []

    async def story(context: AppContext) -> None:
        await context.schedule_task(remind, "a", start_cond="daily & ~has succeeded")
        await seen.after(1)
        await settled(app)
        told.append(str(await asyncio.to_thread(app.explain, "f:a")))
        await context.unschedule_task(remind, "a")
        await context.schedule_task(remind, "a", start_cond="daily after 11:00 & ~has succeeded")

    live(app, story)
    told.append(str(app.explain("f:a")))
    assert "✗ ~has succeeded" in told[0]
    assert "✗ daily after 11:00  —  opens 11:00" in told[1]
    assert "✓ ~has succeeded" in told[1]
    with pytest.raises(KeyError, match="f:b"):
        app.explain("f:b")


# --- many -----------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "batch"), [(1, 10), (4, 200), (10, 200), (None, 40)])
def test_families_have_their_share_however_many_parts_they_have(
    limit: int | None, batch: int
) -> None:
    app = App(timezone="UTC", concurrency_limit=limit, batch_size=batch)
    order: list[str] = []

    async def function(context: Context) -> None:
        order.append(context.task.key[:1])
        if len(order) == 400:
            app.shut_down()

    whole = [app.dynamic_task(name=name)(function) for name in "abc"]
    divided = app.partitioned_task(name="p", partition_count=32)(function)
    for each in (*whole, divided):
        app.schedule_tasks(each, {f"{n}": {"execute_at": PAST} for n in range(400)})
    app.run()
    for name, count in Counter(order[:320]).items():
        assert 60 <= count <= 100, (name, Counter(order))


def test_families_have_their_share_of_each_batch() -> None:
    app = App(timezone="UTC", batch_size=10)
    order: list[str] = []
    enough = asyncio.Event()

    def define(name: str) -> None:
        @app.dynamic_task(name=name)
        async def function(context: Context) -> None:
            order.append(name)
            if len(order) == 210:
                enough.set()

    for name in ("many", "few"):
        define(name)
    app.schedule_tasks("many", {str(n): {"execute_at": PAST} for n in range(200)})
    later = PAST + timedelta(days=1)
    app.schedule_tasks("few", {str(n): {"execute_at": later} for n in range(10)})

    async def story(context: AppContext) -> None:
        await enough.wait()

    live(app, story)
    assert order.count("few") == 10
    assert max(place for place, name in enumerate(order) if name == "few") < 30


def test_partitions_are_divided_between_instances() -> None:
    ledger = Ledger()
    names = [f"t{n}" for n in range(100)]
    apps: list[tuple[App, Seen]] = []
    for enabled in ([0, 1, 2], [3]):
        app = App(MemoryStore(ledger), timezone="UTC")
        seen = Seen()

        def define(app: App, seen: Seen, enabled: list[int]) -> None:
            @app.partitioned_task(name="f", partition_count=4, enabled_partitions=enabled)
            async def function(context: Context) -> None:
                seen.add(context)

        define(app, seen, enabled)
        apps.append((app, seen))
    (first, some), (second, others) = apps
    first.schedule_tasks("f", {name: {"execute_at": PAST} for name in names})

    async def story(context: AppContext) -> None:
        return None

    live(first, story)
    assert 50 < len(some.runs) < 100
    live(second, story)
    assert {c.task.name for c in (*some.runs, *others.runs)} == set(names)
    assert len(some.runs) + len(others.runs) == 100


def test_where_no_partition_is_enabled_nothing_is_looked_for_until_one_is(store: Store) -> None:
    app = App(store, timezone="UTC")
    function, seen = family(app, partition_count=2, enabled_partitions=[])

    async def story(context: AppContext) -> None:
        await context.schedule_task(function, "a", execute_at=PAST)
        await asyncio.sleep(0.05)
        assert app.session.life is not None
        assert app.session.life.dynamic.look_at == FOREVER
        function.enabled_partitions = [0, 1]
        await seen.after(1)

    live(app, story)


def test_a_selector_chooses_the_partition() -> None:
    app = App(timezone="UTC")

    @app.partitioned_task(partition_count=2, partition_selector=lambda count, name: len(name))
    async def f(context: Context) -> None: ...

    app.schedule_task(f, "a", execute_at=FAR)
    with pytest.raises(DefinitionError, match="gave 2 for 'ab': it is a number from 0 to 1"):
        app.schedule_task(f, "ab", execute_at=FAR)
    f.partition_selector = lambda count, name: True
    with pytest.raises(DefinitionError, match="gave True for 'a': it is a number from 0 to 1"):
        app.schedule_task(f, "a", execute_at=FAR)
    f.partition_selector = lambda name: 1
    with pytest.raises(DefinitionError, match="partition_selector of 'f' failed for 2 and 'a'"):
        app.schedule_task(f, "a", execute_at=FAR)


def test_what_cannot_run_is_left_to_others() -> None:
    ledger = Ledger()
    counted: Counter[int] = Counter()
    peak: Counter[int] = Counter()
    all_done = asyncio.Event()

    def made(number: int) -> App:
        app = App(MemoryStore(ledger), timezone="UTC", concurrency_limit=3)
        running = 0

        @app.dynamic_task(name="f")
        async def function(context: Context) -> None:
            nonlocal running
            running += 1
            peak[number] = max(peak[number], running)
            await asyncio.sleep(0.01)
            running -= 1
            counted[number] += 1
            if counted.total() == 60:
                all_done.set()

        return app

    async def both() -> None:
        apps = [made(0), made(1)]
        async with apps[0].create() as one, apps[1].create() as two:
            await one.schedule_tasks("f", {str(n): {"execute_at": PAST} for n in range(60)})
            running = asyncio.gather(one.run(), two.run())
            await all_done.wait()
            one.shutdown()
            two.shutdown()
            await running

    asyncio.run(asyncio.wait_for(both(), LIMIT))
    assert counted.total() == 60
    assert set(peak.values()) == {3}
    assert min(counted.values()) > 10


def test_what_a_blocked_instance_runs_beyond_its_lease_is_run_by_another(tmp_path: Path) -> None:
    """And when it goes on, it lets go of the task, and runs it again once there is no other."""
    path = tmp_path / "log.db"
    begun: SimpleQueue[int] = SimpleQueue()
    others_turn, may_end = threading.Event(), threading.Event()

    def made(number: int) -> App:
        app = App(path, timezone="UTC")

        @app.dynamic_task(name="f", lease_duration="1 s")
        async def function(context: Context) -> None:
            begun.put(number)
            if number == 1 and not others_turn.is_set():
                others_turn.wait(LIMIT)  # nothing else goes on in this app
                while not may_end.is_set():
                    await asyncio.sleep(0.005)

        return app

    def actions() -> list[str]:
        return [r.action for r in one.session.store.read(Query(tasks=("f:a",)))]

    def at_rest(app: App, running: int = 0) -> bool:
        life = app.session.life
        return life is not None and life.dynamic.at_rest and len(life.runs.live) == running

    def until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    one, two = made(1), made(2)
    with ExitStack() as stack:
        for app in (one, two):
            app.start()
            stack.callback(app.stop)
            stack.callback(may_end.set)
            stack.callback(others_turn.set)
            if app is one:
                one.schedule_task("f", "a", interval="1 day")
                assert begun.get(timeout=LIMIT) == 1
        assert begun.get(timeout=10) == 2  # sooner than the first one counts as gone
        until(lambda: actions() == ["run", "crash", "run", "success"])
        others_turn.set()
        until(lambda: at_rest(one, running=1) and at_rest(two))
        may_end.set()
        until(lambda: at_rest(one))
        assert one.get_task("f", "a").state == "scheduled"
        assert actions() == ["run", "crash", "run", "success"]
        two.stop()
        one.schedule_task("f", "a", execute_at=datetime.now(UTC).replace(tzinfo=None))
        assert begun.get(timeout=LIMIT) == 1
        until(lambda: not one.list_tasks("f").tasks)
    assert begun.empty()
    assert actions() == ["run", "crash", "run", "success", "run", "success"]


def test_what_outlasts_its_lease_in_an_app_alone_is_begun_again(store: Store) -> None:
    app = App(store, timezone="UTC")
    begun: list[int] = []
    again = asyncio.Event()

    @app.dynamic_task(name="f", lease_duration="0.2 s")
    async def function(context: Context) -> None:
        begun.append(context.lease.token)
        if len(begun) == 1:
            await again.wait()

    async def story(context: AppContext) -> None:
        await context.schedule_task(function, "a", execute_at=PAST)
        while len(store.read(Query(tasks=("f:a",)))) < 4:
            await asyncio.sleep(0.001)
        again.set()

    live(app, story)
    assert len(begun) == 2
    found = store.read(Query(tasks=("f:a",)))
    assert [record.action for record in found] == ["run", "crash", "run", "success"]
    assert not app.list_tasks().tasks


def test_what_needs_a_process_is_left_to_others_while_none_is_free(tmp_path: Path) -> None:
    app = App(tmp_path / "log.db", timezone="UTC", max_process_count=1)
    app.dynamic_task(name="f", execution="process")(writes)
    other, seen = family(app, "g")
    names = "abcdefghij"
    for name in names:
        app.schedule_task("f", name, execute_at=PAST, path=str(tmp_path / name))
    taken: list[int] = []

    async def story(context: AppContext) -> None:
        life: Any = app.session.life
        app.schedule_tasks(other, {"x": {"execute_at": PAST}, "y": {"execute_at": PAST}})
        while not all((tmp_path / name).exists() for name in names):
            taken.append(sum(key.startswith("f:") for key in life.dynamic.loaded))
            await asyncio.sleep(0.001)
        await seen.after(2)

    live(app, story)
    assert max(taken) <= 4  # one that runs, and some that have and are let go of in the next turns


def test_a_run_of_one_task_leaves_the_dynamic_ones_alone() -> None:
    app = App(timezone="UTC")
    remind, seen = family(app)
    app.task(name="only", func=lambda: None, execution="main")
    app.schedule_task(remind, "a", execute_at=PAST)
    app.session.run("only")
    assert (app["only"].status, seen.names) == ("success", "")


class Counting(MemoryStore):
    """Counts the rows that are taken, and the commits; `read_logs` are the tasks whose
    logs are read."""

    taken = 0
    asked = 0
    commits = 0

    def __init__(self, ledger: Ledger | None = None) -> None:
        super().__init__(ledger)
        self.read_logs: set[str] = set()
        self.roused: set[Awaited] = set()

    async def rouse(self, keys: Any, now: int) -> None:
        self.roused.update(keys)
        await super().rouse(keys, now)

    async def load(self, lookback: Any) -> Any:
        self.read_logs.update(lookback)
        return await super().load(lookback)

    async def commit(self, steps: Any, position: int | None = None) -> Any:
        self.commits += 1
        return await super().commit(steps, position)

    async def take(self, shares: Any, now: int, but: Any = {}) -> Any:
        rows, look = await super().take(shares, now, but)
        self.asked += 1
        self.taken += len(rows)
        return rows, look


def test_only_what_is_due_is_loaded_and_nothing_is_left_behind() -> None:
    store = Counting()
    app = App(store, timezone="UTC")
    remind, seen = family(app)
    app.schedule_tasks(remind, {f"far {n}": {"execute_at": FAR} for n in range(5000)})
    app.schedule_tasks(
        remind, {f"wait {n}": {"start_cond": f"after task 'x{n}'"} for n in range(50)}
    )
    sizes: list[tuple[int, ...]] = []

    async def story(context: AppContext) -> None:
        life: Any = app.session.life
        await settled(app)
        assert store.taken == 50
        for number in range(1, 5):
            names = [f"{number} {n}" for n in range(1000)]
            await context.schedule_tasks(remind, {name: {"execute_at": PAST} for name in names})
            await seen.after(1000 * number)
            await settled(app)
            kept = life.planner.history.tasks, life.runs.launchers, app.session.returns
            sizes.append((life.planner.size, *map(len, kept), len(life.agenda.entries)))

    live(app, story)
    assert store.taken == 4050
    assert all(size < 1500 for size in sizes[-1])
    assert sizes[-1] <= tuple(2 * size for size in sizes[0])


def test_one_commit_ends_some_and_begins_others() -> None:
    store = Counting()
    app = App(store, timezone="UTC", cycle_sleep=None)
    remind, seen = family(app)
    app.schedule_tasks(remind, {str(n): {"execute_at": PAST} for n in range(1000)})

    async def story(context: AppContext) -> None:
        await seen.after(1000)

    live(app, story)
    assert (store.taken, seen.counted().most_common(1)[0][1]) == (1000, 1)
    assert store.commits <= 13


def test_the_log_is_read_of_what_somebody_may_have_run() -> None:
    ledger = Ledger()
    app = App(Counting(ledger), timezone="UTC")
    remind, seen = family(app)

    async def of_one_that_is_gone() -> None:
        other = MemoryStore(ledger)
        await other.open(0)
        ((row,), _) = await other.take({"f": 1}, app.session.clock.now())
        run = Record(row.task, Action.RUN, row.due or 0, scheduled_at=row.due)
        await other.commit([Claim(run, (), 0, version=row.version)])
        ledger.lose(other.id)

    app.schedule_task(remind, "taken", execute_at=PAST)
    asyncio.run(of_one_that_is_gone())
    app.schedule_task(remind, "new", execute_at=PAST)

    async def story(context: AppContext) -> None:
        await seen.after(2)

    live(app, story)
    assert app.session.store.read_logs == {"f:taken"}  # type: ignore[attr-defined]
    actions = [each.action for each in MemoryStore(ledger).read(Query(tasks=("f:taken",)))]
    assert actions == ["run", "crash", "run", "success"]


def test_thousands_that_are_due_at_once_all_run(tmp_path: Path) -> None:
    count = 60_000 if os.environ.get("ONCUE_NIGHTLY") else 6_000
    app = App(tmp_path / "log.db", timezone="UTC", cycle_sleep=None, batch_size=1000)
    done = 0
    enough = asyncio.Event()

    @app.dynamic_task(name="f")
    async def function(context: Context) -> None:
        nonlocal done
        done += 1
        if done == count:
            enough.set()

    app.schedule_tasks("f", ((str(n), {"execute_at": PAST}) for n in range(count)))

    async def both() -> None:
        async with app.create() as context:
            running = asyncio.create_task(context.run())
            await enough.wait()
            await settled(app)
            context.shutdown()
            await running

    asyncio.run(both())
    assert done == count
    assert app.list_tasks().tasks == ()
    assert app.session.store.count(Query(actions=(Action.SUCCESS,))) == count
