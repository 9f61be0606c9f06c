import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.models import shapley

share = st.floats(0.001, 1.0)


def by_definition(value: float, shares: list[float], met: list[int]) -> list[float]:
    """The Shapley values of one leaf by summing over all coalitions."""
    everyone = range(len(shares))

    def worth(coalition: set[int]) -> float:
        return value * math.prod(met[i] if i in coalition else shares[i] for i in everyone)

    found = []
    for player in everyone:
        others = [i for i in everyone if i != player]
        total = 0.0
        for size in range(len(others) + 1):
            weight = math.factorial(size) * math.factorial(len(others) - size)
            for chosen in itertools.combinations(others, size):
                total += weight * (worth({*chosen, player}) - worth({*chosen}))
        found.append(total / math.factorial(len(shares)))
    return found


@given(st.floats(-5, 5), st.lists(st.tuples(share, st.integers(0, 1)), min_size=1, max_size=7))
def test_values_equal_the_definition(value: float, path: list[tuple[float, int]]) -> None:
    """The quadrature gives the sum over all coalitions, for any leaf and row."""
    shares, met = [z for z, _ in path], [o for _, o in path]
    given = shapley.values(np.array([value]), np.array([shares]).T, np.array([met], dtype=float).T)
    assert given[:, 0].tolist() == pytest.approx(by_definition(value, shares, met), abs=1e-12)


@given(st.lists(st.tuples(st.floats(-5, 5), share, share, share), min_size=1, max_size=4))
def test_tables_hold_the_values_of_every_way(leaves: list[tuple[float, ...]]) -> None:
    """Entry w of a table is what `values` gives for the features whose bit is set in w."""
    value = np.array([leaf[0] for leaf in leaves])
    shares = np.array([leaf[1:] for leaf in leaves]).T
    table = shapley.tables(value, shares)
    for way in range(8):
        met = np.array([[float(way >> bit & 1)] * len(leaves) for bit in range(3)])
        assert (table[:, :, way] == shapley.values(value, shares, met).T).all()


@given(st.lists(share, min_size=25, max_size=25), st.integers(0, 2**25 - 1))
def test_long_paths_add_up(shares: list[float], way: int) -> None:
    """With 25 features the values still add up to what the row differs from the mean by."""
    met = [float(way >> bit & 1) for bit in range(25)]
    values = shapley.values(np.array([1.0]), np.array([shares]).T, np.array([met]).T)
    assert values.sum() == pytest.approx(math.prod(met) - math.prod(shares), abs=1e-12)
