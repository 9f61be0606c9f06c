"""Looking a key up in the file of one version, which is mapped into memory and never changes."""

import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Final

from xxhash import xxh3_64, xxh3_64_intdigest

from groundplan.errors import EngineError
from groundplan.scores.layout import HEAD, INTEGER, LONG, TEXT, Layout, damaged, held, read
from groundplan.scores.scored import Because, Live, Scored

TOLD: Final = 65_536
"""Combinations of decision and reasons that are kept ready, per file."""

_CHUNK: Final = 1 << 24


class Lookup:
    """The scores of one version; safe for threads, and shared by the processes that map it.

    Args:
        path: of the file.
        descriptor: the file, open for reading; it may be closed afterwards.
        layout: of the file.
        promised: µs, the oldest acceptable answer.
    """

    __slots__ = (
        "_buckets",
        "_data",
        "_records",
        "_starts",
        "_told",
        "layout",
        "live",
        "node",
        "path",
    )

    def __init__(self, path: Path, descriptor: int, layout: Layout, promised: int | None) -> None:
        stat = os.fstat(descriptor)
        self.path, self.layout = path, layout
        self.node = (stat.st_dev, stat.st_ino)
        """Device and inode: what tells this file from one that takes its name."""
        self.live = Live(layout.version, promised)
        self._data = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        view = memoryview(self._data)
        self._starts = view[layout.starts :][: 4 * (layout.buckets + 1)].cast("I")
        self._records = view[layout.records : layout.told]
        self._buckets = layout.buckets
        self._told = _Told(view[layout.told : layout.ends], layout)

    def get(self, key: int | str) -> Scored | None:
        """The answer for a key; None where there is none, as in this class, which has no rows."""
        return None

    def verify(self) -> None:
        """Read the whole file and compare its checksum.

        Raises:
            EngineError: a byte of it changed.
        """
        if checksum(self._data, self.layout.ends) != self.layout.checksum:
            raise damaged(self.path, "its checksum is wrong")


class _Integers(Lookup):
    __slots__ = ()

    def get(self, key: int | str, unpack=INTEGER.unpack_from) -> Scored | None:  # type: ignore[no-untyped-def]
        if type(key) is not int:  # a truth value is none, and a text would format its remainder
            return None
        starts, bucket = self._starts, key % self._buckets
        at = starts[bucket] * 24
        # The first record of an empty bucket is another bucket's, and so has another key.
        word, score, number = unpack(self._records, at)
        if word != key:
            end = starts[bucket + 1] * 24
            while word != key:
                at += 24
                if at >= end:
                    return None
                word, score, number = unpack(self._records, at)
        decision, reasons = self._told[number]
        return Scored(word, score, decision, reasons, self.live)


class _Texts(Lookup):
    __slots__ = ()

    def get(self, key: int | str, unpack=TEXT.unpack_from) -> Scored | None:  # type: ignore[no-untyped-def]
        try:
            text: bytes = key.encode()  # type: ignore[union-attr]  # or the error
        except (AttributeError, UnicodeEncodeError):
            return None
        bucket, starts = xxh3_64_intdigest(text) % self._buckets, self._starts
        at = starts[bucket] * 8
        # As with integers, what an empty bucket begins with has another key.
        score, number, found = unpack(self._records, at)
        if found != text:
            end = starts[bucket + 1] * 8
            if len(text) > LONG:
                text = held(text)
            while found != text:
                at += len(found) + 20 & -8  # in units, as `layout.units` counts them
                if at >= end:
                    return None
                score, number, found = unpack(self._records, at)
        decision, reasons = self._told[number]
        return Scored(key, score, decision, reasons, self.live)


class _Told(dict[int, tuple[str, tuple[Because, ...]]]):
    """Decision and reasons by their number in the file, made when first asked for."""

    def __init__(self, section: memoryview, layout: Layout) -> None:
        self._section = section
        self._form = struct.Struct(f"<H{layout.width}h")
        self._decisions = layout.version.decisions
        codes = layout.version.codes
        self._because = [
            (Because(c.code, c.description, True), Because(c.code, c.description, False))
            for c in codes
        ]

    def __missing__(self, number: int) -> tuple[str, tuple[Because, ...]]:
        decision, *numbers = self._form.unpack_from(self._section, number * self._form.size)
        reasons = tuple(self._because[abs(n) - 1][n < 0] for n in numbers if n)
        if len(self) >= TOLD:
            self.clear()
        made = self[number] = (self._decisions[decision], reasons)
        return made


def open_lookup(path: Path, promised: int | None = None) -> Lookup:
    """Map the file of a version and check that it is whole as far as a glance can tell.

    Raises:
        EngineError: it is not there or damaged.
    """
    if sys.byteorder != "little":
        raise EngineError("files of scores are read on little-endian machines only: use a server")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            layout = read(descriptor, path)
            kind = _Integers if layout.version.key == "int" else _Texts
            return (kind if layout.version.rows else Lookup)(path, descriptor, layout, promised)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise EngineError(f"{path} cannot be read: {error.strerror or error}") from error


def checksum(data: mmap.mmap, ends: int) -> int:
    """XXH3 of all between the head and `ends`."""
    summed = xxh3_64()
    with memoryview(data) as view:
        for at in range(HEAD.size, ends, _CHUNK):
            summed.update(view[at : min(at + _CHUNK, ends)])
    return summed.intdigest()
