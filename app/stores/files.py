"""Whose file a path names, and whose process a number.

The schema version is `user_version`, ours is told from other programs' by `application_id`. Both
stand in an SQLite file's first hundred bytes, so they are read without SQLite touching the file;
only a write-ahead log left by a process that died may hold newer ones.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

from ..errors import StoreError

APPLICATION_ID = 0x6F6E6375  # "oncu"
VERSION = 3
HEADER = 100


def refuse_what_is_not_ours(path: Path) -> None:
    """Raise StoreError, the file untouched, unless it is ours, empty or not there yet."""
    if not path.parent.is_dir():
        raise StoreError(f"cannot open {str(path)!r}: there is no folder {str(path.parent)!r}")
    try:
        with path.open("rb") as file:
            header = file.read(HEADER)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot open {str(path)!r}: {error.strerror}") from error
    if not header:
        return
    if len(header) < HEADER or not header.startswith(b"SQLite format 3\0"):
        raise StoreError(f"{str(path)!r} is not an SQLite database; choose another path")
    version, application = struct.unpack(">I4xI", header[60:72])
    found = identity_by_sqlite(path) or (application, version, 1)
    refuse_unless(*found, path=str(path))


def identity_by_sqlite(path: Path) -> tuple[int, int, int] | None:
    """What SQLite says, asked without writing: with the write-ahead log if there is one, else
    without any lock or journal. None: it cannot say."""
    log = Path(f"{path}-wal")
    waiting = log.exists() and log.stat().st_size > 0
    how = "mode=ro" if waiting else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as db:
            return identity_of(db)
    except sqlite3.Error:
        return None


def identity_of(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Application id, schema version, number of tables."""
    ((application,),) = db.execute("PRAGMA application_id")
    ((version,),) = db.execute("PRAGMA user_version")
    ((tables,),) = db.execute("SELECT count(*) FROM sqlite_master")
    return application, version, tables


def refuse_unless(application: int, version: int, tables: int, *, path: str) -> None:
    if application != APPLICATION_ID and (application or tables):
        raise StoreError(f"{path!r} is a database of another program; choose another path")
    if application == APPLICATION_ID and version > VERSION:
        raise StoreError(
            f"{path!r} has schema version {version}, this oncue knows up to {VERSION}; "
            "upgrade oncue"
        )


WHY = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "another program has kept it locked",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
    sqlite3.SQLITE_CANTOPEN: "the file or its folder cannot be opened or written",
    sqlite3.SQLITE_PERM: "the file or its folder cannot be opened or written",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; put a copy in its place",
    sqlite3.SQLITE_NOTADB: "the file is damaged; put a copy in its place",
    sqlite3.SQLITE_IOERR: "the disk fails, or has no room for a file of that size",
}
"""By the kind of SQLite's error."""


def why(error: sqlite3.Error) -> str:
    """What went wrong, in a line, with SQLite's own words."""
    code = getattr(error, "sqlite_errorcode", 0)  # none where it is Python's
    reason = WHY.get(code & 0xFF)
    return f"{reason} ({error})" if reason else str(error)


def here() -> str:
    """This host since it was booted; on Linux with the namespace of its process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # asking would signal it; its lease will tell
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
