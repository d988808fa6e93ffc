"""What is asked by who is no instance: whether there is a store, what is new in its log, and to be
told so."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores.protocol import Query, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action
from oncue.tests.stores.conftest import Make
from oncue.tests.stores.steps import claim, commit, grow, opened, shown

LIMIT = 30

PARTS: list[tuple[Query, list[int]]] = [
    (Query(after=0), [1, 2, 3, 4, 5, 6]),
    (Query(after=4), [5, 6]),
    (Query(after=6), []),
    (Query(oldest=0), []),
    (Query(oldest=2), [1, 2]),
    (Query(oldest=9), [1, 2, 3, 4, 5, 6]),
    (Query(after=2, oldest=3), [3, 4, 5]),
    (Query(after=2, newest=3), [4, 5, 6]),
    (Query(after=5, newest=3), [6]),
    (Query(after=1, actions=(Action.RUN,), oldest=1), [3]),
    (Query(after=1, tasks=("b",)), [5, 6]),
    (Query(after=3, tasks=("a", "b"), oldest=2), [4, 5]),
    (Query(after=1, tasks=("a", "b"), newest=1), [6]),
    (Query(after=1, seqs=(1, 2, 6)), [2, 6]),
    (Query(since=10, oldest=2), [3, 4]),
    (Query(tasks=("a",), since=11), [4]),
    (Query(tasks=("a",), until=10, newest=1), [2]),
]


@pytest.mark.parametrize(("query", "seqs"), PARTS, ids=repr)
def test_the_log_is_read_in_parts(make: Make, query: Query, seqs: list[int]) -> None:
    async def story() -> None:
        async with opened(make()) as store:
            await grow(store, Action.SUCCESS, Action.FAIL)
            await grow(store, Action.CRASH, task="b")
            assert [record.seq for record in store.read(query)] == seqs
            assert store.count(query) == len(seqs)

    asyncio.run(story())


def test_a_store_is_there_once_somebody_has_opened_it(make: Make) -> None:
    async def story() -> None:
        store = make()
        assert not store.is_there()
        async with opened(store):
            assert store.is_there()
            await commit(store, claim("a", 0))
        assert store.is_there()

    asyncio.run(story())


class Heard:
    """What a watcher is told, and what it reads then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._said = threading.Event()
        self.position = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        with self._store.watch(self._said.set):
            yield

    def __call__(self) -> list[str]:
        """What is new, once something is."""
        while True:
            found = self._store.read(Query(after=self.position))
            if found:
                self.position = found[-1].seq
                return shown(found)
            assert self._said.wait(LIMIT)
            self._said.clear()


def test_who_watches_hears_of_what_is_written_and_is_no_instance(share: Make) -> None:
    async def story() -> None:
        writer, watcher = share(), share()
        heard = Heard(watcher)
        async with opened(writer):
            with heard.listening():
                await commit(writer, claim("a", 0))
                assert await asyncio.to_thread(heard) == ["1 run"]
                await grow(writer, Action.FAIL, task="b")
                found: list[str] = []
                while len(found) < 2:
                    found += await asyncio.to_thread(heard)
                assert found == ["2 run", "3 fail of 2"]
                assert [each.own for each in writer.instances()] == [True]
            threads = [each.name for each in threading.enumerate()]
            assert "oncue-watch" not in threads
        assert watcher.instances() == []

    asyncio.run(story())


def test_who_asks_makes_no_store(tmp_path: Path, share: Make) -> None:
    store = share()
    assert not store.is_there()
    assert store.read(Query(after=0, oldest=1)) == []
    assert not share().is_there()
    assert list(tmp_path.iterdir()) == []


def test_nobody_watches_a_file_that_is_not_there(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "log.db"))
    with pytest.raises(StoreError, match="there is no store at"):
        with store.watch(lambda: None):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_replaced_is_heard_of(tmp_path: Path) -> None:
    async def made(name: str) -> None:
        async with opened(SqliteStore(str(tmp_path / name))):
            pass

    asyncio.run(made("log.db"))
    asyncio.run(made("other.db"))
    said = threading.Event()
    with SqliteStore(str(tmp_path / "log.db")).watch(said.set):
        (tmp_path / "other.db").replace(tmp_path / "log.db")
        assert said.wait(LIMIT)
