"""How sure a figure is: bootstrap intervals that resample whole customers.

Rows of one customer resemble each other, so that rows drawn one by one would make the intervals
too narrow. Customers are drawn with replacement instead (the cluster bootstrap; Field and Welsh,
2007), and a resample is a whole number of copies for each of them.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from groundplan.models.metrics import Cards, Ranked, Weights
from groundplan.models.scorer import Bools, Floats, Indices

Progress = Callable[[int, int], None]


class Interval(msgspec.Struct, frozen=True):
    """A figure on the rows as they are, and the bounds that resampled rows keep within."""

    value: float
    low: float
    high: float


class Evaluation(msgspec.Struct, frozen=True):
    """The three figures of the published protocol."""

    roc_auc: Interval
    average_precision: Interval
    card_precision: Interval


def evaluate(
    scores: Floats,
    fraud: Bools,
    customer: Indices,
    day: Indices,
    *,
    k: int = 100,
    resamples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """The figures of scored test rows with percentile intervals over resampled customers.

    Args:
        scores: float64[n].
        fraud: bool[n].
        customer: int64[n], the cluster of each row.
        day: int64[n], day numbers.
        k: cards looked into in a day.
        resamples: how many times the customers are drawn; 0 gives intervals of no width.
        confidence: the share of the resamples that the interval holds.
        seed: the same seed draws the same customers.
        progress: told the resamples done and wanted, after each.
    """
    ranked, cards = Ranked(fraud, scores), Cards(scores, fraud, customer, day)
    values = (ranked.roc_auc(), ranked.average_precision(), cards.precision(k))
    cluster = np.searchsorted(cards.customers, customer)
    drawn = np.random.default_rng(seed)
    figures = np.empty((resamples, len(values)))
    for done in range(resamples):
        picks = drawn.integers(len(cards.customers), size=len(cards.customers))
        copies = np.bincount(picks, minlength=len(cards.customers))
        weight = copies[cluster].astype(np.float64)
        figures[done] = (
            ranked.roc_auc(weight),
            ranked.average_precision(weight),
            cards.precision(k, copies),
        )
        if progress is not None:
            progress(done + 1, resamples)
    return Evaluation(*map(_interval, values, figures.T, [confidence] * len(values)))


def resampled(
    figures: Callable[[Weights | None], Sequence[float]],
    cluster: Indices,
    *,
    resamples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Interval]:
    """Any figures of rows with percentile intervals over resampled clusters.

    Args:
        figures: computes them all with a weight per row, float64[n]; None is 1 for each.
        cluster: int64[n], whose rows are drawn together.
        resamples: how many times clusters are drawn; 0 gives intervals of no width.
        confidence: the share of the resamples that an interval holds.
        seed: the same seed draws the same clusters.
        progress: told the resamples done and wanted, after each.
    """
    values = [float(each) for each in figures(None)]
    members, cluster = np.unique(cluster, return_inverse=True)
    drawn = np.random.default_rng(seed)
    found = np.empty((resamples, len(values)))
    for done in range(resamples):
        picks = drawn.integers(len(members), size=len(members))
        copies = np.bincount(picks, minlength=len(members)).astype(np.float64)
        found[done] = figures(copies[cluster])
        if progress is not None:
            progress(done + 1, resamples)
    return [_interval(*each, confidence) for each in zip(values, found.T, strict=True)]


def _interval(value: float, resampled: Floats, confidence: float) -> Interval:
    """Percentiles of the resamples; one that drew no fraud at all says nothing and is left out."""
    told = resampled[~np.isnan(resampled)]
    if not len(told):
        return Interval(value, value, value)
    low, high = np.quantile(told, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
