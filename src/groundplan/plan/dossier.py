"""What is known about a set of answers: what renderers render and comparisons compare."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, conflicts, current_costs, decide, flips
from groundplan.decision.conflicts import Conflict
from groundplan.decision.flips import Flip
from groundplan.plan import Plan, draw
from groundplan.plan.capacity import Capacity, capacity
from groundplan.plan.failures import Failure, failures
from groundplan.plan.growth import Axis, Growth, Limit, growth

TEN: Final[Mapping[Axis, float]] = {"traffic": 10.0, "corpus": 10.0, "history": 10.0}
"""The growth that every dossier looks at: ten times as much of everything."""


class Dossier(Struct, frozen=True):
    """A decision with all that follows from it.

    Args:
        answers: what was answered.
        costs: the cost table that was used.
        decision: the pattern, the rulings, the components.
        conflicts: answers that cannot hold together; empty where something stands.
        flips: the exact points at which the decision changes.
        plan: stages, budgets, retraining, monitoring; None in a conflict.
        capacity: what it needs; None in a conflict.
        growth: for each axis alone, and for all together, what ten times as much does.
        failures: how components fail.
        prices: those that capacity and growth were costed with; empty where none were given.
    """

    answers: Answers
    costs: Costs
    decision: Decision
    conflicts: tuple[Conflict, ...]
    flips: tuple[Flip, ...]
    plan: Plan | None
    capacity: Capacity | None
    growth: tuple[Growth, ...]
    failures: tuple[Failure, ...]
    prices: dict[str, float] = {}

    @property
    def holds(self) -> bool:
        """Whether there is a plan that fits its budgets, and what is promised and stated."""
        fits = self.plan is not None and not self.plan.misfits
        return fits and (self.capacity is None or self.capacity.holds)

    @property
    def outgrown(self) -> tuple[Limit, ...]:
        """What is too small from the start, where no answer says how much there is.

        What is stated and too little is a shortage of the capacity, told there.
        """
        if not self.holds:
            return ()
        found = [limit for growth in self.growth for limit in growth.limits]
        now = [limit for limit in found if limit.factor is not None and limit.factor <= 1]
        return tuple({limit.component: limit for limit in reversed(now)}.values())[::-1]


def draw_up(
    answers: Answers,
    costs: Costs | None = None,
    prices: Mapping[str, float] | None = None,
    at: Mapping[Axis, float] = TEN,
) -> Dossier:
    """Decide, and work out everything that follows.

    Args:
        answers: the answers of a project.
        costs: the cost table; the one in force where it is not given.
        prices: per month: of a `core`, a `gb` of memory, a `gb_disk`, and of a `million_tokens` of
            a hosted language model; capacity and growth cost what these say. Nothing is assumed.
        at: how much each axis grows: each alone, and, of several, all together.

    Returns:
        The dossier. In a conflict it has neither plan nor capacity, growth or failures: there is
        nothing that could grow or fail, and `conflicts` says what to change.
    """
    table = costs or current_costs()
    decision = decide(answers, table)
    stands = decision.pattern is not None
    given = dict(prices) if prices else None
    return Dossier(
        answers=answers,
        costs=table,
        decision=decision,
        conflicts=conflicts(answers, table),
        flips=flips(answers, table),
        plan=draw(answers, table) if stands else None,
        capacity=capacity(answers, decision, table, given) if stands else None,
        growth=tuple(growth(answers, table, factors, given) for factors in _growths(at))
        if stands
        else (),
        failures=failures(answers, decision) if stands else (),
        prices=given or {},
    )


def _growths(at: Mapping[Axis, float]) -> list[dict[Axis, float]]:
    """Each axis alone, then all of them together."""
    alone: list[dict[Axis, float]] = [{axis: factor} for axis, factor in at.items()]
    return [*alone, dict(at)] if len(at) > 1 else alone
