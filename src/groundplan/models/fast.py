"""Many rows at once by the fastest evaluator that gives a model's own bits."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from groundplan.errors import InputError
from groundplan.models.boosted import Trees
from groundplan.models.forest import Forest
from groundplan.models.scorer import Floats, Scorer, checked_matrix
from groundplan.models.xgboost import XGBoostTrees

if TYPE_CHECKING:
    import pyarrow as pa

Evaluate = Callable[[Any], Floats]
"""The probabilities of float64[n, F], or of an Arrow table of F columns."""

_DRAWN: Final = 512  # rows of the model's own cuts on which an evaluator is held to its bits
_GIVEN: Final = 2_000  # rows of the caller's sample that are looked at
_SINGLE: Final = float(np.finfo(np.float32).max)


class Fast:
    """A model for many rows; every score is the very bits that the model's `scores` gives.

    Any number of threads may ask at once; the trees' evaluators let go of the GIL.

    Args:
        model: what it stands for.
        engine: what computes, in words, and why nothing faster does.
        matrix: the probabilities of float64[n, F].
        arrow: the same of Arrow columns of float64; None where only a matrix will do.
    """

    def __init__(
        self, model: Scorer, engine: str, matrix: Evaluate, arrow: Evaluate | None = None
    ) -> None:
        self.names, self.engine = model.names, engine
        self._model, self._matrix, self._arrow = model, matrix, arrow

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F], as the model gives it."""
        return self._model.score(row)

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F].

        Raises:
            InputError: the rows have another width.
        """
        matrix = checked_matrix(matrix, len(self.names))
        return self._matrix(matrix) if len(matrix) else np.empty(0)

    def columns(self, table: "pa.Table | pa.RecordBatch") -> Floats:
        """The probabilities of an Arrow table's rows; a null is a missing value.

        Columns of float64 are read where they lie. Others, and all of them where the evaluator
        needs a matrix, are copied into one.

        Raises:
            InputError: the columns are not the model's inputs in their order.
        """
        import pyarrow as pa

        if tuple(table.schema.names) != self.names:
            raise InputError(
                "columns",
                f"{', '.join(table.schema.names)}: the model takes {', '.join(self.names)}, in "
                "this order",
            )
        plain = all(each == pa.float64() for each in table.schema.types)
        if self._arrow is not None and plain and table.num_rows:
            return self._arrow(table)
        return self.scores(_dense(table))


def fast(model: Scorer, sample: Floats | None = None, threads: int | None = None) -> Fast:
    """The fastest evaluator of a model that was found to give its very bits.

    Boosted trees of LightGBM and XGBoost are computed by lignum where it is installed. It is
    believed only after it gave the bits of the model on rows drawn from the model's own cuts
    (on a cut, next to it, missing, zero, nearly zero, huge, infinite) and on those of the sample;
    else, and for all other families, the model computes as ever. `engine` says which.

    Args:
        model: any scorer.
        sample: float64[n, F], rows such as it will meet; the first two thousand are looked at.
        threads: that compute at once; None for all cores that this process may use.

    Raises:
        InputError: the sample has another width than the model's.
    """
    threads = threads or _cores()
    if not isinstance(model, Trees | XGBoostTrees):
        return Fast(model, f"{type(model).__name__}, as it is", model.scores)
    own, slow = _own(model, threads)
    try:
        import lignum
    except ImportError:
        return Fast(model, f"{own} (pip install pylignum: the same bits, faster)", slow)
    rows = _drawn(model.parsed)
    if sample is not None:
        rows = np.concatenate([rows, checked_matrix(sample, len(model.names))[:_GIVEN]])
    bounded = isinstance(model, XGBoostTrees) or _split_at_the_end(model.parsed)
    try:
        evaluate = _lignum(lignum, model.text, threads)
        if bounded:
            evaluate = _bounding(evaluate, model)
        same = evaluate(rows).tobytes() == model.scores(rows).tobytes()
    except (RuntimeError, ValueError, OSError) as error:
        return Fast(model, f"{own} (lignum {lignum.__version__} refused the model: {error})", slow)
    if not same:
        return Fast(model, f"{own} (lignum {lignum.__version__} gave other bits)", slow)
    engine = f"lignum {lignum.__version__}, {_counted(threads)}"
    return Fast(model, engine, evaluate, None if bounded else evaluate)


def _dense(table: "pa.Table | pa.RecordBatch") -> Floats:
    """The columns of an Arrow table as float64[n, F]; a null is NaN."""
    found = np.empty((table.num_rows, table.num_columns))
    for place in range(table.num_columns):
        column = table.column(place).cast("float64")
        found[:, place] = column.to_numpy(zero_copy_only=False) if table.num_rows else 0.0
    return found


def _own(model: Trees | XGBoostTrees, threads: int) -> tuple[str, Evaluate]:
    """What the model's own library is called here, and its evaluator."""
    if isinstance(model, Trees):
        return f"LightGBM, {_counted(threads)}", lambda asked: model.scores(asked, threads)
    return "XGBoost, 1 thread", model.scores


def _counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _lignum(library: Any, text: str, threads: int) -> Evaluate:
    """The model as lignum reads it, from a file that is gone when this returns."""
    with tempfile.TemporaryDirectory(prefix="groundplan-") as folder:
        file = Path(folder) / "model"
        file.write_text(text)
        read = library.load(str(file))

    def evaluate(asked: Any) -> Floats:
        return np.asarray(read.predict(asked, n_jobs=threads), dtype=np.float64)

    return evaluate


def _bounding(evaluate: Evaluate, model: Trees | XGBoostTrees) -> Evaluate:
    """An evaluator that meets infinite and huge values as the model's own library does."""
    if isinstance(model, XGBoostTrees):  # `scores` bounds the inputs too
        return lambda asked: evaluate(np.clip(asked, -_SINGLE, _SINGLE))

    def scores(asked: Floats) -> Floats:
        found = evaluate(asked)
        endless = np.isinf(asked).any(axis=1)
        if endless.any():
            found[endless] = model.scores(asked[endless])
        return found

    return scores


def _split_at_the_end(forest: Forest) -> bool:
    """Whether a node tells missing values from all numbers, by a threshold above all of them.

    LightGBM sends infinity to the right of the greatest number, and lignum to the left.
    """
    return any(abs(node.threshold) > 1e308 for tree in forest.trees for node in tree.nodes)


def _drawn(forest: Forest) -> Floats:
    """Rows on which an evaluator that differs in a rule would show it, float64[n, F]."""
    drawn = np.random.default_rng(0)
    cuts: dict[int, list[float]] = {}
    for tree in forest.trees:
        for node in tree.nodes:
            cuts.setdefault(node.feature, []).append(node.threshold)
    rows = np.empty((_DRAWN, len(forest.names)))
    odd = [np.nan, np.nan, 0.0, -0.0, 1e-36, -1e-36, 1e-30, 1e300, -1e300, np.inf, -np.inf]
    for feature in range(len(forest.names)):
        on = np.array(cuts.get(feature, [0.0]))
        near = [np.nextafter(on, -np.inf), np.nextafter(on, np.inf)]
        single = on.astype(np.float32).astype(np.float64)
        values = drawn.choice(np.concatenate([on, *near, single]), _DRAWN)
        strange = drawn.random(_DRAWN) < 0.2
        values[strange] = drawn.choice(odd, strange.sum())
        rows[:, feature] = values
    return rows
