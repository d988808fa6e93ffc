"""Servers of the tests' own, one of each kind, for tests that leave them as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oncue.tests.durability.proxy import Proxy
from oncue.tests.durability.servers import PostgresServer, RedisServer, Server


@pytest.fixture(scope="session", params=[PostgresServer, RedisServer])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made: Server = request.param()
    try:
        made.start()
        made.wait()
        yield made
    finally:
        made.remove()


@pytest.fixture
def road(server: Server) -> Iterator[Proxy]:
    """To the server."""
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()
