"""What was live when a run began, so that a rollback meanwhile is not undone by its scores."""

from contextlib import closing

from msgspec import Struct

from groundplan.errors import BuildError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.runs.run import Run
from groundplan.patterns.batch.stores import open_store
from groundplan.patterns.batch.versions.retention import complete
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.scores.store import ScoreStore


class Standing(Struct, frozen=True):
    """The versions of a moment.

    Args:
        live: the name of the live one; None before the first.
        names: of all complete ones.
    """

    live: str | None
    names: tuple[str, ...]


def standing(project: Project) -> Standing:
    """The versions as they stand now.

    Raises:
        EngineError: the store cannot be read.
    """
    with closing(open_store(project)) as store:
        return Standing(store.pointed(), complete(Archive(project.home), store))


def check(project: Project, store: ScoreStore, run: Run, began: Standing) -> None:
    """Refuse to publish over a rollback that the process which scored has not seen.

    Whoever rolls back wants other scores than those that are live, or that come next, and looks
    at what that did. That holds between two versions of one build as well: the rows may be what
    is wrong. A version that others published meanwhile, or another build, hinders nobody: those
    went forward, and so does this run. No clock is asked, and no mark: a version that is live
    now, was there when the run began, and was not live then, is one that somebody went to.

    Args:
        project: the answers.
        store: its store, under the lock of a publication.
        run: what was run.
        began: what stood before it was asked which build scores.

    Raises:
        BuildError: somebody rolled back.
    """
    live = store.pointed()
    if live is None or live == began.live or live not in began.names:
        return
    build = channels.name(project.home, channels.LIVE)
    again = "publishes them" if build == run.build else f"scores with the build {build}"
    raise BuildError(
        f"somebody rolled back from version {began.live} to {live} while the run {run.name} was on "
        f"its way with the build {run.build}: its scores are not published; `groundplan score` "
        f"once more {again}"
    )
