"""The file of one published version: where its sections lie, and whether it is whole.

    head      magic, place, size and checksum of the meta section
    starts    uint32[buckets + 1]: the first record of every bucket, in order
    records   one per key, those of a bucket side by side, and one more that no key finds
    texts     the keys where they are texts: UTF-8, each ended by 0xFF, which no UTF-8 contains
    told      what answers are told of, each combination of decision and reasons once
    meta      this record and that of the version, as JSON

All numbers are little-endian. A record is a word (the key, or the XXH3 of a text), the score, a
number in `told` and, for texts, the place of the text in the file. The bucket of a word is its
remainder by the number of buckets.
"""

import os
import struct
from pathlib import Path
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest

from groundplan.errors import EngineError
from groundplan.scores.version import Version

FORMAT: Final = 1
MAGIC: Final = b"GPSCORES"
HEAD: Final = struct.Struct("<8sQQQ")
INTEGER: Final = struct.Struct("<qdq")
"""A record of an integer key."""
TEXT: Final = struct.Struct("<QdQQ")
"""A record of a text key."""
END: Final = b"\xff"


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are in a file of scores.

    Args:
        format: of the file; others are not read.
        buckets: how many; at least 1.
        starts: byte at which the section begins, as are the next three.
        records: of fixed size, `version.rows` and one.
        texts: the texts of the keys.
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
    texts: int
    told: int
    ends: int
    width: int
    checksum: int
    version: Version

    def place(self) -> tuple[bytes, bytes]:
        """The meta section, which goes to `ends`, and the head, which goes to 0."""
        meta = msgspec.json.encode(self)
        return meta, HEAD.pack(MAGIC, self.ends, len(meta), xxh3_64_intdigest(meta))

    @property
    def record(self) -> struct.Struct:
        """The form of a record."""
        return INTEGER if self.version.key == "int" else TEXT


def read(descriptor: int, path: Path) -> Layout:
    """The layout of an open file, whose head, size and meta section are checked.

    Raises:
        EngineError: it is not a whole file of scores.
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
    if (found := msgspec.json.decode(meta, type=_Format).format) != FORMAT:
        raise EngineError(f"{path} has format {found} and this program reads {FORMAT}: score again")
    layout = msgspec.json.decode(meta, type=Layout)
    sizes = (4 * (layout.buckets + 1), layout.record.size * (layout.version.rows + 1))
    if (layout.records - layout.starts, layout.texts - layout.records) != sizes:
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
