"""The server: processes of one core each, as many as keep the promised p99 at the peak."""

from math import ceil, inf
from typing import Final

from msgspec import Struct

from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band
from groundplan.plan.capacity.load import SHARE, Load
from groundplan.plan.capacity.need import Need
from groundplan.plan.capacity.request import Request
from groundplan.plan.queueing import Service, fill, quantile
from groundplan.units import show_about, show_duration, show_rate

LEAST: Final = 0.1
"""Below so busy a process it is the work itself that breaks the p99: more of them mend nothing."""


class Server(Struct, frozen=True):
    """What the server needs, and what it can do.

    Args:
        need: cores, memory, replicas.
        saturation: requests/s of one process.
        latency: p99 in µs: of one process at `50%` and `80%` of its saturation, and of all of
            them, or of as many as there are cores for, at the promised `peak`.
        least: the shortest p99, µs, that any number of processes holds.
    """

    need: Need
    saturation: Band
    latency: dict[str, Band]
    least: Band


def planned(load: Load, request: Request) -> tuple[Band, float]:
    """How many processes keep the p99 at the peak, and how busy one may be, 0 to 1.

    Each process has a queue of its own: connections are dealt to processes in turn, and a request
    cannot change over. So k processes are k times M/G/1, not M/G/k. Where no number of them holds
    the p99, as many as for the shortest that one does.
    """
    shares = [share or LEAST for share in _shares(load, request)]
    low, typical, high = (
        float(max(1, ceil(load.peak * service.mean / 1e6 / share - 1e-9)))
        for service, share in zip(request.services(), shares, strict=True)
    )
    return Band(low, max(low, typical), max(low, typical, high), "replicas"), shares[1]


def demand(load: Load, request: Request) -> float:
    """Processes that keep the p99 at the peak, not rounded; infinite where no number does."""
    service, share = request.services()[1], _shares(load, request)[1]
    return inf if share is None else load.peak * service.mean / 1e6 / share


def server(load: Load, request: Request) -> Server:
    """What the server of the decided architecture needs."""
    replicas, _ = planned(load, request)
    need = Need(
        "server",
        {
            "cores": replicas.times(1.0, "cores"),
            "memory": replicas.times(factors.PROCESS, "bytes"),
            "replicas": replicas,
        },
        _because(load, request),
    )
    latency = {
        "50%": _at(request, 0.5),
        "80%": _at(request, 0.8),
        "peak": _peak(load, request, replicas),
    }
    saturation = request.own.upside_down(1e6, "requests/s")
    return Server(need, saturation, latency, _at(request, LEAST))


def _shares(load: Load, request: Request) -> list[float | None]:
    """How busy a process may be, by each estimate: at most 70 %, less where waiting would break
    the p99; None where no number of processes holds it."""
    found: list[float | None] = []
    for service, wait in zip(request.services(), _three(request.elsewhere), strict=True):
        share = min(SHARE, fill(service, load.answers.latency.p99 - wait))
        found.append(share if share >= LEAST else None)
    return found


def _at(request: Request, share: float) -> Band:
    """The p99 of a process at a share of its own saturation."""
    return _band(
        [
            wait + quantile(service, share * 1e6 / service.mean)
            for service, wait in zip(request.services(), _three(request.elsewhere), strict=True)
        ]
    )


def _peak(load: Load, request: Request, replicas: Band) -> Band:
    """The p99 at the promised peak, each estimate by as many processes as it asks for.

    Each has a core of its own, so there are no more of them than cores that are stated.
    """
    most = load.cores or inf
    found = []
    for service, wait, count in zip(
        request.services(), _three(request.elsewhere), _three(replicas), strict=True
    ):
        found.append(wait + _latest(service, load.peak / min(count, most)))
    return _band(found)


def _latest(service: Service, rate: float) -> float:
    """The p99 of one process, µs; of one that cannot keep up, over a peak's length."""
    ahead = rate * service.mean / 1e6 - 1
    within = quantile(service, rate)
    return within if within < inf else 1e6 * factors.PEAK * max(ahead, 1e-3)


def _band(found: list[float]) -> Band:
    return Band(found[0], max(found[:2]), max(found), "us")


def _three(band: Band) -> tuple[float, float, float]:
    return band.low, band.typical, band.high


def _because(load: Load, request: Request) -> str:
    rows, own = request.rows, request.own
    share = _shares(load, request)[1]
    if share is None:
        promised = show_duration(load.answers.latency.p99)
        why = f", as for a p99 of {_short(_at(request, LEAST).typical)}: nothing holds {promised}"
    elif share < SHARE:
        why = f", so that waiting leaves the p99 of {show_duration(load.answers.latency.p99)}"
    else:
        why = ""
    return (
        f"a request takes {_short(rows)} by the cost table and {_short(own.typical)} "
        f"({_short(own.low)} to {_short(own.high)}) in a running server; at "
        f"{show_rate(load.answers.latency.throughput)} that keeps "
        f"{_busy(load.peak * own.typical / 1e6)} busy, and a core is planned to be "
        f"{share or LEAST:.0%} busy at most{why}; one more where a process may fail"
    )


def _busy(cores: float) -> str:
    """Cores that are kept busy, in words."""
    return f"{figure(cores)} cores" if cores >= 0.01 else "hardly any of a core"


def figure(number: float) -> str:
    """A number in two digits, or whole from ten up."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _short(us: float) -> str:
    """A duration in three digits."""
    return show_about(us)
