"""The archive: the parts and the record of each version, whatever store serves it.

`versions/NAME` is complete once it is there. What is hidden is on its way in or out, or was
refused: `versions/.refused-NAME` holds what the checks found.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from groundplan.durable import synced
from groundplan.errors import BuildError
from groundplan.monitoring.distribution import Sketch
from groundplan.scores.version import Version

FOLDER: Final = "versions"
RECORD: Final = "version.json"
SKETCHES: Final = "distributions.json"
"""How features are distributed: in a version, and in a build of the rows that trained it."""
WITHDRAWN: Final = "withdrawn"
REFUSED: Final = ".refused-"
REFUSED_KEPT: Final = 2
"""Refused versions that stay to be looked at."""

T = TypeVar("T")


class Archive:
    """The versions of a project.

    Args:
        home: the project's `.groundplan` folder.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def names(self) -> tuple[str, ...]:
        """The complete versions, the oldest first."""
        if not self.folder.is_dir():
            return ()
        found = (each.name for each in self.folder.iterdir() if not each.name.startswith("."))
        return tuple(sorted(name for name in found if (self.folder / name / RECORD).is_file()))

    def has(self, name: str) -> bool:
        """Whether a version is complete here."""
        return not name.startswith(".") and (self.folder / name / RECORD).is_file()

    def read(self, name: str) -> Version:
        """The record of a version.

        Raises:
            BuildError: it is not here, or its record cannot be read.
        """
        return _decoded(self.folder / name / RECORD, Version)

    def parts(self, name: str) -> list[Path]:
        """The part files of a version, in order."""
        return sorted((self.folder / name).glob("part-*.parquet"))

    def damaged(self, version: Version) -> list[str]:
        """The part files of a version that its record does not know, lacks or knows otherwise."""
        found = {part.name: digest(part) for part in self.parts(version.name)}
        named = found.keys() | version.sha256.keys()
        return sorted(name for name in named if found.get(name) != version.sha256.get(name))

    def whole(self, version: Version) -> list[Path]:
        """The part files of a version, each of which is as it was when the version was announced.

        Raises:
            BuildError: one is missing, or was altered.
        """
        if wrong := self.damaged(version):
            more = f" and {len(wrong) - 3:,} more" if len(wrong) > 3 else ""
            raise BuildError(
                f"{self.folder / version.name} is not what was published: "
                f"{', '.join(wrong[:3])}{more} missing, or without the SHA-256 of the version's "
                "record; `groundplan score` without --delta publishes anew, `groundplan rollback "
                "--to VERSION` goes to another version"
            )
        return self.parts(version.name)

    def sketches(self, name: str) -> dict[str, Sketch]:
        """The distributions of a version's features; empty where none were kept.

        Raises:
            BuildError: they cannot be read.
        """
        return sketches(self.folder / name)

    def withdrawn(self, name: str) -> bool:
        """Whether somebody rolled back from this version."""
        return (self.folder / name / WITHDRAWN).is_file()

    def keep(self, version: Version, parts: Sequence[Path], sketches: Mapping[str, Sketch]) -> None:
        """Take a version in, whole or not at all; parts are linked where the disk allows."""
        self._fill(version.name, parts, {RECORD: version, SKETCHES: sketches})

    def refuse(
        self, version: Version, parts: Sequence[Path], sketches: Mapping[str, Sketch]
    ) -> Path:
        """Put a version that was not announced aside, where one can look at it; the folder."""
        name = REFUSED + version.name
        self._fill(name, parts, {RECORD: version, SKETCHES: sketches})
        for old in sorted(self.folder.glob(f"{REFUSED}*"))[:-REFUSED_KEPT]:
            self._away(old)
        return self.folder / name

    def withdraw(self, name: str) -> None:
        """Mark a version as one that was rolled back from."""
        if self.has(name):
            (self.folder / name / WITHDRAWN).touch()
            synced(self.folder / name)

    def restore(self, name: str) -> None:
        """Take the mark away."""
        (self.folder / name / WITHDRAWN).unlink(missing_ok=True)

    def drop(self, name: str) -> None:
        """Forget a version; it is no longer complete from the first step on."""
        self._away(self.folder / name)

    def clean(self) -> None:
        """Remove what a cut left on its way in or out."""
        if self.folder.is_dir():
            for each in self.folder.iterdir():
                if each.name.startswith(".") and not each.name.startswith(REFUSED):
                    shutil.rmtree(each) if each.is_dir() else each.unlink()

    def _fill(self, name: str, parts: Sequence[Path], records: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        hidden = self.folder / f".new-{name}"
        if hidden.exists():
            shutil.rmtree(hidden)
        hidden.mkdir()
        for part in parts:
            _linked(part, hidden / part.name)
        for file, record in records.items():
            (hidden / file).write_bytes(msgspec.json.encode(record))
        for file_ in hidden.iterdir():
            synced(file_)
        synced(hidden)
        self._away(self.folder / name)
        hidden.rename(self.folder / name)
        synced(self.folder)

    def _away(self, folder: Path) -> None:
        """Hide a folder in one step, then take it apart."""
        if folder.exists():
            gone = self.folder / f".gone-{folder.name}"
            if gone.exists():
                shutil.rmtree(gone)
            folder.rename(gone)
            synced(self.folder)
            shutil.rmtree(gone)


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sketches(folder: Path) -> dict[str, Sketch]:
    """The distributions of features that the folder of a version or of a build has; empty without.

    Raises:
        BuildError: they cannot be read.
    """
    file = folder / SKETCHES
    return _decoded(file, dict[str, Sketch]) if file.is_file() else {}


def _linked(part: Path, to: Path) -> None:
    try:
        os.link(part, to)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(part, to)


def _decoded(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise BuildError(
            f"{file} cannot be read ({error}): score again to publish a new version, or roll back "
            "to another with `groundplan rollback --to VERSION`"
        ) from error
