"""One instance of the app of the durability tests, as a process of its own.

    python -m oncue.tests.durability.instance STORE EFFECTS NAME SEED SKEW [GROUP …]

runs the groups of tasks of these numbers (none: all) on the store, by a clock that is SKEW seconds
ahead, and writes to the file EFFECTS what it does, until SIGTERM. From SIGUSR1 on its tasks do not
fail any more, and no dynamic ones are asked for. A server is waited for, however long it is away.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

from oncue import App
from oncue.app.clock import FunctionClock
from oncue.app.errors import StoreError
from oncue.app.stores.protocol import Query, Store
from oncue.engine.records import Record
from oncue.tests.durability.cast import CAST, Player, Role
from oncue.tests.durability.evidence import EffectFile, Kind
from oncue.tests.durability.hooked import Hook, HookedStore, nothing

MODULE = "oncue.tests.durability.instance"


def make(
    store: str,
    player: Player,
    roles: Iterable[Role],
    before: Hook = nothing,
    after: Hook = nothing,
    **options: Any,
) -> App:
    """An app of these tasks, ready to run."""
    app = App(store, timezone="UTC", **options)

    def written(record: Record) -> None:
        of = {"task": record.task, "run_id": record.run_id, "action": record.action}
        player.write(Kind.WRITTEN, **of)

    hooked = HookedStore(app.session.store, before, after, written)
    app.session.store = cast(Store, hooked)
    player.define(app, roles)

    @app.session.hook_startup()
    def ready() -> Iterator[None]:
        yield
        player.write(Kind.READY)

    return app


async def newest(app: App) -> int | None:
    try:
        found = await asyncio.to_thread(app.session.store.read, Query(newest=1))
    except StoreError:
        return None
    return found[-1].seq if found else 0


def main(store: str, effects: str, name: str, seed: str, skew: str, *groups: str) -> None:
    ahead = float(skew)
    clock = FunctionClock(lambda: time.time() + ahead)
    wanted = [CAST[int(group)] for group in groups] or CAST
    write, random = EffectFile(Path(effects)).write, Random(int(seed))
    player = Player(name, clock, random, write, ("async", "thread"))
    roles = [role for group in wanted for role in group]
    app = make(store, player, roles, clock=clock)
    asking: list[asyncio.Task[None]] = []

    @app.session.hook_startup()
    def ask() -> Iterator[None]:
        yield
        asking.append(asyncio.ensure_future(player.ask_for_all(app, partial(newest, app))))

    def calm(number: int, frame: object) -> None:
        player.calm = True

    signal.signal(signal.SIGUSR1, calm)
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
