"""The server: processes of one core each, as many as keep the promised p99 at the peak."""

from msgspec import Struct

from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band
from groundplan.plan.capacity.load import SHARE, Load
from groundplan.plan.capacity.need import Need
from groundplan.plan.capacity.request import Request
from groundplan.plan.queueing import Service, fill, quantile
from groundplan.units import show_duration, show_rate


class Server(Struct, frozen=True):
    """What the server needs, and what it can do.

    Args:
        need: cores, memory, replicas.
        saturation: requests/s of one process.
        latency: p99 in µs: of one process at `50%` and `80%` of its saturation, and of all of
            them at the promised `peak`.
    """

    need: Need
    saturation: Band
    latency: dict[str, Band]


def planned(load: Load, request: Request) -> tuple[Band, float]:
    """How many processes keep the p99 at the peak, and how busy one may be, 0 to 1.

    Each process has a queue of its own: connections are dealt to processes in turn, and a request
    cannot change over. So k processes are k times M/G/1, not M/G/k.
    """
    shares = [
        _full(service, load.answers.latency.p99 - wait)
        for service, wait in zip(request.services(), _three(request.elsewhere), strict=True)
    ]
    low, typical, high = (
        _count(load.peak, service, share)
        for service, share in zip(request.services(), shares, strict=True)
    )
    return Band(low, max(low, typical), max(low, typical, high), "replicas"), shares[1]


def server(load: Load, request: Request) -> Server:
    """What the server of the decided architecture needs."""
    replicas, full = planned(load, request)
    need = Need(
        "server",
        {
            "cores": replicas.times(1.0, "cores"),
            "memory": replicas.times(factors.PROCESS, "bytes"),
            "replicas": replicas,
        },
        _because(load, request, full),
    )
    latency = {
        "50%": _at(request, 0.5),
        "80%": _at(request, 0.8),
        "peak": _peak(request, load.peak, replicas),
    }
    return Server(need, request.own.upside_down(1e6, "requests/s"), latency)


def _full(service: Service, limit: float) -> float:
    """How busy a process may be: at most 70 %, and less where waiting would break the p99."""
    share = min(SHARE, fill(service, limit))
    # Below a tenth it is the work itself that breaks the p99, and no number of replicas mends it.
    return share if share >= 0.1 else SHARE


def _count(peak: float, service: Service, share: float) -> float:
    return float(max(1, -int(-(peak * service.mean / 1e6 / share - 1e-9) // 1)))


def _at(request: Request, share: float) -> Band:
    """The p99 of a process at a share of its own saturation."""
    return _band(
        [
            wait + quantile(service, share * 1e6 / service.mean)
            for service, wait in zip(request.services(), _three(request.elsewhere), strict=True)
        ]
    )


def _peak(request: Request, peak: float, replicas: Band) -> Band:
    """The p99 at the promised peak, each estimate by as many processes as it asks for."""
    found = []
    for service, wait, count in zip(
        request.services(), _three(request.elsewhere), _three(replicas), strict=True
    ):
        found.append(wait + quantile(service, peak / count))
    return _band(found)


def _band(found: list[float]) -> Band:
    return Band(found[0], max(found[:2]), max(found), "us")


def _three(band: Band) -> tuple[float, float, float]:
    return band.low, band.typical, band.high


def _because(load: Load, request: Request, full: float) -> str:
    rows, own = request.rows, request.own
    promised = show_duration(load.answers.latency.p99)
    fits = full < SHARE
    return (
        f"a request takes {_short(rows)} by the cost table and {_short(own.typical)} "
        f"({_short(own.low)} to {_short(own.high)}) in a running server; at "
        f"{show_rate(load.answers.latency.throughput)} that keeps "
        f"{load.peak * own.typical / 1e6:.2g} cores busy, and a core is planned to be "
        f"{full:.0%} busy at most"
        + (f", so that waiting leaves the p99 of {promised}" if fits else "")
        + "; one more where a process may fail"
    )


def _short(us: float) -> str:
    """A duration in three digits."""
    return show_duration(float(f"{us:.3g}"))
