"""XGBoost's JSON format: the trees of a model, read without XGBoost.

Only what our own models contain is read: binary logistic objective, numerical splits. XGBoost
asks whether a value, rounded to float32, is below a float32 threshold; here a node asks whether
the value itself is at most a bound, and the bound is chosen so that the two always agree.
"""

import hashlib
import math

import msgspec
import numpy as np

from groundplan.errors import BuildError
from groundplan.models.forest import Forest, Node, Tree, check


class _Facts(msgspec.Struct):
    base_score: str
    num_class: str
    num_target: str


class _Objective(msgspec.Struct):
    name: str


class _Tree(msgspec.Struct):
    left_children: list[int]
    right_children: list[int]
    split_indices: list[int]
    split_conditions: list[float]
    split_type: list[int]
    default_left: list[int]
    sum_hessian: list[float]
    tree_param: dict[str, str]


class _Model(msgspec.Struct):
    trees: list[_Tree]
    gbtree_model_param: dict[str, str]


class _Booster(msgspec.Struct):
    name: str
    model: _Model | None = None


class _Learner(msgspec.Struct):
    feature_names: list[str]
    learner_model_param: _Facts
    objective: _Objective
    gradient_booster: _Booster


class _Document(msgspec.Struct):
    learner: _Learner
    version: list[int] = []


def trees(text: str) -> Forest:
    """The trees of a model in XGBoost's JSON.

    Raises:
        BuildError: the text is damaged, or holds what is not supported here.
    """
    try:
        learner = msgspec.json.decode(text, type=_Document).learner
    except msgspec.DecodeError as error:
        raise BuildError(f"this is no model in XGBoost's JSON ({error}): build it again") from error
    booster, facts = learner.gradient_booster, learner.learner_model_param
    if learner.objective.name != "binary:logistic" or facts.num_target not in ("0", "1"):
        raise BuildError(
            f"the model's objective is {learner.objective.name!r}, not 'binary:logistic': train "
            "it as XGBoost() does"
        )
    if booster.name != "gbtree" or booster.model is None:
        raise BuildError(f"the model is of the kind {booster.name!r}: only 'gbtree' is read")
    if any(any(tree.split_type) for tree in booster.model.trees):
        raise BuildError(
            "the model splits on categories, which have no exact reasons here: give numbers"
        )
    names = tuple(learner.feature_names)
    try:
        return Forest(
            names=names,
            trees=tuple(_tree(tree, len(names)) for tree in booster.model.trees),
            digest=hashlib.sha256(text.encode()).hexdigest(),
            start=_start(facts.base_score),
        )
    except (ValueError, IndexError, KeyError) as error:
        raise BuildError(f"the model is damaged ({error}): build it again") from error


def _start(base_score: str) -> float:
    """The log-odds of the base score, a probability such as `5E-1` or `[5E-1]`."""
    probability = float(np.float32(base_score.strip("[]")))
    if not 0 < probability < 1:
        raise ValueError(f"base_score {base_score} is no probability between 0 and 1")
    return math.log(probability / (1 - probability))


def _tree(tree: _Tree, features: int) -> Tree:
    lengths = {len(getattr(tree, name)) for name in _PER_NODE}
    if len(lengths) != 1 or tree.tree_param.get("num_deleted", "0") != "0":
        raise ValueError("the columns of a tree differ in length, or nodes of it are deleted")
    inner = [at for at, child in enumerate(tree.left_children) if child >= 0]
    leaves = [at for at, child in enumerate(tree.left_children) if child < 0]
    place = {at: number for number, at in enumerate(inner)}
    place |= {at: -number - 1 for number, at in enumerate(leaves)}
    values = tuple(_single(tree.split_conditions[at]) for at in leaves)
    counts = tuple(float(tree.sum_hessian[at]) for at in leaves)
    if not all(map(math.isfinite, values)):
        raise ValueError("a leaf is no number")
    if not inner:
        return Tree((), values[:1], (1.0,))
    # A node counts what its leaves do: in float32 the sums are not quite those of the parts.
    weights = dict(zip(leaves, counts, strict=True))
    for at in reversed(inner):
        weights[at] = weights[tree.left_children[at]] + weights[tree.right_children[at]]
    nodes = tuple(
        Node(
            feature=tree.split_indices[at],
            threshold=bound(tree.split_conditions[at]),
            missing="nan",
            missing_left=bool(tree.default_left[at]),
            left=place[tree.left_children[at]],
            right=place[tree.right_children[at]],
            count=weights[at],
        )
        for at in inner
    )
    read = Tree(nodes, values, counts)
    check(read, features)
    return read


_PER_NODE = tuple(name for name in _Tree.__struct_fields__ if name != "tree_param")


def bound(threshold: float) -> float:
    """The greatest float64 that is below the threshold once it is rounded to float32.

    Raises:
        ValueError: the threshold is not finite, or no value is below it.
    """
    above = np.float32(threshold)
    below = np.nextafter(above, np.float32(-np.inf))
    if not (np.isfinite(above) and np.isfinite(below)):
        raise ValueError(f"a threshold is {threshold}")
    middle = (float(above) + float(below)) / 2
    if np.float32(middle) < above:  # half-way numbers are rounded to the even neighbour
        return middle
    return float(np.nextafter(middle, -math.inf))


def _single(number: float) -> float:
    return float(np.float32(number))
