"""Why a condition is true or false, what would flip it, and when.

The tree of an explanation is the tree of the condition, each part with its value, how long that
stands, and the fact behind it (`facts.py`). `flips_at` is exact as long as nothing more is
recorded. `ways` are the minimal sets of atoms that would have to change for the whole to change,
of those that can; `flips` are the changes themselves, each tried out before it is told
(`suppose.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ..conds import nodes
from .civil import Zone, to_datetime
from .facts import Facts, shown
from .formula import Formula, Piece, pieces
from .periods import Period
from .plan import Planner
from .records import Record
from .suppose import Flip, Supposition
from .verdict import Plan

MOST_WAYS = 16
MOST_FLIPS = 32


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a condition at an instant. `until` and `flips_at` are aware datetimes in the
    part's zone; None: never, by time alone. `until` is as a verdict has it, `flips_at` when the
    value really changes. `str` draws the tree."""

    text: str
    value: bool
    reason: str
    until: datetime | None
    flips_at: datetime | None
    parts: tuple[Part, ...]

    def __bool__(self) -> bool:
        return self.value

    def __str__(self) -> str:
        return "\n".join(line for line, _ in self.lines())

    def lines(self) -> Iterator[tuple[str, bool]]:
        """The lines of the tree, each with the value of its part."""
        stack: list[tuple[Part, str, str]] = [(self, "", "")]
        while stack:
            part, first, rest = stack.pop()
            reason = f"  —  {part.reason}" if part.reason else ""
            yield f"{first}{'✓' if part.value else '✗'} {part.text}{reason}", part.value
            below = [(inner, rest + "├─ ", rest + "│  ") for inner in part.parts]
            if below:
                below[-1] = (part.parts[-1], rest + "└─ ", rest + "   ")
            stack += reversed(below)

    def to_dict(self) -> dict[str, object]:
        """The same as JSON has it; instants in ISO 8601."""
        whole: dict[str, object] = {}
        stack: list[tuple[Part, dict[str, object]]] = [(self, whole)]
        while stack:
            part, into = stack.pop()
            below: list[dict[str, object]] = [{} for _ in part.parts]
            into.update(
                text=part.text,
                value=part.value,
                reason=part.reason,
                until=iso(part.until),
                flips_at=iso(part.flips_at),
                parts=below,
            )
            stack += zip(part.parts, below, strict=True)
        return whole


@dataclass(frozen=True, slots=True)
class Change:
    """If `records` were added to the log, and what is `outside` changed, the condition would have
    the other value at `at`, for the first time; with less it would not then. `causes` are the
    atoms that make the difference."""

    at: datetime
    records: tuple[Record, ...]
    outside: tuple[str, ...]
    causes: tuple[str, ...]

    @property
    def needs(self) -> str:
        """The records and what is outside, in words; empty if time alone will do."""
        counts: dict[tuple[str, str], int] = {}
        for record in self.records:
            key = (str(record.action), record.task)
            counts[key] = counts.get(key, 0) + 1
        found = [f"{counted(action, n)} of '{task}'" for (action, task), n in counts.items()]
        return " and ".join((*found, *self.outside))

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        records = [
            {name: value for name, value in record._asdict().items() if value is not None}
            for record in self.records
        ]
        return {
            "at": iso(self.at),
            "needs": self.needs,
            "records": records,
            "outside": list(self.outside),
            "causes": list(self.causes),
        }


@dataclass(frozen=True, slots=True)
class Explanation(Part):
    """Why a condition has the value that it has.

    `ways` are the minimal sets of atoms whose change would change the whole, of those that time,
    records or what is outside can change: each atom's text says what would have to come true, `~`
    before it what would have to end. `flips` are what would do it, the earliest first.
    `obstacles` are what keeps a task from starting whatever its condition says. `final` says that
    nothing can flip it any more: neither time nor any record nor what is outside. Where there are
    no flips and it is not final, none was found among the changes of a few records.
    """

    ways: tuple[tuple[str, ...], ...]
    flips: tuple[Change, ...]
    final: bool
    obstacles: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((Part.__str__(self), *(f"✗ {each}" for each in self.obstacles)))

    @property
    def earliest(self) -> datetime | None:
        """The earliest instant at which it can flip, with the records of `flips[0]`; None: there
        are no flips."""
        return self.flips[0].at if self.flips else None

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            **Part.to_dict(self),
            "ways": [list(way) for way in self.ways],
            "flips": [flip.to_dict() for flip in self.flips],
            "earliest": iso(self.earliest),
            "final": self.final,
            "obstacles": list(self.obstacles),
        }


def flips_at(plan: Plan, now: int) -> int:
    """When the value changes if nothing more is recorded; FOREVER if time alone never changes
    it. Exact: it is asked of the period that the condition is as long as the log stands."""
    return Period(plan.outlook(now)).change_after(now)


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains the conditions of one task at one instant."""

    planner: Planner
    task: str
    now: int

    def explain(self, node: nodes.Condition, zone: Zone) -> Explanation:
        whole = self.part(node, zone)
        supposed = Supposition(self.planner, self.task, node, zone, self.now)
        goal = supposed.formula.denied() if whole.value else supposed.formula
        flips = supposed.flips(goal)
        ways = list(islice(self.ways(supposed, goal, flips), MOST_WAYS))
        texts = list(map(supposed.texts, ways))

        def told(flip: Flip) -> Change:
            fitting = (text for way, text in zip(ways, texts, strict=True) if way <= flip.turned)
            at = to_datetime(flip.at, zone)
            assert at is not None
            outside = supposed.texts(flip.outside)
            return Change(at, self.numbered(flip), outside, next(fitting, ()))

        dated = (flip for flip in flips if to_datetime(flip.at, zone) is not None)
        return Explanation(
            whole.text,
            whole.value,
            whole.reason,
            whole.until,
            whole.flips_at,
            whole.parts,
            tuple(dict.fromkeys(texts)),
            tuple(map(told, islice(dated, MOST_FLIPS))),
            not flips and supposed.is_final(goal),
        )

    def part(self, node: nodes.Condition, zone: Zone) -> Part:
        """The tree, built from the leaves up."""
        order: list[tuple[Piece, tuple[Piece, ...]]] = []
        stack: list[Piece] = [(node, zone)]
        while stack:
            piece = stack.pop()
            inner = pieces(*within_zone(*piece))
            order.append((piece, inner))
            stack += reversed(inner)
        done: list[Part] = []
        for piece, inner in reversed(order):
            below = tuple(done.pop() for _ in inner)  # the first of them was done last
            done.append(self.told(*piece, below))
        return done[0]

    def told(self, node: nodes.Condition, zone: Zone, parts: tuple[Part, ...]) -> Part:
        plan = self.planner.plan(node, self.task, zone)
        verdict = plan.check(self.now)
        atom, local = within_zone(node, zone)
        return Part(
            str(node),
            verdict.value,
            "" if parts else Facts(self.planner, self.task, self.now, local).of(atom),
            shown(verdict.until, local),
            shown(flips_at(plan, self.now), local),
            parts,
        )

    def ways(
        self, supposed: Supposition, goal: Formula, flips: list[Flip]
    ) -> Iterator[frozenset[int]]:
        """The minimal sets of atoms that would do, of those that can change together."""
        for atoms in goal.alternatives(supposed.values):
            if any(atoms <= flip.turned for flip in flips) or supposed.flips(
                supposed.turning(goal, atoms)
            ):
                yield atoms

    def numbered(self, flip: Flip) -> tuple[Record, ...]:
        """The records, numbered as the next of the log."""
        first = self.planner.history.position + 1
        numbers = {record.seq: seq for seq, record in enumerate(flip.records, first)}
        return tuple(
            record._replace(seq=numbers[record.seq], run=numbers.get(record.run or 0, record.run))
            for record in flip.records
        )


def within_zone(node: nodes.Condition, zone: Zone) -> Piece:
    """What stands in a zone, and that zone: the two are shown as one."""
    while isinstance(node, nodes.Zoned):
        ((node, zone),) = pieces(node, zone)
    return node, zone


def counted(action: str, n: int) -> str:
    if n == 1:
        return f"{'an' if action == 'inaction' else 'a'} {action}"
    return f"{n} {action}{'es' if action.endswith(('s', 'sh')) else 's'}"


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
