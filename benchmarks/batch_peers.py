"""The batch pattern end to end beside how it is wired today: Spark into Redis keys, and Feast.

    .venv/bin/python benchmarks/batch_peers.py [--rows 1000000] [--trees 300] [--reasons 0.1]

The same population (a Parquet file of 30 features), the same model, the same decisions:

- ours: `groundplan score` into the embedded store, without reasons and with those of the rows
  that are acted on; the latter into Valkey too;
- Spark `local[CORES]`: the model in `mapInArrow`, the scores written in place by pipelined SETs,
  without and with LightGBM's `pred_contrib` for the same rows;
- Feast: a scored table (LightGBM by hand, which is the floor of what scoring takes) materialised
  into SQLite and into Valkey.

Every step runs in a process of its own; its memory is the most that it and its descendants had
resident together, and its CPU time theirs. Valkey stands beside, emptied before every way. Then
keys drawn at random are looked up, one at a time and a hundred at once. All answers of all ways
are compared with LightGBM's, to the bit.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from batch_scoring import WIDTH, drawn
from peer.pace import looked_up
from watched import Ran, ran

from groundplan.models.fast import Fast
from groundplan.patterns.batch.building.training import build
from groundplan.patterns.batch.live import cuts, live
from groundplan.patterns.batch.lookups.lookup import Scores
from groundplan.patterns.batch.runs.running import score
from groundplan.patterns.batch.runs.scoring import Loaded
from groundplan.practice import machine
from groundplan.project import Project

sys.path.append(str(Path(__file__).parent.parent / "tests"))

import servers  # the tests start a real server as well

TRAINING = 20_000
BLOCK = 500_000
HANDS = "LightGBM by hand, Parquet"
OURS, REASONED = "groundplan", "groundplan, reasons"
SHARED = "groundplan, reasons, Valkey"
AGAINST = {
    OURS: OURS,
    "Spark, SET in place": OURS,
    "Feast, SQLite": OURS,
    "Feast, Valkey": OURS,
    HANDS: OURS,
    REASONED: REASONED,
    SHARED: REASONED,
    "Spark, pred_contrib, SET": REASONED,
}
"""What is measured, and against what; lookups against `OURS` and, on a server, `SHARED`."""
PLAIN, TOLD, SERVED = "plain", "told", "served"
"""Projects: without reasons, with them, and with them and Valkey."""

ANSWERS = """
[system]
name = "peers"
goal = "Measure a batch run beside others"
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
level = "{level}"
"""

SYSTEM = """
from groundplan import BoostedTrees, Source, features
from groundplan.models.bands import Bands
from groundplan.models.codes import Reasons
from groundplan.models.folds import Folds

own = [f"x{{at}}" for at in range({width})]
people = Source("people", time="seen", id="person", labels={{"y": "0s"}},
                fields=dict.fromkeys(own, float | None))
inputs = features(**{{name: people[name] for name in own}}, of=people)
label = "y"
key = "person"
model = BoostedTrees(trees={trees}, leaves=31, bins=255, threads=1)
judge = Folds(2)
decisions = Bands.top("leave", act={share})
{reasons}
"""
REASONS = 'reasons = Reasons(top=4, decisions=("act",))'


class Way(NamedTuple):
    """What came of a way of doing it."""

    runs: Sequence[Ran]
    lookups: dict[str, Any]
    stored: int


def people(rows: int, seed: int, first: int = 0) -> dict[str, Any]:
    """Columns of people; missing features are null."""
    x = drawn(rows, seed)
    columns = {"person": pa.array(np.arange(first, first + rows) * 7919)}
    return columns | {f"x{at}": pa.array(x[:, at], from_pandas=True) for at in range(WIDTH)}


def prepare(folder: Path, rows: int, trees: int, share: float, url: str) -> None:
    """Projects with the same build, and the population."""
    labelled = people(TRAINING, 0)
    x = np.nan_to_num(drawn(TRAINING, 0))
    raw = x[:, 0] * x[:, 1] + np.sin(x[:, 2:12]).sum(axis=1) + x[:, 12:].sum(axis=1)
    labelled["y"] = pa.array(raw + np.random.default_rng(1).normal(size=TRAINING) > 3)
    labelled["seen"] = pa.array(np.full(TRAINING, "2026-01-01", dtype="datetime64[us]"))
    pq.write_table(pa.table(labelled), folder / "past.parquet")
    engines = f'[engines]\nscores = "{url}"\n'
    for name in (PLAIN, TOLD, SERVED):
        level, reasons = ("none", "") if name == PLAIN else ("explain", REASONS)
        made = folder / name
        made.mkdir()
        answers = ANSWERS.format(level=level) + (engines if name == SERVED else "")
        (made / "groundplan.toml").write_text(answers)
        system = SYSTEM.format(width=WIDTH, trees=trees, share=share, reasons=reasons)
        (made / "system.py").write_text(system)
        build(Project(made), folder / "past.parquet", lambda *_: None)
    writer = None
    for number, first in enumerate(range(0, rows, BLOCK)):
        block = pa.table(people(min(BLOCK, rows - first), 10 + number, first))
        writer = writer or pq.ParquetWriter(folder / "people.parquet", block.schema)
        # Small enough that Spark has a few tasks for each core, whatever the size.
        writer.write_table(block, row_group_size=max(5_000, min(rows // 8, 125_000)))
    if writer:
        writer.close()
    print(json.dumps({"seconds": {}, **known(folder)}))


def known(folder: Path) -> dict[str, Any]:
    """What the peers are given: the model and its cuts, which all projects have alike."""
    found = []
    for name in (PLAIN, TOLD, SERVED):
        made, _ = live(Project(folder / name))
        model = made.folder / "trees.txt"
        found.append((model.read_bytes(), cuts(made)))
    if any(each != found[0] for each in found):
        raise SystemExit("the projects' models differ, so they cannot be compared")
    _, decided = found[0]
    return {"model": str(model), "above": decided.above, "decisions": decided.names}


def run(folder: Path, system: str) -> None:
    """`groundplan score`, its steps by what it reports and by clocks around two calls of it."""
    marks: dict[str, tuple[float, float]] = {}
    spent: dict[str, list[float]] = {"scores": [], "answers": []}
    computed: dict[str, float] = {}
    Fast.scores = clocked(Fast.scores, spent["scores"])  # type: ignore[method-assign]
    Loaded.answers = clocked(Loaded.answers, spent["answers"])  # type: ignore[method-assign]

    def report(step: str, done: int, total: int) -> None:
        now = time.perf_counter()
        marks[step] = (marks.get(step, (now, now))[0], now)
        if step == "measure the scores" and not computed:
            computed.update({each: sum(took) for each, took in spent.items()})

    project = Project(folder / system)
    found = score(project, population=folder / "people.parquet", report=report)
    if not found.passed:
        raise SystemExit(f"a check refused the scores: {found.published}")
    shared = min(len(os.sched_getaffinity(0)), found.run.partitions)
    answers, scores = computed["answers"] / shared, computed["scores"] / shared
    validated = marks["validate"][1] - marks["measure the scores"][0]
    seconds = {
        "snapshot": found.seconds["snapshot"],
        "features, parts": found.seconds["score"] - answers,
        "scores": scores,
        "reasons": answers - scores,
        "validate": validated,
        "publish": found.seconds["publish"] - validated,
    }
    said = {"seconds": seconds, "rows": found.counts.rows, "explained": found.counts.explained}
    print(json.dumps(said))


def clocked(call: Callable[..., Any], took: list[float]) -> Callable[..., Any]:
    """The same, whose seconds are noted; several threads may call it."""

    def noted(*given: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return call(*given, **named)
        finally:
            took.append(time.perf_counter() - begun)

    return noted


def look_up(folder: Path, system: str, for_s: float) -> None:
    """Our published scores, in the process that asks."""
    with Scores.open(folder / system) as scores:
        found = looked_up(
            scores.get,
            scores.get_many,
            lambda one: (-1.0, "") if one.fallback else (one.score, one.decision),
            folder / "scored.parquet",
            for_s,
        )
    print(json.dumps(found))


def look_up_keys(folder: Path, url: str, for_s: float) -> None:
    """What Spark wrote, by a plain client."""
    import redis

    client = redis.Redis.from_url(url)

    def many(keys: Sequence[int]) -> list[Any]:
        return [json.loads(text) for text in client.mget([f"score:{key}" for key in keys])]

    found = looked_up(
        lambda key: json.loads(client.get(f"score:{key}")),
        many,
        lambda one: (one["score"], one["decision"]),
        folder / "scored.parquet",
        for_s,
    )
    print(json.dumps(found))


STEPS: dict[str, Callable[..., None]] = {
    "prepare": prepare,
    "run": run,
    "look_up": look_up,
    "look_up_keys": look_up_keys,
}


def compare(folder: Path, given: argparse.Namespace, valkey: servers.Valkey) -> dict[str, Way]:
    """What every way took."""
    asked = {"rows": given.rows, "trees": given.trees, "share": given.reasons}
    made = step(folder, "prepare", url=valkey.url, **asked)
    shown = {each: made.says[each] for each in ("model", "above", "decisions")}
    shown |= {"people": str(folder / "people.parquet"), "scored": str(folder / "scored.parquet")}
    shown |= {"url": valkey.url, "scratch": str(folder), "for_s": given.seconds}
    hands = peer(folder, "batch_feast.py", "score", shown)
    found = {HANDS: Way([hands], {}, (folder / "scored.parquet").stat().st_size)}
    for way, name in ((OURS, PLAIN), (REASONED, TOLD), (SHARED, SERVED)):
        valkey.client().flushall()
        took = step(folder, "run", system=name)
        asked = step(folder, "look_up", system=name, for_s=given.seconds)
        files = (folder / name / ".groundplan" / "scores").glob("*.scores")
        stored = held(valkey) if name == SERVED else sum(each.stat().st_size for each in files)
        found[way] = Way([took], asked.says, stored)
    for way, explained in (("Spark, SET in place", False), ("Spark, pred_contrib, SET", True)):
        valkey.client().flushall()
        took = peer(folder, "batch_spark.py", "", shown | {"explained": explained})
        asked = step(folder, "look_up_keys", url=valkey.url, for_s=given.seconds)
        found[way] = Way([took], asked.says, held(valkey))
    address = f"127.0.0.1:{valkey.port}"
    for way, online in (
        ("Feast, SQLite", {"type": "sqlite", "path": "online.db"}),
        ("Feast, Valkey", {"type": "redis", "connection_string": address}),
    ):
        valkey.client().flushall()
        there = shown | {"repository": str(folder / online["type"]), "online": online}
        took = peer(folder, "batch_feast.py", "fill", there)
        asked = peer(folder, "batch_feast.py", "look_up", there)
        file = folder / "sqlite" / "online.db"
        stored = held(valkey) if online["type"] == "redis" else file.stat().st_size
        found[way] = Way([hands, took], asked.says, stored)
    return found


def step(folder: Path, name: str, **given: Any) -> Ran:
    """A step of this script."""
    return ran(folder, "batch_peers.py", "--folder", str(folder), "--step", name, json.dumps(given))


def peer(folder: Path, script: str, name: str, given: dict[str, Any]) -> Ran:
    """A step of one of the peers' scripts."""
    return ran(folder, f"peer/{script}", *filter(None, (name,)), json.dumps(given))


def held(valkey: servers.Valkey) -> int:
    """Bytes that the server needs for what it holds."""
    memory: dict[str, Any] = valkey.client().info("memory")
    return int(memory["used_memory"] - memory["used_memory_startup"])


def report(found: dict[str, Way], rows: int) -> None:
    print(
        f"\n{'':30}{'s':>8}{'rows/s':>11}{'CPU s':>8}{'peak MB':>9}{'B/row':>7}{'ratio':>8}  steps"
    )
    for way, against in AGAINST.items():
        runs = found[way].runs
        wall, cpu = sum(each.wall for each in runs), sum(each.cpu for each in runs)
        base = sum(each.wall for each in found[against].runs)
        steps = "; ".join(
            ", ".join(f"{name} {seconds:.2f}" for name, seconds in each.seconds.items())
            for each in runs
        )
        peak = max(each.peak for each in runs)
        print(
            f"{way:30}{wall:8.1f}{rows / wall:11,.0f}{cpu:8.1f}{peak / 1e6:9,.0f}"
            f"{found[way].stored / rows:7.0f}{wall / base:7.2f}x  {steps}"
        )
    print("\nlookups in one process; how many times the time of ours: embedded, and on Valkey")
    print(f"{'':30}{'one: /s':>10}{'p50 us':>9}{'p99 us':>9}{'embed.':>9}{'Valkey':>8}", end="")
    print(f"{'100: keys/s':>14}{'p50 us':>9}{'p99 us':>9}{'embed.':>9}{'Valkey':>8}  wrong")
    for way in AGAINST:
        if not (told := found[way].lookups):
            continue
        line = f"{way:30}"
        for kind, width in (("one", 10), ("hundred", 14)):
            own = told[kind]
            line += f"{own['rate']:{width},.0f}{own['p50']:9.1f}{own['p99']:9.1f}"
            line += f"{found[OURS].lookups[kind]['rate'] / own['rate']:8.1f}x"
            line += f"{found[SHARED].lookups[kind]['rate'] / own['rate']:7.2f}x"
        print(f"{line}  {told['wrong']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--reasons", type=float, default=0.1, help="share that is acted on")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each kind of lookups")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        name, words = given.step
        STEPS[name](given.folder, **json.loads(words))
        return
    print(f"{machine.describe()}, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="gp-peers-") as name:
        folder = Path(name)
        with servers.valkey(folder / "v", appendonly="no") as valkey:
            found = compare(folder, given, valkey)
    explained = found[REASONED].runs[0].says["explained"]
    print(f"{given.rows:,} rows x {WIDTH} features, {given.trees} trees of 31 leaves; ", end="")
    print(f"reasons for {explained:,} rows")
    report(found, given.rows)
    if any(way.lookups.get("wrong") for way in found.values()):
        raise SystemExit("not all ways give LightGBM's bits")


if __name__ == "__main__":
    main()
