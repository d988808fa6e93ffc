"""What the address of a store says: its kind, its place, and options after a `?`.

jobs.db                                          an SQLite file
sqlite:jobs.db?synchronous=normal&namespace=billing
sqlite:///jobs.db, sqlite:////var/jobs.db        the same as SQLAlchemy writes it
postgresql://user@host/database?sslmode=require  a PostgreSQL database; other options are libpq's
redis://user@host/0?namespace=billing            a database of a Redis server; rediss:// by TLS
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from ...conds.diagnostic import nearest
from ..errors import DefinitionError

SHARED = ("namespace", "create")
TLS = (
    "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_cert_reqs",
    "ssl_check_hostname", "ssl_ciphers",
)  # fmt: skip
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "sqlite": (*SHARED, "synchronous"),
    "postgresql": SHARED,
    "postgres": SHARED,
    "redis": (*SHARED, "timeout"),
    "rediss": (*SHARED, "timeout", *TLS),
}
"""The kinds of stores that have addresses, and what may stand after the `?` of each."""
SERVERS = {"postgresql": "postgresql", "postgres": "postgresql"}
"""Kinds whose place is a URL, which keeps the options that are not ours."""
SECRET = re.compile(r"(//[^/@:]*:|^\w+:(?!//)[^:@]*:).*@|((?:^|[?&])\w*password=)[^&]*", re.DOTALL)

NAMESPACE = re.compile(r"(?!sqlite)[a-z][a-z0-9_]{0,47}")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
SWITCH = {"true": True, "false": False}
IN_MEMORY = "for a log in memory give no address"


class Address(NamedTuple):
    """`place` is the path of an SQLite file, or the URL of a server."""

    kind: str
    place: str
    namespace: str
    create: bool
    options: Mapping[str, str]


def read_address(address: str | os.PathLike[str], namespace: str, create: bool) -> Address:
    """`namespace` and `create` are what was said beside the address. Raises DefinitionError for
    what cannot be, and for what is said twice and differs."""
    if isinstance(address, str):
        kind, place, options = parts(address)
    else:
        kind, place, options = "sqlite", os.fspath(address), {}
    if "namespace" in options:
        named = options.pop("namespace")
        if namespace not in ("", named):
            raise twice(address, f"namespace={named}", f"namespace={namespace!r}")
        namespace = named
    if "create" in options:
        said = options.pop("create")
        if said not in SWITCH:
            raise DefinitionError(
                f"{masked(str(address))}: create={said} is neither true nor false"
            )
        if not create and SWITCH[said]:
            raise twice(address, "create=true", "create=False")
        create = SWITCH[said]
    refuse_namespace(namespace)
    return Address(kind, place, namespace, create, options)


def parts(address: str) -> tuple[str, str, dict[str, str]]:
    """The kind, the place and the options of an address that is text."""
    if not address or address == ":memory:":
        raise DefinitionError(f"{address!r} is not the address of a store; {IN_MEMORY}")
    found = SCHEME.match(address)
    kind = found[1].lower() if found else ""
    if kind not in OPTIONS:
        if "://" in address:
            raise DefinitionError(
                f"there is no store for '{address.split('://')[0]}://'; give the path of an SQLite "
                "file, the address of a server, or nothing to keep the log in memory"
            )
        if "?" in address:
            raise DefinitionError(
                f"{address!r}: only an address that begins with its kind, as in "
                f"'sqlite:{address}', has options; a path with a '?' in it is given as a Path"
            )
        return "sqlite", address, {}
    if kind in SERVERS:
        return SERVERS[kind], *url_of(kind, address)
    place, _, query = address[len(kind) + 1 :].partition("?")
    if kind in ("redis", "rediss"):
        return kind, f"{kind}:{place}", options_of(kind, query, masked(address))
    return kind, file_of(place, address), options_of(kind, query, address)


def file_of(place: str, address: str) -> str:
    """The path in `sqlite:PATH` and `sqlite:///PATH`."""
    if place.startswith("//"):
        if not place.startswith("///"):
            raise DefinitionError(
                f"{address!r}: a path comes after one slash more than two, as in "
                "'sqlite:///jobs.db', or 'sqlite:////var/jobs.db' from the root"
            )
        place = place[3:]
    if place in ("", ":memory:"):
        raise DefinitionError(f"{address!r} names no file; {IN_MEMORY}")
    return place


def url_of(kind: str, address: str) -> tuple[str, dict[str, str]]:
    """The URL without the options that every store has, and these."""
    url, _, query = address.partition("?")
    url = kind + url[len(kind) :]  # which alone may be in capitals
    ours: list[str] = []
    theirs: list[str] = []
    for pair in query.split("&") if query else []:
        (ours if pair.partition("=")[0] in SHARED else theirs).append(pair)
    return "?".join([url, "&".join(theirs)] if theirs else [url]), options_of(
        kind, "&".join(ours), masked(address)
    )


def masked(address: str) -> str:
    """An address without what is secret."""
    return SECRET.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", address)


def options_of(kind: str, query: str, address: str) -> dict[str, str]:
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise DefinitionError(f"{address!r}: options are written as in ?a=b&c=d") from None
    for name, value in pairs:
        if name not in OPTIONS[kind]:
            near = nearest(name, OPTIONS[kind])
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(OPTIONS[kind])}"
            raise DefinitionError(f"{address!r}: there is no option {name!r}; {hint}")
        if name in options:
            raise DefinitionError(f"{address!r}: the option {name!r} is given twice")
        options[name] = value
    return options


def twice(address: object, there: str, beside: str) -> DefinitionError:
    return DefinitionError(
        f"{masked(str(address))!r} says {there}, and {beside} is given beside it"
    )


def refuse_namespace(namespace: str) -> None:
    """Raise DefinitionError for one that no store could have."""
    if namespace != "" and not (isinstance(namespace, str) and NAMESPACE.fullmatch(namespace)):
        raise DefinitionError(
            f"namespace={namespace!r}: it has small letters, digits and _, at most 48 of them, and "
            "begins with a letter, but not with 'sqlite'"
        )
