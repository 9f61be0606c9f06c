"""A project's prediction log beside the builds that wrote it: checked, and joined with labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow.compute as pc

from groundplan.errors import BuildError
from groundplan.features import FeatureSet
from groundplan.monitoring import consistency, dataset
from groundplan.monitoring.arrivals import Histories
from groundplan.monitoring.consistency import Compared
from groundplan.monitoring.dataset import Joined
from groundplan.patterns.realtime.definition import define
from groundplan.patterns.realtime.opening import live
from groundplan.patterns.realtime.training import history
from groundplan.project import Project
from groundplan.rollout.builds import MANIFEST, Build, Manifest
from groundplan.serving import log

LOG: Final = "log"
"""The folder of the log, in that of the state."""


@dataclass(frozen=True)
class Record:
    """The log of a project's live definitions.

    Args:
        build: the live build.
        inputs: its definitions.
        mine: every build with these definitions.
        folder: of the log.
        histories: what the state was filled from, by the source's name.
    """

    build: Build
    inputs: FeatureSet
    mine: tuple[str, ...]
    folder: Path
    histories: Histories

    def compared(self, since: int = 0, last: int | None = None) -> Compared:
        """Served against recomputed values; see `consistency.compare`."""
        return consistency.compare(
            self.inputs, self.histories, self.folder, self.mine, since=since, last=last
        )

    def joined(self, label: str, out: Path, now: int, labels: Path | None) -> Joined:
        """The training set of what was served; see `dataset.write`."""
        return dataset.write(
            self.inputs, label, self.folder, out, now, mine=self.mine, labels=labels
        )


def record(project: Project, state: Path, more: Sequence[tuple[str, Path]] = ()) -> Record:
    """Find what belongs to a project's log.

    Args:
        project: the answers and `system.py`.
        state: the folder of the online state and the log.
        more: further files that the state was filled from: a source's name and a Parquet file.

    Raises:
        BuildError: there is no live build, answers or definitions have changed since, or the
            build whose history filled the state is gone.
    """
    build, inputs = live(project)
    mine = _builds(project, inputs.fingerprint())
    folder = state / LOG
    first = _first(folder, mine) or build.manifest.build
    origin = project.home / "builds" / first
    files = dict(zip((s.name for s in inputs.sources), history(origin, inputs), strict=True))
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        raise BuildError(
            f"{', '.join(missing)} is not there, and the state was filled from it: bring build "
            f"{first} back, or begin a new state and log with --state"
        )
    histories = {name: [file, *(p for n, p in more if n == name)] for name, file in files.items()}
    return Record(build, inputs, mine, folder, histories)


def label(project: Project) -> str:
    """The label that the model predicts."""
    return define(project).label


def _builds(project: Project, fingerprint: str) -> tuple[str, ...]:
    """The builds with these definitions, the oldest first."""
    found = []
    for file in sorted((project.home / "builds").glob(f"[!.]*/{MANIFEST}")):
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
        if manifest.features["fingerprint"] == fingerprint:
            found.append(manifest.build)
    return tuple(found)


def _first(folder: Path, mine: Sequence[str]) -> str | None:
    """The first of these builds that the log names: its history filled the state."""
    for segment in log.segments(folder):
        for part in segment.tables():
            for name in pc.unique(part.column("build").cast("string")).to_pylist():
                if name in mine:
                    return str(name)
    return None
