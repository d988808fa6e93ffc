"""A chart in characters: strips with labels, under one axis.

A column is a stretch of real time. It is full, half full, or holds something shorter; two windows
that touch are told apart by shade. Where there is room the labels stand beside the strips, else
above them. Nothing depends on colour.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ...conds.diagnostic import printable
from .axis import Tick, axis_of, placed
from .chart import Bar, Chart, Strip
from .wording import moment_text

NARROWEST = 10  # columns of a strip
LABEL_SHARE = 3  # labels take at most one part in that many
INDENT = 2


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What is drawn: `full` and `other` for windows that touch in turn, `many` for several in
    one column, `thin` for less than half a column, `run` for a start."""

    none: str
    full: str
    other: str
    left: str
    right: str
    thin: str
    many: str
    run: str
    tick: str
    rule: str
    ellipsis: str


BLOCKS = Glyphs("·", "█", "▓", "▌", "▐", "│", "▒", "┃", "┬", "─", "…")
ASCII = Glyphs(".", "#", "=", "#", "#", "|", "%", "!", "+", "-", "~")
STYLES = {"full": "green", "other": "bright_green", "left": "green", "right": "green"}
STYLES |= {"thin": "green", "many": "yellow", "run": "cyan", "none": "dim"}
LEGEND = {"many": "several short ones", "thin": "a short one", "run": "a run"}


def text(chart: Chart, width: int, glyphs: Glyphs = BLOCKS) -> Text:
    """The chart, no line longer than `width` columns (at least 20). `str` of it is plain;
    printed to a rich console it has colours."""
    return Text("\n").join(lines(chart, max(width, 20), glyphs))


def lines(chart: Chart, width: int, glyphs: Glyphs) -> Iterator[Text]:
    labels = [printable(strip.label) for strip in chart.strips]
    longest = max((cell_len(label) for label in labels), default=0)
    beside = longest + 2 <= width // LABEL_SHARE
    margin = longest + 2 if beside else INDENT
    columns = max(NARROWEST, width - margin)
    yield from (Text(line, "dim") for line in title(chart, width))
    yield Text()
    yield from axis_lines(chart, margin, columns, glyphs)
    used: set[str] = set()
    for strip, label in zip(chart.strips, labels, strict=True):
        kinds = kinds_of(strip, chart, columns)
        used.update(kinds)
        if beside:
            lead = Text(set_cell_size(label, margin))
        else:
            yield Text()
            yield from (Text(part) for part in folded(label, width))
            lead = Text(" " * margin)
        for style, run in groupby(kinds, STYLES.__getitem__):
            lead.append("".join(getattr(glyphs, kind) for kind in run), style)
        yield lead
        yield from (Text(" " * margin + part, "dim") for part in folded(strip.note, columns))
    legend = [f"{getattr(glyphs, kind)} {said}" for kind, said in LEGEND.items() if kind in used]
    if legend:
        line = "   ".join(legend)
        yield Text()
        yield from (Text(part, "dim") for part in ([line] if len(line) <= width else legend))


def title(chart: Chart, width: int) -> list[str]:
    start, end = moment_text(chart.start, chart.zone), moment_text(chart.end, chart.zone)
    whole = f"{start} to {end}, {chart.zone.name}"
    return [whole] if len(whole) <= width else [start, f"to {end}", printable(chart.zone.name)]


def folded(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken at blanks where there are any."""
    found: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_len(longer) <= width:
            line = longer
            continue
        if line:
            found.append(line)
        while cell_len(word) > width:
            head = len(word)
            while cell_len(word[:head]) > width:
                head -= 1
            found.append(word[:head])
            word = word[head:]
        line = word
    return [*found, line] if line else found


# --- the axis -------------------------------------------------------------------------------


def axis_lines(chart: Chart, margin: int, columns: int, glyphs: Glyphs) -> Iterator[Text]:
    axis = axis_of(chart.start, chart.end, chart.zone, columns)
    for ticks in (axis.headings, axis.ticks):
        if ticks:
            yield Text(" " * margin + names_line(chart, ticks, columns), "dim")
    rule = [glyphs.rule] * columns
    for tick in axis.ticks:
        rule[column_of(chart, tick.at, columns)] = glyphs.tick
    yield Text(" " * margin + "".join(rule), "dim")


def names_line(chart: Chart, ticks: tuple[Tick, ...], columns: int) -> str:
    places = [float(column_of(chart, tick.at, columns)) for tick in ticks]
    line = ""
    for place, name in placed(ticks, places, columns, 1):
        line = line.ljust(int(place)) + name
    return line


def column_of(chart: Chart, at: int, columns: int) -> int:
    return (at - chart.start) * columns // (chart.end - chart.start)


# --- strips ---------------------------------------------------------------------------------


def kinds_of(strip: Strip, chart: Chart, columns: int) -> list[str]:
    """For each column the name of its glyph."""
    shades = shaded(strip.bars)
    runs = {column_of(chart, at, columns) for at in strip.starts}
    length = chart.end - chart.start
    edges = [chart.start + length * i // columns for i in range(columns + 1)]
    found: list[str] = []
    first = 0
    for column, (start, end) in enumerate(pairwise(edges)):
        while first < len(shades) and shades[first][0].end <= start:
            first += 1
        last = bisect_left(shades, end, first, key=lambda shade: shade[0].start)
        here = shades[first:last]
        kind = "run" if column in runs else kind_of(here, start, end)
        if kind == "thin" and not any(is_short(bar, start, end) for bar, _ in here):
            kind = "left" if column == 0 else "right" if column == columns - 1 else "none"
        found.append(kind)
    return found


def is_short(bar: Bar, start: int, end: int) -> bool:
    """Whether a bar is no longer than half the column [start, end). A longer one fills half a
    column somewhere, or is cut off by an end of the chart."""
    return (bar.end - bar.start) * 2 <= end - start


Shade = tuple[Bar, bool]


def shaded(bars: tuple[Bar, ...]) -> list[Shade]:
    """The bars, each with whether it has the other shade: one that touches the last has not
    that one's."""
    found: list[Shade] = []
    for bar in bars:
        touches = bool(found) and found[-1][0].end == bar.start
        found.append((bar, touches and not found[-1][1]))
    return found


def kind_of(here: list[Shade], start: int, end: int) -> str:
    if not here:
        return "none"
    if len(here) > 2 or any(bar.many for bar, _ in here):
        return "many"
    middle = (start + end) // 2
    left = sum(overlap(bar, start, middle) for bar, _ in here) * 2 > middle - start
    right = sum(overlap(bar, middle, end) for bar, _ in here) * 2 > end - middle
    if left and right:
        _, other = max(here, key=lambda shade: overlap(shade[0], start, end))
        return "other" if other else "full"
    return "left" if left else "right" if right else "thin"


def overlap(bar: Bar, start: int, end: int) -> int:
    return max(0, min(bar.end, end) - max(bar.start, start))
