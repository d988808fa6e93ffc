"""The page of commands shows what `init`, `tasks`, `log` and mistakes print; other parts of it are
run by the tests of their commands."""

import asyncio
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from oncue.app.cli import main
from oncue.app.cli.commands import COMMANDS
from oncue.app.stores.protocol import Claim, Finish
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action, Record
from oncue.tests.stores.steps import LATE, opened
from oncue.tests.test_cli_tasks import at

PAGE = (Path(__file__).parent.parent / "docs" / "commands.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
OURS = ("`oncue init`", "`oncue tasks`", "`oncue log`", "Errors")
SHOWN = [
    (title, words, answer)
    for title in OURS
    for block in re.findall(r"```console\n(.*?)```", SECTIONS[title], re.DOTALL)
    for words, answer in re.findall(r"^\$ oncue (.*?)\n(.*?)(?=^\$ |\Z)", block, re.DOTALL | re.M)
]
TRACEBACK = """Traceback (most recent call last):
  File "jobs.py", line 12, in load
    raise ConnectionError("the database is away")
ConnectionError: the database is away
"""
RUNS = [
    ("extract", "02:00", 0, 1_200_000_000, Action.SUCCESS, None),
    ("load", "02:20", 0, 250_000, Action.FAIL, TRACEBACK),
    ("load", "02:20:01", 1, 250_000, Action.FAIL, TRACEBACK),
]


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nine o'clock, where the app of the page runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr("oncue.app.clock.SystemClock.now", staticmethod(lambda: at("09:00")))
    (code,) = re.findall(r"```python\n(.*?)```", SECTIONS["`oncue tasks`"], re.DOTALL)
    Path("jobs.py").write_text(code)
    assert code.splitlines()[11].strip() == TRACEBACK.splitlines()[2].strip()
    yield


async def as_the_page_tells() -> None:
    """The log of the page, and each of its commands while an instance is there."""
    async with opened(SqliteStore("jobs.db")) as store:
        await store.register({"extract": "daily", "load": "after"}, 0)
        for task, when, attempt, took, ending, error in RUNS:
            start = Record(task, Action.RUN, at(when), 0, at(when), attempt)
            (run,) = await store.commit([Claim(start, (), LATE, None)])
            assert isinstance(run, int)
            ended = Record(task, ending, at(when) + took, run=run, error=error)
            await store.commit([Finish(ended)])
        for _, words, answer in SHOWN:
            sys.modules.pop("jobs", None)
            said = await asyncio.to_thread(CliRunner().invoke, main, shlex.split(words))
            assert said.output.rstrip() == answer.rstrip(), words


@pytest.mark.usefixtures("clock")
def test_the_page_shows_what_is_printed() -> None:
    assert len(SHOWN) >= 9
    asyncio.run(as_the_page_tells())
    sys.modules.pop("jobs", None)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_on_the_page_with_all_its_options(name: str) -> None:
    assert f"`oncue {name}`" in PAGE or f"oncue {name} " in PAGE
    section = SECTIONS.get(f"`oncue {name}`", "")
    if name not in ("log", "tasks", "missed", "health", "next", "timeline"):
        return
    import click

    command = main.get_command(click.Context(main), name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    named = [opt for each in options for opt in each.opts if opt not in ("--debug", "--timezone")]
    assert [option for option in named if f"`{option}" not in section] == []
