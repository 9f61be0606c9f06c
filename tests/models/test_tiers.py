import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import BuildError, DefinitionError
from groundplan.models.thresholds import Thresholds
from groundplan.models.tiers import Tiers

scored = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=200)
rates = st.integers(0, 99)


@given(scored, rates, rates)
def test_thresholds_are_the_lowest_that_keep_the_rate(
    rows: list[tuple[int, bool]], one: int, other: int
) -> None:
    """At most the stated share of genuine rows lies above a threshold, counted exactly; and above
    any lower score there would lie more.
    """
    scores = np.array([score / 20 for score, _ in rows])
    fraud = np.array([bad for _, bad in rows])
    low, high = sorted((one, other))
    tiers = Tiers(step_up=high / 100, decline=low / 100)
    if fraud.all():
        with pytest.raises(BuildError, match="no genuine row"):
            tiers.choose(scores, fraud)
        return
    found = tiers.choose(scores, fraud)
    genuine = scores[~fraud]
    for threshold, percent in ((found.step_up, high), (found.decline, low)):
        assert 100 * np.count_nonzero(genuine > threshold) <= percent * len(genuine)
        below = genuine[genuine < threshold]
        if len(below):
            assert 100 * np.count_nonzero(genuine > below.max()) > percent * len(genuine)
    assert found.step_up <= found.decline


@given(scored, st.floats(0, 1), st.floats(0, 1))
def test_the_report_counts_what_decide_does(
    rows: list[tuple[int, bool]], one: float, other: float
) -> None:
    """Rows, frauds, shares and money of each tier equal a count row by row with `decide`."""
    scores = np.array([score / 20 for score, _ in rows])
    fraud = np.array([bad for _, bad in rows])
    amount = np.arange(1.0, len(rows) + 1)
    thresholds = Thresholds(*sorted((one, other)))
    actions = np.array([thresholds.decide(score) for score in scores.tolist()])
    report = thresholds.report(scores, fraud, amount)
    assert [tier.action for tier in report] == ["approve", "step_up", "decline"]
    for tier in report:
        taken = actions == tier.action
        assert (tier.rows, tier.frauds) == (taken.sum(), (taken & fraud).sum())
        assert tier.amount == amount[taken].sum()
        assert tier.fraud_amount == amount[taken & fraud].sum()
        assert tier.volume == pytest.approx(taken.mean())
        for share, part, whole in (
            (tier.precision, taken & fraud, taken),
            (tier.recall, taken & fraud, fraud),
            (tier.false_positives, taken & ~fraud, ~fraud),
        ):
            assert share == (part.sum() / whole.sum() if whole.any() else None)


def test_a_rate_is_taken_as_it_is_written() -> None:
    """0.29 of 100 genuine rows is 29 of them, although 0.29 * 100 is less in binary."""
    scores = np.arange(100.0)
    found = Tiers(step_up=0.29, decline=0.0).choose(scores, np.zeros(100, dtype=np.bool_))
    assert np.count_nonzero(scores > found.step_up) == 29
    assert np.count_nonzero(scores > found.decline) == 0


def test_without_amounts_no_money_is_reported() -> None:
    """Money is None, not 0, where nobody gave amounts."""
    (tier, *_) = Thresholds(0.5, 0.9).report(np.array([0.1]), np.array([False]))
    assert tier.amount is None
    assert tier.fraud_amount is None


@pytest.mark.parametrize(("step_up", "decline"), [(0.001, 0.01), (1.0, 0.1), (0.1, -0.1)])
def test_rates_out_of_order_are_refused(step_up: float, decline: float) -> None:
    """Rates that are not 0 <= decline <= step_up < 1 are refused with an example."""
    with pytest.raises(DefinitionError, match=r"such as 0\.001 and 0\.01"):
        Tiers(step_up, decline)


def test_thresholds_survive_json() -> None:
    """They are plain records that a manifest carries."""
    chosen = Thresholds(0.1, 0.7)
    assert msgspec.json.decode(msgspec.json.encode(chosen), type=Thresholds) == chosen
