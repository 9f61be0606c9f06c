"""What a search takes and its inverse agree, and the model meets what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.decision import search
from groundplan.decision.costs import reference

NS = reference().ns
WIDTHS = st.sampled_from([search.LEARNED, search.TEXT])


@given(st.integers(-(10**12), 10**15), WIDTHS)
def test_the_largest_corpus_to_probe_is_the_last_that_fits(most: int, dimensions: int) -> None:
    """One thing more takes longer than there is time; what is said to fit does."""
    count = search.probed(most, dimensions, NS)
    assert search.probe(count + 1, dimensions, NS) > most
    assert count == 0 or search.probe(count, dimensions, NS) <= most


@given(st.integers(0, 10**15))
def test_the_largest_corpus_to_match_is_the_last_that_fits(most: int) -> None:
    """One passage more takes longer than there is time; what is said to fit does."""
    count = search.matched(most, NS)
    assert search.match(count, NS) <= most < search.match(count + 1, NS)


@given(st.integers(1, 10**12), st.integers(0, 10**6), WIDTHS)
def test_more_is_never_faster(count: int, more: int, dimensions: int) -> None:
    """Every way of searching takes at least as long among more, and among wider vectors."""
    for way in (search.scan, search.probe):
        assert way(count, dimensions, NS) <= way(count + more, dimensions, NS)
        assert way(count, search.LEARNED, NS) <= way(count, search.TEXT, NS)
    assert search.match(count, NS) <= search.match(count + more, NS)


def test_the_model_meets_the_rows_that_it_does_not_use() -> None:
    """What was measured at other sizes and widths lies within a third of what is reckoned."""
    per_vector = search.scan(100_000, 384, NS) / 100_000
    assert per_vector == pytest.approx(NS["exact_100k_384"], rel=0.33)
    assert search.probe(20_000, 384, NS) == pytest.approx(NS["probe_20k_384"], rel=0.33)
    assert search.probe(1_000_000, 64, NS) == NS["vector_probe"]
    assert search.match(100_000, NS) == NS["text_match"]
