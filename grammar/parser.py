"""Text to nodes: one LALR parser, driven over Lark's own tables.

`parse` first looks the text up among those read before. The driver is one loop: take the next
token by the regular expression of the state, shift it, or reduce; see `tables` for what a state
holds. It keeps three stacks: states, values, and where each value starts. An error is only
explained once it has happened, so the loop itself carries nothing for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from typing import Any as Value

from ..conds.printer import MAX_TEXT, text_size
from ..conds.tree import MAX_NESTING, Condition
from .actions import ACTIONS
from .errors import ConditionSyntaxError, Stuck, explain, refused
from .tables import ERROR, Tables, load
from .values import Refused, Source

if TYPE_CHECKING:
    from .phrases import Phrases

KEPT = 2048  # texts whose conditions are remembered
LONGEST_KEPT = 4096  # characters; a longer text is read anew each time
GROWTH = 8  # canonical text is at most so many times as long as what was read


class Machine:
    """The tables bound to the actions; made once per process. Only `matchers` changes: an
    expression is compiled when a state first needs it."""

    __slots__ = ("tables", "rules", "matchers")

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.rules = tuple(
            (rule.size, rule.target, ACTIONS[rule.action] if rule.action else None, rule.kept)
            for rule in tables.rules
        )
        self.matchers: list[Value] = [None] * len(tables.lexers)

    def matcher(self, lexer: int) -> Value:
        match = self.matchers[lexer] = re.compile(self.tables.lexers[lexer]).match
        return match

    def run(self, source: Source) -> Condition:
        """The condition that the source spells. Raises Refused or Stuck."""
        text, tables, rules = source.text, self.tables, self.rules
        rows, gotos, accept = tables.states, tables.gotos, tables.accept
        matchers, phrases = self.matchers, source.phrases
        state = tables.start
        states = [state]
        values: list[Value] = []
        starts: list[int] = []
        begin = end = last = 0  # of the token looked at, and the end of the last one shifted
        value: Value = None
        action: int | None
        key: str | None = None  # the token looked at, if it is a keyword, a symbol or the end
        while True:
            rule, lexer, kinds, words, fallback, phrase = rows[state]
            if rule < 0:
                if key is not None:
                    action = words.get(key, ERROR)
                elif (
                    phrases is not None
                    and phrase != ERROR
                    and (operand := phrases.match(text, last)) is not None
                ):
                    value, begin, end = operand
                    action = phrase
                else:
                    found = (matchers[lexer] or self.matcher(lexer))(text, last)
                    if found is None:
                        raise Stuck(source, last, states, values, starts)
                    group = found.lastindex
                    begin, end = found.span(group)
                    action, token = kinds[group], found[group]
                    if action is not None:
                        value = (token, begin)
                    elif (action := words.get(token)) is not None:
                        value = key = token
                    elif token.isascii() and (action := words.get(token.lower())) is not None:
                        value = key = token.lower()
                    else:
                        action = fallback if group == len(kinds) - 3 else ERROR
                        value = (token, begin)
                if action >= 0:
                    if action == ERROR:
                        raise Stuck(source, last, states, values, starts)
                    states.append(action)
                    values.append(value)
                    starts.append(begin)
                    state, last, key = action, end, None
                    continue
                rule = ~action
                if rule == accept:
                    return values[-1]  # type: ignore[no-any-return]
            size, target, make, kept = rules[rule]
            if size == 1 and make is None:
                states.pop()
            else:
                start = starts[-size]
                if make is None:
                    result = values[kept[0]] if kept else None
                else:
                    try:
                        result = make(source, start, last, *[values[place] for place in kept])
                    except ValueError as error:
                        raise Refused("limit", str(error), start, last) from None
                del states[-size:], values[-size:], starts[-size:]
                values.append(result)
                starts.append(start)
            state = gotos[states[-1]][target]
            states.append(state)


@cache
def machine() -> Machine:
    """The parser of this process."""
    return Machine(load())


def parse(text: str, *, phrases: Phrases | Iterable[object] = ()) -> Condition:
    """The condition that `text` spells, with spans on its nodes.

    `phrases` are the custom conditions that the text may use: a `Phrases`, or templates, patterns
    and the rest that it takes. Without any, a call of a function of any name is taken as it is.
    Raises ConditionSyntaxError and, for anything but a text, TypeError."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not the text of a condition")
    if phrases != ():
        from .phrases import Phrases, registry

        known = phrases if isinstance(phrases, Phrases) else registry(tuple(phrases))
        return known.parse(text)
    return read_kept(text) if len(text) <= LONGEST_KEPT else read(text)


@lru_cache(maxsize=KEPT)
def read_kept(text: str) -> Condition:
    return read(text)


def read(text: str, phrases: Phrases | None = None) -> Condition:
    """Parse `text` anew, whether it was read before or not. Raises ConditionSyntaxError."""
    plain = blank_comments(text) if "#" in text else text
    source = Source(plain, phrases)
    try:
        check_size(source)
        node = machine().run(source)
        if len(text) * GROWTH > MAX_TEXT:
            check_canonical(source, node)
        return node
    except Refused as refusal:
        problem = refused(source, text, refusal)
    except Stuck as stuck:
        problem = explain(machine().tables, stuck, text)
    raise ConditionSyntaxError((problem,))


QUOTED = r"""'(?:[^'\\]|\\.)*+(?:'|\Z)|"(?:[^"\\]|\\.)*+(?:"|\Z)"""  # an open quote: all the rest
COMMENT = re.compile(rf"{QUOTED}|(?<!\S)\#[^\r\n]*", re.S)


def blank_comments(text: str) -> str:
    """`text` with blanks in the place of comments, so that all else stays where it is."""
    return COMMENT.sub(
        lambda found: " " * len(found[0]) if found[0].startswith("#") else found[0], text
    )


PARENTHESIS = re.compile(rf"{QUOTED}|[()]", re.S)


def check_size(source: Source) -> None:
    """Refuse a text that is too long, or whose parentheses nest too deep."""
    text = source.text
    if len(text) * 4 > MAX_TEXT and (size := text_size(text)) > MAX_TEXT:
        message = f"a text of {size} bytes is too long: at most {MAX_TEXT}"
        raise Refused("too-long", message, 0, len(text))
    if text.count("(") <= MAX_NESTING:
        return
    depth = 0
    for found in PARENTHESIS.finditer(text):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth > MAX_NESTING:
            message = f"parentheses nest too deep: at most {MAX_NESTING} levels"
            raise Refused("too-deep", message, found.start(), found.end())


def check_canonical(source: Source, node: Condition) -> None:
    """Refuse what could be read, but not once it is printed."""
    try:
        str(node)
    except ValueError as error:
        raise Refused("too-long", str(error), 0, len(source.text)) from None
