"""Files that are damaged, disks that are full: what is live stays, and what is said is true."""

import shutil
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from groundplan.errors import BuildError, EngineError, InputError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.lookups.opening import serve
from groundplan.patterns.batch.versions import intent, rolling_back
from groundplan.patterns.batch.versions.intent import Intent
from groundplan.project import Project
from groundplan.scores.embedded import EmbeddedScores
from groundplan.units import DAY
from patterns.batch.handmade import embedded, put, serving
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import name_of, opened, published, quiet, reader, scored

LIMITS = {"sample": 5, "drift": 5.0, "keys": 1.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 0 and 1, which is live; a run 2 to be published."""
    project = small(tmp_path_factory.mktemp("small"), customers=300)
    build(project, None, quiet)
    for number in range(3):
        scored(project, number, as_of=AS_OF - (2 - number) * 20 * DAY)
        if number < 2:
            assert opened(project.folder, number, **LIMITS).publish().passed
    return project.folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    """The same in a project of its own."""
    return Project(Path(shutil.copytree(made, tmp_path / "small", symlinks=True)))


def file_of(project: Project, number: int) -> Path:
    return project.home / "scores" / f"{name_of(number)}.scores"


def scribble(file: Path) -> None:
    """Change the middle of a file; its head and its record stay whole."""
    data = bytearray(file.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = bytes(byte ^ 0x55 for byte in data[third : 2 * third])
    file.unlink()  # those who have it mapped read on
    file.write_bytes(data)


def cut_short(file: Path) -> None:
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[: len(data) // 2])


def test_a_rollback_goes_to_a_whole_version(project: Project) -> None:
    """A file that was damaged meanwhile is written again from the archive: all keys answer."""
    scribble(file_of(project, 0))
    with pytest.raises(EngineError, match="checksum"):
        reader(project).verify(name_of(0))
    assert rolling_back.rollback(project).version == name_of(0)
    assert published(project) == opened(project.folder, 0).answers()


@pytest.mark.parametrize("spoil", [scribble, Path.unlink])
def test_a_rollback_does_not_publish_an_altered_archive(project: Project, spoil: Any) -> None:
    """Where both are damaged the version is out of reach, and what is live stays."""
    file_of(project, 0).unlink()
    spoil(Archive(project.home).parts(name_of(0))[1])
    with pytest.raises(BuildError, match=r"is not what was published: part-00001\.parquet"):
        rolling_back.rollback(project)
    assert published(project) == opened(project.folder, 1).answers()
    assert not (project.home / intent.FILE).exists()


def test_a_version_is_read_again_before_it_goes_live(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk did to the file since it was written is seen, and the live one stays."""
    load = EmbeddedScores.load

    def spoiled(self: EmbeddedScores, *arguments: object) -> None:
        load(self, *arguments)  # type: ignore[arg-type]
        scribble(file_of(project, 2))

    monkeypatch.setattr(EmbeddedScores, "load", spoiled)
    with pytest.raises(EngineError, match="checksum"):
        opened(project.folder, 2, **LIMITS).publish()
    assert published(project) == opened(project.folder, 1).answers()


def test_a_server_does_not_start_on_a_damaged_version(project: Project, tmp_path: Path) -> None:
    """It would answer for known keys as if nobody had scored them."""
    scribble(file_of(project, 1))
    with pytest.raises(EngineError, match="checksum"):
        serve(project, tmp_path / "state", quiet)


def test_a_publication_that_fails_leaves_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the error is told, and no version that was never live is kept or listed."""

    def full(*_: object) -> None:
        names = [each.name for each in rolling_back.listed(project)]
        assert names == [name_of(1), name_of(0)]  # and while it was under way
        raise EngineError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedScores, "load", full)
        with pytest.raises(EngineError, match="no space"):
            opened(project.folder, 2, **LIMITS).publish()
    assert Archive(project.home).names() == (name_of(0), name_of(1))
    assert not (project.home / intent.FILE).exists()
    assert published(project) == opened(project.folder, 1).answers()
    assert opened(project.folder, 2, **LIMITS).publish().passed


@pytest.mark.parametrize("to", [1, 2])
def test_a_cut_publication_and_a_damaged_file_are_got_out_of(project: Project, to: int) -> None:
    """Whichever version the pointer names, readable or not, the next publication goes through."""
    intent.begin(project.home, Intent("publish", name_of(to), name_of(0)))
    cut_short(file_of(project, 1))
    with intent.announcing(project, "testing", 1) as store:
        assert store.pointed() == name_of(1)
    assert Archive(project.home).names() == (name_of(0), name_of(1))
    assert opened(project.folder, 2, **LIMITS).publish().passed
    assert published(project) == opened(project.folder, 2).answers()


def test_what_is_live_is_never_dropped(project: Project) -> None:
    """Not by a cut that its own record tells of, though the file cannot be read."""
    cut_short(file_of(project, 1))
    with pytest.raises(InputError, match="is live"):
        reader(project).drop(name_of(1))


def test_versions_are_listed_though_the_live_one_is_damaged(tmp_path: Path) -> None:
    """With the name that the pointer has; those that can be read are there."""
    project = small(tmp_path / "small", 50).folder
    store = embedded(project)
    put(store, project, "v1", ["a"])
    put(store, project, "v2", ["a"])
    with serving(project, tmp_path / "state") as client:
        cut_short(project / ".groundplan" / "scores" / "v2.scores")
        told = client.get("/versions")
        assert told.status_code == 200
        assert told.json()["live"] == "v2"
        assert [one["name"] for one in told.json()["versions"]] == ["v1"]


def test_a_running_server_tells_of_damage(tmp_path: Path) -> None:
    """A version that it follows is read to its end once; its metrics and its log say so."""
    project = small(tmp_path / "small", 50).folder
    store = embedded(project)
    put(store, project, "v1", ["a"])
    with serving(project, tmp_path / "state") as client:
        put(store, project, "v2", [f"k{at:04d}" for at in range(2_000)], live=False)
        scribble(project / ".groundplan" / "scores" / "v2.scores")
        store.point("v2")
        until = time.monotonic() + 20
        while "groundplan_scores_fault 1.0" not in client.get("/metrics").text:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert client.get("/health/ready").json()["newest"] is False
    assert "ALARM" in (tmp_path / "state" / "said").read_text()


def test_a_running_server_outlives_a_damaged_version(tmp_path: Path) -> None:
    """Its live file, or the next one, is damaged: the last whole one answers, then the next."""
    project, keys = small(tmp_path / "small", 50).folder, [f"k{at:04d}" for at in range(2_000)]
    store = embedded(project)
    put(store, project, "v1", keys)

    def answers(client: httpx.Client) -> set[tuple[Any, ...]]:
        found = client.post("/scores", json={"keys": keys[::10]}).json()["answers"]
        return {(one["version"], one["fallback"]) for one in found}

    def until(client: httpx.Client, version: str, newest: bool, alarms: int) -> None:
        def found() -> tuple[str, bool, int]:
            ready = client.get("/health/ready").json()
            said = (tmp_path / "state" / "said").read_text()
            return ready["version"], ready["newest"], said.count("ALARM")

        end = time.monotonic() + 20
        while found() != (version, newest, alarms):
            assert time.monotonic() < end, found()
            time.sleep(0.1)

    with serving(project, tmp_path / "state") as client:
        assert answers(client) == {("v1", None)}
        for alarms, name in enumerate(("v1", "v2"), 1):
            if name == "v2":
                put(store, project, name, keys, live=False)
            scribble(project / ".groundplan" / "scores" / f"{name}.scores")
            store.point(name)
            until(client, "v1", newest=False, alarms=alarms)
            assert answers(client) == {("v1", None)}
        put(store, project, "v3", keys)
        until(client, "v3", newest=True, alarms=2)
        assert answers(client) == {("v3", None)}


def test_records_of_earlier_releases_are_read(project: Project) -> None:
    """What a record did not yet say is unknown: its order is that of its name."""
    file = project.home / "versions" / name_of(0) / "version.json"
    record = msgspec.json.decode(file.read_bytes())
    for name in ("segment", "cold", "serial"):
        del record[name]
    file.write_bytes(msgspec.json.encode(record))
    read = Archive(project.home).read(name_of(0))
    assert (read.segment, read.cold, read.order) == (None, None, (0, name_of(0)))
