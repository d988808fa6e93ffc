"""A life that ends at its n-th point by SIGKILL, and the life after it; for every n.

    python -m oncue.tests.durability.lives FOLDER [STEP]

A point is before and after every call of the store, every statement it gives to SQLite, every
start of a run's code, every line that code writes. For n = 1, 1 + STEP, … a process is forked that
runs an app on `FOLDER/n.db` and kills itself at its n-th point; then a second one that runs it to
its end. The first n at which the first life ends by itself is the last. For each n a line is
printed: n, the point, and the exit code of the second life.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from oncue import App, FailureMode
from oncue.app.clock import SystemClock
from oncue.app.executors import EXECUTIONS
from oncue.app.executors.protocol import Call, Running
from oncue.app.stores import sqlite
from oncue.tests.durability.cast import AT_MOST_ONCE, Player, Role, dynamic, when
from oncue.tests.durability.evidence import (
    SECOND,
    Effect,
    EffectFile,
    Kind,
    Promise,
    read_effects,
)
from oncue.tests.durability.instance import make

MODULE = "oncue.tests.durability.lives"
HOUR = 3600 * SECOND
PAST = datetime(2026, 1, 1, tzinfo=UTC)
BESIDE = 6  # lives at a time: they mostly wait
SHORT = (0.0, 0.02)
ROLES = (
    Role(Promise("plain", every=HOUR), when("every 1 hour"), SHORT),
    Role(
        Promise("most", execution=AT_MOST_ONCE, every=HOUR),
        when("every 1 hour", execution_mode="at_most_once"),
        SHORT,
    ),
    Role(
        Promise("least", failure=FailureMode.UNLOCK, every=HOUR),
        {"interval": "1 hour", "failure_mode": "unlock", "lease_duration": "30 s"},
        SHORT,
    ),
    Role(Promise("heard", after="least"), when("after task 'least'"), SHORT),
    Role(
        dynamic("shot:a", failure=FailureMode.UNLOCK),
        {"failure_mode": "unlock"},
        SHORT,
        way={"execute_at": PAST},
    ),
    Role(
        dynamic("lone:a", execution=AT_MOST_ONCE),
        {"execution_mode": "at_most_once"},
        SHORT,
        way={"execute_at": PAST},
    ),
    Role(
        dynamic("told:a", failure=FailureMode.COMMIT, after="shot:a"),
        {"failure_mode": "commit"},
        SHORT,
        way={"start_cond": "after task 'shot:a'"},
    ),
)
END = (
    "task 'heard' has finished & task 'plain' has finished & task 'told:a' has finished "
    "& ~task 'lone:a' is running"
)


class Points:
    """Counts them; the fatal one is the last thing that happens. `at` is a file for its name."""

    def __init__(self, fatal: int, at: Path) -> None:
        self._fatal = fatal
        self._seen = 0
        self._at = at

    def __call__(self, name: str) -> None:
        self._seen += 1
        if self._seen == self._fatal:
            self._at.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # the signal comes


def live(folder: Path, number: int, name: str, fatal: int) -> None:
    """One life, in a process of its own."""
    points = Points(fatal, folder / f"{number}.point")
    effects = EffectFile(folder / f"{number}.effects")

    def write(effect: Effect) -> None:
        points(f"before {effect.task} is {effect.kind}")
        effects.write(effect)
        points(f"after {effect.task} is {effect.kind}")

    async def before(call: str) -> None:
        points(f"before {call}")

    async def after(call: str) -> None:
        points(f"after {call}")

    watch_executors(points)
    watch_statements(points)
    player = Player(name, SystemClock(), Random(0), write)
    app = make(str(folder / f"{number}.db"), player, ROLES, before, after, shut_cond=END)
    known = read_effects(folder / f"{number}.effects")
    asyncio.run(schedule(app, player, {e.task for e in known if e.kind is Kind.DONE}))
    app.run()


async def schedule(app: App, player: Player, done: set[str]) -> None:
    """What no life before has scheduled, before anything runs."""
    for role in ROLES:
        if role.way is not None and role.task not in done:
            due = round(PAST.timestamp() * SECOND) if "execute_at" in role.way else None
            await player.schedule(app, role, unknown, due, role.way)


async def unknown() -> None:
    """How far the log is."""


def watch_executors(points: Points) -> None:
    executor = EXECUTIONS["async"]
    original = executor.start

    async def start(self: Any, call: Call) -> Running:
        points(f"before {call.name} is started")
        running = await original(self, call)
        points(f"after {call.name} is started")
        return running

    executor.start = start  # type: ignore[method-assign]


def watch_statements(points: Points) -> None:
    original = sqlite.connect

    def connect(*given: Any, **options: Any) -> sqlite3.Connection:
        db = original(*given, **options)
        db.set_trace_callback(lambda statement: points(f"sql {statement}"))
        return db

    sqlite.connect = connect


def fork(folder: Path, number: int, name: str, fatal: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        live(folder, number, name, fatal)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def all_lives(folder: Path, step: int) -> Iterator[tuple[int, str, int]]:
    """Each n, the point and the exit code of the second life; `end` for a first life that ended."""
    numbers = count(1, step)
    first: dict[int, int] = {}
    second: dict[int, int] = {}
    over = False
    while first or second or not over:
        while not over and len(first) + len(second) < BESIDE:
            number = next(numbers)
            first[fork(folder, number, "one", number)] = number
        pid, status = os.wait()
        if pid in first:
            number = first.pop(pid)
            if os.WIFSIGNALED(status):
                gone = Effect(Kind.GONE, "one", SystemClock().now())
                EffectFile(folder / f"{number}.effects").write(gone)
                second[fork(folder, number, "two", 0)] = number
            else:
                over = True
                yield number, "end", os.waitstatus_to_exitcode(status)
        else:
            number = second.pop(pid)
            point = (folder / f"{number}.point").read_text()
            yield number, point, os.waitstatus_to_exitcode(status)


def main(folder: str, step: str = "1") -> None:
    for number, point, code in all_lives(Path(folder), int(step)):
        print(number, code, " ".join(point.split())[:150], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
