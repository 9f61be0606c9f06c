"""Transactions as a stream delivers them, consumers that are killed, and what must come of it."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from conftest import groundplan
from feature_cases import same
from groundplan.features import EmbeddedStore, FeatureSet, Schema, offline
from groundplan.project import Project

LATENESS = 3_600 * 1_000_000
"""us by which the example's transactions may come late."""


class Delivery(NamedTuple):
    """One record: when it arrives (us since 1970), whose it is, and its JSON."""

    at: int
    customer: int
    body: bytes


def simulated(days: int = 14, customers: int = 300) -> pa.Table:
    """Transactions of two weeks or so, in order of time; nearly all terminals see fraud."""
    from groundplan.examples.fraud.simulator import simulate

    table = simulate(days=days, customers=customers, terminals=100, start="2018-08-01", seed=3)
    return table.drop_columns(["tx_fraud_scenario"])


def deliveries(table: pa.Table, seed: int = 5) -> list[Delivery]:
    """Each event at most 50 minutes late, one in ten twice, and labels of their own.

    A label comes before or after its event; some are set and taken back first.
    """
    chance = random.Random(seed)
    found = []
    for row in table.to_pylist():
        fraud = row.pop("tx_fraud")
        time = int(pa.scalar(row["tx_datetime"], pa.timestamp("us")).value)
        customer, body = row["customer_id"], msgspec.json.encode(row)
        at = time + chance.randrange(5 * LATENESS // 6)
        found.append(Delivery(at, customer, body))
        if chance.random() < 0.1:
            found.append(Delivery(at + chance.randrange(LATENESS), customer, body))
        known = [fraud] if fraud else [True, False] if chance.random() < 0.05 else []
        for value in known:
            label = {"transaction_id": row["transaction_id"], "tx_fraud": value}
            at += chance.randrange(-LATENESS, 3 * LATENESS) if value else LATENESS
            found.append(Delivery(at, customer, msgspec.json.encode(label)))
    return sorted(found)


def fraud_project(folder: Path, events: str = "") -> Path:
    """A project of the example's answers and features, with a stream of events."""
    assert groundplan("new", folder, "--from", "fraud").returncode == 0
    system = folder / "system.py"
    text = system.read_text().replace("BoostedTrees, Source, Split, Tiers,", "Source,")
    text = text[: text.index("\nlabel = ")]  # no model, which takes a while to load
    # Weeks pass here in seconds, and so what partitions differ by in arrival is hours.
    system.write_text(text.replace('time="tx_datetime",', 'time="tx_datetime", lateness="2d",'))
    if events:
        with (folder / "groundplan.toml").open("a") as answers:
            answers.write(f'\n[engines]\nevents = "{events}"\n')
    return folder


def inputs_of(project: Path) -> FeatureSet:
    return Project(project).define("inputs", FeatureSet, "")


@contextmanager
def state_of(project: Path) -> Iterator[EmbeddedStore]:
    """The project's online state, which other processes may have open as well."""
    inputs = inputs_of(project)
    place = project / ".groundplan" / "state" / inputs.fingerprint()[:16]
    with closing(EmbeddedStore(place, inputs)) as store:
        yield store


@contextmanager
def following(project: Path, *options: str | Path) -> Iterator[subprocess.Popen[str]]:
    """`groundplan ingest --follow` in a process of its own; killed if it still runs at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "groundplan", "ingest", project, *options, "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def assert_as_offline(project: Path, store: EmbeddedStore, table: pa.Table) -> None:
    """At two later moments, the online values of fifty pairs equal the offline ones bit for bit."""
    inputs = inputs_of(project)
    schema = Schema(inputs)
    newest = pc.max(table["tx_datetime"]).as_py()
    rows = table.select(["customer_id", "terminal_id"]).to_pylist()
    pairs = random.Random(1).sample(rows, 50)
    for seconds in (1, 3 * 86_400):
        time = newest + pa.scalar(seconds, pa.duration("s")).as_py()
        probes = [
            {"transaction_id": 10**9 + at, "tx_datetime": time, **pair, "tx_amount": 12.5}
            for at, pair in enumerate(pairs)
        ]
        both = pa.concat_tables([table, _rows(probes, table.schema)])
        expected = offline.table(inputs, both).slice(table.num_rows).to_pylist()
        for probe, row in zip(probes, expected, strict=True):
            event = schema.decode(msgspec.json.encode(probe))
            wanted = [row[name] for name in inputs.names]
            found = store.peek(event)
            assert same(found, wanted), (probe, list(found), wanted)


def _rows(probes: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([probe | {"tx_fraud": False} for probe in probes], schema)
