"""What is due, and when to look again."""

from typing import Any

import pytest

from oncue.conds import retry
from oncue.conds.nodes import Func, all_of
from oncue.engine import overdue
from oncue.engine.decisions import ConditionFailed, Missed
from oncue.engine.history import History
from oncue.engine.plan import Planner
from oncue.engine.policy import FailureMode, Policy
from oncue.engine.records import Action
from oncue.engine.schedule import CatchUp, Overlap, Schedule
from oncue.engine.verdict import STALE
from oncue.grammar.parser import parse
from oncue.tests.world import UTC, World, instant

RUN, FAIL, CRASH, SUCCESS = Action.RUN, Action.FAIL, Action.CRASH, Action.SUCCESS


def test_a_daily_task_starts_once_in_its_window() -> None:
    world = World().task("a", "daily after 10:00")
    assert world.until("2026-03-12 00:00") == ["a 10:00:00", "a 2026-03-11 10:00:00"]


def test_between_two_instants_that_matter_nothing_is_looked_at() -> None:
    world = World().task("a", "daily after 10:00").task("b", "daily after 10:00 & after task 'c'")
    world.look()
    assert world.wakes == "10:00:00"  # for a; b waits for c, whatever the time
    before = world.agenda.asking.checked
    world.look("09:59:59")
    assert world.agenda.asking.checked == before


def test_with_ten_thousand_idle_tasks_and_one_due_one_plan_is_checked() -> None:
    world = World("09:00:00").task("due", "daily after 10:00")
    for i in range(10_000):
        world.task(f"idle {i}", "daily after 20:00" if i % 2 else "after task 'never'")
    world.look()
    before = world.agenda.asking.checked
    assert world.look("10:00:00") == ["due 10:00:00"]
    assert world.agenda.asking.checked == before + 1


def test_a_term_that_time_does_not_change_settles_a_condition_alone() -> None:
    def was_asked(first: str) -> bool:
        """Whether a false `first` leaves the other term to be asked."""
        planner, other = Planner(History()), "task 'b' has succeeded"
        planner.plan(parse(f"{first} & {other}"), "a", UTC).check(instant("10:00:00"))
        return planner.plan(parse(other), "a", UTC).verdict is not STALE

    assert was_asked("daily after 20:00")
    assert not was_asked("task 'c' has succeeded")


def test_a_record_wakes_its_readers_alone() -> None:
    world = World("09:00:00")
    for i in range(100):
        world.task(f"reader {i}", f"after task 'source {i}'").task(f"source {i}", "false")
    world.look()
    before = world.agenda.asking.checked
    world.record("source 7", SUCCESS)
    assert world.look() == ["reader 7 09:00:00"]
    assert world.agenda.asking.checked <= before + 2  # the reader, and the source, whose run ended


def test_a_dependence_starts_at_the_end_it_waits_for() -> None:
    world = World("09:00:00").task("a", "daily").task("b", "after task 'a'")
    assert world.look() == ["a 09:00:00"]
    world.end("a", now="09:00:05")
    assert world.look() == ["b 09:00:05"]
    world.end("b", now="09:00:06")
    assert world.look("12:00:00") == []


def test_decisions_see_the_starts_before_them() -> None:
    world = World("09:00:00")
    world.task("a", "daily & ~task 'b' is running").task("b", "daily & ~task 'a' is running")
    assert world.look() == ["a 09:00:00"]
    world.end("a", now="09:01:00")
    assert world.look() == ["b 09:01:00"]


def test_of_tasks_due_together_priority_goes_first_then_definition() -> None:
    world = World("09:00:00")
    world.task("a", "daily").task("b", "daily", priority=5).task("c", "daily", priority=5)
    assert world.look() == ["b 09:00:00", "c 09:00:00", "a 09:00:00"]


def test_an_interval_keeps_its_phase_when_the_process_is_late() -> None:
    world = World("09:00:00").task("a", "every 10 seconds")
    assert world.look() == ["a 09:00:00"]
    world.end("a", now="09:00:01")
    assert world.look("09:00:10.700000") == ["a 09:00:10"]
    world.end("a")
    assert world.wakes is not None
    world.look()
    assert world.wakes == "09:00:20"


@pytest.mark.parametrize("many", [False, True])
def test_of_what_an_interval_has_brought_while_nobody_looked_the_newest_runs(many: bool) -> None:
    world = World("09:00:00").task("a", "every 10 seconds", many=many)
    world.look()
    world.end("a", now="09:00:01")
    assert world.look("09:00:45.700000") == ["a 09:00:40"]
    world.end("a", now="09:00:46")
    assert world.look() == []
    assert world.wakes == "09:00:50"


def test_and_of_what_it_has_brought_in_a_window_that_is_over() -> None:
    world = World("08:00:00").task("a", "every 10 seconds & time of day between 09:00 and 09:01")
    assert world.look() == []
    assert world.look("09:01:30") == ["a 09:00:50"]


def test_an_alternative_to_an_interval_has_its_own_instant() -> None:
    world = World("09:30:00").task("a", "every 1 hour | daily after 10:00")
    world.look()
    world.end("a", now="09:30:01")
    assert world.look("10:20:00") == ["a 10:00:00"]


def test_an_interval_keeps_its_phase_when_a_run_is_long() -> None:
    world = World("09:00:00").task("a", "every 10 seconds")
    world.look()
    world.end("a", now="09:00:25")
    assert world.look() == ["a 09:00:20"]
    world.end("a", now="09:00:26")
    assert world.look() == []
    assert world.wakes == "09:00:30"


def test_an_interval_in_a_window_begins_with_the_window() -> None:
    world = World("08:00:00").task("a", "every 40 minutes between 09:00 and 11:00")
    assert world.until("12:00:00") == ["a 09:00:00", "a 09:40:00", "a 10:20:00"]


def test_a_running_task_is_not_started_again() -> None:
    world = World("09:00:00").task("a", "minutely")
    assert world.look() == ["a 09:00:00"]
    assert world.look("09:01:30") == []
    world.end("a", now="09:02:10")
    assert world.look() == ["a 09:02:10"]  # a busy task is not forgiven: 09:01 is gone


def test_with_multilaunch_it_is() -> None:
    world = World("09:00:00").task("a", "minutely", many=True)
    assert world.look() == ["a 09:00:00"]
    assert world.look("09:01:00") == ["a 09:01:00"]


def test_a_window_that_closed_while_nobody_looked_is_forgiven_for_a_minute() -> None:
    world = World("09:00:00").task("a", "daily between 10:00 and 10:01")
    assert world.look() == []
    assert world.look("10:01:59") == ["a 10:00:00"]


def test_and_no_longer() -> None:
    world = World("09:00:00").task("a", "daily between 10:00 and 10:01")
    world.look()
    assert world.look("10:02:00") == []
    assert world.wakes == "2026-03-11 10:00:00"


def test_of_several_occurrences_missed_only_the_newest_runs() -> None:
    world = World("08:59:57").task("a", "time of day between 09:00 and 09:01 & secondly before 100")
    assert world.look() == []
    assert world.look("09:00:03.500000") == ["a 09:00:03"]
    assert world.missed == ["a 09:00:00", "a 09:00:01", "a 09:00:02"]


def test_what_one_run_serves_is_one_occurrence_however_often_it_is_looked_at() -> None:
    """The verdict of a combination may stand for less long than its value does."""
    world = World("00:00:00").task("c", "every 25 minutes", until="is running more than 20 minutes")
    world.look()
    assert world.end("c", now="00:31:00").look() == ["c 00:25:00"]
    world.end("c").look()
    assert world.look("00:51:00") == ["c 00:50:00"]  # it was to be asked again at 00:51
    assert world.missed == []


@pytest.mark.parametrize(
    ("condition", "started", "missed"),
    [
        ("daily between 10:00 and 10:05", [], ["a 10:00:00"]),
        ("hourly after 30", ["a 11:30:00"], ["a 09:30:00", "a 10:30:00"]),
        ("daily after 11:00", ["a 11:00:00"], []),
    ],
)
def test_what_came_and_went_beyond_grace_is_missed(
    condition: str, started: list[str], missed: list[str]
) -> None:
    world = World("09:10:00").task("a", condition)
    world.look()
    assert (world.look("11:50:00"), world.missed) == (started, missed)
    assert (world.look("11:50:01"), world.missed) == ([], missed)


@pytest.mark.parametrize(
    ("condition", "since", "started"),
    [
        ("cron * * * * * *", "2026-02-08 00:00:00", "a 00:00:00"),
        ("secondly", "2026-02-08 00:00:00", "a 00:00:00"),
        ("cron * 9-17 * * * *", "2026-02-08 00:00:00", "a 2026-03-09 17:59:59"),  # last night
        ("cron * * 8 2 * *", "2026-02-08 00:00:00", "a 2026-02-08 23:59:59"),  # long ago
        ("secondly & time of day before 10:00", "2026-02-08 12:00:00", "a 00:00:00"),
    ],
)
def test_too_many_that_newer_ones_took_the_place_of_are_not_decided_each(
    condition: str, since: str, started: str
) -> None:
    options: Any = {"since": since, "catch_up": CatchUp.ONCE, "max_lateness": None}
    world = World("00:00:00").task("a", condition, **options)
    world.task("b", "cron */10 * * * *", **options)
    assert world.look() == [started, "b 00:00:00"]
    assert world.agenda.asking.checked < 20_000
    missed = [each for each in world.agenda.drain_missed() if each.task == "a"]
    assert 1000 < len(missed) < 9000
    assert any(each.until is not None for each in missed)


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.ALLOW])
@pytest.mark.parametrize(
    "condition",
    [
        "cron * * * * *",
        "cron 0,1 */3 * * *",
        "cron * 22 * * *",
        "cron 0 * 8 * *",
        "hourly before 10 & time of day between 20:00 and 08:00",
        "minutely & time of day between 01:00 and 02:00 | hourly",
        "minutely & ~task 'b' has succeeded past 3 hours",
        "every 10 minutes & time of day before 12:00",
    ],
)
def test_what_is_not_decided_each_is_started_and_missed_as_if_it_was(
    condition: str, overlap: Overlap, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(most: int, now: str) -> tuple[list[str], list[Missed]]:
        monkeypatch.setattr(overdue, "MOST_MISSED", most)
        world = World(now).record("b", SUCCESS, at="2026-03-09 04:00")
        options: Any = {"catch_up": CatchUp.ONCE, "overlap": overlap, "since": "2026-03-08 00:00"}
        return world.task("a", condition, **options).look(), world.agenda.drain_missed()

    for now in ("00:00:00", "00:30:30", "05:59:59", "13:30:00"):
        started, every = look(1_000_000, now)
        for most in (3, 10, 40):
            found, missed = look(most, now)
            assert found == started
            between = [(each.scheduled_at, each.until) for each in missed if each.until]
            singles = {each.scheduled_at for each in missed if not each.until}
            all_of = {each.scheduled_at for each in every}
            assert singles <= all_of
            assert all(any(s <= at < u for s, u in between) for at in all_of - singles)


def test_of_too_many_the_first_and_the_last_are_looked_at() -> None:
    world = World("2026-01-01 00:00:00").task("a", "minutely before 10")
    world.look()
    world.end("a")
    world.look("2026-03-10 00:00:30")
    missed = world.missed
    assert missed[0] == "a 2026-01-01 00:01:00" and missed[-1] == "a 2026-03-09 23:59:00"
    assert missed[499:502] == [
        "a 2026-01-01 08:20:00",
        "a from 2026-01-01 08:20:10 until 2026-03-09 15:40:00",
        "a 2026-03-09 15:40:00",
    ]
    assert len(missed) == 1 + 500 + 500 and world.agenda.asking.checked < 2100


def test_many_that_are_looked_at_in_two_goes_leave_no_gap() -> None:
    world = World("2026-03-09 00:00:00").task("a", "minutely before 10")
    world.look()
    world.end("a")
    world.look("2026-03-09 13:20:30")
    assert len(world.missed) == 13 * 60 + 20 - 1
    assert not [each for each in world.missed if "until" in each]


def test_the_last_of_too_many_may_lie_closer_than_the_first() -> None:
    world = World("2026-01-01 00:00:00")
    world.task("a", "hourly before 10 | (after 2026-03-09 & secondly)")
    world.look()
    world.end("a")
    world.look("2026-03-10 00:00:30.500000")
    ((place, gap),) = [(n, each) for n, each in enumerate(world.missed) if "until" in each]
    assert gap.startswith("a from 2026-01-21 ") and " until 2026-03-09 23:4" in gap
    assert len(world.missed[place:]) > 400 and "a 2026-03-09 23:59:30" in world.missed


def test_what_another_instance_has_run_meanwhile_is_not_missed() -> None:
    world = World("09:30:00").task("a", "hourly before 10")
    world.look()
    world.now = instant("13:30:00")
    for hour in ("10", "12"):
        world.record("a", RUN, at=f"{hour}:00:02")
        world.record("a", SUCCESS, at=f"{hour}:00:03", run=world.seq)
    assert world.look() == []
    assert world.missed == ["a 11:00:00", "a 13:00:00"]


def test_a_start_taken_back_for_another_run_is_made_when_that_has_ended() -> None:
    """The other run was asked for, between two windows: the one before it is still owed."""
    world = World("09:00:00").task("a", "hourly after 30", misfire_grace=3_600_000_000)
    world.look()
    world.now = instant("10:20:00")
    world.record("a", RUN, at="10:10:00")
    world.record("a", SUCCESS, at="10:11:00", run=world.seq)
    assert world.look() == ["a 09:30:00"]


def test_nothing_is_decided_of_a_task_that_others_have_started_by_then() -> None:
    world = World("09:00:00").task("a", "always")
    world.now = instant("09:00:10")
    for second in range(1, 9):
        world.record("a", RUN, at=f"09:00:0{second}")
        if second < 8:
            world.record("a", SUCCESS, at=f"09:00:0{second}.500", run=world.seq)
    assert world.look() == [] and world.agenda.asking.checked == 0
    world.record("a", SUCCESS, at="09:00:09", run=world.seq)
    assert world.look() == ["a 09:00:07.500000"]


def test_an_interval_keeps_in_step_when_an_older_lease_ends() -> None:
    policy = Policy(FailureMode.NONE, lease=5_000_000)
    world = World("10:00:00").task("a", "every 2 seconds", policy=policy)
    assert world.look() == ["a 10:00:00"]
    world.end("a", FAIL, now="10:00:01")
    assert world.look("10:00:02") == ["a 10:00:02"]
    world.end("a", now="10:00:05.500")
    assert world.look() == ["a 10:00:04"]


def test_a_start_that_does_not_consume_waits_before_the_next() -> None:
    world = World("09:00:00").task("a", "time of day after 08:00")
    assert world.look() == ["a 09:00:00"]
    world.end("a", now="09:00:00.001000")
    assert world.look() == []
    assert world.wakes == "09:00:00.100000"
    assert world.look("09:00:00.100000") == ["a 09:00:00.100000"]


def test_one_start_for_a_task_and_instant_even_without_a_pause() -> None:
    world = World("09:00:00", cycle_sleep=0).task("a", "true")
    assert world.look() == ["a 09:00:00"]
    world.end("a")
    found = world.look("09:00:00.000001")
    assert found == ["a 09:00:00.000001"]


def test_a_crashed_run_waits_a_second_then_twice_as_long() -> None:
    world = World("09:00:00").task("a", "daily")
    world.look()
    for at, again in (
        ("09:00:10", "09:00:11"),
        ("09:00:20", "09:00:22"),
        ("09:00:30", "09:00:34"),
    ):
        world.end("a", CRASH, now=at)
        assert world.look() == []
        assert world.wakes == again
        assert world.look(again) == ["a 09:00:00"]  # the same occurrence, which is owed
    world.end("a", now="09:00:40")
    assert world.look() == []


def test_retries_are_counted_and_end() -> None:
    world = World("09:00:00").task("a", "daily | retry 2 times after 30 seconds")
    assert world.look() == ["a 09:00:00"]
    world.end("a", FAIL, now="09:00:01")
    assert world.look() == []
    assert world.look("09:00:31") == ["a 09:00:31 again 1"]
    world.end("a", FAIL, now="09:00:32")
    assert world.look("09:01:02") == ["a 09:01:02 again 2"]
    world.end("a", FAIL, now="09:01:03")
    assert world.look("23:59:59") == []
    assert world.look("2026-03-11 00:00") == ["a 2026-03-11 00:00:00"]


def test_a_refused_claim_is_decided_again_with_the_new_log() -> None:
    world = World("09:00:00").task("a", "daily").task("b", "daily & ~task 'a' is running")
    a, b = (world.agenda.decide(world.now) + [None])[:2]
    assert a is not None and b is None
    world.agenda.refused(a)
    world.record("a", Action.RUN)  # another instance was first
    assert world.look("09:00:01") == []
    world.record("a", SUCCESS, run=world.seq)
    assert world.look("09:00:02") == ["b 09:00:01"]


def test_what_was_not_decided_for_another_run_is_not_dated_there_when_it_comes_anew() -> None:
    """The start of another instance was on its way at 00:00:02; what comes due later is later."""
    world = World().task("heard", "after task 'x'")
    assert world.look() == []
    world.now = instant("00:00:05")
    world.record("x", SUCCESS, at="00:00:02").record("heard", RUN, at="00:00:03")
    run = world.seq
    assert world.look() == []
    world.now = instant("00:00:09")
    world.record("x", SUCCESS, at="00:00:07").record("heard", SUCCESS, at="00:00:08", run=run)
    assert world.look() == ["heard 00:00:08"]


def test_what_a_queue_starts_is_dated_from_when_it_came_due() -> None:
    world = World().task("heard", "after task 'x'", overlap=Overlap.QUEUE)
    assert world.look() == []
    world.record("x", SUCCESS)
    assert world.look("00:00:02") == ["heard 00:00:00"]
    world.now = instant("00:00:07")
    world.record("x", SUCCESS)
    assert world.look() == []
    world.end("heard", now="00:00:08")
    assert world.look() == ["heard 00:00:07"]


@pytest.mark.parametrize("begun", ["00:00:05", "00:00:06"])  # when it was due, and late
def test_what_comes_due_during_a_run_that_was_owed_waits_in_its_queue(begun: str) -> None:
    world = World("00:00:04")
    world.record("a", RUN, at="00:00:00").record("a", CRASH, at="00:00:04", run=1)
    assert world.look() == []
    world.task("a", "every 10 seconds", overlap=Overlap.QUEUE)
    assert world.look(begun) == ["a 00:00:00"]
    world.end("a", now="00:00:25")
    assert world.look() == ["a 00:00:10"]
    world.end("a", now="00:00:26")
    assert world.look() == ["a 00:00:20"]


def test_a_parameter_that_has_changed_dates_nothing_before_it() -> None:
    values = {"mode": "quiet"}
    world = World()
    world.planner.parameters = values
    world.task("a", "param mode is loud", overlap=Overlap.QUEUE, since="00:00:00")
    assert world.look("00:00:01") == []
    values["mode"] = "loud"
    world.agenda.reach(instant("00:00:04"))
    world.agenda.parameter_changed("mode")
    assert world.look("00:00:05") == ["a 00:00:04"]


def test_what_is_asked_for_is_dated_when_it_was_asked_for() -> None:
    """Unless something that came due before has still to be decided."""
    world = World().task("a", "false").task("b", "every 10 seconds")
    assert world.look() == ["b 00:00:00"]
    world.end("b", now="00:00:01")
    assert world.look() == []
    world.agenda.reach(instant("00:00:04"))
    assert world.ask("a").look("00:00:05") == ["a 00:00:04"]
    world.end("a")
    assert world.look() == []
    world.agenda.reach(instant("00:00:30"))
    assert world.ask("a").look("00:00:31") == ["a 00:00:10", "b 00:00:30"]


def test_what_another_instance_has_started_meanwhile_is_not_started_for_the_past() -> None:
    """Though the condition does not read that run, and held before it."""
    world = World().task("a", "has succeeded exactly 1 times")
    assert world.look("00:00:00") == []
    world.now = instant("00:00:04")
    world.record("a", Action.RUN, at="00:00:01").record("a", Action.SUCCESS, at="00:00:02", run=1)
    world.record("a", Action.RUN, at="00:00:03")
    assert world.look() == []
    world.record("a", Action.FAIL, run=3)
    assert world.look() == ["a 00:00:02"]


def test_a_refused_claim_keeps_its_logical_instant() -> None:
    world = World("09:00:00").task("a", "hourly")
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    world.record("b", SUCCESS)
    assert world.look("09:00:05") == ["a 09:00:00"]


def test_a_clock_set_back_repeats_nothing() -> None:
    world = World("09:00:00").task("a", "daily after 08:00").task("b", "every 10 minutes")
    assert world.look() == ["a 09:00:00", "b 09:00:00"]
    world.end("a").end("b")
    assert world.look("08:30:00") == []
    assert world.until("09:15:00") == [
        "b 08:40:00",
        *(f"b {t}:00" for t in ("08:50", "09:00", "09:10")),
    ]


def test_a_clock_set_back_leaves_no_decision_in_the_future() -> None:
    world = World("09:00:00").task("a", "daily after 09:30")
    world.look()
    world.now = instant("09:30:00")
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    assert world.look("09:10:00") == []
    assert world.look("09:30:00") == ["a 09:30:00"]


def test_nor_does_it_shorten_the_wait_after_a_crash() -> None:
    world = World("09:00:00").task("a", "daily")
    world.look()
    world.end("a", Action.CRASH)
    assert world.look("09:00:00.500000") == []
    assert world.look("09:00:00.499000") == []
    assert world.look("09:00:01") == ["a 09:00:00"]


def test_a_removed_task_is_not_looked_at() -> None:
    world = World("09:00:00").task("a", "daily after 10:00")
    world.look()
    world.agenda.remove("a")
    assert world.wakes is None
    assert world.look("10:00:00") == []


@pytest.mark.parametrize("lasting", [0, 7, 61, 3700])
def test_one_start_in_each_window_however_long_runs_last(lasting: int) -> None:
    world = World().task("a", "hourly after 30:00")
    starts = world.until("2026-03-11 00:00", lasting=lasting)
    hours = [start.split()[1][:2] for start in starts]
    assert len(hours) == len(set(hours))
    if lasting <= 3600:
        assert len(hours) == 24


def test_a_record_is_not_seen_before_its_instant() -> None:
    """Nobody looked while b ran through the window: a could not have started in it."""
    world = World("09:00:00").task("b", "hourly")
    world.task("a", "daily between 10:00:00 and 10:00:20 & ~task 'b' is running")
    world.look()
    world.end("b", now="09:59:00")
    world.record("b", Action.RUN, at="09:59:30")
    b = world.seq
    world.look("09:59:40")
    world.now += 50_000_000
    world.record("b", SUCCESS, at="10:00:30", run=b)
    assert [start for start in world.look() if start.startswith("a")] == []


def test_a_start_decided_late_must_hold_with_the_newest_log() -> None:
    world = World("09:00:00").task("a", "daily after 10:00 & ~task 'b' has failed today")
    world.look()
    world.now += 3_610_000_000
    world.record("b", FAIL, at="10:00:05")
    assert world.look() == []


def test_the_heap_does_not_grow_with_looking_early() -> None:
    world = World("09:00:00").task("far", "daily after 20:00 | task 'b' is running")
    world.task("b", "false")
    for second in range(1, 1500):
        world.record("b", Action.RUN).record("b", SUCCESS, run=world.seq)
        world.look(f"{9 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}")
    assert len(world.agenda._heap) < 200


def test_the_phase_of_an_interval_does_not_depend_on_when_it_was_asked() -> None:
    found = []
    for meanwhile in (False, True):
        world = World("09:00:00").task("a", "every 10 seconds & ~task 'b' is running")
        world.task("b", "false").look()
        if meanwhile:
            world.record("b", Action.RUN, at="09:00:03").record("b", SUCCESS, run=world.seq)
        world.end("a", now="09:00:25")
        found.append(world.look())
    assert found == [["a 09:00:20"], ["a 09:00:20"]]


def test_nothing_is_decided_from_before_it_is_known_that_nobody_has() -> None:
    world = World("10:00:00")
    world.look()
    world.task("a", "daily", since="10:00:05")
    assert world.look("10:00:10") == ["a 10:00:05"]


def test_a_wait_that_is_old_news_does_not_last_once_a_run_has_succeeded() -> None:
    schedule = Schedule(parse("daily after 10:00"), UTC, policy=Policy(FailureMode.UNLOCK))
    for ending, first in ((SUCCESS, ["a 10:00:00"]), (FAIL, [])):
        world = World("09:59:59").record("a", RUN).record("a", ending, run=1)
        world.agenda.absorb()
        world.agenda.add("a", schedule, waited=2_000_000)
        assert world.look("10:00:00") == first
        assert len(first + world.look("10:00:01")) == 1


def test_a_crash_that_is_old_news_makes_the_first_start_wait() -> None:
    world = World("09:00:00")
    world.record("a", Action.RUN).record("a", CRASH, run=world.seq)
    world.look()
    world.task("a", "daily")
    assert world.look() == []
    assert world.wakes == "09:00:01"


# --- ends ---------------------------------------------------------------------------------------


def test_a_run_is_to_be_ended_when_its_time_is_over() -> None:
    world = World("09:00:00").task("a", "daily", timeout=60_000_000)
    assert world.look() == ["a 09:00:00"]
    assert (world.stops, world.wakes) == ([], "09:01:00")
    world.look("09:00:59.999999")
    assert world.stops == []
    world.look("09:01:00")
    assert world.stops == ["a: its timeout is over"]
    world.look("10:00:00")
    assert world.stops == []  # said once
    world.end("a", Action.TERMINATE)
    world.look()
    assert world.wakes == "2026-03-11 00:00:00"


def test_what_ended_before_we_looked_is_not_to_be_ended() -> None:
    world = World("09:00:00").task("a", "daily", timeout=60_000_000)
    world.look()
    world.end("a", now="09:05:00")
    assert (world.look(), world.stops) == ([], [])


def test_each_run_of_many_has_its_own_time() -> None:
    world = World("09:00:00").task("a", "minutely", many=True, timeout=150_000_000)
    world.until("09:02:00", lasting=600)
    world.look("09:02:30")
    assert world.stops == ["a: its timeout is over"]
    world.look("09:03:30")
    assert world.stops == ["a: its timeout is over"]


def test_a_run_that_ended_in_time_wakes_nobody() -> None:
    world = World("09:00:00").task("a", "daily", timeout=60_000_000)
    world.look()
    world.end("a", now="09:00:30")
    world.look()
    assert world.wakes == "2026-03-11 00:00:00"


def test_a_run_is_to_be_ended_when_its_end_cond_holds() -> None:
    world = World("09:00:00").task("a", "daily", until="time of day after 17:00")
    world.look()
    assert (world.stops, world.wakes) == ([], "17:00:00")
    world.look("17:00:00")
    assert world.stops == ["a: its end_cond holds"]


def test_an_end_cond_may_wait_for_a_record() -> None:
    world = World("09:00:00").task("a", "daily", until="task 'b' has failed today")
    world.look()
    world.record("b", FAIL, at="09:30:00")
    world.look("09:30:00")
    assert world.stops == ["a: its end_cond holds"]


def test_nothing_starts_while_its_end_cond_holds() -> None:
    world = World("17:30:00").task("a", "daily", until="time of day after 17:00")
    assert world.look() == []
    assert world.wakes == "2026-03-11 00:00:00"


def test_an_end_is_found_for_a_run_of_another_life() -> None:
    world = World("09:00:00")
    world.record("a", Action.RUN)
    world.look("09:00:10")
    world.task("a", "daily", timeout=60_000_000)
    world.look("09:01:00")
    world.look(world.wakes)
    assert world.stops == ["a: its timeout is over"]


# --- starts that are asked for ------------------------------------------------------------------


def test_a_start_that_is_asked_for_asks_no_condition() -> None:
    world = World("09:00:00").task("a", "false")
    assert world.ask("a").ask("a").look() == ["a 09:00:00"]
    assert world.look("09:00:01") == []  # one is running
    world.end("a", now="09:00:02")
    assert world.look() == ["a 09:00:02"]


def test_and_counts_as_a_run() -> None:
    world = World("10:30:00").task("a", "daily after 10:00", enabled=False).ask("a", forced=True)
    assert world.look() == ["a 10:30:00"]
    world.agenda.enable("a", True)
    world.end("a", now="10:31:00")
    assert world.look("23:00:00") == []


def test_of_many_the_starts_asked_for_go_on_beside_each_other() -> None:
    world = World("09:00:00").task("a", "false", many=True).ask("a").ask("a")
    assert world.look() == ["a 09:00:00"]
    assert world.wakes == "09:00:00.000001"  # one start for a task and instant
    assert world.look("09:00:01") == ["a 09:00:00.000001"]


def test_a_disabled_task_is_started_by_force_alone() -> None:
    world = World("09:00:00").task("a", "daily", enabled=False).ask("a")
    assert world.look() == []
    world.agenda.entries["a"].requests.clear()
    assert world.ask("a", forced=True).look() == ["a 09:00:00"]
    world.end("a")
    world.agenda.enable("a", True)
    assert world.look("09:00:01") == []  # it ran today


def test_one_that_is_forced_waits_for_none_that_is_not() -> None:
    world = World("09:00:00").task("a", "false", enabled=False).ask("a").ask("a", forced=True)
    assert world.look() == ["a 09:00:00"]
    world.end("a")
    assert world.look("09:00:01") == []
    world.agenda.enable("a", True)
    assert world.look() == ["a 09:00:01"]


def test_one_that_asks_starts_if_its_condition_holds_then() -> None:
    world = World("09:00:00").task("a", "daily after 10:00", standing=False)
    assert world.ask("a", asking=True).look() == []
    assert world.look("10:00:00") == []  # it starts by occasion alone
    assert world.ask("a", asking=True).look() == ["a 10:00:00"]


def test_a_refused_start_that_was_asked_for_is_asked_for_again() -> None:
    world = World("09:00:00").task("a", "false").ask("a")
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    assert world.look() == ["a 09:00:00"]
    assert not world.agenda.entries["a"].requests


# --- tasks that change --------------------------------------------------------------------------


def test_starts_asked_for_keep_their_order_when_they_are_refused() -> None:
    world = World("09:00:00").task("a", "false", many=True)
    for n in range(3):
        world.ask("a", parameters={"n": n})
    starts = world.agenda.decide(instant("09:00:01"))
    for start in reversed(starts):
        world.agenda.refused(start)
    again = world.agenda.decide(instant("09:00:02"))
    asked = [start.request.parameters["n"] for start in again if start.request is not None]
    assert asked == [0, 1, 2]
    assert again[0].record.scheduled_at == instant("09:00:00")


def test_another_schedule_takes_the_place_of_a_tasks() -> None:
    world = World("09:00:00").task("a", "daily after 10:00", timeout=60_000_000).task("b", "false")
    world.look()
    world.agenda.change("a", Schedule(parse("after task 'b'"), UTC))
    assert world.look("10:00:00") == []
    world.record("b", SUCCESS)
    assert world.look("10:00:01") == ["a 10:00:00"]
    world.look("11:00:00")
    assert world.stops == []  # no timeout any more


def test_a_shorter_timeout_holds_for_what_runs() -> None:
    world = World("09:00:00").task("a", "daily", timeout=3_600_000_000)
    world.look()
    world.agenda.change("a", Schedule(parse("daily"), UTC, timeout=60_000_000))
    world.look("09:01:00")
    assert world.stops == ["a: its timeout is over"]


def test_it_counts_from_the_start_of_what_runs() -> None:
    world = World("09:00:00").task("a", "daily", timeout=3_600_000_000)
    world.look()
    world.look("09:10:00")
    world.agenda.change("a", Schedule(parse("daily"), UTC, timeout=900_000_000))
    assert world.wakes == "09:10:00" and world.look() == [] and world.wakes == "09:15:00"
    world.agenda.change("a", Schedule(parse("daily"), UTC, timeout=60_000_000))
    world.look("09:10:01")
    assert world.stops == ["a: its timeout is over"]


def test_what_was_told_to_end_is_not_told_again_under_another_schedule() -> None:
    world = World("09:00:00").task("a", "daily", timeout=60_000_000)
    world.look()
    world.look("09:01:00")
    assert world.stops == ["a: its timeout is over"]
    world.agenda.change("a", Schedule(parse("daily"), UTC))
    world.look("09:02:00")
    world.agenda.change("a", Schedule(parse("daily"), UTC, timeout=90_000_000))
    world.look("09:10:00")
    assert world.stops == []


def test_a_removed_task_is_looked_at_no_more() -> None:
    world = World("09:00:00").task("a", "daily after 10:00", timeout=60_000_000).ask("a")
    world.agenda.remove("a")
    before = world.agenda.asking.checked
    assert world.look("10:00:00") == []
    assert (world.agenda.asking.checked, world.wakes) == (before, None)


def test_tasks_that_come_and_go_leave_nothing_behind() -> None:
    world = World("09:00:00").task("stays", "daily after 10:00 & after task 'other'")
    for number in range(2000):
        name = f"task {number}"
        world.task(
            name, f"daily after 10:{number % 60:02} & after task 'x{number}' | retry 2 times"
        )
        world.agenda.change(name, Schedule(parse(f"after task 'y{number}'"), UTC))
        world.agenda.remove(name)
    planner = world.agenda.planner
    assert planner.size < 3000
    assert len(planner.history.tasks) < 2000
    assert world.look("10:00:00") == []
    world.record("other", SUCCESS)
    assert world.look("10:00:01") == ["stays 10:00:00"]


# --- conditions that raise ----------------------------------------------------------------------


def test_a_condition_that_raises_is_named_and_nothing_is_half_decided() -> None:
    def broken() -> bool:
        raise RuntimeError("no answer")

    world = World("09:00:00").task("a", "daily")
    node = Func(broken)
    world.agenda.add("b", Schedule(node, UTC))
    with pytest.raises(ConditionFailed, match="a condition of task 'b' failed"):
        world.look()
    assert world.look() == ["a 09:00:00"]  # its start was taken back, and is decided again


def test_a_silenced_one_is_false_for_a_while() -> None:
    said: list[str] = []
    answers = iter([False, False, True])

    def broken() -> bool:
        if not next(answers):
            raise RuntimeError("no")
        return True

    world = World("09:00:00")
    world.agenda.asking.silenced = lambda name, error: said.append(f"{name}: {error}")
    world.agenda.add("b", Schedule(all_of(parse("daily"), Func(broken)), UTC))
    assert world.look() == []
    assert world.wakes == "09:00:00.100000"
    assert world.look("09:00:00.100000") == []
    assert world.look("09:00:00.200000") == ["b 09:00:00.200000"]
    assert said == ["b: no"]  # until it answers, or raises something else


# --- delays of retries --------------------------------------------------------------------------


def test_retries_wait_longer_each_time_up_to_a_limit() -> None:
    world = World("09:00:00")
    policy = retry(4, after="10 s", backoff=3, max_delay="1 min")
    world.agenda.add("a", Schedule(parse("daily"), UTC, retries=policy))
    assert world.look() == ["a 09:00:00"]
    for failed, again, number in (
        ("09:00:01", "09:00:11", 1),
        ("09:00:12", "09:00:42", 2),
        ("09:00:43", "09:01:43", 3),
        ("09:01:44", "09:02:44", 4),
    ):
        world.end("a", FAIL, now=failed)
        assert world.look() == []
        assert world.wakes == again
        assert world.look(again) == [f"a {again} again {number}"]
    world.end("a", FAIL)
    assert world.look("23:00:00") == []


def test_jitter_is_drawn_from_the_log_so_that_it_stays_as_it_is() -> None:
    def wakes(name: str) -> str | None:
        world = World("09:00:00")
        policy = retry(1, after="10 s", jitter=1)
        world.agenda.add(name, Schedule(parse("daily"), UTC, retries=policy))
        world.look()
        world.end(name, FAIL, now="09:00:01")
        world.look()
        return world.wakes

    found = [wakes(f"task {n}") for n in range(20)]
    assert found == [wakes(f"task {n}") for n in range(20)]
    assert len(set(found)) > 15
    assert all(at is not None and "09:00:11" <= at < "09:00:21" for at in found)


def test_a_run_that_began_late_is_not_ended_for_what_held_before() -> None:
    world = World("09:00:00").task("a", "daily", until="time of hour after 40")
    world.look()
    world.end("a", CRASH)
    assert world.look("10:00:00") == ["a 09:00:00"]
    assert world.stops == []
    assert world.look("10:40:00") == []
    assert world.stops == ["a: its end_cond holds"]


@pytest.mark.parametrize(
    ("condition", "shared"),
    [
        ("time of day after 10:00", True),
        ("task 'x' has failed", True),
        ("task 'x' is running & param mode is loud | scheduler has more than 3 cycles", True),
        ("time of day after 10:00 & ~task 'x' has failed in Asia/Tokyo", True),
        ("has failed", False),
        ("is running", False),
        ("after task 'x'", False),
        ("daily", False),
        ("task 'x' has failed | retry", False),
    ],
)
def test_a_plan_that_is_the_same_for_every_task_is_one(condition: str, shared: bool) -> None:
    planner, node = Planner(History()), parse(condition)
    plans = {planner.plan(node, name, UTC) for name in ("a", "b", "c")}
    assert (len(plans) == 1) is shared


def test_of_many_tasks_with_one_plan_each_is_woken_until_it_is_gone() -> None:
    world = World()
    for name in "abcd":
        world.task(name, "task 'x' has failed")
    assert world.look() == []
    world.agenda.remove("b")
    world.agenda.change("c", Schedule(parse("task 'x' has succeeded"), UTC))
    world.record("x", FAIL)
    assert world.look() == ["a 00:00:00", "d 00:00:00"]
    for name in "acd":
        world.agenda.remove(name)
    assert world.record("x", FAIL).look() == []
