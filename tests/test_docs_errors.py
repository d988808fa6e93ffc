"""docs/errors.md has every code that a condition's errors and hints can have, and no other.

The codes are read from the source: each call that makes an error or a hint says its code in the
place that SLOTS names, as a text, or hands on one that another has said. The examples of the page
are run with the other blocks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import oncue
from oncue.tests.pages import BLOCKS, PAGES, ROOT

PAGE = "docs/errors.md"
TEXT = PAGES[PAGE]
HEADINGS = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
FLOORS = ("conds", "grammar", "engine")

SLOTS = {"Refused": 0, "error": 0, "warning": 0, "information": 0, "diagnostic": 1}
"""Calls that make an error or a hint, and which of their arguments is the code."""
HANDED_ON = {"code", "error.code", "found.code"}


def said(source: str) -> Iterator[tuple[int, ast.expr]]:
    """The codes in a file's source: (line, expression)."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=k):
                yield from ((node.lineno, word.value) for word in k if word.arg == "code")
                if name in SLOTS and len(args) > SLOTS[name]:
                    yield node.lineno, args[SLOTS[name]]
            case ast.Assign(targets=[ast.Name(id="code")], value=value):
                yield node.lineno, value


def codes_of(source: str) -> tuple[set[str], list[str]]:
    """The codes that a file's source says, and the lines on which one cannot be told."""
    found, unclear = set(), []
    for line, value in said(source):
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found.add(value.value)
        elif ast.unparse(value) not in HANDED_ON:
            unclear.append(f"{line}: {ast.unparse(value)}")
    return found, unclear


def known() -> set[str]:
    found: set[str] = set()
    for floor in FLOORS:
        for path in (ROOT / floor).rglob("*.py"):
            codes, unclear = codes_of(path.read_text(encoding="utf-8"))
            assert unclear == [], path
            found |= codes
    return found


def test_the_page_has_every_code_and_no_other() -> None:
    assert len(HEADINGS) == len(set(HEADINGS))
    codes = known()
    assert len(codes) > 70
    assert sorted(codes ^ set(HEADINGS)) == []


@pytest.mark.parametrize(
    ("source", "codes", "unclear"),
    [
        ("raise Refused('a-b', m, 0, 1)", {"a-b"}, []),
        ("yield warning('c', m, node)", {"c"}, []),
        ("raise ReadError(m, t, code='d')", {"d"}, []),
        ("code = 'e'", {"e"}, []),
        ("raise Refused(error.code, m)", set(), []),
        ("raise Refused(f'x{y}', m)", set(), ["1: f'x{y}'"]),
    ],
)
def test_a_code_is_found_where_it_is_said(source: str, codes: set[str], unclear: list[str]) -> None:
    assert codes_of(source) == (codes, unclear)


TOO_MUCH = {
    "too-deep": "(" * 201 + "daily" + ")" * 201,
    "limit": "daily" + " & hourly" * 1000,
}


@pytest.mark.parametrize("code", TOO_MUCH)
def test_what_is_too_long_to_show(code: str) -> None:
    assert [found.code for found in oncue.check(TOO_MUCH[code])] == [code]


def test_every_code_has_an_example() -> None:
    headings = [found for found in re.finditer(r"^### (.+)$", TEXT, re.MULTILINE)]
    lines = [TEXT.count("\n", 0, found.start()) for found in headings]
    shown = set()
    for block in BLOCKS[PAGE]:
        if block.kind == "cure":
            shown.add(HEADINGS[sum(line < block.line for line in lines) - 1])
    assert set(HEADINGS) - shown == set(TOO_MUCH)


def test_the_severity_that_the_page_names_is_the_hint_s() -> None:
    for code, text in re.findall(r"^### (.+)\n\n\*\*(\w+)\*\*", TEXT, re.MULTILINE):
        (example,) = re.findall(rf"^### {code}\n.*?```cure\n(.*?) => ", TEXT, re.DOTALL | re.M)
        found = oncue.check(example, tasks=["extract", "load"], timezone="UTC")
        assert {each.severity for each in found if each.code == code} == {text.lower()}
