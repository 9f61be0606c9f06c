"""Bands: what is done with a score, under names that the project chooses."""

from collections.abc import Callable
from fractions import Fraction
from math import isfinite
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from groundplan.errors import BuildError, DefinitionError
from groundplan.models.metrics import checked
from groundplan.models.scorer import Bools, Floats

BELOW_ALL: Final = -1.0
"""A cut that every probability is above."""

MOST: Final = 255
"""Decisions at most: their positions are kept in one byte."""


class Cuts(Struct, frozen=True):
    """Decisions with the scores above which they hold.

    Args:
        names: of the decisions, that of the lowest scores first.
        above: for each name but the first, ascending: the score that its rows are above.

    Raises:
        DefinitionError: the numbers do not fit the names, or do not ascend.
    """

    names: tuple[str, ...]
    above: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuses what decides nothing, or two things at once."""
        ascending = all(low <= high for low, high in zip(self.above, self.above[1:], strict=False))
        if len(self.names) != len(self.above) + 1 or not ascending:
            raise DefinitionError(
                f"decisions {self.names} above {self.above}: give one cut for each decision but "
                "the first, none below the one before it"
            )

    def decide(self, scores: Floats) -> npt.NDArray[np.uint8]:
        """Positions in `names`, uint8[n]; a score equal to a cut is not above it."""
        return np.searchsorted(np.array(self.above), scores, side="left").astype(np.uint8)

    def decision(self, score: float) -> str:
        """The name of what is decided for one score."""
        return self.names[int(self.decide(np.array([score]))[0])]


class Bands(Struct, frozen=True):
    """How scores become decisions; made by `at`, `top` or `costs`.

    Args:
        names: of the decisions, that of the lowest scores first.
        how: `at`, `top` or `costs`.
        settings: by decision but the first, its cut or its share; or the costs.
    """

    names: tuple[str, ...]
    how: Literal["at", "top", "costs"]
    settings: dict[str, Any]

    @staticmethod
    def at(default: str, /, **above: float) -> "Bands":
        """Stated probabilities: `Bands.at("approve", review=0.3, decline=0.6)`.

        Args:
            default: what is decided for the lowest scores.
            above: for each other decision, the probability that its scores are above.

        Raises:
            DefinitionError: there is none, one is not within 0 and 1, or two are the same.
        """
        where = f"Bands.at({default!r}, {_shown(above)})"
        _check_names(where, default, above)
        for name, cut in above.items():
            _check(where, name, cut, lambda x: 0 <= x < 1, "a probability, from 0 to under 1")
        if len(set(above.values())) < len(above):
            raise DefinitionError(f"{where}: two decisions begin at one score: keep one of them")
        rising = dict(sorted(above.items(), key=lambda item: item[1]))
        return Bands((default, *rising), "at", dict(rising))

    @staticmethod
    def top(default: str, /, **shares: float) -> "Bands":
        """Shares of the population from the top: `Bands.top("leave", call=0.05, offer=0.2)`.

        Of the rows that the build was judged on, the 5 % of the highest scores are called, the
        next 20 % get an offer, the rest are left. The scores there are those of models that had
        not seen the rows, and they set the cuts, which later runs keep: of rows that the model was
        trained on, or of a population that has moved, the shares are others, and `groundplan score`
        says so where one is off by more than a tenth.

        Args:
            default: what is decided for the rest.
            shares: for each other decision, the share of the rows that it takes, the one of the
                highest scores first.

        Raises:
            DefinitionError: there is none, one is not within 0 and 1, or together they are more
                than all.
        """
        where = f"Bands.top({default!r}, {_shown(shares)})"
        _check_names(where, default, shares)
        for name, share in shares.items():
            _check(where, name, share, lambda x: 0 < x < 1, "a share above 0 and under 1")
        if sum(map(_exactly, shares.values())) > 1:
            raise DefinitionError(
                f"{where}: together they take more than all rows; each share is its own, not "
                "counted from the top"
            )
        return Bands((default, *reversed(shares)), "top", dict(reversed(shares.items())))

    @staticmethod
    def costs(
        default: str, act: str, /, *, act_wrongly: float, miss: float, act_rightly: float = 0.0
    ) -> "Bands":
        """The cut of least cost: `Bands.costs("leave", "offer", act_wrongly=50, miss=500)`.

        Args:
            default: what is decided below the cut; it costs nothing where the label is false.
            act: what is decided above it.
            act_wrongly: the cost of acting where the label turns out false.
            miss: of not acting where it turns out true.
            act_rightly: of acting where it turns out true: what acting costs and does not save.

        Raises:
            DefinitionError: a cost is negative or not finite, or acting never pays.
        """
        where = f"Bands.costs({default!r}, {act!r}, ...)"
        _check_names(where, default, {act: None})
        costs = {"act_wrongly": act_wrongly, "miss": miss, "act_rightly": act_rightly}
        for name, cost in costs.items():
            _check(
                where, name, cost, lambda x: x >= 0, "a cost from 0 up, in the project's currency"
            )
        if act_rightly >= miss:
            raise DefinitionError(
                f"{where}: acting costs {act_rightly:g} where it is right and not acting "
                f"{miss:g}: acting never pays; correct the costs"
            )
        return Bands((default, act), "costs", {k: float(v) for k, v in costs.items()})

    def choose(self, scores: Floats, label: Bools) -> Cuts:
        """The cuts, on rows that did not train the model.

        Exact. `top`: at most its share of the rows lies above a cut, and ties stay below it
        together. `costs`: every cut that tells the rows apart differently is considered, and of
        those that cost the same the highest is taken, which acts on the fewest.

        Args:
            scores: float64[n], probabilities.
            label: bool[n].

        Raises:
            InputError: the lengths differ, there is no row or a score is NaN.
            BuildError: the shares of `top` are finer than the rows.
        """
        label, scores = checked(label, scores)
        if self.how == "at":
            return Cuts(self.names, tuple(self.settings.values()))
        if self.how == "top":
            return Cuts(self.names, self._shares(np.sort(scores)[::-1]))
        return Cuts(self.names, (self._cheapest(scores, label),))

    def _shares(self, falling: Floats) -> tuple[float, ...]:
        cuts, taken = [], Fraction(0)
        for name, share in reversed(self.settings.items()):
            taken += _exactly(share)
            allowed = int(taken * len(falling))
            if not allowed:
                raise BuildError(
                    f"{name} takes {share:.3%} of the rows, which is none of {len(falling):,}: "
                    "state a larger share, or judge on more rows"
                )
            cuts.append(float(falling[allowed]) if allowed < len(falling) else BELOW_ALL)
        return tuple(reversed(cuts))

    def _cheapest(self, scores: Floats, label: Bools) -> float:
        curve = self.curve(scores, label)
        return float(curve.above[int(np.argmin(curve.cost))])

    def curve(self, scores: Floats, label: Bools) -> "Curve":
        """What acting above each cut costs, for `costs`: every cut that tells rows apart.

        Raises:
            InputError: as for `choose`.
        """
        label, scores = checked(label, scores)
        wrong, missed = self.settings["act_wrongly"], self.settings["miss"]
        right = self.settings["act_rightly"]
        order = np.argsort(-scores, kind="stable")
        falling, hit = scores[order], label[order]
        # A cut below each distinct score acts on it and all above; the first acts on nobody.
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True)) + 1
        acted = np.concatenate([[0], ends])
        hits = np.concatenate([[0], np.cumsum(hit)])[acted]
        cost = (acted - hits) * wrong + hits * right + (hits[-1] - hits) * missed
        cuts = np.append(falling[np.append(0, ends[:-1])], BELOW_ALL)
        return Curve(cuts, cost.astype(np.float64), acted)


class Curve(Struct, frozen=True):
    """What acting above each cut costs, the highest cut first.

    Args:
        above: float64[c], the cuts; the first acts on nobody, the last on everybody.
        cost: float64[c], of all rows together.
        acted: int64[c], rows above the cut.
    """

    above: Floats
    cost: Floats
    acted: npt.NDArray[np.int64]


def _exactly(share: float) -> Fraction:
    # As the share is written: 0.29 of 100 rows is 29 of them, not 28.999...
    return Fraction(repr(float(share)))


def _check_names(where: str, default: str, others: dict[str, Any]) -> None:
    if not others or default in others or len(others) >= MOST:
        raise DefinitionError(
            f"{where}: name the decision of the lowest scores and then 1 to {MOST - 1} others"
        )
    for name in (default, *others):
        if not isinstance(name, str) or not name.isidentifier():
            raise DefinitionError(
                f"{where}: {name!r} cannot name a decision: use letters, digits and underscores"
            )


def _check(where: str, name: str, value: float, holds: Callable[[float], bool], what: str) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not isfinite(value) or not holds(value):
        raise DefinitionError(f"{where}: {name}={value!r} is not {what}")


def _shown(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())
