"""Keeps what the agenda knows of the log and what the store holds in step.

Endings are known here first and written with the next commit; claims are written before their
runs are launched. Records of other instances are read when a commit shows that there are some,
and as often as the store asks. A store that fails starts nothing new and loses nothing: endings
are kept and tried again every `STORE_RETRY`, and decisions are made anew once it answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..engine.agenda import Agenda
from ..engine.civil import FOREVER
from ..engine.decisions import Missed, Start
from ..engine.history import Mark
from ..engine.records import Action, Record, new
from .clock import Clock
from .errors import LeaseLostException, StoreError
from .repo import LEVELS, message_of
from .stores.protocol import (
    NOWHERE,
    Answer,
    Answers,
    Extension,
    Finish,
    LogLost,
    Refused,
    Rest,
    Step,
    Store,
)
from .upkeep import BEFORE_ALL, Upkeep

if TYPE_CHECKING:
    from .dynamic import DynamicTasks

SECOND = 1_000_000
SUCCESS = Action.SUCCESS
STORE_RETRY = SECOND
MAX_SKEW = 2 * SECOND  # how far the clocks of instances may be from each other on one host
UNCLEAR = SECOND  # how far off a measure of clocks may be that is relied on
LAST_TRIES = 10
LEASE_MARGIN = SECOND // 50  # the store's clock may be read a moment later than ours
LEASE_CHECK = SECOND // 4
NOTICE_PAUSE = SECOND // 100
VAIN_PAUSE = SECOND // 40
LONG_AGO = SECOND // 5
ENDED_APP = "the app has ended, and with it the lease"

task_log = logging.getLogger("oncue.task")
scheduler_log = logging.getLogger("oncue.scheduler")


Ended = tuple[Finish, Mark]
"""An ending that is not in the store yet, and its place in the history."""

Begun = tuple[Start, int]
"""A start whose claim was granted, and the number of its RUN record."""


class Asked(NamedTuple):
    """An extension that somebody waits for; the answer is until when the lease lasts."""

    step: Extension
    answer: asyncio.Future[int]


class Journal:
    """`live` are the claimed runs whose ending is not in the store; `look_at` is when the store is
    to be looked at though nothing is heard of others. `forgotten` is called when the store has lost
    what it knew, `superseded` with a task of which another instance has registered a newer
    condition."""

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        clock: Clock,
        *,
        forgotten: Callable[[], None],
        superseded: Callable[[str], None],
    ) -> None:
        self.store = store
        self.agenda = agenda
        agenda.apart = MAX_SKEW
        self._clock = clock
        self.forgotten = forgotten
        self._superseded = superseded
        self.live: dict[int, Record] = {}
        self.look_at = 0
        self.dynamic: DynamicTasks
        self.upkeep = Upkeep(store, agenda)
        self._decided: dict[str, int] = {}  # to be written at the end
        self._missed: list[Missed] = []  # not in the store yet
        self._leases: dict[int, int] = {}  # when those of our live runs end that do so by time
        self._unsaved: list[Ended] = []
        self._asked: list[Asked] = []
        self._closing = False
        self._own: set[int] = set()  # numbers of our records beyond the history's position
        self._lost: set[int | None] = set()  # live runs of ours that others have ended
        self._wanted: set[str] = set()  # tasks whose log is to be read anew, as far as needed
        self._reread = False  # whether all are
        self._noticed = 0  # the newest number that others may have written, as was heard
        self._looked = BEFORE_ALL  # when it was looked at
        self._pause = NOTICE_PAUSE  # after that until it is for a notice
        self._wrote = False  # whether anything was written since then
        self._told = False  # whether the latest commit has told what others wrote before it
        self.max_skew: int | None = None  # how far the store's clock may be from ours
        self.skewed = False  # whether it is or may be farther, and nothing may start
        self._said_skewed = False
        self._down = False  # whether nothing is to be asked of the store for now
        self._failures = 0  # since it last did what was asked
        self._unwritten = False  # whether the last attempt to write has failed
        self.error: StoreError | None = None  # the latest
        self.answered: int | None = None  # when the store last did what was asked

    def leave(self) -> None:
        """From now on nothing more is decided."""
        self._decided = self.agenda.decided()

    @property
    def settled(self) -> bool:
        """Whether every run has ended and every ending is in the store."""
        return not (self.live or self._unsaved)

    @property
    def unsaved(self) -> bool:
        """Whether an ending is still to be written."""
        return bool(self._unsaved)

    @property
    def failing(self) -> bool:
        return self._down

    async def load(self, conditions: Mapping[str, str], now: int) -> None:
        """Read what the plans made so far need of the log, to decide from when on nobody has.
        `conditions` is how those of the tasks read."""
        since = self.upkeep.begin(await self.store.register(conditions, now), now)
        lookback = self._needed(conditions, min(now, since))
        unclear = self._watch_skew()
        for record in self._take_all(await self.store.load(lookback)):
            if record.action is Action.CRASH and record.at == now:
                tell(record)  # written just now, on opening the store
        patient = min(now + self.store.patience, self.upkeep.due)
        self.look_at = now if self._is_noticed or unclear else patient
        self.answered = now

    def peek(self, conditions: Mapping[str, str], now: int, *dynamic: str) -> None:
        """The same of a store that is not open, and of these dynamic tasks. What is not registered
        as it reads now has never been decided."""
        since = self.upkeep.begin(self.store.registered(conditions), now)
        lookback = self._needed((*conditions, *dynamic), min(now, since))
        self._take_all(self.store.peek(lookback, now))

    def _needed(self, tasks: Iterable[str], since: int) -> dict[str, int]:
        """The look-back of what plans read, and of the tasks themselves, of which what is live has
        to be known, and which instants have had their run since all was decided."""
        planner = self.agenda.planner
        needed = planner.lookback(since, dict.fromkeys((*tasks, *planner.read)))
        for task, instant in self.upkeep.undecided().items():
            needed[task] = min(needed[task], instant)
        return needed

    def _take_all(self, loaded: tuple[int, list[Record]]) -> list[Record]:
        position, records = loaded
        self.agenda.history.position = position
        for record in records:
            self.agenda.history.add(record)
        self.agenda.set_back(self._clock.now())  # it took time to read
        return records

    @property
    def by_server(self) -> bool:
        """Whether the store is on a server, which may be away for a while."""
        return self.store.skew is not None

    def want(self, tasks: set[str], now: int) -> None:
        """Read the logs of these tasks anew before anything more is decided."""
        self._wanted |= tasks
        self.look_at = now

    def want_all(self, now: int) -> None:
        """Read every log anew before anything more is decided."""
        self._reread = True
        self.look_at = now

    def notice(self, newest: int) -> bool:
        """Another instance may have written, up to that number. It is looked at soon, but not for
        each record; whether that is sooner than it was to be."""
        before = self._is_noticed
        self._noticed = max(self._noticed, newest)
        return self._is_noticed and not before

    @property
    def _is_noticed(self) -> bool:
        return self._noticed > self.agenda.history.position

    def miss(self, missed: list[Missed]) -> None:
        """These occurrences were served by no run."""
        self._missed += missed

    def end(self, record: Record, now: int) -> None:
        """A run of ours has ended."""
        if self._lost and record.run in self._lost:
            self._lost.discard(record.run)
            self._refused(record)
            return
        mark = Mark(record.at, self.agenda.history.next_provisional())
        self.agenda.take(record, now, mark)
        self._unsaved.append((new(Finish, (record,)), mark))

    # --- leases ---------------------------------------------------------------------------

    def holds(self, task: str, run: int) -> bool:
        """Whether a run of ours is live still, as far as is known."""
        return run in self.live and run in self.agenda.history.of(task).live

    def extend(self, step: Extension) -> asyncio.Future[int]:
        """Make the lease of a run of ours last longer, with the next commit: until when. Fails of a
        StoreError, and of LeaseLostException."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._closing:
            answer.set_exception(LeaseLostException(f"task {step.task!r}: {ENDED_APP}"))
        elif self._down and self.error is not None:
            answer.set_exception(self.error)
        else:
            self._asked.append(Asked(step, answer))
        return answer

    def refuse_extensions(self) -> None:
        """From now on: nothing is committed any more but endings."""
        self._closing = True
        for step, answer in self._take_asked():
            answer.set_exception(LeaseLostException(f"task {step.task!r}: {ENDED_APP}"))

    def _take_asked(self) -> list[Asked]:
        """The extensions that somebody still waits for."""
        asked, self._asked = self._asked, []
        return [each for each in asked if not each.answer.done()]

    def _extended(self, asked: Asked, answer: Answer, now: int) -> None:
        step, waiting = asked
        if isinstance(answer, Refused):
            self.want({step.task}, now)
            if not waiting.done():
                waiting.set_exception(LeaseLostException(f"task {step.task!r}: {answer.value}"))
            return
        self._leases[step.run] = now + step.lease
        if not waiting.done():
            waiting.set_result(now + step.lease)

    # --- writing --------------------------------------------------------------------------

    async def commit(
        self, starts: list[Start], now: int, rests: Sequence[Rest] = ()
    ) -> list[Begun]:
        """Extend leases, write the endings, let go of dynamic tasks and claim the starts in one
        commit; the runs to be launched."""
        asked = self._take_asked() if self._asked else []
        endings, self._unsaved = self._unsaved, []
        missed, self._missed = self._missed, []
        steps: list[Step] = [finish for finish, _ in endings]
        if asked:
            steps = [*(each.step for each in asked), *steps]
        steps += rests
        steps += starts
        steps += missed
        if not steps:
            return []
        try:
            answers = await self.store.commit(steps, self.agenda.history.position)
        except BaseException as error:
            self._asked = asked + self._asked
            self._unsaved = endings + self._unsaved
            self._missed = missed + self._missed
            for start in reversed(starts):
                self.agenda.refused(start)
            if not isinstance(error, StoreError):
                raise
            self._unwritten, self._told = True, False
            self._fail(error, now)
            return []
        self._unwritten, self._wrote = False, True
        self._answers_again()
        self.answered = now
        between = answers.between if isinstance(answers, Answers) else None
        self._told = between is not None
        if self._told:
            self._looked = self._clock.now()
        if asked:
            for each, answer in zip(asked, answers, strict=False):
                self._extended(each, answer, now)
            answers = answers[len(asked) :]
        ends, rested = len(endings), len(endings) + len(rests)
        self._ended(endings, answers, now)
        if rests:
            self.dynamic.rested(rests, answers[ends:rested])
            answers = answers[:ends] + answers[rested:]
        written = answers[: ends + len(starts)]
        claimed = self._claimed(starts, written[ends:], now)
        if between is None and len(claimed) < len(starts):
            self.look_at = now  # for what they were refused for
        if written:
            self.dynamic.written()
        self._advance(written, between, now)
        return claimed

    def _ended(self, endings: list[Ended], answers: list[Answer], now: int) -> None:
        told = is_told(SUCCESS)
        for (finish, mark), answer in zip(endings, answers, strict=False):
            record = finish.record
            if not isinstance(answer, int):
                self._refused(record)
                self.dynamic.lost(record.task)
                self.want({record.task}, now)
                continue
            mark.seq = answer
            run = self._forget(record)
            if told or record.action is not SUCCESS:
                tell(record, run)

    def _refused(self, record: Record) -> None:
        """Its lease was lost; the log has another ending."""
        self._forget(record)
        lost = Refused.LEASE_LOST.value
        scheduler_log.error("%s of %s: %s", record.action, record.task, lost)

    def _forget(self, record: Record) -> Record | None:
        run = record.run or 0
        if self._leases:
            self._leases.pop(run, None)
        return self.live.pop(run, None)

    def _claimed(self, starts: list[Start], answers: list[Answer], now: int) -> list[Begun]:
        claimed: list[Begun] = []
        refused: list[Start] = []
        superseded: list[str] = []
        for start, answer in zip(starts, answers, strict=True):
            record = start.record
            if not isinstance(answer, int):
                refused.append(start)
                if answer is Refused.SUPERSEDED:
                    superseded.append(record.task)
                continue
            self.agenda.settle(record.task, start.mark, answer)
            self.live[answer] = record
            if start.lease is not None:
                self._leases[answer] = now + start.lease
                self.look_at = min(self.look_at, now + start.lease + LEASE_MARGIN)
            claimed.append((start, answer))
        for start in reversed(refused):  # each goes before those that came after it
            self.agenda.refused(start)
        for task in superseded:
            self._superseded(task)
        return claimed

    def _advance(self, answers: list[Answer], between: list[Record] | None, now: int) -> None:
        """Where we are told what others wrote between, or our records follow on what we know, we
        know all."""
        history, own = self.agenda.history, self._own
        numbers = [answer for answer in answers if isinstance(answer, int)]
        position = history.position
        if between is not None:
            for record in between:
                if record.seq > position:  # two commits may have been on their way
                    self._take(record, now)
            own.clear()
            history.see(max(numbers + [record.seq for record in between[-1:]], default=0))
            if any(record.action is Action.CRASH for record in between):
                self.look_at = now  # what others held is free
            return
        for number in numbers:
            if number == position + 1:
                position = number
            else:
                own.add(number)
        while position + 1 in own:
            position += 1
            own.remove(position)
        history.position = position
        if own:
            self.look_at = now

    def _take(self, record: Record, now: int, read: bool = False) -> None:
        """Take in a record of others, or one of ours that has come back; `read` if the log of its
        task is known to hold it."""
        if record.seq in self._own:
            self._own.remove(record.seq)
            return
        if record.run in self.live:
            self._lost.add(record.run)
            self.dynamic.lost(record.task)
        if not read and record.task in self.agenda.history.tasks:
            if record.at > now and record.at > (latest := self._clock.now()) + self.agenda.apart:
                record = record._replace(at=latest)  # of a clock that nobody could work with
            self.agenda.take(record, now)

    # --- reading --------------------------------------------------------------------------

    @property
    def next_look(self) -> int:
        """The next instant at which the store is to be looked at, or one that has passed."""
        if self._is_noticed:
            return min(self.look_at, self._looked + self._pause)
        return self.look_at

    @property
    def wake_at(self) -> int:
        """When to look at the store, or for dynamic tasks that are due."""
        if self.skewed or self._down:
            return self.next_look
        return min(self.next_look, self.dynamic.look_at)

    async def look(self, now: int) -> bool:
        """Look at the store if it is time to; whether it answers, as far as known. What others have
        written a commit tells as well, where there is one to come."""
        told_soon = self._told and bool(self._unsaved) and self._noticed < NOWHERE
        if now < (min(self.look_at, self.dynamic.look_at) if told_soon else self.wake_at):
            return not self.failing
        try:
            self._wanted |= await self.upkeep.register_new(now)
            if not self.skewed:
                self._wanted |= await self.dynamic.take(now)
        except StoreError as error:
            self._fail(error, now)
            return False
        anew = bool(self._wanted or self._reread)
        if anew and self._unsaved:
            await self.commit([], now)  # what is read anew has to hold our endings
            if self.failing:
                return False
        history = self.agenda.history
        self._set_pause(now)
        self._noticed, self._looked = 0, now
        fresh, read_to, patience = set[str](), history.position, self.store.patience
        try:
            if anew:
                fresh, read_to = await self._read_anew(now)
            history.position = min(history.position, read_to)  # the log may be shorter than it was
            records = await self.store.follow(history.position, self._clock.now())
            await self.upkeep.see_to(now)
            unclear = self._watch_skew()
            if not self.skewed:
                await self.dynamic.look_again(now, now + self.agenda.apart)
        except StoreError as error:
            self._wanted |= fresh  # what follows on it was not taken in
            self._fail(error, now)
            return False
        for record in records:
            self._take(record, now, record.seq <= read_to and record.task in fresh)
        if records:
            history.see(records[-1].seq)
        self.dynamic.enter(now, now + self.agenda.apart)
        self.answered = now
        if not (self._unsaved or self._unwritten):
            self._answers_again()
        elif not self._unsaved:
            self._down = False
        self.look_at = min(now + self.store.patience, self.upkeep.due, self._lease_end(now))
        left = self.store.patience > patience or any(r.action is Action.CRASH for r in records)
        if self._wanted or self._reread or unclear or left:  # what the others held is free
            self.look_at = now
        return True

    def _set_pause(self, now: int) -> None:
        """While others write all the time and nothing comes of it here, it is looked at less
        often."""
        in_vain = not self._wrote and now < self._looked + LONG_AGO
        self._pause = VAIN_PAUSE if in_vain else NOTICE_PAUSE
        self._wrote = False

    def _answers_again(self) -> None:
        if self._failures:
            scheduler_log.info("the store answers again")
        self._down, self._failures = False, 0

    def _watch_skew(self) -> bool:
        """Notice, and say, when the store's clock and ours come to differ and to agree again;
        whether that is unclear, since the store took long to answer."""
        skew, limit = self.store.skew, self.max_skew
        far = unclear = False
        if skew is not None and limit is not None:
            self.agenda.apart = 2 * limit
            far = abs(skew.certain) > limit
            unclear = not far and skew.most - skew.least > UNCLEAR and skew.may_exceed(limit)
            if far and not self._said_skewed:
                side = "behind" if skew.certain > 0 else "ahead of"
                scheduler_log.error(
                    "the clock here is %.1f s %s the store's, more than max_skew; nothing new is "
                    "started until they agree", abs(skew.certain) / SECOND, side,
                )  # fmt: skip
        if self._said_skewed and not (far or unclear):
            scheduler_log.info("the clock here agrees with the store's again")
        self._said_skewed = far or self._said_skewed and unclear
        self.skewed = far or unclear
        return unclear

    def _lease_end(self, now: int) -> int:
        """When the next lease of ours ends, a moment after that; one that has may be so soon."""
        end = min(self._leases.values(), default=FOREVER)
        return max(end + LEASE_MARGIN, now + LEASE_CHECK)

    async def _read_anew(self, now: int) -> tuple[set[str], int]:
        """Put what the store holds in the place of what we know; of which tasks, and up to which
        number."""
        known = self._wanted, self._reread
        lookback = self.agenda.lookback(self.dynamic.asked_about(now), self._wanted)
        if self._reread:
            lookback |= self.agenda.lookback(now)
        self._wanted, self._reread = set(), False  # more may be wanted meanwhile
        try:
            position, records = await self.store.load(lookback)
        except BaseException:
            self._wanted |= known[0]
            self._reread |= known[1]
            raise
        by_task: dict[str, list[Record]] = {task: [] for task in lookback}
        for record in records:
            by_task[record.task].append(record)
        read_at = self._clock.now()
        for task, log in by_task.items():
            self.agenda.reload(task, log, read_at)
        if known[1]:
            self.agenda.set_back(read_at)
        return set(by_task), position

    def _fail(self, error: StoreError, now: int) -> None:
        if not self._failures:
            scheduler_log.error("%s; nothing new is started until it answers", error)
        self._failures += 1
        self._down = True
        if isinstance(error, LogLost):
            self.forgotten()
            self._reread = True
            self._own.clear()  # another may have those numbers now
        self.error = error
        for _, answer in self._take_asked():
            answer.set_exception(error)
        self.look_at = now + STORE_RETRY

    async def close(self) -> None:
        """Write the last endings. Raises StoreError, naming what could not be written."""
        try:
            try:
                await self._write_last()
            except StoreError:  # a connection may have been lost long ago
                await self._write_last()
        except StoreError as error:
            lost = [f"{f.record.action} of {f.record.task}" for f, _ in self._unsaved]
            what = ", ".join(lost) or "up to when all was decided"
            raise StoreError(f"{error}; not written: {what}") from error
        finally:
            await self.store.close()

    async def _write_last(self) -> None:
        endings = self._unsaved
        steps: list[Step] = [*(finish for finish, _ in endings), *self._missed]
        if steps:
            answers = await self.store.commit(steps)
            self._unsaved, self._missed = [], []
            self._ended(endings, answers, self._clock.now())
        if self._decided:
            await self.store.decided(self._decided)

    @property
    def hopeless(self) -> bool:
        """Whether the store has failed for as often as a shut-down waits for it."""
        return self._failures > LAST_TRIES


def is_told(action: Action) -> bool:
    """Whether anybody listens to records of that action."""
    return task_log.isEnabledFor(LEVELS[action])


def tell(record: Record, run: Record | None = None) -> None:
    """One line per record, for those who listen; `run` is the RUN record of the run it ends. Times
    in what it carries are in seconds."""
    level = LEVELS[record.action]
    if task_log.isEnabledFor(level):
        started = (run or record).at
        ended = None if record.action is Action.RUN else record.at
        extra = {
            "task_name": record.task,
            "action": str(record.action),
            "run_id": record.run_id,
            "start": started / SECOND if run or ended is None else None,
            "end": None if ended is None else ended / SECOND,
            "runtime": (ended - started) / SECOND if run and ended is not None else None,
        }
        text = message_of(record)
        task_log.log(level, f"{text}\n{record.error}" if record.error else text, extra=extra)
