"""What would flip a condition: changes that are tried out before they are told of.

A condition is taken apart into its atoms, each once however often it is written. Records are
added to a copy of the log, and the condition is asked again: what is offered as a flip has been
seen to flip it, and to do so neither earlier nor with less.

- The candidates are what the atoms in the way read. At an instant the records arrive together;
  then time goes on with nothing more recorded, up to the exact instant of the flip.
- The instants worth trying are now and those from which on the condition is possible at all:
  when each atom that records can turn is taken to be turned, what is left is a period, and its
  windows say when; and the moment before these, where a record in one would be its run.
- Parameters, `env` and custom conditions change for reasons outside: a flip names the atom.
- The search is bounded (`MOST_TRIES`); what it does not reach is not offered.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import combinations, islice
from typing import NamedTuple

from ..conds import nodes
from ..conds.parts import Age, Bound, Past
from ..conds.points import Duration
from .atoms import AfterPlan, CadencePlan, EveryPlan, HasPlan, RetryPlan, RunningPlan
from .civil import FOREVER, Zone
from .formula import Formula, Piece, Step, operator_of, pieces
from .history import History, TaskLog
from .periods import Period
from .periods.algebra import Constant, Expression, Operation, Operator, Span, any_of, opposite
from .plan import Planner
from .records import BIT, Action, Key, Record
from .verdict import Plan, Verdict

MOST_FLIPS = 32
MOST_LESS = 24  # smaller changes tried before a change of many records is told of
MOST_TRIES = 160  # states of the log tried at one instant
MOST_REPEATS = 2  # of one record, beyond what a count lacks
MOST_INSTANTS = 8
ENDINGS = tuple(action for action in Action if action is not Action.RUN)
NUMBER = 1 << 64  # of the records supposed: beyond every other

OUTSIDE = (nodes.Env, nodes.ParamsExist, nodes.ParamIs, nodes.Func, nodes.Call, nodes.Phrase)
ZONELESS = (nodes.AfterTasks, nodes.Running, nodes.Retry, nodes.SchedulerAge, nodes.SchedulerCycles)


class Switch(Plan):
    """What something outside decides: a parameter, a custom condition."""

    __slots__ = ("given", "value")

    def __init__(self, given: bool) -> None:
        super().__init__()
        self.given = self.value = given

    def evaluate(self, now: int) -> Verdict:
        return Verdict(self.value, now, FOREVER)

    def outlook(self, now: int) -> Expression:
        return (Constant(self.value),)


Event = Key | int  # a record, or an atom turned from outside
Events = frozenset[tuple[Event, int]]  # each with how often


class Order(NamedTuple):
    """Which of several events comes first: those of the condition's own task unless `own_last`;
    and whether endings are those of the newest runs, or of the oldest."""

    own_last: bool
    newest: bool


IN_ORDER = Order(False, False)


class Flip(NamedTuple):
    """If the records arrived, and what is `outside` were turned, the condition would have the
    other value at `at` for the first time, and without any one of them it would not then."""

    at: int
    records: tuple[Record, ...]
    outside: tuple[int, ...]
    turned: frozenset[int]


class Supposition:
    """The atoms of a condition over a copy of the log, to try things out."""

    def __init__(self, planner: Planner, task: str, node: nodes.Condition, zone: Zone, now: int):
        self.task = task
        self.zone = zone
        self.now = now
        self.atoms: list[Piece] = []
        self.plans: list[Plan] = []
        self._kept = planner.history
        self._planner = Planner(History(), planner.parameters, planner.scheduler, planner.customs)
        self._original = planner
        self._numbers: dict[tuple[nodes.Condition, Zone | None], int] = {}
        self.formula = Formula(tuple(self._steps(node, zone)))
        self._changed = set(self._planner.history.tasks)  # whose log is not as it is kept
        self.assume((), ())
        self.values = [plan.check(now).value for plan in self.plans]

    def _steps(self, node: nodes.Condition, zone: Zone) -> Iterator[Step]:
        stack: list[Piece | Operation] = [(node, zone)]
        while stack:
            part = stack.pop()
            if isinstance(part, Operation):
                yield part
                continue
            inner, operator = pieces(*part), operator_of(part[0])
            if not inner:
                yield self._number(*part)
                continue
            if operator is not None:
                stack.append(Operation(operator, len(inner)))
            stack += reversed(inner)

    def _number(self, node: nodes.Condition, zone: Zone) -> int:
        asked = (node, None if isinstance(node, ZONELESS + OUTSIDE) else zone)
        if asked not in self._numbers:
            self._numbers[asked] = len(self.atoms)
            self.atoms.append((node, zone))
            if isinstance(node, OUTSIDE):
                answer = self._original.plan(node, self.task, zone).check(self.now)
                self.plans.append(Switch(answer.value))
            else:
                self.plans.append(self._planner.plan(node, self.task, zone))
        return self._numbers[asked]

    def texts(self, atoms: Iterable[int]) -> tuple[str, ...]:
        """What has to come true: the atoms, those that hold now with `~` before them."""
        return tuple(self._text(atom) for atom in sorted(atoms))

    def _text(self, atom: int) -> str:
        node, zone = self.atoms[atom]
        if zone is not self.zone and not isinstance(node, ZONELESS + OUTSIDE):
            node = nodes.Zoned(node, zone.name)
        return str(nodes.Not(node) if self.values[atom] else node)

    def turning(self, goal: Formula, atoms: Iterable[int]) -> Formula:
        """The goal with each of these atoms turned."""
        steps: list[Step] = list(goal.steps)
        chosen = list(atoms)
        for atom in chosen:
            steps.append(atom)
            if self.values[atom]:
                steps.append(Operation(Operator.OPPOSITE, 1))
        return Formula((*steps, Operation(Operator.BOTH, 1 + len(chosen))))

    # --- the log as it would be -----------------------------------------------------------

    def assume(self, records: Collection[Record], switched: Iterable[int]) -> None:
        """The log with these records added, and these atoms turned from outside."""
        history = self._planner.history
        turned = set(switched)
        for atom, plan in enumerate(self.plans):
            if isinstance(plan, Switch):
                plan.value = plan.given is not (atom in turned)
                plan.forget()
        changed = self._changed
        for name in changed:
            history.of(name).mirror(self._kept.of(name))
        self._changed = {record.task for record in records}
        for record in records:
            history.of(record.task).add(record)
        for name in changed | self._changed:
            self._planner.rewritten(history.of(name))

    def apply(
        self, events: Events, instant: int, order: Order = IN_ORDER, *, without: Container[int] = ()
    ) -> tuple[Record, ...]:
        """Assume that these happen together at an instant, but for the records and atoms of some
        numbers; the records that say so."""
        records = [r for r in self.records(events, instant, order) if r.seq not in without]
        switched = (event for event, _ in events if isinstance(event, int))
        self.assume(records, (atom for atom in switched if atom not in without))
        return tuple(records)

    def records(self, events: Events, instant: int, order: Order) -> Iterator[Record]:
        """Runs before endings. An ending is that of a live run; where there is none it stands
        for a run of its own."""
        keys = [key for key, times in events if isinstance(key, Key) for _ in range(times)]
        keys.sort(key=lambda k: (order.own_last is (k.task == self.task), k.task, BIT[k.action]))
        live = {key.task: sorted(self._kept.of(key.task).live) for key in keys}
        for seq, (task, action) in enumerate(keys, NUMBER):
            record = Record(task, action, instant, seq)
            if action is Action.RUN:
                live[task].append(seq)
                yield record._replace(scheduled_at=instant, attempt=0)
            elif live[task]:
                yield record._replace(run=live[task].pop(-1 if order.newest else 0))
            else:
                yield record

    def orders(self, events: Events) -> Iterator[Order]:
        """The orders in which the events may make a difference."""
        keys = [event for event, _ in events if isinstance(event, Key)]
        tasks = {key.task for key in keys}
        mixed = self.task in tasks and len(tasks) > 1
        ending = {key.task for key in keys if key.action is not Action.RUN}
        begun = dict(events)
        choice = any(
            len(self._kept.of(task).live) + begun.get(Key(task, Action.RUN), 0) > 1
            for task in ending
        )
        for own_last in (False, True) if mixed else (False,):
            for newest in (False, True) if choice else (False,):
                yield Order(own_last, newest)

    def flips_at(self, goal: Formula, instant: int) -> int:
        """From `instant` on, when the goal holds as things are assumed; FOREVER: never."""
        verdicts = [plan.check(instant) for plan in self.plans]
        values = [verdict.value for verdict in verdicts]
        if goal.holds(values):
            return instant
        if not goal.attainable(values, [verdict.until < FOREVER for verdict in verdicts]):
            return FOREVER

        def exact(atom: int, wanted: bool) -> Expression:
            found = self.plans[atom].outlook(instant)
            return found if wanted else opposite(found)

        return Period(goal.expression(exact)).change_after(instant)

    # --- the search -----------------------------------------------------------------------

    def flips(self, goal: Formula) -> list[Flip]:
        """The ways in which the goal comes to hold that are neither earlier nor simpler than
        each other: at once or by time alone, and with records, in order."""
        found: dict[Events, Flip] = {}
        first, instants = self.instants(goal)
        for instant in instants:
            for events, flip in self._tried(goal, instant, first, found):
                found[events] = flip
        best = [
            flip
            for events, flip in found.items()
            if not any(
                other != events and within(other, self.lived(events)) and earlier.at <= flip.at
                for other, earlier in found.items()
            )
        ]
        return sorted(best, key=lambda flip: (flip.at, len(flip.records) + len(flip.outside)))

    def is_final(self, goal: Formula) -> bool:
        """Whether the goal never holds, whatever is recorded, and whatever happens outside."""
        return not self._openings(goal, 1)

    def _openings(self, goal: Formula, most: int) -> list[int]:
        """When the goal may begin to hold, if anything is recorded and happens outside."""
        self.assume((), ())
        period = Period(goal.expression(self._possible))
        return [max(self.now, w.start) for w in islice(period.windows_from(self.now), most)]

    def instants(self, goal: Formula) -> tuple[int, list[int]]:
        """The first instant at which the goal may hold, whatever is recorded; and those at which
        to try: now, and when it may begin to hold later on."""
        starts = self._openings(goal, 4)
        if not starts:
            return FOREVER, []
        ends = sorted(v.until for plan in self.plans if (v := plan.check(self.now)).until < FOREVER)
        opening = [plan.period_ahead(self.now) for plan in self.plans if isinstance(plan, HasPlan)]
        eves = [start - 1 for start in starts] if self._before_a_window() else []
        later = (*starts, *eves, *(t for t in opening if t is not None), *ends)
        tried = islice(dict.fromkeys((self.now, *later)), MOST_INSTANTS + len(eves))
        return starts[0], [instant for instant in tried if self.now <= instant < FOREVER]

    def _before_a_window(self) -> bool:
        """Whether a record of the task itself may have to come just before a window: in it, its run
        would be what the window is for, and much earlier it would be too old by then."""
        own = {plan.log for plan in self.plans if isinstance(plan, CadencePlan)}
        return any(log in own for plan in self.plans for log in plan.sources if ages(plan))

    def _tried(
        self, goal: Formula, instant: int, first: int, found: dict[Events, Flip]
    ) -> Iterator[tuple[Events, Flip]]:
        """What happens if records arrive at `instant`: the smallest sets first."""
        queue: list[tuple[int, int, Events]] = [(0, 0, frozenset())]
        seen: set[Events] = {frozenset()}
        tries = 0
        while queue and tries < MOST_TRIES and len(found) < MOST_FLIPS:
            _, _, events = heappop(queue)
            whole = self.lived(events)
            simpler = (flip for known, flip in found.items() if within(known, whole))
            if any(flip.at <= max(instant, first) for flip in simpler):
                continue
            for order in self.orders(events):
                tries += 1
                records = self.apply(events, instant, order)
                at = self.flips_at(goal, instant) if events or instant == self.now else FOREVER
                known = found.get(events)
                if at < FOREVER and (known is None or at < known.at):
                    flip = self._flip(records, events, at)
                    if self._least(goal, events, instant, at, order):
                        yield events, flip
                    self.apply(events, instant, order)
            if at == instant:
                continue
            for more in self._extended(goal, events, instant):
                if more not in seen:
                    seen.add(more)
                    heappush(queue, (sum(times for _, times in more), len(seen), more))

    def lived(self, events: Events) -> Events:
        """The same as it would come about: what ends has begun."""
        counts = dict(events)
        for task in {key.task for key in counts if isinstance(key, Key)}:
            endings = sum(counts.get(Key(task, action), 0) for action in ENDINGS)
            begun = endings - len(self._kept.of(task).live)
            start = Key(task, Action.RUN)
            if begun > counts.get(start, 0):
                counts[start] = begun
        return frozenset(counts.items())

    def _flip(self, records: tuple[Record, ...], events: Events, at: int) -> Flip:
        values = [plan.check(at).value for plan in self.plans]
        turned = (atom for atom, value in enumerate(values) if value is not self.values[atom])
        outside = tuple(sorted(event for event, _ in events if isinstance(event, int)))
        return Flip(at, records, outside, frozenset(turned))

    def _least(self, goal: Formula, events: Events, instant: int, at: int, order: Order) -> bool:
        """Whether with less the goal does not hold at `at`, nor with the same a moment before;
        and whether it does if what ends has begun."""

        def reached(events: Events, instant: int, at: int, without: Container[int] = ()) -> bool:
            self.apply(events, instant, order, without=without)
            return goal.holds([plan.check(at).value for plan in self.plans])

        many = sum(times for event, times in events if isinstance(event, Key))
        outside = (event for event, _ in events if isinstance(event, int))
        numbers = (*range(NUMBER, NUMBER + many), *outside)
        if any(reached(events, instant, at, less) for less in some_of(numbers)):
            return False
        if not reached(self.lived(events), instant, at):
            return False
        return not self.now < instant == at or not reached(events, at - 1, at - 1)

    def _extended(self, goal: Formula, events: Events, instant: int) -> Iterator[Events]:
        """The events with one more, of those that an atom in the way reads; or with all that
        have to happen anyhow."""
        now = dict(events)
        verdicts = [plan.check(instant) for plan in self.plans]
        groups = goal.wrong([verdict.value for verdict in verdicts])
        stuck = [g for g in groups if all(verdicts[atom].until >= FOREVER for atom in g)]
        choices = [list(self._choices(group, now, instant)) for group in stuck or groups]
        forced = {event: times for choice in choices if len(choice) == 1 for event, times in choice}
        if stuck and len(forced) > 1:
            added = [forced]
        else:
            best = [min(choices, key=len)] if stuck else choices
            added = [{event: times} for choice in best for event, times in choice]
        start = Key(self.task, Action.RUN)
        for more in added:
            yield frozenset({**now, **more}.items())
            own = {event for event in more if isinstance(event, Key) and event.task == self.task}
            if own and start not in own and start not in now:  # what ends has begun
                yield frozenset({**now, **more, start: 1}.items())

    def _choices(
        self, atoms: frozenset[int], now: dict[Event, int], instant: int
    ) -> Iterator[tuple[Event, int]]:
        """What may turn one of the atoms: events, with how often they then happen."""
        for atom in sorted(atoms):
            plan = self.plans[atom]
            if isinstance(plan, Switch):
                if atom not in now:
                    yield atom, 1
                continue
            for key in self._keys(plan, instant):
                known = now.get(key, 0)
                for times in strides(plan, instant):
                    if known < MOST_REPEATS if times == 1 else known + times <= self._most(plan):
                        yield key, known + times

    def _most(self, plan: Plan) -> int:
        """How many records of one kind may make a difference: what a count asks for and one more,
        and an ending of all runs that are live."""
        logs = (source for source in plan.sources if isinstance(source, TaskLog))
        live = max((len(self._kept.of(log.task).live) for log in logs), default=0)
        asked = plan.count.times if isinstance(plan, HasPlan | RunningPlan) else 0
        return asked + 1 + live + MOST_REPEATS

    def _keys(self, plan: Plan, instant: int) -> Iterator[Key]:
        """A crash where nothing is live only if no other action would do as well."""
        for log, actions in plan.check(instant).reads:
            if isinstance(log, TaskLog) and log.known:
                for action in Action:
                    if actions & BIT[action] and (
                        action is not Action.CRASH or log.live or actions == BIT[Action.CRASH]
                    ):
                        yield Key(log.task, action)

    def _possible(self, atom: int, wanted: bool) -> Expression:
        """When the atom may have that value, if anything is recorded from now on."""
        plan = self.plans[atom]
        outlook = plan.outlook(self.now)
        exact = outlook if wanted else opposite(outlook)
        start = possible_from(plan, self.now, wanted)
        if isinstance(plan, CadencePlan) and wanted and plan.log.live:
            return plan.cells.cursor.period.expression  # what it is done by may be released
        return exact if start >= FOREVER else any_of(exact, (Span(start, FOREVER),))


def within(events: Events, others: Events) -> bool:
    held = dict(others)
    return all(held.get(event, 0) >= times for event, times in events)


def some_of(numbers: Sequence[int]) -> Iterator[frozenset[int]]:
    """What to leave out: any choice of a few, each one of many, some of very many."""
    if len(numbers) > 6:
        yield from (frozenset((n,)) for n in numbers[:: 1 + len(numbers) // MOST_LESS])
        return
    for n in range(1, len(numbers) + 1):
        yield from map(frozenset, combinations(numbers, n))


def ages(plan: Plan) -> bool:
    """Whether records grow too old for it, whatever the clock on the wall says."""
    match plan:
        case HasPlan(within=Past()) | RunningPlan(age=Age(less_than=Duration())):
            return True
        case _:
            return False


def strides(plan: Plan, now: int) -> list[int]:
    """How many records at once are worth a try: one, what a count lacks, and an ending of all
    runs that are live."""
    match plan:
        case HasPlan() | RunningPlan():
            lacking = plan.count.times - plan.number(now)
            counts = [lacking, lacking + 1, -lacking, 1 - lacking]
        case CadencePlan(log=log) | EveryPlan(log=log) | AfterPlan(own=log):
            counts = [len(log.live)]
        case _:
            counts = []
    return sorted({1, *(n for n in counts if n > 1)})


def possible_from(plan: Plan, now: int, wanted: bool) -> int:
    """From when on records could give the plan that value; FOREVER if none can, or only time."""
    match plan:
        case CadencePlan():
            return FOREVER if wanted else now
        case EveryPlan():
            if not wanted or (plan.log.live and not plan.since):
                return now
            return FOREVER if plan.since else now + plan.microseconds  # of a run now
        case AfterPlan(log=log):
            return now if log.known else FOREVER
        case HasPlan(log=log, count=count):
            grows = count.bound is not (Bound.AT_MOST if wanted else Bound.AT_LEAST)
            if wanted and count.bound is Bound.EXACTLY and plan.within is None:
                grows = plan.number(now) <= count.times
            if not (log.known and grows):
                return FOREVER
            opening = plan.period_ahead(now)
            return now if opening is None else opening
        case RunningPlan(log=log, age=age):
            if not log.known:
                return FOREVER
            waiting = age.at_least if wanted and age is not None else None
            return now if waiting is None else now + waiting.microseconds
        case RetryPlan(log=log):
            attempt = log.outcome.attempt + 1 if log.outcome is not None and log.streak else 0
            return min(plan.due(0, now), plan.due(attempt, now)) if wanted else now
        case Switch():
            return now
        case _:
            return FOREVER
