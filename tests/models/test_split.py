import datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.errors import InputError
from groundplan.models.split import Split, days

DAY = 86_400_000_000
START = datetime.date(2018, 7, 25)


def day_of(date: datetime.date) -> int:
    return (date - datetime.date(1970, 1, 1)).days


event = st.tuples(st.integers(-3, 24), st.integers(0, DAY - 1), st.integers(0, 5), st.booleans())


@given(st.lists(event, max_size=60), st.integers(1, 8), st.integers(0, 8), st.integers(1, 8))
def test_it_equals_the_rule_row_by_row(
    drawn: list[tuple[int, int, int, bool]], trained: int, delay: int, tested: int
) -> None:
    """A row trains when its day is in the training period. It tests when its day is in the test
    period and its entity has no positive row, since training began, that is a delay old by then.
    """
    # One row in each period, so that neither is empty.
    drawn = [*drawn, (0, 0, 6, False), (trained + delay, 5, 7, False)]
    train, test = [], []
    for row, (day, _, entity, _) in enumerate(drawn):
        if 0 <= day < trained:
            train.append(row)
        if trained + delay <= day < trained + delay + tested:
            known = any(
                label and other == entity and 0 <= when < day - delay
                for when, _, other, label in drawn
            )
            if not known:
                test.append(row)
    split = Split((START.isoformat(), f"{trained}d"), f"{delay}d", f"{tested}d")
    found = split.apply(
        np.array([(day_of(START) + day) * DAY + rest for day, rest, _, _ in drawn]),
        np.array([entity for _, _, entity, _ in drawn]),
        np.array([label for *_, label in drawn]),
    )
    assert found.train.tolist() == train
    assert found.test.tolist() == test


def test_days_count_from_1970_downwards_too() -> None:
    """A day begins at midnight UTC, before 1970 as after."""
    assert days(np.array([0, DAY - 1, DAY, -1])).tolist() == [0, 0, 1, -1]


def test_the_previous_round_tests_only_what_is_known_when_this_test_begins() -> None:
    """Its last test day lies a label delay before this test's first."""
    split = Split(("2018-07-25", "10d"), "5d", "3d")
    before = split.previous()
    assert before == Split(("2018-07-17", "10d"), "5d", "3d")
    end_of_previous_test = datetime.date(2018, 7, 17) + datetime.timedelta(10 + 5 + 3)
    start_of_test = datetime.date(2018, 7, 25) + datetime.timedelta(10 + 5)
    assert start_of_test - end_of_previous_test == datetime.timedelta(5)


def test_a_period_without_rows_is_refused() -> None:
    """An empty training or test period is named, with what to do."""
    now = np.array([day_of(START) * DAY])
    with pytest.raises(InputError, match=r"test period .* no rows"):
        Split().apply(now, np.array([1]), np.array([False]))
    with pytest.raises(InputError, match=r"train period .* no rows"):
        Split().apply(now - DAY, np.array([1]), np.array([False]))


def test_lengths_and_days_must_fit() -> None:
    """Part days and columns of different lengths are refused."""
    now, one = np.array([day_of(START) * DAY]), np.array([1])
    with pytest.raises(InputError, match="whole days"):
        Split(delay="36h").apply(now, one, np.array([False]))
    with pytest.raises(InputError, match="one value per row"):
        Split().apply(now, np.array([1, 2]), np.array([False]))


def test_a_split_survives_json() -> None:
    """It is a plain record that a manifest carries."""
    assert msgspec.json.decode(msgspec.json.encode(Split()), type=Split) == Split()
