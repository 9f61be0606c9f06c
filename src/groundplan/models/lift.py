"""Lift and gain: how many of the positives the highest scores hold, against drawing at random."""

from typing import Final

import numpy as np
from msgspec import Struct

from groundplan.models.intervals import Interval, resampled
from groundplan.models.metrics import Ranked
from groundplan.models.scorer import Bools, Floats, Indices

SHARES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the rows that score highest, at which lift and gain are told."""

POINTS: Final = 100
"""Of the drawn curve."""


class Point(Struct, frozen=True):
    """What a share of the rows holds, those of the highest scores.

    Args:
        share: of the rows, 0 to 1.
        gain: the share of all positives among them.
        lift: that share over the share of the rows: 1 is what drawing at random gives.
    """

    share: float
    gain: Interval
    lift: Interval


class Lift(Struct, frozen=True):
    """Lift and gain of scored rows.

    Args:
        points: at `SHARES`, with intervals.
        curve: the gain at 0, 1, ..., 100 % of the rows, without.
    """

    points: tuple[Point, ...]
    curve: tuple[float, ...]


def lift(
    scores: Floats, label: Bools, cluster: Indices, *, resamples: int = 200, seed: int = 0
) -> Lift:
    """Lift and gain with percentile intervals over resampled clusters.

    Args:
        scores: float64[n].
        label: bool[n].
        cluster: int64[n], whose rows are drawn together.
        resamples: how many times.
        seed: of the drawing.

    Raises:
        InputError: the shapes differ, a score is NaN, or there is no row.
    """
    ranked, shares = Ranked(label, scores), np.array(SHARES)
    gains = resampled(
        lambda weight: ranked.gains(shares, weight).tolist(),
        cluster,
        resamples=resamples,
        seed=seed,
    )
    points = tuple(
        Point(share, gain, Interval(gain.value / share, gain.low / share, gain.high / share))
        for share, gain in zip(SHARES, gains, strict=True)
    )
    return Lift(points, tuple(ranked.gains(np.linspace(0, 1, POINTS + 1)).tolist()))
