"""From where the parser stopped to a diagnostic that says what is wrong and how to mend it.

The parser stops in a state, with a stack of what it has read and a token it cannot use. `slips`
holds one function for each common slip; the first that knows the stop explains it. What none of
them knows is told by what would have been right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any as Value

from ..conds.diagnostic import Diagnostic, Severity, Span
from ..conds.points import CADENCES, Unit
from .tables import Tables

if TYPE_CHECKING:
    from .values import Refused, Source


class ConditionSyntaxError(ValueError):
    """A text that is not a condition. `diagnostics` says what is wrong with it, first things
    first; `str` draws them."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(map(str, self.diagnostics))


LONGEST_MESSAGE = 500


class Stuck(Exception):
    """The parser's stop: what it had read up to `position` (the end of the last token), and its
    stacks."""

    def __init__(
        self,
        source: Source,
        position: int,
        states: list[int],
        values: list[Value],
        starts: list[int],
    ) -> None:
        super().__init__()
        self.source = source
        self.position = position
        self.states = states
        self.values = values
        self.starts = starts


def diagnostic(
    text: str,
    code: str,
    message: str,
    start: int,
    end: int,
    fix: str | None = None,
    expected: tuple[str, ...] = (),
) -> Diagnostic:
    """An error about [start, end) of `text`. A message that quotes much of it is cut; a fix that
    changes nothing is none."""
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]}\u2026"
    if fix == text[start:end]:
        fix = None
    span = Span.locate(text, start, end)
    return Diagnostic(Severity.ERROR, code, message, span, expected, fix, text)


def refused(source: Source, text: str, error: Refused) -> Diagnostic:
    """The diagnostic of a text that the grammar accepts and the language does not."""
    return diagnostic(
        text, error.code, error.message, error.start, error.end, error.fix, error.expected
    )


TOKEN = re.compile(
    r"""\s*(?P<token>
      '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | [^\W\d][\w.:+/-]* | [0-9@-][\w.:/*,-]*
    | && | \|\| | . | \Z
    )""",
    re.X | re.S,
)


NEARBY = 200
UNIT_NAMES = {name: unit for unit, name in CADENCES.items()} | {unit.value: unit for unit in Unit}


class Stop:
    """A stop, as the slips look at it: the token that could not be used and what was read."""

    def __init__(self, tables: Tables, stuck: Stuck, text: str) -> None:
        self.text = text
        self.plain = stuck.source.text  # without comments
        self.phrases = stuck.source.phrases
        self.read_to = stuck.position
        self.values = stuck.values
        self.starts = stuck.starts
        self.state = stuck.states[-1]
        self.states = stuck.states
        self.accepts = frozenset(tables.expected[self.state])
        found = TOKEN.match(self.plain, stuck.position)
        assert found is not None  # any character, or the end, is a token
        self.token: str = found["token"]
        self.start, self.end = found.span("token")
        self.tables = tables

    @property
    def word(self) -> str:
        """The token in lower case if it is a word, else nothing."""
        return self.token.lower() if self.token[:1].isalpha() else ""

    @property
    def keywords(self) -> tuple[str, ...]:
        """The keywords and symbols that would have been right."""
        found = (self.tables.spelling.get(name, ()) for name in sorted(self.accepts))
        return tuple(dict.fromkeys(word for words in found for word in words))

    def accepts_any(self, *names: str) -> bool:
        """Whether one of the terminals would have been right."""
        return not self.accepts.isdisjoint(names)

    @property
    def wants_operand(self) -> bool:
        """Whether an operand should begin here."""
        return {"LPAR", "TILDE"} <= self.accepts

    @property
    def after_operand(self) -> bool:
        """Whether an operand may be complete here."""
        return "AMPERSAND" in self.accepts

    @property
    def previous(self) -> str:
        """The last token read, in lower case."""
        return self.previous_text.lower()

    @property
    def previous_text(self) -> str:
        """The last token read, as it is written."""
        return self.plain[self.starts[-1] : self.read_to] if self.starts else ""

    @property
    def unit(self) -> Unit:
        """The unit of the cadence or window that the parser was reading."""
        words = (value for value in reversed(self.values) if isinstance(value, str))
        return next((UNIT_NAMES[word] for word in words if word in UNIT_NAMES), Unit.DAY)

    def rest(self, start: int | None = None) -> str:
        """What stands from the token, or from `start`, to the end of its operand."""
        first = self.start if start is None else start
        end = OPERAND_END.search(self.plain, first)
        return self.plain[first : end.start() if end else len(self.plain)].rstrip()

    def search_before(self, pattern: re.Pattern[str], start: int) -> re.Match[str] | None:
        """Where `pattern` is found nearby before `start`, blanks at the end aside. What is far
        off does not matter to a slip, and looking there could take long."""
        end = len(self.plain[:start].rstrip())
        return pattern.search(self.plain, max(0, end - NEARBY), end)

    def error(
        self,
        code: str,
        message: str,
        start: int | None = None,
        end: int | None = None,
        fix: str | None = None,
        expected: tuple[str, ...] = (),
    ) -> Diagnostic:
        """An error about the token, or about another stretch."""
        first = self.start if start is None else start
        last = self.end if end is None else end
        return diagnostic(self.text, code, message, first, last, fix, expected)

    def mended(self, start: int, end: int, fix: str) -> str:
        """The whole text with [start, end) replaced, on one line."""
        return " ".join((self.text[:start] + fix + self.text[end:]).split())


OPERAND_END = re.compile(r"[&|~()]|(?<!\S)(?:and|or)(?!\S)", re.I)


def explain(tables: Tables, stuck: Stuck, text: str) -> Diagnostic:
    """What is wrong where the parser stopped."""
    from .idioms import IDIOMS
    from .misreadings import MISREADINGS
    from .omissions import OMISSIONS
    from .slips import SLIPS, unexpected

    stop = Stop(tables, stuck, text)
    for slip in (*IDIOMS, *SLIPS[:-1], *OMISSIONS, *MISREADINGS, SLIPS[-1]):
        if (found := slip(stop)) is not None:
            return found
    return unexpected(stop)
