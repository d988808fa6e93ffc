"""The real runtime on a virtual time, under faults that a seed decides.

`ONCUE_SEEDS` says how many seeds, `ONCUE_FIRST_SEED` the first: by default 150 that are
always the same. A seed that is bad names the command that replays it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from oncue.tests.durability.simulate import MODULE

SEEDS = int(os.environ.get("ONCUE_SEEDS", "150"))
FIRST = int(os.environ.get("ONCUE_FIRST_SEED", "0"))


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", MODULE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("instances", [1, 3])
def test_every_promise_is_kept_whatever_the_seed(instances: int) -> None:
    done = simulate(f"{FIRST}:{FIRST + SEEDS}", "--instances", str(instances))
    print(done.stdout)
    assert not done.returncode, done.stdout + done.stderr


def test_a_seed_gives_the_same_course_again() -> None:
    first, again = (simulate("7", "--instances", "2") for _ in range(2))
    assert first.stdout.splitlines()[:-1] == again.stdout.splitlines()[:-1]
    assert len(first.stdout.splitlines()) > 30
