"""What a plan needs, component by component."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan.capacity import offline, stores
from groundplan.plan.capacity.band import Band
from groundplan.plan.capacity.load import Load
from groundplan.plan.capacity.money import cost
from groundplan.plan.capacity.need import Need
from groundplan.plan.capacity.request import Request, request
from groundplan.plan.capacity.server import server
from groundplan.plan.capacity.shortage import Shortage
from groundplan.plan.capacity.stated import shortages

MODEL: Final = (
    "Each server process is an M/G/1 queue: Poisson arrivals, mean wait by Pollaczek and Khinchine "
    "(the case of one server of Allen and Cunneen, in Allen, Probability, Statistics, and Queueing "
    "Theory, 1990), exponential tail by Kingman (1961); answers under way at a language model by "
    "Little's law and the Poisson distribution of M/G/infinity."
)


class Capacity(Struct, frozen=True):
    """What a plan needs at its promised throughput.

    Args:
        needs: by component, in the order of the plan.
        total: cores, memory, storage of all.
        saturation: requests/s that one replica can answer at all.
        latency: µs of the p99: of one replica at `50%` and `80%` of its saturation, and of as
            many as are planned, or have a core that is stated, at the promised `peak`.
        shortages: what it needs and was not given: a longer p99, cores, memory.
        cost: by component and in all (`total`), per month, where the user gave prices; else empty.
        model: the queueing model in a sentence, with its source.
    """

    needs: tuple[Need, ...]
    total: dict[str, Band]
    saturation: Band
    latency: dict[str, Band]
    shortages: tuple[Shortage, ...]
    cost: dict[str, Band] = {}
    model: str = ""

    @property
    def holds(self) -> bool:
        """Whether it holds what is promised with what is stated, by its typical estimate."""
        return not any(shortage.misfit for shortage in self.shortages)


def capacity(
    answers: Answers,
    decision: Decision,
    costs: Costs,
    prices: Mapping[str, float] | None = None,
    *,
    past: float = 1.0,
    things: float = 1.0,
) -> Capacity:
    """What the decided architecture needs, from the cost table.

    Low, typical and high come from `factors`, each with its source; the queueing model stands in
    `plan.queueing`. Factors of one figure combine as independent errors (`Band.times`), figures
    of several components add up low with low and high with high.

    Args:
        answers: the answers.
        decision: what they decide; not a conflict.
        costs: the cost table.
        prices: per month: of a `core`, a `gb` of memory, a `gb_disk`; and of a `million_tokens`
            of a hosted language model. Nothing is assumed.
        past: how many times the usual history there is to learn from.
        things: how many times the usual corpus, where no answer states one.

    Raises:
        ConstraintError: a price has an unknown name, or is not a number from 0.
    """
    assert decision.pattern is not None, "a conflict needs nothing"
    load = Load(answers, decision, past, things)
    one = request(answers, decision, costs)
    serves = server(load, one)
    needs = [serves.need, *_NEEDS[decision.pattern](load, one, costs)]
    if load.room is not None:
        taken = stores.sum_of(needs)["memory"].typical
        load = load.leaving(load.room - taken)
    needs += _kept(load)
    return Capacity(
        needs=tuple(needs),
        total=stores.sum_of(needs),
        saturation=serves.saturation,
        latency=serves.latency,
        cost=cost(needs, prices),
        model=MODEL,
        shortages=shortages(load, one, serves, needs, costs),
    )


def _batch(load: Load, one: Request, costs: Costs) -> list[Need]:
    writes = [stores.writer(load)] if load.answers.system.output == "answer" else []
    return [stores.published(load), offline.run(load, costs), *writes]


def _realtime(load: Load, one: Request, costs: Costs) -> list[Need]:
    if load.answers.system.output == "answer":
        return [stores.generator(load, one, costs)]
    return [stores.state(load)]


def _ranking(load: Load, one: Request, costs: Costs) -> list[Need]:
    needs = [stores.state(load)]
    if load.chosen("index") != "none":
        needs += [stores.index(load), offline.embedding(load, costs)]
    if load.chosen("retrieval") != "live":
        needs.append(stores.lists(load))
    return needs


def _rag(load: Load, one: Request, costs: Costs) -> list[Need]:
    return [
        stores.index(load),
        offline.embedding(load, costs),
        stores.generator(load, one, costs),
    ]


def _kept(load: Load) -> list[Need]:
    """What every pattern keeps, and learns from."""
    trains = offline.training(load)
    return [*([] if trains is None else [trains]), offline.log(load)]


_NEEDS: Final[dict[str, Callable[[Load, Request, Costs], list[Need]]]] = {
    "batch": _batch,
    "realtime": _realtime,
    "ranking": _ranking,
    "rag": _rag,
}
