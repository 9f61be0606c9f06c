"""What growth changes in the decision, and where along the way it does."""

from collections.abc import Callable, Iterator
from math import ceil, floor, log10

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, Ruling, decide
from groundplan.plan.growth.limit import Axis, Limit
from groundplan.plan.growth.scaled import scaled

NOTHING = "nothing"
"""What stands for a role that a pattern does not have, and for the pattern of a conflict."""

_NEAR = 1.002  # the ratio to which a turning point is found


def choices(decision: Decision) -> dict[str, str]:
    """The pattern and what fills each role."""
    roles = {role: part.choice for role, part in decision.components.items()}
    return {"pattern": decision.pattern or NOTHING, **roles}


def changes(before: Decision, after: Decision) -> tuple[tuple[str, str, str], ...]:
    """Role, before, after: of every role that is filled otherwise."""
    old, new = choices(before), choices(after)
    return tuple(
        (role, old.get(role, NOTHING), new.get(role, NOTHING))
        for role in {**old, **new}
        if old.get(role) != new.get(role)
    )


def turns(
    answers: Answers, before: Decision, costs: Costs, axis: Axis, factor: float
) -> Iterator[Limit]:
    """Where along one axis the decision drops what it chose, with the sentence that says why.

    Where another pattern comes, only that is told: its components follow from it.
    """
    after = decide(scaled(answers, {axis: factor}), costs)
    changed = changes(before, after)
    if changed and changed[0][0] == "pattern":
        changed = changed[:1]
    for role, old, _ in changed:
        at, then = _turn(answers, costs, axis, factor, _keeps(role, old))
        yield Limit(
            role,
            axis,
            at,
            _why(then, role, old),
            choices(then).get(role, NOTHING)
            if then.pattern
            else "other answers: these cannot hold together then",
        )


def _keeps(role: str, old: str) -> Callable[[Decision], bool]:
    return lambda decision: choices(decision).get(role, NOTHING) == old


def _turn(
    answers: Answers, costs: Costs, axis: Axis, factor: float, keeps: Callable[[Decision], bool]
) -> tuple[float, Decision]:
    """A growth at which a choice is dropped, in three digits, and the decision there."""
    _, high = crossed(1.0, factor, lambda at: not keeps(decide(scaled(answers, {axis: at}), costs)))
    for at in (_up(high), high, factor):  # what is beyond a turn may have turned back
        then = decide(scaled(answers, {axis: at}), costs)
        if at <= factor and not keeps(then):
            break
    return at, then


def crossed(low: float, high: float, gone: Callable[[float], bool]) -> tuple[float, float]:
    """Two near factors: something is not so at the first, as at `low`, and is at the next."""
    while high / low > _NEAR:
        middle = (low * high) ** 0.5
        if gone(middle):
            high = middle
        else:
            low = middle
    return low, high


def _up(number: float) -> float:
    """The number rounded up to three digits."""
    step = 10.0 ** (floor(log10(number)) - 2)
    return float(f"{ceil(number / step) * step:.6g}")


def _why(then: Decision, role: str, old: str) -> str:
    rulings: tuple[Ruling, ...] = then.rulings
    if role != "pattern" and role in then.components:
        rulings = then.components[role].rulings
    said = [ruling.because for ruling in rulings if ruling.rules_out == old]
    return said[0] if said else f"{old.replace('_', ' ')} is no longer the first that stands"
