"""Processes that are run and watched: what they print, their time, and their memory."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Ran(NamedTuple):
    """A process and its descendants."""

    says: dict[str, Any]
    wall: float
    cpu: float
    peak: int

    @property
    def seconds(self) -> dict[str, float]:
        """Of its steps; what is left is the start and the end of the process."""
        steps: dict[str, float] = self.says["seconds"]
        return {"start": self.wall - sum(steps.values()), **steps}


def ran(folder: Path, script: str, *words: str) -> Ran:
    """Run a script in a process of its own, and watch it and its descendants."""
    print(f"... {Path(script).stem} {' '.join(words)[:90]}", file=sys.stderr)
    command = [sys.executable, "-W", "ignore", str(HERE / script), *words]
    begun = time.perf_counter()
    with (
        (folder / "errors").open("w+") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | {"TMPDIR": str(folder)},
        ) as process,
        watched(process.pid) as seen,
    ):
        assert process.stdout is not None
        text = process.stdout.read()
    wall = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{command}\n{(folder / 'errors').read_text()[-3000:]}")
    return Ran(json.loads(text.splitlines()[-1]), wall, sum(seen["cpu"].values()), seen["peak"])


@contextmanager
def watched(root: int) -> Iterator[dict[str, Any]]:
    """The peak of the resident bytes of a process and its descendants together, and their CPU."""
    seen: dict[str, Any] = {"peak": 0, "cpu": {}}
    done = threading.Event()

    def watch() -> None:
        page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
        while not done.wait(0.1):
            mine = {root}
            resident = 0
            for pid, parent, ticks, pages in sorted(processes()):
                if pid in mine or parent in mine:
                    mine.add(pid)
                    seen["cpu"][pid] = ticks / tick
                    resident += pages * page
            seen["peak"] = max(seen["peak"], resident)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def processes() -> Iterator[tuple[int, int, int, int]]:
    """Number, parent, ticks of CPU and resident pages of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            yield (
                int(entry.name),
                int(fields[1]),
                int(fields[11]) + int(fields[12]),
                int(fields[21]),
            )
