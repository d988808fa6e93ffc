"""An expression on the line of real time, ready to be asked.

A search looks at the next few pieces of the line one by one, and leaps over changes of offset where
nothing on the way can be a hit. If that does not find anything it goes far (`far`). So every search
ends, and soon.
"""

from __future__ import annotations

from ..civil import BEGINNING, FOREVER
from .algebra import Expression, Rule
from .dial import ANY_EDGE, ANY_IN, ANY_START
from .far import Far, first_in, last_in
from .pieces import Piece, Pieces

PATIENCE = 8  # pieces to look at one by one


class Timeline:
    """Only caches in it change."""

    __slots__ = ("_dry", "_dry_before", "_far", "_pieces")

    def __init__(self, expression: Expression) -> None:
        self._pieces = Pieces(expression)
        self._far: Far | None = None
        self._dry: dict[int, int] = {}  # from where on nothing with those marks comes
        self._dry_before: dict[int, int] = {}

    # --- searching ---

    def piece(self, t: int) -> Piece:
        return self._pieces.at(t)

    def value(self, t: int) -> int:
        """The bits at an instant."""
        return self._pieces.value(t)

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
            found = self.far().first(t, want, first_of)
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
            found = self.far().last(t, want, last_of)
            if found is not None:
                return found
        self._dry_before[want] = start
        return None

    def far(self) -> Far:
        if self._far is None:
            self._far = Far(self._pieces)
        return self._far

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


def first_of(expression: Expression, t: int, want: int) -> int | None:
    return Timeline(expression).first(t, want)


def last_of(expression: Expression, t: int, want: int) -> int | None:
    return Timeline(expression).last(t, want)
