"""The plan against what was promised and stated: the p99, the cores, the memory."""

from collections.abc import Callable, Container, Iterable
from math import ceil

from groundplan.decision import Costs
from groundplan.plan.capacity import factors, offline
from groundplan.plan.capacity.band import Band, known, total
from groundplan.plan.capacity.load import SHARE, Load
from groundplan.plan.capacity.need import Need
from groundplan.plan.capacity.request import Request
from groundplan.plan.capacity.server import Server
from groundplan.plan.capacity.shortage import Shortage, failing
from groundplan.units import show_about, show_duration, show_rate, show_size


def shortages(
    load: Load, one: Request, serves: Server, needs: list[Need], costs: Costs
) -> tuple[Shortage, ...]:
    """What the plan needs and was not given; empty where it holds by its high estimate too."""
    found = (_late(load, serves), _crowded(load, one, needs, costs), _narrow(load, needs))
    return tuple(shortage for shortage in found if shortage is not None)


def _late(load: Load, serves: Server) -> Shortage | None:
    p99 = float(load.answers.latency.p99)
    estimate = failing(serves.least, p99)
    if estimate is None:
        return None
    least = getattr(serves.least, estimate)
    return Shortage(
        "server",
        "p99",
        serves.least,
        p99,
        estimate,
        f"{_by(estimate)}no number of processes holds a p99 of {show_duration(p99)}: "
        f"{_short(least)} is the least, with hardly anybody waiting",
        f"latency.p99 = {_enough(least, show_duration)}, or a request that does less",
    )


def _crowded(load: Load, one: Request, needs: list[Need], costs: Costs) -> Shortage | None:
    if load.cores is None:
        return None
    cores = cores_needed(load, one, needs, costs)
    estimate = failing(cores, load.cores)
    if estimate is None:
        return None
    need = getattr(cores, estimate)
    hosts = load.answers.policy.hosts or 1
    rate = show_rate(load.answers.latency.throughput)
    return Shortage(
        "in all",
        "cores",
        cores,
        load.cores,
        estimate,
        f"{_by(estimate)}{need:,.0f} cores are needed at {rate}, and {load.cores:,.0f} "
        f"{'is' if load.cores == 1 else 'are'} stated",
        f"policy.cores = {ceil(need / hosts)}"
        + (f" on each of {hosts} hosts" if hosts > 1 else "")
        + ", or less traffic",
    )


def cores_needed(load: Load, one: Request, needs: list[Need], costs: Costs) -> Band:
    """Cores that carry the plan where they are few.

    Each process that answers requests, and the language model, has its own. What runs at night
    shares them: it takes what the peak leaves idle, up to 70 % of all.
    """
    cores = {need.component: need.bands["cores"] for need in needs if "cores" in need.bands}
    own = {name: band for name, band in cores.items() if name in {"server", "generator"}}
    answering = total(own.values(), "cores")
    busy = one.own.times(load.peak / 1e6, "cores")
    night = _night(load, cores, costs)
    model = own.get("generator", known(0, "cores"))
    together = busy.plus(night).times(1 / SHARE, "cores").plus(model).whole("cores")
    return Band(
        max(answering.low, together.low),
        max(answering.typical, together.typical),
        max(answering.high, together.high),
        "cores",
    )


def _night(load: Load, names: Container[str], costs: Costs) -> Band:
    """Cores that scheduled work keeps busy while it runs."""
    parts = [known(0, "cores")]
    if "training" in names:
        parts.append(offline.trained(load))
    if "run" in names:
        parts.append(offline.running(load, costs))
    if "embedding" in names:
        parts.append(offline.embedded(load, costs))
    return total(parts, "cores")


def _narrow(load: Load, needs: list[Need]) -> Shortage | None:
    if load.room is None:
        return None
    memory = least_memory(needs)
    estimate = failing(memory, load.room)
    if estimate is None:
        return None
    need = getattr(memory, estimate)
    most = max(needs, key=lambda n: getattr(_least(n), estimate)).component
    hosts = load.answers.policy.hosts or 1
    return Shortage(
        "in all",
        "memory",
        memory,
        load.room,
        estimate,
        f"{_by(estimate)}{_size(need)} of memory are needed, most of it for the "
        f"{most.replace('_', ' ')}, and {show_size(load.room)} are stated",
        f"policy.memory = {_enough(need / hosts, show_size)}"
        + (" on each host" if hosts > 1 else "")
        + _elsewhere(load, needs, estimate),
    )


def _elsewhere(load: Load, needs: list[Need], estimate: str) -> str:
    """The other way out, where all but the training fits: what serves need not be what trains."""
    rest = getattr(least_memory(n for n in needs if n.component != "training"), estimate)
    trains = any(need.component == "training" for need in needs)
    if not trains or load.room is None or rest > load.room:
        return ""
    return f", or a training on another machine: the rest needs {_size(rest)}"


def least_memory(needs: Iterable[Need]) -> Band:
    """Memory of all, with training as small as it may be."""
    return total([_least(need) for need in needs], "bytes")


def _least(need: Need) -> Band:
    """Memory that a component needs; of training, which takes what is left, the least."""
    if need.component == "training":
        held = known(factors.HELD * factors.FEW.high, "bytes")
        least, most = factors.TRAINING.plus(held), need.bands["memory"]
        return Band(
            min(least.low, most.low),
            min(least.typical, most.typical),
            min(least.high, most.high),
            "bytes",
        )
    return need.bands.get("memory", known(0, "bytes"))


def _by(estimate: str) -> str:
    return "" if estimate == "typical" else "by the high estimate "


def _short(us: float) -> str:
    return show_about(us)


def _enough(amount: float, show: Callable[[float], str]) -> str:
    """An amount in two digits, rounded up: wide enough to be written into the file."""
    step = 10.0 ** (len(str(int(amount))) - 2)
    return show(ceil(amount / step) * step)


def _size(amount: float) -> str:
    return show_size(float(f"{amount:.3g}"))
