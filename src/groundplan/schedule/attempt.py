"""One attempt at a job: a process of its own, with a log, a time limit and a way to stop it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from groundplan.schedule.instance import works
from groundplan.units import SECOND

LOG_MOST: Final = 8_000_000
"""Bytes of output that a log may reach; beyond, its older half is let go."""

KEEP: Final = 30
"""Logs that are kept of each job."""

NOT_STARTED: Final = 127
"""The code of a command that is not there, as shells say it."""

_GRACE: Final = 30.0  # seconds from the request to end until the kill
_POLL: Final = 0.1  # seconds


class Ended(NamedTuple):
    """How an attempt ended.

    Args:
        code: the exit code, negative for a signal.
        why: `timeout` or `stopped` where it was ended from here, else empty.
    """

    code: int
    why: str = ""


def attempt(
    command: Sequence[str],
    log: Path,
    timeout: int,
    *,
    folder: Path,
    lock: int,
    stopping: Callable[[], bool],
    meanwhile: Callable[[], None],
    most: int = LOG_MOST,
) -> Ended:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        log: the file to which its output is added.
        timeout: µs after which it is asked to end, and killed half a minute later.
        folder: in which it runs.
        lock: the file descriptor that it inherits.
        stopping: whether it should be asked to end now.
        meanwhile: called a few times a second.
        most: bytes that the log may reach.
    """
    with log.open("ab") as stream:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C is for the scheduler, which decides for its jobs
            )
        except OSError as error:
            stream.write(f"{command[0]} cannot be started: {error}\n".encode())
            return Ended(NOT_STARTED)
    works(lock, process.pid)
    until, why = time.monotonic() + timeout / SECOND, ""
    try:
        while process.poll() is None:
            time.sleep(_POLL)
            _shorten(log, most)
            meanwhile()
            now = time.monotonic()
            if not why and (now >= until or stopping()):
                why = "timeout" if now >= until else "stopped"
                _signal(process, signal.SIGTERM)
                until = now + _GRACE
            elif why and now >= until:
                _signal(process, signal.SIGKILL)
    except BaseException:
        _signal(process, signal.SIGKILL)
        process.wait()
        raise
    # An end that was asked for and came anyway as a success is a success.
    return Ended(process.returncode, why if process.returncode else "")


def keep(logs: Path, job: str, count: int = KEEP) -> None:
    """Remove all but the newest logs of a job."""
    for old in sorted(logs.glob(f"{job}-*.log"))[:-count]:
        old.unlink(missing_ok=True)


def last_words(log: Path, most: int = 400) -> str:
    """The end of a log as one line."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 4 * most))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    text = "; ".join(line.strip() for line in lines[-5:] if line.strip())
    return text if len(text) <= most else f"...{text[-most:]}"


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    """To the command and everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _shorten(log: Path, most: int) -> None:
    """Let the older half of a log go; its writer appends, so nothing else moves."""
    with suppress(OSError):  # somebody removed it, or the disk is full: no reason to end a run
        if log.stat().st_size <= most:
            return
        with log.open("rb") as stream:
            stream.seek(-most // 2, os.SEEK_END)
            rest = stream.read()
        os.truncate(log, 0)
        with log.open("ab") as stream:
            stream.write(b"[the beginning is left out]\n" + rest[rest.find(b"\n") + 1 :])
