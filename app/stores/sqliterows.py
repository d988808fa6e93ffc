"""The dynamic tasks in an SQLite file: what `dynamic.py` tells, by indexes, so that what is asked
costs the same whatever their number."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from ...engine.civil import FOREVER
from .dynamic import PIECE, Awaited, Dynamic, Planned, Rest, Shares, Wanted, condition_of
from .schema import Tables

COLUMNS = (
    "task, shard, text, condition, version, born, since, decided, due, look, wait, waits, holder"
)


class RowWriter:
    """Writes by a connection, in transactions of its callers, for one instance. `waited_for` is
    whether anybody waits for a record, as of `learn`; `_versions` are those of tasks taken since,
    while nobody has scheduled any."""

    def __init__(self, db: sqlite3.Connection, tables: Tables, instance: str) -> None:
        self._db = db
        self._tables = t = tables
        self._instance = instance
        self.waited_for = True
        self._versions: dict[str, int] = {}
        newest = f"(SELECT coalesce(max(seq), 0) FROM {t.record})"
        self._schedule = (
            f"INSERT INTO {t.dynamic} ({COLUMNS}) VALUES "
            f"(?1, ?2, ?3, ?4, ?6, {newest}, ?7, NULL, ?5, ?5, 0, 0, NULL) "
            "ON CONFLICT (task) DO UPDATE "
            "SET shard = excluded.shard, text = excluded.text, version = excluded.version, "
            "condition = excluded.condition, look = iif(holder IS NULL, 0, NULL), "
            "since = iif(condition = excluded.condition, since, excluded.since), "
            "decided = iif(condition = excluded.condition, decided, NULL), "
            "due = iif(condition = excluded.condition, due, excluded.due), "
            "wait = iif(condition = excluded.condition, wait, 0) "
            "WHERE text != excluded.text OR shard != excluded.shard "
            "OR condition != excluded.condition"
        )
        due = f"SELECT {COLUMNS} FROM {t.dynamic} WHERE shard = ? AND look <= ? "
        first = f"SELECT min(look) FROM {t.dynamic} WHERE shard = ? AND look IS NOT NULL "
        others = "AND (task, version) NOT IN (SELECT key, value FROM json_each(?)) "
        by_look = "ORDER BY look LIMIT ?"
        self._due, self._due_others = due + by_look, due + others + by_look
        self._first, self._first_others = first, first + others
        self._hold = f"UPDATE {t.dynamic} SET look = NULL, holder = ? WHERE task = ?"
        own = f"SELECT 1 FROM {t.dynamic} WHERE task = ?1 AND holder = ?2"
        self._unwait = f"DELETE FROM {t.waiting} WHERE waiter = ?1 AND EXISTS ({own})"
        self._wait = (
            f"INSERT OR IGNORE INTO {t.waiting} SELECT ?4, ?5, ?6, ?1 "
            f"WHERE EXISTS ({own} AND version = ?3)"
        )
        self._stir_again = (
            f"INSERT OR IGNORE INTO {t.stirred} SELECT head.task, head.action, record.at "
            f"FROM {t.head} head JOIN {t.record} record ON record.seq = head.seq "
            "WHERE head.task = ? AND head.action = ? AND head.seq > ?"
        )
        held = "WHERE task = ?1 AND holder = ?2 AND version = ?3"
        self._rest = (
            f"UPDATE {t.dynamic} SET decided = ?4, due = ?5, look = ?5, wait = ?6, waits = ?7, "
            f"holder = NULL {held}"
        )
        self._remove = f"DELETE FROM {t.dynamic} {held}"
        self._release = (
            f"UPDATE {t.dynamic} SET look = 0, holder = NULL WHERE task = ?1 AND holder = ?2"
        )
        self._stir = (
            f"INSERT OR IGNORE INTO {t.stirred} "
            f"SELECT task, action, ?3 FROM {t.waiting} WHERE task = ?1 AND action = ?2 LIMIT 1"
        )

    def learn(self) -> None:
        """Others may have written."""
        self._versions.clear()
        self.waited_for = bool(self._one(f"SELECT EXISTS (SELECT 1 FROM {self._tables.waiting})"))

    def _one(self, statement: str, *values: object) -> object:
        (found,) = self._db.execute(statement, values).fetchone()
        return found

    def is_of(self, task: str, version: int) -> bool:
        if (known := self._versions.get(task)) is not None:
            return known == version
        of = f"SELECT 1 FROM {self._tables.dynamic} WHERE task = ? AND version = ?"
        return self._db.execute(of, (task, version)).fetchone() is not None

    def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        self._versions.clear()
        self._db.executemany(self._schedule, [(*planned, now) for planned in tasks])

    def unschedule(self, tasks: Sequence[str]) -> set[str]:
        self._versions.clear()
        t, asked = self._tables, (json.dumps(tasks),)
        these = "IN (SELECT value FROM json_each(?))"
        self._db.execute(f"DELETE FROM {t.waiting} WHERE waiter {these}", asked)
        gone = self._db.execute(f"DELETE FROM {t.dynamic} WHERE task {these} RETURNING task", asked)
        return {task for (task,) in gone}

    def next_look(self, shares: Shares, but: Mapping[str, int]) -> int:
        """When there is something to be had."""
        if self._one(f"SELECT EXISTS (SELECT 1 FROM {self._tables.stirred})"):
            return 0
        first, passed_over = self._first_others if but else self._first, told(but)
        found = [self._one(first, shard, *passed_over) for shard in shares]
        return min((each for each in found if isinstance(each, int)), default=FOREVER)

    def take(self, shares: Shares, now: int, but: Mapping[str, int]) -> list[Dynamic]:
        t = self._tables
        stirred = self._db.execute(
            f"SELECT task, action, seq, at FROM {t.stirred} LEFT JOIN {t.head} USING (task, action)"
        ).fetchall()
        for task, action, seq, at in stirred:
            self._wake((task, action), seq or 0, min(at, now))
        due, passed_over = self._due_others if but else self._due, told(but)
        rows = [
            Dynamic(*row)
            for shard, share in shares.items()
            for row in self._db.execute(due, (shard, now, *passed_over, share))
        ]
        self._db.executemany(self._hold, [(self._instance, row.task) for row in rows])
        self._versions.update((row.task, row.version) for row in rows)
        return rows

    def rouse(self, keys: Iterable[Awaited], now: int) -> None:
        for key in keys:
            while self._wake(key, FOREVER, now):
                pass

    def set_back(self, now: int, beyond: int) -> None:
        """All, piece by piece."""
        t = self._tables.dynamic
        later = (
            f"SELECT task FROM {t} WHERE coalesce(decided, since) > ? AND holder IS NULL LIMIT ?"
        )
        change = (
            f"UPDATE {t} SET since = min(since, ?1), decided = min(decided, ?1), due = NULL, "
            "look = 0 WHERE task = ?2"
        )
        while found := self._db.execute(later, (beyond, PIECE)).fetchall():
            self._db.executemany(change, [(now, task) for (task,) in found])

    def _wake(self, key: Awaited, seq: int, at: int) -> bool:
        """Some of those who wait for what has a record now; whether there may be more."""
        t = self._tables
        of = "task = ? AND action = ? AND position < ?"
        found = self._db.execute(
            f"SELECT position, waiter FROM {t.waiting} WHERE {of} LIMIT ?", (*key, seq, PIECE)
        ).fetchall()
        self._db.executemany(
            f"UPDATE {t.dynamic} SET look = min(?1, coalesce(look, ?1)) "
            "WHERE task = ?2 AND holder IS NULL",
            [(at, waiter) for _, waiter in found],
        )
        self._db.executemany(
            f"DELETE FROM {t.waiting} WHERE task = ? AND action = ? AND position = ? "
            "AND waiter = ?",
            [(*key, *each) for each in found],
        )
        if len(found) == PIECE:
            return True
        self._db.execute(f"DELETE FROM {t.stirred} WHERE task = ? AND action = ?", key)
        return False

    def rest(self, rests: Sequence[Rest]) -> None:
        """Let go of them, once the records of the same commit are written."""
        own = self._instance
        held = [(rest.task, own) for rest in rests]
        if self.waited_for:
            self._db.executemany(self._unwait, held)
        waits = [
            (rest.task, own, rest.version, *key, rest.position)
            for rest in rests
            for key in rest.reads
        ]
        if waits:
            self.waited_for = True
            self._db.executemany(self._wait, waits)
            self._db.executemany(self._stir_again, [wait[3:] for wait in waits])
        done = [(each.task, own, each.version) for each in rests if each.done]
        left = [
            (each.task, own, each.version, each.decided, each.due, each.wait, len(each.reads))
            for each in rests
            if not each.done
        ]
        changed = 0
        for statement, those in ((self._remove, done), (self._rest, left)):
            if those:
                changed += self._db.executemany(statement, those).rowcount
        if changed < len(rests):
            self._db.executemany(self._release, held)
        for rest in rests:
            self._versions.pop(rest.task, None)

    def stir(self, records: Iterable[tuple[object, object, object]]) -> None:
        """There are records of these tasks and actions, and of these instants."""
        if self.waited_for:
            self._db.executemany(self._stir, records)

    def let_go(self, but: Sequence[str]) -> None:
        self._db.execute(
            f"UPDATE {self._tables.dynamic} SET look = 0, holder = NULL WHERE holder = ? "
            "AND task NOT IN (SELECT value FROM json_each(?))",
            (self._instance, json.dumps(but)),
        )

    def release(self, runs: Iterable[tuple[str, int | None]]) -> None:
        """The task of each of these runs is due at once, if the instance that has its lease holds
        it."""
        t = self._tables
        self._db.executemany(
            f"UPDATE {t.dynamic} SET look = 0, holder = NULL WHERE task = ? "
            f"AND holder = (SELECT instance FROM {t.lease} WHERE run = ?)",
            runs,
        )

    def release_all(self, instances: Iterable[str]) -> None:
        """What these hold is due at once."""
        self._db.executemany(
            f"UPDATE {self._tables.dynamic} SET look = 0, holder = NULL WHERE holder = ?",
            [(instance,) for instance in instances],
        )


def told(but: Mapping[str, int]) -> tuple[str, ...]:
    """What is passed over, to a statement that asks for others, if anything is."""
    return (json.dumps(dict(but)),) if but else ()


def rows_of(db: sqlite3.Connection, tables: Tables, wanted: Wanted) -> list[Dynamic]:
    """Those that are wanted, by name."""
    condition = condition_of(wanted, ":{}", "task IN (SELECT value FROM json_each(:tasks))")
    given = {
        **wanted._asdict(),
        "tasks": json.dumps(wanted.tasks),
        "most": -1 if wanted.most is None else wanted.most,
    }
    found = db.execute(
        f"SELECT {COLUMNS} FROM {tables.dynamic} WHERE {condition} ORDER BY task LIMIT :most",
        given,
    )
    return [Dynamic(*row) for row in found]
