"""Custom conditions: phrases with placeholders, functions to be called, patterns and definitions.

They are not compiled into the grammar: where an operand may begin, the parser first asks the
registry for a phrase there. Phrases and definitions are kept as a tree of words, so that finding
one, and finding that a new one could be mistaken for another, looks at little more than its own
words. The core grammar wins: what it can read is never a phrase, and a phrase it could read is
refused when it is registered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any as Value

from ..conds.diagnostic import Span, nearest
from ..conds.durations import read_duration
from ..conds.nodes import Argument, Condition, Defined, Phrase, check_name, strip_spans
from ..conds.points import Unit, read_point, reads
from ..conds.reading import ReadError, readable
from .ambiguity import TemplateWord, core_reading, folded, overlapping, shared_out, twice_itself
from .errors import Stuck
from .parser import KEPT, LONGEST_KEPT, machine, read
from .values import Refused, Source, Token, number, refusal, unquote

KINDS = {
    "int": r"-?[0-9]+(?![\w.:-])",
    "float": r"-?[0-9]+(?:\.[0-9]+)?(?![\w.:-])",
    "duration": r"(?:[0-9]+(?:\.[0-9]+)?\s*[^\W\d_]+\s*)*[0-9]+:[0-9]+:[0-9.]+(?![\w.:-])"
    r"|[0-9]+(?:\.[0-9]+)?\s*[^\W\d_]+(?:\s*[0-9]+(?:\.[0-9]+)?\s*[^\W\d_]+)*(?![\w.:-])",
    "time": r"(?ai:[0-9][0-9:.]*(?:\s*[ap]m)?|noon|midnight)(?![\w.:-])",
    "name": r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\W\d][\w.:-]*",
}
"""The kinds of placeholders, the most particular first, and what is looked for at their place."""

MATCH = {kind: re.compile(pattern, re.S).match for kind, pattern in KINDS.items()}
MOST_WORDS = 64  # of a template
LONGEST_TEMPLATE = 4096  # characters

PLACEHOLDER = re.compile(r"\{([^\W\d]\w*)(?::([a-z]+))?\}")
WORD = re.compile(r"[^\s&|~()'\",{}]+")
BLANK = re.compile(r"\s*").match
OPERAND_END = re.compile(r"\s*(?:\Z|[&|)]|(?ai:and|or|in)(?![\w.:-]))").match
NEGATION = re.compile(r"~|(?ai:not)(?![\w.:-])").match
SEGMENT = re.compile(  # an operand: up to an operator or a parenthesis outside quotes
    r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
    r"|(?!(?ai:and|or)(?![\w.:-]))[^\W\d][\w.:-]*|\d[\w.:-]*|[^&|()'\"\w])++",
    re.S,
)


class PhraseError(ValueError):
    """A phrase that cannot be registered."""


@dataclass(frozen=True, slots=True)
class Template:
    """A registered phrase or definition: its text with single blanks, and its placeholders as
    (name, kind); `term` is what a definition stands for."""

    text: str
    places: tuple[tuple[str, str], ...] = ()
    term: Condition | None = None


@dataclass(slots=True, eq=False)
class Fork:
    """A node of the tree of words: what may come next, and the template that ends here."""

    words: dict[str, Fork] = field(default_factory=dict)
    kinds: dict[str, Fork] = field(default_factory=dict)
    template: Template | None = None


Made = Callable[[Span], Condition]
Found = tuple[Made, int, int]


class Phrases:
    """The custom conditions of an app. They are added and never removed; adding one forgets the
    texts read before. `parse(text, phrases=…)` takes it."""

    def __init__(self, items: Iterable[object] = ()) -> None:
        self._root = Fork()
        self._templates: list[Template] = []
        self._calls: dict[str, None] = {}
        self._patterns: list[re.Pattern[str]] = []
        self._kept: dict[str, Condition] = {}
        for item in items:
            self.add(item)

    # --- registering

    def add(self, item: object) -> None:
        """Register a template, a pattern, a function's name as `name()`, or (name, condition)."""
        match item:
            case str() if item.endswith("()"):
                self.add_call(item[:-2])
            case str():
                self.add_phrase(item)
            case re.Pattern():
                self.add_pattern(item)
            case (str() as name, (str() | Condition()) as term):
                self.define(name, term)
            case _:
                raise TypeError(f"{item!r} is not a phrase, a pattern or a definition")

    def add_phrase(self, template: str) -> Template:
        """Register `disk is below {percent:int} percent`. Raises PhraseError for a template that
        is not well formed, or that could be read in another way, with that way."""
        words = list(template_words(template))
        places = tuple(word for word in words if isinstance(word, tuple))
        if len(dict(places)) < len(places):
            raise PhraseError(f"{template!r} has two placeholders of one name")
        return self._register(Template(" ".join(template.split()), places), words)

    def add_call(self, name: str) -> None:
        """Register a function's name for call syntax. Raises PhraseError for one known already."""
        check_name(name)
        if name in self._calls:
            raise PhraseError(f"the condition {name!r} is registered already")
        self._calls[name] = None
        self._kept.clear()

    def add_pattern(self, pattern: re.Pattern[str]) -> None:
        """Register a compiled expression; its named groups become the values. It sees one operand
        at a time. The core grammar and phrases win over it, and patterns registered before."""
        if not isinstance(pattern.pattern, str):
            raise PhraseError(f"{pattern.pattern!r} is a pattern of bytes: give one of text")
        if any(known.pattern == pattern.pattern for known in self._patterns):
            raise PhraseError(f"the pattern {pattern.pattern!r} is registered already")
        if pattern.fullmatch("") is not None:
            raise PhraseError(f"the pattern {pattern.pattern!r} matches nothing at all")
        self._patterns.append(pattern)
        self._kept.clear()

    def define(self, name: str, condition: str | Condition) -> Template:
        """Give a condition a name. A text may use what is registered so far. Raises PhraseError,
        and ConditionSyntaxError for the condition's text."""
        term = self.parse(condition) if isinstance(condition, str) else condition
        term = strip_spans(term)  # they are places in another text
        words = list(template_words(name))
        if any(isinstance(word, tuple) for word in words):
            raise PhraseError(f"{name!r} names a condition, so it has no placeholders")
        return self._register(Template(" ".join(name.split()), (), term), words)

    def _register(self, template: Template, words: list[TemplateWord]) -> Template:
        for other in overlapping(self._root, words):
            raise twice(template.text, f"the phrase {other.text!r}")
        if (double := twice_itself(words)) is not None:
            ways = [shared_out(words, double.text, way) for way in (double.one, double.other)]
            raise PhraseError(
                f"{template.text!r} can be read two ways, as in {' '.join(double.text)!r}: "
                f"with {ways[0]}, and with {ways[1]}"
            )
        if (core := core_reading(words)) is not None:
            raise twice(template.text, f"{core[1]} (as in {core[0]!r})")
        fork = self._root
        for word in words:
            if isinstance(word, tuple):
                fork = fork.kinds.setdefault(word[1], Fork())
            else:
                fork = fork.words.setdefault(folded(word), Fork())
        fork.template = template
        self._templates.append(template)
        self._kept.clear()
        return template

    # --- what the parser asks

    def parse(self, text: str) -> Condition:
        """The condition that `text` spells with these phrases. Raises ConditionSyntaxError."""
        kept = self._kept.get(text)
        if kept is not None:
            return kept
        node = read(text, self)
        if len(text) <= LONGEST_KEPT:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[text] = node
        return node

    def match(self, text: str, position: int) -> Found | None:
        """The phrase, definition or pattern's match that is the operand at `position`: what makes
        the node, and where it begins and ends. None where the core grammar reads the operand."""
        begin = past_blanks(text, position)
        if NEGATION(text, begin) is not None:
            return None
        found = self._match_words(text, begin) or self._match_pattern(text, begin)
        if found is None or core_reads(text[begin : found[2]]):
            return None
        return found

    def _match_words(self, text: str, begin: int) -> Found | None:
        found = longest(self._root, text, begin, [], True)
        found = found or longest(self._root, text, begin, [], False)  # its error is told later
        if found is None:
            return None
        template, values, end = found
        return (lambda span: made(template, values, span)), begin, end

    def _match_pattern(self, text: str, begin: int) -> Found | None:
        if not self._patterns or (segment := SEGMENT.match(text, begin)) is None:
            return None
        operand = segment[0].rstrip()
        for pattern in self._patterns:
            found = pattern.fullmatch(operand)
            if found is not None:
                values = tuple((k, v) for k, v in found.groupdict().items() if v is not None)
                source = pattern.pattern
                return (
                    lambda span: Phrase(source, values, operand, span=span),
                    begin,
                    begin + len(operand),
                )
        return None

    def knows_call(self, name: str) -> bool:
        return name in self._calls

    @property
    def calls(self) -> tuple[str, ...]:
        """The names of the functions, in the order they were registered."""
        return tuple(self._calls)

    @property
    def templates(self) -> tuple[Template, ...]:
        """The phrases and definitions, in the order they were registered."""
        return tuple(self._templates)

    def like(self, word: str) -> tuple[str, ...]:
        """Phrases and calls that begin with a word like `word`; for errors."""
        heads: dict[str, str] = {f"{name}": f"{name}()" for name in self._calls}
        for template in self._templates:
            heads.setdefault(folded(template.text.split()[0]), template.text)
        near = (word,) if word in heads else nearest(word, heads)
        return tuple(heads[head] for head in near)


@lru_cache(maxsize=32)
def registry(items: tuple[object, ...]) -> Phrases:
    """The registry of a tuple of items, built once."""
    return Phrases(items)


def twice(template: str, other: str) -> PhraseError:
    return PhraseError(f"{template!r} can be read two ways: as this phrase, and as {other}")


# --- templates ------------------------------------------------------------------------------


def template_words(template: str) -> Iterator[TemplateWord]:
    """The words of a template: literal ones, and placeholders as (name, kind)."""
    words = template.split()
    if not words:
        raise PhraseError("a phrase is empty")
    if len(words) > MOST_WORDS or len(template) > LONGEST_TEMPLATE:
        limits = f"at most {MOST_WORDS} words and {LONGEST_TEMPLATE} characters"
        raise PhraseError(f"the phrase {template[:40]!r}\u2026 is too long: {limits}")
    for place, word in enumerate(words):
        if found := PLACEHOLDER.fullmatch(word):
            kind = found[2] or "name"
            if kind not in KINDS:
                near = nearest(kind, KINDS, 1)
                guess = f"{near[0]}?" if near else ", ".join(KINDS)
                raise PhraseError(f"{kind!r} is not a kind of placeholder: {guess}")
            yield (found[1], kind)
        else:
            check_word(template, word, first=place == 0)
            yield word


def check_word(template: str, word: str, first: bool) -> None:
    """Refuse a literal word that the parser could not find again."""
    if "{" in word or "}" in word:
        raise PhraseError(f"{word!r} in {template!r}: a placeholder is {{name:kind}}, alone")
    if WORD.fullmatch(word) is None or word.startswith("#"):
        raise PhraseError(f"{word!r} in {template!r}: quotes, & | ~ ( ) and commas cannot be used")
    operators = ("and", "or", "not") if first else ("and", "or")
    if folded(word) in operators or (first and folded(word) == "in"):
        raise PhraseError(f"{word!r} in {template!r} is an operator of the language")


# --- matching -------------------------------------------------------------------------------


def past_blanks(text: str, position: int) -> int:
    found = BLANK(text, position)
    assert found is not None
    return found.end()


Words = list[tuple[str, Token]]


def longest(
    fork: Fork, text: str, position: int, values: Words, strict: bool
) -> tuple[Template, Words, int] | None:
    """The longest template from `fork` on that is the whole operand at `position`. A template
    is refused that overlaps another, so few branches go on for long."""
    begin = past_blanks(text, position)
    if fork.words or fork.kinds:
        for after, value, end in branches(fork, text, begin, strict):
            more = values if value is None else [*values, value]
            if (found := longest(after, text, end, more, strict)) is not None:
                return found
    if fork.template is not None and OPERAND_END(text, position) is not None:
        return fork.template, values, position
    return None


def branches(
    fork: Fork, text: str, begin: int, strict: bool
) -> Iterator[tuple[Fork, tuple[str, Token] | None, int]]:
    """What may follow at `begin`: the fork after it, its value if it is a placeholder's, and its
    end. A `strict` search takes only durations and times that read."""
    word = WORD.match(text, begin)
    if word is not None:
        after = fork.words.get(folded(word[0]))
        if after is not None:
            yield after, None, word.end()
    for kind, after in fork.kinds.items():
        found = MATCH[kind](text, begin)
        if found is not None:
            for end in ends(kind, text, begin, found.end(), strict):
                yield after, (kind, (text[begin:end], begin)), end


def ends(kind: str, text: str, begin: int, longest_end: int, strict: bool) -> Iterator[int]:
    """Where a value may end: the longest first, then at the blanks before. What follows may be
    words of the template that look like more of the value, but no more than it has words."""
    if kind not in ("duration", "time"):
        yield longest_end
        return
    end = longest_end
    for _ in range(MOST_WORDS):
        found = MATCH[kind](text, begin, end)
        if found is not None and found.end() == end:
            if not strict or reads_as(kind, text[begin:end]):
                yield end
        shorter = text[begin:end].rsplit(None, 1)[0]
        if begin + len(shorter) == end:
            return
        end = begin + len(shorter)


def reads_as(kind: str, value: str) -> bool:
    return reads(Unit.DAY, value) if kind == "time" else readable(read_duration, value)


def made(template: Template, words: Words, span: Span) -> Condition:
    """The node of a template and the words at its placeholders. Raises Refused."""
    if template.term is not None:
        return Defined(template.text, template.term, span=span)
    pairs = zip(template.places, words, strict=True)
    values = tuple((name, value_of(kind, token)) for (name, _), (kind, token) in pairs)
    return Phrase(template.text, values, span=span)


def value_of(kind: str, token: Token) -> Argument:
    """The value of a placeholder's text."""
    source = Source(token[0])
    end = token[1] + len(token[0])
    try:
        match kind:
            case "int":
                return int(number(source, token[1], end, token))
            case "float":
                return float(number(source, token[1], end, token))
            case "duration":
                return read_duration(token[0])
            case "time":
                point: Value = read_point(Unit.DAY, token[0])
                return point  # type: ignore[no-any-return]
            case _:
                return unquote(token) if token[0][0] in "'\"" else token[0]
    except ReadError as error:
        raise refusal(error, token[1]) from None


def core_reads(operand: str) -> bool:
    """Whether the grammar without phrases reads `operand`."""
    try:
        machine().run(Source(operand))
    except (Stuck, Refused):
        return False
    return True
