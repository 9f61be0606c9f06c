"""API keys: made once, shown once, kept as hashes in one file, and followed while serving.

A key is `gp_ID_SECRET`: the identifier finds its record, the 256 random bits of the secret are
what nobody guesses. The file holds SHA-256 of the whole key. A slow password hash would add
nothing: it protects secrets that can be guessed, and would cost every request its time.
"""

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from groundplan.errors import EngineError, InputError

FILE: Final = "keys.json"
"""The file's name in a project's `.groundplan`."""

FOLLOW: Final = 0.5
"""Seconds between looks at the file while serving: how long a revoked key can go on."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_KEY: Final = re.compile(rb"gp_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NOBODY: Final = bytes(32)

_logger: Final = logging.getLogger(__name__)


class Role(StrEnum):
    """What a key may do: ask for predictions, send events and labels, or everything."""

    PREDICT = "predict"
    INGEST = "ingest"
    ADMIN = "admin"


class Key(Struct, frozen=True):
    """One key, without its secret.

    Args:
        name: who uses it, unique in its file.
        role: what it may do.
        id: the public part of the key, 12 hexadecimal digits.
        sha256: of the whole key, 64 hexadecimal digits.
        added: when it was made, µs since 1970, UTC.
    """

    name: str
    role: Role
    id: str
    sha256: str
    added: int


class _Content(Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[Key, ...] = ()


_decoder: Final = msgspec.json.Decoder(_Content)


def read(file: Path) -> tuple[Key, ...]:
    """The keys of a file; none where there is no file.

    Raises:
        EngineError: it cannot be read, or something else has written it.
    """
    try:
        return _decoder.decode(file.read_bytes()).keys
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError(
            f"{file} cannot be read ({error}): put back a copy of it, or remove it and make new "
            "keys with `groundplan keys add`"
        ) from error


def add(file: Path, name: str, role: Role) -> str:
    """Make a key and keep its hash.

    Returns:
        The key. It is nowhere else: who loses it needs a new one.

    Raises:
        InputError: the name cannot be used, or is taken.
        EngineError: the file cannot be read or written.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            "name",
            f"{name!r} cannot name a key: use up to 64 letters, digits, '-', '_', '.' and '@', "
            "such as checkout",
        )
    with _turn(file):
        keys = read(file)
        if any(key.name == name for key in keys):
            raise InputError(
                "name",
                f"there is a key {name!r} already: choose another name, or revoke that one first "
                f"with `groundplan keys revoke {name}`",
            )
        id = secrets.token_hex(6)
        secret = f"gp_{id}_{secrets.token_urlsafe(32)}"
        digest = hashlib.sha256(secret.encode()).hexdigest()
        _write(file, (*keys, Key(name, role, id, digest, time.time_ns() // 1_000)))
    return secret


def revoke(file: Path, name: str) -> Key:
    """Take a key out of the file; servers refuse it within a second.

    Raises:
        InputError: there is no key of this name.
        EngineError: the file cannot be read or written.
    """
    with _turn(file):
        keys = read(file)
        found = next((key for key in keys if key.name == name), None)
        if found is None:
            known = ", ".join(key.name for key in keys) or "there is none"
            raise InputError("name", f"there is no key {name!r}: {known}")
        _write(file, tuple(key for key in keys if key is not found))
    return found


class Keys:
    """The keys of a file, as a server sees them: read again when the file changes.

    A file that cannot be read while serving changes nothing: the keys stay what they were, and
    the server's log says so.

    Args:
        file: of keys.

    Raises:
        EngineError: the file cannot be read.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._mark = _mark(file)
        self._hashes = _hashes(read(file))
        self._next = time.monotonic() + FOLLOW

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, secret: bytes) -> Key | None:
        """The key, or None where it is not, or no longer, one of the file's.

        The comparison takes the same time whatever the secret is.
        """
        now = time.monotonic()
        if now >= self._next:
            self._next = now + FOLLOW
            self._follow()
        match = _KEY.fullmatch(secret)
        if match is None:
            return None
        key, digest = self._hashes.get(match[1], (None, _NOBODY))
        same = hmac.compare_digest(hashlib.sha256(secret).digest(), digest)
        return key if same else None

    def _follow(self) -> None:
        mark = _mark(self._file)
        if mark == self._mark:
            return
        self._mark = mark  # also where it cannot be read: said once, not at every look
        try:
            self._hashes = _hashes(read(self._file))
        except EngineError as error:
            _logger.error("the keys stay what they were: %s", error)


def _hashes(keys: tuple[Key, ...]) -> dict[bytes, tuple[Key, bytes]]:
    return {key.id.encode(): (key, bytes.fromhex(key.sha256)) for key in keys}


def _mark(file: Path) -> tuple[int, int, int] | None:
    """What differs after every write: each puts a new file in the place of the old one."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


@contextmanager
def _turn(file: Path) -> Iterator[None]:
    """One writer at a time, so that of two keys added at once none is lost."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(file: Path, keys: tuple[Key, ...]) -> None:
    content = msgspec.json.format(msgspec.json.encode(_Content(keys)), indent=2) + b"\n"
    hidden = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        hidden.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise EngineError(f"{file} cannot be written: {error.strerror}") from error
