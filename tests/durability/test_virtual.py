"""Loops on a virtual time: what is due comes in order, and nothing waits."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest

from oncue.tests.durability.virtual import SECOND, HotLoop, Machine


def test_a_year_passes_at_once_and_in_order() -> None:
    async def story() -> list[str]:
        async def after(days: int) -> None:
            await asyncio.sleep(days * 86_400)
            seen.append(f"{days} days at {machine.now // SECOND // 86_400}")

        seen: list[str] = []
        await asyncio.gather(after(365), after(1), after(30))
        return seen

    machine = Machine(Random(0))
    began = time.monotonic()
    found = machine.run(machine.loop().create_task(story()))
    assert found == ["1 days at 1", "30 days at 30", "365 days at 365"]
    assert time.monotonic() - began < 60


def test_what_a_stopped_loop_slept_through_comes_when_it_goes_on() -> None:
    machine = Machine(Random(0))
    one, other = machine.loop(), machine.loop()
    seen: list[int] = []

    async def ticking() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append(machine.now // SECOND)

    async def stopping() -> None:
        await asyncio.sleep(2.5)
        one.stopped = True
        await asyncio.sleep(5)
        one.stopped = False
        await asyncio.sleep(2.1)

    ticks = one.create_task(ticking())
    machine.run(other.create_task(stopping()))
    assert seen == [1, 2, 7, 8, 9]
    ticks.cancel()
    one.turn(machine.now)


def test_nothing_of_a_dropped_loop_happens_but_its_tasks_end() -> None:
    machine = Machine(Random(0))
    one, other = machine.loop(), machine.loop()
    seen: list[str] = []

    async def dying() -> None:
        try:
            await asyncio.sleep(1)
            machine.drop(one)
            await one.create_future()
        finally:
            seen.append("buried")
            await asyncio.sleep(5)

    async def waiting() -> None:
        await asyncio.sleep(10)

    dead = one.create_task(dying())
    machine.run(other.create_task(waiting()))
    assert seen == ["buried"]
    assert dead.cancelled() and not one.tasks


def test_what_goes_on_while_no_time_passes_is_told() -> None:
    async def hot() -> None:
        while True:
            await asyncio.sleep(0)

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    for endless in (hot, never):
        machine = Machine(Random(0))
        loop = machine.loop()
        task = loop.create_task(endless())
        with pytest.raises(HotLoop):
            machine.run(task)
        task.cancel()
        loop.turn(machine.now)
        loop.turn(machine.now)


def test_no_thread_is_used() -> None:
    async def story() -> None:
        await asyncio.to_thread(time.sleep, 1)

    machine = Machine(Random(0))
    with pytest.raises(AssertionError, match="on a thread"):
        machine.run(machine.loop().create_task(story()))
