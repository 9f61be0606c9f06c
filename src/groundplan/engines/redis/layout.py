"""How scores lie in Redis: in small hashes, which take a third of the memory of a key each.

A hash of some thirty short fields is one packed list in the server: 28 to 37 bytes for a score with
its key and four reasons, where a key of its own takes 112 to 120.
"""

from collections.abc import Iterator
from struct import Struct as Packed
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from groundplan.scores.scored import Because, Live, Scored

BUCKET: Final = 32
"""Scores in a hash on average: of 16, 32, 64 and 128 the quickest to load, and the memory falls
by no more than a twentieth beyond it."""

_SPREAD: Final = 0x9E3779B97F4A7C15  # odd, 2**64 over the golden ratio: neighbours lie far apart
_WORD: Final = (1 << 64) - 1
_INT64: Final = range(-(1 << 63), 1 << 63)
_ANSWER: Final = Packed("<dB")
_MEMO: Final = 1 << 16  # combinations of reasons that are kept decoded


class Layout:
    """The places of one version's scores, and what stands in them.

    Args:
        prefix: of all keys of the store.
        ticket: of the version: `ATTEMPT:BUCKETS:NAME`.
        live: the version's record and what was promised of it.
    """

    def __init__(self, prefix: bytes, ticket: bytes, live: Live) -> None:
        self.ticket = ticket
        self.live = live
        attempt, buckets, _ = ticket.split(b":", 2)
        self._start = prefix + b"d:%b:" % attempt
        self._buckets = int(buckets)
        self._of_int = live.version.key == "int"
        self._reasons: dict[bytes, tuple[Because, ...]] = {b"": ()}

    def place(self, key: int | str) -> tuple[bytes, bytes] | None:
        """The hash and the field of a key; None for what no key of this version can be."""
        if self._of_int:
            if type(key) is not int or key not in _INT64:
                return None
            field, spread = b"%d" % key, ((key & _WORD) * _SPREAD & _WORD) >> 32
        else:
            if type(key) is not str:
                return None
            try:
                field = key.encode()
            except UnicodeEncodeError:  # half a surrogate pair, which no file of keys can hold
                return None
            spread = crc32(field)
        return b"%b%d" % (self._start, spread * self._buckets >> 32), field

    def scored(self, key: int | str, found: bytes) -> Scored:
        """The answer that a field holds."""
        score, decision = _ANSWER.unpack_from(found)
        said = found[_ANSWER.size :]
        reasons = self._reasons.get(said)
        if reasons is None:
            reasons = self._decoded(said)
        version = self.live.version
        return Scored(key, score, version.decisions[decision], reasons, self.live)

    def _decoded(self, said: bytes) -> tuple[Because, ...]:
        codes = self.live.version.codes
        reasons = tuple(
            Because(codes[abs(n) - 1].code, codes[abs(n) - 1].description, n > 0)
            for n in np.frombuffer(said, "<i2").tolist()
        )
        if len(self._reasons) >= _MEMO:
            self._reasons.clear()
        self._reasons[said] = reasons
        return reasons


def keys(ticket: bytes, prefix: bytes, first: int, count: int) -> list[bytes]:
    """The names of some hashes of a version, whether they are there or not."""
    attempt, buckets, _ = ticket.split(b":", 2)
    return [b"%bd:%b:%d" % (prefix, attempt, n) for n in range(first, first + count)][
        : max(0, int(buckets) - first)
    ]


def buckets_for(rows: int) -> int:
    """How many hashes a version of so many rows is spread over."""
    return max(1, -(-rows // BUCKET))


def buckets_of(column: pa.Array, buckets: int) -> npt.NDArray[np.int64]:
    """The number of the hash of each key, as `Layout.place` has it."""
    if pa.types.is_int64(column.type):
        spread = (column.to_numpy().view(np.uint64) * np.uint64(_SPREAD)) >> np.uint64(32)
    else:
        spread = np.fromiter(map(crc32, column.cast(pa.binary()).to_pylist()), np.uint64)
    found: npt.NDArray[np.int64] = (spread * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)
    return found


def fields(column: pa.ChunkedArray) -> list[bytes]:
    """The field of each key."""
    if pa.types.is_int64(column.type):
        return [b"%d" % key for key in column.to_pylist()]
    found: list[bytes] = column.cast(pa.binary()).to_pylist()
    return found


def values(rows: pa.Table) -> Iterator[bytes]:
    """What the fields of some rows of a part hold: score, decision and reasons."""
    reasons: Any = rows.column("reasons").combine_chunks()
    ends = reasons.offsets.to_numpy()
    said = reasons.values.to_numpy().astype("<i2")
    lengths = np.diff(ends)
    most = int(lengths.max(initial=0))
    table = np.zeros(
        rows.num_rows, [("score", "<f8"), ("decision", "u1"), ("said", "<i2", (most,))]
    )
    table["score"] = rows.column("score").to_numpy()
    table["decision"] = rows.column("decision").to_numpy()
    for n in range(most):
        has = lengths > n
        table["said"][has, n] = said[ends[:-1][has] + n]
    packed, width = table.tobytes(), table.dtype.itemsize
    sizes = (_ANSWER.size + 2 * lengths).tolist()
    for start, size in zip(range(0, len(packed), width), sizes, strict=True):
        yield packed[start : start + size]
