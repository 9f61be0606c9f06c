import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from groundplan.errors import InputError
from groundplan.models.metrics import Cards, Ranked, roc_auc
from groundplan.models.scorer import Bools, Floats, Indices

# Few distinct scores, so that ties are the rule.
scored = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40
)


@given(scored)
def test_weighted_figures_equal_repeated_rows(rows: list[tuple[bool, int, int]]) -> None:
    """ROC AUC and average precision with whole weights are scikit-learn's on repeated rows, ties
    and weight 0 included; NaN where a class that they need is absent.
    """
    fraud = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows], dtype=np.float64)
    weight = np.array([row[2] for row in rows])
    y, s = np.repeat(fraud, weight), np.repeat(scores, weight)
    area = roc_auc(fraud, scores, weight.astype(np.float64))
    average = Ranked(fraud, scores).average_precision(weight.astype(np.float64))
    if not y.any():
        assert math.isnan(average)
    else:
        assert average == pytest.approx(average_precision_score(y, s), abs=1e-12)
    if len(set(y.tolist())) < 2:
        assert math.isnan(area)
    else:
        assert area == pytest.approx(roc_auc_score(y, s), abs=1e-12)


@given(scored)
def test_without_weights_every_row_counts_once(rows: list[tuple[bool, int, int]]) -> None:
    """No weight is a weight of one for each row."""
    fraud = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows], dtype=np.float64)
    ones = np.ones(len(rows))
    ranked = Ranked(fraud, scores)
    for figure in (ranked.roc_auc, ranked.average_precision):
        assert figure() == pytest.approx(figure(ones), nan_ok=True)


def by_the_book(scores: Floats, fraud: Bools, customer: Indices, day: Indices, k: int) -> float:
    """Card precision day by day and card by card, in plain Python."""
    detected: set[int] = set()
    precisions = []
    for today in sorted(set(day.tolist())):
        cards: dict[int, tuple[float, bool]] = {}
        for row in np.flatnonzero(day == today):
            card = int(customer[row])
            if card not in detected:
                score, bad = cards.get(card, (-math.inf, False))
                cards[card] = (max(score, float(scores[row])), bad or bool(fraud[row]))
        top = sorted(cards.items(), key=lambda item: (-item[1][0], item[0]))[:k]
        found = [card for card, (_, bad) in top if bad]
        detected.update(found)
        precisions.append(len(found) / k)
    return sum(precisions) / len(precisions)


cards = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 7), st.integers(0, 3)),
    min_size=1,
    max_size=60,
)


@given(cards, st.integers(1, 6))
def test_card_precision_equals_the_book(rows: list[tuple[int, bool, int, int]], k: int) -> None:
    """It is the published rule applied card by card: ties, repeated cards, cards that a detection
    removes, days with fewer than k cards.
    """
    score, fraud, customer, day = (np.array(column) for column in zip(*rows, strict=True))
    expected = by_the_book(score.astype(float), fraud, customer, day, k)
    found = Cards(score.astype(float), fraud, customer, day).precision(k)
    assert found == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(cards, st.integers(1, 6), st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_weighted_cards_are_copies(
    rows: list[tuple[int, bool, int, int]], k: int, copies: list[int]
) -> None:
    """A card of weight w counts as w cards of their own, detected one by one."""
    score, fraud, customer, day = (np.array(column) for column in zip(*rows, strict=True))
    weight = np.array([copies[card] for card in np.unique(customer)])
    found = Cards(score.astype(float), fraud, customer, day).precision(k, weight)
    repeated = [(s, f, 10 * c + copy, d) for s, f, c, d in rows for copy in range(copies[c])]
    if not repeated:
        assert found == 0
        return
    s, f, c, d = (np.array(column) for column in zip(*repeated, strict=True))
    # A day whose cards all have weight 0 is a day without a find, where copies leave no day.
    share = len(np.unique(d)) / len(np.unique(day))
    assert found == pytest.approx(share * by_the_book(s.astype(float), f, c, d, k))


def test_bad_input_is_refused() -> None:
    """NaN scores, lengths that differ, labels that are no bools and no rows at all."""
    yes = np.array([True, False])
    with pytest.raises(InputError, match="NaN"):
        roc_auc(yes, np.array([0.1, np.nan]))
    with pytest.raises(InputError, match="one score"):
        roc_auc(yes, np.array([0.1]))
    with pytest.raises(InputError, match="bools"):
        roc_auc(np.array([1, 0]), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="at least one row"):
        roc_auc(yes[:0], np.empty(0))
