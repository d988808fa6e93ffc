"""The dynamic tasks on a Redis server: how they are told to it, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from ...engine.civil import FOREVER
from . import redisrowslua as lua
from .dynamic import PIECE, Awaited, Dynamic, Planned, Rest, Shares, State, Wanted
from .redistext import name_of, raw
from .rediswire import Argument, Script

KEPT = 3600  # seconds for which the server knows what it answered to a removal, and what is staged

scheduling, unscheduling = Script(lua.SCHEDULE), Script(lua.UNSCHEDULE)
staging, confirming, going_on = Script(lua.STAGE), Script(lua.CONFIRM), Script(lua.GO_ON)
taking, letting_go = Script(lua.TAKE), Script(lua.LET_GO)
rousing, finding = Script(lua.ROUSE), Script(lua.FIND)
setting_back = Script(lua.SET_BACK)

Run = Callable[..., Any]
"""Gives what a script gives for some arguments; it may be run twice."""


class RowWriter:
    """Writes for one instance by a function that runs scripts. What it holds by a `take` whose
    answer was lost is let go of by the next: `_taking` is the number of the latest one that it
    asked for, `_took` of the latest that was answered."""

    def __init__(self, run: Run, instance: str) -> None:
        self._run = run
        self._instance = instance
        self._taking = self._took = 0
        self._token = 0  # of the latest removal

    def schedule(self, log: Sequence[Argument], tasks: Sequence[Planned], now: int) -> None:
        """`log` is what is known of the log."""
        planned = [
            (*each[:4], str(each.version), str(each.due))
            for each in {each.task: each for each in tasks}.values()
        ]
        texts = [as_text(now, planned[n : n + PIECE]) for n in range(0, len(planned), PIECE)]
        if len(texts) == 1:
            self._until_done(scheduling, *log, self._instance, texts[0])
            return
        name = uuid4().hex
        for number, text in enumerate(texts):
            self._run(staging, name, KEPT, number, text)
        self._until_done(confirming, *log, name, len(texts))
        self._until_done(going_on, self._instance)

    def _until_done(self, script: Script, *arguments: Argument) -> None:
        """A script that does a piece of the work, and says whether there is more."""
        while self._run(script, *arguments):
            pass

    def unschedule(self, tasks: Sequence[str]) -> set[str]:
        self._token += 1
        names = [raw(task) for task in tasks]
        while True:
            gone = self._run(unscheduling, self._instance, self._token, KEPT, *names)
            if gone is not None:
                return set(json.loads(name_of(gone)))

    def take(
        self,
        log: Sequence[Argument],
        member: Sequence[Argument],
        shares: Shares,
        now: int,
        but: Mapping[str, int],
    ) -> tuple[list[Dynamic], int]:
        """`member` is how the instance joins if it was taken for gone."""
        self._taking += 1
        asked = [each for shard, share in shares.items() for each in (raw(shard), share)]
        others = as_json({task: str(version) for task, version in but.items()}) if but else "{}"
        first, *found = self._run(
            taking, *log, self._instance, *member, now, self._taking, self._took, raw(others),
            *asked,
        )  # fmt: skip
        self._took = self._taking
        return dynamics_of(found), int(first) if first else FOREVER

    def let_go(self, but: Sequence[str]) -> None:
        self._run(letting_go, self._instance, *map(raw, but))

    def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        self._until_done(rousing, self._instance, PIECE, now, *map(key_of, keys))

    def set_back(self, now: int, beyond: int) -> None:
        self._until_done(setting_back, self._instance, PIECE, now, beyond)


def key_of(awaited: Awaited) -> bytes:
    task, action = awaited
    return raw(f"{action} {task}")


def rest_arguments(rest: Rest) -> list[Argument]:
    """A rest as the script of a commit takes it."""
    reads = dict.fromkeys(map(key_of, rest.reads))
    due = "" if rest.due is None else rest.due
    said = rest.version, due, rest.decided, rest.position, rest.wait, int(rest.done)
    return ["rest", raw(rest.task), *said, len(reads), *reads]


def as_text(now: int, planned: Sequence[tuple[str, ...]]) -> bytes:
    """A piece of what is to be scheduled."""
    return raw(f"{now} {as_json(planned)}")


def as_json(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def dynamics_of(found: Sequence[bytes]) -> list[Dynamic]:
    return [dynamic_of(*pair) for pair in zip(found[::2], found[1::2], strict=True)]


def dynamic_of(task: bytes, text: bytes) -> Dynamic:
    shard, said, condition, *more = json.loads(name_of(text))
    version, born, since, decided, due, look, wait, holder, *waits = more
    return Dynamic(
        name_of(task),
        shard,
        said,
        condition,
        int(version),
        int(born),
        int(since),
        number(decided),
        number(due),
        number(look),
        int(wait),
        len(waits),
        holder or None,
    )


def number(text: str) -> int | None:
    return int(text) if text else None


class RowReader:
    """Reads under a prefix, by commands that `ask` sends and scripts that `run` runs."""

    def __init__(self, ask: Callable[..., Any], run: Run, prefix: str) -> None:
        self._ask = ask
        self._run = run
        self._prefix = prefix

    def find(self, wanted: Wanted) -> list[Dynamic]:
        """Those that are wanted, by name; from the first name on, and no further than needed."""
        bounds = (wanted.since, wanted.until)
        said = [wanted.state or "", wanted.now, *("" if b is None else b for b in bounds)]
        found: list[Dynamic] = []
        for names in self._names(wanted):
            found += dynamics_of(self._run(finding, *said, *names))
            if wanted.most is not None and len(found) >= wanted.most:
                return found[: wanted.most]
        return found

    def _names(self, wanted: Wanted) -> Iterator[Sequence[bytes]]:
        """What may be wanted, piece by piece."""
        low = max(f"{wanted.family}:" if wanted.family is not None else "", wanted.after or "")
        high = None if wanted.family is None else raw(f"{wanted.family};")
        chosen = None if wanted.tasks is None else {raw(task) for task in wanted.tasks}
        if wanted.state is State.HELD and chosen is None:
            chosen = self._held()
        if chosen is not None:
            names = sorted(c for c in chosen if c > raw(low) and (high is None or c < high))
            yield from (names[n : n + PIECE] for n in range(0, len(names), PIECE))
            return
        plain = wanted.state is None and wanted.since is None and wanted.until is None
        most = PIECE if wanted.most is None or not plain else min(PIECE, wanted.most)
        first = b"(" + raw(low) if low else b"-"
        last = b"+" if high is None else b"(" + high
        key = f"{self._prefix}name"
        while names := self._ask("ZRANGEBYLEX", key, first, last, "LIMIT", 0, most):
            yield names
            first = b"(" + names[-1]

    def _held(self) -> set[bytes]:
        """What the instances hold."""
        instances = self._ask("ZRANGE", f"{self._prefix}instance", 0, -1)
        held = [
            self._ask("ZRANGE", f"{self._prefix}held:{id_.decode()}", 0, -1) for id_ in instances
        ]
        return {task for tasks in held for task in tasks}
