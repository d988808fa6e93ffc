"""`oncue migrate`: programs of Rocketry and Red Engine, rewritten for oncue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..migration import Migrated


@click.command("migrate")
@click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(True, path_type=Path)
)
@click.option("--write", is_flag=True, help="Rewrite the files; without it nothing is changed.")
def migrate(paths: tuple[Path, ...], write: bool) -> None:
    """Rewrite programs for Rocketry or Red Engine: imports, names, options.

    PATH is a Python file, or a folder with a whole program, so that its files know of one another.
    What changes is shown as a diff; then follows, by file and line, what has to be changed by hand
    and what means something else now. Ends with status 1 when something is left to be done by hand.

    \b
        oncue migrate jobs.py
        oncue migrate --write src
    """
    from ..migration import Project, told

    files = list(Project(paths).migrate())
    for file in files:
        show(file, write)
    for line in told((file.path.as_posix(), file.notes) for file in files):
        click.echo(line)
    click.echo(summary(files, write))
    if any(file.left for file in files):
        raise SystemExit(1)


def show(file: Migrated, write: bool) -> None:
    if not file.changed:
        return
    if write:
        file.write()
        click.echo(f"changed {file.path.as_posix()}")
    else:
        click.echo(file.diff(), nl=False)


def summary(files: list[Migrated], write: bool) -> str:
    changed, left = sum(file.changed for file in files), sum(file.left for file in files)
    done = "rewritten" if write else "would be rewritten"
    return f"{changed} of {len(files)} files {done}; {left} places are left to do by hand"
