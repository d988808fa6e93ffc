"""How a log in tables is swept of what is old: a stretch at a time, from the oldest on."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

SWEPT = 1000  # records that are looked at in one transaction to drop the old

Seen = tuple[int, str, int]
"""A record's number and task, and the latest instant of the run it is of."""


class Sweep:
    """`position` is the number up to which was looked; the oldest from there on come next."""

    def __init__(self) -> None:
        self.position = 0

    def doomed(
        self,
        seen: Sequence[Seen],
        before: int,
        lookback: Mapping[str, int],
        most: int,
        always: Callable[[Iterable[str]], Container[int]],
    ) -> tuple[list[int], bool]:
        """Which of the records seen are to go, and whether there are more to look at: up to where
        none is old; then the next stretch begins anew. `always` gives what stays of tasks whatever
        the look-back is."""
        old = [
            (seq, task) for seq, task, at in seen if at < min(before, lookback.get(task, at + 1))
        ]
        kept = always({task for _, task in old})
        doomed = [seq for seq, _ in old if seq not in kept]
        if len(doomed) > most:
            self.position = doomed[most - 1]
            return doomed[:most], True
        more = any(at < before for *_, at in seen)
        self.position = seen[-1][0] if more else 0
        return doomed, more
