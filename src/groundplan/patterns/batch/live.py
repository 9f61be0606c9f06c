"""The build that scores next, and the definitions that it was made with."""

from groundplan.errors import BuildError
from groundplan.features import FeatureSet
from groundplan.models.bands import Cuts
from groundplan.patterns.batch.definition import define
from groundplan.plan import Plan
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.rollout.builds import Build


def live(project: Project) -> tuple[Build, FeatureSet]:
    """The live build of a project and its definitions, which agree with each other.

    Raises:
        BuildError: there is no live build, or answers or definitions have changed since.
    """
    build = channels.read(project.home, channels.LIVE)
    return build, agreeing(project, build)


def agreeing(project: Project, build: Build) -> FeatureSet:
    """The project's features as a build learned their categories.

    Engines, budgets and promises may change between two runs: a build holds a model and its
    reasons, and no more of the plan.

    Raises:
        BuildError: answers or definitions have changed since the build.
    """
    if _made_of(build.manifest.planned(project.answers)) != _made_of(build.manifest.plan):
        raise BuildError(
            f"the answers in {project.file} decide another architecture than the one that the "
            f"build {build.manifest.build} was made for: run `groundplan build` again"
        )
    kept = build.manifest.features
    inputs = define(project).inputs.fitted(kept["categories"])
    if inputs.fingerprint() != kept["fingerprint"]:
        raise BuildError(
            f"system.py defines other features than the build {build.manifest.build} was "
            "trained with: run `groundplan build` again"
        )
    return inputs


def _made_of(plan: Plan) -> tuple[str, tuple[str, ...]]:
    """What of a plan a build depends on."""
    return plan.pattern, tuple(stage.name for stage in plan.offline)


def cuts(build: Build) -> Cuts:
    """The decisions of a build, with the scores above which they hold."""
    above = build.manifest.thresholds
    return Cuts((build.manifest.model["default"], *above), tuple(above.values()))
