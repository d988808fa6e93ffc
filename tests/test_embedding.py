"""Apps inside other programs: web services, running loops, threads, tests."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oncue import App
from oncue.exc import OncueError, StoreError
from oncue.tests.test_tasks import LIMIT, actions, nothing

EXAMPLES = Path(__file__).parent.parent / "examples"


# --- a web service ------------------------------------------------------------------------------


@pytest.fixture
def service() -> Iterator[str]:
    """The address of examples/rest.py under uvicorn, which ends in order."""
    command = [sys.executable, "-m", "uvicorn", "rest:api", "--port", "0"]
    process = subprocess.Popen(command, cwd=EXAMPLES, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
            break
    else:
        raise AssertionError("".join(lines))
    yield found[1]
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=LIMIT)
    assert process.wait(LIMIT) in (0, -signal.SIGINT), rest
    assert "Application shutdown complete" in rest, rest
    assert "Traceback" not in rest.replace("KeyboardInterrupt", ""), rest


def call(address: str, method: str = "GET") -> Any:
    request = urllib.request.Request(address, method=method)
    with urllib.request.urlopen(request, timeout=LIMIT) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def test_a_service_runs_disables_and_explains_tasks(service: str) -> None:
    tasks = call(f"{service}/tasks")
    assert [task["name"] for task in tasks] == ["refresh", "report"]
    call(f"{service}/tasks/report/run?x=sales", "POST")
    for _ in range(LIMIT * 20):
        report = call(f"{service}/tasks/report")
        if report["status"] == "success":
            break
        threading.Event().wait(0.05)
    assert report["returned"] == "a report of sales"
    assert report["why"]["text"] == "false"
    call(f"{service}/tasks/report/disable", "POST")
    with pytest.raises(urllib.error.HTTPError, match="409"):
        call(f"{service}/tasks/report/run", "POST")
    call(f"{service}/tasks/report/enable", "POST")
    assert call(f"{service}/tasks/report")["enabled"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        call(f"{service}/tasks/none")


# --- a running loop, as a notebook has ----------------------------------------------------------


def test_an_app_is_served_and_asked_on_a_loop_that_runs() -> None:
    async def cells() -> None:
        app = App()
        serving = asyncio.create_task(app.serve())
        ran = asyncio.Event()

        @app.task("daily")
        async def a() -> None:
            ran.set()

        await asyncio.wait_for(ran.wait(), LIMIT)
        assert app["a"].explain().text == "daily"
        app.shut_down()
        await asyncio.wait_for(serving, LIMIT)
        assert actions(app, "a") == ["run", "success"]
        again = App()
        again.task("daily", func=nothing, name="b")
        assert again["b"].next_due is not None  # asked though it never ran

    asyncio.run(cells())


def test_running_where_a_loop_runs_says_what_to_do_instead() -> None:
    async def cell() -> None:
        with pytest.raises(OncueError, match=r"await app\.serve\(\)"):
            App().run()

    asyncio.run(cell())


@pytest.mark.parametrize("execution", ["main", "async", "thread"])
def test_a_task_that_would_wait_for_its_own_app_is_told(execution: str) -> None:
    app = App()
    refused = threading.Event()

    @app.task("daily", execution=execution)
    def stops() -> None:
        with pytest.raises(OncueError, match="call shut_down"):
            app.stop()
        refused.set()

    app.start()
    assert refused.wait(LIMIT)
    app.stop()
    assert not app.session.serving


def test_a_cancelled_app_leaves_nothing_behind() -> None:
    async def story() -> None:
        app = App()

        @app.task("daily")
        async def long() -> None:
            await asyncio.sleep(LIMIT)

        serving = asyncio.create_task(app.serve())
        await asyncio.sleep(0.05)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not app.session.serving
        assert len(asyncio.all_tasks()) == 1
        assert actions(app, "long") == ["run", "terminate"]

    asyncio.run(story())


@pytest.mark.parametrize("raises", [False, True])
def test_an_app_is_cancelled_whatever_a_coroutine_that_has_its_loop_makes_of_it(
    raises: bool,
) -> None:
    async def story() -> None:
        app = App()
        begun = asyncio.Event()

        @app.task("every 10 ms", execution="main")
        async def deaf() -> None:
            if begun.is_set():
                return app.shut_down()  # it should not have begun
            begun.set()
            try:
                await asyncio.sleep(LIMIT)
            except asyncio.CancelledError:
                if raises:
                    raise LookupError from None

        serving = asyncio.create_task(app.serve())
        await begun.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert actions(app, "deaf") == ["run", "fail" if raises else "success"]

    asyncio.run(story())


def test_a_coroutine_that_cancels_its_own_task_ends_no_app() -> None:
    async def story() -> None:
        app = App(shut_cond="task 'cancels' has finished | task 'cancels' has terminated")

        @app.task("daily", execution="main")
        async def cancels() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(LIMIT)

        await asyncio.wait_for(app.serve(), LIMIT)
        assert actions(app, "cancels") == ["run", "terminate"]

    asyncio.run(story())


# --- a thread -----------------------------------------------------------------------------------


def test_an_app_in_a_thread_of_its_own(tmp_path: Path) -> None:
    app = App(tmp_path / "log.db")
    done = threading.Event()

    @app.task("daily")
    def a() -> None:
        done.set()

    app.start()
    with pytest.raises(OncueError, match="running already"):
        app.start()
    assert app.session.serving
    assert done.wait(LIMIT)
    app.stop()
    assert not app.session.serving
    assert a.last_success is not None
    app.start()
    app.stop()
    app.stop()


def test_what_keeps_it_from_running_is_raised_where_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("dear diary")
    app = App(tmp_path / "log.db")
    with pytest.raises(StoreError, match="not an SQLite database"):
        app.start()
    app.stop()


def test_what_ends_it_is_raised_where_it_is_stopped() -> None:
    app = App()
    app.start()

    @app.cond("is broken")
    def broken() -> bool:
        raise RuntimeError("no answer")

    with pytest.raises(OncueError, match="no answer"):
        app.task("is broken", func=nothing, name="a")
        app.stop()
