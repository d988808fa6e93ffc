"""No start is dated before what it came of: `scheduled_at` is an instant from the first record on
that no start has consumed yet, whoever made that start, however late the look, whatever becomes of
what comes while the task runs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oncue.engine.records import Action, Record
from oncue.engine.schedule import Overlap
from oncue.tests.world import World

SECOND = 1_000_000
steps = st.tuples(
    st.integers(1, 4),
    st.sampled_from(["it succeeds", "others start", "others end", "ours ends", "look", "look"]),
)


@pytest.mark.parametrize("overlap", Overlap)
@given(happening=st.lists(steps, max_size=25))
@settings(deadline=None)
def test_a_start_is_dated_from_the_record_on_that_it_came_of(
    overlap: Overlap, happening: list[tuple[int, str]]
) -> None:
    world = World().task("heard", "after task 'x'", overlap=overlap)
    assert world.look() == []
    since: int | None = None  # the first success that no start has consumed
    theirs: list[int] = []
    for seconds, step in happening:
        world.now += seconds * SECOND
        running = theirs or world.live.get("heard")
        match step:
            case "it succeeds":
                world.record("x", Action.SUCCESS)
                since = since or world.now
            case "others start" if since and not running:
                world.seq += 1
                run = Record("heard", Action.RUN, world.now, world.seq, since)
                world.agenda.take(run, world.now)
                theirs.append(world.seq)
                since = None
            case "others end" if theirs:
                world.record("heard", Action.SUCCESS, run=theirs.pop())
            case "ours ends" if world.live.get("heard"):
                world.end("heard")
            case "look":
                for start in world.agenda.decide(world.now):
                    assert since is not None
                    assert since <= (start.record.scheduled_at or 0) <= world.now
                    world.claim(start)
                    since = None
