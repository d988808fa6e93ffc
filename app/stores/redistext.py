"""What the log on Redis holds as text."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ...engine.decisions import Missed
from ...engine.records import Action, Record, new
from .protocol import Registered

encoded = json.JSONEncoder(separators=(",", ":")).encode
decoded = json.JSONDecoder().decode
ACTION = {str(action): action for action in Action}


def raw(name: str) -> bytes:
    """A name as it stands in keys; any text can be one."""
    return name.encode("utf-8", "surrogatepass")


def name_of(found: bytes) -> str:
    return found.decode("utf-8", "surrogatepass")


def text_of(record: Record) -> str:
    """A record without its number."""
    task, action, at, _, scheduled_at, attempt, run, run_id, error, until = record
    return encoded([at, action._value_, scheduled_at, attempt, run, until, task, run_id, error])


def record_of(line: bytes) -> Record:
    return records_of([line])[0]


def records_of(lines: Iterable[bytes]) -> list[Record]:
    """All are read as one text, which takes half the time."""
    text = b"],[".join([line.replace(b" ", b",", 1) for line in lines])
    found = decoded(f"[[{text.decode('ascii')}]]") if text else []
    return [
        new(
            Record,
            (task, ACTION[action], at, seq, scheduled_at, attempt, run, run_id, error, until),
        )
        for seq, (at, action, scheduled_at, attempt, run, until, task, run_id, error) in found
    ]


def lines_of(text: bytes) -> list[bytes]:
    return text.split(b"\n") if text else []


def member_of(missed: Missed) -> bytes:
    until = "" if missed.until is None else missed.until
    return raw(missed.task) + f" {missed.scheduled_at} {until}".encode()


def missed_of(member: bytes) -> Missed:
    task, scheduled_at, until = member.rsplit(b" ", 2)
    return Missed(name_of(task), int(scheduled_at), int(until) if until else None)


def registered_of(since: bytes, decided: bytes) -> Registered:
    return Registered(int(since), None if decided == b"-" else int(decided))
