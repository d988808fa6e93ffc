"""A disk that is full, a file that is locked, read-only or damaged: one clear line, and what was
not written is written when the trouble is over."""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from oncue.app.errors import StoreError
from oncue.app.stores.dynamic import Planned
from oncue.app.stores.protocol import Query, Step
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action
from oncue.tests.stores.steps import (
    LATE,
    claim,
    commit,
    damaged,
    finish,
    grow,
    log_of,
    opened,
    renew,
)


def said(raised: pytest.ExceptionInfo[StoreError]) -> str:
    """The message, which is one line and names the file."""
    text = str(raised.value)
    assert re.fullmatch(r".*log\.db.*", text), text
    return text


def test_a_full_disk_loses_nothing_and_is_told(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        async with opened(store):
            await commit(store, claim("a", 0))
            db = store._connection
            assert db is not None
            ((pages,),) = db.execute("PRAGMA page_count")
            db.execute(f"PRAGMA max_page_count = {pages}")
            many: list[Step] = [finish("a", 1), *[claim(f"task {n}", 0) for n in range(1000)]]
            for _ in range(2):
                with pytest.raises(StoreError) as raised:
                    await store.commit(many)
                assert "the disk is full" in said(raised)
                assert log_of(store) == ["1 run"]
            db.execute("PRAGMA max_page_count = 1000000")
            assert await store.commit(many) == list(range(2, 1003))

    asyncio.run(story())


FULL = """
import asyncio, os, resource, sys
from oncue.app.errors import StoreError
from oncue.app.stores.protocol import Query
from oncue.app.stores.sqlite import SqliteStore
from oncue.tests.stores.steps import claim, commit, finish, opened

async def main(path):
    async with opened(SqliteStore(path)) as store:
        await commit(store, claim("a", 0))
        room = os.path.getsize(path + "-wal") + 50_000
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, unlimited[1]))
        written = 1
        try:
            while written < 1000:
                await commit(store, *[claim(f"task {written}.{n}", 0) for n in range(10)])
                written += 10
        except StoreError as error:
            print(error)
        print(store.count(Query()) == written)
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        print(await commit(store, finish("a", 1)) == [written + 1])

asyncio.run(main(sys.argv[1]))
"""


def in_child(source: str, *arguments: str) -> list[str]:
    """What a program prints that ends well."""
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_file_that_cannot_grow_loses_nothing_and_is_told(path: Path) -> None:
    message, *facts = in_child(FULL, str(path))
    assert f"the store {str(path)!r} does not answer: the disk" in message
    assert facts == ["True", "True"]


def test_a_file_that_another_program_locks_is_told_and_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        monkeypatch.setattr("oncue.app.stores.sqlite.BUSY_SECONDS", 0.05)
        store, late = SqliteStore(str(path)), SqliteStore(str(path))
        async with opened(store):
            await commit(store, claim("a", 0))
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                for attempt in (store.commit([finish("a", 1)]), late.open(0), store.trim(9, {}, 9)):
                    with pytest.raises(StoreError) as raised:
                        await attempt
                    assert "another program has kept it locked" in said(raised)
                assert log_of(store) == ["1 run"]  # it may be read
                other.execute("ROLLBACK")
            assert await commit(store, finish("a", 1)) == [2]
            async with opened(late):
                assert len(late.instances()) == 2

    asyncio.run(story())


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that any user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


READ_ONLY = """
import asyncio, os, sys
from oncue.app.errors import StoreError
from oncue.app.stores.protocol import Query
from oncue.app.stores.sqlite import SqliteStore

if os.getuid() == 0:
    os.setuid(65534)  # to root nothing is read-only
store = SqliteStore(sys.argv[1])
try:
    asyncio.run(store.open(0))
except StoreError as error:
    print(error)
print(store.count(Query()), len(store.peek({"a": 0}, 0)[1]))
"""


@pytest.mark.parametrize(
    ("made", "file", "folder", "message"),
    [
        (True, 0o444, 0o755, "the file or its folder"),
        (True, 0o444, 0o555, "the file or its folder is read-only (attempt to write a readonly"),
        (False, 0o444, 0o555, "the file or its folder cannot be opened or written"),
    ],
)
def test_what_is_read_only_is_told_and_can_be_read(
    public: Path, made: bool, file: int, folder: int, message: str
) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            await grow(store, Action.SUCCESS)

    path = public / "log.db"
    if made:
        asyncio.run(story())
        path.chmod(file)
    public.chmod(folder)
    told, found = in_child(READ_ONLY, str(path))
    assert f"the store {str(path)!r} does not answer: {message}" in told
    assert found == ("2 2" if made else "0 0")


def test_a_damaged_file_is_told(path: Path) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            await store.commit([claim(f"task {n}", 0) for n in range(1000)])

    asyncio.run(story())
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    store = SqliteStore(str(path))
    with pytest.raises(StoreError) as raised:
        asyncio.run(store.open(0))
    assert "the file is damaged; put a copy in its place" in said(raised)
    with pytest.raises(StoreError) as raised:
        store.read(Query())
    assert "the file is damaged" in said(raised)
    path.write_bytes(whole)
    assert store.count(Query()) == 1000
    asyncio.run(store.open(0))
    asyncio.run(store.close())


def test_damage_that_a_renewal_finds_halts_the_store_until_it_is_mended(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        async with opened(store):
            await commit(store, claim("a", 0))
            with damaged(store):
                taken = store.take({"f": 1}, 0)
                for attempt in (store.commit([claim("b", 1)]), store.follow(1, 0), taken):
                    with pytest.raises(StoreError) as raised:
                        await attempt
                    assert "the file is damaged; put a copy in its place" in said(raised)
            assert log_of(store) == ["1 run"]
            assert await commit(store, finish("a", 1)) == [2]

    asyncio.run(story())


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_was_removed_or_replaced_is_told(
    path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with opened(SqliteStore(str(path))) as store:
            path.rename(path.with_name("old.db"))
            if how == "replaced":
                async with opened(SqliteStore(str(path))) as other:
                    await commit(other, claim("b", LATE))
            for _ in range(2):
                renew(store)
            (line,) = caplog.messages
            assert re.search(r"the lease on .*log\.db' was not renewed: .* removed or", line)
            attempts = (
                store.commit([claim("a", LATE)]),
                store.follow(0, 0),
                store.register({"a": "daily"}, 0),
                store.decided({"a": 0}),
                store.schedule([Planned("f:a", "f", "{}", "daily", 0, 1)], 0),
                store.unschedule(["f:a"]),
                store.take({"f": 1}, 0),
            )
            for attempt in attempts:
                with pytest.raises(StoreError) as raised:
                    await attempt
                assert "was removed or replaced while in use" in said(raised)
            assert store.instances() == []
            if how == "removed":  # and is put back
                path.with_name("old.db").rename(path)
                assert await commit(store, claim("a", LATE)) == [1]

    asyncio.run(story())


def test_a_store_that_is_not_open_says_so(path: Path) -> None:
    async def story() -> None:
        store = SqliteStore(str(path))
        for attempt in (store.commit([]), store.load({}), store.follow(0, 0), store.decided({})):
            with pytest.raises(StoreError, match=r"log\.db' is not open"):
                await attempt

    asyncio.run(story())
