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


class Pieces:
    """The pieces of an expression. Only caches in it change."""

    __slots__ = (
        "_applied",
        "_calm",
        "_delayed",
        "_last",
        "_moved",
        "_numbers",
        "_patterns",
        "_states",
        "_values",
        "edges",
        "expression",
        "leaves",
        "spans",
        "zones",
    )

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        found = atoms(expression)
        self.leaves = [atom for atom in found if isinstance(atom, Leaf)]
        self.spans = [atom for atom in found if isinstance(atom, Span)]
        self.zones = tuple(dict.fromkeys(leaf.zone for leaf in self.leaves))
        edges = {edge for span in self.spans for edge in (span.start, span.end)}
        self.edges = sorted(edges - {BEGINNING, FOREVER})
        self._last = Piece(0, 0, 0, OUT)
        self._values: dict[tuple[object, ...], Value] = {}
        self._delayed: dict[tuple[Pattern, int], Value] = {}
        self._applied: dict[tuple[object, ...], Value] = {}
        self._patterns: dict[frozenset[tuple[int, Tree]], Pattern] = {}
        self._states: dict[int, int] = {}  # of each stretch between two edges
        self._numbers: dict[tuple[int, ...], int] = {}
        self._calm: dict[tuple[int, Offsets], Value] = {}
        self._moved: dict[Leaf, Pattern] = {}  # with windows moved out of a gap over it

    def at(self, t: int) -> Piece:
        """The piece that holds the instant `t`, or the nearest one to it at the ends of time."""
        piece = self._last
        if not piece.start <= t < piece.end:
            piece = self._last = self._find(min(max(t, BEGINNING), FOREVER - 1))
        return piece

    def _find(self, t: int) -> Piece:
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
        return Piece(start, end, clock_of(offsets), self._combined(values, offsets), calm)

    def atom_bits(self, t: int) -> dict[Atom, int]:
        """What each leaf and span has at an instant."""
        found: dict[Atom, int] = {span: span_bits(span, t) for span in self.spans}
        for leaf in self.leaves:
            segment = leaf.zone.segment(t)
            found[leaf] = bits_at(self._leaf(leaf, segment, t)[2], t + segment.offset)
        return found

    def calm(self, offsets: Offsets, t: int) -> Value:
        """The value on a piece about `t`, far from any change of offset and edge, on which the
        zones have these offsets."""
        key = (self.state(t), offsets)
        if key not in self._calm:
            values: dict[Atom, Value] = {leaf: leaf.pattern for leaf in self.leaves}
            values.update((span, span_bits(span, t)) for span in self.spans)
            self._calm[key] = self._combined(values, offsets)
        return self._calm[key]

    def state(self, t: int) -> int:
        """The number of what the spans are about `t`, between two of their edges."""
        stretch = bisect_right(self.edges, t)
        if stretch not in self._states:
            bits = tuple(span_bits(span, t) for span in self.spans)
            self._states[stretch] = self._numbers.setdefault(bits, len(self._numbers))
        return self._states[stretch]

    def _bits(self, values: dict[Atom, Value], segments: dict[Zone, Segment], t: int) -> int:
        """What holds at one instant."""

        def bits(atom: Atom) -> int:
            offset = segments[atom.zone].offset if isinstance(atom, Leaf) else 0
            return bits_at(values[atom], t + offset)

        found = fold(self.expression, bits)
        assert isinstance(found, int)
        return found

    def _combined(self, values: dict[Atom, Value], offsets: Offsets) -> Value:
        """What holds on a stretch, by the clock that is `clock_of` these offsets."""
        key = (*values.values(), *offsets)
        if key not in self._values:
            self._values[key] = self._value(values, offsets)
        return self._values[key]

    def _value(self, values: dict[Atom, Value], offsets: Offsets) -> Value:
        here = clock_of(offsets)
        behind = {zone: here - offset for zone, offset in zip(self.zones, offsets, strict=True)}

        def shifted(atom: Atom) -> Value:
            value = values[atom]
            if isinstance(value, int) or not isinstance(atom, Leaf):
                return value
            key = (value, behind[atom.zone])
            if key not in self._delayed:
                self._delayed[key] = self._known(value.delayed(key[1]))
            return self._delayed[key]

        return fold(self.expression, shifted, self._apply)

    def _apply(self, operator: Operator, terms: list[Value]) -> Value:
        """As the algebra does, but of the same terms only once."""
        key = (operator, *terms)
        if key not in self._applied:
            self._applied[key] = self._known(apply(operator, terms))
        return self._applied[key]

    def _known(self, value: Value) -> Value:
        """The one object for equal patterns."""
        if isinstance(value, int):
            return value
        return self._patterns.setdefault(frozenset(value.parts), value)

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


def clock_of(offsets: Offsets) -> int:
    """The offset of the clock that values are by: of the zone, or UTC where there are several or
    none."""
    return offsets[0] if len(offsets) == 1 else 0


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
