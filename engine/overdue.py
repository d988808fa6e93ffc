"""What came and went while nobody looked: which occurrences are missed, which is the newest.

The past is asked like the present, and each question is about an instant. So what a run would have
changed has to be supposed: a Composite's answer may stay true though one run at its first instant
would have served all of it. Of thousands of occurrences not each is looked at: the first and the
last are, and what lies between is missed as a time.
"""

from __future__ import annotations

from .asking import Asking
from .decisions import Missed
from .history import Mark
from .items import Entry
from .plan import Composite
from .records import Action, Record
from .schedule import Overlap

MOST_MISSED = 1000  # how often a task is asked in a row what it has missed, beyond what is forgiven


class Overdue:
    """`missed` are the occurrences found so far, by task and in order."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._planner = asking.planner
        self.missed: list[Missed] = []

    def drain(self) -> list[Missed]:
        missed, self.missed = self.missed, []
        return missed

    def pass_over(self, entry: Entry, instant: int, forgiven: int) -> int:
        """Nobody looked for longer than is forgiven: what came and went by then is missed; of too
        many the first and the last, and the time between them. When what is open then has opened,
        or else the last instant looked at."""
        begun = instant
        instant, there = self._pass_by(entry, instant, forgiven)
        left, reach, known = instant, instant - begun, len(self.missed)
        while not there:  # go back from the end for as long as so many looks have lasted, or less
            resumed = max(left, forgiven - reach)
            if resumed > left:
                until = self._asking.ask(entry, entry.plan, resumed).until
                resumed = until if until <= forgiven else resumed
            self.missed[known:] = [Missed(entry.name, left, resumed)] if resumed > left else []
            instant, there = self._pass_by(entry, resumed, forgiven)
            reach //= 2
        return instant

    def _pass_by(self, entry: Entry, instant: int, forgiven: int) -> tuple[int, bool]:
        """Look at what came and went from `instant` on; up to where, and whether that was all."""
        last: Missed | None = None
        held = False  # whether it was due right up to `instant`
        for _ in range(MOST_MISSED):
            verdict = self._asking.check(entry, entry.plan, instant)
            same = False
            if verdict.value and last is not None:
                same = self._same(entry, instant - 1 if held else last.scheduled_at, instant)
            if verdict.until > forgiven:
                if same and last is not None:
                    self.missed.remove(last)  # it is not over
                    return last.scheduled_at, True
                return instant, True
            if verdict.value and not same:
                last = Missed(entry.name, instant)
                self.missed.append(last)
            instant, held = free(entry, verdict.until), verdict.value
        return instant, False

    def pass_to_newer(self, entry: Entry, instant: int, until: int, now: int) -> int | None:
        """Of an occurrence that was due from `instant` until `until`: when a newer one was, by now,
        with which to go on, as this one is missed then. Of too many that is one of the last."""
        newer = self._newer(entry, instant, until, now)
        if newer is None:
            return None
        self.missed.append(Missed(entry.name, instant))
        reach = MOST_MISSED * (newer - instant)
        if now - newer > reach:
            return self.pass_over(entry, newer, self._late(entry, newer, now, reach))
        return newer

    def _newer(self, entry: Entry, instant: int, until: int, now: int) -> int | None:
        """When the task's condition came true again before now, once `until` was over up to which
        it was true from `instant` on; not of that same occurrence."""
        held = True  # whether it was due right up to `until`
        until = free(entry, until)
        while until <= now:
            verdict = self._asking.check(entry, entry.plan, until)
            if verdict.value and not self._same(entry, until - 1 if held else instant, until):
                return until
            until, held = free(entry, verdict.until), verdict.value
        return None

    def _late(self, entry: Entry, due: int, now: int, reach: int) -> int:
        """When the task was due not long before now, as it was at `due`: looked for within `reach`
        of the end, then ever farther back."""
        begin, end = now - reach, now
        while begin > due:
            instant = free(entry, begin)
            while instant <= end:
                verdict = self._asking.check(entry, entry.plan, instant)
                if verdict.value:
                    return instant
                instant = free(entry, verdict.until)
            begin, end = max(2 * begin - now, (due + begin) // 2), begin
        return due

    def _same(self, entry: Entry, instant: int, later: int) -> bool:
        """Whether what is due at both instants is one occurrence: a run at the first that found
        nothing to do would leave nothing to do at the second. Where it stays due in between, the
        first is the very instant before the second."""
        if not isinstance(entry.plan, Composite):
            return False  # of an atom every `until` is the end of an occurrence
        log, planner = entry.log, self._planner
        with log.as_it_was():
            for action in (Action.RUN, Action.INACTION):
                mark = Mark(instant, planner.history.next_provisional())
                log.add(Record(entry.name, action, instant, mark.seq, instant), mark)
            planner.rewritten(log)
            value = self._asking.check(entry, entry.plan, later).value
        planner.rewritten(log)
        return not value


def free(entry: Entry, instant: int) -> int:
    """When the task was free from then on: what comes due while it runs is not missed, if it is
    skipped."""
    skips = entry.schedule.overlap is Overlap.SKIP
    return entry.log.free_from(instant) if skips else instant
