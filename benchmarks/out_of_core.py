"""More events than fit in memory: the transactions repeated twenty times, with twenty windows.

`python benchmarks/out_of_core.py [--data FILE] [--times N] [--memory 4GB]`. Each repeat has
transactions, customers and terminals of its own, so that every window costs what it costs once.
The features are written by `offline.write` in a process of its own; printed are its seconds and
the peak of its resident memory, and a sample of rows is compared with the same features of the
transactions that were not repeated: all must be equal bit for bit.
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
from pathlib import Path

import duckdb

from groundplan import Source, decimal, features
from groundplan.features import FeatureSet, offline
from groundplan.units import show_size, size

PUBLISHED = Path(__file__).resolve().parents[2] / "shared/data/fraud_handbook/transactions.parquet"
APART = 10_000_000
"""Between the identifiers of two repeats."""


def inputs() -> FeatureSet:
    """Twenty windows on two entities: counts, means, deviations, extremes, last and distinct."""
    transactions = Source(
        "transactions",
        time="tx_datetime",
        id="transaction_id",
        fields={"customer_id": int, "terminal_id": int, "tx_amount": decimal(2)},
        labels={"tx_fraud": "7d"},
    )
    customer, terminal = transactions.by("customer_id"), transactions.by("terminal_id")
    windows = {}
    for days in (1, 7, 30):
        length = f"{days}d"
        windows[f"customer_count_{length}"] = customer.count(length, current=True)
        windows[f"customer_mean_{length}"] = customer.mean("tx_amount", length, current=True)
        windows[f"customer_std_{length}"] = customer.std("tx_amount", length, current=True)
        windows[f"terminal_count_{length}"] = terminal.count(length, delay="7d")
        windows[f"terminal_risk_{length}"] = terminal.mean(
            "tx_fraud", length, delay="7d", empty=0.0
        )
    return features(
        customer.max("tx_amount", "7d"),
        customer.distinct("terminal_id", "7d"),
        customer.last("tx_amount", "30d"),
        customer.since("30d"),
        customer_large=customer.count("7d", where=transactions.tx_amount > 200),
        **windows,
    )


def repeat(data: Path, out: Path, times: int) -> int:
    """Write the transactions several times over; returns how many there are."""
    with duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(out.parent)}) as made:
        made.execute("SET preserve_insertion_order = false")
        columns = ", ".join(
            f"{name} + n * {APART} AS {name}"
            for name in ("TRANSACTION_ID", "CUSTOMER_ID", "TERMINAL_ID")
        )
        rows = made.execute(
            f"COPY (SELECT {columns}, TX_DATETIME, TX_AMOUNT, TX_FRAUD FROM read_parquet('{data}'),"
            f" range({times}) repeats(n)) TO '{out}' (FORMAT parquet)"
        ).fetchone()
    return int(rows[0]) if rows else 0


def differing(once: Path, repeated: Path) -> int:
    """How many sampled rows of the repeats differ from the rows that they repeat."""
    with duckdb.connect(config={"memory_limit": "2GB"}) as compared:
        names = ", ".join(
            f"a.{name} IS DISTINCT FROM b.{name} AS d_{name}" for name in inputs().names
        )
        any_different = " OR ".join(f"d_{name}" for name in inputs().names)
        found = compared.execute(
            f"SELECT count(*) FILTER ({any_different}), count(*) FROM (SELECT {names} FROM "
            f"(SELECT *, transaction_id % {APART} AS one FROM read_parquet('{repeated}') "
            f"WHERE transaction_id % 97 = 5) a "
            f"JOIN read_parquet('{once}') b ON a.one = b.transaction_id)"
        ).fetchone()
    assert found is not None
    assert found[1] > 0
    return int(found[0])


def measured(data: Path, out: Path, memory: int) -> dict[str, float]:
    """`offline.write` in a process of its own."""
    command = [sys.executable, __file__, "--data", str(data), "--out", str(out)]
    done = subprocess.run(
        [*command, "--memory", str(memory)], check=True, capture_output=True, text=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def compare(data: Path, times: int, memory: int) -> int:
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        many, once, out = (Path(folder, name) for name in ("many", "once", "out"))
        rows = repeat(data, many, times)
        offline.write(inputs(), data, once)
        result = measured(many, out, memory)
        wrong = differing(once, out)
        limit = f"{show_size(memory)} for DuckDB before it spills"
        print(f"{rows:,} transactions, {len(inputs().windows)} windows, {limit}")
        print(
            f"{result['seconds']:.0f} s ({result['processor']:.0f} s of processor), "
            f"peak {result['megabytes']:,.0f} MB, rows that differ: {wrong:,}"
        )
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=PUBLISHED)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--memory", default="4GB", help="what DuckDB may use before it spills")
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.data.exists():
        print(f"skipped: {given.data} is not there; name the transactions with --data FILE")
        return 0
    if given.out is None:
        return compare(given.data, given.times, size(given.memory))
    started = time.perf_counter()
    offline.write(inputs(), given.data, given.out, memory=int(given.memory))
    used = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "seconds": time.perf_counter() - started,
        "processor": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss / 1024,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
