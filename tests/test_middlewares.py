"""Middlewares around runs, in every execution, and fixtures around the app."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from oncue import App, AppContext, Context
from oncue.app.stores.protocol import Query
from oncue.args import TerminationFlag
from oncue.exc import (
    DefinitionError,
    OncueError,
    RunFailed,
    SchedulerExit,
    TaskInactionException,
    TaskTerminationException,
)
from oncue.tests.test_tasks import actions, run

EXECUTIONS = ("main", "async", "thread", "process")
LIMIT = 30  # seconds; nothing here takes long
Next = Callable[[], Awaitable[Any]]


def reasons(app: App) -> list[str]:
    return [record.error for record in app.session.store.read(Query()) if record.error]


def runs(function: Callable[..., Any], *middlewares: Any, **options: Any) -> App:
    """An app that has run a task of the function within the middlewares."""
    app = App(shut_cond="~task 'task' is running & task 'task' has started", cycle_sleep=None)
    for middleware in middlewares:
        app.use_middleware(middleware)
    app.task(**{"start_cond": "daily", "func": function, "name": "task", **options})
    run(app)
    return app


def gives() -> int:
    return 3


async def gives_later() -> int:
    await asyncio.sleep(0)
    return 3


def fails() -> None:
    raise LookupError("lost")


def inacts() -> None:
    raise TaskInactionException


def stops_itself() -> None:
    raise TaskTerminationException


async def waits() -> None:
    await asyncio.Event().wait()


async def passes(context: Context, next: Next) -> None:
    await next()


# --- around a run -------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [gives, gives_later])
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_they_are_around_the_run_in_order(execution: str, function: Callable[..., int]) -> None:
    seen: list[object] = []

    def named(name: str) -> Any:
        async def middleware(context: Context, next: Next) -> None:
            seen.append(f"{name} before {context.task.name}")
            seen.append(await next())
            seen.append(f"{name} after")

        return middleware

    app = runs(function, named("outer"), named("inner"), execution=execution)
    assert seen == ["outer before task", "inner before task", 3, "inner after", 3, "outer after"]
    assert actions(app, "task") == ["run", "success"] and app.session.returns["task"] == 3


@pytest.mark.parametrize(
    ("function", "execution", "raised", "action"),
    [
        (fails, "main", LookupError, "fail"),
        (fails, "async", LookupError, "fail"),
        (fails, "thread", LookupError, "fail"),
        (fails, "process", RunFailed, "fail"),
        (inacts, "thread", TaskInactionException, "inaction"),
        (inacts, "process", TaskInactionException, "inaction"),
        (stops_itself, "async", TaskTerminationException, "terminate"),
        (stops_itself, "process", TaskTerminationException, "terminate"),
    ],
)
def test_what_the_code_raises_reaches_them_and_goes_on(
    function: Callable[..., None], execution: str, raised: type[Exception], action: str
) -> None:
    seen: list[BaseException] = []

    async def watches(context: Context, next: Next) -> None:
        try:
            await next()
        except Exception as error:
            seen.append(error)
            raise

    app = runs(function, watches, passes, execution=execution)
    assert [type(error) for error in seen] == [raised]
    assert actions(app, "task") == ["run", action]
    if function is fails:
        reason = reasons(app)[0]
        assert reason.count("Traceback") == 1 and reason.endswith("LookupError: lost")
        assert "app/middlewares.py" not in reason and "in fails" in reason


def test_an_exception_that_is_kept_is_a_success_without_a_value() -> None:
    async def forgives(context: Context, next: Next) -> None:
        with pytest.raises(LookupError):
            await next()

    app = runs(fails, passes, forgives)
    assert actions(app, "task") == ["run", "success"] and app.session.returns["task"] is None


def test_what_they_raise_is_how_the_run_ends() -> None:
    async def spoils(context: Context, next: Next) -> None:
        await next()
        raise KeyError("spoilt")

    app = runs(gives, spoils)
    assert actions(app, "task") == ["run", "fail"] and "KeyError: 'spoilt'" in reasons(app)[0]
    assert "task" not in app.session.returns


def test_a_run_whose_code_was_not_run_is_an_inaction() -> None:
    async def skips(context: Context, next: Next) -> None:
        """Not today."""

    assert actions(runs(gives, skips), "task") == ["run", "inaction"]


flaky_calls = 0


def flaky() -> int:
    global flaky_calls
    flaky_calls += 1
    if flaky_calls % 3:
        raise LookupError
    return flaky_calls


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_the_code_may_be_run_again_within_one_run(execution: str) -> None:
    tries: list[int] = []

    async def insists(context: Context, next: Next) -> None:
        while True:
            tries.append(context.attempt)
            try:
                await next()
                return
            except (LookupError, RunFailed):
                continue

    app = runs(flaky, insists, execution=execution, timeout="1 min")
    assert actions(app, "task") == ["run", "success"] and tries == [0, 0, 0]
    assert app.session.returns["task"] % 3 == 0


def test_a_task_may_end_the_app_through_them() -> None:
    def over() -> None:
        raise SchedulerExit

    app = App()
    app.use_middleware(passes)
    app.task("daily", func=over, name="task")
    run(app)
    assert actions(app, "task") == ["run", "success"]


def test_arguments_are_made_for_each_time_the_code_is_run() -> None:
    made: list[int] = []
    app = App(shut_cond="task 'task' has finished")

    @app.param("number")
    def number() -> int:
        made.append(len(made))
        return len(made)

    @app.middleware
    async def twice(context: Context, next: Next) -> None:
        assert [await next(), await next()] == [1, 2]

    @app.task("daily", name="task")
    async def task(number: int) -> int:
        return number

    run(app)
    assert actions(app, "task") == ["run", "success"] and app.session.returns["task"] == 2


def test_a_parameter_that_cannot_be_had_fails_the_run() -> None:
    app = App(shut_cond="task 'task' has finished", silence_task_prerun=True)
    app.use_middleware(passes)

    @app.param("number")
    def number() -> int:
        raise ValueError("no number")

    @app.task("daily", name="task")
    async def task(number: int) -> int:
        return number

    app.session.config.param_materialize = "pre"
    run(app)
    assert "ValueError: no number" in reasons(app)[0]


def test_the_context_goes_from_them_to_the_function() -> None:
    async def greets(context: Context, next: Next) -> None:
        context.greeting = f"hello {context.args['name']}"  # type: ignore[attr-defined]
        context.args["name"] = "sue"
        await next()

    def greeted(context: Context) -> tuple[str, str]:
        return context.greeting, context.args["name"]

    app = runs(greeted, greets, name="task", args={"name": "bill"})
    assert app.session.returns["task"] == ("hello bill", "sue")
    assert app["task"].args == {"name": "bill"}


def test_a_lease_may_be_kept_from_a_middleware() -> None:
    leases: list[bool] = []

    async def keeps(context: Context, next: Next) -> None:
        before = context.lease.until
        await context.heartbeat()
        leases.append(before is not None and context.lease.until > before)  # type: ignore[operator]
        await next()

    for execution in EXECUTIONS:
        runs(gives, keeps, start_cond=None, interval="1 day", execution=execution)
    assert leases == [True] * 4


def test_what_is_added_counts_for_the_runs_that_begin_then() -> None:
    app = App(shut_cond="task 'task' has succeeded at least 2 times", cycle_sleep=None)
    seen: list[int] = []

    async def counts(context: Context, next: Next) -> None:
        seen.append(context.lease.token)
        await next()

    @app.task("every 1 us", name="task")
    async def task() -> None:
        if not app.session.middlewares:
            app.use_middleware(counts)

    run(app)
    assert seen and seen[0] > 1


# --- terminations -------------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ["async", "thread", "process"])
def test_a_timeout_cancels_all_of_it(execution: str) -> None:
    seen: list[str] = []

    async def cleans(context: Context, next: Next) -> None:
        try:
            await next()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("cleaned")

    app = runs(waits, cleans, passes, execution=execution, timeout=0.3)
    assert actions(app, "task") == ["run", "terminate"] and seen == ["cancelled", "cleaned"]
    assert reasons(app) == ["ended: its timeout is over"]


def test_a_middleware_that_waits_itself_is_cancelled_too() -> None:
    async def dawdles(context: Context, next: Next) -> None:
        await next()
        await asyncio.Event().wait()

    app = runs(gives, dawdles, timeout=0.1)
    assert actions(app, "task") == ["run", "terminate"]


def test_a_middleware_that_swallows_it_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def deaf(context: Context, next: Next) -> None:
        try:
            await next()
        except asyncio.CancelledError:
            pass

    app = runs(waits, deaf, timeout=0.1)
    assert actions(app, "task") == ["run", "terminate"]
    assert "swallowed its cancellation" in caplog.text


def test_code_that_ends_well_when_told_has_ended_well() -> None:
    def listens(flag: threading.Event = TerminationFlag()) -> int:  # type: ignore[assignment]
        assert flag.wait(LIMIT)
        return 5

    app = runs(listens, passes, execution="thread", timeout=0.1)
    assert actions(app, "task") == ["run", "success"] and app.session.returns["task"] == 5


def test_a_middleware_may_limit_the_code_by_itself() -> None:
    seen: list[str] = []

    async def limits(context: Context, next: Next) -> None:
        try:
            await asyncio.wait_for(next(), 0.05)
        except TimeoutError:
            seen.append("took too long")

    app = runs(waits, limits)
    assert seen == ["took too long"] and actions(app, "task") == ["run", "success"]


def test_the_code_is_not_run_beside_itself() -> None:
    told: list[str] = []

    async def doubles(context: Context, next: Next) -> None:
        both = await asyncio.gather(next(), next(), return_exceptions=True)
        told.extend(str(each) for each in both)

    runs(gives_later, doubles)
    assert told == [
        "3",
        "next() was awaited while it is under way; a run's code is run once at a time",
    ]


def test_code_that_was_not_waited_for_is_ended() -> None:
    left: list[Any] = []
    ended: list[str] = []

    async def leaves(context: Context, next: Next) -> None:
        left.append(asyncio.ensure_future(next()))
        await asyncio.sleep(0.01)

    async def goes_on() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    app = App(shut_cond="task 'after' has finished")
    app.use_middleware(leaves)
    app.task("daily", func=goes_on, name="task")

    @app.task("after task 'task' finished", name="after")
    async def after() -> None:
        await asyncio.gather(*left[:1], return_exceptions=True)

    run(app)
    assert ended == ["ended"] and actions(app, "task") == ["run", "terminate"]
    assert "a middleware did not wait for its next()" in reasons(app)[0]


def test_a_shut_down_that_does_not_wait_ends_what_is_deaf() -> None:
    app = App(instant_shutdown=True)

    @app.middleware
    async def deaf(context: Context, next: Next) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    @app.task("daily", name="task")
    async def task() -> None: ...

    async def main() -> None:
        serving = asyncio.ensure_future(app.serve())
        while not app.session.serving or not app["task"].is_alive():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        app.shut_down()
        await serving

    asyncio.run(asyncio.wait_for(main(), LIMIT))
    assert actions(app, "task")[0] == "run"


@pytest.mark.parametrize(
    ("middleware", "message"),
    [
        (3, "a middleware is a coroutine function, not 3"),
        (gives, "is no coroutine function: async def"),
        (gives_later, r"takes \(context, next\)"),
    ],
)
def test_what_can_be_no_middleware_is_refused(middleware: Any, message: str) -> None:
    app = App()
    with pytest.raises(DefinitionError, match=message):
        app.use_middleware(middleware)
    assert not app.session.middlewares


def test_an_object_may_be_one() -> None:
    class Counts:
        def __init__(self) -> None:
            self.runs = 0

        async def __call__(self, context: Context, next: Next) -> None:
            self.runs += 1
            await next()

    counts = Counts()
    runs(gives, counts)
    assert counts.runs == 1


# --- fixtures -----------------------------------------------------------------------------------


def test_fixtures_live_as_long_as_the_app() -> None:
    app = App(shut_cond="task 'task' has finished")
    told: list[str] = []

    @app.fixture()
    async def database(app_context: AppContext) -> AsyncIterator[str]:
        assert app_context.session is app.session
        told.append("open")
        yield "db"
        assert app["task"].status == "success"
        told.append("closed")

    @app.fixture("lock")
    def a_lock(app_context: AppContext) -> Iterator[str]:
        told.append(f"locked by {app_context.database}")
        yield "lock"
        told.append("unlocked")

    app.use_fixture("number", gives)
    app.use_fixture("later", gives_later)
    app.use_fixture("plain", lambda *, value=3, **others: value)

    @app.session.hook_startup()
    def starting() -> None:
        told.append("started")

    @app.task("daily", name="task")
    async def task(context: Context) -> None:
        told.append(f"{context.database} {context.lock} {context.number} {context.later}")
        assert context.plain == 3
        assert context.app_context.database == context.database
        with pytest.raises(AttributeError, match="no 'other', and no fixture of that name"):
            context.other  # noqa: B018

    run(app)
    assert told == [
        "open", "locked by db", "started", "db lock 3 3", "unlocked", "closed",
    ]  # fmt: skip


@pytest.mark.parametrize("where", ["set up", "the app", "torn down"])
def test_they_are_torn_down_whatever_fails(where: str) -> None:
    app = App()
    told: list[str] = []

    @app.fixture()
    async def first() -> AsyncIterator[None]:
        yield
        told.append("first")

    @app.fixture()
    def second() -> Iterator[None]:
        yield
        told.append("second")
        if where == "torn down":
            raise LookupError(where)

    @app.fixture()
    def third() -> Iterator[None]:
        if where == "set up":
            raise LookupError(where)
        yield
        told.append("third")

    @app.session.hook_startup()
    def starting() -> None:
        if where == "the app":
            raise LookupError(where)
        app.shut_down()

    with pytest.raises(LookupError, match=where):
        run(app)
    assert told == (["second", "first"] if where == "set up" else ["third", "second", "first"])
    assert app.session.app_context is None


def test_they_are_there_between_entering_an_app_and_leaving_it() -> None:
    app = App(shut_cond="true")
    told: list[str] = []

    @app.fixture()
    async def thing() -> AsyncIterator[str]:
        yield "thing"
        told.append("gone")

    async def main() -> None:
        async with app.create() as ctx:
            assert ctx.thing == "thing"
            await ctx.run()
            assert not told
            with pytest.raises(DefinitionError, match="the app runs, and fixtures are set up bef"):
                app.use_fixture("late", gives)

    asyncio.run(asyncio.wait_for(main(), LIMIT))
    assert told == ["gone"]


@pytest.mark.parametrize("execution", ["async", "main"])
@pytest.mark.parametrize("how", ["normally", "shut down", "raised", "cancelled", "cancelled late"])
def test_an_app_that_still_runs_ends_before_they_are_torn_down(how: str, execution: str) -> None:
    app = App()
    told: list[str] = []

    @app.fixture()
    async def thing() -> AsyncIterator[str]:
        yield "thing"
        told.append("torn down")

    async def body(begun: asyncio.Event, ending: asyncio.Event) -> None:
        @app.task("daily", name="task", execution=execution)
        async def task(context: Context) -> None:
            begun.set()
            try:
                if how in ("normally", "shut down"):
                    await ending.wait()
                    await asyncio.sleep(0.02)
                else:
                    await asyncio.sleep(LIMIT)
            finally:
                told.append(f"ended with {context.thing}")

        async with app.create() as ctx:
            running.append(asyncio.create_task(ctx.run()))
            await begun.wait()
            ending.set()
            if how == "raised":
                raise LookupError(how)
            if how == "cancelled":
                await asyncio.sleep(LIMIT)
            if how == "shut down":
                ctx.shutdown()

    async def main() -> None:
        leaving = asyncio.create_task(body(begun := asyncio.Event(), ending := asyncio.Event()))
        await begun.wait()
        await ending.wait()
        if how.startswith("cancelled"):
            await asyncio.sleep(0.02)
            leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled() == how.startswith("cancelled")
        assert leaving.cancelled() or isinstance(leaving.exception(), LookupError | None)
        assert running[0].done() and not app.session.serving
        await running[0]

    running: list[asyncio.Task[None]] = []
    asyncio.run(asyncio.wait_for(main(), LIMIT))
    assert told == ["ended with thing", "torn down"]
    in_order = how in ("normally", "shut down")
    assert app["task"].status == ("success" if in_order else "terminate")


def test_a_task_of_the_app_that_leaves_it_does_not_wait_for_itself() -> None:
    app = App()
    told: list[str] = []

    @app.fixture()
    async def thing() -> AsyncIterator[str]:
        yield "thing"
        told.append("torn down")

    @app.task("daily", name="task")
    async def task(context: Context) -> None:
        await entered.aclose()
        told.append("left")

    async def main() -> None:
        ctx = await entered.enter_async_context(app.create())
        await ctx.run()

    entered = AsyncExitStack()
    asyncio.run(asyncio.wait_for(main(), LIMIT))
    assert told == ["torn down", "left"]


def test_an_app_that_was_left_does_not_begin_again() -> None:
    app = App(restarting="recall")
    begun: list[str] = []

    @app.session.hook_startup()
    async def starting() -> None:
        begun.append("begun")
        app.session.restart()

    async def main() -> None:
        async with app.create() as ctx:
            running = asyncio.create_task(ctx.run())
            while len(begun) < 3:
                await asyncio.sleep(0)
        assert running.done()

    asyncio.run(asyncio.wait_for(main(), LIMIT))


@pytest.mark.parametrize("fails", ["", "the app"])
def test_each_that_fails_is_seen(fails: str) -> None:
    app = App()

    @app.fixture()
    def first() -> Iterator[None]:
        yield
        raise LookupError("first")

    @app.fixture()
    def good() -> Iterator[None]:
        yield

    @app.fixture()
    async def second() -> AsyncIterator[None]:
        yield
        raise LookupError("second")

    @app.session.hook_startup()
    def starting() -> None:
        if fails:
            raise LookupError(fails)
        app.shut_down()

    with pytest.raises(LookupError) as caught:
        run(app)
    error: BaseException | None = caught.value
    for name in ("first", "second", *[fails] * bool(fails)):
        assert error is not None and str(error) == name
        error = error.__context__
    assert fails or error is None


def two(app_context: AppContext, other: int) -> None: ...
def by_name(*, app_context: AppContext) -> None: ...
def besides(app_context: AppContext, *, other: int) -> None: ...


@pytest.mark.parametrize(
    ("name", "function", "message"),
    [
        ("task", gives, "a context has a 'task' of its own"),
        ("heartbeat", gives, "a context has a 'heartbeat' of its own"),
        ("shutdown", gives, "a context has a 'shutdown' of its own"),
        ("_x", gives, "'_x' can be no attribute"),
        ("a b", gives, "'a b' can be no attribute"),
        ("there", gives, "there is a fixture 'there' already"),
        ("x", two, "takes the app's context, or nothing; called so: missing .* 'other'"),
        ("x", by_name, "or nothing; called so: missing .* 'app_context'"),
        ("x", besides, "or nothing; called so: missing .* 'other'"),
        ("x", 3, "'x' is a function, not 3"),
    ],
)
def test_what_can_be_no_fixture_is_refused(name: str, function: Any, message: str) -> None:
    app = App()
    app.use_fixture("there", gives)
    with pytest.raises(DefinitionError, match=message):
        app.use_fixture(name, function)


def test_a_fixture_yields_once() -> None:
    def never() -> Iterator[int]:
        yield from ()

    def often() -> Iterator[int]:
        yield 1
        yield 2

    for function, message in ((never, "ended without a yield"), (often, "yields more than once")):
        app = App(shut_cond="true")
        app.use_fixture("x", function)
        with pytest.raises(OncueError, match=f"the fixture 'x' {message}"):
            run(app)
