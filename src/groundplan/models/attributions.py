"""Exact contributions of the inputs to one score, by look-up in tables made once per model."""

from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from groundplan.models import shapley
from groundplan.models.boosted import Trees
from groundplan.models.cells import Cells
from groundplan.models.groups import Classes, Group, Leaf, by_width, chosen
from groundplan.models.scorer import Floats, checked_row

BUDGET: Final = 128 << 20  # bytes of tables


class Attribution(NamedTuple):
    """One row's account, in log-odds: the contributions and the base add up to the raw score."""

    contributions: Floats
    base: float


class Attributions:
    """What each input adds to a row's log-odds: path-dependent Tree SHAP values.

    They equal LightGBM's `pred_contrib` but for the order of addition (1e-9 and better). A
    leaf's contributions depend only on which conditions of its path the row meets; so groups of
    leaves are tabled for all their states, and a row costs a look-up for each group. `groups`
    says how the groups are chosen, `shapley` how the values come about.

    Args:
        trees: the model.
        budget: bytes that the tables may take. Fewer make more and smaller groups, and leaves
            whose states do not fit are computed for each row; the values stay the same.
            The indexes of the tables come on top, see `memory`.
    """

    def __init__(self, trees: Trees, budget: int = BUDGET) -> None:
        parsed = trees.parsed.trees
        self.names = trees.names
        self.base = sum(tree.mean for tree in parsed)
        grown = tuple(tree for tree in parsed if tree.nodes)
        self._cells = Cells(grown)
        groups, direct = chosen(grown, self._cells, budget // np.dtype(np.float64).itemsize)
        self._table = _Table(groups, self._cells, len(self.names))
        self._direct = _Direct(direct, self._cells, len(self.names))

    @classmethod
    def of(cls, trees: Trees, budget: int = BUDGET) -> Self:
        """The contributions of this model; see the class."""
        return cls(trees, budget)

    @property
    def memory(self) -> int:
        """Bytes that the tables and their indexes take."""
        return self._table.memory + self._direct.memory

    @property
    def table_bytes(self) -> int:
        """Bytes that the tables alone take; never above the budget."""
        return self._table.entries.nbytes

    @property
    def lookups(self) -> int:
        """Groups that are looked up for a row."""
        return self._table.groups

    @property
    def summed_leaves(self) -> int:
        """Leaves that did not fit the budget, and are computed for each row."""
        return self._direct.leaves

    def row(self, row: Floats) -> Attribution:
        """The contributions to one row, float64[F], in the order of `names`.

        Raises:
            InputError: the row has another shape.
        """
        cells = self._cells.find(checked_row(row, len(self.names)))
        contributions = self._table.contributions(cells)
        if self._direct.leaves:
            contributions += self._direct.contributions(cells)
        return Attribution(contributions, self.base)


class _Table:
    """All groups' tables in one array; a row reads one state of each group.

    A group's state is a number with one digit for each feature, the class of the row's cell. So
    the states of all groups are a sum of one row of `digits` for each feature.
    """

    def __init__(self, groups: list[Group], cells: Cells, width: int) -> None:
        self._width, self.groups = width, len(groups)
        starts = np.cumsum([0, *(group.entries for group in groups)])
        self._digits = _digits([_places(group) for group in groups], cells)
        sizes = [len(group.classes) for group in groups]
        self._owner = np.repeat(np.arange(len(groups)), sizes)
        self._feature = np.array([f for group in groups for f in group.classes], dtype=np.intp)
        first = np.cumsum([0, *sizes])[self._owner]
        self._within = starts[self._owner] + np.arange(len(self._owner)) - first
        self.entries = np.concatenate([np.empty(0), *_tables(groups)])

    @property
    def memory(self) -> int:
        held = (self._digits, self._owner, self._within, self._feature, self.entries)
        return sum(array.nbytes for array in held)

    def contributions(self, cells: list[int]) -> Floats:
        if not self.groups:
            return np.zeros(self._width)
        places = _sum(self._digits, cells).take(self._owner) + self._within
        return _by_feature(self._feature, self.entries.take(places), self._width)


class _Direct:
    """Leaves whose values are computed for each row, all padded to the most features."""

    def __init__(self, leaves: list[Leaf], cells: Cells, width: int) -> None:
        self._width, self.leaves = width, len(leaves)
        longest = max((len(leaf.met) for leaf in leaves), default=0)
        self._value, self._shares = _stacked(leaves, longest)
        self._bits = np.arange(longest)[:, None]
        self._feature = np.zeros((longest, len(leaves)), dtype=np.intp)
        self._padding = np.zeros(len(leaves), dtype=np.int32)
        for number, leaf in enumerate(leaves):
            self._feature[: len(leaf.met), number] = list(leaf.met)
            self._padding[number] = (1 << longest) - (1 << len(leaf.met))
        columns = [
            {feature: met << bit for bit, (feature, met) in enumerate(leaf.met.items())}
            for leaf in leaves
        ]
        self._digits = _digits(columns, cells)

    @property
    def memory(self) -> int:
        return sum(a.nbytes for a in (self._value, self._shares, self._feature, self._digits))

    def contributions(self, cells: list[int]) -> Floats:
        ways = _sum(self._digits, cells) | self._padding
        met = (ways >> self._bits & 1).astype(np.float64)
        values = shapley.values(self._value, self._shares, met)
        return _by_feature(self._feature.ravel(), values.ravel(), self._width)


def _sum(digits: npt.NDArray[np.int32], cells: list[int]) -> npt.NDArray[np.int32]:
    """The numbers that the cells' digits make, int32[columns]."""
    numbers: npt.NDArray[np.int32] = np.add.reduce(digits.take(cells, axis=0), dtype=np.int32)
    return numbers


def _by_feature(feature: npt.NDArray[np.intp], parts: Floats, width: int) -> Floats:
    """The sum of each feature's parts, float64[F]."""
    sums = np.bincount(feature, parts, width)
    return sums.view(np.float64)  # it is, but for the stubs, which know of integers alone


def _digits(columns: list[dict[int, Classes]], cells: Cells) -> npt.NDArray[np.int32]:
    """What each cell adds to the number of each column, int32[cells, columns]."""
    digits = np.zeros((cells.count, len(columns)), dtype=np.int32)
    for number, column in enumerate(columns):
        for feature, adds in column.items():
            digits[cells.of(feature), number] = adds
    return digits


def _places(group: Group) -> dict[int, Classes]:
    """What each cell adds to the place where a group's state begins in its table."""
    places, stride = {}, len(group.classes)
    for feature, classes in reversed(group.classes.items()):
        places[feature] = classes * stride
        stride *= _size(classes)
    return places


def _tables(groups: list[Group]) -> list[Floats]:
    """For each group, its states' contributions to its features: float64[states * features]."""
    known: dict[int, Floats] = {}
    for width, alike in by_width([leaf for group in groups for leaf in group.leaves]):
        known |= zip(map(id, alike), shapley.tables(*_stacked(alike, width)), strict=True)
    return [_table(group, known) for group in groups]


def _table(group: Group, known: dict[int, Floats]) -> Floats:
    axes = {feature: axis for axis, feature in enumerate(group.classes)}
    table = np.zeros([*map(_size, group.classes.values()), len(axes)])
    for leaf in group.leaves:
        ways = np.zeros([1] * len(axes), dtype=np.intp)
        for bit, (feature, met) in enumerate(leaf.met.items()):
            passes = np.zeros(table.shape[axes[feature]], dtype=np.intp)
            passes[group.classes[feature]] = met << bit
            ways = ways + passes.reshape([-1 if f == feature else 1 for f in axes])
        values = known[id(leaf)]
        for bit, feature in enumerate(leaf.met):
            table[..., axes[feature]] += values[bit][ways]
    return table.ravel()


def _stacked(leaves: list[Leaf], width: int) -> tuple[Floats, Floats]:
    """Values, float64[n], and shares, float64[width, n], 1 where a leaf has fewer features."""
    shares = np.ones((width, len(leaves)))
    for number, leaf in enumerate(leaves):
        shares[: len(leaf.shares), number] = list(leaf.shares.values())
    return np.array([leaf.value for leaf in leaves]), shares


def _size(classes: Classes) -> int:
    return int(classes.max()) + 1
