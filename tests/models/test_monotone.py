from typing import Any

import lightgbm
import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from groundplan.errors import BuildError, DefinitionError
from groundplan.models import monotone
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.forest import Forest, Node, Tree
from groundplan.models.scorer import Bools, Floats
from groundplan.models.xgboost import XGBoost, XGBoostTrees
from model_rows import drawn_rows

ROWS = drawn_rows()
NAMES = tuple("abcde")


def drawn(seed: int, rows: int) -> tuple[Floats, Bools]:
    """Rows whose label rises and falls with every input, so that any direction is a constraint."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 5))
    x[:, 1] = random.integers(0, 6, rows)
    x[:, 2] = np.round(x[:, 2], 1)
    x[random.random(x.shape) < 0.1] = np.nan
    known = np.nan_to_num(x)
    raw = np.sin(3 * known[:, 0]) + np.cos(known[:, 1]) - known[:, 2] * known[:, 3] + known[:, 4]
    y = raw + random.normal(size=rows) > 0
    y[:2] = (True, False)
    return x, y


class Leaves:
    """A tree whose score is its leaf's value: log-odds an ulp apart can be one probability."""

    def __init__(self, model: Trees) -> None:
        self.parsed = model.parsed

    def scores(self, rows: Floats) -> Floats:
        """The value of the leaf that each row comes to, float64[n]."""
        (tree,) = self.parsed.trees
        at = np.zeros(len(rows), dtype=np.int64)
        for place, node in enumerate(tree.nodes):  # a child comes after its parent
            here = np.flatnonzero(at == place)
            left = node.goes_left(rows[here, node.feature])
            at[here] = np.where(left, node.left, node.right)
        return np.array(tree.values)[-at - 1 if tree.nodes else at]


def swept(model: Trees | XGBoostTrees | Leaves, rows: Floats, feature: int) -> Floats:
    """The scores of each row as one input rises over all of its cuts, float64[rows, cuts]."""
    nodes = [node for tree in model.parsed.trees for node in tree.nodes]
    cuts = np.unique([node.threshold for node in nodes if node.feature == feature] or [0.0])
    values = np.unique(np.concatenate([cuts, np.nextafter(cuts, np.inf), [-1e9, 1e9]]))
    asked = np.repeat(rows, len(values), axis=0)
    asked[:, feature] = np.tile(values, len(rows))
    return model.scores(asked).reshape(len(rows), -1)


def falls(model: Trees | XGBoostTrees | Leaves, rows: Floats, feature: int, way: int) -> bool:
    return bool((way * np.diff(swept(model, rows, feature), axis=1) < 0).any())


@pytest.mark.parametrize("family", [BoostedTrees, XGBoost])
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    leaves=st.integers(2, 31),
    share=st.sampled_from([0.5, 1.0]),
    bins=st.sampled_from([15, 1023]),
    ways=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([-1, 1]), min_size=1),
)
def test_no_score_goes_against_its_direction(
    family: Any, seed: int, leaves: int, share: float, bins: int, ways: dict[str, int]
) -> None:
    """Whatever the model, the score of an unseen row never falls, or never rises, as the input
    rises over all of its cuts, not by one bit.
    """
    x, y = drawn(seed, 300)
    small = {"min_leaf_rows": 3} if family is BoostedTrees else {"min_leaf_weight": 0.1}
    spec = family(
        **small, trees=12, leaves=leaves, feature_share=share, bins=bins, seed=seed, monotone=ways
    )
    model = spec.train(x, y, NAMES)
    unseen, _ = drawn(seed + 1, 40)
    for name, way in ways.items():
        assert not falls(model, unseen, NAMES.index(name), way)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), leaves=st.integers(2, 12))
@example(seed=4206, leaves=7)  # two leaves an ulp apart
def test_the_check_of_a_tree_sees_what_a_sweep_sees(seed: int, leaves: int) -> None:
    """A single tree that was not held to a direction breaks it by the check where its values of
    drawn rows do; and where the check sees a break, rows that show it are found.
    """
    x, y = drawn(seed, 200)
    spec = BoostedTrees(trees=1, leaves=leaves, min_leaf_rows=10, feature_share=0.6, seed=seed)
    model = spec.train(x, y, NAMES)
    tree, rows = Leaves(model), np.concatenate([x, drawn(seed + 1, 3_000)[0]])
    for feature, name in enumerate(NAMES):
        for way in (-1, 1):
            broken = monotone.broken(model.parsed, {name: way}) == (name,)
            if falls(tree, rows, feature, way):
                assert broken
            elif broken:
                assert falls(tree, everywhere(tree), feature, way)


def everywhere(model: Leaves) -> Floats:
    """Rows in every combination of cells of a small tree."""
    nodes = [node for tree in model.parsed.trees for node in tree.nodes]
    axes = []
    for feature in range(5):
        cuts = sorted({node.threshold for node in nodes if node.feature == feature})
        axes.append([*cuts, max(cuts, default=0.0) + 1, np.nan])
    return np.array(np.meshgrid(*axes)).reshape(5, -1).T


def test_missing_values_have_no_place_in_the_order() -> None:
    """A leaf to which an input comes only missing may lie anywhere; numbers may not."""

    def node(threshold: float, missing_left: bool, left: int, right: int) -> Node:
        return Node(0, threshold, "nan", missing_left, left, right, 2.0)

    nodes = (node(1.0, False, -1, 1), node(0.0, True, -2, -3))  # leaf 1: above 1 and at most 0
    for values, broken in (((0.0, -5.0, 1.0), False), ((0.0, 5.0, 1.0), False), ((2, 0, 1), True)):
        tree = Tree(nodes, tuple(map(float, values)), (1.0, 1.0, 1.0))
        found = monotone.broken(Forest(("a",), (tree,), ""), {"a": 1})
        assert found == (("a",) if broken else ())


def test_a_model_that_breaks_a_direction_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a library does not keep what it was told, nothing is built, and the input is named."""
    x, y = drawn(1, 500)
    plain = BoostedTrees(trees=5, min_leaf_rows=5).train(x, y, NAMES)
    assert monotone.broken(plain.parsed, {"c": -1, "a": 1}) == ("c", "a")
    monotone.hold(plain.parsed, {})
    train = lightgbm.train

    def deaf(told: dict[str, Any], *rest: Any, **named: Any) -> Any:
        ignored = ("monotone_constraints", "monotone_constraints_method")
        return train({k: v for k, v in told.items() if k not in ignored}, *rest, **named)

    monkeypatch.setattr(lightgbm, "train", deaf)
    with pytest.raises(BuildError, match=r"does not keep.*for a: report this"):
        BoostedTrees(trees=5, min_leaf_rows=5, monotone={"a": 1}).train(x, y, NAMES)


@pytest.mark.parametrize("family", [BoostedTrees, XGBoost])
def test_a_direction_costs_little_where_it_is_true(family: Any) -> None:
    """Where the label does rise with an input, the constrained model tells it nearly as well."""
    random = np.random.default_rng(0)
    x = random.normal(size=(4_000, 5))
    y = x[:, 0] + x[:, 1] * x[:, 2] + random.normal(size=4_000) > 0
    loss = []
    for ways in ({}, {"a": 1}):
        model = family(trees=40, monotone=ways).train(x[:2_000], y[:2_000], NAMES)
        scores = model.scores(x[2_000:])
        loss.append(-np.log(np.where(y[2_000:], scores, 1 - scores)).mean())
    assert loss[1] < loss[0] + 0.03


@pytest.mark.parametrize("family", [BoostedTrees, XGBoost])
def test_a_direction_that_is_none_is_refused(family: Any) -> None:
    """Only 1 and -1 are directions, only features have one; the nearest name is offered."""
    for wrong in (0, 2, True, 1.0, "up"):
        with pytest.raises(DefinitionError, match="give 1 where the score never falls as age"):
            family(monotone={"age": wrong})
    with pytest.raises(DefinitionError, match="'amounts', which is no feature: did you mean"):
        family(monotone={"amounts": 1}).train(ROWS.x, ROWS.y, ("amount", "b", "c", "d", "e", "f"))
    with pytest.raises(DefinitionError, match="there are a, b, c, d, e, f"):
        family(monotone={"zzzz": 1}).train(ROWS.x, ROWS.y, ROWS.names)


@pytest.mark.parametrize("family", [BoostedTrees, XGBoost])
def test_a_specification_is_written_as_it_was_meant(family: Any) -> None:
    """Directions are written where there are some; what is written can be read, also as JSON."""
    plain, held = family(trees=3), family(trees=3, monotone={"a": 1, "b": -1})
    assert "monotone" not in repr(plain)
    assert repr(held).endswith("monotone={'a': 1, 'b': -1})")
    for spec in (plain, held):
        assert eval(repr(spec)) == spec
        assert msgspec.json.decode(msgspec.json.encode(spec), type=family) == spec


@pytest.mark.parametrize("family", [BoostedTrees, XGBoost])
def test_no_directions_change_nothing(family: Any) -> None:
    """A model without directions has the text that it had before there were any."""
    spec = family(trees=3)
    assert not any("monotone" in key for key in spec._settings(ROWS.names))
