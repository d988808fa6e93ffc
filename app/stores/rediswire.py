"""How a Redis server is spoken to: its address, connections with time-outs, scripts, and errors in
one line without credentials."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1
from math import isfinite
from threading import Event
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from ..errors import DefinitionError, StoreError
from .address import TLS

TIMEOUT = 5.0  # seconds for a connection, and for an answer
CONNECTIONS = 8  # of one instance: to write, to renew the lease, to listen, and readers
PAUSES = (0.02, 0.2)  # before each new attempt after a connection was lost
OLDEST = (6, 2)
KEEPALIVE = {  # so that whoever only listens notices within a minute that nobody speaks any more
    getattr(socket, name): value
    for name, value in {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}.items()
    if hasattr(socket, name)
}
SWITCH = {"true": True, "false": False}

T = TypeVar("T")
Client = redis.Redis
Argument = str | bytes | int


class Packer:
    """Makes one text of a command: that of the client takes several times as long where there are
    many arguments, and is sent in pieces."""

    def pack(self, name: str | bytes, *arguments: Argument | float) -> list[bytes]:
        """The words of a name count as arguments."""
        texts = encoded(name).split()
        texts += [each if type(each) is bytes else encoded(each) for each in arguments]
        said = b"".join([b"$%d\r\n%b\r\n" % (len(text), text) for text in texts])
        return [b"*%d\r\n%b" % (len(texts), said)]


def encoded(argument: Argument | float) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


class Script:
    """Sent as its digest; as a whole only to a server that does not have it yet."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._digest = sha1(text.encode()).hexdigest()

    def __call__(self, client: Client, key: str, *arguments: Argument) -> Any:
        try:
            return client.execute_command("EVALSHA", self._digest, 1, key, *arguments)
        except NoScriptError:
            return client.execute_command("EVAL", self._text, 1, key, *arguments)


class Server:
    """`where` names it in messages, without credentials. Raises DefinitionError for an address or
    an option that cannot be."""

    def __init__(self, address: str, options: Mapping[str, str], name: str) -> None:
        try:
            parts = urlsplit(address)
        except ValueError:
            raise DefinitionError("the host in a redis address is no IPv6 one in [ ]") from None
        try:
            host, port = parts.hostname or "localhost", parts.port or 6379
        except ValueError:
            raise DefinitionError(f"the port of a {parts.scheme}:// address is a number") from None
        place = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        number = parts.path.strip("/")
        numbered = not number or (number.isascii() and number.isdigit())
        if not address.startswith(f"{parts.scheme}://") or parts.fragment or not numbered:
            raise DefinitionError(  # what was said may be part of a password
                f"an address is {parts.scheme}://USER:PASSWORD@HOST:PORT/NUMBER; the database "
                "has a number, and special characters are written %XX"
            )
        self.where = f"{place}/{number or 0}"
        self._tls = parts.scheme == "rediss"
        given = {
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
        }
        timeout = self._timeout(options.get("timeout"))
        self._options: dict[str, Any] = {
            **given,
            "host": host,
            "port": port,
            "db": int(number or 0),
            "client_name": name,
            "protocol": 2,
            "command_packer": Packer(),
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_keepalive": True,
            "socket_keepalive_options": KEEPALIVE,
            **self._encryption(options),
        }

    def _timeout(self, said: str | None) -> float:
        try:
            found = TIMEOUT if said is None else float(said)
        except ValueError:
            found = 0.0
        if not (found > 0 and isfinite(found)):
            raise DefinitionError(f"{self.where}: timeout={said} is not a number of seconds")
        return found

    def _encryption(self, options: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {name: options[name] for name in TLS if name in options}
        if not self._tls:
            if found:
                raise DefinitionError(f"{self.where}: {', '.join(found)} needs rediss://")
            return found
        required = found.setdefault("ssl_cert_reqs", "required")
        if required not in ("none", "optional", "required"):
            raise DefinitionError(
                f"{self.where}: ssl_cert_reqs={required}: it is none, optional or required"
            )
        checked = found.get("ssl_check_hostname", "false" if required == "none" else "true")
        if checked not in SWITCH:
            raise DefinitionError(
                f"{self.where}: ssl_check_hostname={checked} is neither true nor false"
            )
        found["ssl_check_hostname"] = SWITCH[checked]
        return found

    def connect(self) -> Client:
        """A client, for any thread; it connects when it is asked something."""
        pool = redis.BlockingConnectionPool(
            connection_class=SSLConnection if self._tls else Connection,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT,
            **self._options,
        )
        return redis.Redis(connection_pool=pool)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Make one clear line of whatever fails."""
        try:
            yield
        except RedisError as error:
            raise StoreError(f"the store {self.where!r} {why(error)}") from error

    def refuse_old(self, version: str) -> None:
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers and numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise StoreError(
                f"the store {self.where!r} is Redis {version}; it has to be {oldest} or newer"
            )


def leave(client: Client) -> None:
    """End its connections."""
    client.connection_pool.disconnect()


def persistent(question: Callable[[], T]) -> T:
    """Ask again when a connection was lost: the server may have been restarted since it was made.
    What is asked may be done twice. A server that takes its time is not asked again."""
    for pause in PAUSES:
        try:
            return question()
        except (AuthenticationError, BusyLoadingError, TimeoutError):
            raise
        except ConnectionError:
            Event().wait(pause)
    return question()


def why(error: RedisError) -> str:
    said = " ".join(str(error).split())
    match error:
        case AuthenticationError():
            return f"refuses this user or password: {said}"
        case BusyLoadingError():
            return "does not answer: it is still loading its data"
        case ConnectionError() | TimeoutError():
            return f"does not answer: {said}"
        case OutOfMemoryError():
            return "does not write: its memory is full (maxmemory)"
        case ReadOnlyError():
            return "does not write: it is a replica; give the address of the primary"
        case NoPermissionError():
            return f"does not permit this user what is needed: {said}"
        case MovedError():
            return (
                "is part of a cluster, which keeps this namespace at "
                f"{error.host}:{error.port}; give that address"
            )
        case ResponseError() if "WRONGTYPE" in said:
            return f"has keys of another program where the log would be: {said}"
    return f"does not do what is asked: {said}"
