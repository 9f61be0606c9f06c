"""Figures of probabilities, each against a loop over the rows, scikit-learn or known values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from groundplan.errors import InputError
from groundplan.models.calibration import Calibration
from groundplan.models.lift import SHARES, lift
from groundplan.models.metrics import Ranked
from groundplan.models.probabilities import Distances, judged

Rows = list[tuple[int, bool, int]]

rows_ = st.lists(
    st.tuples(st.integers(0, 16), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
)


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([score / 16 for score, _, _ in rows]),
        np.array([hit for _, hit, _ in rows]),
        np.array([float(weight) for _, _, weight in rows]),
    )


@given(rows_)
def test_a_weight_counts_as_copies(rows: Rows) -> None:
    """A row of weight 2 counts as two equal rows, in every figure; weight 0 as none."""
    scores, label, weight = arrays(rows)
    copies = weight.astype(np.int64)
    if not copies.sum():
        return
    many, hits = np.repeat(scores, copies), np.repeat(label, copies)
    weighted, copied = Distances(label, scores), Distances(hits, many)
    assert weighted.brier(weight) == pytest.approx(copied.brier())
    assert weighted.log_loss(weight) == pytest.approx(copied.log_loss())
    shares = np.array(SHARES)
    assert Ranked(label, scores).gains(shares, weight) == pytest.approx(
        Ranked(hits, many).gains(shares), nan_ok=True
    )


@given(rows_)
def test_log_loss_and_brier_are_those_of_scikit_learn(rows: Rows) -> None:
    """On the same rows, scikit-learn computes the same."""
    scores, label, _ = arrays(rows)
    assert Distances(label, scores).brier() == pytest.approx(brier_score_loss(label, scores))
    # scikit-learn holds probabilities by the type's epsilon, which differs in the 16th digit.
    inside = np.clip(scores, 1e-9, 1 - 1e-9)
    expected = sklearn_log_loss(label, inside, labels=[False, True])
    assert Distances(label, inside).log_loss() == pytest.approx(expected)


@given(rows_, st.integers(1, 12))
def test_bins_of_calibration_are_rows_of_neighbouring_scores(rows: Rows, bins: int) -> None:
    """Bins hold every row once, in order of scores, equal scores together; their means and rates
    are those of their rows, and the error is the mean gap.
    """
    scores, label, _ = arrays(rows)
    calibration = Calibration(label, scores, bins)
    curve = calibration.curve(np.arange(len(scores)), resamples=5)
    assert sum(each.rows for each in curve) == len(scores)
    assert len(curve) == calibration.bins <= bins
    gap = 0.0
    for before, each in zip((None, *curve), curve, strict=False):
        assert before is None or before.high < each.low
        inside = (scores >= each.low) & (scores <= each.high)
        assert each.rows == inside.sum()
        assert each.score == pytest.approx(scores[inside].mean())
        assert each.rate.value == pytest.approx(label[inside].mean())
        assert each.rate.low <= each.rate.high
        gap += abs(scores[inside].sum() - label[inside].sum())
    assert calibration.error() == pytest.approx(gap / len(scores))


def test_distinct_scores_fill_bins_evenly() -> None:
    """Without ties, bins differ by one row at most."""
    scores = np.linspace(0, 1, 1003)
    curve = Calibration(scores > 0.5, scores, 10).curve(np.arange(1003), resamples=1)
    counts = [each.rows for each in curve]
    assert len(counts) == 10
    assert max(counts) - min(counts) <= 1


@given(rows_, st.integers(0, 40))
def test_gain_is_the_mean_over_draws_among_ties(rows: Rows, taken: int) -> None:
    """The gain of the first k rows is the hits above the tied scores, and of the tied rows the
    share that fits: what a draw among them gives on average.
    """
    scores, label, _ = arrays(rows)
    taken = min(taken, len(rows))
    if not label.any():
        assert np.isnan(Ranked(label, scores).gains(np.array([0.5]))).all()
        return
    found, left = 0.0, taken
    for score in sorted(set(scores), reverse=True):
        tied = scores == score
        inside = min(left, int(tied.sum()))
        found += label[tied].mean() * inside
        left -= inside
    gains = Ranked(label, scores).gains(np.array([taken / len(rows)]))
    assert gains[0] == pytest.approx(found / label.sum(), abs=1e-9)


def test_lift_of_a_perfect_ranking_and_of_none() -> None:
    """Where a tenth is positive, a perfect ranking lifts tenfold, equal scores lift nothing."""
    label = np.arange(1000) < 100
    rows = np.arange(1000)
    perfect = lift(1 - rows / 1000, label, rows, resamples=20)
    at = {point.share: point for point in perfect.points}
    assert at[0.05].lift.value == pytest.approx(10)
    assert at[0.1].gain.value == at[0.2].gain.value == pytest.approx(1)
    assert perfect.curve[0] == 0
    assert perfect.curve[10] == pytest.approx(1)
    equal = lift(np.full(1000, 0.3), label, rows, resamples=0)
    assert all(point.lift.value == pytest.approx(1) for point in equal.points)


@settings(deadline=None)
@given(st.integers(0, 3))
def test_intervals_hold_what_a_large_sample_shows(seed: int) -> None:
    """On rows whose truth is known, the figures come near it, and their intervals are not wide."""
    drawn = np.random.default_rng(seed)
    scores = drawn.random(4_000)
    label = drawn.random(4_000) < scores
    told = judged(scores, label, np.arange(4_000), resamples=60, seed=seed)
    truths = {"roc_auc": 5 / 6, "log_loss": 0.5, "brier": 1 / 6}
    for name, truth in truths.items():
        found = getattr(told, name)
        assert found.low <= found.value <= found.high
        assert found.high - found.low < 0.05
        assert abs(found.value - truth) < 0.03
    error = told.calibration_error
    assert 0 <= error.low <= error.value <= error.high < 0.05


def test_whole_clusters_are_resampled() -> None:
    """Rows that repeat one another in a cluster do not make the intervals narrower."""
    drawn = np.random.default_rng(0)
    scores = drawn.random(200)
    label = drawn.random(200) < scores
    once = judged(scores, label, np.arange(200), resamples=50)
    copies = np.repeat(np.arange(200), 10)
    many = judged(scores[copies], label[copies], copies, resamples=50)
    assert many.brier.low == pytest.approx(once.brier.low)
    assert many.brier.high == pytest.approx(once.brier.high)
    assert many.roc_auc.value == pytest.approx(once.roc_auc.value)


def test_certain_and_wrong_is_finite() -> None:
    """A probability of 0 for what came costs a finite log loss, so that a mean can be told."""
    assert math.isfinite(Distances(np.array([True]), np.array([0.0])).log_loss())


def test_only_probabilities_calibrate() -> None:
    """A score outside 0 to 1 is refused."""
    with pytest.raises(InputError, match="outside 0 to 1"):
        Calibration(np.array([True]), np.array([1.5]))
