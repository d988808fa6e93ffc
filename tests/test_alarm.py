"""Alarms ring on the loop, once and not before their time; by each kind of timer."""

import asyncio
import sys
from collections.abc import Callable

import pytest

from oncue.app.alarm import Alarm, FileAlarm, LoopAlarm, alarm

LIMIT = 30  # seconds; nothing here takes long
Kind = Callable[[asyncio.AbstractEventLoop, Callable[[], object]], Alarm]
linux = pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")


@pytest.fixture(params=[LoopAlarm, pytest.param(FileAlarm, marks=linux)])
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def rung(kind: Kind, *settings: float | None) -> float:
    """Set it to these seconds one after another (None stops it); how long it took to ring."""

    async def wait() -> float:
        loop = asyncio.get_running_loop()
        bell: asyncio.Queue[float] = asyncio.Queue()
        clock = kind(loop, lambda: bell.put_nowait(loop.time()))
        began = loop.time()
        for seconds in settings:
            if seconds is None:
                clock.stop()
            else:
                clock.set(seconds)
        try:
            at = await asyncio.wait_for(bell.get(), LIMIT)
            for _ in range(3):
                await asyncio.sleep(0)
            assert bell.empty()
        finally:
            clock.close()
        return at - began

    return asyncio.run(wait())


@pytest.mark.parametrize("seconds", [0, -1, 1e-9, 0.0004, 0.03])
def test_an_alarm_rings_and_never_too_early(kind: Kind, seconds: float) -> None:
    assert rung(kind, seconds) >= seconds - 1e-6


def test_the_last_setting_counts(kind: Kind) -> None:
    assert rung(kind, 0, 1000, 0.02) >= 0.02


def test_one_that_was_stopped_is_silent_until_it_is_set_again(kind: Kind) -> None:
    assert rung(kind, 0, None, 0.02) >= 0.02


def test_one_that_is_stopped_when_it_has_rung_unheard_is_silent(kind: Kind) -> None:
    async def wait() -> list[str]:
        loop = asyncio.get_running_loop()
        heard: list[str] = []
        later = asyncio.Event()
        clock = kind(loop, lambda: heard.append("it"))
        began = loop.time()
        clock.set(0)
        while loop.time() - began < 0.001:
            pass  # it is over then, and the loop has not looked
        clock.stop()
        loop.call_later(0.01, later.set)
        await later.wait()
        clock.close()
        return heard

    assert asyncio.run(wait()) == []


def test_a_loop_that_watches_no_files_has_its_own_timers() -> None:
    class Blind(asyncio.SelectorEventLoop):
        def add_reader(self, *args: object) -> None:
            raise NotImplementedError

    with asyncio.Runner(loop_factory=Blind) as runner:
        loop = runner.get_loop()
        assert isinstance(alarm(loop, lambda: None), LoopAlarm)


@linux
def test_linux_has_the_precise_kind() -> None:
    async def made() -> Alarm:
        return alarm(asyncio.get_running_loop(), lambda: None)

    with asyncio.Runner() as runner:
        clock = runner.run(made())
        assert isinstance(clock, FileAlarm)
        runner.run(closed(clock))


async def closed(clock: Alarm) -> None:
    clock.close()
