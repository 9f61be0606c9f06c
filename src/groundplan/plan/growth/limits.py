"""The limits of each component, by arithmetic from the capacity; what replaces it, by its stage.

An amount that grows in proportion, or with a part that stays, is known from two points: as it is
and as it will be. Where it crosses what there is, the component gives out.
"""

from collections.abc import Iterator
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan.budget import HEADROOM
from groundplan.plan.capacity import factors, offline, stores
from groundplan.plan.capacity.load import Load
from groundplan.plan.capacity.request import Request, request
from groundplan.plan.capacity.server import planned
from groundplan.plan.growth.limit import Axis, Limit
from groundplan.plan.growth.scaled import scaled
from groundplan.units import show_count, show_duration, show_rate, show_size

WRITES: Final = 50_000.0
"""Events per second that the embedded store records: it has one writer. Measured: 52,000 to 61,000
a second of CPU time."""

COMMANDS: Final = 100_000.0 / 3
"""Requests per second of one Redis or Valkey: some hundred thousand commands on the one core that
runs them, and three commands a request (two histories read, one event recorded)."""

HALF: Final = 0.5
"""The share of a machine's memory that one component may take."""

PASSAGES: Final = 100_000
VECTORS: Final = 1_000_000
"""Passages and vectors that the cost table's searches were measured with."""


class Grown:
    """A plan now and after one axis has grown.

    Args:
        answers: as they stand.
        decision: what they decide; not a conflict.
        costs: the cost table.
        axis: what grows.
        factor: how much, above 1.
    """

    def __init__(
        self, answers: Answers, decision: Decision, costs: Costs, axis: Axis, factor: float
    ) -> None:
        self.answers, self.decision, self.costs = answers, decision, costs
        self.axis: Axis = axis
        self.factor = factor
        self.now = Load(answers, decision)
        self.then = Load(
            scaled(answers, {axis: factor}),
            decision,
            factor if axis == "history" else 1.0,
            factor if axis == "corpus" else 1.0,
        )

    def limit(self, component: str, at: float | None, because: str, replaced_by: str) -> Limit:
        """A limit, with its factor where it lies within the growth."""
        within = at if at is not None and at <= self.factor else None
        return Limit(component, self.axis, within, because, replaced_by)

    def crossing(self, now: float, then: float, most: float) -> float | None:
        """The factor at which an amount reaches what there is; None where it does not grow."""
        if then <= now:
            return None
        return max(0.0, 1 + (most - now) / (then - now) * (self.factor - 1))

    def memory(self, now: float) -> tuple[float, str]:
        """Bytes that a component may take which takes so many now, and why so many.

        Where no memory is stated, a machine of 16, 32, 64 ... GB that it fits now.
        """
        policy = self.answers.policy
        hosts = policy.hosts or 1
        machine = self.now.memory
        if policy.memory is None:
            while HALF * hosts * machine < now:
                machine *= 2
        whose = f"{hosts} hosts of " if hosts > 1 else ""
        stated = "" if policy.memory else ", which it fits now, as no memory is stated"
        return HALF * hosts * machine, f"half of {whose}{show_size(machine)}{stated}"


def limits(
    answers: Answers, decision: Decision, costs: Costs, axis: Axis, factor: float
) -> list[Limit]:
    """What gives out along one axis, in the order of the plan."""
    grown = Grown(answers, decision, costs, axis, factor)
    one = request(answers, decision, costs)
    found = list(_server(grown, one))
    if axis == "traffic":
        found += _writes(grown)
        found += _generator(grown, one)
    if axis == "corpus":
        found += _things(grown, one)
    found += _memory(grown)
    found += _run(grown)
    found += _training(grown)
    return found


def _server(grown: Grown, one: Request) -> Iterator[Limit]:
    policy, load = grown.answers.policy, grown.now
    later = request(grown.then.answers, grown.decision, grown.costs)
    replicas, full = planned(load, one)
    if policy.cores is None:
        cores = replicas.typical
        have = f"the {_things_of(cores, 'process')} of this plan" if cores > 1 else "one process"
        more = max(cores + 1, planned(grown.then, later)[0].typical)
        instead = f"{_things_of(more, 'process')} behind one address, then more hosts"
    else:
        cores = float(policy.cores * (policy.hosts or 1))
        have = _things_of(cores, "core")
        instead = "more hosts behind a load balancer, with a store that all share"
    now, then = load.peak * one.own.typical / 1e6, grown.then.peak * later.own.typical / 1e6
    at = grown.crossing(now, then, cores * full)
    if at is not None:
        yield grown.limit(
            "server",
            at,
            f"{have} can answer {_rate(cores * full * 1e6 / one.own.typical)} at {full:.0%} of "
            f"saturation, and {show_rate(grown.answers.latency.throughput)} is the peak; a request "
            f"takes {_short(one.own.typical)} now"
            + (
                f" and {_short(later.own.typical)} at {grown.factor:g}x"
                if later.own.typical > one.own.typical
                else ""
            ),
            instead,
        )


def _writes(grown: Grown) -> Iterator[Limit]:
    """The one writer of an embedded store, or the one core of a shared one."""
    load = grown.now
    if not load.events:
        return
    if load.chosen("store") == "shared":
        most, what = COMMANDS, "one Redis or Valkey runs commands on one core"
        instead = "a cluster of Redis or Valkey, each key on one of its servers"
    else:
        most, what = WRITES, "the embedded store has one writer"
        instead = "Redis or Valkey, the same state"
    yield grown.limit(
        "store",
        most / load.peak,
        f"{what}, some {_rate(most)}; {show_rate(grown.answers.latency.throughput)} is the peak",
        instead,
    )


def _generator(grown: Grown, one: Request) -> Iterator[Limit]:
    load = grown.now
    if not load.chosen("generator") or grown.decision.pattern == "batch":
        return
    now = stores.generator(load, one, grown.costs).bands
    then = stores.generator(grown.then, one, grown.costs).bands
    if "in flight" in now:
        before, after = now["in flight"].typical, then["in flight"].typical
        yield grown.limit(
            "generator",
            None,
            f"answers under way at once grow from {_count(before)} to {_count(after)}; how many "
            "the provider takes is in no table: ask for its limit",
            "several servers behind a load balancer",
        )
        return
    policy = grown.answers.policy
    need = now["cores"].typical
    have = float(policy.cores * (policy.hosts or 1)) if policy.cores else need
    yield grown.limit(
        "generator",
        have / need if policy.cores else 1.0,
        f"{_count(need)} cores write the answers to "
        f"{show_rate(grown.answers.latency.throughput)}, and "
        f"{'there are' if policy.cores else 'the plan has'} {_count(have)}",
        "accelerators, or a hosted model if policy.external_api allows it",
    )


def _things(grown: Grown, one: Request) -> Iterator[Limit]:
    """Whatever searches or scores more things."""
    load, pattern = grown.now, grown.decision.pattern
    if load.stated is None and pattern != "rag":
        yield grown.limit(
            "candidates",
            None,
            "a request is about one thing, and no answer counts more",
            "nothing",
        )
        return
    if pattern not in {"ranking", "rag"} or load.chosen("retrieval").endswith("lists"):
        return
    estimates = {stage.name: float(stage.estimate) for stage in one.stages}
    rest = sum(estimates.values()) - estimates["retrieve"]
    left = (1 - HEADROOM) * grown.answers.latency.p99 - rest
    corpus = load.corpus.typical
    promised = show_duration(grown.answers.latency.p99)
    if pattern == "rag":
        # Word lists grow in proportion to the passages that share the words.
        match = grown.costs.us("text_match")
        words = match * max(1.0, corpus / PASSAGES)
        left -= grown.costs.us("vector_probe")
        yield grown.limit(
            "word index",
            0.0 if left < match else left / match * PASSAGES / corpus,
            f"a search by words takes {_short(words)} in {_count(max(corpus, PASSAGES))} passages "
            f"and grows with them; {_short(max(0.0, left))} of {promised} are left for it",
            "an index in several parts that are searched at once (pgvector, Qdrant)",
        )
    if load.chosen("index") == "ivf_pq":
        # Cells grow as the root of the vectors, and so does what a probe reads.
        alone = grown.costs.us("vector_probe")
        probe = alone * max(1.0, corpus / VECTORS) ** 0.5
        yield grown.limit(
            "index",
            0.0 if left < alone else (left / alone) ** 2 * VECTORS / corpus,
            f"a search takes {_short(probe)} among {_count(max(corpus, VECTORS))} vectors and "
            f"grows with their root; {_short(max(0.0, left))} of {promised} are left for it",
            "pgvector, Qdrant or Pinecone, in several parts",
        )


def _memory(grown: Grown) -> Iterator[Limit]:
    """Online state, published versions, lists and indexes against the memory of the machines."""
    load = grown.now
    absent = {
        "index": load.chosen("index") in {"", "none"},
        "lists": load.chosen("retrieval") == "live",
        "online state": load.answers.system.output == "answer",
    }
    for make, component, instead in _HELD[grown.decision.pattern or ""]:
        if absent.get(component):
            continue
        now = make(load).bands["memory"].typical
        then = make(grown.then).bands["memory"].typical
        most, why = grown.memory(now)
        at = grown.crossing(now, then, most)
        if at is not None and then > 1.01 * now:
            yield grown.limit(
                component,
                at,
                f"{_size(now)} of it should stay in memory now and {_size(then)} at "
                f"{grown.factor:g}x, and it may take {why}",
                instead,
            )


_STATE: Final = stores.state, "online state", "Redis or Valkey, the same state on several hosts"
_INDEX: Final = stores.index, "index", "pgvector, Qdrant or Pinecone, in several parts"
_LISTS: Final = stores.lists, "lists", "Redis or Valkey"
_PUBLISHED: Final = (
    stores.published,
    "published versions",
    "Redis or Valkey, a key prefix per version",
)
_HELD: Final = {
    "batch": (_PUBLISHED,),
    "realtime": (_STATE,),
    "ranking": (_STATE, _INDEX, _LISTS),
    "rag": (_INDEX,),
}


def _run(grown: Grown) -> Iterator[Limit]:
    """The scheduled run against the time between two."""
    if grown.decision.pattern != "batch":
        return
    cost = offline.row_us(grown.now, grown.costs).typical
    now, then = (cost * load.keys.typical / 1e6 for load in (grown.now, grown.then))
    policy = grown.answers.policy
    planned = offline.run(grown.now, grown.costs).bands["cores"].typical
    cores = float(policy.cores * (policy.hosts or 1)) if policy.cores else planned
    at = grown.crossing(now, then, cores * offline.WITHIN * offline.interval(grown.now))
    if at is not None:
        yield grown.limit(
            "run",
            at,
            f"a run takes {_seconds(now)} of cores' time now and {_seconds(then)} at "
            f"{grown.factor:g}x; {_things_of(cores, 'core')} may spend a quarter of the "
            f"{grown.now.chosen('schedule')} between two",
            "Spark, the same statement and the same model",
        )


def _training(grown: Grown) -> Iterator[Limit]:
    """All of the history, in the memory of one machine."""
    load = grown.now
    if load.answers.system.output == "answer" or load.answers.labels.kind in {"sparse", "none"}:
        return
    now, then = load.history.typical, grown.then.history.typical
    if then <= now:
        return
    fits = f"{_count(load.trainable)} fit half of {show_size(load.memory)}"
    days = f"{factors.HISTORY.typical:.0f} days"
    if now > load.trainable:
        yield grown.limit(
            "training",
            None,
            f"{days} are {_count(now)} rows, of which {fits}: a sample is learned from already, "
            "and a longer history does not make it larger",
            "nothing",
        )
        return
    yield grown.limit(
        "training",
        grown.crossing(now, then, load.trainable),
        f"{days} are {_count(now)} rows now and {_count(then)} at {grown.factor:g}x, and {fits}",
        "a sample of the rows, a larger machine, or distributed LightGBM",
    )


def _things_of(number: float, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,.0f} {what if number == 1 else plural}"


def _count(number: float) -> str:
    return show_count(int(float(f"{number:.2g}")))


def _size(amount: float) -> str:
    return show_size(float(f"{amount:.3g}"))


def _rate(number: float) -> str:
    return show_rate(round(float(f"{number:.3g}") * 1e9))


def _short(us: float) -> str:
    return show_duration(float(f"{us:.3g}"))


def _seconds(amount: float) -> str:
    return show_duration(float(f"{amount * 1e6:.3g}"))
