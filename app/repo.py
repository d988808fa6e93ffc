"""The log as its readers see it: records of a chosen shape, found by what they are.

`session.get_repo().filter_by(task_name="load", action="fail").last()`. Only what is asked for is
read, by the indexes of the store, on the caller's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from ..engine.civil import Zone, from_datetime, to_datetime
from ..engine.records import Action, Record
from .errors import DefinitionError
from .stores.protocol import Query, Store

SECOND = 1_000_000
LOGGER = "oncue.task"


# --- the shapes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MinimalRecord:
    """What happened to which task; `created` is in seconds since the Unix epoch."""

    task_name: str
    action: str
    created: float


@dataclass(frozen=True, slots=True)
class MinimalRunRecord(MinimalRecord):
    """The same with the run's label."""

    run_id: str | None


@dataclass(frozen=True, slots=True)
class LogRecord(MinimalRecord):
    """With what a line of the log `oncue.task` has."""

    name: str
    levelno: int
    levelname: str
    message: str
    exc_text: str | None


@dataclass(frozen=True, slots=True)
class RunRecord(LogRecord):
    """With the run's label."""

    run_id: str | None


@dataclass(frozen=True, slots=True)
class TaskLogRecord(LogRecord):
    """With the run's times, aware datetimes in the app's zone; `end` and `runtime` of endings."""

    start: datetime | None
    end: datetime | None
    runtime: timedelta | None


@dataclass(frozen=True, slots=True)
class TaskRunRecord(TaskLogRecord):
    """With the run's times and label."""

    run_id: str | None


Model = type[MinimalRecord]
MODELS: tuple[Model, ...] = (
    MinimalRecord, MinimalRunRecord, LogRecord, RunRecord, TaskLogRecord, TaskRunRecord,
)  # fmt: skip


def message_of(record: Record) -> str:
    return f"{record.task}  {record.action}"


LEVELS = dict.fromkeys(Action, logging.INFO) | {
    Action.FAIL: logging.ERROR,
    Action.CRASH: logging.ERROR,
}
"""How loud a record is told."""


def shaped(record: Record, run: Record | None, model: Model, zone: Zone) -> MinimalRecord:
    """The record in that shape; `run` is the RUN record of the run it is of, where it is known."""
    ended = record.action is not Action.RUN
    values: dict[str, Any] = {
        "task_name": record.task,
        "action": str(record.action),
        "created": record.at / SECOND,
        "run_id": record.run_id,
        "name": LOGGER,
        "levelno": LEVELS[record.action],
        "levelname": logging.getLevelName(LEVELS[record.action]),
        "message": message_of(record),
        "exc_text": record.error,
        "start": None if run is None else to_datetime(run.at, zone),
        "end": to_datetime(record.at, zone) if ended else None,
        "runtime": timedelta(microseconds=record.at - run.at) if ended and run else None,
    }
    return model(**{field.name: values[field.name] for field in fields(model)})


# --- what to look for ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class In:
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """[start, end); None: no bound."""

    start: Any = None
    end: Any = None


def in_(*values: Any) -> In:
    """Any of these."""
    return In(values)


def between(start: Any, end: Any) -> Range:
    """From `start` up to but not including `end`."""
    return Range(start, end)


def greater_equal(start: Any) -> Range:
    """From `start` on."""
    return Range(start)


def less(end: Any) -> Range:
    """Before `end`."""
    return Range(end=end)


class Selection:
    """Records that satisfy conditions, in order of the log."""

    def __init__(self, repo: Repo, query: Query) -> None:
        self._repo = repo
        self._query = query

    def filter_by(self, **conditions: Any) -> Selection:
        """Those among them with these properties: `task_name`, `action`, `run_id` (a value, a list
        or `in_(…)`; a task may be given itself), and `created` (`between(…)`, `greater_equal(…)`,
        `less(…)` of datetimes, or of seconds since the epoch). Raises DefinitionError for another
        one."""
        query = self._query
        for name, wanted in conditions.items():
            query = narrowed(query, name, wanted, self._repo.zone)
        return Selection(self._repo, query)

    def all(self) -> list[MinimalRecord]:
        return self._repo.read(self._query)

    def last(self) -> MinimalRecord | None:
        """The latest, None if there is none."""
        return next(iter(self._repo.read(self._query._replace(newest=1))), None)

    def count(self) -> int:
        return self._repo.store.count(self._query)

    def __iter__(self) -> Iterator[MinimalRecord]:
        return iter(self.all())


def narrowed(query: Query, name: str, wanted: Any, zone: Zone) -> Query:
    match name:
        case "task_name":
            names = (str(getattr(task, "name", task)) for task in several(wanted))
            return query._replace(tasks=both(query.tasks, tuple(names)))
        case "run_id":
            return query._replace(run_ids=both(query.run_ids, tuple(map(str, several(wanted)))))
        case "action":
            actions = tuple(action_of(value) for value in several(wanted))
            return query._replace(actions=both(query.actions, actions))
        case "created":
            if not isinstance(wanted, Range):
                raise DefinitionError(f"created={wanted!r}: say between(…), greater_equal or less")
            since = instant_of(wanted.start, zone)
            until = instant_of(wanted.end, zone)
            return query._replace(
                since=max((t for t in (query.since, since) if t is not None), default=None),
                until=min((t for t in (query.until, until) if t is not None), default=None),
            )
        case _:
            raise DefinitionError(
                f"the log is not asked by {name!r}; it is by task_name, action, run_id and created"
            )


def several(wanted: Any) -> Iterable[Any]:
    if isinstance(wanted, In):
        return wanted.values
    return wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)


def both(before: tuple[Any, ...] | None, values: tuple[Any, ...]) -> tuple[Any, ...]:
    return values if before is None else tuple(value for value in values if value in before)


def action_of(value: Any) -> Action:
    if value not in set(Action):
        raise DefinitionError(f"there is no action {value!r}; there are {', '.join(Action)}")
    return Action(value)


def instant_of(value: Any, zone: Zone) -> int | None:
    if value is None or isinstance(value, datetime):
        return None if value is None else from_datetime(value, zone)
    return round(float(value) * SECOND)


# --- the repository -----------------------------------------------------------------------------


class Repo(Selection):
    """All records. `model` is the shape in which they come, one of those in `oncue.log`."""

    def __init__(self, store: Store, zone: Zone) -> None:
        super().__init__(self, Query())
        self.store = store
        self.zone = zone
        self._model: Model = TaskRunRecord

    @property
    def model(self) -> Model:
        return self._model

    @model.setter
    def model(self, model: Model) -> None:
        if model not in MODELS:
            names = ", ".join(known.__name__ for known in MODELS)
            raise DefinitionError(f"model={model!r}: it is one of those in oncue.log, {names}")
        self._model = model

    def read(self, query: Query) -> list[MinimalRecord]:
        records = self.store.read(query)
        runs = {record.seq: record for record in records if record.action is Action.RUN}
        if any(field.name == "start" for field in fields(self.model)):
            missing = {record.run for record in records if record.run} - runs.keys()
            runs |= {run.seq: run for run in self.store.read(Query(seqs=tuple(sorted(missing))))}
        return [
            shaped(record, runs.get(record.run or record.seq), self.model, self.zone)
            for record in records
        ]

    def of(self, task: str) -> Selection:
        """The records of one task."""
        return self.filter_by(task_name=task)


class TaskLogger(logging.LoggerAdapter[logging.Logger]):
    """A task's own: its lines carry the task's name, as `task_name`; and it knows the task's
    records, `task.logger.filter_by(action="run").last()`."""

    def __init__(self, task: str, repo: Repo) -> None:
        super().__init__(logging.getLogger(LOGGER), {"task_name": task})
        self._records = repo.of(task)

    def filter_by(self, **conditions: Any) -> Selection:
        return self._records.filter_by(**conditions)

    def __reduce__(self) -> tuple[Any, ...]:
        """To a process goes what writes lines; the records stay here."""
        return logging.LoggerAdapter, (self.logger, self.extra)
