"""The stores that the suite is run by. Another joins by a class like these and its name in the
lists at the end."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import pytest
from redis import Redis as Client

from oncue.app.clock import uptime, wall
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.postgres import PostgresStore
from oncue.app.stores.protocol import CLOCK_CHECK, CROWDED_PATIENCE, Store
from oncue.app.stores.redisdb import RedisStore
from oncue.app.stores.sqlite import SqliteStore


class Make(Protocol):
    """Makes stores, all on the same log where instances can share one. `crowded` is the patience of
    one that others are on."""

    crowded: int

    def __call__(self) -> Store: ...

    def elapse(self, microseconds: int) -> None:
        """Time passes, by the store's clock."""

    def lose(self, store: Store) -> None:
        """The process of that instance ends, without a word."""


class Memory:
    """Each a log of its own."""

    crowded = CROWDED_PATIENCE

    def __init__(self) -> None:
        self.passed = 0

    def __call__(self) -> MemoryStore:
        store = MemoryStore()
        store.ledger.clock = self.clock
        return store

    def clock(self) -> int:
        return uptime() + self.passed

    def elapse(self, microseconds: int) -> None:
        self.passed += microseconds

    def lose(self, store: Store) -> None:
        assert isinstance(store, MemoryStore)
        store.ledger.lose(store.id)


class OneLedger(Memory):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(self.clock)

    def __call__(self) -> MemoryStore:
        return MemoryStore(self.ledger)


class Sqlite:
    crowded = CROWDED_PATIENCE

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, synchronous: str = "full") -> None:
        self.path = path
        self.synchronous = synchronous
        self.passed = 0
        for module in ("writing", "renewals"):
            patch.setattr(f"oncue.app.stores.{module}.uptime", lambda: uptime() + self.passed)
        patch.setattr("oncue.app.stores.writing.wall", lambda: wall() + self.passed)

    def __call__(self) -> SqliteStore:
        return SqliteStore(str(self.path), synchronous=self.synchronous)

    def elapse(self, microseconds: int) -> None:
        self.passed += microseconds

    def lose(self, store: Store) -> None:
        (own,) = [instance for instance in store.instances() if instance.own]
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("UPDATE instance SET pid = ? WHERE id = ?", (ended_process(), own.id))


class Postgres:
    """A namespace of its own, which `remove` removes."""

    crowded = CLOCK_CHECK

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = f"test_{uuid4().hex}"
        self.prefix = f"oncue_{self.namespace}_"
        self.passed = 0

    def __call__(self) -> PostgresStore:
        return PostgresStore(self.url, namespace=self.namespace)

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as link:
            cursor = link.execute(statement.format(p=self.prefix).encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def elapse(self, microseconds: int) -> None:
        self.passed += microseconds
        now = f"(extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT + {self.passed}"
        self.run(
            "CREATE OR REPLACE FUNCTION {p}clock() RETURNS BIGINT LANGUAGE sql AS "
            f"$$ SELECT {now} $$"
        )

    def lose(self, store: Store) -> None:
        (own,) = [instance for instance in store.instances() if instance.own]
        self.run("UPDATE {p}instance SET expires_at = -1 WHERE id = %s", own.id)

    def forget_tasks(self) -> None:
        """What was registered is lost."""
        self.run("TRUNCATE {p}task")

    def empty(self) -> None:
        """Begin anew, if it has begun."""
        self.passed = 0
        with suppress(psycopg.errors.UndefinedTable):
            self.run(
                "TRUNCATE {p}record, {p}head, {p}lease, {p}instance, {p}missed, {p}task, "
                "{p}dynamic, {p}waiting, {p}stirred; "
                "UPDATE {p}log SET newest = 0"
            )

    def remove(self) -> None:
        found = self.run(
            "SELECT 'TABLE ' || oid::REGCLASS FROM pg_class "
            "WHERE relkind = 'r' AND starts_with(relname, '{p}') UNION ALL "
            "SELECT 'ROUTINE ' || oid::REGPROCEDURE FROM pg_proc "
            "WHERE starts_with(proname, '{p}')"
        )
        self.run(";".join(f"DROP {name}" for (name,) in found))


class Redis:
    """A namespace of its own, which `remove` removes."""

    crowded = CROWDED_PATIENCE  # nobody has asked to hear of anything

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = f"test_{uuid4().hex}"
        self.prefix = f"oncue:{{{self.namespace}}}:"
        self.client = Client.from_url(url)

    def __call__(self) -> RedisStore:
        return RedisStore(self.url, namespace=self.namespace)

    def elapse(self, microseconds: int, *kinds: str) -> None:
        """For leases of runs and of instances, or for one kind of them."""
        for kind in kinds or ("lease", "instance"):
            key = f"{self.prefix}{kind}"
            for member in self.client.execute_command("ZRANGE", key, 0, -1):
                self.client.zincrby(key, -microseconds, member)

    def lose(self, store: Store) -> None:
        (own,) = [instance for instance in store.instances() if instance.own]
        self.client.zadd(f"{self.prefix}instance", {own.id: 0})

    def forget_tasks(self) -> None:
        """What was registered is lost."""
        self.client.delete(f"{self.prefix}task")

    def empty(self) -> None:
        """Begin anew."""
        for key in self.client.scan_iter(f"{self.prefix}*", 1000):
            self.client.delete(key)

    def remove(self) -> None:
        self.empty()
        self.client.close()


@cache
def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


Maker = Callable[[pytest.FixtureRequest, Path, pytest.MonkeyPatch], Make]

ALONE: dict[str, Maker] = {"memory": lambda *_: Memory()}
TOGETHER: dict[str, Maker] = {
    "ledger": lambda *_: OneLedger(),
    "sqlite": lambda _, folder, patch: Sqlite(folder / "log.db", patch),
    "postgres": lambda request, *_: request.getfixturevalue("postgres"),
    "redis": lambda request, *_: request.getfixturevalue("redis"),
}


@pytest.fixture(params=[*ALONE, *TOGETHER])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return {**ALONE, **TOGETHER}[request.param](request, tmp_path, monkeypatch)


@pytest.fixture(params=[*TOGETHER])
def share(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes several instances on one log."""
    return TOGETHER[request.param](request, tmp_path, monkeypatch)


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Postgres]:
    make = Postgres(postgres_url)
    yield make
    make.remove()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    make = Redis(redis_url)
    yield make
    make.remove()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"
