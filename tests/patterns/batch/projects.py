"""A small batch project: two thousand customers, their charges, and who left."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.project import Project
from groundplan.units import DAY

AS_OF = 1_782_864_000_000_000
"""us: 2026-07-01, as of which the population is scored; all charges are before."""

CUSTOMERS = 2_000

ANSWERS = """
[system]
name = "small"
goal = "Find customers who are about to leave"
output = "score"

[labels]
kind = "explicit"
positive_rate = 0.3
delay = "30d"

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

SYSTEM = '''
"""Customers who may leave: what they have, and what they were charged."""

from pathlib import Path

import pyarrow.parquet as pq

from groundplan import BoostedTrees, Source, category, features
from groundplan.models.bands import Bands
from groundplan.models.codes import Reasons
from groundplan.models.folds import Folds

HERE = Path(__file__).parent

customers = Source(
    "customers",
    time="seen",
    id="row",
    fields={"customer": str, "tenure": int, "monthly": float | None, "contract": str, "sex": str},
    labels={"left": "30d"},
)
charges = Source(
    "charges",
    time="charged",
    id="charge",
    fields={"customer": str, "amount": float},
)
charged = charges.by("customer")

inputs = features(
    tenure=customers.tenure,
    monthly=customers.monthly,
    contract=category(customers.contract),
    charges_30d=charged.count("30d"),
    charges_90d=charged.count("90d"),
    charged_30d=charged.mean("amount", "30d"),
    of=customers,
)
label = "left"
key = "customer"
model = BoostedTrees(trees=20, leaves=8, min_leaf_rows=20)
judge = Folds(3)
decisions = Bands.top("leave", call=0.05, offer=0.2)
reasons = Reasons(top=3, decisions=("call", "offer"))
segment = "contract"
groups = {"sex": "sex"}


def data(progress):
    """Labelled customers of three months, with their charges."""
    return _tables("customers.parquet")


def population(progress):
    """Today's customers, without a time and a label."""
    return _tables("population.parquet")


def _tables(name):
    return {
        "customers": pq.read_table(HERE / name),
        "charges": pq.read_table(HERE / "charges.parquet"),
    }
'''


def small(folder: Path, customers: int = CUSTOMERS) -> Project:
    """A batch project with deterministic data files, not built yet; `build` takes two seconds.

    Args:
        folder: to make; `groundplan.toml`, `system.py`, `customers.parquet` (labelled, with their
            time), `population.parquet` (today's: neither time nor label) and `charges.parquet`.
            Rows have no number of their own, the key is the field `customer`.
        customers: of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "groundplan.toml").write_text(ANSWERS)
    (folder / "system.py").write_text(SYSTEM)
    drawn = np.random.default_rng(7)
    labelled, truth = _customers(drawn, "c", customers)
    seen = AS_OF - drawn.integers(30, 120, customers) * DAY
    times = pa.array(seen).cast(pa.timestamp("us", "UTC"))
    past = labelled.append_column("seen", times).append_column("left", pa.array(truth))
    pq.write_table(past, folder / "customers.parquet")
    today, _ = _customers(drawn, "p", customers)
    pq.write_table(today, folder / "population.parquet")
    names = [*labelled["customer"].to_pylist(), *today["customer"].to_pylist()]
    pq.write_table(_charges(drawn, names), folder / "charges.parquet")
    return Project(folder)


def _customers(
    drawn: np.random.Generator, first: str, count: int
) -> tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    tenure = drawn.integers(0, 72, count)
    monthly = np.round(drawn.gamma(4.0, 15.0, count), 2)
    contract = drawn.choice(["month", "one year", "two years"], count, p=[0.5, 0.3, 0.2])
    odds = 0.5 - 0.05 * tenure + 0.015 * monthly - 1.5 * (contract != "month")
    names = [f"{first}{at:05d}-ü" for at in range(count)]
    table = pa.table(
        {
            "customer": names,
            "tenure": tenure,
            "monthly": pa.array(monthly, mask=drawn.random(count) < 0.05),
            "contract": contract,
            "sex": drawn.choice(["f", "m"], count),
        }
    )
    return table, drawn.random(count) < 1 / (1 + np.exp(-odds))


def _charges(drawn: np.random.Generator, names: list[str]) -> pa.Table:
    count = 3 * len(names)
    charged = np.sort(AS_OF - 1 - drawn.integers(0, 180 * DAY, count))
    return pa.table(
        {
            "charge": np.arange(count),
            "charged": pa.array(charged).cast(pa.timestamp("us", "UTC")),
            "customer": drawn.choice(names, count),
            "amount": np.round(drawn.gamma(2.0, 20.0, count), 2),
        }
    )
