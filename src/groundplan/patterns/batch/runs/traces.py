"""The features of a run, kept so that the next delta need not compute what did not change.

A file for each partition has the float64 of one row after another, in the order of the snapshot,
and nothing else: any row is found by its number, and only rows that are asked for are read.
"""

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from groundplan.engines.partitions import part_name
from groundplan.errors import BuildError
from groundplan.models.scorer import Floats

FEATURES: Final = "features"
"""The folder of these files in the folder of a run."""


class Tracing:
    """Writes the features of one partition, complete when it is closed.

    Args:
        run: the folder of the run.
        number: of the partition.
    """

    def __init__(self, run: Path, number: int) -> None:
        self._file = _file(run, number)
        self._hidden = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        self._stream: Any = None

    def write(self, matrix: Floats) -> None:
        """Take in rows, float64[n, F]."""
        if self._stream is None:
            self._file.parent.mkdir(exist_ok=True)
            self._stream = self._hidden.open("wb")
        np.ascontiguousarray(matrix).tofile(self._stream)

    def close(self) -> None:
        """Make the file complete."""
        if self._stream is None:
            return
        self._stream.close()
        self._hidden.replace(self._file)


def read(folder: Path, number: int, features: int) -> Floats:
    """The features of a partition, float64[n, F], mapped from the disk.

    Args:
        folder: what `Tracing` was given, or where its files are now.
        number: of the partition.
        features: how many a row has.

    Raises:
        BuildError: the file has no whole rows.
    """
    file = _file(folder, number)
    size = file.stat().st_size
    if size % (8 * features):
        raise BuildError(f"{file} is damaged: run `groundplan score` without --delta once")
    if not size:
        return np.empty((0, features))
    return np.memmap(file, np.float64, "r", shape=(size // (8 * features), features))


class Traces:
    """The features that some keys had in the last version.

    Args:
        keys: of one partition after another.
        matrices: the features of each of these, float64[n, F].
        names: of the features.
    """

    def __init__(
        self, keys: list[pa.Array], matrices: list[Floats], names: tuple[str, ...]
    ) -> None:
        self._keys = pa.concat_arrays(keys)
        self._matrix = matrices[0] if len(matrices) == 1 else np.concatenate(matrices)
        self._names = names

    def moved(self, keys: pa.Array, matrix: Floats) -> tuple[dict[str, int], int]:
        """In how many rows each feature has another value than it had, and of how many.

        Args:
            keys: of rows.
            matrix: their features now, float64[n, F].

        Returns:
            Rows by feature, those that moved most first; and the rows whose past is known.
        """
        if not len(keys):
            return {}, 0
        there = pc.index_in(keys, value_set=self._keys)
        known: npt.NDArray[np.bool_] = np.asarray(there.is_valid())
        then = self._matrix[there.fill_null(0).to_numpy()[known]] if known.any() else matrix[:0]
        now = matrix[known]
        differs = (now != then) & ~(np.isnan(now) & np.isnan(then))
        counts = differs.sum(axis=0)
        order = np.argsort(-counts, kind="stable")
        moved = {self._names[at]: int(counts[at]) for at in order if counts[at]}
        return moved, int(known.sum())


def _file(folder: Path, number: int) -> Path:
    return folder / FEATURES / Path(part_name(number)).with_suffix(".f64")
