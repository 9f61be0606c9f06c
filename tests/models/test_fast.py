import builtins
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import lightgbm
import lignum
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.fast import Fast, fast
from groundplan.models.linear import Logistic
from groundplan.models.scorer import Floats, Scorer
from groundplan.models.xgboost import XGBoost, XGBoostTrees
from model_rows import drawn_rows

ROWS = drawn_rows()
TREES = BoostedTrees(trees=40).train(ROWS.x, ROWS.y, ROWS.names)
SECOND = XGBoost(trees=40).train(ROWS.x, ROWS.y, ROWS.names)
CUTS = {
    id(model): [node.threshold for tree in model.parsed.trees for node in tree.nodes]
    for model in (TREES, SECOND)
}


def same(found: Floats, expected: Floats) -> bool:
    return found.dtype == np.float64 and found.tobytes() == expected.tobytes()


def values(model: Trees | XGBoostTrees) -> st.SearchStrategy[float]:
    """Missing, zero and nearly so, on a cut and next to it, huge, or any finite number."""
    cuts = st.sampled_from(CUTS[id(model)])
    return st.one_of(
        st.sampled_from([np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-35, 1e300, -1e300, 3.5e38]),
        cuts,
        cuts.map(lambda cut: float(np.nextafter(cut, np.inf))),
        cuts.map(lambda cut: float(np.nextafter(cut, -np.inf))),
        st.floats(allow_nan=True, allow_infinity=False),
        st.floats(-4, 4),
    )


@pytest.mark.parametrize("model", [TREES, SECOND], ids=["lightgbm", "xgboost"])
@settings(max_examples=75, deadline=None)
@given(data=st.data(), threads=st.integers(1, 2))
def test_scores_are_the_models_own_to_the_bit(
    model: Trees | XGBoostTrees, data: st.DataObject, threads: int
) -> None:
    """Whatever the rows, lignum gives the bits of LightGBM and of XGBoost, by any threads, from
    a matrix and from Arrow columns, and of one row alone.
    """
    quick = quickened(model, threads)
    row = st.lists(values(model), min_size=6, max_size=6)
    asked = np.array(data.draw(st.lists(row, min_size=1, max_size=30)))
    expected = model.scores(asked)
    assert same(quick.scores(asked), expected)
    columns = [pa.array(column) for column in asked.T.copy()]
    assert same(quick.columns(pa.RecordBatch.from_arrays(columns, list(model.names))), expected)
    assert quick.score(asked[0]) == expected[0]


_QUICK: dict[tuple[int, int], Fast] = {}


def quickened(model: Scorer, threads: int) -> Fast:
    """The evaluator of a model, made once."""
    key = (id(model), threads)
    if key not in _QUICK:
        _QUICK[key] = fast(model, ROWS.x, threads)
        assert _QUICK[key].engine.startswith(f"lignum {lignum.__version__}, {threads} thread")
    return _QUICK[key]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    leaves=st.integers(2, 60),
    use_missing=st.booleans(),
    zero_as_missing=st.booleans(),
)
def test_any_model_keeps_its_bits(
    seed: int, leaves: int, use_missing: bool, zero_as_missing: bool
) -> None:
    """Models of any shape and rule for missing values score drawn rows, infinite ones too, as
    LightGBM does.
    """
    drawn = np.random.default_rng(seed)
    x = drawn.choice([0, 1, 2, -1, 0.5, 1e-36, np.nan, 250.0, -1e12], (200, 5))
    x[:, 1] = drawn.normal(size=200)
    y = np.nan_to_num(x).clip(-2, 2).sum(axis=1) + drawn.normal(size=200) > 0
    y[:2] = (True, False)
    booster = lightgbm.train(
        {
            "objective": "binary",
            "num_leaves": leaves,
            "min_data_in_leaf": 2,
            "use_missing": use_missing,
            "zero_as_missing": zero_as_missing,
            "num_threads": 1,
            "verbosity": -1,
        },
        lightgbm.Dataset(x, y.astype(float), feature_name=list("abcde")),
        5,
    )
    model = Trees(booster.model_to_string())
    x[:3], x[3:6] = np.inf, -np.inf
    quick = fast(model, threads=1)
    assert quick.engine.startswith("lignum")
    assert same(quick.scores(x), model.scores(x))


def test_a_null_is_a_missing_value_and_other_types_are_numbers() -> None:
    """Arrow columns with nulls, of whole numbers or in pieces score as the matrix that they say;
    columns of other names, or in another order, are refused.
    """
    columns = {name: pa.array(ROWS.x[:90, at]) for at, name in enumerate(ROWS.names)}
    columns["b"] = pa.array([None if np.isnan(v) else int(v) for v in ROWS.x[:90, 1]], pa.int8())
    columns["a"] = pa.array([None if np.isnan(v) else v for v in ROWS.x[:90, 0].tolist()])
    for model in (TREES, SECOND, Logistic().train(ROWS.x, ROWS.y, ROWS.names)):
        expected = model.scores(ROWS.x[:90])
        quick = fast(model, threads=1)
        whole = pa.table({**columns, "b": columns["b"].cast(pa.float64())})
        assert same(quick.columns(whole), expected)
        assert same(quick.columns(pa.table(columns)), expected)
        pieces = pa.concat_tables([whole.slice(0, 33), whole.slice(33)])
        assert pieces.column("a").num_chunks == 2
        assert same(quick.columns(pieces), expected)
        assert len(quick.columns(whole.slice(0, 0))) == 0
        with pytest.raises(InputError, match="in this order"):
            quick.columns(whole.select(["b", "a", "c", "d", "e", "f"]))


def test_threads_may_ask_at_once() -> None:
    """Matrices that several threads ask for at the same time get their own scores."""
    quick = quickened(TREES, 1)
    blocks = np.array_split(ROWS.x, 12)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(quick.scores, blocks * 5))
    assert same(np.concatenate(found), np.tile(TREES.scores(ROWS.x), 5))


def test_a_family_without_a_faster_way_computes_as_ever() -> None:
    """A regression passes through, and says so."""
    model = Logistic().train(ROWS.x, ROWS.y, ROWS.names)
    quick = fast(model, ROWS.x)
    assert quick.engine == "Linear, as it is"
    assert same(quick.scores(ROWS.x), model.scores(ROWS.x))


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def refuse(name: str, *rest: Any, **named: Any) -> Any:
        if name == "lignum":
            raise ModuleNotFoundError(name)
        return found(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)


def stand_in(predict: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """What takes the place of lignum: the real one, whose scores are changed on their way out."""

    def load(file: str) -> Any:
        return SimpleNamespace(predict=partial(predict, lignum.load(file)))

    module = SimpleNamespace(load=load, __version__="9.9.9")
    return lambda monkeypatch: monkeypatch.setitem(sys.modules, "lignum", module)


def refusing(*_: Any, **__: Any) -> Any:
    raise RuntimeError("cannot")


def one_bit_off(model: Any, rows: Floats, **named: Any) -> Floats:
    scores = np.asarray(model.predict(rows, **named), dtype=np.float64)
    scores[100] = np.nextafter(scores[100], 1.0)
    return scores


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (without, "pip install pylignum"),
        (stand_in(refusing), "refused the model: cannot"),
        (stand_in(one_bit_off), "gave other bits"),
    ],
    ids=["missing", "refusing", "wrong"],
)
@pytest.mark.parametrize("model", [TREES, SECOND], ids=["lightgbm", "xgboost"])
def test_what_is_not_bit_exact_is_not_used(
    model: Trees | XGBoostTrees,
    change: Callable[[pytest.MonkeyPatch], None],
    because: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where lignum is missing, refuses a model or gives one bit more or less, the model's own
    library computes, and the engine says why.
    """
    change(monkeypatch)
    quick = fast(model, threads=2)
    assert quick.engine.startswith(("LightGBM, 2 threads (", "XGBoost, 1 thread ("))
    assert because in quick.engine
    assert same(quick.scores(ROWS.x), model.scores(ROWS.x))


def test_rows_of_another_width_are_refused() -> None:
    """Neither the sample nor the rows may have another width than the model's; no rows are fine."""
    with pytest.raises(InputError, match="6 values"):
        fast(TREES, np.zeros((3, 5)))
    with pytest.raises(InputError, match="6 values"):
        quickened(TREES, 1).scores(np.zeros((3, 7)))
    assert quickened(TREES, 1).scores(np.empty((0, 6))).shape == (0,)
