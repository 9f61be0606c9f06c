"""Cells: the ranges of one feature within which no tree tells values apart."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import isnan
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from groundplan.models.forest import Node, Tree
from groundplan.models.scorer import Floats, Indices

Places = npt.NDArray[np.int32]
"""Cells of many rows: for each used feature the cell, counted from the feature's first."""

_PAYS: Final = 0.8  # the share of distinct rows from which answering each of them once is no gain


class Cells:
    """For each feature that the trees use, its cut points; a cell ends at a cut, inclusive.

    The cells of a feature are numbered from its lowest values up; then come those above the last
    cut, and last the missing value (NaN). All features' cells stand one after the other, so that
    one number says both the feature and the cell.

    Args:
        cuts: for each used feature, its cut points, ascending.
    """

    def __init__(self, cuts: Mapping[int, list[float]]) -> None:
        self.cuts = dict(sorted(cuts.items()))
        self._places: list[tuple[int, int, int, list[float]]] = []
        self.count = 0
        for feature, ordered in self.cuts.items():
            missing = self.count + len(ordered) + 1
            self._places.append((feature, self.count, missing, ordered))
            self.count = missing + 1
        self._slices = {
            feature: slice(start, missing + 1) for feature, start, missing, _ in self._places
        }
        self._order = {feature: place for place, feature in enumerate(self.cuts)}
        self._values = {
            feature: np.array([*ordered, np.inf, np.nan]) for feature, _, _, ordered in self._places
        }

    @classmethod
    def of(cls, trees: Iterable[Tree]) -> Self:
        """The cells that these trees tell apart."""
        cuts: dict[int, set[float]] = {}
        for tree in trees:
            for node in tree.nodes:
                cuts.setdefault(node.feature, set()).update(node.cuts())
        return cls({feature: sorted(each) for feature, each in cuts.items()})

    @property
    def features(self) -> tuple[int, ...]:
        """The used features, in the order in which `find` answers."""
        return tuple(self.cuts)

    def numbers(self, feature: int) -> slice:
        """The numbers of a feature's cells."""
        return self._slices[feature]

    def goes_left(self, node: Node) -> npt.NDArray[np.int32]:
        """1 for each cell of the node's feature that goes left, else 0.

        The trees treat a whole cell as one value of it.
        """
        return node.goes_left(self._values[node.feature]).astype(np.int32)

    def find(self, row: Floats) -> list[int]:
        """The cell of each used feature in one row, in ascending order."""
        values = row.tolist()
        found = []
        for feature, start, missing, ordered in self._places:
            value = values[feature]
            found.append(missing if isnan(value) else start + bisect_left(ordered, value))
        return found

    def find_all(self, matrix: Floats) -> Places:
        """The cells of many rows, float64[n, F] to int32[used features, n]."""
        found = np.empty((len(self._places), len(matrix)), dtype=np.int32)
        for places, (feature, _, _, ordered) in zip(found, self._places, strict=True):
            values = np.ascontiguousarray(matrix[:, feature])
            places[:] = np.searchsorted(self._values[feature][: len(ordered)], values)
            places[np.isnan(values)] = len(ordered) + 1
        return found

    def place(self, feature: int) -> int:
        """The place of a used feature among those that `find` and `find_all` answer for."""
        return self._order[feature]


def distinct(found: Places) -> tuple[Indices, Indices] | None:
    """Which rows stand for all rows in the same cells, where that spares enough.

    Args:
        found: int32[features, n].

    Returns:
        The rows that stand for others, int64[m], and for each row which of them stands for it,
        int64[n]; None where there are nearly as many as rows.
    """
    features, rows = found.shape
    if not features or not rows:
        return None
    drawn = np.random.default_rng(0)
    mixed = np.zeros(rows, dtype=np.uint64)
    for places in found:
        mixed += places.astype(np.uint64) * drawn.integers(1, 1 << 63, dtype=np.uint64)
    _, first, stands = np.unique(mixed, return_index=True, return_inverse=True)
    if len(first) > rows * _PAYS:
        return None
    # Rows of one number are nearly surely in the same cells: nearly is not enough.
    if any((places[first][stands] != places).any() for places in found):
        return None
    return first, stands
