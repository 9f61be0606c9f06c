"""A server under verification: in a process of its own, on a free port."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groundplan.errors import EngineError
from groundplan.project import Project


@contextmanager
def server(project: Project, state: Path) -> Iterator[str]:
    """A server of the project, with log and state in a folder; its address.

    Raises:
        EngineError: it did not start, or died.
    """
    state.mkdir(parents=True)
    command = [
        *(sys.executable, "-m", "groundplan", "serve", str(project.file)),
        *("--port", "0", "--state", str(state), "--space", f"verify-{os.getpid()}"),
    ]
    errors = state / "server.err"
    with errors.open("wb") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream)
    try:
        yield _address(process, errors)
        if process.poll() is not None:
            raise EngineError(f"the server died under load:\n{errors.read_text()[-2_000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _address(process: subprocess.Popen[bytes], errors: Path) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    if " on http://" not in line:
        process.wait(5)
        raise EngineError(f"the server did not start:\n{errors.read_text()[-2_000:]}")
    return line.split(" on ")[-1].strip()


def post(url: str, body: bytes) -> bytes:
    """The answer to a body."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def get(url: str) -> bytes:
    """The answer to a GET."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())
