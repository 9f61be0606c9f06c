"""Trees as every family of models states them: nodes, leaves and which way a value goes.

The rules for zero and missing values are LightGBM's own; other families' are put in these terms.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from groundplan.models.scorer import Bools, Floats

_ZERO: Final = float(np.float32(1e-35))  # LightGBM takes anything this small for zero


@dataclass(frozen=True)
class Node:
    """An inner node: at or under the threshold goes left.

    Args:
        feature: column of the row.
        threshold: inclusive upper bound of the left side.
        missing: which value counts as missing here: `none`, `zero` or `nan`.
        missing_left: whether a missing value goes left.
        left, right: children; a number under 0 is leaf -number - 1.
        count: training rows that came here, or their weight.
    """

    feature: int
    threshold: float
    missing: str
    missing_left: bool
    left: int
    right: int
    count: float

    def goes_left(self, values: Floats) -> Bools:
        """Which way each value of the feature goes, float64[n] to bool[n]."""
        if self.missing != "nan":
            values = np.where(np.isnan(values), 0.0, values)
        left = values <= self.threshold
        if self.missing == "nan":
            left[np.isnan(values)] = self.missing_left
        elif self.missing == "zero":
            left[np.abs(values) <= _ZERO] = self.missing_left
        return left

    def cuts(self) -> tuple[float, ...]:
        """The values at which the way changes; between two of them all values go together."""
        if self.missing == "zero":
            return (self.threshold, float(np.nextafter(-_ZERO, -1.0)), _ZERO)
        return (self.threshold,)


@dataclass(frozen=True)
class Tree:
    """One tree; the root is node 0, or leaf 0 where there is no node."""

    nodes: tuple[Node, ...]
    values: tuple[float, ...]
    counts: tuple[float, ...]

    def count(self, node: int) -> float:
        """Training rows that came to an inner node, or to a leaf where the number is under 0."""
        return self.nodes[node].count if node >= 0 else self.counts[-node - 1]

    @property
    def mean(self) -> float:
        """The value of a leaf, averaged over the training rows; in log-odds."""
        if not self.nodes:
            return self.values[0]
        total = self.nodes[0].count
        return sum(v * (n / total) for v, n in zip(self.values, self.counts, strict=True))


@dataclass(frozen=True)
class Forest:
    """All trees of a model, whose values add up to the log-odds.

    Args:
        names: of the inputs, in the order of a row's columns.
        trees: the trees.
        digest: SHA-256 of the text that the trees were read from, in hexadecimal.
        start: what every row's log-odds begin with.
    """

    names: tuple[str, ...]
    trees: tuple[Tree, ...]
    digest: str
    start: float = 0.0


def check(tree: Tree, features: int) -> None:
    """Every place is the child of one earlier node, and training rows came everywhere.

    Raises:
        ValueError: that is not so, or a node asks for a feature that has no name.
    """
    nodes, counts = tree.nodes, tree.counts
    children = sorted(child for node in nodes for child in (node.left, node.right))
    if children != [*range(-len(counts), 0), *range(1, len(nodes))]:
        raise ValueError("a node is missing or has two parents")
    if any(0 <= child <= at for at, n in enumerate(nodes) for child in (n.left, n.right)):
        raise ValueError("a node comes before its parent")
    if min(*counts, *(node.count for node in nodes)) <= 0:
        raise ValueError("no training rows came to a node")
    if not all(0 <= node.feature < features for node in nodes):
        raise ValueError("a node asks for a feature that has no name")
