"""Searches that go far on the line: for what comes seldom, or never.

They go from upheaval to upheaval (`changes`), take each stretch between two as a whole, and look
into upheavals that are alike only once. What only repeats what came before is left out. Where
there are many zones, a few that are enough to say no are asked first (`grounds`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from ..civil import BEGINNING, DAY, FOREVER
from .algebra import Atom, Expression, Leaf, Value
from .changes import Offsets, Upheaval, changes_of, new_before, new_from
from .dial import MARKS
from .grounds import Grounds
from .pieces import Pieces, clock_of, span_bits

FEW = 2  # zones; a search over more begins with some of them

Part = tuple[int, int, Upheaval | Offsets | None]
"""[start, end) of the line: an upheaval, or a stretch in which the zones have these offsets; None
for the edge of a span."""

Search = Callable[[Expression, int, int], int | None]
"""A search of the same direction in another expression, from an instant, for some marks."""


class Far:
    """The searches in an expression. Only caches in it change."""

    __slots__ = (
        "_calm",
        "_changes",
        "_kinds",
        "_numbers",
        "_pieces",
        "_states",
        "_stirred",
        "_telling",
    )

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._changes = changes_of(pieces.zones)
        patterns = dict.fromkeys(leaf.pattern for leaf in pieces.leaves)
        self._telling = [pattern for pattern in patterns if len(pattern.parts) > 1]
        self._kinds: dict[tuple[int, range], tuple[int, ...]] = {}  # the days of an upheaval
        self._stirred: dict[tuple[object, ...], bool] = {}  # whether such upheavals have a hit
        self._states: dict[int, int] = {}  # of each stretch between two edges
        self._numbers: dict[tuple[int, ...], int] = {}
        self._calm: dict[tuple[int, Offsets], Value] = {}

    def first(self, t: int, want: int, search: Search) -> int | None:
        begin = self._narrowed(t, want, search)
        if begin is None:
            return None
        ahead: dict[Value, int] = {}
        found = (self._first_in_part(part, want, ahead) for part in self._parts(begin))
        return next((hit for hit in found if hit is not None), None)

    def last(self, t: int, want: int, search: Search) -> int | None:
        begin = self._narrowed(t, want, search)
        if begin is None:
            return None
        behind: dict[Value, int] = {}
        found = (self._last_in_part(part, want, behind) for part in self._parts_before(begin + 1))
        return next((hit for hit in found if hit is not None), None)

    def _narrowed(self, t: int, want: int, search: Search) -> int | None:
        """Where a search from `t` may as well begin: before, a few of the zones say that there is
        no hit, whatever the others do; None if they say that there is none at all."""
        zones = len(self._pieces.zones)
        grounds, given = Grounds(self._pieces.expression, want), set[int]()
        while zones > FEW and not MARKS[self._pieces.value(t)] & want:
            given = grounds.at(self._pieces.atom_bits(t).__getitem__, given)
            few = grounds.only(given)
            if len({step.zone for step in few if isinstance(step, Leaf)}) * 2 > zones:
                break
            found = search(few, t, want)
            if found is None:
                return None
            t = found
        return t

    def _parts(self, t: int) -> Iterator[Part]:
        """The line from `t` on, but for what only repeats what came before in it."""
        changes = self._changes
        for edge in (*self._pieces.edges[bisect_left(self._pieces.edges, t) :], FOREVER):
            start, end = new_from(t, edge)
            for upheaval in changes.forward(start, end):
                if start < upheaval.start:
                    yield start, upheaval.start, upheaval.before
                yield max(start, upheaval.start), min(upheaval.end, end), upheaval
                start = upheaval.end
            if start < end:
                yield start, end, changes.offsets(start)
            if edge < FOREVER:
                yield edge, edge + 1, None
            t = edge + 1

    def _parts_before(self, t: int) -> Iterator[Part]:
        """The line before `t`, the last part first, but for what only repeats what comes later."""
        changes = self._changes
        for edge in (*self._pieces.edges[: bisect_left(self._pieces.edges, t)][::-1], None):
            first = BEGINNING if edge is None else edge + 1
            for start, end in new_before(first, t):
                for upheaval in changes.backward(start, end):
                    if upheaval.end < end:
                        yield upheaval.end, end, upheaval.after
                    yield max(start, upheaval.start), min(upheaval.end, end), upheaval
                    end = upheaval.start
                if start < end:
                    yield start, end, changes.offsets(end - 1)
            if edge is not None:
                yield edge, edge + 1, None
                t = edge

    def _first_in_part(self, part: Part, want: int, ahead: dict[Value, int]) -> int | None:
        """The first hit in a part. `ahead` holds, for this search, the local time that a value has
        its next one at."""
        start, end, what = part
        if what is None or isinstance(what, Upheaval):
            return self.first_in_pieces(start, end, want) if self._stirs(part, want) else None
        value, offset = self._calm_value(what, start), clock_of(what)
        local = start + offset
        if ahead.get(value, BEGINNING) < local:
            found = first_in(value, local, want)
            ahead[value] = 2 * FOREVER if found is None else found
        return ahead[value] - offset if ahead[value] - offset < end else None

    def _last_in_part(self, part: Part, want: int, behind: dict[Value, int]) -> int | None:
        start, end, what = part
        if what is None or isinstance(what, Upheaval):
            return self.last_in_pieces(start, end, want) if self._stirs(part, want) else None
        value, offset = self._calm_value(what, start), clock_of(what)
        local = end - 1 + offset
        if behind.get(value, FOREVER) > local:
            found = last_in(value, local, want)
            behind[value] = 2 * BEGINNING if found is None else found
        return behind[value] - offset if behind[value] - offset >= start else None

    def _stirs(self, part: Part, want: int) -> bool:
        """Whether there may be a hit in an upheaval, or there is none in another that is alike."""
        start, end, upheaval = part
        if not isinstance(upheaval, Upheaval) or (start, end) != upheaval[:2]:
            return True
        key = (want, upheaval.sort, self._state(start), *self._kind(upheaval))
        if key not in self._stirred:
            self._stirred[key] = self.first_in_pieces(start, end, want) is not None
        return self._stirred[key]

    def _kind(self, upheaval: Upheaval) -> tuple[int, ...]:
        """The days of an upheaval: which of its parts each pattern has there."""
        key = upheaval.kind, upheaval.days
        if key not in self._kinds:
            day = upheaval.start // DAY
            self._kinds[key] = tuple(
                pattern.part(day + n) for pattern in self._telling for n in upheaval.days
            )
        return self._kinds[key]

    def first_in_pieces(self, start: int, end: int, want: int) -> int | None:
        """The first hit in [start, end), looked for piece by piece."""
        while start < end:
            piece = self._pieces.at(start)
            local = first_in(piece.value, start + piece.offset, want)
            if local is not None and local - piece.offset < min(piece.end, end):
                return local - piece.offset
            start = piece.end
        return None

    def last_in_pieces(self, start: int, end: int, want: int) -> int | None:
        while start < end:
            piece = self._pieces.at(end - 1)
            local = last_in(piece.value, end - 1 + piece.offset, want)
            if local is not None and local - piece.offset >= max(piece.start, start):
                return local - piece.offset
            end = piece.start
        return None

    def _calm_value(self, offsets: Offsets, t: int) -> Value:
        """The value on a piece about `t`, far from any change of offset and edge, on which the
        zones have these offsets."""
        key = (self._state(t), offsets)
        if key not in self._calm:
            values: dict[Atom, Value] = {leaf: leaf.pattern for leaf in self._pieces.leaves}
            values.update((span, span_bits(span, t)) for span in self._pieces.spans)
            self._calm[key] = self._pieces.combined(values, offsets)
        return self._calm[key]

    def _state(self, t: int) -> int:
        """The number of what the spans are about `t`, between two of their edges."""
        stretch = bisect_right(self._pieces.edges, t)
        if stretch not in self._states:
            bits = tuple(span_bits(span, t) for span in self._pieces.spans)
            self._states[stretch] = self._numbers.setdefault(bits, len(self._numbers))
        return self._states[stretch]


def first_in(value: Value, local: int, want: int) -> int | None:
    """The local time of the first hit from `local` on in a value."""
    if isinstance(value, int):
        return local if MARKS[value] & want else None
    return value.first(local, want)


def last_in(value: Value, local: int, want: int) -> int | None:
    if isinstance(value, int):
        return local if MARKS[value] & want else None
    return value.last(local, want)
