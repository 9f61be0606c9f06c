"""What is written and read back is the very same amount."""

from hypothesis import given
from hypothesis import strategies as st

from groundplan.constraints.kind import Duration, Rate, Size
from groundplan.units import duration, show_about, show_enough

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


@given(st.integers(1, DURATION.most))
def test_an_estimate_is_said_in_three_figures(us: int) -> None:
    """It reads back within half of the third figure; a least value reads back as no less."""
    assert abs(duration(show_about(us)) - us) <= max(us / 190, 0.5)
    assert us <= duration(show_enough(us)) <= us * 1.0011


def test_minutes_and_hours_are_said_as_such() -> None:
    """Nobody thinks in thousands of seconds."""
    said = [show_about(us) for us in (16_133.4e6, 573.308e6, 90e6, 803_197, 3.2, 0)]
    assert said == ["4.48h", "9.56m", "90s", "803ms", "3.2us", "0s"]
    assert [show_enough(us) for us in (803_197, 1_003_997, 4_014_750_000)] == [
        "803.2ms",
        "1.004s",
        "1.116h",
    ]
