"""An open-loop load: requests leave when they are due, however slow the answers are.

Arrivals are Poisson, and latency counts from the moment at which a request was due. A generator
that waits for one answer before it sends the next request leaves out just those requests that
would have met the stall ("coordinated omission", Gil Tene); this one leaves nothing out.

`python -m groundplan.practice.load ORDER.json` runs one from a process of its own, so that the
load and the server under it do not share an interpreter.
"""

import gc
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from groundplan.errors import EngineError, GroundplanError, InputError
from groundplan.practice.generator import Generator, Order, Progress
from groundplan.practice.results import Results


def run(
    url: str,
    bodies: Sequence[bytes],
    rate: float,
    *,
    seed: int = 0,
    warmup: float = 0.0,
    connections: int = 256,
    timeout: float = 10.0,
    headers: Mapping[str, str] | None = None,
    method: Literal["POST", "GET"] = "POST",
    progress: Progress | None = None,
) -> Results:
    """Send the bodies at a rate from this very process, and return when all are settled.

    What goes wrong with a request (refused, reset, timeout, malformed) is a row of the results,
    never an exception. The arguments are those of `Order`; `progress` is called with (requests
    settled, requests in all) about twice a second.

    Raises:
        InputError: the URL is not plain HTTP, or a number is out of its range.
    """
    order = Order(url, rate, seed, warmup, connections, timeout, dict(headers or {}), method)
    return Generator(order, bodies, progress or (lambda settled, total: None)).run()


def in_process_of_its_own(
    url: str,
    bodies: Sequence[bytes],
    rate: float,
    *,
    seed: int = 0,
    warmup: float = 0.0,
    connections: int = 256,
    timeout: float = 10.0,
    headers: Mapping[str, str] | None = None,
    method: Literal["POST", "GET"] = "POST",
    progress: Progress | None = None,
) -> Results:
    """The same as `run`, from a Python process that does nothing else.

    Bodies travel as lines of a file, so none may contain a newline.

    Raises:
        InputError: as `run`, or a body contains a newline.
        EngineError: the process did not finish its work.
    """
    order = Order(url, rate, seed, warmup, connections, timeout, dict(headers or {}), method)
    order.checked()
    if any(b"\n" in body for body in bodies):
        raise InputError("bodies", "a body contains a newline: write each as one line of JSON")
    with TemporaryDirectory(prefix="groundplan-load-") as name:
        folder = Path(name)
        (folder / "order.json").write_bytes(msgspec.json.encode(order))
        (folder / "bodies.ndjson").write_bytes(b"".join(body + b"\n" for body in bodies))
        _spawn(folder, progress or (lambda settled, total: None))
        return Results.load(folder / "results.npz")


def _spawn(folder: Path, progress: Progress) -> None:
    command = [sys.executable, "-m", "groundplan.practice.load", str(folder / "order.json")]
    said = deque[str](maxlen=20)
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        try:
            for raw in process.stderr:
                line = raw.decode(errors="replace").rstrip()
                counts = line.removeprefix("settled ").split(" of ")
                if line.startswith("settled ") and len(counts) == 2:
                    progress(int(counts[0]), int(counts[1]))
                else:
                    said.append(line)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise EngineError(
            f"the load generator ended with exit code {process.returncode}; its last words:\n"
            + "\n".join(said)
        )


def main(arguments: Sequence[str]) -> int:
    """Run the order in a JSON file, with `bodies.ndjson` beside it, into `results.npz` there."""
    if len(arguments) != 1:
        print("usage: python -m groundplan.practice.load ORDER.json", file=sys.stderr)
        return 1
    path = Path(arguments[0])
    try:
        order = msgspec.json.decode(path.read_bytes(), type=Order)
        bodies = path.with_name("bodies.ndjson").read_bytes().split(b"\n")[:-1]
        generator = Generator(order, bodies, _print_progress)
    except (GroundplanError, msgspec.DecodeError, OSError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    # A collection in the middle of a run would be measured as the server's.
    gc.freeze()
    gc.disable()
    results = generator.run()
    results.save(path.with_name("results.npz"))
    summary = results.summary() if results.measured.any() else None
    path.with_name("summary.json").write_bytes(msgspec.json.encode(summary))
    return 0


def _print_progress(settled: int, total: int) -> None:
    print(f"settled {settled} of {total}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
