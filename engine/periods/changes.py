"""The changes of offset of some zones on one line, for searches that go far.

Changes that lie so near to one another that their aftermaths touch are one upheaval. Two upheavals
of one `sort` are alike: the same zones change by as much, at the same time of the same kind of day,
to the same offsets; so whatever is a matter of the wall clock in the one is so in the other, and a
search that has looked at one need not look at the next. From `REGULAR` on all that is left to come
comes within the years of one stretch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from ..civil import ANCIENT, BEGINNING, DAY, REGULAR, Segment, Zone
from .almanac import kind_of_day

REPEATS = 42 * 366 * DAY  # longer than any kind of year, with its neighbours, stays away
WIDE = 10 * DAY  # longer than any upheaval

Offsets = tuple[int, ...]  # one of each zone


class Upheaval(NamedTuple):
    """Instants [start, end) from a change of offset to the end of its aftermath, from the offsets
    `before` to the offsets `after`. `kind` is that of the day it begins in, by UTC; what happens
    in it is a matter of the `days` about that one."""

    start: int
    end: int
    kind: int
    days: range
    sort: int
    before: Offsets
    after: Offsets


class Changes:
    """The upheavals of some zones, found in stretches of years when first asked for."""

    def __init__(self, zones: tuple[Zone, ...]) -> None:
        self.zones = zones
        self._stretches: dict[int, list[Upheaval]] = {}
        self._sorts: dict[object, int] = {}

    def forward(self, start: int, end: int) -> Iterator[Upheaval]:
        """Those that reach into [start, end), in order."""
        for index in indices(start, end):
            found = self._stretch(index)
            for upheaval in found[bisect_left(found, start + 1, key=attrgetter("end")) :]:
                if upheaval.start >= end:
                    return
                yield upheaval

    def backward(self, start: int, end: int) -> Iterator[Upheaval]:
        """The same, the last first."""
        for index in reversed(indices(start, end)):
            found = self._stretch(index)
            for upheaval in reversed(found[: bisect_left(found, end, key=attrgetter("start"))]):
                if upheaval.end <= start:
                    return
                yield upheaval

    def offsets(self, t: int) -> Offsets:
        return tuple(zone.offset(t) for zone in self.zones)

    def _stretch(self, index: int) -> list[Upheaval]:
        if index not in self._stretches:
            start = ANCIENT + index * REPEATS
            self._stretches[index] = list(self._upheavals(start, start + REPEATS))
        return self._stretches[index]

    def _upheavals(self, start: int, end: int) -> Iterator[Upheaval]:
        """Those that begin in [start, end)."""
        begun: list[tuple[int, int, Segment]] = []
        over = BEGINNING
        for at, index, change in self._changes(start - WIDE, end + WIDE):
            if begun and at >= over:
                if start <= begun[0][0] < end:
                    yield self._upheaval(begun, over)
                begun = []
            over = max(over, at + abs(change.shift) + 1)
            begun.append((at, index, change))
        if begun and start <= begun[0][0] < end:
            yield self._upheaval(begun, over)

    def _changes(self, start: int, end: int) -> list[tuple[int, int, Segment]]:
        """The changes of all zones, in order: the instant, which zone, the segment it begins."""
        return sorted(
            (change.start, index, change)
            for index, zone in enumerate(self.zones)
            if not zone.fixed
            for change in zone.changes(start, end)
        )

    def _upheaval(self, changes: list[tuple[int, int, Segment]], end: int) -> Upheaval:
        start = changes[0][0]
        day, clock = divmod(start, DAY)
        before, after = self.offsets(start - 1), self.offsets(end)
        moves = tuple((at - start, index, change.shift) for at, index, change in changes)
        sort = self._sorts.setdefault((clock, moves, after), len(self._sorts))
        first = start - 1 + min(*before, *after) - max(abs(move[2]) for move in moves)
        last = end + max(*before, *after)
        days = range(first // DAY - day, last // DAY - day + 1)
        return Upheaval(start, end, kind_of_day(day), days, sort, before, after)


@lru_cache(maxsize=64)
def changes_of(zones: tuple[Zone, ...]) -> Changes:
    return Changes(zones)


def indices(start: int, end: int) -> range:
    """The stretches of years in which an upheaval begins that reaches into [start, end)."""
    first = max(0, (start - WIDE - ANCIENT) // REPEATS)
    return range(first, (end - 1 - ANCIENT) // REPEATS + 1)


def new_from(t: int, end: int) -> tuple[int, int]:
    """The part of [t, end), from `t` on, after which nothing new comes in it."""
    return t, min(end, max(t, REGULAR) + REPEATS)


def new_before(start: int, t: int) -> list[tuple[int, int]]:
    """The parts of [start, t), the last first, that have all that is in it."""
    old = max(start, REGULAR + REPEATS)
    recent = t - REPEATS
    if recent <= old:
        return [(start, t)]
    return [(recent, t), (start, old)] if start < old else [(recent, t)]
