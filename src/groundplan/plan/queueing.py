"""Waiting in line: how long requests wait for a busy server, and what share of it to plan with.

The model is the M/G/k queue: requests arrive by chance (Poisson), k servers take them in order,
and service has a mean and a spread. The probability of waiting is Erlang's C formula (A. K.
Erlang, 1917; D. Gross et al., "Fundamentals of Queueing Theory", 4th edition, Wiley 2008, section
2.3). The mean wait is the approximation of Allen and Cunneen (A. O. Allen, "Probability,
Statistics, and Queueing Theory", 2nd edition, Academic Press 1990, chapter 5): that of M/M/k times
half the sum of the squared coefficients of variation of arrivals and of service. For one server
and Poisson arrivals it is the formula of Pollaczek and Khinchine, which is exact. Who waits, waits
an exponential time (J. F. C. Kingman, "The single server queue in heavy traffic", Mathematical
Proceedings of the Cambridge Philosophical Society 57, 1961, pages 902-904): exact for M/M/k, and
the limit of every such queue as it fills up.
"""

from math import exp, inf, sqrt
from typing import Final

from msgspec import Struct

_NEAR: Final = 1e-6  # of a relative difference of two rates, where the formulas divide by it

Phases = tuple[float, tuple[tuple[float, float], ...]]
"""A constant, µs, and the probability and the mean, µs, of each exponential of a mixture."""


class Service(Struct, frozen=True):
    """How long a server takes over one request.

    Args:
        mean: µs.
        variation: the squared coefficient of variation, variance over squared mean: 0 where all
            take equally long, 1 as an exponential time has it.
    """

    mean: float
    variation: float

    def phases(self) -> Phases:
        """A distribution with this mean and variation: a constant and a mixture of exponentials.

        Up to a variation of 1 a constant and one exponential; beyond, two exponentials with
        balanced means (W. Whitt, "The queueing network analyzer", Bell System Technical Journal
        62, 1983, pages 2779-2815).

        Returns:
            The constant and the mixture.
        """
        if self.variation <= 1:
            spread = self.mean * sqrt(self.variation)
            return self.mean - spread, ((1.0, spread),)
        share = (1 + sqrt((self.variation - 1) / (self.variation + 1))) / 2
        return 0.0, (
            (share, self.mean / (2 * share)),
            (1 - share, self.mean / (2 * (1 - share))),
        )


def erlang_c(servers: int, offered: float) -> float:
    """The probability that a request waits for one of several servers.

    Args:
        servers: how many.
        offered: arrivals times mean service: the servers that are busy on average.

    Returns:
        1 where as much is offered as the servers can do, or more.
    """
    if offered >= servers:
        return 1.0
    blocked = 1.0  # Erlang's B by its recursion, which neither overflows nor cancels
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    busy = offered / servers
    return blocked / (1 - busy * (1 - blocked))


def waiting(service: Service, rate: float, servers: int = 1) -> tuple[float, float]:
    """How many wait, and for how long those do.

    Args:
        service: of one request.
        rate: requests per second of all servers.
        servers: how many take requests from one queue.

    Returns:
        The probability of waiting, and the mean wait of those who wait, µs; infinite where the
        servers cannot keep up.
    """
    offered = rate * service.mean / 1e6
    if offered >= servers:
        return 1.0, inf
    # E[W | W > 0] of M/M/k is 1 / (k mu - lambda); Allen and Cunneen's factor on top.
    return erlang_c(servers, offered), (
        service.mean / (servers - offered) * (1 + service.variation) / 2
    )


def later_than(service: Service, rate: float, limit: float, servers: int = 1) -> float:
    """The probability that a request is not answered within `limit` µs, waiting and service."""
    wait, length = waiting(service, rate, servers)
    return 1.0 if length == inf else _late(service.phases(), wait, length, limit)


def quantile(service: Service, rate: float, share: float = 0.99, servers: int = 1) -> float:
    """The time within which a share of the requests is answered, µs; infinite beyond capacity."""
    wait, length = waiting(service, rate, servers)
    if length == inf:
        return inf
    phases, late = service.phases(), 1 - share
    low, high = 0.0, service.mean
    while _late(phases, wait, length, high) > late:
        low, high = high, 2 * high
    for _ in range(17):  # to less than a hundred-thousandth of itself
        middle = (low + high) / 2
        if _late(phases, wait, length, middle) > late:
            low = middle
        else:
            high = middle
    return high


def fill(service: Service, limit: float, share: float = 0.99, servers: int = 1) -> float:
    """How busy servers may be, 0 to 1, so that a share of requests is answered within the limit.

    Args:
        service: of one request.
        limit: µs.
        share: of the requests that must be within it.
        servers: how many take requests from one queue.

    Returns:
        0 where not even an idle server holds the limit.
    """
    full = servers * 1e6 / service.mean
    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        if later_than(service, middle * full, limit, servers) > 1 - share:
            high = middle
        else:
            low = middle
    return low if low > 2**-12 else 0.0


def in_flight(rate: float, each: float) -> tuple[float, float]:
    """Requests that are under way at once where none waits for another: mean, 99 % quantile.

    Little's law gives the mean; their number is Poisson whatever the spread of the durations
    (M/G/infinity; Gross et al., section 2.6), which the normal quantile approximates.

    Args:
        rate: requests per second.
        each: µs of one.
    """
    mean = rate * each / 1e6
    return mean, mean + 2.326 * sqrt(mean)


def _late(phases: Phases, wait: float, length: float, limit: float) -> float:
    """The probability that an exponential wait, which only some have, and service exceed a time."""
    constant, parts = phases
    left = limit - constant
    if left < 0:
        return 1.0
    late = 0.0
    for share, mean in parts:
        late += share * ((1 - wait) * _tail(mean, left) + wait * _sum_tail(mean, length, left))
    return late


def _tail(mean: float, time: float) -> float:
    return exp(-time / mean) if mean > 0 else 0.0


def _sum_tail(one: float, other: float, time: float) -> float:
    """The probability that two independent exponential times together exceed a time."""
    if one <= 0 or other <= 0:
        return _tail(max(one, other), time)
    if abs(one - other) < _NEAR * other + 1e-12:
        return (1 + time / other) * exp(-time / other)
    return (one * exp(-time / one) - other * exp(-time / other)) / (one - other)
