"""One log in memory, and who is on it: what several `MemoryStore`s of a process may share.

It keeps the newest `KEPT` records and, of older ones, what a start would need: the latest of each
task and action, the live runs, and what lies in the look-back that was last asked for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count
from threading import RLock

from ...engine.civil import FOREVER
from ...engine.decisions import Missed
from ...engine.records import Action, Record
from ..clock import uptime
from .dynamic import family_of
from .rows import Rows

KEPT = 100_000

Line = tuple[str, str, int, int | None, int | None, int | None, str | None, str | None, int | None]
"""A record as it is kept, without its number: of plain values alone, so that the garbage collector
looks at it only once. There may be many."""
TEXT = {action: action.value for action in Action}
ACTION = {text: action for action, text in TEXT.items()}


def record_of(line: Line, seq: int) -> Record:
    task, action, at, scheduled_at, attempt, run, run_id, error, until = line
    return Record(task, ACTION[action], at, seq, scheduled_at, attempt, run, run_id, error, until)


Held = dict[int, Record]
"""The runs whose leases an instance has, by their RUN records."""


class Ledger:
    """`lines` are the records, `seqs` their numbers; they are put together where they are read.
    `clock` times the leases, in microseconds; without one they are timed by the uptime of the host,
    which is never set. `ends` is when the lease of a run ends by it, of those that do so by time.
    `instances` are those that have it open, by when they joined."""

    def __init__(self, clock: Callable[[], int] = uptime) -> None:
        self.clock = clock
        self.lock = RLock()
        self.lines: list[Line] = []
        self.seqs: list[int] = []
        self.newest = 0
        self.held: dict[str, Held] = {}
        self.ends: dict[int, int] = {}
        self.instances: dict[str, int] = {}
        self.missed: set[Missed] = set()
        self.conditions: dict[str, tuple[str, int]] = {}  # of each task, and since when
        self.outdated: dict[str, set[str]] = {}  # by instance, tasks registered otherwise since
        self.decided: dict[str, int] = {}
        self.lookback: dict[str, int] = {}
        self.rows = Rows()
        self.families: set[str] = set()  # those of dynamic tasks that are looked for
        self._by_task: dict[str, list[int]] | None = None  # numbers, once they are asked for
        self.name: Callable[[], int] = count(1).__next__
        self._lost: set[str] = set()
        self._after: tuple[tuple[int, int], dict[tuple[str, str], int]] = (0, 0), {}

    def lose(self, instance: str) -> None:
        """Take an instance for gone, as if its process had ended; who next opens or follows the
        log writes `crash` for its runs."""
        self._lost.add(instance)

    def is_gone(self, instance: str) -> bool:
        return instance not in self.instances or instance in self._lost

    def join(self, instance: str, now: int) -> None:
        self.instances[instance] = now
        self.held.setdefault(instance, {})
        self._lost.discard(instance)

    def over(self, own: str = "") -> list[tuple[str, int, Record]]:
        """The live runs whose lease is over, or whose instance is gone, by sequence; to an instance
        of its own it is not gone."""
        now = self.clock()
        found = [
            (instance, run, record)
            for instance, held in list(self.held.items())
            for run, record in list(held.items())
            if self.ends.get(run, FOREVER) <= now or (instance != own and self.is_gone(instance))
        ]
        return sorted(found, key=lambda each: each[1])

    def release(self, held: Held, run: int) -> None:
        del held[run]
        if self.ends:
            self.ends.pop(run, None)

    def reap(self, now: int, own: str = "") -> None:
        """Write their `crash`, release what they leave held, and forget the instances that are
        gone."""
        for instance, run, record in self.over(own):
            self.append(Record(record.task, Action.CRASH, now, run=run, run_id=record.run_id))
            self.release(self.held[instance], run)
            self.rows.release(record.task, instance)
        for instance in [each for each in self.held if each != own and self.is_gone(each)]:
            self.instances.pop(instance, None)
            self._lost.discard(instance)
            del self.held[instance]
            self.rows.release_all(instance)

    def append(self, record: Record) -> int:
        task, action, at, _, scheduled_at, attempt, run, run_id, error, until = record[:]
        line = task, TEXT[action], at, scheduled_at, attempt, run, run_id, error, until
        self.lines.append(line)
        self.newest = seq = self.newest + 1
        self.seqs.append(seq)
        if self._by_task is not None:
            self._by_task.setdefault(record.task, []).append(seq)
        if self.rows.waiting:
            self.rows.stir((record.task, record.action._value_), seq, record.at)
        if len(self.lines) >= 2 * KEPT:
            self._shorten()
        return seq

    def after(self, position: int) -> list[Record]:
        """The records after that number, by sequence."""
        places = range(bisect_right(self.seqs, position), len(self.seqs))
        return [record_of(self.lines[place], self.seqs[place]) for place in places]

    def stir_again(self, position: int, keys: Iterable[tuple[str, str]]) -> None:
        """Some are waited for now that have records after that number."""
        asked = position, self.newest
        if self._after[0] != asked:
            first = bisect_right(self.seqs, position)
            self._after = asked, {line[:2]: line[2] for line in self.lines[first:]}
        for key in keys:
            if key in self._after[1]:
                self.rows.stir(key, self.newest, self._after[1][key])

    def remember(self, lookback: Mapping[str, int]) -> None:
        """This was asked for, and will be again; not of dynamic tasks, which come and go."""
        self.lookback |= {t: since for t, since in lookback.items() if not self._is_dynamic(t)}

    def _is_dynamic(self, task: str) -> bool:
        return ":" in task and family_of(task) in self.families

    def _shorten(self) -> None:
        """Drop what is beyond the newest `KEPT` and would not be asked for."""
        needed = self.needed(self.lookback)
        old = self.newest - KEPT
        self._drop({seq for seq in self.seqs if seq <= old and seq not in needed})

    def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        """As `Store.trim`."""
        missed = sorted(
            (m for m in self.missed if (m.until or m.scheduled_at) < before), key=by_instant
        )[:most]
        self.missed -= set(missed)
        instants = dict(zip(self.seqs, (line[2] for line in self.lines), strict=True))
        young = {run for _, _, at, _, _, run, *_ in self.lines if at >= before}  # endings are
        needed = self.needed(lookback)
        doomed = [
            seq
            for seq, (_, _, at, _, _, run, *_) in zip(self.seqs, self.lines, strict=True)
            if seq not in needed
            and seq not in young
            and max(at, instants.get(run or 0, 0)) < before
        ][: most - len(missed)]
        self._drop(set(doomed))
        return len(missed) + len(doomed)

    def needed(self, lookback: Mapping[str, int], tasks: Collection[str] | None = None) -> set[int]:
        """The numbers of what `Store.load` gives for a look-back; of these tasks, or of all."""
        heads: dict[tuple[str, str], int] = {}
        runs: dict[tuple[str, str], int] = {}  # the latest of each ending
        ended_by: dict[int, int] = {}
        run_of: dict[int, int] = {}
        found: set[int] = set()
        live: set[str] = set()
        for held in self.held.values():
            for run, record in held.items():
                if tasks is None or record.task in tasks:
                    found.add(run)
                    live.add(record.task)
        for seq, line in self._lines_of(tasks):
            task, action, at, _, _, ended, *_ = line
            if self._is_dynamic(task) and task not in lookback:
                if task not in self.rows and task not in live:
                    continue  # it is gone, and with it what it has done
            heads[task, action] = seq
            if ended is not None:
                runs[task, action] = max(ended, runs.get((task, action), ended))
                ended_by[ended], run_of[seq] = seq, ended
            if at >= lookback.get(task, FOREVER):
                found.add(seq)
        found.update(heads.values(), runs.values())
        found.update([run_of[seq] for seq in found if seq in run_of])
        found.update([ended_by[seq] for seq in found if seq in ended_by])
        return found

    def _lines_of(self, tasks: Collection[str] | None) -> Iterable[tuple[int, Line]]:
        """Those of these tasks, or all, by number. Where there are dynamic tasks, which are asked
        about again and again, by an index."""
        if tasks is None:
            return zip(self.seqs, self.lines, strict=True)
        if not self.families:
            pairs = zip(self.seqs, self.lines, strict=True)
            return ((seq, line) for seq, line in pairs if line[0] in tasks)
        if self._by_task is None:
            self._by_task = {}
            for seq, line in zip(self.seqs, self.lines, strict=True):
                self._by_task.setdefault(line[0], []).append(seq)
        by_task = self._by_task
        found = sorted(seq for task in tasks for seq in by_task.get(task, ()))
        return [(seq, self.line(seq)) for seq in found]

    def line(self, seq: int) -> Line:
        """That of a number that there is."""
        return self.lines[bisect_left(self.seqs, seq)]

    def _drop(self, doomed: set[int]) -> None:
        self._by_task = None
        pairs = zip(self.seqs, self.lines, strict=True)
        kept = [(seq, line) for seq, line in pairs if seq not in doomed]
        self.seqs = [seq for seq, _ in kept]
        self.lines = [line for _, line in kept]

    def note_missed(self, missed: Iterable[Missed]) -> None:
        """Those that no run has served."""
        noted = set(missed)
        first = min(each.scheduled_at for each in noted)
        served = {
            Missed(task, scheduled_at)
            for task, action, at, scheduled_at, *_ in self.lines
            if at >= first and action == Action.RUN and scheduled_at is not None
        }
        self.missed |= noted - served


def by_instant(missed: Missed) -> tuple[int, str]:
    return missed.scheduled_at, missed.task
