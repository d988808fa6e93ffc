"""A day of the wall clock as a tree: hours, minutes, seconds, microseconds.

A period says three things of every microsecond, kept as the bits of a small number:

    INSIDE   it is in a window
    BEFORE   the microsecond before it is in a window
    JOINED   both are, and in the same window

`&` and `|` of periods are then `&` and `|` of these bits, point by point, and that is all there is
to "windows are cells": *and* cuts them, *or* joins those that overlap and leaves those that only
touch. The values that occur are OUT, BEGIN, END, SEAM (one window ends, the next begins) and
WITHIN.

A tree is such a number, where the whole stretch has it, or a `Dial`: the 24 hours of a day, 60
minutes of an hour, 60 seconds of a minute or 10**6 microseconds of a second, as runs of equal
trees. Dials are interned: equal ones are the same object, so that every operation meets each
distinct part once, and `time of second after 500` is four dials, not 86,400 windows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from weakref import WeakValueDictionary

from ..civil import DAY, HOUR, MINUTE, SECOND

INSIDE, BEFORE, JOINED = 1, 2, 4
OUT, BEGIN, END, SEAM, WITHIN = 0, INSIDE, BEFORE, INSIDE | BEFORE, INSIDE | BEFORE | JOINED

# What a search looks for, and the marks that say whether a tree holds any.
ANY_IN, ANY_OUT, ANY_EDGE, ANY_START = 1, 2, 4, 8
MARKS = tuple(
    (ANY_IN if v & INSIDE else ANY_OUT)
    | (0 if v & JOINED else ANY_EDGE)
    | (ANY_START if v in (BEGIN, SEAM) else 0)
    for v in range(8)
)
OPPOSITE = (WITHIN, END, BEGIN, OUT, OUT, OUT, OUT, OUT)  # of each value, in the complement
WIDEST = (OUT, BEGIN, END, WITHIN, WITHIN, WITHIN, WITHIN, WITHIN)  # in maximal windows
RESCUED = (WITHIN, SEAM, WITHIN, SEAM, WITHIN, WITHIN, WITHIN, WITHIN)  # covered by one more

STEPS = (HOUR, MINUTE, SECOND, 1)  # of the slots of a dial at each level
SLOTS = (24, 60, 60, SECOND)
SPANS = (DAY, HOUR, MINUTE, SECOND)  # of a whole dial


class Dial:
    """Runs of equal trees: run i covers the slots up to `ends[i]`. Never changed once made."""

    __slots__ = ("ends", "kids", "marks", "__weakref__")

    def __init__(self, ends: tuple[int, ...], kids: tuple[Tree, ...]) -> None:
        self.ends = ends
        self.kids = kids
        self.marks = 0
        for kid in kids:
            self.marks |= MARKS[kid] if isinstance(kid, int) else kid.marks


Tree = int | Dial
Run = tuple[int, Tree]  # the slot that ends it, and what each of its slots holds

KNOWN: WeakValueDictionary[tuple[tuple[int, ...], tuple[Tree, ...]], Dial] = WeakValueDictionary()


def marks(tree: Tree) -> int:
    return MARKS[tree] if isinstance(tree, int) else tree.marks


def dial(runs: Iterable[Run]) -> Tree:
    """The tree of these runs; empty ones are dropped and equal neighbours joined."""
    ends: list[int] = []
    kids: list[Tree] = []
    for end, kid in runs:
        if ends and end == ends[-1]:
            continue
        if kids and kid is kids[-1]:
            ends[-1] = end
        elif end > 0:
            ends.append(end)
            kids.append(kid)
    if len(kids) == 1 and isinstance(kids[0], int):
        return kids[0]
    key = (tuple(ends), tuple(kids))
    found = KNOWN.get(key)
    if found is None:
        found = KNOWN[key] = Dial(*key)
    return found


def arc(start: int, end: int, level: int = 0) -> Tree:
    """The set [start, end) of the microseconds of a dial of that level: WITHIN there, else OUT."""
    if start >= end:
        return OUT
    if start == 0 and end == SPANS[level]:
        return WITHIN
    if level == 3:
        return dial([(start, OUT), (end, WITHIN), (SECOND, OUT)])
    step = STEPS[level]
    first, head = divmod(start, step)
    last, tail = divmod(end, step)
    if first == last:
        inner = arc(head, tail, level + 1)
        return dial([(first, OUT), (first + 1, inner), (SLOTS[level], OUT)])
    runs = [(first, OUT), (first + 1, arc(head, step, level + 1)), (last, WITHIN)]
    if last < SLOTS[level]:
        runs += [(last + 1, arc(0, tail, level + 1)), (SLOTS[level], OUT)]
    return dial(runs)


def drawn(pieces: list[tuple[int, int]], level: int = 0) -> Tree:
    """The dial whose values are given as pieces: where each ends, and its value."""
    if len(pieces) == 1:
        return pieces[0][1]
    if level == 3:
        return dial(pieces)
    step = STEPS[level]
    runs: list[Run] = []
    inner: list[tuple[int, int]] = []
    for end, bits in pieces:
        slot, rest = divmod(end, step)
        if inner and slot >= (done := runs[-1][0] if runs else 0) + 1:
            runs.append((done + 1, drawn([*inner, (step, bits)], level + 1)))
            inner = []
        if not inner:
            runs.append((slot, bits))
        if rest:
            inner.append((rest, bits))
    return dial(runs)


def repeated(tree: Tree, level: int) -> Tree:
    """A day in which every dial of that level is `tree`."""
    for above in range(level - 1, -1, -1):
        tree = dial([(SLOTS[above], tree)])
    return tree


# --- the algebra ----------------------------------------------------------------------------


def both(a: Tree, b: Tree) -> Tree:
    """Bitwise *and*, point by point."""
    return meet(a, b, {})


def either(a: Tree, b: Tree) -> Tree:
    """Bitwise *or*, point by point."""
    return join(a, b, {})


Memo = dict[tuple[Tree, Tree], Tree]


def meet(a: Tree, b: Tree, memo: Memo) -> Tree:
    if isinstance(a, int):
        if isinstance(b, int):
            return a & b
        a, b = b, a
    if a is b or b == WITHIN:
        return a
    if b == OUT:
        return OUT
    key = (a, b)
    if key not in memo:
        memo[key] = dial(zipped(a, b, lambda x, y: meet(x, y, memo)))
    return memo[key]


def join(a: Tree, b: Tree, memo: Memo) -> Tree:
    if isinstance(a, int):
        if isinstance(b, int):
            return a | b
        a, b = b, a
    if a is b or b == OUT:
        return a
    if b == WITHIN:
        return WITHIN
    key = (a, b)
    if key not in memo:
        memo[key] = dial(zipped(a, b, lambda x, y: join(x, y, memo)))
    return memo[key]


def zipped(a: Dial, b: Tree, combine: Callable[[Tree, Tree], Tree]) -> Iterator[Run]:
    """The runs of a dial and of a tree of the same level, combined."""
    if isinstance(b, int):
        yield from ((end, combine(kid, b)) for end, kid in zip(a.ends, a.kids, strict=True))
        return
    i = j = 0
    while i < len(a.ends):
        yield min(a.ends[i], b.ends[j]), combine(a.kids[i], b.kids[j])
        here, there = a.ends[i], b.ends[j]
        i += here <= there
        j += there <= here


def mapped(tree: Tree, table: tuple[int, ...]) -> Tree:
    """Every value replaced by its entry in `table`."""
    return mapped_once(tree, table, {})


def mapped_once(tree: Tree, table: tuple[int, ...], memo: dict[Tree, Tree]) -> Tree:
    if isinstance(tree, int):
        return table[tree]
    if tree not in memo:
        kids = [mapped_once(kid, table, memo) for kid in tree.kids]
        memo[tree] = dial(zip(tree.ends, kids, strict=True))
    return memo[tree]


def turned(a: Tree, b: Tree, by: int) -> Tree:
    """The day that begins `by` microseconds into day `a` and ends as far into day `b` after it."""
    return turn(a, b, by, 0, ({}, {}, {}, {}))


def turn(a: Tree, b: Tree, by: int, level: int, memos: tuple[Memo, Memo, Memo, Memo]) -> Tree:
    """The same for dials of a level; `memos` has what is known of each level."""
    if by == 0 or (a is b and isinstance(a, int)):
        return a
    memo = memos[level]
    if (a, b) in memo:
        return memo[a, b]
    skipped, rest = divmod(by, STEPS[level])
    width = SLOTS[level]
    runs = [(end - skipped, kid) for end, kid in runs_of(a, level) if end > skipped]
    runs += [(end + width - skipped, kid) for end, kid in runs_of(b, level)]
    memo[a, b] = dial(turned_runs(runs, rest, level, memos) if rest else clipped(runs, width))
    return memo[a, b]


def turned_runs(
    runs: list[Run], rest: int, level: int, memos: tuple[Memo, Memo, Memo, Memo]
) -> Iterator[Run]:
    """The runs of a dial each of whose slots begins `rest` into a slot of `runs` and ends as far
    into the next one."""
    width = SLOTS[level]
    for (end, kid), (_, following) in zip(runs, runs[1:], strict=False):
        if end > 1:
            yield min(end - 1, width), turn(kid, kid, rest, level + 1, memos)
        if end > width:
            return
        yield end, turn(kid, following, rest, level + 1, memos)
    yield width, turn(runs[-1][1], runs[-1][1], rest, level + 1, memos)


def clipped(runs: Iterable[Run], width: int) -> list[Run]:
    return [(min(end, width), kid) for end, kid in runs]


def runs_of(tree: Tree, level: int) -> list[Run]:
    if isinstance(tree, int):
        return [(SLOTS[level], tree)]
    return list(zip(tree.ends, tree.kids, strict=True))


# --- looking --------------------------------------------------------------------------------


def value(tree: Tree, at: int) -> int:
    """The bits of one microsecond of a day."""
    for step in STEPS:
        if isinstance(tree, int):
            return tree
        slot, at = divmod(at, step)
        tree = tree.kids[bisect_right(tree.ends, slot)]
    assert isinstance(tree, int)
    return tree


def first(tree: Tree, at: int, want: int, level: int = 0) -> int:
    """The first microsecond from `at` on that has one of the marks `want`; -1 if none has."""
    if isinstance(tree, int):
        return at if MARKS[tree] & want else -1
    step = STEPS[level]
    slot, rest = divmod(at, step)
    ends, kids = tree.ends, tree.kids
    run = bisect_right(ends, slot)
    kid = kids[run]
    if marks(kid) & want:
        hit = first(kid, rest, want, level + 1)
        if hit >= 0:
            return slot * step + hit
        if slot + 1 < ends[run]:
            return (slot + 1) * step + first(kid, 0, want, level + 1)
    for later in range(run + 1, len(kids)):
        if marks(kids[later]) & want:
            return ends[later - 1] * step + first(kids[later], 0, want, level + 1)
    return -1


def last(tree: Tree, at: int, want: int, level: int = 0) -> int:
    """The last microsecond up to `at`, inclusive, that has one of the marks; -1 if none has."""
    if isinstance(tree, int):
        return at if MARKS[tree] & want else -1
    step = STEPS[level]
    slot, rest = divmod(at, step)
    ends, kids = tree.ends, tree.kids
    run = bisect_right(ends, slot)
    kid = kids[run]
    if marks(kid) & want:
        hit = last(kid, rest, want, level + 1)
        if hit >= 0:
            return slot * step + hit
        if slot > (ends[run - 1] if run else 0):
            return (slot - 1) * step + last(kid, step - 1, want, level + 1)
    for earlier in range(run - 1, -1, -1):
        if marks(kids[earlier]) & want:
            slot = ends[earlier] - 1
            return slot * step + last(kids[earlier], step - 1, want, level + 1)
    return -1
