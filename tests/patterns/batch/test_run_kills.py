"""A `groundplan score` that is killed at any moment is finished by the next one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import groundplan
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.runs.run import moment
from patterns.batch.projects import AS_OF, small

CHILD = """
import os, shutil, signal, sys
from pathlib import Path
from groundplan.cli import main
from groundplan.patterns.batch.runs import embedded, running

built, scratch, *asked = sys.argv[1:]

def counted(function):
    def call(*args, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **named)
    return call

def forked(folder, steps):
    # Each in a process of its own, forked from this one, which has no threads yet.
    global left
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.dup2(os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    if steps is not None:
        left = steps
        for name in ("rename", "replace", "mkdir"):
            setattr(Path, name, counted(getattr(Path, name)))
        os.fsync = counted(os.fsync)
    main(["score", folder, *asked])

for steps in range(0, 1000, 4):
    folder = f"{scratch}/{steps}"
    shutil.copytree(built, folder)
    cut = forked(folder, steps)
    print(steps, cut, forked(folder, None), flush=True)
    if cut == 0:
        break
"""


SETTINGS = ["--at", moment(AS_OF), "--partitions", "5", "--no-publish", "--json"]


def asked(folder: Path) -> list[str]:
    """What is run."""
    return ["score", str(folder), *SETTINGS]


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(".groundplan/runs/*/out/part-*.parquet"))


def rows(files: list[Path]) -> pa.Table:
    return pa.concat_tables(map(pq.read_table, files)).sort_by("key")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with a live build."""
    folder = tmp_path_factory.mktemp("built") / "small"
    build(small(folder, customers=400), None, lambda *_: None)
    return folder


@pytest.fixture(scope="module")
def wanted(built: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The rows of a run that nobody cut."""
    folder = Path(shutil.copytree(built, tmp_path_factory.mktemp("whole") / "small"))
    done = groundplan(*asked(folder))
    assert done.returncode == 0, done.stderr
    return rows(parts(folder))


def test_a_run_killed_at_any_step_is_finished(
    built: Path, wanted: pa.Table, tmp_path: Path
) -> None:
    """Killed at every fourth step on the disk until none is left; the next one ends as if not."""
    child = [sys.executable, "-c", CHILD, str(built), str(tmp_path), *SETTINGS]
    done = subprocess.run(child, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ends = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(ends) > 5
    assert [cut for _, cut, _ in ends] == [-signal.SIGKILL] * (len(ends) - 1) + [0]
    for steps, _, again in ends:
        folder = tmp_path / str(steps)
        assert again == 0, (tmp_path / f"{steps}.log").read_text()
        assert rows(parts(folder)).equals(wanted), steps
        assert len(list(folder.glob(".groundplan/runs/*/run.json"))) == 1


def test_a_run_killed_between_partitions_goes_on(
    built: Path, wanted: pa.Table, tmp_path: Path
) -> None:
    """A real child is killed as soon as it has a part; the next keeps that part and says so."""
    folder = Path(shutil.copytree(built, tmp_path / "small"))
    child = subprocess.Popen(
        [sys.executable, "-m", "groundplan", *asked(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    found: list[Path] = []
    while not found and child.poll() is None:
        found = parts(folder)
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    kept = {part.name: part.read_bytes() for part in folder.glob(".groundplan/runs/*/out/part-*")}
    assert kept
    done = groundplan(*asked(folder))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["done"] == len(kept)
    assert f"{len(kept)} of 5 partitions were done" in done.stderr
    for part in parts(folder):
        assert part.read_bytes() == kept.get(part.name, part.read_bytes())
    assert rows(parts(folder)).equals(wanted)
