"""One at a time: a lock on a file that says who holds it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from groundplan.errors import EngineError

_LOOK: Final = 0.02
"""Seconds between two tries."""


@contextmanager
def turn(path: Path, what: str, wait: float) -> Iterator[None]:
    """Hold the lock of a file; the system takes it back when this process ends, however it ends.

    Args:
        path: the file; made where it is not there.
        what: what this process does with it, for the one that waits.
        wait: seconds to wait for another at most.

    Raises:
        EngineError: another still holds it, who is named.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + wait
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(file):
            if time.monotonic() >= end:
                holder = os.pread(file, 200, 0).decode(errors="replace").strip()
                long = f" for more than {wait:g} s" if wait else ""
                raise EngineError(
                    f"{path} is held by another process ({holder or 'unknown'}){long}: wait until "
                    "it is done, or end it, and try again"
                )
            time.sleep(_LOOK)
        os.ftruncate(file, 0)
        os.pwrite(file, f"process {os.getpid()}, {what}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
