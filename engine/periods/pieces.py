"""An expression on the line of real time, piece by piece.

The line is cut where anything but the wall clock changes: at a change of offset, where its
aftermath ends (a repeated hour is over, a window moved out of a gap ends), at the edge of a span.
Between two cuts every leaf is its own pattern or a constant, and so the whole is one pattern,
computed once for each combination that occurs. At a cut the bits are put together by hand. So
daylight saving is exact for any combination, and costs nothing away from a change.
"""

from __future__ import annotations

from bisect import bisect_right

from ..civil import BEGINNING, FOREVER, Segment, Zone
from .algebra import (
    Atom,
    Expression,
    Leaf,
    Operator,
    Rule,
    Span,
    Value,
    apply,
    atoms,
    fold,
)
from .changes import Offsets
from .dial import (
    ANY_EDGE,
    ANY_START,
    BEFORE,
    BEGIN,
    END,
    INSIDE,
    JOINED,
    OUT,
    RESCUED,
    WITHIN,
    Tree,
)
from .pattern import Pattern


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


NOWHERE = Piece(0, 0, 0, OUT)


class Memo:
    """What has been combined, so that nothing is twice; most expressions need none."""

    __slots__ = ("_applied", "_delayed", "_moved", "_patterns", "values")

    def __init__(self) -> None:
        self.values: dict[tuple[object, ...], Value] = {}
        self._delayed: dict[tuple[Pattern, int], Value] = {}
        self._applied: dict[tuple[object, ...], Value] = {}
        self._moved: dict[Leaf, Pattern] = {}
        self._patterns: dict[frozenset[tuple[int, Tree]], Pattern] = {}

    def apply(self, operator: Operator, terms: list[Value]) -> Value:
        """As the algebra does."""
        key = (operator, *terms)
        if key not in self._applied:
            self._applied[key] = self._one(apply(operator, terms))
        return self._applied[key]

    def delayed(self, pattern: Pattern, by: int) -> Value:
        key = (pattern, by)
        if key not in self._delayed:
            self._delayed[key] = self._one(pattern.delayed(by))
        return self._delayed[key]

    def moved(self, leaf: Leaf) -> Pattern:
        """The pattern with a window over it that was moved out of a gap."""
        if leaf not in self._moved:
            self._moved[leaf] = leaf.pattern.mapped(RESCUED)
        return self._moved[leaf]

    def _one(self, value: Value) -> Value:
        """The one object for equal patterns."""
        if isinstance(value, int):
            return value
        return self._patterns.setdefault(frozenset(value.parts), value)


class Pieces:
    """The pieces of an expression. Only caches in it change."""

    __slots__ = ("_last", "_memo", "edges", "expression", "leaves", "spans", "zones")

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        found = atoms(expression)
        self.leaves = tuple(atom for atom in found if isinstance(atom, Leaf))
        self.spans = tuple(atom for atom in found if isinstance(atom, Span))
        self.zones = tuple(dict.fromkeys(leaf.zone for leaf in self.leaves))
        edges = {edge for span in self.spans for edge in (span.start, span.end)}
        self.edges = tuple(sorted(edges - {BEGINNING, FOREVER}))
        self._last = NOWHERE
        self._memo: Memo | None = None

    def at(self, t: int) -> Piece:
        """The piece that holds the instant `t`, or the nearest one to it at the ends of time."""
        piece = self._last
        if not piece.start <= t < piece.end:
            piece = self._last = self._find(min(max(t, BEGINNING), FOREVER - 1))
        return piece

    def _find(self, t: int) -> Piece:
        if len(self.expression) == len(self.leaves) == 1:
            return self._of_leaf(self.leaves[0], t)
        start, end, values = BEGINNING, FOREVER, dict[Atom, Value]()
        segments = {zone: zone.segment(t) for zone in self.zones}
        for segment in segments.values():
            start, end = max(start, segment.start), min(end, segment.end)
        for leaf in self.leaves:
            low, high, values[leaf] = self._leaf(leaf, segments[leaf.zone], t)
            start, end = max(start, low), min(end, high)
        if self.edges:
            low, high = between(self.edges, t)
            start, end = max(start, low), min(end, high)
            values.update((span, span_bits(span, t)) for span in self.spans)
        if end - start == 1:
            return Piece(start, end, 0, self._bits(values, segments, t))
        calm = segments[self.zones[0]] if len(self.zones) == 1 else None
        offsets = tuple(segment.offset for segment in segments.values())
        return Piece(start, end, clock_of(offsets), self.combined(values, offsets), calm)

    def _of_leaf(self, leaf: Leaf, t: int) -> Piece:
        """The piece of a leaf alone."""
        segment = leaf.zone.segment(t)
        start, end, value = self._leaf(leaf, segment, t)
        start, end = max(start, segment.start), min(end, segment.end)
        if end - start == 1:
            return Piece(start, end, 0, bits_at(value, t + segment.offset))
        return Piece(start, end, segment.offset, value, segment)

    def value(self, t: int) -> int:
        """The bits at an instant."""
        piece = self.at(t)
        return bits_at(piece.value, t + piece.offset)

    def atom_bits(self, t: int) -> dict[Atom, int]:
        """What each leaf and span has at an instant."""
        found: dict[Atom, int] = {span: span_bits(span, t) for span in self.spans}
        for leaf in self.leaves:
            segment = leaf.zone.segment(t)
            found[leaf] = bits_at(self._leaf(leaf, segment, t)[2], t + segment.offset)
        return found

    def _bits(self, values: dict[Atom, Value], segments: dict[Zone, Segment], t: int) -> int:
        """What holds at one instant."""

        def bits(atom: Atom) -> int:
            offset = segments[atom.zone].offset if isinstance(atom, Leaf) else 0
            return bits_at(values[atom], t + offset)

        found = fold(self.expression, bits)
        assert isinstance(found, int)
        return found

    def combined(self, values: dict[Atom, Value], offsets: Offsets) -> Value:
        """What holds on a stretch on which the atoms are these and the zones have these offsets,
        by the clock that is `clock_of` them."""
        if len(values) == len(self.expression) == 1:
            return next(iter(values.values()))
        memo = self._known()
        key = (*values.values(), *offsets)
        if key not in memo.values:
            here = clock_of(offsets)
            behind = {zone: here - offset for zone, offset in zip(self.zones, offsets, strict=True)}

            def shifted(atom: Atom) -> Value:
                value = values[atom]
                if isinstance(value, int) or not isinstance(atom, Leaf):
                    return value
                return memo.delayed(value, behind[atom.zone])

            memo.values[key] = fold(self.expression, shifted, memo.apply)
        return memo.values[key]

    def _known(self) -> Memo:
        if self._memo is None:
            self._memo = Memo()
        return self._memo

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
            return change + 1, change + rescued, self._known().moved(leaf)
        if rescued and t == change + rescued:
            return t, t + 1, leaf.pattern.value(t + segment.offset) | BEFORE
        return change + rescued + 1, over + 1, leaf.pattern


def clock_of(offsets: Offsets) -> int:
    """The offset of the clock that values are by: of the zone, or UTC where there are several or
    none."""
    return offsets[0] if len(offsets) == 1 else 0


def bits_at(value: Value, local: int) -> int:
    return value if isinstance(value, int) else value.value(local)


def between(edges: tuple[int, ...], t: int) -> tuple[int, int]:
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
