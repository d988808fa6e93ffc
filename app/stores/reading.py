"""What is read of the log in an SQLite file: the same by whoever writes to it and by those who only
look."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...engine.civil import FOREVER
from ...engine.records import Action, Record, new
from .protocol import Missed, Query, Registered
from .schema import Tables

ACTIONS = {str(action): action for action in Action}  # quicker than to ask the type
COLUMNS = "seq, task, action, at, scheduled_at, attempt, run, run_id, error, until"


class Reader:
    """Reads by a connection the tables of a namespace."""

    def __init__(self, db: sqlite3.Connection, tables: Tables) -> None:
        self.db = db
        self._tables = tables
        record, lease = tables.record, tables.lease
        self._heads = f"SELECT seq, run FROM {tables.head} WHERE task = ?"
        actions = ", ".join(f"'{action}'" for action in Action)
        self._since = f"WHERE task = ? AND action IN ({actions}) AND at >= ?"
        self._leases = f"SELECT task, seq FROM {lease} CROSS JOIN {record} WHERE seq = {lease}.run"

    def select(self, condition: str, *values: object) -> list[Record]:
        rows = self.db.execute(f"SELECT {COLUMNS} FROM {self._tables.record} {condition}", values)
        return [record_of(row) for row in rows]

    def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        """What `Store.load` gives; in a transaction, so that it is one view of the log."""
        found: dict[int, Record] = {}
        highest = f"SELECT coalesce(max(seq), 0) FROM {self._tables.record}"
        (newest,) = self.db.execute(highest).fetchone()
        live = self._live()
        for task, since in lookback.items():
            needed = self._needed(task, since, live.get(task, set()))
            found |= {record.seq: record for record in needed}
        return newest, [found[seq] for seq in sorted(found)]

    def always(self, tasks: Iterable[str]) -> set[int]:
        """The numbers of what `load` gives of these tasks whatever the look-back is."""
        live = self._live()
        return {
            record.seq
            for task in tasks
            for record in self._needed(task, FOREVER, live.get(task, set()))
        }

    def there(self, tasks: set[str]) -> set[str]:
        """Those that are dynamic tasks, or have a live run."""
        rows = self.db.execute(
            f"SELECT task FROM {self._tables.dynamic} "
            "WHERE task IN (SELECT value FROM json_each(?))",
            (json.dumps(list(tasks)),),
        )
        return {task for (task,) in rows} | (tasks & self._live().keys())

    def _live(self) -> dict[str, set[int]]:
        """The live runs of each task."""
        live: dict[str, set[int]] = {}
        for task, run in self.db.execute(self._leases):  # leases first: there are few
            live.setdefault(task, set()).add(run)
        return live

    def query(self, query: Query) -> list[Record]:
        """The records that satisfy the query, by sequence."""
        if query.tasks is not None and query.actions is None:
            query = query._replace(actions=tuple(Action))  # by which the index goes on to `at`
        condition, values = clauses(query)
        if query.newest is None:
            limit = "" if query.oldest is None else f" LIMIT {query.oldest}"
            return self.select(f"{condition} ORDER BY seq{limit}", *values)
        latest = f"SELECT seq FROM {self._tables.record} {condition} ORDER BY seq DESC"
        within = f"WHERE seq IN ({latest} LIMIT {query.newest}) ORDER BY seq"  # no other is read
        return self.select(within, *values)

    def count(self, query: Query) -> int:
        condition, values = clauses(query)
        counted = f"SELECT count(*) FROM {self._tables.record} {condition}"
        (found,) = self.db.execute(counted, values).fetchone()
        return limited(found, query)

    def missed(self, tasks: Sequence[str] | None, newest: int | None) -> list[Missed]:
        """By instant. A run that serves one takes it away when it is written."""
        wanted = "" if tasks is None else "WHERE task IN (SELECT value FROM json_each(:tasks)) "
        rows = self.db.execute(
            f"SELECT task, scheduled_at, until FROM {self._tables.missed} {wanted}"
            "ORDER BY scheduled_at DESC, task DESC LIMIT :newest",
            {"tasks": json.dumps(tasks), "newest": -1 if newest is None else newest},
        )
        return [Missed(*row) for row in rows][::-1]

    def registered(self, conditions: Mapping[str, str] | None) -> dict[str, Registered]:
        rows = self.db.execute(f"SELECT name, condition, since, decided FROM {self._tables.task}")
        return {
            name: Registered(since, decided)
            for name, condition, since, decided in rows
            if conditions is None or conditions.get(name) == condition
        }

    def _needed(self, task: str, since: int, live: set[int]) -> list[Record]:
        """What `load` gives of one task: a handful of look-ups, and the window asked for."""
        records = self.select(self._since, task, since) if since < FOREVER else []
        heads = {seq for head in self.db.execute(self._heads, (task,)) for seq in head if seq}
        records += self._by_number((heads | live) - {record.seq for record in records})
        return self._whole(records)

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


def clauses(
    query: Query,
    mark: str = "?",
    within: str = "{} IN (SELECT value FROM json_each(?))",
    listed: Callable[[Sequence[object]], object] = json.dumps,
) -> tuple[str, list[object]]:
    """A query as a WHERE and its values: `mark` stands for one, `within` for one of several, which
    are `listed` as one value, since a statement takes only so many."""
    parts: list[str] = []
    values: list[object] = []
    lists = {
        "task": query.tasks,
        "action": query.actions,
        "run_id": query.run_ids,
        "seq": query.seqs,
    }
    for column, wanted in lists.items():
        if wanted is not None:
            parts.append(within.format(column))
            values.append(listed(wanted))
    bounds = {"at >=": query.since, "at <": query.until, "seq >": query.after}
    for bound, value in bounds.items():
        if value is not None:
            parts.append(f"{bound} {mark}")
            values.append(value)
    return ("WHERE " + " AND ".join(parts) if parts else ""), values


def limited(count: int, query: Query) -> int:
    """Of so many that there are, how many the query keeps."""
    return min(most for most in (count, query.newest, query.oldest) if most is not None)


def record_of(row: tuple[Any, ...]) -> Record:
    """Of the COLUMNS."""
    seq, task, action, at, scheduled_at, attempt, run, run_id, error, until = row
    return new(
        Record,
        (task, ACTIONS[action], at, seq, scheduled_at, attempt, run, run_id, error, until),
    )
