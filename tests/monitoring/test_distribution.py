from math import comb, isnan, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.monitoring import distribution
from groundplan.monitoring.distribution import (
    Sketch,
    Tally,
    beyond,
    exceeded,
    psi,
    sketch,
    span,
    strange,
    together,
)

VALUES = st.lists(st.floats(allow_nan=True, width=64), max_size=60)


def array(values: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


@settings(deadline=None)
@given(VALUES)
def test_a_place_holds_values_within_a_sixteenth(values: list[float]) -> None:
    """Places ascend as the values do, and what shares one is at most 1/16 of it apart."""
    known = sorted(value for value in values if not isnan(value))
    found = sketch(array(values))
    assert found.rows == len(values)
    assert found.missing == len(values) - len(known)
    assert list(found.places) == sorted(found.places)
    assert sum(found.counts) == len(known)
    at = 0
    for count in found.counts:
        low, high = known[at], known[at + count - 1]
        at += count
        tiny = abs(low) < 2.3e-308 and abs(high) < 2.3e-308  # the places of subnormal numbers
        assert low == high or tiny or abs(high - low) <= max(abs(low), abs(high)) / 16


@settings(deadline=None)
@given(VALUES, st.integers(0, 60))
def test_parts_add_up(values: list[float], cut: int) -> None:
    """The distributions of two parts give that of the whole, whichever way they are counted."""
    whole = sketch(array(values))
    assert together([sketch(array(values[:cut])), sketch(array(values[cut:]))]) == whole
    tally = Tally(["x"])
    for part in (values[:cut], values[cut:]):
        tally.add(array(part)[:, np.newaxis])
    assert tally.sketches() == {"x": whole}
    assert distribution.unpacked(distribution.packed({"x": whole})) == {"x": whole}


def naive(before: list[int], after: list[int], bins: int = 10) -> float:
    """The index by its definition, on whole numbers below 16, which have a place each."""
    ranked = sorted(before)
    edges, bin_of = [], {}
    for value in sorted({*before, *after}):
        below = sum(1 for each in ranked if each < value)
        bin_of[value] = min(bins - 1, below * bins // len(before))
        edges.append(bin_of[value])
    total = 0.0
    used = sorted(set(edges))
    for each in used:
        p = (sum(bin_of[v] == each for v in before) + 0.5) / (len(before) + 0.5 * len(used))
        q = (sum(bin_of[v] == each for v in after) + 0.5) / (len(after) + 0.5 * len(used))
        total += (q - p) * log(q / p)
    return total


SMALL = st.lists(st.integers(0, 15), min_size=1, max_size=80)


@settings(deadline=None)
@given(SMALL, SMALL)
def test_the_index_is_that_of_its_definition(before: list[int], after: list[int]) -> None:
    """It is the sum over tenths of (q - p) ln(q / p), as a loop over the values has it."""
    found = psi(sketch(array([*map(float, before)])), sketch(array([*map(float, after)])))
    assert found == pytest.approx(naive(before, after))


@settings(deadline=None)
@given(SMALL)
def test_the_same_distribution_has_no_index(values: list[int]) -> None:
    """It is 0 for the same values, and more of them in the same shares come near it."""
    one = sketch(array([*map(float, values)]))
    assert psi(one, one) == 0.0
    many = sketch(array([*map(float, values * 1000)]))
    assert psi(many, together([many, many])) < 1e-3


def test_a_change_in_what_is_missing_counts() -> None:
    """Values that go missing move a distribution, though those that stay are alike."""
    values = np.arange(1000.0)
    less = values.copy()
    less[::2] = np.nan
    assert psi(sketch(values), sketch(less)) > 1.0


def test_chance_bounds_what_samples_of_one_distribution_reach() -> None:
    """Of two samples of one distribution, about 99 in 100 stay below; far fewer than all."""
    draw = np.random.default_rng(5)
    limit = distribution.chance(500, 300)
    above = sum(
        psi(sketch(draw.normal(size=500)), sketch(draw.normal(size=300))) > limit
        for _ in range(2000)
    )
    assert 2 <= above <= 50


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 3.0))
def test_a_shift_moves_the_index_the_further_it_goes(by: float) -> None:
    """The feature that was shifted stands first, and further shifts count more."""
    values = np.random.default_rng(1).normal(size=2000)
    before = {"a": sketch(values), "b": sketch(values), "old": sketch(values)}
    after = {"a": sketch(values), "b": sketch(values + by), "new": sketch(values)}
    (first, index), (second, still) = distribution.moved(before, after)
    assert (first, second) == ("b", "a")
    assert index > still == 0.0
    assert psi(before["b"], sketch(values + 2 * by)) > index


def test_log_odds_tell_extremes_apart() -> None:
    """Scores of one in a million and near certainty have places of their own, 0 and 1 as well."""
    scores = array([0.0, 1e-6, 2e-6, 0.5, 1 - 2e-6, 1 - 1e-6, 1.0])
    found = sketch(distribution.log_odds(scores))
    assert found.counts == (1,) * 7


def test_nothing_cannot_be_compared() -> None:
    """A distribution without rows is refused, as is one of the wrong shape."""
    empty = Sketch(0, 0, (), ())
    with pytest.raises(InputError, match="nothing to compare"):
        psi(empty, sketch(np.zeros(3)))
    with pytest.raises(InputError, match="one dimension"):
        sketch(np.zeros((2, 2)))
    with pytest.raises(InputError, match="cannot be read"):
        distribution.unpacked(b"nonsense")


def place(value: float) -> float:
    """A value without what its place does not tell: five significant bits, nearest to 0."""
    return float((np.array([value]).view("<u8") >> 48 << 48).view("<f8")[0]) + 0.0


@settings(deadline=None)
@given(VALUES)
def test_the_ends_are_exact(values: list[float]) -> None:
    """The lowest and the highest value are kept as they are, also of parts added up."""
    known = [value for value in values if not isnan(value)]
    found = sketch(array(values))
    assert found.known == len(known)
    assert (found.least, found.greatest) == ((min(known), max(known)) if known else (None, None))
    within = span(found)
    assert within == ((found.least, found.greatest, 0, 0) if known else None)


@settings(deadline=None)
@given(VALUES.filter(bool), st.sampled_from([0.0, 0.1, 0.4]))
def test_a_span_leaves_so_many_out(values: list[float], spare: float) -> None:
    """At each end the given share at most, by whole places; the rest is between the ends."""
    known = sorted(place(value) for value in values if not isnan(value))
    found = span(sketch(array(values)), spare)
    if not known:
        assert found is None
        return
    assert found is not None
    few = int(len(known) * spare)
    low, high = known[few], known[-1 - few]
    assert (place(found.low), place(found.high)) == (low, high)
    assert found.below == sum(value < low for value in known) <= few
    assert found.above == sum(value > high for value in known) <= few


NUMBER = st.floats(allow_nan=False)


@settings(deadline=None)
@given(VALUES, NUMBER, NUMBER, VALUES)
def test_values_beyond_are_counted_by_place(
    values: list[float], one: float, other: float, others: list[float]
) -> None:
    """As a loop counts those whose leading bits are lower or higher, or nobody else's."""
    low, high = sorted((one, other))
    known = [place(value) for value in values if not isnan(value)]
    found = sketch(array(values))
    below = sum(value < place(low) for value in known)
    above = sum(value > place(high) for value in known)
    assert beyond(found, low, high) == (below, above)
    there = {place(value) for value in others if not isnan(value)}
    new = [value for value in known if value not in there]
    assert strange(found, sketch(array(others))) == {value: new.count(value) for value in new}


@pytest.mark.parametrize("before", [1, 7, 60, 2_000])
@pytest.mark.parametrize("after", [1, 7, 60, 2_000])
@pytest.mark.parametrize("spared", [0, 1, 5])
def test_what_is_exceeded_by_chance(before: int, after: int, spared: int) -> None:
    """A sample of the same distribution has more beyond at most once in 1,000, by its odds.

    It has k or more beyond the value that `spared` of the others are beyond, where among the
    k + spared highest of all there are no more than that of the others.
    """
    if spared >= before:
        return
    share = exceeded(before, after, spared)
    least = int(share * after) + 1  # the fewest that are more than the share
    if least > after:
        return
    top = least + spared
    ways = sum(comb(before, old) * comb(after, top - old) for old in range(spared + 1))
    assert ways / comb(before + after, top) <= 0.001
