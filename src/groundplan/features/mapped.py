"""An LMDB file that is mapped into memory and grows: transactions over bytes."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb

from groundplan.errors import EngineError
from groundplan.units import show_size

T = TypeVar("T")

FIRST_SIZE: Final = 1 << 26
"""64 MiB: the state of some hundred thousand events."""

_TABLES: Final = 1_000


class Mapped:
    """The file in a folder; threads of this process take turns, and so do processes.

    Commits go to the page cache without a system call. The file's space is claimed on the disk
    before it is used, since writing through a map to a full disk would end the process; so a full
    disk is an error. The file doubles when it is full.

    Args:
        path: the folder; made where it is not there.
        size: bytes to begin with.

    Raises:
        EngineError: the folder cannot be used, or the disk is full.
    """

    def __init__(self, path: Path, size: int = FIRST_SIZE) -> None:
        self._turn = threading.RLock()
        self._still = threading.Lock()  # held by what must not meet a move of the map
        try:
            path.mkdir(parents=True, exist_ok=True)
            data = path / "data.mdb"
            size = max(size, data.stat().st_size if data.exists() else 0)
            self._env = lmdb.open(
                str(path), map_size=size, writemap=True, sync=False, max_dbs=_TABLES
            )
        except (OSError, lmdb.Error) as error:
            raise EngineError(
                f"the online store at {path} cannot be opened: {error}: check the folder's rights, "
                "and that no other store of this process has it open"
            ) from None
        self._env.reader_check()  # of processes that were killed
        self._claim()

    def held(self, txn: Any) -> int:
        """The bytes of the pages that the tables take; the file's others are used again."""
        pages = 0
        for name in txn.cursor().iternext(values=False):
            stat = txn.stat(self._env.open_db(bytes(name), txn=txn, create=False))
            pages += stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        return int(pages * self._env.stat()["psize"])

    @property
    def size(self) -> int:
        """The bytes of the file that have been used."""
        return int((self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"])

    def table(self, name: str) -> Any:
        """The handle of a table of the file, which is made where it is not there."""

        def work() -> Any:
            return self._env.open_db(name.encode())

        with self._turn:
            return self._retried(work)

    def write(self, work: Callable[[Any], T]) -> T:
        """Run the work in one transaction; again in a larger file where it did not fit."""

        def whole() -> T:
            with self._begin(write=True) as txn:
                return work(txn)

        with self._turn:
            return self._retried(whole)

    def read(self, work: Callable[[Any], T]) -> T:
        """Run the work over one state of the file."""
        try:
            with self._turn, self._begin(write=False) as txn:
                return work(txn)
        except lmdb.Error as error:
            raise self._failed(error) from None

    def reserve(self, more: int) -> None:
        """Grow until so many bytes more fit, so that a large transaction is not run twice."""
        with self._turn:
            while self._env.info()["map_size"] - self.size < more:
                self._grow()

    def sync(self) -> None:
        """Force what was committed onto the disk."""
        try:
            with self._still:
                self._env.sync(True)
        except lmdb.Error as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Sync and let go of the file."""
        with self._turn:
            self.sync()
            self._env.close()

    def _retried(self, work: Callable[[], T]) -> T:
        while True:
            try:
                return work()
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                raise self._failed(error) from None

    def _failed(self, error: lmdb.Error) -> EngineError:
        return EngineError(f"the online store failed ({error}): start the server again")

    def _begin(self, write: bool) -> Any:
        try:
            return self._env.begin(write=write, buffers=True)
        except lmdb.MapResizedError:  # another process has grown it
            with self._still:
                self._env.set_mapsize(0)
            return self._env.begin(write=write, buffers=True)

    def _grow(self) -> None:
        with self._still:
            self._env.set_mapsize(2 * self._env.info()["map_size"])
        self._claim()

    def _claim(self) -> None:
        size = self._env.info()["map_size"]
        with Path(self._env.path(), "data.mdb").open("r+b") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise EngineError(
                    f"{self._env.path()} needs {show_size(size)} on the disk: {error.strerror}: "
                    "make room and start again"
                ) from None
