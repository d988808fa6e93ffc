"""What tasks cost that wait. Bytes are exact, so unlike times they can be asserted."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable

import pytest

from oncue import App
from oncue.app.stores.ledger import Ledger, record_of
from oncue.engine.records import Action, Record

MANY = 2_000
NOON = 1_773_144_000.0  # of 10 March 2026, UTC
KILOBYTE = 1024


def functions(number: int) -> list[Callable[[], None]]:
    def named(name: str) -> Callable[[], None]:
        def work() -> None: ...

        work.__name__ = name
        return work

    return [named(f"task {i}") for i in range(number)]


def cost(condition: str, number: int) -> int:
    """The bytes that an app has for so many tasks, once they are planned and none is due."""
    works = functions(number)
    app = App(timezone="UTC", time_func=lambda: NOON)
    measured: list[int] = []

    async def idle() -> None:
        ready = asyncio.Event()
        serving = asyncio.create_task(app.session.serve(ready.set))
        await ready.wait()
        for _ in range(5):  # the first turns
            await asyncio.sleep(0)
        gc.collect()
        measured.append(tracemalloc.get_traced_memory()[0])
        app.shut_down()
        await serving

    gc.collect()
    tracemalloc.start()
    try:
        for work in works:
            app.task(condition, func=work)
        asyncio.run(idle())
    finally:
        tracemalloc.stop()
    return measured[0]


@pytest.mark.parametrize(
    "condition", ["daily after 20:00", "cron 0 20 * * 1-5", "once at 2030-01-01"]
)
def test_an_idle_task_costs_less_than_a_kilobyte(condition: str) -> None:
    cost(condition, 1)  # what all tasks share
    assert (cost(condition, MANY) - cost(condition, 1)) / MANY < KILOBYTE


def test_tasks_that_are_said_the_same_share_what_was_said() -> None:
    app = App()
    one, other = (app.task("daily", func=work, priority=2) for work in functions(2))
    assert one.values is other.values
    one.priority = 3
    assert (one.priority, other.priority) == (3, 2)


def test_the_garbage_collector_need_not_look_at_the_log_in_memory() -> None:
    ledger = Ledger()
    record = Record("a", Action.FAIL, 1, 1, 2, 0, 3, "label", "error", 4)
    ledger.append(record)
    gc.collect()
    assert not gc.is_tracked(ledger.lines[0])
    assert record_of(ledger.lines[0], 1) == record and ledger.after(0) == [record]
