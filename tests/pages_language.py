"""What blocks about the language promise, by the kind of the block.

Instants are in UTC but where a block names a zone; the task that asks is called `self`, and known
are the tasks extract and load.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar
from xml.etree import ElementTree

import pytest

import oncue
from oncue.conds import Severity
from oncue.tests.pages import DOCS, Block, above

T = TypeVar("T")


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
        found = checked(text)
        assert all(hint.severity is not Severity.ERROR for hint in found), block.failure(line)
        shown = "\n".join(map(str, found))
        assert any(expected in str(hint) for hint in found), f"{block.failure(line)}:\n{shown}"


FROM = re.compile(r"from (\S+(?: \d\d:\d\d)?) (\S+): (.+)")


def run_windows(block: Block) -> None:
    """`from DATETIME ZONE: TEXT`, then the windows that follow, each `START to END`, with
    offsets from UTC where the zone is another."""
    compare(block, oncue.windows, lambda window, zone: " to ".join(moment(t, zone) for t in window))


def run_runs(block: Block) -> None:
    """`from DATETIME ZONE: TEXT`, then the starts that follow."""
    compare(block, oncue.upcoming, moment)


def compare(block: Block, ask: Callable[..., Iterator[T]], show: Callable[[T, str], str]) -> None:
    """Each line `from …` asks, the lines below it are the first answers."""
    found: Iterator[T] | None = None
    zone = "UTC"
    for line in block.lines:
        if question := FROM.fullmatch(line):
            zone = question[2]
            found = ask(question[3], datetime.fromisoformat(question[1]), timezone=zone)
        else:
            assert found is not None, f"{block.failure(line)} follows no question"
            answer = next(found, None)
            shown = "nothing" if answer is None else show(answer, zone)
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


def run_cure(block: Block) -> None:
    """`TEXT => what to write instead`: the first has the code that is the heading above, the second
    nothing to say of. Known are the tasks extract and load."""
    code = re.findall(r"^### ([\w-]+)$", above(block), re.MULTILINE)[-1]
    for line in block.lines:
        text, cured = parts(block, line)
        found = [each.code for each in checked(text)]
        assert code in found, f"{block.failure(line)} has {found}"
        assert checked(cured) == [], block.failure(line)


def checked(text: str) -> list[oncue.Diagnostic]:
    return oncue.check(text, tasks=["extract", "load"], timezone="UTC")


def run_oncue(block: Block) -> None:
    """Conditions, one a line, as good start_conds: `check` has no warning for any."""
    for line in block.lines:
        found = [hint for hint in oncue.check(line) if hint.severity is not Severity.INFORMATION]
        assert found == [], block.failure(line)


def run_timeline(block: Block) -> None:
    """The directive of docs/drawn.py: its arguments are those of `oncue timeline`, a line is a
    condition; the picture has each of them, and windows or runs for each."""
    picture = runpy.run_path(str(DOCS / "drawn.py"))["picture"]
    svg = ElementTree.fromstring(picture(block.words.removeprefix("{timeline}"), block.lines))
    shown = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    for line in block.lines:
        assert str(oncue.parse(line)) in shown, block.failure(line)
        alone = picture(block.words.removeprefix("{timeline}"), [line])
        assert re.search(r'class="oncue-(window|other|many|run)', alone), block.failure(line)


LANGUAGE: dict[str, Callable[[Block], None]] = {
    "condition": run_condition,
    "error": run_error,
    "hint": run_hint,
    "windows": run_windows,
    "runs": run_runs,
    "verdict": run_verdict,
    "cure": run_cure,
    "oncue": run_oncue,
    "{timeline}": run_timeline,
}
