"""What a run knows of itself, and how it keeps its lease, in every execution."""

import asyncio
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest

from oncue import App, Context, with_heartbeat
from oncue.app.context import is_context
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Answer, Extension, Query, Refused, Step
from oncue.args import Arg, Return
from oncue.engine.records import Action, Record
from oncue.exc import DefinitionError, LeaseLostException, OncueError, StoreError
from oncue.tests.test_tasks import actions, run

if TYPE_CHECKING:
    import oncue

EXECUTIONS = ("main", "async", "thread", "process")
LEASE = 40.0  # seconds; no run here lives so long


class Watched(MemoryStore):
    """A memory log that keeps the extensions, and answers them as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.extended: list[Extension] = []
        self.lost = False
        self.fails = False
        self.beaten, self.often = threading.Event(), threading.Event()  # once, three times

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        found = [step for step in steps if isinstance(step, Extension)]
        self.extended += found
        if self.extended:
            self.beaten.set()
        if len(self.extended) >= 3:
            self.often.set()
        if found and self.fails:
            raise StoreError("no disk")
        if found and self.lost:
            rest = await super().commit([s for s in steps if not isinstance(s, Extension)])
            return [Refused.LEASE_LOST for _ in found] + rest
        return await super().commit(steps)


def watched(app: App) -> Watched:
    store = Watched()
    app.session.store = store
    return store


def once(function: Callable[..., Any], **options: Any) -> tuple[App, Watched]:
    """An app that has run a task of the function once, by an interval, and its store."""
    app = App(shut_cond="task 'task' has finished", cycle_sleep=None)
    store = watched(app)
    given = {"interval": "1 day", "lease_duration": LEASE, **options}
    app.task(func=function, name="task", **given)
    run(app)
    return app, store


def reasons(app: App) -> list[str]:
    return [record.error for record in app.session.store.read(Query()) if record.error]


# --- what it says -------------------------------------------------------------------------------


def tells(context: Context) -> tuple[Any, ...]:
    lease = context.lease
    assert lease.until is not None and lease.duration is not None
    left = lease.until - context.scheduled_at
    return (
        context.task.name,
        context.args,
        len(context.run_id),
        context.attempt,
        lease.token,
        lease.duration.seconds,
        timedelta(0) <= left - timedelta(seconds=LEASE) < timedelta(seconds=LEASE),
        context.scheduled_at,
    )


async def tells_later(context: Context) -> tuple[Any, ...]:
    await asyncio.sleep(0)
    return tells(context)


@pytest.mark.parametrize("function", [tells, tells_later])
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_a_run_knows_of_itself(execution: str, function: Callable[..., Any]) -> None:
    app, _ = once(function, execution=execution, args={"x": [1]}, timezone="Asia/Tokyo")
    *said, scheduled_at = app.session.returns["task"]
    assert said == ["task", {"x": [1]}, 32, 0, 1, LEASE, True]
    assert scheduled_at.utcoffset() == timedelta(hours=9)
    assert abs(datetime.now(UTC) - scheduled_at) < timedelta(minutes=5)


@pytest.mark.parametrize("reason", ["it was asked for", "a parameter was set", "it was enabled"])
def test_a_run_is_not_dated_before_what_it_came_of(reason: str) -> None:
    """But at the instant of that, however long ago the app has last decided anything."""
    app = App()
    condition = "daily" if reason == "it was enabled" else "daily & param mode is loud"
    asked: list[datetime] = []

    @app.task(condition, execution="async", enabled=reason != "it was enabled")
    async def task(context: Context) -> None:
        assert asked[0] <= context.scheduled_at <= datetime.now(UTC)
        app.session.returns["at"] = context.scheduled_at
        app.session.shut_down()

    async def ask() -> None:
        await asyncio.sleep(0.05)
        asked.append(datetime.now(UTC))
        match reason:
            case "it was asked for":
                task.run()
            case "a parameter was set":
                app.session.parameters["mode"] = "loud"
            case _:
                task.enabled = True

    async def main() -> None:
        await asyncio.gather(ask(), app.serve())

    asyncio.run(asyncio.wait_for(main(), 20))
    assert task.status == "success" and "at" in app.session.returns


def by_name(context): ...  # type: ignore[no-untyped-def]
def by_note(given: Context) -> None: ...
def by_text(given: "oncue.Context") -> None: ...
def in_annotated(given: Annotated[Context, "it"]) -> None: ...
def optional(given: Optional[Context] = None) -> None: ...  # noqa: UP045
def perhaps(given: Context | None = None, *, x: int = 1) -> None: ...
def nothing(given: int = 1) -> None: ...
def strange(given: "click.Context | None" = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def its_own(context: int = Arg("x")) -> None: ...  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (by_name, "context"),
        (by_note, "given"),
        (by_text, "given"),
        (in_annotated, "given"),
        (optional, "given"),
        (perhaps, "given"),
        (nothing, None),
        (strange, None),
        (its_own, None),
    ],
)
def test_a_parameter_asks_for_the_context(function: Any, name: str | None) -> None:
    needs = App().task("daily", func=function).needs
    assert needs.wants_context == (name is not None)
    assert name is None or type(needs.arguments[name]).__name__ == "ContextArgument"


@pytest.mark.parametrize("note", ["Context", "Context|None", "Optional[Context]", "oncue.Context"])
def test_a_note_that_cannot_be_evaluated_is_read(note: str) -> None:
    assert is_context(note)
    assert not is_context(note.replace("Context", "Contexts"))


def test_the_arguments_are_a_copy_for_each_run() -> None:
    app = App(shut_cond="task 'task' has succeeded at least 2 times", cycle_sleep=None)
    seen = []

    @app.task("every 1 us", name="task", args={"list": [1]})
    async def task(context: Context) -> None:
        seen.append(list(context.args["list"]))
        context.args["list"].append(2)

    run(app)
    assert seen[:2] == [[1], [1]] and task.args == {"list": [1]}


def test_a_retry_knows_that_it_is_one() -> None:
    app = App(shut_cond="task 'task' has succeeded")
    seen = []

    @app.task("daily", name="task", retries=2)
    async def task(context: Context) -> None:
        seen.append((context.attempt, context.lease.token, context.lease.until))
        if context.attempt < 2:
            raise ValueError

    run(app)
    assert seen == [(0, 1, None), (1, 3, None), (2, 5, None)]  # an instance's lease has no end


def asks_for_more(context: Context) -> None:
    assert not hasattr(context, "fixture")
    context.app_context  # noqa: B018


def test_the_running_app_stays_in_its_process() -> None:
    app, _ = once(asks_for_more, execution="process", failure_mode="commit")
    assert "context.app_context stays in the app's process" in reasons(app)[0]


# --- heartbeats ---------------------------------------------------------------------------------


def beats(context: Context) -> bool:
    before = context.lease.until
    context.heartbeat()
    assert before is not None and context.lease.until is not None
    return context.lease.until > before


async def beats_later(context: Context) -> bool:
    before = context.lease.until
    await context.heartbeat()
    assert before is not None and context.lease.until is not None
    return context.lease.until > before


CAN = [(beats_later, each) for each in EXECUTIONS] + [(beats, "thread"), (beats, "process")]


@pytest.mark.parametrize(("function", "execution"), CAN)
def test_a_heartbeat_extends_the_lease(function: Callable[..., Any], execution: str) -> None:
    app, store = once(function, execution=execution)
    assert app.session.returns["task"] is True
    assert store.extended == [Extension("task", 1, round(LEASE * 1_000_000))]


@pytest.mark.parametrize(("function", "execution"), CAN)
def test_a_lost_lease_is_told(function: Callable[..., Any], execution: str) -> None:
    app = App(shut_cond="task 'task' has finished")
    watched(app).lost = True
    app.task(func=function, name="task", interval="1 day", execution=execution)
    run(app)
    assert "LeaseLostException: task 'task': the run's lease was lost" in reasons(app)[0]


@pytest.mark.parametrize("execution", ["async", "thread", "process"])
def test_a_store_that_fails_is_told(execution: str) -> None:
    app = App(shut_cond="task 'task' has finished")
    store = watched(app)
    store.fails = True
    function = beats_later if execution == "async" else beats
    app.task(func=function, name="task", interval="1 day", execution=execution)
    run(app)
    assert "StoreError: no disk" in reasons(app)[0] and len(store.extended) == 1


@pytest.mark.parametrize("execution", ["main", "async"])
def test_a_plain_function_on_the_loop_cannot_beat(execution: str) -> None:
    app, _ = once(beats, execution=execution)
    assert "make it a coroutine function, or give it execution='thread'" in reasons(app)[0]


def test_a_run_in_a_thread_beats_while_a_main_run_has_the_loop() -> None:
    app = App(shut_cond="after tasks 'beside', 'main'")
    store = watched(app)
    begun = threading.Event()

    @app.task(interval="1 day", name="beside", execution="thread", priority=1)
    def beside(context: Context) -> None:
        assert begun.wait(LEASE)
        context.heartbeat()

    @app.task("daily", name="main", execution="main")
    async def main() -> None:
        begun.set()
        assert await asyncio.to_thread(store.beaten.wait, LEASE)

    run(app)
    assert actions(app, "beside")[-1] == actions(app, "main")[-1] == "success"


def only_beats(context: Context) -> None:
    context.heartbeat()


def test_an_instances_lease_needs_no_heartbeat() -> None:
    app, store = once(only_beats, interval=None, start_cond="daily", lease_duration=None)
    assert actions(app, "task") == ["run", "success"] and not store.extended


def test_an_instances_lease_is_lost_with_a_crash() -> None:
    app = App(shut_cond="task 'task' has crashed & ~task 'task' is running")
    store = watched(app)

    @app.task("daily", name="task", execution_mode="at_most_once")
    async def task(context: Context) -> None:
        await context.heartbeat()
        store.ledger.append(Record("task", Action.CRASH, app.session.clock.now(), run=1))
        store._held.clear()  # as when another instance took us for gone
        task.start_cond = "daily | false"  # the log is read anew
        while True:
            await context.heartbeat()
            await asyncio.to_thread(store.beaten.wait, 0.01)

    run(app)
    assert actions(app, "task") == ["run", "crash"]


def test_a_lease_that_ran_out_is_lost() -> None:
    app = App(shut_cond="task 'task' has crashed & ~task 'task' is running")
    store = watched(app)

    @app.task(name="task", interval="1 day", execution_mode="at_most_once")
    async def task(context: Context) -> None:
        await context.heartbeat()
        later = store.ledger.clock() + 120_000_000
        store.ledger.clock = lambda: later
        await store.follow(0, app.session.clock.now())  # as another instance does
        with pytest.raises(LeaseLostException):
            await context.heartbeat()
        seen.append(context.lease.token)

    seen: list[int] = []
    run(app)
    assert (actions(app, "task"), seen) == (["run", "crash"], [1])


def test_a_failure_says_until_when_it_was_extended() -> None:
    app, store = once(fails_after_a_beat, failure_mode="none")
    run_, failed = store.read(Query())
    assert failed.until is not None and failed.until >= run_.at + LEASE * 1_000_000


async def fails_after_a_beat(context: Context) -> None:
    await context.heartbeat()
    raise ValueError


def late(context: Context) -> Context:
    return context


def test_there_is_nothing_to_extend_when_all_has_ended() -> None:
    app, _ = once(late, execution="thread")
    with pytest.raises(LeaseLostException, match="the app has ended, and with it the lease"):
        app.session.returns["task"].heartbeat()


def test_a_heartbeat_of_a_run_that_has_ended_is_told() -> None:
    app = App(shut_cond="task 'other' has finished")
    store = watched(app)

    @app.task(name="task", interval="1 day")
    async def task(context: Context) -> Context:
        return context

    @app.task("after task 'task'", name="other")
    async def other(context: Any = Return("task")) -> str:
        with pytest.raises(LeaseLostException) as told:
            await context.heartbeat()
        return str(told.value)

    run(app)
    assert app.session.returns["other"] == "task 'task': the run's lease was lost"
    assert len(store.extended) == 1


# --- in the background --------------------------------------------------------------------------


@with_heartbeat(lease_remaining_ratio=0.01)
async def kept_later(context: Context) -> bool:
    first = context.lease.until
    while context.lease.until == first:
        await asyncio.sleep(0.01)
    return True


class KeptLater:
    async def __call__(self, context: Context) -> bool:
        first = context.lease.until
        while context.lease.until == first:
            await asyncio.sleep(0.01)
        return True


@with_heartbeat(lease_remaining_ratio=0.01)
def kept(context: Context) -> bool:
    first = context.lease.until
    while context.lease.until == first:
        threading.Event().wait(0.01)
    return True


@pytest.mark.parametrize(
    ("function", "execution"),
    [(kept_later, each) for each in EXECUTIONS]
    + [(kept, "thread"), (kept, "process"), (with_heartbeat(0.01)(KeptLater()), "async")],
)
def test_a_lease_is_kept_in_the_background(function: Callable[..., Any], execution: str) -> None:
    app, store = once(function, execution=execution)
    assert app.session.returns["task"] is True and store.extended
    assert not any(t.name == "oncue-heartbeat" for t in threading.enumerate())


def test_it_is_kept_more_than_once() -> None:
    app = App(shut_cond="task 'task' has finished")
    store = watched(app)

    @app.task(name="task", interval="1 day", lease_duration=LEASE)
    @with_heartbeat(0.001)
    async def task(context: Context) -> None:
        """Waits."""
        assert await asyncio.to_thread(store.often.wait, LEASE)

    assert task.description == "Waits."
    run(app)
    assert actions(app, "task") == ["run", "success"] and len(store.extended) >= 3


@pytest.mark.parametrize("execution", ["async", "thread"])
def test_what_the_store_did_not_take_is_tried_again_before_the_lease_ends(
    execution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.heartbeat.AGAIN", 0.01)
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 1000)
    app = App(shut_cond="task 'task' has finished")
    store = watched(app)
    store.fails = True

    def is_kept() -> bool:
        assert store.beaten.wait(LEASE)
        store.fails = False
        return store.often.wait(2)  # the next but one, had none failed, would come later

    async def later(context: Context) -> bool:
        return await asyncio.to_thread(is_kept)

    def at_once(context: Context) -> bool:
        return is_kept()

    function = with_heartbeat(0.03)(later if execution == "async" else at_once)
    app.task(func=function, name="task", interval="1 day", lease_duration=LEASE)
    run(app)
    assert app.session.returns["task"] is True


@pytest.mark.parametrize("cancelling", [True, False])
def test_a_coroutine_is_cancelled_when_its_lease_is_lost_if_it_says_so(cancelling: bool) -> None:
    app = App(shut_cond="task 'task' has finished")
    store = watched(app)
    store.lost = True
    ended = []

    @app.task(name="task", interval="1 day", lease_duration=LEASE, failure_mode="commit")
    @with_heartbeat(0.001, cancel_on_lease_lost=cancelling)
    async def task(context: Context) -> None:
        try:
            assert await asyncio.to_thread(store.beaten.wait, LEASE)
            await asyncio.wait_for(asyncio.Event().wait(), LEASE if cancelling else 0.01)
        except TimeoutError:
            ended.append("by itself")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    run(app)
    assert ended == ["cancelled" if cancelling else "by itself"]
    assert actions(app, "task") == ["run", "fail" if cancelling else "success"]
    assert not cancelling or "LeaseLostException" in reasons(app)[0]


def test_a_run_that_is_told_to_end_is_not_kept() -> None:
    app = App(shut_cond="task 'task' has terminated")
    watched(app)

    @app.task(name="task", interval="1 day", lease_duration=LEASE, timeout=0.1)
    @with_heartbeat(0.001, cancel_on_lease_lost=True)
    async def task(context: Context) -> None:
        await asyncio.Event().wait()

    run(app)
    assert actions(app, "task") == ["run", "terminate"]


def test_a_plain_function_on_the_loop_cannot_be_kept() -> None:
    app, _ = once(kept, execution="async")
    assert "make it a coroutine function, or give it execution='thread'" in reasons(app)[0]


def test_an_instances_lease_is_not_kept_by_anybody() -> None:
    app, store = once(at_once, interval=None, start_cond="daily", lease_duration=None)
    assert actions(app, "task") == ["run", "success"] and not store.extended


@with_heartbeat(0.01)
def at_once(context: Context) -> None:
    assert not any(t.name == "oncue-heartbeat" for t in threading.enumerate())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: with_heartbeat(0), "lease_remaining_ratio=0: it is more than 0"),
        (lambda: with_heartbeat(1.0), "lease_remaining_ratio=1.0: it is more than 0 and less"),
        (lambda: with_heartbeat(kept), "lease_remaining_ratio=<function"),  # type: ignore[arg-type]
        (lambda: with_heartbeat()(nothing), "nothing takes no context"),
        (
            lambda: with_heartbeat(cancel_on_lease_lost=True)(by_name),
            "by_name is a plain function, which cannot be cancelled",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()


# --- an app that is entered ---------------------------------------------------------------------


def test_an_app_is_entered_and_run() -> None:
    app = App()
    seen = []

    @app.task("daily")
    async def task(context: Context) -> None:
        seen.append(context.app_context)
        context.app_context.shutdown()

    async def main() -> None:
        async with app.create() as ctx:
            with pytest.raises(OncueError, match="the app is running already"):
                await app.serve()
            await ctx.run()
            assert seen == [ctx] and ctx.session is app.session

    asyncio.run(asyncio.wait_for(main(), LEASE))
    run_ = App(shut_cond="true")
    asyncio.run(run_.serve())
    assert run_.session.app_context is None


def test_an_app_that_is_told_to_end_before_it_runs_does_not() -> None:
    app = App()
    app.task("daily", func=nothing, name="task")

    async def main() -> None:
        async with app.create() as ctx:
            ctx.shutdown()
            await ctx.run()

    asyncio.run(asyncio.wait_for(main(), LEASE))
    assert app["task"].status is None


def test_an_app_does_not_run_without_its_fixtures() -> None:
    app = App(shut_cond="task 'task' has succeeded")
    app.task("daily", func=nothing, name="task")

    async def main() -> None:
        async with app.create() as ctx:
            pass
        with pytest.raises(OncueError, match=r"is over; enter app.create\(\) again"):
            await ctx.run()
        async with app.create() as other:
            with pytest.raises(OncueError, match="is over"):
                await ctx.run()
            await other.run()

    asyncio.run(asyncio.wait_for(main(), LEASE))
    assert app["task"].status == "success"


MAIN = """
import os, signal, sys
from oncue import App

app = App()

@app.task("daily", execution="thread")
def task():
    os.kill(os.getpid(), signal.SIGINT)
    if sys.argv[1] == "twice":
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    for _ in range(1 if sys.argv[1] == "once" else 1000):
        app.session.hooks  # goes on after the first signal
        flag.wait(0.05)
    print("all done", flush=True)

import threading
flag = threading.Event()
app.main()
print("ended")
"""


@pytest.mark.parametrize("often", ["once", "twice"])
def test_main_logs_and_ends_by_signals(often: str) -> None:
    command = [sys.executable, "-c", MAIN, often]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LEASE)
    assert done.returncode == 0, done.stderr
    assert "INFO oncue.scheduler: started with 1 tasks" in done.stdout
    assert "INFO oncue.task: task  run" in done.stdout
    assert ("all done" in done.stdout) == (often == "once")
    assert done.stdout.endswith("ended\n")


WHILE_FIXTURES = """
import asyncio, os, signal, sys
from oncue import App

app = App(shut_cond="true")

@app.fixture()
def outer():
    print("outer", end=" ", flush=True)
    yield
    print("left", end=" ", flush=True)

@app.fixture()
async def inner():
    if sys.argv[1] == "setting up":
        await told()
    yield
    await told()

async def told():
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    await asyncio.sleep(60)

app.run()
print("ended")
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("moment", ["setting up", "tearing down"])
def test_fixtures_are_torn_down_though_a_signal_comes_while_nothing_runs(
    moment: str, number: str
) -> None:
    command = [sys.executable, "-c", WHILE_FIXTURES, moment, number]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LEASE)
    assert (done.returncode, done.stdout) == (0, "outer left ended\n"), done.stderr


def test_main_leaves_logging_that_is_configured(caplog: pytest.LogCaptureFixture) -> None:
    before = list(logging.root.handlers)
    app = App(shut_cond="task 'task' has finished")
    app.task("daily", func=nothing, name="task")
    app.main()
    assert logging.root.handlers == before and app["task"].status == "success"


def test_a_context_pickles_as_what_a_process_may_know() -> None:
    app, _ = once(late)
    context = app.session.returns["task"]
    copy = pickle.loads(pickle.dumps(context))
    assert (copy.task.name, copy.run_id, copy.lease) == ("task", context.run_id, context.lease)
    with pytest.raises(OncueError, match="there is no run in this process"):
        copy.heartbeat()
