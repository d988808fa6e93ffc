"""The tasks that the durability tests run, on any store, by any clock; each with its promise.

Each writes a line as its code begins and one as it ends, past the scheduler. How long it takes and
whether it fails is the random's choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from oncue import App, Context, ExecutionMode, FailureMode
from oncue.app.clock import Clock
from oncue.app.errors import StoreError
from oncue.engine.schedule import CatchUp
from oncue.tests.durability.evidence import (
    SECOND,
    Effect,
    Kind,
    Promise,
    every_cell,
    moments,
)

UNLOCK, NONE = FailureMode.UNLOCK, FailureMode.NONE
AT_MOST_ONCE = ExecutionMode.AT_MOST_ONCE
ONCE, ALL = CatchUp.ONCE, CatchUp.ALL


@dataclass(frozen=True, slots=True)
class Role:
    """One task. `lasting` is how many seconds its code takes at least and at most, `failing` how
    often it fails; `beats` is after how many seconds it extends its lease, again and again."""

    promise: Promise
    options: Mapping[str, Any] = field(default_factory=dict)
    lasting: tuple[float, float] = (0.0, 0.4)
    failing: float = 0.0
    beats: float | None = None

    @property
    def task(self) -> str:
        return self.promise.task


def when(condition: str, **options: Any) -> dict[str, Any]:
    return {"start_cond": condition, **options}


TENS = [f"minutely between {begin} and {begin + 10}" for begin in range(0, 50, 10)]
IN_TENS = " | ".join([*TENS, "minutely after 50"])
FIVES = "* * * * * */5"
TEN = every_cell(10 * SECOND)
FIVE = moments(5 * SECOND)
CAST: tuple[tuple[Role, ...], ...] = (
    (Role(Promise("window", cell=TEN), when(IN_TENS)),),
    (
        Role(Promise("interval", every=2 * SECOND), when("every 2 seconds")),
        Role(Promise("heard", after="interval"), when("after task 'interval'")),
    ),
    (
        Role(Promise("ping"), when("secondly & ~task 'pong' is running"), (0.1, 1.5)),
        Role(Promise("pong"), when("secondly & ~task 'ping' is running"), (0.1, 1.5)),
    ),
    (
        Role(Promise("failing", every=3 * SECOND), when("every 3 seconds"), failing=0.5),
        Role(Promise("long", every=4 * SECOND), when("every 4 seconds"), (1.0, 6.0)),
    ),
    (
        Role(
            Promise("once", execution=AT_MOST_ONCE, cell=TEN),
            when(IN_TENS, execution_mode="at_most_once"),
            failing=0.3,
        ),
        Role(
            Promise("heard once", execution=AT_MOST_ONCE, after="once"),
            when("after task 'once'", execution_mode="at_most_once"),
        ),
    ),
    (
        Role(
            Promise("unlocked", failure=UNLOCK, catch_up=ONCE, every=3 * SECOND),
            {"interval": "3 s", "failure_mode": "unlock"},
            failing=0.4,
        ),
        Role(
            Promise("locked", failure=NONE, catch_up=ONCE, lease=3 * SECOND, cell=FIVE),
            {"schedule": FIVES, "lease_duration": "3 s"},
            failing=0.4,
        ),
    ),
    (
        Role(
            Promise("caught up", failure=UNLOCK, catch_up=ALL, cell=FIVE),
            {"schedule": FIVES, "catch_up": "all", "failure_mode": "unlock"},
            failing=0.2,
        ),
        Role(
            Promise("caught up once", execution=AT_MOST_ONCE, catch_up=ALL, cell=FIVE),
            {"schedule": FIVES, "catch_up": "all", "execution_mode": "at_most_once"},
        ),
    ),
    (
        Role(
            Promise("beating", failure=UNLOCK, catch_up=ONCE, every=6 * SECOND),
            {"interval": "6 s", "failure_mode": "unlock", "lease_duration": "2 s"},
            lasting=(1.0, 8.0),
            beats=0.5,
        ),
        Role(
            Promise("careless", failure=UNLOCK, catch_up=ONCE, every=5 * SECOND),
            {"interval": "5 s", "failure_mode": "unlock", "lease_duration": "1 s"},
            lasting=(0.5, 1.5),
        ),
    ),
)
"""Groups of tasks that belong together."""

EXCLUSIVE = [("ping", "pong")]


class Player:
    """What the tasks of one instance do. `calm`: they do not fail any more, nor take long. Each is
    executed in one of the `executions`."""

    def __init__(
        self,
        instance: str,
        clock: Clock,
        random: Random,
        write: Callable[[Effect], None],
        executions: Sequence[str] = ("async",),
    ) -> None:
        self.instance = instance
        self._executions = executions
        self.calm = False
        self._clock = clock
        self._random = random
        self._write = write

    def write(self, kind: Kind, **values: Any) -> None:
        self._write(Effect(kind, self.instance, self._clock.now(), **values))

    def define(self, app: App, roles: Iterable[Role]) -> None:
        """In an order of this instance's own: what is due at once is decided in that order."""
        shuffled = list(roles)
        self._random.shuffle(shuffled)
        for role in shuffled:
            how = self._random.choice(self._executions)
            app.task(name=role.task, execution=how, **role.options)(self._code(role))

    def _code(self, role: Role) -> Callable[..., Any]:
        async def code(context: Context) -> None:
            known = {
                "task": role.task,
                "scheduled_at": round(context.scheduled_at.timestamp() * SECOND),
                "token": context.lease.token,
                "run_id": context.run_id,
            }
            self.write(Kind.BEGAN, **known)
            least, most = role.lasting
            seconds = least if self.calm else self._random.uniform(least, most)
            await self._work(seconds, role, context)
            if not self.calm and self._random.random() < role.failing:
                raise Failed("by chance")
            self.write(Kind.ENDED, **known)

        return code

    async def _work(self, seconds: float, role: Role, context: Context) -> None:
        """For so long, with heartbeats where the role has some. Raises LeaseLostException."""
        if role.beats is None:
            await asyncio.sleep(seconds)
            return
        while seconds > 0:
            await asyncio.sleep(min(seconds, role.beats))
            seconds -= role.beats
            try:
                await context.heartbeat()
            except StoreError:
                pass  # it may answer the next time


class Failed(Exception):
    """A task did."""
