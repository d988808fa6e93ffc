"""The parameters of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any


class Parameters(MutableMapping[str, Any]):
    """The session's parameters, by name; conditions that read one hear of its change."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._values: dict[str, Any] = {}
        self._changed = changed

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value
        self._changed(name)

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self._changed(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Parameters({self._values!r})"
