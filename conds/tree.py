"""The tree that conditions make: operators, zones and names around other conditions.

Equality and hash ignore spans; `& | ~` build flat trees, whoever calls them. A tree may be some
eight hundred nodes deep (`MAX_NESTING` parentheses, each around an or, an and, a not and a zone),
so nothing here recurses over it: see `postorder`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from .diagnostic import Span
from .zones import check_zone

MAX_ATOMS = 1_000
MAX_NESTING = 200


class LimitError(ValueError):
    """A condition larger than LANGUAGE.md §2 allows."""


@dataclass(frozen=True, slots=True, repr=False)
class Condition:
    """A pure statement, true or false at an instant, given the log, the owning task and
    parameters."""

    span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)

    @property
    def operands(self) -> tuple[Condition, ...]:
        """The conditions directly below; none for an atom."""
        return ()

    @property
    def atoms(self) -> int:
        """How many atoms the tree has."""
        return 1

    @property
    def nesting(self) -> int:
        """How deep parentheses nest in the canonical text."""
        return 0

    @property
    def open_ended(self) -> bool:
        """Whether words after the text could be read as more of it."""
        return False

    def in_zone(self, zone: str) -> Zoned:
        """`… in ZONE`."""
        return Zoned(self, zone)

    def __and__(self, other: Condition) -> Condition:
        return All((self, other)) if isinstance(other, Condition) else NotImplemented

    def __or__(self, other: Condition) -> Condition:
        return Any((self, other)) if isinstance(other, Condition) else NotImplemented

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition is neither true nor false by itself: join conditions by & | ~ instead of "
            "and, or, not; to ask for its value, evaluate it"
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __repr__(self) -> str:
        from .printer import python_text

        return python_text(self)

    def __str__(self) -> str:
        from .printer import text

        return text(self)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Composite(Condition):
    """A condition of other conditions. What would recurse is counted as it is built (`_atoms`,
    `_nesting`) or kept once known (`_hash`)."""

    _atoms: int = field(default=0, init=False, repr=False)
    _nesting: int = field(default=0, init=False, repr=False)
    _hash: int | None = field(default=None, init=False, repr=False)

    @property
    def atoms(self) -> int:
        return self._atoms

    @property
    def nesting(self) -> int:
        return self._nesting

    @property
    def label(self) -> str:
        """What besides the operands tells two nodes of a class apart."""
        return ""

    def _measure(self, nesting: int) -> None:
        """Set the counts, refusing what is over a limit."""
        atoms = sum(term.atoms for term in self.operands)
        if atoms > MAX_ATOMS:
            raise LimitError(f"a condition of {atoms} atoms is too long: at most {MAX_ATOMS}")
        if nesting > MAX_NESTING:
            raise LimitError(f"parentheses nest too deep: at most {MAX_NESTING} levels")
        object.__setattr__(self, "_atoms", atoms)
        object.__setattr__(self, "_nesting", nesting)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return same(self, other) if isinstance(other, Condition) else NotImplemented

    def __hash__(self) -> int:
        if self._hash is None:
            for node in postorder(self):
                if isinstance(node, Composite) and node._hash is None:
                    below = tuple(hash(term) for term in node.operands)
                    object.__setattr__(node, "_hash", hash((type(node), node.label, below)))
        assert self._hash is not None
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        return (rebuild, (program(self),))


def postorder(root: Condition, *, written: bool = False) -> Iterator[Condition]:
    """Every node of the tree, operands before the node that joins them, left to right; if
    `written`, without what stands behind a defined name."""
    stack: list[tuple[Condition, bool]] = [(root, False)]
    while stack:
        node, seen = stack.pop()
        operands = () if seen or (written and isinstance(node, Defined)) else node.operands
        if operands:
            stack.append((node, True))
            stack.extend((term, False) for term in reversed(operands))
        else:
            yield node


def same(left: Condition, right: Condition) -> bool:
    """Whether two trees are equal, spans aside."""
    stack = [(left, right)]
    while stack:
        one, two = stack.pop()
        if one is two:
            continue
        if type(one) is not type(two):
            return False
        if not isinstance(one, Composite) or not isinstance(two, Composite):
            if one != two:
                return False
        elif one.label != two.label or len(one.operands) != len(two.operands):
            return False
        else:
            stack.extend(zip(one.operands, two.operands, strict=True))
    return True


Step = Condition | tuple[type[Condition], int, str, Span | None]


def program(root: Condition) -> tuple[Step, ...]:
    """The tree as a flat list of atoms and joining steps: pickling it does not recurse."""
    return tuple(
        (type(node), len(node.operands), node.label, node.span)
        if isinstance(node, Composite)
        else node
        for node in postorder(root)
    )


def rebuild(steps: tuple[Step, ...]) -> Condition:
    """The tree of a `program`."""
    stack: list[Condition] = []
    for step in steps:
        if isinstance(step, Condition):
            stack.append(step)
            continue
        kind, count, label, span = step
        terms = tuple(stack[-count:])
        del stack[-count:]
        stack.append(join(kind, terms, label, span))
    (root,) = stack
    return root


def join(
    kind: type[Condition], terms: tuple[Condition, ...], label: str, span: Span | None
) -> Condition:
    if issubclass(kind, (All, Any)):
        return kind(terms, span=span)
    (term,) = terms
    if issubclass(kind, Zoned):
        return Zoned(term, label, span=span)
    if issubclass(kind, Defined):
        return Defined(label, term, span=span)
    return Not(term, span=span)


# --- operators ------------------------------------------------------------------------------


def flat(kind: type[All] | type[Any], terms: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """`terms` with those of the same kind replaced by their own terms."""
    if not any(isinstance(term, kind) for term in terms):
        return terms
    return tuple(
        inner for term in terms for inner in (term.operands if isinstance(term, kind) else (term,))
    )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class All(Composite):
    """`a & b & …`; nested ones are flattened on construction. At least two terms."""

    terms: tuple[Condition, ...]

    def __post_init__(self) -> None:
        check_terms("and", self.terms)
        object.__setattr__(self, "terms", flat(All, self.terms))
        self._measure(max(term.nesting + isinstance(term, Any) for term in self.terms))

    @property
    def operands(self) -> tuple[Condition, ...]:
        return self.terms


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Any(Composite):
    """`a | b | …`; nested ones are flattened on construction. At least two terms."""

    terms: tuple[Condition, ...]

    def __post_init__(self) -> None:
        check_terms("or", self.terms)
        object.__setattr__(self, "terms", flat(Any, self.terms))
        self._measure(max(term.nesting for term in self.terms))

    @property
    def operands(self) -> tuple[Condition, ...]:
        return self.terms


def check_terms(word: str, terms: tuple[Condition, ...]) -> None:
    for term in terms:
        if not isinstance(term, Condition):
            raise TypeError(f"{term!r} is not a condition")
    if len(terms) < 2 and not (terms and isinstance(terms[0], (All, Any))):
        raise ValueError(f"an {word!r} joins at least two conditions, not {len(terms)}")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Not(Composite):
    """`~a`; of a `Not` it is that one's own term."""

    term: Condition

    def __new__(cls, term: Condition, *, span: Span | None = None) -> Self:
        if isinstance(term, Not):
            return term.term  # type: ignore[return-value]  # so __init__ is not called
        return object.__new__(cls)

    def __post_init__(self) -> None:
        check_condition(self.term)
        self._measure(self.term.nesting + isinstance(self.term, (All, Any)))

    @property
    def operands(self) -> tuple[Condition, ...]:
        return (self.term,)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Zoned(Composite):
    """`(…) in ZONE`: the zone of every window and cadence below that names none itself."""

    term: Condition
    zone: str

    def __post_init__(self) -> None:
        check_condition(self.term)
        check_zone(self.zone)
        self._measure(self.term.nesting + needs_parentheses(self.term))

    @property
    def operands(self) -> tuple[Condition, ...]:
        return (self.term,)

    @property
    def label(self) -> str:
        return self.zone


def needs_parentheses(term: Condition) -> bool:
    """Whether a zone after `term` would not be read as the zone of all of it. A pattern could
    take the zone's words for its own."""
    return isinstance(term, All | Any | Not | Zoned) or term.open_ended


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Defined(Composite):
    """A condition under the name that `app.define` gave it: prints as the name, means `term`."""

    name: str
    term: Condition

    def __post_init__(self) -> None:
        check_condition(self.term)
        check_name(self.name)
        self._measure(self.term.nesting + 1)

    @property
    def operands(self) -> tuple[Condition, ...]:
        return (self.term,)

    @property
    def label(self) -> str:
        return self.name


def check_condition(term: object) -> None:
    if not isinstance(term, Condition):
        raise TypeError(f"{term!r} is not a condition")


def check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is not a name: give text")
    if not name:
        raise ValueError("a name is empty")


N = TypeVar("N", bound=Condition)


def relocate(node: N, span: Span | None) -> N:
    """The same node at another place of the source."""
    return replace(node, span=span)


def strip_spans(node: Condition) -> Condition:
    """The same tree without spans."""
    steps = (
        replace(step, span=None) if isinstance(step, Condition) else (*step[:3], None)
        for step in program(node)
    )
    return rebuild(tuple(steps))
