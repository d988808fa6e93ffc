"""An app without effects, for tests of decisions: an agenda, a log, and a hand on the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from oncue.engine.agenda import Agenda
from oncue.engine.civil import from_datetime, to_datetime, zone
from oncue.engine.decisions import Missed, Start
from oncue.engine.history import History
from oncue.engine.plan import Planner
from oncue.engine.records import Action, Record
from oncue.engine.schedule import Overlap, Request, Schedule
from oncue.grammar.parser import parse

UTC = zone("UTC")
DAY = "2026-03-10"


def instant(text: str) -> int:
    """`10:00:01`, on DAY, or a whole `2026-03-11 10:00`; in UTC."""
    whole = text if "-" in text else f"{DAY} {text}"
    return from_datetime(datetime.fromisoformat(whole), UTC)


def shown(at: int) -> str:
    moment = to_datetime(at, UTC)
    assert moment is not None
    return moment.replace(tzinfo=None).isoformat(" ").removeprefix(f"{DAY} ")


class World:
    """Claims are granted as they are made, unless `refuse` says otherwise."""

    def __init__(self, now: str = "00:00:00", **options: int) -> None:
        self.now = instant(now)
        self.planner = Planner(History())
        self.agenda = Agenda(self.planner, self.now, **options)
        self.seq = 0
        self.live: dict[str, list[Record]] = {}

    def task(
        self,
        name: str,
        condition: str,
        *,
        until: str = "false",
        many: bool = False,
        since: str | None = None,
        **options: Any,
    ) -> World:
        """`until` is the end_cond, `many` means overlap, `since` when somebody last decided; the
        options are a Schedule's."""
        options = {"overlap": Overlap.ALLOW if many else Overlap.SKIP, **options}
        schedule = Schedule(parse(condition), UTC, end_cond=parse(until), **options)
        self.agenda.add(name, schedule, None if since is None else instant(since))
        return self

    def look(self, now: str | None = None, **room: int) -> list[str]:
        """Wake up once at `now`; the starts, as `task scheduled_at[ again n]`."""
        if now is not None:
            self.now = instant(now)
        return [self.claim(start) for start in self.agenda.decide(self.now, **room)]

    def until(self, end: str, *, lasting: int = 0) -> list[str]:
        """Wake up at every instant the agenda asks for; each run ends in success after
        `lasting` seconds, before anything else happens at that instant."""
        found: list[str] = []
        ends = instant(end)
        while True:
            found += self.look()
            finishing = min(
                (run.at + lasting * 1_000_000 for runs in self.live.values() for run in runs),
                default=ends,
            )
            wake = self.agenda.wake
            self.now = max(self.now, min(finishing, ends if wake is None else wake))
            if self.now >= ends:
                return found
            for name, runs in list(self.live.items()):
                while runs and runs[0].at + lasting * 1_000_000 <= self.now:
                    self.end(name)

    def claim(self, start: Start) -> str:
        self.seq += 1
        record = start.record._replace(seq=self.seq)
        self.agenda.settle(record.task, start.mark, self.seq)
        self.agenda.history.position = self.seq
        self.live.setdefault(record.task, []).append(record)
        assert record.scheduled_at is not None
        again = f" again {record.attempt}" if record.attempt else ""
        return f"{record.task} {shown(record.scheduled_at)}{again}"

    def end(self, name: str, action: Action = Action.SUCCESS, now: str | None = None) -> World:
        """The task's oldest live run ends."""
        if now is not None:
            self.now = instant(now)
        run = self.live[name].pop(0)
        return self.record(name, action, run=run.seq)

    def record(
        self, name: str, action: Action, *, at: str | None = None, run: int | None = None
    ) -> World:
        """Another instance writes a record."""
        self.seq += 1
        when = self.now if at is None else instant(at)
        self.agenda.take(Record(name, action, at=when, seq=self.seq, run=run), self.now)
        return self

    def ask(self, name: str, **request: Any) -> World:
        """A start is asked for."""
        self.agenda.request(name, Request(**request))
        return self

    @property
    def stops(self) -> list[str]:
        """The runs to be ended, as `task: why`."""
        return [f"{stop.task}: {stop.reason}" for stop in self.agenda.drain_stops()]

    @property
    def wakes(self) -> str | None:
        wake = self.agenda.wake
        return None if wake is None else shown(wake)

    @property
    def missed(self) -> list[str]:
        missed: list[Missed] = self.agenda.missed
        return [
            f"{m.task} {shown(m.scheduled_at)}"
            if m.until is None
            else f"{m.task} from {shown(m.scheduled_at)} until {shown(m.until)}"
            for m in missed
        ]
