"""Tiers: approve, step up or decline, at false-positive rates that the project states."""

from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from groundplan.errors import BuildError, DefinitionError
from groundplan.models.metrics import checked
from groundplan.models.scorer import Bools, Floats

if TYPE_CHECKING:
    from groundplan.models.costs import Cost, Costs

Action = Literal["approve", "step_up", "decline"]


class Tier(msgspec.Struct, frozen=True):
    """What one action does on scored rows.

    Args:
        action: what is done with the rows of this tier.
        rows, frauds: how many rows it takes, and how many of them are fraud.
        volume: its share of all rows.
        precision: the share of its rows that are fraud, None where it has none.
        recall: the share of all frauds that it takes, None where there are none.
        false_positives: the share of all genuine rows that it takes, None where there are none.
        amount, fraud_amount: money of its rows and of its frauds, None where no amounts are given.
    """

    action: Action
    rows: int
    frauds: int
    volume: float
    precision: float | None
    recall: float | None
    false_positives: float | None
    amount: float | None = None
    fraud_amount: float | None = None


class Thresholds(msgspec.Struct, frozen=True):
    """Probabilities above which a row is stepped up or declined."""

    step_up: float
    decline: float

    def decide(self, score: float) -> Action:
        """The action for a probability; one equal to a threshold is not above it."""
        if score > self.decline:
            return "decline"
        return "step_up" if score > self.step_up else "approve"

    def report(
        self, scores: Floats, fraud: Bools, amount: Floats | None = None
    ) -> tuple[Tier, ...]:
        """What approve, step up and decline, in this order, do on scored rows.

        Args:
            scores: float64[n], probabilities.
            fraud: bool[n].
            amount: float64[n], money, in the project's currency.

        Raises:
            InputError: the lengths differ or a score is NaN.
        """
        fraud, scores = checked(fraud, scores)
        declined = scores > self.decline
        stepped = (scores > self.step_up) & ~declined
        return (
            _tier("approve", ~declined & ~stepped, fraud, amount),
            _tier("step_up", stepped, fraud, amount),
            _tier("decline", declined, fraud, amount),
        )


class Tiers(msgspec.Struct, frozen=True):
    """The share of genuine rows that may be troubled.

    Args:
        step_up: false-positive rate of stepping up or worse, 0 to under 1.
        decline: false-positive rate of declining, at most that of stepping up.

    Raises:
        DefinitionError: the rates are not 0 <= decline <= step_up < 1.
    """

    step_up: float = 0.01
    decline: float = 0.001

    def __post_init__(self) -> None:
        """Holds the rates to their order."""
        if not 0 <= self.decline <= self.step_up < 1:
            raise DefinitionError(
                f"tiers with decline={self.decline} and step_up={self.step_up}: false-positive "
                "rates go 0 <= decline <= step_up < 1, such as 0.001 and 0.01"
            )

    @staticmethod
    def costs(
        *,
        false_positive: "Cost",
        false_negative: "Cost",
        step_up: float | None = None,
        stopped: float = 1.0,
    ) -> "Costs":
        """Thresholds of least cost instead of stated rates; see `Costs` for the arguments."""
        from groundplan.models.costs import Costs

        return Costs(false_positive, false_negative, step_up, stopped)

    def choose(self, scores: Floats, fraud: Bools, amount: Floats | None = None) -> Thresholds:
        """The lowest thresholds with at most these rates on rows that did not train the model.

        Exact by order statistics: with n genuine rows, at most floor(rate * n) of them lie
        above the threshold, and ties stay below it together.

        Args:
            scores: float64[n], probabilities.
            fraud: bool[n].
            amount: of no matter here; costs are chosen by it.

        Raises:
            InputError: the lengths differ or a score is NaN.
            BuildError: no row is genuine.
        """
        fraud, scores = checked(fraud, scores)
        genuine = np.sort(scores[~fraud])[::-1]
        if not len(genuine):
            raise BuildError("no genuine row among the validation rows: take a longer period")
        return Thresholds(*(_threshold(genuine, rate) for rate in (self.step_up, self.decline)))


def _threshold(falling: Floats, rate: float) -> float:
    # As a fraction of the rate as written: 0.29 of 100 rows is 29 of them, not 28.999...
    allowed = int(Fraction(repr(float(rate))) * len(falling))
    return float(falling[allowed])


def _tier(action: Action, taken: Bools, fraud: Bools, amount: Floats | None) -> Tier:
    rows, frauds = int(taken.sum()), int((taken & fraud).sum())
    return Tier(
        action=action,
        rows=rows,
        frauds=frauds,
        volume=rows / len(fraud),
        precision=_share(frauds, rows),
        recall=_share(frauds, int(fraud.sum())),
        false_positives=_share(rows - frauds, int((~fraud).sum())),
        amount=None if amount is None else float(amount[taken].sum()),
        fraud_amount=None if amount is None else float(amount[taken & fraud].sum()),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
