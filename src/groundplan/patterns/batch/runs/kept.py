"""What the run of the live version leaves for the next delta: its snapshot, and its features.

`inputs/VERSION` is complete once it is there, and there is one: that of the version that was
published last.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan import __version__
from groundplan.durable import synced
from groundplan.engines.partitions import part_name
from groundplan.models.scorer import Floats
from groundplan.patterns.batch.runs.engine import KEY
from groundplan.patterns.batch.runs.run import FILE, Run, load
from groundplan.patterns.batch.runs.traces import FEATURES, read

FOLDER: Final = "inputs"
_MADE: Final = "made.json"


@dataclass(frozen=True)
class Kept:
    """The inputs of a version.

    Args:
        folder: with `in/` and `features/`, as the folder of the run had them.
        run: that made it.
    """

    folder: Path
    run: Run

    def keys(self, source: str, number: int) -> pa.Array:
        """The keys of a partition, in the order of its rows."""
        file = self.folder / "in" / source / part_name(number)
        return pq.read_table(file, columns=[KEY]).column(0).combine_chunks()

    def matrix(self, number: int, features: int) -> Floats:
        """The features of a partition, float64[n, F], read from the disk as they are needed."""
        return read(self.folder, number, features)


def kept(home: Path, version: str) -> Kept | None:
    """The inputs of a version; None where they are not here, or another release made them.

    Args:
        home: the project's `.groundplan` folder.
        version: its name.
    """
    folder = home / FOLDER / version
    if not (folder / _MADE).is_file() or (folder / _MADE).read_bytes() != _made_by():
        return None
    run = load(folder)
    return None if run is None else Kept(folder, run)


def keep(home: Path, run: Run, folder: Path) -> None:
    """Take over the snapshot and the features of a run that was published; forget older ones.

    Args:
        home: the project's `.groundplan` folder.
        run: its record.
        folder: of the run, which is one no more.
    """
    there = home / FOLDER
    hidden = there / f".{run.name}"
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(parents=True)
    for name in (FILE, "in", FEATURES):  # first what makes it a run that can go on
        (folder / name).rename(hidden / name)
    for draft in (hidden / FEATURES).glob(".*"):  # of a partition that was cut
        draft.unlink()
    (hidden / _MADE).write_bytes(_made_by())
    for file in hidden.rglob("*"):
        synced(file)
    shutil.rmtree(there / run.name, ignore_errors=True)
    hidden.rename(there / run.name)
    for old in there.iterdir():
        if old.name != run.name:
            shutil.rmtree(old) if old.is_dir() else old.unlink()


def rows(keys: pa.Array, known: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Where each key stands among others, int64[n]; -1 where it does not."""
    if keys.equals(known):
        return np.arange(len(keys), dtype=np.int64)
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        pc.index_in(keys, value_set=known).fill_null(-1).to_numpy().astype(np.int64)
    )
    return found


def _made_by() -> bytes:
    """What computes features: another release may compute them otherwise."""
    return msgspec.json.encode({"groundplan": __version__, "duckdb": duckdb.__version__})
