"""How scores lie in Redis: some together in a string, which the reader searches.

A string of some sixteen scores takes about 25 bytes for each, with its key, decision and reasons,
where a key of its own takes 57 packed and 125 as JSON. The server does little more for a score than
for a plain key, and finds many by one MGET: one moment for them and the pointer.

A string begins with the number of its scores and the place where the keys end, four bytes each.
Then come the keys as texts, each between marks that UTF-8 never has; the scores, eight bytes each;
the decisions and the numbers of reasons, a byte each; the reasons, two bytes each.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from struct import Struct as Packed
from typing import Any, Final
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from groundplan.errors import EngineError
from groundplan.scores.scored import Because, Live, Scored

BUCKET: Final = 16
"""Scores in a string on average: 8 take 32 bytes each and are read as quickly, 16 take 25; 32 save
two bytes more and are read a fifth slower, 64 save three and are read half as slowly again."""

FORM: Final = "packed"
"""The name of what stands above; versions that lie otherwise are not read."""

REASONS: Final = 255
"""Reasons that a score can have."""

_MARK: Final = b"\xff"
_HEAD: Final = Packed("<II")
_SCORE: Final = Packed("<d")
_SPREAD: Final = 0x9E3779B97F4A7C15  # odd, 2**64 over the golden ratio: neighbours lie far apart
_WORD: Final = (1 << 64) - 1
_INT64: Final = range(-(1 << 63), 1 << 63)
_MEMO: Final = 1 << 16  # combinations of a decision and reasons that are kept decoded


class Layout:
    """The places of one version's scores, and what stands in them.

    Args:
        prefix: of all keys of the store.
        ticket: of the version: `ATTEMPT:BUCKETS.FORM:NAME`.
        live: the version's record and what was promised of it.

    Raises:
        EngineError: the version lies in another form.
    """

    def __init__(self, prefix: bytes, ticket: bytes, live: Live) -> None:
        self.ticket = ticket
        self.live = live
        attempt, self._buckets, form = _parts(ticket)
        if form != FORM:
            raise EngineError(
                f"{live.version.name} was loaded by another release of groundplan, in the form "
                f"{form or 'hashes'!r}, and this one reads {FORM!r}: run `groundplan score`, which "
                "loads it anew"
            )
        self._start = prefix + b"d:%b:" % attempt
        self._of_int = live.version.key == "int"
        self._told: dict[tuple[int, bytes], tuple[str, tuple[Because, ...]]] = {}

    def places(self, keys: Sequence[int | str]) -> list[bytes | None]:
        """The name of the string of each key; None for what is no key of this version."""
        start, buckets = self._start, self._buckets
        plain = self._of_int and set(map(type, keys)) == {int}
        if not plain or min(keys) not in _INT64 or max(keys) not in _INT64:
            return [self._place(key) for key in keys]
        return [
            b"%b%d" % (start, (((key & _WORD) * _SPREAD & _WORD) >> 32) * buckets >> 32)  # type: ignore[operator]  # it is plain
            for key in keys
        ]

    def answers(
        self, keys: Sequence[int | str], found: Sequence[bytes | None]
    ) -> list[Scored | None]:
        """The answers for keys.

        Args:
            keys: as `places` had them.
            found: the string of each; None where there is none.
        """
        answers: list[Scored | None] = []
        told, live, head, unpack = self._told, self.live, _HEAD.unpack_from, _SCORE.unpack_from
        for key, packed in zip(keys, found, strict=True):
            if packed is None:
                answers.append(None)
                continue
            count, end = head(packed)
            word = b"\xff%d\xff" % key if self._of_int else b"\xff%b\xff" % key.encode()  # type: ignore[union-attr,str-format]  # as `places` saw
            at = packed.find(word, _HEAD.size, end)
            if at < 0:
                answers.append(None)
                continue
            n = packed.count(_MARK, _HEAD.size, at)
            (score,) = unpack(packed, end + 8 * n)
            said = packed[end + 8 * count + n], b""
            counts = end + 9 * count
            if size := packed[counts + n]:  # most have none
                first = counts + count + 2 * sum(packed[counts : counts + n])
                said = said[0], packed[first : first + 2 * size]
            decision, reasons = told.get(said) or self._decoded(said)
            answers.append(Scored(key, score, decision, reasons, live))
        return answers

    def _place(self, key: int | str) -> bytes | None:
        """The name of the string of a key."""
        if type(key) is not (int if self._of_int else str):
            return None
        if isinstance(key, int):
            if key not in _INT64:
                return None
            spread = ((key & _WORD) * _SPREAD & _WORD) >> 32
        else:
            try:
                spread = crc32(key.encode())
            except UnicodeEncodeError:  # half a surrogate pair, which no file of keys can hold
                return None
        return b"%b%d" % (self._start, spread * self._buckets >> 32)

    def _decoded(self, said: tuple[int, bytes]) -> tuple[str, tuple[Because, ...]]:
        """Decision and reasons, as they stand in a string."""
        version = self.live.version
        codes = [(version.codes[abs(n) - 1], n > 0) for n in np.frombuffer(said[1], "<i2").tolist()]
        reasons = tuple(Because(code.code, code.description, up) for code, up in codes)
        if len(self._told) >= _MEMO:
            self._told.clear()
        made = self._told[said] = version.decisions[said[0]], reasons
        return made


def buckets_for(rows: int) -> int:
    """How many strings a version of so many rows is spread over."""
    return max(1, -(-rows // BUCKET))


def buckets_in(ticket: bytes) -> int:
    """How many strings the version of a ticket is spread over."""
    return _parts(ticket)[1]


def names(ticket: bytes, prefix: bytes, first: int, count: int) -> list[bytes]:
    """The names of some strings of a version, whether they are there or not."""
    attempt, buckets, _ = _parts(ticket)
    return [b"%bd:%b:%d" % (prefix, attempt, n) for n in range(first, min(first + count, buckets))]


def count(head: bytes) -> int:
    """How many scores a string holds, by its first four bytes or what there is of them."""
    return int.from_bytes(head, "little")


def buckets_of(column: pa.Array, buckets: int) -> npt.NDArray[np.int64]:
    """The number of the string of each key, as `Layout.places` has it."""
    if pa.types.is_int64(column.type):
        spread = (column.to_numpy().view(np.uint64) * np.uint64(_SPREAD)) >> np.uint64(32)
    else:
        spread = np.fromiter(map(crc32, column.cast(pa.binary()).to_pylist()), np.uint64)
    found: npt.NDArray[np.int64] = (spread * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)
    return found


def words(column: pa.ChunkedArray) -> list[bytes]:
    """Each key as it stands in a string."""
    if pa.types.is_int64(column.type):
        return [b"%d" % key for key in column.to_pylist()]
    found: list[bytes] = column.cast(pa.binary()).to_pylist()
    return found


def strings(rows: pa.Table, keys: Sequence[bytes], cuts: Sequence[int]) -> Iterator[bytes]:
    """What the strings hold that some rows of a part go into.

    Args:
        rows: of the same string beside each other.
        keys: of the rows, as `words` has them.
        cuts: where the rows of each string begin, and their number.
    """
    reasons: Any = rows.column("reasons").combine_chunks()
    offsets = reasons.offsets.to_numpy()
    ends = (offsets - offsets[0]).tolist()
    said = reasons.values[offsets[0] : offsets[-1]].to_numpy().astype("<i2").tobytes()
    scores = rows.column("score").to_numpy().astype("<f8").tobytes()
    decisions = rows.column("decision").to_numpy().astype("u1").tobytes()
    counts = np.diff(offsets).astype("u1").tobytes()
    for first, last in pairwise(cuts):
        inside = _MARK + _MARK.join(keys[first:last]) + _MARK
        yield b"".join(
            (
                _HEAD.pack(last - first, _HEAD.size + len(inside)),
                inside,
                scores[8 * first : 8 * last],
                decisions[first:last],
                counts[first:last],
                said[2 * ends[first] : 2 * ends[last]],
            )
        )


def _parts(ticket: bytes) -> tuple[bytes, int, str]:
    """Attempt, buckets and form of a ticket; in the first of all forms it names none."""
    attempt, spread, _ = ticket.split(b":", 2)
    buckets, _, form = spread.partition(b".")
    return attempt, int(buckets), form.decode()
