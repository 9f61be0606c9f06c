"""Exact attributions for one row: ours beside LightGBM's pred_contrib and shap.TreeExplainer.

    python benchmarks/attributions.py [--rows N]

Two sizes of model (100 trees of 16 leaves, 500 of 31) over 30 drawn inputs with missing values.
All ways explain the same rows in turn on one thread, so that a busy machine slows all of them,
and every value is compared with LightGBM's before anything is timed.
"""

import argparse
import importlib.util
import platform
import time
from collections.abc import Callable

import lightgbm
import numpy as np

from groundplan.models.attributions import Attributions
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.scorer import Floats

SIZES = ((100, 16), (500, 31))
WIDTH = 30
TRAINING_ROWS = 50_000

Way = Callable[[Floats], Floats]


def model(trees: int, leaves: int) -> tuple[Trees, Floats]:
    """A model of this size and rows that it has not seen."""
    drawn = np.random.default_rng(1)
    x = drawn.normal(size=(TRAINING_ROWS * 2, WIDTH))
    x[:, :6] = np.round(x[:, :6], 1)
    x[drawn.random(x.shape) < 0.02] = np.nan
    known = np.nan_to_num(x)
    raw = known[:, 0] * known[:, 1] + np.sin(known[:, 2:12]).sum(axis=1) + known[:, 12:].sum(axis=1)
    y = raw + drawn.normal(size=len(x)) > 3
    spec = BoostedTrees(trees=trees, leaves=leaves, bins=255, threads=2)
    names = tuple(f"x{column}" for column in range(WIDTH))
    return spec.train(x[:TRAINING_ROWS], y[:TRAINING_ROWS], names), x[TRAINING_ROWS:]


def ways(trees: Trees, exact: Attributions) -> dict[str, Way]:
    """Each way of explaining one row, float64[F] to float64[F]."""
    booster = lightgbm.Booster(model_str=trees.text)
    found: dict[str, Way] = {
        "groundplan": lambda row: exact.row(row).contributions,
        "LightGBM pred_contrib": lambda row: np.asarray(
            booster.predict(row[None], pred_contrib=True, num_threads=1)
        )[0, :-1],
    }
    if importlib.util.find_spec("shap") is not None:
        import shap  # type: ignore[import-not-found]  # compared only where it is

        explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
        found["shap.TreeExplainer"] = lambda row: np.asarray(
            explainer.shap_values(row[None], check_additivity=False)
        ).reshape(-1, WIDTH)[-1]
    return found


def timed(way: Way, row: Floats) -> float:
    """Microseconds of one call."""
    start = time.perf_counter_ns()
    way(row)
    return (time.perf_counter_ns() - start) / 1_000


def compare(trees: int, leaves: int, rows: int) -> None:
    """Prints one table: p50 and p99 in microseconds, and how many times ours each way takes."""
    trained, unseen = model(trees, leaves)
    start = time.perf_counter()
    exact = Attributions.of(trained)
    seconds = time.perf_counter() - start
    every = ways(trained, exact)
    error = max(
        float(np.abs(every["groundplan"](row) - every["LightGBM pred_contrib"](row)).max())
        for row in unseen[:50]
    )
    taken: dict[str, list[float]] = {name: [] for name in every}
    for row in unseen[50 : 50 + rows]:
        for name, way in every.items():
            taken[name].append(timed(way, row))
    print(f"\n{trees} trees of {leaves} leaves, {WIDTH} inputs, {rows} rows")
    print(
        f"  tables {seconds:.1f} s, {exact.memory / 2**20:.0f} MiB, {exact.lookups} look-ups and "
        f"{exact.summed_leaves} sums a row; greatest difference from LightGBM {error:.1e}"
    )
    ours = np.percentile(taken["groundplan"], [50, 99])
    for name, times in taken.items():
        p50, p99 = np.percentile(times, [50, 99])
        print(
            f"  {name:24} p50 {p50:9.1f} us  p99 {p99:9.1f} us  "
            f"{p50 / ours[0]:6.1f}x  {p99 / ours[1]:6.1f}x"
        )
    if "shap.TreeExplainer" not in every:
        print("  shap.TreeExplainer       not installed, so not compared (pip install shap)")
    if error > 1e-9:
        raise SystemExit(f"the values differ from LightGBM's by {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500, help="rows to explain with each way")
    rows = parser.parse_args().rows
    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"LightGBM {lightgbm.__version__}"
    )
    for trees, leaves in SIZES:
        compare(trees, leaves, rows)


if __name__ == "__main__":
    main()
