"""Patterns: what a period says of every microsecond of the wall clock, for all years at once.

A pattern gives each kind of day (`almanac`) its tree (`dial`). It knows no zone. Patterns are
closed under `&`, `|` and complement, exact, and of bounded size whatever they are made of; so an
empty or a full one is seen at once, and a search in one ends within 40 years.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable

from ..civil import DAY
from .almanac import (
    ALL,
    ERA_DAYS,
    SLOTS,
    YEAR,
    YEAR_KINDS,
    YEAR_STARTS,
    day_after,
    day_before,
    kind_of_day,
    place,
)
from .dial import (
    ANY_EDGE,
    ANY_START,
    BEFORE,
    INSIDE,
    JOINED,
    MARKS,
    OPPOSITE,
    OUT,
    WITHIN,
    Tree,
    both,
    either,
    first,
    last,
    mapped,
    marks,
    turned,
    value,
)

LONGEST_PAGE = 1_500  # windows; a day with more is searched, never listed


class Page:
    """The windows that begin and end within one day of a tree, for quick look-ups.

    `starts` and `ends` are microseconds of the day; `lead` is how much of the day a window that
    came over midnight takes; `overnight` is where one begins that ends later, or -1."""

    __slots__ = ("ends", "lead", "overnight", "starts")

    def __init__(self, tree: Tree) -> None:
        self.lead = first(tree, 0, ANY_EDGE) % (DAY + 1) if value(tree, 0) == WITHIN else 0
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.overnight = -1
        at = first(tree, 0, ANY_START)
        while at >= 0:
            end = first(tree, at + 1, ANY_EDGE) if at + 1 < DAY else -1
            if end < 0:
                self.overnight = at
                break
            self.starts.append(at)
            self.ends.append(end)
            at = first(tree, end, ANY_START)


class Pattern:
    """A tree for each kind of day: `parts` divides ALL into sets with distinct trees."""

    __slots__ = ("parts", "marks", "_rows", "_pages")

    def __init__(self, parts: Iterable[tuple[int, Tree]]) -> None:
        joined: dict[Tree, int] = {}
        for mask, tree in parts:
            if mask:
                joined[tree] = joined.get(tree, 0) | mask
        self.parts = tuple((mask, tree) for tree, mask in joined.items())
        self.marks = 0
        for tree in joined:
            self.marks |= marks(tree)
        self._rows: dict[int, int] = {}
        self._pages: dict[int, Page | None] = {}  # by the number of the part

    @classmethod
    def daily(cls, tree: Tree) -> Pattern:
        """The same every day."""
        return cls([(ALL, tree)])

    @classmethod
    def of_days(cls, mask: int, tree: Tree = WITHIN) -> Pattern:
        """`tree` on the days of a set, OUT on the others."""
        return cls([(mask, tree), (ALL & ~mask, OUT)])

    # --- algebra ---

    def __and__(self, other: Pattern) -> Pattern:
        return Pattern(
            (here & there, both(a, b))
            for here, a in self.parts
            for there, b in other.parts
            if here & there
        )

    def __or__(self, other: Pattern) -> Pattern:
        return Pattern(
            (here & there, either(a, b))
            for here, a in self.parts
            for there, b in other.parts
            if here & there
        )

    def __invert__(self) -> Pattern:
        return self.mapped(OPPOSITE)

    def mapped(self, table: tuple[int, ...]) -> Pattern:
        return Pattern((mask, mapped(tree, table)) for mask, tree in self.parts)

    def delayed(self, by: int) -> Pattern:
        """The same pattern `by` microseconds later; earlier, if negative."""
        if by == 0:
            return self
        if abs(by) >= DAY:
            step = DAY if by > 0 else -DAY
            return self._shifted(day_after if by > 0 else day_before).delayed(by - step)
        neighbours = self._shifted(day_after if by > 0 else day_before).parts
        return Pattern(
            (
                here & there,
                turned(other, tree, DAY - by) if by > 0 else turned(tree, other, -by),
            )
            for here, tree in self.parts
            for there, other in neighbours
            if here & there
        )

    def _shifted(self, shift: Callable[[int], int]) -> Pattern:
        return Pattern((shift(mask), tree) for mask, tree in self.parts)

    # --- looking; local times in microseconds, None where there is none ---

    def tree(self, day: int) -> Tree:
        """What a day looks like."""
        parts = self.parts
        return parts[0 if len(parts) == 1 else self.part(day)][1]

    def part(self, day: int) -> int:
        """The number of the part that a day belongs to."""
        bit = kind_of_day(day)
        for number, (mask, _) in enumerate(self.parts):
            if mask >> bit & 1:
                return number
        raise AssertionError("the parts of a pattern cover every day")

    def value(self, at: int) -> int:
        """The bits at a local time."""
        day, clock = divmod(at, DAY)
        return value(self.tree(day), clock)

    def first(self, at: int, want: int) -> int | None:
        """The first microsecond from `at` on that has one of the marks `want`."""
        if not self.marks & want:
            return None
        day, clock = divmod(at, DAY)
        tree = self.tree(day)
        if marks(tree) & want:
            hit = first(tree, clock, want)
            if hit >= 0:
                return day * DAY + hit
        day = self._next_day(day + 1, want)
        return day * DAY + first(self.tree(day), 0, want)

    def last(self, at: int, want: int) -> int | None:
        """The last microsecond up to `at`, inclusive, that has one of the marks `want`."""
        if not self.marks & want:
            return None
        day, clock = divmod(at, DAY)
        tree = self.tree(day)
        if marks(tree) & want:
            hit = last(tree, clock, want)
            if hit >= 0:
                return day * DAY + hit
        day = self._last_day(day - 1, want)
        return day * DAY + last(self.tree(day), DAY - 1, want)

    # --- windows; in microseconds from the start of the day asked about, None where they are not
    # in the lists of days: longer than a day, or one of too many ---

    def window_from(self, day: int, clock: int) -> tuple[int, int] | None:
        """The first window that ends after a local time."""
        page = self._page(day)
        if page is None:
            return None
        if clock < page.lead:
            return self._overnight(self._page(day - 1), page, -DAY)
        i = bisect_right(page.ends, clock)
        if i < len(page.ends):
            return page.starts[i], page.ends[i]
        if page.overnight >= 0:
            return self._overnight(page, self._page(day + 1), 0)
        if not self.marks & ANY_START:
            return None
        following = self._next_day(day + 1, ANY_START)
        page, late = self._page(following), (following - day) * DAY
        if page is None:
            return None
        if page.starts:
            return late + page.starts[0], late + page.ends[0]
        return self._overnight(page, self._page(following + 1), late)

    def window_before(self, day: int, clock: int) -> tuple[int, int] | None:
        """The last window that starts at or before a local time."""
        page = self._page(day)
        if page is None:
            return None
        if 0 <= page.overnight <= clock:
            return self._overnight(page, self._page(day + 1), 0)
        i = bisect_right(page.starts, clock) - 1
        if i >= 0:
            return page.starts[i], page.ends[i]
        if not self.marks & ANY_START:
            return None
        preceding = self._last_day(day - 1, ANY_START)
        page, late = self._page(preceding), (preceding - day) * DAY
        if page is None:
            return None
        if page.overnight >= 0:
            return self._overnight(page, self._page(preceding + 1), late)
        return late + page.starts[-1], late + page.ends[-1]

    @staticmethod
    def _overnight(page: Page | None, after: Page | None, late: int) -> tuple[int, int] | None:
        """The window that begins in a day and ends in the next; the day begins `late`."""
        if page is None or after is None or page.overnight < 0 or after.lead == DAY:
            return None
        return late + page.overnight, late + DAY + after.lead

    def _page(self, day: int) -> Page | None:
        """The windows of a day as lists, or None where they are too many."""
        parts, pages = self.parts, self._pages
        number = 0 if len(parts) == 1 else self.part(day)
        if number not in pages:
            tree = parts[number][1]
            pages[number] = Page(tree) if starts_in(tree, {}) <= LONGEST_PAGE else None
        return pages[number]

    def _next_day(self, day: int, want: int) -> int:
        """The first day from `day` on whose tree has a mark of `want`, as some tree has."""
        if len(self.parts) == 1:
            return day
        start, year, number = place(day)
        while True:
            row = self._row(YEAR_KINDS[year], want) >> number
            if row:
                return start + YEAR_STARTS[year] + number + (row & -row).bit_length() - 1
            year, number = year + 1, 0
            if year == 400:
                start, year = start + ERA_DAYS, 0

    def _last_day(self, day: int, want: int) -> int:
        if len(self.parts) == 1:
            return day
        start, year, number = place(day)
        row = self._row(YEAR_KINDS[year], want) & ((2 << number) - 1)
        while not row:
            year -= 1
            if year < 0:
                start, year = start - ERA_DAYS, 399
            row = self._row(YEAR_KINDS[year], want)
        return start + YEAR_STARTS[year] + row.bit_length() - 1

    def _row(self, kind: int, want: int) -> int:
        """The days of a kind of year whose trees have a mark of `want`."""
        key = kind << 4 | want
        row = self._rows.get(key)
        if row is None:
            mask = sum(mask for mask, tree in self.parts if marks(tree) & want)
            row = self._rows[key] = mask >> kind * SLOTS & YEAR
        return row


CONSTANT = tuple(Pattern.daily(bits) for bits in range(8))
ONLY = {bit: tuple(bits & bit for bits in range(8)) for bit in (INSIDE, BEFORE, JOINED)}


def windows(inside: Pattern, starts: Pattern) -> Pattern:
    """The pattern whose windows cover `inside` and begin at each point of `starts` in it, and
    wherever else it begins."""
    before = inside.delayed(1)
    joined = inside & before & ~starts
    return inside.mapped(ONLY[INSIDE]) | before.mapped(ONLY[BEFORE]) | joined.mapped(ONLY[JOINED])


def starts_in(tree: Tree, memo: dict[Tree, int]) -> int:
    """How many windows begin in a tree; `memo` has those of its parts."""
    if isinstance(tree, int):
        return 0
    if tree not in memo:
        widths = (end - start for start, end in zip((0, *tree.ends), tree.ends, strict=False))
        memo[tree] = sum(
            width * (bool(MARKS[kid] & ANY_START) if isinstance(kid, int) else starts_in(kid, memo))
            for width, kid in zip(widths, tree.kids, strict=True)
        )
    return memo[tree]
