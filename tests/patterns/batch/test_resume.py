"""Which run a `score` goes on with: one that was asked for the same, and is still of use."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from groundplan.errors import GroundplanError
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.runs import run as runs
from groundplan.patterns.batch.runs.running import Outcome, score
from groundplan.project import Project
from groundplan.units import HOUR
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import reader


def quiet(step: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with a live build."""
    folder = tmp_path_factory.mktemp("built") / "small"
    build(small(folder, customers=300), None, quiet)
    return folder


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Project:
    """A copy of it for each test."""
    return Project(shutil.copytree(built, tmp_path / "small", symlinks=True))


def again(project: Project, **asked: Any) -> Outcome:
    """A `score` as another process begins it; as of now nobody has any charges, which may be."""
    return score(Project(project.folder), report=quiet, allow=("ranges",), **asked)


def cut(project: Project, **asked: Any) -> Path:
    """A run that was killed when all its partitions were done; its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("groundplan.patterns.batch.runs.running._Work.finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            again(project, **asked)
    (folder,) = (project.home / "runs").iterdir()
    return folder


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_run_that_became_a_version_is_not_gone_on_with(project: Project) -> None:
    """Where something failed after its publication, the next `score` publishes a new version."""
    with pytest.raises((GroundplanError, OSError)):
        again(project, at=AS_OF, out=project.folder / "nowhere" / "at all" / "x.parquet")
    first = reader(project).current().version.name
    assert (project.home / "runs" / first).is_dir()
    found = again(project, at=AS_OF)
    assert found.published is not None
    assert (found.published.previous, found.done) == (first, 0)
    assert reader(project).current().version.name == found.run.name != first
    assert not list((project.home / "runs").iterdir())


def test_what_was_cut_is_gone_on_with(project: Project) -> None:
    """The same question again, soon: the partitions that are done stay done."""
    folder = cut(project)
    found = again(project)
    assert (found.run.name, found.done) == (folder.name, 1)


def test_what_a_cut_partition_left_is_not_kept_for_the_next_delta(project: Project) -> None:
    """Its draft would lie beside the features for as long as the version is the last one."""
    folder = cut(project, at=AS_OF)
    (folder / "features" / ".part-00000.f64.1").write_bytes(b"half of it")
    found = again(project, at=AS_OF)
    assert (found.run.name, found.passed) == (folder.name, True)
    inputs = project.home / "inputs" / found.run.name
    assert [each.name for each in (inputs / "features").iterdir()] == ["part-00000.f64"]


def renamed(project: Project, old: str, new: str) -> None:
    file = project.folder / "system.py"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


CHANGES: dict[str, Callable[[Project], None]] = {
    "segment": lambda project: renamed(project, 'segment = "contract"', 'segment = "sex"'),
    "reasons": lambda project: renamed(project, "Reasons(top=3", "Reasons(top=2"),
    "population": lambda project: renamed(project, "Today's customers", "Those of today"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_system_py_said_then_is_not_gone_on_with(project: Project, change: str) -> None:
    """After an edit all is read and scored again, so that the version is of one definition."""
    folder = cut(project, at=AS_OF)
    CHANGES[change](project)
    found = again(project, at=AS_OF)
    assert found.run.name != folder.name
    assert found.done == 0
    if change == "segment":
        assert set(reader(project).current().version.segments) == {"f", "m"}


def test_what_was_not_to_be_published_is_not_published_later(project: Project) -> None:
    """A run with `--no-publish` is of its own moment; a `score` after it reads anew."""
    kept = again(project, publish=False)
    found = again(project)
    assert found.run.name != kept.run.name
    assert found.done == 0


@pytest.mark.parametrize(("hours", "on"), [(11, True), (13, False), (-1, False)])
def test_a_run_is_gone_on_with_for_half_of_the_promise(
    project: Project, hours: int, on: bool
) -> None:
    """A version of it would be stale soon after; and one of a time to come has no age."""
    folder = cut(project)
    run = runs.load(folder)
    assert run is not None
    runs.save(msgspec.structs.replace(run, as_of=run.as_of - hours * HOUR), folder)
    assert (again(project).run.name == folder.name) == on
