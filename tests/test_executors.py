"""One suite for the protocol, run by every executor."""

import asyncio
import threading
from collections.abc import Callable
from typing import NoReturn

import pytest

from oncue.app.errors import TaskInactionException, TaskTerminationException
from oncue.app.executors import EXECUTIONS, Call, Ending
from oncue.engine.records import Action

ALL = sorted(EXECUTIONS)
PARALLEL = sorted(EXECUTIONS.keys() - {"main"})
LIMIT = 30  # seconds; nothing here takes long


def endings(execution: str, *functions: Callable[[], object]) -> list[Ending]:
    """Run the functions, all begun before any is waited for; their endings, as they come."""

    async def story() -> list[Ending]:
        executor = EXECUTIONS[execution]()
        ended: asyncio.Queue[Ending] = asyncio.Queue()
        for function in functions:
            await executor.start(Call(function, ended.put_nowait))
        found = [await asyncio.wait_for(ended.get(), LIMIT) for _ in functions]
        await executor.close()
        return found

    return asyncio.run(story())


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def task() -> NoReturn:
        raise error

    return task


async def coroutine() -> str:
    await asyncio.sleep(0)
    return "awaited"


@pytest.mark.parametrize("execution", ALL)
def test_the_value_of_a_function_comes_back(execution: str) -> None:
    assert endings(execution, lambda: 42) == [Ending(Action.SUCCESS, 42)]


@pytest.mark.parametrize("execution", ALL)
def test_the_value_of_a_coroutine_comes_back(execution: str) -> None:
    assert endings(execution, coroutine) == [Ending(Action.SUCCESS, "awaited")]


@pytest.mark.parametrize("execution", ALL)
@pytest.mark.parametrize(
    ("error", "action"),
    [
        (ValueError("bad luck"), Action.FAIL),
        (SystemExit(3), Action.FAIL),
        (KeyboardInterrupt(), Action.FAIL),
        (asyncio.CancelledError(), Action.FAIL),
        (TaskInactionException(), Action.INACTION),
        (TaskTerminationException(), Action.TERMINATE),
    ],
)
def test_what_a_task_raises_ends_it_and_nothing_else(
    execution: str, error: BaseException, action: Action
) -> None:
    after = endings(execution, raising(error), lambda: "next")
    assert sorted(ending.action for ending in after) == sorted([action, Action.SUCCESS])


@pytest.mark.parametrize("execution", ALL)
def test_a_failure_carries_the_traceback_of_the_task_alone(execution: str) -> None:
    (ending,) = endings(execution, raising(ValueError("bad luck")))
    assert ending.error is not None
    assert ending.error.startswith("Traceback (most recent call last):")
    assert ending.error.endswith("ValueError: bad luck")
    assert "raise error" in ending.error
    assert "app/executors" not in ending.error


@pytest.mark.parametrize("execution", PARALLEL)
def test_begun_calls_run_beside_each_other(execution: str) -> None:
    if execution == "async":
        gate = asyncio.Event()

        async def waits() -> str:
            await gate.wait()
            return "waited"

        async def opens() -> str:
            gate.set()
            return "opened"

        calls: tuple[Callable[[], object], ...] = waits, opens
    else:
        door = threading.Event()

        def first() -> str:
            return "waited" if door.wait(LIMIT) else "alone"

        def second() -> str:
            door.set()
            return "opened"

        calls = first, second
    assert [ending.value for ending in endings(execution, *calls)] == ["opened", "waited"]


def test_main_runs_one_call_to_its_end() -> None:
    order: list[str] = []

    async def story() -> None:
        executor = EXECUTIONS["main"]()

        async def task() -> None:
            await asyncio.sleep(0)
            order.append("ran")

        def done(ending: Ending) -> None:
            order.append("ended")

        await executor.start(Call(task, done))
        order.append("returned")

    asyncio.run(story())
    assert order == ["ran", "ended", "returned"]


def test_threads_are_kept_for_the_next_call_and_go_at_the_close() -> None:
    seen: set[int] = set()

    async def story() -> None:
        executor = EXECUTIONS["thread"]()
        ended: asyncio.Queue[Ending] = asyncio.Queue()
        for _ in range(20):
            await executor.start(Call(threading.get_ident, ended.put_nowait))
            ending = await asyncio.wait_for(ended.get(), LIMIT)
            assert isinstance(ending.value, int)
            seen.add(ending.value)
        await executor.close()

    asyncio.run(story())
    assert len(seen) == 1
    (left,) = seen
    for thread in threading.enumerate():
        if thread.ident == left:
            thread.join(LIMIT)
            assert not thread.is_alive()
