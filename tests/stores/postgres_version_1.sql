-- A namespace as version 1 made it; {p} begins the names of all that is its own.

CREATE TABLE {p}log (
    one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), version INT NOT NULL, newest BIGINT NOT NULL
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
INSERT INTO {p}log (version, newest) VALUES (1, 0);

CREATE FUNCTION {p}clock() RETURNS BIGINT LANGUAGE sql AS
$$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT $$;

CREATE FUNCTION {p}channel() RETURNS TEXT LANGUAGE sql STABLE AS
$$ SELECT 'oncue_' || '{p}log'::REGCLASS::OID $$;

CREATE FUNCTION {p}tell(_instance TEXT, _newest BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM {p}instance WHERE id <> _instance) THEN
        PERFORM pg_notify({p}channel(), _instance || ' ' || _newest);
    END IF;
END $$;

CREATE FUNCTION {p}crash(_instance TEXT, _runs BIGINT[], _now BIGINT) RETURNS VOID
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
    ), released AS (
        DELETE FROM {p}lease WHERE run = ANY (_runs)
    )
    UPDATE {p}log SET newest = newest + (SELECT count(*) FROM numbered)
    RETURNING newest INTO _newest;
    PERFORM {p}tell(_instance, _newest);
END $$;

CREATE FUNCTION {p}gone(_instance TEXT) RETURNS SETOF TEXT LANGUAGE sql AS
$$ SELECT id FROM {p}instance WHERE id <> _instance AND expires_at < {p}clock() $$;

CREATE FUNCTION {p}over(_instance TEXT) RETURNS SETOF BIGINT LANGUAGE sql AS $$
    SELECT run FROM {p}lease WHERE expires_at <= {p}clock()
        OR instance NOT IN (SELECT id FROM {p}instance)
        OR instance IN (SELECT {p}gone(_instance))
$$;

CREATE FUNCTION {p}reap(_instance TEXT, _now BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    _gone TEXT[];
    _over BIGINT[];
BEGIN
    IF NOT EXISTS (SELECT {p}gone(_instance)) AND NOT EXISTS (SELECT {p}over(_instance)) THEN
        RETURN;
    END IF;
    PERFORM FROM {p}log FOR UPDATE;
    DELETE FROM {p}instance WHERE id IN (SELECT {p}gone(_instance));
    _over := ARRAY (SELECT {p}over(_instance));
    IF _over <> '{}' THEN
        PERFORM {p}crash(_instance, _over, _now);
    END IF;
END $$;

CREATE FUNCTION {p}follow(_instance TEXT, _position BIGINT, _now BIGINT) RETURNS TABLE (
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
            (SELECT min(expires_at) FROM {p}instance WHERE id <> _instance)
        ),
        record.*
    FROM {p}log log LEFT JOIN {p}record record ON record.seq > _position ORDER BY record.seq;
END $$;

CREATE FUNCTION {p}join(
    _instance TEXT, _host TEXT, _pid INT, _since BIGINT, _lease BIGINT, _link BIGINT
) RETURNS VOID LANGUAGE sql AS $$
    INSERT INTO {p}instance VALUES (_instance, _host, _pid, _since, {p}clock() + _lease, _link)
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, link = excluded.link
$$;

CREATE FUNCTION {p}write(_instance TEXT, _link BIGINT, _steps JSON) RETURNS BIGINT[]
LANGUAGE plpgsql AS $$
DECLARE
    _newest BIGINT;
    _number BIGINT;
    _moment BIGINT;
    _latest BIGINT;
    _answers BIGINT[];
BEGIN
    SELECT newest INTO _newest FROM {p}log FOR UPDATE;
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
            position BIGINT, reads JSON, lease BIGINT, condition TEXT
        ) LEFT JOIN {p}lease lease ON lease.run = step.run AND lease.instance = _instance
    ), known AS (
        SELECT *, condition IS NOT NULL AND EXISTS (
            SELECT FROM {p}task registered
            WHERE registered.name = step.task AND registered.condition <> step.condition
        ) AS superseded
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
                SELECT *, undone OR kind = 'claim' AND coalesce(
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
    SELECT max(seq), array_agg(
        CASE WHEN superseded THEN -3 WHEN NOT refused THEN seq
            WHEN kind = 'claim' THEN -1 ELSE -2 END
        ORDER BY number
    ) INTO _number, _answers FROM numbered;
    IF _number > _newest THEN
        UPDATE {p}log SET newest = _number;
        PERFORM {p}tell(_instance, _number);
    END IF;
    RETURN _answers;
END $$;

CREATE PROCEDURE {p}commit(
    _instance TEXT, _link BIGINT, _steps JSON, INOUT _answers BIGINT[]
) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL synchronous_commit = off;
    _answers := {p}write(_instance, _link, _steps);
    COMMIT;
    PERFORM pg_logical_emit_message(true, 'oncue', '');
END $$;
