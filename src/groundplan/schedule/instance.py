"""One scheduler a project: a lock that lasts as long as what it started."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from groundplan.errors import EngineError
from groundplan.units import SECOND

FILE: Final = "lock"
SCHEDULER: Final = "groundplan schedule"
"""What a scheduler calls itself, which keeps the lock until it ends."""

_PAUSE: Final = 0.2  # seconds between two tries
_AND: Final = ", whose command is process "


@contextmanager
def single(home: Path, what: str, patience: int = 0) -> Iterator[int]:
    """Hold the lock of a project's schedule; gives its file descriptor.

    Jobs inherit the descriptor: where a scheduler is killed, the lock stays with the job that it
    left, so that nobody starts a second one beside it.

    Args:
        home: the folder of the schedule.
        what: who holds it, for the message that others get.
        patience: µs to wait for another holder.

    Raises:
        EngineError: another process holds it, or the file cannot be made.
    """
    path = home / FILE
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineError(f"{path} cannot be made: {error}") from None
    try:
        _take(file, path, time.monotonic() + patience / SECOND)
        _note(file, f"process {os.getpid()}, {what}")
        yield file
    finally:
        # The note stays: where something that a job started still runs, it says whose that is.
        os.close(file)


def works(file: int, process: int) -> None:
    """Write into the lock which process runs for its holder, and may outlive it."""
    _note(file, f"{_holder(file).partition(_AND)[0]}{_AND}{process}")


def _note(file: int, holder: str) -> None:
    with suppress(OSError):  # a full disk costs others the name of the holder, not the lock
        os.ftruncate(file, 0)
        os.pwrite(file, holder.encode(), 0)


def _holder(file: int) -> str:
    return os.pread(file, 500, 0).decode(errors="replace") or "a process that just began"


def _take(file: int, path: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(file)
            # A scheduler holds it for good: waiting would not help.
            if time.monotonic() >= until or SCHEDULER in holder:
                raise EngineError(
                    f"{path} is held by {holder}: one schedule runs at a time; end that one, or "
                    "wait for it"
                ) from None
            time.sleep(_PAUSE)
        else:
            return
