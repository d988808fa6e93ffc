"""Connections to a PostgreSQL server, and what is said when there is none.

A connection gives up: while it is made, on a statement that takes too long, on a lock that another
keeps, on a peer that is silent. What the address says of these goes before.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from ..errors import DefinitionError, StoreError

OLDEST = 120_000  # version 12, as the server numbers it
DEFAULTS: Mapping[str, Any] = {
    "application_name": "oncue",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "target_session_attrs": "read-write",
}
"""Of several servers the one that takes writes is meant, so that a promoted one is found."""
SETTINGS = (
    "-c default_transaction_isolation=read\\ committed -c statement_timeout=30s "
    "-c lock_timeout=10s -c idle_in_transaction_session_timeout=30s "
    "-c enable_seqscan=off -c jit=off"
)
"""Of a connection. Plans are kept, and made while tables are small: they are to go by the indexes
all the same."""

Connection = psycopg.Connection[tuple[Any, ...]]


def options_of(url: str, shown: str) -> dict[str, Any]:
    """What an address says, as psycopg takes it; `shown` is the same without what is secret. Raises
    DefinitionError for an address that cannot be, without a word of it that may be secret."""
    try:
        said = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        option = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
        if option is not None:
            raise DefinitionError(f"{shown!r}: there is no option {option[1]!r}") from None
        said = {}
    place = url.partition("?")[0].partition("//")[2].partition("/")[2]
    ports = str(said.get("port", "")).split(",")
    if not said or "@" in place or not all(port.isdigit() for port in ports if port):
        raise DefinitionError(
            f"{shown!r} cannot be read; it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with "
            "special characters of a word written as %XX"
        )
    return {**DEFAULTS, **said, "options": f"{SETTINGS} {said.get('options', '')}"}


def connect(options: Mapping[str, Any]) -> Connection:
    """Raises StoreError for a server that is too old."""
    link: Connection = psycopg.connect(**options, autocommit=True)
    version = link.info.server_version
    if version < OLDEST:
        link.close()
        raise StoreError(
            f"the server is PostgreSQL {said(version)}; oncue needs {said(OLDEST)} or newer"
        )
    return link


def cut(link: Connection) -> None:
    """Whoever waits for an answer by this connection, on another thread, gets an error."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(link.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def said(version: int) -> str:
    major, minor = divmod(version, 10_000)
    return f"{major}.{minor}" if minor else str(major)


WHY: Mapping[type[psycopg.Error], str] = {
    errors.DiskFull: "the server's disk is full",
    errors.InsufficientPrivilege: "the user lacks a right",
    errors.LockNotAvailable: "another program has kept it locked",
    errors.QueryCanceled: "it took too long",
    errors.ReadOnlySqlTransaction: "the server takes no writes",
}
"""By the kind of the server's error."""


def why(error: Exception) -> str:
    """What went wrong, in a line, with the server's own words."""
    diagnosed = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    lines = [line.strip() for line in (diagnosed or str(error)).splitlines()]
    words = " ".join(line for line in lines if line).removeprefix("connection failed: ")
    reason = next((text for kind, text in WHY.items() if isinstance(error, kind)), None)
    return f"{reason} ({words})" if reason else words
