"""What is written and read back is the very same amount."""

from hypothesis import given
from hypothesis import strategies as st

from groundplan.constraints.kind import Duration, Rate, Size

RATE, DURATION, SIZE = Rate(), Duration("1s", "s"), Size()


@given(st.integers(RATE.least, RATE.most))
def test_a_rate_is_read_back_as_it_was(nanohertz: int) -> None:
    """The form that a rate is shown in gives every nanohertz back, beyond what a float holds."""
    assert RATE.read(RATE.plain(nanohertz)) == nanohertz


@given(st.integers(DURATION.least, DURATION.most))
def test_a_duration_is_read_back_as_it_was(us: int) -> None:
    """The form that a duration is shown in gives every microsecond back."""
    assert DURATION.read(DURATION.plain(us)) == us


@given(st.integers(SIZE.least, SIZE.most))
def test_a_size_is_read_back_as_it_was(amount: int) -> None:
    """The form that a size is shown in gives every byte back."""
    assert SIZE.read(SIZE.plain(amount)) == amount
