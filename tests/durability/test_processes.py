"""Real processes on one store, killed and stopped at random; then the checker.

A store on a server is reached by roads that are cut, slowed and silent for a while, and the server
itself is stopped and killed; the clocks of its instances are apart. Beside that, in peace, a
PostgreSQL server dies and a standby is promoted in its place. All are tried at the same time, since
it is mostly waiting.

`ONCUE_CHAOS_SECONDS` says for how long (60), `ONCUE_CHAOS_SEED` with which seed; what was chosen is
printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from oncue.tests.durability.checker import check
from oncue.tests.durability.failover import primary_and_standby
from oncue.tests.durability.nemesis import IN_PEACE, Nemesis, some_seed
from oncue.tests.durability.servers import PostgresServer, RedisServer
from oncue.tests.durability.sites import FileSite, ServerSite, Site

SECONDS = float(os.environ.get("ONCUE_CHAOS_SECONDS", "60"))
INSTANCES = 4
FAILOVER_SECONDS = 14.0
KINDS = ["sqlite", "postgres", "redis", "failover"]


def site_of(kind: str, folder: Path, stack: ExitStack) -> Site:
    """Of a store that has nothing in it."""
    if kind == "sqlite":
        return FileSite(folder / "log.db")
    server = PostgresServer() if kind == "postgres" else RedisServer()
    stack.callback(server.remove)
    site = ServerSite(server, INSTANCES)
    stack.callback(site.close)
    return site


Course = tuple[str, list[str], bool]
"""What is told of one, what is wrong with it, and whether enough has happened."""


def course(kind: str, folder: Path, seed: int) -> Course:
    with ExitStack() as stack:
        if kind == "failover":
            nemesis = Nemesis(folder, primary_and_standby(stack), seed, lives=IN_PEACE)
            seconds, faults = FAILOVER_SECONDS, 1.0
        else:
            nemesis = Nemesis(folder, site_of(kind, folder, stack), seed)
            seconds, faults = SECONDS, SECONDS / 5
        evidence = nemesis.run(INSTANCES, seconds)
        told = f"{kind}, seed {seed}: {nemesis.faults} faults, {len(evidence.log)} records"
        wrong = [*nemesis.surprises, *map(str, check(evidence))]
        if wrong:  # beside the effects, for whoever asks why
            (folder / "log").write_text("\n".join(map(repr, evidence.log)))
            told += f", in {folder}"
        return told, wrong, len(evidence.log) > seconds and nemesis.faults >= faults


@pytest.fixture(scope="module")
def courses(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Course]]]:
    """What comes of each that is to be tried."""
    seed = some_seed()
    wanted = [kind for kind in KINDS if any(f"[{kind}]" in i.name for i in request.session.items)]
    with ThreadPoolExecutor(len(wanted)) as side_by_side:
        yield {
            kind: side_by_side.submit(course, kind, tmp_path_factory.mktemp(kind), seed)
            for kind in wanted
        }


@pytest.mark.parametrize("kind", KINDS)
def test_four_processes_keep_every_promise(
    courses: Mapping[str, Future[Course]], kind: str
) -> None:
    told, wrong, much = courses[kind].result()
    print(told)
    assert not wrong, "\n".join([told, *wrong])
    assert much, told
