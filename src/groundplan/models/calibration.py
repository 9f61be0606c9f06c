"""Calibration: whether rows scored 0.2 turn out positive in 2 of 10 cases."""

import numpy as np
from msgspec import Struct

from groundplan.errors import InputError
from groundplan.models.intervals import Interval, resampled
from groundplan.models.metrics import Weights, checked
from groundplan.models.scorer import Bools, Floats, Indices


class Bin(Struct, frozen=True):
    """Rows of neighbouring scores.

    Args:
        low, high: their least and greatest score.
        rows: how many.
        score: their mean score.
        rate: the share of them that is positive, with an interval over resampled keys.
    """

    low: float
    high: float
    rows: int
    score: float
    rate: Interval


class Calibration:
    """Scored rows in bins of equal size, cut once for any number of weightings.

    Equal scores share a bin, so that bins of many ties are larger and there may be fewer.

    Args:
        label: bool[n].
        scores: float64[n], probabilities.
        bins: how many at most.

    Raises:
        InputError: the shapes differ, a score is NaN or no probability, or there is no row.
    """

    def __init__(self, label: Bools, scores: Floats, bins: int = 10) -> None:
        self._label, self._scores = checked(label, scores)
        if self._scores.min() < 0 or self._scores.max() > 1:
            raise InputError("scores", "a score is outside 0 to 1: only probabilities calibrate")
        rising = np.sort(self._scores)
        ends = rising[np.arange(1, bins) * len(rising) // bins]
        place = np.searchsorted(np.unique(ends), self._scores, side="right")
        _, self._bin = np.unique(place, return_inverse=True)
        self.bins = int(self._bin.max()) + 1

    def error(self, weight: Weights | None = None) -> float:
        """The expected calibration error: mean |rate - mean score| of the bins, by their weight.

        After Naeini et al., 2015, with bins of equal size. Chance alone puts it above 0.
        """
        total, score, positive = self._sums(weight)
        return float(np.abs(positive - score).sum() / total.sum())

    def rates(self, weight: Weights | None = None) -> Floats:
        """The share of positives in each bin, float64[bins]; NaN where a bin has no weight."""
        total, _, positive = self._sums(weight)
        rates = np.full(self.bins, np.nan)
        np.divide(positive, total, out=rates, where=total > 0)
        return rates

    def curve(self, cluster: Indices, resamples: int = 200, seed: int = 0) -> tuple[Bin, ...]:
        """The bins from the lowest scores to the highest, with intervals over resampled clusters.

        Args:
            cluster: int64[n], whose rows are drawn together.
            resamples: how many times.
            seed: of the drawing.
        """

        def rates(weight: Weights | None) -> list[float]:
            return [float(rate) for rate in self.rates(weight)]

        found = resampled(rates, cluster, resamples=resamples, seed=seed)
        total, score, _ = self._sums(None)
        return tuple(
            Bin(
                low=float(self._scores[self._bin == at].min()),
                high=float(self._scores[self._bin == at].max()),
                rows=int(total[at]),
                score=float(score[at] / total[at]),
                rate=rate,
            )
            for at, rate in enumerate(found)
        )

    def _sums(self, weight: Weights | None) -> tuple[Floats, Floats, Floats]:
        """Weight, weighted scores and weighted positives of each bin."""
        each = np.ones(len(self._scores)) if weight is None else weight
        of = (each, each * self._scores, each * self._label)
        total, score, positive = (
            np.bincount(self._bin, values, self.bins).astype(np.float64) for values in of
        )
        return total, score, positive
