"""Between a build and its first request: open the state, fill it once, warm up."""

import os
import shutil
from pathlib import Path

from starlette.types import ASGIApp

from groundplan.errors import BuildError
from groundplan.features import EmbeddedStore, FeatureSet
from groundplan.patterns.realtime.definition import Report, define
from groundplan.patterns.realtime.scoring import Scorer
from groundplan.patterns.realtime.service import service
from groundplan.patterns.realtime.training import HISTORY
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.rollout.builds import Build
from groundplan.serving.log import Log


def serve(project: Project, home: Path, report: Report) -> tuple[ASGIApp, str]:
    """The application of a project's live build, and the build's name.

    Args:
        project: the answers and `system.py`.
        home: the folder of the online state and the prediction log.
        report: told the progress of filling the state, which happens once.

    Raises:
        BuildError: there is no live build, or answers or definitions have changed since.
    """
    build, inputs = live(project)
    store = _state(build, inputs, home / "state", report)
    scorer = Scorer(build, inputs, store, Log(home / "log"))
    return service(scorer), build.manifest.build


def live(project: Project) -> tuple[Build, FeatureSet]:
    """The live build of a project and its definitions, which agree with each other.

    Raises:
        BuildError: there is no live build, or answers or definitions have changed since.
    """
    build = channels.read(project.home, channels.LIVE)
    if draw(project.answers) != build.manifest.plan:
        raise BuildError(
            f"the answers in {project.file} decide another plan than the one that the live build "
            f"{build.manifest.build} serves by: run `groundplan build` again"
        )
    inputs = define(project).inputs
    if inputs.fingerprint() != build.manifest.features["fingerprint"]:
        raise BuildError(
            f"system.py defines other features than the live build {build.manifest.build} was "
            "trained with: run `groundplan build` again"
        )
    return build, inputs


def _state(build: Build, inputs: FeatureSet, folder: Path, report: Report) -> EmbeddedStore:
    """The online state of these definitions; a new one is filled from the build's history.

    Filled beside its place and renamed into it, so that a killed start begins anew.
    """
    place = folder / inputs.fingerprint()[:16]
    if not place.exists():
        hidden = folder / f".{place.name}.{os.getpid()}"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
        store = EmbeddedStore(hidden, inputs)
        store.ingest(
            build.folder / HISTORY, lambda done, total: report("fill the state", done, total)
        )
        store.close()
        hidden.rename(place)
    return EmbeddedStore(place, inputs)
