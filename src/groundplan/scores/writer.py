"""Writing the file of one version from its part files, in bounded memory.

Two passes: the first reads the keys, finds those that stand twice and counts how many fall into
each bucket; the second puts every row where it belongs. In memory are some fifty bytes a row at
the height of the first pass, besides a batch; the file itself is written through its mapping.
"""

import mmap
import os
from collections.abc import Sequence
from math import isqrt
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from groundplan.errors import InputError
from groundplan.scores.layout import (
    FORMAT,
    HEAD,
    INTEGER,
    LONG,
    TEXT,
    UNIT,
    Layout,
    aligned,
    held,
    units,
)
from groundplan.scores.lookup import checksum
from groundplan.scores.parts import Batch, batches, keys
from groundplan.scores.store import Progress
from groundplan.scores.version import Version

Words: TypeAlias = npt.NDArray[np.integer[Any]]
"""Of every row, in the order of the parts: the key, or the hash of its text."""
Sizes: TypeAlias = npt.NDArray[np.uint8]
"""Of every row, in the order of the parts: the units of its record."""

PROBES: Final = 2.0
"""Records that a lookup may read in the mean; 1.5 where keys fall into buckets by chance."""
TRIES: Final = 8
MOST: Final = (1 << 32) - 1
"""Records of integers, or units of records of texts, which are numbered in 32 bits."""

_INTEGER: Final = np.dtype([("word", "<i8"), ("score", "<f8"), ("told", "<i8")])
_TEXT: Final = [("score", "<f8"), ("told", "<u4"), ("length", "u1")]
_FIXED: Final = np.dtype(_TEXT).itemsize


def write(
    descriptor: int, version: Version, parts: Sequence[Path], progress: Progress | None = None
) -> None:
    """Fill an empty file that is open for reading and writing; make it durable.

    Raises:
        InputError: a part cannot be read, rows are missing, or a key stands twice.
        OSError: the file cannot be written.
    """
    words, sizes = _words(version, parts)
    if len(words) != version.rows:
        raise InputError(
            "", f"version {version.name} has {version.rows} rows and its parts have {len(words)}"
        )
    taken = int(sizes.sum(dtype=np.int64)) if sizes is not None else len(words)
    if taken > MOST:
        raise InputError("", f"a file holds {MOST} keys: publish {len(words)} to a server instead")
    _refuse_repeats(version, parts, words)
    starts = _starts(words, sizes)
    begins = aligned(HEAD.size)
    records = aligned(begins + starts.nbytes)
    # Behind the last record is room for the longest, since a lookup begins before it compares.
    room = UNIT * taken + TEXT.size if sizes is not None else INTEGER.size * (taken + 1)
    # Room is taken first: writing through a mapping where there is none would end the process.
    os.posix_fallocate(descriptor, 0, records + room)
    with mmap.mmap(descriptor, records + room) as data:
        np.frombuffer(data, np.uint32, len(starts), begins)[:] = starts
        section = np.frombuffer(data, np.uint8, room, records)
        kind = _Integers if sizes is None else _Texts
        filling = kind(section, starts, words)
        try:
            for batch in batches(version, parts):
                filling.put(batch)
                if progress:
                    progress(filling.rows, version.rows)
            filling.end()
        finally:
            del filling.section, section  # or the mapping could not be closed
    if filling.rows != version.rows:
        raise _changed(filling.rows)
    _finish(descriptor, version, filling, (begins, records, records + room))


def _words(version: Version, parts: Sequence[Path]) -> tuple[Words, Sizes | None]:
    """The words of all rows, and the units that their records take where they are texts."""
    found: list[Words] = []
    sizes: list[Sizes] = []
    for batch in keys(version, parts):
        if version.key == "int":
            found.append(batch.to_numpy())
        else:
            hashed = map(xxh3_64_intdigest, batch.to_pylist())
            found.append(np.fromiter(hashed, np.uint64, len(batch)))
            sizes.append(_units(batch))
    if version.key == "int":
        return (np.concatenate(found) if found else np.empty(0, np.int64)), None
    if not found:
        return np.empty(0, np.uint64), np.empty(0, np.uint8)
    return np.concatenate(found), np.concatenate(sizes)


def _units(texts: pa.Array) -> Sizes:
    """The units that the record of each text takes."""
    lengths = pc.binary_length(texts).to_numpy()
    lengths = np.where(lengths > LONG, len(held(b"-" * (LONG + 1))), lengths)
    found: Sizes = units(lengths).astype(np.uint8)
    return found


def _refuse_repeats(version: Version, parts: Sequence[Path], words: Words) -> None:
    order = np.sort(words)
    again = np.unique(order[1:][order[1:] == order[:-1]])
    if not len(again):
        return
    if version.key == "int":
        raise _repeated(version, int(again[0]))
    # Two texts may have one hash; those that do are compared.
    suspects = set(again.tolist())
    seen: set[bytes] = set()
    for batch in keys(version, parts):
        for text in batch.to_pylist():
            if xxh3_64_intdigest(text) in suspects:
                if text in seen:
                    raise _repeated(version, text.decode())
                seen.add(text)


def _repeated(version: Version, key: int | str) -> InputError:
    return InputError(
        "",
        f"the key {key!r} stands twice in the parts of version {version.name}: "
        "a population has each key once",
    )


def _changed(rows: int) -> InputError:
    return InputError("", f"the parts changed while they were read: they now have {rows} rows")


def _starts(words: Words, sizes: Sizes | None) -> npt.NDArray[np.uint32]:
    """Where every bucket begins, of so many buckets that they are evenly filled.

    Keys are seldom random: a number of buckets that suits one numbering gathers another one in a
    few. So several are tried where the first does badly.
    """
    best: tuple[float, int, npt.NDArray[Any]] | None = None
    for turn in range(TRIES):
        buckets = _prime(max(1, len(words) + turn * (len(words) // 11 + 1)))
        counts = np.bincount(_buckets(words, buckets), minlength=buckets)
        probes = float(counts @ (counts + 1)) / max(1, 2 * len(words))
        if best is None or probes < best[0]:
            best = probes, buckets, counts
        if best[0] <= PROBES:
            break
    assert best is not None
    _, buckets, counts = best
    if sizes is not None:
        counts = np.bincount(_buckets(words, buckets), sizes, buckets)  # exact: below 2**53
    starts = np.zeros(buckets + 1, np.uint32)
    np.cumsum(counts, out=starts[1:], dtype=np.uint32)
    return starts


def _buckets(words: Words, buckets: int) -> npt.NDArray[np.int64]:
    return (words % words.dtype.type(buckets)).astype(np.int64, copy=False)


def _prime(least: int) -> int:
    while any(least % n == 0 for n in range(2, isqrt(least) + 1)):
        least += 1
    return least


class _Filling:
    """The second pass: rows go where the next record of their bucket begins.

    Args:
        section: of the records.
        starts: of the buckets.
        words: of all rows.
    """

    def __init__(
        self, section: npt.NDArray[np.uint8], starts: npt.NDArray[np.uint32], words: Words
    ) -> None:
        self.rows = 0
        self.told: dict[bytes, int] = {}
        self.buckets = len(starts) - 1
        self.section = section
        self._words = words
        self._next = starts.copy()

    def put(self, batch: Batch) -> None:
        """Write the records of a batch."""
        words = self._words[self.rows : self.rows + len(batch.keys)]
        if len(words) != len(batch.keys):
            raise _changed(self.rows + len(batch.keys))
        self._write(batch, words, self._tell(batch))
        self.rows += len(words)

    def end(self) -> None:
        """Write what lies behind the last record, and has a key of no bucket."""
        raise NotImplementedError

    def _write(self, batch: Batch, words: Words, told: npt.NDArray[np.int64]) -> None:
        raise NotImplementedError

    def _places(self, words: Words, sizes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Where the rows begin that follow in their buckets, which are so much fuller then."""
        buckets = _buckets(words, self.buckets)
        order = np.argsort(buckets, kind="stable")
        ordered, mine = buckets[order], sizes[order].astype(np.int64)
        new = np.flatnonzero(np.diff(ordered, prepend=-1))
        before = np.cumsum(mine) - mine
        out = np.empty(len(buckets), np.int64)
        counts = np.diff(new, append=len(ordered))
        out[order] = self._next[ordered] + before - np.repeat(before[new], counts)
        if len(new):
            self._next[ordered[new]] += np.add.reduceat(mine, new).astype(np.uint32)
        return out

    def _tell(self, batch: Batch) -> npt.NDArray[np.int64]:
        """The numbers of the combinations, new ones added."""
        count, width = batch.reasons.shape
        rows = np.empty((count, 1 + width), "<i2")
        rows[:, 0] = batch.decisions
        rows[:, 1:] = batch.reasons
        size = pa.binary(rows.itemsize * (1 + width))
        coded = pa.FixedSizeBinaryArray.from_buffers(size, count, [None, pa.py_buffer(rows)])
        coded = coded.dictionary_encode()
        # Zeros behind the last reason say nothing, and batches differ in how many they have.
        kinds = [text.rstrip(b"\0") for text in coded.dictionary.to_pylist()]
        numbers = np.array([self.told.setdefault(kind, len(self.told)) for kind in kinds], np.int64)
        chosen: npt.NDArray[np.int64] = numbers[coded.indices.to_numpy()]
        return chosen


class _Integers(_Filling):
    def end(self) -> None:
        if self.rows:
            records = self.section.view(_INTEGER)
            records[-1] = records[0]

    def _write(self, batch: Batch, words: Words, told: npt.NDArray[np.int64]) -> None:
        made = np.empty(len(words), _INTEGER)
        made["word"], made["score"], made["told"] = words, batch.scores, told
        places = self._places(words, np.ones(len(words), np.uint8))
        self.section.view(_INTEGER)[places] = made


class _Texts(_Filling):
    def end(self) -> None:
        self.section[-TEXT.size :] = 0xFF  # no text, and room behind the last one

    def _write(self, batch: Batch, words: Words, told: npt.NDArray[np.int64]) -> None:
        """Rows whose records take as many units are written together."""
        sizes = _units(batch.keys)
        places = self._places(words, sizes)
        texts = batch.keys.to_pylist()
        room = self.section[: len(self.section) - TEXT.size].view(np.uint64)
        for size in np.unique(sizes).tolist():
            rows = np.flatnonzero(sizes == size)
            mine = [held(texts[row]) for row in rows.tolist()]
            kind = np.dtype([*_TEXT, ("text", f"S{UNIT * size - _FIXED}")])
            made = np.zeros(len(rows), kind)
            made["score"], made["told"] = batch.scores[rows], told[rows]
            made["length"] = np.fromiter(map(len, mine), np.uint8, len(rows))
            made["text"] = mine
            room[places[rows][:, None] + np.arange(size)] = made.view(np.uint64).reshape(-1, size)


def _finish(
    descriptor: int, version: Version, filling: _Filling, sections: tuple[int, int, int]
) -> None:
    """Write what is told, then the meta section and the head, and have it all on the disk."""
    starts, records, told = sections
    width = max((len(kind) + 1) // 2 for kind in filling.told) if filling.told else 1
    width = max(width, 1) - 1
    section = b"".join(kind.ljust(2 + 2 * width, b"\0") for kind in filling.told)
    _write_all(descriptor, section, told)
    layout = Layout(
        format=FORMAT,
        buckets=filling.buckets,
        starts=starts,
        records=records,
        told=told,
        ends=told + len(section),
        width=width,
        checksum=_checksum(descriptor, told + len(section)),
        version=version,
    )
    meta, head = layout.place()
    _write_all(descriptor, meta, layout.ends)
    _write_all(descriptor, head, 0)
    os.fsync(descriptor)


def _checksum(descriptor: int, ends: int) -> int:
    with mmap.mmap(descriptor, ends, prot=mmap.PROT_READ) as data:
        return checksum(data, ends)


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, at)
        rest, at = rest[written:], at + written
