"""The trees of a LightGBM model text: nodes, leaves and which way a value goes.

Only what our own models contain is read: binary objective, numerical splits, constant leaves.
The rules for zero and missing values are LightGBM's own.
"""

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from groundplan.errors import BuildError
from groundplan.models.scorer import Bools, Floats

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

    Every field of a tree is checked, also those that are not used here: LightGBM itself ends the
    process over a number that it cannot read.

    Raises:
        BuildError: the text is damaged, or holds what is not supported here.
    """
    head, end, _ = text.partition("\n\nend of trees\n")
    header, *blocks = head.split("\n\nTree=")
    if not end or not header.startswith("tree\n"):
        raise BuildError("this is no whole model text in LightGBM's format: build the model again")
    facts = dict(line.split("=", 1) for line in header.splitlines() if "=" in line)
    if facts.get("num_class") != "1" or facts.get("objective") != "binary sigmoid:1":
        raise BuildError("the model has no binary objective: train it as BoostedTrees does")
    if "average_output" in header.splitlines():
        raise BuildError("the model averages its trees: only boosted trees, which add, are read")
    try:
        names = tuple(facts["feature_names"].split())
        _check_header(facts, names, blocks)
        return Forest(names, tuple(_tree(block, len(names)) for block in blocks))
    except (KeyError, ValueError) as error:
        raise BuildError(f"the model text is damaged ({error}): build the model again") from error


def _check_header(facts: dict[str, str], names: tuple[str, ...], blocks: list[str]) -> None:
    """LightGBM cuts the text by the sizes that its header gives, so they have to be true."""
    # Splitting took the two line ends between a block and the next away.
    sizes = [len(f"Tree={block}\n\n".encode()) for block in blocks]
    if facts["tree_sizes"].split() != list(map(str, sizes)):
        raise ValueError("the sizes of the trees are not those in the header")
    if facts["max_feature_idx"] != str(len(names) - 1) or not names:
        raise ValueError("there is not one name for each feature")
    if len(facts["feature_infos"].split()) != len(names) or facts["num_tree_per_iteration"] != "1":
        raise ValueError("the header contradicts itself")


_PER_NODE: Final = (
    "split_feature",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_count",
    "split_gain",
    "internal_value",
    "internal_weight",
)
_PER_LEAF: Final = ("leaf_value", "leaf_count", "leaf_weight")
_SINGLE: Final = ("num_leaves", "num_cat", "is_linear", "shrinkage")
_REAL: Final = re.compile(r"-?([0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|inf|nan)", re.ASCII)
_WHOLE: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_WHOLE_FIELDS: Final = frozenset(
    {*_SINGLE[:3], "split_feature", "decision_type", "left_child", "right_child"}
    | {"internal_count", "leaf_count"}
)


def _tree(block: str, features: int) -> Tree:
    lines = block.splitlines()[1:]
    if "num_cat=0" not in lines:
        raise BuildError(
            "the model splits on categories, which have no exact reasons here yet: "
            "give numerical inputs"
        )
    if "is_linear=0" not in lines:
        raise BuildError("the model has linear leaves, which have no exact reasons: leave them out")
    fields = dict(_field(line) for line in lines if line)
    (leaves,) = fields["num_leaves"]
    for names, length in ((_PER_NODE, leaves - 1), (_PER_LEAF, leaves), (_SINGLE, 1)):
        for name in names:
            # A tree without a split leaves its leaf's weight out.
            if len(fields[name]) != length and not (leaves == 1 and name == "leaf_weight"):
                raise ValueError(f"{name} has {len(fields[name])} numbers, not {length:.0f}")
    values = tuple(fields["leaf_value"])
    # A threshold may be infinite, where only missing values go right.
    if not all(map(math.isfinite, values)) or any(map(math.isnan, fields["threshold"])):
        raise ValueError("a leaf or a threshold is no number")
    if leaves == 1:
        return Tree((), values, (1.0,))
    nodes = tuple(map(_node, zip(*(fields[name] for name in _PER_NODE[:6]), strict=True)))
    counts = tuple(fields["leaf_count"])
    _check(nodes, counts, features)
    return Tree(nodes, values, counts)


def _field(line: str) -> tuple[str, list[float]]:
    name, _, text = line.partition("=")
    if name not in _PER_NODE + _PER_LEAF + _SINGLE:
        raise ValueError(f"a tree has no {name!r}")
    form = _WHOLE if name in _WHOLE_FIELDS else _REAL
    numbers = text.split()
    wrong = [each for each in numbers if not form.fullmatch(each)]
    if wrong:
        raise ValueError(f"{name} holds {wrong[0]!r}")
    return name, [float(each) for each in numbers]


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


def _node(row: tuple[float, ...]) -> Node:
    feature, threshold, decision, left, right, count = row
    missing, default_left = divmod(int(decision), 4)
    if not 0 <= missing < len(_MISSING) or default_left & 1:
        raise ValueError(f"decision_type holds {decision:.0f}")
    return Node(
        feature=int(feature),
        threshold=threshold,
        missing=_MISSING[missing],
        missing_left=bool(default_left),
        left=int(left),
        right=int(right),
        count=count,
    )
