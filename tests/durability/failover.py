"""A PostgreSQL server that dies, and a standby that is promoted in its place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random

from oncue.tests.durability.nemesis import IN_PEACE
from oncue.tests.durability.servers import PostgresServer
from oncue.tests.durability.sites import Victim

LIMIT = 60.0  # seconds
SYNCHRONOUS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"


class Primary:
    """It dies once; it is mended when the standby takes its place."""

    def __init__(self, server: PostgresServer, standby: PostgresServer) -> None:
        self.rest = (5.0, 7.0)
        self._server = server
        self._standby = standby

    def touches(self, place: int) -> bool:
        return True

    def harm(self, random: Random) -> float:
        self.rest = IN_PEACE
        self._server.crash()
        return random.uniform(0.0, 2.0)

    def mend(self) -> None:
        self._standby.promote()


class PrimaryAndStandby:
    """A commit is answered when both have it. Everybody knows the addresses of both."""

    skew = 0.0
    settling = 8.0
    in_doubt = 24.0

    def __init__(self, primary: PostgresServer, standby: PostgresServer) -> None:
        self.address = standby.address()
        self.victims: Sequence[Victim] = [Primary(primary, standby)]
        self._ways = primary.address_of(primary.port, standby.port)

    def way(self, place: int) -> str:
        return self._ways

    def is_locked(self) -> bool:
        return False


def primary_and_standby(stack: ExitStack) -> PrimaryAndStandby:
    """They are there until the stack is left."""
    primary = PostgresServer()
    stack.callback(primary.remove)
    primary.start()
    primary.wait()
    standby = PostgresServer(of=primary)
    stack.callback(standby.remove)
    standby.start()
    standby.wait()
    names = "ALTER SYSTEM SET synchronous_standby_names = '*'"
    primary.run(names, "SELECT pg_reload_conf()")
    end = time.monotonic() + LIMIT
    while primary.run(SYNCHRONOUS) != [(1,)]:
        assert time.monotonic() < end, "the standby does not follow"
        time.sleep(0.05)
    return PrimaryAndStandby(primary, standby)
