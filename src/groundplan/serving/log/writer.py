"""The writing side of the log: a journal at a time, and what happens to those that are full."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from groundplan.serving.log.journal import SUFFIX, Head, Journal, files
from groundplan.serving.log.retention import EVERYTHING, Retention
from groundplan.serving.log.row import Row, packed

_logger: Final = logging.getLogger(__name__)

SIZE: Final = 64 << 20
"""Bytes of a journal: what a log holds in memory at most, twice, beside the row that is written."""

AGE: Final = 3_600.0
"""Seconds after which a journal is closed though it is not full."""

SYNC: Final = 1.0
"""Seconds between writes to the disk: with the time of such a write, what a power loss costs."""


class Log:
    """An append-only log in a folder, which several processes may write to.

    An `append` takes under 3 µs of the request's time for a row of 20 features, half of what a
    JSON line and a write call take (`benchmarks/log.py`).
    A row is in the operating system's memory when `append` returns: a killed process loses none.
    A loss of power can take what came in the last `SYNC` seconds and the time of a disk write.
    A process writes one journal at a time; full ones become Parquet files in a process of its own,
    at the lowest priority.

    Args:
        folder: made when it is not there.
        features: names of the feature values of its predictions, in their order.
        size: bytes of a journal.
        age: seconds after which a journal is closed though it is not full.
        retention: what is kept of the Parquet files.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """

    def __init__(
        self,
        folder: Path,
        features: Sequence[str] = (),
        *,
        size: int = SIZE,
        age: float = AGE,
        retention: Retention = EVERYTHING,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._head = Head(tuple(features))
        self._size, self._age, self._retention = size, age, retention
        token = os.urandom(2).hex()
        self._writer = f"{time.time_ns() // 1_000:016d}-{os.getpid()}-{token}"
        self._number = 0
        self._turn = threading.Lock()
        self._work = threading.Event()
        self._closed = False
        self._full: list[Journal] = []
        self._archiver: subprocess.Popen[bytes] | None = None
        self._journal = self._begun(0)
        self._born = time.monotonic()
        self._next: Journal | None = None
        # What a killed process left is archived too.
        self._due = len(files(folder, SUFFIX)) > 1
        self._thread = threading.Thread(target=self._tend, name="log", daemon=True)
        self._thread.start()

    def append(self, row: Row) -> None:
        """Write one row; it outlives the process when this returns.

        Raises:
            OSError: the disk is full, or the log is closed.
        """
        record = packed(row)
        with self._turn:
            if self._closed:
                raise OSError(f"the log in {self.folder} is closed")
            if not self._journal.append(record):
                self._turn_over(len(record))
                self._journal.append(record)

    def extend(self, rows: Sequence[Row]) -> None:
        """Write rows as `append` would one after the other, in one go where they fit.

        Raises:
            OSError: the disk is full, or the log is closed.
        """
        records = [packed(row) for row in rows]
        with self._turn:
            if self._closed:
                raise OSError(f"the log in {self.folder} is closed")
            if not records or self._journal.extend(records):
                return
            for record in records:
                if not self._journal.append(record):
                    self._turn_over(len(record))
                    self._journal.append(record)

    def close(self) -> None:
        """Write everything to the disk, and turn it into Parquet."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            self._full.append(self._journal)
        self._work.set()
        self._thread.join()
        if self._next is not None:
            self._next.discard()
        if self._archiver is not None:
            self._archiver.wait()
        self._finish_full()
        self._archive_here()

    def _turn_over(self, needed: int) -> None:
        """Go on in the next journal, which mostly lies ready."""
        ready, self._next = self._next, None
        if ready is None or needed > self._size // 2:
            if ready is not None:
                ready.discard()
            ready = self._begun(needed)
        else:
            ready.begin()
        self._full.append(self._journal)
        self._journal = ready
        self._born = time.monotonic()
        self._work.set()

    def _begun(self, needed: int) -> Journal:
        journal = self._made(needed)
        journal.begin()
        return journal

    def _made(self, needed: int = 0) -> Journal:
        self._number += 1
        name = f"{self._writer}-{self._number:06d}.journal"
        return Journal(self.folder / name, max(self._size, 2 * needed + 4_096), self._head)

    # What goes on beside the writing, in a thread: it holds the turn only to swap journals.

    def _tend(self) -> None:
        while not self._closed:
            self._work.wait(SYNC)
            self._work.clear()
            if self._closed:
                return
            try:
                self._prepare()
                self._journal.sync()
                self._finish_full()
                self._archive_beside()
            except OSError:  # what is written stays where it is; the next round tries again
                _logger.exception("the log in %s could not be tended", self.folder)

    def _prepare(self) -> None:
        """Have the next journal ready, and begin it where the present one has grown old."""
        with self._turn:
            if self._closed:
                return
            if self._next is None and self._journal.used > self._size // 4:
                self._next = self._made()
            if time.monotonic() - self._born > self._age and not self._journal.empty:
                self._turn_over(0)

    def _finish_full(self) -> None:
        while self._full:
            self._full[0].finish()
            del self._full[0]
            self._due = True

    def _archive_beside(self) -> None:
        """Start the archiver where there is something to archive and none at work."""
        if self._archiver is not None and self._archiver.poll() is None:
            return
        self._archiver = None
        if self._due:
            self._due = False
            options = msgspec.json.encode(self._retention).decode()
            command = [sys.executable, "-m", "groundplan.serving.log", str(self.folder), options]
            self._archiver = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def _archive_here(self) -> None:
        from groundplan.serving.log.archive import archive  # with pyarrow

        try:
            archive(self.folder, self._retention)
        except OSError:
            _logger.exception("the journals in %s could not be archived", self.folder)
