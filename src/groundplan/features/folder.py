"""The embedded event stream: files of JSON lines, which may grow while they are read."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Final

from groundplan.errors import EngineError, InputError
from groundplan.features.stream import Offsets, Record

ENDINGS: Final = (".ndjson", ".jsonl")

LONGEST: Final = 8_000_000
"""Bytes of the longest line; a longer one is cut, and its parts are no JSON."""

_CHUNK: Final = 1 << 20
_PAUSE: Final = 0.02


class FolderStream:
    """The lines of files, a partition each; an offset is a position in bytes.

    A file belongs to the source that its name begins with, as `logins.ndjson` and
    `logins-2024-05.ndjson` do, else to the main one. A line counts once its end is written. Only
    ever append to a file: one that has become shorter is read anew from its beginning, which is
    harmless, since an event counts once.

    Args:
        path: a file, or a folder whose files with the endings `.ndjson` and `.jsonl` are read, in
            the order of their names; new ones are found as they come.
        sources: the names of the sources, the main one first.
        source: the one that all the files belong to, whatever they are called.
        whole: whether nothing will be added, so that a last line counts without its end.

    Raises:
        InputError: there is no such file or folder.
    """

    def __init__(
        self, path: Path, sources: Sequence[str], *, source: str = "", whole: bool = False
    ) -> None:
        if not path.exists():
            raise InputError("", f"{path} is not there: name a folder or a file of JSON lines")
        self._path = path.resolve()
        self._sources = sources
        self._source = source
        self._whole = whole
        self._next: dict[str, int] = {}
        self._ahead: deque[Record] = deque()
        self._turns = deque(sources)

    def start(self, resume: Callable[[], Offsets]) -> None:
        """Begin to read, or begin anew, from these positions."""
        self._next = dict(resume())
        self._ahead.clear()

    def poll(self, limit: int, timeout: float) -> list[Record]:
        """The next lines: of each source in turn, file by file."""
        until = time.monotonic() + timeout
        while not self._ahead:
            self._read_ahead()
            if not self._ahead:
                if time.monotonic() >= until:
                    return []
                time.sleep(_PAUSE)
        return [self._ahead.popleft() for _ in range(min(limit, len(self._ahead)))]

    def ends(self) -> Offsets:
        """By file, where its last whole line ends."""
        found = {str(file): self._end(file) for file in self._files()}
        return {name: end for name, end in found.items() if end}

    def since(self, times: Mapping[str, int]) -> Offsets:
        """Lines have no times of their own: the beginning of each file."""
        return {str(file): 0 for file in self._files() if self._source_of(file) in times}

    def stored(self, offsets: Offsets) -> None:
        """Nobody watches a file."""

    def close(self) -> None:
        """Nothing is held open."""

    def _files(self) -> Iterable[Path]:
        if self._path.is_file():
            return [self._path]
        try:
            return sorted(file for file in self._path.iterdir() if file.suffix in ENDINGS)
        except OSError as error:
            raise EngineError(f"the folder {self._path} cannot be read: {error}") from None

    def _source_of(self, file: Path) -> str:
        if self._source:
            return self._source
        stem = file.name.split(".")[0]
        named = [name for name in self._sources if stem == name or stem.startswith(f"{name}-")]
        return max(named, key=len, default=self._sources[0])

    def _read_ahead(self) -> None:
        """Read some lines of the first file that has more, of the source whose turn it is."""
        files: dict[str, list[Path]] = {}
        for file in self._files():
            files.setdefault(self._source_of(file), []).append(file)
        for _ in self._sources:
            self._turns.rotate(-1)
            for file in files.get(self._turns[0], ()):
                self._ahead.extend(self._lines(file, self._turns[0]))
                if self._ahead:
                    return

    def _lines(self, file: Path, source: str) -> Iterator[Record]:
        name = str(file)
        at = self._next.get(name, 0)
        size = _size(file)
        if size < at:  # another file took its name
            at = 0
        lines, end = _read(file, at, self._whole) if at < size else ([], at)
        for line in lines:
            stop = min(at + len(line) + 1, end)
            yield Record(name, at, stop, source, line.strip() or None)
            at = self._next[name] = stop

    def _end(self, file: Path) -> int:
        """Where the last whole line ends, found from the file's end backwards."""
        size = _size(file)
        if self._whole:
            return size
        with _open(file) as stream:
            for start in range(size - _CHUNK, -_CHUNK, -_CHUNK):
                stream.seek(max(0, start))
                found = stream.read(min(_CHUNK, start + _CHUNK)).rfind(b"\n")
                if found >= 0:
                    return max(0, start) + found + 1
        return 0


def _read(file: Path, at: int, whole: bool) -> tuple[list[bytes], int]:
    """The whole lines that begin at a position, without their ends, and where they end."""
    length = _CHUNK
    with _open(file) as stream:
        stream.seek(at)
        block = stream.read(length)
        while b"\n" not in block and len(block) >= length and length < LONGEST:
            block += stream.read(length)
            length *= 2
    last = block.rfind(b"\n")
    if last >= 0:
        return block[:last].split(b"\n"), at + last + 1
    if block and (whole or len(block) >= LONGEST):
        return [block], at + len(block)
    return [], at


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise EngineError(f"{file} cannot be read: {error}") from None


def _open(file: Path) -> BufferedReader:
    try:
        return file.open("rb")
    except OSError as error:
        raise EngineError(f"{file} cannot be read: {error}") from None
