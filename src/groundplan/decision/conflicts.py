"""Conflicts: the smallest sets of answers that cannot hold together, and the nearest ways out.

Within one output the rules pull one way: each answer has a loosest value, at which no rule fires
that is silent elsewhere. So a set of answers rules a pattern out for good exactly when one rule
still fires with all the others at their loosest, and a conflict is a smallest union of such sets,
one for each pattern. Rules that say `instead` only prefer a simpler pattern; they cost none.
"""

import math
from collections.abc import Iterable
from itertools import combinations
from typing import Any, Final

import msgspec

from groundplan.constraints import FIELDS, Answers
from groundplan.constraints.kind import Choice, Flag
from groundplan.decision.board import IMPOSSIBLE, Board
from groundplan.decision.costs import Costs
from groundplan.decision.domain import DOMAINS, loosen
from groundplan.decision.patterns import NAMES
from groundplan.decision.rules import RULES
from groundplan.decision.ruling import Rule

_OUTPUT: Final = "system.output"
_ORDER: Final = {key: i for i, key in enumerate(DOMAINS)}
_Set = frozenset[str]


class WayOut(msgspec.Struct, frozen=True, gc=False):
    """The nearest change of one answer, or of several, after which a pattern stands."""

    answers: tuple[str, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    pattern: str


class Conflict(msgspec.Struct, frozen=True, gc=False):
    """A smallest set of answers that leaves no pattern, whatever the other answers are.

    Args:
        answers: the dotted keys, in the file's order.
        because: one sentence for each pattern: what these answers rule out, and why.
        nearest: the ways out with the other answers as they are, the nearest first: one answer of
            the set moves alone, or, where another conflict remains, together with one of that.
    """

    answers: tuple[str, ...]
    because: tuple[str, ...]
    nearest: tuple[WayOut, ...]


def conflicts(answers: Answers, costs: Costs | None = None) -> tuple[Conflict, ...]:
    """Every smallest conflict of the answers; none if some pattern stands.

    An answer that is not stated can be part of one, since stating it may be the way out. Conflicts
    of stated answers come first, then those of the fewest answers.
    """
    board = Board(answers, costs)
    if board.pattern is not None:
        return ()
    sets = _smallest_conflicts(board)
    every = frozenset().union(*sets)
    known: dict[tuple[str, ...], WayOut | None] = {}
    return tuple(
        Conflict(_sorted(one), _because(board, one), _nearest(board, one, every, known))
        for one in sorted(sets, key=lambda one: (_unstated(board, one), len(one), _places(one)))
    )


def nearest(found: Iterable[Conflict]) -> list[WayOut]:
    """The ways out of conflicts, each once, the nearest first.

    Fewer answers go before more, what is built stays before it changes, what is wished for moves
    before what is a fact, and numbers before words: by the largest factor by which one moves, so
    that 100ms to 200ms is nearer than 1 to 50.
    """
    ways = dict.fromkeys(way for conflict in found for way in conflict.nearest)
    return sorted(ways, key=_distance)


_FACTS: Final = frozenset(
    {"labels.kind", "freshness.requests", "candidates.catalog", "policy.private_corpus"}
)
"""Answers that say what there is: nobody can have them otherwise by wishing."""


def _distance(way: WayOut) -> tuple[int, bool, bool, float, int]:
    farthest = max(map(_moved, way.answers, way.before, way.after))
    given = not _FACTS.isdisjoint(way.answers)
    return len(way.answers), _OUTPUT in way.answers, given, farthest, _ORDER[way.answers[0]]


def _moved(key: str, before: object, after: object) -> float:
    """How far one answer moves: a number by its factor, from nothing by all; a word farther."""
    if isinstance(FIELDS[key].kind, Choice | Flag):
        return math.inf
    if not isinstance(before, int) or not isinstance(after, int):
        return math.inf
    return abs(math.log((after + 1) / (before + 1)))


def _smallest_conflicts(board: Board) -> list[_Set]:
    outputs = DOMAINS[_OUTPUT].values
    here = board.start["output"]
    with_output = _product([[frozenset({_OUTPUT})], *_causes(board, here)])
    whatever = _product([cause for output in outputs for cause in _causes(board, output)])
    return _smallest([*with_output, *whatever])


def _causes(board: Board, output: str) -> list[list[_Set]]:
    """For each pattern, the smallest sets of answers that rule it out for good."""
    found: dict[str, list[_Set]] = {name: [] for name in NAMES}
    for rule in RULES:
        if rule.instead is None:
            found[rule.out] += _kills(board, rule, output)
    return [_smallest(sets) for sets in found.values()]


def _kills(board: Board, rule: Rule, output: str) -> list[_Set]:
    """The smallest sets of what a rule reads that make it fire, the rest at its loosest."""
    read = [key for key in rule.reads if key in DOMAINS and key != _OUTPUT]
    board.put("output", output)
    found: list[_Set] = []
    if not rule.when(board.case, board.work):  # nor does it with some of them at their loosest
        board.back("output")
        return found
    for size in range(len(read) + 1):
        for kept in combinations(read, size):
            if any(smaller <= set(kept) for smaller in found):
                continue
            loose = [DOMAINS[key] for key in read if key not in kept]
            loosen(board.case, loose)
            if rule.when(board.case, board.work):
                found.append(frozenset(kept))
            for domain in loose:
                board.back(domain.slot)
    board.back("output")
    return found


def _product(clauses: Iterable[list[_Set]]) -> list[_Set]:
    """The smallest unions that take one set of every clause."""
    found: list[_Set] = [frozenset()]
    for clause in clauses:
        found = _smallest([union | one for union in found for one in clause])
    return found


def _smallest(sets: list[_Set]) -> list[_Set]:
    found: list[_Set] = []
    for one in sorted(set(sets), key=len):
        if not any(smaller <= one for smaller in found):
            found.append(one)
    return found


def _because(board: Board, one: _Set) -> tuple[str, ...]:
    """A sentence for each pattern; of several rules, the first that needs only this set."""
    sentences = []
    for name in NAMES:
        firing = [r for r in RULES if r.out == name and r.when(board.case, board.work)]
        apt = [rule for rule in firing if any(kill <= one for kill in _here(board, rule))]
        # A set without the output holds for every output; for this one, `instead` may be all.
        rule = (apt or firing)[0]
        sentences.append(f"{name} is out: {rule.because(board.case, board.work)}")
    return tuple(sentences)


def _here(board: Board, rule: Rule) -> list[_Set]:
    return _kills(board, rule, board.start["output"]) if rule.instead is None else []


def _nearest(
    board: Board, one: _Set, every: _Set, known: dict[tuple[str, ...], WayOut | None]
) -> tuple[WayOut, ...]:
    """The ways out that move an answer of the set: alone, or else with one of other conflicts.

    No way out contains a smaller one. Only where two answers do not suffice are more of them moved.
    """
    others = _sorted(every)
    found: list[WayOut] = []
    for size in range(1, len(others) + 1):
        for keys in combinations(others, size):
            larger = any(set(way.answers) <= set(keys) for way in found)
            if larger or not one.intersection(keys):
                continue
            if keys not in known:
                known[keys] = _way_out(board, keys)
            way = known[keys]
            if way is not None:
                found.append(way)
        if found and size > 1:
            break
    return tuple(sorted(found, key=_distance))


def _way_out(board: Board, keys: tuple[str, ...]) -> WayOut | None:
    """Move exactly these answers: the first as little as possible, then the second, and so on."""
    domains = [DOMAINS[key] for key in keys]
    loosen(board.case, domains)
    moved = 0
    for domain in domains:
        board.back(domain.slot)
        value = _first(board, keys[moved + 1 :], keys[moved])
        if value is _NOWHERE:
            break
        board.put(domain.slot, value)
        moved += 1
    pattern = board.now() if moved == len(keys) else None
    after = tuple(getattr(board.case, domain.slot) for domain in domains)
    for domain in domains:
        board.back(domain.slot)
    if pattern is None or pattern == IMPOSSIBLE:
        return None
    before = tuple(board.start[domain.slot] for domain in domains)
    return WayOut(keys, before, after, pattern)


_NOWHERE: Final = object()


def _first(board: Board, later: tuple[str, ...], key: str) -> Any:
    """The nearest other value of one answer with which a pattern can still stand.

    The later answers are at their loosest; the output has none, so every one is tried.
    """
    domain = DOMAINS[key]
    for value in board.moves(domain):
        board.put(domain.slot, value)
        if _OUTPUT in later:
            hit = any(_with_output(board, output) for output in DOMAINS[_OUTPUT].values)
        else:
            hit = _holds(board)
        if hit:
            return value
    return _NOWHERE


def _with_output(board: Board, output: str) -> bool:
    board.put("output", output)
    return output != board.start["output"] and _holds(board)


def _holds(board: Board) -> bool:
    return board.now() not in (None, IMPOSSIBLE)


def _unstated(board: Board, keys: Iterable[str]) -> int:
    return sum(board.start[DOMAINS[key].slot] is None for key in keys)


def _places(keys: Iterable[str]) -> list[int]:
    return sorted(_ORDER[key] for key in keys)


def _sorted(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(keys, key=_ORDER.__getitem__))
