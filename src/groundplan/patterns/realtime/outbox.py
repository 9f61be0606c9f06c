"""Events that the online store could not take: kept on this machine's disk until it can.

They wait as they were sent. A store tells events by their identifiers, so that one which it had
taken after all counts once.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """An event or label, as it was sent, and the position of its source."""

    body: bytes
    source: int = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Waiting).decode


class Outbox:
    """A queue in a file, which survives the end of the process.

    Args:
        path: the file; made where it is not there, with its folder.
        limit: bytes that it takes.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._limit = limit
        self._turn = threading.Lock()
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        whole = [_framed(row) for row in self._rows()]
        os.ftruncate(self._handle, sum(map(len, whole)))  # a torn end would spoil what follows
        self._waiting = len(whole)

    def __len__(self) -> int:
        return self._waiting

    def put(self, rows: Sequence[Waiting]) -> None:
        """Keep rows; they are in the file when this returns.

        Raises:
            OSError: the disk refused them, or the limit is reached; none is kept.
        """
        written = b"".join(_framed(row) for row in rows)
        with self._turn:
            size = os.fstat(self._handle).st_size
            if size + len(written) > self._limit:
                raise OSError(f"{self._path} has reached its {self._limit:,} bytes")
            if os.write(self._handle, written) != len(written):
                os.ftruncate(self._handle, size)
                raise OSError(f"{self._path} took only part of the rows: is the disk full?")
            self._waiting += len(rows)

    def drain(self, take: Callable[[list[Waiting]], Any]) -> int:
        """Hand everything on, oldest first; returns how many rows.

        Where `take` raises, all rows stay, so that those before it are handed on again.
        """
        with self._turn:
            rows = list(self._rows())
        for start in range(0, len(rows), BATCH):
            if start:
                time.sleep(PAUSE)
            take(rows[start : start + BATCH])
        with self._turn:  # what came meanwhile stays
            rest = b"".join(_framed(row) for row in list(self._rows())[len(rows) :])
            draft = self._path.with_suffix(".new")
            draft.write_bytes(rest)
            os.replace(draft, self._path)
            os.close(self._handle)
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._waiting -= len(rows)
        return len(rows)

    def close(self) -> None:
        """Let go of the file; what waits, waits in it."""
        os.close(self._handle)

    def _rows(self) -> Iterator[Waiting]:
        """Every whole row; a torn last one was never acknowledged."""
        found = self._path.read_bytes()
        at = 0
        while at + _HEAD <= len(found):
            end = at + _HEAD + int.from_bytes(found[at : at + _HEAD], "little")
            if end > len(found):
                return
            yield _decode(found[at + _HEAD : end])
            at = end


def _framed(row: Waiting) -> bytes:
    body = _encode(row)
    return len(body).to_bytes(_HEAD, "little") + body
