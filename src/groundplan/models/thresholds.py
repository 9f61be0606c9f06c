"""Thresholds: above which probability a row is stepped up or declined, and what that does."""

from typing import Literal

import msgspec

from groundplan.models.metrics import checked
from groundplan.models.scorer import Bools, Floats

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
