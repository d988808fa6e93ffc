"""Every example of docs/language.md is what happens.

A fenced block says by the last word of its first line what its lines are; a block of another kind
fails. The forms of the lines are at the functions below; instants are in UTC but where a block
names a zone, and the task that asks is called `self`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

import oncue
from oncue import conds
from oncue.conds import Severity

PAGE = Path(__file__).parent.parent / "docs" / "language.md"
TEXT = PAGE.read_text(encoding="utf-8")
FENCE = re.compile(r"^(`{3,})([^`\n]*)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    kind: str
    line: int  # of its first line, below the fence
    body: str

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.body.splitlines() if line.strip()]

    def failure(self, line: str) -> str:
        return f"docs/language.md, the {self.kind} block at line {self.line}: {line!r}"


def blocks(text: str) -> Iterator[Block]:
    for found in FENCE.finditer(text):
        words = found[2].split()
        yield Block(words[-1] if words else "", text.count("\n", 0, found.start(3)) + 1, found[3])


def parts(block: Block, line: str) -> tuple[str, str]:
    text, arrow, expected = line.partition(" => ")
    assert arrow, f"{block.failure(line)} says not what to expect"
    return text.strip(), expected.strip()


def run_condition(block: Block) -> None:
    """`TEXT => CANONICAL`, or a text that is canonical."""
    for line in block.lines:
        text, _, canonical = (part.strip() for part in line.partition(" => "))
        node = oncue.parse(text)
        assert str(node) == (canonical or text), block.failure(line)
        assert oncue.parse(str(node)) == node, block.failure(line)
        errors = [found for found in oncue.check(text) if found.severity is Severity.ERROR]
        assert errors == [], block.failure(line)


def run_error(block: Block) -> None:
    """`TEXT => a part of the first diagnostic`."""
    for line in block.lines:
        text, expected = parts(block, line)
        with pytest.raises(oncue.ConditionSyntaxError) as caught:
            oncue.parse(text)
        shown = str(caught.value.diagnostics[0])
        assert expected in shown, f"{block.failure(line)}:\n{shown}"
        assert oncue.check(text) == list(caught.value.diagnostics), block.failure(line)


def run_hint(block: Block) -> None:
    """`TEXT => a part of one hint`; known are the tasks extract and load."""
    for line in block.lines:
        text, expected = parts(block, line)
        oncue.parse(text)
        found = oncue.check(text, tasks=["extract", "load"], timezone="UTC")
        assert all(hint.severity is not Severity.ERROR for hint in found), block.failure(line)
        shown = "\n".join(map(str, found))
        assert any(expected in str(hint) for hint in found), f"{block.failure(line)}:\n{shown}"


FROM = re.compile(r"from (\S+(?: \d\d:\d\d)?) (\S+): (.+)")


def run_windows(block: Block) -> None:
    """`from DATETIME ZONE: TEXT`, then the windows that follow, each `START to END`, with
    offsets from UTC where the zone is another."""
    asked: Iterator[oncue.Window] | None = None
    zone = "UTC"
    for line in block.lines:
        if found := FROM.fullmatch(line):
            zone = found[2]
            start = datetime.fromisoformat(found[1])
            asked = oncue.windows(found[3], start, timezone=zone)
        else:
            assert asked is not None, f"{block.failure(line)} follows no question"
            window = next(asked, None)
            shown = "nothing" if window is None else " to ".join(moment(t, zone) for t in window)
            assert line.strip() == shown, f"{block.failure(line)}: it is {shown}"


def run_runs(block: Block) -> None:
    """`from DATETIME ZONE: TEXT`, then the starts that follow."""
    asked: Iterator[datetime] | None = None
    zone = "UTC"
    for line in block.lines:
        if found := FROM.fullmatch(line):
            zone = found[2]
            start = datetime.fromisoformat(found[1])
            asked = oncue.upcoming(found[3], start, timezone=zone)
        else:
            assert asked is not None, f"{block.failure(line)} follows no question"
            at = next(asked, None)
            shown = "nothing" if at is None else moment(at, zone)
            assert line.strip() == shown, f"{block.failure(line)}: it is {shown}"


def moment(at: datetime | None, zone: str) -> str:
    if at is None:
        return "ever"
    return (at.replace(tzinfo=None) if zone == "UTC" else at).isoformat(" ", "minutes")


RECORD = re.compile(r"log (\S+ \S+) (\S+) (\w+)(?: for (\S+ \S+))?")
CASE = re.compile(r"at  (\S+ \S+) (.+?) => (true|false)(?: until (\S+ \S+|ever))?")


def run_verdict(block: Block) -> None:
    """`log DATETIME TASK ACTION [for DATETIME]` adds a record to the log of the block;
    `at  DATETIME TEXT => VALUE [until DATETIME]` is what is so then, by the log so far."""
    log: list[dict[str, object]] = []
    cases = 0
    for line in block.lines:
        if record := RECORD.fullmatch(line):
            log.append({"at": record[1], "task": record[2], "action": record[3]})
            if record[4]:
                log[-1]["scheduled_at"] = record[4]
            continue
        case = CASE.fullmatch(line)
        assert case is not None, f"{block.failure(line)} is neither a record nor a case"
        at = datetime.fromisoformat(case[1])
        found = oncue.evaluate(case[2], at=at, log=log, timezone="UTC")
        assert found.value == (case[3] == "true"), f"{block.failure(line)}: {found}"
        if case[4]:
            assert moment(found.until, "UTC") == case[4], f"{block.failure(line)}: {found}"
        cases += 1
    assert cases, block.failure("no case")


def run_python(block: Block) -> None:
    """A program of its own."""
    code = "\n" * (block.line - 1) + block.body
    exec(compile(code, str(PAGE), "exec"), {"__name__": "language"})


KINDS: dict[str, Callable[[Block], None]] = {
    "condition": run_condition,
    "error": run_error,
    "hint": run_hint,
    "windows": run_windows,
    "runs": run_runs,
    "verdict": run_verdict,
    "python": run_python,
}
BLOCKS = list(blocks(TEXT))


def run(block: Block) -> None:
    assert block.kind in KINDS, f"{block.failure(block.kind)} is of no known kind"
    assert block.lines, block.failure("it is empty")
    KINDS[block.kind](block)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.line}-{block.kind}")
def test_the_block_is_what_happens(block: Block) -> None:
    run(block)


def test_the_page_has_blocks_of_every_kind_and_every_fence_is_read() -> None:
    assert {block.kind for block in BLOCKS} == set(KINDS)
    fences = [line for line in TEXT.splitlines() if line.lstrip().startswith(("```", "~~~"))]
    assert len(fences) == 2 * len(BLOCKS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```text poem\ndaily\n```\n", "of no known kind"),
        ("```\ndaily\n```\n", "of no known kind"),
        ("```text condition\n```\n", "it is empty"),
        ("```text condition\nDAILY\n```\n", "'DAILY'"),
        ("```text condition\ndaily => hourly\n```\n", "daily => hourly"),
        ("```text error\ndaliy => hourly\n```\n", "unknown condition 'daliy'"),
        ("```text error\ndaliy\n```\n", "says not what to expect"),
        ("```text hint\ndaily => two cadences\n```\n", "daily => two cadences"),
        ("```text verdict\nat  2026-03-10 12:00 daily => false\n```\n", "value=True"),
        ("```text verdict\nat 12:00 daily => true\n```\n", "neither a record nor a case"),
        ("```text windows\nfrom 2026-03-10 UTC: daily\n  nothing\n```\n", "it is 2026-03-10"),
        ("```text runs\nfrom 2026-03-10 UTC: never\n  2026-03-10 00:00\n```\n", "it is nothing"),
        ("```python\nassert 1 == 2, 'no'\n```\n", "no"),
    ],
)
def test_a_wrong_block_fails(text: str, why: str) -> None:
    (block,) = blocks(text)
    with pytest.raises(AssertionError, match=re.escape(why)):
        run(block)


# --- tables -----------------------------------------------------------------------------------


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
    shown = "".join(block.body for block in BLOCKS if block.kind == "hint")
    named = [code for row in HINTS for code in codes(row[0])]
    assert named and [code for code in named if f"[{code}]" not in shown] == []
