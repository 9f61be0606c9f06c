"""The port of what explains a score: one row to what each input added to its log-odds."""

from pathlib import Path
from typing import Final, NamedTuple, Protocol, runtime_checkable

from groundplan.models.forest import Forest
from groundplan.models.scorer import Floats


class Attribution(NamedTuple):
    """One row's account, in log-odds: the contributions and the base add up to the raw score.

    Those of a surrogate add up to the surrogate's score, which resembles the model's.
    """

    contributions: Floats
    base: float


class Explainer(Protocol):
    """What accounts for scores, made once per build and kept beside the model."""

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs, in the order of a row's columns."""

    @property
    def faithful(self) -> str:
        """How far it can be believed, in words."""

    def row(self, row: Floats) -> Attribution:
        """The contributions to one row, float64[F], in the order of `names`."""

    def rows(self, matrix: Floats) -> Floats:
        """The contributions to many rows, float64[n, F]: the very bits of `row` for each."""

    def save(self, folder: Path) -> None:
        """Writes what `load` needs into the folder."""


@runtime_checkable
class Forested(Protocol):
    """A model whose log-odds are a sum of trees."""

    @property
    def parsed(self) -> Forest:
        """The trees and the names of the inputs."""


EXACT: Final = "exact: the contributions and the base add up to the model's log-odds"
