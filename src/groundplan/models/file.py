"""The file of a model: written whole or not at all, and read with an error that helps."""

import hashlib
import os
from pathlib import Path
from typing import Final

from groundplan.errors import BuildError

_MARK: Final = b"sha256="


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


def sealed(path: Path, content: bytes) -> None:
    """Writes a file whose last line is the checksum of what comes before."""
    written(path, content + _seal(content))


def unsealed(path: Path) -> bytes:
    """The bytes that `sealed` was given.

    Raises:
        BuildError: the file is missing, or its checksum differs.
    """
    whole = content(path)
    found, mark, _ = whole.rpartition(_MARK)
    if not mark or whole != found + _seal(found):
        raise BuildError(f"{path} is damaged (its checksum differs): build the model again")
    return found


def _seal(content: bytes) -> bytes:
    return _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"
