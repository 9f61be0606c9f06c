"""What the plan predicts of a running fraud server, beside what a load measures.

    .venv/bin/python benchmarks/capacity.py

In one run, on one machine: the cost table's rows behind a request are measured
(`practice.calibrate`); `plan.capacity` predicts from them how many requests per second one server
process can answer and its p99 at 50 % and 80 % of that; a small project is made from simulated
transactions, built and served, on the first core; and an open-loop load from the others measures
the same. `--reference` predicts from the table that ships instead. `--folder` keeps the project,
and takes it from there where it is. The last lines say how fast the plan itself is worked out.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
import pyarrow.parquet as pq

from groundplan import constraints
from groundplan.constraints import Answers
from groundplan.decision import Costs, decide, reference_costs
from groundplan.examples.fraud.simulator import simulate
from groundplan.plan.capacity import Band, capacity
from groundplan.plan.growth import growth
from groundplan.practice import load, machine
from groundplan.practice.calibrate import calibrate
from groundplan.practice.saturation import cpu_seconds, saturation

ROWS = ("http", "lookup", "join_key", "gbm_single", "attribution")
COLUMNS = ("transaction_id", "tx_datetime", "customer_id", "terminal_id", "tx_amount")


def project(folder: Path) -> Path:
    """A fraud project with a build, made where there is none."""
    made = folder / "card-fraud"
    if not (made / "groundplan.toml").exists():
        table = simulate(days=62, customers=1_000, terminals=2_000, start="2018-06-20", seed=7)
        data = folder / "transactions.parquet"
        pq.write_table(table.rename_columns([name.upper() for name in table.column_names]), data)
        _groundplan("new", str(made), "--from", "fraud")
        answers = made / "groundplan.toml"
        answers.write_text(answers.read_text().replace("= 0.008", "= 0.04"))
        _groundplan("build", str(made), "--data", str(data))
    return made


def _groundplan(*arguments: str) -> None:
    command = [sys.executable, "-m", "groundplan", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def bodies() -> list[bytes]:
    """Transactions after those of the build."""
    table = simulate(days=45, customers=1_000, terminals=2_000, start="2018-08-22", seed=8)
    table = table.rename_columns([name.lower() for name in table.column_names])
    return [
        msgspec.json.encode({**row, "transaction_id": 10_000_000 + at})
        for at, row in enumerate(table.select(COLUMNS).to_pylist())
    ]


@contextmanager
def serving(made: Path) -> Iterator[tuple[str, int]]:
    """The address and the process of a server on the first core, this process on the others."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "groundplan", "serve", str(made), "--port", "0"]
        with subprocess.Popen(
            [*command, "--state", state],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            if len(cores) > 1:
                os.sched_setaffinity(process.pid, cores[:1])
                os.sched_setaffinity(0, cores[1:])
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if " on http://" not in line:
                    raise SystemExit("the server did not start")
                yield line.split(" on ")[-1].strip() + "/predict", process.pid
            finally:
                process.terminate()


def line(name: str, band: Band, measured: float, unit: str, scale: float) -> None:
    """One figure: predicted low, typical, high, measured, and whether it is within."""
    within = "within" if band.low <= measured <= band.high else "OUTSIDE"
    figures = "".join(f"{value / scale:>12,.2f}" for value in (band.low, band.typical, band.high))
    print(f"{name:34}{figures}{measured / scale:>12,.2f} {unit:11} {within}", flush=True)


def measure(made: Path, costs: Costs, seconds: float) -> None:
    """Predict, measure, print."""
    answers = constraints.load(made / "groundplan.toml")
    found = capacity(answers, decide(answers, costs), costs)
    sent = bodies()
    print(f"\n{'':34}{'low':>12}{'typical':>12}{'high':>12}{'measured':>12}")
    with serving(made) as (url, process):
        load.in_process_of_its_own(url, sent[:300], 300)
        # Each once and in the order of their times: one that is repeated or late is refused.
        later = len(sent) // 4
        early, rest = sent[300 : -2 * later], {"50%": sent[-2 * later :], "80%": sent[-later:]}
        full = saturation(url, process, early, found.saturation.typical, seconds)
        line("saturation, a core of its own", found.saturation, full.alone, "requests/s", 1)
        line("saturation, by the clock", found.saturation, full.rate, "requests/s", 1)
        print(f"{'':34}(the server had {full.share:.0%} of a core)")
        for name, share in (("50%", 0.5), ("80%", 0.8)):
            time.sleep(1)
            rate = share * full.rate
            count = min(round(rate * seconds), later)
            before = cpu_seconds(process)
            results = load.in_process_of_its_own(
                url, rest[name][:count], rate, seed=round(100 * share)
            )
            used = (cpu_seconds(process) - before) / count * 1e6
            p99 = results.summary().latency.p99
            line(f"p99 at {name} of it", found.latency[name], p99 or float("inf"), "ms", 1_000)
            late = results.summary().lag.p99 or 0
            print(f"{'':34}({used:.0f} us of CPU a request; the generator's lag p99 {late} us)")


def fast(answers: Answers, costs: Costs) -> None:
    """How long capacity takes, and capacity with four growths, in ms."""
    axes = ("traffic", "corpus", "history")
    rounds: dict[str, list[float]] = {"capacity": [], "capacity and four growths": []}
    for _ in range(50):
        begun = time.thread_time()
        capacity(answers, decide(answers, costs), costs)
        once = time.thread_time()
        for factors in (*({axis: 10.0} for axis in axes), dict.fromkeys(axes, 10.0)):
            growth(answers, costs, factors)
        rounds["capacity"].append(once - begun)
        rounds["capacity and four growths"].append(time.thread_time() - begun)
    for name, taken in rounds.items():
        print(f"{name:34}{1_000 * median(taken):>12.2f} ms of CPU, median")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reference", action="store_true", help="predict from the shipped table")
    parser.add_argument("--folder", type=Path, help="where the project is kept")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    arguments = parser.parse_args()
    print(machine.describe())
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        made = project(folder)
        costs = reference_costs()
        if not arguments.reference:
            costs = calibrate(lambda step, done, total: None, ROWS, seconds=0.5)
        rows = ", ".join(f"{row} {costs.us(row):g}" for row in ROWS)
        print(f"costs, us ({costs.name}): {rows}")
        measure(made, costs, arguments.seconds)
        print()
        fast(constraints.load(made / "groundplan.toml"), costs)


if __name__ == "__main__":
    main()
