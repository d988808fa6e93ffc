"""Tasks as a table or, where a terminal is too narrow for one, as a block each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ...conds.diagnostic import printable
from .options import encodable
from .wording import OUTCOMES, wrapped

GAP = 2
LEAST = 24  # columns in which reasons can be read
STYLES = {**OUTCOMES, "running": "cyan", "never ran": "dim"}


class Cells(NamedTuple):
    task: str
    status: str
    last_run: str
    next_due: str
    why: str


HEADS = Cells("task", "status", "last run", "next due", "why not now")


def show(rows: list[Cells], zone: str) -> None:
    console = Console(soft_wrap=True, highlight=False)
    width = console.width if console.is_terminal else None
    shown = [Cells(*map(printable, row)) for row in rows]
    for line in lines(shown, width):
        console.print(encodable(line, console.encoding))
    console.print(Text(f"times in {zone}", "dim"))


def lines(rows: list[Cells], width: int | None) -> Iterator[Text]:
    """None is without bounds: then each row is a line."""
    widths = [max(map(cell_len, column)) for column in zip(HEADS, *rows, strict=True)][:-1]
    taken = sum(widths) + GAP * len(widths)
    if width is None:
        yield from table(rows, widths, None)
    elif width - taken >= min(LEAST, max(cell_len(row.why) for row in (HEADS, *rows))):
        yield from table(rows, widths, width - taken)
    else:
        for row in rows:
            yield from block(row, width)


def table(rows: list[Cells], widths: list[int], room: int | None) -> Iterator[Text]:
    yield line(HEADS, widths, HEADS.why, "bold", "bold")
    for row in rows:
        whole = [row.why] if room is None else wrapped(row.why, room, "")
        for why, told in zip_longest(whole or [""], [row], fillvalue=None):
            cells = told or Cells("", "", "", "", "")
            yield line(cells, widths, why or "", STYLES.get(cells.status, ""), "")


def line(cells: Cells, widths: list[int], why: str, status: str, style: str) -> Text:
    text = Text()
    for cell, width, own in zip(cells, widths, (style, status, style, style), strict=False):
        text.append(cell, own).append(" " * (width - cell_len(cell) + GAP))
    text.append(why, style)
    text.rstrip()
    return text


def block(cells: Cells, width: int) -> Iterator[Text]:
    title = Text().append(cells.task, "bold")
    yield title.append("  ").append(cells.status, STYLES.get(cells.status, ""))
    for head, cell in list(zip(HEADS, cells, strict=True))[2:]:
        if cell:
            first, *rest = wrapped(f"{head:<{LABEL}}{cell}", width - GAP, "")
            yield Text(" " * GAP + first)
            yield from (Text(" " * GAP + each) for each in rest)


LABEL = max(map(len, HEADS[2:])) + GAP
