"""How much of a log is kept, and the removal of the rest."""

import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from groundplan.serving.log.journal import files

PARQUET: Final = ".parquet"


class Retention(Struct, frozen=True):
    """How much of a log is kept; what is None has no bound.

    Args:
        size: bytes of all its Parquet files.
        age: µs since a file was finished.
    """

    size: int | None = None
    age: int | None = None


EVERYTHING: Final = Retention()


def prune(folder: Path, retention: Retention) -> None:
    """Remove the oldest Parquet files until what is left is within the bounds."""
    now = time.time_ns()
    kept = [(file, file.stat()) for file in files(folder, PARQUET)]
    total = sum(found.st_size for _, found in kept)
    for file, found in kept:
        old = retention.age is not None and found.st_mtime_ns < now - 1_000 * retention.age
        if not old and (retention.size is None or total <= retention.size):
            return
        file.unlink(missing_ok=True)
        total -= found.st_size
