"""`oncue fmt`: conditions in canonical form, in files or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from ...conds.layout import WIDTH
from ...grammar.errors import ConditionSyntaxError
from ...grammar.format import blocks, format_condition, only_comments, with_line_ends_of
from .check import drawn
from .completing import complete_file


@click.command("fmt")
@click.argument("files", nargs=-1, metavar="[FILE]...", shell_complete=complete_file)
@click.option("--check", "only_check", is_flag=True, help="Change nothing; status 1 if it would.")
@click.option("--width", default=WIDTH, show_default=True, help="The length of a line.")
def fmt(files: tuple[str, ...], only_check: bool, width: int) -> None:
    """Format conditions: canonical text, long ones over several lines, comments kept.

    A file holds conditions with blank lines between them, and is rewritten. Without a file, or
    for -, standard input is formatted to standard output. Ends with status 1 when a condition has
    an error; its file is left as it is.

    \b
        oncue fmt conditions.txt
        echo "run Daily  AFTER 10" | oncue fmt
    """
    changed = [formatted(name, only_check, width) for name in files or ("-",)]
    if None in changed or (only_check and any(changed)):
        raise SystemExit(1)


def formatted(name: str, only_check: bool, width: int) -> bool | None:
    """Format one file; whether it differed, None if it has an error."""
    before = read(name)
    after = format_blocks(name, before, width)
    if after is None:
        return None
    changed = after != before
    if only_check:
        if changed:
            click.echo(f"would change {name}")
    elif name == "-":
        click.echo(after, nl=False)
    elif changed:
        Path(name).write_bytes(after.encode())
        click.echo(f"changed {name}")
    return changed


def format_blocks(name: str, text: str, width: int) -> str | None:
    """The conditions of a text formatted, one blank line between them. All that is wrong goes to
    standard error; then there is none."""
    written, wrong = [], False
    for block in blocks(text):
        try:
            alone = only_comments(block.text)
            shown = block.text.strip() if alone else format_condition(block.text, width=width)
            written.append(f"{shown}\n")
        except ConditionSyntaxError as error:
            wrong = True
            complain(f"{name}:{block.line}", error)
    if wrong:
        return None
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    return with_line_ends_of(text, mark + "\n".join(written))


def read(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="FILE") from error


def complain(place: str, error: ConditionSyntaxError) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(Text(place, style="bold"))
    for problem in error.diagnostics:
        console.print(drawn(problem))
