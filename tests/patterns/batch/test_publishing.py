import os
import shutil
import time
from contextlib import closing
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import servers
from groundplan.errors import BuildError, EngineError, InputError
from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.live import cuts
from groundplan.patterns.batch.stores import open_store
from groundplan.patterns.batch.versions import rolling_back
from groundplan.patterns.batch.versions.intent import LOCK
from groundplan.patterns.batch.versions.turn import turn
from groundplan.project import Project
from groundplan.units import DAY
from patterns.batch import announcing
from patterns.batch.projects import ANSWERS, AS_OF, small
from patterns.batch.scored import Scored, name_of, opened, published, quiet, reader, scored

LIMITS = {"sample": 5, "drift": 5.0}
"""The runs differ, as they are of different moments."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Scored]:
    """Four runs as of different moments, none published, so that each has scores of its own."""
    project = small(tmp_path_factory.mktemp("small"), customers=400)
    build(project, None, quiet)
    moments = [AS_OF - (3 - at) * 20 * DAY for at in range(4)]
    return [scored(project, at, as_of=moment) for at, moment in enumerate(moments)]


@pytest.fixture
def runs(made: list[Scored], tmp_path: Path) -> list[Scored]:
    """The same in a project of their own."""
    folder = tmp_path / "small"
    shutil.copytree(made[0].project.folder, folder)
    return [opened(folder, number, **LIMITS) for number in range(len(made))]


def hidden(home: Path) -> list[Path]:
    """What no complete version explains: temporary files, and the note of what is under way."""
    left = [p for place in ("versions", "scores") for p in (home / place).glob(".*")]
    return [*left, *home.glob("announcing*"), *home.glob(".announcing*")]


def test_a_version_tells_what_it_is(runs: list[Scored]) -> None:
    """The record has the averages of all rows and of each segment, as a loop finds them."""
    run = runs[0]
    result = run.publish()
    assert result.passed
    assert result.previous is None
    assert result.swapped_us is not None
    version = result.version
    assert version == Archive(run.project.home).read(run.run.name)
    rows = pq.read_table(run.folder / "out").to_pylist()
    assert version.rows == version.overall.rows == len(rows) == 400
    assert version.overall.score == pytest.approx(np.mean([row["score"] for row in rows]))
    assert set(version.segments) == {"month", "one year", "two years"}
    for segment, average in version.segments.items():
        own = [row["score"] for row in rows if row["segment"] == segment]
        assert average.rows == len(own)
        assert average.score == pytest.approx(np.mean(own))
        decision = cuts(run.build).decide(np.array([average.score]))[0]
        assert average.decision == version.decisions[decision]
    assert sum(version.figures["histogram"]) == 400
    assert sum(version.figures["decisions"].values()) == pytest.approx(1.0)
    assert len(version.sha256) == 2
    assert [check.passed for check in version.checks] == [True] * 11
    assert (version.as_of, version.build, version.data) == (
        run.run.as_of,
        run.run.build,
        run.run.data,
    )
    assert not hidden(run.project.home)


def test_readers_get_what_the_parts_have(runs: list[Scored]) -> None:
    """Every key is answered with score and decision of the last version that was announced."""
    for run in runs[:2]:
        run.publish()
        assert published(run.project) == run.answers()
    assert runs[0].answers() != runs[1].answers()


def test_a_refused_version_is_put_aside(runs: list[Scored]) -> None:
    """A failed check announces nothing: the old version serves on, the new one can be looked at."""
    runs[0].publish()
    refused = runs[1].limited(rows=0.0, drift=0.0, keys=0.0, coverage=2.0)
    result = refused.publish()
    assert not result.passed
    assert result.previous == runs[0].run.name
    assert result.swapped_us is None
    assert [check.name for check in result.checks if not check.passed] == ["coverage"]
    assert published(runs[0].project) == runs[0].answers()
    home = runs[0].project.home
    assert Archive(home).names() == (runs[0].run.name,)
    assert result.refused == home / "versions" / f".refused-{runs[1].run.name}"
    assert result.refused is not None
    assert {each.name for each in result.refused.iterdir()} == {
        *("version.json", "distributions.json", "part-00000.parquet", "part-00001.parquet")
    }
    for run in runs[2:]:
        run.limited(coverage=2.0).publish()
    assert len(list((home / "versions").glob(".refused-*"))) == 2  # the latest are kept
    assert runs[1].publish().passed


def test_a_person_may_overrule_a_limit(runs: list[Scored]) -> None:
    """An allowed check fails and the version goes live, which says so; errors are not allowed."""
    strict = runs[0].limited(coverage=2.0)
    with pytest.raises(InputError, match="'sample' cannot be allowed to fail"):
        strict.publish(allow=("sample",))
    assert not strict.publish(allow=("drift",)).passed
    result = strict.publish(allow=("drift", "coverage"))
    assert result.passed
    assert result.allowed == ("coverage",)
    check = {
        each.name: each for each in Archive(runs[0].project.home).read(result.version.name).checks
    }
    assert not check["coverage"].passed


def test_the_newest_versions_are_kept(runs: list[Scored]) -> None:
    """So many as asked for stay, in the archive and in the store; the others leave no file."""
    for run in runs:
        run.limited(keep=2).publish()
    names = tuple(run.run.name for run in runs[2:])
    home = runs[0].project.home
    assert Archive(home).names() == names
    assert tuple(version.name for version in reader(runs[0].project).versions()) == names
    assert sorted(each.name for each in (home / "versions").iterdir()) == list(names)
    assert not hidden(home)


def test_what_is_live_already_is_done(runs: list[Scored]) -> None:
    """A run that was cut after the pointer had moved is not published a second time."""
    first = runs[0].publish()
    again = runs[0].publish()
    assert again.passed
    assert again.version == first.version
    assert again.swapped_us is None


def test_a_run_of_another_build_is_refused(runs: list[Scored]) -> None:
    """The build that is checked is the one that scored."""
    other = build(runs[0].project, None, quiet)
    with pytest.raises(BuildError, match="score again"):
        Scored(**{**vars(runs[0]), "build": other}).publish()


def test_a_store_that_fails_leaves_the_old_version(runs: list[Scored]) -> None:
    """A full disk, say, is an error; the old version stays, and the next publication succeeds."""
    runs[0].publish()
    home = runs[0].project.home
    os.rename(home / "scores", home / "elsewhere")
    (home / "scores").write_text("no folder")
    with pytest.raises(EngineError):
        runs[1].publish()
    (home / "scores").unlink()
    os.rename(home / "elsewhere", home / "scores")
    assert published(runs[0].project) == runs[0].answers()
    assert runs[1].publish().passed
    assert published(runs[0].project) == runs[1].answers()
    assert not hidden(home)


def test_a_damaged_live_file_stops_nobody_from_publishing(runs: list[Scored]) -> None:
    """The next version is compared with the archive of the damaged one, and goes live."""
    runs[0].publish()
    file = runs[0].project.home / "scores" / f"{runs[0].run.name}.scores"
    file.write_bytes(file.read_bytes()[:100])
    result = runs[1].publish()
    assert result.passed
    assert result.previous == runs[0].run.name
    assert published(runs[0].project) == runs[1].answers()


def test_who_waits_too_long_is_told_for_whom(runs: list[Scored]) -> None:
    """A publication that is under way is named by its process and what it does."""
    lock = runs[0].project.home / LOCK
    with (
        turn(lock, "publishing another", 1.0),
        pytest.raises(EngineError, match=f"process {os.getpid()}, publishing another"),
    ):
        runs[0].publish(wait=0.05)
    assert runs[0].publish(wait=0.05).passed


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that start quickly, since their server has imported what they need."""
    return announcing.context()


def test_concurrent_publications_take_turns(
    runs: list[Scored], processes: ForkServerContext
) -> None:
    """Three at once: all become versions, one after the other; no reader sees a mix or nothing."""
    folder = runs[0].project.folder
    runs[0].publish()
    expected = {
        run.run.name: {key: score for key, (score, _) in run.answers().items()} for run in runs
    }
    stop, found = processes.Event(), processes.Queue()
    readers = [
        processes.Process(target=announcing.read, args=(folder, expected, stop, found))
        for _ in range(2)
    ]
    writers = [
        processes.Process(target=announcing.publish, args=(folder, number, LIMITS))
        for number in (1, 2, 3)
    ]
    for each in (*readers, *writers):
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    time.sleep(0.05)
    stop.set()
    counted = [found.get(timeout=30) for _ in readers]
    for each in readers:
        each.join(30)
    home = runs[0].project.home
    assert Archive(home).names() == tuple(run.run.name for run in runs)
    assert not hidden(home)
    last = reader(runs[0].project).current().version.name
    assert last != runs[0].run.name
    for reads, wrong, seen in counted:
        assert reads > 0
        assert wrong == 0
        assert seen
    assert published(runs[0].project) == {run.run.name: run for run in runs}[last].answers()


def test_a_server_holds_the_versions_as_well(tmp_path: Path) -> None:
    """With `[engines] scores`, versions go live there, are kept and rolled back alike."""
    with servers.valkey(tmp_path / "v") as valkey:
        project = small(tmp_path / "small", customers=300)
        project.file.write_text(f'{ANSWERS}\n[engines]\nscores = "{valkey.url}"\n')
        project = Project(project.folder)
        build(project, None, quiet)
        for number in range(3):
            scored(project, number, as_of=AS_OF - (3 - number) * 20 * DAY)
            assert opened(project.folder, number, **LIMITS, keep=2).publish().passed
        with closing(open_store(project)) as store:
            names = [version.name for version in store.versions()]
            assert names == list(Archive(project.home).names()) == [name_of(1), name_of(2)]
            for number in (2, 1):
                answers = opened(project.folder, number).answers()
                store.current()
                for key, one in zip(answers, store.get_many(list(answers)), strict=True):
                    assert one is not None
                    assert (one.version, one.score) == (name_of(number), answers[key][0])
                if number == 2:
                    assert rolling_back.rollback(project).version == name_of(1)
                    time.sleep(0.06)  # a handle looks for the pointer so often
        assert not (project.home / "scores").exists()
