"""`oncue init`: what it writes works, and nothing is written over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oncue.app.cli import main
from oncue.app.cli.init import FILES

LIMIT = 60


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def oncue(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def process(folder: Path, *arguments: str, **given: str) -> str:
    """What a command prints in that folder; it ends well."""
    command = [sys.executable, "-c", "from oncue.app.cli import main; main()", *arguments]
    environment = {**os.environ, **given}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=LIMIT
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_it_says_what_it_wrote_and_what_to_run_next(folder: Path) -> None:
    done = oncue("reports")
    wrote, _, following = done.output.partition("\nnext:\n")
    assert wrote.splitlines() == [
        f"wrote {Path('reports', name)}" for name in ("jobs.py", "test_jobs.py")
    ]
    assert following.splitlines()[0] == "  cd reports"
    assert sorted(path.name for path in (folder / "reports").iterdir()) == sorted(FILES)


def test_what_it_says_to_run_next_runs(folder: Path) -> None:
    said = oncue().output.partition("\nnext:\n")[2].splitlines()
    commands = [line.partition("#")[0].split() for line in said]
    assert [command[:2] for command in commands] == [
        ["oncue", "simulate"],
        ["oncue", "run"],
        ["oncue", "tasks"],
        ["pytest", "test_jobs.py"],
    ]
    assert "look" in process(folder, *commands[0][1:])
    over = "task 'look' has succeeded"  # as Ctrl-C would, so that the test ends
    assert "looking" in process(folder, *commands[1][1:], ONCUE_SHUT_COND=over)
    assert "look     success" in process(folder, *commands[2][1:])
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *commands[3][1:]]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_nothing_is_wrong_with_its_conditions(folder: Path) -> None:
    oncue()
    assert process(folder, "check", "jobs.py") == ""


@pytest.mark.parametrize("there", FILES)
def test_nothing_is_written_over(folder: Path, there: str) -> None:
    (folder / there).write_text("mine")
    done = oncue()
    assert done.exit_code == 1
    assert f"{there} would be overwritten: give another folder" in done.output
    assert [path.name for path in folder.iterdir()] == [there]
    assert (folder / there).read_text() == "mine"


def test_a_link_to_nowhere_is_not_followed(folder: Path) -> None:
    (folder / "jobs.py").symlink_to(folder / "elsewhere.py")
    assert oncue().exit_code == 1
    assert not (folder / "elsewhere.py").exists()


def test_a_folder_that_cannot_be_is_said(folder: Path) -> None:
    (folder / "file").touch()
    done = oncue("file")
    assert done.exit_code == 1
    assert done.output == "Error: cannot write 'file': File exists\n"


def test_what_cannot_be_written_whole_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "no/such/folder.py", "")
    assert oncue().exit_code == 1
    assert list(folder.iterdir()) == []
