"""The language's behaviour, from tests/cases/verdicts.txt, which says how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest

from oncue import Record, evaluate
from oncue.engine.records import Action
from oncue.tests.world import instant

CASES = Path(__file__).parent / "cases" / "verdicts.txt"


@dataclass
class Case:
    line: int
    condition: str
    log: list[Record] = field(default_factory=list)
    at: str = ""
    expected: str = ""


def read(path: Path) -> list[Case]:
    cases: list[Case] = []
    condition, log = "", list[Record]()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        if not line.startswith(" "):
            condition, log = text, []
        elif text.startswith("log "):
            log = log + [record(text.removeprefix("log "), len(log) + 1)]
        else:
            at, _, expected = text.partition("=>")
            cases.append(Case(number, condition, log, at.strip(), expected.strip()))
    return cases


def record(text: str, seq: int) -> Record:
    """`TASK ACTION [DATE] TIME [for TIME] [attempt N]`"""
    words = text.split()
    task, action, *when = words
    attempt = int(when[when.index("attempt") + 1]) if "attempt" in when else None
    scheduled = when[when.index("for") + 1] if "for" in when else None
    stop = min((when.index(w) for w in ("for", "attempt") if w in when), default=len(when))
    return Record(
        task,
        Action(action),
        at=instant(" ".join(when[:stop])),
        seq=seq,
        scheduled_at=None if scheduled is None else instant(scheduled),
        attempt=attempt,
    )


@pytest.mark.parametrize("case", read(CASES), ids=lambda case: f"line {case.line}")
def test_verdict(case: Case) -> None:
    moment = datetime.fromisoformat(shown_whole(case.at))
    verdict = evaluate(case.condition, at=moment, log=case.log, timezone="UTC")
    until = "ever" if verdict.until is None else shown_face(verdict.until)
    reads = sorted(f"{key.task} {key.action}" for key in verdict.reads)  # type: ignore[union-attr]
    found = f"{str(verdict.value).lower()} until {until}"
    if "reads" in case.expected:
        found += f" reads {', '.join(reads) or 'nothing'}"
    assert found == case.expected


def shown_face(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ").removeprefix("2026-03-10 ")


def shown_whole(at: str) -> str:
    return at if "-" in at else f"2026-03-10 {at}"
