"""What a start reads of an SQLite file: what it needs, by indexes."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from oncue.app.stores.reading import Reader
from oncue.app.stores.schema import SCHEMA, Tables, statements
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action, Record
from oncue.tests.stores.steps import LATE, claim, commit, finish, grow, opened


@pytest.mark.parametrize(
    ("endings", "since", "expected"),
    [
        ([Action.SUCCESS] * 5, LATE, [9, 10]),
        ([Action.SUCCESS] * 5, 31, [7, 8, 9, 10]),  # with the run of the ending asked for
        ([Action.SUCCESS, Action.FAIL, Action.CRASH, Action.CRASH], LATE, [1, 2, 3, 4, 7, 8]),
        ([Action.CRASH], LATE, [1, 2]),
        ([], 0, []),
    ],
)
def test_a_start_reads_heads_and_the_look_back_alone(
    path: Path, endings: list[Action], since: int, expected: list[int]
) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            await grow(store, *endings)
            await grow(store, Action.SUCCESS, task="other")
            position, records = await store.load({"a": since, "none": 0})
            assert position == 2 * len(endings) + 2
            assert [record.seq for record in records] == expected

    asyncio.run(story())


def test_a_start_of_a_large_log_looks_up_and_scans_nothing(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        async with opened(store):
            await grow(store, *[Action.SUCCESS] * 50)
            assert store._connection is not None
            steps: list[str] = []
            run = store._connection.execute
            statements: list[str] = []
            store._connection.set_trace_callback(statements.append)
            await store.load({"a": 480})
            store._connection.set_trace_callback(None)
            for statement in statements:
                plan = run(f"EXPLAIN QUERY PLAN {statement}").fetchall()
                steps += [detail for *_, detail in plan if detail.startswith("SCAN")]
            assert set(steps) <= {"SCAN lease", "SCAN CONSTANT ROW"}

    asyncio.run(story())


@pytest.mark.parametrize("ending", [Action.SUCCESS, Action.FAIL])
def test_a_start_reads_the_latest_run_of_an_ending_whichever_run_ended_last(
    path: Path, ending: Action
) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            await commit(store, claim("a", LATE), claim("a", LATE))
            await commit(store, finish("a", 2, ending), finish("a", 1, ending))
            await grow(store, Action.CRASH)
            _, records = await store.load({"a": LATE})
            assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]

    asyncio.run(story())


TASKS, ROUNDS = 1_000, 500  # a million rows: each round every task runs and succeeds, or fails
FILL = """
INSERT INTO record (seq, task, action, at, scheduled_at, attempt, run)
WITH RECURSIVE run (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM run WHERE n + 1 < :runs)
SELECT 2 * n + 1, 'task ' || (n % :tasks), 'run', n / :tasks, n / :tasks, 0, NULL FROM run
UNION ALL
SELECT 2 * n + 2, 'task ' || (n % :tasks),
    CASE WHEN n / :tasks % 50 = 7 THEN 'fail' ELSE 'success' END, n / :tasks, NULL, NULL, 2 * n + 1
FROM run
"""


def fill(path: Path, rounds: int) -> None:
    """A log of that many rounds; indexes are made afterwards, which is quicker."""
    with closing(sqlite3.connect(path)) as db:
        indexes = [
            statement
            for statement in statements(SCHEMA, Tables(""))
            if "CREATE INDEX record_by" in statement
        ]
        for name in ("record_by_run", "record_by_time"):
            db.execute(f"DROP INDEX {name}")
        db.execute(FILL, {"runs": TASKS * rounds, "tasks": TASKS})
        heads = "SELECT task, action, max(seq), max(run) FROM record GROUP BY task, action"
        db.execute(f"INSERT INTO head {heads}")
        for statement in indexes:
            db.execute(statement)
        db.commit()


def test_a_start_with_a_million_rows_reads_those_it_needs(tmp_path: Path) -> None:
    """Of each task the latest success and the latest failure with their runs, and of one the
    rounds asked for. How long the log is does not matter: SQLite takes as many steps."""
    steps: dict[int, int] = {}

    async def story(path: Path, rounds: int) -> None:
        async with opened(SqliteStore(str(path))):
            pass
        fill(path, rounds)
        store = SqliteStore(str(path))
        async with opened(store):
            lookback = {f"task {n}": LATE for n in range(TASKS)}
            lookback["task 0"] = rounds - 20
            assert store._connection is not None
            taken: list[None] = []
            store._connection.set_progress_handler(lambda: taken.append(None), 100)
            position, records = await store.load(lookback)
            assert position == 2 * TASKS * rounds
            assert len(records) == 4 * TASKS + 2 * 19
            steps[rounds] = len(taken)

    for rounds in (ROUNDS // 10, ROUNDS):
        asyncio.run(story(tmp_path / f"{rounds}.db", rounds))
    assert steps[ROUNDS] <= 1.01 * steps[ROUNDS // 10]


def test_a_load_is_one_view_of_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        one, two = SqliteStore(str(path)), SqliteStore(str(path))
        async with opened(one), opened(two):
            await commit(one, claim("a", 0))
            needed = Reader._needed

            def meanwhile(reader: Reader, task: str, since: int, live: set[int]) -> list[Record]:
                found = needed(reader, task, since, live)
                one._write.commit([finish("a", 1), claim("b", 1)])
                return found

            monkeypatch.setattr(Reader, "_needed", meanwhile)
            position, records = await two.load({"a": 0})
            assert (position, [record.seq for record in records]) == (1, [1])

    asyncio.run(story())
