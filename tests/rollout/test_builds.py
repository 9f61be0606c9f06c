"""Builds are whole or absent, never altered; channels move in one step."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from groundplan.errors import BuildError
from groundplan.plan import Plan, Retraining
from groundplan.rollout import builds, channels
from groundplan.rollout.builds import Build, Manifest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLAN = Plan("s", "g", "realtime", 1, 1, 0, (), (), Retraining("", (), ""), (), (), (), "none")


def fill(folder: Path, name: str) -> Manifest:
    (folder / "model.txt").write_text("weights")
    return Manifest(name, "s", "", "0", PLAN, {}, {}, {}, {}, {}, {})


def test_a_build_is_opened_as_it_was_written(tmp_path: Path) -> None:
    """The manifest names every file with its fingerprint, and the folder has its name."""
    made = builds.write(tmp_path, NOW, fill)
    assert made.folder.name == made.manifest.build == "20260102-030405-000"
    assert list(made.manifest.files) == ["model.txt"]
    assert Build(made.folder).manifest == made.manifest


def test_an_altered_file_is_noticed(tmp_path: Path) -> None:
    """A build never changes: one other byte and it is refused, with the next step."""
    made = builds.write(tmp_path, NOW, fill)
    (made.folder / "model.txt").write_text("weightz")
    with pytest.raises(BuildError, match=r"model.txt is missing or differs.*groundplan build"):
        Build(made.folder)


def test_a_failed_build_leaves_nothing_behind(tmp_path: Path) -> None:
    """Whatever goes wrong while files are written, no half a build is found afterwards."""

    def fail(folder: Path, name: str) -> Manifest:
        fill(folder, name)
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        builds.write(tmp_path, NOW, fail)
    assert list((tmp_path / "builds").iterdir()) == []


def test_a_channel_moves_from_build_to_build(tmp_path: Path) -> None:
    """Reading a channel gives the build that it was last pointed at."""
    first = builds.write(tmp_path, NOW, fill)
    second = builds.write(tmp_path, NOW + timedelta(seconds=1), fill)
    for build in (first, second, first):
        channels.point(tmp_path, channels.LIVE, build)
        assert channels.read(tmp_path, channels.LIVE).folder == build.folder
    assert [file.name for file in (tmp_path / "channels").iterdir()] == ["live"]


def test_a_channel_that_points_nowhere_names_the_next_step(tmp_path: Path) -> None:
    """Without a live build the error says how to get one."""
    with pytest.raises(BuildError, match="run `groundplan build` first"):
        channels.read(tmp_path, channels.LIVE)
