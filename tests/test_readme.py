"""What the README and the example show is what happens."""

import logging
import re
import threading
from datetime import datetime
from pathlib import Path

import pytest
import time_machine

from oncue import App, check, explain, parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
LIMIT = 30


def blocks(language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", README, re.DOTALL | re.MULTILINE)


def test_the_example_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("python")
    assert len(code.strip().splitlines()) <= 20
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []
    done = threading.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            if record.getMessage() == "load  success":
                names["app"].shut_down()  # type: ignore[attr-defined]
                done.set()

    names: dict[str, object] = {}
    logger = logging.getLogger("oncue.task")
    handler = Watch()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with time_machine.travel("2026-03-10 10:30", tick=True):
            exec(compile(code, "README.md", "exec"), names)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert done.is_set()
    assert seen == ["extract  run", "extract  success", "load  run", "load  success"]
    assert capsys.readouterr().out == "extracting\nloading\n"
    assert (tmp_path / "jobs.db").exists()
    assert isinstance(names["app"], App)


def test_the_explanation_is_drawn_as_shown() -> None:
    (shown,) = [block for block in blocks("text") if "✗" in block]
    condition = shown.strip().splitlines()[0].strip().removeprefix("✗ ")
    found = explain(
        condition,
        at=datetime(2026, 3, 10, 12),
        log=[{"task": "extract", "action": "success", "at": datetime(2026, 3, 10, 10, 0, 4)}],
    )
    assert [line.strip() for line in shown.strip().splitlines()] == str(found).splitlines()


def test_the_diagnostic_is_drawn_as_shown() -> None:
    (shown,) = [block for block in blocks("text") if "$ oncue check" in block]
    command, *rest = shown.strip().splitlines()
    text = re.findall('"(.*)"', command)[0]
    lines = [line.removeprefix("  ") for line in rest]
    assert "\n".join(lines) == "\n".join(str(found) for found in check(text))


def test_every_condition_of_the_example_is_clean_or_meant() -> None:
    source = (ROOT / "examples" / "morning.py").read_text()
    for text in re.findall(r'@app\.task\("([^"]*)"', source):
        assert str(parse(text))
        assert not [found for found in check(text) if found.severity == "error"]
