"""What one request takes: cores' time and waiting, from the estimates of the plan's stages."""

from collections.abc import Sequence

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.decision.case import Case
from groundplan.decision.work import Work, own
from groundplan.plan import batch, rag, ranking, realtime
from groundplan.plan.capacity import factors
from groundplan.plan.capacity.band import Band, known
from groundplan.plan.queueing import Service
from groundplan.plan.stage import Stage

_SKETCHES = {
    "batch": batch.sketch,
    "realtime": realtime.sketch,
    "ranking": ranking.sketch,
    "rag": rag.sketch,
}
_TEXTS = frozenset({"embed", "encode", "rerank"})  # which take as long as the text is
_ELSEWHERE = frozenset({"generate"})  # stages during which a server process does nothing


class Request(Struct, frozen=True):
    """What one request takes.

    Args:
        rows: µs of a core by the cost table alone, as the stages' estimates add up.
        own: µs of a core in a running server.
        variation: squared coefficient of variation of `own`.
        elsewhere: µs that it waits for a language model, which has cores of its own.
        stages: the online stages behind it.
    """

    rows: float
    own: Band
    variation: Band
    elsewhere: Band
    stages: tuple[Stage, ...]

    def services(self) -> tuple[Service, Service, Service]:
        """Low, typical and high, as the queueing model takes them."""
        own, spread = self.own, self.variation
        return (
            Service(own.low, spread.low),
            Service(own.typical, spread.typical),
            Service(own.high, spread.high),
        )


def request(answers: Answers, decision: Decision, costs: Costs) -> Request:
    """What one request of the decided architecture takes.

    A step of up to a millisecond is slowed down by `factors.SERVING`, what is beyond by
    `factors.COMPUTING`; on top comes the spread of the cost table's rows, where it has one.
    """
    assert decision.pattern is not None, "a conflict has no requests"
    sketch = _SKETCHES[decision.pattern](answers, decision, costs)
    stages = tuple(stage for stage in sketch.stages if stage.side == "online")
    short = texts = alike = elsewhere = 0.0
    for stage in stages:
        if stage.name in _ELSEWHERE:
            elsewhere += stage.estimate
        else:
            short += min(stage.estimate, factors.SHORT)
            long = max(0.0, stage.estimate - factors.SHORT)
            if stage.name in _TEXTS:
                texts += long
            else:
                alike += long
    brief = factors.SERVING.times(short, "us")
    steady = factors.COMPUTING.times(texts + alike, "us")
    takes = brief.plus(steady).times(_spread(answers, decision.pattern, costs), "us")
    parts = (
        (brief, factors.UNEVEN),
        (factors.COMPUTING.times(texts, "us"), factors.EVEN),
        (factors.COMPUTING.times(alike, "us"), factors.STEADY),
    )
    variation = Band(
        _variation([(time.low, of.low) for time, of in parts]),
        _variation([(time.typical, of.typical) for time, of in parts]),
        _variation([(time.high, of.high) for time, of in parts]),
        "",
    )
    local = "generator" in decision.components and (
        decision.components["generator"].choice in factors.PARAMETERS
    )
    waits = (factors.COMPUTING if local else factors.HOSTED).times(elsewhere, "us")
    return Request(short + texts + alike, takes, variation, waits, stages)


def _spread(answers: Answers, pattern: str, costs: Costs) -> Band:
    """How far a request's rows lie apart, over their medians: all at the lower or upper quartile.

    A row without a spread counts with its median.
    """
    spreads = {name: cost.spread for name, cost in costs.rows.items() if cost.spread}
    if not spreads:
        return known(1.0, "")
    case, middle = Case(answers), costs.ns
    low = {name: max(1, round(1e3 * low)) for name, (low, _) in spreads.items()}
    high = {name: max(1, round(1e3 * high)) for name, (_, high) in spreads.items()}
    amount = own(pattern, case, costs.work)
    return Band(
        min(1.0, own(pattern, case, Work(middle | low)) / amount),
        1.0,
        max(1.0, own(pattern, case, Work(middle | high)) / amount),
        "",
    )


def _variation(parts: Sequence[tuple[float, float]]) -> float:
    """Squared coefficient of variation of the sum of independent times, from theirs."""
    return sum(time * time * of for time, of in parts) / sum(time for time, _ in parts) ** 2
