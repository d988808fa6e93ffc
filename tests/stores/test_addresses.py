"""What stands for a store where an app is made."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from oncue import App
from oncue.app.errors import DefinitionError, StoreError
from oncue.app.stores import store_at
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Query
from oncue.app.stores.sqlite import SqliteStore
from oncue.tests.stores.steps import claim, commit, opened


@pytest.mark.parametrize(
    ("address", "path", "namespace", "create"),
    [
        ("jobs.db", "jobs.db", "", True),
        (Path("jobs.db"), "jobs.db", "", True),
        (Path("odd?name=x.db"), "odd?name=x.db", "", True),
        ("C:jobs.db", "C:jobs.db", "", True),
        ("sqlite:jobs.db", "jobs.db", "", True),
        ("SQLite:jobs.db", "jobs.db", "", True),
        ("sqlite:/var/jobs.db", "/var/jobs.db", "", True),
        ("sqlite:///some/jobs.db", "some/jobs.db", "", True),
        ("sqlite:////var/jobs.db", "/var/jobs.db", "", True),
        ("sqlite:jobs.db?namespace=billing&create=false", "jobs.db", "billing", False),
        ("sqlite:///jobs.db?create=true&synchronous=normal", "jobs.db", "", True),
    ],
)
def test_an_address_names_a_file(
    address: str | Path, path: str, namespace: str, create: bool
) -> None:
    store = store_at(address)
    assert isinstance(store, SqliteStore)
    found = (store.path, store.namespace, store.create)
    assert found == (str(Path(path).absolute()), namespace, create)


@pytest.mark.parametrize(
    ("address", "beside", "message"),
    [
        ("mysql://localhost/x", {}, "there is no store for 'mysql://'"),
        ("", {}, "'' is not the address of a store; for a log in memory give no address"),
        (":memory:", {}, "for a log in memory give no address"),
        ("sqlite:", {}, "names no file; for a log in memory give no address"),
        ("sqlite://", {}, "a path comes after one slash more than two, as in 'sqlite:///jobs.db'"),
        ("sqlite://jobs.db", {}, "a path comes after one slash more"),
        ("sqlite:///:memory:", {}, "names no file"),
        ("jobs.db?create=false", {}, "as in 'sqlite:jobs.db[?]create=false', has options"),
        ("sqlite:a.db?namespce=x", {}, "no option 'namespce'; did you mean 'namespace'?"),
        ("sqlite:a.db?colour=x", {}, "no option 'colour'; there are namespace, create, synchr"),
        ("sqlite:a.db?create", {}, "options are written as in [?]a=b&c=d"),
        ("sqlite:a.db?create=yes", {}, "create=yes is neither true nor false"),
        ("sqlite:a.db?create=true&create=false", {}, "the option 'create' is given twice"),
        ("sqlite:a.db?synchronous=off", {}, "synchronous='off': it is full or normal"),
        ("sqlite:a.db?namespace=Billing", {}, "namespace='Billing': it has small letters"),
        ("a.db", {"namespace": "1st"}, "namespace='1st'"),
        ("a.db", {"namespace": "a-b"}, "namespace='a-b'"),
        ("a.db", {"namespace": "a" * 49}, "at most 48"),
        ("a.db", {"namespace": "sqlite_x"}, "but not with 'sqlite'"),
        (None, {"namespace": "a b"}, "namespace='a b'"),
        ("a.db", {"namespace": 5}, "namespace=5: it has small letters"),
        ("a.db", {"create": "no"}, "create='no': it is True or False"),
        (None, {"create": False}, "a log in memory is always new"),
        ("sqlite:a.db?namespace=a", {"namespace": "b"}, "says namespace=a, and namespace='b' is"),
        ("sqlite:a.db?create=true", {"create": False}, "says create=true, and create=False is"),
        (MemoryStore(), {"namespace": "a"}, "a store that is made already"),
        (MemoryStore(), {"create": False}, "a store that is made already"),
        (7, {}, "7 is neither the address of a store nor a store"),
    ],
)
def test_an_address_that_cannot_be_is_refused(
    address: Any, beside: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        store_at(address, **beside)


ADDRESSES = (None, "a.db", Path("a.db"), "postgresql://h/d", "redis://h/0", MemoryStore())


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("namespace", [None, False, 0, [], b""])
def test_a_namespace_that_is_no_text_is_refused(address: Any, namespace: Any) -> None:
    made = isinstance(address, MemoryStore)
    message = "is made already" if made else f"namespace={namespace!r}: it has small letters"
    with pytest.raises(DefinitionError, match=re.escape(message)):
        App(address, namespace=namespace)


def test_without_an_address_the_log_is_in_memory() -> None:
    assert isinstance(store_at(None), MemoryStore)
    assert isinstance(store_at(None, namespace="billing"), MemoryStore)


def test_the_same_said_twice_is_no_conflict() -> None:
    store = store_at("sqlite:a.db?namespace=a&create=false", namespace="a", create=False)
    assert isinstance(store, SqliteStore)
    assert (store.namespace, store.create) == ("a", False)


def test_an_app_takes_a_store_or_what_stands_for_one(path: Path) -> None:
    store = MemoryStore()
    assert App(store).session.store is store
    made: Any = App(path, namespace="billing", create=False).session.store
    assert (made.path, made.namespace, made.create) == (str(path), "billing", False)


def test_the_clock_of_an_app_times_the_leases_of_a_log_in_memory() -> None:
    class Clock:
        instant = 1000

        def now(self) -> int:
            return self.instant

    async def story() -> None:
        clock = Clock()
        async with opened(App(clock=clock).session.store) as store:
            await commit(store, claim("a", 0, lease=50))
            clock.instant = 1049
            assert await store.follow(1, 0) == []
            clock.instant = 1050
            assert len(await store.follow(1, 0)) == 1

    asyncio.run(story())


@pytest.mark.parametrize("there", [False, True])
def test_what_must_not_be_made_is_not(path: Path, there: bool) -> None:
    if there:
        path.touch()
    store = store_at(path, create=False)
    with pytest.raises(StoreError, match="there is no store at '.*log.db', and create=False forb"):
        asyncio.run(store.open(0))
    assert store.read(Query()) == []
    assert path.exists() == there
    assert [file.name for file in path.parent.iterdir()] == ["log.db"] * there
    assert not there or path.stat().st_size == 0


def test_what_is_there_is_opened_and_no_namespace_is_added(path: Path) -> None:
    async def story() -> None:
        async with opened(store_at(path)):
            pass
        async with opened(store_at(path, create=False)) as store:
            assert await commit(store, claim("a", 0)) == [1]
        with pytest.raises(StoreError, match="has no namespace 'billing', and create=False forbi"):
            await store_at(path, namespace="billing", create=False).open(0)

    asyncio.run(story())
