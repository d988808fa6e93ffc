"""What a decision costs. Figures are for comparing on one machine, in one run."""

from __future__ import annotations

from datetime import datetime

from pytest_benchmark.fixture import BenchmarkFixture

from oncue.engine.agenda import Agenda
from oncue.engine.civil import from_datetime, zone
from oncue.engine.history import History
from oncue.engine.plan import Planner
from oncue.engine.records import Action, Record
from oncue.engine.schedule import Schedule
from oncue.engine.verdict import Plan
from oncue.grammar.parser import parse

UTC = zone("UTC")
SECOND = 1_000_000
NINE = from_datetime(datetime(2026, 3, 10, 9), UTC)
TEN = NINE + 3600 * SECOND


def agenda_of(conditions: dict[str, str], records: list[Record]) -> Agenda:
    planner = Planner(History(records))
    agenda = Agenda(planner, NINE)
    for name, text in conditions.items():
        agenda.add(name, Schedule(parse(text), UTC))
    return agenda


def uncached(plan: Plan, now: int) -> bool:
    plan.forget()
    return plan.check(now).value


def test_check_uncached(benchmark: BenchmarkFixture) -> None:
    """One check of `daily after 10:00` after 100,000 records of its task."""
    day = 24 * 3600 * SECOND
    log = [
        Record("a", action, at=NINE - k * day // 100, seq=2 * (50_000 - k) + n)
        for k in range(50_000, 100, -1)
        for n, action in enumerate((Action.RUN, Action.SUCCESS))
    ]
    planner = Planner(History(log))
    plan = planner.plan(parse("daily after 10:00"), "a", UTC)
    assert benchmark(uncached, plan, TEN) is True


def test_check_cached(benchmark: BenchmarkFixture) -> None:
    plan = Planner(History()).plan(parse("daily after 10:00"), "a", UTC)
    assert benchmark(plan.check, TEN).value is True


def test_one_of_ten_thousand_becomes_due(benchmark: BenchmarkFixture) -> None:
    """The whole decision, from waking up to the start; every second another task is due."""
    conditions = {f"idle {i}": "daily after 20:00" for i in range(9_900)}
    conditions |= {f"due {i}": f"daily after 10:0{i // 60}:{i % 60:02}" for i in range(100)}
    agenda = agenda_of(conditions, [])
    agenda.decide(NINE)
    agenda.asking.checked = 0
    seconds = iter(range(100))

    def next_second() -> tuple[tuple[int], dict[str, object]]:
        return (TEN + next(seconds) * 1_000_000,), {}

    def cycle(now: int) -> None:
        assert len(agenda.decide(now)) == 1

    rounds = 1 if benchmark.disabled else 100
    benchmark.pedantic(cycle, setup=next_second, rounds=rounds)
    assert agenda.asking.checked == rounds


def test_recheck_of_ten_thousand(benchmark: BenchmarkFixture) -> None:
    """Every plan asked again, its answer dropped."""
    agenda = agenda_of({f"task {i}": "daily after 10:00" for i in range(10_000)}, [])
    plans = [entry.plan for entry in agenda.entries.values()]

    def recheck() -> int:
        return sum(uncached(plan, NINE) for plan in plans)

    assert benchmark(recheck) == 0


def test_define_ten_thousand(benchmark: BenchmarkFixture) -> None:
    node = parse("daily after 10:00")

    def define() -> int:
        planner = Planner(History())
        agenda = Agenda(planner, NINE)
        for i in range(10_000):
            agenda.add(f"task {i}", Schedule(node, UTC))
        return len(agenda.decide(NINE)) + len(agenda.entries)

    assert benchmark.pedantic(define, rounds=3) == 10_000
