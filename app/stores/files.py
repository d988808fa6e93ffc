"""Whose file a path names, and whose process a number.

The schema version is `user_version`, ours is told from other programs' by `application_id`. SQLite
is asked for them without a lock or a journal; only a write-ahead log left by a process that died
may hold newer ones.

The file is opened by nobody but SQLite: whoever else opens and closes it in a process that has it
open takes from that process the locks it holds (POSIX), and another process that closes it would
then remove the write-ahead log that this one still writes to.
"""

from __future__ import annotations

import errno
import os
import platform
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from ..errors import StoreError

APPLICATION_ID = 0x6F6E6375  # "oncu"
VERSION = 4


def refuse_what_is_not_ours(path: Path) -> None:
    """Raise StoreError, the file untouched, unless it is ours, empty or not there yet."""
    if not path.parent.is_dir():
        raise StoreError(f"cannot open {str(path)!r}: there is no folder {str(path.parent)!r}")
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot open {str(path)!r}: {error.strerror}") from error
    if stat.S_ISDIR(found.st_mode):
        raise StoreError(f"cannot open {str(path)!r}: {os.strerror(errno.EISDIR)}")
    if found.st_size:
        refuse_unless(*identity_by_sqlite(path), path=str(path))


def identity_by_sqlite(path: Path) -> tuple[int, int, int]:
    """What SQLite says, asked without writing: with the write-ahead log if there is one and it can
    be read, else without any lock or journal. Raises StoreError."""
    log = Path(f"{path}-wal")
    waiting = log.exists() and log.stat().st_size > 0
    for how in ("mode=ro", "immutable=1") if waiting else ("immutable=1",):
        try:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as db:
                return identity_of(db)
        except sqlite3.Error as error:
            failure = error
    if getattr(failure, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
        raise StoreError(f"{str(path)!r} is not an SQLite database; choose another path")
    raise StoreError(f"cannot open {str(path)!r}: {why(failure)}") from failure


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


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it says that the file is no more what it was."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


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
