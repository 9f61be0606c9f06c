"""Scores in bulk from part files into Redis, in order of their strings, and gently."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.engines.redis import layout
from groundplan.engines.redis.server import Server
from groundplan.errors import EngineError, InputError
from groundplan.scores.store import PART, Progress
from groundplan.scores.version import Version

BUSY_MS: Final = 60_000
"""How long a load may stand still before others take it as cut off."""

_PASS: Final = 2_000_000  # rows that are held at a time, some 60 bytes each
_CHUNK: Final = 8_192  # rows that are packed at a time
_SENT: Final = 1_024  # rows that are sent at a time: the server does nothing else for 0.1 ms
_REST: Final = 0.5  # of the time that sending took, for which the server has rest
_COLUMNS: Final = ["key", "score", "decision", "reasons"]
_COUNTED: Final = 512  # strings that are counted, or let go, at a time


def load(
    server: Server,
    prefix: bytes,
    ticket: bytes,
    version: Version,
    parts: Sequence[Path],
    progress: Progress | None,
) -> None:
    """Write the rows of some part files into the strings of a ticket.

    The rows are sorted by their strings before they are sent, some millions at a time: so a string
    is written once, and two rows of one key meet. Between chunks the server rests.

    Raises:
        InputError: rows are missing, or a key stands twice.
        EngineError: the server did not do its work, or the load was taken as cut off.
    """
    buckets = layout.buckets_in(ticket)
    done = 0
    for rows, numbers in _sorted(version, parts, buckets):
        for first, last in _chunks(numbers, _CHUNK):
            mine = rows.slice(first, last - first)
            words = _words(mine)
            for start, end in _chunks(numbers[first:last], _SENT):
                some = mine.slice(start, end - start)
                began = time.monotonic()
                _send(
                    server,
                    prefix,
                    ticket,
                    numbers[first + start : first + end],
                    some,
                    words[start:end],
                )
                done += end - start
                if progress:
                    progress(done, version.rows)
                time.sleep(_REST * (time.monotonic() - began))


def check(version: Version, parts: Sequence[Path]) -> None:
    """See that part files have the rows and keys that a version's record speaks of.

    Raises:
        InputError: they have others.
        EngineError: one cannot be read.
    """
    count = 0
    for part in parts:
        with _reading(part), pq.ParquetFile(part) as file:
            count += file.metadata.num_rows
            key = file.schema_arrow.field("key").type
        fits = pa.types.is_integer(key) if version.key == "int" else pa.types.is_string(key)
        if not fits:
            raise InputError(
                "key", f"{part} has keys of type {key}, and {version.name} is of {version.key} keys"
            )
    if count != version.rows:
        raise InputError(
            "", f"{version.name} has {count:,} rows and should have {version.rows:,}: score again"
        )


def counted(server: Server, prefix: bytes, ticket: bytes) -> int:
    """The scores that the strings of a ticket hold."""
    count = 0
    for names in _names(prefix, ticket):
        with server.reached(), server.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.getrange(name.decode(), 0, 3)
            count += sum(map(layout.count, pipeline.execute()))
    return count


def forget(server: Server, prefix: bytes, ticket: bytes) -> None:
    """Let go of the strings of a ticket, some at a time: the server frees them beside its work."""
    for names in _names(prefix, ticket):
        with server.reached():
            began = time.monotonic()
            server.client.unlink(*names)
            time.sleep(_REST * (time.monotonic() - began))


def _names(prefix: bytes, ticket: bytes) -> Iterator[list[bytes]]:
    first = 0
    while names := layout.names(ticket, prefix, first, _COUNTED):
        yield names
        first += _COUNTED


def _sorted(
    version: Version, parts: Sequence[Path], buckets: int
) -> Iterator[tuple[pa.Table, npt.NDArray[np.int64]]]:
    """The rows with the numbers of their strings, ascending, in a few steps of bounded size."""
    passes = max(1, -(-version.rows // _PASS))
    for number in range(passes):
        low, high = number * buckets // passes, (number + 1) * buckets // passes
        found, numbers = [], []
        for batch in _batches(version, parts):
            mine = layout.buckets_of(batch.column("key"), buckets)
            kept = (mine >= low) & (mine < high)
            found.append(batch.filter(pa.array(kept)))
            numbers.append(mine[kept])
        if found:
            order = np.argsort(np.concatenate(numbers), kind="stable")
            yield pa.Table.from_batches(found).take(order), np.concatenate(numbers)[order]


def _batches(version: Version, parts: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    """The rows of the part files, with the columns that are published."""
    key = pa.int64() if version.key == "int" else pa.string()
    schema = pa.schema([PART.field(name) for name in _COLUMNS]).set(0, pa.field("key", key))
    for part in parts:
        with _reading(part), pq.ParquetFile(part) as file:
            for batch in file.iter_batches(columns=_COLUMNS):
                rows = batch.select(_COLUMNS).cast(schema)
                _within(version, part, rows)
                yield rows


def _within(version: Version, part: Path, rows: pa.RecordBatch) -> None:
    """Refuse missing values, and decisions and reasons that the version does not name."""
    if any(column.null_count for column in rows.columns):
        raise InputError("", f"{part} lacks a value in a row: score again")
    decision = rows.column("decision").to_numpy().max(initial=0)
    if rows.num_rows and decision >= len(version.decisions):
        raise InputError(
            "decision", f"{part} has the decision {decision}, of {len(version.decisions)} from 0"
        )
    most = int(np.diff(rows.column("reasons").offsets.to_numpy()).max(initial=0))
    if most > layout.REASONS:
        raise InputError(
            "reasons",
            f"{part} has a row of {most} reasons, and a score has {layout.REASONS} at most",
        )
    said = rows.column("reasons").flatten().to_numpy().astype(np.int64)
    wrong = said[(said == 0) | (np.abs(said) > len(version.codes))]
    if len(wrong):
        raise InputError(
            "reasons", f"{part} has the reason {wrong[0]}, of {len(version.codes)} from 1"
        )


@contextmanager
def _reading(part: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, OSError) as error:
        raise EngineError(f"{part} cannot be read as scores: {error}") from None


def _chunks(numbers: npt.NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """The beginnings and ends of chunks of some size that cut no string in two."""
    first = 0
    while first < len(numbers):
        inside = numbers[min(first + size, len(numbers)) - 1]
        last = int(np.searchsorted(numbers, inside, "right"))
        yield first, last
        first = last


def _words(rows: pa.Table) -> list[bytes]:
    """The keys of whole strings."""
    words = layout.words(rows.column("key"))
    if len(set(words)) < len(words):
        ((twice, count),) = Counter(words).most_common(1)
        raise InputError("key", f"the key {twice.decode()!r} stands {count} times: keys are unique")
    return words


def _send(
    server: Server,
    prefix: bytes,
    ticket: bytes,
    numbers: npt.NDArray[np.int64],
    rows: pa.Table,
    words: Sequence[bytes],
) -> None:
    """Write whole strings; says to others that the load goes on."""
    attempt = ticket.partition(b":")[0]
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    names = [b"%bd:%b:%d" % (prefix, attempt, n) for n in numbers[cuts[:-1]].tolist()]
    pairs = zip(names, layout.strings(rows, words, cuts), strict=True)
    with server.reached(), server.client.pipeline(transaction=False) as pipeline:
        pipeline.pexpire(f"{prefix.decode()}busy:{attempt.decode()}", BUSY_MS)
        mset: Any = partial(pipeline.execute_command, "MSET")
        mset(*(word for pair in pairs for word in pair))
        going, _ = pipeline.execute()
    if not going:
        raise EngineError(
            f"the load into {server.name} stood still too long, or another took over: load again"
        )
