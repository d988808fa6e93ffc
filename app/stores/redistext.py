"""What the log on Redis holds as text."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ...engine.decisions import Missed
from ...engine.records import Action, Record
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
    seq, _, text = line.decode("ascii").partition(" ")
    at, action, scheduled_at, attempt, run, until, task, run_id, error = decoded(text)
    return Record(
        task, ACTION[action], at, int(seq), scheduled_at, attempt, run, run_id, error, until
    )


def records_of(lines: Iterable[bytes]) -> list[Record]:
    return [record_of(line) for line in lines]


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
