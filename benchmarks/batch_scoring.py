"""Many rows scored by boosted trees: ours beside bare `lightgbm.Booster.predict` on a ready matrix.

    python benchmarks/batch_scoring.py [--rows 10000000] [--trees 300] [--threads 1 2]

Drawn rows of 30 features with missing values, whole numbers and ties, a million at a time, so
that any number of rows fits into memory. Each block is scored by every way by turns, so that a
busy machine slows all of them, and all scores are compared to the bit. Ours reads the matrix, or
Arrow columns where they lie. Times are the processor's, per core, and of the clock.
"""

import argparse
import platform
import time
from collections.abc import Callable

import lightgbm
import numpy as np
import pyarrow as pa

from groundplan.models.boosted import BoostedTrees, Trees
from groundplan.models.fast import fast
from groundplan.models.scorer import Floats

WIDTH = 30
BLOCK = 1_000_000
TRAINING_ROWS = 50_000

Way = Callable[[Floats, pa.RecordBatch], Floats]


def drawn(rows: int, seed: int) -> Floats:
    """Rows with 2 % of missing values; six of the columns have one decimal place."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, WIDTH))
    x[:, :6] = np.round(x[:, :6], 1)
    x[random.random(x.shape) < 0.02] = np.nan
    return x


def model(trees: int, leaves: int) -> Trees:
    """A model of this size."""
    x = drawn(TRAINING_ROWS, 0)
    known = np.nan_to_num(x)
    raw = known[:, 0] * known[:, 1] + np.sin(known[:, 2:12]).sum(axis=1) + known[:, 12:].sum(axis=1)
    y = raw + np.random.default_rng(1).normal(size=len(x)) > 3
    spec = BoostedTrees(trees=trees, leaves=leaves, threads=2)
    return spec.train(x, y, tuple(f"x{column}" for column in range(WIDTH)))


def ways(trees: Trees, threads: int) -> dict[str, Way]:
    """Each way of scoring, the floor first."""
    booster = lightgbm.Booster(model_str=trees.text)
    quick = fast(trees, drawn(2_000, 2), threads)
    return {
        "LightGBM, matrix": lambda x, _: np.asarray(booster.predict(x, num_threads=threads)),
        f"ours ({quick.engine}), matrix": lambda x, _: quick.scores(x),
        f"ours ({quick.engine}), Arrow": lambda _, columns: quick.columns(columns),
    }


def compare(trees: Trees, rows: int, threads: int) -> None:
    """Prints one table for a number of threads."""
    every = ways(trees, threads)
    cpu, wall = dict.fromkeys(every, 0.0), dict.fromkeys(every, 0.0)
    for number, start in enumerate(range(0, rows, BLOCK)):
        x = drawn(min(BLOCK, rows - start), 10 + number)
        columns = pa.RecordBatch.from_arrays(
            [pa.array(np.ascontiguousarray(column)) for column in x.T], list(trees.names)
        )
        expected = None
        for way, score in every.items():
            clock, spent = time.perf_counter(), time.process_time()
            found = score(x, columns)
            wall[way] += time.perf_counter() - clock
            cpu[way] += time.process_time() - spent
            expected = found if expected is None else expected
            if found.tobytes() != expected.tobytes():
                raise SystemExit(f"{way} gave other bits than LightGBM")
    floor = next(iter(every))
    print(f"\n{rows:,} rows, {threads} thread{'s' if threads > 1 else ''}, all bits equal")
    for way in every:
        print(
            f"  {way:46} {wall[way]:8.2f} s  {cpu[way] / rows * 1e9:8.0f} ns/row of processor  "
            f"{wall[way] / wall[floor]:5.2f} of LightGBM's time"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows to score")
    parser.add_argument("--trees", type=int, default=300, help="trees of the model")
    parser.add_argument("--leaves", type=int, default=16, help="leaves of a tree")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="by turns")
    asked = parser.parse_args()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, LightGBM "
        f"{lightgbm.__version__}; {asked.trees} trees of {asked.leaves} leaves, {WIDTH} features"
    )
    trees = model(asked.trees, asked.leaves)
    for threads in asked.threads:
        compare(trees, asked.rows, threads)


if __name__ == "__main__":
    main()
