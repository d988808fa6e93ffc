"""The dynamic tasks in a PostgreSQL database: what `dynamic.py` tells, by tables, functions and
indexes, so that what is asked costs the same whatever their number.

Whoever changes a row keeps the one row of `log` locked, as for records. So no two instances hold
the same row, nobody who is to be woken is overlooked, and no lock is waited for in another order. A
`take` that finds nothing due locks nothing. What is held need not be durable: an instance whose
server has forgotten it lets go of nothing.

Rows that are new are nobody's yet, and many are added without that lock, so that others may write
meanwhile. Those who schedule have a lock of their own, which they take first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...engine.civil import FOREVER
from .dynamic import PIECE, Awaited, Dynamic, Planned, Shares, Wanted, condition_of
from .postgres_link import Connection

COLUMNS = (
    "task, shard, text, condition, version, born, since, decided, due, look, wait, waits, holder"
)
BULK = 5000
"""So many tasks are scheduled by one statement."""

ROW_TABLES = """
CREATE TABLE {p}dynamic (
    task TEXT COLLATE "C" PRIMARY KEY, shard TEXT COLLATE "C" NOT NULL, text TEXT NOT NULL,
    condition TEXT NOT NULL, version BIGINT NOT NULL, born BIGINT NOT NULL, since BIGINT NOT NULL,
    decided BIGINT, due BIGINT, look BIGINT, wait BIGINT NOT NULL, waits INT NOT NULL, holder TEXT
);
CREATE INDEX ON {p}dynamic (shard, look) WHERE look IS NOT NULL;
CREATE INDEX ON {p}dynamic (holder) WHERE holder IS NOT NULL;
CREATE TABLE {p}waiting (
    task TEXT COLLATE "C", action TEXT COLLATE "C", position BIGINT, waiter TEXT COLLATE "C",
    PRIMARY KEY (task, action, position, waiter)
);
CREATE INDEX ON {p}waiting (waiter);
CREATE TABLE {p}stirred (
    task TEXT COLLATE "C", action TEXT COLLATE "C", at BIGINT NOT NULL, PRIMARY KEY (task, action)
);
"""
"""Who is `waiting` has read the records of a task and action up to `position`; what is `stirred`
has newer ones, the first of them at an instant, by which not all are woken yet."""

BY_DECIDED = """
CREATE INDEX ON {p}dynamic (coalesce(decided, since)) WHERE holder IS NULL;
"""

ROW_FUNCTIONS = """
CREATE OR REPLACE FUNCTION {p}release(_holders TEXT[], _but TEXT[]) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {p}dynamic WHERE holder = ANY (_holders)) THEN
        PERFORM FROM {p}log FOR UPDATE;
        UPDATE {p}dynamic SET look = 0, holder = NULL
        WHERE holder = ANY (_holders) AND task NOT IN (SELECT unnest(_but));
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {p}release_of(_runs BIGINT[]) RETURNS VOID
LANGUAGE plpgsql {indexed} AS $$
BEGIN
    UPDATE {p}dynamic dynamic SET look = 0, holder = NULL
    FROM {p}lease lease JOIN {p}record record ON record.seq = lease.run
    WHERE lease.run = ANY (_runs)
        AND dynamic.task = record.task AND dynamic.holder = lease.instance;
END $$;

CREATE OR REPLACE FUNCTION {p}leave(_instance TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    PERFORM {p}release(ARRAY [_instance], '{{}}');
    DELETE FROM {p}instance WHERE id = _instance;
    IF FOUND THEN
        PERFORM {p}tell(_instance, 0);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {p}lock_plans() RETURNS VOID LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('{p}plan'))
$$;

CREATE OR REPLACE FUNCTION {p}add(_tasks JSON, _newest BIGINT, _now BIGINT) RETURNS SETOF TEXT
LANGUAGE plpgsql {indexed} AS $$
BEGIN
    RETURN QUERY
    WITH planned AS MATERIALIZED (
        SELECT planned.*, known.task IS NULL AS new,
            known.text = planned.text AND known.shard = planned.shard
                AND known.condition = planned.condition AS same
        FROM json_to_recordset(_tasks) AS planned (
            task TEXT, shard TEXT, text TEXT, condition TEXT, due BIGINT, version BIGINT
        ) LEFT JOIN {p}dynamic known ON known.task = planned.task
    ), added AS (
        INSERT INTO {p}dynamic AS one (
            task, shard, text, condition, version, born, since, due, look, wait, waits
        )
        SELECT task, shard, text, condition, version, _newest, _now, due, due, 0, 0
        FROM planned WHERE new ON CONFLICT DO NOTHING RETURNING one.task
    )
    SELECT task FROM planned WHERE NOT coalesce(same, task IN (SELECT added.task FROM added));
END $$;

CREATE OR REPLACE FUNCTION {p}plan(_instance TEXT, _tasks JSON, _now BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE _newest BIGINT;
BEGIN
    PERFORM {p}lock_plans();
    SELECT newest INTO _newest FROM {p}log FOR UPDATE;
    INSERT INTO {p}dynamic AS known (
        task, shard, text, condition, version, born, since, due, look, wait, waits
    )
    SELECT task, shard, text, condition, version, _newest, _now, due, due, 0, 0
    FROM json_to_recordset(_tasks) AS planned (
        task TEXT, shard TEXT, text TEXT, condition TEXT, due BIGINT, version BIGINT
    )
    ON CONFLICT (task) DO UPDATE SET
        shard = excluded.shard, text = excluded.text, version = excluded.version,
        condition = excluded.condition,
        look = CASE WHEN known.holder IS NULL THEN 0 END,
        since = CASE WHEN known.condition = excluded.condition
            THEN known.since ELSE excluded.since END,
        decided = CASE WHEN known.condition = excluded.condition THEN known.decided END,
        due = CASE WHEN known.condition = excluded.condition THEN known.due ELSE excluded.due END,
        wait = CASE WHEN known.condition = excluded.condition THEN known.wait ELSE 0 END
    WHERE known.text <> excluded.text OR known.shard <> excluded.shard
        OR known.condition <> excluded.condition;
    PERFORM {p}tell(_instance, 0);
END $$;

CREATE OR REPLACE PROCEDURE {p}schedule(_instance TEXT, _tasks JSON, _now BIGINT)
LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL synchronous_commit = off;
    PERFORM {p}plan(_instance, _tasks, _now);
    COMMIT;
    PERFORM pg_logical_emit_message(true, 'oncue', '');
END $$;

CREATE OR REPLACE PROCEDURE {p}unschedule(_instance TEXT, _tasks TEXT[], INOUT _gone TEXT[])
LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL synchronous_commit = off;
    PERFORM FROM {p}log FOR UPDATE;
    DELETE FROM {p}waiting WHERE waiter = ANY (_tasks);
    WITH gone AS (DELETE FROM {p}dynamic WHERE task = ANY (_tasks) RETURNING task)
    SELECT array_agg(task) INTO _gone FROM gone;
    IF _gone IS NOT NULL THEN
        PERFORM {p}tell(_instance, 0);
    END IF;
    COMMIT;
    PERFORM pg_logical_emit_message(true, 'oncue', '');
END $$;

CREATE OR REPLACE FUNCTION {p}wake(
    _tasks TEXT[], _actions TEXT[], _beyond BIGINT[], _at BIGINT[], _now BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql {indexed} AS $$
DECLARE _found BIGINT;
BEGIN
    WITH found AS MATERIALIZED (
        SELECT key.task, key.action, key.at, one.position, one.waiter
        FROM unnest(_tasks, _actions, _beyond, _at) AS key (task, action, beyond, at), LATERAL (
            SELECT position, waiter FROM {p}waiting waiting
            WHERE waiting.task = key.task AND waiting.action = key.action
                AND waiting.position < key.beyond
            ORDER BY position LIMIT {piece}
        ) one
        LIMIT {piece}
    ), forgotten AS (
        DELETE FROM {p}waiting waiting USING found
        WHERE (waiting.task, waiting.action, waiting.position, waiting.waiter)
            = (found.task, found.action, found.position, found.waiter)
    ), due AS (
        UPDATE {p}dynamic dynamic SET look = least(woken.at, _now, look)
        FROM (SELECT waiter, min(at) AS at FROM found GROUP BY waiter) woken
        WHERE dynamic.task = woken.waiter AND holder IS NULL
    )
    SELECT count(*) INTO _found FROM found;
    RETURN _found = {piece};
END $$;

CREATE OR REPLACE FUNCTION {p}wake_stirred(_now BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    _tasks TEXT[];
    _actions TEXT[];
    _beyond BIGINT[];
    _at BIGINT[];
BEGIN
    SELECT array_agg(task), array_agg(action), array_agg(coalesce(seq, 0)), array_agg(at)
    INTO _tasks, _actions, _beyond, _at
    FROM (SELECT * FROM {p}stirred LIMIT {piece}) stirred LEFT JOIN {p}head USING (task, action);
    IF NOT {p}wake(_tasks, _actions, _beyond, _at, _now) THEN
        DELETE FROM {p}stirred stirred USING unnest(_tasks, _actions) AS key (task, action)
        WHERE (stirred.task, stirred.action) = (key.task, key.action);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {p}first_look(_shards TEXT[], _but JSONB) RETURNS BIGINT
LANGUAGE plpgsql {indexed} AS $$
BEGIN
    IF EXISTS (SELECT FROM {p}stirred) THEN
        RETURN 0;
    END IF;
    RETURN (
        SELECT coalesce(min(first.look), {forever}) FROM unnest(_shards) AS asked (shard), LATERAL (
            SELECT look FROM {p}dynamic dynamic
            WHERE dynamic.shard = asked.shard AND look IS NOT NULL AND {another}
            ORDER BY look LIMIT 1
        ) first
    );
END $$;

CREATE OR REPLACE FUNCTION {p}take(
    _instance TEXT, _link BIGINT, _shards TEXT[], _shares BIGINT[], _now BIGINT, _but JSONB
) RETURNS TABLE (
    first BIGINT, task TEXT, shard TEXT, text TEXT, condition TEXT, version BIGINT, born BIGINT,
    since BIGINT, decided BIGINT, due BIGINT, look BIGINT, wait BIGINT, waits INT, holder TEXT
) LANGUAGE plpgsql {indexed} AS $$
#variable_conflict use_column
DECLARE
    _first BIGINT := {p}first_look(_shards, _but);
    _latest BIGINT;
BEGIN
    IF _first > _now OR 0 = ALL (_shares) THEN
        RETURN QUERY SELECT _first, {columns} FROM (SELECT) nothing LEFT JOIN {p}dynamic ON false;
        RETURN;
    END IF;
    PERFORM FROM {p}log FOR UPDATE;
    SELECT link INTO _latest FROM {p}instance WHERE id = _instance;
    IF NOT FOUND THEN
        RETURN;
    ELSIF _latest <> _link THEN
        RAISE 'a newer connection of this instance has taken over';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM {p}wake_stirred(_now);
    RETURN QUERY
    WITH taken AS MATERIALIZED (
        SELECT asked.place, one.*
        FROM unnest(_shards, _shares) WITH ORDINALITY AS asked (shard, share, place), LATERAL (
            SELECT {columns} FROM {p}dynamic dynamic
            WHERE dynamic.shard = asked.shard AND look <= _now AND {another}
            ORDER BY look LIMIT asked.share
        ) one
    ), held AS (
        UPDATE {p}dynamic dynamic SET look = NULL, holder = _instance
        FROM taken WHERE dynamic.task = taken.task
    )
    SELECT NULL::BIGINT, {columns} FROM taken ORDER BY place, look, task;
    RETURN QUERY
    SELECT {p}first_look(_shards, _but), {columns}
    FROM (SELECT) nothing LEFT JOIN {p}dynamic ON false;
END $$;

CREATE OR REPLACE FUNCTION {p}rest(_instance TEXT, _steps JSON, _answers BIGINT[]) RETURNS VOID
LANGUAGE plpgsql {indexed} AS $$
BEGIN
    WITH said AS MATERIALIZED (
        SELECT DISTINCT ON (task) said.*, dynamic.waits > 0 AS waited,
            dynamic.version = said.version AS same
        FROM json_to_recordset(_steps) AS said (
            number INT, kind TEXT, task TEXT, version BIGINT, due BIGINT, decided BIGINT,
            position BIGINT, reads JSON, wait BIGINT, done BOOLEAN
        ) JOIN {p}dynamic dynamic USING (task)
        WHERE kind = 'rest' AND _answers[number + 1] >= 0 AND holder = _instance
        ORDER BY task, number
    ), forgotten AS (
        DELETE FROM {p}waiting waiting USING said WHERE waiter = said.task AND waited AND same
        RETURNING waiter
    ), noted AS (
        INSERT INTO {p}waiting
        SELECT DISTINCT key ->> 0, key ->> 1, position, task
        FROM said, json_array_elements(reads) key
        WHERE same AND NOT done AND (SELECT count(*) FROM forgotten) >= 0 -- which comes first
    ), stirred AS (
        INSERT INTO {p}stirred
        SELECT DISTINCT ON (head.task, head.action) head.task, head.action, record.at
        FROM said, json_array_elements(reads) key, {p}head head, {p}record record
        WHERE same AND NOT done AND head.task = key ->> 0 AND head.action = key ->> 1
            AND head.seq > said.position AND record.seq = head.seq
        ON CONFLICT DO NOTHING
    ), removed AS (
        DELETE FROM {p}dynamic dynamic USING said WHERE dynamic.task = said.task AND same AND done
    ), let_go AS (
        UPDATE {p}dynamic dynamic SET look = 0, holder = NULL
        FROM said WHERE dynamic.task = said.task AND NOT same
    )
    UPDATE {p}dynamic dynamic SET
        decided = said.decided, due = said.due, look = said.due, wait = said.wait,
        waits = json_array_length(reads), holder = NULL
    FROM said WHERE dynamic.task = said.task AND same AND NOT done;
END $$;

CREATE OR REPLACE FUNCTION {p}rouse(
    _instance TEXT, _tasks TEXT[], _actions TEXT[], _now BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE _number INT := cardinality(_tasks);
BEGIN
    PERFORM FROM {p}log FOR UPDATE;
    PERFORM {p}tell(_instance, 0);
    RETURN {p}wake(
        _tasks, _actions, array_fill({forever}, ARRAY [_number]), array_fill(_now, ARRAY [_number]),
        _now
    );
END $$;

CREATE OR REPLACE FUNCTION {p}set_back(_instance TEXT, _now BIGINT, _beyond BIGINT)
RETURNS BOOLEAN LANGUAGE plpgsql {indexed} AS $$
DECLARE
    _latest BIGINT := (
        SELECT coalesce(decided, since) FROM {p}dynamic WHERE holder IS NULL
        ORDER BY coalesce(decided, since) DESC LIMIT 1
    );
    _found BIGINT;
BEGIN
    IF _latest IS NULL OR _latest <= _beyond THEN
        RETURN false;
    END IF;
    PERFORM FROM {p}log FOR UPDATE;
    UPDATE {p}dynamic dynamic SET
        since = least(since, _now), decided = CASE WHEN decided IS NOT NULL THEN _now END,
        due = NULL, look = 0
    FROM (
        SELECT task FROM {p}dynamic WHERE holder IS NULL AND coalesce(decided, since) > _beyond
        ORDER BY coalesce(decided, since) LIMIT {piece}
    ) later
    WHERE dynamic.task = later.task;
    GET DIAGNOSTICS _found = ROW_COUNT;
    PERFORM {p}tell(_instance, 0);
    RETURN _found = {piece};
END $$;
"""
"""`release_of` is of the tasks of live runs that the instances of the runs hold, by whoever has the
log locked. `take` gives the rows as they were, and last when there is more to be had; nothing if
the instance is not there any more, and has to join first. `wake`, `rouse` and `set_back` tell
whether there may be more. What is asked goes by the indexes however few rows there were when it was
planned."""

FIXED = {
    "piece": PIECE,
    "forever": FOREVER,
    "columns": COLUMNS,
    "another": "(_but ->> dynamic.task)::BIGINT IS DISTINCT FROM dynamic.version",
    "indexed": ("SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off"),
}
"""What stands in the texts beside the names of a namespace."""

PLAN = "SELECT {p}plan(%s, %s, %s)"
LOCK_PLANS = "SELECT {p}lock_plans()"
NEWEST = "SELECT newest FROM {p}log"
ADD = "SELECT * FROM {p}add(%s, %s, %s)"
SINCE = "SELECT DISTINCT task FROM {p}record WHERE seq > %s"
BEAR = "UPDATE {p}dynamic SET born = newest FROM {p}log WHERE task = ANY (%s::TEXT[])"
SCHEDULE = "CALL {p}schedule(%s, %s, %s)"
UNSCHEDULE = "CALL {p}unschedule(%s, %s::TEXT[], NULL)"
TAKE = "SELECT * FROM {p}take(%s, %s, %s::TEXT[], %s::BIGINT[], %s, %s)"
LET_GO = "SELECT {p}release(ARRAY [%s], %s::TEXT[])"
ROUSE = "SELECT {p}rouse(%s, %s::TEXT[], %s::TEXT[], %s)"
SET_BACK = "SELECT {p}set_back(%s, %s, %s)"
LEAVE = "SELECT {p}leave(%s)"


class RowWriter:
    """Writes for one instance."""

    def __init__(self, text: Callable[[str], bytes], instance: str) -> None:
        self._text = text
        self._instance = instance

    def schedule(self, link: Connection, tasks: Sequence[Planned], now: int) -> None:
        planned = {each.task: each for each in tasks}
        if len(planned) > BULK:
            with link.transaction():
                link.execute("SET LOCAL synchronous_commit = off")  # no lock is kept for the disk
                self._schedule_many(link, planned, now)
            link.execute("SELECT pg_logical_emit_message(true, 'oncue', '')")
        else:
            asked = (self._instance, as_json(planned.values()), now)
            link.execute(self._text(SCHEDULE), asked, prepare=True)

    def _schedule_many(self, link: Connection, planned: dict[str, Planned], now: int) -> None:
        """What was there before, and has to change, comes last, for which the log is locked; and so
        does what has records of another one of its name from while they were added."""
        link.execute(self._text(LOCK_PLANS))
        ((newest,),) = link.execute(self._text(NEWEST))
        left: list[Planned] = []
        for piece in pieces(list(planned.values())):
            there = link.execute(self._text(ADD), (as_json(piece), newest, now))
            left += [planned[task] for (task,) in there]
        for piece in pieces(left) or [left]:
            link.execute(self._text(PLAN), (self._instance, as_json(piece), now))
        added = planned.keys() - {each.task for each in left}
        later = [task for (task,) in link.execute(self._text(SINCE), (newest,)) if task in added]
        link.execute(self._text(BEAR), (later,))

    def unschedule(self, link: Connection, tasks: Sequence[str]) -> set[str]:
        ((gone,),) = link.execute(self._text(UNSCHEDULE), (self._instance, list(tasks)))
        return set(gone or ())

    def take(
        self, link: Connection, number: int, shares: Shares, now: int, but: Mapping[str, int]
    ) -> tuple[list[Dynamic], int] | None:
        """By the connection of that number; None: the instance has to join first."""
        passed_over = json.dumps(dict(but))
        asked = (self._instance, number, list(shares), list(shares.values()), now, passed_over)
        rows = link.execute(self._text(TAKE), asked, prepare=True).fetchall()
        return ([Dynamic(*row[1:]) for row in rows[:-1]], rows[-1][0]) if rows else None

    def let_go(self, link: Connection, but: Sequence[str]) -> None:
        link.execute(self._text(LET_GO), (self._instance, list(but)))

    def rouse(self, link: Connection, keys: Sequence[Awaited], now: int) -> None:
        tasks, actions = [task for task, _ in keys], [action for _, action in keys]
        more = True
        while more:
            ((more,),) = link.execute(self._text(ROUSE), (self._instance, tasks, actions, now))

    def set_back(self, link: Connection, now: int, beyond: int) -> None:
        more = True
        while more:
            ((more,),) = link.execute(self._text(SET_BACK), (self._instance, now, beyond))


def as_json(planned: Iterable[Planned]) -> str:
    return json.dumps([each._asdict() for each in planned])


def pieces(planned: Sequence[Planned]) -> list[Sequence[Planned]]:
    return [planned[n : n + BULK] for n in range(0, len(planned), BULK)]


def rows_of(link: Connection, text: Callable[[str], bytes], wanted: Wanted) -> list[Dynamic]:
    """Those that are wanted, by name."""
    condition = condition_of(wanted, "%({})s", "task = ANY (%(tasks)s::TEXT[])")
    given: dict[str, Any] = {**wanted._asdict(), "tasks": list(wanted.tasks or ())}
    found = link.execute(
        text(f"SELECT {COLUMNS} FROM {{p}}dynamic WHERE {condition} ORDER BY task LIMIT %(most)s"),
        given,
    )
    return [Dynamic(*row) for row in found]
