import msgspec
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from groundplan.models.intervals import Evaluation, evaluate
from groundplan.models.metrics import Cards
from groundplan.models.scorer import Floats

DRAWN = np.random.default_rng(5)
CUSTOMER = DRAWN.integers(0, 60, 900) * 7
FRAUD = DRAWN.random(900) < 0.1
SCORES: Floats = np.round(DRAWN.random(900) + np.where(FRAUD, 0.4, 0.0), 2)
DAY = np.sort(DRAWN.integers(0, 5, 900))


def test_the_values_are_those_of_the_rows_as_they_are() -> None:
    """`value` is the plain figure, and the interval encloses it on data like these."""
    found = evaluate(SCORES, FRAUD, CUSTOMER, DAY, k=10)
    assert found.roc_auc.value == pytest.approx(roc_auc_score(FRAUD, SCORES))
    assert found.average_precision.value == pytest.approx(average_precision_score(FRAUD, SCORES))
    assert found.card_precision.value == Cards(SCORES, FRAUD, CUSTOMER, DAY).precision(10)
    for interval in (found.roc_auc, found.average_precision):
        assert interval.low < interval.value < interval.high


def test_resamples_equal_rows_drawn_customer_by_customer() -> None:
    """The bounds are those of figures computed on the drawn customers' rows, written out."""
    found = evaluate(SCORES, FRAUD, CUSTOMER, DAY, resamples=40, confidence=0.9, seed=11)
    drawn = np.random.default_rng(11)
    names = np.unique(CUSTOMER)
    areas, averages, precisions = [], [], []
    for _ in range(40):
        rows, card = [], []
        for copy, pick in enumerate(drawn.integers(len(names), size=len(names))):
            own = np.flatnonzero(names[pick] == CUSTOMER)
            rows.append(own)
            card.append(np.full(len(own), pick * 1000 + copy))
        taken, cards = np.concatenate(rows), np.concatenate(card)
        areas.append(roc_auc_score(FRAUD[taken], SCORES[taken]))
        averages.append(average_precision_score(FRAUD[taken], SCORES[taken]))
        precisions.append(Cards(SCORES[taken], FRAUD[taken], cards, DAY[taken]).precision())
    for interval, figures in (
        (found.roc_auc, areas),
        (found.average_precision, averages),
        (found.card_precision, precisions),
    ):
        assert interval.low == pytest.approx(np.quantile(figures, 0.05))
        assert interval.high == pytest.approx(np.quantile(figures, 0.95))


def test_customers_make_intervals_wider_than_rows() -> None:
    """Where a customer's rows agree, drawing customers says that less is known than drawing
    rows as if each were its own customer.
    """
    alike = DRAWN.random(40) < 0.3
    fraud = np.repeat(alike, 50)
    scores = np.repeat(DRAWN.random(40) + np.where(alike, 0.5, 0.0), 50)
    clustered, single = (
        evaluate(scores, fraud, customer, np.zeros(2000, dtype=np.int64)).roc_auc
        for customer in (np.repeat(np.arange(40), 50), np.arange(2000))
    )
    assert clustered.high - clustered.low > 3 * (single.high - single.low)


def test_the_seed_decides_the_draw() -> None:
    """The same seed gives the same bounds, another seed others."""
    first, again, other = (
        evaluate(SCORES, FRAUD, CUSTOMER, DAY, resamples=20, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_progress_counts_every_resample() -> None:
    """The callback hears of each resample once."""
    heard: list[tuple[int, int]] = []
    evaluate(SCORES, FRAUD, CUSTOMER, DAY, resamples=3, progress=lambda *at: heard.append(at))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_resamples_without_fraud_are_left_out() -> None:
    """With one customer who was defrauded, the draws that miss them do not spoil the bounds."""
    fraud = np.arange(30) == 4
    scores = np.linspace(0, 1, 30)
    found = evaluate(scores, fraud, np.arange(30), np.zeros(30, dtype=np.int64), resamples=50)
    assert 0 <= found.roc_auc.low <= found.roc_auc.high <= 1


def test_an_evaluation_survives_json() -> None:
    """It is a plain record that a manifest carries."""
    found = evaluate(SCORES, FRAUD, CUSTOMER, DAY, resamples=2)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found
