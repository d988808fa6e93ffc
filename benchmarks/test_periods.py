"""What windows cost: next runs beside cronsim's in the same run, checks, and deciding "never".

Each benchmark of next runs makes 1,000 of them; the figure per occurrence is a thousandth of it.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from itertools import islice

import pytest
from cronsim import CronSim
from pytest_benchmark.fixture import BenchmarkFixture

from oncue.conds.nodes import Condition
from oncue.engine.civil import Zone, from_datetime, zone
from oncue.engine.periods import Period, period_of
from oncue.engine.periods.compiling import expression_of
from oncue.grammar.parser import parse

UTC = zone("UTC")
BERLIN = zone("Europe/Berlin")
RUNS = 1_000
START = datetime(2026, 1, 1)
CRONS = ["*/5 9-17 * * 1-5", "0 0 29 2 *", "0 10 * * *"]


def run(period: Period, start: int) -> None:
    """The next run, a thousand times."""
    for _ in range(RUNS):
        window = period.window_from(start)
        assert window is not None
        start = window.end


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("text", CRONS)
def test_next_runs(benchmark: BenchmarkFixture, text: str, name: str) -> None:
    benchmark.group = f"1,000 runs of {text}"
    period = period_of(parse(f"cron {text}"), zone(name))
    benchmark(run, period, from_datetime(START, UTC))


@pytest.mark.parametrize("text", CRONS)
def test_next_runs_by_cronsim(benchmark: BenchmarkFixture, text: str) -> None:
    benchmark.group = f"1,000 runs of {text}"
    benchmark(lambda: deque(islice(CronSim(text, START), RUNS), maxlen=0))


def test_a_cached_check(benchmark: BenchmarkFixture) -> None:
    """`time of day after 10:00`, asked again within the window."""
    cursor = period_of(parse("time of day after 10:00"), BERLIN).cursor()
    noon = from_datetime(datetime(2026, 1, 1, 12), BERLIN)
    assert cursor.at(noon)
    assert benchmark(cursor.at, noon)


@pytest.mark.parametrize(
    "text", ["time of day after 10:00", "on weekdays & time of day between 9:00 and 17:00"]
)
def test_an_uncached_look(benchmark: BenchmarkFixture, text: str) -> None:
    period = period_of(parse(text), BERLIN)
    noon = from_datetime(datetime(2026, 1, 1, 12), BERLIN)
    assert benchmark(period.window_from, noon) is not None


def fresh(node: Condition, here: Zone) -> Period:
    """A period nobody has asked anything yet."""
    return Period(expression_of(node, here))


NEVER = "time of month on 31st & time of week on Mon & time of year on Feb"


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("text", [NEVER, "time of hour at 30 & time of cron 0 * * * *"])
def test_deciding_never(benchmark: BenchmarkFixture, text: str, name: str) -> None:
    node, here = parse(text), zone(name)
    assert benchmark(lambda: fresh(node, here).is_empty)


def test_compiling_and_the_first_look(benchmark: BenchmarkFixture) -> None:
    """Each time a condition not seen before."""
    nodes = [
        parse(f"daily after {hour}:{minute:02d}") for hour in range(24) for minute in range(60)
    ]
    seen = iter(nodes * 10)
    noon = from_datetime(datetime(2026, 1, 1, 12), BERLIN)
    benchmark.pedantic(lambda: fresh(next(seen), BERLIN).window_from(noon), rounds=1000)
