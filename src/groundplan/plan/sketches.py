"""The sketch of each pattern's plan."""

from typing import Final

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision
from groundplan.plan import batch, rag, ranking, realtime
from groundplan.plan.sketch import Sketch

_SKETCHES: Final = {
    "batch": batch.sketch,
    "realtime": realtime.sketch,
    "ranking": ranking.sketch,
    "rag": rag.sketch,
}


def sketch(answers: Answers, decision: Decision, costs: Costs) -> Sketch:
    """What the decided pattern's own file says of its plan; the decision is no conflict."""
    assert decision.pattern is not None
    return _SKETCHES[decision.pattern](answers, decision, costs)
