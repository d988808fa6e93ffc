"""`oncue explain`, of conditions and of apps."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest
from click.testing import CliRunner, Result

from oncue.app.cli import main

APP = """
from oncue import App

app = App("log.db", timezone="UTC", shut_cond="task 'extract' has succeeded")

@app.task("daily")
def extract(): ...

@app.task("false & after task 'extract'")
def load(): ...

if __name__ == "ran":
    app.run()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def oncue(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


def test_a_condition_at_an_instant() -> None:
    found = oncue("daily after 10:00 & after task 'a'", "--at", "2026-03-10 09:00", "-z", "UTC")
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        "✗ daily after 10:00 & after task 'a'",
        "├─ ✗ daily after 10:00  —  opens 10:00",
        "└─ ✗ after task 'a'  —  'a' has not succeeded yet",
        "by time alone it stays false",
        "would hold 2026-03-10 10:00:00 UTC with a success of 'a'",
    ]


@pytest.mark.parametrize(
    ("condition", "last"),
    [
        ("before 2026-01-01", "and nothing that can be recorded changes that"),
        (
            "task 'x' has failed at least 300 times & task 'x' is running at least 400 times",
            "and no change of a few records was found that would turn it",
        ),
    ],
)
def test_what_was_not_found_is_not_said_to_be_impossible(condition: str, last: str) -> None:
    found = oncue(condition, "--at", "2026-03-10 09:00", "-z", "UTC").output.splitlines()
    assert found[-2:] == ["by time alone it stays false", last]


def test_a_condition_with_a_log(folder: Path) -> None:
    (folder / "log.jsonl").write_text(
        '{"task": "a", "action": "success", "at": "2026-03-10 08:00"}\n\n'
    )
    question = ("daily after 10:00 & after task 'a'", "--at", "2026-03-10 09:00", "-z", "UTC")
    found = oncue(*question, "--log", "log.jsonl")
    assert found.output.splitlines()[-1] == "will hold at 2026-03-10 10:00:00 UTC"
    tree = json.loads(oncue(*question, "--log", "log.jsonl", "--json").output)
    assert tree["value"] is False
    assert tree["flips_at"] == "2026-03-10T10:00:00+00:00"
    assert [part["value"] for part in tree["parts"]] == [False, True]


def test_a_task_of_an_app_by_its_store(folder: Path) -> None:
    (folder / "ours.py").write_text(APP)
    names: dict[str, object] = {"__name__": "ran"}
    exec(compile(APP, "ours.py", "exec"), names)
    found = oncue("ours.py", "--task", "load")
    assert found.exit_code == 0
    assert "✗ false" in found.output
    assert "✓ after task 'extract'  —  'extract' succeeded" in found.output
    assert "no instance" not in found.output  # of what would not start anyhow


def test_what_is_due_and_does_not_run_waits_for_an_app(folder: Path) -> None:
    (folder / "idle.py").write_text(LONG)
    found = oncue("idle:app", "--task", "extract")
    assert found.output.splitlines()[1] == "✗ due, but no instance of the app runs"
    tree = json.loads(oncue("idle:app", "--task", "extract", "--json").output)
    assert tree["obstacles"] == ["due, but no instance of the app runs"]


LONG = """
import logging, pathlib, sys, time
from oncue import App

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
app = App("log.db", timezone="UTC", shut_cond="task 'load' has succeeded")

@app.task("once at 2020-01-01")
def extract():
    print("extracting", flush=True)
    while not pathlib.Path("done").exists():
        time.sleep(0.01)

@app.task("after task 'extract'")
def load(): ...
"""


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", "from oncue.app.cli import main; main()", *arguments]
    return subprocess.Popen(line, cwd=folder, text=True, stdout=PIPE, stderr=PIPE)


def why(folder: Path, task: str, *more: str) -> str:
    out, err = command(folder, "explain", "long:app", "--task", task, *more).communicate(timeout=60)
    assert err == ""
    return out


def test_what_is_due_and_has_no_room_says_so(folder: Path) -> None:
    crowded = LONG.replace('App("log.db",', 'App("log.db", concurrency_limit=1,')
    (folder / "long.py").write_text(crowded.replace("after task 'extract'", "true"))
    process = command(folder, "run", "long:app")
    assert process.stdout is not None
    assert any("extracting" in line for line in process.stdout)
    assert why(folder, "load").splitlines()[1] == (
        "✗ due, but there is no room: 1 run under way, all that 1 instance may have"
    )
    assert "no room" not in why(folder, "extract")
    (folder / "done").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_task_of_an_app_that_is_running_and_of_one_that_has_stopped(folder: Path) -> None:
    (folder / "long.py").write_text(LONG)
    process = command(folder, "run", "long:app")
    assert process.stdout is not None
    assert any("extracting" in line for line in process.stdout)
    whole, alone, flip = why(folder, "load").splitlines()
    assert whole == "✗ after task 'extract'  —  'extract' has not succeeded yet"
    assert alone == "by time alone it stays false"
    assert flip.endswith("with a success of 'extract'")
    tree = json.loads(why(folder, "extract", "--json"))
    assert "(still running)" in tree["reason"]
    assert [each["needs"] for each in tree["flips"]] == ["a crash of 'extract'"]
    (folder / "done").touch()
    process.communicate(timeout=60)
    assert process.returncode == 0
    with closing(sqlite3.connect(folder / "log.db")) as db:
        found = [action for (action,) in db.execute("SELECT action FROM record ORDER BY seq")]
    assert found == ["run", "success"] * 2  # being asked has changed nothing
    told = why(folder, "load")
    assert "last success of 'extract'" in told
    assert "before this task's own start" in told
    assert "with a success of 'extract'" in told


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("daliy",), 1, "daily"),
        (("daily", "--at", "yesterday"), 2, "yesterday"),
        (("daily", "-z", "Europe/Dubln"), 2, "Europe/Dublin"),
        (("nowhere:app", "--task", "a"), 2, "there is no module 'nowhere'"),
        (("daily", "--log", "bad.jsonl"), 1, "line 1 of the log is not JSON"),
        (("daily", "--log", "odd.jsonl"), 1, "line 1 of the log: it has no 'at'"),
        (("x:app",), 2, "give --task NAME, the task of x:app that is asked about"),
        (("x:app", "--task", "a", "--at", "2026-01-01"), 2, "for a condition, not for an app"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    folder: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    (folder / "bad.jsonl").write_text("{")
    (folder / "odd.jsonl").write_text('{"task": "a", "action": "run"}')
    found = oncue(*arguments)
    assert found.exit_code == status
    assert message in found.output
    assert "Traceback" not in found.output


def test_asking_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is not there yet is not made, and the runs of a process that is gone are told
    as crashed without writing that."""
    from oncue import App

    path = tmp_path / "log.db"
    app = App(path, timezone="UTC")
    app.task("daily", func=print, name="a")
    assert app["a"].explain().value is True
    assert list(tmp_path.iterdir()) == []
    code = (
        "import os\nfrom oncue import App\napp = App('log.db')\n"
        "@app.task('daily', name='a', execution='main')\ndef a(): os._exit(0)\napp.run()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=60)
    again = App(path, timezone="UTC")
    again.task("daily", func=print, name="a")
    assert str(again["a"].status) == "crash"
    assert [record.action for record in again.session.get_repo()] == ["run"]


DYNAMIC = """
from oncue import App, Context
app = App("log.db", timezone="UTC")

@app.dynamic_task()
async def order(context: Context): ...

app.schedule_task(order, "4711", start_cond="daily & after task 'order:12'")
"""


def test_why_a_dynamic_task_is_not_running(folder: Path) -> None:
    (folder / "orders.py").write_text(DYNAMIC)
    found = oncue("orders:app", "--task", "order:4711")
    assert (found.exit_code, "✗ after task 'order:12'" in found.output) == (0, True)
    unknown = oncue("orders:app", "--task", "order:1")
    assert (unknown.exit_code, "there is no task 'order:1'" in unknown.output) == (2, True)
