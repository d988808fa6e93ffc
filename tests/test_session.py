"""Sessions: running some tasks, hooks, restarts, failures."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncue import App
from oncue.args import Session as SessionArg
from oncue.args import Task as TaskArg
from oncue.conds import daily
from oncue.exc import DefinitionError, OncueError, SchedulerExit, SchedulerRestart
from oncue.tests.test_tasks import LIMIT, actions, fails, nothing, run

# --- running some tasks -------------------------------------------------------------------------


def test_some_tasks_run_once_and_no_other() -> None:
    app = App()
    a = app.task("false", func=nothing, name="a", disabled=True)
    app.task("daily", func=nothing, name="b")
    app.task("daily", func=nothing, name="c", execution="main")
    app.session.run("a", app["c"])
    assert [actions(app, name) for name in "abc"] == [["run", "success"], [], ["run", "success"]]
    app.session.run(a)
    assert actions(app, "a") == ["run", "success"] * 2


def test_some_tasks_may_obey_their_conditions_and_run_another_way() -> None:
    app = App(shut_cond="true")
    seen: list[int] = []
    app.task("false", func=lambda: seen.append(0), name="a")
    app.task("daily", func=lambda: seen.append(threading.get_ident()), name="b")
    app.session.run("a", "b", obey_cond=True, execution="main")
    assert seen == [threading.get_ident()]
    assert app["b"].execution == "thread"


def test_what_happens_meanwhile_starts_no_other() -> None:
    app = App()

    @app.task()
    def boss(session: Any = SessionArg()) -> None:
        session.create_task(func=nothing, name="new", start_cond="daily")
        session["b"].priority = 1
        session["b"].enabled = True
        session.config.timeout = 60
        session["asked"].run()  # it says so itself

    app.task("daily", func=nothing, name="b")
    app.task("daily", func=nothing, name="asked")
    app["b"].run()
    app.session.run("boss")
    assert [actions(app, name) for name in ("new", "b")] == [[], []]
    assert actions(app, "asked") == ["run", "success"]
    assert len(app["b"].requests) == 1


def test_nothing_starts_any_more_once_the_app_is_told_to_end() -> None:
    app = App()

    @app.task("daily")
    def boss(session: Any = SessionArg()) -> None:
        session.shut_down()
        session.create_task(func=nothing, name="new", start_cond="daily")
        session["worker"].run()
        session["worker"].force_run = True
        session["daily"].enabled = True
        session["daily"].priority = 1
        session.config.timeout = 60

    @app.task(on_shutdown=True)
    def last(session: Any = SessionArg()) -> None:
        session["worker"].run()

    app.task(func=nothing, name="worker")
    app.task("daily", func=nothing, name="daily", enabled=False)
    run(app)
    assert [actions(app, name) for name in ("new", "worker", "daily")] == [[], [], []]
    assert actions(app, "last") == ["run", "success"]


def test_a_task_there_is_not_is_said() -> None:
    with pytest.raises(KeyError, match="there is no task 'a'"):
        App().session.run("a")


# --- hooks --------------------------------------------------------------------------------------


def test_a_hook_may_wait_for_the_thread_that_shut_the_app_down() -> None:
    """As that of a server does, whose request was the shut-down."""
    app = App()
    thread = threading.Thread(target=app.shut_down)
    left: list[bool] = []

    @app.setup()
    def start() -> Iterator[None]:
        yield
        thread.start()

    @app.session.hook_shutdown()
    def join() -> None:
        thread.join(LIMIT / 3)
        left.append(thread.is_alive())

    run(app)
    assert left == [False]


def test_hooks_are_called_at_their_moments() -> None:
    app = App()
    told: list[str] = []

    @app.setup()
    def define(session: Any = SessionArg()) -> None:
        told.append("setup")
        session.create_task(func=app.shut_down, start_cond=daily, name="made")

    @app.session.hook_startup()
    def about_the_start() -> Iterator[None]:
        told.append(f"before the start, {len(app.session.tasks)}")
        yield
        told.append("started")

    @app.session.hook_startup()
    async def coroutine() -> None:
        await asyncio.sleep(0)
        told.append("awaited")

    @app.session.hook_shutdown()
    def about_the_end() -> Iterator[None]:
        told.append("ending")
        yield
        told.append("ended")

    @app.session.hook_scheduler_cycle()
    def cycle() -> Iterator[None]:
        told.append("cycle")
        yield
        told.append("cycled")

    run(app)
    assert told[:5] == ["setup", "before the start, 1", "awaited", "started", "cycle"]
    assert told[-2:] == ["ending", "ended"]
    assert told.count("cycle") == told.count("cycled") >= 2


@pytest.mark.parametrize("execution", ["main", "async", "thread", "process"])
def test_hooks_about_runs_see_how_they_end(execution: str) -> None:
    app = App(shut_cond="task 'bad' has finished & task 'good' has finished")
    told: list[str] = []

    @app.session.hook_task_init()
    def init(task: Any) -> Iterator[None]:
        told.append(f"init {task.name} {task in app}")
        yield
        told.append(f"{task.name} {task in app}")

    @app.session.hook_task_execute()
    def about(task: Any = TaskArg()) -> Iterator[Any]:
        raised: Any = yield
        kind, value, _ = raised
        told.append(f"{task.name}: {kind and kind.__name__} {'no' in str(value)}")

    app.task("daily", func=nothing, name="good", execution=execution)
    app.task("daily", func=fails, name="bad", execution=execution)
    run(app)
    assert told[:4] == ["init good False", "good True", "init bad False", "bad True"]
    error = "OncueError" if execution == "process" else "ValueError"
    assert sorted(told[4:]) == [f"bad: {error} True", "good: None False"]


def test_a_hook_that_fails_ends_the_app() -> None:
    app = App()
    app.task("daily", func=nothing, name="a")

    @app.session.hook_task_execute()
    def broken(task: Any) -> None:
        raise RuntimeError("hook")

    with pytest.raises(OncueError, match="task 'a' could not be set up: .*hook"):
        run(app)

    other = App()

    @other.setup()
    def fails_at_once() -> None:
        raise RuntimeError("setup")

    with pytest.raises(RuntimeError, match="setup"):
        run(other)
    assert not other.session.serving


def test_a_hook_that_fails_keeps_no_other_from_its_rest() -> None:
    app = App(silence_task_prerun=True, shut_cond="task 'a' has failed")
    told: list[str] = []

    @app.session.hook_task_execute()
    def first(task: Any) -> Iterator[Any]:
        raised: Any = yield
        told.append(f"first: {raised[0].__name__}")

    @app.session.hook_task_execute()
    def second(task: Any) -> Iterator[Any]:
        yield
        told.append("second")
        raise KeyError("second")

    @app.session.hook_task_execute()
    def third(task: Any) -> None:
        raise ValueError("third")

    app.task("daily", func=nothing, name="a")
    with pytest.raises(OncueError, match="a hook failed after a run of 'a': KeyError"):
        run(app)
    assert told == ["second", "first: ValueError"]


def test_a_hook_that_fails_at_the_end_leaves_nothing_open(tmp_path: Path) -> None:
    app = App(tmp_path / "log.db", shut_cond="task 'a' has started")

    @app.session.hook_shutdown()
    def wrong() -> None:
        raise ValueError("no")

    app.task("daily", func=nothing, name="a")
    before = threading.enumerate()
    with pytest.raises(ValueError, match="no"):
        run(app)
    assert [t.name for t in threading.enumerate() if t not in before and "task" not in t.name] == []


class AwaitedWhenCalled:
    async def __call__(self, task: object) -> None: ...


def test_what_can_be_no_hook_is_refused() -> None:
    async def hook(task: object) -> None: ...

    for each in (hook, AwaitedWhenCalled()):
        with pytest.raises(DefinitionError, match="a hook of task_execute is no coroutine"):
            App().session.hook_task_execute()(each)


# --- ends and restarts --------------------------------------------------------------------------


@pytest.mark.parametrize("execution", ["main", "async", "thread"])
def test_a_task_may_end_the_app_by_what_it_raises(execution: str) -> None:
    app = App()

    @app.task("daily", execution=execution)
    def ends() -> None:
        raise SchedulerExit

    run(app)
    assert actions(app, "ends") == ["run", "success"]


def test_a_task_in_a_process_cannot() -> None:
    app = App(shut_cond="task 'ends' has failed")
    app.task("daily", func=exits, name="ends", execution="process")
    run(app)
    assert actions(app, "ends") == ["run", "fail"]


def exits() -> None:
    raise SchedulerExit


@pytest.mark.parametrize("how", ["raise", "call"])
def test_an_app_may_be_called_again(how: str) -> None:
    app = App(restarting="recall")
    lives: list[int] = []

    @app.task("true")
    def again(session: Any = SessionArg()) -> None:
        lives.append(1)
        if len(lives) == 3:
            app.shut_down()
        elif how == "raise":
            raise SchedulerRestart
        else:
            session.restart()

    run(app)
    assert len(lives) == 3


def test_a_shut_down_takes_the_place_of_a_restart() -> None:
    app = App(restarting="recall")
    app.task(func=nothing, name="last", on_shutdown=True)

    @app.task("daily")
    async def a(session: Any = SessionArg()) -> None:
        session.restart()
        session.shut_down()
        await asyncio.sleep(0.05)  # it is waited for

    run(app)
    assert actions(app, "a") == ["run", "success"]
    assert actions(app, "last") == ["run", "success"]


SCRIPT = """
import os, sys
from oncue import App
app = App("log.db", restarting=sys.argv[1])

@app.task("true", execution="main")
def work():
    with open("lives", "a") as file:
        file.write(f"{os.getpid()} {sys.argv[1:]}\\n")
    lives = open("lives").read().splitlines()
    if len(lives) < 3:
        app.session.restart()
    else:
        app.session.shut_down()

if __name__ == "__main__":
    app.run()
"""


@pytest.mark.parametrize("way", ["replace", "relaunch", "fresh"])
def test_a_program_is_started_anew(way: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "script.py", way, "an argument"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    deadline = threading.Event()
    for _ in range(LIMIT * 20):
        lives = (tmp_path / "lives").read_text().splitlines()
        if len(lives) == 3:
            break
        deadline.wait(0.05)
    assert len(lives) == 3
    pids = {line.split()[0] for line in lives}
    assert len(pids) == (1 if way == "replace" else 3)
    assert all(line.endswith(f"['{way}', 'an argument']") for line in lives)


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True])
def test_a_store_that_goes_on_failing_ends_the_app_unless_that_is_silenced(
    silent: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from oncue.app.errors import StoreError
    from oncue.app.stores.memory import MemoryStore

    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 1000)
    app = App(silence_task_logging=silent)
    commit = MemoryStore.commit
    tries: list[int] = []

    async def failing(self: MemoryStore, *_: Any) -> Any:
        tries.append(1)
        if silent and len(tries) == 30:
            monkeypatch.setattr(MemoryStore, "commit", commit)
        raise StoreError("the disk is full")

    @app.task("daily")
    def a() -> None:
        app.shut_down()

    monkeypatch.setattr(MemoryStore, "commit", failing)
    if silent:
        run(app)
        assert actions(app, "a") == ["run", "success"]
    else:
        with pytest.raises(OncueError, match="the store does not answer") as caught:
            run(app)
        assert isinstance(caught.value.__cause__, StoreError)
        assert actions(app, "a") == []


def test_an_app_that_ends_while_its_store_does_not_answer_waits_for_what_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from oncue.app.errors import StoreError
    from oncue.app.stores.memory import MemoryStore

    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 1000)
    app = App()
    tries, ended = threading.Semaphore(0), threading.Event()

    async def failing(*_: Any) -> Any:
        tries.release()
        raise StoreError("the disk is full")

    @app.task("daily", execution="thread")
    def a() -> None:
        monkeypatch.setattr(MemoryStore, "commit", failing)
        monkeypatch.setattr(MemoryStore, "follow", failing)
        app.shut_down()
        for _ in range(30):
            assert tries.acquire(timeout=LIMIT)
        ended.set()

    with pytest.raises(StoreError, match="success of a"):
        run(app)
    assert ended.is_set()
    assert "not waited for" not in caplog.text


def test_a_silenced_failure_is_said_at_each_change(caplog: pytest.LogCaptureFixture) -> None:
    app = App(silence_cond_check=True, cycle_sleep=0.001, shut_cond="task 'a' has succeeded")
    answered: list[bool] = []

    def said() -> int:
        return sum("a condition of task a failed" in message for message in caplog.messages)

    @app.cond("is ready")
    def ready() -> bool:
        """Fails until that is said, answers once, fails until that is said again, then holds."""
        if said() == 1 and not answered:
            answered.append(True)
            return False
        if said() < 2:
            raise RuntimeError("no answer")
        return True

    app.task("is ready", func=nothing, name="a")
    run(app)
    assert said() == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_failure_is_in_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        "from oncue import App\napp = App()\n"
        "@app.cond('is broken')\ndef broken(): raise RuntimeError('no answer')\n"
        "@app.task('is broken')\ndef a(): ...\n"
    )
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", "run", "jobs:app"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 1
    assert "a condition of task 'a' failed: RuntimeError('no answer')" in done.stderr
    assert "Traceback" not in done.stderr
