"""How good probabilities are: ranking, distance from the truth and calibration, with intervals."""

from typing import Final

import msgspec
import numpy as np

from groundplan.models.calibration import Calibration
from groundplan.models.intervals import Interval, Progress, resampled
from groundplan.models.metrics import Ranked, Weights, checked
from groundplan.models.scorer import Bools, Floats, Indices

LEAST: Final = 1e-15
"""Probabilities are held this far from 0 and 1 in logarithms, as scikit-learn does."""


class Figures(msgspec.Struct, frozen=True):
    """What is told of scored rows.

    Args:
        roc_auc: the probability that a positive scores above a negative.
        average_precision: of the ranking; the base rate where it says nothing.
        log_loss: mean negative logarithm of the probability of what came, in nats.
        brier: mean squared distance from what came (Brier, 1950).
        calibration_error: see `Calibration.error`.
    """

    roc_auc: Interval
    average_precision: Interval
    log_loss: Interval
    brier: Interval
    calibration_error: Interval


class Distances:
    """How far probabilities are from what came, prepared once for any number of weightings.

    Args:
        label: bool[n].
        scores: float64[n], probabilities.
    """

    def __init__(self, label: Bools, scores: Floats) -> None:
        held = np.clip(scores, LEAST, 1 - LEAST)
        self._surprise = np.where(label, -np.log(held), -np.log1p(-held))
        self._square = (scores - label) ** 2

    def log_loss(self, weight: Weights | None = None) -> float:
        """Mean negative logarithm of the probability of what came, in nats."""
        return float(np.average(self._surprise, weights=weight))

    def brier(self, weight: Weights | None = None) -> float:
        """Mean squared distance of the probabilities from what came, 0 to 1."""
        return float(np.average(self._square, weights=weight))


def judged(
    scores: Floats,
    label: Bools,
    cluster: Indices,
    *,
    resamples: int = 200,
    seed: int = 0,
    progress: Progress | None = None,
) -> Figures:
    """The figures of scored rows, with percentile intervals over resampled clusters.

    The calibration error's interval is turned about its value (the basic bootstrap), since
    resampling adds to the error what chance had added to it before.

    Args:
        scores: float64[n], probabilities.
        label: bool[n].
        cluster: int64[n], whose rows are drawn together.
        resamples: how many times.
        seed: of the drawing.
        progress: told the resamples done and wanted.

    Raises:
        InputError: the shapes differ, a score is no probability, or there is no row.
    """
    label, scores = checked(label, scores)
    ranked, calibration = Ranked(label, scores), Calibration(label, scores)
    distances = Distances(label, scores)

    def figures(weight: Weights | None) -> tuple[float, ...]:
        return (
            ranked.roc_auc(weight),
            ranked.average_precision(weight),
            distances.log_loss(weight),
            distances.brier(weight),
            calibration.error(weight),
        )

    found = resampled(figures, cluster, resamples=resamples, seed=seed, progress=progress)
    auc, precision, loss, square_error, error = found
    low, high = (max(0.0, 2 * error.value - end) for end in (error.high, error.low))
    turned = Interval(error.value, min(low, error.value), max(high, error.value))
    return Figures(auc, precision, loss, square_error, turned)
