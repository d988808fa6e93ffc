"""docs/migrating-from-rocketry.md: its command prints what it shows, and it names
all that the command knows."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from oncue.app.cli import main
from oncue.app.migration import tables
from oncue.tests.pages import BLOCKS, PAGES

NAME = "docs/migrating-from-rocketry.md"
TEXT = PAGES[NAME]


def test_the_command_prints_what_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = [block.body for block in BLOCKS[NAME] if block.kind == "rocketry"]
    (shown,) = [block.body for block in BLOCKS[NAME] if block.kind == "console"]
    monkeypatch.chdir(tmp_path)
    Path("jobs.py").write_text(before, encoding="utf-8")
    command, _, expected = shown.partition("\n")
    done = CliRunner().invoke(main, command.removeprefix("$ oncue ").split())
    assert done.output == expected
    assert Path("jobs.py").read_text(encoding="utf-8") == before


def test_every_name_that_changes_is_on_the_page() -> None:
    renamed = [*tables.CONFIG_RENAMED, *tables.TASK_RENAMED, *tables.SESSION_RENAMED]
    gone = [*tables.TASK_GONE, *tables.TASK_ATTRIBUTES_GONE, *tables.CONFIG_WITHOUT_EFFECT]
    config = [name for name in tables.CONFIG_GONE if not name.endswith("_logger_basename")]
    for name in (*renamed, *gone, *config):
        assert re.search(rf"\b{name}\b", TEXT) or name in ("start", "is_alive_as_main"), name
    for name in ("Rocketry", "RedEngine", "parse_condition", "BaseArgument", "FuncTask"):
        assert f"{name}" in TEXT
