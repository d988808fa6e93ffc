"""What is a PostgreSQL server's own about dynamic tasks: what is held when
answers are lost, notices, tables of the version before, and what it costs."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from oncue.app.errors import StoreError
from oncue.app.stores import postgres as module
from oncue.app.stores import postgres_schema
from oncue.app.stores.dynamic import PARAMETER, Dynamic, Planned, Rest, Wanted
from oncue.app.stores.postgres import PostgresStore
from oncue.app.stores.postgres_rows import ADD, BULK, TAKE, rows_of
from oncue.app.stores.postgres_schema import COMMIT
from oncue.app.stores.postgres_steps import as_json
from oncue.app.stores.protocol import LogLost, Step
from oncue.engine.civil import FOREVER
from oncue.tests.servers import Proxy
from oncue.tests.stores.conftest import Postgres
from oncue.tests.stores.steps import LATE, claim, commit, finish, opened, shown
from oncue.tests.stores.test_postgres import Ear, end_connections, fails, named

VERSION_1 = Path(__file__).with_name("postgres_version_1.sql")


def planned(name: str, due: int = 0, version: int = 1) -> Planned:
    return Planned(f"f:{name}", "f", "{}", "every 1 second", due, version)


def many(count: int, due: int = 0) -> list[Planned]:
    return [planned(f"{n:06}", due) for n in range(count)]


def rest(task: str, due: int | None, *reads: tuple[str, str], position: int = 0) -> Rest:
    return Rest(task, 1, due, 50, position, reads)


def tasks(rows: list[Dynamic]) -> list[str]:
    return [row.task for row in rows]


# --- who holds what -----------------------------------------------------------------------------


def test_what_is_not_due_is_looked_for_while_another_writes(postgres: Postgres) -> None:
    """Whoever looks in vain locks nothing, and waits for no lock."""

    async def story() -> None:
        async with opened(postgres()) as store:
            await store.schedule([planned("a", 500)], 10)
            with psycopg.connect(postgres.url) as other:
                other.execute(f"SELECT FROM {postgres.prefix}log FOR UPDATE".encode())
                assert await store.take({"f": 9}, 100) == ([], 500)

    asyncio.run(story())


def test_what_was_taken_without_an_answer_is_held_until_it_is_let_go_of(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(proxy: Proxy) -> None:
        parts = urlsplit(postgres.url)
        user, at, _ = parts.netloc.rpartition("@")
        url = parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
        async with opened(PostgresStore(url, namespace=postgres.namespace)) as store:
            await store.schedule([planned("a"), planned("b", 20)], 10)
            assert tasks((await store.take({"f": 1}, 100))[0]) == ["f:a"]
            with monkeypatch.context() as patch:
                patch.setattr(module, "ANSWER_SECONDS", 0.5)
                proxy.fall_silent()
                with pytest.raises(LogLost):
                    await store.take({"f": 1}, 100)
                proxy.cut()
            assert await store.take({"f": 9}, 100) == ([], FOREVER)
            await store.let_go(["f:a"])
            assert tasks((await store.take({"f": 9}, 100))[0]) == ["f:b"]
            assert await commit(store, rest("f:a", 300), rest("f:b", 300)) == [0, 0]
            assert await store.take({"f": 9}, 100) == ([], 300)

    parts = urlsplit(postgres.url)
    with closing(Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)) as proxy:
        asyncio.run(story(proxy))


def test_what_an_earlier_connection_still_takes_is_refused(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(named(postgres, postgres.namespace)) as store:
            assert isinstance(store, PostgresStore)
            await store.schedule([planned("a")], 10)
            earlier = store._number
            end_connections(postgres, postgres.namespace)
            await fails(store)
            await store.follow(0, 0)
            with pytest.raises(psycopg.errors.RaiseException, match="a newer connection"):
                postgres.run(TAKE, store._id, earlier, ["f"], [1], 100, "{}")
            assert tasks((await store.take({"f": 1}, 100))[0]) == ["f:a"]

    asyncio.run(story())


# --- notices ------------------------------------------------------------------------------------


def test_other_instances_hear_of_what_is_scheduled_removed_and_roused(postgres: Postgres) -> None:
    async def story() -> None:
        one, two = postgres(), postgres()
        ear = Ear(two)
        async with opened(one), opened(two):
            await commit(one, claim("a", 0))
            assert ear.hears()
            await two.follow(0, 0)
            await one.schedule([planned("a")], 10)
            assert ear.hears()
            await one.rouse([("env", PARAMETER)], 20)
            assert ear.hears()
            assert await one.unschedule(["f:b"]) == set()
            assert await one.unschedule(["f:a"]) == {"f:a"}
            assert ear.hears()

    asyncio.run(story())


# --- tables of the version before ---------------------------------------------------------------


def test_a_namespace_of_version_1_is_brought_up(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as link:
        link.execute(VERSION_1.read_text().replace("{p}", postgres.prefix).encode())
    of = "(id, host, pid, since, expires_at, link)"
    postgres.run(f"INSERT INTO {{p}}instance {of} VALUES ('old', 'h', 1, 0, {FOREVER}, 1)")
    steps = (
        '[{"number": 0, "kind": "claim", "task": "x", "action": "run", "at": 5, "position": 0, '
        '"lease": null, "reads": [], "condition": null, "run_id": "r"}]'
    )
    postgres.run("CALL {p}commit('old', 1, %s, NULL)", steps)

    async def story() -> None:
        with pytest.raises(StoreError, match="open by an older oncue, process 1 on h"):
            await postgres().open(0)
        postgres.run("UPDATE {p}instance SET expires_at = 0")
        async with opened(postgres()) as store:
            assert postgres.run("SELECT version FROM {p}log") == [(postgres_schema.VERSION,)]
            assert shown(await store.follow(0, 0)) == ["1 run", "2 crash of 1"]
            await store.schedule([planned("a")], 10)
            ((row,), _) = await store.take({"f": 9}, 100)
            assert row.born == 2
            await commit(store, rest("f:a", None, ("x", "success"), position=2))
            await commit(store, claim("x", LATE), finish("x", 3))
            assert await store.take({"f": 9}, 100) == ([], FOREVER)
            assert await commit(store, finish("x", 3)) == [4]
            assert tasks((await store.take({"f": 9}, 100))[0]) == ["f:a"]

    asyncio.run(story())


def test_a_namespace_of_version_3_has_the_functions_of_this_one(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(postgres()):
            pass
        postgres.run("UPDATE {p}log SET version = 3")
        postgres.run("DROP FUNCTION {p}release_of")
        postgres.run(
            "CREATE OR REPLACE FUNCTION {p}reap(_instance TEXT, _now BIGINT) RETURNS VOID "
            "LANGUAGE sql AS 'SELECT NULL::VOID'"
        )
        async with opened(postgres()) as store:
            assert postgres.run("SELECT version FROM {p}log") == [(postgres_schema.VERSION,)]
            await store.schedule([planned("a")], 10)
            assert tasks((await store.take({"f": 9}, 100))[0]) == ["f:a"]
            await commit(store, claim("f:a", LATE, lease=1))
            assert shown(await store.follow(1, 100)) == ["2 crash of 1"]
            assert tasks((await store.take({"f": 9}, 100))[0]) == ["f:a"]

    asyncio.run(story())


# --- work ---------------------------------------------------------------------------------------


def told_of(patch: pytest.MonkeyPatch) -> list[bytes]:
    """The statements from now on."""
    said: list[bytes] = []
    execute = psycopg.Connection.execute

    def told(link: Any, text: bytes, *values: Any, **more: Any) -> Any:
        said.append(text)
        return execute(link, text, *values, **more)

    patch.setattr(psycopg.Connection, "execute", told)
    return said


def test_what_is_asked_is_one_statement(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(postgres()) as store:
            said = told_of(monkeypatch)
            await store.schedule([planned("a", 50), planned("b", 500)], 10)
            await store.take({"f": 9}, 20)
            await store.take({"f": 9}, 100)
            await commit(store, claim("x", 0), rest("f:a", 300))
            await store.unschedule(["f:a", "f:b"])
            assert len(said) == 5

    asyncio.run(story())


def test_many_are_scheduled_by_few_statements_all_or_none(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(postgres()) as store:
            with monkeypatch.context() as patch:
                said = told_of(patch)
                with pytest.raises(StoreError, match="out of range"):
                    await store.schedule([*many(BULK), planned("last", 1 << 63)], 10)
                assert len(said) == 5
            assert store.dynamic(Wanted()) == []
            await store.schedule([*many(BULK), *many(BULK + 1, due=7)], 10)
            rows = store.dynamic(Wanted())
            assert tasks(rows) == [each.task for each in many(BULK + 1)]
            assert {row.due for row in rows} == {7}

    asyncio.run(story())


def test_many_that_were_there_stay_or_change(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(postgres()) as store:
            await store.schedule(many(BULK), 10)
            new, other = planned("new"), planned("000007", version=2)._replace(text="[]")
            await store.schedule([*many(BULK), other, new], 20)
            rows = {row.task: (row.version, row.since) for row in store.dynamic(Wanted())}
            assert len(rows) == BULK + 1
            assert rows.pop(new.task) == (1, 20)
            assert rows.pop(other.task) == (2, 10)
            assert set(rows.values()) == {(1, 10)}

    asyncio.run(story())


def test_others_write_while_many_are_added(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is added is born after the records that are written meanwhile of its name."""

    async def story() -> None:
        async with opened(postgres()) as store, opened(postgres()) as other:
            assert isinstance(other, PostgresStore)
            own = other._id, other._number
            execute = psycopg.Connection.execute
            limit = "-c lock_timeout=5s"
            impatient = psycopg.connect(postgres.url, options=limit, autocommit=True)

            def meddled(link: Any, text: bytes, *values: Any, **more: Any) -> Any:
                done = execute(link, text, *values, **more)
                if text == other._text(ADD):
                    steps = as_json([claim("f:000003", LATE), claim("x", LATE)], {})
                    execute(impatient, other._text(COMMIT), (*own, steps, None))
                return done

            with impatient, monkeypatch.context() as patch:
                patch.setattr(psycopg.Connection, "execute", meddled)
                await store.schedule(many(BULK + 1), 10)
            born = {row.task: row.born for row in store.dynamic(Wanted())}
            assert born.pop("f:000003") == 4
            assert set(born.values()) == {0}

    asyncio.run(story())


def fetched(store: PostgresStore, postgres: Postgres) -> tuple[int, int]:
    """By this connection: scans of whole tables, and rows that were read by indexes."""
    assert store._link is not None
    ((scans, rows),) = store._link.execute(
        "SELECT coalesce(sum(seq_scan), 0), coalesce(sum(idx_tup_fetch), 0) "
        "FROM pg_stat_xact_user_tables WHERE relname = ANY (%s)",
        ([f"{postgres.prefix}{table}" for table in ("dynamic", "waiting")],),
    )
    return int(scans), int(rows)


@pytest.mark.parametrize("count", [10_000, 100_000])
def test_what_is_asked_reads_as_much_whatever_their_number(postgres: Postgres, count: int) -> None:
    """However small the tables were when it was planned. 10 of them are due, and 10 more once there
    is a record."""

    async def round_of(store: PostgresStore, now: int) -> None:
        rows, _ = await store.take({"f": 10}, now)
        await commit(store, *(rest(row.task, LATE) for row in rows))
        await store.set_back(now, LATE)

    async def story() -> None:
        async with opened(postgres()) as store:
            assert isinstance(store, PostgresStore) and store._link is not None
            await store.schedule(many(20), 10)
            for _ in range(8):  # after which plans are kept
                await round_of(store, 0)
            (run,) = await commit(store, claim("y0", LATE))
            assert isinstance(run, int)
            postgres.run(
                "INSERT INTO {p}dynamic SELECT 'f:x' || n, 'f', '{{}}', '', 1, 0, 0, NULL, 100, "
                f"100, 0, 1, NULL FROM generate_series(1, {count}) n"
            )
            postgres.run(
                "INSERT INTO {p}waiting SELECT 'y' || n % 3, 'success', 1, 'f:x' || n "
                f"FROM generate_series(1, {count}) n"
            )
            postgres.run(
                "INSERT INTO {p}waiting SELECT 'x', 'success', 0, 'f:x' || generate_series(1, 10)"
            )
            postgres.run("INSERT INTO {p}head VALUES ('x', 'success', 1, NULL)")
            postgres.run("INSERT INTO {p}stirred VALUES ('x', 'success', 5)")
            with store._link.transaction():
                before = fetched(store, postgres)
                store._rows.set_back(store._link, 50, LATE)
                rows, more = await store.take({"f": 15}, 50)
                assert (len(rows), more) == (10, 100)
                assert (await store.take({"f": 15}, 100))[1] == 100
                steps: list[Step] = [
                    rest(row.task, 200, ("x", "success"), position=1) for row in rows
                ]
                steps += [finish("y0", run)]  # which a third of all wait for
                written = store._id, store._number, as_json(steps, {})
                writing = store._text("SELECT {p}write(%s, %s, %s, newest) FROM {p}log")
                store._link.execute(writing, written)
                page = Wanted(family="f", after="f:x2", most=10)
                assert len(rows_of(store._link, store._text, page)) == 10
                scans, read = fetched(store, postgres)
                assert scans == before[0]
                assert read - before[1] < 200

    asyncio.run(story())
