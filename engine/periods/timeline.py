"""An expression on the line of real time, ready to be asked.

A search looks at the next few pieces of the line one by one, and leaps over changes of offset where
nothing on the way can be a hit. If that does not find anything it goes far: from upheaval to
upheaval (`changes`), each stretch between two as a whole, and of upheavals that are alike only the
first. So every search ends, and soon: from `civil.REGULAR` on the line repeats what it did within
40 years.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator

from ..civil import BEGINNING, DAY, FOREVER
from .algebra import Expression, Rule, Value
from .changes import Changes, Offsets, Upheaval, changes_of, new_before, new_from
from .dial import ANY_EDGE, ANY_IN, ANY_START, MARKS
from .grounds import Grounds
from .pieces import Piece, Pieces, bits_at, clock_of

PATIENCE = 8  # pieces to look at one by one

FEW = 2  # zones; a search over more begins with some of them

Part = tuple[int, int, Upheaval | Offsets | None]
"""[start, end) of the line: an upheaval, or a stretch in which the zones have these offsets; None
for the edge of a span."""

Search = Callable[["Timeline", int, int], int | None]


class Timeline:
    """Only caches in it change."""

    __slots__ = ("_changes", "_dry", "_dry_before", "_kinds", "_pieces", "_stirred", "_telling")

    def __init__(self, expression: Expression) -> None:
        self._pieces = Pieces(expression)
        self._dry: dict[int, int] = {}  # from where on nothing with those marks comes
        self._dry_before: dict[int, int] = {}
        self._changes: Changes | None = None
        patterns = dict.fromkeys(leaf.pattern for leaf in self._pieces.leaves)
        self._telling = [pattern for pattern in patterns if len(pattern.parts) > 1]
        self._kinds: dict[
            tuple[int, range], tuple[int, ...]
        ] = {}  # what days of a kind are to the expression
        self._stirred: dict[tuple[object, ...], bool] = {}  # whether such upheavals have a hit

    # --- searching ---

    def piece(self, t: int) -> Piece:
        return self._pieces.at(t)

    def value(self, t: int) -> int:
        """The bits at an instant."""
        piece = self._pieces.at(t)
        return bits_at(piece.value, t + piece.offset)

    def first(self, t: int, want: int) -> int | None:
        """The first instant from `t` on that has one of the marks `want`."""
        if t >= self._dry.get(want, FOREVER):
            return None
        start = t = max(t, BEGINNING)
        for _ in range(PATIENCE):
            piece = self._pieces.at(t)
            local = first_in(piece.value, t + piece.offset, want)
            if local is not None:
                found = self._reached(piece, t, local, want)
                if found is not None:
                    return found
            t = piece.end
            if t >= FOREVER:
                break
        else:
            found = self._first_far(t, want)
            if found is not None:
                return found
        self._dry[want] = start
        return None

    def last(self, t: int, want: int) -> int | None:
        """The last instant up to `t`, inclusive, that has one of the marks `want`."""
        if t <= self._dry_before.get(want, BEGINNING - 1):
            return None
        start = t = min(t, FOREVER - 1)
        for _ in range(PATIENCE):
            piece = self._pieces.at(t)
            local = last_in(piece.value, t + piece.offset, want)
            if local is not None:
                found = self._reached(piece, t, local, want)
                if found is not None:
                    return found
            t = piece.start - 1
            if t < BEGINNING:
                break
        else:
            found = self._last_far(t, want)
            if found is not None:
                return found
        self._dry_before[want] = start
        return None

    def never(self, want: int) -> bool:
        """Whether no instant at all has one of the marks `want`."""
        return self.first(BEGINNING, want) is None

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
        if calm is None or len(self._pieces.expression) > 1:
            return None
        leaf = self._pieces.leaves[0]
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
        if (
            calm is None
            or len(self._pieces.expression) > 1
            or not calm.calm_start <= t < calm.calm_end
        ):
            return None
        there = self._pieces.leaves[0].zone.segment(start)
        moved = piece.offset - there.offset
        beyond = there.calm_start <= start + moved and end + moved < there.calm_end
        return moved if beyond else None

    # --- searches that go far ---

    def _first_far(self, t: int, want: int) -> int | None:
        begin = self._narrowed(t, want, Timeline.first)
        if begin is None:
            return None
        ahead: dict[Value, int] = {}
        found = (self._first_in_part(part, want, ahead) for part in self._parts(begin))
        return next((hit for hit in found if hit is not None), None)

    def _last_far(self, t: int, want: int) -> int | None:
        begin = self._narrowed(t, want, Timeline.last)
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
        while zones > FEW and not MARKS[self.value(t)] & want:
            given = grounds.at(self._pieces.atom_bits(t).__getitem__, given)
            few = Timeline(grounds.only(given))
            if len(few._pieces.zones) * 2 > zones:
                break
            found = search(few, t, want)
            if found is None:
                return None
            t = found
        return t

    def _parts(self, t: int) -> Iterator[Part]:
        """The line from `t` on, but for what only repeats what came before in it."""
        changes = self._known_changes()
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
        changes = self._known_changes()
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

    def _known_changes(self) -> Changes:
        if self._changes is None:
            self._changes = changes_of(self._pieces.zones)
        return self._changes

    def _first_in_part(self, part: Part, want: int, ahead: dict[Value, int]) -> int | None:
        """The first hit in a part. `ahead` holds, for this search, the local time that a value has
        its next one at."""
        start, end, what = part
        if what is None or isinstance(what, Upheaval):
            return self._first_in_pieces(start, end, want) if self._stirs(part, want) else None
        value, offset = self._pieces.calm(what, start), clock_of(what)
        local = start + offset
        if ahead.get(value, BEGINNING) < local:
            found = first_in(value, local, want)
            ahead[value] = 2 * FOREVER if found is None else found
        return ahead[value] - offset if ahead[value] - offset < end else None

    def _last_in_part(self, part: Part, want: int, behind: dict[Value, int]) -> int | None:
        start, end, what = part
        if what is None or isinstance(what, Upheaval):
            return self._last_in_pieces(start, end, want) if self._stirs(part, want) else None
        value, offset = self._pieces.calm(what, start), clock_of(what)
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
        key = (want, upheaval.sort, self._pieces.state(start), *self._kind(upheaval))
        if key not in self._stirred:
            self._stirred[key] = self._first_in_pieces(start, end, want) is not None
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

    def _first_in_pieces(self, start: int, end: int, want: int) -> int | None:
        """The first hit in [start, end), looked for piece by piece."""
        while start < end:
            piece = self._pieces.at(start)
            local = first_in(piece.value, start + piece.offset, want)
            if local is not None and local - piece.offset < min(piece.end, end):
                return local - piece.offset
            start = piece.end
        return None

    def _last_in_pieces(self, start: int, end: int, want: int) -> int | None:
        while start < end:
            piece = self._pieces.at(end - 1)
            local = last_in(piece.value, end - 1 + piece.offset, want)
            if local is not None and local - piece.offset >= max(piece.start, start):
                return local - piece.offset
            end = piece.start
        return None


def first_in(value: Value, local: int, want: int) -> int | None:
    """The local time of the first hit from `local` on in a value."""
    if isinstance(value, int):
        return local if MARKS[value] & want else None
    return value.first(local, want)


def last_in(value: Value, local: int, want: int) -> int | None:
    if isinstance(value, int):
        return local if MARKS[value] & want else None
    return value.last(local, want)
