"""What a loss of power must not take back, and what nobody may meet half of."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file that is written whole or not at all, and is on the disk when the block has ended.

    Give the block's writer the draft that this yields: a hidden file beside the place, which is
    synced and then takes the place of what was there, in one step for all readers. A block that
    raises leaves what was there, and no draft.

    Raises:
        OSError: the block wrote no draft, or the disk does not take it.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        yield draft
        synced(draft)
        draft.replace(path)
        synced(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def written(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, as `replacing` does.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as draft:
        draft.write_bytes(content)
