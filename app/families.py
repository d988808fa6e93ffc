"""Dynamic tasks: a family says what is run and how, and each of its tasks when.

A task of a family is a row in the store until it is due, then a `Member` for as long as it is
decided about or runs. What it was scheduled with stands in the row as JSON, read and written here.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..conds.cost import cost
from ..conds.nodes import (
    Call,
    Condition,
    Env,
    Func,
    ParamIs,
    ParamsExist,
    Phrase,
    SchedulerAge,
    SchedulerCycles,
)
from ..conds.tree import postorder
from ..engine.civil import Zone
from ..engine.schedule import Request, Schedule
from . import options, timetable
from .definition import joined, read_options
from .errors import DefinitionError
from .options import Option, optional
from .stores.dynamic import Dynamic, Planned
from .task import Task, schedule_of

if TYPE_CHECKING:
    from .session import Session

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
Said = dict[str, Any]
"""Options of a task of a family, read."""
Texts = tuple[tuple[str, str], ...]
"""The same as they stand in its row, but for `args`."""
Manner = tuple[Said, Schedule]
"""All its options but for its own `args`, and what the agenda knows of it."""

SAID = (*timetable.WAYS, "timezone", "args")
"""What is said of each task of a family; everything else of the family."""
NOT_SAID = (*timetable.WAYS, "on_startup", "on_shutdown", "permanent", "enabled")
"""What a family cannot say."""
MAX_COST = 100
MOST_MANNERS = 5_000
DECODER = json.JSONDecoder()
ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
_versions = random.SystemRandom()

PartitionSelector = Callable[[int, str], int]


def by_hash(partition_count: int, name: str) -> int:
    """A partition that is always the same for a name, and spreads names evenly."""
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).digest()
    return partition_count * int.from_bytes(digest) >> 8 * len(digest)


def not_said(name: str) -> DefinitionError:
    return DefinitionError(
        f"{name} is not for a dynamic task; schedule_task says when each one starts"
    )


def partitions(given: Any, name: str, owner: options.Speaker) -> tuple[int, ...]:
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise DefinitionError(f"{name}={given!r}: it is a list of numbers of partitions, from 0 on")
    return tuple(sorted({options.whole(each, name, owner) for each in given}))


class Family(Task[P, R]):
    """What `@app.dynamic_task` makes of a function: what `schedule_task` schedules. Calling it
    calls the function. Its options are those of a task but for when it starts, and these."""

    max_cost = Option[int](
        options.count,
        MAX_COST,
        doc="How much a condition may cost: 1 for each period and each task it waits for, 5 for "
        "what counts records or time, 10 for a custom function.",
    )
    partition_count = Option[int | None](
        optional(options.count),
        doc="Into how many parts the tasks are divided, each looked for by itself.",
    )
    enabled_partitions = Option[tuple[int, ...] | None](
        optional(partitions), doc="The partitions whose tasks run here. None: all."
    )
    partition_selector = Option[PartitionSelector](
        options.function,
        by_hash,
        doc="Which partition a task belongs to, by the number of partitions and its name.",
    )

    def __init__(self, work: Callable[P, R], **given: Any) -> None:
        for name in NOT_SAID:
            if given.get(name) is not None:
                raise not_said(name)
        self._schedules: dict[bool, Schedule] = {}
        self._manners: dict[Texts, Manner] = {}
        self._manners_of: tuple[Any, Any] = None, None
        super().__init__(work, **given)

    def enter(self, session: Session) -> None:
        self._refuse_partitions()
        if ":" in self.name:
            raise DefinitionError(f"the name {self.name!r} has a colon; its tasks are NAME:TASK")
        session.add_family(self)

    def assigned(self, name: str) -> None:
        if name in NOT_SAID:
            raise not_said(name)
        self._refuse_partitions()
        super().assigned(name)

    def _refuse_partitions(self) -> None:
        count, enabled = self.partition_count, self.enabled_partitions
        if count is None and enabled is not None:
            raise DefinitionError(f"task {self.name!r}: enabled_partitions needs partition_count")
        wrong = [each for each in enabled or () if not 0 <= each < (count or 0)]
        if wrong:
            raise DefinitionError(f"enabled_partitions: {wrong[0]} is not in 0 to {count} - 1")

    def _ask(self, request: Request) -> None:
        raise DefinitionError(
            f"{self.name!r} is no task but a family of them; schedule_task makes one that starts"
        )

    # --- names ----------------------------------------------------------------------------

    def key_of(self, name: str) -> str:
        """By which the log has one of its tasks. Raises DefinitionError for what is no name."""
        if not isinstance(name, str) or not name or not name.isprintable():
            raise DefinitionError(f"the name {name!r}: it is text of at least one printable sign")
        if options.is_too_long(key := f"{self.name}:{name}"):
            raise DefinitionError(options.too_long(key))
        return key

    def shard_of(self, name: str) -> str:
        count = self.partition_count
        if count is None:
            return self.name
        what = f"the partition_selector of {self.name!r}"
        try:
            chosen = self.partition_selector(count, name)
        except Exception as error:
            raise DefinitionError(f"{what} failed for {count} and {name!r}: {error!r}") from error
        if isinstance(chosen, bool) or not isinstance(chosen, int) or not 0 <= chosen < count:
            raise DefinitionError(
                f"{what} gave {chosen!r} for {name!r}: it is a number from 0 to {count - 1}"
            )
        return f"{self.name}:{chosen}"

    @property
    def shards(self) -> list[str]:
        """Where to look for those of its tasks that run here."""
        count, enabled = self.partition_count, self.enabled_partitions
        if count is None:
            return [self.name]
        return [f"{self.name}:{each}" for each in (range(count) if enabled is None else enabled)]

    # --- what is said of each ---------------------------------------------------------------

    def read(self, given: Mapping[str, Any]) -> tuple[Said, Said]:
        """What is given for one of its tasks, read: its options, and its `args`. Raises
        DefinitionError, and ConditionSyntaxError, for what cannot be."""
        values, extra = read_options(type(self), self, given, SAID)
        for name in values:
            if name not in SAID:
                raise DefinitionError(
                    f"{name} is an option of the family {self.name!r}, not of a "
                    f"task of it (for context.args it is args={{{name!r}: …}})"
                )
        if timetable.way_of(values) is None:
            raise DefinitionError(f"when? give one of {', '.join(timetable.WAYS)}")
        if values.get("start_cond") is not None:
            self._vet(values["start_cond"])
        args = values.pop("args", {})
        if extra:
            if not self.needs.wants_context:
                raise DefinitionError(
                    f"there is no option {next(iter(extra))!r}, and the function "
                    "takes no context to find it in"
                )
            args = joined(args, extra, self)
        return values, args

    def _vet(self, condition: Condition) -> None:
        """Refuse what a condition from outside may not be."""
        safe = self.session.safe
        for atom in postorder(condition):
            name = {Call: "name", Phrase: "template"}.get(type(atom))
            if isinstance(atom, Func) or (name and getattr(atom, name) not in safe):
                raise DefinitionError(
                    f"{str(atom)!r} asks a function; in the condition of a dynamic task only "
                    "those may be asked that are defined by app.cond(…, safe=True)"
                )
        found, most = cost(condition), self.max_cost
        if found > most:
            raise DefinitionError(f"the condition costs {found}, more than max_cost={most}")

    def planned(self, name: str, given: Mapping[str, Any], first: First) -> Planned:
        """A task of this family as it is to be; `first` tells when a condition of it is to be
        looked at first. Raises what `read` does."""
        key = self.key_of(name)
        if self.session.get(key) is not None:
            raise DefinitionError(f"there is a task {key!r} already; give this one another name")
        said, args = self.read(given)
        texts, way = texts_of(said), timetable.way_of(said)
        assert way is not None
        zone = said.get("timezone") or self.timezone or self.session.config.timezone
        return Planned(
            key,
            self.shard_of(name),
            ENCODER.encode({**texts, "args": args}),  # the same whenever the same is said
            f"{way} {texts[way]} in {zone.name}",  # another text is another condition
            first(key, timetable.condition_of(way, said[way]), zone),
            _versions.getrandbits(62),
        )

    # --- schedules --------------------------------------------------------------------------

    def manner_of(self, member: Member) -> Manner:
        """The options of one of its tasks and what the agenda knows of it, the same for all that
        are scheduled with the same words. Raises what `read` does, where the app has changed since
        that was written."""
        config = self.session.config.values
        if self._manners_of[0] is not self.values or self._manners_of[1] is not config:
            self._schedules, self._manners = {}, {}
            self._manners_of = self.values, config
        found = self._manners.get(member.texts)
        if found is None:
            if len(self._manners) >= MOST_MANNERS:
                self._manners.clear()
            found = self._manners[member.texts] = self._manner_of(member)
        return found

    def _manner_of(self, member: Member) -> Manner:
        known = options.options_of(Family)
        said = {
            name: datetime.fromisoformat(given)  # which it was read as already
            if name == "execute_at"
            else known[name].read(given, name, self)
            for name, given in member.texts
        }
        (way,) = (name for name in said if name != "timezone")
        vars(member)["values"] = values = {**self.values, **said}
        timed = way != "start_cond"
        schedule = self._schedules.get(timed)
        if schedule is None:
            schedule = self._schedules[timed] = schedule_of(member)
        zone = values.get("timezone") or self.session.config.timezone
        return values, schedule.at(timetable.condition_of(way, said[way]), zone)


First = Callable[[str, Condition, Zone], int]
LOCAL = (Call, Env, Func, ParamIs, ParamsExist, Phrase, SchedulerAge, SchedulerCycles)


@lru_cache(maxsize=1024)
def is_local(condition: Condition) -> bool:
    """Whether the answer depends on what each app has for itself: parameters, functions, how long
    it has run."""
    return any(isinstance(atom, LOCAL) for atom in postorder(condition))


class Member(Task[..., Any]):
    """One task of a family, while it is decided about or runs: `context.task`. Its `name` is its
    own, its `key` that of the log."""

    family: Family[..., Any]
    row: Dynamic
    texts: Texts
    _args: Said
    _schedule: Schedule

    def __init__(self, family: Family[..., Any], row: Dynamic) -> None:
        texts, _ = DECODER.raw_decode(row.text)
        args = texts.pop("args")
        vars(self).update(  # past our own: there may be many
            function=family.function,
            needs=family.needs,
            awaited=family.awaited,
            family=family,
            row=row,
            texts=tuple(texts.items()),
            _name=row.task,
            _session=family.session,
            _waiting=(),
            _args=args,
        )
        self.renew()

    @property
    def name(self) -> str:
        return self._name[len(self.family.name) + 1 :]

    @name.setter
    def name(self, name: str) -> None:
        raise DefinitionError(f"task {self.name!r} cannot be called {name!r}: schedule another")

    @property
    def key(self) -> str:
        return self._name

    def assigned(self, name: str) -> None:
        raise DefinitionError(
            f"{name} of {self.key!r} cannot be assigned; schedule_task changes a dynamic task, and "
            "what is assigned to its family all its tasks"
        )

    def delete(self) -> None:
        raise DefinitionError(f"{self.key!r} is a dynamic task; unschedule_task removes it")

    def _ask(self, request: Request) -> None:
        raise DefinitionError(f"{self.key!r} is a dynamic task; schedule_task says when it starts")

    @property
    def leased(self) -> bool:
        return True

    @property
    def plan(self) -> Schedule:
        return self._schedule

    def renew(self) -> None:
        """The options of the app, or of the family, are others."""
        values, schedule = self.family.manner_of(self)
        args = {**values["args"], **self._args} if "args" in values else self._args
        vars(self).update(values={**values, "args": args}, _schedule=schedule)


# --- the text of a row ----------------------------------------------------------------------------

WRITERS: Mapping[str, Callable[[Any], str]] = {
    "start_cond": str,
    "schedule": str,
    "interval": str,
    "execute_at": lambda moment: str(moment.isoformat(" ")),
    "timezone": lambda zone: str(zone.name),
}


def texts_of(said: Said) -> dict[str, str]:
    return {name: WRITERS[name](value) for name, value in said.items() if value is not None}
