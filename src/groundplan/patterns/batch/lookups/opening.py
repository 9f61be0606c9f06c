"""From a project to a server of its published scores."""

from pathlib import Path

from groundplan.errors import BuildError, EngineError
from groundplan.patterns.batch.definition import Report, define
from groundplan.patterns.batch.lookups.answering import Answering
from groundplan.patterns.batch.lookups.following import Following
from groundplan.patterns.batch.lookups.service import service
from groundplan.patterns.batch.stores import open_store
from groundplan.patterns.breaker import guard
from groundplan.plan import draw
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.scores.embedded import EmbeddedScores
from groundplan.serving.http import Application
from groundplan.serving.log import EVERYTHING, Log, Retention
from groundplan.serving.metrics import Metrics


def serve(
    project: Project,
    home: Path,
    report: Report,
    space: str = "",
    retention: Retention = EVERYTHING,
) -> tuple[Application, str]:
    """The application of a project's published scores, and the name of their build.

    What is promised is what the answers say now. Scores that were published before answers or
    definitions changed are served all the same: they need neither.

    Args:
        project: the answers and `system.py`.
        home: the folder of the prediction log; the scores are those of the project.
        report: told the progress; there is little to do.
        space: for a rehearsal; lookups leave nothing behind but the log, so nothing is kept apart.
        retention: how much of the prediction log is kept.

    Raises:
        BuildError: there is neither a published version nor a build that could score one.
        EngineError: the engine that the answers name cannot be reached, or the live version is
            damaged: many of its keys would be answered as if they had not been scored.
    """
    report("open the scores", 0, 1)
    definition, plan = define(project), draw(project.answers)
    metrics = Metrics(plan)
    store = open_store(project)
    remote = not isinstance(store, EmbeddedScores)
    answering = Answering(
        plan,
        store,
        Log(home / "log", retention=retention),
        definition.segment,
        guard("lookup", plan, metrics) if remote else None,
    )
    following = Following(project, definition, answering, metrics)
    following.look()
    if following.damage():
        answering.log.close()
        store.close()
        raise EngineError(following.damage())
    report("open the scores", 1, 1)
    return service(plan, answering, following, metrics, project.home / "builds"), _build(
        project, answering
    )


def _build(project: Project, answering: Answering) -> str:
    """The build that scored what is served, or the one that will."""
    if answering.last is not None:
        return answering.last.version.build
    try:
        return channels.read(project.home, channels.LIVE).manifest.build
    except BuildError:
        answering.log.close()
        answering.store.close()
        raise
