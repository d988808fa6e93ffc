"""What an app does where a task does not say otherwise, and how it behaves as a whole."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from ..conds.diagnostic import nearest
from ..conds.durations import Duration
from ..conds.nodes import Condition
from ..engine.civil import Zone
from ..engine.schedule import NEVER, CatchUp, Overlap
from ..grammar.phrases import Phrases
from . import options
from .compat import RENAMED, SWITCHES, newer
from .errors import DefinitionError
from .options import Limit, Option, optional
from .restart import WAYS

if TYPE_CHECKING:
    from .session import Session


_random = Random(os.urandom(32))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def new_run_id(task: Any, parameters: Any) -> str:
    """32 hexadecimal digits that no other run has."""
    return _random.getrandbits(128).to_bytes(16).hex()


LEASE = Duration.of("1 minute")
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "production": dict.fromkeys(
        ("silence_cond_check", "silence_task_prerun", "silence_task_logging"), True
    )
}
"""Sets of options by name, for `profile=`, `ONCUE_PROFILE` and `oncue run --production`."""


class Config:
    """The options of an app, given by keyword to `App` and assigned to `app.session.config` at any
    time. What is not given there may be in the environment, as `ONCUE_` and the option's name in
    capitals, or in the table `tool.oncue` of pyproject.toml in the current folder; the environment
    goes before the file. `profile="production"` silences what would end the app. Raises
    DefinitionError for an unknown option, naming those that are near."""

    execution = Option[str | None](
        optional(options.execution),
        doc="How tasks run that do not say: `main`, `async`, `thread` or `process`. None: "
        "coroutine functions and commands `async`, everything else in a `thread`.",
    )
    task_pre_exist = Option[str](
        options.one_of("raise", "rename", "ignore", "replace"),
        "raise",
        doc="What a task is whose name is taken: refused, given the name with ` - 1` added, "
        "ignored, or put in the place of the one there is.",
    )
    timeout = Option[Limit](
        options.limit, Duration.of("30 minutes"), doc="How long a run may take; `never`: for ever."
    )
    overlap = Option[Overlap](
        options.overlap,
        Overlap.SKIP,
        doc="What becomes of an occurrence that comes due while its task runs: `skip`, `queue`, "
        "`allow` or `replace`.",
    )
    func_run_id = Option[Callable[[Any, Any], str]](
        options.function, new_run_id, doc="Gives a run its label, from its task and parameters."
    )
    misfire_grace = Option[Duration](
        options.grace,
        Duration.of("1 minute"),
        doc="How late an occurrence may start at which nobody looked.",
    )
    catch_up = Option[CatchUp | None](
        optional(options.catch_up),
        doc="What is done about occurrences that came and went while no app ran: `skip`, `once` or "
        "`all`. None: `once` for tasks that start by schedule, interval or execute_at, for others "
        "`skip`.",
    )
    max_lateness = Option[Duration | None](
        optional(options.grace),
        doc="How late an occurrence may start that is caught up with, waits, or is run again. "
        "None: any.",
    )
    lease_duration = Option[Duration](
        options.duration,
        LEASE,
        doc="How long a run is its instance's alone without a heartbeat, of tasks that start by "
        "schedule, interval or execute_at and do not say.",
    )
    health_address = Option[tuple[str, int] | None](
        optional(options.address),
        doc="Where the app's health can be asked for over HTTP while it runs: a port of this "
        "machine, or an address and a port, `0.0.0.0:8080`. Read when the app starts. None: "
        "nowhere.",
    )
    health_max_age = Option[Duration](
        options.age,
        Duration.of("1 minute"),
        doc="How long ago the loop may have turned in an app that is taken to be alive, at least "
        "10 s: one with nothing to do turns every 5 s.",
    )
    max_skew = Option[Duration | None](
        optional(options.grace),
        Duration.of("2 s"),
        doc="How far the clock here may be from that of the store's server, which times leases. "
        "While it is farther off nothing new starts, and the log says so. None: any.",
    )
    concurrency_limit = Option[int | None](
        optional(options.count),
        doc="How many runs go beside each other here; what is due beyond that waits, and is left "
        "to other instances. None: any number.",
    )
    batch_size = Option[int](
        options.count,
        200,
        doc="How many dynamic tasks are taken from the store at once, to be decided about.",
    )
    keep = Option[Duration | None](
        optional(options.duration),
        doc="For how long records are kept in the store, but for what conditions still ask for and "
        "the latest of each task and action. None: for ever.",
    )
    cycle_sleep = Option[Duration | None](
        optional(options.duration),
        Duration.of(0.1),
        doc="The pause before a task starts again whose condition its own start has not changed, "
        "and the rhythm of custom conditions that do not say. None: at once.",
    )
    max_process_count = Option[int | None](
        optional(options.count), doc="How many processes run tasks; None: one per processor."
    )
    tasks_as_daemon = Option[bool](
        options.switch,
        True,
        doc="Whether the processes that run tasks are daemons, which may start no processes by "
        "multiprocessing themselves.",
    )
    time_func = Option[Callable[[], float] | None](
        optional(options.function),
        doc="Another clock: a function that gives seconds since the Unix epoch. Read when the app "
        "starts; how long to sleep is reckoned by it, so it has to run as fast as time does.",
    )
    param_materialize = Option[str](
        options.one_of("pre", "post"),
        "post",
        doc="Whether arguments that do not say are made before the run's thread or process is "
        "entered, or in it.",
    )
    timezone = Option[Zone](options.zone, doc="The zone of conditions that name none.")
    shut_cond = Option[Condition](options.condition, NEVER, doc="Ends the app when it holds.")
    restarting = Option[str](
        options.one_of(*WAYS), "replace", doc="How `session.restart()` begins again."
    )
    instant_shutdown = Option[bool](
        options.switch, False, doc="Whether a shut-down ends what runs instead of waiting."
    )
    force_status_from_logs = Option[bool](
        options.switch,
        False,
        doc="Whether the store is asked for what conditions read of the log before each decision, "
        "of the tasks that are due, and of all whenever it is looked at (every 5 s), so that rows "
        "changed or removed by others count. By indexed look-ups, some for each task.",
    )
    strict_names = Option[bool](
        options.switch,
        False,
        doc="Whether a condition that names no task there is keeps the app from starting, or the "
        "dynamic task from being scheduled, or is warned of.",
    )
    silence_cond_check = Option[bool](
        options.switch, False, doc="Whether a condition that raises is false, or ends the app."
    )
    silence_task_logging = Option[bool](
        options.switch,
        False,
        doc="Whether a file that goes on failing is tried for ever, or ends the app in the end. A "
        "server that does not answer is tried for ever.",
    )
    silence_task_prerun = Option[bool](
        options.switch, False, doc="Whether a task that cannot be set up fails, or ends the app."
    )

    def __init__(self, session: Session, given: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = {"timezone": options.zone(None, "timezone", self)}
        self._session = session
        self._adopt(given)

    def _adopt(self, given: Mapping[str, Any]) -> None:
        """Read options, those of the profile named among them first."""
        found = newer(given)
        profile = found.pop("profile", None)
        if profile is not None:
            known = options.one_of(*PROFILES)(profile, "profile", self)
            found = {**PROFILES[known], **found}
        self.values = {**self.values, **options.read_all(Config, self, found)}

    def use(self, profile: str) -> None:
        """Take the options of a profile, `production`, for those that there are."""
        self._adopt({"profile": profile})
        self._session.configured("profile")

    @property
    def multilaunch(self) -> bool:
        """Whether `overlap` is `allow`, by its older name."""
        return self.overlap is Overlap.ALLOW

    @property
    def phrases(self) -> Phrases:
        return self._session.phrases

    def assigned(self, name: str) -> None:
        self._session.configured(name)

    def __setattr__(self, name: str, given: Any) -> None:
        """Options alone can be assigned, under their older names too."""
        if name in ("values", "_session"):
            return super().__setattr__(name, given)
        ((name, given),) = newer({name: given}).items()
        if name not in options.options_of(Config):
            raise DefinitionError(options.unknown(name, options.options_of(Config)))
        super().__setattr__(name, given)

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{k}={v!r}' for k, v in self.values.items())})"


def from_outside() -> dict[str, Any]:
    """The options that the environment and the project's file give. Raises DefinitionError, naming
    the place, for one that is not known there; of the environment, if it looks like one that is."""
    return {**from_file(Path("pyproject.toml")), **from_environment(os.environ)}


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name in KNOWN:
            found[name] = text_for(name, value)
        elif nearest(name, KNOWN):
            raise DefinitionError(f"{variable} in the environment: {options.unknown(name, KNOWN)}")
    return found


def from_file(path: Path) -> dict[str, Any]:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise DefinitionError(f"{path}: {error}") from error
    tools = project.get("tool", {})
    table = tools.get("oncue", {}) if isinstance(tools, dict) else tools
    if not isinstance(table, dict):
        raise DefinitionError(f"[tool.oncue] in {path}: it is a table, not {table!r}")
    for name in table:
        if name not in KNOWN:
            raise DefinitionError(f"[tool.oncue] in {path}: {options.unknown(name, KNOWN)}")
    return dict(table)


def text_for(name: str, value: str) -> Any:
    option = A_SWITCH if name in SWITCHES else options.options_of(Config).get(name)
    return value if option is None else options.from_text(option, value)


PREFIX = "ONCUE_"
KNOWN = (*options.options_of(Config), *RENAMED, *SWITCHES, "profile")
A_SWITCH = Option[bool](options.switch)
