"""The prediction log: what was asked, what was answered, and from which values.

One JSON object a line, appended with one write call before the answer leaves, so that a killed
process loses nothing that it acknowledged; a power loss can take what the operating system had
not yet written. A file is closed at a size and the next one begun.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct

ROTATE: Final = 256_000_000
"""Bytes at which a file of the log is closed and the next begun."""


class Prediction(Struct, frozen=True, tag="prediction", tag_field="kind"):
    """An answered request.

    Args:
        at: when it was answered, µs since 1970, UTC.
        event: the request as it was sent.
        features: feature values in the order of the build's definitions; null where missing.
        score: the probability.
        decision: the tier.
        build: the build that answered.
        timings: µs per stage.
        degraded: what was replaced, and why.
    """

    at: int
    event: Raw
    features: tuple[float | None, ...]
    score: float
    decision: str
    build: str
    timings: dict[str, int]
    degraded: list[str]


class Taken(Struct, frozen=True, tag="event", tag_field="kind"):
    """An event that was taken into the history without being scored, or a label.

    Args:
        at: when it was taken, µs since 1970, UTC.
        event: the event as it was sent.
    """

    at: int
    event: Raw


Row = Prediction | Taken
_decoder: Final = msgspec.json.Decoder(Row)


class Log:
    """An append-only log in a folder.

    Args:
        folder: made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._encoder = msgspec.json.Encoder()
        files = sorted(folder.glob("*.ndjson"))
        self._index = int(files[-1].stem) if files else 0
        self._handle = self._open()
        self._size = os.fstat(self._handle).st_size
        if self._size and _last_byte(files[-1]) != b"\n":
            self._rotate()  # a write was cut short: leave the torn line and start a new file

    def append(self, row: Row) -> None:
        """Write one row; it is in the file when this returns.

        Raises:
            OSError: the disk refused it.
        """
        line = self._encoder.encode(row).replace(b"\n", b" ") + b"\n"
        if os.write(self._handle, line) != len(line):
            raise OSError(f"the log in {self._folder} took only part of a row: is the disk full?")
        self._size += len(line)
        if self._size > ROTATE:
            self._rotate()

    def close(self) -> None:
        """Write everything to the disk and close."""
        os.fsync(self._handle)
        os.close(self._handle)

    def _rotate(self) -> None:
        self.close()
        self._index += 1
        self._handle = self._open()
        self._size = 0

    def _open(self) -> int:
        file = self._folder / f"{self._index:08d}.ndjson"
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _last_byte(file: Path) -> bytes:
    with file.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)


def read(folder: Path) -> Iterator[Row]:
    """Every complete row of a log, in the order in which the server took them in."""
    for file in sorted(folder.glob("*.ndjson")):
        with file.open("rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    yield _decoder.decode(line)
