"""Boosted trees: a row, a batch, and what moved a score."""

from functools import cache
from typing import Any, Final

from groundplan.practice.calibrate.measure import Clock, Timing, measure

_OURS: Final = ("duckdb", "lightgbm", "numpy", "pyarrow", "sklearn")
_COLUMNS: Final = 30

ROWS: Final = 50_000
"""To train with."""


@measure(
    "gbm_row",
    "one row in a batch of 500 through LightGBM, 300 trees of 31 leaves, 30 features",
    *("lightgbm", "numpy"),
)
def batch(clock: Clock) -> Timing:
    """Scoring many rows at once, on one thread."""
    import lightgbm
    import numpy as np

    x, y = _training()
    settings = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "seed": 0}
    model = lightgbm.train({**settings, "verbose": -1}, lightgbm.Dataset(x, y), 300)
    rng = np.random.default_rng(7)
    batches = [rng.normal(size=(500, _COLUMNS)) for _ in range(20)]
    return clock.each(lambda rows: model.predict(rows, num_threads=1), batches).per(500)


@measure(
    "gbm_single",
    "one single row through boosted trees, 100 trees of 16 leaves, 30 features, by the package's "
    "own scorer",
    *_OURS,
)
def single(clock: Clock) -> Timing:
    """Scoring one row, as a server does."""
    return clock.each(_ours(100, 16).score, rows())


@measure(
    "attribution",
    "exact Tree SHAP of one row, 100 trees of 16 leaves, 30 features, by the package's own "
    "algorithm",
    *_OURS,
)
def attribution(clock: Clock) -> Timing:
    """The reasons of one score."""
    from groundplan.models.attributions import Attributions

    return clock.each(Attributions.of(_ours(100, 16)).row, rows())


@measure(
    "attribution_row",
    "exact Tree SHAP of one row, 300 trees of 31 leaves, 30 features, by the package's own "
    "algorithm",
    *_OURS,
)
def attribution_row(clock: Clock) -> Timing:
    """The reasons of one score of a larger model."""
    from groundplan.models.attributions import Attributions

    return clock.each(Attributions.of(_ours(300, 31)).row, rows())


def rows() -> list[Any]:
    """Rows of 30 features to score one by one."""
    import numpy as np

    return list(np.random.default_rng(6).normal(size=(5_000, _COLUMNS)))


@cache
def _training() -> tuple[Any, Any]:
    import numpy as np

    rng = np.random.default_rng(5)
    x = rng.normal(size=(ROWS, _COLUMNS))
    signal = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3:10].sum(axis=1) / 3
    return x, signal + rng.normal(size=len(x)) > 1


@cache
def _ours(trees: int, leaves: int) -> Any:
    from groundplan.models.boosted import BoostedTrees

    x, y = _training()
    names = tuple(f"f{number}" for number in range(_COLUMNS))
    return BoostedTrees(trees=trees, leaves=leaves).train(x, y, names)
