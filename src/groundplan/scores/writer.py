"""Writing the file of one version from its part files, in bounded memory.

Two passes: the first reads the keys, finds those that stand twice and counts how many fall into
each bucket; the second puts every row where it belongs. In memory are some forty bytes a row at
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
from groundplan.scores.layout import END, FORMAT, HEAD, Layout
from groundplan.scores.lookup import checksum
from groundplan.scores.parts import Batch, batches, keys
from groundplan.scores.store import Progress
from groundplan.scores.version import Version

Words: TypeAlias = npt.NDArray[np.integer[Any]]
"""Of every row, in the order of the parts: the key, or the hash of its text."""

PROBES: Final = 2.0
"""Records that a lookup may read in the mean; 1.5 where keys fall into buckets by chance."""
TRIES: Final = 8
MOST: Final = (1 << 32) - 1
"""Keys of a file, whose records are numbered in 32 bits."""

_FIELDS: Final = [("word", "<i8"), ("score", "<f8"), ("told", "<i8"), ("place", "<i8")]


def write(
    descriptor: int, version: Version, parts: Sequence[Path], progress: Progress | None = None
) -> None:
    """Fill an empty file that is open for reading and writing; make it durable.

    Raises:
        InputError: a part cannot be read, rows are missing, or a key stands twice.
        OSError: the file cannot be written.
    """
    words, size = _words(version, parts)
    if len(words) != version.rows:
        raise InputError(
            "", f"version {version.name} has {version.rows} rows and its parts have {len(words)}"
        )
    if len(words) > MOST:
        raise InputError("", f"a file holds {MOST} keys: publish {len(words)} to a server instead")
    _refuse_repeats(version, parts, words)
    starts = _starts(words)
    begins = HEAD.size
    records = begins + starts.nbytes
    width = 24 if version.key == "int" else 32
    texts = records + width * (len(words) + 1)
    # Room is taken first: writing through a mapping where there is none would end the process.
    os.posix_fallocate(descriptor, 0, texts + size)
    with mmap.mmap(descriptor, texts + size) as data:
        np.frombuffer(data, np.uint32, len(starts), begins)[:] = starts
        filling = _Filling(data, starts, words, records, texts, version.key == "str")
        try:
            for batch in batches(version, parts):
                filling.put(batch)
                if progress:
                    progress(filling.rows, version.rows)
        finally:
            filling.close()
    if filling.rows != version.rows:
        raise _changed(filling.rows)
    _finish(descriptor, version, filling, (begins, records, texts, texts + size))


def _words(version: Version, parts: Sequence[Path]) -> tuple[Words, int]:
    """The words of all rows, and the bytes that their texts will take."""
    found: list[Words] = []
    size = 0
    for batch in keys(version, parts):
        if version.key == "int":
            found.append(batch.to_numpy())
        else:
            hashed = map(xxh3_64_intdigest, batch.to_pylist())
            found.append(np.fromiter(hashed, np.uint64, len(batch)))
            size += (pc.sum(pc.binary_length(batch)).as_py() or 0) + len(batch) * len(END)
    kind = np.int64 if version.key == "int" else np.uint64
    return (np.concatenate(found) if found else np.empty(0, kind)), size


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


def _starts(words: Words) -> npt.NDArray[np.uint32]:
    """The first record of every bucket, of so many buckets that they are evenly filled.

    Keys are seldom random: a number of buckets that suits one numbering gathers another one in a
    few. So several are tried where the first does badly.
    """
    best: tuple[float, npt.NDArray[Any]] | None = None
    for turn in range(TRIES):
        buckets = _prime(max(1, len(words) + turn * (len(words) // 11 + 1)))
        counts = np.bincount(_buckets(words, buckets), minlength=buckets)
        probes = float(counts @ (counts + 1)) / max(1, 2 * len(words))
        if best is None or probes < best[0]:
            best = probes, counts
        if best[0] <= PROBES:
            break
    assert best is not None
    starts = np.zeros(len(best[1]) + 1, np.uint32)
    np.cumsum(best[1], out=starts[1:])
    return starts


def _buckets(words: Words, buckets: int) -> npt.NDArray[np.int64]:
    return (words % words.dtype.type(buckets)).astype(np.int64, copy=False)


def _prime(least: int) -> int:
    while any(least % n == 0 for n in range(2, isqrt(least) + 1)):
        least += 1
    return least


class _Filling:
    """The second pass: rows go to the next free record of their bucket."""

    def __init__(
        self,
        data: mmap.mmap,
        starts: npt.NDArray[np.uint32],
        words: Words,
        records: int,
        texts: int,
        is_text: bool,
    ) -> None:
        self.rows = 0
        self.told: dict[bytes, int] = {}
        self.buckets = len(starts) - 1
        self._data, self._words, self._is_text = data, words, is_text
        self._next = starts.copy()
        self._text = texts
        fields = _FIELDS if is_text else _FIELDS[:3]
        self._records: npt.NDArray[Any] = np.frombuffer(data, fields, len(words) + 1, records)

    def put(self, batch: Batch) -> None:
        count = len(batch.keys)
        words = self._words[self.rows : self.rows + count]
        if len(words) != count:
            raise _changed(self.rows + count)
        made = np.empty(count, self._records.dtype)
        made["word"] = words.view(np.int64)
        made["score"] = batch.scores
        made["told"] = self._tell(batch)
        if self._is_text:
            made["place"] = self._write(batch.keys)
        self._records[self._places(_buckets(words, self.buckets))] = made
        self.rows += count

    def close(self) -> None:
        """Fill the record behind the last; it has a key of another bucket, so none finds it."""
        if self.rows:
            self._records[-1] = self._records[0]
        del self._records

    def _places(self, buckets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        order = np.argsort(buckets, kind="stable")
        ordered = buckets[order]
        new = np.flatnonzero(np.diff(ordered, prepend=-1))
        counts = np.diff(new, append=len(ordered))
        out = np.empty(len(buckets), np.int64)
        rank = np.arange(len(ordered)) - np.repeat(new, counts)
        out[order] = self._next[ordered] + rank
        self._next[ordered[new]] += counts.astype(np.uint32)
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

    def _write(self, texts: pa.Array) -> npt.NDArray[np.int64]:
        """Where the texts begin, now that they are written."""
        lengths = pc.binary_length(texts).to_numpy() + len(END)
        ends = self._text + np.cumsum(lengths)
        joined = b"".join([text + END for text in texts.to_pylist()])
        self._data[self._text : self._text + len(joined)] = joined
        self._text += len(joined)
        begins: npt.NDArray[np.int64] = ends - lengths
        return begins


def _finish(
    descriptor: int, version: Version, filling: _Filling, sections: tuple[int, int, int, int]
) -> None:
    """Write what is told, then the meta section and the head, and have it all on the disk."""
    starts, records, texts, told = sections
    width = max((len(kind) + 1) // 2 for kind in filling.told) if filling.told else 1
    width = max(width, 1) - 1
    section = b"".join(kind.ljust(2 + 2 * width, b"\0") for kind in filling.told)
    _write_all(descriptor, section, told)
    layout = Layout(
        format=FORMAT,
        buckets=filling.buckets,
        starts=starts,
        records=records,
        texts=texts,
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
