"""Dynamic tasks from outside: scheduled, unscheduled and listed, while the app runs or not, from
coroutines and from plain code.

Everything goes to the store, by the running app's own way to it or, where the app does not run
here, by one that is opened for it. What was scheduled is found by whoever looks for what is due.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sized,
)
from concurrent.futures import Future
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ..conds.nodes import Condition, Once, Zoned
from ..conds.rewrite import at_best
from ..engine.atoms import Scheduler
from ..engine.civil import FOREVER, Zone, from_datetime, to_datetime
from ..engine.civil import zone as zone_of
from ..engine.history import History, TaskLog
from ..engine.plan import Planner
from ..engine.verdict import STALE, Verdict
from .context import running_loop
from .errors import DefinitionError
from .families import is_local
from .stores.dynamic import Dynamic, Planned, State, Wanted
from .stores.protocol import UNSPEAKABLE, Instance, Store
from .vetting import UnknownNames

if TYPE_CHECKING:
    from .families import Family, First
    from .runtime import Runtime
    from .session import Session

T = TypeVar("T")
MOST_PLANS = 1000
PAGE = 100
MOST_ON_A_PAGE = 1_000_000
LISTED_BY = ("state", "due_after", "due_before", "limit", "continuation_token")
Tasks = Mapping[str, Mapping[str, Any]] | Iterable[tuple[str, Mapping[str, Any]]]
"""Names of dynamic tasks, and what `schedule_task` takes for each by keyword."""
SHAPE = "tasks are a mapping, or pairs, of names and of what each is given, as in {'interval': 60}"


@dataclass(frozen=True, slots=True)
class DynamicTask:
    """One task of a family, as it is in the store. One of `start_cond`, `schedule`, `interval` and
    `execute_at` says when it starts, as text; `timezone` is None if it is the family's. `since` is
    when it came to be so, `due` when it is looked at next by time alone; None: only a record brings
    that, or nothing. While it is decided about or runs, `held_by` tells who does it. Datetimes are
    aware, in its zone."""

    family: str
    name: str
    state: State
    since: datetime
    due: datetime | None = None
    start_cond: str | None = None
    schedule: str | None = None
    interval: str | None = None
    execute_at: str | None = None
    timezone: str | None = None
    args: Mapping[str, Any] | None = None
    held_by: Instance | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some dynamic tasks, by name. With `continuation_token`, `list_tasks` gives those that follow;
    None: there are no more."""

    tasks: tuple[DynamicTask, ...]
    continuation_token: str | None = None


class Scheduling:
    """What a session does with dynamic tasks. What it gives is to be awaited where a loop runs;
    elsewhere it has been done when the call returns."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._first = FirstLooks(session)
        self._unknown = UnknownNames(session)
        self._opened = False  # the app's store, by us
        self._lock: asyncio.Lock | None = None  # on the loop of the app
        self._home: asyncio.AbstractEventLoop | None = None  # that of the app, before it runs too
        self._queued: set[asyncio.Future[Any]] = set()  # what takes its turn
        self._begun: set[asyncio.Future[Any]] = set()  # by the app's store, on its loop
        self._apart: set[asyncio.Future[Any]] = set()  # each by a store of its own
        self._outside: set[Future[Any]] = set()  # what the running app was asked on other threads
        self._parting = threading.Lock()  # between who asks it and its end
        self._parted: Runtime | None = None  # a life that is asked no more

    def schedule(self, family: Any, tasks: Iterable[tuple[str, Mapping[str, Any]]]) -> Any:
        found = self._session.family(family)
        unknown: dict[str, str] = {}  # names of no task, each with one that waits for it

        def first(key: str, condition: Condition, zone: Zone) -> int:
            for name in self._unknown.of(condition):
                unknown.setdefault(name, key)
            return self._first(condition, zone)

        planned = [self._planned(found, name, given, first) for name, given in tasks]
        self._unknown.warn(unknown)

        def write(store: Store) -> asyncio.Future[None]:
            written = asyncio.ensure_future(store.schedule(planned, self._session.clock.now()))
            written.add_done_callback(lambda _: self._tell(planned))
            return written

        return self._by_store(write)

    def _planned(
        self, family: Family[..., Any], name: str, given: Mapping[str, Any], first: First
    ) -> Planned:
        try:
            return family.planned(name, given, first)
        except DefinitionError as error:
            raise DefinitionError(f"{family.name} {name!r}: {error}") from error
        except Exception as error:
            error.add_note(f"in what is given for {family.name} {name!r}")
            raise

    def _tell(self, planned: list[Planned]) -> None:
        life = self._session.life
        if life is None or not planned:
            return
        due = min(each.due for each in planned)
        if running_loop() is life.loop:
            life.dynamic.expect(due)
        else:
            with suppress(RuntimeError):  # it has ended
                life.loop.call_soon_threadsafe(life.dynamic.expect, due)

    def unschedule(self, family: Any, names: Iterable[str]) -> Any:
        """Whether there was one."""
        found = self._session.family(family)
        keys = [found.key_of(name) for name in names]

        def remove(store: Store) -> Awaitable[bool]:
            return is_any(store.unschedule(keys))  # no later than what is asked for after it

        return self._by_store(remove)

    def get(self, family: Any, name: str) -> Any:
        """None: there is none of that name."""
        key = self._session.family(family).key_of(name)
        wanted = Wanted(tasks=(key,))
        return self._read(lambda: next(iter(self._page(wanted).tasks), None))

    def list(
        self,
        family: Any = None,
        *,
        state: str | State | None = None,
        due_after: datetime | None = None,
        due_before: datetime | None = None,
        limit: int = PAGE,
        continuation_token: str | None = None,
        **unknown: Any,
    ) -> Any:
        for word in unknown:
            takes = ", ".join(LISTED_BY)
            raise DefinitionError(f"list_tasks takes no {word!r}; it takes a family, {takes}")
        name = None if family is None else self._session.family(family).name
        if type(limit) is not int or not 1 <= limit <= MOST_ON_A_PAGE:
            raise DefinitionError(f"limit={limit!r}: it is a number from 1 to {MOST_ON_A_PAGE:,}")
        try:
            found = None if state is None else State(state)
        except ValueError:
            raise DefinitionError(f"state={state!r}: it is one of {', '.join(State)}") from None
        token = continuation_token
        if token is not None and (not isinstance(token, str) or UNSPEAKABLE.search(token)):
            raise DefinitionError(f"continuation_token={token!r}: it is that of a page, or None")
        wanted = Wanted(
            family=name,
            state=found,
            since=self._instant("due_after", due_after),
            until=self._instant("due_before", due_before),
            after=token,
            most=limit + 1,
            now=self._session.clock.now(),
        )
        return self._read(lambda: self._page(wanted))

    def _instant(self, name: str, given: datetime | None) -> int | None:
        if given is None:
            return None
        try:
            return from_datetime(given, self._session.config.timezone)
        except TypeError as error:
            raise DefinitionError(f"{name}: {error}") from None

    def _page(self, wanted: Wanted) -> TaskPage:
        store = self._session.store
        rows = store.dynamic(wanted)
        held = any(row.holder is not None for row in rows)
        instances = {each.id: each for each in store.instances()} if held else {}
        most = None if wanted.most is None else wanted.most - 1
        shown = rows[:most]
        more = shown[-1].task if len(rows) > len(shown) else None
        now = self._session.clock.now()
        return TaskPage(tuple(self._shown(row, now, instances) for row in shown), more)

    def _shown(self, row: Dynamic, now: int, instances: Mapping[str, Instance]) -> DynamicTask:
        family, _, name = row.task.partition(":")
        said = json.loads(row.text)
        zone = self._session.config.timezone
        if "timezone" in said:
            zone = zone_of(said["timezone"])
        elif family in self._session.families:
            zone = self._session.families[family].timezone or zone
        due = row.due if row.look is None else max(row.look, row.due or 0) or None  # 0: at once
        return DynamicTask(
            family,
            name,
            row.state(now),
            since=aware(row.since, zone),
            due=None if due is None else aware(due, zone),
            held_by=instances.get(row.holder or ""),
            **said,
        )

    # --- where it is done -------------------------------------------------------------------

    def _read(self, question: Callable[[], T]) -> Any:
        return question() if running_loop() is None else asyncio.to_thread(question)

    def _by_store(self, action: Callable[[Store], Awaitable[T]]) -> Any:
        """Through the running app; where none runs, by its store if we are on the loop on which it
        is about to; else, as while it opens or closes that, by another way to the same log."""
        here = running_loop()
        asked = self._by_app(action, here)
        if asked is not None:
            return asked.result() if isinstance(asked, Future) else asked
        if here is None:
            return asyncio.run(self._alone(action))
        if here is not self._home or self._session.serving:
            return kept(self._apart, self._alone(action))
        if self._opened and not (self._turn().locked() or self._queued):
            return kept(self._begun, action(self._session.store))
        return kept(self._queued, self._at_home(action))

    def _by_app(
        self, action: Callable[[Store], Awaitable[T]], here: asyncio.AbstractEventLoop | None
    ) -> asyncio.Future[T] | Future[T] | None:
        """None: there is none that runs, or it ends."""
        with self._parting:
            life = self._session.life
            if life is None or life is self._parted:
                return None
            if here is life.loop:
                return kept(self._begun, action(self._session.store))
            doing = elsewhere(action, self._session.store)
            try:
                asked = asyncio.run_coroutine_threadsafe(doing, life.loop)
            except RuntimeError:
                doing.close()
                return None
            self._outside.add(asked)
        asked.add_done_callback(self._outside.discard)
        return asked if here is None else asyncio.wrap_future(asked)

    async def part_with(self, life: Runtime) -> None:
        """It is about to close its store: what it was asked is done before, and who asks from now
        on has to find another way."""
        with self._parting:
            self._parted = life
            asked = [asyncio.wrap_future(each) for each in list(self._outside)]
        await asyncio.gather(*asked, *self._begun, return_exceptions=True)

    async def _alone(self, action: Callable[[Store], Awaitable[T]]) -> T:
        store = self._session.store.again()
        await store.open(self._session.clock.now())
        try:
            return await action(store)
        finally:
            await store.close()

    async def _at_home(self, action: Callable[[Store], Awaitable[T]]) -> T:
        """By the store of the app, which stays open until that runs, or is left."""
        session = self._session
        async with self._turn():
            if session.app_context is not None:
                if session.life is None and not self._opened:
                    await session.store.open(session.clock.now())
                    self._opened = True
                return await action(session.store)
        return await self._alone(action)

    def _turn(self) -> asyncio.Lock:
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    def enter(self) -> None:
        """The app is about to run on this loop."""
        self._home = asyncio.get_running_loop()

    async def leave(self) -> None:
        """Close the store if we have opened it: nobody needs it."""
        self._home = None
        async with self._turn():
            await self._close()
        self._lock = None  # the next may be on another loop

    @asynccontextmanager
    async def handing_over(self) -> AsyncIterator[Callable[[], None]]:
        """Leave the store to an app that is about to open it; who comes meanwhile waits until that
        has called what this gives."""
        turn = self._turn()
        await turn.acquire()
        handed = ExitStack()
        with handed:
            handed.callback(turn.release)
            await self._close()
            yield handed.close

    async def _close(self) -> None:
        if self._begun:
            await asyncio.wait(self._begun)
        if self._opened:
            self._opened = False
            await self._session.store.close()


def kept(among: set[asyncio.Future[Any]], doing: Awaitable[T]) -> asyncio.Future[T]:
    """What is done whether it is awaited or not, among these until it has been."""
    future = asyncio.ensure_future(doing)
    among.add(future)
    future.add_done_callback(among.discard)
    return future


async def elsewhere(action: Callable[[Store], Awaitable[T]], store: Store) -> T:
    """On another loop than where it is asked for."""
    return await action(store)


async def is_any(found: Awaitable[Sized]) -> bool:
    return bool(await found)


def moment_of(condition: Condition) -> datetime | None:
    """The moment of one that comes once."""
    if isinstance(condition, Zoned) and condition.zone == "UTC":
        moment = moment_of(condition.term)
        return None if moment is None else moment.replace(tzinfo=UTC)
    return condition.at if isinstance(condition, Once) else None


def pairs(tasks: Tasks) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Raises DefinitionError for what is neither a mapping nor pairs."""
    if isinstance(tasks, str) or not isinstance(tasks, Iterable):
        raise DefinitionError(f"{tasks!r}: {SHAPE}")
    for each in tasks.items() if isinstance(tasks, Mapping) else tasks:
        match each:
            case [name, Mapping() as given]:
                yield name, given
            case _:
                raise DefinitionError(f"{each!r}: {SHAPE}")


def aware(instant: int, zone: Zone) -> datetime:
    found = to_datetime(instant, zone)
    assert found is not None
    return found


class FirstLooks:
    """When a condition is to be looked at first, of a task that has no log: at once, or when it
    comes true. The answers of the latest conditions are kept, since many tasks may have the same.
    Raises DefinitionError for one that never can, whatever runs its task has had."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._verdicts: dict[tuple[Condition, Zone], Verdict] = {}
        self._planner = Planner(History())

    def __call__(self, condition: Condition, zone: Zone) -> int:
        now = self._session.clock.now()
        if (moment := moment_of(condition)) is not None:
            return max(now, from_datetime(moment, zone))
        value, _, until, _ = self._known(condition, zone, now)
        if value or until < FOREVER:
            return now if value else until
        value, _, until, _ = self._known(at_best(condition), zone, now)
        if value or until < FOREVER:
            return now  # a task that there is already has a log, which may be so
        raise DefinitionError(f"{str(condition)!r} is never true from now on")

    def _known(self, condition: Condition, zone: Zone, now: int) -> Verdict:
        verdict = self._verdicts.get((condition, zone), STALE)
        if not verdict.since <= now < verdict.until:
            verdict = self._verdict(condition, zone, now)
        return verdict

    def _verdict(self, condition: Condition, zone: Zone, now: int) -> Verdict:
        if self._planner.size > MOST_PLANS:
            self._verdicts.clear()
            self._planner = Planner(History())
        session = self._session
        self._planner.customs = session.customs
        self._planner.parameters = session.parameters
        self._planner.scheduler = Scheduler(now)
        plan = self._planner.plan(condition, "", zone)
        own = all(isinstance(each, TaskLog) and each.task == "" for each in plan.sources)
        if is_local(condition) or not own:
            verdict = Verdict(True, now, now + 1)  # only who knows the log can tell
        else:
            verdict = plan.check(now)
        self._verdicts[condition, zone] = verdict
        return verdict
