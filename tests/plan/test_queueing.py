"""The queueing model agrees with a queue that is simulated customer by customer."""

import random
from collections.abc import Callable
from math import exp, factorial, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundplan.plan.queueing import (
    Service,
    erlang_c,
    fill,
    in_flight,
    later_than,
    quantile,
    waiting,
)

MEAN = 400.0  # us


def drawn(service: Service, chance: random.Random) -> Callable[[], float]:
    """Draws service times of the distribution that the model supposes."""
    constant, parts = service.phases()

    def one() -> float:
        at = chance.random()
        for share, mean in parts:
            at -= share
            if at < 0:
                return constant + (chance.expovariate(1 / mean) if mean else 0.0)
        return constant + chance.expovariate(1 / parts[-1][1])

    return one


def simulated(
    service: Service, rate: float, servers: int, count: int = 50_000, seed: int = 1
) -> tuple[list[float], list[float]]:
    """Waits and response times, sorted, of customers who are served in order (naive)."""
    chance = random.Random(seed)
    draw = drawn(service, chance)
    free = [0.0] * servers
    now, waits, times = 0.0, [], []
    for _ in range(count):
        now += chance.expovariate(rate / 1e6)
        first = min(range(servers), key=free.__getitem__)
        start = max(now, free[first])
        free[first] = start + draw()
        waits.append(start - now)
        times.append(free[first] - now)
    return sorted(waits[count // 20 :]), sorted(times[count // 20 :])


@pytest.mark.parametrize(
    ("variation", "busy"), [(0.0, 0.8), (0.25, 0.5), (1.0, 0.8), (4.0, 0.3), (4.0, 0.8)]
)
def test_one_server_matches_its_simulation(variation: float, busy: float) -> None:
    """Mean wait, share that waits and p99 of M/G/1 agree with a simulated queue.

    The mean and the share are exact (Pollaczek, Khinchine), so that only the simulation's own
    error is allowed; the p99 by Kingman's tail is an approximation, held to a quarter.
    """
    service = Service(MEAN, variation)
    rate = busy * 1e6 / MEAN
    waits, times = simulated(service, rate, 1)
    share, length = waiting(service, rate)
    assert share == pytest.approx(busy)
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(share, abs=0.02)
    assert sum(waits) / len(waits) == pytest.approx(share * length, rel=0.15)
    assert times[round(0.99 * len(times))] == pytest.approx(quantile(service, rate), rel=0.25)


@pytest.mark.parametrize(("servers", "variation"), [(2, 0.25), (4, 1.0), (8, 0.25)])
def test_several_servers_match_their_simulation(servers: int, variation: float) -> None:
    """The share that waits and the p99 of M/G/k agree with a simulated queue, to a quarter."""
    service = Service(MEAN, variation)
    rate = 0.8 * servers * 1e6 / MEAN
    waits, times = simulated(service, rate, servers)
    share, length = waiting(service, rate, servers)
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(share, abs=0.06)
    assert sum(waits) / len(waits) == pytest.approx(share * length, rel=0.25)
    found = quantile(service, rate, servers=servers)
    assert times[round(0.99 * len(times))] == pytest.approx(found, rel=0.25)


def test_exponential_service_is_exact() -> None:
    """The response time of M/M/1 is exponential with rate mu - lambda."""
    service = Service(MEAN, 1.0)
    for busy in (0.1, 0.5, 0.9):
        rate = busy * 1e6 / MEAN
        for limit in (100.0, 1_000.0, 10_000.0):
            known = exp(-limit * (1 - busy) / MEAN)
            assert later_than(service, rate, limit) == pytest.approx(known, rel=1e-6)


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_erlang_c_is_the_formula(servers: int, busy: float) -> None:
    """The recursion equals the textbook's sum."""
    offered = servers * busy
    last = offered**servers / factorial(servers) / (1 - busy)
    known = last / (sum(offered**n / factorial(n) for n in range(servers)) + last)
    assert erlang_c(servers, offered) == pytest.approx(known, rel=1e-9)


@given(st.floats(1, 1e6), st.floats(0, 30))
def test_phases_have_the_moments(mean: float, variation: float) -> None:
    """The distribution behind a service has its mean and its variation."""
    constant, parts = Service(mean, variation).phases()
    first = constant + sum(share * each for share, each in parts)
    second = sum(share * (constant**2 + 2 * constant * m + 2 * m * m) for share, m in parts)
    assert sum(share for share, _ in parts) == pytest.approx(1)
    assert constant >= -1e-9 * mean
    assert first == pytest.approx(mean)
    assert second / first**2 - 1 == pytest.approx(variation, abs=1e-6)


@given(
    st.floats(10, 1e5), st.floats(0, 8), st.floats(0.02, 0.97), st.integers(1, 12), st.floats(0, 1)
)
def test_a_quantile_is_the_inverse_of_the_tail(
    mean: float, variation: float, busy: float, servers: int, more: float
) -> None:
    """What is later than the quantile is the rest, and more load is never faster."""
    service = Service(mean, variation)
    full = servers * 1e6 / mean
    found = quantile(service, busy * full, servers=servers)
    assert later_than(service, busy * full, 1.001 * found, servers) <= 0.01
    if found > 1.01 * service.phases()[0]:
        assert later_than(service, busy * full, 0.99 * found, servers) >= 0.01 * (1 - 1e-6)
    busier = busy + more * (0.98 - busy)
    assert quantile(service, busier * full, servers=servers) >= found * (1 - 1e-3)


@given(st.floats(10, 1e5), st.floats(0, 8), st.floats(1.5, 100), st.integers(1, 8))
def test_fill_keeps_the_limit(mean: float, variation: float, room: float, servers: int) -> None:
    """At the fill the limit is held, and a hundredth above it no longer; 0: never."""
    service, limit = Service(mean, variation), mean * room
    share = fill(service, limit, servers=servers)
    full = servers * 1e6 / mean
    if share:
        assert later_than(service, share * full, limit, servers) <= 0.01
    if share < 0.98:
        assert later_than(service, (share + 0.01) * full, limit, servers) > 0.01


def test_beyond_capacity_nothing_is_answered() -> None:
    """Where servers cannot keep up, everybody waits for ever."""
    service = Service(MEAN, 1.0)
    assert waiting(service, 2_500) == (1.0, inf)
    assert quantile(service, 2_600) == inf
    assert later_than(service, 2_600, 1e12) == 1.0
    assert erlang_c(3, 3.0) == 1.0


def test_in_flight_is_poisson() -> None:
    """The mean is Little's law, and 99 of 100 moments see no more than the quantile."""
    chance = random.Random(4)
    mean, most = in_flight(50, 400_000)
    assert mean == pytest.approx(20)
    ends: list[float] = []
    now, seen = 0.0, []
    for _ in range(20_000):
        now += chance.expovariate(50 / 1e6)
        ends = [end for end in ends if end > now]
        seen.append(len(ends))  # arrivals see what a moment does
        ends.append(now + chance.uniform(0, 800_000))
    assert sum(seen) / len(seen) == pytest.approx(mean, rel=0.05)
    assert sum(count <= most for count in seen) / len(seen) == pytest.approx(0.99, abs=0.006)
