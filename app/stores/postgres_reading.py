"""What is read of the log in a PostgreSQL database, by a connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import IsolationLevel

from ...engine.records import Action, Record
from ..errors import StoreError
from .dynamic import Dynamic, Wanted
from .postgres_link import Connection
from .postgres_rows import rows_of
from .postgres_schema import INSTANCES, LOAD, OVER, VERSION, Texts, version_of
from .protocol import Instance, Missed, Query, Registered
from .reading import COLUMNS, clauses, limited, record_of


class Reader:
    def __init__(self, link: Connection, text: Texts) -> None:
        self._link = link
        self._text = text

    def _rows(self, text: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
        return self._link.execute(self._text(text), values).fetchall()

    def is_there(self, shown: str) -> bool:
        """Whether the namespace has tables. Raises StoreError for those of another version."""
        version = version_of(self._link, self._text)
        if version is not None and version != VERSION:
            raise StoreError(f"{shown!r} has schema version {version}, this oncue reads {VERSION}")
        return version is not None

    def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        """What `Store.load` gives; one statement, so one view of the log."""
        rows = self._rows(LOAD, {"tasks": json.dumps(lookback)})
        return rows[0][0], [record_of(row[1:]) for row in rows if row[1] is not None]

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        self._link.isolation_level = IsolationLevel.REPEATABLE_READ
        with self._link.transaction():
            newest, records = self.load(lookback)
            over = self._rows(OVER)
        crashed = [
            Record(task, Action.CRASH, now, newest + n, run=run, run_id=run_id)
            for n, (task, run, run_id) in enumerate(over, 1)
        ]
        return newest, records + [record for record in crashed if record.task in lookback]

    def query(self, query: Query) -> list[Record]:
        """The records that satisfy the query, by sequence."""
        condition, values = where(query)
        order = "ORDER BY seq" if query.newest is None else "ORDER BY seq DESC"
        text = f"SELECT {COLUMNS} FROM {{p}}record {condition} {order} LIMIT %s"
        most = query.oldest if query.newest is None else query.newest  # LIMIT NULL is none
        records = [record_of(row) for row in self._rows(text, [*values, most])]
        return records if query.newest is None else records[::-1]

    def count(self, query: Query) -> int:
        condition, values = where(query)
        ((found,),) = self._rows(f"SELECT count(*) FROM {{p}}record {condition}", values)
        return limited(found, query)

    def missed(self, tasks: Sequence[str] | None, newest: int | None) -> list[Missed]:
        """By instant. A run that serves one takes it away when it is written."""
        wanted = "" if tasks is None else "WHERE task = ANY (%(tasks)s::TEXT[])"
        text = f"SELECT task, scheduled_at, until FROM {{p}}missed {wanted} "
        order = "ORDER BY scheduled_at DESC, task DESC LIMIT %(newest)s"
        values = {"tasks": None if tasks is None else list(tasks), "newest": newest}
        return [Missed(*row) for row in self._rows(text + order, values)][::-1]

    def registered(self, conditions: Mapping[str, str] | None = None) -> dict[str, Registered]:
        rows = self._rows("SELECT name, condition, since, decided FROM {p}task")
        return {
            name: Registered(since, decided)
            for name, condition, since, decided in rows
            if conditions is None or conditions.get(name) == condition
        }

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        return rows_of(self._link, self._text, wanted)

    def instances(self, own: str) -> list[Instance]:
        return [Instance(*row) for row in self._rows(INSTANCES, (own,))]


def where(query: Query) -> tuple[str, list[object]]:
    return clauses(query, "%s", "{} = ANY (%s)", list)
