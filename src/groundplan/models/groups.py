"""Groups of leaves whose contributions are tabled together, chosen to fit a memory budget.

What the leaves under a node contribute depends only on which cell of each feature the row is in,
and cells that none of these leaves tells apart are one class. So a node's leaves have as many
states as the product of its features' numbers of classes. The largest subtrees whose states fit
are one table each; a single leaf whose states do not fit is left to be computed for each row.
"""

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from groundplan.models.cells import Cells
from groundplan.models.forest import Tree

Classes = npt.NDArray[np.int32]

_BEYOND: Final = 1 << 22  # table entries: a group this large is not worth describing


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Group:
    """The leaves under one node.

    Args:
        leaves: in order.
        classes: for each feature, the class of each of its cells, int32[cells].
        parts: the groups under the node's children; none for a leaf.
        entries: how many numbers its table has; `_BEYOND` where nobody counted.
    """

    leaves: tuple[Leaf, ...]
    classes: dict[int, Classes]
    parts: tuple["Group", ...]
    entries: int


def chosen(trees: tuple[Tree, ...], cells: Cells, budget: int) -> tuple[list[Group], list[Leaf]]:
    """The groups to table, and the leaves to compute for each row.

    Args:
        trees: with at least one node each.
        cells: of these trees.
        budget: the most table entries that all groups may have together.
    """
    whole = [_group(tree, cells, 0, {}, {}) for tree in trees]
    heap = [(-group.entries, order, group) for order, group in enumerate(whole)]
    heapq.heapify(heap)
    total, order = sum(group.entries for group in whole), len(whole)
    direct: list[Leaf] = []
    while heap and (total > budget or -heap[0][0] >= _BEYOND):
        _, _, group = heapq.heappop(heap)
        total -= group.entries
        if not group.parts:
            direct += group.leaves
        for part in group.parts:
            total, order = total + part.entries, order + 1
            heapq.heappush(heap, (-part.entries, order, part))
    return [group for _, _, group in sorted(heap, key=lambda item: item[1])], direct


def _group(
    tree: Tree, cells: Cells, place: int, shares: dict[int, float], met: dict[int, Classes]
) -> Group:
    """The group under a place of the tree, whose path is known as far as here."""
    if place < 0:
        leaf = Leaf(tree.values[-place - 1], shares, met)
        return Group((leaf,), met, (), _entries(met))
    node = tree.nodes[place]
    goes_left = node.goes_left(cells.values(node.feature)).astype(np.int32)
    parts = []
    for child, passes in ((node.left, goes_left), (node.right, 1 - goes_left)):
        share = tree.count(child) / node.count
        parts.append(
            _group(
                tree,
                cells,
                child,
                {**shares, node.feature: shares.get(node.feature, 1.0) * share},
                {
                    **met,
                    node.feature: met.get(node.feature, cells.everywhere(node.feature)) & passes,
                },
            )
        )
    return _merged(*parts)


def _merged(left: Group, right: Group) -> Group:
    leaves = left.leaves + right.leaves
    if max(left.entries, right.entries) >= _BEYOND:
        return Group(leaves, {}, (left, right), _BEYOND)
    classes = dict(left.classes)
    for feature, theirs in right.classes.items():
        ours = classes.get(feature)
        if ours is None:
            classes[feature] = theirs
        elif ours is not theirs:
            pairs = ours * (theirs.max() + 1) + theirs
            seen = np.bincount(pairs) > 0
            classes[feature] = (np.cumsum(seen, dtype=np.int32) - 1)[pairs]
    return Group(leaves, classes, (left, right), min(_entries(classes), _BEYOND))


def _entries(classes: dict[int, Classes]) -> int:
    states = 1
    for each in classes.values():
        states *= int(each.max()) + 1
    return states * len(classes)


def by_width(leaves: list[Leaf]) -> list[tuple[int, list[Leaf]]]:
    """The numbers of features that leaves have, each with the leaves that have so many."""
    widths: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        widths.setdefault(len(leaf.shares), []).append(leaf)
    return sorted(widths.items())
