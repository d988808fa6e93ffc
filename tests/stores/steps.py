"""How tests of stores write to a log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from oncue.app.stores.protocol import Claim, Extension, Finish, Query, Refused, Step, Store
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.history import TaskLog
from oncue.engine.records import BIT, Action, Key, Record

LATE = 1 << 60
"""A position beyond every record: such a claim is never refused. An instant beyond all others."""


@asynccontextmanager
async def opened(store: Store, now: int = 1000) -> AsyncIterator[Store]:
    await store.open(now)
    try:
        yield store
    finally:
        await store.close()


def claim(task: str, position: int, *reads: Key, at: int = 0, lease: int | None = None) -> Claim:
    record = Record(task, Action.RUN, at=at, scheduled_at=at, attempt=0, run_id=f"id of {task}")
    logs = tuple((TaskLog(key.task), BIT[key.action]) for key in reads)
    return Claim(record, logs, position, lease)


def finish(task: str, run: int, action: Action = Action.SUCCESS, at: int = 0) -> Finish:
    return Finish(Record(task, action, at=at, run=run))


def extend(task: str, run: int, lease: int) -> Extension:
    return Extension(task, run, lease)


async def commit(store: Store, *steps: Step) -> list[int | Refused]:
    return await store.commit(steps)


def renew(store: Store) -> None:
    """An instance on a file renews its lease, besides when it does so by itself."""
    assert isinstance(store, SqliteStore)
    store._renew_once(store._id, 1000, store._renewals, store._left)


@contextmanager
def damaged(store: SqliteStore) -> Iterator[None]:
    """The first pages of its file are overwritten meanwhile. Renewals find that; its connection
    goes on by the write-ahead log."""
    whole = overwrite(store.path, b"\xa5" * 8192)
    renew(store)
    yield
    overwrite(store.path, whole)
    renew(store)


OVERWRITE = """
import sys
with open(sys.argv[1], "r+b") as file:
    new = sys.stdin.buffer.read()
    sys.stdout.buffer.write(file.read(len(new)))
    file.seek(0)
    file.write(new)
"""


def overwrite(path: str, begin: bytes) -> bytes:
    """What a file began with. By another process, since this one would lose its locks."""
    command = [sys.executable, "-c", OVERWRITE, path]
    return subprocess.run(command, input=begin, check=True, capture_output=True).stdout


async def grow(store: Store, *endings: Action, task: str = "a") -> None:
    """One run after the other of the task, 10 apart, each ended 1 later."""
    for i, ending in enumerate(endings):
        (run,) = await commit(store, claim(task, LATE, at=10 * i))
        assert isinstance(run, int)
        await commit(store, finish(task, run, ending, at=10 * i + 1))


def shown(records: list[Record]) -> list[str]:
    """Each as `number action`, with the run that it ended."""
    return [f"{r.seq} {r.action}" + (f" of {r.run}" if r.run else "") for r in records]


def log_of(store: Store, *tasks: str) -> list[str]:
    return shown(store.read(Query(tasks=tasks or None)))
