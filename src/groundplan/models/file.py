"""The file of a model: written whole or not at all, and read with an error that helps."""

import os
from pathlib import Path

from groundplan.errors import BuildError


def written(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing: a reader never meets half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def content(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        BuildError: the file is not there.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"{path} cannot be read ({error.strerror}): build the model again") from (
            error
        )
