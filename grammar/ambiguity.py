"""Whether a template could be read in two ways: as another phrase, as itself twice over, or as
something of the core grammar.

Templates are compared word by word. A placeholder may take several words (`1 h 30 min`, `10 am`),
so each kind is a small automaton over words, and two templates are walked side by side over an
alphabet of words that stand for all there are. Against the core grammar texts are tried, one word
more at a time, and only as long as the parser can go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..conds.durations import UNITS
from ..conds.points import Unit, reads
from ..conds.words import KEYWORDS
from .errors import Stuck
from .parser import machine
from .tables import ERROR
from .values import Refused, Source

if TYPE_CHECKING:
    from .phrases import Fork, Template

TemplateWord = str | tuple[str, str]  # a literal word, or a placeholder as (name, kind)


def folded(word: str) -> str:
    """Lower case of ASCII letters only, as for keywords."""
    return word.lower() if word.isascii() else word


# --- the kinds as automata over words -------------------------------------------------------

BEGIN, UNIT, MORE, DONE = range(4)
"""Where a placeholder is: before its first word; after a number whose unit is missing; where it
may end, or go on; where it has to end."""

INT = re.compile(r"-?[0-9]+")
FLOAT = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
NAME = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\W\d][\w.:-]*", re.S)
CLOCK = re.compile(r"[0-9]+:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?")
PARTS = re.compile(r"[0-9]+(?:\.[0-9]+)?|[^\W\d_]+")

ALPHABET = (
    *("1", "1.5", "-1", "10:00", "00:10:00", "10am", "am", "noon", "x", "'x'"),
    *("h", "1h", "h1", "1h1", "h1m"),
)
"""Words of every sort that a placeholder tells from others."""


def step(kind: str, state: int, word: str) -> int | None:
    """Where a placeholder is after one more word; None if the word is none of its."""
    match kind:
        case "duration":
            return duration_step(state, word)
        case "time" if state == MORE:
            return DONE if word.lower() in ("am", "pm") else None
        case "time":
            if not word[0].isdigit():
                return DONE if word.lower() in ("noon", "midnight") else None
            return (MORE if word[-1].isdigit() else DONE) if reads(Unit.DAY, word) else None
        case _:
            pattern = {"int": INT, "float": FLOAT}.get(kind, NAME)
            return DONE if pattern.fullmatch(word) else None


def duration_step(state: int, word: str) -> int | None:
    """Numbers and units take turns, within words and from one to the next; a clock is last."""
    if state != UNIT and CLOCK.fullmatch(word):
        return DONE
    parts = PARTS.findall(word)
    if "".join(parts) != word:
        return None
    for part in parts:
        if part[0].isdigit() == (state == UNIT):
            return None
        if state == UNIT and folded(part) not in UNITS:
            return None
        state = MORE if state == UNIT else UNIT
    return state


class Place(NamedTuple):
    """Where a reader is: at a node of its template or of the tree of all; `kind` and `state` if
    it is inside of a placeholder, which leads to that node."""

    node: object
    kind: str = ""
    state: int = BEGIN


Exits = Callable[[object, str], Iterator[tuple[str, object]]]
"""The ways out of a node that a word may take: (kind or nothing for the word itself, node)."""


def moves(place: Place, word: str, exits: Exits) -> Iterator[Place]:
    """Where a reader may be after `word`."""
    if place.kind:
        yield from landed(place.node, place.kind, step(place.kind, place.state, word))
        return
    for kind, after in exits(place.node, word):
        if kind:
            yield from landed(after, kind, step(kind, BEGIN, word))
        else:
            yield Place(after)


def landed(node: object, kind: str, state: int | None) -> Iterator[Place]:
    if state in (MORE, DONE):
        yield Place(node)
    if state in (MORE, UNIT):
        yield Place(node, kind, state)


# --- templates side by side -----------------------------------------------------------------


def template_exits(words: list[TemplateWord]) -> Exits:
    """The nodes of a template are the numbers of its words."""

    def exits(node: object, word: str) -> Iterator[tuple[str, object]]:
        assert isinstance(node, int)
        if node < len(words):
            expected = words[node]
            if isinstance(expected, tuple):
                yield expected[1], node + 1
            elif folded(expected) == folded(word):
                yield "", node + 1

    return exits


def tree_exits(node: object, word: str) -> Iterator[tuple[str, object]]:
    fork: Fork = node  # type: ignore[assignment]
    literal = fork.words.get(folded(word))
    if literal is not None:
        yield "", literal
    yield from fork.kinds.items()


def alphabet(words: list[TemplateWord], place: Place) -> tuple[str, ...]:
    """The words that a template may go on with: one if it is literal."""
    assert isinstance(place.node, int)
    if place.kind:
        return ALPHABET
    if place.node == len(words):
        return ()
    expected = words[place.node]
    return (expected,) if isinstance(expected, str) else ALPHABET


def overlapping(root: Fork, words: list[TemplateWord]) -> Iterator[Template]:
    """The registered templates that could match a text that `words` matches too."""
    exits = template_exits(words)
    first = (Place(0), Place(root))
    seen, stack = {first}, [first]
    while stack:
        mine, other = stack.pop()
        if not mine.kind and not other.kind:
            yield from both_end(words, mine, other.node)  # type: ignore[arg-type]
        chosen = alphabet(words, mine)
        if len(chosen) > 1:
            chosen += () if other.kind else tuple(other.node.words)  # type: ignore[attr-defined]
            chosen += literal_after(words, mine)
        for word in chosen:
            for left in moves(mine, word, exits):
                for right in moves(other, word, tree_exits):
                    if (left, right) not in seen:
                        seen.add((left, right))
                        stack.append((left, right))


def literal_after(words: list[TemplateWord], place: Place) -> tuple[str, ...]:
    """The literal word that may follow the placeholder at `place`."""
    assert isinstance(place.node, int)
    following = words[place.node] if place.kind and place.node < len(words) else None
    return (following,) if isinstance(following, str) else ()


def both_end(words: list[TemplateWord], mine: Place, fork: Fork) -> Iterator[Template]:
    """The templates that end at `fork` where `words` ends too, the zone of either aside."""
    assert isinstance(mine.node, int)
    rest = words[mine.node :]
    if fork.template is not None and (not rest or is_zone(rest)):
        yield fork.template
    if not rest and (after := fork.words.get("in")) is not None:
        for last in (*after.kinds.values(), *after.words.values()):
            if last.template is not None:
                yield last.template


def is_zone(rest: list[TemplateWord]) -> bool:
    """Whether the rest of a template, `in` and one more word, could be a zone."""
    return len(rest) == 2 and isinstance(rest[0], str) and folded(rest[0]) == "in"


class Twice(NamedTuple):
    """A text that one template reads in two ways, and the last node read after each word."""

    text: tuple[str, ...]
    one: tuple[int, ...]
    other: tuple[int, ...]


def twice_itself(words: list[TemplateWord]) -> Twice | None:
    """A text that the template matches with its words shared out in two ways."""
    exits = template_exits(words)
    end = Place(len(words))
    start = (Place(0), Place(0), False)
    seen, stack = {start}, [(start, Twice((), (), ()))]
    while stack:
        (one, other, apart), way = stack.pop(0)
        if apart and one == other == end:
            return way
        nearer = min(one, other, key=lambda place: (place.node, place.kind == ""))
        letters = {*alphabet(words, one), *alphabet(words, other), *literal_after(words, nearer)}
        for word in sorted(letters):
            for left in moves(one, word, exits):
                for right in moves(other, word, exits):
                    after = (left, right, apart or left != right)
                    if after not in seen:
                        seen.add(after)
                        stack.append((after, further(way, word, left, right)))
    return None


def further(way: Twice, word: str, one: Place, other: Place) -> Twice:
    assert isinstance(one.node, int) and isinstance(other.node, int)
    return Twice((*way.text, word), (*way.one, one.node), (*way.other, other.node))


def shared_out(words: list[TemplateWord], text: tuple[str, ...], nodes: tuple[int, ...]) -> str:
    """How a reading shares the words of a text out among the placeholders."""
    shown = []
    for place, word in enumerate(words):
        if isinstance(word, tuple):
            taken = [part for part, node in zip(text, nodes, strict=True) if node == place + 1]
            shown.append(f"{word[0]} = {' '.join(taken)}")
    return ", ".join(shown)


# --- the core grammar -----------------------------------------------------------------------

SAMPLES = {
    "int": ("1",),
    "float": ("1", "1.5"),
    "duration": ("10 minutes", "00:10:00"),
    "time": ("10:00", "10", "10 am", "noon"),
    "name": ("x1", "'x'", "UTC", "Mon", "Feb", "noon"),
}
VALUES = frozenset(("POINT", "DURATION", "ARG_DURATION", "DATETIME", "CRON"))
"""Terminals of several words: their first word alone may be no value yet."""

MOST_TRIED = 20_000  # texts


def core_reading(words: list[TemplateWord]) -> tuple[str, str] | None:
    """A text that the template matches and the core grammar reads, and what it reads there."""
    tried = 0
    seen: set[tuple[object, ...]] = set()
    stack: list[tuple[str, int]] = [("", 0)]
    while stack and tried < MOST_TRIED:
        text, place = stack.pop()
        tried += 1
        reading, key, following = look(text)
        if place == len(words):
            if reading is not None:
                return text, reading
            continue
        if following is None or (key and (key, place) in seen):
            continue
        seen.add((key, place))
        word = words[place]
        chosen = (word,) if isinstance(word, str) else SAMPLES[word[1]]
        if isinstance(word, tuple) and word[1] == "name":
            chosen += tuple(sorted(following))
        stack += [(f"{text} {sample}".lstrip(), place + 1) for sample in reversed(chosen)]
    return None


Look = tuple[str | None, tuple[object, ...], frozenset[str] | None]


def look(text: str) -> Look:
    """What the core grammar reads in `text`; where that leaves the parser; and the keywords that
    may follow, None if nothing can."""
    try:
        return str(machine().run(Source(text))), (), KEYWORDS
    except Refused as error:
        return None, (), KEYWORDS if error.end >= len(text) else None
    except Stuck as stuck:
        state = stuck.states[-1]
        tables = machine().tables
        unread = text[stuck.position :].split()
        if unread and (len(unread) > 1 or VALUES.isdisjoint(tables.expected[state])):
            return None, (), None
        if unread:
            return None, (), KEYWORDS
        row = tables.states[state].words
        words = (word for word, action in row.items() if word.isalpha() and action != ERROR)
        return None, tuple(stuck.states), frozenset(words)
