"""The trees of a LightGBM model text: nodes, leaves and which way a value goes.

Only what our own models contain is read: binary objective, numerical splits, constant leaves.
The rules for zero and missing values are LightGBM's own.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from groundplan.errors import BuildError
from groundplan.models.scorer import Bools, Floats

_DEFAULT_LEFT: Final = 2
_ZERO: Final = float(np.float32(1e-35))  # LightGBM takes anything this small for zero
_MISSING: Final = ("none", "zero", "nan")


@dataclass(frozen=True)
class Node:
    """An inner node: at or under the threshold goes left.

    Args:
        feature: column of the row.
        threshold: inclusive upper bound of the left side.
        missing: which value counts as missing here: `none`, `zero` or `nan`.
        missing_left: whether a missing value goes left.
        left, right: children; a number under 0 is leaf -number - 1.
        count: training rows that came here.
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
    """All trees of a model, whose values add up to the log-odds, and the names of its inputs."""

    names: tuple[str, ...]
    trees: tuple[Tree, ...]


def trees(text: str) -> Forest:
    """The trees of a model in LightGBM's text format.

    Raises:
        BuildError: the text is damaged, or holds what is not supported here.
    """
    head, end, _ = text.partition("\nend of trees\n")
    if not end:
        raise BuildError("the model text stops half-way: build the model again")
    header, *blocks = head.split("\n\nTree=")
    facts = _facts(header)
    if facts.get("num_class") != "1" or facts.get("objective") != "binary sigmoid:1":
        raise BuildError("the model has no binary objective: train it as BoostedTrees does")
    if "average_output" in header.splitlines():
        raise BuildError("the model averages its trees: only boosted trees, which add, are read")
    try:
        names = tuple(facts["feature_names"].split())
        if len(names) != int(facts["max_feature_idx"]) + 1:
            raise ValueError("as many feature names as features are needed")
        return Forest(names, tuple(_tree(_facts(block), len(names)) for block in blocks))
    except (KeyError, IndexError, ValueError) as error:
        raise BuildError(f"the model text is damaged ({error!r}): build the model again") from error


def _facts(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def _tree(facts: dict[str, str], features: int) -> Tree:
    if facts.get("num_cat", "0") != "0":
        raise BuildError(
            "the model splits on categories, which have no exact reasons here yet: "
            "give numerical inputs"
        )
    if facts.get("is_linear", "0") != "0":
        raise BuildError("the model has linear leaves, which have no exact reasons: leave them out")
    leaves = int(facts["num_leaves"])
    values = tuple(map(float, facts["leaf_value"].split()))
    if leaves == 1:
        return Tree((), values, (1.0,))
    counts = tuple(map(float, facts["leaf_count"].split()))
    columns = [facts[name].split() for name in _COLUMNS]
    if {leaves - 1} != {len(column) for column in columns} or len(values) != leaves:
        raise ValueError(f"a tree of {leaves} leaves has lists of another length")
    nodes = tuple(_node(row) for row in zip(*columns, strict=True))
    _check(nodes, counts, features)
    return Tree(nodes, values, counts)


def _check(nodes: tuple[Node, ...], counts: tuple[float, ...], features: int) -> None:
    """Every place is the child of one earlier node, and training rows came everywhere."""
    children = sorted(child for node in nodes for child in (node.left, node.right))
    if children != [*range(-len(counts), 0), *range(1, len(nodes))]:
        raise ValueError("a node is missing or has two parents")
    if any(0 <= child <= at for at, n in enumerate(nodes) for child in (n.left, n.right)):
        raise ValueError("a node comes before its parent")
    if min(*counts, *(node.count for node in nodes)) <= 0:
        raise ValueError("no training rows came to a node")
    if not all(0 <= node.feature < features for node in nodes):
        raise ValueError("a node asks for a feature that has no name")


_COLUMNS: Final = (
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_count",
)


def _node(row: tuple[str, ...]) -> Node:
    feature, threshold, decision, left, right, count = row
    kind = int(decision)
    return Node(
        feature=int(feature),
        threshold=float(threshold),
        missing=_MISSING[kind >> 2],
        missing_left=bool(kind & _DEFAULT_LEFT),
        left=int(left),
        right=int(right),
        count=float(count),
    )
