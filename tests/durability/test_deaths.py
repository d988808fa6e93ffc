"""`kill -9` at every point of a life, and what the life after it makes of that.

`ONCUE_DEATHS_STEP=1` is every point; by default it is every fifth one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from oncue.app.stores.dynamic import Wanted
from oncue.app.stores.protocol import Query
from oncue.app.stores.sqlite import SqliteStore
from oncue.engine.records import Action
from oncue.tests.durability.checker import check
from oncue.tests.durability.evidence import Evidence, Kind, read_effects
from oncue.tests.durability.lives import MODULE, ROLES

STEP = os.environ.get("ONCUE_DEATHS_STEP", "5")


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str, str]]]:
    """The folder of what is left, and of each n the exit code of the second life and the point."""
    folder = tmp_path_factory.mktemp("deaths")
    command = [sys.executable, "-m", MODULE, str(folder), STEP]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = (line.split(" ", 2) for line in done.stdout.splitlines())
    return folder, [(int(number), code, point) for number, code, point in lines]


def test_a_life_has_many_points_at_which_it_can_end(
    deaths: tuple[Path, list[tuple[int, str, str]]],
) -> None:
    points = Counter(point.split()[0] for _, _, point in deaths[1])
    assert points["sql"] > 20 and points["before"] > 5 and points["after"] > 5
    assert points["end"] >= 1
    assert {code for _, code, _ in deaths[1]} == {"0"}


def test_whatever_a_life_ended_at_the_next_keeps_every_promise(
    deaths: tuple[Path, list[tuple[int, str, str]]],
) -> None:
    folder, found = deaths
    wrong = [
        f"{number}, after {point}: {what}"
        for number, _, point in found
        for what in judged(folder, number)
    ]
    assert not wrong, "\n".join([f"what is left is in {folder}", *wrong])


def judged(folder: Path, number: int) -> list[str]:
    """What is wrong with the two lives of that number."""
    store = SqliteStore(str(folder / f"{number}.db"))
    log, rows = store.read(Query()), store.dynamic(Wanted())
    effects = read_effects(folder / f"{number}.effects")
    promises = {role.task: role.promise for role in ROLES}
    wrong = [str(violation) for violation in check(Evidence(log, effects, promises, rows=rows))]
    begun = Counter(effect.task for effect in effects if effect.kind is Kind.BEGAN)
    ended = Counter(effect.task for effect in effects if effect.kind is Kind.ENDED)
    claimed = Counter(record.task for record in log if record.action is Action.RUN)
    succeeded = Counter(record.task for record in log if record.action is Action.SUCCESS)
    for task in ("most", "lone:a"):
        if begun[task] > 1 or claimed[task] != 1:
            wrong.append(f"{task} began {begun[task]} times, claimed {claimed[task]} times")
    for task in ("plain", "least", "heard", "shot:a", "told:a"):
        if not ended[task] or succeeded[task] != 1:
            wrong.append(
                f"at least once: {task} ended {ended[task]}, noted {succeeded[task]} times"
            )
    return wrong
