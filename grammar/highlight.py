"""A lexer for Pygments, so that any page or terminal can show conditions in colour.

It repeats nothing of the language: it walks the parser's own tables, so a word is coloured as what
it is *there*; `after task success` has a name where `since last success` has a keyword. Where the
parser would stop, words are told by how they look up to the next operator, and the walk begins
anew. Pygments finds this file by the entry point `oncue`; nothing else of the package imports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
    _TokenType,
)

from .parser import COMMENT, Machine, blank_comments, machine
from .tables import ERROR

OPERATORS = {"&": Operator, "|": Operator, "~": Operator} | dict.fromkeys(
    ("and", "or", "not"), Operator.Word
)
CONSTANTS = ("true", "false", "always", "never")
LOOSE = re.compile(
    r"""'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|[^\W\d][\w.:+/-]*|\d[\w.:-]*|\S""", re.S
)
CALLED = re.compile(r"\s*\(")

Token = tuple[int, int, _TokenType]  # start, end, kind


class ConditionLexer(Lexer):
    """Conditions of oncue, one or many lines of one condition. Any text is lexed whole: the tokens
    joined are the text."""

    name = "oncue condition"
    aliases = ["oncue", "oncue-condition"]
    filenames = ["*.oncue"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """(offset, kind, text) of every token, blanks and comments among them."""
        done = 0
        for start, end, kind in tokens(machine(), blank_comments(text)):
            yield from between(text, done, start)
            yield start, kind, text[start:end]
            done = end
        yield from between(text, done, len(text))


def between(text: str, start: int, end: int) -> Iterator[tuple[int, _TokenType, str]]:
    """The blanks and comments of a stretch without tokens."""
    for found in COMMENT.finditer(text, start, end):
        if found.start() > start:
            yield start, Whitespace, text[start : found.start()]
        yield found.start(), Comment, found[0]
        start = found.end()
    if start < end:
        yield start, Whitespace, text[start:end]


def tokens(parser: Machine, text: str) -> Iterator[Token]:
    """The tokens of a text without comments."""
    position = 0
    while position < len(text):
        for token in walked(parser, text, position):
            yield token
            position = token[1]
        for token in loose(parser, text, position):
            yield token
            position = token[1]
        if not text[position:].strip():
            return


def walked(parser: Machine, text: str, position: int) -> Iterator[Token]:
    """The tokens from `position` on for as long as the parser takes them: the walk of
    `Machine.run`, without its values."""
    tables, states = parser.tables, [parser.tables.start]
    begin = end = position
    kind: _TokenType = Name
    key: str | None = None  # the keyword or symbol that is found and not shifted yet
    while True:
        rule, lexer, kinds, words, fallback, _ = tables.states[states[-1]]
        if rule < 0:
            if key is not None:
                action = words.get(key, ERROR)
            else:
                found = (parser.matchers[lexer] or parser.matcher(lexer))(text, position)
                if found is None:
                    return
                begin, end = found.span(found.lastindex)
                token = found[found.lastindex]
                taken = kinds[found.lastindex]
                word = token.lower() if token.isascii() else token
                if taken is not None:
                    action, kind = taken, looks(token)
                elif (action := words.get(word, ERROR)) != ERROR:
                    key, kind = word, told(word)
                elif found.lastindex == len(kinds) - 3:
                    action, kind = fallback, named(text, end)
            if action == ERROR:
                return
            if action >= 0:
                yield begin, end, kind
                states.append(action)
                position, key = end, None
                continue
            rule = ~action
            if rule == tables.accept:
                return
        size, target, _, _ = parser.rules[rule]
        del states[-size:]
        states.append(tables.gotos[states[-1]][target])


def loose(parser: Machine, text: str, position: int) -> Iterator[Token]:
    """The tokens by their looks, up to the first after which an operand may begin."""
    known = {word for words in parser.tables.spelling.values() for word in words}
    for found in LOOSE.finditer(text, position):
        token, word = found[0], found[0].lower()
        if word in known or word in OPERATORS:
            yield *found.span(), told(word)
        elif token[0].isalpha() or token[0] == "_":
            yield *found.span(), named(text, found.end())
        else:
            yield *found.span(), looks(token)
        if word in OPERATORS or token == "(":
            return


def told(word: str) -> _TokenType:
    """The kind of a keyword or symbol."""
    if word in OPERATORS:
        return OPERATORS[word]
    if word in CONSTANTS:
        return Keyword.Constant
    return Keyword if word.isalpha() else Punctuation


def looks(token: str) -> _TokenType:
    """The kind of a value, by its looks."""
    if token[0] in "'\"":
        return String
    return Number if token[0].isdigit() else Literal


def named(text: str, end: int) -> _TokenType:
    """The kind of a name that ends there."""
    return Name.Function if CALLED.match(text, end) else Name
