"""A journal: the file that rows are written to as they come, through the machine's memory.

A row is copied into a mapped file, without a system call, behind its length and checksum. The
operating system holds the mapped pages, so that the end of the process, also by `kill -9`, takes
no row with it. The space is claimed on the disk before it is used: writing through a map to a
full disk would end the process, and claiming is where a full disk becomes an error.

    8 bytes   the format
    4 + 4     length and CRC-32 of the head, then the head: JSON
    4 + 4     length and CRC-32 of a row, then the row; again and again
    4 zeros   where the rows end
"""

import fcntl
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct as Layout
from typing import Final
from zlib import crc32

import msgspec

SUFFIX: Final = ".journal"
_STEM: Final = re.compile(r"\d{16}-\d+-[0-9a-f]+-\d+")  # when, by whom, and which of theirs
_FORMAT: Final = b"GPLOG\x00\x00\x01"
_FRAME: Final = Layout("<II")
_put: Final = _FRAME.pack_into
_framed: Final = _FRAME.pack
_get: Final = _FRAME.unpack_from


class Head(msgspec.Struct, frozen=True):
    """What a journal says of all its rows: the names of the features, in their order."""

    features: tuple[str, ...] = ()


def files(folder: Path, suffix: str, before: str = "") -> list[Path]:
    """The files of a log in order; what somebody else put into its folder is left alone.

    Args:
        folder: of the log.
        suffix: of their names.
        before: what their names begin with: a dot where they are not finished.
    """
    found = sorted(folder.glob(f"{before or '[!.]'}*{suffix}"))
    return [file for file in found if _STEM.fullmatch(file.stem.removeprefix(before))]


class Journal:
    """A journal that is being written. It is locked, so that nobody takes it for abandoned.

    Args:
        path: where it will stand; it comes into being beside it and is renamed by `begin`.
        size: bytes that are claimed for it.
        head: what holds for all its rows.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """

    def __init__(self, path: Path, size: int, head: Head) -> None:
        self.path = path
        self._draft = path.with_name(f".{path.name}")
        self._handle = drafted(self._draft)
        try:
            os.posix_fallocate(self._handle, 0, size)
            self._map = mmap.mmap(self._handle, size)
        except OSError as error:
            self._draft.unlink(missing_ok=True)
            os.close(self._handle)
            raise OSError(
                error.errno, f"{path.parent} has no room for the log: {error.strerror}"
            ) from None
        self._size = size
        self._map[: len(_FORMAT)] = _FORMAT
        self._end = len(_FORMAT)
        self.append(msgspec.json.encode(head))
        self._first = self._synced = self._end

    @property
    def used(self) -> int:
        """Bytes written so far."""
        return self._end

    @property
    def empty(self) -> bool:
        """Whether it has no row yet."""
        return self._end == self._first

    def begin(self) -> None:
        """Give it its name, under which readers find it."""
        os.rename(self._draft, self.path)

    def append(self, row: bytes) -> bool:
        """Write a row; False where it does not fit, and nothing was written."""
        start = self._end + 8
        stop = start + len(row)
        if stop > self._size:
            return False
        self._map[start:stop] = row
        _put(self._map, start - 8, len(row), crc32(row))
        self._end = stop
        return True

    def extend(self, rows: Sequence[bytes]) -> bool:
        """Write rows that readers see together; False where they do not fit, and none was."""
        framed = b"".join([_framed(len(row), crc32(row)) + row for row in rows])
        start = self._end
        stop = start + len(framed)
        if stop > self._size:
            return False
        # The first length comes last: until then the rows end before it.
        self._map[start + 8 : stop] = framed[8:]
        self._map[start : start + 8] = framed[:8]
        self._end = stop
        return True

    def sync(self) -> None:
        """Force what was written onto the disk; other threads may write meanwhile."""
        end = self._end
        if end != self._synced:
            os.fdatasync(self._handle)
            self._synced = end

    def finish(self) -> None:
        """Give back the space that was not used, sync, and unlock."""
        self._map.close()
        os.ftruncate(self._handle, self._end)
        os.fsync(self._handle)
        os.close(self._handle)

    def discard(self) -> None:
        """Let go of one that was never begun."""
        self._draft.unlink(missing_ok=True)
        self._map.close()
        os.close(self._handle)


def rows(content: "bytes | mmap.mmap") -> Iterator[bytes]:
    """The whole rows of a journal, in order, up to where it ends or was torn.

    Args:
        content: the file's bytes; also while another process writes to it.
    """
    for at, piece in enumerate(_pieces(content)):
        if at:
            yield piece


def head(content: "bytes | mmap.mmap") -> Head:
    """What a journal says of its rows; nothing where it was cut off before."""
    for piece in _pieces(content):
        return msgspec.json.decode(piece, type=Head)
    return Head()


def _pieces(content: "bytes | mmap.mmap") -> Iterator[bytes]:
    """The head, then the rows."""
    if content[: len(_FORMAT)] != _FORMAT:
        return
    at, size = len(_FORMAT), len(content)
    while at + 8 <= size:
        length, checksum = _get(content, at)
        piece = content[at + 8 : at + 8 + length]
        if not length or len(piece) < length or crc32(piece) != checksum:
            return
        yield piece
        at += 8 + length


def drafted(path: Path) -> int:
    """A new file that is locked, so that nobody takes it for abandoned: its handle."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if _stands(handle, path):
            return handle
        os.close(handle)  # it was swept away between the two steps


def abandoned(path: Path) -> int | None:
    """Lock a journal that no process writes any more.

    Returns:
        A handle, which holds the lock until it is closed; None where it is in use or gone.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _stands(handle, path):
            return handle
    except BlockingIOError:
        pass
    os.close(handle)
    return None


def _stands(handle: int, path: Path) -> bool:
    """Whether an open file is the one that has this name."""
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
