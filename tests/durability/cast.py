"""The tasks that the durability tests run, on any store, by any clock; each with its promise.

Each writes a line as its code begins and one as it ends, past the scheduler. How long it takes and
whether it fails is the random's choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from oncue import App, Context, ExecutionMode, FailureMode
from oncue.app.clock import Clock
from oncue.app.errors import OncueError, StoreError
from oncue.engine.schedule import CatchUp
from oncue.tests.durability.evidence import (
    SECOND,
    Effect,
    Kind,
    Promise,
    every_cell,
    moments,
)

COMMIT, UNLOCK, NONE = FailureMode.COMMIT, FailureMode.UNLOCK, FailureMode.NONE
AT_MOST_ONCE = ExecutionMode.AT_MOST_ONCE
ONCE, ALL = CatchUp.ONCE, CatchUp.ALL


@dataclass(frozen=True, slots=True)
class Role:
    """One task. `lasting` is how many seconds its code takes at least and at most, `failing` how
    often it fails; `beats` is after how many seconds it extends its lease, again and again. A
    dynamic one is of the family before the colon in its name, whose options these are, and is
    scheduled by `way`; without that it is scheduled otherwise each time, and unscheduled."""

    promise: Promise
    options: Mapping[str, Any] = field(default_factory=dict)
    lasting: tuple[float, float] = (0.0, 0.4)
    failing: float = 0.0
    beats: float | None = None
    way: Mapping[str, Any] | None = None

    @property
    def task(self) -> str:
        return self.promise.task

    @property
    def family(self) -> str | None:
        return self.task.partition(":")[0] if self.promise.dynamic else None


def when(condition: str, **options: Any) -> dict[str, Any]:
    return {"start_cond": condition, **options}


TENS = [f"minutely between {begin} and {begin + 10}" for begin in range(0, 50, 10)]
IN_TENS = " | ".join([*TENS, "minutely after 50"])
FIVES = "* * * * * */5"
TEN = every_cell(10 * SECOND)
FIVE = moments(5 * SECOND)


def dynamic(task: str, **promised: Any) -> Promise:
    return Promise(task, dynamic=True, **promised)


CAST: tuple[tuple[Role, ...], ...] = (
    (Role(Promise("window", cell=TEN), when(IN_TENS)),),
    (
        Role(Promise("interval", every=2 * SECOND), when("every 2 seconds")),
        Role(Promise("heard", after="interval"), when("after task 'interval'")),
    ),
    (
        Role(Promise("ping"), when("secondly & ~task 'pong' is running"), (0.1, 1.5)),
        Role(Promise("pong"), when("secondly & ~task 'ping' is running"), (0.1, 1.5)),
        Role(Promise("blind"), when("true"), (0.5, 2.0)),  # it reads nothing of its own log
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
    (
        Role(
            dynamic("rota:a", failure=UNLOCK, catch_up=ONCE, cell=FIVE),
            {"failure_mode": "unlock"},
            failing=0.3,
            way={"schedule": FIVES},
        ),
        Role(
            dynamic("paced:a", failure=NONE, catch_up=ONCE, lease=3 * SECOND, every=2 * SECOND),
            {"lease_duration": "3 s"},
            failing=0.2,
            way={"interval": "2 s"},
        ),
        Role(
            dynamic("told:a", failure=COMMIT, after="paced:a"),
            {"failure_mode": "commit"},
            way={"start_cond": "after task 'paced:a'"},
        ),
    ),
    (
        Role(Promise("source", every=2 * SECOND), when("every 2 seconds"), failing=0.2),
        Role(
            dynamic("waits:a", execution=AT_MOST_ONCE, after="source"),
            {"execution_mode": "at_most_once"},
            way={"start_cond": "after task 'source'"},
        ),
        Role(
            dynamic("cell:a", execution=AT_MOST_ONCE, cell=TEN),
            {"execution_mode": "at_most_once"},
            (0.1, 2.0),
            way={"start_cond": IN_TENS},
        ),
    ),
    tuple(
        Role(
            dynamic(f"shot:{number}", failure=UNLOCK, catch_up=ONCE),
            {"failure_mode": "unlock"},
            (0.0, 1.0),
            failing=0.3,
        )
        for number in range(2)
    )
    + tuple(
        Role(
            dynamic(f"lone:{number}", execution=AT_MOST_ONCE, catch_up=ONCE),
            {"execution_mode": "at_most_once"},
            failing=0.2,
        )
        for number in range(2)
    ),
)
"""Groups of tasks that belong together."""

PAUSE = (0.1, 2.0)  # seconds between what is asked of dynamic tasks
AHEAD = (0.0, 3.0)  # seconds until what is asked to run once
Newest = Callable[[], Awaitable[int | None]]
"""The number of the newest record, as far as that can be known."""
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
        self._asked: list[Role] = []
        self._requests = 0
        self._clock = clock
        self._random = random
        self._write = write

    def write(self, kind: Kind, **values: Any) -> None:
        self._write(Effect(kind, self.instance, self._clock.now(), **values))

    def define(self, app: App, roles: Iterable[Role]) -> None:
        """In an order of this instance's own: what is due at once is decided in that order."""
        shuffled = list(roles)
        self._random.shuffle(shuffled)
        families: set[str] = set()
        for role in shuffled:
            how = self._random.choice(self._executions)
            if role.family is None:
                app.task(name=role.task, execution=how, **role.options)(self._code(role))
            elif role.family not in families:
                families.add(role.family)
                family = app.dynamic_task(name=role.family, execution=how, **role.options)
                family(self._code(role))
        self._asked = [role for role in shuffled if role.family is not None]

    # --- to ask for dynamic tasks -----------------------------------------------------------

    async def ask_for_all(self, app: App, newest: Newest) -> None:
        """Schedule the dynamic tasks; then change them, or remove some, again and again, until all
        is calm."""
        for role in self._asked:
            if role.way is not None:
                await self.schedule(app, role, newest, None, role.way)
        while self._asked and not self.calm:
            await asyncio.sleep(self._random.uniform(*PAUSE))
            await self._ask(app, self._random.choice(self._asked), newest)

    async def _ask(self, app: App, role: Role, newest: Newest) -> None:
        choice = self._random.random()
        if role.way is not None:
            if choice < 0.5:  # what is changed all the time is never run where calls are slow
                await self.schedule(app, role, newest, None, role.way)
        elif choice < 0.3:
            asking = partial(app.unschedule_task, role.family, role.task.partition(":")[2])
            await self._note(Kind.UNSCHEDULING, role, newest, None, asking)
        elif choice < 0.6:
            length = self._random.choice(("1 s", "1 hour"))
            await self.schedule(app, role, newest, None, {"interval": length})
        else:
            due = self._clock.now() + round(self._random.uniform(*AHEAD) * SECOND)
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=due)
            await self.schedule(app, role, newest, due, {"execute_at": at})

    async def schedule(
        self, app: App, role: Role, newest: Newest, due: int | None, way: Mapping[str, Any]
    ) -> None:
        """A dynamic task; `due` is when it is to run once."""
        family, _, name = role.task.partition(":")
        asking = partial(app.schedule_task, family, name, request=self._label(), **way)
        await self._note(Kind.SCHEDULING, role, newest, due, asking)

    def _label(self) -> str:
        self._requests += 1
        return f"{self.instance}#{self._requests}"

    async def _note(
        self,
        kind: Kind,
        role: Role,
        newest: Newest,
        due: int | None,
        asking: partial[Awaitable[object]],
    ) -> None:
        of = {"task": role.task, "request": asking.keywords.get("request") or self._label()}
        self.write(kind, scheduled_at=due, position=await newest(), **of)
        try:
            await asking()
        except OncueError:
            self.write(Kind.FAILED, **of)
        else:
            self.write(Kind.DONE, position=await newest(), **of)

    # --- to run -----------------------------------------------------------------------------

    def _code(self, role: Role) -> Callable[..., Any]:
        async def code(context: Context) -> None:
            known = {
                "task": context.task.key,
                "request": context.args.get("request"),
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
