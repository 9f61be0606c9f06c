"""The embedded online store: reading, recording, catching up, and what it keeps.

    .venv/bin/python benchmarks/online.py [--keys 1000000] [--events 5000000]
    .venv/bin/python benchmarks/online.py --keys 15000 --events 1750000

Twenty windows on two entities. The floor is what one would write by hand for these windows and no
others: LMDB, one value per entity with NumPy arrays of times and running totals, no check of an
identifier, no lateness, no expiry. Both run in this process, one after the other, on one core.
Times are printed as the wall clock saw them and as CPU time, which others on the machine disturb
less.
"""

import argparse
import os
import platform
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import duckdb
import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.features import EmbeddedStore, Event, FeatureSet, Source, decimal, features
from groundplan.features.state import state_per_key
from groundplan.units import show_size

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND
SPAN = 30 * DAY
RAW = 8 * 5 + 1
"""Bytes of an event as it comes: identifier, time, two entities, an amount, and a label."""


def definitions() -> FeatureSet:
    """Ten windows on the customer and ten on the terminal."""
    payments = Source(
        "payments",
        time="at",
        id="payment",
        fields={"customer": int, "terminal": int, "amount": decimal(2)},
        labels={"fraud": "7d"},
    )
    customer, terminal = payments.by("customer"), payments.by("terminal")
    named = {}
    for length in ("1h", "1d", "3d", "7d", "30d"):
        named[f"customer_count_{length}"] = customer.count(length, current=True)
        named[f"customer_mean_{length}"] = customer.mean("amount", length, current=True)
        named[f"terminal_count_{length}"] = terminal.count(length, delay="7d")
        named[f"terminal_fraud_{length}"] = terminal.mean("fraud", length, delay="7d", empty=0.0)
    return features(**named)


def history(events: int, keys: int, seed: int = 0) -> pa.Table:
    """Payments of half as many customers and half as many terminals as there are keys."""
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "payment": np.arange(events),
            "at": pa.array(START + np.sort(draw.integers(0, SPAN, events)), pa.timestamp("us")),
            "customer": draw.integers(0, keys // 2, events),
            "terminal": draw.integers(0, keys // 2, events),
            "amount": draw.integers(1, 100_000, events) / 100,
            "fraud": draw.random(events) < 0.008,
        }
    )


def coming(count: int, keys: int, first: int, round_: int = 0) -> list[Event]:
    """Events after the history, and after the rounds before, one every few milliseconds."""
    draw = np.random.default_rng(round_)
    first += round_ * count
    begun = START + SPAN + round_ * count * 5_000
    customers = draw.integers(0, keys // 2, count).tolist()
    terminals = draw.integers(0, keys // 2, count).tolist()
    return [
        Event(first + n, begun + n * 5_000, (customers[n], terminals[n], 1_234), (False,))
        for n in range(count)
    ]


class Floor:
    """The same reads and writes by hand: times, then running totals, in one value per entity."""

    AGES = tuple(hours * 3_600 * SECOND for hours in (1, 24, 72, 168, 720))

    def __init__(self, folder: Path) -> None:
        self._env = lmdb.open(str(folder), map_size=1 << 34, writemap=True, sync=False, max_dbs=3)
        self._tables = [self._env.open_db(name) for name in (b"customer", b"terminal")]
        self._records = self._env.open_db(b"records")

    def fill(self, table: pa.Table) -> None:
        at = table["at"].cast(pa.int64()).to_numpy()
        amounts = np.rint(table["amount"].to_numpy() * 100).astype(np.int64)
        values = (amounts, table["fraud"].to_numpy(zero_copy_only=False).astype(np.int64))
        for handle, name, value in zip(self._tables, ("customer", "terminal"), values, strict=True):
            entities = table[name].to_numpy()
            order = np.argsort(entities, kind="stable")
            entities, times = entities[order], at[order]
            totals = np.concatenate([[0], np.cumsum(value[order])])
            ends = np.flatnonzero(np.append(entities[1:] != entities[:-1], True)) + 1
            rows, first = [], 0
            for entity, stop in zip(entities[ends - 1].tolist(), ends.tolist(), strict=True):
                packed = times[first:stop].tobytes() + totals[first : stop + 1].tobytes()
                rows.append((struct.pack(">Q", entity), packed))
                first = stop
            with self._env.begin(write=True) as txn:
                txn.cursor(handle).putmulti(rows, append=True)

    def read(self, event: Event) -> np.ndarray[Any, Any]:
        out = np.empty(20)
        with self._env.begin(buffers=True) as txn:
            for number, handle in enumerate(self._tables):
                found = txn.get(struct.pack(">Q", event.values[number]), b"", db=handle)
                integers = np.frombuffer(found, dtype=np.int64)
                count = (len(integers) - 1) // 2 if len(integers) else 0
                delay = number * 7 * DAY
                edges = [
                    event.time - delay - 1 + number,
                    *(event.time - delay - a for a in self.AGES),
                ]
                places = integers[:count].searchsorted(edges, "right")
                sizes = places[0] - places[1:]
                totals = integers[count:][places] if count else np.zeros(6, np.int64)
                at = number * 10
                out[at : at + 5] = sizes
                out[at + 5 : at + 10] = (totals[0] - totals[1:]) / np.maximum(sizes, 1)
        return out

    def append(self, events: Sequence[Event]) -> None:
        """Two values rewritten and one record put per event, in one transaction, and no more."""
        key, record = struct.Struct(">Q").pack, struct.Struct("<5q").pack
        with self._env.begin(write=True, buffers=True) as txn:
            for event in events:
                for number, handle in enumerate(self._tables):
                    entity = key(event.values[number])
                    found = txn.get(entity, b"", db=handle)
                    txn.put(entity, b"".join((found, key(event.time), key(1))), db=handle)
                assert isinstance(event.id, int)
                txn.put(key(event.id), record(event.time, *event.values, 0), db=self._records)

    def close(self) -> None:
        self._env.close()


def timed(call: Callable[[Any], Any], items: Sequence[Any]) -> str:
    """p50 and p99 of a call, us, and the CPU time of one."""
    warm = len(items) // 10
    for item in items[:warm]:
        call(item)
    took = np.empty(len(items) - warm)
    cpu = time.process_time()
    for at, item in enumerate(items[warm:]):
        begun = time.perf_counter_ns()
        call(item)
        took[at] = time.perf_counter_ns() - begun
    cpu = (time.process_time() - cpu) / len(took) * 1e6
    p50, p99, p999 = np.percentile(took, [50, 99, 99.9]) / 1e3
    return f"p50 {p50:6.1f}  p99 {p99:6.1f}  p99.9 {p999:7.1f}  CPU {cpu:6.1f} us"


def rate(work: Callable[[], Any], count: int) -> str:
    """Events per second of some work, by the wall clock and by CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return f"{count / wall:10,.0f}/s  by CPU time {count / cpu:10,.0f}/s  ({wall:.1f} s)"


def measure(folder: Path, keys: int, events: int, live: int) -> None:
    """Print all figures."""
    inputs = definitions()
    table = history(events, keys)
    path = folder / "history.parquet"
    pq.write_table(table, path)
    floor = Floor(folder / "floor")
    floor.fill(table)
    with EmbeddedStore(folder / "store", inputs) as store:
        print(f"ingest        {rate(lambda: store.ingest(path), events)}")
        keep(store, inputs, events)
        asked = coming(live, keys, events)
        print(f"peek          {timed(store.peek, asked)}")
        print(f"floor, read   {timed(floor.read, asked)}")
        half = len(asked) // 2
        print(f"join          {timed(store.join, asked[:half])}")
        print(f"peek again    {timed(store.peek, asked[half:])}")
        for round_, size in enumerate((100, 1_000, 10_000), start=1):
            more = coming(live, keys, events, round_)
            parts = [more[at : at + size] for at in range(0, len(more), size)]
            for name, append in (("append", store.append), ("floor, append", floor.append)):
                told = rate(lambda do=append, of=parts: list(map(do, of)), len(more))  # type: ignore[misc]  # a loop's lambda
                print(f"{name:13} {told}  in batches of {size:,}")
        mixed = coming(live, keys, events, 4)
        order = np.argsort(np.arange(live) + np.random.default_rng(0).integers(0, 6_000, live))
        mixed = [mixed[at] for at in order.tolist()]
        parts = [mixed[at : at + 1_000] for at in range(0, live, 1_000)]
        told = rate(lambda: list(map(store.append, parts)), live)
        print(f"append        {told}  in batches of 1,000, up to 30 s out of order")
        keep(store, inputs, store.stats().events)
    floor.close()


def keep(store: EmbeddedStore, inputs: FeatureSet, events: int) -> None:
    """Print what the store keeps."""
    stats = store.stats()
    kept = histories(store)
    rows = sum(size.bytes_per_event for size in state_per_key(inputs))
    print(
        f"kept          {show_size(stats.size)} for {events:,} events of {RAW} bytes and "
        f"{sum(stats.keys.values()):,} keys: {stats.size / (RAW * events):.2f}x the raw events"
    )
    print(
        f"of which      {show_size(kept)} are histories: {kept / (RAW * events):.2f}x the raw "
        f"events, whose rows take {rows} bytes each in both"
    )


def histories(store: EmbeddedStore) -> int:
    """The bytes of the pages that tails and bodies take."""

    def work(txn: Any) -> int:
        pages = 0
        for room in store._rooms:
            for shelf in room.shelves:
                for table in (shelf.tails, shelf.bodies):
                    stat = txn.stat(table)
                    pages += sum(stat[f"{kind}_pages"] for kind in ("branch", "leaf", "overflow"))
        return pages * 4096

    return store._file.read(work)


def main() -> None:
    """Measure, in a folder that is removed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--live", type=int, default=40_000)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f}; Python "
        f"{platform.python_version()}, NumPy {np.__version__}, DuckDB {duckdb.__version__}"
    )
    folder = Path(tempfile.mkdtemp(prefix="groundplan-online-"))
    try:
        measure(folder, given.keys, given.events, given.live)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
