"""Decisions: cuts that are as stated, as large as stated, or as cheap as can be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import BuildError, DefinitionError, InputError
from groundplan.models.bands import BELOW_ALL, Bands, Cuts
from groundplan.models.scorer import Bools, Floats

Rows = list[tuple[int, bool]]

WRITTEN: Any = "0.5"
"""A number as text, which no checker lets through."""

rows_ = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=40)


def arrays(rows: Rows) -> tuple[Floats, Bools]:
    return np.array([score / 12 for score, _ in rows]), np.array([hit for _, hit in rows])


@given(rows_, st.integers(0, 30), st.integers(1, 60), st.integers(0, 20))
def test_no_cut_costs_less(rows: Rows, wrong: int, extra: int, right: int) -> None:
    """Of all cuts none costs less than the chosen one, and of those that cost the same none acts
    on fewer; and the curve tells what each of its cuts really costs and does.
    """
    missed = right + extra
    bands = Bands.costs("leave", "act", act_wrongly=wrong, miss=missed, act_rightly=right)

    def naive(above: float) -> tuple[int, int]:
        acted = [score / 12 > above for score, _ in rows]
        cost = sum(
            (right if hit else wrong) if act else missed * hit
            for act, (_, hit) in zip(acted, rows, strict=True)
        )
        return cost, sum(acted)

    scores, label = arrays(rows)
    chosen = naive(bands.choose(scores, label).above[0])
    assert chosen == min(naive(above) for above in [BELOW_ALL, *scores])
    curve = bands.curve(scores, label)
    told = list(zip(curve.cost.tolist(), curve.acted.tolist(), strict=True))
    assert told == [naive(above) for above in curve.above.tolist()]
    assert {acted for _, acted in told} == {naive(above)[1] for above in [BELOW_ALL, *scores]}


@given(rows_, st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_a_share_is_never_exceeded_and_as_large_as_ties_allow(
    rows: Rows, hundredths: list[int]
) -> None:
    """From the top, at most the stated shares are above each cut, ties stay below together, and
    no lower cut keeps to the share.
    """
    scores, label = arrays(rows)
    shares = {f"d{at}": share / 100 for at, share in enumerate(hundredths)}
    if sum(hundredths) > 100:
        with pytest.raises(DefinitionError, match="more than all rows"):
            Bands.top("rest", **shares)
        return
    bands = Bands.top("rest", **shares)
    if hundredths[0] * len(rows) < 100:
        with pytest.raises(BuildError, match="which is none of"):
            bands.choose(scores, label)
        return
    cuts = bands.choose(scores, label)
    assert cuts.names == ("rest", *reversed(shares))
    taken = 0
    for share, above in zip(hundredths, reversed(cuts.above), strict=True):
        taken += share
        assert (scores > above).sum() * 100 <= taken * len(rows)
        lower = [score for score in [BELOW_ALL, *scores] if score < above]
        if lower:
            assert (scores > max(lower)).sum() * 100 > taken * len(rows)


@given(st.lists(st.integers(0, 12), max_size=30), st.lists(st.integers(0, 12), min_size=1))
def test_decide_is_the_last_cut_that_a_score_is_above(scores: list[int], cuts: list[int]) -> None:
    """A score gets the last decision whose cut is below it, and one equal to a cut is not above."""
    above = tuple(sorted(cut / 12 for cut in cuts))
    made = Cuts(tuple(f"d{at}" for at in range(len(above) + 1)), above)
    found = made.decide(np.array([score / 12 for score in scores], dtype=np.float64))
    naive = [sum(score / 12 > cut for cut in above) for score in scores]
    assert found.tolist() == naive
    assert found.dtype == np.uint8
    assert [made.decision(score / 12) for score in scores] == [f"d{at}" for at in naive]


def test_at_keeps_the_stated_probabilities() -> None:
    """Stated cuts are the cuts, in their order, whatever the order in which they are written."""
    bands = Bands.at("approve", decline=0.6, review=0.3)
    cuts = bands.choose(np.array([0.1]), np.array([True]))
    assert cuts == Cuts(("approve", "review", "decline"), (0.3, 0.6))
    assert cuts.decide(np.array([0.3, 0.31, 0.6, 0.61])).tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Bands.at("a", b=1.0), "b=1.0 is not a probability"),
        (lambda: Bands.at("a", b=WRITTEN), "b='0.5' is not a probability"),
        (lambda: Bands.at("a", b=True), "b=True is not a probability"),
        (lambda: Bands.at("a", b=0.5, c=0.5), "two decisions begin at one score"),
        (lambda: Bands.at("a"), "1 to 254 others"),
        (lambda: Bands.at("a", a=0.5), "1 to 254 others"),
        (lambda: Bands.at("no way", b=0.5), "'no way' cannot name a decision"),
        (lambda: Bands.top("a", b=0.0), "b=0.0 is not a share above 0"),
        (lambda: Bands.top("a", b=float("nan")), "b=nan is not a share above 0"),
        (lambda: Bands.costs("a", "b", act_wrongly=-1, miss=5), "act_wrongly=-1 is not a cost"),
        (
            lambda: Bands.costs("a", "b", act_wrongly=1, miss=5, act_rightly=5),
            "acting never pays",
        ),
        (lambda: Bands.costs("a", "a", act_wrongly=1, miss=5), "1 to 254 others"),
        (lambda: Cuts(("a", "b"), (0.5, 0.6)), "one cut for each decision but the first"),
        (lambda: Cuts(("a", "b", "c"), (0.6, 0.5)), "none below the one before it"),
    ],
)
def test_what_decides_nothing_is_refused(make: Any, says: str) -> None:
    """Decisions that cannot be told apart or cost nothing to miss are refused where they are
    written, with the value and the rule.
    """
    with pytest.raises(DefinitionError, match=says):
        make()


def test_rows_must_fit() -> None:
    """Scores and labels of different lengths, no rows and NaN are refused."""
    bands = Bands.at("a", b=0.5)
    for scores, label in (([0.1], [True, False]), ([], []), ([np.nan], [True])):
        with pytest.raises(InputError):
            bands.choose(np.array(scores, dtype=np.float64), np.array(label, dtype=np.bool_))
