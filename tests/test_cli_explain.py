"""`oncue explain`, of conditions and of apps."""

import json
from pathlib import Path

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
        "by time alone it stays false; it takes: daily after 10:00 and after task 'a'",
    ]


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


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("daliy",), 1, "daily"),
        (("daily", "--at", "yesterday"), 2, "yesterday"),
        (("daily", "-z", "Europe/Dubln"), 2, "Europe/Dublin"),
        (("nowhere:app", "--task", "a"), 2, "there is no module 'nowhere'"),
        (("daily", "--log", "bad.jsonl"), 1, "line 1 of the log is not JSON"),
        (("daily", "--log", "odd.jsonl"), 1, "line 1 of the log: it has no 'at'"),
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
