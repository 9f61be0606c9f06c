"""Latency of `GET /scores/{key}` beside an empty endpoint of the same server.

    .venv/bin/python benchmarks/batch_http.py --keys 1000000

In one run, on one machine: (a) an endpoint that answers `{}`, on the very server, queue and short
way of `groundplan serve`; (b) published scores from the embedded store, uniformly random keys,
every lookup logged; (c) the same from Valkey on this machine; (d) an empty endpoint by Starlette's
router on the same server, without the short way. Each server has one process and one core, `wrk`
the other; it holds 1 or 16 connections open, each asking as soon as it is answered. Servers take
turns, a figure is the median of its rounds, and ratios are to (a). CPU is what the server's process
takes for a request: on a machine with other work to do it says more than a latency.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from groundplan.patterns.batch.lookups.opening import serve
from groundplan.patterns.batch.stores import open_store
from groundplan.plan import Plan, draw
from groundplan.practice import machine
from groundplan.project import Project
from groundplan.scores.store import PART
from groundplan.scores.version import Average, Code, Version
from groundplan.serving import server
from groundplan.serving.door import Door
from groundplan.serving.http import Application, Endpoint, Lookup, application
from groundplan.serving.metrics import Metrics
from serving import cpu_seconds

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from servers import Valkey  # that the tests start

CONNECTIONS = (1, 16)
EMPTY = b"{}"

ANSWERS = """
[system]
name = "lookups"
goal = "Answer for every customer"
output = "score"
[labels]
kind = "explicit"
delay = "30d"
[latency]
p99 = "50ms"
throughput = "1000/s"
[freshness]
predictions = "24h"
features = "24h"
requests = "foreseen"
[candidates]
per_request = 1
[interpretability]
level = "explain"
"""

SYSTEM = """
from groundplan import BoostedTrees, Source, features
from groundplan.models.bands import Bands

customers = Source(
    "customers",
    time="seen",
    id="customer",
    id_type=str,
    fields={"tenure": int},
    labels={"left": "30d"},
)
inputs = features(customers.tenure)
label = "left"
model = BoostedTrees()
decisions = Bands.top("leave", call=0.1)
"""

# Each thread of wrk draws its own keys, as many random ones as there are; what was measured is
# printed as JSON, in us.
LUA = """
local count = {count}
request = function() return wrk.format("GET", "/scores/k" .. math.random(0, count - 1)) end
done = function(summary, latency, requests)
  io.write(string.format(
    '{{"p50": %d, "p99": %d, "p999": %d, "rate": %f, "bad": %d}}\\n',
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    summary.requests / summary.duration * 1e6,
    summary.errors.status + summary.errors.connect + summary.errors.read
      + summary.errors.write + summary.errors.timeout))
end
"""


class Figures(NamedTuple):
    p50: float
    p99: float
    p999: float
    rate: float
    bad: int
    cpu: float = 0.0  # of the server, us a request


def publish(project: Project, count: int, folder: Path) -> None:
    """A version of so many keys, made up."""
    draws = np.random.default_rng(1)
    offsets = np.minimum(np.arange(count + 1) * 3, 3 * count).astype(np.int32)
    reasons = draws.integers(1, 9, 3 * count).astype(np.int16) * draws.choice([-1, 1], 3 * count)
    part = folder / "part-00000.parquet"
    table = {
        "key": pa.array([f"k{at}" for at in range(count)]),
        "score": pa.array(draws.random(count)),
        "decision": pa.array(draws.integers(0, 2, count).astype(np.uint8)),
        "reasons": pa.ListArray.from_arrays(offsets, reasons.astype(np.int16)),
        "segment": pa.nulls(count, pa.string()),
        "inputs": pa.array(np.arange(count, dtype=np.uint64)),
    }
    place = PART.get_field_index("key")
    schema = PART.set(place, pa.field("key", pa.string(), nullable=False))
    pq.write_table(pa.table(table, schema=schema), part)
    now = int(np.datetime64("now", "us").astype(np.int64))
    version = Version(
        name="v1",
        system="lookups",
        build="made-up",
        as_of=now,
        created=now,
        rows=count,
        key="str",
        decisions=("leave", "call"),
        codes=tuple(Code(f"R{n}", f"what is said of reason {n}") for n in range(1, 9)),
        overall=Average(count, 0.5, "leave"),
    )
    store = open_store(project)
    store.load(version, [part])
    store.point("v1")
    store.close()
    part.unlink()


def empty(plan: Plan) -> Application:
    """An endpoint that answers nothing, by the short way and behind the queue."""
    metrics = Metrics(plan, "none")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    endpoint = Endpoint(lambda call: EMPTY, "/scores/{key}", metrics)
    lookups = [Lookup("/scores/", "key", endpoint)]
    return application({}, {}, metrics, {}, lifespan, plan=plan, lookups=lookups)


def routed() -> Starlette:
    """An endpoint that answers nothing, by Starlette's router."""

    async def answer(request: Request) -> Response:
        return Response(EMPTY, media_type="application/json")

    return Starlette(routes=[Route("/scores/{key}", answer)])


def run_server(name: str, folder: Path) -> None:
    """One of the servers, until it is told to stop."""
    os.sched_setaffinity(0, [0])
    project = Project(folder)
    app: Any
    if name == "empty":
        app = empty(draw(project.answers))
    elif name == "starlette":
        app = routed()
    else:
        app, _ = serve(project, Path(tempfile.mkdtemp(dir=folder)), lambda *_: None)
    listener = server.bind(0)
    url = server.address(listener, tls=False)
    Door(listener).serve(app, name, lambda _: print(url, flush=True))


@contextmanager
def running(name: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The URL of a started server, and its process."""
    command = [sys.executable, __file__, "--serve", name, "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def load(url: str, pid: int, script: Path, connections: int, seconds: float) -> Figures:
    """What wrk measures from the last core."""
    last = (os.cpu_count() or 1) - 1
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(script), url]
    before = cpu_seconds(pid)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, [last]),
    )
    cpu = cpu_seconds(pid) - before
    found = Figures(**msgspec.json.decode(done.stdout.splitlines()[-1]))
    return found._replace(cpu=cpu * 1e6 / (found.rate * seconds))


def project(folder: Path, engines: str = "") -> Project:
    folder.mkdir()
    (folder / "groundplan.toml").write_text(ANSWERS + engines)
    (folder / "system.py").write_text(SYSTEM)
    return Project(folder)


@contextmanager
def prepared(count: int, home: Path) -> Iterator[dict[str, Path]]:
    """The folder that each server is started with."""
    made = project(home / "embedded")
    print(f"publishing {count:,} scores ...", file=sys.stderr, flush=True)
    publish(made, count, home)
    folders = dict.fromkeys(("empty", "embedded", "starlette"), made.folder)
    with tempfile.TemporaryDirectory() as data, Valkey(Path(data), appendonly="no") as valkey:
        remote = project(home / "valkey", f'[engines]\nscores = "{valkey.url}"\n')
        publish(remote, count, home)
        yield {**folders, "valkey": remote.folder}


def show(measured: dict[tuple[str, int], list[Figures]]) -> dict[str, Any]:
    """The table, and the same as a record."""
    print(f"\n{machine.describe()}\n")
    print(f"{'':10} {'conns':>5} {'/s':>8} {'p50 us':>8} {'p99 us':>8} {'p99.9 us':>9}", end="")
    print(f" {'CPU us':>7} {'p50 ratio':>10} {'p99 ratio':>10} {'CPU ratio':>10} {'bad':>5}")
    table: dict[str, Any] = {}
    for (name, connections), rounds in measured.items():
        middle = Figures(*(median(column) for column in zip(*rounds, strict=True)))
        table[f"{name} {connections}"] = middle._asdict()
        floor = table[f"empty {connections}"]
        ratios = [getattr(middle, each) / floor[each] for each in ("p50", "p99", "cpu")]
        print(
            f"{name:10} {connections:5} {middle.rate:8.0f} {middle.p50:8.0f} {middle.p99:8.0f} "
            f"{middle.p999:9.0f} {middle.cpu:7.1f} "
            + "".join(f"{ratio:10.2f} " for ratio in ratios)
            + f"{middle.bad:5.0f}"
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures here too, as JSON")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        run_server(arguments.serve, arguments.folder)
        return
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    measured: dict[tuple[str, int], list[Figures]] = {}
    with tempfile.TemporaryDirectory() as name, prepared(arguments.keys, Path(name)) as folders:
        script = Path(name) / "keys.lua"
        script.write_text(LUA.format(count=arguments.keys))
        for number in range(arguments.rounds):
            names = list(folders)
            for which in names[number % len(names) :] + names[: number % len(names)]:
                with running(which, folders[which]) as (url, pid):
                    load(
                        url, pid, script, 4, 1.0
                    )  # the first requests pay for what is loaded lazily
                    for connections in CONNECTIONS:
                        found = load(url, pid, script, connections, arguments.seconds)
                        print(f"  {which:10} {connections:3}  {found}", file=sys.stderr, flush=True)
                        measured.setdefault((which, connections), []).append(found)
        ordered = {(n, c): measured[n, c] for c in CONNECTIONS for n in folders}
    table = show(ordered)
    if arguments.out:
        arguments.out.write_text(msgspec.json.format(msgspec.json.encode(table)).decode())


if __name__ == "__main__":
    main()
