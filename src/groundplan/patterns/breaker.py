"""The circuit breaker around an engine on another server, as every pattern's stages have it."""

from typing import Final

from groundplan.plan import Plan
from groundplan.serving.breaker import Breaker
from groundplan.serving.metrics import Metrics

OPEN: Final = 250_000
"""us for which an engine that does not answer is left alone at first."""

LONGEST: Final = 1_000_000
"""us for which it is left alone at most: one call a second costs nothing, and none waits long."""


def guard(stage: str, plan: Plan, metrics: Metrics) -> Breaker:
    """A breaker for which a call is slow that takes longer than its stage's budget.

    Args:
        stage: of the plan, whose engine it stands before.
        plan: has the budget.
        metrics: are told of every change of state.
    """
    return Breaker(
        stage,
        least=5,
        slow_us=plan.stage(stage).budget,
        open_us=OPEN,
        most_us=LONGEST,
        listener=metrics.breaker,
    )
