"""What an instance writes to the log in an SQLite file.

While nobody else has written to the file, which SQLite tells by `data_version`, an instance knows
the newest number and its own leases without asking.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress

from ...engine.records import Action, Key, Record
from ..clock import uptime, wall
from .dynamic import Awaited, Dynamic, Planned, Shares
from .files import here, is_alive
from .protocol import (
    LEASE,
    Answer,
    Claim,
    Extension,
    Finish,
    Missed,
    Refused,
    Registered,
    Rest,
    Step,
    judge,
)
from .reading import COLUMNS, Reader
from .renewals import Renewals
from .schema import Tables
from .sqliterows import RowWriter
from .sweep import SWEPT, Sweep

Others = list[tuple[str, bool]]
"""Other instances, and whether each is gone."""

Row = tuple[object, ...]
"""A record, by COLUMNS."""

NORMAL = 1
"""The `synchronous` by which a commit does not wait for the disk."""


class Writer:
    """Writes by a connection, for one instance. `_version` is what `data_version` was when
    `_newest` and `_held` were right; None: they are not."""

    def __init__(
        self,
        db: sqlite3.Connection,
        tables: Tables,
        instance: str,
        now: int,
        renewals: Renewals,
    ) -> None:
        self._db = db
        self._tables = tables
        self._instance = instance
        self._since = now
        self._renewals = renewals
        self._version: int | None = None
        self._newest = 0
        self._held: set[int | None] = set()
        self._conditions: dict[str, str] = {}  # as this instance has registered them
        self._current: set[str] = set()  # tasks whose condition reads so, as of `_version`
        self._missing = False  # whether occurrences are noted as missed
        ((self._synchronous,),) = db.execute("PRAGMA synchronous")
        self._set = self._synchronous
        self.rows = RowWriter(db, tables, instance)
        self._sweep = Sweep()
        t = tables
        marks = ",".join("?" * len(COLUMNS.split(",")))
        self._insert = f"INSERT INTO {t.record} ({COLUMNS}) VALUES ({marks})"
        self._head = (
            f"INSERT INTO {t.head} VALUES (?, ?, ?, ?) ON CONFLICT (task, action) DO UPDATE SET "
            "seq = excluded.seq, run = max(run, excluded.run)"
        )
        self._lease = f"INSERT INTO {t.lease} VALUES (?, ?, ?, ?)"
        self._release = f"DELETE FROM {t.lease} WHERE run = ?"
        self._extend = f"UPDATE {t.lease} SET expires_at = ?, expires_up = ? WHERE run = ?"
        self._served = (
            f"DELETE FROM {t.missed} WHERE task = ? AND scheduled_at = ? AND until IS NULL"
        )
        self._miss = (
            f"INSERT OR IGNORE INTO {t.missed} SELECT :task, :at, :until "
            f"WHERE :until IS NOT NULL OR NOT EXISTS (SELECT 1 FROM {t.record} "
            "WHERE task = :task AND at >= :at AND action = 'run' AND scheduled_at = :at)"
        )
        self._seen = (  # with the latest instant of the run each is of
            "SELECT this.seq, this.task, "
            "max(this.at, coalesce(ending.at, this.at), coalesce(run.at, this.at)) "
            f"FROM {t.record} this LEFT JOIN {t.record} ending ON ending.run = this.seq "
            f"LEFT JOIN {t.record} run ON run.seq = this.run "
            "WHERE this.seq > ? ORDER BY this.seq LIMIT ?"
        )

    def _transaction(self, *, lasting: bool = True) -> transaction:
        """If not `lasting`, a loss of power may undo it, though not what comes after it alone."""
        wanted = self._synchronous if lasting else NORMAL
        if wanted != self._set:
            roll_back(self._db)  # in a transaction it stays what it is
            self._db.execute(f"PRAGMA synchronous = {wanted}")
            self._set = wanted
        return transaction(self._db)

    def commit(self, steps: Sequence[Step]) -> list[Answer]:
        with self._transaction():
            self._know()
            version, self._version = self._version, None  # unless all goes well
            answers = self._write(steps)
        self._version = version
        return answers

    def _know(self) -> None:
        """Be right about the newest number and the leases of this instance, which is joined
        again if it was taken for gone: what was live has crashed, what begins is ours."""
        ((version,),) = self._db.execute("PRAGMA data_version")
        if version == self._version:
            return
        t, own = self._tables, (self._instance,)
        if not self._db.execute(f"SELECT 1 FROM {t.instance} WHERE id = ?", own).fetchone():
            join(self._db, t, self._instance, self._since)
        self._current.clear()
        held = self._db.execute(f"SELECT run FROM {t.lease} WHERE instance = ?", own)
        self._held = {run for (run,) in held}
        self._newest = newest_of(self._db, t)
        self.rows.learn()
        self._missing = self._db.execute(f"SELECT 1 FROM {t.missed} LIMIT 1").fetchone() is not None
        self._version = version

    def _write(self, steps: Sequence[Step]) -> list[Answer]:
        answers: list[Answer] = []
        records: list[Row] = []
        leases: list[tuple[object, ...]] = []
        released: list[tuple[object, ...]] = []
        rests: list[Rest] = []
        newest, up, at = self._newest, uptime(), wall()
        db, held = self._db, self._held
        for step, refused in zip(steps, self._judged(steps), strict=True):
            if refused is not None:
                answers.append(refused)
                continue
            match step:
                case Claim():
                    newest += 1
                    records.append(row_of(step.record, newest))
                    leases.append((newest, self._instance, *ends(step.lease, at, up)))
                case Finish():
                    newest += 1
                    records.append(row_of(step.record, newest))
                    released.append((step.record.run,))
                case Extension():
                    db.execute(self._extend, (*ends(step.lease, at, up), step.run))
                case Missed():
                    noted = {"task": step.task, "at": step.scheduled_at, "until": step.until}
                    db.execute(self._miss, noted)
                    self._missing = True
                case Rest():
                    rests.append(step)
            answers.append(newest)
        self._append(records)
        db.executemany(self._lease, leases)
        db.executemany(self._release, released)
        if rests:
            self.rows.rest(rests)
        if self._missing:
            db.executemany(self._served, [(r[1], r[4]) for r in records])
        held.update(run for run, *_ in leases)  # type: ignore[misc]
        held.difference_update(run for (run,) in released)
        self._newest = newest
        return answers

    def _judged(self, steps: Sequence[Step]) -> list[Refused | None]:
        return judge(steps, self._refusal, self._held)

    def _refusal(self, claim: Claim) -> Refused | None:
        if self._superseded(claim):
            return Refused.SUPERSEDED
        return Refused.NEWER if self._overtaken(claim) else None

    def _superseded(self, claim: Claim) -> bool:
        task = claim.record.task
        if claim.version is not None:
            return not self.rows.is_of(task, claim.version)
        if task in self._current or task not in self._conditions:
            return False
        otherwise = f"SELECT 1 FROM {self._tables.task} WHERE name = ? AND condition != ?"
        if self._db.execute(otherwise, (task, self._conditions[task])).fetchone():
            return True
        self._current.add(task)
        return False

    def _append(self, rows: Sequence[Row]) -> None:
        self._db.executemany(self._insert, rows)
        heads = [(task, action, seq, run) for seq, task, action, _, _, _, run, *_ in rows]
        self._db.executemany(self._head, heads)
        self.rows.stir([(task, action, at) for _, task, action, at, *_ in rows])

    def _overtaken(self, claim: Claim) -> bool:
        """Whether the log has, after the claim's position, a record of its task or of its reads."""
        position = claim.position
        if position >= self._newest:
            return False
        heads = f"SELECT 1 FROM {self._tables.head} WHERE seq > ? AND task = ?"
        if self._db.execute(heads, (position, claim.record.task)).fetchone():
            return True
        keys = {(r.task, str(r.action)) for r in claim.keys if isinstance(r, Key)}
        read = f"{heads} AND action = ?"
        return any(self._db.execute(read, (position, *key)).fetchone() for key in keys)

    def reap(self, now: int) -> Others:
        """Write `crash` for the live runs whose instance is gone, or whose lease is over; the
        other instances, as they are then."""
        db, t = self._db, self._tables
        others = self._others()
        if not any(gone for _, gone in others) and not crashes(db, t, [], now, 0):
            return others
        with self._transaction():
            gone = [id_ for id_, is_gone in self._others() if is_gone]
            written = crashes(db, t, gone, now, newest_of(db, t))
            self.rows.learn()
            self.rows.release_all(gone)
            self.rows.release([(r.task, r.run) for r in written])
            self._append([row_of(record, record.seq) for record in written])
            db.executemany(self._release, [(r.run,) for r in written])
            db.executemany(f"DELETE FROM {t.instance} WHERE id = ?", [(id_,) for id_ in gone])
            self._version = None
        return [other for other in others if other[0] not in gone]

    def _others(self) -> Others:
        by_lease = self._renewals.are_regular
        return others_than(self._db, self._tables, self._instance, by_lease)

    # --- dynamic tasks --------------------------------------------------------------------

    def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        with self._transaction():
            self.rows.schedule(tasks, now)

    def unschedule(self, tasks: Sequence[str]) -> set[str]:
        with self._transaction():
            return self.rows.unschedule(tasks)

    def take(self, shares: Shares, now: int, but: Mapping[str, int]) -> tuple[list[Dynamic], int]:
        self._sweep.learn(shares)
        look = self.rows.next_look(shares, but)
        if look > now or not any(shares.values()):
            return [], look
        with self._transaction(lasting=False):
            self._know()
            taken = self.rows.take(shares, now, but)
        return taken, self.rows.next_look(shares, but)

    def let_go(self, but: Sequence[str]) -> None:
        with self._transaction():
            self.rows.let_go(but)

    def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        with self._transaction():
            self.rows.rouse(keys, now)

    def set_back(self, now: int, beyond: int) -> None:
        with self._transaction():
            self.rows.set_back(now, beyond)

    # --- tasks ----------------------------------------------------------------------------

    def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int]
    ) -> dict[str, Registered]:
        db, t = self._db, self._tables
        with self._transaction():
            db.executemany(
                f"INSERT INTO {t.task} (name, condition, since, decided) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET condition = excluded.condition, "
                "since = excluded.since, decided = excluded.decided "
                "WHERE condition != excluded.condition "
                "AND (excluded.decided IS NULL OR since < excluded.since)",
                [
                    (name, condition, again.get(name, now), now if name in again else None)
                    for name, condition in conditions.items()
                ],
            )
            self._conditions |= conditions
            known = f"SELECT since, decided FROM {t.task} WHERE name = ?"
            return {name: Registered(*db.execute(known, (name,)).fetchone()) for name in conditions}

    def decided(self, tasks: Mapping[str, int]) -> None:
        with self._transaction() as db:
            db.executemany(
                f"UPDATE {self._tables.task} SET decided = ?2 WHERE name = ?1 "
                "AND (decided IS NULL OR decided < ?2) AND (?3 IS NULL OR condition = ?3)",
                [(task, at, self._conditions.get(task)) for task, at in tasks.items()],
            )

    def trim(self, before: int, lookback: Mapping[str, int], most: int) -> tuple[int, bool]:
        """Drop what is old of the next `SWEPT` records; how many, and whether there are more to
        look at. The newest record stays, with the run it ended, whatever it is of: numbers go on
        from it."""
        db, t = self._db, self._tables
        with self._transaction():
            dropped = db.execute(
                f"DELETE FROM {t.missed} WHERE (task, scheduled_at) IN (SELECT task, scheduled_at "
                f"FROM {t.missed} WHERE coalesce(until, scheduled_at) < ? "
                "ORDER BY scheduled_at LIMIT ?)",
                (before, most),
            ).rowcount
            left = most - dropped
            seen = db.execute(self._seen, (self._sweep.position, SWEPT)).fetchall() if left else []
            reader = Reader(db, t)
            newest = reader.select("WHERE seq = ?", newest_of(db, t))
            last = {number for record in newest for number in (record.seq, record.run or 0)}
            doomed, more = self._sweep.doomed(
                seen,
                before,
                lookback,
                left,
                lambda tasks: reader.always(tasks) | last,
                reader.there,
            )
            tasks = {seq: task for seq, task, _ in seen}
            db.executemany(f"DELETE FROM {t.record} WHERE seq = ?", [(seq,) for seq in doomed])
            db.executemany(
                f"DELETE FROM {t.head} WHERE task = ? AND seq = ?",
                [(tasks[seq], seq) for seq in doomed],
            )
        return dropped + len(doomed), more


class transaction:
    """BEGIN … COMMIT, or ROLLBACK on any exception."""

    def __init__(self, db: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> None:
        self._db = db
        self._begin = begin

    def __enter__(self) -> sqlite3.Connection:
        roll_back(self._db)  # what could not be before
        self._db.execute(self._begin)
        return self._db

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if error is None:
                self._db.execute("COMMIT")
        finally:
            with suppress(sqlite3.Error):  # it would hide why
                roll_back(self._db)


def roll_back(db: sqlite3.Connection) -> None:
    """SQLite has done it by itself after some errors."""
    if db.in_transaction:
        db.execute("ROLLBACK")


def newest_of(db: sqlite3.Connection, t: Tables) -> int:
    (newest,) = db.execute(f"SELECT coalesce(max(seq), 0) FROM {t.record}").fetchone()
    return int(newest)


def ends(lease: int | None, at: int, up: int) -> tuple[int | None, int | None]:
    """When a lease that begins now ends, by the wall clock and by the uptime."""
    return (None, None) if lease is None else (at + lease, up + lease)


def others_than(db: sqlite3.Connection, t: Tables, instance: str, by_lease: bool = True) -> Others:
    """If not `by_lease`, only those whose process has ended are gone."""
    rows = db.execute(
        f"SELECT id, host, pid, expires_at, expires_up FROM {t.instance} WHERE id != ?", (instance,)
    ).fetchall()
    return [(id_, is_gone(*seen) if by_lease else has_ended(*seen[:2])) for id_, *seen in rows]


def is_gone(host: str, pid: int, expires_at: int, expires_up: int) -> bool:
    over = expires_up < uptime() if host == here() else expires_at < wall()
    return over or has_ended(host, pid)


def has_ended(host: str, pid: int) -> bool:
    """As far as can be told here."""
    return host == here() and not is_alive(pid)


def crashes(
    db: sqlite3.Connection, t: Tables, gone: Sequence[str], now: int, newest: int
) -> list[Record]:
    """The `crash` of each live run whose lease is over, or whose instance is gone or was never
    there; numbered from the newest on."""
    over = f"iif(host = ?, {t.lease}.expires_up <= ?, {t.lease}.expires_at <= ?)"
    runs = db.execute(
        f"SELECT run FROM {t.lease} LEFT JOIN {t.instance} ON id = instance WHERE host IS NULL "
        f"OR instance IN (SELECT value FROM json_each(?)) OR {over} ORDER BY run",
        (json.dumps(gone), here(), uptime(), wall()),
    ).fetchall()
    of_run = f"SELECT task, run_id FROM {t.record} WHERE seq = ?"
    found = [(run, *db.execute(of_run, (run,)).fetchone()) for (run,) in runs]
    return [
        Record(task, Action.CRASH, now, newest + number, run=run, run_id=label)
        for number, (run, task, label) in enumerate(found, 1)
    ]


def row_of(record: Record, seq: int) -> Row:
    task, action, at, _, scheduled_at, attempt, run, run_id, error, until = record
    return (seq, task, action._value_, at, scheduled_at, attempt, run, run_id, error, until)


def join(db: sqlite3.Connection, t: Tables, instance: str, since: int) -> int:
    """Be one of the instances for `LEASE` from now on, by the uptime that is given back."""
    up = uptime()
    db.execute(
        f"INSERT INTO {t.instance} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "expires_at = excluded.expires_at, expires_up = excluded.expires_up",
        (instance, here(), os.getpid(), wall() + LEASE, up + LEASE, since),
    )
    return up
