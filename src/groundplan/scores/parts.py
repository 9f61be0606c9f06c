"""Part files read batch by batch, each row checked against the record of its version."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.errors import InputError
from groundplan.scores.store import PART
from groundplan.scores.version import Version

ROWS: Final = 1 << 18
"""Rows of a batch: some twenty MB in memory."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of a part.

    Args:
        keys: int64, or binary: the UTF-8 of texts.
        scores: float64[n].
        decisions: uint8[n], positions in `Version.decisions`.
        reasons: int16[n, width], signed numbers of codes, zeros behind the last.
    """

    keys: pa.Array
    scores: npt.NDArray[np.float64]
    decisions: npt.NDArray[np.uint8]
    reasons: npt.NDArray[np.int16]


def keys(version: Version, parts: Sequence[Path], rows: int = ROWS) -> Iterator[pa.Array]:
    """The keys alone, in the order of `batches`, as many rows at a time.

    Raises:
        InputError: a part cannot be read, or its keys are of another type or missing.
    """
    for path in parts:
        for table in _tables(path, ["key"], rows):
            yield _keys(version, path, table)


def batches(version: Version, parts: Sequence[Path], rows: int = ROWS) -> Iterator[Batch]:
    """All that a store keeps of the parts, in order, as many rows at a time.

    Raises:
        InputError: a part cannot be read, or a row does not fit the record of the version.
    """
    for path in parts:
        for table in _tables(path, ["key", "score", "decision", "reasons"], rows):
            decisions = _column(path, table, "decision").to_numpy()
            if len(decisions) and int(decisions.max()) >= len(version.decisions):
                raise _wrong(
                    path,
                    f"names decision {decisions.max()}, counted from 0, and version "
                    f"{version.name} has {len(version.decisions)}",
                )
            yield Batch(
                _keys(version, path, table),
                _column(path, table, "score").to_numpy(),
                decisions,
                _reasons(version, path, _column(path, table, "reasons")),
            )


def _tables(path: Path, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise _wrong(path, f"has no column {', '.join(missing)}")
            yield from file.iter_batches(rows, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise _wrong(path, f"cannot be read: {error}") from error


def _keys(version: Version, path: Path, table: pa.RecordBatch) -> pa.Array:
    found = table["key"]
    wanted = pa.int64() if version.key == "int" else pa.string()
    texts = pa.types.is_string(found.type) or pa.types.is_large_string(found.type)
    if not (found.type == wanted or (texts and version.key == "str")):
        raise _wrong(
            path, f"has keys of type {found.type}, and the keys of {version.name} are {wanted}"
        )
    _whole(path, "key", found)
    return found if version.key == "int" else found.cast(pa.large_binary())


def _column(path: Path, table: pa.RecordBatch, name: str) -> pa.Array:
    found = table[name]
    wanted = PART.field(name).type
    if found.type != wanted:
        try:
            found = found.cast(wanted)
        except pa.ArrowException as error:
            raise _wrong(path, f"has {name} that is not {wanted}: {error}") from error
    _whole(path, name, found)
    return found


def _whole(path: Path, name: str, found: pa.Array) -> None:
    if found.null_count:
        raise _wrong(path, f"has {found.null_count} rows without {name}")


def _reasons(version: Version, path: Path, lists: pa.ListArray) -> npt.NDArray[np.int16]:
    lengths = pc.list_value_length(lists).to_numpy().astype(np.int64)
    values = lists.flatten()
    _whole(path, "reasons", values)
    flat = values.to_numpy()
    sizes = np.abs(flat.astype(np.int32))
    if len(flat) and (sizes.min() < 1 or sizes.max() > len(version.codes)):
        bad = flat[(sizes < 1) | (sizes > len(version.codes))][0]
        raise _wrong(
            path,
            f"names reason {bad}, and version {version.name} has codes 1 to "
            f"{len(version.codes)}, negative where they lowered",
        )
    out = np.zeros((len(lists), int(lengths.max()) if len(lists) else 0), np.int16)
    begins = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(lists)), lengths)
    out[row, np.arange(len(flat)) - np.repeat(begins, lengths)] = flat
    return out


def _wrong(path: Path, says: str) -> InputError:
    return InputError("", f"{path} {says}; compute the part again")
