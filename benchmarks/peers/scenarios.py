"""The scenarios that every side of a comparison writes, and what all sides must agree on.

A side is a script that runs in the python of its scheduler and ends with `report(TheSide())`: its
samples as one JSON object on the last line. Samples are of one unit, smaller being better: seconds,
the CPU used per second, or bytes. A side that works on fewer tasks than another says so in `size`.
"""

import asyncio
import gc
import itertools
import json
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from timeit import Timer
from typing import Any, Literal, Protocol

SENTENCES = {
    "every 10 minutes": "every 10 minutes",
    "has succeeded today": "task 'extract' has succeeded today",
    "daily": "daily",
    "cron": "cron */5 9-17 * * 1-5",
    "after task": "after task 'extract'",
    "daily after": "daily after 10:00",
    "daily after & after task": "daily after 10:00 & after task 'extract'",
    "four atoms, nested": (
        "(daily after 10:00 | every 10 minutes) & after task 'extract' & ~hourly before 30:00"
    ),
    "eight after task, joined": " & ".join(f"after task 'task {i}'" for i in range(8)),
}
DONE_TODAY = "daily after 10:00"  # the condition of an idle task, whose log has a run of today
NOON = datetime(2026, 3, 10, 12)  # when the looks at idle tasks happen
IDLE = 1_000  # tasks of the idle app
IDLE_SECONDS = 3.0  # how long its CPU is watched
LOGS = (1_000, 100_000)  # records of the one task that is checked
LINKS = 15  # runs of B after A
MANY_RUNS = {"async": 20_000, "thread": 5_000, "process": 1_000}
STORED_RUNS = 4_000  # runs with a store on the disk
SCHEDULED = 1_000  # dynamic tasks, on a file
SECONDS_WATCHED = 5  # whole seconds at which a task is due
Execution = Literal["async", "thread", "process"]


@dataclass(frozen=True, slots=True)
class Samples:
    """What one side measured in one scenario; `size` is the number of tasks, where sides differ."""

    values: list[float]
    size: int | None = None
    unit: Literal["s", "CPU", "B"] = "s"


class Side(Protocol):
    """One scheduler, with its defaults."""

    def parse(self, text: str) -> Samples:
        """Parsing a text not seen before."""

    def define(self) -> Samples:
        """Defining IDLE tasks on a new app."""

    def memory(self) -> Samples:
        """Bytes that one of many idle tasks takes, but for its function; where a scheduler plans
        them when it starts, planned."""

    def check(self, records: int) -> Samples:
        """Asking DONE_TODAY of one task at NOON, with nothing remembered, its log of so many
        records of the days before in memory: it holds."""

    def ask_all(self) -> Samples:
        """Asking the conditions of many tasks that have run today anew, at NOON: none holds."""

    def look_idle(self) -> Samples:
        """Deciding, for many tasks that have run today, that none is due at NOON."""

    def look_due(self) -> Samples:
        """The same with one more task, which is due; deciding its start, not running it."""

    def idle_cpu(self) -> Samples:
        """The CPU an app uses, per second, while IDLE tasks wait for an hour to come."""

    def chain(self) -> Samples:
        """From the end of A to the start of B, which runs after it; both are coroutines."""

    def runs(self, execution: Execution) -> Samples:
        """Seconds a run of a function that does nothing, MANY_RUNS of them from the first start to
        the last end, as fast as the scheduler can; the log in memory, where it keeps one."""

    def stored_runs(self) -> Samples:
        """Seconds a run of a coroutine that does nothing, kept in an SQLite file, by the side's
        defaults."""

    def schedule(self) -> Samples:
        """Scheduling a dynamic task on an SQLite file, SCHEDULED of them one by one."""

    def dynamic_runs(self) -> Samples:
        """Seconds a run of a coroutine that does nothing, of SCHEDULED dynamic tasks on an SQLite
        file that are due at once."""

    def lateness(self) -> Samples:
        """How long after a whole second a task starts that is due then, IDLE others waiting."""


SCENARIOS: dict[str, Callable[[Side], Samples]] = {
    f"define {IDLE:,} tasks": lambda side: side.define(),
    "memory of an idle task": lambda side: side.memory(),
    **{
        f"a check, {records:,} records": partial(lambda records, side: side.check(records), records)
        for records in LOGS
    },
    "all idle tasks asked anew": lambda side: side.ask_all(),
    "a look at idle tasks, none due": lambda side: side.look_idle(),
    "a look when one more is due": lambda side: side.look_due(),
    f"CPU of an idle app, {IDLE:,} tasks": lambda side: side.idle_cpu(),
    "end of A to start of B": lambda side: side.chain(),
    "a no-op run, async": lambda side: side.runs("async"),
    "a no-op run, in a thread": lambda side: side.runs("thread"),
    "a no-op run, in a process": lambda side: side.runs("process"),
    "a no-op run, async, SQLite file": lambda side: side.stored_runs(),
    "schedule a dynamic task, SQLite file": lambda side: side.schedule(),
    "a no-op run of a dynamic task, SQLite file": lambda side: side.dynamic_runs(),
    f"lateness, {IDLE:,} idle tasks": lambda side: side.lateness(),
}


def report(side: Side) -> None:
    """Every scenario; one that fails says how, and does not keep the others from running."""
    parsing = {
        f"parse, cold: {name}": partial(side.parse, text) for name, text in SENTENCES.items()
    }
    others = {name: partial(scenario, side) for name, scenario in SCENARIOS.items()}
    print(json.dumps({name: outcome(work) for name, work in (parsing | others).items()}))


def outcome(work: Callable[[], Samples]) -> dict[str, Any]:
    try:
        return asdict(work())
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}


def timed(work: Callable[[], object], *, repeat: int = 9, number: int = 0) -> list[float]:
    """Seconds a call, once for each repetition; without a number, enough calls to last 20 ms."""
    timer = Timer(work)
    if not number:
        number = 1
        while timer.timeit(number) < 0.02:
            number *= 2
    return [seconds / number for seconds in timer.repeat(repeat, number)]


@contextmanager
def tracing(count: int = IDLE) -> Iterator[Callable[[], float]]:
    """The bytes of one of so many things that are made from here on."""
    gc.collect()
    tracemalloc.start()

    def each() -> float:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / count

    try:
        yield each
    finally:
        tracemalloc.stop()


def unseen(text: str) -> Iterator[str]:
    """The text again and again, never quite the same: the white space at its end differs."""
    for tail in itertools.product(" \t\n", repeat=12):
        yield text + "".join(tail)


def hours_ahead() -> str:
    """A cadence whose window is closed now and for hours to come."""
    opens, closes = (datetime.now() + timedelta(hours=hours) for hours in (11, 12))
    return f"daily between {opens:%H:%M} and {closes:%H:%M}"


async def cpu_share(serve: Callable[[], Awaitable[object]], stop: Callable[[], object]) -> float:
    """CPU seconds per second of what is served, once it has settled."""
    serving = asyncio.ensure_future(serve())
    await asyncio.sleep(IDLE_SECONDS / 3)
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    share = (time.process_time() - cpu) / (time.monotonic() - wall)
    stop()
    await serving
    return share


Link = Callable[[], Awaitable[None]]


def links(waited: list[float], stop: Callable[[], object]) -> tuple[Link, Link]:
    """A and B; B notes the seconds since the end of A, and stops the app after LINKS of them."""
    ended = 0.0

    async def a() -> None:
        nonlocal ended
        ended = time.perf_counter()

    async def b() -> None:
        waited.append(time.perf_counter() - ended)
        if len(waited) == LINKS:
            stop()

    return a, b
