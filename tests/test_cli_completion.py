"""Completion: the scripts of the shells, and what they are offered."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from oncue.app.cli import main
from oncue.app.cli.commands import COMMANDS
from oncue.app.cli.completing import file_of, written_tasks
from oncue.app.stores.sqlite import SqliteStore
from oncue.tests.stores.steps import opened

WRITTEN = """
open("imported", "w").close()  # a Tab is no order to run this
raise SystemExit("imported")

@app.task("daily")
def extract(): ...

@group.task("hourly", retries=3)
async def load(): ...

@app.task("daily", name="the report")
def report(): ...

@app.task("daily", name=NAMES[0])
def unknown(): ...

@app.dynamic_task()
def remind(): ...

@other.thing
@app.task
def bare(): ...

@app.cond()
def is_holiday(): ...

app.task("daily", command="backup", name="backup")
app.task("daily", func=print)
app.session.create_task(code="x", name="code")
app.define("business hours", "weekdays")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.py").write_text(WRITTEN)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text(WRITTEN)
    return tmp_path


def offered(line: str, shell: str = "bash") -> list[str]:
    """What a shell is offered after these words; the last is the one to be completed."""
    words = ["oncue", *line.split(" ")]
    if shell == "fish":
        given = {"COMP_WORDS": " ".join(words), "COMP_CWORD": words[-1]}
    else:
        given = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(main, [], env={"_ONCUE_COMPLETE": f"{shell}_complete", **given})
    assert done.exit_code == 0, done
    return done.output.strip().splitlines()


def plain(*names: str) -> list[str]:
    return [f"plain,{name}" for name in names]


TASKS = ("backup", "bare", "code", "extract", "load", "remind", "the report")


def test_the_names_that_a_module_writes_are_found() -> None:
    assert sorted(set(written_tasks(WRITTEN.encode()))) == list(TASKS)


OFFERED = [
    ("ta", plain("tasks")),
    ("mi", plain("migrate", "missed")),
    ("log --tas", plain("--task")),
    ("log --action f", plain("fail")),
    ("completion z", plain("zsh")),
    ("run jo", ["file,jo"]),
    ("check ", ["file,"]),
    ("log jobs.py --task ex", plain("extract")),
    ("log jobs.py --task ", plain(*TASKS)),
    ("missed jobs:app --task l", plain("load")),
    ("tasks package --task l", plain("load")),
    ("explain jobs.py --task re", plain("remind")),
    ("log broken.py --task ", []),
    ("log nowhere:app --task ", []),
    ("log --task ", []),
    ("log --store log.db --task ", plain("noted")),
    ("log --store nope.db --task ", []),
    ("log --store postgresql://u@127.0.0.1:1/d --task ", []),
]


@pytest.mark.parametrize(("line", "expected"), OFFERED)
def test_a_word_is_completed_and_nothing_is_run_for_it(
    folder: Path, line: str, expected: list[str]
) -> None:
    async def story() -> None:
        async with opened(SqliteStore("log.db")) as store:
            await store.register({"noted": "daily"}, 0)

    asyncio.run(story())
    (folder / "broken.py").write_text("def (")
    before = sorted(path.name for path in folder.iterdir())
    assert offered(line) == expected
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize("line", ["", "log jobs.py --task "])
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(shell: str, line: str) -> None:
    found = "\n".join(offered(line, shell))
    assert all(name in found for name in (TASKS if line else COMMANDS))


PLACES = {"jobs.py:app": "jobs.py", "jobs:app": "jobs.py", "jobs": "jobs.py", "a/b.py": "a/b.py"}
PLACES |= {"package": "package/__init__.py", "package.jobs:app": "package/jobs.py"}


@pytest.mark.parametrize("target", PLACES)
def test_the_file_of_a_target(target: str) -> None:
    assert file_of(target) == Path(PLACES[target])


# --- the command ----------------------------------------------------------------------------------


def oncue(*arguments: str, shell: str = "") -> Result:
    return CliRunner().invoke(main, ["completion", *arguments], env={"SHELL": shell})


def test_without_a_word_it_is_the_shell_in_use() -> None:
    assert oncue(shell="/usr/bin/zsh").output == oncue("zsh").output
    done = oncue(shell="/bin/tcsh")
    assert done.exit_code == 2
    assert "which shell? there are bash, zsh, fish" in done.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_reads(shell: str, folder: Path) -> None:
    done = oncue(shell)
    assert done.exit_code == 0
    assert f"_ONCUE_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (folder / "script").write_text(done.stdout)
    subprocess.run([shell, "-n", "script"], check=True)


BASH = """
source ./script
COMP_WORDS=(oncue "$@")
COMP_CWORD=$#
COMPREPLY=()
_oncue_completion oncue
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("mis",), ["missed"]),
        (("log", "jobs.py", "--task", "ex"), ["extract"]),
        (("log", "jobs.py", "--task", "the"), ["the report"]),
    ],
)
def test_bash_completes_with_it(words: tuple[str, ...], found: list[str], folder: Path) -> None:
    (folder / "script").write_text(oncue("bash").stdout)
    command = folder / "bin" / "oncue"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom oncue.app.cli import main\nmain()\n")
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", *words],
        env={**os.environ, "PATH": path},
        text=True,
        capture_output=True,
    )
    assert (done.stdout.splitlines(), done.stderr) == (found, "")
