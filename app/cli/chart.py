"""What a chart shows: the windows of several conditions on one axis of time.

A chart is a value. `strip.text` draws it in a terminal, `svg.svg` as a picture. Windows too short
for either to tell apart are not even computed: a year of `secondly` costs no more than a day of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ...conds import nodes
from ...engine.civil import Zone, from_datetime
from ...engine.civil import zone as zone_of
from ...engine.periods import Period
from ...grammar.parser import parse
from .timepart import TimePart
from .wording import moment_text

FINEST = 1_000  # the parts of a chart below which windows are not told apart
MOST_STARTS = 1_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A window [start, end), which may reach beyond the chart; `many` if it stands for several
    that are too short to be told apart."""

    start: int
    end: int
    many: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """The windows of one condition, in order; `starts` are the runs of an interval, which says
    less by its windows than by them. `note` is what the windows leave open."""

    label: str
    bars: tuple[Bar, ...]
    starts: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Strips over [start, end), instants shown on the wall clock of `zone`; `what` the bars are."""

    start: int
    end: int
    zone: Zone
    strips: tuple[Strip, ...]
    what: str = "windows"

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("a chart is empty: its end is not after its start")


def chart(
    conditions: Iterable[str | nodes.Condition],
    start: datetime,
    end: datetime,
    *,
    timezone: str | None = None,
) -> Chart:
    """The chart of some conditions between two datetimes; naive ones are in the zone. Raises
    ConditionSyntaxError, and ValueError for an unknown zone or an end not after the start."""
    zone = zone_of(timezone)
    read = [parse(one) if isinstance(one, str) else one for one in conditions]
    return chart_of(read, from_datetime(start, zone), from_datetime(end, zone), zone)


def chart_of(conditions: Iterable[nodes.Condition], start: int, end: int, zone: Zone) -> Chart:
    strips = (strip_of(TimePart.of(node, zone, start), start, end) for node in conditions)
    return Chart(start, end, zone, tuple(strips))


def strip_of(part: TimePart, start: int, end: int) -> Strip:
    found = tuple(bars(part.period, start, end))
    starts: tuple[int, ...] | None = ()
    if any(isinstance(atom, nodes.Every) for atom in nodes.postorder(part.node)):
        starts = starts_of(part, start, end)
    return Strip(str(part.node), found, starts or (), note_of(part, found, starts, start))


def bars(period: Period, start: int, end: int) -> Iterator[Bar]:
    """The windows of a period in [start, end), short ones that lie together as one."""
    crowd: Bar | None = None
    for bar in single_bars(period, start, end, max(1, (end - start) // FINEST)):
        if crowd is not None and bar.many and bar.start <= crowd.end:
            crowd = Bar(crowd.start, bar.end, many=True)
            continue
        if crowd is not None:
            yield crowd
        crowd = bar if bar.many else None
        if not bar.many:
            yield bar
    if crowd is not None:
        yield crowd


def single_bars(period: Period, start: int, end: int, finest: int) -> Iterator[Bar]:
    """As `bars`; of what is shorter than `finest` no more than one bar in that time."""
    t = start
    while (window := period.window_from(t)) is not None and window.start < end:
        first, t = max(window.start, t), window.end
        if window.end - window.start < finest:
            following = period.window_from(t)
            if following is not None and following.start < first + finest:
                t = max(t, first + finest)
                yield Bar(first, t, many=True)
                continue
        yield Bar(window.start, window.end)


def starts_of(part: TimePart, start: int, end: int) -> tuple[int, ...] | None:
    """The runs in [start, end), by time alone; None if they are too many."""
    found = list(islice(part.starts(start), MOST_STARTS + 1))
    if len(found) > MOST_STARTS and found[-1] < end:
        return None
    return tuple(at for at in found if at < end)


def note_of(part: TimePart, found: tuple[Bar, ...], starts: tuple[int, ...] | None, t: int) -> str:
    if not found:
        window = part.period.window_from(t)
        if window is None:
            return "never: no window from here on"
        return f"no window here; the next begins {moment_text(window.start, part.zone)}"
    if starts is None:
        return f"more than {MOST_STARTS:,} runs: only the windows are shown"
    if part.exact:
        return ""
    others = "; ".join(str(assumed.atom) for assumed in part.assumptions)
    return f"at most these windows; not about time: {others or 'the app'}"
