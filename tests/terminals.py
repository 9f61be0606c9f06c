"""A command in a terminal of its own: what it prints, and what somebody types into it."""

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Terminal:
    """One command at a pseudo-terminal."""

    def __init__(self, process: int, handle: int) -> None:
        self.process = process
        self.handle = handle
        self.seen = ""
        self.code: int | None = None

    def until(self, text: str, within: float = 30) -> str:
        """What is printed up to a text, since the last time.

        Raises:
            AssertionError: it never comes.
        """
        deadline = time.monotonic() + within
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} never came after {self.seen!r}"
            assert self._more() or text in self.seen, f"{text!r} never came: {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def say(self, line: str) -> None:
        """Type a line."""
        os.write(self.handle, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Type Ctrl-C, once the command waits: between its prompt and its wait it would be lost."""
        time.sleep(0.5)
        os.write(self.handle, b"\x03")

    def rest(self) -> str:
        """What is still printed until the command ends; its exit code is known then."""
        while self._more():
            pass
        _, status = os.waitpid(self.process, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.seen

    def _more(self) -> bool:
        ready, _, _ = select.select([self.handle], [], [], 30)
        assert ready, f"nothing came for half a minute after {self.seen!r}"
        try:
            got = os.read(self.handle, 65536)
        except OSError:  # the other end is closed
            return False
        self.seen += got.decode(errors="replace").replace("\r\n", "\n")
        return bool(got)


@contextmanager
def terminal(*arguments: str | Path) -> Iterator[Terminal]:
    """The command line in a terminal of 100 columns, without colours."""
    process, handle = pty.fork()
    if process == 0:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # ignored where the tests run in the background
        os.environ.update({"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"})
        os.execv(
            sys.executable,
            [sys.executable, "-W", "error", "-m", "groundplan", *map(str, arguments)],
        )
    one = Terminal(process, handle)
    try:
        yield one
    finally:
        if one.code is None:
            os.kill(process, 9)
            os.waitpid(process, 0)
        os.close(handle)
