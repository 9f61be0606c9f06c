"""Published scores without a server: one file a version, mapped by every process that reads.

A folder holds `NAME.scores` for every complete version, and `live`, a link to the live one. A
file gets its name when it is complete and on the disk, and never changes after; the link is
replaced in one step. Whoever has a file mapped reads on in it, though its name be gone.
"""

import contextlib
import fcntl
import os
import re
import secrets
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic_ns
from typing import Final

from groundplan.durable import synced
from groundplan.errors import EngineError, InputError
from groundplan.scores.layout import damaged, glance, read
from groundplan.scores.lookup import Lookup, open_lookup
from groundplan.scores.scored import Live, Scored
from groundplan.scores.store import Progress
from groundplan.scores.version import Version
from groundplan.scores.writer import write

SUFFIX: Final = ".scores"
LIVE: Final = "live"
_PART: Final = ".part"
_LINK: Final = ".link"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_PATIENCE: Final = 100
"""Looks that are left out after one that failed: a damaged file is not opened a thousand times a
second."""

_LARGE: Final = 32_000_000
"""Bytes from which the unmapping of a file takes longer than the start of a thread, which does it
beside the readers: some 4 ms for 300 MB."""
_OUTSIDE: Final = (struct.error, IndexError, OverflowError)
"""What reading raises where a number in a damaged file leads out of it."""


class EmbeddedScores:
    """Fills `ScoreStore` with a folder of memory-mapped files.

    Handles are safe for threads and go on working in a process that was forked; any number of
    them, in any number of processes, may share a folder. A handle follows the link that another
    one moved when it is next read, `look_us` after it last looked; a link that it cannot follow
    leaves it where it was, and `fault` says why.

    A key of another type than the version's is a key that was not scored.

    Args:
        folder: of the versions; made when the first is loaded.
        promised: µs, the oldest acceptable answer.
        look_us: µs for which a handle may go without a look at the link.
    """

    def __init__(self, folder: Path, promised: int | None = None, look_us: int = 1_000) -> None:
        self.folder = folder
        self.fault: str | None = None
        """Why the live version as it is on the disk cannot be read; None where it can."""
        self._link = folder / LIVE
        self._promised, self._look = promised, look_us * 1_000
        self._due = 0
        self._closed = False
        self._lookup: Lookup | _Nothing = _Nothing(self._none())
        self._whole: Lookup | None = None  # the last that was read to its end
        self._left: tuple[Lookup, str] | None = None  # a damaged one, and what is wrong with it
        self._lock, self._process = threading.Lock(), os.getpid()

    def get(self, key: int | str) -> Scored | None:
        """The answer for a key; None where the live version has none.

        Raises:
            EngineError: there is no live version, or its file is damaged.
        """
        now = monotonic_ns()
        if now >= self._due:
            self._follow(now)
        lookup = self._lookup
        try:
            return lookup.get(key)
        except _OUTSIDE as error:
            raise _broken(lookup, error) from error

    def get_many(self, keys: Sequence[int | str]) -> list[Scored | None]:
        """The answers for many keys, all of one version, in their order.

        Raises:
            EngineError: there is no live version, or its file is damaged.
        """
        lookup = self._current()
        _ = lookup.live  # without one even no keys have no answers
        get = lookup.get
        try:
            return [get(key) for key in keys]
        except _OUTSIDE as error:
            raise _broken(lookup, error) from error

    def current(self) -> Live:
        """The live version as this handle follows it.

        Raises:
            EngineError: there is none, or its file is damaged.
        """
        return self._current().live

    def live(self) -> Version | None:
        """The live version as the folder has it now.

        Raises:
            EngineError: its file is gone or damaged.
        """
        if not self._link.is_symlink():
            return None
        return self._read(self._link)

    def pointed(self) -> str | None:
        """The name that the link has, whatever became of the version; None before the first."""
        if not self._link.is_symlink():
            return None
        return self._link.readlink().name.removesuffix(SUFFIX)

    def versions(self) -> tuple[Version, ...]:
        """The complete versions, the oldest first; a damaged file is none."""
        found = []
        for path in sorted(self.folder.glob(f"[!.]*{SUFFIX}")):
            with contextlib.suppress(EngineError):
                found.append(self._read(path))
        return tuple(sorted(found, key=lambda version: version.order))

    def load(
        self, version: Version, parts: Sequence[Path], progress: Progress | None = None
    ) -> None:
        """Write the file of a version; when it returns, the version is complete and on the disk.

        Raises:
            InputError: a part cannot be read, rows are missing, or a key stands twice.
            EngineError: the file cannot be written, as where the disk is full.
        """
        path = self._path(version.name)
        with self._failing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._hidden(version.name) as (descriptor, hidden):
                write(descriptor, version, parts, progress)
                hidden.replace(path)
            synced(self.folder)

    def point(self, name: str) -> None:
        """Make a complete version live, in one step for all readers, who see it at once.

        Raises:
            InputError: there is no such complete version.
            EngineError: its file is damaged, or the link cannot be replaced.
        """
        path = self._path(name)
        if not path.is_file():
            raise InputError("", f"there is no version {name} in {self.folder}: {self._there()}")
        with self._failing(self._link), self._locked():
            with self._opened(path) as descriptor:
                glance(descriptor, path)
            hidden = self.folder / f".{secrets.token_hex(8)}{_LINK}"
            hidden.symlink_to(path.name)
            hidden.replace(self._link)
        self._due = 0

    def sync(self) -> None:
        """See to it that a loss of power does not take the pointer back.

        Raises:
            EngineError: the folder cannot be written.
        """
        with self._failing(self._link):
            synced(self.folder)

    def drop(self, name: str) -> None:
        """Forget a version, and what cuts left behind. Those who read it finish.

        Raises:
            InputError: it is the live one.
            EngineError: the file cannot be removed.
        """
        path = self._path(name)
        if not self.folder.is_dir():
            return
        with self._failing(path), self._locked():
            if self._link.is_symlink() and self._link.readlink().name == path.name:
                raise InputError("", f"version {name} is live: point at another one first")
            path.unlink(missing_ok=True)
            self._clean()
            synced(self.folder)

    def verify(self, name: str) -> None:
        """Read the file of a version from end to end and compare its checksum.

        Raises:
            InputError: there is no such version.
            EngineError: a byte of it changed.
        """
        path = self._path(name)
        if not path.is_file():
            raise InputError("", f"there is no version {name} in {self.folder}: {self._there()}")
        open_lookup(path).verify()

    def examine(self) -> str | None:
        """Read the version that this handle reads to its end, and leave it if it is damaged.

        A lookup reads no more than it needs and does not see that. The last file that was whole
        stays mapped until the next has been read so, and answers where the next one is damaged.

        Returns:
            What is wrong with the version that this handle just left; None where it stays.
        """
        lookup = self._lookup
        if not isinstance(lookup, Lookup) or lookup is self._whole:
            return None
        try:
            lookup.verify()
        except EngineError as error:
            with self._lock:
                if self._lookup is lookup:
                    self._left, self.fault = (lookup, str(error)), str(error)
                    self._lookup = self._whole or _Nothing(str(error))
            return str(error)
        self._whole = lookup
        return None

    def close(self) -> None:
        """Let go of the file; what is read in it just now is still read."""
        self._closed = True
        self._whole = self._left = None
        self._lookup = _Nothing(f"the scores in {self.folder} were closed: open them anew")

    def _current(self) -> "Lookup | _Nothing":
        now = monotonic_ns()
        if now >= self._due:
            self._follow(now)
        return self._lookup

    def _follow(self, now: int) -> None:
        if self._process != os.getpid():  # the lock may have been held where this one was forked
            self._lock, self._process = threading.Lock(), os.getpid()
        # One thread looks, and the others read on in what there is, where there is something.
        if not self._lock.acquire(blocking=isinstance(self._lookup, _Nothing)):
            return
        try:
            if self._closed:
                return
            self.fault = fault = self._look_up()
            wait = self._look
            if fault and isinstance(self._lookup, _Nothing):
                self._lookup = _Nothing(fault)
            elif fault:
                wait *= _PATIENCE
            self._due = now + wait
        finally:
            self._lock.release()

    def _look_up(self) -> str | None:
        """Follow the link; what hinders it."""
        try:
            found = os.stat(self._link)
        except OSError:
            return self._none()
        # The mapping holds its inode, so that no later file can have the same number.
        node = (found.st_dev, found.st_ino)
        if isinstance(self._lookup, Lookup) and self._lookup.node == node:
            self._left = None
            return None
        if self._left is not None and self._left[0].node == node:
            return self._left[1]
        try:
            left, self._lookup = self._lookup, open_lookup(self._link, self._promised)
        except EngineError as error:
            return str(error)
        self._left = None
        if isinstance(left, Lookup) and left.layout.ends > _LARGE:
            threading.Thread(target=_outlive, args=(left,), daemon=True).start()
        return None

    def _none(self) -> str:
        if self._link.is_symlink():
            return (
                f"{self._link} points at {self._link.readlink()}, which is not there: run "
                "`groundplan rollback` or `groundplan score`"
            )
        return f"no version is live in {self.folder}: run `groundplan score`"

    def _there(self) -> str:
        names = [version.name for version in self.versions()]
        return f"complete are {', '.join(names)}" if names else "run `groundplan score`"

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InputError(
                "",
                f"{name!r} names no version: letters, digits, `.`, `_` and `-`, a letter or digit "
                f"first; {self._there()}",
            )
        return self.folder / (name + SUFFIX)

    def _read(self, path: Path) -> Version:
        with self._opened(path) as descriptor:
            return read(descriptor, path).version

    @contextlib.contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise EngineError(self._none() if path == self._link else f"{path} is gone") from None
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _hidden(self, name: str) -> Iterator[tuple[int, Path]]:
        """A new file that nobody sees, locked for as long as this process writes it."""
        hidden = self.folder / f".{name}.{secrets.token_hex(8)}{_PART}"
        with self._locked():
            self._clean()
            descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield descriptor, hidden
        finally:
            hidden.unlink(missing_ok=True)
            os.close(descriptor)

    def _clean(self) -> None:
        """Remove what a cut left: links that were not put in place, files that nobody writes."""
        for path in self.folder.glob(f".*{_LINK}"):
            path.unlink(missing_ok=True)
        for path in self.folder.glob(f".*{_PART}"):
            # It is being written, or has just been put in its place.
            with contextlib.suppress(BlockingIOError, FileNotFoundError), path.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder, against other processes and threads that change what is in it."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a fork would keep it beyond the close
            os.close(descriptor)

    @contextlib.contextmanager
    def _failing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineError(
                f"{path} cannot be written: {error.strerror or error}; the live version stays"
            ) from error


def _outlive(lookup: Lookup) -> None:
    """Hold a file until its readers are out of it, so that none of them waits for its unmapping."""
    time.sleep(0.1)


class _Nothing:
    """Stands where no version can be read, and says why."""

    def __init__(self, says: str) -> None:
        self._says = says

    def get(self, key: int | str) -> Scored | None:
        raise EngineError(self._says)

    @property
    def live(self) -> Live:
        raise EngineError(self._says)


def _broken(lookup: "Lookup | _Nothing", error: Exception) -> EngineError:
    assert isinstance(lookup, Lookup)
    return damaged(lookup.path, f"a lookup ended outside of it ({error})")
