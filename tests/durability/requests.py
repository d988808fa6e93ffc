"""The rules about what was asked of dynamic tasks: to be scheduled, changed and removed.

Whoever asks notes it before, and what came of it after; requests of one task by several instances
may overlap, and then any order of them is right. What a run was scheduled by it says itself. The
row that is left tells what the task is in the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from oncue.tests.durability.case import (
    FOREVER,
    Case,
    Request,
    Run,
    Violation,
    succeeded,
    undone,
)
from oncue.tests.durability.evidence import Kind, Promise


def others_of(case: Case, task: str, request: Request) -> Iterator[Request]:
    """Those of a task that may have come after one of them."""
    in_doubt = case.evidence.in_doubt
    for other in case.requests[task].values():
        if other is not request and not other.precedes(request, in_doubt):
            yield other


def is_of_another_life(case: Case, one: Run, other: Run) -> bool:
    """Whether the task may have been removed between the claims: scheduled again it begins anew,
    while the run goes on to its end."""
    return any(
        not request.schedules
        and (request.asked.position or 0) < other.seq
        and (request.done is None or (request.done.position or FOREVER) >= one.seq)
        for request in case.requests[one.begun.task].values()
    )


def nothing_starts_as_it_was(case: Case) -> Iterator[Violation]:
    """Once it was said that a task is another, or none, no run is claimed of what it was."""
    in_doubt = case.evidence.in_doubt
    for effect in case.effects(Kind.BEGAN):
        if effect.request is None:
            continue
        requests, run = case.requests[effect.task], case.by_token.get(effect.token or 0)
        request = requests.get(effect.request)
        if request is None or run is None:
            what = f"began by {effect.request}, which nobody has asked"
            yield Violation("outdated", effect.task, what)
            continue
        for other in requests.values():
            done = other.done
            if done is None or not request.precedes(other, in_doubt):
                continue
            if done.position is not None and done.position < run.seq:
                rule = "outdated" if other.schedules else "unscheduled"
                what = f"run {run.seq} is by {effect.request}, {done.request} was done before it"
                yield Violation(rule, effect.task, what)
                break


def what_is_to_run_once_does(case: Case) -> Iterator[Violation]:
    """From its instant on, unless it is changed or removed first, and not again once that counts.
    Of which request a run was that never began nobody knows."""
    for promise, runs in case.promised():
        if not is_asked(promise):
            continue
        for name, request in case.requests[promise.task].items():
            if request.due is None or is_too_late(case, request):
                continue
            of = [run for run in runs if case.asked_by.get(run.seq) == name]
            for number, run in enumerate(of):
                if any(other.counts(promise, run.seq, run.begun.at) for other in of[:number]):
                    what = f"run {run.seq} is for {name}, which has been served"
                    yield Violation("served", promise.task, what)
            if request.done is None:
                continue
            others = others_of(case, promise.task, request)
            until = min((other.asked.at for other in others), default=case.end)
            asked = request.asked.position or 0
            of += [run for run in runs if run.seq > asked and run.seq not in case.asked_by]
            served = min((run.begun.at for run in of if run.counts(promise)), default=FOREVER)
            begin = max(request.due, request.done.at)
            gap = case.idle(promise, begin, min(until, served, case.end))
            if gap is not None:
                yield undone(promise, f"what {name} asked for {request.due}", gap)


def is_too_late(case: Case, request: Request) -> bool:
    """Whether the task had run for an instant, by a clock that is ahead, after which it was asked
    to run once before that."""
    known = (request.done or request.asked).position or 0
    return any(
        run.scheduled_at >= (request.due or 0)
        and run.seq <= known
        and case.asked_by.get(run.seq) != request.asked.request
        for run in case.runs[request.asked.task]
    )


def is_asked(promise: Promise) -> bool:
    """Whether what it is changes all the time."""
    return promise.dynamic and (promise.cell, promise.every, promise.after) == (None, None, None)


def what_begins_anew_starts_at_once(case: Case) -> Iterator[Violation]:
    """An interval that is scheduled when there was no such task any more knows of no run."""
    for promise, runs in case.promised():
        if not is_asked(promise):
            continue
        for name, request in case.requests[promise.task].items():
            if request.done is None or not request.schedules or request.due is not None:
                continue
            others = list(others_of(case, promise.task, request))
            until = min((other.asked.at for other in others), default=case.end)
            if not was_removed(case, promise.task, request, others):
                continue
            asked = request.asked.position or 0
            served = min((run.begun.at for run in runs if run.seq > asked), default=FOREVER)
            gap = case.idle(promise, request.done.at, min(until, served, case.end))
            if gap is not None:
                yield undone(promise, f"what {name} asked anew", gap)


def was_removed(case: Case, task: str, request: Request, others: list[Request]) -> bool:
    """Whether there was no such task when it was asked."""
    before = [r for r in case.requests[task].values() if r.begun < request.begun]
    if not before or any(other in before for other in others):
        return False
    last = max(before, key=lambda r: r.over)
    beside = any(r is not last and r.over > last.begun for r in before)
    return last.done is not None and not last.schedules and not beside


def what_is_left_is_what_was_asked(case: Case) -> Iterator[Violation]:
    """In the end there is what was scheduled last, and nothing that has run once or was removed,
    unless it is to be looked at by now; nobody holds it."""
    if not case.evidence.settled:
        return
    rows = {row.task: row for row in case.evidence.rows}
    for row in rows.values():
        if row.holder is not None:
            yield Violation("rows", row.task, f"it is held by {row.holder} for ever")
    for promise, runs in case.promised():
        if not promise.dynamic:
            continue
        there = rows.get(promise.task)
        left = None if there is None else json.loads(there.text)["args"]["request"]
        done = {case.asked_by.get(run.seq) for run in succeeded(runs)}
        for name, request in case.requests[promise.task].items():
            over = request.due is not None and (name in done or is_too_late(case, request))
            kept = name not in done and runs[-1:] != succeeded(runs[-1:])  # since that has failed
            last = request.done is not None and not any(others_of(case, promise.task, request))
            asleep = there is not None and (there.look is None or there.look > case.end)
            if left == name and over and asleep and not kept:
                what = f"what {name} asked is over, and is there: {there}"
                yield Violation("rows", promise.task, what)
            if last and request.schedules and not over and left != name:
                what = f"{name} was asked last and is not over, but there is {left}"
                yield Violation("rows", promise.task, what)
            if last and not request.schedules and there is not None:
                what = f"{name} removed it, but there is {left}"
                yield Violation("rows", promise.task, what)


Rule = Callable[[Case], Iterator[Violation]]
RULES: tuple[Rule, ...] = (
    nothing_starts_as_it_was,
    what_is_to_run_once_does,
    what_begins_anew_starts_at_once,
    what_is_left_is_what_was_asked,
)
