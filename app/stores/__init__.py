"""Where the log and the leases live: one protocol, several stores."""

from __future__ import annotations

import os

from ..errors import DefinitionError
from .protocol import Store


def store_at(address: str | os.PathLike[str] | None) -> Store:
    """The store of an app: None keeps the log in memory, a path is an SQLite file.

    Raises DefinitionError for an address of a kind there is no store for.
    """
    if address is None:
        from .memory import MemoryStore

        return MemoryStore()
    path = os.fspath(address)
    if "://" in path:
        kind = path.split("://", 1)[0]
        raise DefinitionError(
            f"there is no store for '{kind}://'; give the path of an SQLite file, "
            "or nothing to keep the log in memory"
        )
    from .sqlite import SqliteStore

    return SqliteStore(path)
