"""LightGBM's text format: the trees of a model, read without LightGBM.

Only what our own models contain is read: one sum of trees, numerical splits, constant leaves.
"""

import hashlib
import math
import re
from typing import Final

from groundplan.errors import BuildError
from groundplan.models.forest import Forest, Node, Tree, check

_MISSING: Final = ("none", "zero", "nan")

BINARY: Final = "binary sigmoid:1"
REGRESSION: Final = "regression"


def trees(text: str, objective: str = BINARY) -> Forest:
    """The trees of a model in LightGBM's text format.

    Every field of a tree is checked, also those that are not used here: LightGBM itself ends the
    process over a number that it cannot read.

    Args:
        text: the model.
        objective: what it has to have been trained for.

    Raises:
        BuildError: the text is damaged, or holds what is not supported here.
    """
    head, end, _ = text.partition("\n\nend of trees\n")
    header, *blocks = head.split("\n\nTree=")
    if not end or not header.startswith("tree\n"):
        raise BuildError("this is no whole model text in LightGBM's format: build the model again")
    facts = dict(line.split("=", 1) for line in header.splitlines() if "=" in line)
    if facts.get("num_class") != "1" or facts.get("objective") != objective:
        raise BuildError(
            f"the model's objective is {facts.get('objective')!r}, not {objective!r}: "
            "train it as BoostedTrees does"
        )
    if "average_output" in header.splitlines():
        raise BuildError("the model averages its trees: only boosted trees, which add, are read")
    try:
        names = tuple(facts["feature_names"].split())
        _check_header(facts, names, blocks)
        digest = hashlib.sha256(head.encode()).hexdigest()
        return Forest(names, tuple(_tree(block, len(names)) for block in blocks), digest)
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
    tree = Tree(nodes, values, counts)
    check(tree, features)
    return tree


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
