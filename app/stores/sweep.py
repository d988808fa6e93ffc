"""How a log in tables is swept of what is old: a stretch at a time, from the oldest on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from .dynamic import family_of

SWEPT = 1000  # records that are looked at in one transaction to drop the old

Seen = tuple[int, str, int]
"""A record's number and task, and the latest instant of the run it is of."""


class Sweep:
    """`position` is the number up to which was looked; the oldest from there on come next.
    `families` are those of dynamic tasks that are known, since the instance looked for some."""

    def __init__(self) -> None:
        self.position = 0
        self.families: set[str] = set()

    def learn(self, shards: Iterable[str]) -> None:
        """Dynamic tasks of these are looked for."""
        self.families.update(family_of(shard) for shard in shards)

    def doomed(
        self,
        seen: Sequence[Seen],
        before: int,
        lookback: Mapping[str, int],
        most: int,
        always: Callable[[set[str]], Container[int]],
        there: Callable[[set[str]], set[str]],
    ) -> tuple[list[int], bool]:
        """Which of the records seen are to go, and whether there are more to look at: up to where
        none is old; then the next stretch begins anew. `always` gives what stays of tasks whatever
        the look-back is; of a dynamic task that is not `there`, which has no row and no live run,
        nothing does."""
        old = [
            (seq, task) for seq, task, at in seen if at < min(before, lookback.get(task, at + 1))
        ]
        tasks = {task for _, task in old}
        dynamic = {task for task in tasks if ":" in task and family_of(task) in self.families}
        kept = always(tasks - dynamic | there(dynamic) if dynamic else tasks)
        doomed = [seq for seq, _ in old if seq not in kept]
        if len(doomed) > most:
            self.position = doomed[most - 1]
            return doomed[:most], True
        more = any(at < before for *_, at in seen)
        self.position = seen[-1][0] if more else 0
        return doomed, more
