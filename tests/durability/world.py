"""Several instances of an app on one ledger and one virtual time, and a seeded nemesis.

Every fault comes from the seed: how bad the weather is, which store calls are delayed, fail or are
the last thing an instance does (before the call had an effect, or after it had and before anybody
heard), which instances are stopped for longer than a lease or die while nothing happens. At the end
the weather clears, everybody is there, and all is ended in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import cast

from oncue import App
from oncue.app.errors import OncueError, StoreError
from oncue.app.stores.dynamic import Wanted
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.memory import MemoryStore
from oncue.app.stores.protocol import LogLost, Query, Store
from oncue.app.stores.skew import Skew
from oncue.engine.records import Record
from oncue.tests.durability.cast import CAST, EXCLUSIVE, Player, Role
from oncue.tests.durability.evidence import SECOND, Effect, Evidence, Kind, Span
from oncue.tests.durability.hooked import HookedStore
from oncue.tests.durability.virtual import Call, HotLoop, Machine, VirtualLoop

EPOCH = 1_780_272_000 * SECOND  # a midnight
GROUPS = 3  # of tasks, in a world
SETTLING = 15 * SECOND  # since the last lease ran out: places are filled, crashes waited for
USUALLY = (0.00001, 0.001)  # seconds that a call of the store takes
LONGEST_STOP = 25.0
CUT = (0.1, 6.0)  # seconds
BY_SERVER = 1.9  # seconds, just below max_skew: the store is on a server, which tells the time
FAR = 5.0  # seconds by which a clock is off that nobody could work with
STRANGE = 0.2  # how many of those there are where the store tells the time
LEASE_LEFT = (10.0, 15.0)  # seconds of an instance's lease, when it is not renewed any more


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances: of each store call, and of each second of an instance's life."""

    delay: float
    slowest: float  # seconds
    error: float
    death_in_call: float
    death: float
    stop: float
    cut: float
    skew: float  # seconds; how far an instance's clock may be off

    @classmethod
    def of(cls, random: Random) -> Weather:
        def chance(most: float) -> float:
            return random.choice((0.0, most / 10, most / 3, most))

        return cls(
            delay=chance(1.0),
            slowest=random.choice((0.001, 0.05, 0.5)),
            error=chance(0.1),
            death_in_call=chance(0.02),
            death=chance(0.05),
            stop=chance(0.05),
            cut=chance(0.1),
            skew=random.choice((0.0, 0.0, 0.005, 0.9, BY_SERVER)),
        )


class WorldClock:
    """An instance's clock: the machine's time, and how far it is off."""

    def __init__(self, machine: Machine, skew: int = 0) -> None:
        self._machine = machine
        self._skew = skew

    def now(self) -> int:
        return EPOCH + self._machine.now + self._skew


class Instance:
    """One process, from its start to its death or end."""

    def __init__(self, world: World, name: str, roles: tuple[Role, ...]) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.loop: VirtualLoop = world.machine.loop()
        self._ready = False
        self._failing = False
        self._cut_until = 0
        self._up_since: int | None = None
        self._losing: Call | None = None
        self._lapsed_since: int | None = None
        random = Random(world.random.getrandbits(64))
        skew = random.uniform(-world.weather.skew, world.weather.skew)
        by_server = world.weather.skew == BY_SERVER
        self._strange = by_server and random.random() < STRANGE
        if self._strange:
            skew = random.choice((FAR, -FAR))
        off = round(skew * SECOND)
        clock = WorldClock(world.machine, off)
        self.player = Player(name, clock, random, self._effect)
        self.player.calm = world.calm
        self.app = App(clock=clock, timezone="UTC", func_run_id=world.label)
        self.inner = MemoryStore(world.ledger)
        known = Skew(-off, -off) if by_server else None
        store = HookedStore(self.inner, self._before, self._after, self._written, known)
        self.app.session.store = cast(Store, store)
        self.player.define(self.app, roles)
        self.asking: asyncio.Task[None] | None = None
        self.main = self.loop.create_task(self.app.session.serve(self._begun))
        self.main.add_done_callback(self._ended)

    # --- faults ---------------------------------------------------------------------------

    async def _before(self, call: str) -> None:
        await self._weather()
        if self.is_cut_off:
            self._failing = True
            raise LogLost(f"{call} finds the connection lost")
        if self.world.chance(self.world.weather.error):
            self._failing = True
            self.down()
            raise StoreError(f"{call} failed by chance")

    async def _after(self, call: str) -> None:
        await self._weather(self.world.random.uniform(*USUALLY))
        if self._failing and not self.is_cut_off:
            self._failing = False
            self.up()

    async def _weather(self, lasting: float = 0) -> None:
        """What befalls a call that takes so many seconds."""
        world = self.world
        if not self.alive:
            raise StoreError("this instance is dead")
        if world.chance(world.weather.delay):
            lasting += world.random.uniform(0, world.weather.slowest)
        if lasting:
            await asyncio.sleep(lasting)
        if world.chance(world.weather.death_in_call):
            self.die()
            await self.loop.create_future()

    def _ended(self, main: asyncio.Future[None]) -> None:
        """An instance gives up for good when its store fails for long; nothing else ends it."""
        self.down()
        if self.asking is not None:
            self.asking.cancel()
        if not self.alive or main.cancelled():
            return
        self.world.effects.append(Effect(Kind.GONE, self.name, self.world.now))
        if main.exception() is None:
            self._lapse_over()
            return
        self._lose_later()  # it could not leave
        if not isinstance(main.exception(), OncueError):
            self.world.surprises.append(f"{self.name} ended of {main.exception()!r}")

    @property
    def living(self) -> bool:
        return self.alive and not self.main.done()

    def die(self) -> None:
        self.down()
        self.alive = False
        self.world.effects.append(Effect(Kind.GONE, self.name, self.world.now))
        self.world.machine.drop(self.loop)
        if self.world.random.random() < 0.5:  # on this host it is seen at once, else by its lease
            self.lose()
        else:
            self._lose_later()

    def stop(self) -> None:
        self.down()
        self.loop.stopped = True
        self._lose_later()

    def carry_on(self) -> None:
        self.loop.stopped = False
        if self._losing is not None:
            self._losing.cancel()
        self.up()

    @property
    def is_cut_off(self) -> bool:
        return self.world.machine.now < self._cut_until

    def cut_off(self) -> None:
        """For a while each call finds its connection lost, and the log in doubt."""
        self.down()
        lasting = round(self.world.random.uniform(*CUT) * SECOND)
        self._failing, self._cut_until = True, self.world.machine.now + lasting

    def _lose_later(self) -> None:
        """Nobody renews its lease any more."""
        left = self.world.random.uniform(*LEASE_LEFT)
        self._losing = self.world.director.call_later(left, self.lose)
        self.world.settles_after(left)

    def lose(self) -> None:
        self.world.ledger.lose(self.inner.id)
        self._lapse_over()

    # --- notes ----------------------------------------------------------------------------

    def _begun(self) -> None:
        self._ready = True
        self.up()
        self.asking = self.loop.create_task(self.player.ask_for_all(self.app, self._newest))

    def up(self) -> None:
        """It has begun, its store answers, it is not stopped, and its clock is right."""
        if self._ready and not self._failing and self._up_since is None:
            self._lapse_over()
            if not self._strange:
                self._up_since = self.world.now

    def _lapse_over(self) -> None:
        """It holds no dynamic task of which it knows nothing."""
        if self._lapsed_since is not None:
            self.world.lapses.append(Span(self.name, self._lapsed_since, self.world.now))
            self._lapsed_since = None

    def down(self) -> None:
        if self._lapsed_since is None:
            self._lapsed_since = self.world.now
        if self._up_since is not None:
            self.world.spans.append(Span(self.name, self._up_since, self.world.now))
            self._up_since = None

    async def _newest(self) -> int:
        return self.world.ledger.newest

    def _effect(self, effect: Effect) -> None:
        if self._strange and effect.kind is Kind.BEGAN:
            what = f"{self.name} started {effect.task} by a clock that is off"
            self.world.surprises.append(what)
        if self.alive:
            self.world.effects.append(effect)

    def _written(self, record: Record) -> None:
        of = {"task": record.task, "run_id": record.run_id, "action": record.action}
        self.player.write(Kind.WRITTEN, **of)


class World:
    """One seed's course."""

    def __init__(
        self,
        seed: int,
        *,
        instances: int = 1,
        seconds: float = 60.0,
        without: Collection[str] = (),
    ) -> None:
        self.random = Random(seed)
        self.machine = Machine(self.random)
        self.director = self.machine.loop()
        self.weather = Weather.of(self.random)
        self.calm = False
        self.surprises: list[str] = []
        self.spans: list[Span] = []
        self.lapses: list[Span] = []
        self.effects: list[Effect] = []
        self.instances: list[Instance] = []
        self._places = instances
        self._seconds = seconds
        self._roles = tuple(
            role
            for group in self.random.sample(CAST, GROUPS)
            for role in group
            if role.task not in without
        )
        self._born = 0
        self._labels = 0
        self._lost_by = round(seconds * SECOND)  # after which nothing is held by the dead
        self.ledger = Ledger(lambda: self.machine.now)

    @property
    def now(self) -> int:
        return EPOCH + self.machine.now

    def chance(self, probability: float) -> bool:
        return not self.calm and probability > 0 and self.random.random() < probability

    def label(self, task: object, parameters: object) -> str:
        self._labels += 1
        return f"run {self._labels}"

    def run(self) -> Evidence:
        try:
            self.machine.run(self.director.create_task(self._direct()))
        except HotLoop as hot:
            self.surprises.append(str(hot))
        for loop in (self.director, *(instance.loop for instance in self.instances)):
            self.surprises += [str(error) for error in loop.errors]
        log = MemoryStore(self.ledger).read(Query())
        promises = {role.task: role.promise for role in self._roles}
        exclusive = [pair for pair in EXCLUSIVE if promises.keys() >= set(pair)]
        return Evidence(
            log,
            self.effects,
            promises,
            self.spans,
            MemoryStore(self.ledger).missed(),
            exclusive,
            margin=self._margin,
            rows=MemoryStore(self.ledger).dynamic(Wanted()),
            lapses=self.lapses,
        )

    @property
    def _margin(self) -> int:
        """Two turns or three, each with several slow calls, as what is claimed with something that
        is refused is refused too; clocks that are apart, also that of who wrote when a lease was
        over."""
        skew = self.weather.skew
        apart = skew + (FAR if skew == BY_SERVER else skew)
        return SECOND + round((15 * self.weather.slowest + apart) * SECOND)

    def settles_after(self, seconds: float) -> None:
        """A lease runs out then that nobody renews; but what dies of itself may do so for ever."""
        most = self._seconds + 2 * LEASE_LEFT[1]
        lost_by = min(self.machine.now / SECOND + seconds, most)
        self._lost_by = max(self._lost_by, round(lost_by * SECOND))

    async def _direct(self) -> None:
        places = [asyncio.create_task(self._keep(place)) for place in range(self._places)]
        await asyncio.sleep(self._seconds)
        self.calm = True
        for instance in self.living():
            instance.player.calm = True
            if instance.loop.stopped:
                instance.carry_on()
        while (left := self._lost_by + SETTLING - self.machine.now) > 0:
            await asyncio.sleep(left / SECOND)
        for place in places:
            if place.done():
                place.result()
            place.cancel()
        for instance in self.living():
            instance.down()
            instance.app.shut_down()
        await asyncio.gather(*(finished(instance.main) for instance in self.living()))

    def living(self) -> list[Instance]:
        return [instance for instance in self.instances if instance.living]

    async def _keep(self, place: int) -> None:
        """One place always has an instance again; second by second something may happen to it."""
        await asyncio.sleep(self.random.uniform(0, 2))
        instance = self._give_birth(place)
        while True:
            await asyncio.sleep(self.random.uniform(0, 2))
            if instance.living and self.chance(self.weather.death):
                instance.die()
            if instance.living and not instance.is_cut_off and self.chance(self.weather.cut):
                instance.cut_off()
            if instance.living and self.chance(self.weather.stop):
                instance.stop()
                lasting = self.random.uniform(0, LONGEST_STOP)
                await asyncio.sleep(min(lasting, self._seconds - self.machine.now / SECOND))
                if instance.loop.stopped:
                    instance.carry_on()
            if not instance.living:
                await asyncio.sleep(self.random.uniform(0, 5))
                instance = self._give_birth(place)

    def _give_birth(self, place: int) -> Instance:
        self._born += 1
        instance = Instance(self, f"{place}.{self._born}", self._roles)
        self.instances.append(instance)
        return instance


async def finished(main: asyncio.Future[None]) -> None:
    """Wait for a task of another loop."""
    while not main.done():
        await asyncio.sleep(0.01)
    main.result()
    main.result()
