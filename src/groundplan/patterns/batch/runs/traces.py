"""The features of a version's first partition, kept so that the next delta can say what moved.

Keys are dealt out by a digest, so that the first partition is a fair sample of them; where there
is only one, it is all of them.
"""

import os
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.models.scorer import Floats

FILE: Final = "inputs.parquet"
_KEY: Final = "@key"


class Tracing:
    """Writes the features of a run's first partition, complete when it is closed.

    Args:
        run: the folder of the run.
        names: of the features.
    """

    def __init__(self, run: Path, names: tuple[str, ...]) -> None:
        self._file, self._names = run / FILE, names
        self._hidden = run / f".{FILE}"
        self._writer: Any = None

    def write(self, keys: pa.Array, matrix: Floats) -> None:
        """Take in rows, float64[n, F]."""
        columns = [keys, *(pa.array(matrix[:, at]) for at in range(len(self._names)))]
        rows = pa.RecordBatch.from_arrays(columns, names=[_KEY, *self._names])
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._hidden, rows.schema, compression="lz4")
        self._writer.write_batch(rows)

    def close(self) -> None:
        """Make the file complete."""
        if self._writer is None:
            return
        self._writer.close()
        with self._hidden.open("rb") as stream:
            os.fsync(stream.fileno())
        self._hidden.replace(self._file)


class Traces:
    """The features that some keys had in the last version.

    Args:
        keys: an Arrow array.
        matrix: float64[n, F].
        names: of the features.
    """

    def __init__(self, keys: pa.Array, matrix: Floats, names: tuple[str, ...]) -> None:
        self._keys, self._matrix, self._names = keys, matrix, names

    @classmethod
    def of(cls, file: Path, names: tuple[str, ...]) -> Self | None:
        """What `Tracing` wrote; None where it is of other features."""
        table = pq.read_table(file)
        if tuple(table.column_names) != (_KEY, *names):
            return None
        matrix = np.stack([table.column(name).to_numpy() for name in names], axis=1)
        return cls(table.column(_KEY).combine_chunks(), matrix, names)

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
        known = np.asarray(there.is_valid())
        then = self._matrix[there.fill_null(0).to_numpy()[known]]
        now = matrix[known]
        differs = (now != then) & ~(np.isnan(now) & np.isnan(then))
        counts = differs.sum(axis=0)
        order = np.argsort(-counts, kind="stable")
        moved = {self._names[at]: int(counts[at]) for at in order if counts[at]}
        return moved, int(known.sum())
