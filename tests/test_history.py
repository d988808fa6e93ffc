"""The log index: what it keeps, and what it forgets."""

from __future__ import annotations

from oncue.engine.civil import FOREVER
from oncue.engine.history import ROOM, History
from oncue.engine.policy import FailureMode, Policy
from oncue.engine.records import Action, Record
from oncue.tests.world import World

MINUTE = 60_000_000


def test_memory_is_bounded_by_what_the_plans_look_back_at() -> None:
    world = World().task("a", "every 1 minute & ~has failed at least 3 times past 1 hour")
    world.task("b", "hourly & ~has succeeded at least 50 times")
    assert len(world.until("2026-03-13 00:00")) >= 3 * 24 * 60
    assert world.agenda.history.of("b").total((Action.SUCCESS,)) == 50
    log = world.agenda.history.of("a")
    held = len(log.starts) + sum(map(len, (log.logical, log.finished, *log.times.values())))
    assert held <= 6 * (ROOM + 100)
    assert log.total((Action.SUCCESS,)) >= 3 * 24 * 60 - 1


def test_an_ending_without_a_label_ends_what_has_none() -> None:
    log = [Record("a", Action.RUN, 1, 1), Record("a", Action.RUN, 2, 2)]
    history = History([*log, Record("a", Action.SUCCESS, 3, 3)])
    assert not history.of("a").live


def test_an_ending_with_a_label_ends_the_oldest_of_that_label() -> None:
    log = [Record("a", Action.RUN, n, n, run_id=label) for n, label in enumerate("xyx", 1)]
    history = History([*log, Record("a", Action.SUCCESS, 4, 4, run_id="x")])
    assert sorted(history.of("a").live) == [2, 3]


def test_an_ending_that_names_its_run_ends_that_one() -> None:
    log = [Record("a", Action.RUN, n, n) for n in (1, 2)]
    history = History([*log, Record("a", Action.FAIL, 3, 3, run=2)])
    assert sorted(history.of("a").live) == [1]


def test_latest_is_by_sequence_whatever_the_clock_said() -> None:
    history = History([Record("a", Action.SUCCESS, 50, 1), Record("a", Action.SUCCESS, 10, 2)])
    log = history.of("a")
    assert (log.last[Action.SUCCESS].at, log.times[Action.SUCCESS]) == (10, [10, 50])


def test_a_record_that_arrives_late_takes_its_place_in_the_sequence() -> None:
    history = History([Record("a", Action.RUN, 1, 1), Record("a", Action.RUN, 3, 3)])
    history.add(Record("a", Action.RUN, 2, 2))
    log = history.of("a")
    assert [run.mark.seq for run in log.starts] == [1, 2, 3]
    assert log.last[Action.RUN].seq == 3
    assert history.position == 3


def test_a_refused_start_leaves_no_trace() -> None:
    history = History([Record("a", Action.RUN, MINUTE, 1)])
    log = history.of("a")
    mark = log.add(Record("a", Action.RUN, 2 * MINUTE, history.next_provisional()))
    assert len(log.live) == 2
    log.drop(mark)
    assert (len(log.live), log.logical, log.times[Action.RUN]) == (1, [MINUTE], [MINUTE])
    assert log.last[Action.RUN].seq == 1
    assert history.position == 1


def test_a_policy_taken_up_later_says_the_same_as_one_from_the_start() -> None:
    policy = Policy(FailureMode.NONE, lease=5 * MINUTE)
    log = [
        Record("a", Action.RUN, MINUTE, 1),
        Record("a", Action.SUCCESS, MINUTE, 2, run=1),
        Record("a", Action.RUN, 2 * MINUTE, 3),
        Record("a", Action.FAIL, 3 * MINUTE, 4, run=3),
    ]
    late, early = History(log).of("a"), History()
    early.of("a").policy = policy
    for record in log:
        early.add(record)
    assert late.counted_in(2 * MINUTE, 3 * MINUTE) == FOREVER
    late.adopt(policy)
    for found in (late, early.of("a")):
        assert found.counted_in(2 * MINUTE, 3 * MINUTE) == 7 * MINUTE
        assert found.logical == [MINUTE]
        starts = [found.latest_start(now) for now in (7 * MINUTE - 1, 7 * MINUTE)]
        assert [start and start.mark.seq for start in starts] == [3, 1]


def test_nothing_is_forgotten_while_a_start_may_be_refused() -> None:
    history = History([Record("a", Action.RUN, 10 * n, n) for n in range(1, 5)])
    log = history.of("a")
    numbers = [history.next_provisional() for _ in range(3)]
    marks = [history.add(Record("a", Action.RUN, 50, seq)) for seq in numbers]
    log.keep(FOREVER, 50)
    for mark in reversed(marks):
        log.drop(mark)
    assert (log.total((Action.RUN,)), log.last[Action.RUN].at) == (4, 40)
    assert log.times[Action.RUN] == [10, 20, 30, 40]
