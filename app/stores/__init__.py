"""Where the log and the leases live: one protocol, several stores."""

from __future__ import annotations

import os

from ..clock import Clock
from ..errors import DefinitionError
from .address import read_address, refuse_namespace
from .protocol import Store


def store_at(
    address: str | os.PathLike[str] | Store | None,
    *,
    namespace: str = "",
    create: bool = True,
    clock: Clock | None = None,
) -> Store:
    """The store of an app: None keeps the log in memory, a path is an SQLite file, other addresses
    are as in `address.py`, and a store is itself.

    Several apps may have one store, each in a namespace of its own. `create=False` forbids to make
    what is not there. `clock` times the leases of a log in memory, which else never notice that a
    clock was set. Raises DefinitionError for what cannot be.
    """
    if not isinstance(create, bool):
        raise DefinitionError(f"create={create!r}: it is True or False")
    if address is None:
        from .ledger import Ledger
        from .memory import MemoryStore

        refuse_namespace(namespace)  # there are no others in memory
        if not create:
            raise DefinitionError("a log in memory is always new; create=False needs an address")
        return MemoryStore(Ledger() if clock is None else Ledger(clock.now))
    if not isinstance(address, (str, os.PathLike)):
        if not hasattr(address, "commit"):
            raise DefinitionError(f"{address!r} is neither the address of a store nor a store")
        if namespace != "" or not create:
            raise DefinitionError("a store that is made already has its namespace and its create")
        return address
    found = read_address(address, namespace, create)
    if found.kind == "postgresql":
        try:
            from .postgres import PostgresStore
        except ImportError as error:
            raise DefinitionError(
                f"a store in PostgreSQL needs psycopg: pip install 'oncue[postgres]' ({error})"
            ) from error
        return PostgresStore(found.place, namespace=found.namespace, create=found.create)
    if found.kind in ("redis", "rediss"):
        try:
            from .redisdb import RedisStore
        except ImportError as error:
            raise DefinitionError(
                f"a store in Redis needs redis-py: pip install 'oncue[redis]' ({error})"
            ) from error
        return RedisStore(
            found.place, namespace=found.namespace, create=found.create, **found.options
        )
    from .sqlite import SqliteStore

    return SqliteStore(found.place, namespace=found.namespace, create=found.create, **found.options)
