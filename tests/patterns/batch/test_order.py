"""Versions stand as they were published, whatever the clock said when they were."""

import shutil
import time
from pathlib import Path

import msgspec
import pytest

from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.lookups.lookup import Scores
from groundplan.patterns.batch.versions import rolling_back
from groundplan.project import Project
from groundplan.units import DAY, HOUR
from patterns.batch.handmade import embedded, put
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import name_of, opened, published, quiet, scored

LIMITS = {"sample": 5, "drift": 5.0, "keys": 1.0, "keep": 2, "nulls": 1.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs 0 to 4, to be published in any order: that is what a wrong clock does."""
    project = small(tmp_path_factory.mktemp("projects") / "small", customers=100)
    build(project, None, quiet)
    for number in range(5):
        scored(project, number, partitions=1, as_of=AS_OF - (4 - number) * 20 * DAY)
    return project.folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """The same in a project of its own."""
    return Project(Path(shutil.copytree(made, tmp_path / "small", symlinks=True)))


def test_a_rollback_goes_to_what_was_published_before(project: Project) -> None:
    """And not by name; what is left is withdrawn, and what is gone forward from is not."""
    for number in (4, 1, 3):
        assert opened(project.folder, number, **(LIMITS | {"keep": 5})).publish().passed
    assert [each.name for each in rolling_back.listed(project)] == [
        *(name_of(3), name_of(1), name_of(4))
    ]
    assert rolling_back.rollback(project).version == name_of(1)
    assert Archive(project.home).withdrawn(name_of(3))
    assert rolling_back.rollback(project).version == name_of(4)
    assert Archive(project.home).withdrawn(name_of(1))
    assert rolling_back.rollback(project, name_of(3)).version == name_of(3)
    assert not Archive(project.home).withdrawn(name_of(4))
    assert published(project) == opened(project.folder, 3).answers()


def test_the_latest_published_stay(project: Project) -> None:
    """Of versions whose names go backwards, the newest are those that came last."""
    for number in (4, 3, 2, 1):
        assert opened(project.folder, number, **LIMITS).publish().passed
    assert Archive(project.home).names() == (name_of(1), name_of(2))


def test_records_without_an_order_stand_by_their_names(project: Project) -> None:
    """Versions of an earlier release come before all that follow."""
    for number in (0, 1):
        assert opened(project.folder, number, **(LIMITS | {"keep": 5})).publish().passed
    scores = embedded(project.folder)
    for version in scores.versions():
        old = msgspec.structs.replace(version, serial=0)
        file = project.home / "versions" / version.name / "version.json"
        file.write_bytes(msgspec.json.encode(old))
        scores.load(old, Archive(project.home).parts(version.name))
    assert opened(project.folder, 2, **(LIMITS | {"keep": 5})).publish().version.serial == 1
    assert rolling_back.rollback(project).version == name_of(1)
    assert rolling_back.rollback(project).version == name_of(0)


def test_no_age_is_below_zero(tmp_path: Path) -> None:
    """A version of a moment that is yet to come is new, not newer than that."""
    project = small(tmp_path / "small", 50)
    put(embedded(project.folder), project.folder, "v1", ["a"], age_us=-5 * HOUR)
    with Scores.open(project) as scores:
        assert scores.get("a").age == scores.age == 0.0
        assert scores.version.as_of > time.time_ns() // 1_000
    assert [each.age for each in rolling_back.listed(project)] == [0]
