"""A command under its limits: real processes, a real lock."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from groundplan.errors import EngineError
from groundplan.schedule.attempt import NOT_STARTED, Ended, attempt, keep, last_words
from groundplan.schedule.clock import Clock
from groundplan.schedule.instance import SCHEDULER, single
from groundplan.schedule.scheduler import Scheduler
from groundplan.units import SECOND
from timetables import at, made


def ran(
    folder: Path,
    script: str,
    timeout: int = 20 * SECOND,
    stopping: Callable[[], bool] = lambda: False,
    most: int = 10**6,
) -> Ended:
    with (folder / "lock").open("w+") as lock:
        return attempt(
            ("/bin/sh", "-c", script),
            folder / "job.log",
            timeout,
            folder=folder,
            lock=lock.fileno(),
            stopping=stopping,
            meanwhile=lambda: None,
            most=most,
        )


def test_output_and_code_are_kept(tmp_path: Path) -> None:
    """Both streams are in the log, after what was there; the code is the command's."""
    (tmp_path / "job.log").write_text("before\n")
    assert ran(tmp_path, "echo one; echo two >&2; exit 3") == (3, "")
    assert (tmp_path / "job.log").read_text() == "before\none\ntwo\n"
    assert last_words(tmp_path / "job.log") == "before; one; two"


def test_a_command_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    """No traceback: a code of its own, and the reason in the log."""
    with (tmp_path / "lock").open("w+") as lock:
        ended = attempt(
            ("/no/such/python", "-m", "groundplan"),
            tmp_path / "job.log",
            SECOND,
            folder=tmp_path,
            lock=lock.fileno(),
            stopping=lambda: False,
            meanwhile=lambda: None,
        )
    assert ended.code == NOT_STARTED
    assert "/no/such/python cannot be started" in last_words(tmp_path / "job.log")


def test_the_time_limit_ends_a_command_and_what_it_started(tmp_path: Path) -> None:
    """A command past its limit is asked to end; so are its own children."""
    script = f"sleep 60 & echo $! > {tmp_path}/child; wait"
    ended = ran(tmp_path, script, timeout=SECOND)
    assert ended == (-signal.SIGTERM, "timeout")
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    until = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_stopping_ends_a_command(tmp_path: Path) -> None:
    """What is stopped says so; a command that ends well when asked has succeeded."""
    assert ran(tmp_path, "sleep 60", stopping=lambda: True) == (-signal.SIGTERM, "stopped")
    well = f"trap 'exit 0' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    assert ran(tmp_path, well, stopping=(tmp_path / "ready").exists) == (0, "")


def test_a_log_stays_within_its_bound(tmp_path: Path) -> None:
    """A command that says a lot leaves the end of what it said, and a line about the rest."""
    script = "i=0; while [ $i -lt 6 ]; do seq 1 3000; sleep 0.15; i=$((i+1)); done; echo last"
    assert ran(tmp_path, script, most=40_000).code == 0
    text = (tmp_path / "job.log").read_text()
    assert len(text) < 60_000
    assert text.startswith("[the beginning is left out]\n")
    assert text.endswith("3000\nlast\n")


def test_the_newest_logs_are_kept(tmp_path: Path) -> None:
    """Old logs of a job go; those of others stay."""
    for day in range(10, 20):
        (tmp_path / f"score-202701{day}-030000.log").touch()
    (tmp_path / "build-20270101-010000.log").touch()
    keep(tmp_path, "score", 3)
    assert [log.name for log in sorted(tmp_path.iterdir())] == [
        "build-20270101-010000.log",
        *(f"score-202701{day}-030000.log" for day in (17, 18, 19)),
    ]


def test_a_second_schedule_is_told_who_runs(tmp_path: Path) -> None:
    """The lock names the process that holds it; it is free again at the end."""
    with (
        single(tmp_path, SCHEDULER),
        pytest.raises(EngineError, match=f"process {os.getpid()}, groundplan schedule"),
        single(tmp_path, "groundplan score", patience=5 * SECOND),
    ):
        raise AssertionError
    with single(tmp_path, "groundplan score"):
        pass


def test_the_lock_of_what_a_job_left_names_whose_it_was(tmp_path: Path) -> None:
    """A holder that ended while something it started runs on is still the one that is named."""
    with single(tmp_path, "groundplan build") as lock:
        left = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    try:
        refusal = pytest.raises(EngineError, match=f"process {os.getpid()}, groundplan build")
        with refusal, single(tmp_path, "groundplan score"):
            raise AssertionError
    finally:
        left.kill()
        left.wait()


def test_a_log_that_is_removed_ends_nothing(tmp_path: Path) -> None:
    """Somebody tidies up while a command runs: it goes on, and its code counts."""
    script = f"echo begun; rm {tmp_path}/job.log; sleep 0.5; touch {tmp_path}/ended; exit 3"
    assert ran(tmp_path, script) == (3, "")
    assert (tmp_path / "ended").exists()


def test_a_run_by_hand_waits_for_another(tmp_path: Path) -> None:
    """Two short holders take turns."""
    entered = threading.Event()

    def hold() -> None:
        with single(tmp_path, "groundplan build"):
            entered.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    with single(tmp_path, "groundplan score", patience=20 * SECOND):
        thread.join(5)
        assert not thread.is_alive()


HOLDER = """
import sys
from pathlib import Path
from groundplan.schedule.attempt import attempt
from groundplan.schedule.instance import SCHEDULER, single
folder = Path(sys.argv[1])
with single(folder, SCHEDULER) as lock:
    attempt(("/bin/sh", "-c", f"touch {folder}/begun; exec sleep 30"), folder / "log",
            10**9, folder=folder, lock=lock, stopping=lambda: False, meanwhile=lambda: None)
"""


def test_the_lock_lasts_as_long_as_the_command_of_a_killed_schedule(tmp_path: Path) -> None:
    """After `kill -9` of a scheduler nobody starts beside the command that it left."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path]) as holder:
        until = time.monotonic() + 30
        while not (tmp_path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.2)
        holder.kill()
    refusal = pytest.raises(EngineError, match="whose command is process")
    with refusal as refused, single(tmp_path, SCHEDULER):
        raise AssertionError
    left = int(str(refused.value).split("whose command is process ")[1].split(":")[0])
    os.kill(left, signal.SIGKILL)
    while Path(f"/proc/{left}/fd").exists() and any(Path(f"/proc/{left}/fd").iterdir()):
        time.sleep(0.02)
    with single(tmp_path, SCHEDULER):
        pass


def test_a_schedule_runs_its_command_when_the_time_comes(tmp_path: Path) -> None:
    """End to end on a clock a second before the minute: a real process, its log, the state."""
    shift = at("2027-01-01T03:00") - SECOND - time.time_ns() // 1_000
    clock = Clock(lambda: time.time_ns() // 1_000 + shift, time.sleep)
    table = made(tmp_path, command=("/bin/sh", "-c", "echo scored"), score="0 3 * * *")
    said: list[str] = []
    with single(table.home, SCHEDULER) as lock:
        running = Scheduler(table, lock, said.append, clock=clock)

        def tell(line: str) -> None:
            said.append(line)
            if "done" in line:
                running.stop()

        running._tell = tell
        running.run()
    (log,) = (table.home / "logs").iterdir()
    assert log.name.startswith("score-20270101-0300")
    assert log.read_text() == "scored\n"
    assert "score starts, due 2027-01-01 03:00:00 UTC" in said[0]
