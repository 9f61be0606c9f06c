"""A training table: our windows from raw events beside Feast's join of values computed before.

    python -m venv /tmp/feast && /tmp/feast/bin/pip install -r benchmarks/peer/feast.txt
    .venv/bin/python benchmarks/features.py --peer-python /tmp/feast/bin/python

One row for each event, with ten windows of two entities. We compute them from the raw events.
Feast's `get_historical_features` joins values that were computed before, on its DuckDB store and
on its file store, and so does the floor: two ASOF joins by hand in DuckDB. Seconds count from the
files to the table in memory, without Python's own start; memory is the peak of the process.

Two shapes, since they matter: both of Feast's stores join every value of an entity with every
question about it, so that few events per entity favour them. A way that wants more than three
quarters of the machine's memory has failed. Without the peer's environment, Feast's DuckDB store
is left out.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import peers
import pyarrow as pa
import pyarrow.parquet as pq
from peers import KEYS, SQLITE, Failed

from groundplan import Source, decimal, features
from groundplan.engines import feast
from groundplan.features import FeatureSet, offline
from groundplan.practice import machine
from groundplan.units import show_size

OURS, FLOOR = "groundplan, from raw events", "ASOF joins by hand, computed before"
DUCKDB, FILE = "Feast, DuckDB store, computed before", "Feast, file store, computed before"
WAYS = {OURS: "ours", FLOOR: "by_hand", DUCKDB: "duckdb", FILE: "file"}


def definitions() -> FeatureSet:
    """Five windows on the customer and five on the terminal."""
    payments = Source(
        "payments",
        time="at",
        id="payment",
        fields={"customer": int, "terminal": int, "amount": decimal(2)},
        labels={"fraud": "7d"},
    )
    customer, terminal = payments.by("customer"), payments.by("terminal")
    named = {}
    for length in ("1d", "7d", "30d"):
        named[f"customer_count_{length}"] = customer.count(length, current=True)
        named[f"terminal_count_{length}"] = terminal.count(length, delay="7d")
    for length in ("7d", "30d"):
        named[f"customer_mean_{length}"] = customer.mean("amount", length, current=True)
        named[f"terminal_fraud_{length}"] = terminal.mean("fraud", length, delay="7d", empty=0.0)
    return features(**named)


def prepare(folder: Path, rows: int, keys: int) -> None:
    """The events, Feast's repository, and what is asked: the entities and moments of all events."""
    peers.prepare(folder, rows, keys, definitions())
    raw = pq.read_table(folder / "events.parquet")
    moments = raw["at"].cast(pa.timestamp("us", "UTC"))
    asked = raw.select(["payment", *KEYS]).append_column(feast.TIMESTAMP, moments)
    pq.write_table(asked, folder / "asked.parquet")
    print("{}")


def ours(folder: Path) -> None:
    """Our table."""
    inputs = definitions()
    show(folder / "ours.parquet", lambda: offline.table(inputs, folder / "events.parquet"))


def by_hand(folder: Path) -> None:
    """Two ASOF joins over the values that were computed before."""
    joins = " ".join(
        f"ASOF LEFT JOIN '{folder}/feast/data/{key}.parquet' {key} ON a.{key} = {key}.{key} "
        f"AND a.{feast.TIMESTAMP} >= {key}.{feast.TIMESTAMP}"
        for key in KEYS
    )
    names = ", ".join(definitions().names)
    query = f"SELECT a.payment, {names} FROM '{folder}/asked.parquet' a {joins}"

    def work() -> pa.Table:
        with duckdb.connect() as connection:
            return connection.sql(query).to_arrow_table()

    show(folder / "by_hand.parquet", work)


STEPS: dict[str, Callable[..., None]] = {"prepare": prepare, "ours": ours, "by_hand": by_hand}


def show(out: Path, work: Callable[[], pa.Table]) -> None:
    """Print the time and the peak of the memory of a table, and write it."""
    begun = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - begun
    # Not ru_maxrss, which begins with what the parent had when it started this process.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])
    pq.write_table(found, out)
    print(json.dumps({"seconds": seconds, "megabytes": peak / 1024, "rows": found.num_rows}))


def measured(way: str, folder: Path, python: str) -> dict[str, Any]:
    """One way in a process of its own."""
    name = WAYS[way]
    if name in STEPS:
        return peers.step(__file__, name, folder)
    peers.configure(folder, name, SQLITE)
    words = (folder / "feast", folder / "asked.parquet", folder / f"{name}.parquet")
    return peers.peer(python, "historical.py", folder, *words)


def compare(folder: Path, python: str, rows: int, keys: int, rounds: int) -> None:
    peers.step(__file__, "prepare", folder, rows=rows, keys=keys)
    peers.register(python, folder)
    ways = [way for way in WAYS if way != DUCKDB or peers.has(python, "ibis")]
    took: dict[str, list[dict[str, Any]]] = defaultdict(list)
    failed = {} if DUCKDB in ways else {DUCKDB: "left out, the peer's environment has no ibis"}
    for _ in range(rounds):
        for way in ways:
            if way in failed:
                continue
            try:
                took[way].append(measured(way, folder, python))
            except Failed as error:
                failed[way] = "failed: " + str(error)[:100]
                if "memory" in str(error).lower():
                    failed[way] = f"failed: it wants more than {show_size(peers.memory())}"
    report(folder, rounds, took, failed)


def report(
    folder: Path, rounds: int, took: dict[str, list[dict[str, Any]]], failed: dict[str, str]
) -> None:
    print(f"{f'median of {rounds}':38}{'seconds':>9}{'MB':>8}", end="")
    print(f"{'time':>9}{'memory':>9}{'rows':>12}{'equal':>12}")
    base = [median(one[unit] for one in took[OURS]) for unit in ("seconds", "megabytes")]
    for way, name in WAYS.items():
        if way in failed:
            print(f"{way:38} {failed[way]}")
            continue
        found = [median(one[unit] for one in took[way]) for unit in ("seconds", "megabytes")]
        same = equal(folder / "ours.parquet", folder / f"{name}.parquet")
        print(
            f"{way:38}{found[0]:9.2f}{found[1]:8,.0f}{found[0] / base[0]:8.2f}x"
            f"{found[1] / base[1]:8.2f}x{took[way][0]['rows']:12,}{same:12,}"
        )


def equal(ours: Path, theirs: Path) -> int:
    """How many of our rows another way has as well, all ten values bit for bit."""
    pairs = " AND ".join(f"o.{n} IS NOT DISTINCT FROM t.{n}" for n in definitions().names)
    query = f"SELECT count(*) FROM '{ours}' o JOIN '{theirs}' t USING (payment) WHERE {pairs}"
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="has Feast")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--keys", type=int, nargs="+", default=[200_000, 20_000], help="half of each kind of entity"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        peers.act(STEPS, given.step)
        return
    print(f"{machine.describe()}, DuckDB {duckdb.__version__}, load {os.getloadavg()[0]:.1f}")
    for keys in given.keys:
        print(f"{given.rows:,} rows, 10 features, {2 * given.rows / keys:.0f} events per entity")
        with tempfile.TemporaryDirectory(prefix="groundplan-features-") as folder:
            compare(Path(folder), given.peer_python, given.rows, keys, given.rounds)


if __name__ == "__main__":
    main()
