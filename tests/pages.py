"""The pages of the documentation, and what their fenced blocks promise.

A block says of what kind it is by the last word of its first line, and each kind has a function
here that fails unless what the block shows is what happens; a kind without one fails. The forms of
their lines are said there; instants are in UTC but where a block names a zone, and the task that
asks is called `self`. Blocks run in a folder of their own, in which are the files that earlier
blocks of the page show: those with a caption, and those included.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

import oncue
from oncue.app.cli import main
from oncue.app.config import Config
from oncue.app.options import options_of
from oncue.conds import Severity

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FENCE = re.compile(r"^( *)(`{3,}|~{3,})([^`\n]*)\n(.*?)^ *\2$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    page: str  # as a path below the root
    kind: str
    line: int  # of its first line, below the fence
    body: str  # without the options of a directive
    words: str = ""  # what the first line says
    caption: str = ""  # the name of the file that it shows

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.body.splitlines() if line.strip()]

    def failure(self, line: str) -> str:
        return f"{self.page}, the {self.kind} block at line {self.line}: {line!r}"


def pages() -> dict[str, str]:
    """The text of each page, by its path below the root."""
    paths = [*DOCS.rglob("*.md"), ROOT / "README.md"]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(paths)
        if "_build" not in path.parts
    }


OPTIONS = re.compile(r"(?: *:[\w-]+:.*\n)+\n*")


def blocks(text: str, page: str = "a page") -> Iterator[Block]:
    for found in FENCE.finditer(text):
        indent, _, words, body = found.groups()
        first = words.split()[0] if words.split() else ""
        kind = first if first.startswith("{") else (words.split() or [""])[-1]
        line = text.count("\n", 0, found.start(4)) + 1
        caption = ""
        if kind.startswith("{") and (options := OPTIONS.match(body)):
            caption = "".join(re.findall(r":caption: *(.+)", options[0]))
            line += options[0].count("\n")
            body = body[options.end() :]
        if kind == "{code-block}":
            kind = words.split()[-1]
        body = re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
        yield Block(page, kind, line, body, words, caption.strip())


PAGES = pages()
BLOCKS = {page: list(blocks(text, page)) for page, text in PAGES.items()}


# --- the language -------------------------------------------------------------------------------


def parts(block: Block, line: str) -> tuple[str, str]:
    text, arrow, expected = line.partition(" => ")
    assert arrow, f"{block.failure(line)} says not what to expect"
    return text.strip(), expected.strip()


def run_condition(block: Block) -> None:
    """`TEXT => CANONICAL`, or a text that is canonical."""
    for line in block.lines:
        text, _, canonical = (part.strip() for part in line.partition(" => "))
        node = oncue.parse(text)
        assert str(node) == (canonical or text), block.failure(line)
        assert oncue.parse(str(node)) == node, block.failure(line)
        errors = [found for found in oncue.check(text) if found.severity is Severity.ERROR]
        assert errors == [], block.failure(line)


def run_error(block: Block) -> None:
    """`TEXT => a part of the first diagnostic`."""
    for line in block.lines:
        text, expected = parts(block, line)
        with pytest.raises(oncue.ConditionSyntaxError) as caught:
            oncue.parse(text)
        shown = str(caught.value.diagnostics[0])
        assert expected in shown, f"{block.failure(line)}:\n{shown}"
        assert oncue.check(text) == list(caught.value.diagnostics), block.failure(line)


def run_hint(block: Block) -> None:
    """`TEXT => a part of one hint`; known are the tasks extract and load."""
    for line in block.lines:
        text, expected = parts(block, line)
        oncue.parse(text)
        found = checked(text)
        assert all(hint.severity is not Severity.ERROR for hint in found), block.failure(line)
        shown = "\n".join(map(str, found))
        assert any(expected in str(hint) for hint in found), f"{block.failure(line)}:\n{shown}"


FROM = re.compile(r"from (\S+(?: \d\d:\d\d)?) (\S+): (.+)")


def run_windows(block: Block) -> None:
    """`from DATETIME ZONE: TEXT`, then the windows that follow, each `START to END`, with
    offsets from UTC where the zone is another."""
    asked: Iterator[oncue.Window] | None = None
    zone = "UTC"
    for line in block.lines:
        if found := FROM.fullmatch(line):
            zone = found[2]
            start = datetime.fromisoformat(found[1])
            asked = oncue.windows(found[3], start, timezone=zone)
        else:
            assert asked is not None, f"{block.failure(line)} follows no question"
            window = next(asked, None)
            shown = "nothing" if window is None else " to ".join(moment(t, zone) for t in window)
            assert line.strip() == shown, f"{block.failure(line)}: it is {shown}"


def run_runs(block: Block) -> None:
    """`from DATETIME ZONE: TEXT`, then the starts that follow."""
    asked: Iterator[datetime] | None = None
    zone = "UTC"
    for line in block.lines:
        if found := FROM.fullmatch(line):
            zone = found[2]
            start = datetime.fromisoformat(found[1])
            asked = oncue.upcoming(found[3], start, timezone=zone)
        else:
            assert asked is not None, f"{block.failure(line)} follows no question"
            at = next(asked, None)
            shown = "nothing" if at is None else moment(at, zone)
            assert line.strip() == shown, f"{block.failure(line)}: it is {shown}"


def moment(at: datetime | None, zone: str) -> str:
    if at is None:
        return "ever"
    return (at.replace(tzinfo=None) if zone == "UTC" else at).isoformat(" ", "minutes")


RECORD = re.compile(r"log (\S+ \S+) (\S+) (\w+)(?: for (\S+ \S+))?")
CASE = re.compile(r"at  (\S+ \S+) (.+?) => (true|false)(?: until (\S+ \S+|ever))?")


def run_verdict(block: Block) -> None:
    """`log DATETIME TASK ACTION [for DATETIME]` adds a record to the log of the block;
    `at  DATETIME TEXT => VALUE [until DATETIME]` is what is so then, by the log so far."""
    log: list[dict[str, object]] = []
    cases = 0
    for line in block.lines:
        if record := RECORD.fullmatch(line):
            log.append({"at": record[1], "task": record[2], "action": record[3]})
            if record[4]:
                log[-1]["scheduled_at"] = record[4]
            continue
        case = CASE.fullmatch(line)
        assert case is not None, f"{block.failure(line)} is neither a record nor a case"
        at = datetime.fromisoformat(case[1])
        found = oncue.evaluate(case[2], at=at, log=log, timezone="UTC")
        assert found.value == (case[3] == "true"), f"{block.failure(line)}: {found}"
        if case[4]:
            assert moment(found.until, "UTC") == case[4], f"{block.failure(line)}: {found}"
        cases += 1
    assert cases, block.failure("no case")


def run_cure(block: Block) -> None:
    """`TEXT => what to write instead`: the first has the code that is the heading above, the second
    nothing to say of. Known are the tasks extract and load."""
    code = re.findall(r"^### ([\w-]+)$", head_of(block), re.MULTILINE)[-1]
    for line in block.lines:
        text, cured = parts(block, line)
        found = [each.code for each in checked(text)]
        assert code in found, f"{block.failure(line)} has {found}"
        assert checked(cured) == [], block.failure(line)


def head_of(block: Block) -> str:
    """The page above the block."""
    return "".join(PAGES[block.page].splitlines(keepends=True)[: block.line])


def checked(text: str) -> list[oncue.Diagnostic]:
    return oncue.check(text, tasks=["extract", "load"], timezone="UTC")


def run_oncue(block: Block) -> None:
    """Conditions, one a line, as good start_conds: `check` has no warning for any."""
    for line in block.lines:
        found = [hint for hint in oncue.check(line) if hint.severity is not Severity.INFORMATION]
        assert found == [], block.failure(line)


def run_timeline(block: Block) -> None:
    """The directive of docs/drawn.py: its arguments are those of `oncue timeline`, a line is a
    condition; each has a window in the picture."""
    picture = runpy.run_path(str(DOCS / "drawn.py"))["picture"]
    shown = picture(block.words.removeprefix("{timeline}"), block.lines)
    assert shown.startswith("<svg ")
    for strip in block.lines:
        assert oncue.check(strip, timezone="UTC") is not None, strip
    assert shown.count("oncue-window") + shown.count("oncue-run") > len(block.lines)


# --- programs -----------------------------------------------------------------------------------


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
            assert set(extra.split(",")) <= set(PROJECT["project"]["optional-dependencies"])
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


def run_nothing(block: Block) -> None:
    """What Sphinx itself checks: a warning is an error."""


def run_literalinclude(block: Block) -> None:
    """A file of the repository; its own test runs it."""
    assert source_of(block).is_file(), block.failure(block.words)


KINDS: dict[str, Callable[[Block], None]] = {
    "condition": run_condition,
    "error": run_error,
    "hint": run_hint,
    "windows": run_windows,
    "runs": run_runs,
    "verdict": run_verdict,
    "cure": run_cure,
    "oncue": run_oncue,
    "python": run_python,
    "console": run_console,
    "sh": run_sh,
    "toml": run_toml,
    "{timeline}": run_timeline,
    "{literalinclude}": run_literalinclude,
    "{toctree}": run_nothing,
    "{eval-rst}": run_nothing,
    "{figure}": run_nothing,
    "{note}": run_nothing,
    "{warning}": run_nothing,
}

ELSEWHERE = {
    (
        "docs/commands.md",
        "python",
    ): "test_cli_{timeline,page}.py, test_simulation.py, test_missed.py",
    (
        "docs/commands.md",
        "console",
    ): "test_cli_{next,timeline,page}.py, test_simulation.py, test_missed.py",
    ("docs/migrating-from-rocketry.md", "rocketry"): "test_docs_migrating.py",
    ("docs/migrating-from-rocketry.md", "console"): "test_docs_migrating.py",
    ("README.md", "python"): "test_readme.py",
    ("README.md", "text"): "test_readme.py",
}
"""Blocks that another test runs."""


def run(block: Block) -> None:
    if (block.page, block.kind) in ELSEWHERE:
        return
    assert block.kind in KINDS, f"{block.failure(block.kind)} is of no known kind"
    assert block.lines or block.kind == "{literalinclude}", block.failure("it is empty")
    for other in BLOCKS.get(block.page, ()):
        if other.line < block.line:
            put_file(other)
    KINDS[block.kind](block)


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
