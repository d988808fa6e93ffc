"""How the steps of a commit are told to a PostgreSQL server, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...engine.records import Key, Record, new
from .postgres_schema import LOST, NEWER, SUPERSEDED
from .protocol import UNSPEAKABLE, Answer, Claim, Extension, Finish, Missed, Refused, Rest, Step
from .reading import ACTIONS

REFUSED = {
    NEWER: Refused.NEWER,
    LOST: Refused.LEASE_LOST,
    SUPERSEDED: Refused.SUPERSEDED,
}


def answer_of(number: int) -> Answer:
    return REFUSED.get(number, number)


def records_of(numbers: Sequence[Sequence[Any]], texts: Sequence[Sequence[Any]]) -> list[Record]:
    """What `commit` tells of others."""
    return [
        new(
            Record,
            (task, ACTIONS[action], at, seq, scheduled_at, attempt, run, run_id, error, until),
        )
        for (seq, at, scheduled_at, attempt, run, until), (task, action, run_id, error) in zip(
            numbers, texts, strict=True
        )
    ]


def as_json(steps: Sequence[Step], conditions: Mapping[str, str]) -> str:
    """`conditions` as the instance has registered them."""
    return json.dumps([said(step, number, conditions) for number, step in enumerate(steps)])


def said(step: Step, number: int, conditions: Mapping[str, str]) -> dict[str, Any]:
    match step:
        case Claim():
            reads = [(key.task, key.action) for key in step.keys if isinstance(key, Key)]
            more = {"kind": "claim", "position": step.position, "lease": step.lease, "reads": reads}
            more["condition"] = conditions.get(step.record.task)
            more["version"] = step.version
        case Finish():
            more = {"kind": "finish"}
        case Extension():
            return {"number": number, "kind": "extend", "run": step.run, "lease": step.lease}
        case Missed():
            noted = {"task": step.task, "scheduled_at": step.scheduled_at, "until": step.until}
            return {"number": number, "kind": "miss", **noted}
        case Rest():
            return {"number": number, "kind": "rest", **step._asdict()}
    task, action, at, _, scheduled_at, attempt, run, run_id, error, until = step.record
    found = {"number": number, "task": task, "action": action, "at": at, **more}
    if scheduled_at is not None:
        found["scheduled_at"] = scheduled_at
    if attempt is not None:
        found["attempt"] = attempt
    if run is not None:
        found["run"] = run
    if run_id is not None:
        found["run_id"] = UNSPEAKABLE.sub("\ufffd", run_id)
    if error is not None:
        found["error"] = UNSPEAKABLE.sub("\ufffd", error)
    if until is not None:
        found["until"] = until
    return found
