"""A store with something before and after each of its calls: faults, notes, an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from oncue.app.stores.dynamic import Awaited, Dynamic, Planned, Shares, Wanted
from oncue.app.stores.protocol import Answer, Claim, Finish, Missed, Query, Registered, Step, Store
from oncue.app.stores.skew import Skew
from oncue.engine.records import Action, Record

Hook = Callable[[str], Awaitable[None]]
"""Is told which call it is of. What it raises is raised by the call."""


async def nothing(call: str) -> None:
    """Neither a fault nor a note."""


class HookedStore:
    """`inner` does it. `before` comes before a call has had any effect, `after` when it has all of
    it and its answer is not given yet. `written` is told before that of each record that the call
    has written, and of the crashes that it has found. `skew` is what it knows of clocks, if `inner`
    knows nothing of them."""

    def __init__(
        self,
        inner: Store,
        before: Hook = nothing,
        after: Hook = nothing,
        written: Callable[[Record], None] | None = None,
        skew: Skew | None = None,
    ) -> None:
        self.inner = inner
        self._before = before
        self._after = after
        self._written = written
        self._skew = skew

    async def _call(self, name: str, *args: Any) -> Any:
        await self._before(name)
        answer = await getattr(self.inner, name)(*args)
        if self._written is not None:
            for record in seen(name, args, answer):
                self._written(record)
        await self._after(name)
        return answer

    @property
    def patience(self) -> int:
        return self.inner.patience

    @property
    def skew(self) -> Skew | None:
        return self.inner.skew or self._skew

    def on_notice(self, heard: Callable[[int], None]) -> None:
        self.inner.on_notice(heard)

    def again(self) -> HookedStore:
        again = self.inner.again()
        return HookedStore(again, self._before, self._after, self._written, self._skew)

    async def open(self, now: int) -> None:
        await self._call("open", now)

    async def load(self, lookback: Mapping[str, int]) -> tuple[int, list[Record]]:
        loaded: tuple[int, list[Record]] = await self._call("load", lookback)
        return loaded

    async def commit(self, steps: Sequence[Step], position: int | None = None) -> list[Answer]:
        answers: list[Answer] = await self._call("commit", steps, position)
        return answers

    async def follow(self, position: int, now: int) -> list[Record]:
        records: list[Record] = await self._call("follow", position, now)
        return records

    async def register(
        self, conditions: Mapping[str, str], now: int, again: Mapping[str, int] = {}
    ) -> dict[str, Registered]:
        known: dict[str, Registered] = await self._call("register", conditions, now, again)
        return known

    async def decided(self, tasks: Mapping[str, int]) -> None:
        await self._call("decided", tasks)

    async def trim(self, before: int, lookback: Mapping[str, int], most: int) -> int:
        dropped: int = await self._call("trim", before, lookback, most)
        return dropped

    async def schedule(self, tasks: Sequence[Planned], now: int) -> None:
        await self._call("schedule", tasks, now)

    async def unschedule(self, tasks: Sequence[str]) -> set[str]:
        return set(await self._call("unschedule", tasks))

    async def take(
        self, shares: Shares, now: int, but: Mapping[str, int] = {}
    ) -> tuple[list[Dynamic], int]:
        found: tuple[list[Dynamic], int] = await self._call("take", shares, now, but)
        return found

    async def let_go(self, but: Sequence[str]) -> None:
        await self._call("let_go", but)

    async def rouse(self, keys: Sequence[Awaited], now: int) -> None:
        await self._call("rouse", keys, now)

    async def set_back(self, now: int, beyond: int) -> None:
        await self._call("set_back", now, beyond)

    def dynamic(self, wanted: Wanted) -> list[Dynamic]:
        return self.inner.dynamic(wanted)

    async def close(self) -> None:
        await self._call("close")

    def peek(self, lookback: Mapping[str, int], now: int) -> tuple[int, list[Record]]:
        return self.inner.peek(lookback, now)

    def read(self, query: Query) -> list[Record]:
        return self.inner.read(query)

    def count(self, query: Query) -> int:
        return self.inner.count(query)

    def missed(self, tasks: Sequence[str] | None = None, newest: int | None = None) -> list[Missed]:
        return self.inner.missed(tasks, newest)

    def registered(self) -> dict[str, Registered]:
        return self.inner.registered()

    def instances(self) -> list[Any]:
        return self.inner.instances()


def seen(call: str, args: tuple[Any, ...], answer: Any) -> Iterator[Record]:
    """What is in the store by the answer to a call."""
    match call:
        case "commit":
            for step, number in zip(args[0], answer, strict=True):
                if isinstance(step, Claim | Finish) and isinstance(number, int):
                    yield step.record
        case "follow" | "load":
            records: list[Record] = answer if call == "follow" else answer[1]
            yield from (record for record in records if record.action is Action.CRASH)
