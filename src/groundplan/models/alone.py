"""Leaves with many features and a table each: one number for a state answers for all of them.

With the factors of `shapley`, let u(state) be the contribution of a feature whose condition the
row does not meet. It is the same for all such features: -v times the product of the shares of the
conditions that are not met, times an integral that does not say which of them is asked for. The
contribution of a feature j that is met, of share z, follows from the state in which j is not:
only the factor of j itself changes, from -z to 1 - z, so that it is -(1 - z) / z * u(state
without j). A table is 2^D numbers instead of D * 2^D, and a row reads D of them.
"""

from typing import Self

import numpy as np

from groundplan.models import shapley
from groundplan.models.arrays import Arrays
from groundplan.models.cells import Cells
from groundplan.models.groups import Leaf
from groundplan.models.scorer import Floats, Indices
from groundplan.models.tabled import Numbering, Numbers, digits


class Alone:
    """The leaves' tables, one after the other.

    Args:
        entries: float64[numbers], all tables.
        owner: int64[parts], the leaf of each part; a part is a feature of a leaf.
        bit: int64[parts], the part's bit in the state of its leaf.
        starts: int64[parts], where the leaf's table starts.
        factors: float64[parts, 2], of the number that is read: where the feature is not met,
            which is 1, and where it is met.
        digits: uint16[cells, leaves], what each cell adds to the state of each leaf.
        feature: int64[parts], of each part.
        numbers: uint16[leaves], where the states of a row will stand.
        parts: float64[parts], where its contributions are to go.
    """

    def __init__(
        self,
        entries: Floats,
        owner: Indices,
        bit: Indices,
        starts: Indices,
        factors: Floats,
        digits: Numbers,
        feature: Indices,
        numbers: Numbers,
        parts: Floats,
    ) -> None:
        self._digits, self._feature = digits, feature
        self._entries, self._numbers, self._parts = entries, numbers, parts
        self._owner, self._starts = owner, starts
        self._set, self._others = 1 << bit, ~(1 << bit)
        self._factors = factors.ravel()
        self._pairs = 2 * np.arange(len(owner))

    @classmethod
    def of_arrays(cls, held: Arrays, numbers: Numbers, parts: Floats) -> Self:
        """From the arrays that `arrays` made; `numbers` and `parts` as for the class."""
        return cls(
            held["alone.entries"],
            held["alone.owner"],
            held["alone.bit"],
            held["alone.starts"],
            held["alone.factors"],
            held["digits"][:, held["digits"].shape[1] - len(numbers) :],
            held["feature"][held["tabled.parts"].item() :][: len(parts)],
            numbers,
            parts,
        )

    @staticmethod
    def arrays(leaves: list[Leaf], cells: Cells) -> Arrays:
        """The tables of leaves of 16 features at most, their digits, and their features."""
        widths = np.array([len(leaf.met) for leaf in leaves], dtype=np.int64)
        owner = np.repeat(np.arange(len(leaves)), widths)
        starts = np.cumsum(1 << widths) - (1 << widths)
        shares = np.array([share for leaf in leaves for share in leaf.shares.values()])
        bits = [np.arange(width) for width in widths.tolist()]
        columns = [
            {feature: met << bit for bit, (feature, met) in enumerate(leaf.met.items())}
            for leaf in leaves
        ]
        return {
            "alone.entries": np.concatenate([np.empty(0), *map(_table, leaves)]),
            "alone.owner": owner,
            "alone.bit": np.concatenate([np.empty(0, dtype=np.int64), *bits]),
            "alone.starts": starts[owner],
            "alone.factors": np.stack([np.ones(len(shares)), (shares - 1) / shares], axis=1),
            "digits": digits(columns, cells),
            "feature": np.array([f for leaf in leaves for f in leaf.met], dtype=np.int64),
        }

    def fill(self) -> None:
        """Writes the contributions of the states."""
        if not len(self._numbers):
            return
        state = self._numbers.astype(np.int64).take(self._owner)
        met = (state & self._set) != 0
        self._entries.take((state & self._others) + self._starts, out=self._parts, mode="clip")
        np.multiply(self._parts, self._factors.take(self._pairs + met), out=self._parts)

    def add(self, cells: Cells, found: Indices, out: Floats) -> None:
        """Adds the contributions of many rows, leaf by leaf; arguments as of `Tabled.add`."""
        numbering = Numbering(cells, found)
        factors = self._factors.reshape(-1, 2)
        start = 0
        for leaf, width in enumerate(np.bincount(self._owner).tolist()):
            features = self._feature[start : start + width].tolist()
            state = numbering.of(self._digits[:, leaf], features)
            for part, feature in enumerate(features, start):
                read = self._entries[(state & self._others[part]) + self._starts[part]]
                read *= factors[part].take((state & self._set[part]) != 0)
                out[feature] += read
            start += width


def _table(leaf: Leaf) -> Floats:
    """The u of each state of a leaf, float64[2^D]; 0 for the one in which all is met."""
    shares = np.array(list(leaf.shares.values()))
    table = np.zeros(1 << len(shares))
    # A polynomial of degree D - 1 as below, once the factor of one feature that is not met is out.
    for point, weight in zip(*shapley.quadrature(len(shares)), strict=True):
        products = np.array([-leaf.value * weight / (1 - point)])
        for share in shares:
            unmet, met = share * (1 - point), share * (1 - point) + point
            products = np.concatenate([products * unmet, products * met])
        table += products
    table[-1] = 0.0
    return table
