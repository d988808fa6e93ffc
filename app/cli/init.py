"""`oncue init`: a small app to begin with, and a test of it."""

from __future__ import annotations

from pathlib import Path

import click

JOBS = '''\
"""Jobs, each started by a sentence: see `oncue next "daily after 10:00"`.

The log of what ran is in the file jobs.db, so what ran once today does not run again today.
"""

from oncue import App

app = App("jobs.db")


@app.task("hourly")
def look():
    """Once in each hour, at its beginning or as soon as the app runs."""
    print("looking")


@app.task("daily after 10:00", retries=3)
def extract():
    """Once a day; tried up to three times more when it fails."""
    print("extracting")


@app.task("after task 'extract'")
def load():
    """Each time that extract has succeeded."""
    print("loading")


if __name__ == "__main__":
    app.main()
'''

TEST = '''\
"""What the jobs would do, on a virtual clock: nothing is run, and no time passes."""

from datetime import datetime, timedelta

from jobs import app
from oncue.testing import simulate

TEN = datetime(2026, 3, 10, 10, 0)


def test_each_extract_is_loaded_when_it_is_done():
    found = simulate(app, TEN, timedelta(days=2), durations={"extract": "20 min"})
    extracted = [run.ended for run in found.of("extract")]
    assert len(extracted) == 2
    assert [run.started for run in found.of("load")] == extracted


def test_an_extract_that_fails_is_tried_again():
    found = simulate(app, TEN, timedelta(hours=1), outcomes={"extract": ["fail", "success"]})
    assert [run.outcome for run in found.of("extract")] == ["fail", "success"]
    assert len(found.of("load")) == 1
'''

FILES = {"jobs.py": JOBS, "test_jobs.py": TEST}


@click.command("init")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Write a small app to begin with into a folder, and a test of it.

    FOLDER is made if it is not there; without one it is the current folder. Nothing is written
    where one of the files is there already.

    \b
        oncue init
        oncue init reports
    """
    there = [name for name in FILES if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise click.ClickException(
            f"{' and '.join(str(folder / name) for name in there)} would be overwritten: give "
            "another folder, as in oncue init reports"
        )
    try:
        write(folder)
    except OSError as error:
        where = error.filename or folder
        raise click.ClickException(f"cannot write {str(where)!r}: {error.strerror}") from error
    for name in FILES:
        click.echo(f"wrote {folder / name}")
    click.echo("\nnext:")
    if folder.resolve() != Path.cwd():
        click.echo(f"  cd {folder}")
    click.echo("  oncue simulate jobs.py --days 1    # what it would do, without doing it")
    click.echo("  oncue run jobs.py                  # runs it, until Ctrl-C")
    click.echo("  oncue tasks jobs.py                # how it goes, from another terminal")
    click.echo("  pytest test_jobs.py                # the test of it")


def write(folder: Path) -> None:
    """All of the files or, where that fails, none."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        for name, text in FILES.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                written.append(folder / name)
                file.write(text)
    except OSError:
        for path in written:
            path.unlink()
        raise
