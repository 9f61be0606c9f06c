"""The least that a model must beat: every row is as likely positive as the training rows were."""

from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from groundplan.durable import written
from groundplan.errors import BuildError
from groundplan.models.file import decoded
from groundplan.models.scorer import (
    Bools,
    Floats,
    checked_matrix,
    checked_row,
)

FILE = "majority.json"


class Majority(msgspec.Struct, frozen=True):
    """Scores every row with the base rate, so that at one half it predicts the majority class."""

    names: tuple[str, ...]
    rate: float

    @classmethod
    def train(cls, y: Bools, names: tuple[str, ...]) -> Self:
        """The base rate of bool[n] labels.

        Raises:
            BuildError: there are none.
        """
        if not len(y):
            raise BuildError("no training rows: choose a training period that the data has")
        return cls(tuple(names), float(np.mean(y)))

    def score(self, row: Floats) -> float:
        """The base rate."""
        checked_row(row, len(self.names))
        return self.rate

    def scores(self, matrix: Floats) -> Floats:
        """The base rate, once per row."""
        return np.full(len(checked_matrix(matrix, len(self.names))), self.rate)

    def save(self, folder: Path) -> None:
        """Writes `majority.json` into the folder."""
        written(folder / FILE, msgspec.json.encode(self))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            BuildError: the file is missing or damaged.
        """
        return decoded(folder / FILE, cls)
