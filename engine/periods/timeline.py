"""An expression on the line of real time.

The line is cut where anything but the wall clock changes: at a change of offset, where its
aftermath ends (a repeated hour is over, a window moved out of a gap ends), at the edge of a span.
Between two cuts every leaf is its own pattern or a constant, and so the whole is one pattern,
computed once for each combination that occurs. At a cut the bits are put together by hand. So
daylight saving is exact for any combination, and costs nothing away from a change.

Every search ends: from `civil.REGULAR` on the line repeats what it did within 40 years.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import count

from ..civil import ANCIENT, BEGINNING, DAY, FOREVER, REGULAR, Segment, Zone
from .algebra import Atom, Expression, Leaf, Rule, Span, Value, atoms, fold
from .almanac import kind_of_day
from .dial import (
    ANY_EDGE,
    ANY_IN,
    ANY_START,
    BEFORE,
    BEGIN,
    END,
    INSIDE,
    JOINED,
    MARKS,
    OUT,
    RESCUED,
    WITHIN,
)
from .pattern import Pattern

REPEATS = 42 * 366 * DAY  # longer than any kind of year, with its neighbours, stays away
PATIENCE = 8  # pieces to look at before asking whether there is anything to find at all


class Piece:
    """[start, end): one value, on a wall clock that is `offset` ahead of UTC. `calm` are the
    instants of it from which a search may leap over changes of offset; None if there are none."""

    __slots__ = ("calm", "end", "offset", "start", "value")

    def __init__(
        self, start: int, end: int, offset: int, value: Value, calm: Segment | None = None
    ) -> None:
        self.start = start
        self.end = end
        self.offset = offset
        self.value = value
        self.calm = calm


class Timeline:
    """An expression, ready to be asked. Only caches in it change."""

    __slots__ = (
        "_dry",
        "_dry_before",
        "_edges",
        "_leaves",
        "_moved",
        "_never",
        "_piece",
        "_spans",
        "_values",
        "_zones",
        "expression",
    )

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        found = atoms(expression)
        self._leaves = [atom for atom in found if isinstance(atom, Leaf)]
        self._spans = [atom for atom in found if isinstance(atom, Span)]
        self._zones = list(dict.fromkeys(leaf.zone for leaf in self._leaves))
        edges = {edge for span in self._spans for edge in (span.start, span.end)}
        self._edges = sorted(edges - {BEGINNING, FOREVER})
        self._piece = Piece(0, 0, 0, OUT)
        self._values: dict[tuple[object, ...], Value] = {}
        self._moved: dict[Leaf, Pattern] = {}  # with windows moved out of a gap over it
        self._never: dict[int, bool] = {}
        self._dry: dict[int, int] = {}  # from where on nothing with those marks comes
        self._dry_before: dict[int, int] = {}

    # --- searching ---

    def value(self, t: int) -> int:
        """The bits at an instant."""
        piece = self.piece(t)
        return bits_at(piece.value, t + piece.offset)

    def first(self, t: int, want: int) -> int | None:
        """The first instant from `t` on that has one of the marks `want`."""
        if t >= self._dry.get(want, FOREVER):
            return None
        t = max(t, BEGINNING)
        limit = max(t, REGULAR, *self._edges) + REPEATS
        start, piece = t, self.piece(t)
        for looked in count():
            local = self._first_in(piece, t, want)
            if local is not None:
                found = self._reached(piece, t, local, want)
                if found is not None:
                    return found
            if piece.end >= limit or (looked == PATIENCE and self.never(want)):
                break
            t = piece.end
            piece = self.piece(t)
        self._dry[want] = start
        return None

    def last(self, t: int, want: int) -> int | None:
        """The last instant up to `t`, inclusive, that has one of the marks `want`."""
        if t <= self._dry_before.get(want, BEGINNING - 1):
            return None
        t = min(t, FOREVER - 1)
        limit = min(t, ANCIENT, *self._edges) - REPEATS
        start, piece = t, self.piece(t)
        for looked in count():
            local = self._last_in(piece, t, want)
            if local is not None:
                found = self._reached(piece, t, local, want)
                if found is not None:
                    return found
            if piece.start <= limit or (looked == PATIENCE and self.never(want)):
                break
            t = piece.start - 1
            piece = self.piece(t)
        self._dry_before[want] = start
        return None

    def never(self, want: int) -> bool:
        """Whether no instant at all has one of the marks `want`.

        On the clock of one zone the pattern says so, but for what is special about changes of
        offset, of which those are looked at that differ on the wall clock. Else the line is
        searched, as far as it has anything new."""
        if want not in self._never:
            if self._spans or len(self._zones) > 1:
                self._never[want] = self._search_all(want)
            else:
                whole = fold(self.expression, pattern_of)
                changes = telling_changes(self._zones[0]) if self._zones else ()
                self._never[want] = not marks_of(whole) & want and not any(
                    self._has_about(change, want) for change in changes
                )
        return self._never[want]

    def _search_all(self, want: int) -> bool:
        t = BEGINNING
        while t < max(REGULAR, *self._edges, 0) + REPEATS:
            piece = self.piece(t)
            local = self._first_in(piece, t, want)
            if local is not None and local - piece.offset < piece.end:
                return False
            t = piece.end
        return True

    def _has_about(self, change: Segment, want: int) -> bool:
        """Whether anything from a change of offset to the end of its aftermath has the marks."""
        t, over = change.start, change.start + abs(change.shift)
        while t <= over:
            piece = self.piece(t)
            local = self._first_in(piece, t, want)
            if local is not None and local - piece.offset < min(piece.end, over + 1):
                return True
            t = piece.end
        return False

    def _first_in(self, piece: Piece, t: int, want: int) -> int | None:
        """The local time of the first hit from `t` on by the clock of a piece, which may lie
        beyond it."""
        local = t + piece.offset
        if isinstance(piece.value, int):
            return local if MARKS[piece.value] & want else None
        return piece.value.first(local, want)

    def _last_in(self, piece: Piece, t: int, want: int) -> int | None:
        local = t + piece.offset
        if isinstance(piece.value, int):
            return local if MARKS[piece.value] & want else None
        return piece.value.last(local, want)

    def _reached(self, piece: Piece, t: int, local: int, want: int) -> int | None:
        """The instant of a hit, if it is in the piece or can be leapt to."""
        instant = local - piece.offset
        if piece.start <= instant < piece.end:
            return instant
        return self._leap(piece, t, local, want)

    def _leap(self, piece: Piece, t: int, local: int, want: int) -> int | None:
        """The instant of the hit `local`, beyond this piece, if nothing on the way can be one.

        That is so for a single leaf, from a calm instant to a calm instant: what a change of
        offset moves or repeats is on the wall clock at the change, and would have been found
        there. Not so for the edges that a change itself makes (REAL), nor for what lies outside
        in a repeated hour only (CRON)."""
        calm = piece.calm
        if calm is None or len(self.expression) > 1:
            return None
        leaf = self._leaves[0]
        if leaf.rule is Rule.REAL and want in (ANY_EDGE, ANY_START):
            return None
        if leaf.rule is Rule.CRON and want not in (ANY_IN, ANY_START):
            return None
        if not calm.calm_start <= t < calm.calm_end:
            return None
        there = leaf.zone.segment(local - piece.offset)
        instant = local - there.offset
        return instant if there.calm_start <= instant < there.calm_end else None

    def leap(self, piece: Piece, t: int, start: int, end: int) -> int | None:
        """How much later than on the clock of this piece a window comes that is the next one
        from `t` on that clock; None if a change of offset may have to do with it."""
        calm = piece.calm
        if calm is None or len(self.expression) > 1 or not calm.calm_start <= t < calm.calm_end:
            return None
        there = self._leaves[0].zone.segment(start)
        moved = piece.offset - there.offset
        beyond = there.calm_start <= start + moved and end + moved < there.calm_end
        return moved if beyond else None

    # --- pieces ---

    def piece(self, t: int) -> Piece:
        """The piece that holds the instant `t`, or the nearest one to it at the ends of time."""
        piece = self._piece
        if not piece.start <= t < piece.end:
            piece = self._piece = self._find(min(max(t, BEGINNING), FOREVER - 1))
        return piece

    def _find(self, t: int) -> Piece:
        start, end, values = BEGINNING, FOREVER, dict[Atom, Value]()
        segments = {zone: zone.segment(t) for zone in self._zones}
        for segment in segments.values():
            start, end = max(start, segment.start), min(end, segment.end)
        for leaf in self._leaves:
            low, high, values[leaf] = self._leaf(leaf, segments[leaf.zone], t)
            start, end = max(start, low), min(end, high)
        if self._edges:
            low, high = between(self._edges, t)
            start, end = max(start, low), min(end, high)
            values.update((span, span_bits(span, t)) for span in self._spans)
        if end - start == 1:
            return Piece(start, end, 0, self._bits(values, segments, t))
        offset = segments[self._zones[0]].offset if self._zones else 0
        calm = segments[self._zones[0]] if len(self._zones) == 1 else None
        return Piece(start, end, offset, self._combined(values, segments, offset), calm)

    def _bits(self, values: dict[Atom, Value], segments: dict[Zone, Segment], t: int) -> int:
        """What holds at one instant."""

        def bits(atom: Atom) -> int:
            offset = segments[atom.zone].offset if isinstance(atom, Leaf) else 0
            return bits_at(values[atom], t + offset)

        found = fold(self.expression, bits)
        assert isinstance(found, int)
        return found

    def _combined(
        self, values: dict[Atom, Value], segments: dict[Zone, Segment], offset: int
    ) -> Value:
        """What holds on a stretch, on the wall clock that is `offset` ahead."""
        key = (*values.values(), *(segment.offset - offset for segment in segments.values()))
        if key not in self._values:

            def shifted(atom: Atom) -> Value:
                value = values[atom]
                if isinstance(value, int) or not isinstance(atom, Leaf):
                    return value
                return value.delayed(offset - segments[atom.zone].offset)

            self._values[key] = fold(self.expression, shifted)
        return self._values[key]

    def _leaf(self, leaf: Leaf, segment: Segment, t: int) -> tuple[int, int, Value]:
        """What a leaf is around `t`: [start, end) and its value there."""
        change, shift = segment.start, segment.shift
        over = change + abs(shift)
        if shift == 0 or t > over:
            return over + (shift != 0), segment.end, leaf.pattern
        if leaf.rule is Rule.REAL:
            if t == change:
                return t, t + 1, restarted(leaf.pattern, change + segment.offset, shift)
            return change + 1, over + 1, leaf.pattern
        if shift < 0:
            return repeated_hour(leaf, change, over, over + segment.offset, t)
        return self._after_gap(leaf, segment, t)

    def _after_gap(self, leaf: Leaf, segment: Segment, t: int) -> tuple[int, int, Value]:
        """A window with both ends in the gap keeps its length, from the end of the gap."""
        change, over = segment.start, segment.start + segment.shift
        local = change + segment.offset
        rescued = longest_within(leaf.pattern, local - segment.shift, local)
        if t == change:
            bits = after_jump(leaf.pattern, local - segment.shift, local)
            return t, t + 1, bits | INSIDE if rescued else bits
        if t < change + rescued:
            if leaf not in self._moved:
                self._moved[leaf] = leaf.pattern.mapped(RESCUED)
            return change + 1, change + rescued, self._moved[leaf]
        if rescued and t == change + rescued:
            return t, t + 1, leaf.pattern.value(t + segment.offset) | BEFORE
        return change + rescued + 1, over + 1, leaf.pattern


@lru_cache(maxsize=256)
def telling_changes(zone: Zone) -> tuple[Segment, ...]:
    """Changes of offset of a zone, one of each that differ on the wall clock: in the kind of day,
    the time of day, or by how much."""
    found: dict[tuple[int, int, int], Segment] = {}
    for change in zone.changes(ANCIENT, REGULAR + REPEATS):
        day, clock = divmod(change.start + change.offset, DAY)
        found.setdefault((kind_of_day(day), clock, change.shift), change)
    return tuple(found.values())


def pattern_of(atom: Atom) -> Value:
    return atom.pattern if isinstance(atom, Leaf) else OUT


def marks_of(value: Value) -> int:
    return MARKS[value] if isinstance(value, int) else value.marks


def bits_at(value: Value, local: int) -> int:
    return value if isinstance(value, int) else value.value(local)


def between(edges: list[int], t: int) -> tuple[int, int]:
    """The stretch between two edges that holds `t`; an edge is one of its own."""
    i = bisect_right(edges, t)
    if i and edges[i - 1] == t:
        return t, t + 1
    return edges[i - 1] + 1 if i else BEGINNING, edges[i] if i < len(edges) else FOREVER


def span_bits(span: Span, t: int) -> int:
    if t == span.end:
        return END
    if not span.start <= t < span.end:
        return OUT
    return BEGIN if t == span.start != BEGINNING else WITHIN


def restarted(pattern: Pattern, local: int, shift: int) -> int:
    """The bits at a change of offset of what follows real time: a window ends there, or another
    begins, or both."""
    before = BEFORE if pattern.value(local - shift - 1) & INSIDE else 0
    return before | pattern.value(local) & INSIDE


def after_jump(pattern: Pattern, start: int, end: int) -> int:
    """The bits at the instant when the wall clock jumps from `start` on to `end`."""
    before = BEFORE if pattern.value(start - 1) & INSIDE else 0
    edge = pattern.first(start, ANY_EDGE)
    joined = JOINED if before and (edge is None or edge > end) else 0
    return before | pattern.value(end) & INSIDE | joined


def repeated_hour(leaf: Leaf, change: int, over: int, local: int, t: int) -> tuple[int, int, Value]:
    """The second pass of a repeated hour, which ends at the local time `local`, in its instant
    `over`: nothing begins or ends in it."""
    inside = leaf.pattern.value(local - 1) & INSIDE
    if leaf.rule is Rule.WALL:
        if t < over:
            return change, over, WITHIN if inside else OUT
        return over, over + 1, leaf.pattern
    if t == change:
        return t, t + 1, END if inside else OUT
    if t < over:
        return change + 1, over, OUT
    return over, over + 1, leaf.pattern.value(local) & INSIDE


def longest_within(pattern: Pattern, start: int, end: int) -> int:
    """The length of the longest window that lies wholly in [start, end]; 0 if none does."""
    longest = 0
    begins = pattern.first(start, ANY_START)
    while begins is not None and begins < end:
        ends = pattern.first(begins + 1, ANY_EDGE)
        if ends is None or ends > end:
            break
        longest = max(longest, ends - begins)
        begins = pattern.first(ends, ANY_START)
    return longest
