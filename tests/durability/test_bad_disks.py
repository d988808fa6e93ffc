"""A disk that is full, a file that is locked, read-only or damaged, as the app sees it: nothing new
starts, nothing that has ended is lost, and it is said once."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import cast

import pytest

from oncue import App
from oncue.app.errors import StoreError
from oncue.app.stores import sqlite
from oncue.app.stores.protocol import Query, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action
from oncue.tests.durability.checker import check
from oncue.tests.durability.evidence import Evidence, Promise
from oncue.tests.durability.hooked import HookedStore
from oncue.tests.stores.steps import damaged

PATIENCE = 60.0  # seconds, for what takes a moment


class Ear(logging.Handler):
    """Hears what the scheduler says of its store, and of which runs it says that they ended."""

    def __init__(self) -> None:
        super().__init__()
        self.complaints: list[str] = []
        self.complained = threading.Event()
        self.saved = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "oncue.scheduler" and record.levelno >= logging.WARNING:
            self.complaints.append(record.getMessage())
        if record.name == "oncue.scheduler" and record.levelno >= logging.ERROR:
            self.complained.set()  # from now on nothing starts
        if getattr(record, "task_name", "") == "big" and record.__dict__["action"] == "fail":
            self.saved.set()


@pytest.fixture
def ear() -> Iterator[Ear]:
    heard, logger = Ear(), logging.getLogger("oncue")
    before = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    yield heard
    logger.removeHandler(heard)
    logger.setLevel(before)


@contextmanager
def full(store: SqliteStore) -> Iterator[None]:
    """No page more than there are."""
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    yield
    store._db.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def locked(store: SqliteStore) -> Iterator[None]:
    """Somebody else holds the write lock."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def read_only(store: SqliteStore) -> Iterator[None]:
    store._db.execute("PRAGMA query_only = ON")
    yield
    store._db.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize("outage", [full, locked, read_only, damaged])
def test_what_ends_while_nothing_can_be_written_is_written_later(
    outage: Callable[[SqliteStore], AbstractContextManager[None]],
    tmp_path: Path,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    app = App(tmp_path / "log.db")
    inner = cast(SqliteStore, app.session.store)
    tried, ticked, begun, go = (threading.Event() for _ in range(4))

    async def before(call: str) -> None:
        tried.set()

    app.session.store = cast(Store, HookedStore(inner, before))
    ticks: list[int] = []

    @app.task("every 50 ms", execution="async", name="tick")
    async def tick() -> None:
        ticks.append(len(ticks))
        ticked.set()

    @app.task("every 1 hour", execution="thread", name="big")
    def big() -> None:
        begun.set()
        go.wait(PATIENCE)
        raise ValueError("x" * 100_000)  # needs pages of its own in the log

    app.start()
    try:
        assert begun.wait(PATIENCE) and ticked.wait(PATIENCE)
        with outage(inner):
            go.set()
            assert ear.complained.wait(PATIENCE)
            before_it = len(ticks)
            for _ in range(3):
                tried.clear()
                assert tried.wait(PATIENCE)
            assert len(ticks) == before_it
            assert not ear.saved.is_set()
        assert ear.saved.wait(PATIENCE)
        ticked.clear()
        assert ticked.wait(PATIENCE)
    finally:
        go.set()
        app.stop()
    (said,) = (each for each in ear.complaints if "nothing new is started" in each)
    assert "does not answer" in said
    log = inner.read(Query())
    (fail,) = [record for record in log if record.action is Action.FAIL]
    assert fail.task == "big" and "xxxx" in (fail.error or "")
    every = Promise("tick", every=50_000)
    assert check(Evidence(log, promises={"tick": every, "big": Promise("big")})) == []


def test_a_damaged_file_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path, ran = tmp_path / "log.db", threading.Event()
    app = App(path, shut_cond="task 'a' has finished")
    app.task("every 1 hour", name="a", execution="async")(ran.set)
    app.run()
    assert ran.is_set()
    ran.clear()
    whole = path.read_bytes()
    damaged = whole[:100] + bytes(b ^ 0x5A for b in whole[100:])
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match="log.db"):
        app.run()
    assert not ran.is_set()
    assert path.read_bytes() == damaged


def test_an_idle_app_does_not_live_while_its_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CLOCK_CHECK", 100_000)
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 100_000)
    app = App(tmp_path / "log.db")
    app.start()

    def wait_for(alive: bool) -> None:
        until = time.monotonic() + PATIENCE
        while app.health().alive is not alive and time.monotonic() < until:
            time.sleep(0.01)

    try:
        wait_for(True)
        with damaged(cast(SqliteStore, app.session.store)):
            wait_for(False)
            for _ in range(50):
                assert "the file is damaged" in (app.health().why or "")
                time.sleep(0.01)
        wait_for(True)
        assert app.health().alive
    finally:
        app.stop()


def test_an_app_whose_store_never_answers_again_ends_and_says_what_it_could_not_write(
    tmp_path: Path, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oncue.app.journal.STORE_RETRY", 1000)
    app = App(tmp_path / "log.db")
    inner = cast(SqliteStore, app.session.store)

    @app.task("every 1 hour", execution="async", name="a")
    async def a() -> None:
        inner._db.execute("PRAGMA query_only = ON")

    with pytest.raises(StoreError, match="success of a"):
        app.run()
    assert sum("nothing new is started" in each for each in ear.complaints) == 1
    (left,) = SqliteStore(inner.path).read(Query())
    assert left.action is Action.RUN
