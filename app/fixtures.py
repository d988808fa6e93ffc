"""What lives as long as the app does, made by functions of the user's.

A fixture is a generator, asynchronous or not, whose rest runs when the app has ended, whatever it
ended of; or a function that gives a value. It takes the running app, or nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from .arguments import signature_of
from .context import RESERVED, AppContext
from .errors import DefinitionError, OncueError

Fixture = Callable[..., Any]


class Fixtures:
    """Those of an app by their names, in the order in which they are set up."""

    def __init__(self) -> None:
        self._by_name: dict[str, Fixture] = {}

    def add(self, name: str, function: Fixture) -> None:
        """Raises DefinitionError for what can be none, or has a name that is taken."""
        if not callable(function):
            raise DefinitionError(f"the fixture {name!r} is a function, not {function!r}")
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise DefinitionError(f"the fixture's name {name!r} can be no attribute of a context")
        if name in RESERVED:
            raise DefinitionError(
                f"a context has a {name!r} of its own; name the fixture otherwise"
            )
        if name in self._by_name:
            raise DefinitionError(f"there is a fixture {name!r} already")
        required = [p for p in signature_of(function).values() if p.default is p.empty]
        if len([p for p in required if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]) > 1:
            raise DefinitionError(f"the fixture {name!r} takes the app's context, or nothing")
        self._by_name[name] = function

    @asynccontextmanager
    async def around(self, context: AppContext) -> AsyncIterator[None]:
        """Set them up, each seeing those before it, and tear them down in reverse. Raises what one
        of them raises, once all are."""
        async with AsyncExitStack() as stack:
            for name, function in self._by_name.items():
                made = function(context) if signature_of(function) else function()
                context.values[name] = await begun(name, made, stack)
            yield
        context.values.clear()


async def begun(name: str, made: Any, stack: AsyncExitStack) -> Any:
    """The value of a fixture whose function gave `made`."""
    try:
        if inspect.isasyncgen(made):
            value = await anext(made)
            stack.push_async_callback(finish_later, name, made)
        elif inspect.isgenerator(made):
            value = next(made)
            stack.callback(finish, name, made)
        else:
            value = await made if inspect.isawaitable(made) else made
    except (StopIteration, StopAsyncIteration):
        raise OncueError(f"the fixture {name!r} ended without a yield") from None
    return value


async def finish_later(name: str, generator: Any) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    raise OncueError(f"the fixture {name!r} yields more than once")


def finish(name: str, generator: Any) -> None:
    try:
        next(generator)
    except StopIteration:
        return
    raise OncueError(f"the fixture {name!r} yields more than once")
