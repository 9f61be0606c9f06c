"""Latency of `/predict` beside an empty endpoint and the stack that is usually wired by hand.

    .venv/bin/python benchmarks/serving.py --data TRANSACTIONS.parquet \
        --project PROJECT --peer-python /tmp/peer/bin/python

In one run, on one machine, at the same open-loop arrivals: (a) the floor, an endpoint that only
parses and writes JSON, on the server and settings of `groundplan serve`; (b) `groundplan serve`
of a project that was built from the same data; (c) Feast with its SQLite online store, LightGBM,
shap and FastAPI (benchmarks/peer). Each server has one worker and starts anew for every round;
servers take turns, and a figure is the median of its rounds. Latency counts from the moment at
which a request was due. (b) and (c) are left out where their argument is.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.practice import load, machine
from groundplan.practice.results import Percentiles, Summary

HERE = Path(__file__).parent
FIRST = datetime(2018, 8, 15)  # the day after the published test week
COLUMNS = ("transaction_id", "tx_datetime", "customer_id", "terminal_id", "tx_amount")
WARMUP = 3.0  # seconds
QUANTILES = ("p50", "p90", "p99", "p999", "worst")


class Server(NamedTuple):
    name: str
    command: list[str]


class Round(NamedTuple):
    summary: Summary
    cpu: float  # of the server, in microseconds per request


def transactions(data: Path, count: int) -> list[bytes]:
    """The bodies of the first `count` transactions after the test week."""
    table = pq.read_table(data)
    table = table.rename_columns([name.lower() for name in table.column_names])
    table = table.filter(pc.greater_equal(table["tx_datetime"], FIRST)).slice(0, count)
    if len(table) < count:
        raise SystemExit(f"{data} has {len(table)} transactions after {FIRST}; {count} are needed")
    return [msgspec.json.encode(row) for row in table.select(COLUMNS).to_pylist()]


@contextmanager
def running(server: Server) -> Iterator[tuple[str, int]]:
    """The URL of a started server and its process id."""
    command = [part.format(fresh=tempfile.mkdtemp()) for part in server.command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        _keep_apart(process.pid)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("serving "):
                    yield line.split()[-1], process.pid
                    break
            else:
                raise SystemExit(f"{server.name} did not start: {' '.join(command)}")
        finally:
            process.terminate()


def _keep_apart(server: int) -> None:
    """The server on the first core, this process and the load that it starts on the others.

    Otherwise the scheduler wakes a server on the core of the client that has just written to it,
    and a figure tells of their quarrel.
    """
    cores = range(os.cpu_count() or 1)
    if len(cores) > 1:
        os.sched_setaffinity(server, cores[:1])
        os.sched_setaffinity(0, cores[1:])


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def one_round(server: Server, bodies: list[bytes], rate: float, seed: int) -> Round:
    with running(server) as (url, pid):
        # The first requests pay for what is loaded lazily.
        load.run(f"{url}/predict", bodies[:50], 20)
        before = cpu_seconds(pid)
        results = load.in_process_of_its_own(
            f"{url}/predict", bodies[50:], rate, seed=seed, warmup=WARMUP
        )
        cpu = (cpu_seconds(pid) - before) / len(results) * 1e6
    summary = results.summary()
    if summary.answered < summary.requests:
        bad = next(n for n, good in enumerate(results.answered) if not good)
        print(
            f"  {server.name}: {summary.requests - summary.answered} of {summary.requests} "
            f"without a 2xx answer, such as {results.status[bad]} {results.bodies[bad]!r}",
            file=sys.stderr,
        )
    print(f"  {server.name:12} {rate:5.0f}/s  {summary.latency}", file=sys.stderr, flush=True)
    return Round(summary, cpu)


def middle(rounds: list[Percentiles], quantile: str) -> float:
    """The median over rounds, in microseconds; infinite where a request was never answered."""
    values = [getattr(one, quantile) for one in rounds]
    return median(float("inf") if value is None else value for value in values)


def show(measured: dict[tuple[str, float], list[Round]]) -> dict[str, Any]:
    print(f"\n{machine.describe()}, {datetime.now(UTC).date()}\n")
    print(f"{'':12} {'rate/s':>6} {'p50 ms':>9} {'p99 ms':>9} {'p99.9 ms':>9} ", end="")
    print(f"{'CPU ms':>7} {'answered':>8} {'lag p99':>8}")
    table: dict[str, Any] = {}
    for (name, rate), rounds in measured.items():
        latency = {q: middle([r.summary.latency for r in rounds], q) for q in QUANTILES}
        lag = middle([r.summary.lag for r in rounds], "p99")
        cpu = median(r.cpu for r in rounds)
        answered = sum(r.summary.answered for r in rounds) / sum(r.summary.requests for r in rounds)
        table[f"{name} at {rate:g}/s"] = {**latency, "cpu": cpu, "answered": answered, "lag": lag}
        figures = "".join(f"{latency[q] / 1000:9.2f} " for q in ("p50", "p99", "p999"))
        print(f"{name:12} {rate:6g} {figures}{cpu / 1000:7.2f} {answered:8.2%} {lag / 1000:8.2f}")
    print()
    for name, rate in measured:
        ours, other = table.get(f"groundplan at {rate:g}/s"), table[f"{name} at {rate:g}/s"]
        if ours and name != "groundplan":
            ratios = ", ".join(
                f"{q} {max(ours[q], other[q]) / min(ours[q], other[q]):.1f}x" for q in QUANTILES[:4]
            )
            word = "above" if ours["p99"] > other["p99"] else "below"
            print(f"groundplan at {rate:g}/s is {word} the {name}: {ratios}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="published transactions")
    parser.add_argument("--project", type=Path, help="a fraud project, built from the data")
    parser.add_argument("--peer-python", help="python of an environment with peer/requirements.txt")
    parser.add_argument("--rates", type=float, nargs="+", default=[500.0, 100.0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures here too, as JSON")
    arguments = parser.parse_args()
    servers = [Server("floor", [sys.executable, "-m", "groundplan.practice.calibrate.floor"])]
    if arguments.project:
        groundplan = str(Path(sys.executable).with_name("groundplan"))
        serve = ["serve", str(arguments.project), "--port", "0", "--state", "{fresh}"]
        servers.append(Server("groundplan", [groundplan, *serve]))
    if arguments.peer_python:
        folder = tempfile.mkdtemp()
        python = [arguments.peer_python, "-W", "ignore"]
        print("preparing the peer ...", file=sys.stderr, flush=True)
        script = [*python, str(HERE / "peer" / "prepare.py"), str(arguments.data), folder]
        subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
        servers.append(Server("peer", [*python, str(HERE / "peer" / "server.py"), folder]))
    measured: dict[tuple[str, float], list[Round]] = {
        (server.name, rate): [] for rate in arguments.rates for server in servers
    }
    for number in range(arguments.rounds):
        for rate in arguments.rates:
            bodies = transactions(arguments.data, 50 + round(rate * (arguments.seconds + WARMUP)))
            for server in servers[number % len(servers) :] + servers[: number % len(servers)]:
                done = one_round(server, bodies, rate, seed=number)
                measured[server.name, rate].append(done)
    table = show(measured)
    if arguments.out:
        arguments.out.write_bytes(msgspec.json.format(msgspec.json.encode(table)))


if __name__ == "__main__":
    main()
