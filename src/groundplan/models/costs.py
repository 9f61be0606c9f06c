"""Thresholds that cost least: what a wrong or a cautious decision costs, and what follows."""

from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np

from groundplan.errors import DefinitionError, InputError
from groundplan.models.metrics import checked
from groundplan.models.scorer import Bools, Floats
from groundplan.models.thresholds import Thresholds

BELOW_ALL: Final = -1.0
"""A threshold that every probability is above."""

Cost = float | Literal["amount"]


class Costs(msgspec.Struct, frozen=True):
    """What decisions cost, in the project's currency.

    Args:
        false_positive: of declining a genuine row: a number, or `"amount"` for the row's own.
        false_negative: of approving a fraud: a number, or `"amount"`.
        step_up: of asking any row again; None where nobody is asked.
        stopped: the share of frauds that being asked again stops; the rest cost what approving
            them does.

    Raises:
        DefinitionError: a cost is negative or not finite, or the share is not within 0 and 1.
    """

    false_positive: Cost
    false_negative: Cost
    step_up: float | None = None
    stopped: float = 1.0

    def __post_init__(self) -> None:
        """Refuses costs that no decision has."""
        for name in ("false_positive", "false_negative", "step_up"):
            cost = getattr(self, name)
            if cost == "amount" and name != "step_up":
                continue
            if cost is not None and (isinstance(cost, str) or not 0 <= cost < float("inf")):
                raise DefinitionError(
                    f"tiers with {name}={cost!r}: a cost is a number from 0 up, in the project's "
                    'currency, or "amount" for the money of the row itself'
                )
        if not 0 <= self.stopped <= 1:
            raise DefinitionError(
                f"tiers with stopped={self.stopped}: it is the share, 0 to 1, of frauds that "
                "asking again stops"
            )

    def choose(self, scores: Floats, fraud: Bools, amount: Floats | None = None) -> Thresholds:
        """The thresholds of least cost on rows that did not train the model.

        Exact: every pair of thresholds that tells the rows apart differently is considered, in
        one pass over the sorted scores. Of pairs that cost the same, the one that declines
        fewest rows is taken, then the one that asks fewest again.

        Args:
            scores: float64[n], probabilities.
            fraud: bool[n].
            amount: float64[n], money, where a cost is `"amount"`.

        Raises:
            InputError: the lengths differ, there is no row, a score is NaN, or amounts are
                needed and missing.
        """
        each = self._each(scores, fraud, amount)
        order = np.argsort(each.scores, kind="stable")
        falls = each.scores[order]
        # After the last row of each distinct score; first of all, before any row.
        ends = np.concatenate([[0], np.flatnonzero(np.diff(falls, append=np.inf)) + 1])
        approved, asked, declined = (
            np.concatenate([[0.0], np.cumsum(cost[order])])[ends]
            for cost in (each.approved, each.asked, each.declined)
        )
        cuts = np.concatenate([[BELOW_ALL], falls[ends[1:] - 1]])
        # Approve up to cut s, ask up to cut d, decline above: (approved - asked)[s] is what the
        # choice of s adds, so the best s for each d is a running minimum.
        lower = approved - asked
        best = _latest_minimum(lower) if self.step_up is not None else np.arange(len(cuts))
        total = lower[best] + asked + (declined[-1] - declined)
        at = len(total) - 1 - int(np.argmin(total[::-1]))
        return Thresholds(step_up=float(cuts[best[at]]), decline=float(cuts[at]))

    def bill(
        self, thresholds: Thresholds, scores: Floats, fraud: Bools, amount: Floats | None = None
    ) -> "Bill":
        """What scored rows cost when decided by thresholds, and when all are decided alike.

        Args:
            thresholds: chosen on other rows.
            scores: float64[n], probabilities.
            fraud: bool[n].
            amount: float64[n], money, where a cost is `"amount"`.

        Raises:
            InputError: as for `choose`.
        """
        each = self._each(scores, fraud, amount)
        decline = each.scores > thresholds.decline
        asked = (each.scores > thresholds.step_up) & ~decline
        return Bill(
            rows=len(each.scores),
            decided=float(
                each.approved[~decline & ~asked].sum()
                + each.asked[asked].sum()
                + each.declined[decline].sum()
            ),
            approve_all=float(each.approved.sum()),
            step_up_all=None if self.step_up is None else float(each.asked.sum()),
            decline_all=float(each.declined.sum()),
        )

    def _each(self, scores: Floats, fraud: Bools, amount: Floats | None) -> "_Each":
        """What each row costs under each action."""
        fraud, scores = checked(fraud, scores)
        if amount is not None and np.shape(amount) != scores.shape:
            raise InputError("amount", f"{np.shape(amount)} amounts for {len(scores)} rows")
        approved = np.where(fraud, self._cost("false_negative", amount), 0.0)
        asked = (self.step_up or 0.0) + approved * (1 - self.stopped)
        return _Each(
            scores=scores,
            approved=approved,
            asked=asked,
            declined=np.where(fraud, 0.0, self._cost("false_positive", amount)),
        )

    def _cost(self, name: str, amount: Floats | None) -> float | Floats:
        cost: Cost = getattr(self, name)
        if cost != "amount":
            return cost
        if amount is None:
            raise InputError(
                "amount",
                f'{name}="amount" needs the money of each row, and the source has no decimal '
                "field: declare one, or write a number",
            )
        return np.asarray(amount, dtype=np.float64)


class Bill(msgspec.Struct, frozen=True):
    """What scored rows cost in all, in the project's currency.

    Args:
        rows: how many.
        decided: by the thresholds.
        approve_all, decline_all: where every row is decided so.
        step_up_all: where every row is asked again; None where nobody is.
    """

    rows: int
    decided: float
    approve_all: float
    step_up_all: float | None
    decline_all: float


class _Each(NamedTuple):
    scores: Floats
    approved: Floats
    asked: Floats
    declined: Floats


def _latest_minimum(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """For each place, the last place up to it that holds the least value up to it."""
    least = np.minimum.accumulate(values)
    return np.maximum.accumulate(np.where(values == least, np.arange(len(values)), 0))
