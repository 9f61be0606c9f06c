"""Definitions for other schedulers: read by those that are here, run where they are Python."""

import ast
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import types
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cronsim import CronSim

from groundplan.constraints import Schedule
from groundplan.constraints.cron import parse
from groundplan.schedule.definitions import DEFINITIONS
from groundplan.schedule.definitions.systemd import calendar
from groundplan.schedule.timetable import Timetable
from groundplan.units import HOUR
from timetables import made

CRONS = {"build": "0 1 * * 0", "score": "*/15 8-18 * JAN-MAR MON-FRI", "verify": "0 5 1,15 * *"}
RULES = Schedule(time_zone="Europe/Berlin", timeout=2 * HOUR)


def table(folder: Path, *command: str) -> Timetable:
    """A timetable whose project's path needs every kind of quoting."""
    place = folder / "50% of\tmy 'pro\"ject' $HOME"
    place.mkdir()
    return made(place, rules=RULES, command=command or (sys.executable, "-c", "pass"), **CRONS)


def test_lines_of_a_crontab_are_what_cron_reads(tmp_path: Path) -> None:
    """Each line is a schedule and a command; what the shell gets names the very project."""
    given = table(tmp_path)
    (text,) = DEFINITIONS["cron"](given).values()
    lines = [line for line in text.splitlines() if re.match(r"[0-9*]", line)]
    assert "CRON_TZ=Europe/Berlin" in text
    for line, job in zip(lines, given.jobs, strict=True):
        fields = line.split(" ", 5)
        CronSim(" ".join(fields[:5]), datetime(2027, 1, 1))
        assert " ".join(fields[:5]) == job.cron
        assert not re.search(r"(?<!\\)%", fields[5])
        words = shlex.split(fields[5].replace(r"\%", "%"))
        assert words[:4] == [sys.executable, "-m", "groundplan", "schedule"]
        assert words[4] == str(given.file)
        assert words[5:] == ["--run", job.name, ">/dev/null"]
    assert max(map(len, lines)) < 998  # what the shortest-winded cron takes


def _elapses(event: str, start: datetime, count: int) -> list[datetime]:
    """When a calendar event of systemd is, read by its documented grammar: the naive twin."""
    *days, date, clock, _ = event.split()
    wanted = days[0].split(",") if days else []
    _, months, monthdays = date.split("-")
    hours, minutes, _ = clock.split(":")
    found: list[datetime] = []
    now = start
    while len(found) < count:
        now += timedelta(minutes=1)
        if (
            _in(hours, now.hour)
            and _in(minutes, now.minute)
            and _in(months, now.month)
            and _in(monthdays, now.day)
            and (not wanted or f"{now:%a}" in wanted)
        ):
            found.append(now)
    return found


def _in(text: str, value: int) -> bool:
    return text == "*" or value in [int(part) for part in text.split(",")]


@pytest.mark.parametrize("cron", [*CRONS.values(), "* * * * *", "30 */6 1-7 * *"])
def test_a_calendar_event_is_the_same_times(cron: str) -> None:
    """What systemd reads elapses exactly when the expression says."""
    start = datetime(2027, 2, 26, 17)
    event = calendar(cron, "UTC")
    moments = CronSim(cron, start)
    assert _elapses(event, start, 6) == [next(moments) for _ in range(6)]
    assert parse(cron).minutes


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong with services and timers."""
    given = table(tmp_path)
    folder = tmp_path / "units"
    folder.mkdir()
    for name, text in DEFINITIONS["systemd"](given).items():
        (folder / name).write_text(text)
    units = sorted(map(str, folder.iterdir()))
    assert len(units) == 6
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("scheduler", DEFINITIONS)
def test_the_name_of_a_system_stays_a_name(tmp_path: Path, scheduler: str) -> None:
    """A name with line ends and slashes begins no line of its own, and no file elsewhere."""
    name = "../up\n* * * * * touch /tmp/mine\n[Service]\nimport nothing"
    given = msgspec.structs.replace(made(tmp_path, score="0 3 * * *"), system=name)
    for file, text in DEFINITIONS[scheduler](given).items():
        assert "/" not in file
        assert "\n" not in file
        assert not re.search(r"^(\* \* \* |import nothing)", text, re.MULTILINE)
        assert text.count("\n[Service]") == file.endswith(".service")
    usual = made(tmp_path, score="0 3 * * *")
    assert all("churn" in file for file in DEFINITIONS[scheduler](usual))


@pytest.mark.parametrize(("missed", "persistent"), [("run", "true"), ("skip", "false")])
def test_a_timer_makes_up_for_missed_runs_where_they_are_run(
    tmp_path: Path, missed: str, persistent: str
) -> None:
    """The policy for missed runs is systemd's too."""
    given = made(tmp_path, rules=Schedule(missed=missed), score="0 3 * * *")
    files = DEFINITIONS["systemd"](given)
    assert f"Persistent={persistent}" in files["groundplan-churn-score.timer"]


class _Honest(Exception):
    """Stands for AirflowFailException: no further attempt."""


def _airflow(monkeypatch: pytest.MonkeyPatch, dags: list[Any], tasks: list[Any]) -> None:
    """Airflow's names as a DAG file imports them; what it was given is kept."""

    class Dag:
        def __init__(self, name: str, **options: Any) -> None:
            self.dag_id, self.options = name, options
            dags.append(self)

        def __enter__(self) -> "Dag":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def task(function: Any, **options: Any) -> Any:
        return lambda commands: tasks.append((options, commands))

    def timetable(cron: str, timezone: str) -> tuple[str, str]:
        return cron, timezone

    modules: dict[str, dict[str, Any]] = {
        "airflow": {},
        "airflow.sdk": {"DAG": Dag, "task": task},
        "airflow.sdk.exceptions": {"AirflowFailException": _Honest},
        "airflow.timetables": {},
        "airflow.timetables.trigger": {"CronTriggerTimetable": timetable},
    }
    for name, names in modules.items():
        module = types.ModuleType(name)
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, name, module)


def test_a_dag_runs_its_command_and_tells_a_no_from_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The printed file, run as it is: a DAG a job, 2 fails for good, 1 is left to be tried again.

    Airflow itself is too large to be here; what it would be told is kept by a few names.
    """
    dags: list[Any] = []
    tasks: list[Any] = []
    _airflow(monkeypatch, dags, tasks)
    given = table(tmp_path)
    ((name, text),) = DEFINITIONS["airflow"](given).items()
    (tmp_path / name).write_text(text)
    found = runpy.run_path(str(tmp_path / name))
    assert [one.dag_id for one in dags] == [f"groundplan-churn-{job}" for job in CRONS]
    assert [one.options["schedule"] for one in dags] == [
        (cron, "Europe/Berlin") for cron in CRONS.values()
    ]
    assert all(found[one.dag_id] is one and not one.options["catchup"] for one in dags)
    assert [options["task_id"] for options, _ in tasks] == list(CRONS)
    assert {options["execution_timeout"] for options, _ in tasks} == {timedelta(hours=2)}
    run = found["run"]
    run([[sys.executable, "-c", "raise SystemExit(1)"], [sys.executable, "-c", "print('scored')"]])
    assert "scored" in capfd.readouterr().out
    for code, error in ((2, _Honest), (1, RuntimeError)):
        with pytest.raises(error, match=r"drift of 0\.3"):
            run([[sys.executable, "-c", f"print('drift of 0.3'); raise SystemExit({code})"]])


def test_a_dagster_file_is_python_that_names_each_job(tmp_path: Path) -> None:
    """It parses, and its table of jobs is the schedule's, with every path as it is."""
    given = table(tmp_path, "/a b/python", "it's", "50%")
    (text,) = DEFINITIONS["dagster"](given).values()
    body = ast.parse(text).body
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.isupper()
    }
    command = ["/a b/python", "it's", "50%"]
    assert values["JOBS"] == {name: (cron, [command]) for name, cron in CRONS.items()}
    assert values["FOLDER"] == str(given.file.parent)
    assert values["TIMEOUT"] == 7_200


class _Thing:
    """Stands for what Dagster is told with, and does nothing."""

    EXPONENTIAL = RUNNING = None

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


class _Failure(Exception):
    """Stands for Dagster's."""

    def __init__(self, says: str, *, allow_retries: bool) -> None:
        super().__init__(says, allow_retries)


def test_a_dagster_op_runs_its_command_in_a_fresh_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The printed file, run as it is, with a few names in Dagster's place, which is too large."""
    module = types.ModuleType("dagster")
    told = ("Backoff", "DefaultScheduleStatus", "Definitions", "RetryPolicy", "ScheduleDefinition")
    vars(module).update(
        dict.fromkeys([*told, "in_process_executor"], _Thing),
        Failure=_Failure,
        **dict.fromkeys(("job", "op"), lambda **_: lambda made: made),
    )
    monkeypatch.setitem(sys.modules, "dagster", module)
    given = table(tmp_path)
    ((name, text),) = DEFINITIONS["dagster"](given).items()
    (tmp_path / name).write_text(text)
    found = runpy.run_path(str(tmp_path / name))
    said: list[str] = []
    context = types.SimpleNamespace(log=types.SimpleNamespace(info=said.append))
    found["run"](context, [[sys.executable, "-c", "print('scored')"]])
    assert said == ["scored"]
    with pytest.raises(_Failure, match=r"an honest no: drift.*False"):
        found["run"](context, [[sys.executable, "-c", "print('drift'); raise SystemExit(2)"]])
