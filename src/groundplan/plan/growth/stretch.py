"""A stretch of growth along which the decision stays the same."""

from collections.abc import Callable, Iterator

from groundplan.constraints import Answers
from groundplan.decision import Costs, Decision, decide
from groundplan.plan.capacity import Capacity, capacity
from groundplan.plan.capacity.load import Load
from groundplan.plan.capacity.request import Request, request
from groundplan.plan.growth.changes import choices, crossed
from groundplan.plan.growth.limit import Axis, Limit
from groundplan.plan.growth.scaled import scaled


class Stretch:
    """A plan as one axis grows from one factor to another, while the same is decided.

    Args:
        answers: as they stand, before any growth.
        decision: what is decided along the stretch; not a conflict.
        costs: the cost table.
        axis: what grows.
        start: the growth at its beginning, from 1.
        end: the growth at its end, above that.
    """

    def __init__(
        self,
        answers: Answers,
        decision: Decision,
        costs: Costs,
        axis: Axis,
        start: float,
        end: float,
    ) -> None:
        self.answers, self.decision, self.costs = answers, decision, costs
        self.axis: Axis = axis
        self.start, self.end = start, end
        self.now, self.then = self.load(start), self.load(end)

    def load(self, factor: float) -> Load:
        """What there is to carry at a factor."""
        return Load(
            scaled(self.answers, {self.axis: factor}),
            self.decision,
            factor if self.axis == "history" else 1.0,
            factor if self.axis == "corpus" else 1.0,
        )

    def request(self, factor: float) -> Request:
        """What one request takes at a factor."""
        return request(scaled(self.answers, {self.axis: factor}), self.decision, self.costs)

    def capacity(self) -> Capacity:
        """What the whole plan needs at the beginning."""
        load = self.now
        return capacity(load.answers, self.decision, self.costs, past=load.past, things=load.things)

    def at(self, factor: float) -> str:
        """A point along it, in words."""
        return "now" if factor == 1.0 else f"at {factor:.3g}x"

    @property
    def here(self) -> str:
        """Where it begins, in words."""
        return self.at(self.start)

    @property
    def there(self) -> str:
        """Where it ends, in words."""
        return self.at(self.end)

    def limit(self, component: str, at: float | None, because: str, replaced_by: str) -> Limit:
        """A limit, with its factor where it lies within the stretch."""
        within = max(at, self.start) if at is not None and at <= self.end else None
        return Limit(component, self.axis, within, because, replaced_by)

    def crossing(self, now: float, then: float, most: float) -> float | None:
        """The factor at which an amount reaches what there is; None where it does not grow.

        The amount grows in proportion, or with a part that stays.
        """
        if then <= now:
            return None
        return self.start + (most - now) / (then - now) * (self.end - self.start)

    def first(self, gone: Callable[[float], bool]) -> float | None:
        """The first factor at which something is so that stays so; None where it never is."""
        if not gone(self.end):
            return None
        return self.start if gone(self.start) else crossed(self.start, self.end, gone)[1]


def stretches(answers: Answers, costs: Costs, axis: Axis, factor: float) -> Iterator[Stretch]:
    """The growth along one axis, cut where the decision turns; it ends before a conflict."""
    at = 1.0
    while at < factor:
        decision = decide(scaled(answers, {axis: at}), costs)
        if decision.pattern is None:
            return
        end, turn = _kept(answers, costs, axis, at, factor, decision)
        yield Stretch(answers, decision, costs, axis, at, end)
        at = turn


def _kept(
    answers: Answers, costs: Costs, axis: Axis, start: float, end: float, decision: Decision
) -> tuple[float, float]:
    """The factor up to which all that is decided at the start stays, and where it does not."""
    chosen = choices(decision)

    def turned(at: float) -> bool:
        return choices(decide(scaled(answers, {axis: at}), costs)) != chosen

    return crossed(start, end, turned) if turned(end) else (end, end)
