"""Whole apps, on real time and real files; each ends as soon as it has shown its point."""

import asyncio
import gc
import logging
import os
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from oncue import App, ConditionSyntaxError
from oncue.app.runtime import Runtime
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Answer, Step
from oncue.conds import after_success, daily
from oncue.exc import DefinitionError, StoreError

LIMIT = 30  # seconds; nothing here takes long


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return None if request.param == "memory" else tmp_path / "log.db"


def run(app: App) -> None:
    asyncio.run(asyncio.wait_for(app.serve(), LIMIT))


def log_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT task, action FROM record ORDER BY seq").fetchall()


@pytest.mark.parametrize("execution", ["main", "async", "thread"])
def test_a_task_runs_and_the_next_follows(store: Path | None, execution: str) -> None:
    app = App(store)
    ran: list[str] = []

    @app.task("daily", execution=execution)
    def first() -> None:
        ran.append("first")

    @app.task("after task 'first'", execution=execution)
    def second() -> None:
        ran.append("second")
        app.shut_down()

    run(app)
    assert ran == ["first", "second"]


def test_what_ran_today_does_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    ran: list[str] = []

    def once(name: str) -> None:
        app = App(path, shut_cond=f"task '{name}' has succeeded")

        @app.task("daily")
        def greet() -> None:
            ran.append("greet")

        @app.task("true", name=name)
        def last() -> None:
            ran.append(name)

        run(app)

    once("one")
    once("two")
    assert [name for name in ran if name == "greet"] == ["greet"]
    assert {"one", "two"} <= set(ran)


def test_a_failure_is_logged_with_its_traceback_and_retried(
    store: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(store, shut_cond="task 'flaky' has failed exactly 3 times")
    attempts: list[int] = []

    @app.task("daily | retry 2 times")
    def flaky() -> None:
        attempts.append(1)
        raise RuntimeError("no luck")

    with caplog.at_level(logging.INFO, logger="oncue.task"):
        run(app)
    assert len(attempts) == 3
    failures = [r for r in caplog.records if r.__dict__["action"] == "fail"]
    assert len(failures) == 3
    assert failures[0].levelno == logging.ERROR
    assert failures[0].getMessage().endswith("RuntimeError: no luck")


def test_the_run_is_in_the_store_before_its_code_begins(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    app = App(path)
    seen: list[list[tuple[str, str]]] = []

    @app.task("daily", execution="main")
    def look() -> None:
        seen.append(log_of(path))
        app.shut_down()

    run(app)
    assert seen == [[("look", "run")]]
    assert log_of(path) == [("look", "run"), ("look", "success")]


def test_running_tasks_are_waited_for(store: Path | None, caplog: pytest.LogCaptureFixture) -> None:
    app = App(store)
    gate = threading.Event()
    done: list[str] = []

    @app.task("daily")
    def long() -> None:
        app.shut_down()
        gate.wait(LIMIT)
        done.append("long")

    @app.task("after task 'long'")
    def next_() -> None:
        done.append("never")

    class Opens(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "shutting down, waiting for long":
                gate.set()

    caplog.set_level(logging.INFO, logger="oncue.scheduler")
    logger = logging.getLogger("oncue.scheduler")
    handler = Opens()
    logger.addHandler(handler)
    try:
        run(app)
    finally:
        logger.removeHandler(handler)
    assert done == ["long"]


def test_a_second_shut_down_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    app = App(path)
    gate = threading.Event()

    @app.task("daily")
    def deaf() -> None:
        app.shut_down()
        app.shut_down()
        gate.wait(LIMIT)

    run(app)
    assert log_of(path) == [("deaf", "run")]
    gate.set()
    again = App(path, shut_cond="true")
    run(again)
    assert log_of(path) == [("deaf", "run"), ("deaf", "crash")]


@pytest.mark.parametrize("execution", ["main", "async"])
def test_a_coroutine_that_a_second_shut_down_ends_is_terminated(execution: str) -> None:
    app = App()

    @app.task("daily", execution=execution)
    async def long() -> None:
        asyncio.get_running_loop().call_soon(app.session.shut_down, True)
        await asyncio.sleep(LIMIT)

    run(app)
    assert [record.action for record in app.session.get_task_log()] == ["run", "terminate"]


@pytest.mark.parametrize("execution", ["main", "async", "thread"])
def test_a_task_defined_while_serving_starts(store: Path | None, execution: str) -> None:
    app = App(store)
    ran: list[str] = []

    @app.task("daily", execution=execution)
    def first() -> None:
        @app.task("after task 'first'", name="late")
        def late() -> None:
            ran.append("late")
            app.shut_down()

    run(app)
    assert ran == ["late"]


def test_a_store_that_fails_loses_no_ending(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 1000)
    path = tmp_path / "log.db"
    app = App(path, shut_cond="task 'next' has succeeded")
    store = app.session.store
    failing = 3

    commit = store.commit

    async def flaky_commit(steps: Any, _: int) -> Any:
        nonlocal failing
        if any(step.record.run for step in steps) and failing:
            failing -= 1
            raise StoreError("the disk is full")
        return await commit(steps)

    monkeypatch.setattr(store, "commit", flaky_commit)

    @app.task("daily", name="first")
    def first() -> None: ...

    @app.task("after task 'first'", name="next")
    def next_() -> None: ...

    run(app)
    assert failing == 0
    assert log_of(path) == [
        ("first", "run"),
        ("first", "success"),
        ("next", "run"),
        ("next", "success"),
    ]
    told = [r.getMessage() for r in caplog.records if r.name == "oncue.scheduler"]
    assert told == ["the disk is full; nothing new is started until it answers"]


def test_an_error_that_is_not_unicode_is_written_all_the_same(store: Path | None) -> None:
    app = App(store, shut_cond="task 'a' has failed")

    @app.task("daily", name="a")
    def a() -> None:
        raise ValueError(os.fsdecode(b"bad name \xff"))

    run(app)
    assert "(fail)" in str(app.explain("a"))


@pytest.mark.parametrize(
    ("execution", "told"), [("thread", "(success)"), ("main", "not run in it yet")]
)
def test_a_shut_down_while_a_start_is_claimed(
    execution: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is claimed by then runs, unless it would keep everything else waiting."""
    app = App()
    commit = MemoryStore.commit

    async def interrupted(self: MemoryStore, steps: Sequence[Step], _: int) -> list[Answer]:
        app.shut_down()
        return await commit(self, steps)

    app.task("daily", name="a", execution=execution)(nothing)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "commit", interrupted)
        run(app)
    assert told in str(app.explain("a"))


@pytest.mark.parametrize("change", ["define", "condition", "enabled", "config", "run", "force"])
def test_while_the_app_ends_nothing_starts_whatever_is_changed(change: str) -> None:
    app, ran = App(), list[str]()

    @app.task("daily")
    async def last() -> None:
        app.shut_down()
        match change:
            case "define":
                app.task("daily", func=lambda: ran.append("new"), name="new")
            case "condition":
                app["other"].start_cond = "daily"
            case "enabled":
                app["next"].enabled = True
            case "config":
                app.session.config.cycle_sleep = 0.2
            case "run":
                app["other"].run()
            case "force":
                app["other"].force()
        await asyncio.sleep(0.05)  # turns are taken meanwhile

    app.task("false", func=lambda: ran.append("other"), name="other")
    app.task("after task 'last'", func=lambda: ran.append("next"), name="next")
    app["next"].enabled = change != "enabled"
    asyncio.run(asyncio.wait_for(app.serve(), LIMIT))
    assert ran == []


def test_a_shut_down_before_anything_is_planned_starts_nothing() -> None:
    app = App()
    app.task("daily", func=nothing, name="a")
    app.task(func=nothing, name="first", on_startup=True)

    @app.setup()
    def ends() -> None:
        app.shut_down()

    run(app)
    assert app["a"].status is None and app["first"].status is None


def test_what_was_left_behind_has_crashed_in_the_next_life(store: Path | None) -> None:
    app = App(store)
    gate = threading.Event()
    lives: list[int] = []

    @app.task("daily")
    def deaf() -> None:
        lives.append(1)
        app.shut_down()
        if len(lives) == 1:
            app.shut_down()
            gate.wait(LIMIT)

    run(app)
    run(app)
    gate.set()
    assert len(lives) == 2


def test_a_task_that_changes_the_folder_changes_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.stores.sqlite.LEASE", 9_000)
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    app = App("log.db", shut_cond="task 'next' has succeeded")

    @app.task("daily", execution="main")
    def moves() -> None:
        os.chdir(elsewhere)

    @app.task("after task 'moves'", name="next")
    def next_() -> None:
        threading.Event().wait(0.1)  # for some renewals

    run(app)
    assert list(elsewhere.iterdir()) == []
    assert log_of(tmp_path / "log.db")[-1] == ("next", "success")


def test_a_store_that_vanishes_is_noticed_before_anything_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "log.db"
    app = App(path)
    ran: list[str] = []

    @app.task("daily", execution="main")
    def removes() -> None:
        for file in tmp_path.iterdir():
            file.unlink()
        app.shut_down()

    @app.task("after task 'removes'")
    def never() -> None:
        ran.append("never")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(StoreError) as caught:
        patch.setattr("oncue.app.journal.STORE_RETRY", 1000)
        run(app)
    assert "was removed or replaced while in use; not written: success of removes" in str(
        caught.value
    )
    assert ran == []


def test_a_store_that_cannot_be_opened_explains_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_text("dear diary")
    app = App(path)
    app.task("daily", name="a")(nothing)
    for _ in range(2):
        with pytest.raises(StoreError, match="not an SQLite database"):
            app.explain("a")
    with pytest.raises(StoreError, match="not an SQLite database"):
        run(app)
    with pytest.raises(StoreError, match="not an SQLite database"):
        app.explain("a")


def test_an_app_that_never_ran_explains_inside_a_loop_too() -> None:
    app = App()
    app.task("false", name="a")(nothing)

    async def story() -> str:
        return str(app.explain("a"))

    assert asyncio.run(story()) == "✗ false"


def test_a_name_that_no_task_has_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    app = App(shut_cond="true")
    app.task("after task 'extrct'", name="a")(nothing)
    app.task("daily", name="extract")(nothing)
    run(app)
    (told,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert told.startswith("task a: ") and "'extrct'" in told and "extract" in told


class HandClock:
    """A clock that runs, and can be set."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return time.time_ns() // 1000 + self.ahead


def test_a_clock_set_back_makes_no_task_run_again(store: Path | None) -> None:
    clock = HandClock()
    app = App(store, clock=clock)
    ran: list[str] = []

    @app.task("yearly")  # set back over midnight it would be another day
    def once() -> None:
        ran.append("once")
        clock.ahead = -600_000_000

    @app.task("every 20 ms")
    def ticks() -> None:
        ran.append("tick")
        if len(ran) > 5:
            app.shut_down()

    clock.ahead = 3600_000_000
    run(app)
    assert ran.count("once") == 1


# --- several apps on one file ------------------------------------------------------------------


def test_two_apps_on_one_file_start_each_run_once(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    running: set[str] = set()
    together: list[str] = []

    def make(n: int) -> App:
        app = App(path, shut_cond="task 'last' has finished")

        async def work(name: str) -> None:
            if running:
                together.append(name)
            running.add(name)
            await asyncio.sleep(0.01)
            running.discard(name)

        async def a() -> None:
            await work("a")

        async def b() -> None:
            await work("b")

        app.task("daily & ~task 'b' is running", name="a")(a)
        app.task("daily & ~task 'a' is running", name="b")(b)
        app.task("after tasks 'a', 'b'", name="last")(nothing)
        return app

    async def story() -> None:
        apps = [make(n) for n in range(3)]
        await asyncio.wait_for(asyncio.gather(*(app.serve() for app in apps)), LIMIT)

    asyncio.run(story())
    counted = {name: log_of(path).count((name, "run")) for name in ("a", "b", "last")}
    assert counted == {"a": 1, "b": 1, "last": 1}
    assert together == []


def test_two_apps_in_one_process_share_nothing() -> None:
    counts = {"one": 0, "two": 0}

    def make(name: str) -> App:
        app = App(shut_cond="task 'a' has succeeded")

        @app.task("daily", name="a")
        def a() -> None:
            counts[name] += 1

        return app

    async def both() -> None:
        await asyncio.wait_for(asyncio.gather(make("one").serve(), make("two").serve()), LIMIT)

    asyncio.run(both())
    assert counts == {"one": 1, "two": 1}


def test_why_a_task_is_not_running(store: Path | None) -> None:
    app = App(store, timezone="UTC", shut_cond="true")

    @app.task("false & after task 'b'")
    def a() -> None: ...

    run(app)
    explanation = app["a"].explain()
    assert not explanation.value
    assert str(explanation) == (
        "✗ false & after task 'b'\n├─ ✗ false\n└─ ✗ after task 'b'  —  there is no task 'b'"
    )
    assert (explanation.ways, explanation.flips) == ((), ())


def test_an_app_that_never_ran_explains_from_its_store(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    def make() -> App:
        app = App(path, shut_cond="task 'a' has succeeded")

        @app.task("daily", name="a")
        def a() -> None: ...

        return app

    run(make())
    assert "run in this window already" in str(make().explain("a"))


# --- custom conditions -------------------------------------------------------------------------


def test_a_custom_condition_is_asked_only_when_it_matters() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    asked: list[int] = []

    @app.cond("disk is below {percent:int} percent", every="1 ms")
    def disk(percent: int) -> bool:
        asked.append(percent)
        return len(asked) >= 3

    @app.cond()
    def never_asked() -> bool:
        raise AssertionError("asked")

    @app.task("daily & disk is below 20 percent", name="a")
    def a() -> None: ...

    @app.task("false & never_asked()", name="b")
    def b() -> None: ...

    run(app)
    assert asked[:3] == [20, 20, 20]


def test_a_custom_condition_is_one_in_python_too() -> None:
    app = App(shut_cond="task 'a' has succeeded")

    @app.cond(re.compile(r"is (?P<word>\w+)"))
    def is_what(word: str = "foo") -> bool:
        return word == "foo"

    @app.task(daily & is_what & is_what("foo") & ~is_what(word="bar"), name="a")
    def a() -> None: ...

    @app.task("is foo & daily & ~is bar", name="b")
    def b() -> None: ...

    run(app)
    assert app["a"].explain().parts[1].value


def test_a_defined_condition_stands_for_its_text() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    app.define("any time", "time of day")

    @app.task("daily & any time", name="a")
    def a() -> None: ...

    run(app)
    assert str(app["a"].start_cond) == "daily & any time"


# --- definitions -------------------------------------------------------------------------------


def test_a_task_is_still_its_function() -> None:
    app = App()

    @app.task(daily)
    def double(x: int = 2) -> int:
        """Twice as much."""
        return 2 * x

    assert double(21) == 42
    assert double.__doc__ == "Twice as much."
    assert app["double"] is double
    assert "double" in app and "other" not in app
    assert [task.name for task in app] == ["double"]


def nothing() -> None: ...


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda app: app.task("daily", name="a")(nothing), "there is a task 'a' already"),
        (
            lambda app: app.task("daily", execution="fibre"),
            "execution='fibre': it is one of main, async, thread, process",
        ),
        (lambda app: app.task("daily")(lambda: None), "needs a name"),
        (lambda app: app.task("daily", name="")(nothing), "needs a name"),
        (lambda app: app.task("daily", name="b\0")(nothing), r"the name 'b\\x00' has characters"),
        (lambda app: app.task("daily", name="\udc80")(nothing), r"the name '\\udc80' has"),
        (lambda app: app.task(42), "start_cond is text or a condition, not int 42"),
        (lambda app: app.param(nothing), r"nothing .* is no name; write @app.param\(\)"),
        (lambda app: app.cond(nothing), r"nothing .* is no name; write @app.cond\(\)"),
        (lambda app: app.fixture(nothing), r"nothing .* is no name; write @app.fixture\(\)"),
        (lambda app: app.task("after task 'b\0'"), r"holds '\\x00', a character that no store"),
        (
            lambda app: app.task("daily", end_cond=after_success("\ud800"), name="b")(nothing),
            r"^end_cond=.* holds '\\ud800', a character that no store can keep",
        ),
    ],
)
def test_a_wrong_definition_is_refused_before_anything_changes(
    define: Callable[[App], object], message: str
) -> None:
    app = App()
    app.task("daily", name="a")(nothing)
    with pytest.raises(DefinitionError, match=message):
        define(app)
    assert [task.name for task in app] == ["a"]


def test_a_wrong_condition_is_refused_with_a_caret() -> None:
    app = App()
    with pytest.raises(ConditionSyntaxError) as caught:
        app.task("daliy after 10:00")
    assert "daily" in str(caught.value)
    assert "\n" in str(caught.value) and "^^^^^" in str(caught.value)
    assert list(app) == []


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="Europe/Dublin"):
        App(timezone="Europe/Dubln")


# --- a log that others change -------------------------------------------------------------------


@pytest.mark.parametrize("force", [False, True])
def test_rows_that_others_remove_count_if_the_log_is_asked_each_time(
    tmp_path: Path, force: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.stores.sqlite.CLOCK_CHECK", 50_000)
    path = tmp_path / "log.db"
    app = App(path, force_status_from_logs=force)
    app.task("daily", func=nothing, name="a")
    seen: list[int] = []

    @app.task("after task 'a'")
    def removes() -> None:
        seen.append(1)
        if len(seen) > 1:
            app.shut_down()
            return
        with closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM record WHERE task = 'a'")
            db.commit()

    @app.task("task 'removes' has succeeded & scheduler has run over 500 ms")
    def ends() -> None:
        app.shut_down()

    run(app)
    assert len(seen) == (2 if force else 1)


def test_asking_the_log_each_time_uses_its_indexes(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    app = App(path, force_status_from_logs=True, shut_cond="task 'b' has succeeded")
    app.task("daily & ~has failed at least 2 times past 1 hour", func=nothing, name="a")
    app.task("after task 'a'", func=nothing, name="b")
    statements: set[str] = set()
    connect = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options)
        db.set_trace_callback(lambda text: statements.add(text))
        return db

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", traced)
        run(app)
    asked = [text for text in statements if text.startswith("SELECT") and "FROM record" in text]
    assert asked
    with closing(connect(path)) as db:
        for text in asked:
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
            assert not any(step.startswith("SCAN record") for step in plan), (text, plan)


@pytest.mark.parametrize("execution", ["main", "async", "thread"])
def test_what_a_run_takes_is_freed_without_the_garbage_collector(execution: str) -> None:
    """It is a fifth of the time of short runs, where each leaves a cycle behind."""
    app = App(cycle_sleep=None)
    left: list[int] = []
    numbers = count()

    @app.task("has succeeded at most 120 times", execution=execution)
    def job() -> None:
        match next(numbers):
            case 20:
                gc.collect()
                gc.disable()
            case 120:
                left.append(gc.collect())
                gc.enable()
                app.shut_down()

    try:
        run(app)
    finally:
        gc.enable()
    assert len(left) == 1 and left[0] < 100  # of as many runs


def test_a_run_takes_few_calls() -> None:
    """Of our functions, from the decision to the ending in the log, ten tasks beside each other."""
    app = App(cycle_sleep=None)
    numbers = count()
    calls = 0

    def counted(frame: Any, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_globals["__name__"].startswith("oncue.")

    async def job() -> None:
        match next(numbers):
            case 100:
                sys.setprofile(counted)
            case 300:
                sys.setprofile(None)
                app.shut_down()

    for number in range(10):
        app.task("has succeeded at most 40 times", func=job, name=f"job {number}")
    try:
        run(app)
    finally:
        sys.setprofile(None)
    assert 0 < calls / 200 < 65


# --- no polling ---------------------------------------------------------------------------------


def turns_of(app: App, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an item for each turn of the loop, the number of plans checked before it."""
    found: list[int] = []
    turn = Runtime._turn

    async def counted(life: Runtime) -> None:
        found.append(life.agenda.asking.checked)
        await turn(life)

    monkeypatch.setattr(Runtime, "_turn", counted)
    return found


def test_ten_thousand_idle_tasks_wake_it_for_the_clock_check_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MemoryStore, "patience", 200_000)  # instead of 5 s
    app = App(timezone="UTC")

    @app.session.hook_startup()
    def ends() -> Iterator[None]:
        yield  # once all is planned
        asyncio.get_running_loop().call_later(1.1, app.shut_down)

    later = (datetime.now(UTC) + timedelta(hours=3)).strftime("%H:%M")
    for number in range(10_000):
        condition = "after task 'none'" if number % 2 else f"daily at {later}"
        app.task(condition, func=nothing, name=f"task {number}")
    app.task("false", func=nothing, name="none")
    turns = turns_of(app, monkeypatch)
    run(app)
    assert 2 <= len(turns) <= 9  # the first, each 200 ms, and the end
    assert turns[1] == turns[-1] == 10_001  # each plan was asked once, at the start


def test_a_custom_condition_is_asked_only_while_its_answer_can_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App(shut_cond="scheduler has run over 600 ms", timezone="UTC")
    asked: list[str] = []

    @app.cond("is wanted {name}", every="50 ms")
    def wanted(name: str) -> bool:
        asked.append(name)
        return False

    app.task("is wanted one", func=nothing, name="one")
    app.task("is wanted two & false", func=nothing, name="two")
    app.task("is wanted three & after task 'one'", func=nothing, name="three")
    turns = turns_of(app, monkeypatch)
    run(app)
    assert set(asked) == {"one"}
    assert len(asked) <= 13 and len(turns) <= 16


def test_cycles_of_the_scheduler_cost_wake_ups_only_while_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App(shut_cond="scheduler has more than 3 cycles")
    app.task("false", func=nothing, name="a")
    turns = turns_of(app, monkeypatch)
    run(app)
    assert len(turns) <= 3
