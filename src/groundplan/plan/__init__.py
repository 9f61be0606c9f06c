"""From a pattern to stages, budgets, risks and cadence: the contract that serving reads.

One file per pattern says what is its own; this one adds what all four share.
"""

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, current_costs, decide
from groundplan.errors import ProjectError
from groundplan.plan.budget import HEADROOM, share
from groundplan.plan.failures import failures
from groundplan.plan.retraining import retraining
from groundplan.plan.sketch import Sketch
from groundplan.plan.sketches import sketch
from groundplan.plan.stage import Fallback, Misfit, Plan, Retraining, Risk, Stage, Watch
from groundplan.units import show_duration, show_rate

__all__ = [
    "HEADROOM",
    "Fallback",
    "Misfit",
    "Plan",
    "Retraining",
    "Risk",
    "Stage",
    "Watch",
    "draw",
]


def draw(answers: Answers, costs: Costs | None = None) -> Plan:
    """Make the decision concrete: stages, budgets, retraining, monitoring, risks, summary.

    Args:
        answers: the five answers.
        costs: the cost table to estimate with; the one in force by default.

    Raises:
        ProjectError: the answers conflict, so there is no pattern to plan.
    """
    costs = costs or current_costs()
    decision = decide(answers, costs)
    if decision.pattern is None:
        raise ProjectError(
            "the answers conflict, so there is nothing to plan: `groundplan decide` says which "
            "cannot hold together, and the nearest change that would resolve it"
        )
    drawn = sketch(answers, decision, costs)
    online, misfits = share(
        [stage for stage in drawn.stages if stage.side == "online"], answers.latency.p99
    )
    modes = failures(answers, decision, drawn.stages)
    return Plan(
        name=answers.system.name,
        goal=answers.system.goal,
        pattern=decision.pattern,
        p99=answers.latency.p99,
        throughput=answers.latency.throughput,
        headroom=answers.latency.p99 - sum(stage.budget for stage in online),
        stages=(*(stage for stage in drawn.stages if stage.side == "offline"), *online),
        misfits=misfits,
        retraining=retraining(answers, decision),
        monitoring=drawn.watches,
        risks=tuple(Risk(m.cause, m.signal, m.mitigation) for m in modes if m.main),
        summary=_summary(answers, decision, drawn),
        costs=costs.name,
    )


def _summary(answers: Answers, decision: Decision, sketch: Sketch) -> tuple[str, ...]:
    out = [f"Not {r.rules_out}: {r.because}" for r in decision.rulings]
    parts = [
        f"{role.replace('_', ' ')}: {part.choice.replace('_', ' ')} ({part.because})"
        for role, part in decision.components.items()
    ]
    promise = (
        f"The p99 of {show_duration(answers.latency.p99)} at "
        f"{show_rate(answers.latency.throughput)} is shared out by measured cost, with "
        f"{HEADROOM:.0%} headroom."
    )
    chosen = f"{decision.pattern}: the simplest pattern left standing."
    return (chosen, *dict.fromkeys(out), *parts, promise, *sketch.summary)
