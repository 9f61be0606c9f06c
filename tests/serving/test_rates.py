"""A client gets its rate and its burst, whoever else asks, in memory that does not grow."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan import units
from groundplan.serving import rates
from groundplan.serving.rates import WAYS, Rates, burst_of, client, make_table


class Bucket:
    """The naive twin: tokens that come back, exactly."""

    def __init__(self, interval: int, burst: int) -> None:
        self.interval, self.burst = interval, burst
        self.tokens, self.at = Fraction(burst), 0

    def take(self, now: int) -> Fraction:
        back = self.tokens + Fraction(now - self.at, self.interval)
        self.tokens, self.at = min(Fraction(self.burst), back), now
        if self.tokens >= 1:
            self.tokens -= 1
            return Fraction(0)
        return (1 - self.tokens) * self.interval


@given(
    st.sampled_from(["3/s", "500/s", "20/h", "7/m"]),
    st.integers(1, 5),
    st.lists(st.tuples(st.integers(0, 10**10), st.sampled_from("abcde")), max_size=60),
)
def test_it_allows_what_a_bucket_of_tokens_allows(
    rate: str, burst: int, steps: list[tuple[int, str]]
) -> None:
    """Any requests of several clients are decided, and told to wait, as by naive buckets."""
    now = 10**15
    limited = Rates(units.rate(rate), burst, clock=lambda: now)
    interval = round(10**18 / units.rate(rate))
    buckets = {name: Bucket(interval, burst) for name in "abcde"}
    for step, name in steps:
        now += step
        expected = buckets[name].take(now)
        assert limited.take(name) == float(expected) / 1e9


def test_it_forgets_the_client_that_asked_least_and_never_grows() -> None:
    """Of more clients than there are slots, the busy one is still held to its rate."""
    now = 1
    limited = Rates(units.rate("1/s"), 3, slots=WAYS, clock=lambda: now)
    for number in range(1_000):
        assert limited.take(f"passing {number}") == 0
        if number < 3:
            assert limited.take("busy") == 0
        else:
            assert limited.take("busy") > 0


def test_processes_share_a_table(tmp_path: Path) -> None:
    """What a client took from one process is gone in the other."""
    table = tmp_path / "rates"
    make_table(table)
    code = (
        "import sys; from pathlib import Path; from groundplan.serving.rates import Rates\n"
        "print([Rates(10**6, 5, Path(sys.argv[1])).take('c') > 0 for _ in range(3)])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(table)], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["[False, False, False]", "[False, False, True]"]


@pytest.mark.parametrize(
    ("address", "whom"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, whom: str) -> None:
    """One who owns a /64 has not 2^64 rates; an IPv4 address is itself in either notation."""
    assert client(address) == whom


def test_the_burst_is_what_a_second_allows() -> None:
    """And at least one request."""
    assert [burst_of(units.rate(text)) for text in ("500/s", "2.5/s", "20/h")] == [500, 3, 1]
    assert rates.SLOTS % WAYS == 0
