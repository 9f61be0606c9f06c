"""Requests per second of one server process, and its latency at 70 % of that.

    .venv/bin/python benchmarks/throughput.py --data TRANSACTIONS.parquet --project PROJECT \
        --bentoml /tmp/bento/bin/bentoml --mlserver /tmp/mlserver/bin/mlserver

In one run, on one machine, the server on the first core and the load on the second: (a) the
floor, an endpoint that only parses and writes JSON on the server of `groundplan serve`; (b)
`groundplan serve` with features, score, reasons and log; (c) the same with two processes that
share the store, on both cores; (d) BentoML and (e) MLServer with the bare model, which get the
features in the request. Peak: wrk with 16 connections (closed loop), after a warm-up. Latency:
open loop at 70 % of that peak, from the moment at which a request was due.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from groundplan.practice import load, machine
from groundplan.project import Project
from groundplan.rollout import channels
from serving import transactions

HERE = Path(__file__).parent
CONNECTIONS = 16
SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local at = 0
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  at = at %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[at])
end
local bad = 0
response = function(status) if status ~= 200 then bad = bad + 1 end end
"""


@dataclass(frozen=True)
class Server:
    """What is measured: how it starts, where it answers, what it is sent."""

    name: str
    command: list[str]
    path: str
    bodies: list[bytes]
    port: int = 0  # 0: it prints its address
    cores: int = 1
    folder: Path | None = None


@contextmanager
def running(server: Server) -> Iterator[str]:
    """The address of a started server, alone on its cores."""
    command = [part.format(fresh=tempfile.mkdtemp()) for part in server.command]
    first = {0} if server.cores == 1 else set(range(server.cores))
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL if server.port else subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=server.folder,
        preexec_fn=lambda: os.sched_setaffinity(0, first),  # noqa: PLW1509  (no threads yet)
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        yield _address(server, process)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(server: Server, process: "subprocess.Popen[str]") -> str:
    if not server.port:
        assert process.stdout is not None
        for line in process.stdout:
            if "http://" in line:
                return line.split()[-1]
        raise SystemExit(f"{server.name} did not start: {' '.join(server.command)}")
    address = f"http://127.0.0.1:{server.port}"
    for _ in range(120):
        try:
            post(address + server.path, server.bodies[0])
            return address
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"{server.name} did not start: {' '.join(server.command)}")


def post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def peak(server: Server, seconds: int) -> float:
    """Requests per second that wrk gets out of it."""
    with running(server) as address:
        few = max(1, len(server.bodies) // 6)  # to warm up; the rest goes on from there
        _wrk(server, address, server.bodies[:few], 3)
        return _wrk(server, address, server.bodies[few:] or server.bodies, seconds)


def _wrk(server: Server, address: str, sent: list[bytes], seconds: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        bodies, script = Path(folder) / "bodies", Path(folder) / "post.lua"
        bodies.write_bytes(b"\n".join(sent) + b"\n")
        script.write_text(SCRIPT % bodies)
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script)]
        said = subprocess.run(
            [*command, address + server.path], capture_output=True, text=True, check=True
        ).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if bad:
        print(f"  {server.name}: {bad[1]} answers that are not 200", file=sys.stderr)
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0])


def latency(server: Server, rate: float, seconds: int) -> load.Results:
    """The open-loop load at a rate."""
    with running(server) as address:
        count = round(rate * (seconds + 3))
        bodies = (server.bodies * (1 + count // len(server.bodies)))[:count]
        return load.in_process_of_its_own(address + server.path, bodies, rate, warmup=3.0)


def servers(arguments: argparse.Namespace) -> list[Server]:
    """All that can be had here."""
    bodies = transactions(arguments.data, arguments.requests)
    groundplan = str(Path(sys.executable).with_name("groundplan"))
    serve = [groundplan, "serve", str(arguments.project), "--port", "0", "--state", "{fresh}"]
    found = [
        Server(
            "floor",
            [sys.executable, "-m", "groundplan.practice.calibrate.floor"],
            "/predict",
            bodies,
        ),
        Server("groundplan", serve, "/predict", bodies),
        Server("groundplan x2", [*serve, "--processes", "2"], "/predict", bodies, cores=2),
    ]
    build = channels.read(Project(arguments.project).home, channels.LIVE)
    width = len(build.manifest.features["names"])
    row = [0.5] * width
    folder = Path(tempfile.mkdtemp())
    text = (build.folder / "trees.txt").read_text()
    (folder / "model.txt").write_text(text[: text.rfind("sha256")])
    if arguments.bentoml:
        shutil.copy(HERE / "peer" / "bento.py", folder / "bento.py")
        command = [
            arguments.bentoml,
            "serve",
            "bento:Bare",
            "--port",
            "3917",
            "--host",
            "127.0.0.1",
        ]
        body = json.dumps({"features": row}).encode()
        found.append(Server("bentoml", command, "/predict", [body], port=3917, folder=folder))
    if arguments.mlserver:
        _mlserver(folder)
        tensor = {"name": "features", "shape": [1, width], "datatype": "FP64", "data": row}
        body = json.dumps({"inputs": [tensor]}).encode()
        command = [arguments.mlserver, "start", str(folder)]
        path = "/v2/models/bare/infer"
        found.append(Server("mlserver", command, path, [body], port=3918, folder=folder))
    return found


def _mlserver(folder: Path) -> None:
    """Its two files of settings: one process, the model in it."""
    settings = {"host": "127.0.0.1", "http_port": 3918, "grpc_port": 3919, "parallel_workers": 0}
    settings |= {"metrics_port": 3920, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": "bare",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": str(folder / "model.txt")},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="published transactions")
    parser.add_argument("--project", type=Path, required=True, help="a fraud project, built")
    parser.add_argument("--bentoml", help="the bentoml of an environment that has it and lightgbm")
    parser.add_argument("--mlserver", help="the mlserver of an environment with mlserver-lightgbm")
    parser.add_argument("--requests", type=int, default=150_000, help="distinct requests to send")
    parser.add_argument("--seconds", type=int, default=12)
    parser.add_argument("--only", nargs="+", help="names of the servers to measure")
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed (Debian: apt-get install wrk)")
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    print(f"{machine.describe()}, {datetime.now(UTC).date()}\n")
    columns = ("peak/s", "at 70 %", "p50 ms", "p99 ms", "lag p99")
    print(f"{'':14} {' '.join(f'{name:>8}' for name in columns)}  answered")
    rates: dict[str, float] = {}
    for server in servers(arguments):
        if arguments.only and server.name not in arguments.only:
            continue
        rates[server.name] = peak(server, arguments.seconds)
        rate = 0.7 * rates[server.name]
        summary = latency(server, rate, arguments.seconds).summary()
        spent = summary.latency
        late = summary.lag.p99  # of the generator itself
        p50, p99, lag = ((v or float("inf")) / 1000 for v in (spent.p50, spent.p99, late))
        print(
            f"{server.name:14} {rates[server.name]:8,.0f} {rate:8,.0f} {p50:8.2f} {p99:8.2f} "
            f"{lag:8.2f} {summary.answered / summary.requests:9.2%}",
            flush=True,
        )
    ours = rates.get("groundplan")
    for name, rate in rates.items():
        if ours and name != "groundplan":
            print(f"groundplan answers {ours / rate:.2f}x the requests of {name}")


if __name__ == "__main__":
    main()
