"""The sketch of each pattern's plan."""

from dataclasses import replace
from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, work
from groundplan.plan import batch, rag, ranking, realtime
from groundplan.plan.sketch import Sketch, case
from groundplan.units import show_count, show_rate

_SKETCHES: Final = {
    "batch": batch.sketch,
    "realtime": realtime.sketch,
    "ranking": ranking.sketch,
    "rag": rag.sketch,
}


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """What the decided pattern's own file says of its plan; the decision is no conflict."""
    assert decision.pattern is not None
    drawn = _SKETCHES[decision.pattern](answers, decision, costs)
    return replace(drawn, summary=(*drawn.summary, *_price(answers, decision, costs, drawn)))


def _price(answers: Answers, decision: Decision, costs: Costs, drawn: Sketch) -> tuple[str, ...]:
    """What scoring everything costs, where narrowing it first would be cheaper to run."""
    a, table = case(answers, decision), costs.work
    if decision.pattern != "realtime" or a.output != "ranking":
        return ()
    takes = sum(stage.estimate for stage in drawn.stages if stage.side == "online")
    all_, few = takes * a.throughput / 1e15, work.cores_needed("ranking", a, table)
    if few >= all_ or work.slow("ranking", a, table):
        return ()
    return (
        f"The price of missing nothing: scoring all {show_count(a.per_request)} candidates at "
        f"{show_rate(a.throughput)} keeps {_cores(all_)} busy; the ranking pattern, which scores "
        f"{work.SHORT_LIST} of them, would keep {_cores(few)} busy.",
    )


def _cores(number: float) -> str:
    return f"{number:,.0f} cores" if number >= 10 else f"{number:.2g} cores"
