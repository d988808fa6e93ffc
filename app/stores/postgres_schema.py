"""The tables and functions in a PostgreSQL database, and how those of older versions become these.

Each namespace has tables and functions of its own, in the schema that the connection makes things
in, told apart by a prefix; the one row of `log` holds the namespace's version. Whoever writes
records keeps that row locked until the commit, so commits come one after another: numbers are given
in commit order and without gaps, and what a claim rests on is tested in the transaction that writes
it. Leases are timed by the clock of the server alone.

The lock is not kept while the disk is waited for. A commit is seen by others a moment before it is
durable, and answered when it is: a second transaction waits for all that was written up to then.
Whatever rests on it is written after it, so it cannot be durable alone.

What there is of dynamic tasks is in `postgres_rows.py`.
"""

from __future__ import annotations

from ..errors import StoreError
from .postgres_link import Connection
from .postgres_rows import BY_DECIDED, FIXED, ROW_FUNCTIONS, ROW_TABLES
from .protocol import BETWEEN
from .reading import COLUMNS
from .renewals import GRACE

VERSION = 5

TABLES = (
    """
CREATE TABLE {p}log (
    one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), version INT NOT NULL, newest BIGINT NOT NULL,
    server TIMESTAMPTZ, resumed BIGINT
);
CREATE TABLE {p}record (
    seq BIGINT PRIMARY KEY, task TEXT COLLATE "C" NOT NULL, action TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL, scheduled_at BIGINT, attempt BIGINT, run BIGINT, run_id TEXT, error TEXT,
    until BIGINT
);
CREATE INDEX ON {p}record (task, at);
CREATE INDEX ON {p}record (run) WHERE run IS NOT NULL;
CREATE TABLE {p}head (
    task TEXT COLLATE "C", action TEXT COLLATE "C", seq BIGINT NOT NULL, run BIGINT,
    PRIMARY KEY (task, action)
) WITH (fillfactor = 50);
CREATE TABLE {p}lease (run BIGINT PRIMARY KEY, instance TEXT NOT NULL, expires_at BIGINT);
CREATE TABLE {p}instance (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INT NOT NULL, since BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, link BIGINT NOT NULL
);
CREATE TABLE {p}missed (
    task TEXT COLLATE "C", scheduled_at BIGINT, until BIGINT, PRIMARY KEY (task, scheduled_at)
);
CREATE TABLE {p}task (
    name TEXT COLLATE "C" PRIMARY KEY, condition TEXT NOT NULL, since BIGINT NOT NULL,
    decided BIGINT
);
INSERT INTO {p}log (version, newest, server) VALUES ({version}, 0, pg_postmaster_start_time());
"""
    + ROW_TABLES
    + BY_DECIDED
)
"""A `server` is known by when it began; `resumed` is when the first instance joined it, if there
was another before. A head is the latest record of a task and action, and the latest run that such a
record ended. A lease without an end is its instance's. A `link` is the number of an instance's
latest connection: what an earlier one still asks for is refused."""

FUNCTIONS = (
    """
CREATE OR REPLACE FUNCTION {p}clock() RETURNS BIGINT LANGUAGE sql AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT $$;

CREATE OR REPLACE FUNCTION {p}channel() RETURNS TEXT LANGUAGE sql STABLE AS
$$ SELECT 'oncue_' || '{p}log'::REGCLASS::OID $$;

CREATE OR REPLACE FUNCTION {p}tell(_instance TEXT, _newest BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {p}instance WHERE id <> _instance) THEN
        PERFORM pg_notify({p}channel(), _instance || ' ' || _newest);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {p}crash(_instance TEXT, _runs BIGINT[], _now BIGINT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE _newest BIGINT;
BEGIN
    WITH numbered AS (
        SELECT log.newest + row_number() OVER (ORDER BY run.seq) AS seq, run.task,
            coalesce(_now, run.at) AS at, run.seq AS run, run.run_id
        FROM {p}record run, {p}log log WHERE run.seq = ANY (_runs)
    ), written AS (
        INSERT INTO {p}record (seq, task, action, at, run, run_id)
        SELECT seq, task, 'crash', at, run, run_id FROM numbered
    ), heads AS (
        INSERT INTO {p}head AS head
        SELECT task, 'crash', max(seq), max(run) FROM numbered GROUP BY task
        ON CONFLICT (task, action) DO UPDATE
        SET seq = excluded.seq, run = greatest(head.run, excluded.run)
    ), stirred AS (
        INSERT INTO {p}stirred
        SELECT DISTINCT ON (task) task, 'crash', at FROM numbered, LATERAL (
            SELECT FROM {p}waiting waiting
            WHERE waiting.task = numbered.task AND waiting.action = 'crash' LIMIT 1
        ) awaited
        ORDER BY task, seq ON CONFLICT DO NOTHING
    ), released AS (
        DELETE FROM {p}lease WHERE run = ANY (_runs)
    )
    UPDATE {p}log SET newest = newest + (SELECT count(*) FROM numbered)
    RETURNING newest INTO _newest;
    PERFORM {p}tell(_instance, _newest);
END $$;

CREATE OR REPLACE FUNCTION {p}gone(_instance TEXT) RETURNS SETOF TEXT LANGUAGE sql AS
$$
    SELECT id FROM {p}instance WHERE id <> _instance AND expires_at < {p}clock()
        AND {p}clock() >= (SELECT coalesce(resumed + {grace}, 0) FROM {p}log)
        AND NOT EXISTS (SELECT FROM {p}instance WHERE id = _instance AND expires_at < {p}clock())
$$;

CREATE OR REPLACE FUNCTION {p}over(_instance TEXT) RETURNS SETOF BIGINT LANGUAGE sql AS $$
    SELECT run FROM {p}lease WHERE expires_at <= {p}clock()
        OR instance NOT IN (SELECT id FROM {p}instance)
        OR instance IN (SELECT {p}gone(_instance))
$$;

CREATE OR REPLACE FUNCTION {p}reap(_instance TEXT, _now BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    _gone TEXT[];
    _over BIGINT[];
BEGIN
    IF NOT EXISTS (SELECT {p}gone(_instance)) AND NOT EXISTS (SELECT {p}over(_instance)) THEN
        RETURN;
    END IF;
    PERFORM FROM {p}log FOR UPDATE;
    WITH gone AS (
        DELETE FROM {p}instance WHERE id IN (SELECT {p}gone(_instance)) RETURNING id
    )
    SELECT array_agg(id) INTO _gone FROM gone;
    PERFORM {p}release(_gone, '{{}}');
    _over := ARRAY (SELECT {p}over(_instance));
    IF _over <> '{{}}' THEN
        PERFORM {p}release_of(_over);
        PERFORM {p}crash(_instance, _over, _now);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION {p}follow(_instance TEXT, _position BIGINT, _now BIGINT) RETURNS TABLE (
    newest BIGINT, clock BIGINT, ends_at BIGINT,
    seq BIGINT, task TEXT, action TEXT, at BIGINT, scheduled_at BIGINT, attempt BIGINT, run BIGINT,
    run_id TEXT, error TEXT, until BIGINT
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM {p}reap(_instance, _now);
    RETURN QUERY
    SELECT log.newest, {p}clock(),
        least(
            (SELECT min(expires_at) FROM {p}lease),
            (SELECT min(greatest(expires_at, resumed + {grace})) FROM {p}instance, {p}log
                WHERE id <> _instance)
        ),
        record.*
    FROM {p}log log LEFT JOIN {p}record record ON false;
    RETURN QUERY
    SELECT NULL::BIGINT, NULL::BIGINT, NULL::BIGINT, record.*
    FROM {p}record record WHERE record.seq > _position ORDER BY record.seq;
END $$;

CREATE OR REPLACE FUNCTION {p}join(
    _instance TEXT, _host TEXT, _pid INT, _since BIGINT, _lease BIGINT, _link BIGINT
) RETURNS VOID LANGUAGE sql AS $$
    UPDATE {p}log SET server = pg_postmaster_start_time(), resumed = {p}clock()
    WHERE server IS DISTINCT FROM pg_postmaster_start_time();
    INSERT INTO {p}instance VALUES (_instance, _host, _pid, _since, {p}clock() + _lease, _link)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, link = excluded.link
$$;

CREATE OR REPLACE FUNCTION {p}write(
    _instance TEXT, _link BIGINT, _steps JSON, _newest BIGINT
) RETURNS BIGINT[] LANGUAGE plpgsql AS $$
DECLARE
    _number BIGINT;
    _moment BIGINT;
    _latest BIGINT;
    _resting BOOLEAN;
    _answers BIGINT[];
BEGIN
    SELECT link INTO _latest FROM {p}instance WHERE id = _instance;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF _latest <> _link THEN
        RAISE 'a newer connection of this instance has taken over';
    END IF;
    _moment := {p}clock();
    WITH step AS MATERIALIZED (
        SELECT step.*, lease.run IS NOT NULL AS held,
            min(number) FILTER (WHERE kind = 'finish') OVER (PARTITION BY step.run) AS finished
        FROM json_to_recordset(_steps) AS step (
            number INT, kind TEXT, task TEXT, action TEXT, at BIGINT, scheduled_at BIGINT,
            attempt BIGINT, run BIGINT, run_id TEXT, error TEXT, until BIGINT,
            position BIGINT, reads JSON, lease BIGINT, condition TEXT, version BIGINT
        ) LEFT JOIN {p}lease lease ON lease.run = step.run AND lease.instance = _instance
    ), known AS (
        SELECT *, kind = 'claim' AND CASE WHEN version IS NOT NULL THEN NOT EXISTS (
            SELECT FROM {p}dynamic dynamic
            WHERE dynamic.task = step.task AND dynamic.version = step.version
        ) ELSE condition IS NOT NULL AND EXISTS (
            SELECT FROM {p}task registered
            WHERE registered.name = step.task AND registered.condition <> step.condition
        ) END AS superseded
        FROM step
    ), judged AS (
        SELECT *, superseded OR CASE kind
            WHEN 'finish' THEN NOT held OR number > finished
            WHEN 'extend' THEN NOT held OR coalesce(number > finished, false)
            WHEN 'claim' THEN position < _newest AND (
                EXISTS (
                    SELECT FROM {p}head head
                    WHERE head.task = known.task AND head.seq > known.position
                ) OR EXISTS (
                    SELECT FROM json_array_elements(reads) key, {p}head head
                    WHERE head.task = key ->> 0 AND head.action = key ->> 1
                        AND head.seq > known.position
                )
            )
            ELSE false END AS undone
        FROM known
    ), numbered AS MATERIALIZED (
        SELECT *, _newest + count(*) FILTER (WHERE writes) OVER (ORDER BY number) AS seq
        FROM (
            SELECT *, kind IN ('claim', 'finish') AND NOT refused AS writes
            FROM (
                SELECT *, undone OR kind IN ('claim', 'rest') AND coalesce(
                    bool_or(undone AND kind <> 'extend') OVER (
                        ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ), false) AS refused
                FROM judged
            ) refusing
        ) writing
    ), written AS (
        INSERT INTO {p}record
        SELECT seq, task, action, at, scheduled_at, attempt, run, run_id, error, until
        FROM numbered WHERE writes
    ), heads AS (
        INSERT INTO {p}head AS head
        SELECT task, action, max(seq), max(run) FROM numbered WHERE writes GROUP BY task, action
        ON CONFLICT (task, action) DO UPDATE
        SET seq = excluded.seq, run = greatest(head.run, excluded.run)
    ), stirred AS (
        INSERT INTO {p}stirred
        SELECT DISTINCT ON (task, action) task, action, at FROM numbered, LATERAL (
            SELECT FROM {p}waiting waiting
            WHERE waiting.task = numbered.task AND waiting.action = numbered.action LIMIT 1
        ) awaited
        WHERE writes ORDER BY task, action, seq ON CONFLICT DO NOTHING
    ), begun AS (
        INSERT INTO {p}lease
        SELECT seq, _instance, _moment + lease FROM numbered WHERE kind = 'claim' AND writes
    ), ended AS (
        DELETE FROM {p}lease lease USING numbered
        WHERE lease.run = numbered.run AND kind = 'finish' AND writes
    ), extended AS (
        UPDATE {p}lease lease SET expires_at = _moment + latest.lease
        FROM (
            SELECT DISTINCT ON (run) run, numbered.lease FROM numbered
            WHERE kind = 'extend' AND NOT refused AND finished IS NULL ORDER BY run, number DESC
        ) latest
        WHERE lease.run = latest.run
    ), served AS (
        DELETE FROM {p}missed missed USING numbered
        WHERE missed.task = numbered.task AND missed.scheduled_at = numbered.scheduled_at
            AND missed.until IS NULL AND kind = 'claim' AND writes
    ), noted AS (
        INSERT INTO {p}missed
        SELECT task, scheduled_at, until FROM numbered note
        WHERE kind = 'miss' AND (until IS NOT NULL OR NOT EXISTS (
            SELECT FROM {p}record record WHERE record.task = note.task
                AND at >= note.scheduled_at AND action = 'run'
                AND record.scheduled_at = note.scheduled_at
        ) AND NOT EXISTS (
            SELECT FROM numbered claim WHERE claim.kind = 'claim' AND writes
                AND claim.task = note.task AND claim.scheduled_at = note.scheduled_at
        ))
        ON CONFLICT DO NOTHING
    )
    SELECT max(seq), bool_or(kind = 'rest'), array_agg(
        CASE WHEN superseded THEN {superseded} WHEN NOT refused THEN seq
            WHEN kind IN ('claim', 'rest') THEN {newer} ELSE {lost} END
        ORDER BY number
    ) INTO _number, _resting, _answers FROM numbered;
    IF _resting THEN
        PERFORM {p}rest(_instance, _steps, _answers);
    END IF;
    IF _number > _newest THEN
        UPDATE {p}log SET newest = _number;
        PERFORM {p}tell(_instance, _number);
    END IF;
    RETURN _answers;
END $$;

CREATE OR REPLACE PROCEDURE {p}commit(
    _instance TEXT, _link BIGINT, _steps JSON, _position BIGINT,
    INOUT _answers BIGINT[], INOUT _numbers BIGINT[], INOUT _texts TEXT[]
) LANGUAGE plpgsql AS $$
DECLARE _newest BIGINT;
BEGIN
    SET LOCAL synchronous_commit = off;
    SELECT newest INTO _newest FROM {p}log FOR UPDATE;
    _answers := {p}write(_instance, _link, _steps, _newest);
    COMMIT;
    IF _newest = _position THEN
        _numbers := '{{}}';
        _texts := '{{}}';
    ELSIF _newest - _position BETWEEN 1 AND {between} THEN
        SELECT array_agg(ARRAY[seq, at, scheduled_at, attempt, run, until]),
            array_agg(ARRAY[task, action, run_id, error])
        INTO _numbers, _texts FROM (
            SELECT * FROM {p}record WHERE seq > _position AND seq <= _newest ORDER BY seq
        ) between_us;
    END IF;
    PERFORM pg_logical_emit_message(true, 'oncue', '');
END $$;
"""
    + ROW_FUNCTIONS
)
"""`write` judges as `judge` does, of all steps at once. NULL: the instance is not there any more,
and has to join first. Whether an error of `commit` came before or after the write does not show. It
gives what was written after a position before that, if that is not much."""

NEWER, LOST, SUPERSEDED = -1, -2, -3
"""What `commit` answers for a step that is refused."""

MIGRATIONS: tuple[str, ...] = (
    ROW_TABLES,
    BY_DECIDED
    + """
DROP PROCEDURE IF EXISTS {p}commit(TEXT, BIGINT, JSON, BIGINT[]);
DROP FUNCTION IF EXISTS {p}write(TEXT, BIGINT, JSON);
""",
    """
DROP FUNCTION IF EXISTS {p}take(TEXT, BIGINT, TEXT[], BIGINT[], BIGINT);
DROP FUNCTION IF EXISTS {p}first_look(TEXT[]);
""",
    """
ALTER TABLE {p}log ADD COLUMN IF NOT EXISTS server TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS resumed BIGINT;
UPDATE {p}log SET server = pg_postmaster_start_time();
""",
)
"""The statements that bring the tables of a namespace up from version 1 on, in order. The functions
are made anew after them: one that takes or gives something else than before is to be dropped."""

NEEDED = """
wanted AS MATERIALIZED (SELECT key AS task, value::BIGINT AS since FROM json_each_text(%(tasks)s)),
latest AS (
    SELECT seq, run FROM {p}head JOIN wanted USING (task)
), found AS (
    SELECT seq FROM latest
    UNION SELECT run FROM latest WHERE run IS NOT NULL
    UNION SELECT seq FROM {p}lease lease JOIN {p}record record ON seq = lease.run
        JOIN wanted USING (task)
    UNION SELECT seq FROM wanted JOIN {p}record record USING (task) WHERE at >= since
), with_runs AS (
    SELECT seq FROM found
    UNION SELECT run FROM found JOIN {p}record USING (seq) WHERE run IS NOT NULL
), needed AS MATERIALIZED (
    SELECT seq FROM with_runs
    UNION SELECT ending.seq FROM with_runs JOIN {p}record ending ON ending.run = with_runs.seq
)
"""
"""The numbers of what `Store.load` gives: `tasks` is the look-back."""

LOAD = (
    "WITH " + NEEDED + f"SELECT newest, {COLUMNS} FROM {{p}}log "
    "LEFT JOIN (needed JOIN {p}record USING (seq)) ON true ORDER BY seq"
)
REGISTER = """
INSERT INTO {p}task AS task
SELECT key, said.value, coalesce(before.value::BIGINT, %(now)s),
    CASE WHEN before.value IS NOT NULL THEN %(now)s END
FROM json_each_text(%(tasks)s) said LEFT JOIN json_each_text(%(again)s) before USING (key)
ORDER BY key COLLATE "C"
ON CONFLICT (name) DO UPDATE SET condition = excluded.condition, since = excluded.since,
    decided = excluded.decided WHERE task.condition <> excluded.condition
    AND (excluded.decided IS NULL OR task.since < excluded.since)
"""
DECIDED = """
WITH said AS (
    SELECT * FROM json_to_recordset(%(tasks)s) AS said (name TEXT, decided BIGINT, condition TEXT)
), locked AS (
    SELECT task.name, said.decided FROM {p}task task JOIN said USING (name)
    WHERE (task.decided IS NULL OR task.decided < said.decided)
        AND (said.condition IS NULL OR task.condition = said.condition)
    ORDER BY task.name FOR UPDATE OF task
)
UPDATE {p}task task SET decided = locked.decided FROM locked WHERE task.name = locked.name
    AND (task.decided IS NULL OR task.decided < locked.decided)
"""
FORGET = """
DELETE FROM {p}missed WHERE (task, scheduled_at) IN (
    SELECT task, scheduled_at FROM {p}missed WHERE coalesce(until, scheduled_at) < %(before)s
    ORDER BY scheduled_at LIMIT %(most)s
)
"""
SEEN = """
SELECT this.seq, this.task, greatest(this.at, ending.at, run.at)
FROM {p}record this LEFT JOIN {p}record ending ON ending.run = this.seq
LEFT JOIN {p}record run ON run.seq = this.run
WHERE this.seq > %(swept)s ORDER BY this.seq LIMIT %(most)s
"""
"""Records with the latest instant of the run each is of."""

ALWAYS = "WITH " + NEEDED + "SELECT seq FROM needed"


FOLLOW = "SELECT * FROM {p}follow(%s, %s, %s)"
READ_ON = """
SELECT log.newest, {p}clock(), NULL::BIGINT, record.*
FROM {p}log log LEFT JOIN {p}record record ON false
UNION ALL SELECT NULL, NULL, NULL, record.* FROM {p}record record WHERE seq > %s
ORDER BY seq NULLS FIRST
"""
"""The same as `follow` gives, where nobody is taken for gone."""

COMMIT = "CALL {p}commit(%s, %s, %s, %s, NULL, NULL, NULL)"
JOIN = "SELECT {p}join(%s, %s, %s, %s, %s, %s)"
LOCK = "SELECT FROM {p}log FOR UPDATE"
UNKNOWN = "SELECT run FROM {p}lease WHERE instance = %s AND run <> ALL (%s::BIGINT[])"
CRASH = "SELECT {p}crash(%s, %s::BIGINT[], NULL)"
ENDINGS = "SELECT run, seq, action, at FROM {p}record WHERE run = ANY (%s::BIGINT[])"
THERE = """
SELECT asked.task FROM unnest(%s::TEXT[]) asked (task)
WHERE EXISTS (SELECT FROM {p}dynamic dynamic WHERE dynamic.task = asked.task)
    OR EXISTS (
        SELECT FROM {p}lease lease JOIN {p}record record ON seq = lease.run
        WHERE record.task = asked.task
    )
"""
DROP = """
WITH doomed AS (SELECT * FROM unnest(%s::BIGINT[], %s::TEXT[]) doomed (seq, task)),
heads AS (
    DELETE FROM {p}head head USING doomed WHERE head.task = doomed.task AND head.seq = doomed.seq
)
DELETE FROM {p}record record USING doomed WHERE record.seq = doomed.seq
"""
INSTANCES = """
SELECT id, host, pid, since, expires_at >= {p}clock(), id = %s FROM {p}instance ORDER BY since, id
"""
OVER = """
SELECT task, seq, run_id FROM {p}record WHERE seq IN (SELECT {p}over('')) ORDER BY seq
"""


class Texts:
    """The statements of a namespace; `prefix` begins the names of all that is its own."""

    def __init__(self, namespace: str) -> None:
        self.prefix = f"oncue_{namespace}_" if namespace else "oncue_"
        self._made: dict[str, bytes] = {}

    def __call__(self, text: str) -> bytes:
        if text not in self._made:
            said = {"newer": NEWER, "lost": LOST, "superseded": SUPERSEDED, **FIXED}
            found = text.format(
                p=self.prefix, version=VERSION, between=BETWEEN, grace=GRACE, **said
            )
            self._made[text] = found.encode()
        return self._made[text]


def version_of(link: Connection, text: Texts) -> int | None:
    """None: the namespace has no tables. To read a table is what makes the server forget that it
    has seen none before."""
    found = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(%s))"
    ((there,),) = link.execute(found, (f"{text.prefix}log",))
    if not there:
        return None
    ((version,),) = link.execute(text("SELECT version FROM {p}log"))
    return int(version)


def prepare(link: Connection, text: Texts, create: bool, shown: str) -> None:
    """The tables and functions, once and of this version; of two that come at the same time one
    finds them made. Raises StoreError, with nothing made, where that is forbidden or cannot be."""
    if version_of(link, text) == VERSION:
        return
    link.execute("SELECT pg_advisory_lock(hashtext(%s))", (text.prefix,))
    with link.transaction():
        version = version_of(link, text)
        if version is None:
            if not create:
                raise StoreError(
                    f"it has no oncue tables that begin with {text.prefix!r}, and create=False "
                    "forbids to make them; leave it out once"
                )
            link.execute(text(TABLES))
            link.execute(text(FUNCTIONS))
        elif version > VERSION:
            raise StoreError(
                f"{text.prefix}log has schema version {version}, this oncue knows up to {VERSION}; "
                "upgrade oncue"
            )
        elif version < VERSION:
            migrate(link, text, version)
    link.execute("SELECT pg_advisory_unlock(hashtext(%s))", (text.prefix,))


def migrate(link: Connection, text: Texts, version: int) -> None:
    """Bring the namespace up from a version to this one, unless an older oncue has it open: that
    would go on writing as it knows."""
    link.execute(text(LOCK))
    living = text("SELECT host, pid FROM {p}instance WHERE expires_at >= {p}clock() LIMIT 1")
    for host, pid in link.execute(living):
        raise StoreError(f"it is open by an older oncue, process {pid} on {host}; end that first")
    for migration in MIGRATIONS[version - 1 :]:
        link.execute(text(migration))
    link.execute(text(FUNCTIONS))
    link.execute(text("UPDATE {p}log SET version = {version}"))
