"""`oncue migrate` on programs written for Rocketry and Red Engine, which then run.

The programs are in tests/migration, a file or a folder each. At the end of a file its comments say
what is expected, all of it: `prints: LINE` of what the migrated program writes, in order (`prints
sorted` where the order is not settled), `by hand: LINE part of the note` and `differs: LINE …` of
the report, and `replace: OLD => NEW` of what a human then does, before it is run.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

import oncue
from oncue.app.cli import main
from oncue.app.migration import Level, Migrated, Project, tables
from oncue.app.migration.project import files_at

PROGRAMS = Path(__file__).parent / "migration"
NAMES = sorted(path.name for path in PROGRAMS.iterdir() if path.name != "__pycache__")
LIMIT = 60  # seconds; each takes one or two
EXPECTED = re.compile(r"^# (prints|prints sorted|by hand|differs|replace|needs): ?(.*)$", re.M)
WHOLE_LINES = str(Path(__file__).parent / "whole_lines")


class Expected(NamedTuple):
    """What the comments at the end of a program say."""

    prints: list[str]
    in_any_order: bool
    notes: dict[Path, list[tuple[Level, int, str]]]
    replaced: list[tuple[str, str]]
    needs: list[str]


def expected(folder: Path) -> Expected:
    found = Expected([], "prints sorted" in said(folder), {}, [], [])
    for path in files_at(folder):
        notes = found.notes.setdefault(path, [])
        for kind, rest in EXPECTED.findall(path.read_text(encoding="utf-8")):
            match kind:
                case "prints" | "prints sorted":
                    found.prints.append(rest)
                case "by hand" | "differs":
                    line, _, text = rest.partition(" ")
                    notes.append((Level(kind), int(line), text))
                case "replace":
                    old, _, new = rest.partition(" =>")
                    found.replaced.append((old.replace("\\n", "\n"), new[1:]))
                case _:
                    found.needs.append(rest)
    return found


def said(folder: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in files_at(folder))


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one of the programs: a folder."""
    place: Path = PROGRAMS / request.param
    if place.is_dir():
        shutil.copytree(place, tmp_path / "it", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        (tmp_path / "it").mkdir()
        shutil.copy(place, tmp_path / "it" / "main.py")
    return tmp_path / "it"


every_program = pytest.mark.parametrize("program", NAMES, indirect=True)


def migrate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["migrate", *map(str, arguments)], catch_exceptions=False)


def notes_of(file: Migrated) -> list[tuple[int, Level, str]]:
    return sorted((note.line, note.level, note.text) for note in dict.fromkeys(file.notes))


# --- the programs -------------------------------------------------------------------------------


@every_program
def test_it_runs_when_migrated(program: Path) -> None:
    wanted = expected(program)
    if not wanted.prints:
        pytest.skip("it needs more of a human than can be said here")
    for module in wanted.needs:
        if find_spec(module) is None:
            pytest.skip(f"there is no {module} yet")
    migrate("--write", program)
    for path in files_at(program):
        text = path.read_text(encoding="utf-8")
        code = EXPECTED.sub("#", text)
        for old, new in wanted.replaced:
            code = code.replace(old, new)
        path.write_text(code, encoding="utf-8")
        assert "rocketry" not in code.replace("no rocketry.task", "").replace("app_rocketry", "")
    done = subprocess.run(
        [sys.executable, "main.py"],
        cwd=program,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LIMIT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONPATH": WHOLE_LINES},
    )
    lines = done.stdout.splitlines()
    assert (sorted(lines) if wanted.in_any_order else lines) == wanted.prints, done.stderr
    assert done.returncode == 0, done.stderr


@every_program
def test_the_report_is_all_of_what_is_expected(program: Path) -> None:
    wanted = expected(program)
    for file in Project([program]).migrate():
        found = notes_of(file)
        missing = list(wanted.notes[file.path])
        for line, level, text in found:
            match = next((w for w in missing if w[:2] == (level, line) and w[2] in text), None)
            assert match is not None, f"{file.path.name}:{line}: {level}: {text}"
            missing.remove(match)
        assert missing == [], found


@every_program
def test_a_second_time_changes_nothing(program: Path) -> None:
    first = migrate("--write", program)
    before = {path: path.read_bytes() for path in files_at(program)}
    again = migrate("--write", program)
    assert {path: path.read_bytes() for path in files_at(program)} == before
    assert "0 of" in again.output.splitlines()[-1]
    assert "0 of" not in first.output.splitlines()[-1]


@every_program
@pytest.mark.skipif(which("patch") is None, reason="the command patch is not here")
def test_without_write_nothing_is_changed_and_the_diff_is_what_would_be(program: Path) -> None:
    before = {path: path.read_bytes() for path in files_at(program)}
    shown = migrate(program)
    assert {path: path.read_bytes() for path in files_at(program)} == before
    patch = shown.output
    done = subprocess.run(
        ["patch", "-p0", "--batch", "-d", "/"], input=patch, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    patched = {path: path.read_bytes() for path in files_at(program)}
    for path, data in before.items():
        path.write_bytes(data)
    migrate("--write", program)
    assert {path: path.read_bytes() for path in files_at(program)} == patched


def test_there_are_enough_of_them() -> None:
    assert len([name for name in NAMES if expected(PROGRAMS / name).prints]) >= 12


# --- the tables ---------------------------------------------------------------------------------


def test_what_names_become_is_there() -> None:
    targets = {*tables.NAMES.values()}
    targets |= {(home, name) for home, names in tables.SAME.items() for name in names}
    for home, name in sorted(targets):
        place = f"oncue.{home}" if home else "oncue"
        if find_spec(place) is not None:
            assert hasattr(import_module(place), name), (place, name)


def test_what_options_become_is_there() -> None:
    config, task = oncue.App().session.config, oncue.App().task(func=print)
    assert all(hasattr(config, new) for new in tables.CONFIG_RENAMED.values())
    assert all(hasattr(task, new) for new in tables.TASK_RENAMED.values())
    gone = {*tables.CONFIG_GONE, *tables.CONFIG_WITHOUT_EFFECT}
    assert not [name for name in gone if hasattr(config, name)]
    session = oncue.App().session
    assert all(hasattr(session, new) for new in tables.SESSION_RENAMED.values())


# --- one file -----------------------------------------------------------------------------------


def migrated(tmp_path: Path, text: str, name: str = "it.py") -> Migrated:
    path = tmp_path / name
    path.write_bytes(text.encode())
    (found,) = Project([path]).migrate()
    return found


CASES = Path(__file__).parent / "cases" / "migrate.txt"
REWRITTEN = [case.split("=>\n") for case in CASES.read_text(encoding="utf-8").split("---\n")[1:]]
ENDS = [
    (
        "from rocketry import Rocketry, FuncTask\r\nx = 'ä'; y = Rocketry()\r\n",
        "from oncue import App\r\nfrom oncue.tasks import FuncTask\r\nx = 'ä'; y = App()\r\n",
    ),
    ("\ufefffrom rocketry import Rocketry", "\ufefffrom oncue import App"),
]
"""Other ends of lines, a mark, no end of the last line."""


@pytest.mark.parametrize(("before", "after"), [*REWRITTEN, *ENDS])
def test_only_what_is_otherwise_is_rewritten(tmp_path: Path, before: str, after: str) -> None:
    found = migrated(tmp_path, before)
    assert found.after == (after or before)
    if after:
        assert migrated(tmp_path, found.after).after == found.after
        ast.parse(found.after.removeprefix("\ufeff"))
    else:
        assert found.notes == []


def test_a_file_that_is_not_python_is_told_of_and_left(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("from rocketry import Rocketry\n")
    bad = tmp_path / "bad.py"
    bad.write_text("from rocketry import Rocketry\nprint 'x'\n")
    latin = tmp_path / "latin.py"
    latin.write_bytes(b"x = '\xe4'\n")
    found = migrate("--write", tmp_path)
    assert found.exit_code == 1
    assert f"{bad.as_posix()}:2: it is not Python" in found.output
    assert f"{latin.as_posix()}:1: it cannot be read" in found.output or "latin.py" in found.output
    assert bad.read_text().startswith("from rocketry")
    assert (tmp_path / "good.py").read_text() == "from oncue import App\n"


def test_another_encoding_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "it.py"
    path.write_bytes(
        "# coding: latin-1\nfrom rocketry import Rocketry\nx = 'ä'\n".encode("latin-1")
    )
    assert migrate("--write", path).exit_code == 0
    assert path.read_bytes().decode("latin-1").endswith("import App\nx = 'ä'\n")


@pytest.mark.skipif(os.name == "nt", reason="modes of files are POSIX's")
def test_modes_and_links_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "it.py", tmp_path / "link.py"
    path.write_text("from rocketry import Rocketry\n")
    path.chmod(0o750)
    link.symlink_to(path)
    migrate("--write", link)
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o750
    assert path.read_text() == "from oncue import App\n"
    assert sorted(child.name for child in tmp_path.iterdir()) == ["it.py", "link.py"]


def test_folders_that_are_no_part_of_the_program_are_left_out(tmp_path: Path) -> None:
    for folder in (".hidden", "venv", "__pycache__", "src"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "it.py").write_text("from rocketry import Rocketry\n")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    assert list(files_at(tmp_path)) == [tmp_path / "src" / "it.py"]


def test_status_says_whether_anything_is_left_to_do(tmp_path: Path) -> None:
    path = tmp_path / "it.py"
    path.write_text("from rocketry.conds import daily\n")
    assert migrate(path).exit_code == 0
    path.write_text("from rocketry.time import TimeOfDay\n")
    found = migrate(path)
    assert found.exit_code == 1
    assert found.output.splitlines()[-1] == (
        "0 of 1 files would be rewritten; 1 places are left to do by hand"
    )
    assert CliRunner().invoke(main, ["migrate", str(tmp_path / "none.py")]).exit_code == 2
    assert CliRunner().invoke(main, ["migrate"]).exit_code == 2


def test_a_condition_that_cannot_be_read_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "it.py"
    path.write_text(
        "from rocketry import Rocketry\napp = Rocketry(execution='main')\n"
        "app.task('daily & hourli', func=print)\n"
    )
    lines = migrate(path).output.splitlines()
    at = lines.index("to be done by hand:")
    assert lines[at + 1] == f"  {path.as_posix()}:3: the condition cannot be read"
    assert "daily & hourli" in lines[at + 3] and lines[at + 4].strip() == "^^^^^^"


def test_a_note_is_told_once_with_all_its_places(tmp_path: Path) -> None:
    text = "from rocketry.conds import daily, hourly\nx = daily\ny = hourly | daily\n"
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(text)
    shown = migrate(tmp_path).output
    assert shown.count("the window in which its start was decided") == 1
    assert (
        f"    {(tmp_path / 'a.py').as_posix()}:2, 3\n    {(tmp_path / 'b.py').as_posix()}:2, 3"
        in shown
    )
