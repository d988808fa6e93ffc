"""Values in the grammar: tokens to names, numbers, durations, dates and ranges, and what is
refused on the way.

A keyword is its text in lower case, any other token (text, offset). What a value's own reader
refuses becomes a `Refused`, with its place in the source. Points are read where their unit is
known, so until then a range is carried as its tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from ..conds.dates import read_datetime
from ..conds.diagnostic import Span
from ..conds.nodes import Condition
from ..conds.parts import (
    After,
    At,
    Before,
    Between,
    Range,
    Starting,
    empty_message,
)
from ..conds.points import (
    CADENCES,
    Duration,
    Point,
    Unit,
    is_cycle_start,
    read_duration,
    read_point,
    reads,
)
from ..conds.printer import quoted
from ..conds.reading import DIGITS, ReadError, readable
from ..conds.zones import check_zone

Token = tuple[str, int]
Raw = tuple[type[Range], tuple[Token, ...], int]  # a range as its tokens, and where it starts
UNITS = {cadence: unit for unit, cadence in CADENCES.items()}


class Refused(Exception):
    """A text that the grammar accepts and the language does not."""

    def __init__(
        self,
        code: str,
        message: str,
        start: int,
        end: int,
        fix: str | None = None,
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.start = start
        self.end = end
        self.fix = fix
        self.expected = expected


class Custom(Protocol):
    """What the parser asks the registry of custom conditions (`phrases.Phrases`)."""

    def match(
        self, text: str, position: int
    ) -> tuple[Callable[[Span], Condition], int, int] | None: ...

    def knows_call(self, name: str) -> bool: ...

    def like(self, word: str) -> tuple[str, ...]: ...


class Source:
    """The text that is parsed, and where its lines begin; it never changes."""

    __slots__ = ("text", "phrases", "_lines")

    def __init__(self, text: str, phrases: Custom | None = None) -> None:
        self.text = text
        self.phrases = phrases
        self._lines: list[int] | None = None
        if "\n" in text:
            self._lines = [0, *(i + 1 for i, char in enumerate(text) if char == "\n")]

    def span(self, start: int, end: int) -> Span:
        if self._lines is None:
            return Span(start, end, 1, start + 1)
        line = bisect_right(self._lines, start)
        return Span(start, end, line, start - self._lines[line - 1] + 1)


def refusal(error: ReadError, offset: int) -> Refused:
    """A reader's error at its place in the source."""
    start, end = offset + error.start, offset + error.end
    return Refused(error.code, error.message, start, end, error.fix)


def bare_zone(source: Source, start: int, end: int, token: Token) -> str:
    return known_zone(token[0], token[1], end)


def quoted_zone(source: Source, start: int, end: int, token: Token) -> str:
    return known_zone(unquote(token), token[1], end)


def known_zone(name: str, start: int, end: int) -> str:
    try:
        check_zone(name)
    except ReadError as error:
        if name.lower() == "last":
            raise Refused(
                "unknown-word", f"{name!r} is written past here", start, end, "past"
            ) from None
        fix = None
        if error.fix is not None:
            fix = error.fix if start + len(name) == end else quoted(error.fix)
        raise Refused(error.code, error.message, start, end, fix) from None
    return name


# --- names and numbers ----------------------------------------------------------------------


def unquote(token: Token) -> str:
    """The text of a quoted string; only the quotes and the backslash are escaped."""
    text, offset = token
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    written, position = [], 0
    while (slash := inner.find("\\", position)) >= 0:
        if inner[slash + 1] not in "'\"\\":
            at = offset + 1 + slash
            raise Refused(
                "escape",
                f"{inner[slash : slash + 2]!r} is not an escape: only \\', \\\" and \\\\ are",
                at,
                at + 2,
                "\\" + inner[slash : slash + 2],
            )
        written += [inner[position:slash], inner[slash + 1]]
        position = slash + 2
    return "".join((*written, inner[position:]))


def bare(source: Source, start: int, end: int, token: Token) -> str:
    return token[0]


def text(source: Source, start: int, end: int, token: Token) -> str:
    return unquote(token)


def quoted_name(source: Source, start: int, end: int, token: Token) -> str:
    name = unquote(token)
    if not name:
        raise Refused("empty-name", "a name is empty", start, end)
    return name


def whole(token: Token) -> int:
    digits, offset = token
    if len(digits) > DIGITS:
        message = f"a number of {len(digits)} digits is too long: at most {DIGITS}"
        raise Refused("too-long", message, offset, offset + len(digits))
    return int(digits)


def number(source: Source, start: int, end: int, token: Token) -> int | float:
    digits = sum(char.isdigit() for char in token[0])
    if digits > DIGITS:
        message = f"a number of {digits} digits is too long: at most {DIGITS}"
        raise Refused("too-long", message, start, end)
    return float(token[0]) if "." in token[0] else int(token[0])


def duration(source: Source, start: int, end: int, token: Token) -> Duration:
    return duration_of(token)


def duration_of(token: Token) -> Duration:
    try:
        return read_duration(token[0])
    except ReadError as error:
        raise refusal(error, token[1]) from None


def moment(source: Source, start: int, end: int, token: Token) -> datetime:
    return moment_of(token)[0]


def moment_of(token: Token) -> tuple[datetime, bool]:
    try:
        return read_datetime(token[0])
    except ReadError as error:
        raise refusal(error, token[1]) from None


# --- ranges ---------------------------------------------------------------------------------


def between(source: Source, start: int, end: int, first: Token, last: Token) -> Raw:
    return (Between, (first, last), start)


def after(source: Source, start: int, end: int, point: Token) -> Raw:
    return (After, (point,), start)


def before(source: Source, start: int, end: int, point: Token) -> Raw:
    return (Before, (point,), start)


def starting(source: Source, start: int, end: int, point: Token) -> Raw:
    return (Starting, (point,), start)


def at(source: Source, start: int, end: int, points: list[Token]) -> Raw:
    return (At, tuple(points), start)


def ranged(source: Source, start: int, unit: Unit, raw: Raw | None) -> Range | None:
    """The range of a cycle of `unit`, in an atom that starts at `start`."""
    if raw is None:
        return None
    kind, tokens, range_start = raw
    try:
        if kind is Between:
            first, last = tokens
            return Between(read_point(unit, first[0]), read_point(unit, last[0], True))
        if kind is Before:
            return before_point(unit, tokens[0])
        if kind is At:
            return At(tuple(read_point(unit, token[0]) for token in tokens))
        single = read_point(unit, tokens[0][0])
    except ReadError as error:
        raise point_refusal(source, start, unit, raw, error) from None
    return Starting(single) if kind is Starting else After(single)


def before_point(unit: Unit, token: Token) -> Before:
    end: Point = read_point(unit, token[0], True)
    if is_cycle_start(end):
        raise ReadError(empty_message(unit, end), token[0], code="empty-range")
    return Before(end)


def point_refusal(source: Source, start: int, unit: Unit, raw: Raw, error: ReadError) -> Refused:
    """A point's error at its place; if it is a point of another unit, with the atom that takes
    it as the fix."""
    kind, tokens, range_start = raw
    token = next(token for token in tokens if token[0].strip() == error.text)
    if error.code == "missing-comma" and kind is not At:
        message = f"{token[0]!r} are several points, and one is asked for"
        return Refused(error.code, message, token[1], token[1] + len(token[0]))
    if error.code == "dashed-range":
        found = refusal(error, token[1])
        found.start = range_start
        return found
    if error.other == "date":
        return dates_beside(source, start, raw, error, token)
    if error.other == Unit.DAY and unit in DAYS_IN:
        found = refusal(error, token[1])
        found.message += f": the day stands before it, as in {DAYS_IN[unit]} {token[0]}"
        return found
    if error.other is not None:
        return other_unit(source, start, Unit(error.other), raw, error, token)
    return refusal(error, token[1])


DAYS_IN = {Unit.WEEK: "Mon", Unit.MONTH: "1st", Unit.YEAR: "Feb 1st"}


def dates_beside(source: Source, start: int, raw: Raw, error: ReadError, token: Token) -> Refused:
    """`daily after 2026-01-01`: two conditions, and an `&` is missing between them."""
    kind, tokens, range_start = raw
    found = refusal(error, token[1])
    if kind not in (After, Before, Between) or any(
        not readable(read_datetime, text) for text, _ in tokens
    ):
        return found
    last = tokens[-1][1] + len(tokens[-1][0])
    fix = f"{source.text[start:range_start].rstrip()} & {source.text[range_start:last]}"
    return Refused(error.code, f"{error.message}: {fix}", start, last, fix)


def other_unit(
    source: Source, start: int, unit: Unit, raw: Raw, error: ReadError, token: Token
) -> Refused:
    _, tokens, range_start = raw
    found = refusal(error, token[1])
    head = source.text[start:range_start].split()
    last = tokens[-1][1] + len(tokens[-1][0])
    if head[-1].lower() in UNITS:
        head[-1] = CADENCES[unit]
    elif head[-1].lower() in UNIT_WORDS:
        head[-1] = unit.value
    elif head[-1].lower() == "today":
        head[-1] = f"this {unit.value}"
    else:
        return found
    if not all(reads(unit, text) for text, _ in tokens):
        return found
    fix = f"{' '.join(head)} {source.text[range_start:last]}"
    return Refused(error.code, f"{error.message}: {fix}", start, last, fix)


UNIT_WORDS = frozenset(unit.value for unit in Unit)
