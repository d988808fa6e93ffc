"""Real processes on one store, killed and stopped at random; then the checker.

`ONCUE_CHAOS_SECONDS` says for how long (60), `ONCUE_CHAOS_SEED` with which seed; what was chosen is
printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oncue.tests.durability.checker import check
from oncue.tests.durability.nemesis import Nemesis, some_seed
from oncue.tests.stores.conftest import Postgres, Redis

SECONDS = float(os.environ.get("ONCUE_CHAOS_SECONDS", "60"))


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a store that has nothing in it."""
    if request.param == "sqlite":
        yield str(tmp_path / "log.db")
        return
    url = request.getfixturevalue(f"{request.param}_url")
    made = Postgres(url) if request.param == "postgres" else Redis(url)
    yield f"{made.url}{'&' if '?' in made.url else '?'}namespace={made.namespace}"
    made.remove()


def test_four_processes_keep_every_promise(address: str, tmp_path: Path) -> None:
    seed = some_seed()
    nemesis = Nemesis(tmp_path, address, seed)
    evidence = nemesis.run(4, SECONDS)
    told = f"seed {seed}: {nemesis.faults} faults, {len(evidence.log)} records"
    print(told)
    wrong = [*nemesis.surprises, *map(str, check(evidence))]
    assert not wrong, "\n".join([told, f"what is left is in {tmp_path}", *wrong])
    assert len(evidence.log) > SECONDS and nemesis.faults > SECONDS / 5
