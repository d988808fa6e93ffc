"""The wall clock and the UTC line: instants, zones, and how one becomes the other.

An instant is an int, microseconds since the Unix epoch in UTC. A local time is an int too:
microseconds since 1970-01-01 00:00 on the wall clock of some zone. A zone is asked one question
only, its offset at an instant; everything else is derived here from a table of the stretches
between two changes of offset, built in blocks when first needed. Where to ask is what the zone's
file lists (`tzif`); of a zone without one, every three days. So any `tzinfo` works, and what a
zone says of its own local times (which `dateutil` gets wrong inside a gap) is never used.

What a local time means is a type that callers match on: `Unambiguous`, `Gap` or `Fold`.

The calendar repeats after 400 years (an era), and from 2100 on so does every zone: its rules name
days by month and weekday. Instants past the first such era are looked up in it, so the table is
finite and the year 9999 no harder than this one.
"""

from __future__ import annotations

import calendar
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from dateutil import tz as dateutil_tz

from ..conds.durations import DAY, HOUR, MINUTE, SECOND
from ..conds.zones import is_iana, is_offset, near_zones
from .tzif import Listing, listing

__all__ = [
    "BEGINNING",
    "DAY",
    "ERA",
    "FOREVER",
    "HOUR",
    "MINUTE",
    "REGULAR",
    "SECOND",
    "Fold",
    "Gap",
    "Local",
    "Segment",
    "Unambiguous",
    "UnknownZoneError",
    "Zone",
    "from_datetime",
    "local_time",
    "to_datetime",
    "zone",
]

BEGINNING = -(1 << 62)  # before every instant
FOREVER = 1 << 62  # after every instant

ERA = 146_097 * DAY  # 400 Gregorian years, a whole number of weeks
BLOCK = ERA // 189  # the table is built in blocks of 773 days, of which an era is a whole number
PROBE = 3 * DAY  # no zone goes to another offset and back within three days
MARGIN = 2 * DAY  # how far a block looks beyond its end for a change that reaches back into it

EPOCH = datetime(1970, 1, 1)
EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ANCIENT = (datetime(1800, 1, 1) - EPOCH) // MICROSECOND // BLOCK * BLOCK
"""Before this no zone changes: the first is Manila, at the end of 1844."""
REGULAR = -((EPOCH - datetime(2100, 1, 1)) // MICROSECOND // BLOCK) * BLOCK
"""From here on every zone repeats after an era: the last irregular change is Morocco's in 2087."""


@dataclass(frozen=True, slots=True)
class Unambiguous:
    """A local time that happens once."""

    instant: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A local time that is skipped: the wall clock jumps over it, by `length`, at `instant`."""

    instant: int
    length: int


@dataclass(frozen=True, slots=True)
class Fold:
    """A local time that happens twice."""

    first: int
    second: int


Local = Unambiguous | Gap | Fold


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch [start, end) of instants with one offset (local time = instant + offset).

    It need not be maximal: `shift`, how far the wall clock jumps at `start`, is 0 where only a
    block of the table begins. Instants in [calm_start, calm_end) are out of reach of any jump:
    their local time is unambiguous, and more than the jump's length has passed since the last.
    """

    start: int
    end: int
    offset: int
    shift: int
    calm_start: int
    calm_end: int


Change = tuple[int, int, int]
"""The instant at which an offset changes, the offset before and the one after."""


class UnknownZoneError(ValueError):
    """No zone has that name; `near` holds names that look like it."""

    def __init__(self, name: str, near: tuple[str, ...]) -> None:
        hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
        super().__init__(f"no time zone is called {name!r}{hint}")
        self.name = name
        self.near = near


class Zone:
    """A time zone. Get one from `zone`, which makes one object of each name.

    Only the table of segments is mutable: it grows, and what is in it never changes.
    """

    __slots__ = ("_blocks", "_last", "_listed", "_yearly", "fixed", "name", "tzinfo")

    def __init__(self, name: str, tzinfo: tzinfo, listed: Listing | None = None) -> None:
        self.name = name
        self.tzinfo = tzinfo
        self._listed = listed  # where to look for changes; None where only probing finds them
        self._yearly: dict[tuple[bool, int], list[Change]] = {}
        self._blocks: dict[int, tuple[list[int], list[Segment]]] = {}
        offset = tzinfo.utcoffset(None)  # known without a date only where it never changes
        self.fixed = offset is not None
        self._last = (
            Segment(0, 0, 0, 0, 0, 0)
            if offset is None
            else Segment(BEGINNING, FOREVER, offset // MICROSECOND, 0, BEGINNING, FOREVER)
        )

    def __repr__(self) -> str:
        return f"zone({self.name!r})"

    def segment(self, instant: int) -> Segment:
        """The segment of the table that holds `instant`."""
        last = self._last
        if last.start <= instant < last.end or self.fixed:
            return last
        if instant < ANCIENT:
            self._last = self._ancient()
            return self._last
        starts, segments = self._block(instant // BLOCK)
        self._last = segments[bisect_right(starts, instant) - 1]
        return self._last

    def offset(self, instant: int) -> int:
        """How far the wall clock is ahead of UTC."""
        return self.segment(instant).offset

    def resolve(self, local: int) -> Local:
        """What the wall clock's time `local` means."""
        last = self._last
        instant = local - last.offset
        if last.calm_start <= instant < last.calm_end:
            return Unambiguous(instant)
        near = list(self.segments(local - DAY, local + DAY))
        hits = [local - s.offset for s in near if s.start <= local - s.offset < s.end]
        if len(hits) == 1:
            return Unambiguous(hits[0])
        if hits:
            return Fold(hits[0], hits[-1])
        change = next(s for s in near if s.start + s.offset > local)
        return Gap(change.start, change.shift)

    def boundary(self, local: int) -> int:
        """The instant of a boundary of a window: in a repeated hour its first occurrence, in a
        skipped one the end of the gap (LANGUAGE.md §6)."""
        match self.resolve(local):
            case Unambiguous(instant) | Fold(first=instant) | Gap(instant=instant):
                return instant

    def segments(self, start: int, end: int) -> Iterator[Segment]:
        """The segments that reach into [start, end], in order."""
        while start <= end:
            segment = self.segment(start)
            yield segment
            start = segment.end

    def changes(self, start: int, end: int) -> Iterator[Segment]:
        """The segments that begin in [start, end) with a jump of the wall clock."""
        for segment in self.segments(start, end - 1):
            if segment.shift and segment.start >= start:
                yield segment

    def _block(self, index: int) -> tuple[list[int], list[Segment]]:
        found = self._blocks.get(index)
        if found is None:
            later = index - REGULAR // BLOCK
            segments = (
                [moved(s, later // 189 * ERA) for s in self._block(index - later // 189 * 189)[1]]
                if later >= 189
                else self._segments_of(index * BLOCK, (index + 1) * BLOCK)
            )
            found = self._blocks[index] = ([s.start for s in segments], segments)
        return found

    def _segments_of(self, start: int, end: int) -> list[Segment]:
        """The table's part for [start, end)."""
        changes = [(start, self._ask(start - 1), self._ask(start))]
        changes += self._find_changes(start, end + MARGIN)
        segments = []
        for (at, before, offset), following in zip(changes, [*changes[1:], None], strict=True):
            if at >= end:  # seen only for its reach back
                break
            shift = offset - before
            until, calm_end = end, end
            if following is not None:
                until = min(end, following[0])
                calm_end = min(until, following[0] + min(0, following[2] - following[1]))
            calm_start = at + abs(shift) + 1 if shift else at
            segments.append(Segment(at, until, offset, shift, calm_start, calm_end))
        return segments

    def _find_changes(self, start: int, end: int) -> Iterator[Change]:
        """Where the offset changes in (start, end]."""
        if self._listed is None:
            yield from self._probe(start, end)
            return
        instants, has_rule = self._listed
        first, last = start // SECOND, end // SECOND
        for second in instants[bisect_right(instants, first) : bisect_right(instants, last)]:
            yield from self._narrow((second - 1) * SECOND, second * SECOND)
        ruled = max(start, instants[-1] * SECOND if instants else start)
        if has_rule and ruled < end:
            yield from self._find_ruled(ruled, end)

    def _find_ruled(self, start: int, end: int) -> Iterator[Change]:
        """Where it changes by the rule: as in the regular year of the same kind."""
        for year in range(year_of(start), year_of(end) + 1):
            kind = calendar.isleap(year), new_year(year) // DAY % 7
            if kind not in self._yearly:
                self._yearly[kind] = list(self._changes_of_kind(kind))
            for at, before, after in self._yearly[kind]:
                if start < at + new_year(year) <= end:
                    yield at + new_year(year), before, after

    def _changes_of_kind(self, kind: tuple[bool, int]) -> Iterator[Change]:
        """The changes in every regular year that is or is no leap year and begins on a certain
        weekday, from its start."""
        year = year_of(REGULAR)
        while (calendar.isleap(year), new_year(year) // DAY % 7) != kind:
            year += 1
        for at, before, after in self._probe(new_year(year) - SECOND, new_year(year + 1) - SECOND):
            yield at - new_year(year), before, after

    def _probe(self, start: int, end: int) -> Iterator[Change]:
        """The changes in (start, end], found by asking every few days."""
        ask = self.tzinfo.fromutc
        utc = (EPOCH + timedelta(microseconds=max(start, ANCIENT))).replace(tzinfo=self.tzinfo)
        step = timedelta(microseconds=PROBE)
        offset = ask(utc) - utc
        for probe in range(max(start, ANCIENT), end, PROBE):
            utc += step
            if ask(utc) - utc != offset:
                offset = ask(utc) - utc
                yield from self._narrow(probe, min(probe + PROBE, end))

    def _narrow(self, low: int, high: int) -> Iterator[Change]:
        """The changes in (low, high], where the offsets of the two ends differ."""
        before = self._ask(low)
        while before != self._ask(high):
            low = self._bisect(low, high, before)
            after = self._ask(low)
            yield low, before, after
            before = after

    def _bisect(self, low: int, high: int, before: int) -> int:
        """The second, after `low` and not after `high`, at which the offset is `before` no
        longer."""
        while high - low > SECOND:
            middle = (low + high) // 2 // SECOND * SECOND
            if self._ask(middle) == before:
                low = middle
            else:
                high = middle
        return high

    def _ask(self, instant: int) -> int:
        """The offset, from the `tzinfo`: by converting an instant, never a local time."""
        utc = EPOCH + timedelta(microseconds=max(instant, ANCIENT))
        local = self.tzinfo.fromutc(utc.replace(tzinfo=self.tzinfo))
        return (local.replace(tzinfo=None) - utc) // MICROSECOND

    def _ancient(self) -> Segment:
        return Segment(BEGINNING, ANCIENT, self._ask(ANCIENT), 0, BEGINNING, ANCIENT)


def year_of(instant: int) -> int:
    """The year in UTC."""
    return (EPOCH + timedelta(microseconds=max(instant, ANCIENT))).year


def new_year(year: int) -> int:
    """When a year begins in UTC."""
    return local_time(datetime(year, 1, 1))


def moved(segment: Segment, by: int) -> Segment:
    """The same segment some eras later."""
    return Segment(
        segment.start + by,
        segment.end + by,
        segment.offset,
        segment.shift,
        segment.calm_start + by,
        segment.calm_end + by,
    )


# --- names ----------------------------------------------------------------------------------


def zone(name: str | None = None) -> Zone:
    """The zone called `name`; None is the system's. One object per name.

    Names are those that `conds.zones` knows: IANA's, and what `dateutil` reads without a file
    (`UTC+12`, which is east; `EST5EDT,M3.2.0,M11.1.0`). Raises UnknownZoneError.
    """
    return system_zone() if name is None else named_zone(name)


RULED = Listing((), True)  # a rule that names days of a year, and nothing else


@lru_cache(maxsize=1024)
def named_zone(name: str) -> Zone:
    if is_iana(name):
        return Zone(name, ZoneInfo(name), listing(name))
    if is_offset(name):
        return Zone(name, dateutil_tz.tzstr(name), RULED)
    raise UnknownZoneError(name, near_zones(name))


def system_zone() -> Zone:
    """The zone of the machine: of the variable TZ, else of /etc/localtime, else as the C library
    has it."""
    return read_system_zone(os.environ.get("TZ", ""))


@lru_cache(maxsize=8)
def read_system_zone(variable: str) -> Zone:
    name = variable.removeprefix(":")
    path = name if os.path.isabs(name) else "" if name else "/etc/localtime"
    if path:
        target = os.path.realpath(path)
        _, _, name = target.partition("zoneinfo/")
        if not is_iana(name) and os.path.isfile(target):
            with open(target, "rb") as file:
                return Zone("local", ZoneInfo.from_file(file))
    if is_iana(name):
        return named_zone(name)
    if is_offset(name):  # in this variable, and nowhere else, a positive sign is west
        return Zone(name, dateutil_tz.tzstr(name, posix_offset=True), RULED)
    return Zone("local", dateutil_tz.tzlocal())


# --- datetimes, at the face only ------------------------------------------------------------


def local_time(naive: datetime) -> int:
    """The local time that a naive datetime spells, in microseconds."""
    return (naive.replace(tzinfo=None) - EPOCH) // MICROSECOND


def to_datetime(instant: int, zone: Zone) -> datetime | None:
    """`instant` as an aware datetime on the wall clock of `zone`; None where datetimes, which
    have the years 1 to 9999, cannot say it."""
    try:
        utc = EPOCH_UTC + timedelta(microseconds=instant)
        return utc.astimezone(zone.tzinfo)
    except OverflowError:
        return None


def from_datetime(moment: datetime, zone: Zone) -> int:
    """The instant of `moment`; a naive one is on the wall clock of `zone`, where `fold` chooses
    between two readings and a skipped one is the end of the gap."""
    if not isinstance(moment, datetime):
        raise TypeError(f"{moment!r} is not a datetime")
    if moment.tzinfo is not None and moment.utcoffset() is not None:
        return (moment - EPOCH_UTC) // MICROSECOND
    match zone.resolve(local_time(moment)):
        case Fold(first, second):
            return second if moment.fold else first
        case Unambiguous(instant) | Gap(instant=instant):
            return instant
