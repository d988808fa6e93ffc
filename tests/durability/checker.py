"""Judges the evidence of a life: every rule that it breaks, each as a violation.

The rules are the promises of LANGUAGE §7 and DESIGN §4, derived here anew from the log alone, so
that nothing of the engine is trusted. A rule is a function from a case to violations; `check`
applies them all, and those of `requests.py`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from oncue.engine.policy import ExecutionMode
from oncue.engine.records import Action
from oncue.engine.schedule import CatchUp, Overlap
from oncue.tests.durability import requests
from oncue.tests.durability.case import Case, Run, Violation, succeeded, undone
from oncue.tests.durability.evidence import Evidence, Kind, Promise
from oncue.tests.durability.requests import is_of_another_life

# --- the log by itself --------------------------------------------------------------------------


def numbers_are_given_once_and_in_order(case: Case) -> Iterator[Violation]:
    for one, other in pairwise(case.log):
        if one.seq >= other.seq:
            what = f"number {other.seq} comes after number {one.seq}"
            yield Violation("sequence", other.task, what)


def every_ending_ends_one_run_once(case: Case) -> Iterator[Violation]:
    ended: set[int] = set()
    for record in case.log:
        if record.action is Action.RUN:
            continue
        run = case.by_token.get(record.run or 0)
        if run is None or run.begun.task != record.task or run.seq > record.seq:
            what = f"{record.action} {record.seq} ends no run: {record.run}"
            yield Violation("endings", record.task, what)
        elif run.seq in ended:
            what = f"run {run.seq} ends a second time, by {record.action} {record.seq}"
            yield Violation("endings", record.task, what)
        else:
            ended.add(run.seq)


def every_run_has_ended_in_the_end(case: Case) -> Iterator[Violation]:
    if case.evidence.settled:
        for task, runs in case.runs.items():
            for run in runs:
                if run.ending is None:
                    yield Violation("settled", task, f"run {run.seq} is live for ever")


def two_runs_are_live_at_once_only_where_allowed(case: Case) -> Iterator[Violation]:
    for promise, runs in case.promised():
        if promise.overlap is not Overlap.ALLOW:
            for one, other in pairwise(runs):
                if other.seq < one.ended_seq and not is_of_another_life(case, one, other):
                    what = f"run {other.seq} was claimed while run {one.seq} was live"
                    yield Violation("lease", promise.task, what)


def what_excludes_each_other_is_never_live_together(case: Case) -> Iterator[Violation]:
    for pair in case.evidence.exclusive:
        runs = sorted((run for task in pair for run in case.runs[task]), key=lambda run: run.seq)
        for one, other in pairwise(runs):
            if other.seq < one.ended_seq:
                what = (
                    f"run {other.seq} was claimed while run {one.seq} of {one.begun.task} was live"
                )
                yield Violation("exclusive", other.begun.task, what)


def at_most_once_is_claimed_once_for_an_instant(case: Case) -> Iterator[Violation]:
    for promise, runs in case.promised():
        if promise.execution is ExecutionMode.AT_MOST_ONCE:
            claimed = Counter((run.scheduled_at, asked(case, promise, run)) for run in runs)
            for (instant, _), times in claimed.items():
                if times > 1:
                    what = f"claimed {times} times for {instant}"
                    yield Violation("at most once", promise.task, what)


def what_counts_is_not_run_again(case: Case) -> Iterator[Violation]:
    """No run is claimed for an occurrence that has one which counts."""
    for promise, runs in case.promised():
        by_occurrence: dict[object, list[Run]] = defaultdict(list)
        for number, run in enumerate(runs):
            others = by_occurrence[occurrence_of(promise, run), asked(case, promise, run)]
            before = next((r for r in others if r.counts(promise, run.seq, run.begun.at)), None)
            if before is None and promise.every is not None:
                latest = case.counting_before(promise, number)
                if latest and run.scheduled_at < latest.scheduled_at + promise.every:
                    before = latest
            if before is not None:
                what = f"run {run.seq} is for an occurrence that run {before.seq} has served"
                yield Violation("served", promise.task, what)
            others.append(run)


def asked(case: Case, promise: Promise, run: Run) -> str | None:
    """By what request it runs, where another one brings another occurrence."""
    return case.asked_by.get(run.seq) if requests.is_asked(promise) else None


def occurrence_of(promise: Promise, run: Run) -> object:
    return run.scheduled_at if promise.cell is None else promise.cell(run.scheduled_at)


def what_comes_after_a_task_had_something_to_come_after(case: Case) -> Iterator[Violation]:
    for promise, runs in case.promised():
        if promise.after is None:
            continue
        successes = sorted(run.ended_seq for run in succeeded(case.runs[promise.after]))
        for number, run in enumerate(runs):
            before = case.counting_before(promise, number)
            heard = 0 if before is None else before.seq
            if bisect_left(successes, run.seq) == bisect_right(successes, heard):
                what = f"run {run.seq} comes after no new success of {promise.after}"
                yield Violation("after", promise.task, what)


def an_interval_keeps_its_phase(case: Case) -> Iterator[Violation]:
    for promise, runs in case.promised():
        if promise.every is None:
            continue
        for number, run in enumerate(runs):
            before = case.counting_before(promise, number)
            if before is not None and (run.scheduled_at - before.scheduled_at) % promise.every:
                what = f"{run.scheduled_at} is not in step with {before.scheduled_at}"
                yield Violation("phase", promise.task, what)


# --- the log beside what the tasks wrote --------------------------------------------------------


def what_began_was_claimed(case: Case) -> Iterator[Violation]:
    """The claim is in the log before the code starts, with the same instant and token, and the
    code of a claim runs once."""
    seen: set[int] = set()
    for effect in case.effects(Kind.BEGAN):
        run = case.by_token.get(effect.token or 0)
        if run is None or run.begun.task != effect.task:
            what = f"began for {effect.scheduled_at} by {effect.instance} without a claim"
            yield Violation("claim", effect.task, what)
        elif run.scheduled_at != effect.scheduled_at:
            what = (
                f"run {run.seq} is of {run.scheduled_at}, its code was told {effect.scheduled_at}"
            )
            yield Violation("claim", effect.task, what)
        elif run.seq in seen:
            yield Violation("claim", effect.task, f"the code of run {run.seq} began twice")
        else:
            seen.add(run.seq)


def at_most_once_begins_once_for_an_instant(case: Case) -> Iterator[Violation]:
    begun: Counter[tuple[str, int | None, str | None]] = Counter()
    for effect in case.effects(Kind.BEGAN):
        promise = case.evidence.promises.get(effect.task)
        if promise is not None and promise.execution is ExecutionMode.AT_MOST_ONCE:
            request = effect.request if requests.is_asked(promise) else None
            begun[effect.task, effect.scheduled_at, request] += 1
    for (task, instant, _), times in begun.items():
        if times > 1:
            yield Violation("at most once", task, f"began {times} times for {instant}")


def tokens_grow_with_claims(case: Case) -> Iterator[Violation]:
    """Of two runs of a task the one that was claimed later has the higher token."""
    tokens: dict[str, dict[str, int]] = defaultdict(dict)
    for effect in case.effects(Kind.BEGAN):
        if effect.run_id is not None and effect.token is not None:
            tokens[effect.task][effect.run_id] = effect.token
    for task, runs in case.runs.items():
        known = [tokens[task].get(run.begun.run_id or "") for run in runs]
        for one, other in pairwise(token for token in known if token is not None):
            if one >= other:
                yield Violation("fencing", task, f"token {other} was given after token {one}")


def what_was_written_is_in_the_log(case: Case) -> Iterator[Violation]:
    """A record of which an instance was told that the store has it is never lost."""
    known = {(r.task, r.run_id, r.action) for r in case.log}
    for effect in case.effects(Kind.WRITTEN):
        if (effect.task, effect.run_id, effect.action) not in known:
            what = f"the {effect.action} of {effect.run_id} was written by {effect.instance}"
            yield Violation("lost", effect.task, what)


def a_success_was_one(case: Case) -> Iterator[Violation]:
    """Of tasks that write effects: what the log calls a success has ended."""
    ended = {effect.token for effect in case.effects(Kind.ENDED)}
    writers = {effect.task for effect in case.effects(Kind.BEGAN)}
    for task in writers:
        for run in succeeded(case.runs[task]):
            if run.seq not in ended:
                yield Violation("success", task, f"run {run.seq} succeeded, but its code did not")


# --- what nobody did ----------------------------------------------------------------------------


def no_window_is_left_undone(case: Case) -> Iterator[Violation]:
    """A window that was open is run, and run again until that counts."""
    noted = {(missed.task, missed.scheduled_at) for missed in case.evidence.missed}
    for promise, runs in case.promised():
        if promise.cell is None or not case.evidence.spans:
            continue
        served: dict[tuple[int, int], int] = {}
        for run in runs:
            if run.counts(promise):
                served.setdefault(promise.cell(run.scheduled_at), run.begun.at)
        given_up = {promise.cell(at) for task, at in noted if task == promise.task}
        begin = case.owed_from(promise)
        cell = promise.cell(begin)
        if cell[0] < begin:  # for an instance whose clock is ahead it may have been over
            cell = promise.cell(cell[1])
        while cell[0] < case.end:
            following = promise.cell(cell[1])
            until = min(served.get(cell, case.end), owed_until(promise, cell, following, case.end))
            if cell not in given_up and not skipped(case, promise, cell):
                gap = case.idle(promise, cell[0], until)
                if gap is not None:
                    yield undone(promise, f"its window of {cell[0]}", gap)
            cell = following


Window = tuple[int, int]


def owed_until(promise: Promise, cell: Window, following: Window, end: int) -> int:
    """Until when a window that nobody ran has to be run by whoever is there."""
    match promise.catch_up:
        case CatchUp.SKIP:
            return cell[1]
        case CatchUp.ONCE:
            return following[0]
        case CatchUp.ALL:
            return end


def skipped(case: Case, promise: Promise, cell: Window) -> bool:
    """Whether the task was busy when the window opened, and may have been until it closed."""
    return promise.catch_up is not CatchUp.SKIP and not any(
        gap.begin == cell[0] for gap in case.free(promise, *cell)
    )


def no_interval_is_left_undone(case: Case) -> Iterator[Violation]:
    for promise, runs in case.promised():
        if promise.every is None or not case.evidence.spans:
            continue
        due = case.owed_from(promise)
        for run in runs:
            if run.counts(promise):
                gap = case.idle(promise, due, run.begun.at)
                if gap is not None:
                    yield undone(promise, f"its interval from {due} on", gap)
                due = run.scheduled_at + promise.every
        gap = case.idle(promise, due, case.end)
        if gap is not None:
            yield undone(promise, f"its interval from {due} on", gap)


def no_success_goes_unheard(case: Case) -> Iterator[Violation]:
    for promise, runs in case.promised():
        if promise.after is None or not case.evidence.spans:
            continue
        counting = [run for run in runs if run.counts(promise)]
        for cause in succeeded(case.runs[promise.after]):
            begun = (run.begun.at for run in counting if run.seq > cause.ended_seq)
            known = max(case.known_at(cause.ending), case.owed_from(promise))
            gap = case.idle(promise, known, min(begun, default=case.end))
            if gap is not None:
                yield undone(promise, f"what comes after run {cause.seq}", gap)


Rule = Callable[[Case], Iterator[Violation]]
RULES: tuple[Rule, ...] = (
    numbers_are_given_once_and_in_order,
    every_ending_ends_one_run_once,
    every_run_has_ended_in_the_end,
    two_runs_are_live_at_once_only_where_allowed,
    what_excludes_each_other_is_never_live_together,
    at_most_once_is_claimed_once_for_an_instant,
    what_counts_is_not_run_again,
    what_comes_after_a_task_had_something_to_come_after,
    an_interval_keeps_its_phase,
    what_began_was_claimed,
    at_most_once_begins_once_for_an_instant,
    tokens_grow_with_claims,
    what_was_written_is_in_the_log,
    a_success_was_one,
    no_window_is_left_undone,
    no_interval_is_left_undone,
    no_success_goes_unheard,
    *requests.RULES,
)


def check(evidence: Evidence) -> list[Violation]:
    """Every violation of every rule."""
    case = Case(evidence)
    return [violation for rule in RULES for violation in rule(case)]
