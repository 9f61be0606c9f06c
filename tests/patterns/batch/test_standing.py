"""A rollback while a run is on its way: what the run scored does not go live unseen."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from groundplan.errors import BuildError
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.runs.running import Outcome, score
from groundplan.patterns.batch.versions import rolling_back
from groundplan.patterns.batch.versions.standing import standing
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.units import DAY
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import name_of, opened, quiet, reader, scored

LIMITS = {"sample": 5, "drift": 5.0, "keys": 1.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 0 of a build, 1 and 2 of another, which is live."""
    project = small(tmp_path_factory.mktemp("small"), customers=300)
    system = project.folder / "system.py"
    limits = "from groundplan import Publication\npublication = Publication(drift=5.0, sample=5)\n"
    system.write_text(system.read_text() + limits)
    for number in range(3):
        if number < 2:
            build(project, None, quiet)
        scored(project, number, as_of=AS_OF - (3 - number) * 20 * DAY)
        assert opened(project.folder, number, **LIMITS).publish().passed
        shutil.rmtree(project.home / "runs")
    return project.folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """The same in a project of its own."""
    return Project(Path(shutil.copytree(made, tmp_path / "small", symlinks=True)))


def run(project: Project, meanwhile: Callable[[], object] | None = None) -> Outcome:
    """A `score`, and what somebody else does when its first rows are scored."""
    did: list[str] = []

    def report(step: str, done: int, total: int) -> None:
        if meanwhile is not None and step == "score" and not did:
            did.append(step)
            meanwhile()

    found = score(Project(project.folder), report=report, at=AS_OF)
    assert bool(did) == (meanwhile is not None)
    return found


def live(project: Project) -> str:
    return reader(project).current().version.name


def test_a_rollback_between_builds_is_not_undone(project: Project) -> None:
    """The run of the build that was left is refused; the next one is of the build gone back to."""
    with pytest.raises(BuildError, match=f"from version {name_of(2)} to {name_of(0)} while"):
        run(project, lambda: rolling_back.rollback(project, name_of(0)))
    assert live(project) == name_of(0)
    again = run(project)
    assert again.passed
    assert again.run.build == channels.name(project.home, channels.LIVE)
    assert again.run.build == reader(project).current().version.build


def test_a_rollback_within_a_build_is_not_undone(project: Project) -> None:
    """Whoever went back sees it; a `score` after it goes on with what is done, and publishes."""
    with pytest.raises(BuildError, match="once more publishes them"):
        run(project, lambda: rolling_back.rollback(project))
    assert live(project) == name_of(1)
    again = run(project)
    assert again.passed
    assert again.done == again.run.partitions
    assert live(project) == again.run.name


def test_to_go_forward_by_name_is_a_rollback_too(project: Project) -> None:
    """Somebody chose the version, whichever way it lay."""
    rolling_back.rollback(project)
    with pytest.raises(BuildError, match=f"from version {name_of(1)} to {name_of(2)}"):
        run(project, lambda: rolling_back.rollback(project, name_of(2)))
    assert live(project) == name_of(2)


def test_another_build_meanwhile_hinders_nobody(project: Project) -> None:
    """A run is published with the build that it began with; the new one scores next."""
    before = channels.name(project.home, channels.LIVE)
    found = run(project, lambda: build(project, None, quiet))
    assert found.passed
    assert found.run.build == before != channels.name(project.home, channels.LIVE)


def test_what_others_published_meanwhile_hinders_nobody(project: Project) -> None:
    """A version that was not there when the run began is no goal of a rollback."""
    began = standing(project)
    scored(project, 3, as_of=AS_OF - DAY)
    scored(project, 4, as_of=AS_OF)
    assert opened(project.folder, 3, **LIMITS).publish().passed
    assert opened(project.folder, 4, **LIMITS).publish(began=began).passed
    assert live(project) == name_of(4)
