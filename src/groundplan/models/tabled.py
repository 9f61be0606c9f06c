"""Groups of leaves with one table each: a row costs a look-up for each group."""

from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from groundplan.models import shapley
from groundplan.models.arrays import Arrays
from groundplan.models.cells import Cells
from groundplan.models.groups import Classes, Group, Leaf
from groundplan.models.scorer import Floats, Indices

Numbers = npt.NDArray[np.uint16]


class Tabled:
    """All groups' tables, those with as many features one after the other.

    A group's state is a number with one digit for each feature, the class of the row's cell; so
    the states of all groups are a sum of one row of digits for each feature. A state is a row of
    contributions, one for each feature of the group, that is copied in one piece.

    Args:
        entries: float64[bytes / 8], all tables.
        starts: int64[groups], the first state of each group among those of its width.
        widths: int64[k, 4]: features of a group, how many groups have so many, where their
            tables start and end in `entries`.
        digits: uint16[cells, groups], what each cell adds to the number of each group's state.
        feature: int64[parts], of each part: a feature of a group.
        numbers: uint16[groups], where the states of a row will stand.
        parts: float64[parts], where its contributions are to go.
    """

    def __init__(
        self,
        entries: Floats,
        starts: Indices,
        widths: Indices,
        digits: Numbers,
        feature: Indices,
        numbers: Numbers,
        parts: Floats,
    ) -> None:
        self._starts, self._numbers = starts, numbers
        self._digits, self._feature = digits, feature
        self._places = np.empty(len(starts), dtype=np.intp)
        # Views of what does not move are made once: for small models they are most of a row.
        self._blocks: list[tuple[Floats, npt.NDArray[np.intp], Floats]] = []
        group = part = 0
        for width, count, start, end in widths.tolist():
            states = entries[start:end].reshape(-1, width)
            filled = parts[part : part + count * width].reshape(count, width)
            self._blocks.append((states, self._places[group : group + count], filled))
            group, part = group + count, part + count * width

    @classmethod
    def of_arrays(cls, held: Arrays, numbers: Numbers, parts: Floats) -> Self:
        """From the arrays that `arrays` made; `numbers` and `parts` as for the class."""
        return cls(
            held["tabled.entries"],
            held["tabled.starts"],
            held["tabled.widths"],
            held["digits"][:, : len(numbers)],
            held["feature"][: len(parts)],
            numbers,
            parts,
        )

    @staticmethod
    def arrays(groups: list[Group], cells: Cells) -> Arrays:
        """The tables of the groups, their digits, uint16[cells, groups], and their features."""
        groups = sorted(groups, key=lambda group: len(group.classes))  # stable
        widths = np.array([len(group.classes) for group in groups], dtype=np.int64)
        states = np.array([group.states for group in groups], dtype=np.int64)
        starts, blocks = np.empty(len(groups), dtype=np.int64), []
        for width in np.unique(widths):
            alike = widths == width
            starts[alike] = np.cumsum(states[alike]) - states[alike]
            start = int((states * widths)[widths < width].sum())
            end = start + int((states * widths)[alike].sum())
            blocks.append((int(width), int(alike.sum()), start, end))
        return {
            "tabled.entries": np.concatenate([np.empty(0), *_tables(groups)]),
            "tabled.starts": starts,
            "tabled.widths": np.array(blocks, dtype=np.int64).reshape(-1, 4),
            "digits": digits([_places(group) for group in groups], cells),
            "feature": np.array([f for group in groups for f in group.classes], dtype=np.int64),
        }

    def fill(self) -> None:
        """Writes the contributions of the states."""
        np.add(self._starts, self._numbers, out=self._places)
        for states, places, filled in self._blocks:
            states.take(places, axis=0, out=filled, mode="clip")

    def add(self, cells: Cells, found: Indices, out: Floats) -> None:
        """Adds the contributions of many rows, group by group, as those of one row are added.

        So a group's table stays in the processor's cache while all rows ask for it.

        Args:
            cells: that the model tells apart.
            found: int64[used features, n], the cells of the rows, from `Cells.find_all`.
            out: float64[F, n], what is added to.
        """
        numbering = Numbering(cells, found)
        values = np.empty(found.shape[1])
        group = part = 0
        for states, places, _ in self._blocks:
            width = states.shape[1]
            starts = [*self._starts[group : group + len(places)].tolist(), len(states)]
            for start, end in pairwise(starts):
                features = self._feature[part : part + width].tolist()
                state = numbering.of(self._digits[:, group], features)
                # A small table is turned, which costs less than reading it by lines.
                lines = states[start:end]
                if len(lines) > len(state):
                    for feature, added in zip(features, lines.take(state, axis=0).T, strict=True):
                        out[feature] += added
                else:
                    for feature, column in zip(features, lines.T.copy(), strict=True):
                        out[feature] += column.take(state, out=values, mode="clip")
                group, part = group + 1, part + width


class Numbering:
    """The states of many rows in one table after the other.

    Args:
        cells: that the model tells apart.
        found: int64[used features, n], the cells of the rows, from `Cells.find_all`.
    """

    def __init__(self, cells: Cells, found: Indices) -> None:
        self._cells, self._found = cells, found
        rows = found.shape[1]
        self._number, self._added = np.empty((2, rows), dtype=np.uint16)
        self._state = np.empty(rows, dtype=np.int64)

    def of(self, digits: Numbers, features: list[int]) -> Indices:
        """The states in a table that asks for these features, int64[n]; kept until the next call.

        Args:
            digits: uint16[cells], what each cell adds to the number of the state.
            features: of the table.
        """
        self._number[:] = 0
        for feature in features:
            of_feature = np.ascontiguousarray(digits[self._cells.numbers(feature)])
            places = self._found[self._cells.place(feature)]
            self._number += of_feature.take(places, out=self._added, mode="clip")
        self._state[:] = self._number
        return self._state


def digits(columns: list[dict[int, Classes]], cells: Cells) -> Numbers:
    """What each cell adds to the number of each column, uint16[cells, columns]."""
    found = np.zeros((cells.count, len(columns)), dtype=np.uint16)
    for number, column in enumerate(columns):
        for feature, added in column.items():
            found[cells.numbers(feature), number] = added
    return found


def _places(group: Group) -> dict[int, Classes]:
    """What each cell adds to the number of a group's state."""
    places, stride = {}, 1
    for feature, classes in reversed(group.classes.items()):
        places[feature] = classes * stride
        stride *= _size(classes)
    return places


def _tables(groups: list[Group]) -> list[Floats]:
    """For each group, its states' contributions to its features: float64[states * features]."""
    alike: dict[int, list[Leaf]] = {}
    for group in groups:
        for leaf in group.leaves:
            alike.setdefault(len(leaf.shares), []).append(leaf)
    known: dict[Leaf, Floats] = {}
    for leaves in alike.values():
        known |= zip(leaves, shapley.tables(*stacked(leaves)), strict=True)
    return [_table(group, known) for group in groups]


def _table(group: Group, known: dict[Leaf, Floats]) -> Floats:
    axes = {feature: axis for axis, feature in enumerate(group.classes)}
    table = np.zeros([*map(_size, group.classes.values()), len(axes)])
    for leaf in group.leaves:
        ways: npt.NDArray[Any] = np.zeros([1] * len(axes), dtype=np.intp)
        for bit, (feature, met) in enumerate(leaf.met.items()):
            passes = np.zeros(table.shape[axes[feature]], dtype=np.intp)
            passes[group.classes[feature]] = met << bit
            ways = ways + passes.reshape([-1 if f == feature else 1 for f in axes])
        values = known[leaf]
        for bit, feature in enumerate(leaf.met):
            table[..., axes[feature]] += values[bit][ways]
    return table.ravel()


def stacked(leaves: list[Leaf]) -> tuple[Floats, Floats]:
    """Values, float64[n], and shares, float64[features, n], of leaves with as many features."""
    shares = np.array([list(leaf.shares.values()) for leaf in leaves]).T
    return np.array([leaf.value for leaf in leaves]), shares


def _size(classes: Classes) -> int:
    return int(classes.max()) + 1
