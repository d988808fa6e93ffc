"""Options: attributes that may be assigned at any time.

What is given is read into what it means before anything changes: one reader per kind, which
refuses what cannot be with the option's name, the value, and what would be right. Then the owner
is told, so that a running app plans anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import timedelta, tzinfo
from enum import StrEnum
from functools import cache, lru_cache
from math import isfinite
from threading import Lock
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, overload

from ..conds.diagnostic import nearest
from ..conds.durations import Duration
from ..conds.lint import named_tasks
from ..conds.nodes import Condition, Constant, ParamIs, ParamsExist, Retry
from ..conds.tree import postorder
from ..engine.civil import UnknownZoneError, Zone
from ..engine.civil import zone as zone_of
from ..engine.policy import ExecutionMode, FailureMode
from ..engine.schedule import CatchUp, Overlap
from ..grammar.phrases import Phrases
from .compat import SWITCHES
from .errors import DefinitionError
from .executors import EXECUTIONS
from .stores.protocol import CLOCK_CHECK, LONGEST_NAME, UNSPEAKABLE

T = TypeVar("T")
W = TypeVar("W", bound=StrEnum)
DurationLike = Duration | timedelta | str | float
NEVER: Literal["never"] = "never"  # how a time limit says that there is none
Limit = Duration | Literal["never"]
LEAST_AGE = 2 * CLOCK_CHECK  # in which even a loop with nothing to do turns, though it is late


class Speaker(Protocol):
    """What conditions are read for: it knows their phrases."""

    @property
    def phrases(self) -> Phrases: ...


class Owner(Speaker, Protocol):
    """What has options. `values` are those that were assigned; it is replaced, never changed."""

    values: dict[str, Any]

    def assigned(self, name: str) -> None:
        """An option has a new value."""


Reader = Callable[[Any, str, Speaker], T]
_assigning = Lock()  # several threads may assign different options of one owner


class Option(Generic[T]):
    """A descriptor: what is assigned goes through `read`. Where nothing was, it is `default`; where
    it is None, it is what `derive` makes of the owner. What is assigned takes the place of the
    options `instead_of`; None only where it means something, by `derive`."""

    def __init__(
        self,
        read: Reader[T],
        default: Any = None,
        *,
        derive: Callable[[Any], T] | None = None,
        instead_of: tuple[str, ...] = (),
        doc: str = "",
    ) -> None:
        self.read = read
        self.default = default
        self.derive = derive
        self.instead_of = instead_of
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Owner, kind: type) -> T: ...
    def __get__(self, owner: Owner | None, kind: type) -> Self | T:
        if owner is None:
            return self
        value: T = owner.values.get(self.name, self.default)
        return self.derive(owner) if value is None and self.derive is not None else value

    def __set__(self, owner: Owner, given: Any) -> None:
        value = self.read(given, self.name, owner)
        ours = {self.name}
        if value is not None or self.derive is not None:
            ours.update(self.instead_of)  # an option that says nothing takes no other's place
        with _assigning:
            before = owner.values
            owner.values = {k: v for k, v in before.items() if k not in ours} | {self.name: value}
        try:
            owner.assigned(self.name)
        except BaseException:
            with _assigning:
                others = {k: v for k, v in owner.values.items() if k not in ours}
                owner.values = others | {k: v for k, v in before.items() if k in ours}
            raise


def options_of(kind: type) -> dict[str, Option[Any]]:
    """The options that a class has, by name; not to be changed."""
    return _options_of(kind)


@cache
def _options_of(kind: Hashable) -> dict[str, Option[Any]]:
    assert isinstance(kind, type)
    found: dict[str, Option[Any]] = {}
    for base in reversed(kind.__mro__):
        found |= {name: value for name, value in vars(base).items() if isinstance(value, Option)}
    return found


def read_all(kind: type, owner: Speaker, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of that class given by keyword, read; nothing is assigned. Raises
    DefinitionError for an unknown one, naming those that are near."""
    known = options_of(kind)
    for name in given:
        if name not in known:
            raise DefinitionError(unknown(name, known))
    return {name: known[name].read(value, name, owner) for name, value in given.items()}


def unknown(name: str, known: Iterable[str]) -> str:
    near = nearest(name, sorted({*known, *SWITCHES}))
    return f"there is no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


# --- readers ------------------------------------------------------------------------------------


class optional(Generic[T]):
    """Reads as `read` does, but None stays None."""

    def __init__(self, read: Reader[T]) -> None:
        self.read = read

    def __call__(self, given: Any, name: str, owner: Speaker) -> T | None:
        return None if given is None else self.read(given, name, owner)


def from_text(option: Option[Any], text: str) -> Any:
    """What a text stands for that comes from outside a program, for the option's reader: `true`
    and `false`, whole numbers, seconds, `none`; else the text itself."""
    read = option.read
    word = text.strip().lower()
    if isinstance(read, optional):
        if word == "none":
            return None
        read = read.read
    if read is switch and word in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        return word in ("true", "1", "yes", "on")
    if read in (whole, count) and word.removeprefix("-").isdecimal():
        return int(word)
    if read in (duration, age, limit, grace) and word.replace(".", "", 1).isdecimal():
        return float(word)
    return text


def switch(given: Any, name: str, owner: Speaker) -> bool:
    if not isinstance(given, bool):
        raise DefinitionError(f"{name}={given!r}: it is True or False")
    return given


def whole(given: Any, name: str, owner: Speaker) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise DefinitionError(f"{name}={given!r}: it is a whole number")
    return given


def count(given: Any, name: str, owner: Speaker) -> int:
    if whole(given, name, owner) < 1:
        raise DefinitionError(f"{name}={given!r}: it is 1 or more")
    return int(given)


def address(given: Any, name: str, owner: Speaker) -> tuple[str, int]:
    """An address to listen at; where none is said, that of this machine alone."""
    host, _, port = str(given).rpartition(":")
    named = re.fullmatch(r"\[([0-9A-Fa-f:.%\w]+)\]|([^\[\]:/\s]*)", host)
    if named is None or not port.isdecimal() or int(port) > 65535 or isinstance(given, bool):
        raise DefinitionError(
            f"{name}={given!r}: it is a port, or an address and a port, as in '127.0.0.1:8080'"
        )
    return named[1] or named[2] or "127.0.0.1", int(port)


def text(given: Any, name: str, owner: Speaker) -> str:
    if not isinstance(given, str):
        raise DefinitionError(f"{name}={given!r}: it is text")
    return given


def one_of(*known: str) -> Reader[str]:
    """One of these words."""

    def read(given: Any, name: str, owner: Speaker) -> str:
        if given not in known:
            near = nearest(str(given), known)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DefinitionError(f"{name}={given!r}: it is one of {', '.join(known)}{hint}")
        return str(given)

    return read


execution = one_of(*EXECUTIONS)


class word_of(Generic[W]):
    """One of an enumeration's words, or its member."""

    def __init__(self, kind: type[W]) -> None:
        self._kind = kind
        self._read = one_of(*(str(member) for member in kind))

    def __call__(self, given: Any, name: str, owner: Speaker) -> W:
        return self._kind(self._read(given, name, owner))


overlap = word_of(Overlap)
catch_up = word_of(CatchUp)
failure_mode = word_of(FailureMode)
execution_mode = word_of(ExecutionMode)


def function(given: Any, name: str, owner: Speaker) -> Callable[..., Any]:
    if not callable(given):
        raise DefinitionError(f"{name}={given!r}: it is a function")
    found: Callable[..., Any] = given
    return found


def parameters(given: Any, name: str, owner: Speaker) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise DefinitionError(f"{name}={given!r}: it is a dictionary, with names as keys")
    return dict(given)


def json_object(given: Any, name: str, owner: Speaker) -> dict[str, Any]:
    """Names and values that JSON can say, as copies."""
    try:
        return json_values(parameters(given, name, owner), name)
    except RecursionError as error:
        raise DefinitionError(f"{name}: it is nested too deeply, or holds itself") from error


def json_values(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The same of all, as copies. Raises DefinitionError for what JSON cannot say."""
    return {
        key if key.isascii() else json_text(key, name): (
            value
            if type(value) in CERTAIN or (type(value) is int and value.bit_length() <= LARGEST)
            else json_value(value, f"{name}[{key!r}]")
        )
        for key, value in given.items()
    }


CERTAIN = (bool, type(None))
LARGEST = 14_284  # bits: Python makes text of 4,300 digits


def json_text(given: str, where: str) -> str:
    found = HALVES.search(given)
    if found is not None:
        half = f"{found[0]!r}, half of a surrogate pair"
        raise DefinitionError(f"{where}: {given!r} holds {half}, which no store can keep")
    return given


HALVES = re.compile("[\ud800-\udfff]")


def json_value(given: Any, where: str) -> Any:
    match given:
        case str():
            return given if given.isascii() else json_text(given, where)
        case None | bool():
            return given
        case int():
            if given.bit_length() > LARGEST:
                raise DefinitionError(
                    f"{where}: a number of {given.bit_length():,} bits is too large for JSON; it "
                    f"has at most {LARGEST:,}, which are 4,300 digits"
                )
            return given
        case float() if isfinite(given):
            return given
        case list() | tuple():
            return [json_value(value, f"{where}[{place}]") for place, value in enumerate(given)]
        case dict() if all(isinstance(key, str) for key in given):
            return json_values(given, where)
        case _:
            raise DefinitionError(
                f"{where}={given!r}: it is no value of JSON: None, True, False, a finite number, "
                "text, a list, or a dictionary with names as keys"
            )


def duration(given: Any, name: str, owner: Speaker) -> Duration:
    """From seconds, text or timedelta."""
    try:
        return Duration.of(given)
    except (ValueError, TypeError) as error:
        raise DefinitionError(f"{name}={given!r}: {error}") from error


def age(given: Any, name: str, owner: Speaker) -> Duration:
    """A duration in which a loop that is well surely turns."""
    found = duration(given, name, owner)
    if found.microseconds < LEAST_AGE:
        raise DefinitionError(
            f"{name}={given!r}: an app with nothing to do turns every {Duration(CLOCK_CHECK)}; "
            f"give {Duration(LEAST_AGE)} or more"
        )
    return found


def limit(given: Any, name: str, owner: Speaker) -> Limit:
    """A duration, or `never`."""
    return NEVER if given == NEVER else duration(given, name, owner)


def grace(given: Any, name: str, owner: Speaker) -> Duration:
    """A duration that may be nothing: then it is the shortest there is."""
    return Duration(1) if given == 0 else duration(given, name, owner)


printed = lru_cache(maxsize=256)(str)  # many tasks may have the same condition


def condition(given: Any, name: str, owner: Speaker) -> Condition:
    """A condition as users write it; None is never."""
    match given:
        case str():
            refuse_unspeakable(given, name)
            return refuse_long_names(owner.phrases.parse(given), given, name)
        case bool() | None:
            return Constant(bool(given))
        case Condition():
            refuse_unspeakable(printed(given), name)
            refuse_idle(retries_in(given), name)
            return refuse_long_names(given, printed(given), name)
        case _:
            raise DefinitionError(
                f"{name} is text or a condition, not {type(given).__name__} {given!r}"
            )


def refuse_unspeakable(text: str, name: str) -> None:
    """A condition is kept in the store, and so are the names of the tasks that it asks for."""
    found = None if text.isprintable() else UNSPEAKABLE.search(text)
    if found is not None:
        what = f"{name}={text!r} holds {found[0]!r}, a character that no store can keep"
        raise DefinitionError(f"{what}; no task has it in its name")


def refuse_long_names(found: Condition, text: str, name: str) -> Condition:
    """The condition, whose text this is."""
    if len(text) * 4 > LONGEST_NAME:  # else none of its names can be
        for atom in postorder(found):
            for each in (*named_tasks(atom), *named_parameters(atom)):
                if is_too_long(each):
                    raise DefinitionError(f"{name}: {too_long(each)}")
    return found


def named_parameters(atom: Condition) -> tuple[str, ...]:
    match atom:
        case ParamsExist(names):
            return names
        case ParamIs(name):
            return (name,)
        case _:
            return ()


def is_too_long(name: str) -> bool:
    """Whether not every store can have it as a name."""
    return len(name) * 4 > LONGEST_NAME and len(name.encode()) > LONGEST_NAME


def too_long(name: str) -> str:
    size = len(name.encode())
    return (
        f"the name {name[:20] + '…'!r} has {size} bytes as UTF-8; a name has at most {LONGEST_NAME}"
    )


def retries(given: Any, name: str, owner: Speaker) -> Retry:
    """How often, or the whole policy as `oncue.conds.retry` makes it."""
    if isinstance(given, Retry):
        refuse_idle((given,), name)
        return given
    if not isinstance(given, int) or isinstance(given, bool):
        raise DefinitionError(
            f"{name}={given!r}: it is a number of times, or a policy as retry(3, after='10 s') of "
            "oncue.conds makes it"
        )
    if given < 0:
        raise DefinitionError(f"{name}={given!r}: the number of retries is 0 or more")
    return Retry(given)


@lru_cache(maxsize=256)
def retries_in(condition: Condition) -> tuple[Retry, ...]:
    return tuple(atom for atom in postorder(condition) if isinstance(atom, Retry))


def refuse_idle(policies: Iterable[Retry], name: str) -> None:
    """What says how a pause grows that there is none of would have no effect."""
    for policy in policies:
        growth = policy.backoff, policy.jitter, policy.max_delay
        if policy.delay is None and growth != (1, 0, None):
            raise DefinitionError(
                f"{name}: backoff, jitter and max_delay are about the pause before a retry, and "
                "there is none; say how long the first is, as in retry(3, after='10 s', backoff=2)"
            )


def zone(given: Any, name: str, owner: Speaker) -> Zone:
    """A zone by its name, or by a tzinfo that has one; None is the system's."""
    try:
        match given:
            case Zone():
                return given
            case None | str():
                return zone_of(given)
            case tzinfo():
                return zone_of(getattr(given, "key", None) or str(given))
    except UnknownZoneError as error:
        raise DefinitionError(f"{name}={given!r}: {error}") from error
    raise DefinitionError(f"{name}={given!r}: it is the name of a zone, such as 'Europe/Dublin'")
