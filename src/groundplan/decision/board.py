"""The answers of one project as a board on which they can be moved, one or several at a time.

A move changes only the rules that read the answer, so the outcome of a move is bit arithmetic:
bit i of a mask says that rule i fires. A number is moved to break points only: the rules say
where their conditions turn, and between two such values nothing changes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from groundplan.constraints import Answers
from groundplan.decision.calibrated import current
from groundplan.decision.case import Case
from groundplan.decision.costs import Costs
from groundplan.decision.domain import DOMAINS, Domain
from groundplan.decision.patterns import NAMES
from groundplan.decision.rules import RULES
from groundplan.decision.ruling import Rule
from groundplan.decision.work import Work

IMPOSSIBLE: Final = "impossible"
"""The outcome of moves that no file may state."""

_BEYOND: Final = Rule(
    "beyond-catalog",
    IMPOSSIBLE,
    ("candidates.per_request", "candidates.catalog"),
    lambda a, w: a.catalog is not None and a.per_request > a.catalog,
    lambda a, w: "a request cannot choose among more than the catalog",
    (
        ("per_request", lambda a, w: None if a.catalog is None else a.catalog + 1),
        ("catalog", lambda a, w: a.per_request),
    ),
)
_RULES: Final = (*RULES, _BEYOND)


Turn = Callable[[Case, Work], int | None]
"""Where a condition turns."""

Readers = Sequence[tuple[int, Callable[[Case, Work], bool]]]
"""Rules: the bit of each, and its condition."""


def _readers(domain: Domain) -> Readers:
    return tuple((1 << i, rule.when) for i, rule in enumerate(_RULES) if domain.key in rule.reads)


def _edges(domain: Domain) -> tuple[tuple[int, Turn], ...]:
    # Rules that share a budget share its edge; the same function needs to be asked once only.
    found: dict[Turn, int] = {}
    for i, rule in enumerate(_RULES):
        for slot, edge in rule.edges:
            if slot == domain.slot:
                found[edge] = found.get(edge, 0) | 1 << i
    return tuple((bits, edge) for edge, bits in found.items())


READERS: Final = {domain.slot: _readers(domain) for domain in DOMAINS.values()}
READ_BY: Final = {slot: sum(bit for bit, _ in readers) for slot, readers in READERS.items()}
EVERY: Final = (1 << len(_RULES)) - 1
CROSSING: Final = {
    domain.slot: tuple(
        [
            (bits, edge)
            for bits, edge in _edges(domain)
            if bits & sum(1 << i for i, rule in enumerate(RULES) if rule.name in names)
        ]
        for names in (
            {"ranking-latency", "ranking-capacity"},
            {"realtime-latency", "realtime-capacity"},
        )
    )
    for domain in DOMAINS.values()
}
"""For each slot, the edges of searching a corpus, and those of scoring all of it."""
EDGES: Final = {domain.slot: _edges(domain) for domain in DOMAINS.values()}
AGAINST: Final = tuple(
    (name, sum(1 << i for i, rule in enumerate(_RULES) if rule.out == name)) for name in NAMES
)
"""For each pattern, from the simplest, the bits of the rules that can rule it out."""

ALIVE: Final = {
    output: sum(1 << i for i, rule in enumerate(_RULES) if rule.output in {"", output})
    for output in DOMAINS["system.output"].values
}
"""For each output, the bits of the rules that can fire for it."""
IMPOSSIBLE_BIT: Final = 1 << len(RULES)


def outcome(mask: int) -> str | None:
    """The simplest pattern that no firing rule rules out; None where nothing stands."""
    if mask & IMPOSSIBLE_BIT:
        return IMPOSSIBLE
    for name, against in AGAINST:
        if not mask & against:
            return name
    return None


class Board:
    """One set of answers, with the rules that fire; moves are made, read and taken back."""

    def __init__(self, answers: Answers, costs: Costs | None) -> None:
        self.case = Case(answers)
        self.work = (costs or current()).work
        self.start = {d.slot: getattr(self.case, d.slot) for d in DOMAINS.values()}
        # What an answer that is not stated means, where that is a number: others are near or far.
        meant = {"hosts": 1, "catalog": self.case.per_request}
        self._near = {s: meant.get(s) if v is None else v for s, v in self.start.items()}
        a, w = self.case, self.work
        self.mask = sum(1 << i for i, rule in enumerate(_RULES) if rule.when(a, w))
        self.pattern = outcome(self.mask)

    def put(self, slot: str, value: Any) -> None:
        """Move one answer."""
        setattr(self.case, slot, value)

    def back(self, slot: str) -> None:
        """Take the move of one answer back."""
        setattr(self.case, slot, self.start[slot])

    def fired(self, readers: Readers) -> int:
        """The bits of those rules that fire now."""
        a, w, mask = self.case, self.work, 0
        for bit, when in readers:
            if when(a, w):
                mask |= bit
        return mask

    def now(self) -> str | None:
        """The outcome of the answers as they stand on the board."""
        a, w = self.case, self.work
        return outcome(sum(1 << i for i, rule in enumerate(_RULES) if rule.when(a, w)))

    def edges(self, domain: Domain, rules: int = EVERY) -> list[int]:
        """The values at which some of the rules turns, in order, with the others as they stand."""
        a, w = self.case, self.work
        found = {edge(a, w) for bits, edge in EDGES[domain.slot] if bits & rules}
        return sorted(e for e in found if e is not None and domain.least < e <= domain.most)

    def moves(self, domain: Domain, rules: int = EVERY) -> list[Any]:
        """For each range of values with outcomes of its own, the one nearest to the start.

        Enumerations: every other value, the nearest in its order first. Where nothing is stated,
        and that means no number, the highest of each range. Leaving the answer out comes last.
        """
        start = self._near[domain.slot]
        if domain.values:
            others = [value for value in domain.values if value != start]
            return sorted(others, key=lambda value: self.rank(domain, value))
        edges = self.edges(domain, rules)
        if start is None:
            tops = [e - 1 for e in edges]
            return [edges[-1] if edges else domain.least, *reversed(tops)]
        found: list[Any] = [e if e > start else e - 1 for e in edges]
        found.sort(key=lambda value: abs(value - start))
        return [*found, None] if self._omitted(domain) else found

    def _omitted(self, domain: Domain) -> bool:
        """Is leaving the answer out a move?"""
        return domain.optional and self.start[domain.slot] is not None

    def rank(self, domain: Domain, value: Any) -> tuple[int, int]:
        """How far a value is from the start, in the order of `moves`."""
        start = self._near[domain.slot]
        if value is None:
            return 1, 0
        if domain.values:
            return 0, abs(domain.values.index(value) - domain.values.index(start))
        return 0, -value if start is None else abs(value - start)
