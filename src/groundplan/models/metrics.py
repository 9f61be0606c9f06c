"""Figures of quality on scored rows: ROC AUC, average precision and card precision.

All take whole-number or real weights, a row of weight 2 counting as two equal rows, so that a
bootstrap resample is a vector of weights and the rows are sorted once.
"""

import numpy as np
import numpy.typing as npt

from groundplan.errors import InputError
from groundplan.models.scorer import Bools, Floats, Indices

Weights = npt.NDArray[np.float64]


class Ranked:
    """Rows in order of falling score, ties together; sorted once for any number of weightings.

    Args:
        fraud: bool[n], true for the positive class.
        scores: float64[n], higher is more likely positive.

    Raises:
        InputError: the shapes differ, a score is NaN, or there is no row.
    """

    def __init__(self, fraud: Bools, scores: Floats) -> None:
        fraud, scores = checked(fraud, scores)
        self._order = np.argsort(-scores, kind="stable")
        falling = scores[self._order]
        self._ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        self._fraud = fraud[self._order]

    def roc_auc(self, weight: Weights | None = None) -> float:
        """The probability that a positive scores above a negative, a tie counting one half.

        NaN where one of the classes has no weight.
        """
        hits, total = self._cumulated(weight)
        positives, negatives = hits[-1], total[-1] - hits[-1]
        if positives <= 0 or negatives <= 0:
            return float("nan")
        false = total - hits
        area = np.sum(np.diff(false, prepend=0.0) * (hits + np.append(0.0, hits[:-1]))) / 2
        return float(area / (positives * negatives))

    def average_precision(self, weight: Weights | None = None) -> float:
        """The precision at each distinct score, averaged over the recall that it adds.

        NaN where the positive class has no weight.
        """
        hits, total = self._cumulated(weight)
        if hits[-1] <= 0:
            return float("nan")
        gained = np.diff(hits, prepend=0.0)
        precision = np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
        return float(np.sum(gained * precision) / hits[-1])

    def gains(self, shares: Floats, weight: Weights | None = None) -> Floats:
        """The share of all positives among the given shares of the rows that score highest.

        Of rows of one score, those inside are drawn: what is given is the mean over all draws.
        NaN where the positive class has no weight.

        Args:
            shares: float64[s], 0 to 1.
            weight: float64[n] or None.
        """
        hits, total = self._cumulated(weight)
        if hits[-1] <= 0:
            return np.full(len(shares), np.nan)
        found = np.interp(shares * total[-1], np.append(0.0, total), np.append(0.0, hits))
        return np.asarray(found / hits[-1], dtype=np.float64)

    def _cumulated(self, weight: Weights | None) -> tuple[Floats, Floats]:
        """Weight of the positives and of all rows down to each distinct score."""
        if weight is None:
            hits = np.cumsum(self._fraud, dtype=np.float64)
            total = np.arange(1.0, len(hits) + 1.0)
        else:
            falling = weight[self._order]
            hits, total = np.cumsum(falling * self._fraud), np.cumsum(falling)
        return hits[self._ends], total[self._ends]


def roc_auc(fraud: Bools, scores: Floats, weight: Weights | None = None) -> float:
    """The area under the ROC curve; NaN where one class is absent (see `Ranked`)."""
    return Ranked(fraud, scores).roc_auc(weight)


class Cards:
    """Each day's cards in order of falling score, prepared once for any number of weightings.

    A card's score on a day is the greatest of its rows, and it is a hit when one of them is
    fraud. Cards of the same score stand in the order of their numbers.

    Args:
        scores: float64[n].
        fraud: bool[n].
        customer: int64[n], the card's number.
        day: int64[n], the day's number.
    """

    def __init__(self, scores: Floats, fraud: Bools, customer: Indices, day: Indices) -> None:
        fraud, scores = checked(fraud, scores)
        self.customers, card = np.unique(customer, return_inverse=True)
        self._days: list[tuple[Indices, Bools]] = []
        for number in np.unique(day):
            rows = np.flatnonzero(day == number)
            cards, place = np.unique(card[rows], return_inverse=True)
            best = np.full(len(cards), -np.inf)
            np.maximum.at(best, place, scores[rows])
            hit = np.zeros(len(cards), dtype=np.bool_)
            np.logical_or.at(hit, place, fraud[rows])
            falling = np.argsort(-best, kind="stable")
            self._days.append((cards[falling], hit[falling]))

    def precision(self, k: int = 100, weight: Indices | None = None) -> float:
        """The share of frauds among each day's k highest cards, averaged over the days.

        A card that is detected, that is, among a day's k and fraudulent, is blocked and left out
        on later days. A day with fewer than k cards still divides by k. After Le Borgne et al.,
        chapter 4.

        Args:
            k: how many cards are looked into in a day.
            weight: int64[c], how many copies of each card (in the order of `customers`) there
                are; copies are cards of their own, one after the other.
        """
        left = np.ones(len(self.customers), dtype=np.int64) if weight is None else weight.copy()
        found = 0
        for cards, hit in self._days:
            copies = left[cards]
            before = np.cumsum(copies) - copies
            looked_into = np.clip(k - before, 0, copies)
            detected = looked_into * hit
            left[cards] -= detected
            found += int(detected.sum())
        return found / (k * len(self._days))


def checked(fraud: Bools, scores: Floats) -> tuple[Bools, Floats]:
    """Labels and scores of the same length, without NaN.

    Raises:
        InputError: they are not.
    """
    fraud, scores = np.asarray(fraud), np.asarray(scores, dtype=np.float64)
    if scores.ndim != 1 or fraud.shape != scores.shape or not len(scores):
        raise InputError(
            "scores",
            f"scores of shape {scores.shape}, labels of shape {fraud.shape}: give one score and "
            "one label for each of at least one row",
        )
    if fraud.dtype != np.bool_:
        raise InputError("fraud", f"labels of type {fraud.dtype}: give bools")
    if np.isnan(scores).any():
        raise InputError("scores", "a score is NaN: rank rows only by scores that are numbers")
    return fraud, scores
