"""What is coming of a condition: its windows and runs, with what is to explain between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, takewhile

from ...conds import nodes
from ...conds.durations import DAY
from ...engine.civil import BEGINNING, FOREVER, Zone
from .reasons import Effect, Reason, reasons
from .timepart import TimePart
from .wording import local

REACH = 400 * DAY  # a window longer than that is explained at its start only
LONGER_THAN_A_MATCH = (
    nodes.Cadence,
    nodes.Every,
    nodes.Dates,
    nodes.OnWeekdays,
    nodes.TimeOf,
    nodes.TimeOfCron,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A window [start, end), or a run (no end), and why it is not where one would expect it."""

    start: int
    end: int | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A window that does not come, and why."""

    at: int
    note: str


Entry = Row | Skipped


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is coming from the instant `start` on. `windows` and `runs` are None where there is
    nothing to ask: of a cron expression runs alone, of a window expression windows alone. What
    begins after the year 9999 is in neither."""

    part: TimePart
    start: int
    windows: tuple[Entry, ...] | None
    runs: tuple[Entry, ...] | None

    @classmethod
    def of(cls, node: nodes.Condition, zone: Zone, start: int, count: int) -> Outlook:
        """At most `count` windows and `count` runs; `zone` is that of what names none itself."""
        part = TimePart.of(node, zone, start)
        windows = runs = None
        if has_windows(part, start):
            found = islice(part.period.windows_from(start), count)
            pairs = ((window.start, window.end) for window in found)
            windows = explained(part, start, takewhile(partial(is_dated, zone), pairs))
        if not part.is_window:
            starts = ((at, None) for at in islice(part.starts(start), count))
            told = set(windows or ())
            found_runs = explained(part, start, takewhile(partial(is_dated, zone), starts))
            runs = tuple(entry for entry in found_runs if entry not in told)
        return cls(part, start, windows, runs)

    @property
    def is_over(self) -> bool:
        """Whether no window is left."""
        return self.part.period.window_from(self.start) is None

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON; instants as ISO 8601 in the zone, None for no bound."""
        entries = (*(self.windows or ()), *(self.runs or ()))
        skipped = dict.fromkeys(entry for entry in entries if isinstance(entry, Skipped))
        return {
            "condition": str(self.part.node),
            "zone": self.part.zone.name,
            "from": self._iso(self.start),
            "windows": None
            if self.windows is None
            else [
                {"start": self._iso(row.start), "end": self._iso(row.end), "notes": [*row.notes]}
                for row in rows(self.windows)
            ],
            "runs": None
            if self.runs is None
            else [{"at": self._iso(row.start), "notes": [*row.notes]} for row in rows(self.runs)],
            "skipped": [{"at": self._iso(entry.at), "reason": entry.note} for entry in skipped],
            "assumed": [
                {"condition": str(assumed.atom), "value": assumed.value}
                for assumed in self.part.assumptions
            ],
        }

    def _iso(self, instant: int | None) -> str | None:
        moment = None if instant is None else local(instant, self.part.zone)
        return None if moment is None else moment.isoformat()


def is_dated(zone: Zone, pair: tuple[int, int | None]) -> bool:
    """Whether a window or run begins before dates end, with the year 9999."""
    return pair[0] < 0 or local(pair[0], zone) is not None


def rows(entries: Iterable[Entry]) -> Iterator[Row]:
    return (entry for entry in entries if isinstance(entry, Row))


def has_windows(part: TimePart, start: int) -> bool:
    """Whether the windows say more than the runs: not where they are the minutes of a cron
    expression, nor where nothing about the time confines the condition."""
    if part.is_window:
        return True
    window = part.period.window_from(start)
    if window == (BEGINNING, FOREVER):
        return False
    return any(isinstance(atom, LONGER_THAN_A_MATCH) for atom in nodes.postorder(part.node))


def explained(
    part: TimePart, start: int, found: Iterable[tuple[int, int | None]]
) -> tuple[Entry, ...]:
    """The windows or runs found from `start` on, with their notes and what was skipped between
    them."""
    pairs = list(found)
    if not pairs:
        return ()
    first, (last, end) = pairs[0][0], pairs[-1]
    since = first if start - REACH < first < start else start
    until = end if end is not None and end < last + REACH else last
    known = reasons(part.node, part.zone, since, until)
    skipped = [
        Skipped(reason.at, reason.text)
        for reason in known
        if reason.effect is Effect.SKIPPED and start < reason.at <= last
    ]
    entries: list[Entry] = [*skipped, *(Row(*pair, notes_of(*pair, known)) for pair in pairs)]
    return tuple(sorted(entries, key=place))


def place(entry: Entry) -> tuple[int, bool]:
    """What is skipped comes before the window that begins at that instant."""
    return (entry.at, False) if isinstance(entry, Skipped) else (entry.start, True)


def notes_of(start: int, end: int | None, known: Iterable[Reason]) -> tuple[str, ...]:
    found = (
        reason.text
        for reason in known
        if (reason.effect is Effect.BEGINS and reason.at == start)
        or (reason.effect is Effect.ENDS and reason.at == end)
    )
    return tuple(dict.fromkeys(found))
