"""Logistic regression on standardised inputs: the baseline to beat and the server's fallback.

scikit-learn fits it; scoring needs NumPy alone. A missing value (NaN) counts as the input's mean
over the training rows, so that it moves the score neither way.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from groundplan.durable import written
from groundplan.models.explainer import EXACT, Attribution
from groundplan.models.file import decoded
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
    checked_training,
)

FILE = "linear.json"


class Linear(msgspec.Struct, frozen=True):
    """A fitted model: log-odds = intercept + the sum of coefficient * (value - mean) / scale.

    Args:
        names: the inputs, in the order of a row's columns.
        coefficients: per standard deviation of each input.
        means: of each input over the training rows.
        scales: standard deviations over the training rows, 1 for an input that never varies.
        intercept: log-odds of a row at the means.
    """

    names: tuple[str, ...]
    coefficients: tuple[float, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        """Refuses a file whose parts do not fit each other."""
        columns = (self.names, self.coefficients, self.means, self.scales)
        if len({len(column) for column in columns}) > 1:
            raise ValueError("names, coefficients, means and scales differ in length")

    def score(self, row: Floats) -> float:
        """The probability of one row, float64[F]."""
        raw = self.intercept
        terms = zip(
            checked_row(row, len(self.names)).tolist(),
            self.coefficients,
            self.means,
            self.scales,
            strict=True,
        )
        for value, coefficient, mean, scale in terms:
            if not math.isnan(value):
                raw += (value - mean) / scale * coefficient
        return _probability(raw)

    def scores(self, matrix: Floats) -> Floats:
        """The probabilities of many rows, float64[n, F]; each the very bits that `score` gives."""
        matrix = checked_matrix(matrix, len(self.names))
        # Column by column and in order, as `score` adds: a matrix product adds in another order.
        raw = np.full(len(matrix), self.intercept)
        for column, terms in enumerate(
            zip(self.coefficients, self.means, self.scales, strict=True)
        ):
            coefficient, mean, scale = terms
            part = (matrix[:, column] - mean) / scale * coefficient
            raw += np.where(np.isnan(matrix[:, column]), 0.0, part)
        return np.fromiter(map(_probability, raw.tolist()), np.float64, len(raw))

    @property
    def faithful(self) -> str:
        """How far `row` can be believed."""
        return EXACT

    def row(self, row: Floats) -> Attribution:
        """What each input of one row added: its coefficient times (value - mean) / scale.

        The base is the log-odds of a row at the means; a missing value adds nothing.
        """
        values = checked_row(row, len(self.names))
        return Attribution(self.rows(values[None])[0], self.intercept)

    def rows(self, matrix: Floats) -> Floats:
        """What each input of many rows added, float64[n, F]: the very bits of `row` for each."""
        values = checked_matrix(matrix, len(self.names))
        scaled: Floats = (values - np.array(self.means)) / np.array(self.scales)
        scaled *= np.array(self.coefficients)
        scaled[np.isnan(values)] = 0.0
        return scaled

    def save(self, folder: Path) -> None:
        """Writes `linear.json` into the folder."""
        written(folder / FILE, msgspec.json.encode(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: the file is missing or damaged.
        """
        return decoded(folder / FILE, cls)


class Logistic(msgspec.Struct, frozen=True):
    """How a `Linear` is fitted: maximum likelihood with an L2 penalty, by L-BFGS.

    Args:
        l2: strength of the penalty on the coefficients, 1 being scikit-learn's default.
        rounds: the most iterations.
    """

    l2: float = 1.0
    rounds: int = 1000

    def train(
        self,
        x: Floats,
        y: Bools,
        names: tuple[str, ...],
        progress: Callable[[int, int], None] | None = None,
    ) -> Linear:
        """Fits float64[n, F] inputs to bool[n] labels; `progress` is told once it is done.

        Raises:
            InputError: shapes or names do not fit each other, or a value is infinite.
            BuildError: only one class is present.
        """
        from sklearn.linear_model import LogisticRegression

        x, y = checked_training(x, y, tuple(names))
        missing = np.isnan(x)
        present = np.maximum(len(x) - missing.sum(axis=0), 1)
        means = np.where(missing, 0.0, x).sum(axis=0) / present
        centred = np.where(missing, 0.0, x - means)
        scales = np.sqrt((centred**2).sum(axis=0) / present)
        scales[scales == 0] = 1.0
        fitted = LogisticRegression(C=1 / self.l2, max_iter=self.rounds)
        fitted.fit(centred / scales, y)
        if progress is not None:
            progress(1, 1)
        return Linear(
            names=tuple(names),
            coefficients=tuple(fitted.coef_[0].tolist()),
            means=tuple(means.tolist()),
            scales=tuple(scales.tolist()),
            intercept=float(fitted.intercept_[0]),
        )


def _probability(raw: float) -> float:
    """The logistic function, without overflow at either end."""
    if raw >= 0:
        return 1 / (1 + math.exp(-raw))
    odds = math.exp(raw)
    return odds / (1 + odds)
