"""Versions made by hand, and servers of them."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace

from groundplan.project import Project
from groundplan.scores.embedded import EmbeddedScores
from groundplan.scores.store import PART, ScoreStore
from groundplan.scores.version import Average, Code, Version
from patterns.batch.projects import small

DECISIONS = ("leave", "offer", "call")
CODES = (Code("R01", "how long a customer stays"), Code("R02", "the monthly charge"))
SEGMENTS = {"month": Average(3, 0.75, "call"), "two years": Average(2, 0.125, "leave")}
DAY = 86_400_000_000


def patient(folder: Path, customers: int = 50) -> Project:
    """The small project, whose clients wait long: other work on the machine refuses nothing."""
    small(folder, customers)
    answers = folder / "groundplan.toml"
    answers.write_text(answers.read_text().replace('p99 = "10ms"', 'p99 = "2s"'))
    return Project(folder)


def version(name: str, rows: int, key: str = "str", age_us: int = 0, build: str = "b") -> Version:
    """The record of a version whose inputs were read so long ago."""
    now = time.time_ns() // 1_000
    assert key in ("int", "str")
    return Version(
        name=name,
        system="small",
        build=build,
        as_of=now - age_us,
        created=now,
        rows=rows,
        key="int" if key == "int" else "str",
        decisions=DECISIONS,
        codes=CODES,
        overall=Average(rows, 0.25, "offer"),
        segments=SEGMENTS,
    )


def score_of(name: str, at: int) -> float:
    """The score of the key at a place, which tells the version too."""
    return (int.from_bytes(name.encode()[-2:]) * 1_000 + at) / 2**40


def put(
    store: ScoreStore,
    folder: Path,
    name: str,
    keys: Sequence[int | str],
    *,
    age_us: int = 0,
    live: bool = True,
    build: str = "b",
    segment: str | None = None,
) -> Version:
    """Make a version of these keys complete, and live."""
    kind = "int" if isinstance(keys[0], int) else "str"
    found = replace(version(name, len(keys), kind, age_us, build), segment=segment)
    reasons = [[1, -2], [], [-1]]
    place = PART.get_field_index("key")
    schema = PART.set(
        place, pa.field("key", pa.int64() if kind == "int" else pa.string(), nullable=False)
    )
    part = folder / f"{name}-part-00000.parquet"
    table = {
        "key": list(keys),
        "score": [score_of(name, at) for at in range(len(keys))],
        "decision": [at % 3 for at in range(len(keys))],
        "reasons": [reasons[at % 3] for at in range(len(keys))],
        "segment": ["month"] * len(keys),
        "inputs": np.arange(len(keys), dtype=np.uint64),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table, schema=schema), part)
    store.load(found, [part])
    part.unlink()
    if live:
        store.point(name)
    return found


def embedded(project: Path) -> EmbeddedScores:
    """The store of a project."""
    return EmbeddedScores(project / ".groundplan" / "scores", promised=DAY)


@contextmanager
def serving(project: Path, state: Path, *arguments: str) -> Iterator[httpx.Client]:
    """A server of a project in a process of its own; what it says goes to `state/said`."""
    state.mkdir(parents=True, exist_ok=True)
    with (
        (state / "said").open("w") as said,
        subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", "groundplan", "serve", str(project)),
                *("--port", "0", "--state", str(state), *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " on http" in line, (state / "said").read_text()
        try:
            with httpx.Client(base_url=line.split(" on ")[-1].strip(), timeout=30) as client:
                yield client
        finally:
            process.terminate()
            process.wait(20)


def connected(client: httpx.Client) -> socket.socket:
    """A plain connection to the server of a client."""
    return socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20)
