"""What a loss of power must not take back."""

import os
from pathlib import Path


def synced(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before going on.

    Raises:
        OSError: it is not there, or the disk does not take it.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
