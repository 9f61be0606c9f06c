"""Offline features: our statement beside SQL by hand and a rolling computation, on real events.

`python benchmarks/offline.py [--data FILE] [--rounds N]`. Every way reads the Parquet file of
transactions, computes the fifteen features of the fraud example and writes a Parquet file in the
order of the input, in a process of its own: seconds from start to end without Python's own start,
and the peak of its resident memory. All ways must give the same values, bit for bit.

- ours: `offline.write`, with its checks of every row;
- by hand: the query that the definition suggests, one named window for each stretch of time;
- by hand, tuned: the fastest form that we found (shared one-sided frames, the count packed into
  the sum), without checks;
- rolling: NumPy, entity by entity, two binary searches for each window (what a rolling group-by
  does); single-threaded.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan import Source, decimal, features
from groundplan.features import FeatureSet, offline

PUBLISHED = Path(__file__).resolve().parents[2] / "shared/data/fraud_handbook/transactions.parquet"
DAY = 86_400_000_000
WEEKS = (1, 7, 30)
EVENTS = """
    SELECT TRANSACTION_ID AS transaction_id, epoch_us(TX_DATETIME) AS t, CUSTOMER_ID AS c,
           TERMINAL_ID AS m, CAST(floor(TX_AMOUNT * 100.0::DOUBLE + 0.5) AS BIGINT) AS a,
           CAST(TX_FRAUD AS BIGINT) AS f
    FROM read_parquet('{data}')
"""
REQUEST = """transaction_id, a::DOUBLE / 100.0::DOUBLE AS tx_amount,
    ((t // 86400000000 + 3) % 7 >= 5)::DOUBLE AS tx_during_weekend,
    (t // 3600000000 % 24 <= 6)::DOUBLE AS tx_during_night"""


def inputs() -> FeatureSet:
    transactions = Source(
        "transactions",
        time="tx_datetime",
        id="transaction_id",
        fields={"customer_id": int, "terminal_id": int, "tx_amount": decimal(2)},
        labels={"tx_fraud": "7d"},
    )
    customer, terminal = transactions.by("customer_id"), transactions.by("terminal_id")
    windows = {}
    for days in WEEKS:
        size = f"{days}d"
        windows[f"customer_nb_tx_{size}"] = customer.count(size, current=True)
        windows[f"customer_avg_amount_{size}"] = customer.mean("tx_amount", size, current=True)
        windows[f"terminal_nb_tx_{size}"] = terminal.count(size, delay="7d")
        windows[f"terminal_risk_{size}"] = terminal.mean("tx_fraud", size, delay="7d", empty=0.0)
    return features(
        tx_amount=transactions.tx_amount,
        tx_during_weekend=transactions.time.weekday() >= 5,
        tx_during_night=transactions.time.hour() <= 6,
        **windows,
    )


def ours(data: Path, out: Path) -> None:
    offline.write(inputs(), data, out)


def by_hand(data: Path, out: Path) -> None:
    windows, columns = [], []
    for d in WEEKS:
        windows += [
            f"c{d} AS (PARTITION BY c ORDER BY t "
            f"RANGE BETWEEN {d * DAY - 1} PRECEDING AND 1 PRECEDING)",
            f"m{d} AS (PARTITION BY m ORDER BY t "
            f"RANGE BETWEEN {(d + 7) * DAY - 1} PRECEDING AND {7 * DAY} PRECEDING)",
        ]
        columns += [
            f"(count(*) OVER c{d} + 1)::DOUBLE AS customer_nb_tx_{d}d",
            f"(coalesce(sum(a) OVER c{d}, 0) + a)::BIGINT::DOUBLE / (count(*) OVER c{d} + 1)"
            f" / 100.0::DOUBLE AS customer_avg_amount_{d}d",
            f"(count(*) OVER m{d})::DOUBLE AS terminal_nb_tx_{d}d",
            f"coalesce((sum(f) OVER m{d})::BIGINT::DOUBLE / (count(*) OVER m{d}), 0)"
            f" AS terminal_risk_{d}d",
        ]
    copy(
        f"SELECT {REQUEST}, {', '.join(columns)} FROM ({EVENTS.format(data=data)}) "
        f"WINDOW {', '.join(windows)} ORDER BY transaction_id",
        out,
    )


def tuned(data: Path, out: Path) -> None:
    """Frames up to the current row; `sum(x + 2^62)` carries the count in its upper bits."""
    base, windows, packed, counts, columns = 1 << 62, [], [], [], []
    edges = [("c", e) for e in (0, *WEEKS)] + [("m", e) for e in (7, *(7 + d for d in WEEKS))]
    for key, edge in edges:
        start = f"{edge * DAY - 1} PRECEDING" if edge else "CURRENT ROW"
        windows.append(
            f"{key}{edge} AS (PARTITION BY {key} ORDER BY t RANGE BETWEEN {start} AND CURRENT ROW)"
        )
        value = "a" if key == "c" else "f"
        packed.append(f"sum({value} + {base}) OVER {key}{edge} AS {key}{edge}")
    for d in WEEKS:
        for name, difference in ((f"x{d}", f"c{d} - c0"), (f"y{d}", f"m{d + 7} - m7")):
            counts.append(f"{difference} AS {name}")
            counts.append(f"(({difference} + {base // 2}) >> 62)::BIGINT AS {name}n")
        columns += [
            f"(x{d}n + 1)::DOUBLE AS customer_nb_tx_{d}d",
            f"((x{d} - x{d}n::HUGEINT * {base})::BIGINT + a)::DOUBLE / (x{d}n + 1)"
            f" / 100.0::DOUBLE AS customer_avg_amount_{d}d",
            f"y{d}n::DOUBLE AS terminal_nb_tx_{d}d",
            f"CASE WHEN y{d}n = 0 THEN 0.0::DOUBLE "
            f"ELSE (y{d} - y{d}n::HUGEINT * {base})::BIGINT::DOUBLE / y{d}n END"
            f" AS terminal_risk_{d}d",
        ]
    copy(
        f"SELECT {REQUEST}, {', '.join(columns)} FROM (SELECT *, {', '.join(counts)} FROM "
        f"(SELECT *, {', '.join(packed)} FROM ({EVENTS.format(data=data)}) "
        f"WINDOW {', '.join(windows)})) ORDER BY transaction_id",
        out,
    )


def rolling(data: Path, out: Path) -> None:
    table = pq.read_table(data)
    column = {name: table.column(name).to_numpy() for name in table.column_names}
    time_us = table.column("TX_DATETIME").cast(pa.timestamp("us")).cast("int64").to_numpy()
    cents = np.floor(column["TX_AMOUNT"] * 100.0 + 0.5).astype(np.int64)
    found = {
        "transaction_id": column["TRANSACTION_ID"],
        "tx_amount": cents / 100.0,
        "tx_during_weekend": ((time_us // DAY + 3) % 7 >= 5).astype(float),
        "tx_during_night": (time_us // 3_600_000_000 % 24 <= 6).astype(float),
    }
    for name, key, value, delay in (
        ("customer", column["CUSTOMER_ID"], cents, 0),
        ("terminal", column["TERMINAL_ID"], column["TX_FRAUD"].astype(np.int64), 7 * DAY),
    ):
        order = np.lexsort((time_us, key))
        bounds = np.flatnonzero(np.diff(key[order], prepend=-1, append=-1))
        results = np.zeros((2 * len(WEEKS), len(order)))
        for first, stop in pairwise(bounds):
            rows = order[first:stop]
            times, values = time_us[rows], value[rows]
            totals = np.concatenate([[0], np.cumsum(values)])
            young = np.searchsorted(times, times - max(delay, 1), side="right")
            for at, days in enumerate(WEEKS):
                old = np.searchsorted(times, times - delay - days * DAY, side="right")
                count, total = young - old, totals[young] - totals[old]
                if name == "customer":
                    count, total = count + 1, total + values
                    mean = total / count / 100.0
                else:
                    mean = np.divide(total, count, out=np.zeros(len(rows)), where=count > 0)
                results[2 * at, rows] = count
                results[2 * at + 1, rows] = mean
        for at, days in enumerate(WEEKS):
            found[f"{name}_nb_tx_{days}d"] = results[2 * at]
            second = "avg_amount" if name == "customer" else "risk"
            found[f"{name}_{second}_{days}d"] = results[2 * at + 1]
    pq.write_table(pa.table(found).select(["transaction_id", *inputs().names]), out)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "ours": ours,
    "by hand": by_hand,
    "by hand, tuned": tuned,
    "rolling": rolling,
}


def copy(query: str, out: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{out}' (FORMAT parquet)")


def measured(way: str, data: Path, out: Path) -> dict[str, float]:
    """One way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--data", str(data), "--out", str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def differing(left: Path, right: Path) -> int:
    """How many rows of two files are not equal bit for bit, in their order."""
    first = pq.read_table(left)
    second = pq.read_table(right).select(first.column_names)
    pairs = zip(first.columns, second.columns, strict=True)
    unequal = [a.to_numpy() != b.to_numpy() for a, b in pairs]
    return int(np.logical_or.reduce(unequal).sum())


def machine() -> str:
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )


def compare(data: Path, rounds: int) -> int:
    print(machine())
    print(f"{pq.read_metadata(data).num_rows:,} transactions, 15 features, median of {rounds}")
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    memory: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        files = {way: Path(folder, f"{at}.parquet") for at, way in enumerate(WAYS)}
        for number in range(rounds):
            for way in WAYS:
                print(f"round {number + 1}: {way}", file=sys.stderr)
                result = measured(way, data, files[way])
                seconds[way].append(result["seconds"])
                memory[way].append(result["megabytes"])
        wrong = {way: differing(files["ours"], files[way]) for way in WAYS}
    print(f"{'way':16}{'seconds':>9}{'MB':>8}{'time':>8}{'memory':>8}  rows that differ")
    for way in WAYS:
        time_, space = median(seconds[way]), median(memory[way])
        ratios = time_ / median(seconds["ours"]), space / median(memory["ours"])
        print(f"{way:16}{time_:9.2f}{space:8.0f}{ratios[0]:7.2f}x{ratios[1]:7.2f}x  {wrong[way]:,}")
    return 1 if any(wrong.values()) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=PUBLISHED)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.data.exists():
        print(f"skipped: {given.data} is not there; name the transactions with --data FILE")
        return 0
    if given.way is None:
        return compare(given.data, given.rounds)
    started = time.perf_counter()
    WAYS[given.way](given.data, given.out)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
