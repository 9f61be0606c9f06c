"""Measure the reference cost table: what each step of an architecture costs on this machine.

    python -m venv /tmp/costs
    /tmp/costs/bin/pip install -e '.[realtime]' faiss-cpu torch
    /tmp/costs/bin/python benchmarks/costs.py --out src/groundplan/decision/reference.json

Each row is the median of one call in steady state, on one thread. Networks have random weights
of public sizes, since their time does not depend on the values of the weights. Rows that cannot
be measured here carry their source. Needs 4 GB of memory, 1 GB of disk and a few minutes of a
quiet machine; it warns when something else is running.
"""

import argparse
import json
import os
import platform
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
os.environ.update(dict.fromkeys(THREADS, "1"))  # read when NumPy and PyTorch are first imported

import faiss  # noqa: E402
import lightgbm  # noqa: E402
import lmdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import torch  # noqa: E402
from networks import DECODER_VOCABULARY, VOCABULARY, Decoder, Encoder  # noqa: E402

from groundplan.features import Event, Source, decimal, features  # noqa: E402
from groundplan.features.embedded import EmbeddedStore  # noqa: E402
from groundplan.models.attributions import Attributions  # noqa: E402
from groundplan.models.boosted import BoostedTrees, Trees  # noqa: E402

SECONDS = 4.0  # of measuring per row, after a warm-up
LIBRARIES = ("numpy", "lightgbm", "lmdb", "faiss-cpu", "torch", "uvicorn", "starlette")
INTERACTIVE = (
    "MLCommons, MLPerf Inference v5.0, 'Llama 2 70B Interactive', server scenario: "
    "https://mlcommons.org/2025/04/llm-inference-v5/"
)
BODY = (
    b'{"transaction_id": 1, "tx_datetime": "2018-08-15T10:00:00", "customer_id": 1, '
    b'"terminal_id": 1, "tx_amount": 10.0, "channel": "web"}'
)


class Row(NamedTuple):
    name: str
    what: str
    measure: Callable[[], float]


ROWS: list[Row] = []


def row(name: str, what: str) -> Callable[[Callable[[], float]], Callable[[], float]]:
    """Register a function that measures one row, in microseconds."""

    def register(measure: Callable[[], float]) -> Callable[[], float]:
        ROWS.append(Row(name, what, measure))
        return measure

    return register


def each(call: Callable[[Any], object], inputs: list[Any]) -> float:
    """The median time of one call in microseconds, over inputs that take turns."""
    turns = cycle(inputs)
    until = time.perf_counter() + SECONDS / 4
    call(next(turns))
    while time.perf_counter() < until:
        call(next(turns))
    took = []
    until = time.perf_counter() + SECONDS
    while len(took) < 9 or (time.perf_counter() < until and len(took) < 50_000):
        argument = next(turns)
        begun = time.perf_counter_ns()
        call(argument)
        took.append(time.perf_counter_ns() - begun)
    return median(took) / 1000


# The server and the stores


@row(
    "http",
    "server CPU time to parse one JSON request of 6 fields and serialise one JSON answer: "
    "Starlette on uvicorn with uvloop and httptools, one worker, one kept-alive connection",
)
def http() -> float:
    request = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    request += b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
    requests = 20_000
    with floor() as (process, port), socket.create_connection(("127.0.0.1", port)) as client:

        def ask(times: int) -> None:
            for _ in range(times):
                client.sendall(request)
                client.recv(65_536)

        ask(2_000)
        before = cpu_seconds(process.pid)
        ask(requests)
        return (cpu_seconds(process.pid) - before) / requests * 1e6


@contextmanager
def floor() -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    script = Path(__file__).with_name("floor.py")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline().rpartition(b":")[2])
        finally:
            process.terminate()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def store(values: Callable[[int], bytes], keys: int) -> Iterator[Callable[[int], Any]]:
    """A function that applies to LMDB with `keys` values under 8-byte keys: read one."""
    with tempfile.TemporaryDirectory() as folder:
        environment = lmdb.open(folder, map_size=8 << 30, sync=False)
        with environment.begin(write=True) as transaction:
            for key in range(keys):
                transaction.put(key.to_bytes(8, "big"), values(key), append=True)

        def read(key: int) -> bytes:
            with environment.begin() as transaction:
                return transaction.get(key.to_bytes(8, "big"))

        yield read
        environment.close()


def random_keys(keys: int) -> list[int]:
    return np.random.default_rng(1).integers(0, keys, 100_000).tolist()


@row(
    "lookup",
    "one point read of a 200-byte value from LMDB by a random key out of 1 million, its read "
    "transaction included",
)
def lookup() -> float:
    with store(lambda key: key.to_bytes(200, "big"), 1_000_000) as read:
        return each(read, random_keys(1_000_000))


@row(
    "item_list",
    "reading one published list of 500 ids (int32) from LMDB by a random key out of 100,000, "
    "and decoding it",
)
def item_list() -> float:
    ids = np.random.default_rng(2).integers(0, 10_000_000, 500_000, dtype=np.int32)
    with store(lambda key: ids[key : key + 500].tobytes(), 100_000) as read:
        return each(lambda key: np.frombuffer(read(key), np.int32), random_keys(100_000))


@row(
    "join_key",
    "six windows (counts and means over 1, 7 and 30 days) of one entity out of 1,000 with 300 "
    "events each, read from the package's embedded store",
)
def join_key() -> float:
    rng = np.random.default_rng(3)
    events, first, days = 300_000, datetime(2026, 1, 1, tzinfo=UTC), 30
    times = np.sort(rng.integers(0, days * 86_400_000_000, events)) + int(first.timestamp() * 1e6)
    table = pa.table(
        {
            "id": np.arange(events),
            "at": pa.array(times, pa.timestamp("us")),
            "customer": rng.integers(0, 1_000, events),
            "amount": rng.integers(0, 20_000, events) / 100,
        }
    )
    source = Source("events", time="at", id="id", fields={"customer": int, "amount": decimal(2)})
    customer = source.by("customer")
    windows = ("1d", "7d", "30d")
    inputs = features(
        *(customer.count(window, current=True) for window in windows),
        *(customer.mean("amount", window, current=True) for window in windows),
    )
    now = int(times[-1]) + 1
    asked = [Event(events, now, (key, 1_000)) for key in rng.integers(0, 1_000, 5_000).tolist()]
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder), inputs)
        store.ingest(table)
        took = each(store.peek, asked)
        store.close()
    return took


@row(
    "gather_candidate",
    "per candidate: 30 float64 features of 500 random rows out of 1 million in memory, gathered "
    "into one matrix by row number",
)
def gather_candidate() -> float:
    rng = np.random.default_rng(4)
    table = rng.random((1_000_000, 30))
    rows = [rng.integers(0, len(table), 500) for _ in range(2_000)]
    matrix = np.empty((500, 30))
    return each(lambda picked: np.take(table, picked, axis=0, out=matrix), rows) / 500


# Trees and linear models


@cache
def training() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(50_000, 30))
    signal = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3:10].sum(axis=1) / 3
    return x, signal + rng.normal(size=len(x)) > 1


@cache
def booster(trees: int, leaves: int) -> lightgbm.Booster:
    x, y = training()
    settings = {
        "objective": "binary",
        "num_leaves": leaves,
        "num_threads": 1,
        "verbose": -1,
        "seed": 0,
    }
    return lightgbm.train(settings, lightgbm.Dataset(x, y), trees)


@cache
def ours(trees: int, leaves: int) -> Trees:
    x, y = training()
    names = tuple(f"f{number}" for number in range(x.shape[1]))
    return BoostedTrees(trees=trees, leaves=leaves).train(x, y, names)


def single_rows() -> list[np.ndarray]:
    return list(np.random.default_rng(6).normal(size=(5_000, 30)))


@row("gbm_row", "one row in a batch of 500 through LightGBM, 300 trees of 31 leaves, 30 features")
def gbm_row() -> float:
    rng = np.random.default_rng(7)
    batches = [rng.normal(size=(500, 30)) for _ in range(20)]
    model = booster(300, 31)
    return each(lambda batch: model.predict(batch, num_threads=1), batches) / 500


@row(
    "gbm_single",
    "one single row through boosted trees, 100 trees of 16 leaves, 30 features, by the package's "
    "own scorer",
)
def gbm_single() -> float:
    return each(ours(100, 16).score, single_rows())


@row("linear_single", "one row of 30 features through a logistic regression in NumPy")
def linear_single() -> float:
    weights, mean, scale = np.random.default_rng(8).random((3, 30))

    def score(r: np.ndarray) -> float:
        return float(1 / (1 + np.exp(-((r - mean) / scale @ weights))))

    return each(score, single_rows())


@row(
    "attribution",
    "exact Tree SHAP of one row, 100 trees of 16 leaves, 30 features, by the package's own "
    "algorithm",
)
def attribution() -> float:
    return each(Attributions.of(ours(100, 16)).row, single_rows())


@row(
    "attribution_row",
    "exact Tree SHAP of one row, 300 trees of 31 leaves, 30 features, by the package's own "
    "algorithm",
)
def attribution_row() -> float:
    return each(Attributions.of(ours(300, 31)).row, single_rows())


# Vectors and texts


@cache
def vectors() -> tuple[np.ndarray, np.ndarray]:
    """1 million x 64 in overlapping clusters, as embeddings are, and 200 queries among them."""
    rng = np.random.default_rng(9)
    centres = rng.normal(size=(2_000, 64)).astype(np.float32)
    points = centres[rng.integers(0, 2_000, 1_000_200)]
    points += rng.normal(scale=1.0, size=points.shape).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points[:-200], points[-200:]


@cache
def exact() -> faiss.Index:
    index = faiss.IndexFlatIP(64)
    index.add(vectors()[0])
    return index


@row(
    "vector_exact",
    "per vector: an exact inner-product scan of 1 million x 64 float32, one query, top 500 "
    "(FAISS Flat)",
)
def vector_exact() -> float:
    faiss.omp_set_num_threads(1)
    queries = list(vectors()[1][:, None])
    return each(lambda query: exact().search(query, 500), queries) / len(vectors()[0])


@row(
    "vector_probe",
    "one approximate search of 1 million x 64, top 500, at a recall of at least 0.94 (FAISS "
    "IVF1024,PQ32x4fsr,Refine(SQ8))",
)
def vector_probe() -> float:
    points, queries = vectors()
    truth = exact().search(queries, 500)[1]
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index = faiss.index_factory(64, "IVF1024,PQ32x4fsr,Refine(SQ8)", faiss.METRIC_INNER_PRODUCT)
    index.train(points[::10])
    index.add(points)
    faiss.omp_set_num_threads(1)
    index.k_factor = 4
    inverted = faiss.extract_index_ivf(index.base_index)
    for inverted.nprobe in (16, 32, 64, 96, 128, 192, 256, 384, 512):
        found = index.search(queries, 500)[1]
        recall = np.mean([len(set(f) & set(t)) for f, t in zip(found, truth, strict=True)]) / 500
        if recall >= 0.94:
            print(f"  recall {recall:.3f} at nprobe {inverted.nprobe}", file=sys.stderr)
            return each(lambda query: index.search(query, 500), list(queries[:, None]))
    raise SystemExit(f"vector_probe: no nprobe reaches a recall of 0.94 (last: {recall:.3f})")


@row("user_tower", "one row through a user tower in NumPy: 128-256-64, float32")
def user_tower() -> float:
    rng = np.random.default_rng(10)
    first, second = (rng.normal(size=s).astype(np.float32) for s in ((128, 256), (256, 64)))
    users = list(rng.normal(size=(1_000, 128)).astype(np.float32))
    return each(lambda user: np.maximum(user @ first, 0) @ second, users)


@row(
    "text_match",
    "one BM25 search for any of 5 words in 100,000 passages of 100 words, top 50 (SQLite FTS5, "
    "words drawn by Zipf's law)",
)
def text_match() -> float:
    rng = np.random.default_rng(11)
    weights = 1 / np.arange(1, 50_001)
    numbers = rng.choice(50_000, (100_000, 100), p=weights / weights.sum())
    with tempfile.TemporaryDirectory() as folder, sqlite3.connect(f"{folder}/text") as database:
        database.execute("CREATE VIRTUAL TABLE passage USING fts5(text)")
        texts = ((" ".join(f"w{n}" for n in words),) for words in numbers.tolist())
        database.executemany("INSERT INTO passage VALUES (?)", texts)
        database.commit()
        sql = "SELECT rowid FROM passage WHERE passage MATCH ? ORDER BY rank LIMIT 50"
        # The hundred most frequent words are nobody's query.
        asked = rng.choice(numbers[numbers >= 100], (2_000, 5)).tolist()
        queries = [" OR ".join(f"w{n}" for n in words) for words in asked]
        return each(lambda query: database.execute(sql, (query,)).fetchall(), queries)


# Networks


def network_pass(network: torch.nn.Module, batch: int, length: int) -> float:
    torch.set_num_threads(1)
    tokens = [torch.randint(0, VOCABULARY, (batch, length)) for _ in range(5)]
    with torch.inference_mode():
        return each(network.eval(), tokens)


@row("encoder", "one text of 32 tokens through an encoder of 6 layers x 384 (MiniLM-L6), float32")
def encoder() -> float:
    return network_pass(Encoder(6, 384), 1, 32)


@row(
    "pair",
    "one query-passage pair of 256 tokens through a cross-encoder of 6 layers x 384 in a batch "
    "of 50, float32",
)
def pair() -> float:
    return network_pass(Encoder(6, 384), 50, 256) / 50


@row(
    "heavy_network",
    "one pass of 128 tokens through a network of 12 layers x 768 (BERT base), float32",
)
def heavy_network() -> float:
    return network_pass(Encoder(12, 768), 1, 128)


@cache
def decoder() -> Decoder:
    torch.set_num_threads(1)
    return Decoder(12, 768, 1024).eval()


@row(
    "token",
    "one generated token of a decoder of 12 layers x 768 (GPT-2) after 512 cached tokens, "
    "float32, one thread",
)
def token() -> float:
    tokens = list(torch.randint(0, DECODER_VOCABULARY, (50, 1, 1)))
    with torch.inference_mode():
        decoder()(torch.randint(0, DECODER_VOCABULARY, (1, 512)))
        return each(lambda one: decoder()(one, 512), tokens)


@row(
    "prompt_token",
    "one token of a prompt of 512 through the same decoder, float32, one thread",
)
def prompt_token() -> float:
    prompts = list(torch.randint(0, DECODER_VOCABULARY, (5, 1, 512)))
    with torch.inference_mode():
        return each(decoder(), prompts) / 512


# From elsewhere

ELSEWHERE = {
    "first_token_hosted": (450_000.0, "time to the first token, 99th percentile, at most"),
    "token_hosted": (40_000.0, "time per output token, 99th percentile, at most"),
}


def machine() -> str:
    """The CPU, cores, memory, system and versions that the figures belong to."""
    facts = dict(
        line.split(":", 1)
        for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].split("\n")
    )
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return ", ".join(
        [
            f"{facts['model name']} (family {facts['cpu family']}, model {facts['model']})",
            f"{os.cpu_count()} cores",
            f"{memory:.0f} GiB",
            platform.freedesktop_os_release()["PRETTY_NAME"],
            f"Python {platform.python_version()}",
            *(f"{library} {version(library)}" for library in LIBRARIES),
        ]
    )


def measured(only: list[str]) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for name, what, measure in ROWS:
        if only and name not in only:
            continue
        print(f"{name} ...", file=sys.stderr, flush=True)
        value = float(f"{measure():.3g}")  # three digits are more than a machine repeats
        rows[name] = {"value": value, "unit": "us", "what": what}
        print(f"{name:20} {value:>12,.3f} us  {what}", flush=True)
    for name, (value, what) in ELSEWHERE.items():
        rows[name] = {"value": value, "unit": "us", "what": what, "source": INTERACTIVE}
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, help="write the table here, as JSON")
    parser.add_argument("--only", nargs="+", default=[], help="measure these rows; writes nothing")
    arguments = parser.parse_args()
    if arguments.only and arguments.out:
        parser.error("--only measures a part of the table: leave --out away")
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"warning: the load average is {load:.1f}: the figures will be high", file=sys.stderr)
    table = {
        "name": "reference",
        "machine": machine(),
        "measured_at": datetime.now(UTC).date().isoformat(),
        "script": "benchmarks/costs.py",
        "rows": measured(arguments.only),
    }
    if arguments.out:
        partial = arguments.out.with_name(f".{arguments.out.name}.{os.getpid()}")
        partial.write_text(json.dumps(table, indent=1) + "\n")
        partial.replace(arguments.out)
        print(f"written to {arguments.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
