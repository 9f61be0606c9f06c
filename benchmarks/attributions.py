"""Exact attributions for one row: ours beside LightGBM's pred_contrib and shap.TreeExplainer.

    python benchmarks/attributions.py [--rows N] [--data transactions.parquet]

Two sizes of model (100 trees of 16 leaves, 500 of 31) over 30 drawn inputs with missing values,
and, where the published transactions are named, over their 15 published features. Every value is
compared with LightGBM's before anything is timed. Then each way explains the same rows on one
thread, in blocks of ten rows by turns, so that a busy machine slows all of them.
"""

import argparse
import importlib.util
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa

from groundplan.examples.fraud import system
from groundplan.features import offline
from groundplan.models.attributions import Attributions
from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.scorer import Floats

SIZES = ((100, 16), (500, 31))
WIDTH = 30
TRAINING_ROWS = 50_000
BLOCK = 10

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


def published(file: Path, trees: int, leaves: int) -> tuple[Trees, Floats]:
    """A model of the published features, and rows of the published test period."""
    inputs = system.inputs
    events = offline.events(inputs, file)
    x = offline.matrix(offline.table(inputs, events), inputs.names)
    time_us = events.column("tx_datetime").cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    customer = events.column("customer_id").to_numpy()
    fraud = events.column("tx_fraud").to_numpy().astype(np.bool_)
    train, test = system.split.apply(time_us, customer, fraud)
    spec = BoostedTrees(trees=trees, leaves=leaves, threads=2)
    return spec.train(x[train], fraud[train], inputs.names), x[test]


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
        ).reshape(-1, len(trees.names))[-1]
    return found


def timed(way: Way, row: Floats) -> float:
    """Microseconds of one call."""
    start = time.perf_counter_ns()
    way(row)
    return (time.perf_counter_ns() - start) / 1_000


def compare(name: str, trained: Trees, unseen: Floats, rows: int) -> None:
    """Prints one table: p50 and p99 in microseconds, and how many times ours each way takes."""
    start = time.process_time()
    Attributions.of(trained).save(folder := Path(tempfile.mkdtemp()))
    made = time.process_time() - start
    start = time.process_time()
    exact = Attributions.load(folder, trained)  # as a server has it: mapped from the build
    loaded = time.process_time() - start
    every = ways(trained, exact)
    error = max(
        float(np.abs(every["groundplan"](row) - every["LightGBM pred_contrib"](row)).max())
        for row in unseen[:50]
    )
    taken: dict[str, list[float]] = {way: [] for way in every}
    for at in range(50, 50 + rows, BLOCK):
        for way, explain in every.items():
            taken[way] += [timed(explain, row) for row in unseen[at : at + BLOCK]]
    print(f"\n{name}, {len(trained.names)} inputs, {rows} rows")
    print(
        f"  made in {made:.1f} s once, loaded in {loaded * 1e3:.0f} ms, "
        f"{exact.memory / 2**20:.0f} MiB; a row is {exact.lookups} look-ups, {exact.lone_leaves} "
        f"leaves alone, {exact.summed_leaves} sums; differs from LightGBM by {error:.1e} at most"
    )
    ours = np.percentile(taken["groundplan"], [50, 99])
    for way, times in taken.items():
        p50, p99 = np.percentile(times, [50, 99])
        print(
            f"  {way:24} p50 {p50:9.1f} us  p99 {p99:9.1f} us  "
            f"{p50 / ours[0]:6.1f}x  {p99 / ours[1]:6.1f}x"
        )
    if "shap.TreeExplainer" not in every:
        print("  shap.TreeExplainer       not installed, so not compared (pip install shap)")
    if error > 1e-9:
        raise SystemExit(f"the values differ from LightGBM's by {error}")
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500, help="rows to explain with each way")
    parser.add_argument("--data", type=Path, help="the published transactions, Parquet")
    asked = parser.parse_args()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"LightGBM {lightgbm.__version__}"
    )
    for trees, leaves in SIZES:
        size = f"{trees} trees of {leaves} leaves"
        compare(f"{size}, drawn", *model(trees, leaves), asked.rows)
        if asked.data is not None:
            compare(f"{size}, published", *published(asked.data, trees, leaves), asked.rows)


if __name__ == "__main__":
    main()
