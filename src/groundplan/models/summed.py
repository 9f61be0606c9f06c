"""Leaves that no table has room for: their contributions are computed for each row."""

from typing import Final, Self

import numpy as np
import numpy.typing as npt

from groundplan.models import shapley
from groundplan.models.arrays import Arrays
from groundplan.models.cells import Cells
from groundplan.models.groups import Leaf
from groundplan.models.scorer import Floats, Indices

_NUMBERS: Final = 1 << 18  # of a block of rows, which bounds the memory


class Summed:
    """Leaves, all padded to the most features.

    Args:
        value: float64[n], of each leaf.
        shares: float64[D, n], 1 where a leaf has fewer features.
        met: uint8[bits], for each feature of each leaf, 1 for each of the feature's cells that
            passes; first of all a 1, which padding reads.
        starts: int64[D, n], where these begin, less the number of the feature's first cell.
        asked: int64[D, n], the feature's place among those that `Cells.find` answers for.
        feature: int64[D * n], of each part.
        parts: float64[D * n], where a row's contributions are to go.
    """

    def __init__(
        self,
        value: Floats,
        shares: Floats,
        met: npt.NDArray[np.uint8],
        starts: Indices,
        asked: Indices,
        feature: Indices,
        parts: Floats,
    ) -> None:
        self._feature = feature
        self._value, self._shares, self._parts = value, shares, parts
        self._met, self._starts, self._asked = met, starts, asked

    @classmethod
    def of_arrays(cls, held: Arrays, parts: Floats) -> Self:
        """From the arrays that `arrays` made; `parts` as for the class."""
        return cls(
            held["summed.value"],
            held["summed.shares"],
            held["summed.met"],
            held["summed.starts"],
            held["summed.asked"],
            held["feature"][len(held["feature"]) - len(parts) :].astype(np.int64),
            parts,
        )

    @staticmethod
    def arrays(leaves: list[Leaf], cells: Cells) -> Arrays:
        """What `fill` needs, and the feature of each part."""
        longest = max((len(leaf.met) for leaf in leaves), default=0)
        shape = (longest, len(leaves))
        shares, feature = np.ones(shape), np.zeros(shape, dtype=np.int64)
        starts = np.zeros(shape, dtype=np.int64)
        asked = np.full(shape, -1, dtype=np.int64)  # the last place, where padding finds a 1
        places = {each: place for place, each in enumerate(cells.features)}
        met, length = [np.ones(1, dtype=np.uint8)], 1
        for number, leaf in enumerate(leaves):
            shares[: len(leaf.shares), number] = list(leaf.shares.values())
            for bit, (each, passes) in enumerate(leaf.met.items()):
                feature[bit, number], asked[bit, number] = each, places[each]
                starts[bit, number] = length - cells.numbers(each).start
                met.append(passes.astype(np.uint8))
                length += len(passes)
        return {
            "summed.value": np.array([leaf.value for leaf in leaves], dtype=np.float64),
            "summed.shares": shares,
            "summed.met": np.concatenate(met),
            "summed.starts": starts,
            "summed.asked": asked,
            "feature": feature.ravel(),
        }

    def fill(self, cells: list[int]) -> None:
        """Writes the contributions of a row in these cells."""
        if not len(self._value):
            return
        found = np.array([*cells, 0])
        met = self._met.take(found.take(self._asked, mode="wrap") + self._starts)
        values = shapley.values(self._value, self._shares, met.astype(np.float64))
        self._parts[:] = values.ravel()

    def add(self, cells: Cells, found: Indices, out: Floats) -> None:
        """Adds the contributions of many rows, part by part; arguments as of `Tabled.add`."""
        if not len(self._value):
            return
        block = max(1, _NUMBERS // self._shares.size)
        for start in range(0, found.shape[1], block):
            rows = slice(start, start + block)
            out[:, rows] = self._sums(cells, found[:, rows], out[:, rows])

    def _sums(self, cells: Cells, found: Indices, before: Floats) -> Floats:
        """What was there before and the contributions of a block of rows, float64[F, n]."""
        features, rows = before.shape
        first = np.array([cells.numbers(each).start for each in cells.features])
        padded = np.concatenate([found + first[:, None], np.zeros((1, rows), dtype=np.int64)])
        met = self._met.take(padded[self._asked] + self._starts[:, :, None])
        values = shapley.values(
            np.repeat(self._value, rows),
            np.repeat(self._shares, rows, axis=1),
            met.reshape(len(self._shares), -1).astype(np.float64),
        )
        # One sum over all, in the order in which a row alone is summed: the same bits.
        place = np.arange(rows)
        into = [np.arange(features)[:, None] * rows + place, self._feature[:, None] * rows + place]
        weights = np.concatenate([before.ravel(), values.ravel()])
        sums = np.bincount(np.concatenate([each.ravel() for each in into]), weights)
        return sums.view(np.float64).reshape(features, rows)
