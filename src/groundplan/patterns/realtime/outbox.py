"""Events that the online store could not take: kept on this machine's disk until it can.

They wait as they were sent. A store tells events by their identifiers, so that one which it had
taken after all counts once.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

LIMIT: Final = 256_000_000
"""Bytes that wait at most: above a million events."""

BATCH: Final = 100
"""Bodies that are handed on in one step."""

PAUSE: Final = 0.01
"""Seconds between two steps, in which requests are answered."""

_HEAD: Final = 4

_logger: Final = logging.getLogger(__name__)


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """An event or label, as it was sent, and the position of its source."""

    body: bytes
    source: int = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Waiting).decode


class Outbox:
    """A queue in files, which survives the end of the process and which several may share.

    Rows are appended to one file. A drain takes that file away under a name of its own, so that
    nothing is appended to what is being handed on, and removes it when all of it was. What was
    taken away before goes first, so that there are two files at most but after crashes.

    Args:
        folder: made where it is not there.
        limit: bytes that wait at most, in all files together.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = folder / "rows"
        self._limit = limit
        self._take_away()  # its end may be torn, which would spoil what followed

    def __len__(self) -> int:
        """Rows that wait; reads them all."""
        return sum(len(_rows(file)[0]) for file in self._files())

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(map(_size, self._files()))

    def put(self, rows: Sequence[Waiting]) -> None:
        """Keep rows; they are in the file when this returns.

        Raises:
            OSError: the disk refused them, or the limit is reached; none is kept.
        """
        written = b"".join(_framed(row) for row in rows)
        with self._turn():
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                size = os.fstat(handle).st_size
                if self.size + len(written) > self._limit:
                    raise OSError(f"{self._folder} has reached its {self._limit:,} bytes")
                if os.write(handle, written) != len(written):
                    os.ftruncate(handle, size)
                    raise OSError(f"{self._file} took only part of the rows: is the disk full?")
            finally:
                os.close(handle)

    def drain(self, take: Callable[[list[Waiting]], Any]) -> int:
        """Hand everything on, oldest first; returns how many rows.

        Where `take` raises, all rows of its file stay, so that those before it are handed on again.
        """
        handed = sum(self._hand_on(file, take) for file in self._taken())
        self._take_away()
        return handed + sum(self._hand_on(file, take) for file in self._taken())

    def _hand_on(self, file: Path, take: Callable[[list[Waiting]], Any]) -> int:
        rows, torn = _rows(file)
        for start in range(0, len(rows), BATCH):
            if start:
                time.sleep(PAUSE)
            take(rows[start : start + BATCH])
        if torn:
            _logger.error("%s: its last %d bytes are torn, and left out", file, torn)
        file.unlink(missing_ok=True)  # another process may have handed it on as well
        return len(rows)

    def _take_away(self) -> None:
        with self._turn():
            if self._file.exists():
                os.rename(self._file, self._folder / f"{time.time_ns():020d}.rows")

    def _taken(self) -> list[Path]:
        return sorted(self._folder.glob("*.rows"))

    def _files(self) -> list[Path]:
        """What was taken away, oldest first, then what is appended to."""
        return [*self._taken(), *([self._file] if self._file.exists() else [])]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Of all processes and threads, one appends or takes away."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # handed on by another process meanwhile
        return 0


def _rows(file: Path) -> tuple[list[Waiting], int]:
    """Every whole row of a file, and the bytes behind them.

    A process that is killed leaves part of a row, which was never acknowledged; a loss of power
    leaves zeros or anything else where the disk had not written yet.
    """
    try:
        found = file.read_bytes()
    except FileNotFoundError:  # handed on by another process meanwhile
        return [], 0
    rows: list[Waiting] = []
    at = 0
    while at + _HEAD <= len(found):
        end = at + _HEAD + int.from_bytes(found[at : at + _HEAD], "little")
        if end > len(found):
            break
        try:
            rows.append(_decode(found[at + _HEAD : end]))
        except msgspec.DecodeError:
            break
        at = end
    return rows, len(found) - at


def _framed(row: Waiting) -> bytes:
    body = _encode(row)
    return len(body).to_bytes(_HEAD, "little") + body
