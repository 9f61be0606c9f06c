"""Where a project's scores are published: a folder of its own, or the server that it names."""

from pathlib import Path

from groundplan.engines import table
from groundplan.project import Project
from groundplan.scores.store import ScoreStore

FOLDER = "scores"


def open_store(project: Project, home: Path | None = None) -> ScoreStore:
    """The store of published scores that the answers name, `[engines] scores`, else the embedded.

    Args:
        project: the answers.
        home: the folder whose `scores` holds the embedded store; that of the project by default.

    Raises:
        EngineError: nothing speaks to the engine that the answers name, or it cannot be reached.
    """
    answers = project.answers
    promised = answers.freshness.predictions
    url = answers.engines.get("scores")
    store: ScoreStore
    if url is not None:
        found = table.find("scores", url)
        store = found(url, system=answers.system.name, promised=promised)
        return store
    from groundplan.scores.embedded import EmbeddedScores

    store = EmbeddedScores((home or project.home) / FOLDER, promised=promised)
    return store
