"""What a task's code asks for, where it comes from, and when it is made."""

import asyncio
import logging
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from oncue import args
from oncue.app.binding import (
    ArgumentError,
    Needs,
    asks_for_flag,
    collect,
    missing,
    needs_of,
    prepare,
    refuse_in_process,
)
from oncue.app.executors import EXECUTIONS, Call, Ending
from oncue.app.work import Code, Command, DelayedFunction
from oncue.args import (
    Arg,
    BaseArgument,
    CliArg,
    Config,
    EnvArg,
    FuncArg,
    Private,
    Return,
    SchedulerLogger,
    Session,
    SimpleArg,
    Task,
    TaskLogger,
    TerminationFlag,
    argument,
)
from oncue.engine.records import Action
from oncue.exc import DefinitionError

if TYPE_CHECKING:
    from elsewhere import Thing  # type: ignore[import-not-found]

LIMIT = 60


@dataclass
class Named:
    name: str


@dataclass
class Scope:
    """A session, as arguments see it."""

    parameters: dict[str, Any] = field(default_factory=dict)
    returns: dict[str, Any] = field(default_factory=dict)
    config: Any = "the config"
    tasks: dict[str, Named] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Named:
        return self.tasks[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tasks


def scope(**parameters: Any) -> Scope:
    return Scope(
        parameters,
        returns={"extract": [1, 2], "none": None},
        tasks={"extract": Named("extract"), "asking": Named("asking")},
    )


FLAG = threading.Event()


def given(
    function: Callable[..., Any],
    session: Scope | None = None,
    task: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """What the function returns when a task of it runs."""
    session = session or scope()
    values = collect(needs_of(function), session.parameters, task, run)
    asking = session.tasks["asking"]
    prepared = prepare(function, values, task=asking, session=session, flag=FLAG, **options)
    return prepared.function(**prepared.arguments)


def asking(value: Any) -> Callable[..., Any]:
    """A function with one parameter, of that default."""

    def function(x: Any = value) -> Any:
        return x

    return function


def make() -> str:
    return "made"


def add(x: int, y: int = 0) -> int:
    return x + y


@argument()
def doubled(x: int = Arg("x")) -> int:  # type: ignore[assignment]
    return 2 * x


class Shouted(BaseArgument):
    """A user's own."""

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> str:
        return f"{task.name}!".upper()


class Staged(BaseArgument):
    """Reads before the run, gives in the run."""

    local = True

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def stage(self, task: Any = None, session: Any = None, **kwargs: Any) -> BaseArgument:
        return Staged(session.parameters["x"])

    def get_value(self, task: Any = None, session: Any = None, **kwargs: Any) -> Any:
        return ("staged", self.value)


# --- kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        (SimpleArg(42), 42),
        (SimpleArg(None), None),
        (Private("secret"), "secret"),
        (Arg("x"), 1),
        (Arg("none"), None),
        (Arg("gone", "default"), "default"),
        (Arg("gone", None), None),
        (Arg("gone", default=Arg("x")), 1),
        (Arg("made"), "made"),
        (Return("extract"), [1, 2]),
        (Return(Named("extract")), [1, 2]),
        (Return("none", 5), None),
        (Return("gone", 5), 5),
        (Return("asking", default=Arg("x")), 1),
        (Task(), Named("asking")),
        (Task("extract"), Named("extract")),
        (Config(), "the config"),
        (TerminationFlag(), FLAG),
        (EnvArg("SET_IN_TEST"), "from outside"),
        (EnvArg("NOT_SET_IN_TEST", "default"), "default"),
        (CliArg("--long"), "1"),
        (CliArg("--joined"), "2=3"),
        (CliArg("--gone", "default"), "default"),
        (CliArg("--last", "default"), "default"),
        (FuncArg(make), "made"),
        (FuncArg(add, 1, y=2), 3),
        (FuncArg(add, Arg("x"), y=Arg("x")), 2),
        (FuncArg(lambda name: name, name=FuncArg(make)), "made"),
        (doubled, 2),
        (Shouted(), "ASKING!"),
        (Staged(), ("staged", 1)),
        (Arg("gone") >> EnvArg("NOT_SET_IN_TEST") >> SimpleArg("x"), "x"),
        (Arg("gone") >> Arg("x") >> SimpleArg("x"), 1),
        (Arg("gone") >> "plain", "plain"),
        (Return("asking") >> Return("extract"), [1, 2]),
        (FuncArg(dict.__getitem__, {}, "key") >> SimpleArg("x"), "x"),
    ],
)
def test_the_value_of_each_kind(
    asked: BaseArgument, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SET_IN_TEST", "from outside")
    monkeypatch.setattr(sys, "argv", ["app.py", "--long", "1", "--joined=2=3", "--last"])
    session = scope(x=1, none=None, made=FuncArg(make))
    assert given(asking(asked), session) == value
    assert given(asking(asked), session, materialize="pre") == value


def test_the_session_is_itself() -> None:
    session = scope()
    assert given(asking(Session()), session) is session


def test_loggers() -> None:
    assert given(asking(SchedulerLogger())) is logging.getLogger("oncue.scheduler")
    log = given(asking(TaskLogger()))
    assert log.logger is logging.getLogger("oncue.task")
    assert log.extra == {"task_name": "asking"}


def test_a_return_is_asked_of_a_function_by_its_name() -> None:
    def extract() -> None: ...

    assert given(asking(Return(extract))) == [1, 2]
    with pytest.raises(DefinitionError, match="a task is given by its name or itself"):
        Return(3)


def test_a_task_is_asked_for_by_its_function_and_by_the_name_it_has_in_a_group() -> None:
    def extract() -> None: ...

    assert given(asking(Task(extract))) == Named("extract")
    assert repr(Task(extract).renamed({"extract": "etl.extract"})) == "Task('etl.extract')"
    with pytest.raises(DefinitionError, match="a task is given by its name or itself"):
        Task(3)


def test_an_argument_function_can_still_be_called() -> None:
    assert doubled(4) == 8


def test_what_is_private_is_not_shown() -> None:
    secret = Private("hunter2")
    for text in (str(secret), repr(secret), f"{secret}", repr({"x": secret}), repr(secret >> 1)):
        assert "hunter2" not in text
        assert "*****" in text


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (Arg("x"), "Arg('x')"),
        (Arg("x", 1), "Arg('x', 1)"),
        (Session(), "Session()"),
        (Task(), "Task()"),
        (Task("a"), "Task('a')"),
        (Arg("x") >> EnvArg("X") >> 1, "Arg('x') >> EnvArg('X') >> SimpleArg(1)"),
        (doubled, "FuncArg(doubled)"),
    ],
)
def test_an_argument_shows_itself(asked: BaseArgument, shown: str) -> None:
    assert repr(asked) == shown


# --- signatures -----------------------------------------------------------------------------------


def test_annotated_arguments() -> None:
    def function(
        x: Annotated[int, Arg("x")],
        y: Annotated[str, "a note", Arg("y")] = "default",
        z: "Annotated[Any, Session()]" = None,
    ) -> tuple[int, str, Any]:
        return x, y, z

    session = scope(x=1)
    assert given(function, session) == (1, "default", session)
    assert given(function, scope(x=1, y="y"))[1] == "y"


def test_annotations_for_type_checkers_alone() -> None:
    def function(x: "Thing", y: Annotated["Thing", Arg("x")]) -> Any:
        return x, y

    assert given(function, scope(x=1)) == (1, 1)


def test_hidden_parameters() -> None:
    def function(_session_: Any, _task_: Any, _thread_terminate_: Any) -> tuple[Any, ...]:
        return _session_, _task_, _thread_terminate_

    session = scope()
    assert given(function, session) == (session, Named("asking"), FLAG)


@pytest.mark.parametrize(
    ("sources", "value"),
    [
        ("", "plain default"),
        ("session", "session"),
        ("session signature", "signature"),
        ("session signature task", "task"),
        ("session signature task run", "run"),
        ("session run", "run"),
        ("signature run", "run"),
        ("task", "task"),
    ],
)
def test_later_sources_win(sources: str, value: str) -> None:
    def of(source: str) -> dict[str, Any]:
        return {"x": SimpleArg(source)} if source in sources.split() else {}

    default = of("signature").get("x", "plain default")
    function = asking(default)
    assert given(function, scope(**of("session")), of("task"), of("run")) == value


def test_names_that_the_function_does_not_take_are_left_out() -> None:
    assert given(asking(0), scope(a=1), {"b": 2}, {"c": 3, "x": 4}) == 4
    assert given(make, scope(a=1), {"b": 2}, {"c": 3}) == "made"


def test_a_function_that_takes_any_name_is_given_the_task_s_own() -> None:
    def function(x: int, **more: Any) -> Any:
        return x, more

    session = scope(x=1, secret=2)
    assert given(function, session, {"y": 3}, {"z": 4}) == (1, {"y": 3, "z": 4})


def test_what_needs_nothing_is_not_wrapped() -> None:
    prepared = prepare(make, collect(needs_of(make), {"x": 1}), task=None, session=None)
    assert prepared == (make, {})


class AwaitedWhenCalled:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda: needs_of(eval("lambda x, /: x")), "'x' takes no name, and arguments are given"),
        (lambda: needs_of(asking(Session)), r"'x': Session is a class; write Session\(\)"),
        (lambda: Arg(5), r"Arg\(5\): the name is text"),  # type: ignore[arg-type]
        (lambda: EnvArg(make), r"EnvArg\(.*\): the name is text"),  # type: ignore[arg-type]
        (lambda: CliArg(None), r"CliArg\(None\): the name is text"),  # type: ignore[arg-type]
        (lambda: FuncArg("make"), r"FuncArg\('make'\): it is a function"),  # type: ignore[arg-type]
        (lambda: FuncArg(asyncio.sleep), "the function is a coroutine; it has to be plain"),
        (lambda: FuncArg(AwaitedWhenCalled()), "the function is a coroutine; it has to be plain"),
        (lambda: argument(materialize="now")(make), "'now' is neither 'pre' nor 'post'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_refused(define: Callable[[], object], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        define()


@pytest.mark.parametrize("work", [Command("ls"), Code("x = 1"), DelayedFunction("a.py")])
def test_what_is_not_known_before_takes_anything(work: Callable[..., Any]) -> None:
    assert collect(needs_of(work), {"secret": 1}, {"x": 2}, {"y": 3}) == {"x": 2, "y": 3}


# --- what is missing ------------------------------------------------------------------------------


def required(x: int) -> int:
    return x


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (required, ["'x': nothing gives it a value"]),
        (asking(1), []),
        (asking(Arg("gone")), ["'x': there is no parameter 'gone'"]),
        (asking(Arg("known")), []),
        (asking(Arg("gone", 1)), []),
        (asking(Return("gone")), ["'x': there is no task 'gone'"]),
        (asking(Return("asking")), []),
        (asking(Return("gone", 1)), []),
        (asking(Task("gone")), ["'x': there is no task 'gone'"]),
        (asking(EnvArg("NOT_SET")), ["'x': the environment variable 'NOT_SET' is not set"]),
        (asking(CliArg("--gone")), ["'x': the command line has no --gone"]),
        (asking(Arg("gone") >> Arg("known")), []),
        (asking(Arg("gone") >> Shouted()), []),
        (
            asking(Arg("gone") >> Return("away")),
            ["'x': there is no parameter 'gone'; there is no task 'away'"],
        ),
        (asking(FuncArg(add, Arg("gone"))), ["'x': there is no parameter 'gone'"]),
        (asking(Shouted()), []),
    ],
)
def test_what_will_be_missing_is_known_before(
    function: Callable[..., Any], said: list[str]
) -> None:
    session = scope(known=1)
    needs = needs_of(function)
    assert missing(needs, collect(needs, session.parameters), session) == said


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Arg("gone"), "argument 'x': there is no parameter 'gone'"),
        (Return("asking"), "argument 'x': task 'asking' has returned nothing yet"),
        (Task("gone"), "argument 'x': there is no task 'gone'"),
        (Arg("gone") >> Return("asking"), "'gone'; task 'asking' has returned nothing yet"),
        (Arg("circle"), "argument 'x': parameter 'circle' asks for itself"),
    ],
)
@pytest.mark.parametrize("materialize", ["pre", "post"])
def test_a_missing_argument_says_why(asked: BaseArgument, message: str, materialize: str) -> None:
    session = scope(circle=FuncArg(make, Arg("around")), around=Arg("circle"))
    with pytest.raises(ArgumentError) as caught:
        given(asking(asked), session, materialize=materialize)
    assert message in str(caught.value)


def test_an_argument_whose_code_fails_is_named() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        given(asking(FuncArg(lambda: 1 // 0)))
    assert caught.value.__notes__ == ["(while the argument 'x' was made)"]


# --- when -----------------------------------------------------------------------------------------


def seen_by(materialize: str | None = None, session: str = "post") -> list[str]:
    """The order of events of a run that asks for a function's value."""
    events: list[str] = []
    arg = FuncArg(lambda: events.append("argument"), materialize=materialize)  # type: ignore[arg-type]
    values = collect(needs_of(asking(arg)), {})
    prepared = prepare(
        asking(arg),
        values,
        task=None,
        session=scope(),
        materialize=session,  # type: ignore[arg-type]
    )
    events.append("run")
    prepared.function(**prepared.arguments)
    return events


@pytest.mark.parametrize(
    ("own", "session", "order"),
    [
        (None, "post", ["run", "argument"]),
        (None, "pre", ["argument", "run"]),
        ("pre", "post", ["argument", "run"]),
        ("post", "pre", ["run", "argument"]),
    ],
)
def test_before_the_run_or_in_it(own: str | None, session: str, order: list[str]) -> None:
    assert seen_by(own, session) == order


def test_staging_comes_before_the_run() -> None:
    session = scope(x=1)
    values = collect(needs_of(asking(Staged())), {})
    prepared = prepare(asking(Staged()), values, task=None, session=session)
    session.parameters["x"] = 2
    assert prepared.function(**prepared.arguments) == ("staged", 1)


# --- in a process ---------------------------------------------------------------------------------


def of_everything(
    x: int = Arg("x"),  # type: ignore[assignment]
    data: Any = Return("extract"),
    env: str = EnvArg("SET_IN_TEST"),  # type: ignore[assignment]
    made: str = FuncArg(make),  # type: ignore[assignment]
    twice: int = doubled,  # type: ignore[assignment]
    staged: Any = Staged(),
    flag: Any = TerminationFlag(),
    name: Any = Shouted(),
) -> tuple[Any, ...]:
    return x, data, env, made, twice, staged, flag.is_set(), name


def test_arguments_reach_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_IN_TEST", "from outside")
    session = scope(x=1)
    values = collect(needs_of(of_everything), session.parameters)

    async def story() -> Ending:
        executor = EXECUTIONS["process"]()
        ended: asyncio.Queue[Ending] = asyncio.Queue()
        prepared = prepare(
            of_everything, values, task=session.tasks["asking"], session=session, in_process=True
        )
        await executor.start(Call(prepared.function, ended.put_nowait, prepared.arguments))
        ending = await asyncio.wait_for(ended.get(), LIMIT)
        await executor.close()
        return ending

    ending = asyncio.run(story())
    assert ending.error is None
    expected = (1, [1, 2], "from outside", "made", 2, ("staged", 1), False, "ASKING!")
    assert ending.value == expected


@pytest.mark.parametrize("materialize", ["pre", "post"])
def test_what_goes_to_a_process_holds_nothing_of_the_session(materialize: Any) -> None:
    session = scope(x=threading.Lock())  # which could not be sent
    values = collect(needs_of(asking(TerminationFlag())), session.parameters)
    prepared = prepare(
        make, values, task=None, session=session, in_process=True, materialize=materialize
    )
    again = pickle.loads(pickle.dumps(prepared.function))
    assert again.later.keys() == {"x"}


def taking_session(s: Any = Session()) -> None: ...


def taking_task(s: Any = Arg("x") >> FuncArg(add, Task())) -> None: ...


def taking_hidden(_session_: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "shown"),
    [(taking_session, r"Session\(\)"), (taking_task, r"Task\(\)"), (taking_hidden, "Session")],
)
def test_a_process_task_cannot_have_what_is_the_app_s(
    function: Callable[..., Any], shown: str
) -> None:
    with pytest.raises(DefinitionError, match=f"asks for {shown}.*stays in the app's"):
        refuse_in_process(collect(needs_of(function), {}), "task")
    refuse_in_process(collect(needs_of(of_everything), {}), "task")


def test_who_asks_for_the_flag_is_known() -> None:
    assert asks_for_flag(needs_of(asking(TerminationFlag())).arguments)
    assert not asks_for_flag(needs_of(asking(Arg("x"))).arguments)


# --- a function that is known only in the run -----------------------------------------------------

DELAYED = """
from oncue.args import Arg, Return

def main(x=Arg("x"), data=Return("extract"), plain=0):
    return x, data, plain
"""


def test_a_delayed_function_asks_when_it_is_known(tmp_path: Path) -> None:
    file = tmp_path / "delayed.py"
    file.write_text(DELAYED, encoding="utf-8")
    work = DelayedFunction(str(file))
    assert given(work, scope(x=1, plain=2), {"other": 3}) == (1, [1, 2], 2)
    assert given(work, scope(x=1), {"x": 5}, {"plain": Arg("x")}) == (5, [1, 2], 1)


def test_a_delayed_function_in_a_process_has_no_session(tmp_path: Path) -> None:
    file = tmp_path / "delayed.py"
    file.write_text(DELAYED, encoding="utf-8")
    work = DelayedFunction(str(file))
    with pytest.raises(ArgumentError, match="argument 'x': a process has no session"):
        given(work, scope(x=1), in_process=True)
    values = {"x": Arg("x"), "data": Return("extract")}
    assert given(work, scope(x=1), values, in_process=True) == (1, [1, 2], 0)


# --- a failed run ---------------------------------------------------------------------------------


def test_a_run_without_its_argument_fails_in_plain_words() -> None:
    session = scope()
    prepared = prepare(
        asking(Arg("gone")), {"x": Arg("gone")}, task=session.tasks["asking"], session=session
    )

    async def story() -> Ending:
        executor = EXECUTIONS["async"]()
        ended: asyncio.Queue[Ending] = asyncio.Queue()
        await executor.start(Call(prepared.function, ended.put_nowait, prepared.arguments))
        return await asyncio.wait_for(ended.get(), LIMIT)

    expected = Ending(Action.FAIL, error="argument 'x': there is no parameter 'gone'")
    assert asyncio.run(story())[:3] == expected[:3]


@pytest.mark.parametrize("name", args.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(args, name) is not None


def test_needs_are_values() -> None:
    assert needs_of(make) == Needs(frozenset(), (), {})
