"""What is wrong with a condition, as values; only `str` draws.

A diagnostic says what (a stable code and a message), where (a span of the source) and, where it
is known, how to mend it: `fix` is the text to put in the place of the span.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LONGEST_SHOWN = 400  # characters of a mended text that `str` still shows


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the source: offsets [start, end), and line and column (from 1) of its start."""

    start: int
    end: int
    line: int
    column: int

    @classmethod
    def locate(cls, text: str, start: int, end: int) -> Span:
        """The span [start, end) of `text`; lines end at a line feed."""
        line = text.count("\n", 0, start) + 1
        return cls(start, end, line, start - text.rfind("\n", 0, start))


class Severity(StrEnum):
    """How bad it is: an error is refused, a warning is probably wrong, information is a hint."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"

    def __repr__(self) -> str:
        return f"Severity.{self.name}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or hint.

    `code` is stable and meant for programs; `expected` names what would have been right, where
    that is a short list; `fix` is the replacement text of the span; `source` is the whole text,
    when there is one, so that `str` can draw the line.
    """

    severity: Severity
    code: str
    message: str
    span: Span | None = None
    expected: tuple[str, ...] = ()
    fix: str | None = None
    source: str | None = None

    @property
    def mended(self) -> str | None:
        """The source with the fix applied, or None where there is no fix."""
        if self.fix is None or self.span is None or self.source is None:
            return None
        return self.source[: self.span.start] + self.fix + self.source[self.span.end :]

    def __str__(self) -> str:
        parts = [f"{self.severity.value}: {self.message} [{self.code}]"]
        if self.span is not None and self.source is not None:
            parts += draw(self.source, self.span)
        if len(self.expected) > 1:
            parts.append(f"  expected: {', '.join(self.expected)}")
        if self.fix is not None and self.fix not in self.message:
            shown = (self.mended or self.fix).strip()
            if len(shown) <= LONGEST_SHOWN:
                parts.append(f"  try: {shown}")
        return "\n".join(parts)

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        span = self.span
        return {
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "span": None
            if span is None
            else {"start": span.start, "end": span.end, "line": span.line, "column": span.column},
            "expected": list(self.expected),
            "fix": self.fix,
        }


WIDEST = 100  # columns of source a drawing shows; a longer line is cut around the span


def draw(source: str, span: Span) -> list[str]:
    """The line of `span` and, below it, carets under the part of the span on that line."""
    first = source.rfind("\n", 0, span.start) + 1
    last = source.find("\n", span.start)
    line = source[first : last if last >= 0 else len(source)]
    at, until = span.start - first, max(min(span.end - first, len(line)), span.start - first + 1)
    cut = max(0, min(at - WIDEST // 4, len(line) - WIDEST))
    shown = line[cut : cut + WIDEST]
    lead = "".join("\t" if char == "\t" else " " for char in shown[: at - cut])
    carets = "^" * min(until - at, WIDEST - (at - cut))
    return [f"  {printable(shown)}", f"  {lead}{carets}"]


def printable(line: str) -> str:
    """`line` with control characters shown as `?`: an error must not repaint a terminal."""
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in line)


def distance(left: str, right: str, limit: int) -> int:
    """Edits (insert, delete, replace, swap neighbours) from one word to the other; past `limit`
    the answer is only known to be more."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(right, 1):
            cost = min(last_cost(before, row, j), before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]


def last_cost(before: list[int], row: list[int], j: int) -> int:
    """The cost of a deletion or an insertion at column j."""
    return min(before[j], row[j - 1]) + 1


LONGEST_NAME = 64  # longer names are never near anything


def nearest(word: str, candidates: Iterable[str], count: int = 3) -> tuple[str, ...]:
    """The candidates that look like a misspelling of `word`, nearest first."""
    folded = word.casefold()
    if not folded or len(folded) > LONGEST_NAME:
        return ()
    limit = 1 if len(folded) < 6 else 2 if len(folded) < 10 else 3
    found = []
    for candidate in dict.fromkeys(candidates):
        edits = distance(folded, candidate.casefold(), limit)
        if edits <= limit and edits < len(folded):
            found.append((edits, candidate))
    return tuple(name for _, name in sorted(found)[:count])
