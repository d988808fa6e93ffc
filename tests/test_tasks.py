"""Tasks as their users write them: definition, options, state and control, on running apps."""

import asyncio
import logging
import os
import pickle
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from oncue import App, Grouper
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Answer, Claim, Step
from oncue.args import (
    Arg,
    FuncArg,
    Return,
    SchedulerLogger,
    SimpleArg,
    TaskLogger,
    TerminationFlag,
)
from oncue.args import Session as SessionArg
from oncue.args import Task as TaskArg
from oncue.conds import after_success, daily, every, retry, running
from oncue.exc import DefinitionError, OncueError, TaskTerminationException
from oncue.tasks import CodeTask, CommandTask, FuncTask, Task

LIMIT = 30  # seconds; nothing here takes long


def run(app: App) -> None:
    asyncio.run(asyncio.wait_for(app.serve(), LIMIT))


def nothing() -> None: ...


def records(app: App, task: str) -> list[tuple[str, str | None]]:
    """What the memory log has of a task: action and run id."""
    store: Any = app.session.store
    return [(str(r.action), r.run_id) for r in store.ledger.after(0) if r.task == task]


def actions(app: App, task: str) -> list[str]:
    return [action for action, _ in records(app, task)]


def reasons(app: App, task: str) -> list[str]:
    store: Any = app.session.store
    return [r.error for r in store.ledger.after(0) if r.task == task and r.error]


# --- definition ---------------------------------------------------------------------------------


def test_every_kind_of_task_runs(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("def main(): return 'from a file'")
    app = App(shut_cond="after tasks 'last', 'job:main', 'echo hello', 'made'")
    app.task("daily", func=nothing, name="last")
    app.task("daily", path=tmp_path / "job.py", func_name="main")
    app.task("daily", command="echo hello")
    app.session.create_task(code="return_value = 1 + 1", start_cond=daily, name="made")
    kinds = [type(task) for task in app]
    assert kinds == [FuncTask, FuncTask, CommandTask, CodeTask]
    run(app)
    assert app.session.returns == {
        "last": None,
        "job:main": "from a file",
        "echo hello": "hello\n",
        "made": 2,
    }


def test_a_command_is_text_or_words() -> None:
    with pytest.raises(DefinitionError, match="command=5: it is text or a list of words"):
        App().task(command=5)


def test_a_function_is_called_by_its_module_too_where_no_app_takes_it() -> None:
    app = App()
    here = f"{__name__}:nothing"
    assert FuncTask(nothing).name == FuncTask(app.task(func=nothing)).name == here
    assert FuncTask(start_cond="daily")(nothing).name == here
    assert app.session.create_task(func=nothing, start_cond="daily", name="b").name == "b"
    script: dict[str, Any] = {"__name__": "__main__"}
    exec("def work(): ...", script)
    assert FuncTask(script["work"]).name == "work"
    assert FuncTask(path="a.py").name == app.task(path="a.py").name == "a:main"
    assert [task.name for task in app] == ["nothing", "b", "a:main"]


def test_code_is_named_by_its_hash() -> None:
    task = App().task("daily", code="x = 1")
    assert task.name.startswith("code-") and len(task.name) == 13


def test_task_types_are_made_by_hand_too() -> None:
    app = App(shut_cond="after tasks 'a', 'b', 'c'")
    FuncTask(nothing, name="a", start_cond="daily", session=app.session)
    CommandTask(["echo", "x"], name="b", start_cond=daily, session=app.session)

    later: FuncTask[..., Any] = FuncTask(name="c", start_cond="daily", session=app.session)
    assert repr(later) == "<Task of a function yet to come>"
    with pytest.raises(AttributeError, match="no function yet"):
        later.run()

    @later
    def c() -> int:
        return 3

    assert repr(c) == "<Task 'c': daily>"
    assert isinstance(c, Task) and c is app["c"]
    run(app)
    assert app.session.returns["c"] == 3


def test_a_task_is_called_as_its_function_is() -> None:
    app = App()

    @app.task("daily")
    def add(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    assert add(1) == 3
    assert (add.__name__, add.__doc__, add.description) == ("add", "Adds.", "Adds.")
    assert app.session[add] is app.session["add"] is app.session[add.function] is add
    assert add in app.session and "other" not in app.session


def test_a_task_is_found_by_its_function_whatever_it_is_called() -> None:
    app = App()
    other = app.task("daily", func=nothing, name="other")
    app.task("daily", func=fails, name="nothing")
    assert app.session[nothing] is other and nothing in app.session
    assert takes not in app.session
    app.session.run(nothing)
    assert actions(app, "other") == ["run", "success"]


module_app = App()


@module_app.task("daily")
def by_reference() -> None: ...


def test_a_task_pickles_by_reference() -> None:
    assert pickle.loads(pickle.dumps(by_reference)) is by_reference


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (
            lambda app: app.task("daily", multilanch=True),
            "'multilanch'; did you mean 'multilaunch'",
        ),
        (
            lambda app: app.task("daily", func=nothing, force_run=True),
            r"no option 'force_run' any more: .* call `force\(\)`",
        ),
        (lambda app: app.task("daily", cwd="/")(nothing), r"no option 'cwd' but with command=…"),
        (lambda app: app.task("daily", timeout="10 minuts"), "timeout='10 minuts': .*minutes"),
        (lambda app: app.task("daily", timeout=0), "timeout=0: .*longer than nothing"),
        (lambda app: app.task("daily", retries=-1), "retries=-1: the number of retries is 0 or"),
        (
            lambda app: app.task("daily", retries="3"),
            "retries='3': .* number of times, or a policy",
        ),
        (lambda app: app.task("daily", priority="high"), "priority='high': it is a whole number"),
        (lambda app: app.task("daily", enabled=1), "enabled=1: it is True or False"),
        (lambda app: app.task("daily", disabled=True, enabled=True), "are the same option"),
        (lambda app: app.task("daily", parameters=[1]), "it is a dictionary"),
        (lambda app: app.task("daily", command="x", code="y"), "both command and code was given"),
        (lambda app: app.session.create_task(start_cond="daily"), "nothing was given"),
        (lambda app: app.task("daily", code="x ="), "code: invalid syntax"),
        (lambda app: app.task("daily", command=""), "there is no program to run"),
        (lambda app: app.task("daily", path="job.txt"), "is not that of a Python file"),
        (lambda app: app.task("daily", func_name="main"), "func_name='main' needs the path"),
        (lambda app: app.task("daily", code="1", func_name="main"), "'main' needs the path"),
        (lambda app: app.task("daily", func=nothing, func_name="f"), "'f' needs the path"),
        (lambda app: app.task("daily", command="x", session=app.session), "session=…: .*its own"),
        (lambda app: app.session.add_task(nothing), "<function nothing .*> is no task"),
        (lambda app: app.task("daily", func=5, name="a"), "5: a task runs a function"),
        (lambda app: app.task("daily", func=nothing, name=5), "name=5: it is text"),
        (
            lambda app: app.task("daily", func=nothing, on_startup=True, on_shutdown=True),
            "exclude each other",
        ),
        (lambda app: app.task("daily")(yields), "'yields': a function that yields"),
        (lambda app: app.task("daily", execution="async")(yields_async), "a function that yields"),
        (
            lambda app: app.task("daily", func=YieldsWhenCalled(), name="a"),
            "a function that yields",
        ),
        (lambda app: app.task("daily", execution="process")(asks_for_session), "stays in the app"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(
    define: Callable[[App], object], message: str
) -> None:
    app = App()
    with pytest.raises(DefinitionError, match=message):
        define(app)
    assert app.session.tasks == []


def test_what_cannot_be_by_the_config_is_refused_before_anything_changes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def asks_for_flag(flag: Any = TerminationFlag()) -> None: ...

    app = App(execution="process", task_pre_exist="replace")
    kept = app.task("daily", func=nothing, name="a")
    for define in (
        lambda: app.task("daily", func=asks_for_session, name="a"),
        lambda: app.task("daily", func=nothing, name="a", parameters={"x": TaskArg()}),
        lambda: app.session.add_task(FuncTask(asks_for_session, name="a")),
    ):
        with pytest.raises(DefinitionError, match="stays in the app's"):
            define()
    assert app.session.tasks == [kept]
    app.task("daily", func=asks_for_session, execution="thread")
    assert not caplog.records
    app.task("daily", func=asks_for_flag)
    assert [record.args[0] for record in caplog.records if record.args] == ["asks_for_flag"]  # type: ignore[index]


def asks_for_session(session: object = SessionArg()) -> None: ...


def yields() -> Iterator[None]:
    yield


async def yields_async() -> AsyncIterator[None]:
    yield


class YieldsWhenCalled:
    def __call__(self) -> Iterator[None]:
        yield


class AwaitedWhenCalled:
    async def __call__(self) -> int:
        return threading.get_ident()


@pytest.mark.parametrize("made", [AwaitedWhenCalled(), partial(AwaitedWhenCalled())])
def test_an_object_whose_call_is_a_coroutine_runs_on_the_loop(made: Any) -> None:
    app = App(shut_cond="task 'a' has finished")
    assert app.task("daily", func=made, name="a").execution == "async"
    run(app)
    assert app.session.returns["a"] == threading.get_ident()


def test_what_a_task_does_not_run_may_be_said() -> None:
    app = App()
    others: dict[str, Any] = {"path": None, "func_name": None, "command": None, "code": None}
    app.task("daily", **others)(nothing)
    app.task("daily", **others | {"func": takes})
    app.task("daily", **others | {"command": "ls", "func": None})
    app.task("daily", **others | {"code": "1", "name": "code"})
    assert [task.name for task in app] == ["nothing", "takes", "ls", "code"]


@pytest.mark.parametrize(
    ("policy", "names", "first"),
    [("rename", ["a", "a - 1", "a - 2"], 1), ("ignore", ["a"], 1), ("replace", ["a"], 3)],
)
def test_what_happens_to_a_name_that_is_taken(policy: str, names: list[str], first: int) -> None:
    app = App(task_pre_exist=policy)
    for number in (1, 2, 3):
        app.task("daily", func=lambda number=number: number, name="a")
    assert [task.name for task in app] == names
    assert app["a"]() == first


def test_what_is_refused_takes_no_place() -> None:
    app = App(task_pre_exist="replace")
    kept = app.task("daily", func=nothing, name="a")
    refuses: list[str] = []

    @app.session.hook_task_init()
    def hook(task: Task[..., Any]) -> None:
        if task.description == "hooked":
            raise DefinitionError("the hook says no")

    def asked(x: int) -> None: ...

    async def story() -> None:
        serving = asyncio.create_task(app.serve())
        while actions(app, "a") != ["run", "success"]:
            await asyncio.sleep(0)
        app.session.add_task(kept)  # it is there
        bad: list[dict[str, Any]] = [
            {"func": asked},
            {"func": len, "execution": "process", "parameters": {"x": threading.Lock()}},
            {"func": nothing, "description": "hooked"},
        ]
        for given in bad:
            with pytest.raises(DefinitionError) as refused:
                app.task("hourly", name="a", **given)
            refuses.append(str(refused.value))
            assert app["a"] is kept and kept.session is app.session
        kept.run()
        while len(actions(app, "a")) < 4:
            await asyncio.sleep(0)
        app.task("hourly", func=nothing, name="a")
        assert app["a"] is not kept and len(app.session) == 1
        app.shut_down()
        await serving

    asyncio.run(asyncio.wait_for(story(), LIMIT))
    assert len(refuses) == 3


def test_what_is_no_option_is_not_assigned() -> None:
    app = App()
    a = app.task("daily", func=nothing, name="a")
    with pytest.raises(DefinitionError, match="did you mean 'multilaunch'"):
        a.multilanch = True
    with pytest.raises(DefinitionError, match="did you mean 'cycle_sleep'"):
        app.session.config.cycle_slep = 1
    with pytest.raises(DefinitionError, match="task 'a' cannot be called 'b'"):
        a.name = "b"
    app.session.config.task_execution = "main"
    assert a.execution == "main"
    a.owner = "billing"  # the user's own
    assert a.owner == "billing"


def test_a_task_says_what_its_function_says() -> None:
    app = App()

    def told() -> None:
        """It tells."""

    assert app.task(func=told).description == "It tells."
    assert app.task(func=partial(told), name="partial").description == "It tells."
    for work in ({"command": "true"}, {"code": "1"}, {"path": "a.py"}):
        assert app.task(**work).description is None


def test_older_names_mean_what_the_newer_do() -> None:
    app = App(task_execution="main")
    task = app.task("daily", func=nothing, disabled=True, permanent_task=True)
    assert (task.execution, task.enabled, task.permanent) == ("main", False, True)
    task.disable = False
    assert task.enabled and not task.disabled


# --- options of a live task ---------------------------------------------------------------------


def test_an_assigned_condition_is_planned_anew() -> None:
    app = App(shut_cond="task 'later' has succeeded")
    later = app.task("false", func=nothing, name="later")

    @app.task("daily")
    def changes() -> None:
        with pytest.raises(ValueError, match="daily"):
            later.start_cond = "daliy"
        assert str(later.start_cond) == "false"
        later.start_cond = "daily"

    run(app)
    assert actions(app, "changes") == ["run", "success"]
    assert actions(app, "later") == ["run", "success"]


def test_an_assigned_condition_reads_what_the_log_has(tmp_path: Path) -> None:
    def app_with(**options: Any) -> App:
        app = App(tmp_path / "log.db", **options)
        app.task("false", func=nothing, name="old")
        app.task("false", func=nothing, name="later")
        return app

    app_with().session.run("old")
    app = app_with()

    @app.task("daily")
    def changes() -> None:
        app["later"].start_cond = "task 'old' has succeeded & daily"

    @app.task("after task 'later'")
    def ends() -> None:
        app.session.config.shut_cond = "task 'old' has finished"

    run(app)
    assert app["later"].status == "success"


def test_a_shorter_timeout_is_for_the_live_run_too() -> None:
    app = App(shut_cond="task 'long' has terminated")

    @app.task("daily")
    async def long() -> None:
        long.timeout = 0.05
        await asyncio.sleep(LIMIT)

    run(app)
    assert reasons(app, "long") == ["ended: its timeout is over"]


def test_options_that_a_task_does_not_say_are_the_configs() -> None:
    app = App(timeout="2 min", multilaunch=True, misfire_grace=0)
    task = app.task("daily", func=nothing)
    assert task.timeout is None and task.plan.timeout == 120_000_000
    assert task.plan.overlap == "allow" and task.plan.misfire_grace == 1
    task.timeout = "never"
    task.multilaunch = False
    assert task.plan.timeout is None and task.plan.overlap == "skip"
    app.session.config.timeout = "never"
    task.timeout = None
    assert task.plan.timeout is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timout": 3}, "there is no option 'timout'; did you mean 'timeout'"),
        ({"task_pre_exist": "rais"}, "it is one of raise, .*did you mean 'raise'"),
        ({"max_process_count": 0}, "it is 1 or more"),
        ({"shut_cond": 3}, "shut_cond is text or a condition"),
    ],
)
def test_a_wrong_config_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        App(**options)
    with pytest.raises(DefinitionError, match=message):
        App(config=options)


@pytest.mark.parametrize("name", ["disabled", "disable", "force_run", "force_termination"])
def test_a_switch_by_its_older_name_is_true_or_false(name: str) -> None:
    task = App().task("daily", func=nothing)
    with pytest.raises(DefinitionError, match="='off': it is True or False"):
        setattr(task, name, "off")
    assert task.enabled and not task.requests


def test_a_refused_assignment_changes_nothing() -> None:
    app = App()
    task = app.task("daily", func=nothing, on_startup=True)
    with pytest.raises(DefinitionError):
        task.on_shutdown = True
    assert not task.on_shutdown
    with pytest.raises(DefinitionError):
        app.session.config.cycle_sleep = "soon"
    assert str(app.session.config.cycle_sleep) == "100 milliseconds"


# --- tasks that change the app ------------------------------------------------------------------


def test_threads_may_assign_different_options_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    task = App().task("daily", func=nothing)

    def beside(name: str, value: Any) -> None:
        thread = threading.Thread(target=setattr, args=(task, name, value))
        thread.start()
        thread.join(LIMIT)

    def slowly(given: Any, name: str, owner: Any) -> Any:
        beside("priority", 7)
        return given

    def refusing(name: str) -> None:
        if name == "description":
            beside("timeout", 7)
            raise DefinitionError("no")

    monkeypatch.setattr(type(task).description, "read", slowly)
    task.description = "read while another is assigned"
    assert (task.priority, task.description) == (7, "read while another is assigned")

    monkeypatch.setattr(type(task), "assigned", lambda _, name: refusing(name))
    with pytest.raises(DefinitionError):
        task.description = "refused"
    assert str(task.timeout) == "7 seconds"
    assert task.description == "read while another is assigned"


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize(
    ("policy", "names"), [("raise", {"a"}), ("rename", {"a", "a - 1"}), ("ignore", {"a"})]
)
def test_threads_that_want_one_name_have_it_one_after_the_other(
    policy: str, names: set[str], running: bool
) -> None:
    app = App(task_pre_exist=policy)
    refused: list[DefinitionError] = []
    others: list[threading.Thread] = []

    def define() -> None:
        try:
            app.task("daily", func=nothing, name="a")
        except DefinitionError as error:
            refused.append(error)

    @app.session.hook_task_init()
    def hook() -> None:
        if not others:
            others.append(threading.Thread(target=define))
            others[0].start()
            others[0].join(0.1)  # it has to wait: the name is about to be taken

    if running:
        app.start()
    define()
    others[0].join(LIMIT)
    if running:
        assert app.session.life is not None
        assert set(app.session.life.agenda.entries) == names
        app.stop()
    assert {task.name for task in app} == names
    assert len(refused) == (policy == "raise")


def test_a_task_defined_just_as_the_app_begins_is_planned_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App()
    apply = app.session._apply

    def begun_before(change: Any) -> None:
        monkeypatch.undo()
        app.start()
        apply(change)

    monkeypatch.setattr(app.session, "_apply", begun_before)
    task = app.task("daily", func=nothing, name="a")
    while task.status != "success":
        threading.Event().wait(0.001)
    app.stop()
    assert actions(app, "a") == ["run", "success"]


def test_a_task_removed_just_as_the_app_begins_is_not_planned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App()
    app.task("daily", func=nothing, name="a")
    apply = app.session._apply

    def begun_after(change: Any) -> None:
        monkeypatch.undo()
        apply(change)
        app.start()

    monkeypatch.setattr(app.session, "_apply", begun_after)
    app.session.remove_task("a")
    assert app.session.life is not None
    assert not app.session.life.agenda.entries
    app.stop()


def test_who_looks_at_a_task_just_as_the_app_begins_leaves_it_its_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App()
    task = app.task(func=nothing, name="a")
    peeked = app.session._peeked

    def begun_meanwhile() -> Any:
        monkeypatch.undo()
        found = peeked()
        app.start()
        return found

    monkeypatch.setattr(app.session, "_peeked", begun_meanwhile)
    assert task.status is None
    assert app.session.serving
    app.stop()


@pytest.mark.parametrize("closes", ["before", "after"])
def test_a_change_that_comes_as_the_loop_ends_is_made(
    closes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App()
    app.start()
    life = app.session.life
    assert life is not None
    made: list[int] = []
    if closes == "before":
        app.stop()
    else:  # and what it was told is lost
        monkeypatch.setattr(life.loop, "call_soon_threadsafe", lambda *_: None)
        monkeypatch.setattr(life.loop, "is_closed", iter([False, True]).__next__)
        monkeypatch.setattr("oncue.app.runtime.LAST_TURN", 0.01)
    life.call(lambda: made.append(1))
    assert made == [1]
    monkeypatch.undo()
    app.stop()


@pytest.mark.parametrize("execution", ["main", "async", "thread"])
def test_a_task_may_create_change_run_and_remove_others(execution: str) -> None:
    app = App(shut_cond="task 'made' has finished")
    app.task("false", func=nothing, name="doomed")

    @app.task("daily", execution=execution)
    def boss(session: Any = SessionArg(), me: Any = TaskArg()) -> None:
        assert me is session["boss"]
        session.remove_task("doomed")
        session.create_task(func=nothing, start_cond=daily, name="made")
        me.priority = 3

    run(app)
    assert [task.name for task in app] == ["boss", "made"]
    assert app["boss"].priority == 3


def test_an_app_may_be_changed_from_another_thread() -> None:
    app = App()
    ran: list[int] = []
    thread = threading.Thread(target=lambda: asyncio.run(app.serve()))
    thread.start()
    deadline = time.monotonic() + LIMIT
    while not app.session.serving and time.monotonic() < deadline:
        threading.Event().wait(0.001)
    done = threading.Event()

    @app.task("daily")
    def made(x: int = 0) -> None:
        ran.append(x)
        done.set()

    assert done.wait(LIMIT)
    done.clear()
    made.run(x=5)
    assert done.wait(LIMIT)
    app.shut_down()
    thread.join(LIMIT)
    assert ran == [0, 5]


def test_a_removed_task_finishes_and_starts_no_more() -> None:
    app = App()

    @app.task("daily | true")
    def a(session: Any = SessionArg()) -> None:
        session.remove_task("a")
        app.shut_down()

    run(app)
    assert actions(app, "a") == ["run", "success"]
    assert "a" not in app.session
    with pytest.raises(OncueError, match="belongs to no app"):
        a.run()


@pytest.mark.parametrize("options", [{"timeout": 0.2}, {"permanent": True}])
def test_a_removed_task_keeps_the_app_from_ending_no_longer_than_before(
    options: dict[str, Any],
) -> None:
    app = App()
    long = app.task("daily", func=WAITING["async"], name="long", **options)

    @app.task("task 'long' is running")
    def ends() -> None:
        long.delete()
        app.shut_down()

    run(app)
    assert actions(app, "long") == ["run", "terminate"]


# --- control ------------------------------------------------------------------------------------


def test_runs_that_are_asked_for_queue_up_and_ask_no_condition() -> None:
    app = App()
    seen: list[int] = []

    @app.task("false")
    def a(x: int = 0) -> None:
        assert a.is_running
        seen.append(x)
        if len(seen) == 3:
            app.shut_down()

    for number in (1, 2, 3):
        a.run(x=number)
    run(app)
    assert seen == [1, 2, 3]
    assert actions(app, "a") == ["run", "success"] * 3
    assert not a.is_running


def test_a_disabled_task_is_started_by_force_alone() -> None:
    app = App(shut_cond="task 'a' has succeeded & task 'b' has succeeded")
    a = app.task("daily", func=nothing, name="a", enabled=False)
    app.task("daily", func=nothing, name="b")
    with pytest.raises(OncueError, match="is disabled"):
        a.run()
    a.force_run = True
    assert a.force_run
    run(app)
    assert actions(app, "a") == ["run", "success"]
    assert not a.force_run and not a.enabled


def test_a_start_is_not_awaited_of_an_app_that_has_an_older_condition(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older, newer = App(tmp_path / "jobs.db"), App(tmp_path / "jobs.db")
    a = older.task("every 20 ms", func=nothing, name="a")
    newer.task("every 1 hour", func=nothing, name="a")
    older.start()
    newer.start()
    end = time.monotonic() + LIMIT
    while "a is not started here any more" not in caplog.text and time.monotonic() < end:
        time.sleep(0.01)
    a.run()
    a.force_run = True
    assert not a.requests
    assert caplog.text.count("not started: a, another app has registered a newer condition") == 2
    newer.stop()
    older.stop()


def test_a_task_that_is_enabled_again_starts() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    a = app.task("daily", func=nothing, name="a", disabled=True)

    @app.task("daily")
    def enables() -> None:
        assert a.status is None
        a.enabled = True

    run(app)
    assert actions(app, "a") == ["run", "success"]


def test_a_function_in_a_file_has_its_flag_set(tmp_path: Path) -> None:
    file = tmp_path / "job.py"
    file.write_text(
        "from oncue.args import TerminationFlag\n"
        f"def main(flag=TerminationFlag()): return flag.wait({LIMIT})"
    )
    app = App(shut_cond="task 'job:main' has finished")
    app.task("daily", path=file, timeout=0.05)
    run(app)
    assert app.session.returns["job:main"] is True


def test_terminating_what_has_not_begun_forgets_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "oncue.scheduler")
    app = App(shut_cond="task 'b' has succeeded")
    a = app.task("false", func=nothing, name="a")

    @app.task("daily", execution="main")  # nothing begins meanwhile
    def b() -> None:
        a.run()
        assert a.is_running
        a.terminate()
        assert not a.is_running

    run(app)
    assert actions(app, "a") == []
    assert "not started any more: a, 1 times" in caplog.messages


def test_a_run_is_terminated_while_its_claim_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(shut_cond="task 'a' has terminated")
    commit = MemoryStore.commit
    a = app.task("daily", func=WAITING["async"], name="a")

    async def interrupted(self: MemoryStore, steps: Sequence[Step], _: int) -> list[Answer]:
        if isinstance(steps[0], Claim):
            a.terminate()
        return await commit(self, steps)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "commit", interrupted)
        run(app)
    assert actions(app, "a") == ["run", "terminate"]


@pytest.mark.parametrize("execution", ["async", "thread", "process"])
def test_a_run_is_terminated_on_demand(execution: str) -> None:
    app = App(shut_cond="task 'long' has terminated")
    long = app.task("daily", func=WAITING[execution], name="long", execution=execution)

    @app.task("task 'long' is running")
    def ends() -> None:
        long.terminate()

    run(app)
    assert actions(app, "long") == ["run", "terminate"]


@pytest.mark.parametrize("execution", ["async", "thread", "process"])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"timeout": 0.1}, "ended: its timeout is over"),
        ({"end_cond": "is running more than 100 ms"}, "ended: its end_cond holds"),
    ],
)
def test_a_run_is_ended_by_its_timeout_or_its_end_cond(
    execution: str, options: dict[str, Any], reason: str
) -> None:
    app = App(shut_cond="task 'long' has terminated")
    app.task("daily", func=WAITING[execution], name="long", execution=execution, **options)
    run(app)
    assert actions(app, "long") == ["run", "terminate"]
    assert reasons(app, "long") == [reason]


async def waits() -> None:
    await asyncio.sleep(LIMIT)


def waits_for_flag(flag: threading.Event = TerminationFlag()) -> None:  # type: ignore[assignment]
    assert flag.wait(LIMIT)
    raise TaskTerminationException


def sleeps() -> None:
    time.sleep(LIMIT)


WAITING: dict[str, Callable[..., Any]] = {
    "async": waits,
    "thread": waits_for_flag,
    "process": sleeps,
}


def test_a_thread_that_returns_after_its_flag_has_succeeded() -> None:
    app = App(shut_cond="task 'a' has finished")

    @app.task("daily", timeout=0.05)
    def a(flag: threading.Event = TerminationFlag()) -> None:  # type: ignore[assignment]
        flag.wait(LIMIT)

    run(app)
    assert actions(app, "a") == ["run", "success"]


def test_a_deaf_thread_does_not_keep_the_app_from_ending(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("oncue.app.runs.GRACE", 50_000)
    app = App()
    gate = threading.Event()

    @app.task("daily", timeout=0.05)
    def deaf() -> None:
        app.shut_down()
        gate.wait(LIMIT)

    began = time.monotonic()
    run(app)
    gate.set()
    assert time.monotonic() - began < LIMIT / 2
    assert "not waited for: deaf" in caplog.messages


def test_a_start_waits_while_the_end_cond_holds() -> None:
    app = App(shut_cond="scheduler has run over 200 ms")
    task = app.task("daily", func=nothing, name="a", end_cond="always")
    run(app)
    assert actions(app, "a") == []
    assert "~true" in str(task.explain()) or "false" in str(task.explain())


def test_startup_and_shutdown_tasks_run_then_alone() -> None:
    app = App(shut_cond="task 'work' has succeeded")
    order: list[str] = []

    def say(name: str, *, cond: str = "false", **options: Any) -> None:
        app.task(cond, func=lambda: order.append(name), name=name, execution="main", **options)

    say("work", cond="daily")
    say("first", on_startup=True)
    say("daily first", cond="daily", on_startup=True)
    say("not first", cond="daily & false", on_startup=True)
    say("last", on_shutdown=True)
    say("not last", cond="daily & false", on_shutdown=True)
    run(app)
    assert sorted(order[:2]) == ["daily first", "first"]
    assert order[2:] == ["work", "last"]


def test_a_permanent_task_is_ended_with_the_app() -> None:
    app = App(shut_cond="task 'work' has succeeded", timeout=0.05)

    @app.task("daily", permanent=True)
    async def server() -> None:
        await asyncio.sleep(LIMIT)

    @app.task("task 'server' is running more than 150 ms")
    def work() -> None: ...

    run(app)
    assert actions(app, "server") == ["run", "terminate"]


def test_an_explanation_says_what_else_keeps_a_task_from_starting() -> None:
    app = App(timezone="UTC")
    app.task("daily", func=nothing, name="disabled", enabled=False)
    app.task("daily", func=nothing, name="late", on_shutdown=True)
    found: list[str] = []

    @app.task("true")
    def busy() -> None:
        found.extend(busy.explain().obstacles)
        app.shut_down()

    run(app)
    assert app["disabled"].explain().obstacles == ("the task is disabled in this process",)
    (late,) = app["late"].explain().obstacles
    assert late == "it starts when the app ends, and only then"
    assert found[0].startswith("it is running, since ") and found[0].endswith("+00:00")
    assert str(app["disabled"].explain()).endswith("✗ the task is disabled in this process")
    assert app["late"].explain().to_dict()["obstacles"] == [late]


@pytest.mark.parametrize("limit", ["concurrency_limit", "max_process_count"])
def test_an_explanation_says_that_there_is_no_room(limit: str) -> None:
    async def main() -> tuple[str, ...]:
        app = App(config={limit: 1, "instant_shutdown": True})
        for name in ("first", "second"):
            app.task("true", func=partial(time.sleep, LIMIT), name=name, execution="process")
        async with app.create() as context:
            serving = asyncio.ensure_future(context.run())
            while app["first"].status != "run":
                await asyncio.sleep(0.01)
            found = app["second"].explain().obstacles
            app.shut_down()
            await serving
        assert app["second"].explain().obstacles == ()
        return found

    (told,) = asyncio.run(asyncio.wait_for(main(), LIMIT))
    assert told == "it waits for room: as many runs as there may be are under way in this process"


# --- several runs -------------------------------------------------------------------------------


def test_parallel_runs_are_told_apart_by_their_ids() -> None:
    labels = iter("ABCD")
    app = App(func_run_id=lambda task, params: next(labels))
    both = threading.Barrier(2)
    live: set[str | None] = set()

    @app.task(running < 2, multilaunch=True)
    def a() -> None:
        if len(actions(app, "a")) <= 2:
            both.wait(LIMIT)
            live.update(run.run_id for run in a.live_runs)
            app.shut_down()

    run(app)
    log = records(app, "a")
    assert live == {"A", "B"}
    assert sorted(log[:2]) == [("run", "A"), ("run", "B")]
    assert {run_id for action, run_id in log if action == "success"} >= {"A", "B"}


def test_a_label_may_repeat_itself() -> None:
    app = App(shut_cond="task 'a' has succeeded at least 2 times")
    a = app.task("false", func=nothing, name="a", multilaunch=True, func_run_id=lambda t, p: "x")
    a.run()
    a.run()
    run(app)
    log = records(app, "a")
    assert sorted(log) == [("run", "x"), ("run", "x"), ("success", "x"), ("success", "x")]


def test_a_label_is_made_of_task_and_parameters() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    a = app.task("false", func=takes, name="a", func_run_id=lambda t, p: f"{t.name}-{p['x']}")
    a.run(x=7)
    run(app)
    assert records(app, "a")[0] == ("run", "a-7")


def test_a_label_holds_what_every_store_can_keep() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    app.task("daily", func=nothing, name="a", func_run_id=lambda t, p: "one\ntwo\0\ud800")
    run(app)
    assert records(app, "a")[0] == ("run", "one\ntwo\ufffd\ufffd")


def takes(x: int) -> int:
    return x


def test_runs_are_retried_by_one_policy_however_it_is_written() -> None:
    for options in (
        {"start_cond": "daily | retry 2 times"},
        {"start_cond": daily | retry(2)},
        {"start_cond": "daily", "retries": 2},
        {"start_cond": daily, "retries": retry(2, after="1 ms", backoff=2, jitter=0.5)},
    ):
        app = App(shut_cond="task 'a' has failed at least 3 times")
        app.task(func=fails, name="a", **options)
        run(app)
        assert actions(app, "a") == ["run", "fail"] * 3


@pytest.mark.parametrize("name", ["backoff", "jitter"])
def test_a_policy_is_made_of_numbers(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} '2' is not a number"):
        retry(3, **{name: "2"})  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["start_cond", "retries"])
@pytest.mark.parametrize("how", [{"backoff": 2}, {"jitter": 0.1}, {"max_delay": "1 min"}])
def test_a_pause_that_there_is_none_of_does_not_grow(option: str, how: dict[str, Any]) -> None:
    app = App()
    policy = retry(3, **how)
    with pytest.raises(DefinitionError, match=f"{option}: backoff, .* as in retry"):
        app.task(func=fails, **{option: policy if option == "retries" else daily | policy})
    assert len(app.session) == 0
    app.task(func=fails, **{option: policy.after("10 s")})


def fails() -> None:
    raise ValueError("no")


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ["main", "async", "thread", "process"])
def test_what_one_task_returns_another_is_given(execution: str) -> None:
    app = App(shut_cond="task 'consume' has finished")
    app.task("daily", func=produce, name="produce", execution=execution)
    app.task("after task 'produce'", func=consume, name="consume", execution=execution)
    run(app)
    assert app.session.returns["consume"] == [1, 2, 3]


def produce() -> list[int]:
    return [1, 2]


def consume(data: list[int] = Return("produce")) -> list[int]:  # type: ignore[assignment]
    return [*data, 3]


@pytest.mark.parametrize("execution", ["async", "process"])
def test_a_command_has_its_parameters_in_their_order(execution: str) -> None:
    app = App(shut_cond="task 'a' has finished")
    given = {"z": SimpleArg(1), "y": 2, "x": FuncArg(int, "3"), "b": 4}
    app.task("daily", command="echo", name="a", execution=execution, parameters=given)
    run(app)
    assert app.session.returns["a"] == "--z 1 --y 2 --x 3 --b 4\n"


def test_later_sources_win() -> None:
    app = App(shut_cond="task 'a' has finished")
    app.params(w="session", x="session", y="session", z="session")

    def work(w: str, x: str = Arg("given"), y: str = "d", z: str = "d") -> str:  # type: ignore[assignment]
        return f"{w} {x} {y} {z}"

    @app.param("given")
    def given() -> str:
        return "signature"

    a = app.task("false", func=work, name="a", parameters={"y": "task", "z": "task"})
    a.run(z="run")
    run(app)
    assert app.session.returns["a"] == "session signature task run"


def test_a_missing_argument_is_an_error_at_the_start_where_it_is_known() -> None:
    app = App(shut_cond="true")
    app.task("daily", func=takes, name="a")
    with pytest.raises(DefinitionError, match="task 'a': argument 'x': nothing gives it a value"):
        run(app)
    app.params(x=1)
    run(app)


def test_a_task_that_is_only_asked_for_may_wait_for_its_arguments() -> None:
    app = App(shut_cond="task 'a' has failed")
    a = app.task("false", func=takes, name="a")
    a.run()
    run(app)
    assert reasons(app, "a") == ["argument 'x': nothing gives it a value"]


def test_an_argument_that_is_missing_at_the_run_fails_it() -> None:
    app = App(shut_cond="task 'a' has failed & task 'b' has succeeded")
    app.task("daily", func=consume, name="a")
    app.task("daily", func=nothing, name="b")
    app.task("false", func=produce, name="produce")
    run(app)
    assert reasons(app, "a") == ["argument 'data': task 'produce' has returned nothing yet"]


@pytest.mark.parametrize("execution", ["main", "async", "thread", "process"])
def test_a_parameter_without_a_value_is_the_reason(execution: str, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("def main(x): ...\n")
    app = App(execution=execution, shut_cond="task 'a' has failed & task 'file' has failed")
    app.task(func=takes, name="a").run()
    app.task(path=tmp_path / "job.py", name="file").run()
    run(app)
    assert reasons(app, "a") == reasons(app, "file") == ["argument 'x': nothing gives it a value"]


def meets(mark: str, other: str) -> None:
    """Ends when both have begun."""
    Path(mark).touch()
    deadline = time.monotonic() + LIMIT
    while not Path(other).exists() and time.monotonic() < deadline:
        time.sleep(0.001)


def test_more_processes_may_run_tasks_while_the_app_runs(tmp_path: Path) -> None:
    app = App(max_process_count=1, execution="process", timeout=LIMIT / 2)
    app.task(func=nothing, name="first")
    marks = [str(tmp_path / name) for name in "ab"]
    both = [
        app.task(func=meets, name=name, parameters={"mark": mark, "other": other})
        for name, mark, other in [("a", *marks), ("b", *reversed(marks))]
    ]

    async def story() -> None:
        serving = asyncio.create_task(app.serve())
        app["first"].run()
        while app["first"].is_running:
            await asyncio.sleep(0.001)
        app.session.config.max_process_count = 2
        for task in both:
            task.run()
        while any(task.is_running for task in both):
            await asyncio.sleep(0.001)
        app.shut_down()
        await serving

    asyncio.run(asyncio.wait_for(story(), 2 * LIMIT))
    assert [str(task.status) for task in both] == ["success", "success"]


def logs(log: Any = TaskLogger(), scheduler: Any = SchedulerLogger()) -> str:
    log.warning("from the task")
    return str(scheduler.name)


@pytest.mark.parametrize("execution", ["main", "async", "thread", "process"])
def test_a_task_has_its_logger_wherever_it_runs(
    execution: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App(shut_cond="task 'logs' has finished", execution=execution)
    app.task("daily", func=logs)
    run(app)
    assert app.session.returns["logs"] == "oncue.scheduler"
    lines = [r for r in caplog.records if r.getMessage() == "from the task"]
    assert [(r.name, getattr(r, "task_name", None)) for r in lines] == [("oncue.task", "logs")]


def test_what_cannot_go_to_a_process_is_named_before_anything_is_logged() -> None:
    app = App(shut_cond="true")
    a = app.task("false", func=takes, name="a", execution="process")
    with pytest.raises(DefinitionError, match="its argument 'x' cannot be sent"):
        a.run(x=threading.Lock())
    a.parameters = {"x": threading.Lock()}
    with pytest.raises(DefinitionError, match="its argument 'x' cannot be sent"):
        run(app)
    assert actions(app, "a") == []


def odd(x: Any = FuncArg(lambda: 1)) -> Any:
    return x


@pytest.mark.parametrize("given", [{}, {"x": SimpleArg(threading.Lock())}])
def test_arguments_that_cannot_go_to_a_process_are_named_before_anything_is_logged(
    given: dict[str, Any],
) -> None:
    app = App(shut_cond="true")
    app.task("daily", func=odd, name="a", execution="process", parameters=given)
    with pytest.raises(DefinitionError, match="'a' runs in a process, and its argument 'x' cannot"):
        run(app)
    assert actions(app, "a") == []


def test_a_session_parameter_that_cannot_go_to_a_process_is_named() -> None:
    app = App(shut_cond="task 'a' has finished")
    app.params(x=threading.Lock())
    a = app.task(func=takes, name="a", execution="process")
    a.run(x=3)  # only asked for, and given another
    run(app)
    assert app.session.returns == {"a": 3}
    a.start_cond = "daily"
    with pytest.raises(DefinitionError, match="'a' runs in a process, and its argument 'x' cannot"):
        run(app)


def test_what_cannot_go_to_a_process_is_refused_while_the_app_runs_too() -> None:
    app = App()
    a = app.task("once at 2100-01-01", func=takes, name="a", execution="process")
    inside = app.task(func=lambda: None, name="inside")
    locked = {"x": threading.Lock()}
    told: list[str] = []

    @app.task("daily")
    def boss(session: Any = SessionArg()) -> None:
        for attempt in (
            lambda: session.create_task(func=lambda: None, name="b", execution="process"),
            lambda: setattr(a, "parameters", locked),
            lambda: setattr(inside, "execution", "process"),
            lambda: setattr(session.config, "execution", "process"),  # for this task itself
        ):
            with pytest.raises(DefinitionError) as refused:
                attempt()
            told.append(str(refused.value))
        app.shut_down()

    a.parameters = {"x": 1}
    run(app)
    assert [task.name for task in app.session] == ["a", "inside", "boss"]
    assert (a.parameters, inside.execution, app.session.config.execution) == (
        {"x": 1}, "thread", None,
    )  # fmt: skip
    assert ["lambda" in told[0], "argument 'x'" in told[1], "lambda" in told[2]] == [True] * 3
    assert "its parameter 'session' asks for Session()" in told[3]


@pytest.mark.parametrize("silent", [False, True])
def test_an_argument_whose_code_fails_ends_the_app_unless_it_is_silenced(silent: bool) -> None:
    app = App(silence_task_prerun=silent, param_materialize="pre", shut_cond="task 'a' has failed")

    @app.param("x")
    def broken() -> int:
        raise RuntimeError("the disk is gone")

    app.task("daily", func=takes, name="a")
    if silent:
        run(app)
    else:
        with pytest.raises(OncueError, match="task 'a' could not be set up: .*the disk is gone"):
            run(app)
    assert actions(app, "a") == ["run", "fail"]
    assert "the disk is gone" in reasons(app, "a")[0]


def test_a_parameter_that_changes_wakes_its_conditions() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    app.task("daily & param 'mode' is 'fast'", func=nothing, name="a")

    @app.task("daily")
    def sets() -> None:
        app.params(mode="fast")

    run(app)
    assert actions(app, "a") == ["run", "success"]


# --- conditions that fail -----------------------------------------------------------------------


def test_a_condition_that_raises_ends_the_app_in_order() -> None:
    app = App()

    @app.cond("is broken")
    def broken() -> bool:
        raise RuntimeError("no answer")

    @app.task("daily", priority=1)
    def long() -> None:
        time.sleep(0.05)

    app.task("is broken", func=nothing, name="a")
    with pytest.raises(OncueError, match="a condition of task 'a' failed: .*no answer") as caught:
        run(app)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert actions(app, "long") in ([], ["run", "success"])


def test_a_silenced_one_is_false_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    app = App(silence_cond_check=True, cycle_sleep=0.001, shut_cond="scheduler has run over 100 ms")
    asked: list[int] = []

    @app.cond("is broken")
    def broken() -> bool:
        asked.append(1)
        raise RuntimeError(f"no answer {len(asked)}")

    app.task("is broken", func=nothing, name="a")
    run(app)
    assert len(asked) > 3
    said = [m for m in caplog.messages if "a condition of task a failed" in m]
    assert len(said) == 1
    assert actions(app, "a") == []


def test_a_shut_cond_that_raises_is_asked_in_its_rhythm(caplog: pytest.LogCaptureFixture) -> None:
    app = App(silence_cond_check=True, cycle_sleep=0.05)
    asked: list[int] = []
    first = time.monotonic()

    @app.cond("is over")
    def over() -> bool:
        asked.append(1)
        if time.monotonic() < first + 0.3:
            raise RuntimeError("no answer")
        return True

    app.session.config.shut_cond = "is over"
    run(app)
    assert 2 <= len(asked) < 10
    assert [m for m in caplog.messages if "failed" in m] == [
        "the shut_cond failed: RuntimeError('no answer')"
    ]


def test_a_custom_condition_is_given_what_its_signature_asks_for() -> None:
    app = App(shut_cond="task 'a' has succeeded")
    app.params(limit=3)
    asked: list[tuple[str, int, int]] = []

    @app.cond("is over {n:int}")
    def over(
        n: int,
        me: Any = TaskArg(),
        session: Any = SessionArg(),
        limit: int = Arg("limit"),  # type: ignore[assignment]
    ) -> bool:
        asked.append((me.name, n, limit))
        return me.name in session and n < limit

    app.task("is over 2", func=nothing, name="a")
    app.task("is over 5", func=nothing, name="b")
    run(app)
    assert {("a", 2, 3), ("b", 5, 3)} <= set(asked)
    assert actions(app, "b") == []


# --- groups -------------------------------------------------------------------------------------


def test_a_group_is_included_with_its_names_conditions_and_parameters() -> None:
    group = Grouper(prefix="etl.", execution="main")

    @group.cond("is open")
    def is_open() -> bool:
        return True

    group.start_cond = "is open"

    @group.task("daily")
    def extract() -> int:
        return threading.get_ident()

    @group.task("after task 'extract'", execution="thread")
    def load(data: int = Return("extract")) -> int:  # type: ignore[assignment]
        return data

    @group.task(after_success(load))
    def report(data: int = Return(load), who: str = Arg("who")) -> tuple[int, str]:  # type: ignore[assignment]
        return data, who

    group.params(who="me")
    app = App(shut_cond="task 'etl.report' has finished")
    app.include_grouper(group)
    assert [task.name for task in app] == ["etl.extract", "etl.load", "etl.report"]
    assert str(load.start_cond) == "is open & after task 'etl.extract'"
    assert (extract.execution, load.execution) == ("main", "thread")
    run(app)
    assert app.session.returns["etl.report"] == (threading.get_ident(), "me")


def test_a_groups_own_are_meant_wherever_it_names_them() -> None:
    group = Grouper(prefix="etl.")

    @group.cond("is loaded")
    def is_loaded(load: Any = TaskArg("load")) -> bool:
        return load.name == "etl.load - 1" and load.last_success is not None

    group.task("daily", func=nothing, name="load")
    group.task("after task 'load'", func=nothing, name="next")
    group.task("is loaded & daily", func=nothing, name="by text")
    group.task(is_loaded & daily, func=nothing, name="by itself")
    app = App(
        task_pre_exist="rename",
        shut_cond="after tasks 'etl.next', 'etl.by text', 'etl.by itself'",
    )
    app.task("false", func=nothing, name="etl.load")
    app.include_grouper(group)
    run(app)
    assert [t.name for t in app if t.last_success] == [
        "etl.load - 1", "etl.next", "etl.by text", "etl.by itself",
    ]  # fmt: skip


def test_the_output_of_a_command_is_logged_with_the_name_it_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="oncue.output")
    command = "sh -c 'echo out; echo err >&2'"
    group = Grouper(prefix="etl.")
    group.task("daily", command=command, name="a")
    app = App(task_pre_exist="rename", shut_cond=f'after tasks "etl.a", "etl.a - 1", "{command}"')
    app.task("daily", command=command)
    app.task("daily", command=command, name="etl.a")
    app.include_grouper(group)
    run(app)
    lines = [r for r in caplog.records if r.name == "oncue.output"]
    assert {(r.getMessage(), r.__dict__["task_name"]) for r in lines} == {
        (line, name) for line in ("out", "err") for name in (command, "etl.a", "etl.a - 1")
    }


def test_a_group_whose_execution_a_task_cannot_have_is_refused_whole() -> None:
    group = Grouper(execution="process")

    @group.task("daily")
    def a(session: Any = SessionArg()) -> None: ...

    app = App()
    with pytest.raises(DefinitionError, match="its parameter 'session' asks for"):
        app.include_grouper(group)
    assert len(app.session) == 0 and "a" in group


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: App().include_grouper(App()), "is not a group of tasks"),  # type: ignore[arg-type]
        (lambda: Grouper(prefix=5), "prefix=5: it is text"),  # type: ignore[arg-type]
        (lambda: App(config=5), "config=5: it is a dictionary"),  # type: ignore[arg-type]
    ],
)
def test_what_is_another_thing_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()


def test_a_group_whose_name_is_taken_is_refused_whole() -> None:
    group = Grouper(prefix="x.")
    group.task("daily", func=nothing, name="b")
    group.task("daily", func=nothing, name="a")
    app = App()
    app.task("daily", func=nothing, name="x.a")
    with pytest.raises(DefinitionError, match="there is a task 'x.a' already"):
        app.include_grouper(group)
    assert [task.name for task in app] == ["x.a"]
    assert [task.name for task in group] == ["b", "a"]


def test_a_group_is_included_in_a_running_app_whole_or_not_at_all() -> None:
    group = Grouper(prefix="x.", execution="thread")

    @group.cond("is open")
    def is_open() -> bool:
        return True

    @group.task("is open & daily", name="a")
    def first(later: int = Return("c", 1), size: int = Arg("size")) -> int:  # type: ignore[assignment]
        return later + size

    bad = group.task("after task 'a'", func=takes, name="b")  # it is given no x
    group.task("after task 'b'", func=nothing, name="c")
    group.params(size=2)
    app = App(shut_cond="task 'x.c' has finished")
    app.params(size=5)
    app.start()
    with pytest.raises(DefinitionError, match=r"task 'x\.b': argument 'x': nothing gives it"):
        app.include_grouper(group)
    assert len(app.session) == 0 and dict(app.session.parameters) == {"size": 5}
    assert [task.name for task in group] == ["a", "b", "c"]
    assert str(bad.start_cond) == "after task 'a'" and bad.values.get("execution") is None

    group.prefix = "x" * 1000
    with pytest.raises(DefinitionError, match="a name has at most"):
        app.include_grouper(group)
    assert [task.name for task in group] == ["a", "b", "c"]

    group.prefix, bad.parameters = "x.", {"x": 3}
    app.include_grouper(group)
    assert [task.name for task in app] == ["x.a", "x.b", "x.c"] and len(group.session) == 0
    while app.session.serving:
        threading.Event().wait(0.001)
    app.stop()
    assert app.session.returns == {"x.a": 3, "x.b": 3, "x.c": None}


def test_a_group_has_moved_when_the_rest_of_a_hook_raises() -> None:
    group = Grouper(prefix="x.")
    group.task("daily", func=nothing, name="a")
    group.params(size=2)
    app = App()

    @app.session.hook_task_init()
    def hook() -> Iterator[None]:
        yield
        raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        app.include_grouper(group)
    assert [task.name for task in app] == ["x.a"] and dict(app.session.parameters) == {"size": 2}
    assert len(group.session) == 0


# --- state --------------------------------------------------------------------------------------


def test_the_state_of_a_task_is_what_the_log_says(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    app = App(path, timezone="UTC", shut_cond="task 'good' has succeeded & task 'bad' has failed")
    app.task("daily", func=nothing, name="good")
    app.task("daily", func=fails, name="bad")
    app.task("daily after 00:00 & false", func=nothing, name="never")
    run(app)
    again = App(path, timezone="UTC")
    for name in ("good", "bad", "never"):
        again.task("daily", func=nothing, name=name)
    good, bad, never = again
    assert (good.status, bad.status, never.status) == ("success", "fail", None)
    assert good.last_run is not None and good.last_success is not None
    assert good.last_run <= good.last_success
    assert str(good.last_run.tzinfo) == "UTC"
    assert (good.last_fail, never.last_run, good.last_crash) == (None, None, None)
    assert good.next_due is not None and good.next_due.hour == 0
    assert good.next_due > good.last_run
    assert never.next_due is not None and not never.is_running
    assert not good.is_alive()


def test_cadences_of_every_kind_start_without_a_loop_that_polls() -> None:
    app = App(shut_cond="task 'tick' has succeeded at least 3 times")
    app.task(every("20 ms"), func=nothing, name="tick")
    run(app)
    assert actions(app, "tick")[:6] == ["run", "success"] * 3


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are POSIX")
def test_a_command_is_ended_with_all_it_started() -> None:
    app = App(shut_cond="task 'sleeper' has terminated")
    app.task("daily", command="sleep 600", name="sleeper", timeout=0.1)
    run(app)
    assert actions(app, "sleeper") == ["run", "terminate"]
