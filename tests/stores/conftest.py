"""The stores that the suite is run by. Another joins by a class like these and its name in the
lists at the end."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

from oncue.app.clock import uptime, wall
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import Store
from oncue.app.stores.sqlite import SqliteStore


class Make(Protocol):
    """Makes stores, all on the same log where instances can share one."""

    def __call__(self) -> Store: ...

    def elapse(self, microseconds: int) -> None:
        """Time passes, by the store's clock."""

    def lose(self, store: Store) -> None:
        """The process of that instance ends, without a word."""


class Memory:
    """Each a log of its own."""

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
    def __init__(self, path: Path, patch: pytest.MonkeyPatch, synchronous: str = "full") -> None:
        self.path = path
        self.synchronous = synchronous
        self.passed = 0
        patch.setattr("oncue.app.stores.writing.uptime", lambda: uptime() + self.passed)
        patch.setattr("oncue.app.stores.writing.wall", lambda: wall() + self.passed)

    def __call__(self) -> SqliteStore:
        return SqliteStore(str(self.path), synchronous=self.synchronous)

    def elapse(self, microseconds: int) -> None:
        self.passed += microseconds

    def lose(self, store: Store) -> None:
        (own,) = [instance for instance in store.instances() if instance.own]
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("UPDATE instance SET pid = ? WHERE id = ?", (ended_process(), own.id))


@cache
def ended_process() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


Maker = Callable[[Path, pytest.MonkeyPatch], Make]

ALONE: dict[str, Maker] = {"memory": lambda *_: Memory()}
TOGETHER: dict[str, Maker] = {
    "ledger": lambda *_: OneLedger(),
    "sqlite": lambda folder, patch: Sqlite(folder / "log.db", patch),
}


@pytest.fixture(params=[*ALONE, *TOGETHER])
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    return {**ALONE, **TOGETHER}[request.param](tmp_path, monkeypatch)


@pytest.fixture(params=[*TOGETHER])
def share(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes several instances on one log."""
    return TOGETHER[request.param](tmp_path, monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"
