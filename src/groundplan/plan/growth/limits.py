"""Where each component gives out, by arithmetic from the capacity; what replaces it then.

What there is to use up is what is stated; where nothing is stated, one large machine, the one
writer of an embedded store, one index.
"""

from collections.abc import Iterator
from math import inf
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs
from groundplan.decision.work import MACHINE
from groundplan.plan.budget import HEADROOM
from groundplan.plan.capacity import factors, offline, stores
from groundplan.plan.capacity.load import SHARE
from groundplan.plan.capacity.request import Request
from groundplan.plan.capacity.server import demand, planned
from groundplan.plan.capacity.stated import least_memory
from groundplan.plan.growth.ladder import beyond_cores, beyond_memory, elsewhere
from groundplan.plan.growth.limit import Axis, Limit
from groundplan.plan.growth.stretch import Stretch, stretches
from groundplan.plan.sketch import MANY
from groundplan.units import show_about, show_count, show_duration, show_rate, show_size

WRITES: Final = 50_000.0
"""Events per second that the embedded store records: it has one writer. Measured: 52,000 to 61,000
a second of CPU time."""

COMMANDS: Final = 100_000.0 / 3
"""Requests per second of one Redis or Valkey: some hundred thousand commands on the one core that
runs them, and three commands a request (two histories read, one event recorded)."""


def limits(answers: Answers, costs: Costs, axis: Axis, factor: float) -> list[Limit]:
    """What gives out along one axis, in the order of the plan.

    Beyond a turn of the decision it is what is decided there that gives out, not what was before.
    """
    found: dict[str, Limit] = {}
    for stretch in stretches(answers, costs, axis, factor):
        for limit in sorted(_limits(stretch), key=lambda limit: limit.factor or inf):
            known = found.get(limit.component)
            if known is None or known.factor is None:
                found[limit.component] = limit
    return list(found.values())


def _limits(stretch: Stretch) -> Iterator[Limit]:
    yield from _server(stretch)
    if stretch.axis == "traffic":
        yield from _writes(stretch)
        yield from _generator(stretch)
    if stretch.axis == "corpus":
        yield from _things(stretch)
    yield from _memory(stretch)
    yield from _run(stretch)
    yield from _training(stretch)


def _cores(stretch: Stretch) -> tuple[float, str]:
    """Cores that there are, and how they are known."""
    stated = stretch.now.cores
    if stated is not None:
        return stated, f"{stated:,.0f} core{'s' if stated > 1 else ''} (stated)"
    hosts = stretch.answers.policy.hosts or 1
    machine = f"large machine{'s' if hosts > 1 else ''} of {MACHINE} cores (none are stated)"
    return float(MACHINE * hosts), f"{hosts} {machine}" if hosts > 1 else f"one {machine}"


def _server(stretch: Stretch) -> Iterator[Limit]:
    one = stretch.request(stretch.start)
    have, whose = _cores(stretch)
    at, spread = _full(stretch, one, have)
    if at is None:
        return
    later = one if stretch.axis == "traffic" else stretch.request(at)
    rate = show_rate(stretch.now.answers.latency.throughput)
    if demand(stretch.load(at), later) == inf:
        promised = show_duration(stretch.answers.latency.p99)
        yield stretch.limit(
            "server",
            at,
            f"a request takes {_short(later.own.typical)} in a running server {stretch.at(at)}, "
            f"and no number of processes then holds the p99 of {promised}",
            "a longer latency.p99, or a request that does less",
        )
    elif spread and stretch.now.chosen("store") == "embedded":
        yield stretch.limit(
            "server",
            stretch.start * have / demand(stretch.now, one),
            f"{_count(demand(stretch.now, one))} processes are planned {stretch.here}, more than "
            f"fit {whose}, and the store is a file that other machines do not see",
            beyond_cores(stretch.answers, "several hosts, with a store that all share"),
        )
    elif spread:
        yield stretch.limit(
            "server",
            None,
            f"more processes are planned than fit {whose}: several machines behind one address, "
            "and as many more as come",
            "nothing",
        )
    else:
        full = planned(stretch.now, one)[1]
        takes = later.own.typical
        more = takes > 1.01 * one.own.typical
        yield stretch.limit(
            "server",
            at,
            f"{whose} can answer {_rate(have * full * 1e6 / one.own.typical)} at {full:.0%} of "
            f"saturation, and {rate} is the peak; a request takes {_short(one.own.typical)} "
            f"{stretch.here}" + (f" and {_short(takes)} {stretch.at(at)}" if more else ""),
            beyond_cores(
                stretch.answers, "more hosts behind a load balancer, with a store that all share"
            ),
        )


def _full(stretch: Stretch, one: Request, have: float) -> tuple[float | None, bool]:
    """Where the cores are full or the p99 breaks, and whether more are planned from the start."""
    needs = demand(stretch.now, one)
    spread = stretch.now.cores is None and have < needs < inf
    if stretch.axis == "traffic":
        return max(stretch.start, stretch.start * have / needs), spread
    if needs == inf or (needs > have and not spread):
        return None, spread  # it does not come from this axis
    most = inf if spread else have

    def gone(at: float) -> bool:
        found = demand(stretch.load(at), stretch.request(at))
        return found == inf or found > most

    return stretch.first(gone), spread


def _writes(stretch: Stretch) -> Iterator[Limit]:
    """The one writer of an embedded store, or the one core of a shared one."""
    load = stretch.now
    if not load.events:
        return
    if load.chosen("store") == "shared":
        most, what = COMMANDS, "one Redis or Valkey runs commands on one core"
        instead = MANY
    else:
        most, what = WRITES, "the embedded store has one writer"
        instead = "Redis or Valkey, the same state"
    yield stretch.limit(
        "store",
        stretch.start * most / load.peak,
        f"{what}, some {_rate(most)}; {show_rate(stretch.answers.latency.throughput)} is the peak",
        instead,
    )


def _generator(stretch: Stretch) -> Iterator[Limit]:
    load = stretch.now
    if not load.chosen("generator") or stretch.decision.pattern == "batch":
        return
    one = stretch.request(stretch.start)
    now = stores.generator(load, one, stretch.costs).bands
    then = stores.generator(stretch.then, one, stretch.costs).bands
    if "in flight" in now:
        before, after = now["in flight"].typical, then["in flight"].typical
        yield stretch.limit(
            "generator",
            None,
            f"answers under way at once grow from {_count(before)} to {_count(after)}; how many "
            "the provider takes is in no table: ask for its limit",
            "several servers behind a load balancer",
        )
        return
    need = now["cores"].typical
    have, whose = _cores(stretch)
    yield stretch.limit(
        "generator",
        stretch.start * have / need,
        f"{_count(need)} cores write the answers to {show_rate(load.answers.latency.throughput)}, "
        + (f"more than {whose}" if need > have else f"and there are {whose}"),
        elsewhere(stretch.answers),
    )


def _things(stretch: Stretch) -> Iterator[Limit]:
    """Whatever searches or scores more things."""
    if stretch.decision.pattern == "batch" and not stretch.now.listed:
        yield stretch.limit(
            "keys",
            None,
            offline.keys_because(stretch.now) + ": they grow with the traffic, not with a corpus",
            "nothing",
        )
        return
    if stretch.now.stated is None and stretch.decision.pattern != "rag":
        yield stretch.limit(
            "candidates",
            None,
            "a request is about one thing, and no answer counts more",
            "nothing",
        )
        return
    allowed = (1 - HEADROOM) * stretch.answers.latency.p99
    one, later = stretch.request(stretch.start), stretch.request(stretch.end)
    grows = {
        stage.name: float(stage.estimate - before.estimate)
        for before, stage in zip(one.stages, later.stages, strict=True)
    }
    name = max(grows, key=lambda stage: grows[stage])
    if grows[name] <= 0:
        return

    def slow(at: float) -> bool:
        return sum(stage.estimate for stage in stretch.request(at).stages) > allowed

    took, takes = (
        next(float(stage.estimate) for stage in each.stages if stage.name == name)
        for each in (one, later)
    )
    rest = sum(stage.estimate for stage in one.stages) - took
    yield stretch.limit(
        "index" if name == "retrieve" else name,
        stretch.first(slow),
        f"{name} takes {_short(took)} {stretch.here} and {_short(takes)} {stretch.there}, and "
        f"{_short(max(0.0, allowed - rest))} of {show_duration(stretch.answers.latency.p99)} are "
        "left for it",
        "pgvector, Qdrant or Pinecone, in several parts that are searched at once"
        if name == "retrieve"
        else "fewer candidates in a request",
    )


def _memory(stretch: Stretch) -> Iterator[Limit]:
    """Online state, published versions, lists and indexes against the memory of the machines."""
    load = stretch.now
    absent = {
        "index": load.chosen("index") in {"", "none"},
        "lists": load.chosen("retrieval") == "live",
        "online state": load.answers.system.output == "answer",
    }
    for make, component, instead in _HELD[stretch.decision.pattern or ""]:
        if absent.get(component):
            continue
        now = make(load).bands["memory"].typical
        then = make(stretch.then).bands["memory"].typical
        if then <= 1.01 * now:
            continue
        most, whose = _room(stretch, now)
        shared = load.chosen("store") == "shared" and component != "index"
        yield stretch.limit(
            component,
            stretch.crossing(now, then, most),
            f"{_size(now)} of it should stay in memory {stretch.here} and {_size(then)} "
            f"{stretch.there}, and {whose}",
            beyond_memory(stretch.answers, MANY if shared else instead),
        )


def _room(stretch: Stretch, own: float) -> tuple[float, str]:
    """Bytes that a component may take which takes `own` now, and why so many."""
    room = stretch.now.room
    if room is None:
        most = factors.LARGE * (stretch.answers.policy.hosts or 1)
        return most, f"{show_size(most)} is as much as large machines have (none is stated)"
    taken = least_memory(stretch.capacity().needs).typical
    most = max(0.0, room - (taken - own))
    return most, f"the rest of the plan leaves {_size(most)} of the {show_size(room)} stated"


_STATE: Final = stores.state, "online state", "Redis or Valkey, the same state on several hosts"
_INDEX: Final = stores.index, "index", "pgvector, Qdrant or Pinecone, in several parts"
_LISTS: Final = stores.lists, "lists", "Redis or Valkey on several hosts"
_PUBLISHED: Final = (
    stores.published,
    "published versions",
    "Redis or Valkey on several hosts, a key prefix per version",
)
_HELD: Final = {
    "batch": (_PUBLISHED,),
    "realtime": (_STATE,),
    "ranking": (_STATE, _INDEX, _LISTS),
    "rag": (_INDEX,),
}


def _run(stretch: Stretch) -> Iterator[Limit]:
    """The scheduled run against the time between two."""
    if stretch.decision.pattern != "batch":
        return
    window = offline.WITHIN * stretch.now.interval
    one = (
        stretch.request(stretch.start).own.typical / 1e6
    )  # a lookup, which traffic leaves as it is
    loads = stretch.now, stretch.then
    now, then = (offline.running(load, stretch.costs).typical * window for load in loads)
    busy, later = (load.peak * one * window for load in loads)
    have, whose = _cores(stretch)
    at = stretch.crossing(now + busy, then + later, SHARE * have * window)
    if at is not None:
        written = stretch.now.chosen("generator") in factors.PARAMETERS
        yield stretch.limit(
            "run",
            at,
            f"a run takes {_seconds(now)} of cores' time {stretch.here} and {_seconds(then)} "
            f"{stretch.there}; {whose} may be filled to {SHARE:.0%}, lookups included, for a "
            f"quarter of the {offline.between(stretch.now)} between two",
            elsewhere(stretch.answers)
            if written
            else beyond_cores(stretch.answers, "Spark, the same statement and the same model"),
        )


def _training(stretch: Stretch) -> Iterator[Limit]:
    """All of the history, in the memory of one machine."""
    load = stretch.now
    if load.answers.system.output == "answer" or load.few:
        return
    now, then = load.history.typical, stretch.then.history.typical
    if then <= now:
        return
    if load.room is not None:
        load = load.leaving(load.room - least_memory(stretch.capacity().needs[:-2]).typical)
    fits = f"{_count(load.trainable)} {offline.fitting(load)}"
    days = f"{factors.HISTORY.typical:.0f} days"
    if now > load.trainable or load.answers.policy.memory is None:
        yield stretch.limit(
            "training",
            None,
            f"{days} are {_count(now)} rows {stretch.here}, of which {fits}: what does not fit is "
            "sampled, and a longer history does not make the sample larger",
            "nothing",
        )
        return
    yield stretch.limit(
        "training",
        stretch.crossing(now, then, load.trainable),
        f"{days} are {_count(now)} rows {stretch.here} and {_count(then)} {stretch.there}, and "
        f"{fits}",
        "a sample of the rows; "
        + beyond_memory(stretch.answers, "distributed LightGBM on several hosts"),
    )


def _count(number: float) -> str:
    return show_count(int(float(f"{number:.2g}")))


def _size(amount: float) -> str:
    return show_size(float(f"{amount:.3g}"))


def _rate(number: float) -> str:
    return show_rate(round(float(f"{number:.3g}") * 1e9))


def _short(us: float) -> str:
    return show_about(us)


def _seconds(amount: float) -> str:
    return offline.long(amount * 1e6)
