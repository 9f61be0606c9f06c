import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from groundplan.models.reasons import Reason, top_reasons

NAMES = tuple("abcdefgh")


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8), st.integers(0, 9))
def test_they_are_the_strongest_in_order(added: list[int], k: int) -> None:
    """The k largest by size either way, equal ones in the order of the inputs, zeros never."""
    contributions = np.array(added, dtype=np.float64)
    found = top_reasons(contributions, contributions * 10, NAMES, {}, k)
    expected = sorted(
        ((-abs(each), place) for place, each in enumerate(added) if each), key=lambda it: it
    )[:k]
    assert [reason.feature for reason in found] == [NAMES[place] for _, place in expected]
    assert [reason.contribution for reason in found] == [added[place] for _, place in expected]


def test_a_reason_speaks_plainly() -> None:
    """It carries the description, the value, None for a missing one, and the sign."""
    found = top_reasons(
        np.array([0.5, -2.0, 0.1]),
        np.array([7.0, np.nan, 1.0]),
        ("a", "b", "c"),
        {"a": "amount", "b": "risk of the terminal"},
        5,
    )
    assert found == (
        Reason("b", "risk of the terminal", None, -2.0),
        Reason("a", "amount", 7.0, 0.5),
        Reason("c", "c", 1.0, 0.1),
    )
    assert b'"value":null' in msgspec.json.encode(found)
