import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import BuildError
from groundplan.models.attributions import Attributions
from groundplan.models.scorer import Floats
from groundplan.models.xgboost import XGBoost, XGBoostTrees
from groundplan.models.xgboost_json import bound
from model_rows import drawn_rows

ROWS = drawn_rows()


def grown(seed: int, rows: int, width: int, leaves: int, trees: int) -> tuple[XGBoostTrees, Floats]:
    """Trees over random inputs with missing values and ties; and rows to explain."""
    drawn = np.random.default_rng(seed)
    x = drawn.normal(size=(rows, width))
    x[:, ::2] = drawn.choice([0, 1, 2, -1, 0.5, np.nan, np.nan], x[:, ::2].shape)
    y = np.nan_to_num(x).sum(axis=1) + drawn.normal(size=rows) > 0
    y[:2] = (True, False)
    names = tuple(f"f{column}" for column in range(width))
    spec = XGBoost(trees=trees, leaves=leaves, learning_rate=0.4, min_leaf_weight=0.1, bins=64)
    model = spec.train(x, y, names)
    asked = np.vstack([x[:20], drawn.normal(size=(10, width)), np.full((1, width), np.nan)])
    cuts = [node.threshold for tree in model.parsed.trees for node in tree.nodes]
    if cuts:
        near = np.nextafter(drawn.choice(cuts, (10, width)), np.inf)
        asked = np.vstack([asked, drawn.choice(cuts, (10, width)), near])
    return model, np.vstack([asked, np.full((1, width), 1e300), np.full((1, width), -1e300)])


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(30, 300),
    width=st.integers(1, 8),
    leaves=st.integers(2, 20),
    budget=st.sampled_from([0, 5_000, 32 << 20]),
)
def test_contributions_agree_with_xgboost(
    seed: int, rows: int, width: int, leaves: int, budget: int
) -> None:
    """Contributions and base are XGBoost's own as far as its float32 goes, also for values on a
    threshold and next to it; together they are the log-odds of the score.
    """
    model, asked = grown(seed, rows, width, leaves, 6)
    exact = Attributions.of(model, budget)
    booster = xgboost.Booster(model_file=bytearray(model.text.encode()))
    single = np.clip(asked, -3.4e38, 3.4e38).astype(np.float32)
    matrix = xgboost.DMatrix(single, feature_names=list(model.names))
    theirs = booster.predict(matrix, pred_contribs=True)
    for row, expected in zip(asked, theirs, strict=True):
        contributions, base = exact.row(row)
        assert np.abs(contributions - expected[:-1]).max() < 2e-5
        assert abs(base - expected[-1]) < 2e-5
        probability = 1 / (1 + math.exp(-(contributions.sum() + base)))
        assert model.score(row) == pytest.approx(probability, abs=1e-6)


def by_definition(model: XGBoostTrees, row: Floats) -> list[float]:
    """Shapley values by summing over all coalitions, by a walk of XGBoost's own JSON in float32."""
    trees = json.loads(model.text)["learner"]["gradient_booster"]["model"]["trees"]

    def weight(tree: dict[str, Any], at: int) -> float:
        left, right = tree["left_children"][at], tree["right_children"][at]
        if left < 0:
            return float(tree["sum_hessian"][at])
        return weight(tree, left) + weight(tree, right)

    def walk(tree: dict[str, Any], at: int, present: frozenset[int]) -> float:
        left, right = tree["left_children"][at], tree["right_children"][at]
        if left < 0:
            return float(np.float32(tree["split_conditions"][at]))
        feature = tree["split_indices"][at]
        if feature not in present:
            return (
                weight(tree, left) * walk(tree, left, present)
                + weight(tree, right) * walk(tree, right, present)
            ) / weight(tree, at)
        value, threshold = np.float32(row[feature]), np.float32(tree["split_conditions"][at])
        goes_left = tree["default_left"][at] if np.isnan(value) else value < threshold
        return walk(tree, left if goes_left else right, present)

    width = len(model.names)
    worth = {
        present: sum(walk(tree, 0, present) for tree in trees)
        for size in range(width + 1)
        for present in map(frozenset, itertools.combinations(range(width), size))
    }
    return [
        sum(
            math.factorial(len(without))
            * math.factorial(width - len(without) - 1)
            * (worth[without | {player}] - value)
            for without, value in worth.items()
            if player not in without
        )
        / math.factorial(width)
        for player in range(width)
    ]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 4), leaves=st.integers(2, 10))
def test_contributions_equal_the_definition(seed: int, width: int, leaves: int) -> None:
    """On small models they are the Shapley values of the path-dependent game, within 1e-9."""
    model, asked = grown(seed, 60, width, leaves, 3)
    exact = Attributions.of(model)
    for row in asked[15:-2]:
        assert exact.row(row).contributions.tolist() == pytest.approx(
            by_definition(model, row), abs=1e-9
        )


@given(st.floats(-(2.0**127), 2.0**127, width=32), st.floats(-1e39, 1e39))
def test_a_bound_parts_the_numbers_as_a_threshold_does(threshold: float, value: float) -> None:
    """A float64 is at most the bound exactly where, rounded to float32, it is below the
    threshold; the bound itself is, and the number after it is not.
    """
    found = bound(threshold)
    with np.errstate(over="ignore"):
        for asked in (value, threshold, found, math.nextafter(found, math.inf)):
            assert (asked <= found) == bool(np.float32(asked) < np.float32(threshold))


def test_the_same_data_train_the_same_trees() -> None:
    """Training twice gives the same model, and threads do not change its scores."""
    one = XGBoost(trees=10).train(ROWS.x, ROWS.y, ROWS.names)
    again = XGBoost(trees=10).train(ROWS.x, ROWS.y, ROWS.names)
    assert one.text == again.text


def test_a_model_of_another_objective_is_refused(tmp_path: Path) -> None:
    """A regression is no probability; loading it says what is read."""
    matrix = xgboost.DMatrix(np.ones((10, 2)), np.arange(10.0), feature_names=["a", "b"])
    booster = xgboost.train({"verbosity": 0}, matrix, 2)
    with pytest.raises(BuildError, match="binary:logistic"):
        XGBoostTrees(booster.save_raw("json").decode())
    linear = xgboost.train(
        {"verbosity": 0, "booster": "dart", "objective": "binary:logistic"},
        xgboost.DMatrix(np.ones((10, 2)), np.arange(10) % 2, feature_names=["a", "b"]),
        2,
    )
    with pytest.raises(BuildError, match="gbtree"):
        XGBoostTrees(linear.save_raw("json").decode())
