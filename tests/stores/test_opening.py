"""Instances that open a store at the same time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from oncue.tests.stores.conftest import Make

INSTANCES = 6


@pytest.mark.parametrize("kind", ["postgres", "redis"])
def test_instances_that_open_an_empty_log_together_all_succeed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    make: Make = request.getfixturevalue(kind)
    together = Barrier(INSTANCES)

    async def live() -> None:
        store = make()
        together.wait(60)
        await store.open(0)
        await store.close()

    with ThreadPoolExecutor(INSTANCES) as threads:
        lives = [threads.submit(asyncio.run, live()) for _ in range(INSTANCES)]
        assert [life.result() for life in lives] == [None] * INSTANCES
        assert make().instances() == []
