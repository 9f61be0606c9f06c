from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import DefinitionError, InputError
from groundplan.models.costs import Costs
from groundplan.models.scorer import Bools, Floats
from groundplan.models.thresholds import Thresholds
from groundplan.models.tiers import Tiers

Rows = list[tuple[int, bool, int]]

rows_ = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.integers(0, 50)), min_size=1, max_size=40
)
cost = st.one_of(st.integers(0, 40), st.just("amount"))


def arrays(rows: Rows) -> tuple[Floats, Bools, Floats]:
    scores = np.array([score / 12 for score, _, _ in rows])
    fraud = np.array([bad for _, bad, _ in rows])
    return scores, fraud, np.array([float(amount) for _, _, amount in rows])


def naive(costs: Costs, thresholds: Thresholds, rows: Rows) -> float:
    """The cost of each row by `decide`, one after the other; whole numbers, so exact."""
    total = 0.0
    for score, bad, amount in rows:
        lost = amount if costs.false_negative == "amount" else costs.false_negative
        annoyed = amount if costs.false_positive == "amount" else costs.false_positive
        action = thresholds.decide(score / 12)
        if action == "approve":
            total += lost * bad
        elif action == "decline":
            total += annoyed * (not bad)
        else:
            total += (costs.step_up or 0) + lost * bad * (1 - costs.stopped)
    return total


@given(
    rows_,
    cost,
    cost,
    st.one_of(st.none(), st.integers(0, 20)),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_no_thresholds_cost_less(
    rows: Rows, positive: float, negative: float, step_up: int | None, stopped: float
) -> None:
    """Of all pairs of thresholds none costs less than the chosen one; among those that cost the
    same, none declines fewer rows, nor as many and asks fewer again.
    """
    costs = Tiers.costs(
        false_positive=positive, false_negative=negative, step_up=step_up, stopped=stopped
    )
    scores, fraud, amount = arrays(rows)
    chosen = costs.choose(scores, fraud, amount)
    cuts = [-1.0, *sorted(set(scores.tolist()))]
    pairs = [Thresholds(*pair) for pair in combinations_with_replacement(cuts, 2)]
    if step_up is None:
        pairs = [pair for pair in pairs if pair.step_up == pair.decline]

    def key(pair: Thresholds) -> tuple[float, int, int]:
        above = scores > pair.decline
        return naive(costs, pair, rows), int(above.sum()), int((scores > pair.step_up).sum())

    assert key(chosen) == min(map(key, pairs))


@given(rows_, cost, cost, st.one_of(st.none(), st.integers(0, 20)))
def test_the_bill_is_what_decide_costs(
    rows: Rows, positive: float, negative: float, step_up: int | None
) -> None:
    """The expected cost, and those of treating all alike, are sums over `decide`."""
    costs = Costs(positive, negative, step_up)
    scores, fraud, amount = arrays(rows)
    chosen = costs.choose(scores, fraud, amount)
    bill = costs.bill(chosen, scores, fraud, amount)
    assert bill.rows == len(rows)
    assert bill.decided == naive(costs, chosen, rows)
    assert bill.approve_all == naive(costs, Thresholds(1.0, 1.0), rows)
    assert bill.decline_all == naive(costs, Thresholds(-1.0, -1.0), rows)
    all_asked = None if step_up is None else naive(costs, Thresholds(-1.0, 1.0), rows)
    assert bill.step_up_all == all_asked
    alike = [each for each in (bill.approve_all, bill.decline_all, bill.step_up_all) if each]
    assert all(bill.decided <= each for each in alike)


def test_cheap_caution_asks_many_and_free_approval_nobody() -> None:
    """Where frauds cost nothing all are approved; where they cost the most, all are declined."""
    scores, fraud = np.array([0.1, 0.2, 0.3]), np.array([False, True, False])
    free = Costs(5, 0, 1).choose(scores, fraud)
    assert [free.decide(score) for score in scores] == ["approve"] * 3
    dear = Costs(0, 100).choose(scores, fraud)
    assert dear.decide(0.2) == "decline"
    asked = Costs(50, 100, 1).choose(scores, fraud)
    assert [asked.decide(score) for score in scores] == ["approve", "step_up", "step_up"]


def test_amounts_are_asked_for_where_a_cost_is_one() -> None:
    """A cost of "amount" without amounts names what is missing."""
    with pytest.raises(InputError, match="decimal field"):
        Costs(1, "amount").choose(np.array([0.5]), np.array([True]))
    with pytest.raises(InputError, match="amounts for 1 rows"):
        Costs(1, "amount").choose(np.array([0.5]), np.array([True]), np.ones(2))
    with pytest.raises(InputError, match="at least one row"):
        Costs(1, 2).choose(np.empty(0), np.empty(0, dtype=np.bool_))


@pytest.mark.parametrize(
    "wrong",
    [
        {"false_positive": -1.0},
        {"false_negative": float("inf")},
        {"false_negative": "money"},
        {"step_up": "amount"},
        {"stopped": 1.5},
    ],
)
def test_costs_that_no_decision_has_are_refused(wrong: dict[str, float]) -> None:
    """Negative and endless costs, and shares beyond all, are refused where they are written."""
    with pytest.raises(DefinitionError, match="tiers with"):
        Costs(**{"false_positive": 1.0, "false_negative": 2.0, **wrong})
