"""What is read of the log on Redis: the same by whoever writes to it and by those who only look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from ...engine.civil import FOREVER
from ...engine.records import Action, Record
from .ledger import by_instant
from .protocol import Instance, Missed, Query, Registered
from .redislua import OVER, PICK
from .redisrows import RowReader
from .redistext import decoded, missed_of, name_of, raw, record_of, records_of, registered_of
from .rediswire import Client, Script, persistent
from .sweep import SWEPT, Seen

PIECE = 1000  # so much is asked for at once

over, pick = Script(OVER), Script(PICK)


class Reader:
    """Reads by a client what lies under a prefix."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self.prefix = prefix
        self.rows = RowReader(self.ask, self._run, prefix)

    def ask(self, *command: Any) -> Any:
        return persistent(lambda: self._client.execute_command(*command))

    def _ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """In few round trips."""

        def once(piece: Sequence[Sequence[Any]]) -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in piece:
                    pipeline.execute_command(*command)
                return pipeline.execute()

        found: list[Any] = []
        for piece in pieces(commands):
            found += persistent(partial(once, piece))
        return found

    def _run(self, script: Script, *arguments: Any) -> Any:
        return persistent(lambda: script(self._client, f"{self.prefix}meta", *arguments))

    def version(self) -> int:
        """Of what lies there; 0: there is nothing."""
        return int(self.ask("HGET", f"{self.prefix}meta", "version") or 0)

    def newest(self) -> int:
        return int(self.ask("HGET", f"{self.prefix}meta", "newest") or 0)

    # --- records --------------------------------------------------------------------------

    def pick(self, numbers: Iterable[int]) -> list[Record]:
        """Those of these records that are there."""
        wanted = list(numbers)
        return [r for piece in pieces(wanted) for r in records_of(self._run(pick, *piece))]

    def after(self, position: int) -> Iterator[Record]:
        """The records after that number, by sequence."""
        key = f"{self.prefix}record"
        while True:
            lines = self.ask("ZRANGEBYSCORE", key, f"({position}", "+inf", "LIMIT", 0, PIECE)
            yield from records_of(lines)
            if len(lines) < PIECE:
                return
            position = record_of(lines[-1]).seq

    def _backwards(self, position: int | None) -> Iterator[Record]:
        """The records after that number, or all, the latest first."""
        key, first, last = f"{self.prefix}record", "+inf", f"({position or 0}"
        while True:
            lines = self.ask("ZREVRANGEBYSCORE", key, first, last, "LIMIT", 0, PIECE)
            yield from records_of(lines)
            if len(lines) < PIECE:
                return
            first = f"({record_of(lines[-1]).seq}"

    def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        """What `Store.load` gives. What others write meanwhile is in it too, whole: it is read on
        from the number that was the newest at first."""
        first = self.newest()
        found: dict[int, Record] = {}
        if first:
            for tasks in pieces(list(lookback)):
                needed = self._needed({task: lookback[task] for task in tasks})
                found |= {record.seq: record for record in needed}
        newest = first
        for record in self.after(first):
            newest = record.seq
            if record.task in lookback:
                found[record.seq] = record
        return newest, [found[seq] for seq in sorted(found)]

    def always(self, tasks: Iterable[str]) -> set[int]:
        """The numbers of what `load` gives of these tasks whatever the look-back is."""
        return {record.seq for record in self._needed(dict.fromkeys(tasks, FOREVER))}

    def there(self, tasks: set[str]) -> set[str]:
        """Those that are dynamic tasks, or have a live run."""
        names = list(tasks)
        rows = self.ask("HMGET", f"{self.prefix}dynamic", *map(raw, names))
        found = {task for task, row in zip(names, rows, strict=True) if row is not None}
        holders = self.ask("HVALS", f"{self.prefix}holder")
        return found | (tasks & {name_of(each.partition(b" ")[2]) for each in holders})

    def _needed(self, lookback: Mapping[str, int]) -> list[Record]:
        if not lookback:
            return []
        fields = [raw(f"{action} {task}") for task in lookback for action in Action]
        commands: list[list[Any]] = [
            ["HMGET", f"{self.prefix}head", *fields],
            ["HMGET", f"{self.prefix}latest", *fields],
            ["ZRANGE", f"{self.prefix}lease", 0, -1],
        ]
        commands += [
            ["ZRANGEBYSCORE", self._key("at", task), since, "+inf"]
            for task, since in lookback.items()
            if since < FOREVER
        ]
        numbers = {int(seq) for reply in self._ask_all(commands) for seq in reply if seq}
        records = [record for record in self.pick(numbers) if record.task in lookback]
        known = {record.seq for record in records}
        records += self.pick({r.run for r in records if r.run} - known)
        ended = {record.run for record in records}
        runs = [r.seq for r in records if r.action is Action.RUN and r.seq not in ended]
        return records + self.pick(self._endings(runs).values())

    def _endings(self, runs: Sequence[int]) -> dict[int, int]:
        """The numbers of the endings that these runs have."""
        found: dict[int, int] = {}
        for piece in pieces(runs):
            endings = self.ask("HMGET", f"{self.prefix}ended", *piece)
            found |= {run: int(seq) for run, seq in zip(piece, endings, strict=True) if seq}
        return found

    def _key(self, kind: str, task: str) -> bytes:
        return f"{self.prefix}{kind}:".encode() + raw(task)

    def query(self, query: Query) -> list[Record]:
        """The records that satisfy the query, by sequence."""
        backwards = query.oldest is None
        matching = filter(query.matches, self._candidates(query, backwards))
        found = list(islice(matching, query.newest if backwards else query.oldest))
        return found[::-1] if backwards else found

    def _candidates(self, query: Query, backwards: bool) -> Iterator[Record]:
        """What may satisfy the query, by sequence, or the latest first."""
        if query.seqs is not None:
            numbers = set(query.seqs)
        elif query.tasks is not None:
            numbers = {
                int(seq)
                for reply in self._ask_all(self._of_tasks("ZRANGEBYSCORE", query))
                for seq in reply
            }
        else:
            yield from self._backwards(query.after) if backwards else self.after(query.after or 0)
            return
        if query.after is not None:
            numbers = {seq for seq in numbers if seq > query.after}
        for piece in pieces(sorted(numbers, reverse=backwards)):
            yield from self.pick(piece)

    def _of_tasks(self, command: str, query: Query) -> list[list[Any]]:
        """That command on what each task of the query has in its time."""
        since = "-inf" if query.since is None else query.since
        until = "+inf" if query.until is None else f"({query.until}"
        tasks = dict.fromkeys(query.tasks or ())
        return [[command, self._key("at", task), since, until] for task in tasks]

    def count(self, query: Query) -> int:
        if query == Query():
            return int(self.ask("ZCARD", f"{self.prefix}record"))
        if query.tasks is not None and query == Query(
            tasks=query.tasks, since=query.since, until=query.until
        ):
            return sum(self._ask_all(self._of_tasks("ZCOUNT", query)))
        return len(self.query(query))

    def crashes(self, now: int, newest: int) -> list[Record]:
        """The `crash` of each live run whose lease is over, numbered from the newest on."""
        runs = self.pick(int(run) for run in self._run(over))
        return [
            Record(run.task, Action.CRASH, now, newest + n, run=run.seq, run_id=run.run_id)
            for n, run in enumerate(runs, 1)
        ]

    # --- what is old ----------------------------------------------------------------------

    def seen(self, position: int) -> list[Seen]:
        """The next piece of records after that number."""
        key = f"{self.prefix}record"
        found = self.ask("ZRANGEBYSCORE", key, f"({position}", "+inf", "LIMIT", 0, SWEPT)
        rows = records_of(found)
        endings = self._endings([r.seq for r in rows if r.action is Action.RUN])
        beside = {*endings.values(), *(r.run for r in rows if r.run)} - {r.seq for r in rows}
        at = {r.seq: r.at for r in [*rows, *self.pick(beside)]}
        return [
            (
                r.seq,
                r.task,
                max(at.get(seq or 0, r.at) for seq in (r.seq, r.run, endings.get(r.seq))),
            )
            for r in rows
        ]

    def old_missed(self, before: int, most: int) -> list[bytes]:
        """The members of what was missed before that instant, the oldest first."""
        members = self.ask("ZRANGEBYSCORE", f"{self.prefix}missed", "-inf", f"({before}")
        found = [(missed_of(member), member) for member in members]
        return [m for each, m in found if (each.until or each.scheduled_at) < before][:most]

    # --- beside the log -------------------------------------------------------------------

    def missed(self, tasks: Sequence[str] | None, newest: int | None) -> list[Missed]:
        wanted = None if tasks is None else set(tasks)
        members = self.ask("ZRANGE", f"{self.prefix}missed", 0, -1)
        found = sorted(map(missed_of, members), key=by_instant)
        found = [each for each in found if wanted is None or each.task in wanted]
        return found if newest is None else found[max(0, len(found) - newest) :]

    def registered(self, conditions: Mapping[str, str] | None) -> dict[str, Registered]:
        found: dict[str, Registered] = {}
        cursor = 0
        while True:
            cursor, fields = self.ask("HSCAN", f"{self.prefix}task", cursor, "COUNT", PIECE)
            for name, value in fields.items():
                since, decided, condition = value.split(b" ", 2)
                task = name_of(name)
                if conditions is None or conditions.get(task) == name_of(condition):
                    found[task] = registered_of(since, decided)
            if not cursor:
                return found

    def instances(self, own: str) -> list[Instance]:
        (seconds, rest), ends, members = self._ask_all(
            [
                ["TIME"],
                ["ZRANGE", f"{self.prefix}instance", 0, -1, "WITHSCORES"],
                ["HGETALL", f"{self.prefix}member"],
            ]
        )
        now = seconds * 1_000_000 + rest
        end = dict(zip(ends[::2], map(float, ends[1::2]), strict=True))
        found: list[Instance] = []
        for name, member in members.items():
            if name in end:
                host, pid, since = decoded(member.decode())
                id_ = name.decode()
                found.append(Instance(id_, host, pid, since, end[name] > now, id_ == own))
        return sorted(found, key=lambda each: (each.since, each.id))


def pieces(whole: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(whole), PIECE):
        yield whole[first : first + PIECE]
