"""What decisions do and cost, and how they spread over groups: each figure by a loop over rows."""

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.models.bands import Bands, Cuts
from groundplan.models.decided import bill, decisions
from groundplan.models.fairness import SMALL, fairness
from groundplan.models.metrics import roc_auc

NAMES = ("approve", "review", "decline")
CUTS = Cuts(NAMES, (0.3, 0.6))

rows_ = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.sampled_from("abc")), min_size=1, max_size=60
)


def share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


@given(rows_)
def test_decisions_are_counted_row_by_row(rows: list[tuple[int, bool, str]]) -> None:
    """Rows, shares, precision and recall of each decision are those of a loop."""
    decided = np.array([at for at, _, _ in rows], dtype=np.uint8)
    label = np.array([hit for _, hit, _ in rows])
    told = decisions(decided, label, np.arange(len(rows)), CUTS, resamples=3)
    assert [each.decision for each in told] == list(NAMES)
    assert [each.above for each in told] == [None, 0.3, 0.6]
    for at, each in enumerate(told):
        taken = [hit for place, hit, _ in rows if place == at]
        assert (each.rows, each.positive) == (len(taken), sum(taken))
        assert each.share.value == pytest.approx(len(taken) / len(rows))
        precision, recall = share(sum(taken), len(taken)), share(sum(taken), label.sum())
        assert each.precision.value == pytest.approx(precision, nan_ok=True)
        assert each.recall.value == pytest.approx(recall, nan_ok=True)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_a_bill_adds_up_what_each_row_costs(rows: list[tuple[bool, bool]]) -> None:
    """The cost per row is the mean over rows of what their decision costs."""
    bands = Bands.costs("leave", "offer", act_wrongly=60, act_rightly=480, miss=600)
    decided = np.array([act for act, _ in rows], dtype=np.uint8)
    label = np.array([hit for _, hit in rows])
    told = bill(bands, decided, label, np.arange(len(rows)), resamples=3)

    def cost(act: bool, hit: bool) -> int:
        return (480 if hit else 60) if act else 600 * hit

    ways = {
        "decided": [cost(act, hit) for act, hit in rows],
        "nobody": [cost(False, hit) for _, hit in rows],
        "everybody": [cost(True, hit) for _, hit in rows],
        "perfect": [cost(hit, hit) for _, hit in rows],
    }
    means = {name: sum(costs) / len(rows) for name, costs in ways.items()}
    for name, mean in means.items():
        assert getattr(told, name).value == pytest.approx(mean)
    saved = min(means["nobody"], means["everybody"]) - means["decided"]
    assert told.saved.value == pytest.approx(saved)


def test_lengths_must_fit() -> None:
    """A decision without its label is refused."""
    with pytest.raises(InputError, match="for each row"):
        decisions(np.zeros(2, np.uint8), np.array([True]), np.arange(2), CUTS)


@settings(deadline=None)
@given(rows_, st.integers(0, 9))
def test_groups_are_counted_row_by_row(rows: list[tuple[int, bool, str]], seed: int) -> None:
    """Every figure of every group is that of a loop over its rows; small groups are marked."""
    decided = np.array([at for at, _, _ in rows], dtype=np.uint8)
    label = np.array([hit for _, hit, _ in rows])
    value = np.array([name for _, _, name in rows], dtype=np.object_)
    scores = np.random.default_rng(seed).integers(0, 8, len(rows)) / 8
    told = fairness(
        "letter", value, scores, decided, label, np.arange(len(rows)), NAMES, resamples=2
    )
    assert sorted(group.name for group in told.groups) == sorted(set(value))
    assert all(a.rows >= b.rows for a, b in zip(told.groups, told.groups[1:], strict=False))
    for group in told.groups:
        mine = value == group.name
        hits, acted = label[mine], decided[mine] > 0
        assert (group.rows, group.positive) == (mine.sum(), hits.sum())
        assert group.small == (min(hits.sum(), (~hits).sum()) < SMALL)
        assert group.rate.value == pytest.approx(hits.mean())
        assert group.score.value == pytest.approx(scores[mine].mean())
        shares = [(decided[mine] == at).mean() for at in range(3)]
        assert [each.value for each in group.shares] == pytest.approx(shares)
        tpr = share((acted & hits).sum(), hits.sum())
        fpr = share((acted & ~hits).sum(), (~hits).sum())
        assert group.tpr.value == pytest.approx(tpr, nan_ok=True)
        assert group.fpr.value == pytest.approx(fpr, nan_ok=True)
        auc = roc_auc(hits, scores[mine])
        assert group.roc_auc.value == pytest.approx(auc, nan_ok=True)
    few = sum(not group.small for group in told.groups) < 2
    assert (told.tpr is None, told.fpr is None) == (few, few)


def test_ratios_and_differences_are_between_the_extreme_groups() -> None:
    """Of groups that are large enough, the ratio is the least share over the greatest, the
    differences are of the extreme error rates, and a small group takes no part.
    """
    drawn = np.random.default_rng(1)
    count = 3_000
    value = np.array([f"g{at}" for at in np.arange(count) % 3], dtype=np.object_)
    value[:10] = "few"
    label = drawn.random(count) < 0.3
    decided = (drawn.random(count) < np.where(value == "g0", 0.2, 0.5)).astype(np.uint8)
    told = fairness(
        *("group", value, drawn.random(count), decided, label, np.arange(count), ("no", "yes")),
        favourable="yes",
    )
    groups = {group.name: group for group in told.groups}
    assert [group.name for group in told.groups if group.small] == ["few"]
    large = [group for group in told.groups if not group.small]
    for at, ratio in enumerate(told.ratios):
        shares = {group.name: group.shares[at].value for group in large}
        assert ratio.lowest == min(shares, key=shares.__getitem__)
        assert ratio.highest == max(shares, key=shares.__getitem__)
        assert ratio.ratio.value == pytest.approx(min(shares.values()) / max(shares.values()))
        assert ratio.ratio.low <= ratio.ratio.value <= ratio.ratio.high
    assert [ratio.under for ratio in told.ratios] == [None, "surely"]
    assert told.tpr is not None
    assert told.fpr is not None
    for found, rate in ((told.tpr, "tpr"), (told.fpr, "fpr")):
        rates = [getattr(group, rate).value for group in large]
        assert found.value == pytest.approx(max(rates) - min(rates))
        assert found.low <= found.value <= found.high
    assert groups["g0"].tpr.value < groups["g1"].tpr.value


@pytest.mark.parametrize(
    ("names", "favourable", "rate"),
    [
        (("approve", "review", "decline"), "approve", "fpr"),
        (("approve", "decline"), "approve", "fpr"),
        (("wait", "offer"), "offer", "tpr"),
        (("wait", "offer", "call"), "offer", None),
        (("wait", "offer"), None, None),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_equal_opportunity_is_that_of_those_who_should_get_what_people_want(
    names: tuple[str, ...], favourable: str | None, rate: Literal["tpr", "fpr"] | None, seed: int
) -> None:
    """Where what people want is the first decision, those are the negatives; where it is the other
    one, the positives: the named difference is that of the shares of them that get it.
    """
    drawn = np.random.default_rng(seed)
    value = drawn.choice(np.array(["a", "b", "c"], dtype=np.object_), 900)
    label, decided = drawn.random(900) < 0.4, drawn.integers(0, len(names), 900).astype(np.uint8)
    told = fairness(
        *("letter", value, drawn.random(900), decided, label, np.arange(900), names),
        favourable=favourable,
        resamples=2,
    )
    assert told.opportunity == rate
    if rate is None or favourable is None:
        return
    due = ~label if favourable == names[0] else label
    got = decided == names.index(favourable)
    shares = [got[due & (value == group)].mean() for group in "abc"]
    found = getattr(told, rate)
    assert found.value == pytest.approx(max(shares) - min(shares))


@pytest.mark.parametrize(("share", "under"), [(0.2, "surely"), (0.37, "maybe"), (0.49, "no")])
def test_four_fifths_are_held_to_the_decision_that_people_want(share: float, under: str) -> None:
    """Surely below where the whole interval is; and nothing is said of the other decisions."""
    value = np.array(["a", "b"] * 500, dtype=np.object_)
    at = np.arange(1_000) // 2 % 100 / 100
    decided = np.where(at < np.where(value == "a", 0.5, share), 0, 1).astype(np.uint8)
    label = np.arange(1_000) // 2 % 3 == 0
    told = fairness(
        *("letter", value, at, decided, label, np.arange(1_000), ("approve", "decline")),
        favourable="approve",
    )
    assert [ratio.under for ratio in told.ratios] == [under, None]
