"""How `oncue log` shows records: as lines to read, or as lines of JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import IO, Protocol

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from ...conds.diagnostic import printable
from ...engine.civil import Zone, to_datetime
from ...engine.records import Action, Record
from ..stores.protocol import Query, Store
from .options import encodable
from .wording import OUTCOMES, distance, offset, wrapped

SECOND = 1_000_000
MADE = re.compile(r"[0-9a-f]{32}")  # a label that nobody has given
HEADING = "Traceback (most recent call last):\n"
INSTANTS = ("at", "scheduled_at", "until")


class Teller(Protocol):
    """Tells records, in order of their numbers."""

    to_stdout: bool

    def tell(self, records: list[Record]) -> None:
        """All of it is out when this returns."""

    def end(self) -> None:
        """Say what there is to say of the whole."""


class JsonLines:
    """An object a line, with what the record has; instants in ISO 8601."""

    def __init__(self, file: IO[str], zone: Zone) -> None:
        self._file = file
        self._zone = zone
        self._count = 0
        self._name = "" if file is sys.stdout else str(file.name)
        self.to_stdout = self._name in ("", "-")

    def tell(self, records: list[Record]) -> None:
        for record in records:
            self._file.write(json.dumps(self._plain(record), ensure_ascii=False) + "\n")
        self._file.flush()
        self._count += len(records)

    def _plain(self, record: Record) -> dict[str, object]:
        fields = {name: value for name, value in record._asdict().items() if value is not None}
        for name in INSTANTS:
            moment = to_datetime(fields[name], self._zone) if name in fields else None
            if moment is not None:
                fields[name] = moment.isoformat()
        return fields

    def end(self) -> None:
        if not self.to_stdout:
            click.echo(f"wrote {self._count:,} records to {self._name}")


class Lines:
    """A line a record; where a terminal is too narrow for it, several. The times of runs that have
    not ended yet are remembered, those of others are read."""

    to_stdout = True

    def __init__(self, store: Store, zone: Zone, tracebacks: bool) -> None:
        self._store = store
        self._zone = zone
        self._tracebacks = tracebacks
        self._began: dict[int, int] = {}
        self._console = Console(soft_wrap=True, highlight=False)
        self._width = self._console.width if self._console.is_terminal else None
        self._task = self._run = 0  # the widths of columns
        self._told = False

    def tell(self, records: list[Record]) -> None:
        self._learn(records)
        for record in records:
            for line in self._lines(record):
                self._print(encodable(line, self._console.encoding))
        if records:
            self._told = True
            self._console.file.flush()

    def _print(self, line: Text) -> None:
        if self._console.color_system is None:
            self._console.file.write(f"{line.plain}\n")
        else:
            self._console.print(line)

    def end(self) -> None:
        if not self._told:
            click.echo("there is nothing of that in the log", err=True)

    def _learn(self, records: list[Record]) -> None:
        self._began |= {each.seq: each.at for each in records if each.action is Action.RUN}
        absent = {each.run for each in records if each.run} - self._began.keys()
        if absent:
            runs = self._store.read(Query(seqs=tuple(sorted(absent))))
            self._began |= {run.seq: run.at for run in runs}
        for record in records:
            self._task = max(self._task, cell_len(printable(record.task)))
            self._run = max(self._run, len(number_of(record)))

    def _lines(self, record: Record) -> Iterator[Text]:
        style = OUTCOMES.get(record.action, "dim")
        details = list(self._details(record))
        head, rest = self._head(record, style), Text("  ".join(details), style)
        if self._width is None or head.cell_len + 2 + rest.cell_len <= self._width:
            yield stripped(head + Text("  ") + rest)
        elif stripped(head).cell_len <= self._width:
            yield stripped(head)
            for detail in details:
                yield from (Text(each, style) for each in wrapped(detail, self._width, "  "))
        else:
            yield Text(self._instant(record.at), "dim")
            for each in (record.task, f"{record.action} {number_of(record)}", *details):
                yield from (Text(part, style) for part in wrapped(each, self._width, "  "))
        if self._tracebacks and record.error:
            for each in record.error.rstrip().splitlines():
                yield Text(f"    {printable(each)}", style)

    def _head(self, record: Record, style: str) -> Text:
        """In columns: when, which task, what happened, and the number of the run."""
        task = printable(record.task)
        line = Text().append(f"{self._instant(record.at)}  ", "dim").append(task)
        line.append(" " * (self._task - cell_len(task) + 2))
        return line.append(f"{record.action:<9}", style).append(
            f"  {number_of(record):<{self._run}}"
        )

    def _instant(self, at: int) -> str:
        moment = to_datetime(at, self._zone)
        return "?" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} {offset(moment)}"

    def _details(self, record: Record) -> Iterator[str]:
        if record.action is Action.RUN:
            if record.attempt:
                yield f"retry {record.attempt}"
            if record.at - record.logical >= SECOND:
                yield f"{distance(record.at - record.logical)} late"
            if record.run_id and not MADE.fullmatch(record.run_id):
                yield f"label {printable(record.run_id)}"
        else:
            began = self._began.pop(record.run or 0, None)
            if began is not None and began <= record.at:  # unless the clock was set back
                yield f"took {length(record.at - began)}"
            if record.error:
                yield printable(gist(record.error))


def stripped(line: Text) -> Text:
    line = line.copy()
    line.rstrip()
    return line


def number_of(record: Record) -> str:
    """The number of the run."""
    run = record.seq if record.action is Action.RUN else record.run
    return "" if run is None else f"#{run}"


def length(microseconds: int) -> str:
    """How long a run took: `0.125 s`, `12.3 s`, `2 minutes 3 seconds`."""
    seconds = microseconds / SECOND
    if seconds < 60:
        return f"{seconds:.3f} s" if seconds < 10 else f"{seconds:.1f} s"
    return distance(microseconds)


def gist(error: str) -> str:
    """The line of a traceback that says what was raised, or the first of another text: of the last
    traceback in it, the first line that is not indented."""
    lines = error.rpartition(HEADING)[2].strip("\n").splitlines()
    return next((line for line in lines if line[:1].strip()), error.strip())
