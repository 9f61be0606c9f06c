"""The file of a model: sealed with its checksum, and read with an error that helps."""

import hashlib
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from groundplan.durable import written
from groundplan.errors import BuildError

T = TypeVar("T")

_MARK: Final = b"sha256="


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


def decoded(path: Path, kind: type[T]) -> T:
    """The record that a JSON file of a model holds.

    Raises:
        BuildError: the file is missing, or holds no such record.
    """
    try:
        return msgspec.json.decode(content(path), type=kind)
    except msgspec.DecodeError as error:
        raise BuildError(f"{path} is damaged ({error}): build it again") from error


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
