"""What a growth does to a plan: what gives out, what replaces it, what is decided then."""

from collections.abc import Mapping

from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.decision import Costs, decide
from groundplan.plan.capacity import Capacity, capacity
from groundplan.plan.growth.changes import changes, turns
from groundplan.plan.growth.limit import AXES, Axis, Limit
from groundplan.plan.growth.limits import limits
from groundplan.plan.growth.scaled import scaled


class Growth(Struct, frozen=True):
    """What a growth does to a plan.

    Args:
        factors: how much each axis grows.
        limits: what gives out, the first first; then what does not within the growth.
        pattern: what is decided then; None in a conflict.
        changes: of the decision: role, before, after.
        capacity: what it needs then and, where prices were given, costs; None in a conflict.
    """

    factors: dict[str, float]
    limits: tuple[Limit, ...]
    pattern: str | None
    changes: tuple[tuple[str, str, str], ...]
    capacity: Capacity | None

    @property
    def idle(self) -> str:
        """Why more things or history wear nothing out; empty where they do, or nothing says."""
        if len(self.factors) > 1 or any(limit.factor is not None for limit in self.limits):
            return ""
        still = (
            one for one in self.limits if one.axis != "traffic" and one.replaced_by == "nothing"
        )
        return "; ".join(limit.because for limit in still)


def growth(
    answers: Answers,
    costs: Costs,
    factors: Mapping[Axis, float] | Mapping[str, float],
    prices: Mapping[str, float] | None = None,
) -> Growth:
    """What gives out when traffic, corpus or history grow.

    Each limit is that of one axis alone; pattern, changes and capacity are of all together. An
    axis of 1 or below has no limits.

    Args:
        answers: as they stand; where they conflict there are no limits.
        costs: the cost table.
        factors: by axis, such as `{"traffic": 10.0}`.
        prices: as `capacity` takes them.

    Raises:
        ConstraintError: an unknown axis, a factor that is no number above 0, or a wrong price.
    """
    grow: dict[str, float] = {str(axis): factor for axis, factor in factors.items()}
    grown = scaled(answers, grow)
    before, after = decide(answers, costs), decide(grown, costs)
    found: list[Limit] = []
    if before.pattern is not None:
        for axis in AXES:
            factor = grow.get(axis, 1.0)
            if factor > 1:
                found += turns(answers, before, costs, axis, factor)
                found += limits(answers, costs, axis, factor)
    return Growth(
        factors={axis: float(grow[axis]) for axis in AXES if axis in grow},
        limits=tuple(sorted(found, key=_order)),
        pattern=after.pattern,
        changes=changes(before, after),
        capacity=None
        if after.pattern is None
        else capacity(
            grown,
            after,
            costs,
            prices,
            past=grow.get("history", 1.0),
            things=grow.get("corpus", 1.0),
        ),
    )


def _order(limit: Limit) -> tuple[bool, float]:
    return limit.factor is None, limit.factor or 0.0
