import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from groundplan.cli.rollback import rollback as command
from groundplan.errors import BuildError, InputError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.versions import intent, rolling_back
from groundplan.patterns.batch.versions.intent import Intent
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.units import DAY
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import Scored, name_of, opened, published, quiet, reader, scored

LIMITS = {"sample": 5, "drift": 5.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 0 and 1 of one build, 2 of another, which is live; a run 3 to be published."""
    project = small(tmp_path_factory.mktemp("small"), customers=300)
    for number in range(4):
        if number in (0, 2):
            build(project, None, quiet)
        scored(project, number, as_of=AS_OF - (3 - number) * 20 * DAY)
        if number < 3:
            assert opened(project.folder, number, **LIMITS).publish().passed
    return project.folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same in a project of its own."""
    shutil.copytree(made, tmp_path / "small", symlinks=True)
    return tmp_path / "small"


def run(folder: Path, number: int) -> Scored:
    return opened(folder, number, **LIMITS)


def next_build(folder: Path) -> str | None:
    return channels.name(Project(folder).home, channels.LIVE)


def test_a_rollback_moves_scores_and_model(folder: Path) -> None:
    """The version before is live, every key has its answer, and its build scores next."""
    project = Project(folder)
    moved = rolling_back.rollback(project)
    assert (moved.version, moved.before) == (name_of(1), name_of(2))
    assert (moved.build, moved.build_before) == (run(folder, 1).run.build, run(folder, 2).run.build)
    assert moved.build != moved.build_before
    assert moved.swapped_us > 0
    assert published(project) == run(folder, 1).answers() != run(folder, 2).answers()
    assert next_build(folder) == moved.build
    assert not (project.home / intent.FILE).exists()


def test_versions_that_were_left_are_passed_over(folder: Path) -> None:
    """After a rollback and a new version, a rollback does not come upon the bad one again."""
    project = Project(folder)
    rolling_back.rollback(project)
    new = scored(project, 4)
    assert new.run.build == run(folder, 1).run.build
    assert opened(folder, 4, **LIMITS).publish().passed
    assert Archive(project.home).has(name_of(2))
    assert rolling_back.rollback(project).version == name_of(1)
    assert rolling_back.rollback(project).version == name_of(0)
    with pytest.raises(InputError, match="nothing to go back to"):
        rolling_back.rollback(project)
    moved = rolling_back.rollback(project, name_of(2))  # by its name it can be reached
    assert moved.version == name_of(2)
    assert next_build(folder) == run(folder, 2).run.build
    assert not Archive(project.home).withdrawn(name_of(2))
    assert rolling_back.rollback(project).version == name_of(0)


def test_what_cannot_be_reached_is_refused(folder: Path) -> None:
    """No version, an unknown one, the live one, or one whose build was altered: nothing moves."""
    project = Project(folder)
    with pytest.raises(InputError, match=f"did you mean {name_of(2)}|did you mean {name_of(1)}"):
        rolling_back.rollback(project, "20260701-030000-01")
    with pytest.raises(InputError, match="is live already"):
        rolling_back.rollback(project, name_of(2))
    old = project.home / "builds" / run(folder, 1).run.build
    (old / "model.json").write_text("{}")
    with pytest.raises(BuildError, match="differs from its fingerprint"):
        rolling_back.rollback(project)
    assert reader(project).current().version.name == name_of(2)
    assert next_build(folder) == run(folder, 2).run.build
    shutil.rmtree(project.home / "scores")
    with pytest.raises(InputError, match="nothing is published"):
        rolling_back.rollback(project)


def test_another_store_is_filled_from_the_archive(folder: Path) -> None:
    """A version that the store does not have, since it is a new one, is loaded on the way."""
    project = Project(folder)
    (project.home / "scores" / f"{name_of(0)}.scores").unlink()
    assert rolling_back.rollback(project, name_of(0)).version == name_of(0)
    assert published(project) == run(folder, 0).answers()


@pytest.mark.parametrize("done", ["nothing", "scores", "both"])
def test_a_cut_between_the_pointers_is_completed(folder: Path, done: str) -> None:
    """Whichever of the two had moved, the next command moves the rest."""
    project = Project(folder)
    old, new = run(folder, 1).run.build, run(folder, 2).run.build
    intent.begin(project.home, Intent("rollback", name_of(1), name_of(2), old, new))
    if done != "nothing":
        reader(project).point(name_of(1))
    if done == "both":
        channels.prepare(project.home, channels.LIVE, old)()
    intent.recover(project)
    assert reader(project).current().version.name == name_of(1)
    assert next_build(folder) == old
    assert Archive(project.home).withdrawn(name_of(2))
    assert not (project.home / intent.FILE).exists()


def test_a_build_that_came_after_a_cut_stays(folder: Path) -> None:
    """Whoever built after the cut had the last word on what scores next."""
    project = Project(folder)
    old, new = run(folder, 1).run.build, run(folder, 2).run.build
    intent.begin(project.home, Intent("rollback", name_of(1), name_of(2), old, new))
    latest = build(project, None, quiet)
    intent.recover(project)
    assert reader(project).current().version.name == name_of(1)
    assert next_build(folder) == latest.folder.name


def test_the_command_moves_and_tells(folder: Path) -> None:
    """It says which version is live, which build scores next and what the move took."""
    result = CliRunner().invoke(command, [str(folder), "--list"])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines() if "2026" in line]
    assert [line[0] for line in lines] == [name_of(2), name_of(1), name_of(0)]
    assert [line[-1] == "live" for line in lines] == [True, False, False]
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 0, result.output
    assert f"{name_of(1)} is live again" in result.output
    assert f"build {run(folder, 1).run.build} scores next" in result.output
    assert "the pointers moved in" in result.output
    result = CliRunner().invoke(command, [str(folder), "--list", "--json"])
    found = {each["name"]: each for each in msgspec.json.decode(result.output)}
    assert found[name_of(1)]["live"]
    assert found[name_of(2)]["withdrawn"]
    result = CliRunner().invoke(command, [str(folder), "--to", name_of(2), "--json"])
    assert msgspec.json.decode(result.output)["version"] == name_of(2)


def test_versions_are_listed_as_they_are(folder: Path) -> None:
    """Rows, build, mean score and age of each, the newest first."""
    found = rolling_back.listed(Project(folder))
    assert [each.rows for each in found] == [300] * 3
    assert [each.build for each in found] == [run(folder, n).run.build for n in (2, 1, 0)]
    for each, number in zip(found, (2, 1, 0), strict=True):
        scores = [score for score, _ in run(folder, number).answers().values()]
        assert each.mean == pytest.approx(sum(scores) / 300)
        assert each.age > 0
