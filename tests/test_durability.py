"""Decisions about what was not done: released runs, downtime, overlaps, and too little room."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oncue.engine.policy import ExecutionMode, FailureMode, Policy
from oncue.engine.records import Action, Record
from oncue.engine.schedule import CatchUp, Overlap
from oncue.tests.world import World, instant

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
FAIL, CRASH, TERMINATE = Action.FAIL, Action.CRASH, Action.TERMINATE
UNLOCK, NONE = Policy(FailureMode.UNLOCK), Policy(FailureMode.NONE)
ONCE_ONLY = Policy(execution=ExecutionMode.AT_MOST_ONCE)
YESTERDAY = "2026-03-09 "


# --- released runs --------------------------------------------------------------------------------


def test_a_run_that_crashed_is_owed_when_its_window_has_passed() -> None:
    world = World("09:00:00").task("a", "daily between 09:00 and 10:00")
    assert world.look() == ["a 09:00:00"]
    world.end("a", CRASH, now="11:00:00")
    assert world.look("11:00:01") == ["a 09:00:00"]
    assert world.end("a").until("23:59:59") == []


@pytest.mark.parametrize(
    ("policy", "starts"),
    [
        (UNLOCK, ["a 09:00:00"]),
        (Policy(), []),
        (ONCE_ONLY, []),
    ],
)
def test_whether_a_failed_run_is_owed_is_said_by_its_mode(
    policy: Policy, starts: list[str]
) -> None:
    world = World("09:00:00").task("a", "daily between 09:00 and 10:00", policy=policy)
    world.look()
    world.end("a", FAIL, now="11:00:00")
    assert world.look("11:00:01") == starts


def test_under_at_most_once_nothing_is_owed_after_a_crash() -> None:
    world = World("09:00:00").task("a", "daily", policy=ONCE_ONLY)
    world.look()
    assert world.end("a", CRASH).until("23:59:59") == []


def test_under_none_a_failed_run_stays_locked_until_its_lease_ends() -> None:
    policy = Policy(FailureMode.NONE, lease=60 * SECOND)
    world = World("09:00:00").task("a", "cron 0 9 * * *", policy=policy)
    assert world.look() == ["a 09:00:00"]
    world.end("a", FAIL, now="09:00:05")
    assert world.look() == []
    assert world.wakes == "09:01:00"
    assert world.look("09:01:00") == ["a 09:00:00"]


def test_an_extended_lease_locks_it_for_longer() -> None:
    world = World("09:00:00").task("a", "cron 0 9 * * *", policy=NONE)
    world.look()
    (run,) = world.live.pop("a")
    failed = run._replace(action=FAIL, run=run.seq, until=run.at + 90 * SECOND, seq=2)
    world.agenda.take(failed, run.at + SECOND)
    assert world.look("09:01:00") == []
    assert world.wakes == "09:01:30"
    assert world.look("09:01:30") == ["a 09:00:00"]


def test_failures_that_release_wait_ever_longer() -> None:
    world = World("09:00:00").task("a", "daily", policy=UNLOCK)
    world.look()
    for at, again in (("09:00:10", "09:00:11"), ("09:00:20", "09:00:22")):
        world.end("a", FAIL, now=at)
        assert world.look() == [] and world.wakes == again
        assert world.look(again) == ["a 09:00:00"]


def test_nothing_is_owed_once_the_next_occurrence_has_started() -> None:
    world = World("09:00:00").task("a", "hourly before 10", many=True)
    assert world.look() == ["a 09:00:00"]
    assert world.look("10:00:00") == ["a 10:00:00"]
    world.end("a", CRASH, now="10:20:00")
    assert world.until("10:59:59") == []


def test_nothing_is_owed_after_max_lateness() -> None:
    world = World("09:00:00").task("a", "daily before 10:00", max_lateness=HOUR)
    world.look()
    world.end("a", CRASH, now="10:30:00")
    assert world.until("23:59:59") == []


def test_what_is_owed_waits_for_what_its_condition_waits_for() -> None:
    world = World("09:00:00").task("a", "daily before 10:00 & ~task 'b' is running")
    world.look()
    world.end("a", CRASH, now="10:30:00").record("b", Action.RUN)
    assert world.look("10:30:10") == []
    world.record("b", Action.SUCCESS, at="10:40:00", run=world.seq)
    assert world.look("10:40:00") == ["a 09:00:00"]


def test_what_is_owed_does_not_start_while_its_end_cond_holds() -> None:
    world = World("09:00:00").task("a", "daily before 10:00", until="time of hour after 30")
    world.look()
    world.end("a", CRASH, now="10:30:00")
    assert world.look("10:30:01") == []
    assert world.look("11:00:00") == ["a 09:00:00"]


def test_the_log_keeps_what_a_decision_about_the_past_will_ask() -> None:
    """Of the day before, whose runs nothing else asks for any more."""
    world = World(YESTERDAY + "09:00:00")
    world.task("a", "daily before 10:00 & task 'b' has succeeded at most 300 times today")
    world.task("b", "false")
    for _ in range(301):
        world.record("b", Action.RUN).record("b", Action.SUCCESS, run=world.seq)
    world.task("c", "daily before 10:00 & task 'b' has succeeded at most 302 times today")
    assert world.look() == ["c " + YESTERDAY + "09:00:00"]
    world.end("c", CRASH, now="00:30:00").record("x", Action.RUN)
    for _ in range(600):
        world.record("b", Action.RUN).record("b", Action.SUCCESS, run=world.seq)
    assert world.look("00:30:01") == ["c " + YESTERDAY + "09:00:00"]
    world.end("c", CRASH)
    world.record("b", Action.SUCCESS, at=YESTERDAY + "23:00:00")
    world.record("b", Action.SUCCESS, at=YESTERDAY + "23:00:00")
    assert world.look("00:31:00") == []


# --- downtime -------------------------------------------------------------------------------------


def caught_up(catch_up: CatchUp, condition: str, **options: Any) -> tuple[list[str], list[str]]:
    """From 06:00 on nobody looked; the app is there again at 09:30, and runs for an hour."""
    world = World("09:30:00").task("a", condition, since="06:00:00", catch_up=catch_up, **options)
    found = world.until("10:29:00", lasting=1)
    return found, world.missed


@pytest.mark.parametrize(
    ("catch_up", "starts", "missed"),
    [
        (CatchUp.SKIP, ["10:00:00"], ["07:00:00", "08:00:00", "09:00:00"]),
        (CatchUp.ONCE, ["09:00:00", "10:00:00"], ["07:00:00", "08:00:00"]),
        (CatchUp.ALL, ["07:00:00", "08:00:00", "09:00:00", "10:00:00"], []),
    ],
)
def test_how_downtime_is_caught_up_with(
    catch_up: CatchUp, starts: list[str], missed: list[str]
) -> None:
    found = caught_up(catch_up, "cron 0 7-23 * * *")
    assert found == ([f"a {at}" for at in starts], [f"a {at}" for at in missed])


@pytest.mark.parametrize(
    ("catch_up", "starts", "missed"),
    [
        (CatchUp.ONCE, ["09:00:00", "10:00:00"], ["07:00:00", "08:00:00"]),
        (CatchUp.ALL, ["08:00:00", "09:00:00", "10:00:00"], ["07:00:00"]),
    ],
)
def test_what_is_too_late_is_missed(
    catch_up: CatchUp, starts: list[str], missed: list[str]
) -> None:
    found = caught_up(catch_up, "cron 0 7-23 * * *", max_lateness=2 * HOUR)
    assert found == ([f"a {at}" for at in starts], [f"a {at}" for at in missed])


def test_what_is_still_open_is_late_by_no_policy() -> None:
    for catch_up in CatchUp:
        assert caught_up(catch_up, "daily after 08:00") == (["a 08:00:00"], [])


@pytest.mark.parametrize(
    ("catch_up", "starts"),
    [
        (CatchUp.SKIP, ["06:00:00", "09:45:00"]),
        (CatchUp.ONCE, ["06:00:00", "09:45:00"]),
    ],
)
def test_of_an_interval_the_newest_is_run(catch_up: CatchUp, starts: list[str]) -> None:
    world = World("06:00:00").task("a", "every 45 minutes", catch_up=catch_up)
    assert world.look() == ["a 06:00:00"]
    world.end("a", now="06:00:10")
    world.agenda.absorb()
    world.agenda.remove("a")
    world.now += 4 * HOUR - 10 * SECOND
    world.look()
    world.task("a", "every 45 minutes", catch_up=catch_up, since="06:00:00")
    assert world.look() == ["a 09:45:00"]


def test_or_each_of_them_in_order() -> None:
    world = World("06:00:00").task("a", "every 45 minutes")
    world.look()
    world.end("a", now="06:00:10")
    world.agenda.absorb()
    world.agenda.remove("a")
    world.look("07:50:00")
    world.task("a", "every 45 minutes", catch_up=CatchUp.ALL, since="06:00:00")
    found = world.until("08:20:00", lasting=10)
    assert found == ["a 06:45:00", "a 07:30:00", "a 08:15:00"]


def test_suspension_is_caught_up_with_as_downtime_is() -> None:
    found = {}
    for catch_up in CatchUp:
        world = World("06:30:00").task("a", "cron 0 7-23 * * *", catch_up=catch_up)
        assert world.look() == []
        world.now += 3 * HOUR
        found[catch_up] = world.until("10:29:00", lasting=1)
    assert found == {
        CatchUp.SKIP: ["a 10:00:00"],
        CatchUp.ONCE: ["a 09:00:00", "a 10:00:00"],
        CatchUp.ALL: ["a 07:00:00", "a 08:00:00", "a 09:00:00", "a 10:00:00"],
    }


def test_what_has_run_is_not_searched_again() -> None:
    world = World("09:30:00").record("a", Action.RUN, at="08:00:30")
    world.record("a", Action.SUCCESS, at="08:00:40", run=1)
    world.agenda.absorb()
    world.task("a", "cron 0 7-23 * * *", since="06:00:00", catch_up=CatchUp.ALL)
    assert world.until("09:59:00", lasting=1) == ["a 09:00:00"]


def test_what_came_due_before_a_run_that_is_owed_is_not_searched_again() -> None:
    world = World("09:30:00").record("a", Action.RUN, at="08:00:00")
    world.record("a", Action.CRASH, at="08:00:40", run=1)
    world.agenda.absorb()
    world.task("a", "true", since="06:00:00", max_lateness=HOUR * 24, misfire_grace=HOUR * 24)
    assert world.look() == ["a 08:00:00"]  # it is owed
    world.end("a", now="09:31:00")
    assert world.look() == ["a 08:00:00.000001"]  # due since that began, not since 06:00:00


def test_up_to_when_all_was_decided_is_known() -> None:
    world = World("09:30:00").task("a", "cron 0 7-23 * * *", since="06:00:00", catch_up=CatchUp.ALL)
    world.task("b", "hourly").task("c", "daily", enabled=False)
    assert world.look() == ["b 09:30:00", "a 07:00:00"] or world.seq == 2
    decided = world.agenda.decided()
    assert decided.keys() == {"a", "b"}
    assert decided["b"] == world.now and decided["a"] < world.now - 2 * HOUR
    world.until("09:40:00", lasting=1)
    assert world.agenda.decided()["a"] > world.now - HOUR


# --- overlap --------------------------------------------------------------------------------------


def overlapping(overlap: Overlap, **options: Any) -> tuple[list[str], list[str]]:
    """Due every hour, each run takes two and a half."""
    world = World("06:00:00").task("a", "cron 0 6-9 * * *", overlap=overlap, **options)
    return world.until("17:00:00", lasting=9000), world.missed


@pytest.mark.parametrize(
    ("overlap", "starts"),
    [
        (Overlap.SKIP, ["06:00:00", "09:00:00"]),
        (Overlap.QUEUE, ["06:00:00", "07:00:00", "08:00:00", "09:00:00"]),
        (Overlap.ALLOW, ["06:00:00", "07:00:00", "08:00:00", "09:00:00"]),
    ],
)
def test_what_comes_due_while_a_task_runs(overlap: Overlap, starts: list[str]) -> None:
    assert overlapping(overlap) == ([f"a {at}" for at in starts], [])


def test_what_waits_for_too_long_in_a_queue_is_missed() -> None:
    starts, missed = overlapping(Overlap.QUEUE, max_lateness=2 * HOUR)
    assert starts == ["a 06:00:00", "a 07:00:00", "a 09:00:00"]
    assert missed == ["a 08:00:00"]


def test_a_newer_occurrence_takes_the_place_of_a_run() -> None:
    world = World("06:00:00").task("a", "cron 0 6-9 * * *", overlap=Overlap.REPLACE)
    assert world.look() == ["a 06:00:00"]
    assert world.look("06:30:00") == [] and world.stops == []
    assert world.look("07:00:00") == []
    assert world.stops == ["a: a newer occurrence takes its place"]
    assert world.look("07:00:03") == [] and world.stops == []
    world.end("a", TERMINATE, now="07:02:00")
    assert world.look() == ["a 07:00:00"]
    assert world.wakes == "08:00:00"


# --- room -----------------------------------------------------------------------------------------


def test_no_more_starts_than_there_is_room_for() -> None:
    world = World("09:00:00")
    for name in "abcde":
        world.task(name, "daily")
    assert world.look(room=2) == ["a 09:00:00", "b 09:00:00"]
    assert world.agenda.wake is None
    assert world.look("09:10:00", room=0) == []
    world.end("a")
    assert world.look(room=1) == ["c 09:00:00"]
    world.end("b")
    assert world.look("09:20:00", room=5) == ["d 09:00:00", "e 09:00:00"]


def test_what_has_waited_for_room_comes_before_what_is_due_again() -> None:
    world = World("09:00:00")
    for name in "abc":
        world.task(name, "always")
    (start,) = world.look(room=1)
    turns = start[0]
    for second in range(1, 6):
        world.end(turns[-1], now=f"09:00:0{second}")
        (start,) = world.look(room=1)
        turns += start[0]
    assert turns == "abcabc"


def test_runs_are_looked_after_where_there_is_no_room() -> None:
    world = World("09:00:00").task("a", "daily", timeout=MINUTE).task("b", "daily after 09:01")
    assert world.look(room=1) == ["a 09:00:00"]
    assert world.look("09:01:00", room=0) == []
    assert world.stops == ["a: its timeout is over"]


def test_what_another_instance_does_meanwhile_is_left_to_it() -> None:
    world = World("09:00:00").task("a", "daily").task("b", "daily")
    world.look(room=1)
    world.record("b", Action.RUN).record("b", Action.SUCCESS, run=world.seq)
    assert world.look("09:00:10", room=5) == []


def test_a_task_that_is_gone_takes_no_room() -> None:
    world = World("09:00:00").task("a", "daily").task("b", "daily").task("c", "daily")
    world.look(room=1)
    world.agenda.remove("b")
    assert world.look(room=1) == ["c 09:00:00"]


# --- what is decided late -------------------------------------------------------------------------


def test_what_came_due_while_an_owed_run_was_late_is_not_forgotten() -> None:
    policy = Policy(FailureMode.UNLOCK)
    world = World("09:00:00").task("a", "cron 0 * * * *", policy=policy, catch_up=CatchUp.ALL)
    assert world.look() == ["a 09:00:00"]
    world.end("a", FAIL, now="09:00:01")
    assert world.look("11:30:00") == ["a 09:00:00"]
    world.end("a", now="11:30:05")
    assert world.until("11:59:00", lasting=1) == ["a 10:00:00", "a 11:00:00"]


@pytest.mark.parametrize(
    ("catch_up", "starts", "missed"),
    [
        (CatchUp.SKIP, ["a 09:00:00"], ["a 10:00:00", "a 11:00:00", "a 12:00:00"]),
        (CatchUp.ONCE, ["a 09:00:00", "a 12:00:00"], ["a 10:00:00", "a 11:00:00"]),
        (CatchUp.ALL, ["a 09:00:00", "a 10:00:00", "a 11:00:00", "a 12:00:00"], []),
    ],
)
def test_what_came_due_after_a_kill_is_not_taken_for_what_came_while_the_task_ran(
    catch_up: CatchUp, starts: list[str], missed: list[str]
) -> None:
    """The next life writes the crash, hours after the process was gone."""
    world = World("09:00:00").record("a", Action.RUN, at="09:00:00")
    world.record("a", CRASH, at="12:30:00", run=world.seq).agenda.absorb()
    world.now = instant("12:30:00")
    world.look()
    world.task("a", "cron 0 * * * *", since="09:30:00", catch_up=catch_up)
    assert world.until("12:59:00", lasting=1) == starts
    assert world.missed == missed


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.QUEUE, Overlap.ALLOW])
@pytest.mark.parametrize(
    ("catch_up", "starts", "missed"),
    [
        (CatchUp.SKIP, [], ["a 07:00:00", "a 08:00:00", "a 09:00:00"]),
        (CatchUp.ONCE, ["a 09:00:00"], ["a 07:00:00", "a 08:00:00"]),
        (CatchUp.ALL, ["a 07:00:00", "a 08:00:00", "a 09:00:00"], []),
    ],
)
def test_what_is_asked_for_after_a_downtime_is_of_now_and_costs_none_that_came_due(
    catch_up: CatchUp, starts: list[str], missed: list[str], overlap: Overlap
) -> None:
    world = World("09:30:00").task(
        "a", "cron 0 * * * *", since="06:30:00", catch_up=catch_up, overlap=overlap
    )
    assert world.ask("a").until("09:59:00", lasting=1) == ["a 09:30:00", *starts]
    assert world.missed == missed


def test_what_is_asked_for_meanwhile_comes_between() -> None:
    world = World("09:30:00").task("a", "cron 0 * * * *", since="06:30:00", catch_up=CatchUp.ALL)
    world.look()
    world.ask("a").end("a", now="09:30:01")
    starts = world.until("09:59:00", lasting=1)
    assert starts == ["a 09:30:01", "a 08:00:00", "a 09:00:00"] and world.missed == []


def test_a_start_by_condition_is_never_that_of_a_run_that_was() -> None:
    """Another instance has claimed it at that very instant, and a newer record makes it due."""
    world = World("09:00:00").task("a", "after task 'b'")
    world.record("b", Action.SUCCESS)
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    world.record("a", Action.RUN).record("a", Action.SUCCESS, run=world.seq)
    world.now += SECOND
    world.record("b", Action.SUCCESS)
    world.agenda.absorb()
    assert world.look() == ["a 09:00:01"]


def test_nor_after_a_downtime() -> None:
    world = World("09:00:00")
    world.record("a", Action.RUN).record("a", Action.SUCCESS, run=world.seq)
    world.record("b", Action.SUCCESS)
    world.agenda.absorb()
    world.now += SECOND
    world.look()
    world.task("a", "after task 'b'", since="08:00:00")
    assert world.look() == ["a 09:00:00.000001"]


def test_what_is_owed_stays_so_when_its_claim_is_refused() -> None:
    world = World("09:00:00").task("a", "cron 0 * * * *", policy=UNLOCK)
    assert world.look() == ["a 09:00:00"]
    world.end("a", FAIL, now="09:05:00").look()
    world.now += SECOND
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    assert world.look("10:00:00") == ["a 09:00:00"]


def test_the_wait_after_a_release_begins_when_that_happened() -> None:
    world = World("09:00:00").task("a", "cron 0 * * * *", policy=UNLOCK)
    world.record("a", Action.RUN)
    world.look()
    world.look("09:00:30")
    world.record("a", FAIL, at="09:00:01", run=1)
    assert world.look() == ["a 09:00:00"]


def test_of_what_reads_nothing_it_is_known_which_instants_have_had_their_run() -> None:
    world = World("09:00:00").task("a", "true")
    world.look()
    decided, late = world.now, world.now + 5 * HOUR
    assert world.agenda.lookback(late) == world.agenda.lookback(late, {"a"}) == {"a": decided}


def test_what_is_read_anew_reaches_back_to_the_latest_decision() -> None:
    world = World("09:00:00").task("a", "every 1 hour").task("b", "cron 0 * * * *")
    world.look()
    late = world.now + 5 * HOUR
    assert world.agenda.lookback(late)["b"] <= world.now


def test_a_change_keeps_what_is_still_to_be_asked_of_the_past() -> None:
    world = World("09:00:00").task("a", "every 1 hour", overlap=Overlap.QUEUE)
    world.look()
    world.end("a", now="12:30:00")
    assert world.look() == ["a 10:00:00"]  # and 11:00 waits for its end
    needed = world.agenda.lookback(world.now)
    assert needed == {"a": instant("10:00:00")}
    changed = replace(world.agenda.entries["a"].schedule, timeout=HOUR)
    world.agenda.change("a", changed)
    assert world.agenda.lookback(world.now) == needed


def test_of_a_task_that_was_disabled_while_it_was_behind_no_past_is_kept() -> None:
    world = World("09:00:00").task("a", "every 1 hour", overlap=Overlap.QUEUE)
    world.look()
    world.end("a", now="12:30:00")
    assert world.look() == ["a 10:00:00"]
    world.agenda.enable("a", False)
    world.end("a", now="12:40:00")
    assert world.look() == []
    assert world.agenda.lookback(world.now) == {"a": world.now}


def test_what_needs_a_place_in_the_pool_waits_for_one_and_others_do_not() -> None:
    world = World("09:00:00")
    for name in "abc":
        world.task(name, "cron 0 9 * * *", pooled=True)
    world.task("d", "cron 0 9 * * *")
    assert world.look(room=9, pool=2) == ["a 09:00:00", "b 09:00:00", "d 09:00:00"]
    world.end("a", now="09:10:00")  # its window has passed long ago, but it has waited
    assert world.look(room=9, pool=1) == ["c 09:00:00"]
    assert world.missed == []


# --- beside another instance ----------------------------------------------------------------------


def busy_elsewhere(overlap: Overlap, catch_up: CatchUp) -> tuple[list[str], list[str]]:
    """Due every minute; another instance has a run that takes five, and the next one at once."""
    world = World("09:00:00").task("a", "cron * * * * *", overlap=overlap, catch_up=catch_up)
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    world.record("a", Action.RUN)
    world.look()
    world.now += 5 * MINUTE + SECOND
    world.record("a", Action.SUCCESS, run=1)
    world.record("a", Action.RUN)
    found = world.look()
    world.record("a", Action.SUCCESS, run=3)
    return found + world.until("09:07:30", lasting=1), world.missed


@pytest.mark.parametrize("catch_up", [CatchUp.SKIP, CatchUp.ONCE])
def test_what_comes_due_while_another_instance_runs_the_task_is_not_missed(
    catch_up: CatchUp,
) -> None:
    assert busy_elsewhere(Overlap.SKIP, catch_up) == (["a 09:06:00", "a 09:07:00"], [])


def test_a_queue_goes_on_where_another_instance_has_left_it() -> None:
    starts, missed = busy_elsewhere(Overlap.QUEUE, CatchUp.SKIP)
    assert (starts, missed) == (["a 09:06:00", "a 09:07:00"], [])
    world = World("09:00:00").task("a", "cron * * * * *", overlap=Overlap.QUEUE)
    world.record("a", Action.RUN)
    world.look()
    world.now += 3 * MINUTE + SECOND
    world.record("a", Action.SUCCESS, run=1)
    found = world.until("09:04:30", lasting=1)
    assert found == ["a 09:01:00", "a 09:02:00", "a 09:03:00", "a 09:04:00"]
    assert world.missed == []


def test_what_came_due_after_another_instance_started_the_task_is_not_left_to_it() -> None:
    """That was at nine, and heard of when the claim for eleven o'clock was refused."""
    world = World("08:30:00").task("a", "cron 0 * * * *", catch_up=CatchUp.ONCE)
    world.look()
    world.now = instant("11:30:00")
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    for at in ("09:00:05", "10:00:05"):
        world.record("a", Action.RUN, at=at).record("a", Action.SUCCESS, at=at, run=world.seq)
    assert world.look() == ["a 11:00:00"]


def logged(task: str, action: Action, at: str, seq: int, **values: Any) -> Record:
    return Record(task, action, instant(at), seq, **values)


def test_what_others_did_while_the_store_was_away_is_left_to_them() -> None:
    """Of the runs of others, one is of the instant of a claim that was never answered; a store
    gives the latest run alone."""
    world = World("09:00:00").task("b", "false").task("a", "after task 'b'")
    world.record("b", Action.SUCCESS)
    (start,) = world.agenda.decide(world.now + SECOND)
    world.agenda.refused(start)
    latest = [
        logged("a", Action.RUN, "09:00:02", 5, scheduled_at=instant("09:00:02")),
        logged("a", Action.SUCCESS, "09:00:02", 6, run=5),
    ]
    world.agenda.reload("a", latest, world.now)
    world.agenda.reload("b", [logged("b", Action.SUCCESS, "09:00:03", 7)], world.now)
    assert world.look("09:00:04") == ["a 09:00:01"]


def test_nothing_is_started_for_the_instant_of_a_run_that_is_read_anew() -> None:
    world = World("09:00:00").task("b", "false").task("a", "after task 'b'")
    world.record("b", Action.SUCCESS)
    (start,) = world.agenda.decide(world.now)
    world.agenda.refused(start)
    ended = logged("a", Action.SUCCESS, "09:00:01", 6, run=5)
    world.agenda.reload("a", [logged("a", Action.RUN, "09:00:00", 5), ended], world.now)
    world.agenda.reload("b", [logged("b", Action.SUCCESS, "09:00:03", 7)], world.now)
    assert world.look("09:00:04") == ["a 09:00:00.000001"]


def test_the_wait_after_a_release_goes_by_the_log_that_is_read_anew() -> None:
    """A crash, and another; meanwhile there was a success, or none."""
    for between, begins in ((Action.SUCCESS, "09:00:11"), (CRASH, "09:00:12")):
        world = World("09:00:00").task("a", "cron 0 9 * * *", policy=UNLOCK)
        world.look()
        world.end("a", CRASH).look()
        before = [logged("a", Action.RUN, "09:00:00", 1), logged("a", CRASH, "09:00:00", 2, run=1)]
        after = [
            logged("a", Action.RUN, "09:00:05", 3), logged("a", between, "09:00:06", 4, run=3),
            logged("a", Action.RUN, "09:00:07", 5), logged("a", CRASH, "09:00:10", 6, run=5),
        ]  # fmt: skip
        world.agenda.reload("a", before + after, instant("09:00:10.100000"))
        assert world.look("09:00:10.500000") == []
        assert world.wakes == begins


def test_nor_is_that_wait_longer_than_after_those_since_a_success_that_others_saw() -> None:
    world = World("09:00:00").task("a", "cron 0 9 * * *", policy=UNLOCK)
    for now in ("09:00:00", "09:00:01", "09:00:03"):
        assert world.look(now) == ["a 09:00:00"]
        world.end("a", CRASH).look()
    assert world.wakes == "09:00:07"
    log = [
        logged("a", Action.RUN, "09:00:07", 7), logged("a", Action.SUCCESS, "09:00:08", 8, run=7),
        logged("a", Action.RUN, "09:00:09", 9), logged("a", CRASH, "09:00:10", 10, run=9),
        logged("a", Action.RUN, "09:00:11", 11), logged("a", CRASH, "09:00:12", 12, run=11),
    ]  # fmt: skip
    world.agenda.reload("a", log, instant("09:00:12"))
    assert world.look("09:00:13.500000") == []
    assert world.wakes == "09:00:14"


@pytest.mark.parametrize("now", ["09:00:00", "09:00:01"])
def test_what_ran_at_the_very_instant_at_which_deciding_begins_is_not_run_again(now: str) -> None:
    """Deciding begins where another has begun to, whose run has ended: its clock is ahead, or it
    was slow to begin here."""
    world = World(now)
    for seq, action in ((1, Action.RUN), (2, Action.SUCCESS)):
        run = None if action is Action.RUN else 1
        logged_at = logged("a", action, "09:00:01", seq, scheduled_at=instant("09:00:01"), run=run)
        world.agenda.history.add(logged_at)
    world.task("a", "true", since="09:00:01")
    assert world.look() == []
    assert world.look("09:00:01") == []
    assert world.look("09:00:01.100000") == ["a 09:00:01.000001"]
