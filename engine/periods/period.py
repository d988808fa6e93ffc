"""Periods: sets of windows of real time, closed under `& | ~ -`.

Windows are cells: `&` cuts them, `|` joins those that overlap, and `~` and `-` give maximal ones.
Equality and the laws are about membership, whatever windows it comes in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..civil import BEGINNING, DAY, FOREVER
from .algebra import (
    Constant,
    Expression,
    Span,
    all_of,
    any_of,
    difference,
    opposite,
)
from .dial import ANY_EDGE, ANY_IN, ANY_OUT, INSIDE
from .normal import normal
from .timeline import Timeline


class Window(NamedTuple):
    """[start, end) in instants; BEGINNING and FOREVER where it has no bound."""

    start: int
    end: int


class Period:
    """A set of instants, in windows. Immutable; a search takes a few microseconds and is bounded
    for every period. `period_of` makes them of nodes."""

    __slots__ = ("_hash", "_line", "_only", "expression")

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self._line = Timeline(expression)
        self._hash: int | None = None
        self._only: Window | None = None  # if it is one span, that
        if len(expression) == 1 and isinstance(span := expression[0], Span):
            self._only = Window(span.start, span.end) if span.start < span.end else None

    @classmethod
    def all_of(cls, periods: Iterable[Period]) -> Period:
        """What is in all of them, cut where any has a cut."""
        return cls(all_of(*(period.expression for period in periods)))

    @classmethod
    def any_of(cls, periods: Iterable[Period]) -> Period:
        """What is in any of them, joined where windows overlap."""
        return cls(any_of(*(period.expression for period in periods)))

    # --- looking ---

    def contains(self, t: int) -> bool:
        """Whether the instant `t` is in a window."""
        return bool(self._line.value(t) & INSIDE)

    def window_from(self, t: int) -> Window | None:
        """The first window that ends after `t`."""
        if t >= FOREVER:
            return None
        if self._only is not None:
            return self._only if t < self._only.end else None
        found = self._listed(t, forward=True)
        if found is not None:
            return found
        inside = self._line.first(t, ANY_IN)
        if inside is None:
            return None
        return Window(self._begin(inside) if inside == t else inside, self._end(inside))

    def window_before(self, t: int) -> Window | None:
        """The last window that starts at or before `t`."""
        if t < BEGINNING:
            return None
        if self._only is not None:
            return self._only if t >= self._only.start else None
        found = self._listed(t, forward=False)
        if found is not None:
            return found
        inside = self._line.last(t, ANY_IN)
        return None if inside is None else Window(self._begin(inside), self._end(inside))

    def change_after(self, t: int) -> int:
        """The first instant after `t` at which membership changes; FOREVER if it never does."""
        change = self._line.first(t, ANY_OUT if self.contains(t) else ANY_IN)
        return FOREVER if change is None else change

    def windows_from(self, t: int) -> Iterator[Window]:
        """The windows from the one that contains or follows `t` on."""
        window = self.window_from(t)
        while window is not None:
            yield window
            window = self.window_from(window.end)

    def windows_before(self, t: int) -> Iterator[Window]:
        """The windows from the one that contains or precedes `t` backwards."""
        window = self.window_before(t)
        while window is not None:
            yield window
            window = self.window_before(window.start - 1)

    def cursor(self) -> Cursor:
        """A reader that remembers where it is; see `Cursor`."""
        return Cursor(self)

    def _begin(self, inside: int) -> int:
        edge = self._line.last(inside, ANY_EDGE)
        return BEGINNING if edge is None else edge

    def _end(self, inside: int) -> int:
        edge = self._line.first(inside + 1, ANY_EDGE)
        return FOREVER if edge is None else edge

    def _listed(self, t: int, forward: bool) -> Window | None:
        """What `window_from` or `window_before` answers, if the lists of days have it, as they
        have all that are not longer than a day nor near a change of offset; None says nothing."""
        piece = self._line.piece(t)
        pattern = piece.value
        if isinstance(pattern, int):
            return None
        day, clock = divmod(t + piece.offset, DAY)
        look = pattern.window_from if forward else pattern.window_before
        found = look(day, clock)
        if found is None:
            return None
        midnight = t - clock
        start, end = midnight + found[0], midnight + found[1]
        if piece.start <= start and end < piece.end:
            return Window(start, end)
        moved = self._line.leap(piece, t, start, end)
        return None if moved is None else Window(start + moved, end + moved)

    # --- sets ---

    def __and__(self, other: Period) -> Period:
        return Period(all_of(self.expression, other.expression))

    def __or__(self, other: Period) -> Period:
        return Period(any_of(self.expression, other.expression))

    def __invert__(self) -> Period:
        return Period(opposite(self.expression))

    def __sub__(self, other: Period) -> Period:
        return Period(difference(self.expression, other.expression))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same instants."""
        if not isinstance(other, Period):
            return NotImplemented
        a, b = self.expression, other.expression
        if a == b or normal(a) == normal(b):
            return True
        return Period(any_of(difference(a, b), difference(b, a))).is_empty

    def __hash__(self) -> int:
        if self._hash is None:
            first = self.change_after(SAMPLE)
            second = self.change_after(first)
            third = self.change_after(second)
            self._hash = hash((self.contains(SAMPLE), first, second, third))
        return self._hash

    @property
    def is_empty(self) -> bool:
        """Whether no instant is in it, ever."""
        return self._line.never(ANY_IN)

    @property
    def is_full(self) -> bool:
        """Whether every instant is in it."""
        return self._line.never(ANY_OUT)

    def __repr__(self) -> str:
        return f"Period({self.expression!r})"


ALWAYS = Period((Constant(True),))
NEVER = Period((Constant(False),))

AT_NO_TIME = Window(FOREVER, FOREVER)
SAMPLE = 978_307_200_000_000  # 2001-01-01: equal periods change alike after any instant


class Cursor:
    """Where one reader is on a period: the window or the gap [since, until) it asked about last,
    and whether that is a window (`inside`).

    Asking again within it is one comparison and allocates nothing; going on to what follows needs
    no search if that was looked up. A cursor belongs to one reader; it may go back as well as
    forward."""

    __slots__ = ("_ahead", "inside", "period", "since", "until")

    def __init__(self, period: Period) -> None:
        self.period = period
        self.since = self.until = 0
        self.inside = False
        self._ahead: Window | None = None  # None: not looked up

    def at(self, t: int) -> bool:
        """Whether the instant `t` is in a window; afterwards since <= t < until."""
        if self.since <= t < self.until:
            return self.inside
        return self._move(t)

    def ahead(self) -> Window:
        """The window that follows; one of no length at FOREVER if none does."""
        if self._ahead is None:
            self._ahead = self.period.window_from(self.until) or AT_NO_TIME
        return self._ahead

    def _move(self, t: int) -> bool:
        window = self._ahead
        if window is None or not self.until <= t < window.end:
            window = self.period.window_from(t) or AT_NO_TIME
            if window.start > t:
                before = self.period.window_before(t)
                self.until = BEGINNING if before is None else before.end
        if window.start <= t < window.end:
            self.since, self.until = window
            self.inside, self._ahead = True, None
        else:
            self.since, self.until = self.until, window.start
            self.inside, self._ahead = False, window
        return self.inside
