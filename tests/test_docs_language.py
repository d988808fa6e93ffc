"""The tables of docs/language.md are what the language has. `pages.py` runs its blocks."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

import oncue
from oncue import conds
from oncue.tests.pages import BLOCKS, PAGES

TEXT = PAGES["docs/language.md"]


def table(*heads: str) -> list[list[str]]:
    """The rows below the one header line with these heads, as cells."""
    header = "| " + " | ".join(heads) + " |\n"
    assert TEXT.count(header) == 1, f"the page has not one table of {heads}"
    lines = TEXT.split(header)[1].splitlines()
    rows = []
    for line in lines[1:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def codes(cell: str) -> list[str]:
    found = re.findall(r"``([^`].*?)``|`([^`]+)`", cell)
    return [(double or single).strip() for double, single in found]


POINTS = table("unit", "points", "`on` and `at` last")
CADENCES = dict(
    second="secondly",
    minute="minutely",
    hour="hourly",
    day="daily",
    week="weekly",
    month="monthly",
    year="yearly",
)


def test_every_unit_has_a_row_of_points() -> None:
    assert [row[0] for row in POINTS] == list(CADENCES)


@pytest.mark.parametrize(
    ("unit", "point"), [(row[0], point) for row in POINTS for point in codes(row[1])]
)
def test_a_point_is_one_of_its_unit(unit: str, point: str) -> None:
    place = "before" if point == "24:00" else "after" if point == "0" else "at"
    node = oncue.parse(f"{CADENCES[unit]} {place} {point}")
    assert re.match(f"{CADENCES[unit]} (on|at|after|before) .", str(node))


DURATIONS = table("unit of time", "written")


@pytest.mark.parametrize("word", [word for row in DURATIONS for word in codes(row[1])])
def test_a_word_is_a_unit_of_time(word: str) -> None:
    (row,) = [row for row in DURATIONS if word in codes(row[1])]
    length = timedelta(**{f"{row[0]}s": 7})
    assert oncue.parse(f"every 7 {word}") == conds.every(length)


API = table("Python", "text")


@pytest.mark.parametrize(("code", "text"), [tuple(codes(cell)[0] for cell in row) for row in API])
def test_python_and_text_say_the_same(code: str, text: str) -> None:
    assert eval(code, {name: getattr(conds, name) for name in conds.__all__}) == oncue.parse(text)


def test_the_table_shows_every_name_that_makes_a_condition() -> None:
    shown = " ".join(code for row in API for code in codes(row[0]))
    words = set(re.findall(r"\w+", shown))
    others = {"Condition", "Diagnostic", "Duration", "LimitError", "ReadError", "Severity"}
    others |= {"Span", "Unit", "condition"}
    assert sorted(set(conds.__all__) - words - others) == []


HINTS = table("code", "what it says")


def test_every_hint_of_the_page_is_shown_by_an_example() -> None:
    shown = "".join(block.body for block in BLOCKS["docs/language.md"] if block.kind == "hint")
    named = [code for row in HINTS for code in codes(row[0])]
    assert named and [code for code in named if f"[{code}]" not in shown] == []
