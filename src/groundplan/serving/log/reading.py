"""The reading side of the log: rows in the order in which they came, or tables."""

import heapq
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

import msgspec

from groundplan.serving.log.journal import SUFFIX, files, rows
from groundplan.serving.log.retention import PARQUET
from groundplan.serving.log.row import Answered, Lookup, Prediction, Row, Stored, Taken, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

A = TypeVar("A", bound=Answered)

_BATCH: Final = 16_384
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}").fullmatch
_encode: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, order=True)
class Segment:
    """The rows of one journal, whether it is still written, full, or a Parquet file by now.

    Args:
        writer: begins with when the process began to write, µs since 1970, in 16 digits.
        number: counts the writer's journals.
        file: where the rows were when the folder was looked at.
    """

    writer: str
    number: int
    file: Path

    @property
    def began(self) -> int:
        """When its process began to write, µs since 1970."""
        return int(self.writer[:16])

    def tables(self) -> "Iterator[pa.Table]":
        """The rows in order, a part at a time; none where the segment was removed meanwhile."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from groundplan.serving.log.archive import from_journal, opened

        if self.file.suffix == SUFFIX:
            try:
                yield from_journal(opened(self.file))
            except FileNotFoundError:
                yield from replace(self, file=self.file.with_suffix(PARQUET)).tables()
            return
        try:
            file = pq.ParquetFile(self.file)
        except FileNotFoundError:
            return
        with file:
            for batch in file.iter_batches(_BATCH):
                yield pa.Table.from_batches([batch], file.schema_arrow)

    def answers(self, id: str, kind: type[A]) -> Iterator[A]:
        """The answers of a kind about the identifier or key that is this text, in order."""
        import pyarrow.parquet as pq

        from groundplan.serving.log.archive import opened

        try:
            if self.file.suffix == PARQUET:
                for row in rows_of(pq.read_table(self.file, filters=[("id", "=", id)])):
                    if isinstance(row, kind):
                        yield row
                return
            content = opened(self.file)
        except FileNotFoundError:
            if self.file.suffix == SUFFIX:
                yield from replace(self, file=self.file.with_suffix(PARQUET)).answers(id, kind)
            return
        # An answer ends with its identifier, so that the others need not be decoded.
        ends = (_encode(id), *([_encode(int(id))] if _INTEGER(id) else []))
        for piece in rows(content):
            found = unpacked(piece) if piece.endswith(ends) else None
            if isinstance(found, kind) and str(found.id) == id:
                yield found


def segments(folder: Path) -> list[Segment]:
    """The segments of a log, by writer and in the order in which each wrote them."""
    # Journals first: one that is archived in between is met as a Parquet file then.
    found = {file.stem: file for file in files(folder, SUFFIX)}
    found |= {file.stem: file for file in files(folder, PARQUET)}
    return sorted(
        Segment(stem[: stem.rindex("-")], int(stem[stem.rindex("-") + 1 :]), file)
        for stem, file in found.items()
    )


def read(folder: Path) -> Iterator[Row]:
    """Every row of a log, each process's in the order in which it wrote them, those of several
    merged by when they were written.
    """
    writers: dict[str, list[Segment]] = {}
    for segment in segments(folder):
        writers.setdefault(segment.writer, []).append(segment)
    waiting = sorted(writers)
    streams: list[tuple[int, int, Row, Iterator[Row]]] = []
    while waiting or streams:
        # A writer's first file is opened when the reading has come to where it began.
        while waiting and (not streams or int(waiting[0][:16]) <= streams[0][0]):
            number = len(writers) - len(waiting)
            _advance(streams, number, _rows(writers[waiting.pop(0)]))
        if streams:
            _, number, row, rest = heapq.heappop(streams)
            yield row
            _advance(streams, number, rest)


def _advance(
    streams: list[tuple[int, int, Row, Iterator[Row]]], number: int, rest: Iterator[Row]
) -> None:
    row = next(rest, None)
    if row is not None:
        heapq.heappush(streams, (row.at, number, row, rest))


def table(folder: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """The rows of a log as one Arrow table, each process's in order, process after process.

    Args:
        folder: of the log.
        columns: names of columns of `archive.COLUMNS`, or `feature.NAME`; all where not given.
            A feature that a row's build did not have is null.
    """
    import pyarrow as pa

    from groundplan.serving.log.archive import from_rows

    parts = [part for segment in segments(folder) for part in segment.tables()]
    whole = pa.concat_tables(
        [part.replace_schema_metadata(None) for part in parts or [from_rows([], ())]],
        promote_options="default",
    )
    return whole if columns is None else whole.select(list(columns))


@overload
def find(folder: Path, id: str) -> Prediction | None: ...
@overload
def find(folder: Path, id: str, kind: type[A]) -> A | None: ...
def find(folder: Path, id: str, kind: Any = Prediction) -> Any:
    """The newest answer about an event or a key; None where the log has none.

    Args:
        folder: of the log.
        id: the event's identifier or the key, as text.
        kind: `Prediction` or `Lookup`.
    """
    newest: dict[str, Answered] = {}
    for segment in reversed(segments(folder)):
        if segment.writer not in newest:
            for row in segment.answers(id, kind):
                newest[segment.writer] = row
    return max(newest.values(), key=lambda row: row.at, default=None)


def names(part: "pa.Table") -> tuple[str, ...]:
    """The names of the features in a table of a segment, in the order of the definitions."""
    from groundplan.serving.log.archive import NAMES

    return tuple(json.loads((part.schema.metadata or {}).get(NAMES, b"[]")))


def _rows(writer: Sequence[Segment]) -> Iterator[Row]:
    for segment in writer:
        for part in segment.tables():
            yield from rows_of(part)


def rows_of(part: "pa.Table") -> Iterator[Row]:
    """The rows of a table of a segment."""
    from groundplan.serving.log.archive import FEATURE, INTEGER

    width = len(names(part))
    integer = INTEGER in (part.schema.metadata or {})
    columns: dict[str, list[Any]] = {
        name: part.column(name).cast("int64").to_pylist() if name == "at" else _list(part, name)
        for name in part.column_names
        if not name.startswith(FEATURE)
    }
    matrix = [_numbers(part, f"{FEATURE}{name}") for name in names(part)]
    features = zip(*matrix, strict=True) if width else iter(() for _ in range(len(part)))
    for at, values in enumerate(features):
        row = {name: column[at] for name, column in columns.items()}
        if row["kind"] == "stored":
            yield Stored(row["at"])
            continue
        event = row["event"].encode()
        if row["kind"] == "event":
            yield Taken(row["at"], event, row["source"], row["build"], row["pending"])
            continue
        id = row["id"]
        shared = {
            **{name: row[name] for name in ("at", "score", "decision", "build", "degraded")},
            "event": event,
            "timings": dict(row["timings"]),
            "id": int(id) if integer and id is not None else id,
        }
        if row["kind"] == "lookup":
            yield Lookup(version=row["version"], fallback=row["fallback"], **shared)
        else:
            yield Prediction(features=tuple(values), **shared)


def _list(part: "pa.Table", name: str) -> list[Any]:
    found: list[Any] = part.column(name).to_pylist()
    return found


def _numbers(part: "pa.Table", name: str) -> list[float]:
    """A column of features with NaN where a value is missing."""
    found: list[float] = part.column(name).to_numpy(zero_copy_only=False).tolist()
    return found
