"""Groups of leaves whose contributions are tabled together, chosen to make a row cheap.

What the leaves under a node contribute depends only on which cell of each feature the row is in,
and cells that none of these leaves tells apart are one class. So a node's leaves have as many
states as the product of its features' numbers of classes, and one table answers for all of them.
A larger group is one look-up instead of several, and takes more memory.

Each leaf has to be answered for once: by a group above it, by a table of its own (`Alone`), or
by a sum for each row (`Summed`). `chosen` takes the ways that cost a row least, within a budget of
bytes: a byte is given a price, each subtree then has one cheapest way, and the price is raised
until all ways together fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from groundplan.models.cells import Cells
from groundplan.models.forest import Tree

Classes = npt.NDArray[np.int32]

STATES: Final = 1 << 16
"""The most states of a group or of a leaf's own table: their numbers are 16 bits wide."""

_ALONE: Final = 16  # features of a leaf that has a table of its own: 2^16 states

# Nanoseconds of a row, measured; their ratios are all that matters.
_LOOKUP_NS, _PART_NS = 23.0, 1.5
_ALONE_NS, _ALONE_PART_NS = 5.0, 9.0
_SUMMED_PART_NS = 60.0

# What a byte costs even where memory is left, in ns: larger tables miss the caches more often.
_CHEAPEST: Final = 3e-4


@dataclass(frozen=True, eq=False)
class Leaf:
    """A leaf and the conditions of its path, merged for each feature.

    Args:
        value: what it adds to the log-odds.
        shares: for each feature of the path, the share of training rows that passed it.
        met: for each feature of the path, 1 for each cell that passes, else 0.
    """

    value: float
    shares: dict[int, float]
    met: dict[int, Classes]


@dataclass(frozen=True, eq=False)
class Group:
    """The leaves under one node.

    Args:
        leaves: in order.
        classes: for each feature, the class of each of its cells, int32[cells].
        parts: the groups under the node's children; none for a leaf.
        states: how many there are; above `STATES` where nobody counted.
    """

    leaves: tuple[Leaf, ...]
    classes: dict[int, Classes]
    parts: tuple["Group", ...]
    states: int


class Chosen(NamedTuple):
    """How the leaves are answered for: each of them in one of three ways."""

    groups: list[Group]
    alone: list[Leaf]
    summed: list[Leaf]


def chosen(trees: Sequence[Tree], cells: Cells, budget: int) -> Chosen:
    """The ways that cost a row least.

    Args:
        trees: with at least one node each.
        cells: of these trees.
        budget: the most bytes that all tables may take together.
    """
    ways = _Ways([_group(tree, cells, 0, {}, {}) for tree in trees])
    low, high = _CHEAPEST, 1.0
    if ways.bytes(low) > budget:
        while ways.bytes(high) > budget:
            high *= 100
        for _ in range(20):
            middle = (low * high) ** 0.5
            low, high = (middle, high) if ways.bytes(middle) > budget else (low, middle)
        low = high
    return ways.taken(low)


class _Way(NamedTuple):
    """One way to answer for the leaves under a node."""

    cost: float  # ns of a row, and its bytes at their price
    bytes: int
    name: str


class _Ways:
    """All groups of all trees, a group after its parts, and the ways to answer for each."""

    def __init__(self, whole: list[Group]) -> None:
        self._groups: list[Group] = []
        self._parts: list[tuple[int, ...]] = []
        self._roots = [self._add(group) for group in whole]
        self._own = [_own(group) for group in self._groups]

    def bytes(self, price: float) -> int:
        """Of all tables, where a byte costs this many ns."""
        ways = self._cheapest(price)
        return sum(ways[root].bytes for root in self._roots)

    def taken(self, price: float) -> Chosen:
        """Every leaf's way, where a byte costs this many ns."""
        ways = self._cheapest(price)
        found = Chosen([], [], [])
        waiting = list(reversed(self._roots))
        while waiting:
            at = waiting.pop()
            group, name = self._groups[at], ways[at].name
            if name == "parts":
                waiting += reversed(self._parts[at])
            elif name == "group":
                found.groups.append(group)
            else:
                (found.alone if name == "alone" else found.summed).append(group.leaves[0])
        return found

    def _cheapest(self, price: float) -> list[_Way]:
        """The cheapest way for each group."""
        ways: list[_Way] = []
        for parts, own in zip(self._parts, self._own, strict=True):
            best = None
            if parts:
                left, right = ways[parts[0]], ways[parts[1]]
                best = _Way(left.cost + right.cost, left.bytes + right.bytes, "parts")
            for ns, size, name in own:
                cost = ns + price * size
                if best is None or cost < best.cost:
                    best = _Way(cost, size, name)
            assert best is not None  # a leaf can always be summed
            ways.append(best)
        return ways

    def _add(self, group: Group) -> int:
        parts = tuple(self._add(part) for part in group.parts)
        self._groups.append(group)
        self._parts.append(parts)
        return len(self._groups) - 1


def _own(group: Group) -> list[_Way]:
    """The ways other than through the parts, each at its cost where bytes are free."""
    number, width, ways = np.dtype(np.float64).itemsize, len(group.classes), []
    if group.states <= STATES:
        size = group.states * width * number
        ways.append(_Way(_LOOKUP_NS + _PART_NS * width, size, "group"))
    if not group.parts:
        width = len(group.leaves[0].met)
        ways.append(_Way(_SUMMED_PART_NS * width, 0, "summed"))
        if width <= _ALONE:
            ways.append(_Way(_ALONE_NS + _ALONE_PART_NS * width, number << width, "alone"))
    return ways


def _group(
    tree: Tree, cells: Cells, place: int, shares: dict[int, float], met: dict[int, Classes]
) -> Group:
    """The group under a place of the tree, whose path is known as far as here."""
    if place < 0:
        leaf = Leaf(tree.values[-place - 1], shares, met)
        return Group((leaf,), met, (), _states(met))
    node = tree.nodes[place]
    goes_left = cells.goes_left(node)
    parts = []
    for child, passes in ((node.left, goes_left), (node.right, 1 - goes_left)):
        share = tree.count(child) / node.count
        before = met.get(node.feature)
        parts.append(
            _group(
                tree,
                cells,
                child,
                {**shares, node.feature: shares.get(node.feature, 1.0) * share},
                {**met, node.feature: passes if before is None else before & passes},
            )
        )
    return _merged(*parts)


def _merged(left: Group, right: Group) -> Group:
    leaves = left.leaves + right.leaves
    if max(left.states, right.states) > STATES:
        return Group(leaves, {}, (left, right), STATES + 1)
    classes = dict(left.classes)
    for feature, theirs in right.classes.items():
        ours = classes.get(feature)
        if ours is None:
            classes[feature] = theirs
        elif ours is not theirs:
            pairs = ours * (theirs.max() + 1) + theirs
            seen = np.bincount(pairs) > 0
            classes[feature] = (np.cumsum(seen, dtype=np.int32) - 1)[pairs]
    return Group(leaves, classes, (left, right), _states(classes))


def _states(classes: dict[int, Classes]) -> int:
    """The product of the numbers of classes; one above `STATES` stands for any more."""
    states = 1
    for each in classes.values():
        states *= int(each.max()) + 1
        if states > STATES:
            return STATES + 1
    return states
