"""What is due, and when to look again: a heap of instants and an index from log keys to tasks.

Logical time (DESIGN §3) goes from one decision to the next over breakpoints in order: the
`until` of a verdict, or a record that a verdict reads. At each breakpoint the tasks it concerns
are decided one after another, higher priority first, then in order of definition, each seeing
the starts before it and the records up to it. A decision made at a past breakpoint must still
hold there with the newest log: a record that touches what it read makes it be decided again. A
start's `scheduled_at` is its logical instant.

- A task that cannot start (disabled, or running without multilaunch) is not looked at: the event
  that makes it startable puts it back.
- An occurrence that came and went while nobody looked is started if it ended less than
  `misfire_grace` ago (to catch up: `max_lateness`), and only the newest of a task; the others are
  in `missed`. To catch up with all, and for a queue, each is started, in order: the task is
  `behind` then, and decided again from where it stands.
- A run that was released is owed: it starts again with the same `scheduled_at` while its
  condition, asked at that instant with the newest log, holds, until the task starts anew.
- A start that does not consume (its condition still holds with its own run applied) makes the
  task's next start wait `cycle_sleep`; a crash makes it wait 1 s, doubling to 60 s.
- A start that was requested asks no condition, and waits for nothing but the task itself.
- A live run is to be ended when the task's end_cond holds or its timeout is over: a `Watch` stands
  in the same heap, and what it finds is in `stops`.

The agenda is the only one to change its history. It never reads a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heapify, heappop, heappush

from .asking import Asking
from .civil import BEGINNING, FOREVER
from .decisions import ConditionFailed, Ended, Missed, Start, Starts, Stop
from .elsewhere import Elsewhere
from .history import History, Mark, Source, TaskLog
from .items import NO_REQUESTS, Entry, Item, Watch, place_of, rank_of
from .overdue import Overdue, free
from .past import Past
from .plan import Planner, without_retry
from .records import BIT, Action, Record, new
from .schedule import NEVER, SECOND, CatchUp, Overlap, Request, Schedule
from .verdict import STALE, ConstantPlan, Plan, Verdict, touches

CYCLE_SLEEP = SECOND // 10
RUN, CRASH = Action.RUN, Action.CRASH  # quicker to name
ALLOW, QUEUE, REPLACE = Overlap.ALLOW, Overlap.QUEUE, Overlap.REPLACE
ALL, NO_CATCH_UP = CatchUp.ALL, CatchUp.SKIP
STARTED = BIT[RUN]
SPARE = 256  # dropped schedules whose plans may stay for a while
MANY = 1 << 62  # more than there ever is
ENDLESS = ConstantPlan(False)
NOTHING_OWED = Verdict(False, BEGINNING, FOREVER)
Held = tuple[int, int, Entry]


class Agenda:
    """Decides starts, and what is to be ended. Conditions are asked by `asking`. `apart` is how far
    ahead the clock of another instance may be: what is later than that is by one that nobody could
    work with, or that was set back since."""

    def __init__(
        self,
        planner: Planner,
        now: int,
        *,
        cycle_sleep: int = CYCLE_SLEEP,
    ) -> None:
        self.planner = planner
        self.asking = Asking(planner)
        self._ask, self._check = self.asking.ask, self.asking.check
        self._overdue = Overdue(self.asking)
        self._past = Past()
        self._elsewhere = Elsewhere(self.asking, self._past)
        self.history: History = planner.history
        self.logical = now
        self.cycle_sleep = cycle_sleep
        self.apart = 0
        self.entries: dict[str, Entry] = {}
        self.stops: list[Stop] = []
        self.others: tuple[Plan, ...] = ()  # plans of this planner that are no task's
        self._left = 0  # how many schedules were dropped since the last sweep
        self._schedules: dict[Schedule, Schedule] = {}  # many tasks may say the same
        self._heap: list[tuple[int, int, Item]] = []
        self._held: tuple[list[Held], list[Held]] = ([], [])  # no room; those for the pool apart
        self._room = self._pool = MANY
        self._inbox: deque[tuple[int, Record, Mark]] = deque()
        self._defined = 0

    # --- tasks ----------------------------------------------------------------------------

    def add(
        self, name: str, schedule: Schedule, since: int | None = None, waited: int = 0
    ) -> Entry:
        """Plan a task. `since` is from when on nobody has decided what came due of it; None: there
        was nothing to decide. `waited` is how long it had to wait after the latest run that was
        released, as far as was known."""
        if name in self.entries:
            raise ValueError(f"there is a task {name!r} on the agenda already")
        self._defined += 1
        entry = self._enter(name, schedule, self._defined)
        entry.wait_on(waited)
        if since is not None:
            self.search(name, since)
        return entry

    def search(self, name: str, since: int) -> bool:
        """What came due of a task since then was decided by nobody, but for what has run; whether
        there is anything to decide. Nothing is decided before that, be it later than the latest
        decision here."""
        entry = self.entries[name]
        if since >= self.logical:
            ran = any(run.scheduled_at == since for run in entry.log.starts)
            begin = since + 1 if ran else since  # one integer of all tasks
            entry.not_before = max(entry.not_before, begin)
        if entry.log.logical:
            since = max(since, entry.log.logical[-1])
        if entry.log.starts:  # also one that counts no more
            since = max(since, entry.log.starts[-1].scheduled_at)
        if since >= self.logical or entry.plan.costly:
            return False
        entry.behind = since
        self._push(entry, self.logical)
        self._past.look(entry)
        return True

    def read_by(self, name: str) -> set[str]:
        """The tasks whose logs the decisions about a task read."""
        entry = self.entries[name]
        plans = (entry.plan,) if entry.watch is None else (entry.plan, entry.watch.plan)
        sources = (entry.log, *(source for plan in plans for source in plan.sources))
        return {source.task for source in sources if isinstance(source, TaskLog)}

    def _enter(self, name: str, schedule: Schedule, place: int) -> Entry:
        node, zone = schedule.condition, schedule.zone
        plan = self.planner.plan(node, name, zone)
        anew = without_retry(node)
        fresh = plan if anew is node else self.planner.plan(anew, name, zone)
        schedule = self._schedules.setdefault(schedule, schedule)
        log = self.history.of(name)
        entry = Entry(name, schedule, plan, fresh, log, rank_of(schedule, place))
        self.entries[name] = entry
        if log.policy != schedule.policy:
            log.adopt(schedule.policy)
            if any(reader.verdict is not STALE for reader in log.readers):
                self.rewritten(name)
        self._subscribe(entry)
        self._push(entry, self.logical)
        self._watch_live(entry)
        if log.starts:
            self._past.look(entry)
        return entry

    @staticmethod
    def _subscribe(item: Item) -> None:
        """Most plans have one asker, and there may be many of them; some have many askers."""
        plan = item.plan
        if isinstance(plan.askers, dict):
            plan.askers[item] = None
        elif plan.sources:
            plan.askers = dict.fromkeys((*plan.askers, item)) if plan.askers else (item,)

    @staticmethod
    def _unsubscribe(item: Item) -> None:
        plan = item.plan
        if isinstance(plan.askers, dict):
            del plan.askers[item]
        else:
            plan.askers = ()

    def change(self, name: str, schedule: Schedule) -> Entry:
        """Put another schedule in the place of a task's; what it waits for is kept."""
        old = self._leave(name)
        entry = self._enter(name, schedule, place_of(old.rank))
        entry.not_before, entry.latest = old.not_before, old.latest
        if old.schedule.condition == schedule.condition:
            entry.behind, entry.queued = old.behind, old.queued
            self._past.look(entry)
        entry.requests, entry.crash_wait = old.requests, old.crash_wait
        if old.watch is not None and old.watch.told:
            self._watch(entry).told |= old.watch.told
        return entry

    def remove(self, name: str) -> None:
        self._leave(name)
        self._elsewhere.forget(name)

    def _leave(self, name: str) -> Entry:
        entry = self.entries.pop(name)
        entry.enabled = False
        self._past.pop(entry, None)
        for item in (entry, entry.watch):
            if item is None:
                continue
            item.due = FOREVER
            self._unsubscribe(item)
        self._left += 1
        if self._left > len(self.entries) + SPARE:
            self._sweep()
        return entry

    def _sweep(self) -> None:
        """Let the planner drop what tasks that have changed or are gone have left behind."""
        self._left = 0
        self._schedules = {e.schedule: e.schedule for e in self.entries.values()}
        roots = [plan for e in self.entries.values() for plan in (e.plan, e.fresh)]
        roots += [e.watch.plan for e in self.entries.values() if e.watch is not None]
        self.planner.sweep([*roots, *self.others], self.entries)

    def enable(self, name: str, enabled: bool) -> None:
        entry = self.entries[name]
        entry.enabled = enabled
        self._push(entry, self.logical)

    def request(self, name: str, request: Request) -> None:
        """Start the task once more, as soon as it can be."""
        entry = self.entries[name]
        if entry.requests is NO_REQUESTS:
            entry.requests = deque()
        if request.forced:  # it need not wait for the task to be enabled, as others do
            entry.requests.appendleft(request)
        else:
            entry.requests.append(request)
        self._push(entry, self.logical)

    @property
    def _items(self) -> Iterator[Item]:
        for entry in self.entries.values():
            yield entry
            if entry.watch is not None:
                yield entry.watch

    def _push(self, item: Item, instant: int) -> None:
        """Look at `item` at `instant`, or earlier if that was due already."""
        if instant < item.due:
            item.due = instant
            heappush(self._heap, (instant, item.rank, item))
            if len(self._heap) > 4 * len(self.entries) + 64:  # most of it is out of date
                self._heap[:] = [(i.due, i.rank, i) for i in self._items if i.due < FOREVER]
                heapify(self._heap)

    @property
    def wake(self) -> int | None:
        """The next instant at which an answer can change; None if time alone changes none."""
        if self._inbox:
            return self.logical
        heap = self._heap
        while heap:
            at, _, item = heap[0]
            if at == item.due and (item.log.live or not isinstance(item, Watch)):
                return at if at < FOREVER else None
            heappop(heap)
            if at == item.due:
                item.due = FOREVER  # a watch with nothing to look after
        return None

    def reach(self, now: int) -> None:
        """Time has gone on to `now`, or as far as nothing was due: what is changed from outside
        is changed then."""
        wake = self.wake
        now = now if wake is None else min(now, wake)
        self.logical = max(self.logical, now)

    def asked(self, now: int) -> set[str]:
        """The tasks whose logs the decisions due now may read."""
        due = {item.name for at, _, item in self._heap if at <= now and at == item.due}
        return {task for name in due for task in self.read_by(name)}

    def waiting(self, now: int) -> tuple[int, str] | None:
        """What has waited for longest, of what is due by now, to be decided or for room: since when
        and of which task. Changes nothing, and may be asked on any thread."""
        looks = [(at, item) for at, _, item in list(self._heap) if at <= now and at == item.due]
        held = [(at, item) for each in self._held for at, _, item in list(each) if at <= now]
        return min(
            (
                (at if item.behind is None else min(at, item.behind), item.name)
                for at, item in looks + held
                if isinstance(item, Entry) and item.enabled and item.schedule.standing
                if not item.log.live or item.schedule.overlap is ALLOW
            ),
            default=None,
        )

    def held_back(self, entry: Entry) -> bool:
        """Whether there was no room for what it may start."""
        return any(held is entry for each in self._held for _, _, held in each)

    # --- records --------------------------------------------------------------------------

    def take(self, record: Record, now: int, mark: Mark | None = None) -> Mark:
        """Take in a record: the next of the log, or one of our own that has a provisional place.
        It is seen by the decisions from its instant on."""
        task, action, at, seq = record[:4]
        if mark is None:
            self.history.see(seq)
            mark = Mark(at, seq)
        self._inbox.append((at if at < now else now, record, mark))
        if action is RUN and task in self.entries:
            self._elsewhere.take(task, seq)
        return mark

    def absorb(self) -> None:
        """See all that was taken in, without deciding anything."""
        while self._inbox:
            self._see(*self._inbox.popleft())

    def _see(self, instant: int, record: Record, mark: Mark) -> TaskLog:
        task, action, at, seq, scheduled_at = record[:5]
        entry = self.entries.get(task)
        log = self.history.of(task) if entry is None else entry.log
        if log.born and not log.has(record):
            if entry is not None and action is RUN:
                self._has_come(entry, seq)
            return log
        if instant < self.logical:
            instant = self.logical
        self.logical = instant
        bit = BIT[action]
        if log.read & bit and (self._past or self._elsewhere.coming):
            self._elsewhere.settle(log, min(at, instant))
        log.add(record, mark)
        if entry is not None:
            if action is RUN:
                self._elsewhere.see(entry, at, at if scheduled_at is None else scheduled_at)
                self._keep_watch(entry, at)
                self._has_come(entry, seq)
            else:
                if entry.crash_wait or action is CRASH or log.policy.undoing & bit:
                    entry.wait_after(action, at)
                    self._past.look(entry)
                left = self._elsewhere.coming and entry.waits_for_its_condition(instant)
                if left and self._elsewhere.leaves(entry, instant):
                    entry.reads = ()
                else:
                    self._push(entry, instant)
        if log.read & bit:
            self._changed(log, bit, instant)
        if log.room < 0:
            self.planner.trim(log, min(instant, self._past.oldest_for(log, entry)))
        return log

    def _has_come(self, entry: Entry, seq: int) -> None:
        """A run of another instance was seen."""
        if self._elsewhere.has_come(entry, seq):
            self._push(entry, self.logical)
        self._past.look(entry)

    def _keep_watch(self, entry: Entry, at: int) -> None:
        """A run of the task began at `at`. Its watch stays in the heap when the run has ended, as
        the next run most likely comes before its instant does."""
        schedule = entry.schedule
        endless, timeout = schedule.end_cond is NEVER, schedule.timeout
        if endless and timeout is None:
            return
        watch = entry.watch or self._watch(entry)
        due = at + timeout if endless and timeout else at
        if due < self.logical:
            due = self.logical
        if due < watch.due:
            self._push(watch, due)

    def _watch_live(self, entry: Entry) -> None:
        """Runs of the task may have begun long ago."""
        if entry.log.live:
            self._keep_watch(entry, min(run.mark.at for run in entry.log.live.values()))

    def _watch(self, entry: Entry) -> Watch:
        watch, schedule = entry.watch, entry.schedule
        if watch is None:
            node = schedule.end_cond
            plan = ENDLESS if node is NEVER else self.planner.plan(node, entry.name, schedule.zone)
            watch = entry.watch = Watch(entry, plan, schedule.timeout)
            self._subscribe(watch)
        return watch

    def settle(self, task: str, mark: Mark, seq: int) -> None:
        """The store has the RUN record, as number `seq`; of an ending only the mark need know."""
        log = self.history.tasks.get(task)
        if log is not None:
            log.settle(mark, seq)

    def reload(self, task: str, records: Iterable[Record], now: int) -> None:
        """What we took in of `task` was not what the store holds: begin anew with that."""
        self._inbox = deque(item for item in self._inbox if item[1].task != task)
        self._elsewhere.forget(task)
        log = self.history.of(task)
        known = log.starts[-1].mark.seq if log.starts else 0
        outcome = log.outcome
        self.history.reload(task, records)
        entry = self.entries.get(task)
        if entry is not None:
            log.set_back(now, now + self.apart)
            if log.starts and log.starts[-1].mark.seq > known:
                run = log.starts[-1]
                self._elsewhere.see(entry, run.mark.at, run.scheduled_at)
                if run.scheduled_at == self.logical:
                    entry.not_before = max(entry.not_before, self.logical + 1)
            entry.wait_anew(outcome)
        self.rewritten(task)

    def _changed(self, source: Source, bit: int, instant: int) -> None:
        for plan in self.planner.changed(source, bit):
            for item in plan.askers:
                if item.reads and touches(item.reads, source, bit):
                    self._push(item, instant)

    def rewritten(self, task: str) -> None:
        """The log of a task is not what it was: whoever may read it looks again."""
        for plan in self.planner.rewritten(self.history.of(task)):
            for item in plan.askers:
                self._push(item, self.logical)
        entry = self.entries.get(task)
        if entry is not None:
            self._past.look(entry)
            self._push(entry, self.logical)
            self._watch_live(entry)

    def parameter_changed(self, name: str) -> None:
        source = self.planner.parameter(name)
        if self._past or self._elsewhere.coming:
            self._elsewhere.settle(source, self.logical)
        self._changed(source, ~0, self.logical)

    def set_back(self, now: int) -> None:
        """What the log dates later than any clock may say by now is read as now."""
        self.history.set_back(now, now + self.apart)

    def reset(self, now: int) -> None:
        """The clock was set back: answers are dropped and logical time with them."""
        self.absorb()
        self.logical = now
        self.set_back(now)
        self.planner.forget()
        for item in self._items:
            item.due = FOREVER
            self._push(item, now)
        for entry in self.entries.values():
            entry.begin_again()

    @property
    def missed(self) -> list[Missed]:
        """The occurrences missed so far."""
        return self._overdue.missed

    def drain_missed(self) -> list[Missed]:
        """The occurrences missed since this was last asked."""
        return self._overdue.drain()

    def drain_stops(self) -> list[Stop]:
        """The runs to be ended, of which this was not said before; not what has ended since."""
        stops, self.stops = self.stops, []
        return [stop for stop in stops if stop.mark.seq in self.history.of(stop.task).live]

    # --- decisions ------------------------------------------------------------------------

    def decide(self, now: int, room: int = MANY, pool: int = MANY) -> list[Start]:
        """The starts due up to `now`, each already in the history as a provisional run; the
        caller claims them and calls `settle` or `refused` for each. No more than there is room
        for, in all and in the pool: what else is due is decided when there is."""
        if now < self.logical:
            self.reset(now)
        self._room, self._pool = room, pool
        starts, known = Starts(), len(self.missed)
        self._elsewhere.begin()
        try:
            self._let_go(starts)  # what has waited comes before what is due since
            self._advance(starts, now)
            while self._let_go(starts):
                self._advance(starts, now)
            if len(self.missed) > known:  # some perhaps twice: a task may be looked at again
                missed = dict.fromkeys(self.missed[known:])
                self.missed[known:] = [
                    each
                    for each in missed
                    if not self._elsewhere.has_served(self.entries[each.task], each)
                ]
        except ConditionFailed:
            for start in reversed(starts.made):
                self.refused(start)
            raise
        self.logical = now
        return list(starts.made)

    def _advance(self, starts: Starts, now: int) -> None:
        """Logical time goes on to now, over the breakpoints in order."""
        heap, inbox = self._heap, self._inbox
        while True:
            wake = heap[0][0] if heap else FOREVER
            if inbox and self.logical <= wake >= inbox[0][0]:
                instant, record, mark = inbox.popleft()
                log = self._see(instant, record, mark)
                if not starts.made:
                    continue
                if log in starts.readers:
                    self._retract(starts, log, BIT[record.action])
                if record.action is RUN and record.task in starts.of:
                    self._take_back(starts, starts.of.pop(record.task))  # it runs elsewhere
                continue
            if wake > now or wake >= FOREVER:
                return
            instant, _, item = heappop(heap)
            if instant != item.due:
                continue
            item.due = FOREVER
            if instant > self.logical:
                self.logical = instant
            if isinstance(item, Entry):
                pooled = item.schedule.pooled
                full = len(starts.made) >= self._room
                if full or (pooled and starts.pooled >= self._pool):
                    self._hold_back(item)
                    continue
                start = self._consider(item, self.logical, now)
                if start is not None:
                    starts.add(start, pooled)
            elif isinstance(item, Watch):
                self._look_after(item, self.logical)

    def _hold_back(self, entry: Entry) -> None:
        """There is no room for what it may start; it is decided later, from now on."""
        heappush(self._held[entry.schedule.pooled], (self.logical, entry.rank, entry))
        if not entry.plan.costly:
            entry.queued = True
            if entry.behind is None:
                entry.behind = self.logical
                self._past.look(entry)

    def _let_go(self, starts: Starts) -> bool:
        """Look again at what was held back, as far as there is room now; whether there is any."""
        any_left = False
        for pooled, held in enumerate(self._held):
            room = self._room - len(starts.made)
            if pooled:
                room = min(room, self._pool - starts.pooled)
            while held and room > 0:
                entry = heappop(held)[2]
                if self.entries.get(entry.name) is entry:
                    any_left = True
                    room -= 1
                    self._push(entry, self.logical)
        return any_left

    def _retract(self, starts: Starts, log: TaskLog, bit: int) -> None:
        """A start decided before a record that it read must still hold with it."""
        self._take_back(starts, starts.that_read(log, bit))

    def _take_back(self, starts: Starts, doubtful: Iterable[Start]) -> None:
        for start in doubtful:
            if starts.drop(start):
                self.refused(start)
                self._retract(starts, self.history.of(start.record.task), BIT[Action.RUN])

    def _consider(self, entry: Entry, instant: int, now: int) -> Start | None:
        entry.reads = ()
        schedule, log, behind = entry.schedule, entry.log, entry.behind
        if log.live and schedule.overlap is not ALLOW:
            if schedule.overlap is REPLACE:
                self._replace(entry, instant)
            return None
        if behind is not None:
            instant, entry.behind = min(instant, behind), None
        if entry.requests and (entry.enabled or entry.requests[0].forced):
            entry.behind = behind
            refused_at = entry.requests[0].refused_at
            instant = self.logical if refused_at is None else refused_at
            return self._serve(entry, max(instant, entry.latest + 1), now)
        if not (entry.enabled and schedule.standing):
            self._past.look(entry)
            return None
        if self.logical < entry.not_before:
            if behind is None and entry.crash_wait:
                behind = self._queued_from(entry)
            entry.behind = behind
            self._push(entry, entry.not_before)
            return None
        if self._elsewhere.leaves(entry, self.logical):
            entry.behind = behind
            return None
        owed = self._owed(entry) if entry in self._past else NOTHING_OWED
        if owed.value:
            if behind is None:
                behind = self._queued_from(entry)
            if behind is None and schedule.overlap is not ALLOW and not entry.plan.costly:
                behind = self.logical if self.logical < now else None
            entry.behind = behind
            return self._start(entry, owed.since, now, owed, owed=True)
        return self._decide(entry, instant, now, owed)

    def _queued_from(self, entry: Entry) -> int | None:
        """If it has a queue, what comes due from now on waits there for the run that is owed."""
        if entry.schedule.overlap is not QUEUE or entry.plan.costly:
            return None
        entry.queued = True
        return self.logical

    def _owed(self, entry: Entry) -> Verdict:
        """Whether what the latest run was to do has still to be done: `since` is that run's
        instant. If not, `until` is when that may be another."""
        if not entry.log.starts:
            return NOTHING_OWED
        if entry.log.lapse(self.logical):
            self.planner.rewritten(entry.log)
        run = entry.log.owed(self.logical)
        if run is None:
            return NOTHING_OWED._replace(until=entry.log.lapses(self.logical)[1])
        if not 0 <= self.logical - run.scheduled_at <= lateness(entry.schedule):
            return NOTHING_OWED
        value, _, _, reads = self._check(entry, entry.plan, run.scheduled_at)
        if value and entry.schedule.end_cond is not NEVER:
            ending = self._ask(entry, self._watch(entry).plan, self.logical)
            if ending.value:
                return ending._replace(value=False)
        return Verdict(value, run.scheduled_at, FOREVER, reads)

    def _decide(self, entry: Entry, instant: int, now: int, owed: Verdict) -> Start | None:
        """By its condition, from `instant` on; never for the very instant of a run that was."""
        schedule, plan = entry.schedule, entry.plan
        if instant < self.logical:
            instant = min(free(entry, instant), self.logical)
            taken = {run.scheduled_at for run in entry.log.starts}
            while instant in taken and instant < self.logical:
                instant += 1
        in_order = schedule.catch_up is ALL
        forgiven = now - schedule.misfire_grace
        if entry.queued or schedule.catch_up is not NO_CATCH_UP:
            in_order |= entry.queued and schedule.overlap is QUEUE
            forgiven = now - lateness(schedule)
        if instant < forgiven and not plan.costly:
            instant = self._overdue.pass_over(entry, instant, forgiven)
        verdict = self._check(entry, plan, instant if instant >= forgiven else forgiven)
        if not verdict.value:
            entry.reads = verdict.reads + owed.reads
            self._go_on(entry, verdict.until, now)
            self._push(entry, owed.until)
            return None
        if instant < forgiven:  # what is open then, since it opened
            instant = max(instant, verdict.since)
        if not in_order:
            if verdict.until <= now:
                newer = self._overdue.pass_to_newer(entry, instant, verdict.until, now)
                if newer is not None:
                    self._go_on(entry, newer, now)
                    return None
            elif instant < self.logical and entry.paced is not None:
                instant = self.logical  # the newest of those that an interval has brought
        return self._start(entry, instant, now, verdict, in_order=in_order)

    def _go_on(self, entry: Entry, instant: int, now: int) -> None:
        """Look at the task again at `instant`, be that past or to come."""
        if instant < self.logical:
            entry.behind = instant
        elif instant > now:
            entry.queued = False  # it has caught up
        self._push(entry, instant)
        if entry in self._past or entry.behind is not None:
            self._past.look(entry)

    def lookback(self, now: int, tasks: Iterable[str] | None = None) -> dict[str, int]:
        """From when on every record of each task is needed, FOREVER: the latest are enough. Of
        these tasks; or of all that there are here, and all that are read. Of a task on the agenda
        it has to be known which instants not decided here have had their run."""
        oldest = min((now, self.logical, *self._past.values()))
        known = dict.fromkeys((*self.entries, *self.planner.read)) if tasks is None else tasks
        needed = self.planner.lookback(oldest, known)
        for name in needed.keys() & self.entries.keys():
            past = self._past.get(self.entries[name], FOREVER)
            needed[name] = min(needed[name], self.logical, past)
        return needed

    def decided(self) -> dict[str, int]:
        """Up to when all that came due of each task was decided here."""
        return {
            name: self.logical if entry.behind is None else min(entry.behind, self.logical)
            for name, entry in self.entries.items()
            if entry.enabled and entry.schedule.standing and not entry.plan.costly
        }

    def _replace(self, entry: Entry, instant: int) -> None:
        """An occurrence that comes due while the task runs ends that run, to start then."""
        if not (entry.enabled and entry.schedule.standing):
            return
        if entry.behind is None:
            verdict = self._check(entry, entry.plan, instant)
            if not verdict.value:
                entry.reads = verdict.reads
                self._push(entry, verdict.until)
                return
            entry.behind, entry.queued = instant, True
        told = self._watch(entry).told
        for run in entry.log.live.values():
            if run not in told:
                told.add(run)
                self.stops.append(Stop(entry.name, run.mark, Ended.BY_NEWER))

    def _serve(self, entry: Entry, instant: int, now: int) -> Start | None:
        """The first of the starts asked for."""
        if instant > self.logical:  # there was a start at this very instant
            self._push(entry, instant)
            return None
        request = entry.requests.popleft()
        if request.asking and not self._ask(entry, entry.plan, instant).value:
            self._push(entry, instant)
            return None
        return self._start(entry, instant, now, Verdict(True, instant, FOREVER), request=request)

    def _look_after(self, watch: Watch, instant: int) -> None:
        """Say which live runs are to be ended now, and look again when the next may be."""
        watch.told.intersection_update(watch.log.live.values())
        runs = [run for run in watch.log.live.values() if run not in watch.told]
        watch.reads = ()
        if not runs:
            return
        verdict = self._check(watch, watch.plan, instant)
        watch.reads = verdict.reads
        self._push(watch, verdict.until)
        for run in runs:
            if run.mark.at > instant:  # decided late: it has not begun then
                self._push(watch, run.mark.at)
                continue
            over = FOREVER if watch.timeout is None else run.mark.at + watch.timeout
            if not verdict.value and instant < over:
                self._push(watch, over)
                continue
            watch.told.add(run)
            reason = Ended.BY_CONDITION if verdict.value else Ended.BY_TIMEOUT
            self.stops.append(Stop(watch.name, run.mark, reason))

    def _start(
        self,
        entry: Entry,
        instant: int,
        now: int,
        verdict: Verdict,
        *,
        request: Request | None = None,
        owed: bool = False,
        in_order: bool = False,
    ) -> Start:
        """`owed`: of an occurrence whose run was released, which is the instant then. `in_order`:
        what an interval has brought by now is started one by one, and not the newest alone."""
        log, outcome, attempt = entry.log, entry.log.outcome, 0
        if outcome is not None and request is None and entry.fresh is not entry.plan:
            if not self._ask(entry, entry.fresh, instant).value:
                attempt = outcome.attempt + 1
        mark = Mark(now, self.history.next_provisional())
        scheduled_at, paced = instant, entry.paced
        if paced is not None and request is None and not owed:
            scheduled_at = paced.phase(instant, verdict.since)
            if not in_order:
                scheduled_at = paced.newest(scheduled_at, min(now, verdict.until - 1))
        fields = entry.name, RUN, now, mark.seq, scheduled_at, attempt, None, None, None, None
        record = new(Record, fields)
        log.add(record, mark)
        decided_at = self.logical if owed else instant
        start = Start(
            record, mark, verdict.reads, self.history.position, decided_at, request,
            entry.schedule.lease,
        )  # fmt: skip
        if log.read & STARTED:
            self._changed(log, STARTED, self.logical)
        self._keep_watch(entry, now)
        if decided_at > entry.latest:
            entry.latest = decided_at
        again = self._pace(entry, decided_at)
        schedule = entry.schedule
        each = schedule.overlap is QUEUE or schedule.catch_up is ALL
        if each and request is None and not owed:
            self._queue(entry, instant, now, again)
        if entry in self._past or entry.behind is not None:
            self._past.look(entry)
        return start

    def _pace(self, entry: Entry, instant: int) -> Verdict:
        """When the task may start again: at once, unless its start has changed nothing. What is
        said of it now."""
        verdict = self._ask(entry, entry.plan, instant)
        entry.not_before = instant + ((verdict.value and self.cycle_sleep) or 1)
        if entry.schedule.overlap is ALLOW or entry.schedule.overlap is REPLACE:
            entry.reads = verdict.reads
            self._push(entry, entry.not_before if verdict.value else verdict.until)
            if entry.requests:
                self._push(entry, instant + 1)
        return verdict

    def _queue(self, entry: Entry, instant: int, now: int, again: Verdict) -> None:
        """A start by condition was made of a task whose starts are all made, in order: is there
        more of what has come due?"""
        overlap = entry.schedule.overlap
        if entry.plan.costly:
            return  # it cannot be asked about the past
        if overlap is QUEUE:
            entry.queued = True
        elif again.until > now:
            return
        entry.behind = again.until if again.value else instant
        if overlap is ALLOW:
            self._push(entry, self.logical)

    def refused(self, start: Start) -> None:
        """The store knows a newer record that matters: decide again, at the same logical
        instant, once that record has been taken in. Of several starts the last one first, so
        that what was asked for keeps its order."""
        task = start.record.task
        self.history.of(task).drop(start.mark)
        self.rewritten(task)
        entry = self.entries.get(task)
        if entry is not None:
            entry.not_before = entry.latest = BEGINNING
            if start.request is None:
                entry.behind = min(start.decided_at, entry.behind or FOREVER)
            else:
                entry.requests.appendleft(replace(start.request, refused_at=start.decided_at))
            self._push(entry, self.logical)


def lateness(schedule: Schedule) -> int:
    """How late an occurrence may start that is not forgotten."""
    return FOREVER if schedule.max_lateness is None else schedule.max_lateness
