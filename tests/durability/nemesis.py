"""Real processes on one store, and somebody who kills, stops and continues them.

Every choice comes from a seed; what comes of it does not, since the processes take their own time.
Only processes that were started here are ever signalled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from oncue.app.stores import store_at
from oncue.app.stores.protocol import Query
from oncue.tests.durability.cast import CAST, EXCLUSIVE
from oncue.tests.durability.evidence import SECOND, Evidence, Kind, Span, read_effects
from oncue.tests.durability.instance import MODULE

STOPS = ((0.2, 2.0), (2.0, 6.0), (16.0, 22.0))  # seconds; an instance's lease is of 15
LIVES = (0.5, 8.0)  # seconds until something happens to it
SETTLING = 8.0  # where a process that is gone is seen to be; else its lease runs out first
SETTLING_ON_A_SERVER = 24.0
ENDING = 60.0
MARGIN = 6 * SECOND


def now() -> int:
    return time.time_ns() // 1000


@dataclass
class Process:
    """One instance. `ups` are when it was neither stopped nor dead; `next_at` is when something
    happens to it, by `time.monotonic`."""

    name: str
    popen: subprocess.Popen[bytes]
    errors: Path
    next_at: float
    up_since: int | None = field(default_factory=now)
    ups: list[tuple[int, int]] = field(default_factory=list)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def down(self) -> None:
        if self.up_since is not None:
            self.ups.append((self.up_since, now()))
        self.up_since = None

    def carry_on(self) -> None:
        self.signal(signal.SIGCONT)
        self.up_since = now()

    @property
    def stopped(self) -> bool:
        return self.up_since is None


class Nemesis:
    """`surprises` are what no fault explains: an instance that ended by itself."""

    def __init__(self, folder: Path, address: str, seed: int, groups: Sequence[int] = ()) -> None:
        self.random = Random(seed)
        self.surprises: list[str] = []
        self.faults = 0
        self._folder = folder
        self._address = address
        self._effects = folder / "effects"
        self._groups = list(groups) or list(range(len(CAST)))
        self._settling = SETTLING_ON_A_SERVER if "://" in address else SETTLING
        self._born = 0
        self._living: list[Process] = []
        self._gone: list[Process] = []

    def run(self, instances: int, seconds: float) -> Evidence:
        """What is left after so long, and everything has settled and ended in order."""
        try:
            for _ in range(instances):
                self._start()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                self._look_around()
                time.sleep(0.02)
            self._settle(instances)
            self._end()
        finally:
            for process in self._living:
                process.popen.kill()
                process.popen.wait()
        return self._evidence()

    def _start(self) -> None:
        self._born += 1
        name = f"i{self._born}"
        errors = self._folder / f"{name}.err"
        seed = str(self.random.getrandbits(32))
        arguments = [self._address, str(self._effects), name, seed, *map(str, self._groups)]
        with errors.open("wb") as stderr:
            popen = subprocess.Popen(
                [sys.executable, "-m", MODULE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=self._folder,
            )
        self._living.append(Process(name, popen, errors, self._later(*LIVES)))

    def _later(self, least: float, most: float) -> float:
        return time.monotonic() + self.random.uniform(least, most)

    def _look_around(self) -> None:
        for process in list(self._living):
            if process.popen.poll() is not None:
                self._bury(process, f"{process.name} ended by itself: {process.popen.returncode}")
                self._start()
            elif time.monotonic() >= process.next_at:
                self._do_something(process)

    def _do_something(self, process: Process) -> None:
        self.faults += 1
        if process.stopped:
            process.carry_on()
            process.next_at = self._later(*LIVES)
        elif self.random.random() < 0.5:
            process.down()
            process.signal(signal.SIGKILL)
            process.popen.wait()
            self._bury(process)
            self._start()
        else:
            process.signal(signal.SIGSTOP)
            process.down()
            process.next_at = self._later(*self.random.choice(STOPS))

    def _bury(self, process: Process, surprise: str | None = None) -> None:
        process.down()
        self._living.remove(process)
        self._gone.append(process)
        if surprise is not None:
            self.surprises.append(f"{surprise}\n{process.errors.read_text()[-2000:]}")

    def _settle(self, instances: int) -> None:
        """All are there and left alone."""
        for process in self._living:
            if process.stopped:
                process.carry_on()
        time.sleep(self._settling / 2)
        for process in self._living:
            process.signal(signal.SIGUSR1)
        time.sleep(self._settling / 2)
        for process in list(self._living):
            if process.popen.poll() is not None:
                self._bury(process, f"{process.name} ended by itself: {process.popen.returncode}")

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

    def _evidence(self) -> Evidence:
        effects = read_effects(self._effects)
        ready = {each.instance: each.at for each in effects if each.kind is Kind.READY}
        spans = [
            Span(process.name, max(begin, ready[process.name]), end)
            for process in self._gone
            if process.name in ready
            for begin, end in process.ups
            if end > ready[process.name]
        ]
        store = store_at(self._address)
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
            margin=MARGIN,
        )


def some_seed() -> int:
    """The one given by the environment, else any."""
    return int(os.environ.get("ONCUE_CHAOS_SEED") or int.from_bytes(os.urandom(4), "big"))
