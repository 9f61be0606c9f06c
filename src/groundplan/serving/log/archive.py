"""From finished journals to Parquet files, one for one.

A file stands under its name only when it is whole and on the disk, and only then its journal is
removed. A reader takes the Parquet file where both are there: a row is never lost and never
counted twice, wherever this is cut off.
"""

import contextlib
import json
import mmap
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.durable import synced
from groundplan.serving.log.journal import SUFFIX, abandoned, drafted, files, head, rows
from groundplan.serving.log.retention import PARQUET, Retention, prune
from groundplan.serving.log.row import Lookup, Prediction, Row, Stored, Taken, unpacked

FEATURE: Final = "feature."
"""What the name of a column with feature values begins with."""

NAMES: Final = b"groundplan.features"
"""The entry of a schema's metadata with the features' names, as a JSON array."""

INTEGER: Final = b"groundplan.integer_ids"
"""The entry that is there where identifiers are integers; the column `id` has them as text."""

KINDS: Final[dict[type[Row], str]] = {
    Prediction: "prediction",
    Lookup: "lookup",
    Taken: "event",
    Stored: "stored",
}
"""What the column `kind` says of each sort of row."""

COLUMNS: Final = {
    "at": pa.timestamp("us", "UTC"),
    "kind": pa.dictionary(pa.int8(), pa.string()),
    "source": pa.int16(),
    "pending": pa.bool_(),
    "id": pa.string(),
    "event": pa.string(),
    "score": pa.float64(),
    "decision": pa.dictionary(pa.int32(), pa.string()),
    "build": pa.dictionary(pa.int32(), pa.string()),
    "version": pa.dictionary(pa.int32(), pa.string()),
    "fallback": pa.dictionary(pa.int32(), pa.string()),
    "degraded": pa.list_(pa.string()),
    "timings": pa.map_(pa.string(), pa.int64()),
}
"""The columns of every file, before those of the features."""


def archive(folder: Path, retention: Retention) -> int:
    """Turn every journal that nobody writes any more into Parquet; returns how many there were.

    Raises:
        OSError: the disk is full; the journals stay, and are read as they are.
    """
    done = 0
    for journal in files(folder, SUFFIX):
        handle = abandoned(journal)
        if handle is not None:
            try:
                _convert(journal, handle)
            finally:
                os.close(handle)
            done += 1
    drafts = (*files(folder, SUFFIX, "."), *files(folder, PARQUET, "."))
    for draft in drafts:  # what a killed process left
        handle = abandoned(draft)
        if handle is not None:
            draft.unlink(missing_ok=True)
            os.close(handle)
    prune(folder, retention)
    return done


def from_journal(content: "bytes | mmap.mmap") -> pa.Table:
    """The rows of a journal as a table with `COLUMNS` and a column for each feature."""
    found = [unpacked(row) for row in rows(content)]
    return from_rows(found, head(content).features)


def opened(path: Path) -> "bytes | mmap.mmap":
    """A journal's content, mapped; also while it is being written.

    Raises:
        FileNotFoundError: it is gone, since it was archived or removed meanwhile.
    """
    with path.open("rb") as stream:
        if not os.fstat(stream.fileno()).st_size:
            return b""
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def from_rows(found: Sequence[Row], names: Sequence[str]) -> pa.Table:
    """Rows as a table.

    Args:
        found: in the order in which they came.
        names: of the features; numbers stand in where there are none.
    """
    width = max((len(row.features) for row in found if isinstance(row, Prediction)), default=0)
    if len(names) != width and width:
        names = [str(number) for number in range(width)]
    scored = [row if isinstance(row, Prediction | Lookup) else None for row in found]
    read = [row if isinstance(row, Lookup) else None for row in found]
    taken = [row if isinstance(row, Taken) else None for row in found]
    ids = [row and row.id for row in scored]
    values: dict[str, Iterable[Any]] = {
        "at": [row.at for row in found],
        "kind": [KINDS[type(row)] for row in found],
        "source": [row.source if row else 0 for row in taken],
        "pending": [row is not None and row.pending for row in taken],
        "id": [None if id is None else str(id) for id in ids],
        "event": [None if isinstance(row, Stored) else row.event for row in found],
        "score": [row and row.score for row in scored],
        "decision": [row and row.decision for row in scored],
        "build": ["" if isinstance(row, Stored) else row.build for row in found],
        "version": [row and row.version for row in read],
        "fallback": [row and row.fallback for row in read],
        "degraded": [row and row.degraded for row in scored],
        "timings": [row and list(row.timings.items()) for row in scored],
    }
    columns = {name: pa.array(values[name], type_) for name, type_ in COLUMNS.items()}
    absent = (np.nan,) * width
    matrix = np.array(
        [
            row.features if isinstance(row, Prediction) and len(row.features) == width else absent
            for row in found
        ],
        np.float64,
    ).reshape(len(found), width)
    for at, name in enumerate(names[:width]):
        # NaN is the missing value, and a missing value is null in a table.
        columns[f"{FEATURE}{name}"] = pa.array(matrix[:, at], from_pandas=True)
    about = {NAMES: json.dumps(list(names[:width])).encode()}
    if not any(isinstance(id, str) for id in ids):
        about[INTEGER] = b"1"
    return pa.table(columns).replace_schema_metadata(about)


def _convert(journal: Path, handle: int) -> None:
    size = os.fstat(handle).st_size
    content = mmap.mmap(handle, 0, access=mmap.ACCESS_READ) if size else b""
    target = journal.with_suffix(PARQUET)
    table = from_journal(content)
    if len(table) and not target.exists():
        draft = target.with_name(f".{target.name}")
        with os.fdopen(drafted(draft), "wb") as stream:
            pq.write_table(table, stream, compression="zstd")
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(draft, target)
        synced(journal.parent)
    journal.unlink()


def main(folder: str, options: str) -> None:
    """What that process does, after it has stepped behind everything else on the machine."""
    with contextlib.suppress(OSError):
        os.nice(19)
    archive(Path(folder), msgspec.json.decode(options, type=Retention))
