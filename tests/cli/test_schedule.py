"""`groundplan schedule`, from the command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import groundplan
from patterns.batch.projects import small


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A batch project that scores at night in Berlin, without a build."""
    folder = small(tmp_path / "churn", 50).folder
    schedule(folder, 'score = "0 */12 * * *"\nbuild = "0 1 * * 0"\ntime_zone = "Europe/Berlin"')
    return folder


def schedule(folder: Path, lines: str) -> None:
    file = folder / "groundplan.toml"
    file.write_text(file.read_text().split("\n[schedule]")[0] + f"\n[schedule]\n{lines}\n")


def test_the_next_times_are_listed(project: Path) -> None:
    """Local time and UTC, in order, as many as asked for; JSON for programs."""
    shown = groundplan("schedule", project, "--list", "--count", "2")
    assert shown.returncode == 0, shown.stderr
    assert "Europe/Berlin" in shown.stdout
    assert shown.stdout.count("score") == 2
    found = json.loads(groundplan("schedule", project, "--list", "--json").stdout)
    build, score = found["jobs"]
    assert (build["job"], score["job"]) == ("build", "score")
    assert len(score["next"]) == 3
    assert score["next"] == sorted(score["next"])
    assert score["last"] is None
    assert found["warning"] is None


def test_a_schedule_without_room_for_a_run_is_warned_of(project: Path) -> None:
    """Nightly where a day is promised: the run itself makes scores older than that."""
    schedule(project, 'score = "0 3 * * *"')
    shown = groundplan("schedule", project, "--list")
    assert "scores get up to 24h between runs + the length of a run" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--once", "--list"], "exclude each other"),
        (["--to", "x"], "--to says where --print writes"),
        (["--run", "verify"], "verify is not scheduled"),
    ],
)
def test_what_cannot_be_done_is_said(project: Path, arguments: list[str], says: str) -> None:
    """Options that contradict each other and jobs that nobody scheduled."""
    refused = groundplan("schedule", project, *arguments)
    assert refused.returncode != 0
    assert says in refused.stderr


def test_a_project_without_a_schedule_is_told_how_to_write_one(project: Path) -> None:
    """No table, no scheduler."""
    schedule(project, "")
    refused = groundplan("schedule", project)
    assert refused.returncode == 1
    assert 'write for instance score = "0 3 * * *" under [schedule]' in refused.stderr


def test_a_realtime_project_scores_on_no_schedule(tmp_path: Path) -> None:
    """Its predictions reflect the request, which the schedule is refused for."""
    folder = tmp_path / "card-fraud"
    groundplan("new", folder, "--from", "fraud")
    schedule(folder, 'build = "0 1 * * 0"')
    assert groundplan("schedule", folder, "--list").returncode == 0
    schedule(folder, 'score = "* * * * *"')
    refused = groundplan("schedule", folder, "--list")
    assert refused.returncode == 1
    assert "predictions may be at most 0s old" in refused.stderr


def test_once_runs_nothing_that_is_not_due(project: Path) -> None:
    """The first call only remembers from when on times count."""
    done = groundplan("schedule", project, "--once")
    assert (done.returncode, done.stdout) == (0, "nothing is due\n")
    assert (project / ".groundplan" / "schedule" / "state.json").is_file()


def test_a_job_that_fails_is_logged_and_exits_as_it_did(project: Path) -> None:
    """`--run build` runs the real command: the data is gone, so an error; asked to stop while it
    waits to try again, it ends with the command's code, and the outcome is listed."""
    (project / "customers.parquet").unlink()
    with subprocess.Popen(
        [sys.executable, "-m", "groundplan", "schedule", str(project), "--run", "build"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "is tried again in 1m" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
    (log,) = (project / ".groundplan" / "schedule" / "logs").iterdir()
    assert "customers.parquet" in log.read_text()
    (build, _) = json.loads(groundplan("schedule", project, "--list", "--json").stdout)["jobs"]
    assert (build["last"]["code"], build["last"]["says"]) == (1, "ended with an error")
    assert build["last"]["log"] == log.name


def test_a_second_schedule_is_refused_and_signals_end_the_first(project: Path) -> None:
    """The error names the process that runs; SIGTERM ends it at once where nothing runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "groundplan", "schedule", str(project)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "small: build 0 1 * * 0, score 0 */12 * * *" in process.stdout.readline()
        refused = groundplan("schedule", project)
        assert refused.returncode == 1
        assert f"is held by process {process.pid}, groundplan schedule" in refused.stderr
        process.stdout.readline()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("scheduler", ["cron", "systemd", "airflow", "dagster"])
def test_definitions_are_printed_and_written(project: Path, tmp_path: Path, scheduler: str) -> None:
    """What is printed is what is written; every definition names the project and both jobs."""
    printed = groundplan("schedule", project, "--print", scheduler)
    assert printed.returncode == 0, printed.stderr
    written = groundplan("schedule", project, "--print", scheduler, "--to", tmp_path / "out")
    files = [Path(line) for line in written.stdout.splitlines()]
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    for file in files:
        assert file.read_text() in printed.stdout
    assert str(project) in printed.stdout
    assert "build" in printed.stdout
    assert "score" in printed.stdout


def test_a_delta_schedule_has_a_full_run_to_fall_back_on(project: Path) -> None:
    """What runs first is the delta run, then the same without."""
    schedule(project, 'score = "0 */12 * * *"\ndelta = true')
    printed = groundplan("schedule", project, "--print", "dagster").stdout
    assert "'--delta'], [" in printed
