"""What an app makes of a store that is slow, fails, or says that a lease was lost, on a virtual
time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, cast

import pytest

from oncue import App
from oncue.app.errors import StoreError
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Claim, Finish, LogLost, Query, Store
from oncue.app.stores.skew import Skew
from oncue.engine.records import Action, Record
from oncue.tests.durability.evidence import SECOND
from oncue.tests.durability.hooked import HookedStore, nothing
from oncue.tests.durability.virtual import Machine
from oncue.tests.durability.world import EPOCH, WorldClock

Before = Callable[[str], Awaitable[None]]


class MeasuringStore(HookedStore):
    def __init__(self, inner: Store, before: Before, measures: Sequence[Skew | None]) -> None:
        super().__init__(inner, before)
        self._measures = list(measures)

    @property
    def skew(self) -> Skew | None:
        return self._measures[0]

    async def follow(self, position: int, now: int) -> list[Record]:
        del self._measures[: len(self._measures) > 1]
        return await super().follow(position, now)


class Stage:
    """One app on a ledger, whose store calls go through a hook."""

    def __init__(self) -> None:
        self.machine = Machine(Random(0))
        self.ledger = Ledger(lambda: self.machine.now)
        self.store = MemoryStore(self.ledger)
        self.app = App(clock=WorldClock(self.machine), timezone="UTC")

    def live(
        self, before: Before, seconds: float, measures: Sequence[Skew | None] = (None,)
    ) -> list[str]:
        """The records that a life of so long leaves, as `seconds task action[ scheduled_at]`.
        `measures` are what the store knows of clocks, each until it is followed once more."""
        self.app.session.store = cast(Store, MeasuringStore(self.store, before, measures))
        loop = self.machine.loop()
        serving = loop.create_task(self.app.serve())
        ending = loop.create_task(self._end(serving, seconds))
        self.machine.run(ending)
        return [shown(record) for record in self.store.read(Query())]

    async def _end(self, serving: asyncio.Task[None], seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.app.shut_down()
        await serving

    def lose(self) -> None:
        """Its instance is taken for gone, and another looks at the store."""
        self.ledger.lose(self.store.id)
        self.ledger.reap(EPOCH + self.machine.now)


def shown(record: Record) -> str:
    at = (record.at - EPOCH) / SECOND
    scheduled = (
        "" if record.scheduled_at is None else f" {(record.scheduled_at - EPOCH) / SECOND:g}"
    )
    return f"{at:g} {record.task} {record.action}{scheduled}"


def sleeping(seconds: float) -> Callable[[], Any]:
    async def code() -> None:
        await asyncio.sleep(seconds)

    return code


def test_a_store_that_fails_after_a_lease_was_lost_is_asked_again() -> None:
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(3))
    failing = False

    async def before(call: str) -> None:
        nonlocal failing
        if call == "commit" and 2.9 < stage.machine.now / SECOND < 3.5 and not failing:
            stage.lose()  # the journal hears of it by its finish, and has to read the log anew
            failing = True
        elif call == "load" and failing:
            failing = False
            raise StoreError("no answer")

    found = stage.live(before, 15)
    assert found[:2] == ["0 a run 0", "3 a crash"]
    assert found[2:] == ["4 a run 0", "7 a success", "10 a run 10", "13 a success"]


def test_a_log_that_was_read_anew_in_part_is_read_anew_again() -> None:
    """What was read is not taken in a second time: each of two successes counts once."""
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(0))
    condition = "task 'a' has succeeded exactly 2 times & ~has started"
    stage.app.task(condition, name="b", execution="async")(sleeping(0))
    other = Record("a", Action.RUN, EPOCH + 5 * SECOND, scheduled_at=EPOCH)
    failing: list[str] = []

    async def before(call: str) -> None:
        due = 5 <= stage.machine.now / SECOND < 7
        if call == "follow" and due and not failing:
            failing.append(call)
            stage.ledger.append(other)
            stage.ledger.append(Record("a", Action.SUCCESS, other.at, run=3))
            raise LogLost("no answer")
        if call == "follow" and due and len(failing) == 1:
            failing.append(call)
            raise StoreError("no answer")

    found = stage.live(before, 12)
    assert failing == ["follow"] * 2
    assert [line.split()[:3] for line in found[4:6]] == [["7", "b", "run"], ["7", "b", "success"]]


def test_a_run_that_was_ended_by_others_has_no_success_for_conditions() -> None:
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(6))
    stage.app.task("after task 'a'", name="b", execution="async")(sleeping(0))

    async def before(call: str) -> None:
        if call == "follow" and 4.9 < stage.machine.now / SECOND < 5.5:
            stage.lose()

    found = stage.live(before, 13)
    assert found[:4] == ["0 a run 0", "5 a crash", "6 a run 0", "12 a success"]
    assert found[4:] == ["12 a run 10", "12 b run 12", "12 b success", "18 a success"]


def test_records_written_while_the_store_was_opened_keep_their_instants() -> None:
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(0))
    other = Record("a", Action.RUN, EPOCH + SECOND // 2, scheduled_at=EPOCH + SECOND // 2)

    async def before(call: str) -> None:
        if call == "load":
            await asyncio.sleep(1)
            stage.ledger.append(other)
            stage.ledger.append(Record("a", Action.SUCCESS, other.at, run=1))

    assert stage.live(before, 12)[2:] == ["10.5 a run 10.5", "10.5 a success"]


def test_what_nobody_here_asks_for_is_not_kept_and_is_read_once_somebody_does() -> None:
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(0))
    known: list[bool] = []

    async def before(call: str) -> None:
        if call == "follow" and stage.machine.now == 5 * SECOND:
            other = Record("other", Action.RUN, EPOCH + SECOND, scheduled_at=EPOCH)
            run = stage.ledger.append(other)
            stage.ledger.append(Record("other", Action.SUCCESS, other.at, run=run))
        elif call == "follow" and stage.machine.now >= 10 * SECOND and not known:
            life = stage.app.session.life
            assert life is not None
            known.append("other" in life.agenda.history.tasks)
            stage.app.task("false", name="other", execution="async")(sleeping(0))
            stage.app.task("after task 'other'", name="b", execution="async")(sleeping(0))

    found = stage.live(before, 13)
    assert known and not any(known)
    assert [line for line in found if " b " in line] == ["10 b run 10", "10 b success"]


def test_a_connection_that_was_lost_unnoticed_does_not_keep_an_app_from_ending_in_order() -> None:
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(0))
    asked: list[int] = []

    async def before(call: str) -> None:
        if call == "decided":
            asked.append(stage.machine.now)
            if len(asked) == 1:
                raise StoreError("no answer")

    assert stage.live(before, 12)[-1] == "10 a success"
    assert len(asked) == 2


def test_what_could_not_be_written_at_the_end_is_named() -> None:
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(0))

    async def before(call: str) -> None:
        if call == "decided":
            raise StoreError("no answer")

    with pytest.raises(StoreError, match="no answer; not written: up to when all was decided"):
        stage.live(before, 12)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        (False, "oncue.task a  terminate"),
        (True, "oncue.scheduler terminate of a: the run's lease was lost"),
    ],
)
def test_what_ends_at_a_forced_stop_is_told(
    lost: bool, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()

    @stage.app.task("every 10 seconds", name="a", execution="async")
    async def forces() -> None:
        await asyncio.sleep(2)
        stage.app.session.shut_down(force=True)
        if lost:
            stage.lose()
        await asyncio.sleep(9)

    caplog.set_level(logging.INFO, "oncue")
    ending = "crash" if lost else "terminate"
    assert stage.live(nothing, 12)[-1].split()[1:] == ["a", ending]
    assert told in [f"{line.name} {line.getMessage()}" for line in caplog.records]


SLOW = Skew(-7 * SECOND, -1 * SECOND)
NEAR = Skew(-1 * SECOND, -1 * SECOND)
FAR = Skew(-5 * SECOND, -5 * SECOND)


@pytest.mark.parametrize(
    ("measures", "starts"),
    [
        ([NEAR], True),
        ([FAR], False),
        ([SLOW, SLOW, NEAR], True),
        ([SLOW, SLOW, FAR], False),
        ([NEAR, FAR, NEAR], True),
    ],
)
def test_nothing_starts_before_it_is_clear_that_clocks_agree(
    measures: list[Skew | None], starts: bool
) -> None:
    stage = Stage()
    stage.app.task("every 1 minute", name="a", execution="async")(sleeping(0))
    found = stage.live(nothing, 12, measures)
    assert [line.split()[1:3] for line in found] == [["a", "run"], ["a", "success"]] * starts


@pytest.mark.parametrize("late", [False, True], ids=["there before", "comes while it lives"])
def test_a_record_of_a_wrong_clock_moves_nothing_else(late: bool) -> None:
    """The clock of one instance is a little ahead, which does no harm; that of another by an hour,
    so that it starts nothing, but it writes `crash` for what has died."""
    stage = Stage()
    stage.app.task("every 10 seconds", name="a", execution="async")(sleeping(0))
    options = {"failure_mode": "unlock", "lease_duration": 3600}
    stage.app.task("daily", name="b", execution="async", **options)(sleeping(0))

    other = MemoryStore(stage.ledger)

    async def begin() -> None:
        await other.open(EPOCH)
        at = EPOCH + 3 * SECOND // 2
        run, _ = await other.commit([Claim(Record(t, Action.RUN, at, 0, at), (), 0) for t in "ab"])
        await other.commit([Finish(Record("a", Action.SUCCESS, at, run=cast(int, run)))])

    async def before(call: str) -> None:
        if stage.machine.now > 2 * SECOND and other.id in stage.ledger.instances:
            die()

    def die() -> None:
        stage.ledger.lose(other.id)
        stage.ledger.reap(EPOCH + 3600 * SECOND)

    asyncio.run(begin())
    if not late:
        die()
    _, _, _, *found = stage.live(before, 13)
    assert found[0] == "3600 b crash"
    assert found[1].split(maxsplit=1)[1] == ("b run 1.5" if late else "b run 1")
    assert found[3:] == ["11.5 a run 11.5", "11.5 a success"]


@pytest.mark.parametrize("back", [0.05, 1.9])
def test_a_clock_that_is_set_back_a_little_stands_still(back: float) -> None:
    """So nothing of what is caught up with is forgotten, and no interval loses its step."""
    stage = Stage()
    clock = WorldClock(stage.machine)
    stage.app = App(clock=clock, timezone="UTC")
    stage.app.task("every 7 seconds", name="b")(sleeping(0))
    stage.app.task("cron * * * * * 0,10,20,30,40,50", name="a", catch_up="all")(sleeping(0.4))
    stage.live(nothing, 1)
    stage.machine.now = 60 * SECOND + 1

    async def before(call: str) -> None:
        if stage.machine.now > 61 * SECOND:
            clock._skew = -round(back * SECOND)

    found = [line.split() for line in stage.live(before, 30)]
    runs = [(task, scheduled[0]) for _, task, action, *scheduled in found if action == "run"]
    assert [at for task, at in runs if task == "a"] == [str(at) for at in range(0, 81, 10)]
    steps = [int(at) for task, at in runs if task == "b"]
    assert steps == [0, *range(56, 56 + 7 * (len(steps) - 1), 7)]
