"""A chart as a picture: SVG that needs nothing else, in light and in dark.

It is well-formed XML of plain shapes and text. Colours are classes, for light with a second set
for readers who prefer dark, upon a ground of its own, so that it can be read on any page. Text is
text: it scales, and can be searched and read aloud. Class names begin with `oncue-`, for a style
inside a page's SVG is the page's too.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from ...conds.diagnostic import printable
from .axis import Tick, axis_of, placed
from .chart import Bar, Chart, Strip
from .strip import folded, shaded
from .wording import moment_text, window_text

WIDTH = 800  # of the picture, in its own units; how large it is shown is the page's business
MARGIN = 16
CODE = 7.9  # the width of one character of a label
SMALL = 6.4  # and of the small text, about
LINE = 18  # from one line of text to the next
BAR = 16
GAP = 12
THINNEST = 1.5  # what is shorter is still seen

STYLE = """
.oncue-ground{fill:#ffffff;stroke:#d1d9e0}
.oncue-label{fill:#1f2328;font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.oncue-small{fill:#59636e;font:11px system-ui,-apple-system,'Segoe UI',sans-serif}
.oncue-grid{stroke:#d1d9e0}
.oncue-track{fill:#eff2f5}
.oncue-window{fill:#0969da}
.oncue-other{fill:#54aeff}
.oncue-many{fill:#0969da;fill-opacity:.45}
.oncue-behind{fill-opacity:.35}
.oncue-run{stroke:#bc4c00;stroke-width:2}
@media (prefers-color-scheme:dark){
.oncue-ground{fill:#0d1117;stroke:#3d444d}
.oncue-label{fill:#f0f6fc}
.oncue-small{fill:#9198a1}
.oncue-grid{stroke:#3d444d}
.oncue-track{fill:#1c2128}
.oncue-window{fill:#4493f8}
.oncue-other{fill:#1f6feb}
.oncue-many{fill:#4493f8}
.oncue-run{stroke:#f0883e}
}
"""


def svg(chart: Chart, width: int = WIDTH) -> str:
    """The chart as a whole SVG document, `width` units wide (at least 200)."""
    body: list[str] = []
    y = Drawing(chart, max(width, 200), body).draw()
    size = f'viewBox="0 0 {max(width, 200)} {y}" width="{max(width, 200)}" height="{y}"'
    names = "; ".join(printable(strip.label) for strip in chart.strips)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
            'style="max-width:100%;height:auto">',
            f"<title>{escape(f'{chart.what} of {names}')}</title>",
            f"<desc>{escape(span_text(chart))}</desc>",
            f"<style>{STYLE}</style>",
            *body,
            "</svg>\n",
        ]
    )


def span_text(chart: Chart) -> str:
    start, end = moment_text(chart.start, chart.zone), moment_text(chart.end, chart.zone)
    return printable(f"{start} to {end}, {chart.zone.name}")


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Drawing:
    """Draws a chart into `body`, from the top down: `y` is how far it has come."""

    def __init__(self, chart: Chart, width: int, body: list[str]) -> None:
        self.chart = chart
        self.width = width
        self.inner = width - 2 * MARGIN
        self.body = body
        self.y = float(MARGIN)
        self.ticks: tuple[float, ...] = ()

    def draw(self) -> int:
        """Draw all of it; the height it took."""
        for line in folded(span_text(self.chart), int(self.inner / SMALL)):
            self.text(MARGIN, line, "small")
        self.axis()
        for strip in self.chart.strips:
            self.strip(strip)
        height = round(self.y + MARGIN - GAP)
        ground = (
            f'<rect class="oncue-ground" x=".5" y=".5" width="{self.width - 1}" '
            f'height="{height - 1}" rx="6"/>'
        )
        self.body.insert(0, ground)
        return height

    def text(self, x: float, text: str, kind: str) -> None:
        self.y += LINE
        self.word(x, text, kind)

    def word(self, x: float, text: str, kind: str) -> None:
        place = f'x="{number(x)}" y="{number(self.y - 5)}"'
        self.body.append(f'<text class="oncue-{kind}" {place}>{escape(text)}</text>')

    def x(self, at: int) -> float:
        """Where an instant is; those beyond the chart are at its edge."""
        chart = self.chart
        share = (min(max(at, chart.start), chart.end) - chart.start) / (chart.end - chart.start)
        return MARGIN + share * self.inner

    def axis(self) -> None:
        """The headings and the names of the ticks."""
        axis = axis_of(self.chart.start, self.chart.end, self.chart.zone, self.inner / SMALL)
        for ticks in (axis.headings, axis.ticks):
            if ticks:
                self.y += LINE
                self.names(ticks)
        self.ticks = tuple(self.x(tick.at) for tick in axis.ticks)

    def names(self, ticks: tuple[Tick, ...]) -> None:
        places = [(self.x(tick.at) - MARGIN) / SMALL for tick in ticks]
        for place, name in placed(ticks, places, self.inner / SMALL, 1):
            self.word(MARGIN + place * SMALL, name, "small")

    # --- strips ---

    def strip(self, strip: Strip) -> None:
        for line in folded(printable(strip.label), int(self.inner / CODE)):
            self.text(MARGIN, line, "label")
        self.body.append(
            f'<rect class="oncue-track" x="{MARGIN}" y="{number(self.y)}" '
            f'width="{number(self.inner)}" height="{BAR}" rx="2"/>'
        )
        self.grid()
        for bar, other in shaded(strip.bars):
            self.body.append(self.bar(bar, other, behind=bool(strip.starts)))
        self.body += self.runs(strip)
        self.y += BAR
        for line in folded(strip.note, int(self.inner / SMALL)):
            self.text(MARGIN, printable(line), "small")
        self.y += GAP

    def grid(self) -> None:
        """The ticks, through one strip."""
        low, high = number(self.y - 2), number(self.y + BAR + 2)
        lines = "".join(f"M{number(x)} {low}V{high}" for x in self.ticks)
        if lines:
            self.body.append(f'<path class="oncue-grid" d="{lines}"/>')

    def bar(self, bar: Bar, other: bool, behind: bool) -> str:
        kind = "oncue-many" if bar.many else "oncue-other" if other else "oncue-window"
        if behind:
            kind += " oncue-behind"
        start, end = self.x(bar.start), self.x(bar.end)
        start = min(start, MARGIN + self.inner - THINNEST)
        told = f"several short {self.chart.what}"
        if not bar.many:
            told = window_text(bar.start, bar.end, self.chart.zone)
        return (
            f'<rect class="{kind}" x="{number(start)}" y="{number(self.y)}" '
            f'width="{number(max(end - start, THINNEST))}" height="{BAR}">'
            f"<title>{escape(told)}</title></rect>"
        )

    def runs(self, strip: Strip) -> Iterator[str]:
        for at in strip.starts:
            x, y = number(self.x(at)), self.y
            yield (
                f'<path class="oncue-run" d="M{x} {number(y - 2)}V{number(y + BAR + 2)}">'
                f"<title>run {escape(moment_text(at, self.chart.zone))}</title></path>"
            )
