"""The READMEs are executed: every command runs, and what they print is what is printed."""

import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of the console blocks with the output that stands below it."""
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            count = next(i for i in range(1, len(lines) + 1) if complete("\n".join(lines[:i])))
            yield "\n".join(lines[:count]), "\n".join(lines[count:])


def complete(command: str) -> bool:
    """Whether a shell would run this, or wait for the next line."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def same(printed: str, expected: str) -> bool:
    """Equal line by line but for trailing blanks; `...` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line.rstrip()) + "\n"
        for line in expected.strip("\n").splitlines()
    )
    flat = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines()) + "\n"
    return re.fullmatch(pattern, flat) is not None


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    return {"PATH": f"{bin_folder}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}


def test_every_command_of_the_readme_runs(tmp_path: Path, environment: dict[str, str]) -> None:
    """The README followed word for word, in an empty folder, prints what it shows."""
    port, other = free_port(), free_port()
    text = (ROOT / "README.md").read_text().replace(":8000", f":{port}")
    text = text.replace("groundplan serve card-fraud", f"groundplan serve card-fraud --port {port}")
    text = text.replace(":8001", f":{other}").replace("--port 8001", f"--port {other}")
    found = list(commands(text))
    assert len(found) >= 8
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for command, expected in found:
            if command.endswith("&"):
                at = other if str(other) in command else port
                servers.append(_server(command, tmp_path, environment, at))
                continue
            # A machine with other work to do may break a promise that the program keeps.
            for _ in range(4 if command.startswith("groundplan verify") else 1):
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode == 0:
                    break
            assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
            assert not expected or same(done.stdout, expected), f"$ {command}\n{done.stdout}"
    finally:
        for server in servers:
            server.terminate()
            server.wait(20)


def _server(
    command: str, folder: Path, environment: dict[str, str], port: int
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        shlex.split(command.rstrip("& ")), cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    for _ in range(300):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health/ready")
            return process
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{command} did not answer")


def test_the_example_teaches_commands_that_exist() -> None:
    """Every `groundplan` verb in the README of an example is one that the program has."""
    from groundplan.cli import main

    for readme in (ROOT / "src/groundplan/examples").glob("*/README.md"):
        verbs = set(re.findall(r"groundplan ([a-z]+)", readme.read_text()))
        assert verbs
        assert verbs <= set(main.commands)
