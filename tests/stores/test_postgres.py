"""What is a PostgreSQL server's own: connections that break, answers that are lost, notices, what
is said when it cannot be opened."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from oncue.app.clock import stopwatch, wall
from oncue.app.errors import DefinitionError, StoreError
from oncue.app.stores import postgres as module
from oncue.app.stores import postgres_schema, store_at
from oncue.app.stores.postgres import PostgresStore
from oncue.app.stores.postgres_link import OLDEST, Connection, connect
from oncue.app.stores.postgres_listening import REST
from oncue.app.stores.postgres_schema import COMMIT
from oncue.app.stores.postgres_steps import as_json
from oncue.app.stores.protocol import CLOCK_CHECK, LogLost, Query, Refused, Store
from oncue.app.stores.renewals import GRACE
from oncue.engine.records import Action
from oncue.tests.servers import Proxy, refusing_postgres
from oncue.tests.stores.conftest import Postgres
from oncue.tests.stores.steps import LATE, claim, commit, finish, log_of, opened, shown

LIMIT = 30  # seconds, for what comes at once
SECOND = 1_000_000


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    parts = urlsplit(postgres_url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    yield proxy
    proxy.close()


@pytest.fixture
def by_proxy(postgres: Postgres, proxy: Proxy) -> PostgresStore:
    """A store whose server is reached by a proxy."""
    parts = urlsplit(postgres.url)
    user, at, _ = parts.netloc.rpartition("@")
    url = parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
    return PostgresStore(url, namespace=postgres.namespace)


# --- connections that break ----------------------------------------------------------------------


def end_connections(postgres: Postgres, application: str) -> None:
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = %s AND pid <> pg_backend_pid()",
        application,
    )


def named(postgres: Postgres, application: str) -> PostgresStore:
    sign = "&" if "?" in postgres.url else "?"
    url = f"{postgres.url}{sign}application_name={application}"
    return PostgresStore(url, namespace=postgres.namespace)


async def fails(store: Store) -> None:
    with pytest.raises(LogLost, match="does not answer"):
        await store.follow(0, 0)


def test_a_connection_that_was_ended_is_made_anew_and_live_runs_stay_ours(
    postgres: Postgres,
) -> None:
    async def story() -> None:
        name = postgres.namespace
        async with opened(named(postgres, name)) as store:
            await commit(store, claim("a", 0))
            end_connections(postgres, name)
            await fails(store)
            assert shown(await store.follow(0, 0)) == ["1 run"]
            assert await commit(store, finish("a", 1)) == [2]

    asyncio.run(story())


def test_a_server_that_is_silent_is_given_up(
    by_proxy: PostgresStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(by_proxy) as store:
            monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
            proxy.fall_silent()
            await fails(store)
            proxy.cut()
            monkeypatch.undo()
            assert await commit(store, claim("a", 0)) == [1]

    asyncio.run(story())


def test_an_instance_that_leaves_a_silent_server_is_not_held_up(
    by_proxy: PostgresStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(by_proxy):
            monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
            proxy.fall_silent()

    asyncio.run(story())


def test_who_reads_takes_few_connections_whatever_their_number(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = postgres()
    links: list[Connection] = []
    most: list[int] = []

    def counted(options: Any) -> Connection:
        link = connect(options)
        links.append(link)
        threading.Event().wait(0.05)  # for the others to make theirs
        most.append(sum(not each.closed for each in links))
        return link

    monkeypatch.setattr(module, "connect", counted)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: store.count(Query()), range(20))) == [0] * 20
    assert max(most) <= module.READERS


# --- answers that are lost ----------------------------------------------------------------------


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_without_an_answer_becomes_certain(
    by_proxy: PostgresStore,
    proxy: Proxy,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    arrives: bool,
) -> None:
    """The run that may have been claimed was never begun, and has crashed; the ending is asked for
    again, and is there once."""

    async def story() -> None:
        async with opened(by_proxy) as store, opened(postgres()) as other:
            await commit(store, claim("a", 0))
            with monkeypatch.context() as patch:
                patch.setattr(module, "ANSWER_SECONDS", 0.5)
                if arrives:
                    proxy.fall_silent()
                else:
                    proxy.cut()
                with pytest.raises(LogLost):
                    await commit(store, finish("a", 1, at=7), claim("b", 1), claim("c", 1))
                proxy.cut()
            assert await commit(store, finish("a", 1, at=7)) == [2]
            assert await commit(store, finish("a", 1, at=7)) == [Refused.LEASE_LOST]
            crashes = ["5 crash of 3", "6 crash of 4"]
            log = ["1 run", "2 success of 1", *(["3 run", "4 run", *crashes] if arrives else [])]
            assert log_of(store) == shown(await other.follow(0, 0)) == log
            assert await commit(store, claim("b", LATE)) == [len(log) + 1]

    asyncio.run(story())


def test_another_ending_than_ours_is_not_taken_for_it(
    by_proxy: PostgresStore, proxy: Proxy, postgres: Postgres
) -> None:
    async def story() -> None:
        async with opened(by_proxy) as store, opened(postgres()) as other:
            await commit(store, claim("a", 0))
            proxy.cut()
            with pytest.raises(LogLost):
                await commit(store, finish("a", 1, at=7))
            postgres.lose(store)
            await other.follow(0, 0)
            assert await commit(store, finish("a", 1, at=7)) == [Refused.LEASE_LOST]
            assert log_of(store) == ["1 run", "2 crash of 1"]

    asyncio.run(story())


def test_what_an_earlier_connection_still_asks_for_is_refused(postgres: Postgres) -> None:
    async def story() -> None:
        name = postgres.namespace
        async with opened(named(postgres, name)) as store:
            assert isinstance(store, PostgresStore)
            earlier = (store._id, store._number, as_json([claim("a", 0)], {}), 0)
            end_connections(postgres, name)
            await fails(store)
            await store.follow(0, 0)
            with pytest.raises(psycopg.errors.RaiseException, match="a newer connection"):
                postgres.run(COMMIT, *earlier)
            assert log_of(store) == []

    asyncio.run(story())


def test_what_no_text_in_the_server_can_hold_is_replaced(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(postgres()) as store:
            await commit(store, claim("a", 0))
            failed = finish("a", 1, Action.FAIL)
            record = failed.record._replace(error="a\0b \ud800 {} %s")
            assert await commit(store, failed._replace(record=record)) == [2]
            assert store.read(Query())[-1].error == "a\ufffdb \ufffd {} %s"

    asyncio.run(story())


# --- notices ------------------------------------------------------------------------------------


class Ear:
    def __init__(self, store: Store) -> None:
        self.heard = threading.Event()
        store.on_notice(lambda newest: self.heard.set())

    def hears(self) -> bool:
        found = self.heard.wait(LIMIT)
        self.heard.clear()
        return found


def test_an_instance_hears_of_the_records_of_others_and_not_of_its_own(postgres: Postgres) -> None:
    async def story() -> None:
        one, two = postgres(), postgres()
        ear, other = Ear(one), Ear(two)
        async with opened(one), opened(two):
            await commit(one, claim("a", 0))
            assert other.hears()
            await commit(two, claim("b", 1))
            assert ear.hears()  # so what it wrote itself has come and gone
            assert not ear.heard.is_set()
            await one.follow(0, 0)
            one._hear([f"{two._id} 2"])  # what it has read since
            assert not ear.heard.is_set()

    asyncio.run(story())


def test_what_no_instance_has_said_is_taken_for_news(postgres: Postgres) -> None:
    """A notice needs no right to anything."""

    async def story() -> None:
        store = PostgresStore(
            f"{postgres.url}?client_encoding=latin1", namespace=postgres.namespace
        )
        ear = Ear(store)
        async with opened(store):
            for said in ("", "x", "x y z", "x é", "x " + "9" * 5000):
                postgres.run("SELECT pg_notify({p}channel(), %s)", said)
                assert ear.hears()

    asyncio.run(story())


def test_what_is_said_in_quick_succession_is_heard_together(postgres: Postgres) -> None:
    async def story() -> None:
        one, two = postgres(), postgres()
        heard: list[int] = []
        one.on_notice(heard.append)
        async with opened(one), opened(two):
            began = stopwatch()
            for n in range(50):
                await commit(two, claim(f"task {n}", n))
            while 50 not in heard:
                await asyncio.sleep(REST)
            assert len(heard) <= (stopwatch() - began) / REST + 1

    asyncio.run(asyncio.wait_for(story(), LIMIT))


def test_crashes_and_departures_are_heard_of(postgres: Postgres) -> None:
    async def story() -> None:
        one, two, three = postgres(), postgres(), postgres()
        ear = Ear(one)
        async with opened(one):
            async with opened(two), opened(three):
                await commit(two, claim("a", 0))
                assert ear.hears()
                postgres.lose(two)
                await three.follow(0, 0)
                assert ear.hears()
            assert ear.hears()
            assert log_of(one) == ["1 run", "2 crash of 1"]

    asyncio.run(story())


def test_after_a_pause_in_listening_something_may_have_been_said(
    postgres: Postgres, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.stores.postgres_listening.AGAIN", 0.01)

    async def story() -> None:
        store = named(postgres, postgres.namespace)
        ear = Ear(store)
        async with opened(store), opened(postgres()) as other:
            end_connections(postgres, postgres.namespace)
            assert ear.hears()
            assert "nothing is heard of others" in caplog.text
            await commit(other, claim("a", 0))
            assert ear.hears()

    asyncio.run(story())


def test_the_lease_is_renewed_beside_what_blocks(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEW", 0.05)

    async def story() -> None:
        expires = "SELECT expires_at FROM {p}instance"
        async with opened(postgres()):
            first = postgres.run(expires)
            for _ in range(LIMIT * 20):
                if postgres.run(expires) > first:
                    return
                threading.Event().wait(0.05)  # the loop is blocked
            raise AssertionError("it was never renewed")

    asyncio.run(story())


def test_the_end_of_anothers_lease_is_looked_for_when_it_comes(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(postgres()) as one, opened(postgres()) as two:
            await commit(one, claim("a", 0, lease=SECOND))
            await two.follow(0, 0)
            assert 0 < two.patience < 1.1 * SECOND
            postgres.elapse(SECOND)
            assert len(await two.follow(0, 0)) == 2
            assert two.patience == CLOCK_CHECK

    asyncio.run(story())


def test_who_has_time_to_come_back_is_not_looked_for_all_that_while(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(postgres()) as one, opened(postgres()) as two:
            await commit(one, claim("a", 0))
            postgres.lose(one)
            postgres.run("UPDATE {p}log SET resumed = {p}clock()")
            assert await two.follow(1, 0) == []
            assert two.patience == CLOCK_CHECK
            postgres.run("UPDATE {p}log SET resumed = resumed - %s", GRACE)
            assert shown(await two.follow(1, 0)) == ["2 crash of 1"]

    asyncio.run(story())


# --- clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [-3, 0, 5])
def test_the_skew_is_how_far_the_servers_clock_is_ahead(postgres: Postgres, ahead: int) -> None:
    async def story() -> None:
        store = postgres()
        async with opened(store, wall() - ahead * SECOND):
            at_open = store.skew
            await store.follow(0, wall() - ahead * SECOND)
            for skew in (at_open, store.skew):
                assert skew is not None
                assert abs(skew.certain - ahead * SECOND) < SECOND

    asyncio.run(story())


# --- what cannot be opened ----------------------------------------------------------------------


def refusal(url: str, **more: object) -> str:
    store = PostgresStore(url, **more)  # type: ignore[arg-type]
    with pytest.raises(StoreError) as caught:
        asyncio.run(store.open(0))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_password_is_one_line_without_it(caplog: pytest.LogCaptureFixture) -> None:
    words = 'password authentication failed for user "me"'
    with refusing_postgres("28P01", words) as port:
        said = refusal(f"postgresql://me:hunter2@127.0.0.1:{port}/jobs")
        assert said.startswith(f"cannot open 'postgresql://me:***@127.0.0.1:{port}/jobs': ")
        assert words in said
        assert "hunter2" not in said + caplog.text


def test_a_server_that_is_not_there_is_one_line(proxy: Proxy) -> None:
    proxy.close()
    said = refusal(f"postgresql://me@127.0.0.1:{proxy.port}/jobs?password=hunter2")
    assert "Connection refused" in said and "hunter2" not in said


def test_a_missing_database_is_one_line(postgres_url: str) -> None:
    url = urlsplit(postgres_url)._replace(path="/none_such").geturl()
    assert 'database "none_such" does not exist' in refusal(url)


def test_a_server_that_is_too_old_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OLDEST == 120_000
    monkeypatch.setattr("oncue.app.stores.postgres_link.OLDEST", 990_000)
    assert "oncue needs 99 or newer" in refusal(postgres_url)


def test_who_may_not_make_tables_is_told(postgres: Postgres) -> None:
    name = postgres.namespace
    postgres.run(
        f"CREATE SCHEMA {name}; CREATE ROLE {name}; GRANT USAGE ON SCHEMA {name} TO {name}"
    )
    try:
        sign = "&" if "?" in postgres.url else "?"
        url = f"{postgres.url}{sign}options=-csearch_path%3D{name}%20-crole%3D{name}"
        assert f"lacks a right (permission denied for schema {name})" in refusal(url)
    finally:
        postgres.run(f"DROP SCHEMA {name} CASCADE; DROP ROLE {name}")


def test_a_server_that_takes_no_writes_is_refused(postgres: Postgres) -> None:
    sign = "&" if "?" in postgres.url else "?"
    url = f"{postgres.url}{sign}options=-cdefault_transaction_read_only%3Don"
    assert "read-only" in refusal(url)


def test_what_must_not_be_made_is_not(postgres: Postgres) -> None:
    said = refusal(postgres.url, namespace=postgres.namespace, create=False)
    assert "has no oncue tables" in said and "create=False forbids to make them" in said
    assert postgres.run("SELECT to_regclass('{p}log')") == [(None,)]


def test_the_kind_may_be_in_capitals() -> None:
    store = store_at("PostgreSQL://me@h/Db")
    assert isinstance(store, PostgresStore)
    assert store.shown == "postgresql://me@h/Db"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://me:hunter2@h/db?sslmod=require", "there is no option 'sslmod'"),
        ("postgresql:me:hunter2@h/db", r"'postgresql:me:\*\*\*@h/db' cannot be read; it is post"),
        ("postgresql:me:hun:ter2@h/db", r"'postgresql:me:\*\*\*@h/db' cannot be read; it is post"),
        ("postgresql://me:hun/ter2@h/db", r"'postgresql://me:\*\*\*@h/db' cannot be read"),
        ("postgresql://me:hunter2%zz@h/db", "special characters of a word written as %XX"),
        ("postgresql://me:hunter2@h/db?namespace=A", "namespace='A': it has small letters"),
        ("postgresql://me:hunter2@h/db?create=yes", r"me:\*\*\*@h/db.*create=yes is neither"),
        ("postgresql://me:hunter2@h/db?create=true&create=true", "'create' is given twice"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_its_password(
    address: str, message: str
) -> None:
    with pytest.raises(DefinitionError, match=message) as caught:
        store_at(address)
    assert "hun" not in str(caught.value) and "ter2" not in str(caught.value)


def test_an_address_is_the_servers_but_for_the_options_of_every_store() -> None:
    store = store_at(
        "postgres://me:hunter2@h:5433/db?sslmode=require&namespace=billing"
        "&sslrootcert=%2Fca.pem&create=false&connect_timeout=9"
    )
    assert isinstance(store, PostgresStore)
    assert (store.namespace, store.create) == ("billing", False)
    expected = {
        "host": "h", "port": "5433", "dbname": "db", "user": "me", "password": "hunter2",
        "sslmode": "require", "sslrootcert": "/ca.pem", "connect_timeout": "9",
    }  # fmt: skip
    assert {name: store._options[name] for name in expected} == expected
    assert "hunter2" not in store.shown


# --- tables -------------------------------------------------------------------------------------


def test_instances_that_come_at_once_find_the_tables_made_once(postgres: Postgres) -> None:
    def open_and_close() -> None:
        async def story() -> None:
            async with opened(postgres()) as store:
                assert await store.follow(0, 0) == []

        asyncio.run(story())

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(open_and_close) for _ in range(4)]:
            done.result(LIMIT)


def test_namespaces_have_logs_of_their_own(postgres: Postgres) -> None:
    async def story() -> None:
        other = PostgresStore(postgres.url, namespace=f"{postgres.namespace}_b")
        async with opened(postgres()) as one, opened(other) as two:
            await commit(one, claim("a", 0))
            assert await commit(two, claim("b", 0)) == [1]
            assert [record.task for record in one.read(Query())] == ["a"]
            assert len(two.instances()) == 1

    asyncio.run(story())


def test_a_namespace_may_be_as_long_as_any(postgres: Postgres) -> None:
    """A name on the server has at most 63 bytes."""
    longest = postgres.namespace.ljust(48, "x")
    store = PostgresStore(postgres.url, namespace=longest)
    try:
        asyncio.run(store.open(0))
        asyncio.run(store.close())
        assert store.is_there()
    finally:
        postgres.prefix = f"oncue_{longest}_"


def test_tables_of_a_newer_version_are_refused(postgres: Postgres) -> None:
    async def story() -> None:
        async with opened(postgres()):
            postgres.run("UPDATE {p}log SET version = 7")
        with pytest.raises(StoreError, match="has schema version 7, .* up to 5; upgrade oncue"):
            await postgres().open(0)
        with pytest.raises(StoreError, match="has schema version 7, this oncue reads 5"):
            postgres().read(Query())

    asyncio.run(story())


def test_tables_of_an_older_version_are_brought_up_once_nobody_has_them_open(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(postgres()) as older:
            await commit(older, claim("a", 0))
            migrations = *postgres_schema.MIGRATIONS, "ALTER TABLE {p}task ADD COLUMN extra INT"
            monkeypatch.setattr(postgres_schema, "VERSION", 6)
            monkeypatch.setattr(postgres_schema, "MIGRATIONS", migrations)
            with pytest.raises(StoreError, match="open by an older oncue, process"):
                await postgres().open(0)
        async with opened(postgres()) as store:
            assert postgres.run("SELECT version FROM {p}log") == [(6,)]
            assert postgres.run("SELECT extra FROM {p}task") == []
            assert shown(await store.follow(0, 0)) == ["1 run", "2 crash of 1"]

    asyncio.run(story())


# --- work ---------------------------------------------------------------------------------------


def test_a_commit_is_one_statement(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bytes] = []
    execute = psycopg.Connection.execute

    def told(link: Any, text: bytes, *values: Any, **more: Any) -> Any:
        said.append(text)
        return execute(link, text, *values, **more)

    async def story() -> None:
        async with opened(postgres()) as store:
            monkeypatch.setattr(psycopg.Connection, "execute", told)
            for position in range(0, 30, 3):
                steps = [claim("a", position), claim("b", position), claim("c", position)]
                await commit(store, *steps)
            assert len(said) == 10
            await store.follow(0, 0)
            assert len(said) == 11

    asyncio.run(story())


def test_a_start_of_a_large_log_goes_by_indexes(postgres: Postgres) -> None:
    """However small the tables were when it was planned."""

    async def story() -> None:
        async with opened(postgres()) as store:
            assert isinstance(store, PostgresStore) and store._link is not None
            for text in (postgres_schema.LOAD, postgres_schema.SEEN):
                values = {"tasks": '{"a": 5}', "swept": 0, "most": 10}
                plan = store._link.execute(store._text("EXPLAIN " + text), values).fetchall()
                steps = [step for (step,) in plan if "Seq Scan" in step and "_record" in step]
                assert not steps

    asyncio.run(story())
