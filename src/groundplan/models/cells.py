"""Cells: the ranges of one feature within which no tree tells values apart."""

from bisect import bisect_left
from collections.abc import Iterable
from math import isnan

import numpy as np
import numpy.typing as npt

from groundplan.models.forest import Tree
from groundplan.models.scorer import Floats


class Cells:
    """For each feature that the trees use, its cut points; a cell ends at a cut, inclusive.

    The cells of a feature are numbered from its lowest values up; then come those above the last
    cut, and last the missing value (NaN). All features' cells stand one after the other, so that
    one number says both the feature and the cell.
    """

    def __init__(self, trees: Iterable[Tree]) -> None:
        cuts: dict[int, set[float]] = {}
        for tree in trees:
            for node in tree.nodes:
                cuts.setdefault(node.feature, set()).update(node.cuts())
        self._places: list[tuple[int, int, int, list[float]]] = []
        self.count = 0
        for feature in sorted(cuts):
            ordered = sorted(cuts[feature])
            missing = self.count + len(ordered) + 1
            self._places.append((feature, self.count, missing, ordered))
            self.count = missing + 1
        self._slices = {
            feature: slice(start, missing + 1) for feature, start, missing, _ in self._places
        }
        self._values = {
            feature: np.array([*ordered, np.inf, np.nan]) for feature, _, _, ordered in self._places
        }

    def of(self, feature: int) -> slice:
        """The numbers of a feature's cells."""
        return self._slices[feature]

    def values(self, feature: int) -> Floats:
        """One value from each cell of a feature; the trees treat the whole cell as this one."""
        return self._values[feature]

    def everywhere(self, feature: int) -> npt.NDArray[np.int32]:
        """1 for each cell of a feature."""
        return np.ones(len(self._values[feature]), dtype=np.int32)

    def find(self, row: Floats) -> list[int]:
        """The cell of each used feature in one row, in ascending order."""
        values = row.tolist()
        found = []
        for feature, start, missing, ordered in self._places:
            value = values[feature]
            found.append(missing if isnan(value) else start + bisect_left(ordered, value))
        return found
