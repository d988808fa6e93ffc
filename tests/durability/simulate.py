"""Runs seeds of the simulated world and judges each: `python -m oncue.tests.durability.simulate`.

    simulate 17                 the course of seed 17: its log, and what is wrong with it
    simulate 0:1000 [options]   these seeds, on all cores; the first bad one is told

A seed gives the same course each time as long as the hashes of text are the same, so the command
sees to that.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from oncue.tests.durability.checker import check
from oncue.tests.durability.evidence import SECOND, Evidence
from oncue.tests.durability.world import EPOCH, World

MODULE = "oncue.tests.durability.simulate"


def judge(
    seed: int, instances: int, seconds: float, without: Collection[str] = ()
) -> tuple[Evidence, list[str]]:
    """What a seed leaves, and all that is wrong with it."""
    world = World(seed, instances=instances, seconds=seconds, without=without)
    evidence = world.run()
    return evidence, [*world.surprises, *map(str, check(evidence))]


def told(evidence: Evidence) -> Iterable[str]:
    """A line for each record."""
    for record in evidence.log:
        at = (record.at - EPOCH) / SECOND
        scheduled = "" if record.scheduled_at is None else (record.scheduled_at - EPOCH) / SECOND
        run = record.run or ""
        yield f"{record.seq:5} {at:11.6f} {record.task:10} {record.action:10} {run:5} {scheduled}"


def main() -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", MODULE, *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    parser = argparse.ArgumentParser(prog="simulate")
    parser.add_argument("seeds", help="one, or FROM:TO")
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--without", default="", help="tasks to leave out, with commas between")
    given = parser.parse_args()
    settle()
    first, _, last = given.seeds.partition(":")
    seeds = range(int(first), int(last) if last else int(first) + 1)
    began = time.perf_counter()
    records = 0
    with ExitStack() as stack:
        course = partial(judged, given, alone=not last)
        courses: Iterable[Course] = map(course, seeds)
        if last:
            context = get_context("forkserver")  # of which each has the same hashes of text
            pool = stack.enter_context(context.Pool(initializer=settle))
            courses = pool.imap(course, seeds, chunksize=8)
        for seed, (count, lines, wrong) in zip(seeds, courses, strict=True):
            records += count
            if lines:
                print("\n".join(lines))
            if wrong:
                print("\n".join(wrong))
                print(f"seed {seed} is bad; replay it with")
                how = f"--instances {given.instances} --seconds {given.seconds}"
                how += f" --without {given.without!r}" if given.without else ""
                print(f"  {sys.executable} -m {MODULE} {seed} {how}")
                return 1
    taken = time.perf_counter() - began
    per_minute = len(seeds) * 60 / taken
    print(f"{len(seeds)} seeds, {records} records, {taken:.1f} s: {per_minute:.0f} seeds/min")
    return 0


Course = tuple[int, list[str], list[str]]
"""How many records a seed leaves, its log if that is asked for, and what is wrong with it."""


def judged(given: argparse.Namespace, seed: int, *, alone: bool) -> Course:
    evidence, wrong = judge(seed, given.instances, given.seconds, given.without.split(","))
    return len(evidence.log), list(told(evidence)) if alone else [], wrong


def settle() -> None:
    """Go where there is no pyproject.toml for each app to read, and log nothing."""
    logging.disable(logging.CRITICAL)
    os.chdir(Path(__file__).parent)


if __name__ == "__main__":
    sys.exit(main())
