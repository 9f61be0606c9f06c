"""Exact contributions of the inputs to one score, by look-up in tables made once per model."""

from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from groundplan.errors import BuildError
from groundplan.models import arrays
from groundplan.models.alone import Alone
from groundplan.models.cells import Cells, Places, distinct
from groundplan.models.explainer import EXACT, Attribution, Forested
from groundplan.models.groups import chosen
from groundplan.models.scorer import Floats, Indices, checked_matrix, checked_row
from groundplan.models.summed import Summed
from groundplan.models.tabled import Tabled

FILE: Final = "attributions.tables"

BUDGET: Final = 128 << 20
"""Bytes that the tables of a model may take."""

_BLOCK: Final = 1 << 18  # rows among which those in the same cells are looked for
_CHUNK: Final = 1 << 14  # rows whose cells and sums stay in the cache, table after table


class Attributions:
    """What each input adds to a row's log-odds: path-dependent Tree SHAP values.

    They equal LightGBM's `pred_contrib` but for the order of addition (1e-9 and better). A
    leaf's contributions depend only on which conditions of its path the row meets; so groups of
    leaves are tabled for all their states, and a row costs a look-up for each group. `groups`
    says how the groups are chosen, `shapley` how the values come about.

    `of` makes them from a model, once; `save` and `load` keep what was made.

    Args:
        facts: names of the inputs, base, and the digest of the model.
        held: the arrays that `of` makes.
    """

    def __init__(self, facts: dict[str, Any], held: arrays.Arrays) -> None:
        self.names: tuple[str, ...] = tuple(facts["names"])
        self.base: float = facts["base"]
        self.model: str = facts["model"]
        self._facts, self._held = facts, held
        self._cells = _cells(held)
        self.lookups = len(held["tabled.starts"])
        self.lone_leaves = held["digits"].shape[1] - self.lookups
        self.summed_leaves = len(held["summed.value"])
        # Room for one row, kept: fresh memory of this size costs as much as filling it does.
        self._numbers = np.empty(held["digits"].shape[1], dtype=np.uint16)
        self._taken = np.empty((len(self._cells.features), len(self._numbers)), dtype=np.uint16)
        self._parts = np.empty(len(held["feature"]))
        self._digits: npt.NDArray[np.uint16] = held["digits"]
        self._feature: npt.NDArray[np.intp] = held["feature"].astype(np.intp)
        groups, leaves = np.split(self._numbers, [self.lookups])
        lengths = [held[f"{way}.parts"].item() for way in ("tabled", "alone")]
        tabled, alone, summed = np.split(self._parts, np.cumsum(lengths))
        self._tabled = Tabled.of_arrays(held, groups, tabled)
        self._alone = Alone.of_arrays(held, leaves, alone)
        self._summed = Summed.of_arrays(held, summed)
        self._turn = Lock()

    @classmethod
    def of(cls, model: Forested, budget: int = BUDGET) -> Self:
        """The contributions of a model.

        Args:
            model: its log-odds are a sum of trees.
            budget: bytes that the tables may take. Fewer make more and smaller groups, and
                leaves whose states do not fit are computed for each row; the values stay the
                same. The indexes of the tables come on top, see `memory`.
        """
        forest = model.parsed
        grown = tuple(tree for tree in forest.trees if tree.nodes)
        cells = Cells.of(grown)
        ways = chosen(grown, cells, budget)
        tabled = Tabled.arrays(ways.groups, cells)
        alone = Alone.arrays(ways.alone, cells)
        summed = Summed.arrays(ways.summed, cells)
        features = [each.pop("feature") for each in (tabled, alone, summed)]
        lengths = [len(each) for each in features]
        digits = [each.pop("digits") for each in (tabled, alone)]
        held = {
            "cells.feature": np.array(cells.features, dtype=np.int64),
            "cells.cuts": np.array([len(each) for each in cells.cuts.values()], dtype=np.int64),
            "cells.cut": np.concatenate([np.empty(0), *map(np.array, cells.cuts.values())]),
            "digits": np.concatenate(digits, axis=1),
            "feature": np.concatenate(features).astype(np.uint16),
            "tabled.parts": np.array(lengths[0]),
            "alone.parts": np.array(lengths[1]),
            **tabled,
            **alone,
            **summed,
        }
        facts = {
            "names": list(forest.names),
            "base": sum(tree.mean for tree in forest.trees) + forest.start,
            "model": forest.digest,
        }
        return cls(facts, held)

    def save(self, folder: Path) -> None:
        """Writes `attributions.tables` into the folder."""
        arrays.save(folder / FILE, self._facts, self._held)

    @classmethod
    def load(cls, folder: Path, model: Forested | None = None) -> Self:
        """Maps what `save` wrote.

        Args:
            folder: of the build.
            model: the model that it has to be of; None where nobody checks.

        Raises:
            BuildError: the file is missing or damaged, or of another model.
        """
        found = arrays.load(folder / FILE)
        try:
            loaded = cls(*found)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise BuildError(
                f"{folder / FILE} was made by another version ({error}): run `groundplan build`"
            ) from error
        if model is not None and loaded.model != model.parsed.digest:
            raise BuildError(f"{folder / FILE} is of another model: run `groundplan build` again")
        return loaded

    @property
    def faithful(self) -> str:
        """How far they can be believed."""
        return EXACT

    @property
    def memory(self) -> int:
        """Bytes that the tables and their indexes take."""
        return sum(each.nbytes for each in self._held.values())

    @property
    def table_bytes(self) -> int:
        """Bytes that the tables alone take; never above the budget."""
        return sum(self._held[f"{way}.entries"].nbytes for way in ("tabled", "alone"))

    def row(self, row: Floats) -> Attribution:
        """The contributions to one row, float64[F], in the order of `names`.

        Raises:
            InputError: the row has another shape.
        """
        cells = self._cells.find(checked_row(row, len(self.names)))
        with self._turn:
            if cells:
                # Each cell adds a digit to each table's number: 16 bits, and never more.
                self._digits.take(cells, axis=0, out=self._taken, mode="clip")
                np.add.reduce(self._taken, axis=0, dtype=np.uint16, out=self._numbers)
                self._tabled.fill()
                self._alone.fill()
                self._summed.fill(cells)
            sums = np.bincount(self._feature, self._parts, len(self.names))
        contributions = sums.view(np.float64)  # it is, but for the stubs, which know integers alone
        return Attribution(contributions, self.base)

    def rows(self, matrix: Floats) -> Floats:
        """The contributions to many rows, float64[n, F]: the very bits of `row` for each.

        Rows that fall into the same cells are answered once where that spares enough. Beside the
        answer it takes some 100 MB, however many rows there are. Threads may ask at once, and
        the work lets go of the GIL; a call has a fixed cost, of a hundred rows or so.

        Raises:
            InputError: the rows have another width.
        """
        matrix = checked_matrix(matrix, len(self.names))
        found = np.zeros(matrix.shape)
        for start in range(0, len(matrix), _BLOCK):
            block = slice(start, start + _BLOCK)
            self._block(self._cells.find_all(matrix[block]), found[block])
        return found

    def _block(self, cells: Places, found: Floats) -> None:
        """Writes the contributions of rows in these cells, int32[used features, n]."""
        alike = distinct(cells)
        if alike is not None:
            first, stands = alike
            answers = np.zeros((len(first), found.shape[1]))
            self._chunks(cells[:, first], answers)
            answers.take(stands, axis=0, out=found, mode="clip")
        elif len(cells):
            self._chunks(cells, found)

    def _chunks(self, cells: Places, found: Floats) -> None:
        for start in range(0, len(found), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            some = cells[:, chunk].astype(np.int64)
            sums = np.zeros((found.shape[1], some.shape[1]))
            for way in (self._tabled, self._alone, self._summed):
                way.add(self._cells, some, sums)
            found[chunk] = sums.T


def _cells(held: arrays.Arrays) -> Cells:
    counts: Indices = held["cells.cuts"]
    cuts = np.split(held["cells.cut"], np.cumsum(counts)[:-1]) if len(counts) else []
    features = held["cells.feature"].tolist()
    return Cells({f: each.tolist() for f, each in zip(features, cuts, strict=True)})
