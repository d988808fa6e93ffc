"""Conditions, wherever they are given: as texts, or in Python by the names of `rocketry.conds`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...grammar.phrases import Phrases
from .conditions import (
    CADENCES,
    COUNT_OF_RUNS,
    HISTORIES,
    PREVIOUS,
    RANGES,
    examine,
    of_cron_call,
    of_name,
    of_range,
)
from .imports import Tell
from .names import Names, divided
from .report import Level
from .source import Source
from .tables import MODULES

MADE_LATER = "the condition is made when the program runs, so it was not looked at: `oncue check`"


class Conditions:
    """Those of one file. `texts` are the module's names that stand for a text or a dictionary."""

    def __init__(
        self, source: Source, names: Names, phrases: Phrases, peer: str, tell: Tell
    ) -> None:
        self.source = source
        self.names = names
        self.phrases = phrases
        self.peer = peer
        self.texts = texts(source.tree)
        self._tell = tell

    def _differs(self, node: ast.AST, text: str) -> None:
        self._tell(node, Level.DIFFERS, text)

    def given(self, node: ast.expr | None) -> None:
        """What is given where a condition is expected."""
        match node:
            case ast.Constant(str(text)):
                for level, message in examine(text, self.phrases, self.peer):
                    self._tell(node, level, message)
            case ast.IfExp(_, chosen, otherwise):
                self.given(chosen)
                self.given(otherwise)
            case ast.Name(name) if name in self.texts:
                self.given(self.texts[name])
            case ast.JoinedStr():
                self._differs(node, MADE_LATER)
            case ast.BinOp(left, ast.Add() | ast.Mod()) if isinstance(left, ast.Constant):
                self._differs(node, MADE_LATER)
            case ast.Call(ast.Attribute(ast.Constant(str()), "format")):
                self._differs(node, MADE_LATER)

    def _root(self, node: ast.expr) -> str:
        """The name of the API that an expression such as `failed(x).today` begins with."""
        while True:
            module, name = divided(self.names.origin(node) or "")
            if MODULES.get(module) == "conds" and name:
                return name
            match node:
                case ast.Call(func):
                    node = func
                case ast.Attribute(value):
                    node = value
                case _:
                    return ""

    def name(self, node: ast.Name | ast.Attribute) -> None:
        module, name = divided(self.names.origin(node) or "")
        call = self.source.parents.get(node)
        if isinstance(call, ast.Call) and any(k.arg == "based" for k in call.keywords):
            return
        if MODULES.get(module) == "conds":
            for message in of_name(name, self.peer):
                self._differs(node, message)

    def call(self, node: ast.Call) -> None:
        """What the arguments of the API mean: `daily.between(10, 12)`, `cron('…')`."""
        values = [literal(argument) for argument in node.args]
        module, name = divided(self.names.origin(node.func) or "")
        if MODULES.get(module) == "conds" and name in ("cron", "crontime"):
            fields = {k.arg: literal(k.value) for k in node.keywords if k.arg is not None}
            for message in of_cron_call(values, fields):
                self._differs(node, message)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in RANGES:
            values += [literal(keyword.value) for keyword in node.keywords]
            self._range(node, node.func, values)

    def _range(self, node: ast.Call, func: ast.Attribute, values: list[object]) -> None:
        root = self._root(func.value)
        if root in HISTORIES:
            self._differs(node, PREVIOUS)
        elif root in CADENCES or root.startswith("time_of_"):
            for message in of_range(root, func.attr, values):
                self._differs(node, message)

    def comparison(self, node: ast.Compare) -> None:
        """`running <= n` is a condition, but `==` is plain equality here."""
        if self._root(node.left) != "running":
            return
        match node.ops, node.comparators:
            case [ast.LtE()], _:
                self._differs(node, COUNT_OF_RUNS)
            case [ast.Eq() | ast.NotEq() as operator], [right]:
                self._exactly(node, operator, right)
            case [_, _, *_], _:
                self._tell(node, Level.BY_HAND, "join two comparisons by &, each in parentheses")

    def _exactly(self, node: ast.Compare, operator: ast.cmpop, right: ast.expr) -> None:
        begin, end = self.source.end(node.left), self.source.start(right)
        unequal = isinstance(operator, ast.NotEq)
        if self.source.text[begin:end].strip() != ("!=" if unequal else "=="):
            self._tell(node, Level.BY_HAND, "`==` is plain equality: write `.exactly(n)`")
            return
        self.source.replace(begin, end, ".exactly(")
        close, start = self.source.end(right), self.source.start(node)
        self.source.replace(close, close, ")")
        if unequal:
            self.source.replace(start, start, "~")


def literal(node: ast.expr) -> object:
    """The value of a constant; None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def texts(tree: ast.Module) -> dict[str, ast.expr]:
    """The names of the module that are assigned a constant or a dictionary, once."""
    found: dict[str, ast.expr] = {}
    for name, value in assignments(tree):
        kept = isinstance(value, ast.Constant | ast.Dict | ast.JoinedStr) and name not in found
        found[name] = value if kept else ast.Name(name)
    return {name: value for name, value in found.items() if not isinstance(value, ast.Name)}


def assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(ast.Name(name), _, value):
                if value is not None:
                    yield name, value
