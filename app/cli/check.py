"""`oncue check`: what is wrong with conditions, and what may surprise.

The conditions are a text, those of a file, or every one of an app. Of an app the names of the
tasks are known, so a name of no task is an error there.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console
from rich.text import Text

from ...conds.diagnostic import Diagnostic, Severity
from ...conds.lint import arrange, named_tasks
from ...conds.lint import lint as tree_lint
from ...conds.nodes import Condition, postorder
from ...engine.lint import lint as window_lint
from ...grammar.errors import ConditionSyntaxError
from ...grammar.format import blocks, only_comments
from ...grammar.parser import parse
from ..app import App
from ..face import check
from .completing import complete_file
from .options import read_zone
from .target import TargetError, is_target, load

COLOURS = {
    Severity.ERROR: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFORMATION: "cyan",
}


class Checked(NamedTuple):
    """One condition: where it stands, its text, and what there is to say of it."""

    place: str
    text: str
    found: list[Diagnostic]


@click.command("check")
@click.argument("what", metavar="CONDITION | FILE | MODULE:APP", shell_complete=complete_file)
@click.option("--timezone", "--zone", "-z", help="The zone in which windows are judged.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def check_(what: str, timezone: str | None, as_json: bool) -> None:
    """Say what is wrong with conditions, and what may surprise.

    Takes a condition, a file of conditions with blank lines between them (- is standard input),
    or an app, of which every condition is checked. Ends with status 1 when there is an error.

    \b
        oncue check "daily after 10:00 & after task 'extract'"
        oncue check conditions.txt
        oncue check jobs:app
    """
    if timezone is not None:
        read_zone(timezone)
    try:
        checked = list(conditions_of(what, timezone))
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="MODULE:APP") from error
    if as_json:
        click.echo(json.dumps([plain(item) for item in checked], indent=2, ensure_ascii=False))
    else:
        for item in checked:
            show(item)
    if any(hint.severity is Severity.ERROR for item in checked for hint in item.found):
        raise SystemExit(1)


def conditions_of(what: str, timezone: str | None) -> Iterator[Checked]:
    """The conditions that the argument means, checked."""
    if what == "-":
        return of_file("-", sys.stdin.read(), timezone)
    if is_target(what):
        return of_target(what)
    path = Path(what)
    if is_file(path):
        return of_file(what, read_text(path), timezone)
    if FILE_NAME.fullmatch(what):
        raise click.BadParameter(f"{what}: there is no such file", param_hint="FILE")
    return iter([Checked("", what, check(what, timezone=timezone))])


FILE_NAME = re.compile(r"[\w./\\-]*\w\.\w+")
"""A word with an ending: no condition looks like that."""


def read_text(path: Path) -> str:
    """The text of a file, its line ends as they are."""
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="FILE") from error


def of_target(target: str) -> Iterator[Checked]:
    """The conditions of an app. Its module may stop at a condition that cannot be read: then that
    is all there is to say."""
    try:
        app = load(target)
    except ConditionSyntaxError as error:
        text = next((found.source for found in error.diagnostics if found.source), "")
        return iter([Checked(target, text, list(error.diagnostics))])
    return of_app(app)


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a condition may be too long for a path, or hold what none may
        return False


def of_file(name: str, text: str, timezone: str | None) -> Iterator[Checked]:
    for block in blocks(text):
        if not only_comments(block.text):
            found = check(block.text, timezone=timezone)
            yield Checked(f"{name}:{block.line}", block.text, found)


def of_app(app: App) -> Iterator[Checked]:
    """Every condition of an app, with the names of its tasks known."""
    for task in app:
        yield of_node(f"task {task.name!r}", task.start_cond, app)
    yield of_node("shut_cond", app.session.config.shut_cond, app, starts=False)


def of_node(place: str, node: Condition, app: App, starts: bool = True) -> Checked:
    """A condition of an app by its canonical text; one that holds a function of its own has no
    text that can be read, so its hints have no places."""
    text: str | None = str(node)
    try:
        node = parse(text or "")
    except ConditionSyntaxError:
        text = None
    hints = [
        *tree_lint(node, tasks=known_tasks(node, app)),
        *window_lint(node, app.session.config.timezone),
    ]
    found = [strict(hint) for hint in arrange(hints, text) if starts or hint.code in ALWAYS_ASKED]
    return Checked(place, text or str(node), found)


def known_tasks(node: Condition, app: App) -> tuple[str, ...]:
    """Those of the app, and of those that the condition names, which may be dynamic."""
    named = (name for part in postorder(node) for name in named_tasks(part))
    return (*(task.name for task in app), *filter(app.session.is_known, named))


ALWAYS_ASKED = frozenset(("unknown-task", "keyword-name"))
"""Hints that a condition deserves which starts no task; the others speak of starts."""


def strict(hint: Diagnostic) -> Diagnostic:
    if hint.code == "unknown-task":
        return replace(hint, severity=Severity.ERROR)
    return hint


def plain(item: Checked) -> dict[str, object]:
    """A checked condition for JSON."""
    found = [hint.to_dict() for hint in item.found]
    return {"place": item.place, "text": item.text, "diagnostics": found}


def show(item: Checked) -> None:
    """What was found, under the place; in colour on a terminal."""
    console = Console(soft_wrap=True, highlight=False)
    if item.place and item.found:
        console.print(Text(item.place, style="bold"))
    for hint in item.found:
        console.print(drawn(hint))


def drawn(hint: Diagnostic) -> Text:
    """A diagnostic with its first line and its carets in colour."""
    first, *rest = str(hint).split("\n")
    text = Text(first, style=COLOURS[hint.severity])
    for line in rest:
        text.append(f"\n{line}", style=COLOURS[hint.severity] if is_carets(line) else "default")
    return text


def is_carets(line: str) -> bool:
    return set(line.strip()) == {"^"}
