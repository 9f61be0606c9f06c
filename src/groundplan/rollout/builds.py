"""A build: an immutable folder with everything that serving needs, written all or nothing."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from groundplan.constraints import Answers
from groundplan.decision import Costs, reference_costs
from groundplan.durable import synced
from groundplan.errors import BuildError
from groundplan.plan import Plan, draw

MANIFEST: Final = "manifest.json"


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a build is made of and how good it is.

    Args:
        build: the build's name, which is also its folder's.
        system: the name of the system.
        created: UTC, RFC 3339.
        groundplan: the version of Groundplan that made it.
        plan: the contract that the server reads.
        data: where the training data came from: rows, first and last time, fingerprint.
        features: the feature definitions, and their fingerprint under `fingerprint`.
        model: the model's specification.
        thresholds: score thresholds by tier.
        report: the figures that the build was judged by.
        files: SHA-256 of every file of the build.
        costs: the cost table that it was planned with; None is the reference.
    """

    build: str
    system: str
    created: str
    groundplan: str
    plan: Plan
    data: dict[str, Any]
    features: dict[str, Any]
    model: dict[str, Any]
    thresholds: dict[str, float]
    report: dict[str, Any]
    files: dict[str, str]
    costs: Costs | None = None

    def planned(self, answers: Answers) -> Plan:
        """What answers plan by the cost table that the build was planned with."""
        return draw(answers, self.costs or reference_costs())


class Build:
    """An opened build: its folder and its manifest.

    Raises:
        BuildError: the folder has no manifest, or a file differs from its fingerprint.
    """

    def __init__(self, folder: Path) -> None:
        try:
            manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        except FileNotFoundError as error:
            raise BuildError(f"{folder} is not a build: it has no {MANIFEST}") from error
        except msgspec.DecodeError as error:
            raise BuildError(
                f"{folder / MANIFEST} cannot be read ({error}): it was made by another version; "
                "run `groundplan build` again"
            ) from error
        for name, digest in manifest.files.items():
            if not (folder / name).is_file() or _sha256(folder / name) != digest:
                raise BuildError(
                    f"{folder / name} is missing or differs from its fingerprint: a build never "
                    "changes; run `groundplan build` again"
                )
        self.folder = folder
        self.manifest = manifest


def write(home: Path, now: datetime, fill: Callable[[Path, str], Manifest]) -> Build:
    """Make a build: `fill` writes its files into a hidden folder, which is then renamed.

    Args:
        home: the project's `.groundplan` folder.
        now: the time that names the build.
        fill: takes the folder and the build's name, writes files and returns the manifest;
            `files` is filled in here.
    """
    builds = home / "builds"
    builds.mkdir(parents=True, exist_ok=True)
    name = now.astimezone(UTC).strftime("%Y%m%d-%H%M%S-%f")[:-3]
    hidden = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=builds))
    try:
        manifest = fill(hidden, name)
        files = {
            str(file.relative_to(hidden)): _sha256(file)
            for file in sorted(hidden.rglob("*"))
            if file.is_file()
        }
        complete = msgspec.structs.replace(manifest, files=files)
        text = msgspec.json.format(msgspec.json.encode(complete), indent=1)
        (hidden / MANIFEST).write_bytes(text)
        for path in (hidden, *hidden.rglob("*")):  # the folder holds the names
            synced(path)
        hidden.chmod(0o755)
        hidden.rename(builds / name)
        synced(builds)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    return Build(builds / name)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
