"""Records of a stream that cannot be taken, kept with the reason."""

import os
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from groundplan.errors import EngineError
from groundplan.features.stream import Record

SIZE: Final = 64_000_000
"""Bytes of the file; then it becomes the previous one, and the one before goes."""

BODY: Final = 65_536
"""Bytes of a record that are kept."""

_REMEMBERED: Final = 8_192  # more than a batch: what a crash can make a feed read again
_TAIL: Final = 1 << 20


class Letter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record that was not taken.

    Args:
        at: us since 1970.
        partition: where it stood in its stream.
        offset: its place there.
        source: whose event it would have been.
        reason: the rule that it breaks.
        body: as it came; bytes that are no text are escaped.
        cut: whether the body was longer than what is kept.
    """

    at: int
    partition: str
    offset: int
    source: str
    reason: str
    body: str
    cut: bool = False


class DeadLetters:
    """A file of JSON lines, shared by the processes of one machine.

    A letter that was kept before is not kept again, so that a record that is read twice around a
    crash stands there once.

    Args:
        file: such as `dead_letters.ndjson`; its folder is made with the first letter.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known = deque(_tail(file), maxlen=_REMEMBERED)

    def keep(self, record: Record, reason: str, at: int) -> None:
        """Keep a record; it is in the file when this returns.

        Raises:
            EngineError: the file cannot be written.
        """
        place = (record.partition, record.offset)
        if place in self._known:
            return
        body = record.body or b""
        text = body[:BODY].decode("utf-8", "backslashreplace")
        letter = Letter(at, *place, record.source, reason, text, len(body) > BODY)
        try:
            self._write(msgspec.json.encode(letter) + b"\n")
        except OSError as error:
            raise EngineError(f"{self.file} cannot be written: {error}") from None
        self._known.append(place)

    def _write(self, line: bytes) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self.file.exists() and self.file.stat().st_size + len(line) > SIZE:
            os.replace(self.file, self.file.with_suffix(".previous.ndjson"))
        # One write to the end of the file: lines of several processes do not mix.
        file = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(file, line) < len(line):
                raise OSError("the disk is full")
        finally:
            os.close(file)


def read(file: Path) -> list[Letter]:
    """The letters of a file, the oldest first; none where there is no file."""
    return _letters(file.read_bytes()) if file.exists() else []


def _letters(lines: bytes) -> list[Letter]:
    found = []
    for line in lines.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=Letter))
        except ValueError:  # cut by a full disk or by where the tail begins
            continue
    return found


def _tail(file: Path) -> list[tuple[str, int]]:
    if not file.exists():
        return []
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _TAIL))
        return [(letter.partition, letter.offset) for letter in _letters(stream.read())]
