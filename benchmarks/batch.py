"""A whole batch run: snapshot, features, scores, reasons, publication; time and peak memory.

    python benchmarks/batch.py [--rows N] [--trees N] [--reasons SHARE] [--memory 4GB]

A population of drawn rows with 30 features (27 fields of their own, 3 windows over a history of
two events a key) and a model of 300 trees of 31 leaves. `groundplan score` runs in a process of
its own, of which the peak of the resident memory is taken, mapped files among it. Beside it, on
the same rows: LightGBM's own `predict` on a matrix that lies ready, with as many threads; then
delta runs after nothing, one row in a hundred and one in five has changed.
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
from typing import Any

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from groundplan.engines.places import connected
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.live import live
from groundplan.project import Project
from groundplan.units import DAY, size

OWN = 27
TRAINING = 20_000
MOMENT = 1_782_864_000_000_000
CHUNK = 500_000
CHANGED = (0, 1, 20)
"""Rows in a hundred that change before each delta run."""

ANSWERS = """
[system]
name = "bench"
goal = "Measure a batch run"
output = "score"
[labels]
kind = "explicit"
[latency]
p99 = "10ms"
throughput = "200/s"
[freshness]
predictions = "24h"
features = "24h"
requests = "foreseen"
[candidates]
per_request = 1
[interpretability]
level = "explain"
"""

SYSTEM = """
from groundplan import BoostedTrees, Source, features
from groundplan.models.bands import Bands
from groundplan.models.codes import Reasons
from groundplan.models.folds import Folds

own = [f"x{{at}}" for at in range({own})]
people = Source("people", time="seen", id="row", labels={{"y": "0s"}},
                fields={{"person": int, **dict.fromkeys(own, float | None)}})
events = Source("events", time="at", id="event", fields={{"person": int, "amount": float}})
past = events.by("person")
inputs = features(
    **{{name: people[name] for name in own}},
    count=past.count("30d"), mean=past.mean("amount", "30d"), total=past.sum("amount", "60d"),
    of=people,
)
label = "y"
key = "person"
model = BoostedTrees(trees={trees}, leaves=31, bins=255, threads=2)
judge = Folds(2)
decisions = Bands.top("leave", act={share})
reasons = Reasons(top=4, decisions=("act",))
"""


def people(drawn: np.random.Generator, first: int, count: int) -> dict[str, Any]:
    """Columns of people, whose numbers begin with `first`."""
    columns: dict[str, Any] = {"person": np.arange(first, first + count) * 7919}
    for at in range(OWN):
        values = drawn.normal(size=count)
        columns[f"x{at}"] = np.round(values, 1) if at < 9 else values
        columns[f"x{at}"] = pa.array(columns[f"x{at}"], mask=drawn.random(count) < 0.02)
    return columns


def label(columns: dict[str, Any], drawn: np.random.Generator) -> Any:
    """What the trees have to find."""
    x = [np.nan_to_num(columns[f"x{at}"].to_numpy(zero_copy_only=False)) for at in range(OWN)]
    raw = x[0] * x[1] + np.sin(x[2]) + sum(each for each in x[3:12]) / 3
    return raw + drawn.normal(size=len(raw)) > 1.5


def events(drawn: np.random.Generator, first: int, count: int) -> pa.Table:
    """Two events for each of these people."""
    at = MOMENT - 1 - drawn.integers(0, 90 * DAY, 2 * count)
    return pa.table(
        {
            "event": np.arange(2 * first, 2 * (first + count)),
            "at": pa.array(at).cast(pa.timestamp("us")),
            "person": np.repeat(np.arange(first, first + count) * 7919, 2),
            "amount": np.round(drawn.gamma(2.0, 20.0, 2 * count), 2),
        }
    )


def project(folder: Path, rows: int, trees: int, share: float) -> Project:
    """A project with a build and a population."""
    folder.mkdir()
    (folder / "groundplan.toml").write_text(ANSWERS)
    (folder / "system.py").write_text(SYSTEM.format(own=OWN, trees=trees, share=share))
    drawn = np.random.default_rng(3)
    labelled = people(drawn, 0, TRAINING)
    labelled["seen"] = pa.array([MOMENT] * TRAINING).cast(pa.timestamp("us"))
    labelled["y"] = label(labelled, drawn)
    pq.write_table(pa.table(labelled), folder / "past.parquet")
    pq.write_table(events(drawn, 0, TRAINING), folder / "past_events.parquet")
    made = Project(folder)
    others = {"events": folder / "past_events.parquet"}
    build(made, folder / "past.parquet", lambda *_: None, others=others)
    writers: dict[str, pq.ParquetWriter] = {}
    for first in range(0, rows, CHUNK):
        count = min(CHUNK, rows - first)
        for name, table in (
            ("people", pa.table(people(drawn, first, count))),
            ("events", events(drawn, first, count)),
        ):
            file = folder / f"{name}.parquet"
            writers[name] = writers.get(name) or pq.ParquetWriter(file, table.schema)
            writers[name].write_table(table)
    for writer in writers.values():
        writer.close()
    return made


def score(made: Project, memory: str, *more: str) -> tuple[dict[str, Any], float, float]:
    """What a run in a process of its own says, its seconds, and the CPU seconds that it used."""
    folder = made.folder
    asked = [
        "--population",
        folder / "people.parquet",
        "--source",
        f"events={folder}/events.parquet",
        "--at",
        "2026-07-01T00:00:00Z",
    ]
    command = [sys.executable, "-m", "groundplan", "score", folder, *asked, "--json", *more]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(
        [*map(str, command), "--memory", memory], stdout=subprocess.PIPE, text=True, check=True
    )
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), took, cpu


def change(made: Project, percent: int) -> None:
    """Change a field of some of a hundred people, evenly."""
    file = made.folder / "people.parquet"
    draft = file.with_suffix(".draft")
    with pq.ParquetFile(file) as rows, pq.ParquetWriter(draft, rows.schema_arrow) as writer:
        at = rows.schema_arrow.get_field_index("x0")
        for group in range(rows.num_row_groups):
            table = rows.read_row_group(group)
            some = np.arange(len(table)) % 100 < percent
            values = pc.if_else(pa.array(some), pc.negate(table.column("x0")), table.column("x0"))
            writer.write_table(table.set_column(at, "x0", values))
    draft.replace(file)


def bare(made: Project, rows: int) -> float:
    """Seconds of LightGBM's predict on ready matrices of as many rows, its best threads."""
    made_by, inputs = live(made)
    booster = lightgbm.Booster(model_file=str(made_by.folder / "trees.txt"))
    with connected() as connection:
        names = ", ".join(f"x{at}" for at in range(OWN))
        file = made.folder / "people.parquet"
        table = connection.sql(
            f"SELECT {names}, 1.0 AS count, 20.0 AS mean, 40.0 AS total FROM '{file}' LIMIT {CHUNK}"
        ).to_arrow_table()
    matrix = np.column_stack([table.column(n).to_numpy() for n in table.column_names])
    assert matrix.shape[1] == len(inputs.names)
    began = time.perf_counter()
    booster.predict(matrix, num_threads=len(os.sched_getaffinity(0)))
    return (time.perf_counter() - began) * rows / len(matrix)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--reasons", type=float, default=0.1, help="share of rows with reasons")
    parser.add_argument("--memory", default="4GB")
    asked = parser.parse_args()
    rows = asked.rows
    with tempfile.TemporaryDirectory(prefix="groundplan-") as scratch:
        made = project(Path(scratch) / "bench", rows, asked.trees, asked.reasons)
        floor = bare(made, rows)
        full, took, cpu = score(made, asked.memory)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        deltas = []
        for percent in CHANGED:
            change(made, percent)
            deltas.append(score(made, asked.memory, "--delta"))
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores, Python {platform.python_version()}")
    print(f"{rows:,} rows x {OWN + 3} features, {asked.trees} trees of 31 leaves")
    for step, seconds in full["seconds"].items():
        print(f"{step:<10} {seconds:8.1f} s   {rows / seconds:12,.0f} rows/s")
    print(f"{'in all':<10} {took:8.1f} s   {rows / took:12,.0f} rows/s   {cpu:.1f} s of CPU")
    print(f"reasons for {full['counts']['explained']:,} rows")
    print(
        f"bare LightGBM on a ready matrix: {floor:.1f} s; score / bare = "
        f"{full['seconds']['score'] / floor:.2f}"
    )
    held = "within" if peak <= size(asked.memory) else "ABOVE"
    print(f"peak memory {peak / 1e9:.2f} GB, {held} {asked.memory}")
    for percent, (delta, again, used) in zip(CHANGED, deltas, strict=True):
        counts = delta["counts"]
        print(
            f"delta, {percent:2} % changed: {again:8.1f} s   {used:.1f} s of CPU, "
            f"{used / cpu:.2f} of the full run's; {counts['candidates']:,} could have changed, "
            f"{counts['changed']:,} did"
        )


if __name__ == "__main__":
    main()
