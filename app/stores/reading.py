"""What is read of the log in an SQLite file: the same by whoever writes to it and by those who only
look."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from ...engine.records import Action, Record
from .protocol import Query

COLUMNS = "seq, task, action, at, scheduled_at, attempt, run, run_id, error"
HEADS = "SELECT " + ", ".join(
    f"(SELECT max(seq) FROM record WHERE task = :task AND action = '{action}')" for action in Action
)
LIVE = "SELECT task, seq FROM lease CROSS JOIN record WHERE record.seq = lease.run"


class Reader:
    """Reads by a connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def select(self, condition: str, *values: object) -> list[Record]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM record {condition}", values)
        return [record_of(row) for row in rows]

    def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        """What `Store.load` gives; in a transaction, so that it is one view of the log."""
        found: dict[int, Record] = {}
        (newest,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()
        live: dict[str, set[int]] = {}
        for task, run in self._db.execute(LIVE):  # leases first: there are few
            live.setdefault(task, set()).add(run)
        for task, since in lookback.items():
            needed = self._needed(task, since, live.get(task, set()))
            found |= {record.seq: record for record in needed}
        return newest, [found[seq] for seq in sorted(found)]

    def query(self, query: Query) -> list[Record]:
        """The records that satisfy the query, by sequence."""
        condition, values = clauses(query)
        if query.newest is None:
            return self.select(f"{condition} ORDER BY seq", *values)
        return self.select(f"{condition} ORDER BY seq DESC LIMIT {query.newest}", *values)[::-1]

    def count(self, query: Query) -> int:
        condition, values = clauses(query)
        (found,) = self._db.execute(f"SELECT count(*) FROM record {condition}", values).fetchone()
        return int(found) if query.newest is None else min(found, query.newest)

    def _needed(self, task: str, since: int, live: set[int]) -> list[Record]:
        """What `load` gives of one task: a handful of look-ups, and the window asked for."""
        records = self.select("WHERE task = ? AND at >= ?", task, since)
        seen = {record.seq for record in records}
        heads = [seq for seq in self._db.execute(HEADS, {"task": task}).fetchone() if seq]
        records += self._by_number({*heads, *live} - seen)
        records = self._whole(records)
        return self._whole(records + self._overlapping(task, records, {*heads}))

    def _overlapping(self, task: str, records: list[Record], heads: set[int]) -> list[Record]:
        """The runs begun while one of those was under way that the latest endings ended: the
        latest run of an outcome is among these, or among them, whichever ended first."""
        runs = "WHERE task = ? AND action = 'run' AND seq > ? AND seq < ?"
        known = {record.seq for record in records}
        spans = [(r.run, r.seq) for r in records if r.seq in heads and r.run]
        found = {run.seq: run for span in spans for run in self.select(runs, task, *span)}
        return [run for seq, run in found.items() if seq not in known]

    def _whole(self, records: list[Record]) -> list[Record]:
        """The records, with the runs that they end and the endings of the runs among them."""
        known = {record.seq for record in records}
        records = records + self._by_number({r.run for r in records if r.run} - known)
        ended = {record.run for record in records}
        for run in [r.seq for r in records if r.action is Action.RUN and r.seq not in ended]:
            records += self.select("WHERE run = ?", run)
        return records

    def _by_number(self, numbers: Iterable[object]) -> list[Record]:
        return [record for seq in numbers for record in self.select("WHERE seq = ?", seq)]


def clauses(query: Query) -> tuple[str, list[object]]:
    """A query as a WHERE and its values."""
    parts: list[str] = []
    values: list[object] = []
    lists = {
        "task": query.tasks,
        "action": query.actions,
        "run_id": query.run_ids,
        "seq": query.seqs,
    }
    for column, wanted in lists.items():
        if wanted is not None:  # as one value, since a statement takes only so many
            parts.append(f"{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(wanted))
    for sign, instant in ((">=", query.since), ("<", query.until)):
        if instant is not None:
            parts.append(f"at {sign} ?")
            values.append(instant)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values


def record_of(row: tuple[object, ...]) -> Record:
    seq, task, action, at, scheduled_at, attempt, run, run_id, error = row
    return Record(
        str(task),
        Action(str(action)),
        at=at,  # type: ignore[arg-type]
        seq=seq,  # type: ignore[arg-type]
        scheduled_at=scheduled_at,  # type: ignore[arg-type]
        attempt=attempt,  # type: ignore[arg-type]
        run=run,  # type: ignore[arg-type]
        run_id=run_id,  # type: ignore[arg-type]
        error=error,  # type: ignore[arg-type]
    )
