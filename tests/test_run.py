"""Apps as processes: signals, sudden death, the commands."""

import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

LIMIT = 30

APP = """
import asyncio, logging, sys, time
from oncue import App

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
app = App("log.db")

@app.task("daily")
def quick(): ...

@app.task("after task 'quick'")
def slow():
    print("slow began", flush=True)
    time.sleep(0.5)

@app.task("after task 'slow'")
def never(): ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(APP)
    return tmp_path


def oncue(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", *arguments]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {process.communicate()}")


def actions(folder: Path, task: str) -> list[str]:
    with closing(sqlite3.connect(folder / "log.db")) as db:
        rows = db.execute("SELECT action FROM record WHERE task = ? ORDER BY seq", (task,))
        return [action for (action,) in rows]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(folder: Path, number: signal.Signals) -> None:
    process = oncue(folder, "run", "jobs:app")
    wait_for(process, "slow began")
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    assert err == ""
    assert "shutting down, waiting for slow" in out
    assert actions(folder, "slow") == ["run", "success"]
    assert actions(folder, "never") == []


def test_a_second_signal_does_not_wait(folder: Path) -> None:
    (folder / "jobs.py").write_text(APP.replace("time.sleep(0.5)", "time.sleep(600)"))
    process = oncue(folder, "run", "jobs:app")
    wait_for(process, "slow began")
    process.send_signal(signal.SIGINT)
    wait_for(process, "shutting down")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert err == ""
    assert "not waited for: slow" in out
    assert actions(folder, "slow") == ["run"]


def test_a_second_signal_ends_what_keeps_the_loop_from_hearing_the_first(folder: Path) -> None:
    app = APP.replace("def slow", "async def slow").replace("sleep(0.5)", "sleep(600)")
    (folder / "jobs.py").write_text(app)
    process = oncue(folder, "run", "jobs:app")
    wait_for(process, "slow began")
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # an impatient user
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT)
    assert actions(folder, "slow") == ["run", "fail"]


def test_a_second_signal_ends_a_coroutine_that_has_the_loop(folder: Path) -> None:
    app = APP.replace("def slow", "async def slow").replace("time.sleep(0.5)", "await pause(600)")
    app = app.replace("@app.task(\"after task 'quick'\")", "@app.task('daily', execution='main')")
    (folder / "jobs.py").write_text(app + "\npause = asyncio.sleep\n")
    process = oncue(folder, "run", "jobs:app")
    wait_for(process, "slow began")
    process.send_signal(signal.SIGINT)
    wait_for(process, "shutting down")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert (err, process.returncode) == ("", 0)
    assert "slow  terminate" in out
    assert actions(folder, "slow") == ["run", "terminate"]


def test_a_killed_app_goes_on_where_it_was(folder: Path) -> None:
    process = oncue(folder, "run", "jobs.py")
    wait_for(process, "slow began")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert actions(folder, "slow") == ["run"]
    process = oncue(folder, "run", "jobs.py")
    wait_for(process, "slow began")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT)
    assert actions(folder, "quick") == ["run", "success"]
    assert actions(folder, "slow") == ["run", "crash", "run", "success"]


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.2, 0.3, 0.5])
def test_an_interrupt_at_any_moment_leaves_no_open_run(folder: Path, delay: float) -> None:
    process = oncue(folder, "run", "jobs:app")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    try:
        out, _ = process.communicate(timeout=LIMIT / 2)
    except subprocess.TimeoutExpired:  # the interpreter lost it while it was starting
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT)
    if (folder / "log.db").exists() and (folder / "log.db").stat().st_size:
        for task in ("quick", "slow"):
            assert actions(folder, task) in ([], ["run", "success"])
    assert out.count("run") == out.count("success") + out.count("fail")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("jobs:other", "jobs has no app 'other'; it has app"),
        ("nowhere:app", "there is no module 'nowhere' here or on the path"),
        ("nowhere.py", "there is no file 'nowhere.py'"),
    ],
)
def test_a_target_that_is_no_app_is_named(folder: Path, target: str, message: str) -> None:
    process = oncue(folder, "run", target)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 2
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_a_store_that_is_not_ours_is_one_line(folder: Path) -> None:
    (folder / "log.db").write_text("dear diary")
    process = oncue(folder, "run", "jobs")
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert err.endswith("log.db' is not an SQLite database; choose another path\n")
    assert err.count("\n") == 1
    assert (folder / "log.db").read_text() == "dear diary"


def test_check_says_what_is_wrong(folder: Path) -> None:
    process = oncue(folder, "check", "daliy after 10:00")
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (1, "")
    assert "daily" in out and "^^^^^" in out


def test_check_is_silent_when_there_is_nothing_to_say(folder: Path) -> None:
    process = oncue(folder, "check", "daily after 10:00 & after task 'extract'")
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out, err) == (0, "", "")


PROCESS = """
import logging, os, sys
from oncue import App

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
app = App("log.db", shut_cond="task 'dies' has failed & task 'works' has finished")

@app.task("daily", execution="process")
def works():
    assert os.getpid() != int(os.environ["APP_PID"])

@app.task("daily", execution="process")
def dies():
    os._exit(5)

if __name__ == "__main__" or GUARD:
    os.environ["APP_PID"] = str(os.getpid())
    app.run()
"""


def test_process_tasks_of_a_script_run_in_processes(folder: Path) -> None:
    (folder / "jobs.py").write_text(PROCESS.replace(" or GUARD", ""))
    process = subprocess.run(
        [sys.executable, "jobs.py"], cwd=folder, text=True, capture_output=True, timeout=LIMIT
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert actions(folder, "works") == ["run", "success"]
    assert actions(folder, "dies") == ["run", "fail"]


def test_a_script_without_a_guard_is_no_second_scheduler(folder: Path) -> None:
    (folder / "jobs.py").write_text(PROCESS.replace("GUARD", "True"))
    process = subprocess.run(
        [sys.executable, "jobs.py"], cwd=folder, text=True, capture_output=True, timeout=LIMIT
    )
    assert "must do so under: if __name__ == '__main__':" in process.stdout
    assert actions(folder, "works") == ["run", "fail"]


TICKS = """
import logging, sys
from oncue import App
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
app = App("log.db", shut_cond="task 'tick' has succeeded at least 25 times")

@app.task("every 200 ms", execution="main")
def tick():
    print("tick", flush=True)

@app.task("secondly before 100", execution="main")
def blink(): ...

@app.task("daily", execution="main")
def once(): ...
"""


def test_a_stopped_process_goes_on_with_nothing_repeated_and_nothing_lost(folder: Path) -> None:
    (folder / "jobs.py").write_text(TICKS)
    process = oncue(folder, "run", "jobs")
    for _ in range(3):
        wait_for(process, "tick")
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (0, "")
    with closing(sqlite3.connect(folder / "log.db")) as db:
        runs = db.execute(
            "SELECT task, scheduled_at, at FROM record WHERE action = 'run' ORDER BY seq"
        ).fetchall()
    ticks = [at for task, at, _ in runs if task == "tick"]
    assert len(set(ticks)) == len(ticks)
    assert {(later - ticks[0]) % 200_000 for later in ticks} == {0}  # in phase, however late
    assert max(b - a for a, b in pairwise(ticks)) > 2_000_000  # it was away, and made up nothing
    assert [task for task, _, _ in runs].count("once") == 1
    # of the seconds that came and went meanwhile the newest ran and the others were said
    blinks = [at // 1_000_000 for task, at, _ in runs if task == "blink"]
    lost = re.findall(r"missed: blink at (.*)", out)
    seconds = sorted(blinks + [int(datetime.fromisoformat(at).timestamp()) for at in lost])
    assert len(lost) >= 1
    assert seconds == list(range(seconds[0], seconds[-1] + 1))  # each of them once


RAISING = """
from oncue import App

app = App()

def asked():
    return 1 / 0

@app.cond("it is time")
def is_time():
    return asked()

@app.task("it is time")
def never(): ...
"""

HOOKED = """
from oncue import App

app = App()

@app.session.hook_scheduler_cycle()
def look():
    raise LookupError("nothing there")
"""


@pytest.mark.parametrize(
    ("text", "where"), [(RAISING, "in asked"), (HOOKED, "in look")], ids=["condition", "hook"]
)
def test_where_it_came_from_is_in_the_log_of_what_has_ended(
    folder: Path, text: str, where: str
) -> None:
    (folder / "jobs.py").write_text(text)
    out, errors = oncue(folder, "run", "jobs:app").communicate(timeout=LIMIT)
    assert out.count("Traceback") == 1
    assert where in out
    assert len(errors.splitlines()) == 1
