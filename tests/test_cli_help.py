"""What all commands have in common: help with examples that run, errors in one line."""

import re
import shlex
import sys
from inspect import cleandoc
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from oncue.app.cli import main
from oncue.app.cli.commands import COMMANDS

CONTEXT = click.Context(main)
HELP = {name: main.get_command(CONTEXT, name).help or "" for name in COMMANDS}  # type: ignore[union-attr]
HELP["(all)"] = main.help or ""
LINES = [
    (name, line.strip())
    for name, text in HELP.items()
    for line in cleandoc(text).splitlines()
    if line.startswith("    ")
]

JOBS = """
from oncue import App

app = App("jobs.db", timezone="UTC", shut_cond="true")

@app.task("daily after 02:00")
def extract(): ...

@app.task("after task 'extract'")
def load(): ...

@app.task("weekly on Mon & after task 'load'")
def report(): ...
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in ("jobs.py", "examples/morning.py", "src/old.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(JOBS)
    (tmp_path / "conditions.txt").write_text("run Daily  AFTER 10\n")
    (tmp_path / "log.jsonl").write_text('{"task": "load", "action": "fail", "at": "2026-03-10"}\n')
    return tmp_path


def oncue(*arguments: str, text: str | None = None) -> Result:
    for name in ("jobs", "morning", "broken"):
        sys.modules.pop(name, None)
    return CliRunner().invoke(main, arguments, input=text)


@pytest.mark.parametrize("name", HELP)
def test_each_help_has_an_example(name: str) -> None:
    assert any(where == name and "oncue" in line for where, line in LINES)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_explained(name: str) -> None:
    command = main.get_command(CONTEXT, name)
    assert command is not None
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


def arguments_of(line: str) -> tuple[list[str], str | None]:
    """What an example's line gives to oncue, and what on standard input."""
    before, bar, after = line.partition(" | ")
    words = shlex.split(after if bar else before)
    assert words[0] == "oncue", line
    end = words.index(">") if ">" in words else len(words)
    return words[1:end], shlex.split(before)[1] if bar else None


MAY_FAIL = {
    ("init",): "jobs.py would be overwritten",
    ("health", "jobs:app"): "not healthy: no instance of the app is alive on its store",
    ("health", "jobs:app", "--max-age", "2 minutes", "--json"): '"healthy": false',
}
"""Examples that end with status 1, and what they say: here is a jobs.py, and nobody runs it."""


@pytest.mark.parametrize(("name", "line"), LINES)
def test_the_examples_run(name: str, line: str) -> None:
    oncue("run", "jobs.py")  # so that there is a store
    words, text = arguments_of(line)
    if "--follow" in words:
        words[words.index("--follow")] = "--last=1"  # it has no end
    done = oncue(*words, text=text)
    said = MAY_FAIL.get(tuple(words))
    assert done.exit_code == (said is not None), done.output
    assert (said or "") in done.output


# --- what goes wrong ------------------------------------------------------------------------------

BROKEN = {
    "1 / 0": "broken.py:2: ZeroDivisionError: division by zero; --debug prints the traceback",
    "1 +": "broken.py:2: SyntaxError: invalid syntax; --debug prints the traceback",
    "raise ValueError": "broken.py:2: ValueError; --debug prints the traceback",
    "raise ValueError('a\\n\\x1bb')": "broken.py:2: ValueError: a ?b; --debug prints the traceback",
    "import no_such": "broken.py:2: ModuleNotFoundError: No module named 'no_such'; --debug "
    "prints the traceback",
    "from json import loads; loads('{')": "broken.py:2: JSONDecodeError: ",
    "from oncue import App; App(no_such=1)": "broken.py:2: there is no option 'no_such'",
}


@pytest.mark.parametrize("code", BROKEN)
@pytest.mark.parametrize("command", ["run", "tasks", "log", "missed", "health", "simulate"])
def test_what_a_module_raises_is_told_in_one_line(folder: Path, command: str, code: str) -> None:
    (folder / "broken.py").write_text(f"\n{code}\n")
    done = oncue(command, "broken.py")
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {BROKEN[code]}")


def test_a_condition_that_cannot_be_read_is_shown_with_its_caret(folder: Path) -> None:
    (folder / "broken.py").write_text(JOBS.replace("daily after", "daliy after"))
    done = oncue("tasks", "broken.py")
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    first, text, caret, *_ = done.stderr.splitlines()
    assert first.startswith("Error: broken.py:6: ") and "daliy" in first
    assert (text, caret) == ("  daliy after 02:00", "  ^^^^^")


@pytest.mark.parametrize("words", [["--debug", "{}", "broken.py"], ["{}", "broken.py", "--debug"]])
def test_debug_prints_the_traceback(folder: Path, words: list[str]) -> None:
    (folder / "broken.py").write_text("1 / 0")
    done = oncue(*(word.format("tasks") for word in words))
    assert isinstance(done.exception, ZeroDivisionError)


def test_debug_shows_what_is_behind_an_error(folder: Path) -> None:
    (folder / "jobs.db").write_text("no database " * 20)
    short = oncue("tasks", "jobs.py")
    assert "is not an SQLite database" in short.output
    assert isinstance(short.exception, SystemExit)
    assert type(oncue("tasks", "jobs.py", "--debug").exception).__name__ == "StoreError"


MISUSED = [
    (["lag"], "there is no command 'lag'; did you mean 'log'? (see oncue --help)"),
    (["frobnicate"], "there is no command 'frobnicate'; there are check, "),
    (["--verbos"], "No such option '--verbos'"),
    (["tasks"], "Missing argument 'MODULE:APP' (see oncue tasks --help)"),
    (["tasks", "jobs.py", "--jso"], "No such option '--jso'. Did you mean '--json'?"),
    (["tasks", "nowhere.py"], "there is no file 'nowhere.py' (see oncue tasks --help)"),
    (["tasks", "jobs.py", "--task", "lod"], "there is no task 'lod'; there are extract, load, re"),
    (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    (["next"], "Missing argument 'CONDITION' (see oncue next --help)"),
]


@pytest.mark.parametrize(("words", "says"), MISUSED)
def test_a_command_line_that_cannot_be_is_told_in_one_line(words: list[str], says: str) -> None:
    done = oncue(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and says in line, line


def test_each_command_is_in_the_list(folder: Path) -> None:
    done = oncue("--help")
    assert re.findall(r"^  (\w+)  ", done.output, re.MULTILINE) == sorted(COMMANDS)
