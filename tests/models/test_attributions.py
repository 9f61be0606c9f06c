import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import BuildError, InputError
from groundplan.models import arrays, attributions, summed
from groundplan.models.attributions import Attributions
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.cells import Cells, distinct
from groundplan.models.scorer import Floats
from model_rows import drawn_rows

ROWS = drawn_rows()

# Numbers that sit on cuts, next to zero, at the ends and nowhere.
VALUES = np.array([0, 1, 2, 2, 3, -1, 0.5, 1e-36, -1e-20, 250, -1e12, np.nan, np.nan])


def grown(seed: int, rows: int, width: int, **settings_: Any) -> tuple[Trees, Floats]:
    """Trees over random inputs with missing values, zeros and ties; and rows to explain."""
    drawn = np.random.default_rng(seed)
    x = drawn.normal(size=(rows, width))
    x[:, ::2] = drawn.choice(VALUES, x[:, ::2].shape)
    x[:, 0] = np.nan_to_num(x[:, 0])
    y = np.nan_to_num(x).clip(-2, 2).sum(axis=1) + drawn.normal(size=rows) > 0
    y[:2] = (True, False)
    booster = lightgbm.train(
        {
            "objective": "binary",
            "min_data_in_leaf": 2,
            "learning_rate": 0.3,
            "seed": seed,
            "num_threads": 1,
            "verbosity": -1,
            **settings_,
        },
        lightgbm.Dataset(x, y.astype(float), feature_name=[f"f{i}" for i in range(width)]),
        settings_.pop("trees", 8),
    )
    asked = np.vstack([x[:40], drawn.choice(VALUES, (20, width)), drawn.normal(size=(20, width))])
    asked[40, :] = np.inf
    asked[41, :] = -np.inf
    return Trees(booster.model_to_string()), asked


def lightgbm_contributions(trees: Trees, rows: Floats) -> Floats:
    """LightGBM's own Tree SHAP, float64[n, F + 1], the base last."""
    booster = lightgbm.Booster(model_str=trees.text)
    return np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(30, 400),
    width=st.integers(1, 12),
    leaves=st.integers(2, 40),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
    budget=st.sampled_from([0, 2_000, 50_000, 32 << 20]),
)
def test_contributions_equal_lightgbm(  # hypothesis draws each
    seed: int,
    rows: int,
    width: int,
    leaves: int,
    use_missing: bool,
    zero_as_missing: bool,
    budget: int,
) -> None:
    """For any model, kind of missing value and table budget, each contribution and the base are
    LightGBM's within 1e-9, and together they are the raw score.
    """
    trees, asked = grown(
        seed,
        rows,
        width,
        num_leaves=leaves,
        use_missing=use_missing,
        zero_as_missing=zero_as_missing,
    )
    exact = Attributions.of(trees, budget)
    expected = lightgbm_contributions(trees, asked)
    for row, theirs in zip(asked, expected, strict=True):
        contributions, base = exact.row(row)
        assert np.abs(contributions - theirs[:-1]).max() < 1e-9
        assert abs(base - theirs[-1]) < 1e-9
        probability = 1 / (1 + math.exp(-(contributions.sum() + base)))
        assert trees.score(row) == pytest.approx(probability, abs=1e-12)


def bits(exact: Attributions, rows: Floats) -> bytes:
    """The contributions to each row, asked for one by one."""
    return np.array([exact.row(row).contributions for row in rows]).tobytes()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(30, 400),
    width=st.integers(1, 12),
    leaves=st.integers(2, 40),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
    budget=st.sampled_from([0, 2_000, 50_000, 32 << 20]),
    chunk=st.sampled_from([13, 100, 1 << 14]),
    block=st.sampled_from([29, 64, 1 << 18]),
    repeats=st.integers(1, 4),
)
def test_many_rows_have_the_bits_of_each_alone(
    seed: int,
    rows: int,
    width: int,
    leaves: int,
    use_missing: bool,
    zero_as_missing: bool,
    budget: int,
    chunk: int,
    block: int,
    repeats: int,
) -> None:
    """For any model and budget, with rows that stand once or often and cut up anyhow, each row
    gets the very bits that it gets alone.
    """
    trees, asked = grown(
        seed,
        rows,
        width,
        num_leaves=leaves,
        use_missing=use_missing,
        zero_as_missing=zero_as_missing,
    )
    exact = Attributions.of(trees, budget)
    expected = bits(exact, asked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributions, "_CHUNK", chunk)
        patch.setattr(attributions, "_BLOCK", block)
        patch.setattr(summed, "_NUMBERS", 1 << (seed % 12))
        found = exact.rows(np.tile(asked, (repeats, 1)))
    assert found.tobytes() == expected * repeats


def test_rows_in_the_same_cells_are_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many copies of few rows cost the tables no more than the few; hashes that meet by chance
    change nothing.
    """
    trees, asked = grown(4, 300, 6, num_leaves=15)
    exact = Attributions.of(trees)
    expected = bits(exact, asked)
    cells = Cells.of(trees.parsed.trees).find_all(np.tile(asked, (50, 1)))
    alike = distinct(cells)
    assert alike is not None
    first, stands = alike
    assert len(first) <= len(asked)
    assert (cells[:, first][:, stands] == cells).all()
    assert distinct(cells[:, first]) is None  # nothing to spare

    # By the factor 0 of every feature, all rows have one number.
    zero = SimpleNamespace(integers=lambda *_, **__: np.uint64(0))
    monkeypatch.setattr(np.random, "default_rng", lambda _: zero)
    assert distinct(cells) is None
    assert exact.rows(np.tile(asked, (3, 1))).tobytes() == expected * 3


def test_threads_may_ask_for_many_rows_at_once() -> None:
    """Rows that several threads ask for at the same time get their own contributions."""
    trees, asked = grown(8, 400, 9, num_leaves=31)
    exact = Attributions.of(trees, 5_000)
    expected = bits(exact, asked)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(exact.rows, np.array_split(asked, 8) * 6))
    assert np.concatenate(found).tobytes() == expected * 6


def test_cells_of_many_rows_are_those_of_each() -> None:
    """A matrix falls into the cells into which its rows fall one by one."""
    trees, asked = grown(9, 300, 7, num_leaves=31, zero_as_missing=True)
    cells = Cells.of(trees.parsed.trees)
    starts = np.array([cells.numbers(feature).start for feature in cells.features])
    found = (cells.find_all(asked) + starts[:, None]).T
    assert found.tolist() == [cells.find(row) for row in asked]


def by_definition(trees: Trees, row: Floats) -> list[float]:
    """Shapley values by summing over all coalitions of inputs, each worth a walk of every tree.

    An absent input goes both ways at a node, in the proportion of the training rows. It walks
    LightGBM's own dump, which shares no code with what is tested.
    """
    dumped = lightgbm.Booster(model_str=trees.text).dump_model()["tree_info"]

    def count(node: dict[str, Any]) -> float:
        return float(node.get("internal_count", node.get("leaf_count", 1)))

    def walk(node: dict[str, Any], present: frozenset[int]) -> float:
        if "leaf_value" in node:
            return float(node["leaf_value"])
        left, right = node["left_child"], node["right_child"]
        if node["split_feature"] not in present:
            total = count(left) * walk(left, present) + count(right) * walk(right, present)
            return total / count(node)
        value = row[node["split_feature"]]
        if math.isnan(value):
            goes_left = (
                node["default_left"] if node["missing_type"] == "NaN" else (node["threshold"] >= 0)
            )
        else:
            goes_left = value <= node["threshold"]
        return walk(left if goes_left else right, present)

    width = len(trees.names)
    worth = {
        present: sum(walk(tree["tree_structure"], present) for tree in dumped)
        for size in range(width + 1)
        for present in map(frozenset, itertools.combinations(range(width), size))
    }
    found = []
    for player in range(width):
        total = 0.0
        for present, value in worth.items():
            if player not in present:
                weight = math.factorial(len(present)) * math.factorial(width - len(present) - 1)
                total += weight * (worth[present | {player}] - value)
        found.append(total / math.factorial(width))
    return found


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 4), leaves=st.integers(2, 12))
def test_contributions_equal_the_definition(seed: int, width: int, leaves: int) -> None:
    """On small models they are the Shapley values of the path-dependent game, summed in full."""
    trees, asked = grown(seed, 60, width, num_leaves=leaves, trees=3)
    exact = Attributions.of(trees)
    for row in asked[:15]:
        assert exact.row(row).contributions.tolist() == pytest.approx(
            by_definition(trees, row), abs=1e-9
        )


@pytest.mark.parametrize("budget", [0, 5_000, 100_000, 1 << 20])
def test_tables_keep_to_their_budget(budget: int) -> None:
    """The tabled numbers never take more bytes than the budget, and no leaf is lost for it."""
    trees, asked = grown(3, 400, 10, num_leaves=31)
    exact = Attributions.of(trees, budget)
    assert exact.table_bytes <= budget
    expected = lightgbm_contributions(trees, asked)[:, :-1]
    found = np.array([exact.row(row).contributions for row in asked])
    assert np.abs(found - expected).max() < 1e-9


def test_a_model_of_the_default_size_needs_few_look_ups_and_little_memory() -> None:
    """With the default size and budget a row costs a few look-ups per tree and no sums over
    leaves, and all tables together stay below 32 MiB.
    """
    trees = BoostedTrees().train(ROWS.x, ROWS.y, ROWS.names)
    exact = Attributions.of(trees)
    assert exact.lookups <= 3 * len(trees.parsed.trees)
    assert exact.summed_leaves == 0
    assert exact.memory < 32 << 20


@pytest.mark.parametrize("budget", [0, 20_000, 32 << 20])
def test_what_is_compiled_once_is_loaded_as_it_was(tmp_path: Path, budget: int) -> None:
    """Tables from the disk give the bits of those in memory, whatever the ways of the leaves, and
    nothing is computed anew: the file alone suffices.
    """
    trees, asked = grown(5, 400, 9, num_leaves=31)
    exact = Attributions.of(trees, budget)
    exact.save(tmp_path)
    (file,) = tmp_path.iterdir()
    loaded = Attributions.load(tmp_path)
    assert loaded.names == exact.names
    assert (loaded.lookups, loaded.lone_leaves, loaded.summed_leaves) == (
        *(exact.lookups, exact.lone_leaves, exact.summed_leaves),
    )
    for row in asked:
        assert loaded.row(row).contributions.tolist() == exact.row(row).contributions.tolist()
        assert loaded.row(row).base == exact.row(row).base
    whole = bytearray(file.read_bytes())
    whole[-100] ^= 1
    file.write_bytes(whole)
    with pytest.raises(BuildError, match="checksum"):
        Attributions.load(tmp_path)
    arrays.save(file, {"names": ["a"]}, {})
    with pytest.raises(BuildError, match="another version"):
        Attributions.load(tmp_path)


def test_threads_may_ask_at_once() -> None:
    """Rows that several threads ask for at the same time get their own contributions."""
    trees, asked = grown(6, 400, 9, num_leaves=31)
    exact = Attributions.of(trees)
    expected = [exact.row(row).contributions.tolist() for row in asked]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: exact.row(row).contributions.tolist(), list(asked) * 10))
    assert found == expected * 10


def test_a_leaf_with_many_features_has_a_table_of_its_own() -> None:
    """Leaves of long paths are answered by one number for each state, and stay exact."""
    drawn = np.random.default_rng(2)
    x = drawn.normal(size=(4000, 14))
    y = (x > 0.4).sum(axis=1) + drawn.normal(size=4000) > 6
    spec = BoostedTrees(trees=5, leaves=120, min_leaf_rows=5, learning_rate=0.5)
    trees = spec.train(x, y, tuple(f"f{i}" for i in range(14)))
    exact = Attributions.of(trees, 1 << 20)
    assert exact.lone_leaves > 100
    expected = lightgbm_contributions(trees, x[:100])[:, :-1]
    found = np.array([exact.row(row).contributions for row in x[:100]])
    assert exact.rows(x[:100]).tobytes() == found.tobytes()
    assert np.abs(found - expected).max() < 1e-9


def test_trees_without_splits_leave_only_the_base() -> None:
    """A model that tells no rows apart gives contributions of 0 and its raw score as the base."""
    y = np.arange(40) % 4 == 0
    trees = BoostedTrees(trees=3).train(np.ones((40, 2)), y, ("a", "b"))
    contributions, base = Attributions.of(trees).row(np.array([1.0, 2.0]))
    assert contributions.tolist() == [0.0, 0.0]
    assert Attributions.of(trees).rows(np.ones((3, 2))).tolist() == [[0.0, 0.0]] * 3
    assert base == pytest.approx(math.log(0.25 / 0.75))


def test_categories_are_refused() -> None:
    """A categorical split has no exact contributions here, and loading the model says so."""
    drawn = np.random.default_rng(0)
    x = drawn.integers(0, 8, (300, 2)).astype(float)
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "min_data_per_group": 1, "cat_smooth": 0.0},
        lightgbm.Dataset(x, (x[:, 0] % 3 == 1).astype(float), categorical_feature=[0]),
        2,
    )
    with pytest.raises(BuildError, match="categories"):
        Trees(booster.model_to_string())


def test_a_row_of_another_shape_is_refused() -> None:
    """A row that is not F values is an InputError."""
    trees = BoostedTrees(trees=2).train(ROWS.x, ROWS.y, ROWS.names)
    with pytest.raises(InputError, match="6 values"):
        Attributions.of(trees).row(np.zeros(5))
    with pytest.raises(InputError, match="6 values"):
        Attributions.of(trees).rows(np.zeros((2, 5)))
    assert Attributions.of(trees).rows(np.zeros((0, 6))).shape == (0, 6)
