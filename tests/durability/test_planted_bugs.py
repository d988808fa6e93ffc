"""The simulated world finds bugs: of each kind one is planted, and some seed of a few stumbles on
it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oncue.app.journal import Journal
from oncue.app.stores import memory
from oncue.app.stores.ledger import Ledger
from oncue.app.stores.protocol import Claim, Finish
from oncue.app.stores.protocol import judge as judge_steps
from oncue.app.stores.rows import Rows
from oncue.engine.agenda import Agenda
from oncue.engine.policy import ExecutionMode, FailureMode, Policy
from oncue.tests.durability.simulate import judge

Plant = Callable[[pytest.MonkeyPatch], None]
SEEDS = 60


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(Path(__file__).parent)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def claims_are_not_guarded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory.MemoryStore, "_overtaken", lambda self, claim: False)


def only_the_own_key_is_guarded(patch: pytest.MonkeyPatch) -> None:
    guarded = memory.MemoryStore._overtaken

    def own(self: memory.MemoryStore, claim: Claim) -> bool:
        return guarded(self, Claim(claim.record, (), claim.position))

    patch.setattr(memory.MemoryStore, "_overtaken", own)


def endings_are_forgotten_when_the_store_fails(patch: pytest.MonkeyPatch) -> None:
    def fail(self: Journal, error: Any, now: int) -> None:
        self._unsaved.clear()
        failed(self, error, now)

    failed = Journal._fail
    patch.setattr(Journal, "_fail", fail)


def a_crash_does_not_release_a_run(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Policy, "counts_until", lambda self, ending, started, extended=None: 1 << 62)


def a_crash_releases_whatever_the_mode(patch: pytest.MonkeyPatch) -> None:
    def lenient(failure: FailureMode, execution: ExecutionMode, lease: int) -> Policy:
        return Policy(failure, ExecutionMode.AT_LEAST_ONCE, lease)

    patch.setattr("oncue.app.task.policy", lenient)


def nobody_looks_for_leases_that_are_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "reap", lambda self, now, own="": None)


def a_finish_is_taken_without_a_lease(patch: pytest.MonkeyPatch) -> None:

    def lenient(steps: Any, refusal: Any, held: Any) -> Any:
        found = judge_steps(steps, refusal, held)
        for place, step in enumerate(steps):
            if isinstance(step, Finish) and found[place] is not None:
                held.setdefault(step.record.run, step.record)
                found[place] = None
        return found

    patch.setattr(memory, "judge", lenient)
    patch.setattr(
        Journal, "_refused", lambda self, record: self._unsaved.append((Finish(record), 0))
    )


def what_is_due_is_looked_at_late_by_one_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Agenda, "wake", property(lambda self: None))


# --- of dynamic tasks ---------------------------------------------------------------------------


def what_the_dead_held_stays_held(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rows, "release_all", lambda self, instance, but=(): None)


def a_record_wakes_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rows, "stir", lambda self, key, seq, at: None)


def a_claim_asks_for_no_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rows, "is_of", lambda self, task, version: True)


def what_has_run_once_is_not_removed(patch: pytest.MonkeyPatch) -> None:
    rested = Rows.rest
    patch.setattr(Rows, "rest", lambda self, r, own: rested(self, r._replace(done=False), own))


def what_is_taken_is_known_to_nobody(patch: pytest.MonkeyPatch) -> None:
    """As if there were no records of it."""
    take = memory.MemoryStore.take

    async def taken(self: memory.MemoryStore, shares: Any, now: int, but: Any = {}) -> Any:
        rows, first = await take(self, shares, now, but)
        return [row._replace(born=self.ledger.newest) for row in rows], first

    patch.setattr(memory.MemoryStore, "take", taken)


@pytest.mark.parametrize(
    ("plant", "rules"),
    [
        (claims_are_not_guarded, {"lease", "served", "exclusive"}),
        (only_the_own_key_is_guarded, {"exclusive"}),
        (endings_are_forgotten_when_the_store_fails, {"settled", "undone"}),
        (a_crash_does_not_release_a_run, {"undone"}),
        (a_crash_releases_whatever_the_mode, {"at most once"}),
        (nobody_looks_for_leases_that_are_over, {"settled"}),
        (a_finish_is_taken_without_a_lease, {"endings"}),
        (what_is_due_is_looked_at_late_by_one_alone, {"undone"}),
        (what_the_dead_held_stays_held, {"rows"}),
        (a_record_wakes_nobody, {"undone"}),
        (a_claim_asks_for_no_version, {"outdated", "unscheduled"}),
        (what_has_run_once_is_not_removed, {"rows"}),
        (what_is_taken_is_known_to_nobody, {"served"}),
    ],
)
def test_a_planted_bug_is_found(
    plant: Plant, rules: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found: set[str] = set()
    instances = 1 if plant is what_is_due_is_looked_at_late_by_one_alone else 3
    for seed in range(SEEDS):
        wrong = judge(seed, instances, 20.0)[1]
        found |= {each.partition(":")[0] for each in wrong} & rules
        if found:
            break
    assert found, f"none of {rules} in {SEEDS} seeds"
