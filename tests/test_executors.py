"""One suite for the protocol, run by every executor; then what is each one's own.

Functions stand at the top of this module, where a worker process finds them by name.
"""

import asyncio
import contextvars
import functools
import gc
import logging
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from oncue.app.errors import (
    DefinitionError,
    OncueError,
    TaskInactionException,
    TaskTerminationException,
)
from oncue.app.executors import EXECUTIONS, Call, Ending, Executor, Running, pack
from oncue.app.executors import inline as inline_module
from oncue.app.executors import process as process_module
from oncue.app.executors import thread as thread_module
from oncue.app.executors.parcel import resolve
from oncue.app.executors.process import ProcessExecutor
from oncue.app.executors.worker import refuse_in_worker
from oncue.engine.records import Action

ALL = sorted(EXECUTIONS)
PARALLEL = sorted(EXECUTIONS.keys() - {"main"})
LIMIT = 60  # seconds; nothing here takes long
RUNS = int(os.environ.get("ONCUE_RUNS", "300"))  # for the leaks; 10,000 in a long check
POSIX = sys.platform != "win32"

log = logging.getLogger("tests.executors")


class Bench:
    """An executor at work, and the endings it reports."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.endings: asyncio.Queue[Ending] = asyncio.Queue()

    async def start(
        self,
        function: Callable[..., object],
        *,
        flag: threading.Event | None = None,
        name: str = "task",
        **arguments: Any,
    ) -> Running:
        done = self.endings.put_nowait
        return await self.executor.start(Call(function, done, arguments, name, flag))

    async def ending(self) -> Ending:
        return await asyncio.wait_for(self.endings.get(), LIMIT)

    async def run(self, function: Callable[..., object], **arguments: Any) -> Ending:
        await self.start(function, **arguments)
        return await self.ending()


@asynccontextmanager
async def bench(execution: str, workers: int = 2) -> AsyncIterator[Bench]:
    many = execution == "process"
    made = Bench(ProcessExecutor(workers) if many else EXECUTIONS[execution]())
    try:
        yield made
    finally:
        await made.executor.close()
        assert made.endings.empty(), "an ending was reported twice"


def one(execution: str, function: Callable[..., object], **arguments: object) -> Ending:
    async def story() -> Ending:
        async with bench(execution) as made:
            return await made.run(function, **arguments)

    return asyncio.run(story())


async def until(seen: Callable[[], object]) -> None:
    """Let the loop turn until something has been seen; it is, or the test hangs and fails."""
    async with asyncio.timeout(LIMIT):
        while not seen():
            await asyncio.sleep(0.001)


# --- what the tests run ---------------------------------------------------------------------------


def answer() -> int:
    return 42


async def coroutine() -> str:
    await asyncio.sleep(0)
    return "awaited"


def sentence(subject: str, verb: str = "sleeps") -> str:
    return f"{subject} {verb}"


async def sentence_later(subject: str, verb: str = "sleeps") -> str:
    return f"{subject} {verb}"


def raising(error: BaseException) -> None:
    raise error


async def raising_later(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def chained() -> None:
    try:
        dict[str, int]()["key"]
    except KeyError as error:
        raise ValueError("bad luck") from error


def says(text: str) -> None:
    log.info("%s", text, extra={"colour": "red"})


def meets(mine: str, other: str) -> str:
    """Two of these return only if they run beside each other."""
    Path(mine).touch()
    wait_for_file(other)
    return "met"


async def meets_later(mine: str, other: str) -> str:
    Path(mine).touch()
    while not Path(other).exists():
        await asyncio.sleep(0.001)
    return "met"


def wait_for_file(path: str) -> None:
    pause = threading.Event()
    for _ in range(LIMIT * 1000):
        if Path(path).exists():
            return
        pause.wait(0.001)
    raise TimeoutError(f"{path} has not come")


def stays(begun: str, cleaned: str) -> None:
    """Begins, and does not end by itself; cleans up after itself."""
    try:
        Path(begun).touch()
        threading.Event().wait(LIMIT)
    finally:
        Path(cleaned).touch()


async def stays_later(begun: str, cleaned: str) -> None:
    try:
        Path(begun).touch()
        await asyncio.sleep(LIMIT)
    finally:
        Path(cleaned).touch()


def listens(begun: str, flag: threading.Event, end: str) -> str:
    Path(begun).touch()
    assert flag.wait(LIMIT)
    if end == "raise":
        raise TaskTerminationException
    return "returned"


COLOUR = contextvars.ContextVar("COLOUR", default="none")
session: list[str] = []  # what a task may want to change


def modifies(value: str) -> None:
    session.append(value)
    COLOUR.set(COLOUR.get() + value)


# --- calls and endings ----------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ALL)
def test_the_value_of_a_function_comes_back(execution: str) -> None:
    assert one(execution, answer) == Ending(Action.SUCCESS, 42)


@pytest.mark.parametrize("execution", ALL)
def test_the_value_of_a_coroutine_comes_back(execution: str) -> None:
    assert one(execution, coroutine) == Ending(Action.SUCCESS, "awaited")


@pytest.mark.parametrize("execution", ALL)
@pytest.mark.parametrize("function", [sentence, sentence_later, functools.partial(sentence)])
def test_arguments_go_in(execution: str, function: Callable[..., object]) -> None:
    ending = one(execution, function, subject="a cat", verb="waits")
    assert ending == Ending(Action.SUCCESS, "a cat waits")


@pytest.mark.parametrize("execution", ALL)
@pytest.mark.parametrize("function", [raising, raising_later])
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
    execution: str, function: Callable[..., object], error: BaseException, action: Action
) -> None:
    async def story() -> None:
        async with bench(execution) as made:
            assert (await made.run(function, error=error)).action is action
            assert await made.run(answer) == Ending(Action.SUCCESS, 42)

    asyncio.run(story())


@pytest.mark.parametrize("execution", ALL)
def test_a_failure_carries_the_traceback_of_the_task_alone(execution: str) -> None:
    error = one(execution, chained).error
    assert error is not None
    assert error.startswith("Traceback (most recent call last):")
    assert "KeyError: 'key'" in error and "direct cause" in error
    assert 'raise ValueError("bad luck") from error' in error
    assert error.endswith("ValueError: bad luck")
    assert "app/executors" not in error


@pytest.mark.parametrize("execution", ALL)
def test_a_task_that_takes_no_such_argument_fails(execution: str) -> None:
    ending = one(execution, answer, question="?")
    assert ending.action is Action.FAIL
    assert "unexpected keyword argument 'question'" in (ending.error or "")


@pytest.mark.parametrize("execution", ALL)
def test_log_lines_from_inside_reach_our_logging(
    execution: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tests.executors")
    assert one(execution, says, text="hello").action is Action.SUCCESS
    (record,) = [r for r in caplog.records if r.name == "tests.executors"]
    assert record.getMessage() == "hello"
    assert record.__dict__["colour"] == "red"
    assert record.funcName == "says"


@pytest.mark.parametrize("execution", ALL)
def test_log_lines_below_the_level_stay_away(
    execution: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="tests.executors")
    assert one(execution, says, text="hush").action is Action.SUCCESS
    assert [r for r in caplog.records if r.name == "tests.executors"] == []


# --- coroutines that share a task -----------------------------------------------------------------


async def together(made: Bench, *functions: Callable[..., object]) -> list[Ending]:
    """Started in one go; the endings, as they come."""
    for function in functions:
        await made.start(function)
    return [await made.ending() for _ in functions]


def beside(*functions: Callable[..., object]) -> list[Ending]:
    async def story() -> list[Ending]:
        async with bench("async") as made:
            return await together(made, *functions)

    return asyncio.run(story())


def test_coroutines_that_end_with_their_first_step_cost_one_asyncio_task() -> None:
    async def which() -> object:
        return asyncio.current_task()

    assert len({id(ending.value) for ending in beside(*[which] * 10)}) == 1


def test_one_that_goes_on_has_a_task_of_its_own() -> None:
    async def which() -> object:
        task = asyncio.current_task()
        await asyncio.sleep(0)
        assert asyncio.current_task() is task
        return task

    assert len({id(ending.value) for ending in beside(*[which] * 10)}) == 10


def test_a_time_limit_of_one_is_not_that_of_another() -> None:
    async def short() -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.sleep(LIMIT)
        return "short"

    async def long() -> str:
        await asyncio.sleep(0.01)
        return "long"

    async def quick() -> str:
        return "quick"

    values = [ending.value for ending in beside(quick, short, quick, long)]
    assert values == ["quick", "quick", "short", "long"]


def test_where_the_loop_makes_tasks_in_its_own_way_each_has_one() -> None:
    async def which() -> object:
        return asyncio.current_task()

    async def story() -> list[Ending]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coroutine, **more: asyncio.Task(coroutine, loop=loop))
        async with bench("async") as made:
            return await together(made, *[which] * 10)

    assert len({id(ending.value) for ending in asyncio.run(story())}) == 10


def test_what_one_sets_in_its_context_no_other_sees() -> None:
    async def paints() -> str:
        modifies("!")
        return COLOUR.get()

    async def paints_later() -> str:
        modifies("!")
        await asyncio.sleep(0)
        modifies("?")
        await asyncio.create_task(asyncio.sleep(0))
        return COLOUR.get()

    values = [e.value for e in beside(paints, paints, paints_later, paints, paints_later)]
    assert values == ["none!", "none!", "none!", "none!?", "none!?"]


def test_they_have_the_context_in_which_they_were_started() -> None:
    async def which() -> str:
        return COLOUR.get()

    async def story() -> list[object]:
        async with bench("async") as made:
            for colour in ("red", "green"):
                COLOUR.set(colour)
                await made.start(which)
            return [(await made.ending()).value for _ in "ab"]

    assert asyncio.run(story()) == ["red", "green"]


def test_one_that_is_told_to_end_before_its_turn_is_not_called() -> None:
    called: list[str] = []

    async def story() -> list[Action]:
        async with bench("async") as made:
            await made.start(lambda: called.append("a"))
            (await made.start(lambda: called.append("b"))).terminate()
            await made.start(lambda: called.append("c"))
            return [(await made.ending()).action for _ in "abc"]

    assert asyncio.run(story()) == [Action.SUCCESS, Action.TERMINATE, Action.SUCCESS]
    assert called == ["a", "c"]


def test_to_tell_one_that_has_ended_to_end_tells_no_other() -> None:
    async def story() -> Ending:
        told = asyncio.Event()
        async with bench("async") as made:
            ended = await made.start(answer)
            await made.start(told.wait)
            assert (await made.ending()).value == 42
            ended.terminate()
            told.set()
            return await made.ending()

    assert asyncio.run(story()) == Ending(Action.SUCCESS, True)


def test_one_that_cancels_its_own_task_cancels_no_other() -> None:
    async def cancels() -> str:
        task = asyncio.current_task()
        assert task is not None and task.cancel()
        return "cancelled itself"

    async def sleeps() -> str:
        await asyncio.sleep(0)
        return "slept"

    values = [ending.value for ending in beside(cancels, sleeps, cancels, sleeps)]
    assert sorted(map(str, values)) == ["cancelled itself", "cancelled itself", "slept", "slept"]


def test_those_that_wait_for_their_turn_outlive_the_task_they_were_to_share() -> None:
    async def story() -> list[object]:
        async with bench("async") as made:
            before = asyncio.all_tasks()
            await made.start(answer)
            for task in asyncio.all_tasks() - before:
                task.cancel()
            await asyncio.sleep(0)
            await made.start(answer)
            return [(await made.ending()).value for _ in "ab"]

    assert asyncio.run(story()) == [42, 42]


# --- the table: parallel --------------------------------------------------------------------------


@pytest.mark.parametrize("execution", PARALLEL)
def test_begun_calls_run_beside_each_other(execution: str, tmp_path: Path) -> None:
    function = meets_later if execution == "async" else meets
    a, b = str(tmp_path / "a"), str(tmp_path / "b")

    async def story() -> None:
        async with bench(execution) as made:
            await made.start(function, mine=a, other=b)
            await made.start(function, mine=b, other=a)
            assert [(await made.ending()).value for _ in "ab"] == ["met", "met"]

    asyncio.run(story())


@pytest.mark.parametrize("function", [sentence, sentence_later])
def test_main_runs_one_call_to_its_end(function: Callable[..., object]) -> None:
    order: list[str] = []

    async def story() -> None:
        executor = EXECUTIONS["main"]()
        call = Call(function, lambda _: order.append("ended"), {"subject": "a cat"})
        (await executor.start(call)).terminate()
        order.append("returned")

    asyncio.run(story())
    assert order == ["ended", "returned"]


# --- the table: terminated ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("execution", "function"),
    [
        ("async", stays_later),
        ("process", stays),
        ("process", stays_later),
        ("thread", stays_later),
    ],
)
def test_a_run_that_can_be_terminated_cleans_up_and_ends(
    execution: str,
    function: Callable[..., object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_module, "TERM_GRACE", LIMIT)  # however busy the machine is
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"

    async def story() -> Ending:
        async with bench(execution) as made:
            run = await made.start(function, begun=str(begun), cleaned=str(cleaned))
            await until(begun.exists)
            run.terminate()
            run.terminate()
            ending = await made.ending()
            run.terminate()
            assert await made.run(answer) == Ending(Action.SUCCESS, 42)
            return ending

    assert asyncio.run(story()) == Ending(Action.TERMINATE)
    assert cleaned.exists()


@pytest.mark.parametrize("execution", ["async", "process"])
def test_a_run_can_be_terminated_before_it_has_begun(execution: str, tmp_path: Path) -> None:
    async def story() -> Ending:
        async with bench(execution) as made:
            run = await made.start(raising, error=ValueError("it ran"))
            run.terminate()
            return await made.ending()

    assert asyncio.run(story()) == Ending(Action.TERMINATE)


def test_a_warm_worker_told_to_end_at_once_does(tmp_path: Path) -> None:
    files: dict[str, Any] = {name: str(tmp_path / name) for name in ("begun", "cleaned")}

    async def story() -> None:
        async with bench("process") as made:
            for turns in range(6):
                await made.run(answer)
                run = await made.start(stays, **files)
                for _ in range(turns):
                    await asyncio.sleep(0)
                run.terminate()
                assert await made.ending() == Ending(Action.TERMINATE)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("end", "expected"),
    [("raise", Ending(Action.TERMINATE)), ("return", Ending(Action.SUCCESS, "returned"))],
)
def test_a_thread_listens_to_its_flag(end: str, expected: Ending, tmp_path: Path) -> None:
    begun, flag = tmp_path / "begun", threading.Event()

    async def story() -> Ending:
        async with bench("thread") as made:
            call = Call(
                functools.partial(listens, str(begun), flag, end),
                made.endings.put_nowait,
                flag=flag,
            )
            run = await made.executor.start(call)
            await until(begun.exists)
            run.terminate()
            return await made.ending()

    assert asyncio.run(story())[:3] == expected[:3]


def test_a_thread_that_ignores_its_flag_is_left_behind() -> None:
    gate, flag = threading.Event(), threading.Event()

    async def story() -> None:
        made = Bench(EXECUTIONS["thread"]())
        await made.start(gate.wait, flag=flag, name="deaf", timeout=LIMIT)
        await made.start(answer)
        assert (await made.ending()).value == 42
        assert await made.executor.close(grace=0.01) == ["deaf"]
        assert flag.is_set()
        gate.set()
        await asyncio.sleep(0)
        assert made.endings.empty()

    asyncio.run(story())


@pytest.mark.parametrize("execution", PARALLEL)
def test_closing_terminates_what_runs_and_waits_for_it(execution: str, tmp_path: Path) -> None:
    function = stays if execution == "process" else stays_later
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"

    async def story() -> None:
        made = Bench(EXECUTIONS[execution]())
        await made.start(function, begun=str(begun), cleaned=str(cleaned))
        await until(begun.exists)
        assert await made.executor.close(grace=LIMIT) == []
        assert made.endings.get_nowait() == Ending(Action.TERMINATE)

    asyncio.run(story())
    assert cleaned.exists()


# --- the table: can modify the session ------------------------------------------------------------


@pytest.mark.parametrize("execution", ALL)
def test_what_a_task_can_change_here(execution: str) -> None:
    session.clear()
    assert one(execution, modifies, value="changed").action is Action.SUCCESS
    assert session == ([] if execution == "process" else ["changed"])


@pytest.mark.parametrize("execution", ["async", "thread"])
def test_context_variables_are_a_run_s_own(execution: str) -> None:
    async def story() -> None:
        COLOUR.set("red")
        async with bench(execution) as made:
            await made.run(modifies, value="der")
            assert (await made.run(COLOUR.get)).value == "red"

    asyncio.run(story())


# --- leaks ----------------------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def memory() -> int:
    """Kilobytes that are resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
@pytest.mark.parametrize("execution", ALL)
def test_many_runs_leak_nothing(execution: str) -> None:
    async def story() -> None:
        async with bench(execution) as made:
            for _ in range(50):
                await made.run(sentence, subject="a cat")
            gc.collect()
            before = (
                threading.active_count(),
                len(multiprocessing.active_children()),
                descriptors(),
                len(gc.get_objects()),
                memory(),
            )
            for _ in range(RUNS):
                await made.run(sentence, subject="a cat")
            gc.collect()
            assert threading.active_count() == before[0]
            assert len(multiprocessing.active_children()) == before[1]
            assert descriptors() == before[2]
            assert len(gc.get_objects()) < before[3] + 100
            assert memory() < before[4] + 4096

    threads, children = threading.active_count(), len(multiprocessing.active_children())
    asyncio.run(story())
    assert len(multiprocessing.active_children()) == children
    wait_until_gone(threads)


def wait_until_gone(threads: int) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("oncue-"):
            thread.join(LIMIT)
    assert threading.active_count() <= threads


@pytest.mark.parametrize("execution", PARALLEL)
def test_what_a_run_held_is_let_go(execution: str) -> None:
    class Big:
        pass

    async def story() -> None:
        async with bench(execution) as made:
            big = Big()
            seen = weakref.ref(big)
            if execution == "process":
                await made.start(answer, big=seen)  # refused: what cannot be sent is not kept
            else:
                await made.start(functools.partial(id, big))
            await made.ending()
            del big
            await until(lambda: gc.collect() is not None and seen() is None)

    asyncio.run(story())


# --- main and async -------------------------------------------------------------------------------


async def swallows(begun: str) -> str:
    try:
        Path(begun).touch()
        await asyncio.sleep(LIMIT)
    except asyncio.CancelledError:
        pass
    return "went on"


def test_a_swallowed_cancellation_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begun = tmp_path / "begun"

    async def story() -> Ending:
        async with bench("async") as made:
            run = await made.start(swallows, begun=str(begun), name="deaf")
            await until(begun.exists)
            run.terminate()
            return await made.ending()

    ending = asyncio.run(story())
    assert ending.action is Action.TERMINATE
    assert "swallowed its cancellation" in (ending.error or "")
    assert "task 'deaf': terminated; but the task swallowed" in caplog.text


def test_a_task_deaf_to_cancellation_is_left_behind() -> None:
    waits = 0

    async def deaf() -> None:
        nonlocal waits
        while True:
            try:
                waits += 1
                await asyncio.sleep(LIMIT)
            except asyncio.CancelledError:
                pass

    async def story() -> None:
        made = Bench(EXECUTIONS["async"]())
        await made.start(deaf, name="deaf")
        await until(lambda: waits == 1)
        assert await made.executor.close(grace=0.01) == ["deaf"]
        assert waits == 2
        assert made.endings.empty()

    asyncio.run(story())  # which waits for every task that is left


def test_a_cancelled_task_that_fails_in_cleaning_up_has_failed() -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(LIMIT)
        finally:
            raise ValueError("the broom broke")

    async def story() -> Ending:
        async with bench("async") as made:
            run = await made.start(fails)
            await asyncio.sleep(0)
            run.terminate()
            return await made.ending()

    ending = asyncio.run(story())
    assert ending.action is Action.FAIL
    assert (ending.error or "").endswith("ValueError: the broom broke")


@pytest.mark.parametrize("function", [answer, coroutine])
def test_a_task_that_holds_the_loop_is_named(
    function: Callable[..., object],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inline_module, "STALL", 0.0)

    async def story() -> None:
        async with bench("async") as made:
            await made.start(function, name="slow")
            await made.ending()

    asyncio.run(story())
    assert "task 'slow' held the loop for 0.0 s" in caplog.text


def test_a_task_that_awaits_holds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    one("async", coroutine)
    assert caplog.text == ""


# --- threads --------------------------------------------------------------------------------------


def test_threads_are_kept_for_the_next_call_and_go_at_the_close() -> None:
    async def story() -> set[object]:
        async with bench("thread") as made:
            return {(await made.run(threading.get_ident)).value for _ in range(20)}

    (left,) = asyncio.run(story())
    for thread in threading.enumerate():
        if thread.ident == left:
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_idle_threads_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_module, "IDLE", 0.01)

    async def story() -> None:
        async with bench("thread") as made:
            gate = threading.Event()
            for _ in range(5):
                await made.start(gate.wait, timeout=LIMIT)
            gate.set()
            for _ in range(5):
                assert (await made.ending()).value is True
            await until(lambda: not [t for t in threading.enumerate() if t.name in names])
            assert (await made.run(answer)).value == 42

    names = {f"oncue-task-{number}" for number in range(1, 6)}
    asyncio.run(story())


# --- processes: what can be sent ------------------------------------------------------------------


class Decorated:
    """What a decorator puts in a function's place; a task is one of these."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


def shouting(function: Callable[..., str]) -> Callable[..., str]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return function(*args, **kwargs).upper()

    return wrapper


@Decorated
def task_function() -> str:
    return "found"


@Decorated
@shouting
def task_of_a_wrapper() -> str:
    return "found"


@Decorated
@functools.cache
def task_of_a_cached() -> str:
    return "cached"


@shouting
def wrapped() -> str:
    return "found"


class Holder:
    @staticmethod
    def held() -> str:
        return "held"


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (task_function.function, "found"),
        (task_of_a_wrapper.function, "FOUND"),
        (task_of_a_cached.function, "cached"),
        (wrapped, "FOUND"),
        (wrapped.__wrapped__, "found"),  # type: ignore[attr-defined]
        (Holder.held, "held"),
        (functools.partial(sentence, "a partial"), "a partial sleeps"),
        (functools.partial(task_function.function), "found"),
        ("a-b".split, ["a-b"]),
        (os.path.basename, None),
    ],
)
def test_functions_are_found_behind_their_decorators(
    function: Callable[..., object], value: object
) -> None:
    arguments = {"p": "/a/b"} if value is None else {}
    assert one("process", function, **arguments).value == (value or "b")


def test_a_reference_that_leads_nowhere_fails_with_the_reason() -> None:
    ending = one("process", resolve, module="test_executors", qualname="gone", layers=())
    assert "has no attribute 'gone'" in (ending.error or "")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (lambda: 1, {}, r"its function cannot be sent to one: a lambda has no name to import it"),
        (answer, {"x": 1, "lock": threading.Lock()}, r"its argument 'lock' cannot be sent"),
        (answer, {"key": lambda: 1}, r"its argument 'key' cannot be sent"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(
    function: Callable[..., object], arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        pack(function, arguments, "task")
    ending = one("process", function, **arguments)
    assert ending.action is Action.FAIL
    assert "task 'task' runs in a process" in (ending.error or "")


def test_a_local_function_is_refused_by_name() -> None:
    def local() -> None: ...

    with pytest.raises(DefinitionError, match="is defined inside a function; move it to"):
        pack(local, {}, "task")


def unpicklable() -> object:
    return threading.Lock()


class Unloadable:
    """Pickles, but does not load."""

    def __reduce__(self) -> tuple[object, ...]:
        return explode_here, ()


def explode_here() -> None:
    raise ValueError("not in this process")


def unloadable() -> object:
    return Unloadable()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (unpicklable, "what the task returned, a lock, cannot be sent back: "),
        (unloadable, "what the task returned cannot be loaded here: ValueError: not in this"),
    ],
)
def test_a_value_that_cannot_come_back_is_a_failure(
    function: Callable[..., object], message: str
) -> None:
    async def story() -> Ending:
        async with bench("process") as made:
            ending = await made.run(function)
            assert (await made.run(answer)).value == 42
            return ending

    ending = asyncio.run(story())
    assert ending.action is Action.FAIL
    assert (ending.error or "").startswith(message)


def large(size: int) -> bytes:
    return b"x" * size


def test_large_values_go_and_come() -> None:
    value = b"y" * 3_000_000
    assert one("process", large, size=3_000_000).value == b"x" * 3_000_000
    assert one("process", len_of, value=value).value == 3_000_000


def len_of(value: bytes) -> int:
    return len(value)


def logs_oddly() -> None:
    log.info("odd", extra={"lock": threading.Lock()})


def test_a_log_line_with_what_cannot_be_sent_comes_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="tests.executors")
    assert one("process", logs_oddly).action is Action.SUCCESS
    (record,) = [r for r in caplog.records if r.name == "tests.executors"]
    assert record.getMessage() == "odd"
    assert "lock" in record.__dict__["lock"]


# --- processes: death -----------------------------------------------------------------------------


def kills_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait(LIMIT)


def out_of_memory() -> int:
    limit = 512 * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return len(bytearray(4 * limit))


def dies_while_sending(size: int) -> object:
    """What the kernel does to a process that needs too much memory to pickle its result."""
    return Fatal()


class Fatal:
    def __reduce__(self) -> tuple[object, ...]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@pytest.mark.skipif(not POSIX, reason="signals")
@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (kills_itself, {"number": 9}, "was ended by SIGKILL: killed from outside, or out of memor"),
        (kills_itself, {"number": 15}, "was told to end, by SIGTERM from outside"),
        (kills_itself, {"number": 10}, "was ended by SIGUSR1"),
        (os._exit, {"status": 0}, "exited with 0 before the task had returned"),
        (os._exit, {"status": 3}, "exited with 3 before the task had returned"),
        (dies_while_sending, {"size": 1}, "was ended by SIGKILL"),
        (out_of_memory, {}, "MemoryError"),
    ],
)
def test_a_worker_that_dies_is_a_failure_and_the_pool_lives(
    function: Callable[..., object], arguments: dict[str, object], message: str, tmp_path: Path
) -> None:
    """Beside it, another run goes on."""
    a, b = str(tmp_path / "a"), str(tmp_path / "b")

    async def story() -> Ending:
        made = Bench(ProcessExecutor(2))
        beside: asyncio.Queue[Ending] = asyncio.Queue()
        await made.executor.start(Call(meets, beside.put_nowait, {"mine": a, "other": b}))
        await until(Path(a).exists)
        ending = await made.run(function, **arguments)
        assert [(await made.run(answer)).value for _ in range(3)] == [42] * 3
        Path(b).touch()
        assert (await asyncio.wait_for(beside.get(), LIMIT)).value == "met"
        await made.executor.close()
        return ending

    ending = asyncio.run(story())
    assert ending.action is Action.FAIL
    assert message in (ending.error or "")


def test_a_worker_that_dies_while_idle_is_replaced() -> None:
    async def story() -> None:
        made = Bench(ProcessExecutor(1))
        pid = (await made.run(os.getpid)).value
        assert isinstance(pid, int)
        (child,) = [c for c in process_module._children if c._process.pid == pid]
        os.kill(pid, 9)
        await until(lambda: not child.alive)
        ending = await made.run(os.getpid)
        assert ending.action is Action.SUCCESS
        assert ending.value != pid
        await made.executor.close()

    asyncio.run(story())


def deaf(begun: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(begun).touch()
    threading.Event().wait(LIMIT)


@pytest.mark.skipif(not POSIX, reason="signals")
def test_a_process_deaf_to_sigterm_is_killed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "TERM_GRACE", 0.01)
    begun, a, b = tmp_path / "begun", str(tmp_path / "a"), str(tmp_path / "b")

    async def story() -> None:
        made = Bench(ProcessExecutor(2))
        run = await made.start(deaf, begun=str(begun))
        await until(begun.exists)
        beside: asyncio.Queue[Ending] = asyncio.Queue()
        await made.executor.start(Call(meets, beside.put_nowait, {"mine": a, "other": b}))
        await until(Path(a).exists)
        run.terminate()
        assert await made.ending() == Ending(Action.TERMINATE)
        Path(b).touch()
        assert (await asyncio.wait_for(beside.get(), LIMIT)).value == "met"
        await made.executor.close()

    asyncio.run(story())


def has_a_child(pids: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(pids + ".new").write_text(str(child.pid))
    os.rename(pids + ".new", pids)
    threading.Event().wait(LIMIT)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_what_a_terminated_task_has_started_ends_with_it(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def story() -> None:
        async with bench("process") as made:
            run = await made.start(has_a_child, pids=str(pids))
            await until(pids.exists)
            run.terminate()
            assert await made.ending() == Ending(Action.TERMINATE)
            state = Path(f"/proc/{pids.read_text()}/stat")
            await until(lambda: not state.exists() or ") Z " in state.read_text())

    asyncio.run(story())


def test_no_more_workers_than_allowed(tmp_path: Path) -> None:
    a, b = str(tmp_path / "a"), str(tmp_path / "b")

    async def story() -> None:
        made = Bench(ProcessExecutor(1))
        await made.start(meets, mine=a, other=b)
        await until(Path(a).exists)
        waiting = await made.start(answer)
        last = await made.start(os.getpid)
        waiting.terminate()
        assert await made.ending() == Ending(Action.TERMINATE)  # though no worker is free
        Path(b).touch()
        assert (await made.ending()).value == "met"
        assert (await made.ending()).action is Action.SUCCESS
        last.terminate()
        assert made.executor._keepers == 1  # type: ignore[attr-defined]
        await made.executor.close()

    asyncio.run(story())


def test_a_limit_of_no_workers_is_refused() -> None:
    async def story() -> None:
        with pytest.raises(DefinitionError, match="max_process_count 0 is less than 1"):
            ProcessExecutor(0)

    asyncio.run(story())


def test_where_there_is_no_forkserver_processes_are_spawned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    caplog.set_level(logging.INFO, logger="tests.executors")
    begun, cleaned = tmp_path / "begun", tmp_path / "cleaned"

    async def story() -> None:
        async with bench("process") as made:
            assert process_module.context().get_start_method() == "spawn"
            assert (await made.run(says, text="hello")).action is Action.SUCCESS
            assert "exited with 3" in ((await made.run(os._exit, status=3)).error or "")
            run = await made.start(stays, begun=str(begun), cleaned=str(cleaned))
            await until(begun.exists)
            run.terminate()
            assert await made.ending() == Ending(Action.TERMINATE)

    asyncio.run(story())
    assert "hello" in caplog.text
    assert cleaned.exists()


# --- processes: the script itself -----------------------------------------------------------------

SCRIPT = """
import asyncio
from oncue.app.executors import EXECUTIONS, Call, refuse_in_worker

class Task:
    def __init__(self, function):
        self.function = function

def plain():
    return "plain"

@Task
def task():
    return "task"

async def main():
    executor = EXECUTIONS["process"]()
    endings = asyncio.Queue()
    for function in (plain, task.function):
        await executor.start(Call(function, endings.put_nowait))
        ending = await endings.get()
        print(ending.value, ending.error)
    await executor.close()

{guard}
    refuse_in_worker()
    asyncio.run(main())
"""


LEAVES = """
import asyncio, sys, threading
from oncue.app.executors import EXECUTIONS, Call

async def main():
    executor = EXECUTIONS["process"]()
    endings = asyncio.Queue()
    await executor.start(Call(int, endings.put_nowait))
    await endings.get()
    await executor.start(Call(stays, endings.put_nowait))
    print("leaving")

def stays():
    threading.Event().wait(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


def script(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "script.py"
    file.write_text(text, encoding="utf-8")
    view = Path(__file__).resolve().parent.parent / ".view"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(view), *sys.path])}
    return subprocess.run(
        [sys.executable, file], env=env, capture_output=True, text=True, timeout=LIMIT
    )


def test_functions_of_the_script_itself_run(tmp_path: Path) -> None:
    done = script(tmp_path, SCRIPT.format(guard="if __name__ == '__main__':"))
    assert (done.stdout, done.stderr) == ("plain None\ntask None\n", "")


def test_an_unguarded_script_is_a_clear_error(tmp_path: Path) -> None:
    done = script(tmp_path, SCRIPT.format(guard="if True:"))
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert line.startswith("None the worker process exited with 1 before it could run the task")
    assert len(done.stdout.splitlines()) == 2
    assert "run the app under: if __name__ == '__main__':" in done.stderr
    assert done.stderr.count("OncueError: app.run() was reached in a worker process") == 2


def test_an_interpreter_that_ends_takes_its_workers_along(tmp_path: Path) -> None:
    done = script(tmp_path, LEAVES)  # which would wait for ten minutes, else
    assert (done.returncode, done.stdout, done.stderr) == (0, "leaving\n", "")


def test_a_task_cannot_run_an_app_in_a_worker() -> None:
    refuse_in_worker()
    ending = one("process", refuse_in_worker)
    assert "OncueError: app.run() was reached in a worker" in (ending.error or "")
    assert issubclass(OncueError, Exception)
