"""Flips: for each answer alone and each pair, the exact point at which the decision changes."""

from itertools import combinations, product
from typing import Any

import msgspec

from groundplan.constraints import Answers
from groundplan.decision.board import (
    AGAINST,
    ALIVE,
    CROSSING,
    EVERY,
    IMPOSSIBLE,
    IMPOSSIBLE_BIT,
    READ_BY,
    READERS,
    Board,
    Turn,
    outcome,
)
from groundplan.decision.costs import Costs
from groundplan.decision.domain import DOMAINS, Domain

_Moves = list[tuple[Any, int]]
"""The moves of one answer, each with the rules that read it and fire then."""


class Flip(msgspec.Struct, frozen=True, gc=False):
    """A change of one answer or of two, and the pattern that is decided then.

    Args:
        answers: the dotted keys that change, one or two.
        before: their values now.
        after: the nearest values that make the change; of two, the first changes as little as
            possible, then the second. None: the answer is left out.
        pattern: what is decided then; None where nothing stands.
    """

    answers: tuple[str, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    pattern: str | None


def flips(answers: Answers, costs: Costs | None = None) -> tuple[Flip, ...]:
    """Every flip of one answer, then those of two that neither of them reaches alone.

    For a number, the nearest value in each direction for each pattern; for an enumeration, every
    value that changes the decision; for a pair, the nearest values for each pattern. An answer
    that the output does not use (`streamed` for a score) moves nothing.
    """
    board = Board(answers, costs)
    moves = {key: _moves(board, domain) for key, domain in DOMAINS.items()}
    found, reached = [], {}
    for key, domain in DOMAINS.items():
        alone = _singles(board, domain, moves[key])
        reached[key] = {flip.pattern for flip in alone}
        found += alone
    for one, two in combinations(DOMAINS, 2):
        wanted = _wanted(board, DOMAINS[one].slot, DOMAINS[two].slot)
        wanted -= reached[one] | reached[two]
        if wanted:
            found += _pairs(board, (DOMAINS[one], DOMAINS[two]), (moves[one], moves[two]), wanted)
    return tuple(found)


def _moves(board: Board, domain: Domain) -> _Moves:
    found = []
    for value in board.moves(domain):
        board.put(domain.slot, value)
        found.append((value, board.fired(READERS[domain.slot])))
    board.back(domain.slot)
    return found


def _singles(board: Board, domain: Domain, moves: _Moves) -> list[Flip]:
    start, rest = board.start[domain.slot], board.mask & ~READ_BY[domain.slot]
    found: dict[Any, Flip] = {}
    for value, fired in moves:
        pattern = outcome(rest | fired)
        if pattern in (board.pattern, IMPOSSIBLE):
            continue
        numbers = not domain.values and None not in (start, value)
        side = value > start if numbers else value if domain.values else value is None
        flip = Flip((domain.key,), (start,), (value,), pattern)
        found.setdefault((pattern, side), flip)
    return list(found.values())


def _wanted(board: Board, one: str, two: str) -> set[str | None]:
    """The outcomes that moving both slots could give: what the other rules leave open."""
    moving = (READ_BY[one] | READ_BY[two]) & _alive(board, one, two)
    fixed = board.mask & ~moving
    wanted: set[str | None] = set()
    for name, against in AGAINST:
        if not fixed & against:
            wanted.add(name)
            if not moving & against:
                break  # it stands whatever moves, so nothing more complex is ever chosen
    else:
        wanted.add(None)
    return wanted - {board.pattern}


def _pairs(
    board: Board,
    domains: tuple[Domain, Domain],
    moves: tuple[_Moves, _Moves],
    wanted: set[str | None],
) -> list[Flip]:
    one, two = domains
    if READ_BY[one.slot] & READ_BY[two.slot] & _alive(board, one.slot, two.slot):
        hits = _together(board, one, two, wanted)
    else:
        hits = _apart(board, domains, moves, wanted)
    keys, before = (one.key, two.key), (board.start[one.slot], board.start[two.slot])
    return [Flip(keys, before, after, pattern) for pattern, after in hits.items()]


_Hits = dict[str | None, tuple[Any, Any]]


def _apart(
    board: Board,
    domains: tuple[Domain, Domain],
    moves: tuple[_Moves, _Moves],
    wanted: set[str | None],
) -> _Hits:
    """No rule reads both: each moves as it does alone, and the masks add up."""
    rest = board.mask & ~READ_BY[domains[0].slot] & ~READ_BY[domains[1].slot]
    hits: _Hits = {}
    for first, fired in moves[0]:
        for second, fired_too in moves[1]:
            pattern = outcome(rest | fired | fired_too)
            if pattern in wanted:
                hits.setdefault(pattern, (first, second))
    return hits


def _together(board: Board, one: Domain, two: Domain, wanted: set[str | None]) -> _Hits:
    """Some rule reads both: the break points of each depend on where the other stands."""
    rest = board.mask & ~READ_BY[one.slot] & ~READ_BY[two.slot]
    open_ = _open(rest) & _alive(board, one.slot, two.slot)
    # What reads the second is asked again for each of its moves.
    ones = [rule for rule in READERS[one.slot] if rule[0] & open_ & ~READ_BY[two.slot]]
    twos = [rule for rule in READERS[two.slot] if rule[0] & open_]
    hits: _Hits = {}
    for first in _firsts(board, one, two, open_):
        board.put(one.slot, first)
        fired = rest | board.fired(ones)
        for second in board.moves(two, open_):
            board.put(two.slot, second)
            pattern = outcome(fired | board.fired(twos))
            if pattern in wanted:
                hits.setdefault(pattern, (first, second))
        board.back(two.slot)
        if len(hits) == len(wanted):
            break
    board.back(one.slot)
    return hits


def _alive(board: Board, *slots: str) -> int:
    """The bits of rules that can fire for the output, which moves only if it is among the slots."""
    return EVERY if "output" in slots else ALIVE[board.start["output"]]


def _open(fixed: int) -> int:
    """The bits that still matter: those against patterns that no fixed ruling has ruled out."""
    return sum((against for _, against in AGAINST if not fixed & against), IMPOSSIBLE_BIT)


def _firsts(board: Board, one: Domain, two: Domain, rules: int) -> list[Any]:
    """The values of the first answer at which the range of outcomes over the second changes.

    What can be reached changes only where a budget's line meets a bound of the second answer, its
    break point of today, or another budget's line.
    """
    if one.values:
        return board.moves(one)
    if two.values:
        places = list(two.values)
    else:
        edges = board.edges(two, rules)
        places = [two.least, two.most, *edges, *(edge - 1 for edge in edges)]
        places += [None] if two.optional else []
        places += _crossings(board, one, two, rules)
    found = set()
    for place in places:
        board.put(two.slot, place)
        found.update(board.moves(one, rules))
    board.back(two.slot)
    return sorted(found, key=lambda value: board.rank(one, value))


def _crossings(board: Board, one: Domain, two: Domain, rules: int) -> list[int]:
    """Both sides of where searching a corpus becomes cheaper than scoring all of it.

    These are the only budgets that cross: both grow with the candidates, one with their root.
    """
    found: list[int] = []
    for (bits, search), (others, scan) in product(*CROSSING[one.slot]):
        if bits & rules and others & rules:
            found += _turn(board, two, search, scan)
    board.back(two.slot)
    return found


def _turn(board: Board, domain: Domain, one: Turn, other: Turn) -> list[int]:
    """Both sides of where one break point overtakes another; none where it doesn't."""

    def before(place: int) -> bool | None:
        board.put(domain.slot, place)
        first, second = one(board.case, board.work), other(board.case, board.work)
        return None if first is None or second is None else first < second

    low, high = domain.least, domain.most
    start, end = before(low), before(high)
    if start is None or end is None or start == end:
        return []
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if before(middle) == start else (low, middle)
    return [low, high]
