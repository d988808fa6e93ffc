"""The grammar made ready for the driver: Lark's LALR tables, packed, and kept between processes.

Lark compiles `condition.lark` once; what the driver needs of it is plain tuples and dictionaries,
kept in the user's cache folder under a name that is a digest of the grammar, of this file and of
the Python version. A process that finds them there does not import Lark at all.

What is packed, per state of the LALR automaton:
- a lexer: one regular expression of all terminals the state accepts, each a group;
- `kinds`, the action for each group; None where the matched word is to be looked up in `words`;
- `words`, the action for each keyword and symbol, and for the end under the empty text; where an
  operand begins also for keywords that are wrong there, so that none is a function's name;
  `fallback`, that for any other word;
- `default`, the rule to reduce by without looking ahead, where there is only one.

An action is a number: a state to shift to, or ~rule to reduce by, or ERROR.
"""

from __future__ import annotations

import marshal
import os
import re
import sys
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

ERROR = 1 << 30
END = "$END"
PHRASE = "PHRASE"
WORDLIKE = ("NAME", "ZONE")  # a keyword of the state wins over them
SYMBOLS = "&|~(),"
WORD = r"[^\W\d][\w.:-]*"

GRAMMAR = os.path.join(os.path.dirname(__file__), "condition.lark")


class State(NamedTuple):
    """One state of the automaton; see the file's head."""

    default: int  # a rule, or -1
    lexer: int
    kinds: tuple[int | None, ...]  # the last three are the word, the symbol and the end
    words: dict[str, int]
    fallback: int
    phrase: int  # the action for a registered phrase, or ERROR


class PackedRule(NamedTuple):
    """One rule: how many symbols it takes off the stack, what it makes, of which of them."""

    size: int
    target: int  # a column of the goto table
    action: str  # the name of the action; empty: the only kept value as it is
    kept: tuple[int, ...]  # places from the top of the stack, -1 is the last


class Tables(NamedTuple):
    """All the driver reads. `gotos` maps, per state, a rule's target to the next state;
    `expected` names, per state, the terminals it accepts; `spelling` what a terminal is called in
    an error."""

    states: tuple[State, ...]
    rules: tuple[PackedRule, ...]
    gotos: tuple[dict[int, int], ...]
    lexers: tuple[str, ...]
    start: int  # a state
    accept: int  # the rule that ends a text
    expected: tuple[tuple[str, ...], ...]
    spelling: dict[str, tuple[str, ...]]


def load(make: Callable[[str], Tables] | None = None) -> Tables:
    """The tables, from the cache if it has them; else compiled (by `make`), and put there."""
    grammar = read_bytes(GRAMMAR)
    path = cache_path(grammar)
    tables = read_cache(path)
    if tables is None:
        tables = (make or compile_tables)(grammar.decode())
        write_cache(path, tables)
    return tables


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def cache_path(grammar: bytes) -> str:
    """Where the tables of `grammar` are kept: the name tells all they depend on. It is a check
    sum and not a digest; who can write there can do as much by other means."""
    parts = (grammar, read_bytes(__file__), sys.version.encode())
    name = "-".join(f"{zlib.crc32(part):08x}{len(part):x}" for part in parts)
    return os.path.join(cache_folder(), f"grammar-{name}.bin")


def cache_folder() -> str:
    """The user's cache folder for oncue, by the custom of the system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~\\AppData\\Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return os.path.join(os.path.expanduser(base), "oncue")


def read_cache(path: str) -> Tables | None:
    """The tables kept at `path`; None if there are none, or they are not what was written."""
    try:
        kept = read_bytes(path)
    except OSError:
        return None
    payload = memoryview(kept)[4:]
    if kept[:4] != checksum(payload):
        return None
    states, rules, *rest = marshal.loads(payload)
    return Tables(
        tuple(State(*state) for state in states), tuple(PackedRule(*rule) for rule in rules), *rest
    )


def checksum(payload: bytes | memoryview) -> bytes:
    return zlib.crc32(payload).to_bytes(4, "big")


def write_cache(path: str, tables: Tables) -> None:
    """Keep the tables at `path`, whole or not at all; a folder that cannot be written is no
    error, the next process compiles again."""
    payload = marshal.dumps(plain(tables))
    passing = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(passing, "wb") as file:
            file.write(checksum(payload) + payload)
        os.replace(passing, path)
    except OSError:
        return


def plain(tables: Tables) -> Any:
    """The tables of plain tuples: `marshal` knows no others."""
    states = tuple(tuple(state) for state in tables.states)
    rules = tuple(tuple(rule) for rule in tables.rules)
    return (states, rules, *tables[2:])


# --- compiling ------------------------------------------------------------------------------


def compile_tables(grammar: str) -> Tables:
    """The tables of a grammar's text."""
    return pack(compile_grammar(grammar))


def compile_grammar(text: str) -> Lark:
    """Lark's own parser of the grammar; its tables are all that is used."""
    from lark import Lark

    return Lark(text, parser="lalr", lexer="contextual", maybe_placeholders=False)


def pack(lark: Lark) -> Tables:
    """The driver's tables of Lark's."""
    return Packer(lark).tables()


KEYWORD = re.compile(r"\(\?i:(\w+)\)")


def spellings(terminal: TerminalDef) -> tuple[str, ...] | None:
    """The texts of a terminal that is a keyword, a symbol or a choice of keywords; None for one
    that is a pattern."""
    pattern = terminal.pattern
    if type(pattern).__name__ == "PatternStr":
        return (str(pattern.value),)
    words = KEYWORD.findall(pattern.value)
    joined = "|".join(f"(?i:{word})" for word in words)
    return tuple(words) if words and pattern.value == f"(?:{joined})" else None


class Packer:
    """Packs one grammar. Its fields are set once, in order; nothing of it outlives the packing."""

    def __init__(self, lark: Lark) -> None:
        self.table = lark.parser.parser._parse_table
        self.order = self.found_order()
        self.numbers = {state: number for number, state in enumerate(self.order)}
        self.rules: list[Rule] = []
        self.targets: dict[str, int] = {}
        self.terminals = {terminal.name: terminal for terminal in lark.terminals}
        self.spelling = {
            name: texts
            for name, terminal in self.terminals.items()
            if (texts := spellings(terminal)) is not None
        }
        self.lexers: dict[str, int] = {}
        self.actions = [self.state_actions(state) for state in self.order]

    def tables(self) -> Tables:
        states = tuple(self.pack_state(actions) for actions in self.actions)
        rules = tuple(self.pack_rule(rule) for rule in self.rules)
        (accept,) = (i for i, rule in enumerate(self.rules) if rule.origin.name == "start")
        gotos = [self.state_gotos(state) for state in self.order]
        shorten(gotos, states, rules)
        return Tables(
            states,
            rules,
            tuple(gotos),
            tuple(self.lexers),
            0,
            accept,
            tuple(tuple(sorted(actions)) for actions in self.actions),
            self.spelling,
        )

    def found_order(self) -> list[int]:
        """The states as they are found from the start on: Lark's own numbers differ from run to
        run."""
        order = list(self.table.start_states.values())
        for state in order:
            row = sorted(self.table.states[state].items())
            for _, (kind, argument) in row:
                if kind.name == "Shift" and argument not in order:
                    order.append(argument)
        return order

    def state_actions(self, state: int) -> dict[str, int]:
        """The action for each terminal."""
        found = {}
        for name, (kind, argument) in sorted(self.table.states[state].items()):
            if not self.is_terminal(name):
                continue
            if kind.name == "Shift":
                found[name] = self.numbers[argument]
            else:
                found[name] = ~self.rule_number(argument)
        return found

    def is_terminal(self, name: str) -> bool:
        return name in self.terminals or name in (END, PHRASE)

    def state_gotos(self, state: int) -> dict[int, int]:
        return {
            self.target(name): self.numbers[argument]
            for name, (kind, argument) in sorted(self.table.states[state].items())
            if not self.is_terminal(name)
        }

    def rule_number(self, rule: Rule) -> int:
        if rule not in self.rules:
            self.rules.append(rule)
        return self.rules.index(rule)

    def target(self, name: str) -> int:
        return self.targets.setdefault(name, len(self.targets))

    def pack_rule(self, rule: Rule) -> PackedRule:
        size = len(rule.expansion)
        kept = tuple(
            place - size
            for place, symbol in enumerate(rule.expansion)
            if not (symbol.name.startswith("_") or getattr(symbol, "filter_out", False))
        )
        name = str(rule.origin.name)
        passes = len(kept) == 1 and (rule.options.expand1 or name == "start") and not rule.alias
        action = "" if passes or name.startswith("_") else rule.alias or name
        return PackedRule(size, self.target(name), str(action), kept)

    def pack_state(self, actions: dict[str, int]) -> State:
        words: dict[str, int] = {"": actions[END]} if END in actions else {}
        patterns = []
        for name, action in actions.items():
            if name in self.spelling:
                for word in self.spelling[name]:
                    if words.setdefault(word, action) != action:
                        raise ValueError(f"{word!r} is two terminals in one state")
            elif name not in (END, PHRASE, *WORDLIKE):
                patterns.append(name)
        if {"LPAR", "TILDE"} <= actions.keys():  # where an operand begins, a keyword is a keyword
            words = dict.fromkeys(self.keywords(), ERROR) | words
        patterns.sort(key=lambda name: (-self.terminals[name].priority, name))
        wordlike = [name for name in WORDLIKE if name in actions]
        if len(wordlike) > 1:
            raise ValueError(f"{wordlike} are accepted in one state")
        return State(
            self.default(actions),
            self.lexer(patterns, wordlike),
            (ERROR, *(actions[name] for name in patterns), None, None, None),
            words,
            actions[wordlike[0]] if wordlike else ERROR,
            actions.get(PHRASE, ERROR),
        )

    def keywords(self) -> list[str]:
        """All keywords of the grammar."""
        return sorted(word for words in self.spelling.values() for word in words if word.isalpha())

    def default(self, actions: dict[str, int]) -> int:
        """The rule of a state that does nothing but reduce by it. The end of a text is looked
        at first."""
        first = next(iter(actions.values()), 0)
        if first >= 0 or set(actions.values()) != {first}:
            return -1
        return -1 if self.rules[~first].origin.name == "start" else ~first

    def lexer(self, patterns: list[str], wordlike: list[str]) -> int:
        """The number of the expression that finds any of `patterns`, a word, a symbol or the
        end."""
        word = self.terminals[wordlike[0]].pattern.value if wordlike else WORD
        groups = [f"({self.terminals[name].pattern.to_regexp()})" for name in patterns]
        groups += [f"({word})", f"([{re.escape(SYMBOLS)}])", r"(\Z)"]
        return self.lexers.setdefault(rf"\s*(?:{'|'.join(groups)})", len(self.lexers))


def shorten(
    gotos: list[dict[int, int]], states: tuple[State, ...], rules: tuple[PackedRule, ...]
) -> None:
    """Lead each goto past the states that only pass a value on to the next rule."""
    for row in gotos:
        for target, state in row.items():
            while passes_on(states[state], rules):
                state = row[rules[states[state].default].target]
            row[target] = state


def passes_on(state: State, rules: tuple[PackedRule, ...]) -> bool:
    if state.default < 0:
        return False
    rule = rules[state.default]
    return rule.size == 1 and not rule.action
