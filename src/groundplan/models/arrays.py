"""Named arrays in one file: written whole or not at all, checked, and mapped into memory.

The file is a line of JSON (names, types, shapes, places and a SHA-256 of everything after the
line), then the bytes of each array at a multiple of 64. It holds numbers and no code. Processes
that map the same file share its pages.
"""

import hashlib
import mmap
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from groundplan.durable import written
from groundplan.errors import BuildError

_ALIGNED: Final = 64  # bytes: a line of the processor's cache
_LONGEST_LINE: Final = 1 << 20
_TYPES: Final = ("<f8", "<i8", "<i4", "<u2", "|u1")

Arrays = dict[str, np.ndarray[Any, Any]]


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    start: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    facts: dict[str, Any]
    arrays: dict[str, _Place]
    sha256: str


def save(path: Path, facts: dict[str, Any], arrays: Arrays) -> None:
    """Writes arrays and a few facts about them.

    Args:
        path: of the file.
        facts: plain data, fit for JSON.
        arrays: by name, of float64, int64, int32, uint16 or uint8.
    """
    places: dict[str, _Place] = {}
    parts: list[bytes] = []
    at = 0
    for name, array in arrays.items():
        part = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        if part.dtype.str not in _TYPES:
            raise ValueError(f"{name} is of type {array.dtype}: only {', '.join(_TYPES)} are kept")
        places[name] = _Place(part.dtype.str, array.shape, at)
        parts += [part.tobytes(), bytes(-part.nbytes % _ALIGNED)]
        at += part.nbytes + len(parts[-1])
    payload = b"".join(parts)
    header = _Header(facts, places, hashlib.sha256(payload).hexdigest())
    line = msgspec.json.encode(header)
    written(path, line + b" " * (-(len(line) + 1) % _ALIGNED) + b"\n" + payload)


def load(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The facts and the arrays of a file, mapped and read-only.

    Raises:
        BuildError: the file is missing, damaged or of another form.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise BuildError(f"{path} cannot be read ({error.strerror}): build the model again") from (
            error
        )
    except ValueError as error:  # nothing can be mapped from an empty file
        raise BuildError(f"{path} is damaged ({error}): build the model again") from error
    try:
        header = msgspec.json.decode(line, type=_Header)
        payload = mapped[len(line) :]
        if hashlib.sha256(payload).hexdigest() != header.sha256:
            raise ValueError("its checksum differs")
        return header.facts, {name: _array(payload, at) for name, at in header.arrays.items()}
    except (msgspec.DecodeError, ValueError) as error:
        raise BuildError(f"{path} is damaged ({error}): build the model again") from error


def _array(payload: memoryview, place: _Place) -> np.ndarray[Any, Any]:
    if place.dtype not in _TYPES or min(place.start, 0, *place.shape) < 0:
        raise ValueError(f"an array has no type {place.dtype!r}, or no such place")
    dtype = np.dtype(place.dtype)
    length = int(np.prod(place.shape, dtype=np.int64))
    return np.frombuffer(payload, dtype, length, place.start).reshape(place.shape)
