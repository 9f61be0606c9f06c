"""Tiers: approve, step up or decline, at false-positive rates that the project states."""

from fractions import Fraction

import msgspec
import numpy as np

from groundplan.errors import BuildError, DefinitionError
from groundplan.models.costs import Cost, Costs
from groundplan.models.metrics import checked
from groundplan.models.scorer import Bools, Floats
from groundplan.models.thresholds import Thresholds


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
        false_positive: Cost,
        false_negative: Cost,
        step_up: float | None = None,
        stopped: float = 1.0,
    ) -> Costs:
        """Thresholds of least cost instead of stated rates; see `Costs` for the arguments."""
        return Costs(false_positive, false_negative, step_up, stopped)

    def choose(self, scores: Floats, fraud: Bools, amount: Floats | None = None) -> Thresholds:
        """The lowest thresholds with at most these rates on rows that did not train the model.

        Exact by order statistics: with n genuine rows, at most floor(rate * n) of them lie
        above the threshold, and ties stay below it together.

        Args:
            scores: float64[n], probabilities.
            fraud: bool[n].
            amount: of no matter here; `Costs.choose`, which stands in its place, goes by it.

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
