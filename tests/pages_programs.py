"""What blocks of programs and commands promise, by the kind of the block.

They run in a folder of their own, in which are the files that the blocks before them on the page
show: those with a caption, and those included.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.testing import CliRunner

import oncue
from oncue.app.cli import main
from oncue.app.config import Config
from oncue.app.options import options_of
from oncue.tests.pages import BLOCKS, ROOT, Block

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = set(PROJECT["project"]["optional-dependencies"])


def run_python(block: Block) -> None:
    """A program of its own; with a caption, a file that later blocks run."""
    name = "__main__" if "__main__" in block.body and not block.caption else "docs"
    code = "\n" * (block.line - 1) + block.body
    with fresh_imports():
        exec(compile(code, str(ROOT / block.page), "exec"), {"__name__": name})


def run_console(block: Block) -> None:
    """`$ oncue …` or `$ python …`, and what it prints, but for how long pytest took."""
    for command, expected in asked(block):
        ask = {"oncue": oncue_said, "python": python_said}[command[0]]
        said = ask(command[1:])
        assert said.rstrip() == expected.rstrip(), block.failure(" ".join(command))


def oncue_said(arguments: list[str]) -> str:
    with fresh_imports():
        return CliRunner().invoke(main, arguments).output


@contextmanager
def fresh_imports() -> Iterator[None]:
    """Modules of this folder are found, and forgotten afterwards: another may have them too."""
    known, path = set(sys.modules), [*sys.path]
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - known:
            if str(Path.cwd()) in (getattr(sys.modules[name], "__file__", None) or ""):
                del sys.modules[name]


PLAIN_PYTEST = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "-p oncue.testing.plugin -p no:cacheprovider",
}
"""Without the plugins of this environment, which take longer to load than the tests to run."""


def python_said(arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **PLAIN_PYTEST},
    )
    assert done.returncode == 0, done.stderr
    return re.sub(r"( passed) in [\d.]+s", r"\1", done.stdout)


def asked(block: Block) -> Iterator[tuple[list[str], str]]:
    """The commands of a console block, each with its answer."""
    head, *rest = re.split(r"^\$ ", block.body, flags=re.MULTILINE)
    assert not head.strip(), block.failure(head)
    for each in rest:
        command, _, answer = each.partition("\n")
        yield shlex.split(command), answer


TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
SETTING_UP = ("python3 -m venv", "mkdir -p .view", ".venv/bin/", "cd ", "git clone", "uvicorn ")


def run_sh(block: Block) -> None:
    """Commands of a shell. They are not run, but what they name exists: targets of make, extras,
    files of the repository, commands and options of oncue."""
    for line in block.lines:
        words = shlex.split(line, comments=True)
        while words and re.match(r"\w+=", words[0]):
            known_variable(block, words.pop(0))
        for extra in re.findall(r"\[([\w,]+)\]", line):
            assert set(extra.split(",")) <= EXTRAS, block.failure(line)
        match words:
            case ["make", target, *_]:
                assert target in TARGETS, block.failure(line)
            case ["oncue", *arguments]:
                known_command(block, line, arguments)
            case ["pip", "install", *_]:
                pass
            case [("python" | ".venv/bin/python"), path, *_] if path.endswith(".py"):
                files = {each.caption for each in BLOCKS[block.page]}
                assert path in files or (ROOT / path).exists(), block.failure(line)
            case _:
                assert line.startswith(SETTING_UP), block.failure(line)


def known_variable(block: Block, word: str) -> None:
    name, _, value = word.partition("=")
    option = name.removeprefix("ONCUE_").lower()
    assert option in options_of(Config), block.failure(word)
    oncue.App(config={option: value})


def known_command(block: Block, line: str, arguments: list[str]) -> None:
    command: click.Command = main
    for word in arguments:
        below = None
        if isinstance(command, click.Group):
            below = command.get_command(click.Context(command), word)
        if below is not None:
            command = below
        elif word.startswith("-"):
            known = [name for option in command.params for name in option.opts]
            assert word.split("=")[0] in known, block.failure(line)
    assert command is not main or arguments == ["--help"], block.failure(line)


def run_toml(block: Block) -> None:
    """The table of options in a project's file."""
    given = tomllib.loads(block.body)["tool"]["oncue"]
    assert given and set(given) <= {*options_of(Config), "profile"}, block.failure(str(given))
    oncue.App(**given)


def run_literalinclude(block: Block) -> None:
    """A file of the repository; its own test runs it."""
    assert source_of(block).is_file(), block.failure(block.words)


def put_file(block: Block) -> None:
    """Put the file that a block shows into the folder, if it is not there already."""
    if block.kind == "{literalinclude}":
        path = source_of(block)
        name, text = path.name, path.read_text(encoding="utf-8")
    else:
        name, text = block.caption, block.body
    if name and not Path(name).exists():
        Path(name).write_text(text, encoding="utf-8")


def source_of(block: Block) -> Path:
    return ((ROOT / block.page).parent / block.words.split()[-1]).resolve()


PROGRAMS: dict[str, Callable[[Block], None]] = {
    "python": run_python,
    "console": run_console,
    "sh": run_sh,
    "toml": run_toml,
    "{literalinclude}": run_literalinclude,
}
