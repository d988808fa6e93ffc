"""Real processes on one store, and somebody who kills, stops and continues them, and harms what is
between them and the store.

Every choice comes from a seed; what comes of it does not, since the processes take their own time.
Only processes that were started here are ever signalled.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from oncue.app.stores import store_at
from oncue.app.stores.dynamic import Dynamic, Wanted
from oncue.app.stores.protocol import Query, Store
from oncue.tests.durability.cast import CAST, EXCLUSIVE
from oncue.tests.durability.evidence import (
    SECOND,
    Effect,
    EffectFile,
    Evidence,
    Kind,
    Span,
    read_effects,
)
from oncue.tests.durability.instance import MODULE
from oncue.tests.durability.sites import Site, Victim

STOPS = ((0.2, 2.0), (2.0, 6.0), (16.0, 22.0))  # seconds; an instance's lease is of 15
LIVES = (0.5, 8.0)  # seconds until something happens to it
IN_PEACE = (1e9, 1e9)
STARTING = 60.0
ENDING = 60.0
MARGIN = 6 * SECOND
STRANGE = 5  # each so many-eth instance has a clock that nobody could work with
FAR = 5.0  # seconds that this is off


def now() -> int:
    return time.time_ns() // 1000


@dataclass
class Process:
    """One instance. `skew` is how many seconds its clock is ahead, `strange` whether that is too
    far for it to start anything, `was_cut_off` whether it ever was, or kept from writing. `ups` are
    when it was neither stopped nor dead nor cut off; `next_at` is when something happens to it, by
    `time.monotonic`."""

    name: str
    place: int
    skew: float
    strange: bool
    popen: subprocess.Popen[bytes]
    errors: Path
    next_at: float
    stopped: bool = False
    in_the_way: bool = False
    was_cut_off: bool = False
    up_since: int | None = None
    ups: list[tuple[int, int]] = field(default_factory=list)

    @property
    def lapses(self) -> Iterator[Span]:
        """Between those."""
        for (_, begin), (end, _) in pairwise(self.ups):
            yield Span(self.name, begin, end)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def up(self) -> None:
        if self.up_since is None:
            self.up_since = now()

    def down(self) -> None:
        if self.up_since is not None:
            self.ups.append((self.up_since, now()))
        self.up_since = None

    def stop(self) -> None:
        self.signal(signal.SIGSTOP)
        self.stopped = True
        self.down()

    def carry_on(self) -> None:
        self.signal(signal.SIGCONT)
        self.stopped = self.in_the_way = False


@dataclass
class Patient:
    """A victim, and when it is harmed next, or mended if it `is_ill`."""

    victim: Victim
    next_at: float
    is_ill: bool = False


class Nemesis:
    """`surprises` are what no fault explains: an instance that ended by itself, or that started
    something by a clock that is off."""

    def __init__(
        self,
        folder: Path,
        site: Site,
        seed: int,
        groups: Sequence[int] = (),
        lives: tuple[float, float] = LIVES,
    ) -> None:
        self.random = Random(seed)
        self.surprises: list[str] = []
        self.faults = 0
        self._folder = folder
        self._site = site
        self._lives = lives
        self._patients: list[Patient] = []
        self._effects = folder / "effects"
        self._write = EffectFile(self._effects).write
        self._groups = list(groups) or list(range(len(CAST)))
        self._born = 0
        self._living: list[Process] = []
        self._gone: list[Process] = []

    def run(self, instances: int, seconds: float) -> Evidence:
        """What is left after so long, and everything has settled and ended in order."""
        try:
            for place in range(instances):
                self._start(place)
            self._wait_until_all_are_there()
            for process in self._living:
                process.next_at = self._later(*self._lives)
            self._patients = [Patient(v, self._later(*v.rest)) for v in self._site.victims]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self._look_around()
                time.sleep(0.02)
            self._settle()
            self._end()
        finally:
            for process in self._living:
                process.popen.kill()
                process.popen.wait()
        return self._evidence()

    def _start(self, place: int) -> None:
        self._born += 1
        name = f"i{self._born}"
        errors = self._folder / f"{name}.err"
        skew, strange = self._clock()
        seed = str(self.random.getrandbits(32))
        arguments = [self._site.way(place), str(self._effects), name, seed, str(skew)]
        with errors.open("wb") as stderr:
            popen = subprocess.Popen(
                [sys.executable, "-m", MODULE, *arguments, *map(str, self._groups)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=self._folder,
            )
        lives_until = self._later(*self._lives)
        self._living.append(Process(name, place, skew, strange, popen, errors, lives_until))
        self._note_who_is_up()

    def _clock(self) -> tuple[float, bool]:
        """How far an instance's is off, and whether that is too far."""
        skew = self.random.uniform(-self._site.skew, self._site.skew)
        if self._site.skew and self._born % STRANGE == 0:
            return self.random.choice((FAR, -FAR)), True
        return skew, False

    def _wait_until_all_are_there(self) -> None:
        """Each has begun to look at what is due. On a busy machine that can take a while."""
        end = time.monotonic() + STARTING
        while {process.name for process in self._living} - self._ready().keys():
            assert time.monotonic() < end, f"not all were ready after {STARTING} s"
            self._replace_the_ended()
            time.sleep(0.1)

    def _replace_the_ended(self) -> None:
        for process in list(self._living):
            if process.popen.poll() is not None:
                self._bury(process, self._why_it_ended(process))
                self._start(process.place)

    def _later(self, least: float, most: float) -> float:
        return time.monotonic() + self.random.uniform(least, most)

    def _look_around(self) -> None:
        self._replace_the_ended()
        for process in list(self._living):
            if time.monotonic() >= process.next_at:
                self._do_something(process)
        for patient in self._patients:
            if time.monotonic() >= patient.next_at:
                self._treat(patient)
        self._note_who_is_up()

    def _why_it_ended(self, process: Process) -> str | None:
        """None: it could not begin, since it was cut off."""
        unready = process.was_cut_off and process.name not in self._ready()
        if process.popen.returncode == 1 and unready:
            return None
        return f"{process.name} ended by itself: {process.popen.returncode}"

    def _do_something(self, process: Process) -> None:
        self.faults += 1
        if process.stopped:
            process.carry_on()
            process.next_at = self._later(*self._lives)
        elif self.random.random() < 0.5:
            process.down()
            process.signal(signal.SIGKILL)
            process.popen.wait()
            self._bury(process)
            self._start(process.place)
        else:
            process.stop()
            process.in_the_way = self._site.is_locked()
            process.next_at = self._later(*self.random.choice(STOPS))

    def _treat(self, patient: Patient) -> None:
        if patient.is_ill:
            patient.victim.mend()
            patient.is_ill = False
            patient.next_at = self._later(*patient.victim.rest)
            return
        self.faults += 1
        patient.is_ill = True
        self._note_who_is_up()
        patient.next_at = time.monotonic() + patient.victim.harm(self.random)

    def _note_who_is_up(self) -> None:
        """Nobody is while one that is stopped keeps all from writing."""
        locked = any(process.in_the_way for process in self._living)
        for process in self._living:
            ill = any(p.is_ill and p.victim.touches(process.place) for p in self._patients)
            process.was_cut_off |= ill or locked
            if process.stopped or process.strange or ill or locked:
                process.down()
            else:
                process.up()

    def _bury(self, process: Process, surprise: str | None = None) -> None:
        process.down()
        self._living.remove(process)
        self._gone.append(process)
        self._write(Effect(Kind.GONE, process.name, now()))
        if surprise is not None:
            self.surprises.append(f"{surprise}\n{process.errors.read_text()[-2000:]}")

    def _settle(self) -> None:
        """All are there and left alone."""
        for patient in self._patients:
            if patient.is_ill:
                self._treat(patient)
        for process in self._living:
            if process.stopped:
                process.carry_on()
        self._note_who_is_up()
        self._wait_until_all_are_there()
        time.sleep(self._site.settling / 2)
        for process in self._living:
            process.signal(signal.SIGUSR1)
        time.sleep(self._site.settling / 2)
        for process in list(self._living):
            if process.popen.poll() is not None:
                self._bury(process, self._why_it_ended(process))

    def _end(self) -> None:
        for process in self._living:
            process.down()
            process.signal(signal.SIGTERM)
        for process in list(self._living):
            try:
                code = process.popen.wait(ENDING)
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
                self._bury(process, f"{process.name} did not end for {ENDING} s")
            else:
                self._bury(process, f"{process.name} ended with {code}" if code else None)

    def _ready(self) -> dict[str, int]:
        """Since when instances were, by their clocks."""
        effects = read_effects(self._effects)
        return {each.instance: each.at for each in effects if each.kind is Kind.READY}

    def _evidence(self) -> Evidence:
        effects = read_effects(self._effects)
        skews = {process.name: round(process.skew * SECOND) for process in self._gone}
        ready = {name: at - skews[name] for name, at in self._ready().items()}
        spans = [
            Span(process.name, max(begin, ready[process.name]), end)
            for process in self._gone
            if process.name in ready
            for begin, end in process.ups
            if end > ready[process.name]
        ]
        lapses = [lapse for process in self._gone for lapse in process.lapses]
        in_doubt = round(self._site.in_doubt * SECOND)
        lapses += [
            Span(process.name, end, end + in_doubt)
            for process in self._gone
            for _, end in process.ups[-1:]
        ]
        strange = {process.name for process in self._gone if process.strange}
        self.surprises += [
            f"{each.instance} started {each.task} by a clock that is off"
            for each in effects
            if each.kind is Kind.BEGAN and each.instance in strange
        ]
        store = store_at(self._site.address)
        roles = [role for number in self._groups for role in CAST[number]]
        promises = {role.task: role.promise for role in roles}
        exclusive = [pair for pair in EXCLUSIVE if promises.keys() >= set(pair)]
        return Evidence(
            store.read(Query()),
            effects,
            promises,
            spans,
            store.missed(),
            exclusive,
            margin=MARGIN + round((FAR + self._site.skew if self._site.skew else 0) * SECOND),
            rows=asyncio.run(rows_of(store)),
            lapses=lapses,
            in_doubt=in_doubt,
        )


async def rows_of(store: Store) -> list[Dynamic]:
    """The dynamic tasks there are, those woken for which a record came when nobody looked any
    more."""
    now = round(time.time() * SECOND)
    await store.open(now)
    try:
        await store.take({"nobody": 1}, now)
        return store.dynamic(Wanted())
    finally:
        await store.close()


def some_seed() -> int:
    """The one given by the environment, else any."""
    return int(os.environ.get("ONCUE_CHAOS_SEED") or int.from_bytes(os.urandom(4), "big"))
