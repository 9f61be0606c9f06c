"""The file of one published version: where its sections lie, and whether it is whole.

    head      magic, place, size and checksum of the meta section
    starts    uint32[buckets + 1]: where the records of every bucket begin, in order
    records   one per key, those of a bucket side by side, and one more that no key finds
    told      what answers are told of, each combination of decision and reasons once
    meta      this record and that of the version, as JSON

All numbers are little-endian. Sections begin at whole cache lines. A key's bucket is the
remainder of its word by the number of buckets; the word is the key, or the XXH3 of a text.

A record of an integer is key, score and number in `told`; starts count records. A record of a
text is score, number and the key itself, behind a byte that says how long it is, so that a lookup
waits for one place in memory only; it takes whole units of `UNIT` bytes, which starts count. A
long key is held by its SHA-256 behind 0xFF, which no UTF-8 contains.
"""

import os
import struct
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from xxhash import xxh3_64_intdigest

from groundplan.errors import EngineError
from groundplan.scores.version import Version

FORMAT: Final = 2
MAGIC: Final = b"GPSCORES"
_BEGINS: Final = b'{"format":%d,' % FORMAT
"""What a meta section of ours begins with, so that nobody walks through it to see its format."""
HEAD: Final = struct.Struct("<8sQQQ")
INTEGER: Final = struct.Struct("<qdq")
"""A record of an integer key."""
TEXT: Final = struct.Struct("<dI256p")
"""A record of a text key, of which it holds no more bytes than the key has."""
LONG: Final = 255
"""Bytes of the longest text that a record holds as it is."""
UNIT: Final = 8
LINE: Final = 64
"""Bytes of a cache line."""
_HASHED: Final = b"\xff"
_FIXED: Final = 13  # bytes of a record before its text


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are in a file of scores.

    Args:
        format: of the file; others are not read.
        buckets: how many; at least 1.
        starts: byte at which the section begins, as are the next three.
        records: `version.rows` and one.
        told: combinations of a decision and reasons.
        ends: byte behind the last of them.
        width: reasons of a combination, int16 each, behind the decision, uint16.
        checksum: XXH3 of all bytes between the head and `ends`.
        version: the version's own record.
    """

    format: int
    buckets: int
    starts: int
    records: int
    told: int
    ends: int
    width: int
    checksum: int
    version: Version

    def place(self) -> tuple[bytes, bytes]:
        """The meta section, which goes to `ends`, and the head, which goes to 0."""
        meta = msgspec.json.encode(self)
        return meta, HEAD.pack(MAGIC, self.ends, len(meta), xxh3_64_intdigest(meta))


def held(text: bytes) -> bytes:
    """A text as its record holds it."""
    return text if len(text) <= LONG else _HASHED + sha256(text).digest()


def units(length: Any) -> Any:
    """The units that a record takes, by the bytes of the text that it holds."""
    return (length + _FIXED + UNIT - 1) // UNIT


def aligned(at: int) -> int:
    """The first byte of a cache line from here on."""
    return -(-at // LINE) * LINE


def glance(descriptor: int, path: Path) -> bytes:
    """The meta section of an open file, whose head, size, checksum and format are right.

    It is not read any further: a record with many segments takes milliseconds.

    Raises:
        EngineError: it is not a whole file of scores, or of another format.
    """
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEAD.size, 0)
    if len(head) < HEAD.size or not head.startswith(MAGIC):
        raise damaged(path, "it does not begin as a file of scores does")
    _, at, length, checksum = HEAD.unpack(head)
    if at + length != size:
        raise damaged(path, f"it has {size} bytes and should have {at + length}")
    meta = os.pread(descriptor, length, at)
    if xxh3_64_intdigest(meta) != checksum:
        raise damaged(path, "the checksum of its record is wrong")
    if not meta.startswith(_BEGINS):
        found = msgspec.json.decode(meta, type=_Format).format
        if found != FORMAT:
            says = f"{path} has format {found} and this program reads {FORMAT}: score again"
            raise EngineError(says)
    return meta


def read(descriptor: int, path: Path) -> Layout:
    """The layout of an open file, whose head, size and meta section are checked.

    Raises:
        EngineError: it is not a whole file of scores.
    """
    layout = msgspec.json.decode(glance(descriptor, path), type=Layout)
    size = layout.told - layout.records
    if layout.version.key == "int":
        fits = size == INTEGER.size * (layout.version.rows + 1)
    else:
        fits = size >= UNIT * units(0) * layout.version.rows + TEXT.size
    if not fits or layout.records != aligned(layout.starts + 4 * (layout.buckets + 1)):
        raise damaged(path, "its sections do not fit the number of its rows")
    return layout


def damaged(path: Path, says: str) -> EngineError:
    """The error of a file that is not whole."""
    return EngineError(
        f"{path} is damaged: {says}; run `groundplan rollback` to serve the version before, or "
        "`groundplan score` to publish anew"
    )


class _Format(msgspec.Struct):
    format: int
