import shutil
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from groundplan.patterns.batch.archive import Archive
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.versions import intent
from groundplan.project import Project
from groundplan.rollout import channels
from groundplan.units import DAY
from patterns.batch import announcing
from patterns.batch.projects import AS_OF, small
from patterns.batch.scored import name_of, opened, published, quiet, reader, scored

LIMITS = {"sample": 0, "drift": 5.0, "keep": 2}


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return announcing.context()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions 0 and 1, each of its own build, 1 live; a run 2 to be published, which lets 0 go."""
    project = small(tmp_path_factory.mktemp("small"), customers=200)
    for number in range(3):
        if number < 2:
            build(project, None, quiet)
        scored(project, number, rows=slice(0, 60), as_of=AS_OF - (3 - number) * 20 * DAY)
        if number < 2:
            assert opened(project.folder, number, **LIMITS).publish().passed
    return project.folder


def cut(processes: ForkServerContext, target: Any, *arguments: Any) -> int | None:
    """The exit code of a process."""
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def hidden(home: Path) -> list[Path]:
    """What no complete version explains: temporary files, and the note of what is under way."""
    left = [p for place in ("versions", "scores") for p in (home / place).glob(".*")]
    return [*left, *home.glob("announcing*")]


def stood(folder: Path, answers: dict[str, dict[str, tuple[float, int]]]) -> str:
    """The live version, all of whose keys are answered with its own scores; what is listed is
    complete."""
    project = Project(folder)
    live = reader(project).current().version.name
    assert published(project) == answers[live]
    archive = Archive(project.home)
    for name in archive.names():
        version = archive.read(name)
        assert {part.name for part in archive.parts(name)} == set(version.sha256)
    for version in reader(project).versions():
        reader(project).verify(version.name)
    return live


def test_a_kill_at_any_step_of_a_publication(
    made: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    """Before and after each step exactly one complete version is live, the next run of the same
    publication succeeds, and nothing that was left remains."""
    answers = {name_of(number): opened(made, number).answers() for number in range(3)}
    seen, step, folder = [], 0, tmp_path / "small"
    while True:
        shutil.copytree(made, folder, symlinks=True)
        code = cut(processes, announcing.publish, folder, 2, LIMITS, step)
        seen.append(stood(folder, answers))
        home = Project(folder).home
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert opened(folder, 2, **LIMITS).publish().passed
        assert stood(folder, answers) == name_of(2)
        assert not hidden(home)
        assert Archive(home).names() == (name_of(1), name_of(2))
        assert [each.name for each in reader(Project(folder)).versions()] == [
            name_of(1),
            name_of(2),
        ]
        shutil.rmtree(folder)
        step += 1
    assert step == int((folder / "steps").read_text()) > 20
    moved = seen.index(name_of(2))
    assert seen == [name_of(1)] * moved + [name_of(2)] * (len(seen) - moved)
    assert 0 < moved < len(seen) - 1


def test_a_kill_at_any_step_of_a_rollback(
    made: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    """Readers have one complete version throughout; the next command leaves scores and model
    together, at the old version or at the new one."""
    answers = {name_of(number): opened(made, number).answers() for number in range(2)}
    builds = {name_of(number): opened(made, number).run.build for number in range(2)}
    seen, step, folder = [], 0, tmp_path / "small"
    while True:
        shutil.copytree(made, folder, symlinks=True)
        project = Project(folder)
        code = cut(processes, announcing.roll_back, folder, None, step)
        seen.append(stood(folder, answers))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        intent.recover(project)
        live = stood(folder, answers)
        assert channels.name(project.home, channels.LIVE) == builds[live]
        assert Archive(project.home).withdrawn(name_of(1)) == (live == name_of(0))
        assert not list(project.home.glob("announcing*"))
        shutil.rmtree(folder)
        step += 1
    assert step == int((folder / "steps").read_text()) > 8
    moved = seen.index(name_of(0))
    assert seen == [name_of(1)] * moved + [name_of(0)] * (len(seen) - moved)


def test_a_kill_before_the_first_version(
    made: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    """Cut while the first version is announced, there is none or all of it; then it succeeds."""
    folder, step = tmp_path / "small", 0
    answers = {name_of(2): opened(made, 2).answers()}
    while True:
        shutil.copytree(made, folder, symlinks=True)
        home = Project(folder).home
        for place in ("scores", "versions"):
            shutil.rmtree(home / place)
        code = cut(processes, announcing.publish, folder, 2, LIMITS, step)
        if code == 0:
            break
        if reader(Project(folder)).live() is not None:
            assert stood(folder, answers) == name_of(2)
        if step % 10 == 0:
            assert opened(folder, 2, **LIMITS).publish().passed
            assert stood(folder, answers) == name_of(2)
            assert not hidden(home)
        shutil.rmtree(folder)
        step += 5
    assert step > 15
