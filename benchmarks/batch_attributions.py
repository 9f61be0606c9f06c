"""Exact attributions for many rows, and their reason codes, beside LightGBM's `pred_contrib`.

    python benchmarks/batch_attributions.py [--rows 1000000] [--trees 300]

The model and rows of `batch_scoring.py`. Ours explains all rows, LightGBM (and FastTreeSHAP
where it is installed) as many as `--beside` says, since it takes far longer for each; every value
of those is compared. Times are the processor's, on one thread, so a busy machine changes little.
"""

import argparse
import importlib.util
import platform
import time
from collections.abc import Callable

import lightgbm
import numpy as np
from batch_scoring import drawn, model

from groundplan.models.attributions import Attributions
from groundplan.models.boosted import Trees
from groundplan.models.codes import Coded, Reasons
from groundplan.models.fast import fast
from groundplan.models.reasons import Word, Words
from groundplan.models.scorer import Floats

BLOCK = 1 << 18


def spent(work: Callable[[Floats], object], rows: Floats) -> float:
    """Seconds of processor that the rows take, block by block."""
    start = time.process_time()
    for at in range(0, len(rows), BLOCK):
        work(rows[at : at + BLOCK])
    return time.process_time() - start


def beside(trees: Trees) -> dict[str, Callable[[Floats], Floats]]:
    """Other ways to the same values, float64[n, F]."""
    booster = lightgbm.Booster(model_str=trees.text)
    found: dict[str, Callable[[Floats], Floats]] = {
        "LightGBM pred_contrib": lambda rows: np.asarray(
            booster.predict(rows, pred_contrib=True, num_threads=1)
        )[:, :-1]
    }
    if importlib.util.find_spec("fasttreeshap") is not None:
        import fasttreeshap  # type: ignore[import-not-found]  # compared only where it is

        explainer = fasttreeshap.TreeExplainer(booster, algorithm="v1", n_jobs=1)
        found["FastTreeSHAP v1"] = lambda rows: np.asarray(
            explainer.shap_values(rows, check_additivity=False)
        ).reshape(-1, len(rows), len(trees.names))[-1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000, help="rows that ours explains")
    parser.add_argument("--beside", type=int, default=2_000, help="rows that the others explain")
    parser.add_argument("--trees", type=int, default=300, help="trees of the model")
    parser.add_argument("--leaves", type=int, default=16, help="leaves of a tree")
    asked = parser.parse_args()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"LightGBM {lightgbm.__version__}; {asked.trees} trees of {asked.leaves} leaves"
    )
    trees = model(asked.trees, asked.leaves)
    exact = Attributions.of(trees)
    rows = drawn(asked.rows, 10)
    few = rows[: asked.beside]
    told = exact.rows(few)
    if any(told[at].tobytes() != exact.row(few[at]).contributions.tobytes() for at in range(200)):
        raise SystemExit("many rows differ from one by one")

    def line(way: str, seconds: float, count: int) -> float:
        taken = seconds / count
        print(f"  {way:46} {taken * 1e6:9.2f} us/row  {taken * 1e9 / asked.trees:8.1f} ns/row/tree")
        return taken

    print(f"\n{asked.rows:,} rows of {len(trees.names)} features, one thread")
    scoring = line("scores, for comparison", spent(fast(trees, threads=1).scores, rows), len(rows))
    ours = line("attributions", spent(exact.rows, rows), len(rows))
    kept = np.random.default_rng(3).integers(0, len(rows) // 10, len(rows))
    line("  rows that stand ten times each", spent(exact.rows, rows[kept]), len(rows))
    words = Words([Word(name, name, "number", name) for name in trees.names])
    codes = Coded(words, Reasons(top=4))
    added = exact.rows(rows[: BLOCK // 2])
    line("reason codes, top 4", spent(codes.choose, added), len(added))
    print(
        f"  attributions take {ours / scoring:.1f} times as long as scores, for rows that need any"
    )
    print(f"\n{len(few):,} of these rows")
    line("attributions", spent(exact.rows, few), len(few))
    for way, explain in beside(trees).items():
        error = float(np.abs(explain(few[:500]) - told[:500]).max())
        theirs = line(way, spent(explain, few), len(few))
        print(f"    {theirs / ours:.0f} times ours in bulk; differs by {error:.1e} at most")
        if error > 1e-9:
            raise SystemExit(f"the values differ from {way}'s by {error}")


if __name__ == "__main__":
    main()
