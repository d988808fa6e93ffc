"""What lives as long as the app does, made by functions of the user's.

A fixture is a generator, asynchronous or not, whose rest runs when the app has ended, whatever it
ended of; or a function that gives a value. It takes the running app, or nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from .arguments import signature_of
from .context import RESERVED, AppContext
from .errors import DefinitionError, OncueError

Fixture = Callable[..., Any]
BY_NAME = {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


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
        try:
            inspect.Signature(list(signature_of(function).values())).bind(*given_to(function, None))
        except TypeError as error:
            raise DefinitionError(
                f"the fixture {name!r} takes the app's context, or nothing; called so: {error}"
            ) from None
        self._by_name[name] = function

    @asynccontextmanager
    async def around(self, context: AppContext) -> AsyncIterator[None]:
        """Set them up, each seeing those before it, and tear them down in reverse. Raises what one
        of them raises, once all are."""
        left: list[tuple[str, Any]] = []
        try:
            for name, function in self._by_name.items():
                made = function(*given_to(function, context))
                context.values[name] = await begun(name, made, left)
            yield
        finally:
            await tear_down(left)
        context.values.clear()


def given_to(function: Fixture, context: Any) -> tuple[Any, ...]:
    """What it is called with: the context, if it takes anything by position."""
    kinds = {parameter.kind for parameter in signature_of(function).values()}
    return () if kinds <= BY_NAME else (context,)


async def begun(name: str, made: Any, left: list[tuple[str, Any]]) -> Any:
    """The value of a fixture whose function gave `made`; what is to be torn down is among those
    `left`."""
    try:
        if inspect.isasyncgen(made):
            value = await anext(made)
            left.append((name, made))
        elif inspect.isgenerator(made):
            value = next(made)
            left.append((name, made))
        else:
            value = await made if inspect.isawaitable(made) else made
    except (StopIteration, StopAsyncIteration):
        raise OncueError(f"the fixture {name!r} ended without a yield") from None
    return value


async def tear_down(left: list[tuple[str, Any]]) -> None:
    """The last first. Of several that fail the last to do so is raised, those before it are its
    context."""
    if left:
        try:
            await finish(*left.pop())
        finally:
            await tear_down(left)


async def finish(name: str, generator: Any) -> None:
    try:
        if inspect.isasyncgen(generator):
            await anext(generator)
        else:
            next(generator)
    except (StopIteration, StopAsyncIteration):
        return
    raise OncueError(f"the fixture {name!r} yields more than once")
