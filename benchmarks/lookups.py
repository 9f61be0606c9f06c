"""Published scores: building the file, looking keys up, and swapping versions under load.

    .venv/bin/python benchmarks/lookups.py [--keys 10000000] [--texts]

The embedded store beside LMDB (one file a version, the same bytes of an answer in every value),
beside a Valkey server on this machine over its socket, and above the floor, a `dict` of
the finished answers, which one process would fill for itself. Keys are asked for in an order drawn
uniformly at random, and every way ends in the same `Scored`. One core; wall-clock and CPU time.
The server holds our own scores, packed values, and values as JSON, which end in a `dict`.

Then processes read while the pointer moves to and fro: what a move takes, how many reads failed,
and how many saw a mix of two versions.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import platform
import random
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis

from groundplan.engines.redis import RedisScores
from groundplan.scores.embedded import EmbeddedScores
from groundplan.scores.scored import Because, Live, Scored
from groundplan.scores.version import Average, Code, Version
from groundplan.units import show_size

sys.path.append(str(Path(__file__).parent.parent / "tests"))

import servers  # the tests start a real server as well

CODES = tuple(Code(f"R{n:02d}", f"reason number {n}") for n in range(1, 21))
DECISIONS = ("leave", "call", "visit")
TOP = 3
PARTS = 16
PACKED = struct.Struct(f"<dB{TOP}h")
"""An answer as LMDB and the server keep it."""


def version(name: str, rows: int, key: str, segments: int = 0) -> Version:
    """The record of a version, with averages of so many segments."""
    return Version(
        name=name,
        system="lookups",
        build="b",
        as_of=time.time_ns() // 1_000,
        created=time.time_ns() // 1_000,
        rows=rows,
        key="str" if key == "str" else "int",
        decisions=DECISIONS,
        codes=CODES,
        overall=Average(rows, 0.5, "leave"),
        segments={f"segment {n}": Average(100, n / segments, "leave") for n in range(segments)},
    )


def number(at: Any) -> Any:
    """The key of a row by its position."""
    return at * 7 + 1_000_003


def text(number: int) -> str:
    """A key that is a text."""
    return f"C-{number:010d}"


def score(numbers: Any, seed: int) -> Any:
    """The score of a key, in a version that this seed makes."""
    return (numbers * 2_654_435_761 + seed * 40_503) % (1 << 32) / (1 << 32)


def write(folder: Path, rows: int, key: str, seed: int = 0) -> list[Path]:
    """Part files of so many rows, a part at a time; keys are spread over the parts."""
    paths = []
    for part in range(PARTS):
        draw = np.random.default_rng((seed, part))
        numbers = number(np.arange(part, rows, PARTS))
        count = len(numbers)
        decisions = draw.choice(3, count, p=[0.8, 0.15, 0.05]).astype(np.uint8)
        lengths = np.where(decisions > 0, TOP, 0)
        chosen = draw.integers(1, 7, (count, TOP)) + np.arange(TOP) * 6
        signed = (chosen * draw.choice([-1, 1], (count, TOP))).astype(np.int16)[decisions > 0]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        table = pa.table(
            {
                "key": pa.array(list(map(text, numbers.tolist()))) if key == "str" else numbers,
                "score": score(numbers, seed),
                "decision": decisions,
                "reasons": pa.ListArray.from_arrays(offsets, signed.ravel()),
            }
        )
        paths.append(folder / f"part-{part:05d}.parquet")
        pq.write_table(table, paths[-1])
    return paths


def rows(paths: Sequence[Path]) -> Any:
    """Key and packed answer of every row."""
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(100_000):
            columns = (batch[name].to_pylist() for name in ("key", "score", "decision", "reasons"))
            for key, score, decision, reasons in zip(*columns, strict=True):
                yield key, PACKED.pack(score, decision, *(reasons or [0] * TOP))


class Decoded:
    """Answers out of packed ones, reasons kept ready as the embedded store does."""

    def __init__(self, record: Version) -> None:
        self._live, self._told = Live(record), dict[tuple[int, ...], tuple[Because, ...]]()

    def __call__(self, key: int | str, packed: Any) -> Scored:
        score, decision, *numbers = PACKED.unpack(packed)
        reasons = self._told.get(told := tuple(numbers))
        if reasons is None:
            reasons = tuple(
                Because(CODES[abs(n) - 1].code, CODES[abs(n) - 1].description, n > 0)
                for n in numbers
                if n
            )
            self._told[told] = reasons
        return Scored(key, score, DECISIONS[decision], reasons, self._live)


def encoded(key: int | str) -> bytes:
    """A key as LMDB and the server have it."""
    return key.encode() if isinstance(key, str) else key.to_bytes(8, "big")


def timed(name: str, get: Callable[[Any], Any], asked: Sequence[Any]) -> tuple[float, float]:
    """Print the rate of a call and its percentiles; seconds of one, by the wall clock and CPU."""
    for key in asked:  # every page is in memory from here on
        get(key)
    wall, cpu = time.perf_counter(), time.process_time()
    for key in asked:
        get(key)
    wall, cpu = time.perf_counter() - wall, (time.process_time() - cpu) / len(asked)
    took = np.empty(len(asked) // 2)
    clock = time.perf_counter_ns
    for at in range(len(took)):
        begun = clock()
        get(asked[at])
        took[at] = clock() - begun
    p50, p99, p999 = np.percentile(took, [50, 99, 99.9]) / 1e3
    print(
        f"{name:24} {len(asked) / wall:10,.0f}/s  by CPU time {1 / cpu:10,.0f}/s   "
        f"p50 {p50:5.2f}  p99 {p99:5.2f}  p99.9 {p999:6.2f} us"
    )
    return wall / len(asked), cpu


def built(name: str, work: Callable[[], None], path: Path) -> None:
    """Build in a process of its own, and print what it took."""
    child = multiprocessing.get_context("fork").Process(target=_told, args=(name, work, path))
    child.start()
    child.join()
    assert child.exitcode == 0, f"{name} was not built"


def _told(name: str, work: Callable[[], None], path: Path) -> None:
    wall, cpu, before = time.perf_counter(), time.process_time(), peak()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = path.stat().st_blocks * 512
    print(
        f"{name:24} built in {wall:6.1f} s (CPU {cpu:5.1f} s), {show_size(size)} on the disk; "
        f"resident at most {show_size(peak())}, mapped files among it; {show_size(before)} before",
        flush=True,
    )


def peak() -> int:
    """Bytes of memory that this process had resident at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def put_lmdb(path: Path, paths: Sequence[Path]) -> None:
    """Fill LMDB in the order of its keys, which is the fastest way that it has."""
    ordered = sorted((encoded(key), packed) for key, packed in rows(paths))
    with lmdb.open(str(path), subdir=False, map_size=1 << 36, sync=False) as environment:
        with environment.begin(write=True) as transaction:
            transaction.cursor().putmulti(ordered, append=True)
        environment.sync(True)


def lookups(folder: Path, paths: list[Path], given: argparse.Namespace) -> None:
    """Build and read, each way in turn."""
    key = "str" if given.texts else "int"
    record = version("v1", given.keys, key)
    asked = asking(given.keys, given.reads, key)
    scores = folder / "scores"
    built("embedded", lambda: EmbeddedScores(scores).load(record, paths), scores / "v1.scores")
    store = EmbeddedScores(scores)
    store.point("v1")
    ours, cpu = timed("embedded get", store.get, asked)
    hundreds = [asked[at : at + 100] for at in range(0, len(asked), 100)]
    begun = time.perf_counter()
    for many in hundreds:
        store.get_many(many)
    each = (time.perf_counter() - begun) / len(asked)
    print(f"embedded get_many(100)   {1 / each:10,.0f} keys/s")
    store.close()
    decoded = Decoded(record)
    built("lmdb", lambda: put_lmdb(folder / "lmdb", paths), folder / "lmdb")
    with lmdb.open(str(folder / "lmdb"), subdir=False, readonly=True, lock=False) as environment:

        def read(key: int | str) -> Scored | None:
            with environment.begin(buffers=True) as transaction:
                found = transaction.get(encoded(key))
                return None if found is None else decoded(key, found)

        _, theirs = timed("lmdb get", read, asked)
        with environment.begin(buffers=True) as transaction:

            def kept(key: int | str) -> Scored | None:
                found = transaction.get(encoded(key))
                return None if found is None else decoded(key, found)

            _, best = timed("lmdb, one transaction", kept, asked)
    print(f"{'':24} CPU, lmdb / embedded {theirs / cpu:.2f}, in one transaction {best / cpu:.2f}")
    if given.keys <= given.floor:
        answers = {key: decoded(key, packed) for key, packed in rows(paths)}
        _, floor = timed("dict", answers.get, asked)
        print(f"{'':24} CPU, embedded / dict {cpu / floor:.2f}")
    server(folder, given, ours)


def server(folder: Path, given: argparse.Namespace, ours: float) -> None:
    """A server holds some keys in three ways; each is asked for alone, then a hundred at once."""
    key = "str" if given.texts else "int"
    (folder / "served").mkdir()
    paths, record = write(folder / "served", given.server, key), version("v1", given.server, key)
    asked, decoded = asking(given.server, given.reads // 10, key), Decoded(record)
    with (
        servers.valkey(folder / "v", appendonly="no") as valkey,
        redis.Redis.from_url(valkey.unix_url) as client,
        RedisScores(valkey.unix_url, system="lookups") as store,
    ):

        def publish() -> None:
            store.load(record, paths)
            store.point("v1")

        def put(shown: Callable[[Any, bytes], tuple[bytes | str, bytes | str]]) -> None:
            pairs = itertools.starmap(shown, rows(paths))
            while some := list(itertools.islice(pairs, 2_000)):
                client.execute_command("MSET", *itertools.chain.from_iterable(some))

        def as_json(key: Any, packed: bytes) -> tuple[str, str]:
            one = decoded(key, packed)
            reasons = [("-+"[each.raised]) + each.code for each in one.reasons]
            told = {"score": one.score, "decision": one.decision, "reasons": reasons}
            return f"score:{key}", json.dumps(told)

        fills: dict[str, Callable[[], None]] = {
            "ours": publish,
            "packed": lambda: put(lambda key, packed: (encoded(key), packed)),
            "JSON": lambda: put(as_json),
        }
        for name, fill in fills.items():
            before: Any = client.info("memory")
            begun = time.perf_counter()
            fill()
            took, after = time.perf_counter() - begun, client.info("memory")
            each = (after["used_memory"] - before["used_memory"]) / given.server
            print(f"valkey, {name:18} loaded in {took:5.1f} s, {each:4.0f} bytes a key")
        ways: dict[str, Callable[[Any], Any]] = {
            "get": lambda some: [store.get(key) for key in some],
            "packed, GET": lambda some: [decoded(k, client.get(encoded(k))) for k in some],
            "JSON, GET": lambda some: [json.loads(client.get(f"score:{k}")) for k in some],
            "get_many(100)": store.get_many,
            "packed, MGET of 100": lambda some: list(
                map(decoded, some, client.mget(list(map(encoded, some))))
            ),
            "JSON, MGET of 100": lambda some: list(
                map(json.loads, client.mget([f"score:{k}" for k in some]))
            ),
        }
        spent = in_turn(client, ways, asked)
    for name, (wall, cpu, its) in spent.items():
        json_s = spent["JSON, MGET of 100" if "100" in name else "JSON, GET"][0]
        print(
            f"valkey, {name:20} {1 / wall:9,.0f}/s  CPU here {cpu * 1e6:5.1f} us, there "
            f"{its * 1e6:5.1f} us; JSON / this {json_s / wall:.2f}, server / embedded "
            f"{wall / ours:.1f}"
        )


def in_turn(
    client: Any, ways: dict[str, Callable[[Any], Any]], asked: Sequence[Any]
) -> dict[str, Any]:
    """Seconds of a key by each way: by the clock, of CPU here, and of CPU in the server."""
    spent = {name: np.zeros(3) for name in ways}
    block = 1_000

    def now() -> Any:
        cpu = client.info("cpu")
        its = cpu["used_cpu_user"] + cpu["used_cpu_sys"]
        return np.array([time.perf_counter(), time.process_time(), its])

    for first in range(0, len(asked), block):
        for name, get in ways.items():
            begun = now()
            for at in range(first, min(first + block, len(asked)), 100):
                get(asked[at : at + 100])
            spent[name] += now() - begun
    return {name: each / len(asked) for name, each in spent.items()}


def asking(keys: int, reads: int, key: str) -> list[int | str]:
    """Keys drawn uniformly at random."""
    numbers = number(np.random.default_rng(0).integers(0, keys, reads)).tolist()
    return [text(n) for n in numbers] if key == "str" else numbers


def swaps(folder: Path, given: argparse.Namespace) -> None:
    """Move the pointer to and fro while processes read."""
    store = EmbeddedScores(folder / "scores")
    for seed, name in enumerate(("v1", "v2")):
        parts = folder / name
        parts.mkdir()
        record = version(name, given.swapped, "int", given.segments)
        store.load(record, write(parts, given.swapped, "int", seed))
        store.point(name)
    fork = multiprocessing.get_context("fork")
    stop, answers = fork.Event(), fork.Queue()
    readers = [
        fork.Process(target=reader, args=(folder / "scores", given.swapped, n, stop, answers))
        for n in range(given.readers)
    ]
    for process in readers:
        process.start()
    time.sleep(1.0)
    begun, moved, ended = [], [], []
    for turn in range(given.moves):
        begun.append(time.monotonic_ns())
        store.point(("v1", "v2")[turn % 2])
        moved.append(time.monotonic_ns())
        store.sync()
        ended.append(time.monotonic_ns())
        time.sleep(0.02)
    stop.set()
    told = [answers.get() for _ in readers]
    for process in readers:
        process.join()
    print(f"{given.moves} moves of the pointer")
    for name, moments in (("in its place", moved), ("on the disk", ended)):
        p50, p99 = np.percentile(np.array(moments) - begun, [50, 99]) / 1e6
        print(f"{name:24} p50 {p50:.3f} ms, p99 {p99:.3f} ms")
    moments = np.array([at for _, _, _, seen, _ in told for at in seen if at > begun[0]])
    lags = moments - np.array(begun)[np.searchsorted(begun, moments) - 1]
    p50, p99 = np.percentile(lags, [50, 99]) / 1e6
    print(f"{'read by the others':24} p50 {p50:.3f} ms, p99 {p99:.3f} ms after it began")
    reads, failed, mixed = (sum(one[n] for one in told) for n in range(3))
    slowest = max(one[4] for one in told) / 1e3
    print(
        f"{len(told)} processes read {reads:,} times: {failed} failed, {mixed} mixed; slowest "
        f"{slowest:,.0f} us"
    )


def reader(folder: Path, keys: int, seed: int, stop: Any, answers: Any) -> None:
    """Read until told to stop, and count: reads, failed, mixed, moments of change, slowest."""
    store = EmbeddedScores(folder)
    asked = asking(keys, 100_000, "int")
    right = {name: score(np.array(asked), n).tolist() for n, name in enumerate(("v1", "v2"))}
    reads = failed = mixed = slowest = 0
    seen, last = [], ""
    random.Random(seed).shuffle(order := list(range(0, len(asked) - 20, 20)))
    while not stop.is_set():
        for at in order[:500]:
            begun = time.monotonic_ns()
            found = store.get(asked[at])
            ended = time.monotonic_ns()
            many = store.get_many(asked[at : at + 20])
            reads += 2
            slowest = max(slowest, ended - begun)
            if found is None or None in many:
                failed += 1
                continue
            if found.version != last:
                seen.append(ended)
                last = found.version
            names = {answer.version for answer in many if answer}
            wrong = found.score != right[last][at] or len(names) != 1
            for n, answer in enumerate(many, at):
                wrong = wrong or answer is None or answer.score != right[answer.version][n]
            mixed += wrong
    answers.put((reads, failed, mixed, seen[1:], slowest))


def main() -> None:
    """Measure, in a folder that is removed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--reads", type=int, default=1_000_000)
    parser.add_argument("--texts", action="store_true", help="texts as keys, not integers")
    parser.add_argument("--floor", type=int, default=10_000_000, help="a dict of so many at most")
    parser.add_argument("--server", type=int, default=1_000_000, help="keys that the server has")
    parser.add_argument("--swapped", type=int, default=1_000_000, help="keys while versions swap")
    parser.add_argument("--segments", type=int, default=0, help="averages that a version has")
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--moves", type=int, default=500)
    given = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python "
        f"{platform.python_version()}, NumPy {np.__version__}, LMDB {lmdb.version()}; "
        f"{given.keys:,} {'texts' if given.texts else 'integers'} as keys"
    )
    folder = Path(tempfile.mkdtemp(prefix="gp-lookups-"))
    try:
        parts = folder / "parts"
        parts.mkdir()
        lookups(folder, write(parts, given.keys, "str" if given.texts else "int"), given)
        shutil.rmtree(folder / "scores")
        swaps(folder, given)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
