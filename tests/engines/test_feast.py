"""The same features in Feast: a real repository, its offline join and its online stores."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from feature_cases import fraud
from groundplan.engines import feast
from groundplan.errors import InputError
from groundplan.examples.fraud.simulator import simulate
from groundplan.features import offline
from servers import Valkey, valkey


@pytest.fixture(scope="module")
def transactions() -> pa.Table:
    return simulate(days=40, customers=60, terminals=120, seed=3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running


def test_feast_joins_and_serves_our_values(
    transactions: pa.Table, server: Valkey, tmp_path: Path
) -> None:
    """Historical rows at the events' times and pushed online values are ours, bit for bit."""
    inputs, folder = fraud(), tmp_path / "repo"
    feast.write(inputs, transactions, folder, project="card-fraud", online=server.url)
    table = offline.table(inputs, transactions, keep=["tx_datetime", "customer_id", "terminal_id"])
    truth = table.to_pandas().set_index("transaction_id")
    asked = truth.sample(300, random_state=0).reset_index()
    keys = ["transaction_id", "customer_id", "terminal_id"]
    moments = asked["tx_datetime"].dt.tz_localize(UTC)
    asked[keys].assign(event_timestamp=moments).to_parquet(folder / "asked.parquet")
    last = truth.sort_values("tx_datetime").groupby("customer_id").tail(1).set_index("customer_id")
    last.index.to_frame(index=False).to_parquet(folder / "keys.parquet")

    pushed = _ask(folder)

    joined = pd.read_parquet(folder / "joined.parquet").set_index("transaction_id")
    alone = ~truth.duplicated(["customer_id", "tx_datetime"], keep=False)
    alone &= ~truth.duplicated(["terminal_id", "tx_datetime"], keep=False)
    rows = joined[alone.loc[joined.index]]
    assert len(rows) > 280
    for name in inputs.names:
        assert np.array_equal(rows[name], truth.loc[rows.index, name], equal_nan=True), name
    assert pushed["customer"] == len(last)
    online = pd.read_parquet(folder / "online.parquet")
    for name in (name for name in inputs.names if name.startswith("customer")):
        assert np.array_equal(online[name], last.loc[online["customer_id"], name], equal_nan=True)


def _ask(folder: Path) -> dict[str, int]:
    client = Path(__file__).parents[1] / "feast_client.py"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(client), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"TMPDIR": str(folder)},  # where Feast leaves folders of its own
    )
    assert done.returncode == 0, done.stderr
    pushed: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return pushed


def test_every_feature_is_in_one_view(transactions: pa.Table, tmp_path: Path) -> None:
    """Entities have what their windows decide; what reads the request is in the events' view."""
    inputs = fraud()
    views = feast.write(inputs, transactions, tmp_path / "repo", project="x")
    assert sorted(name for view in views for name in view.features) == sorted(inputs.names)
    assert [(view.name, view.key, len(view.features)) for view in views] == [
        ("customer", "customer_id", 6),
        ("terminal", "terminal_id", 6),
        ("transactions", "transaction_id", 3),
    ]
    text = (tmp_path / "repo" / "definitions.py").read_text()
    assert all(re.search(rf"name='{name}'", text) for name in inputs.names)


def test_the_newest_row_of_an_instant_stands(transactions: pa.Table) -> None:
    """Feast keeps a row per entity and moment: no two rows of a view share both."""
    inputs = fraud()
    twice = transactions.set_column(
        transactions.schema.get_field_index("tx_datetime"),
        "tx_datetime",
        pc.floor_temporal(transactions["tx_datetime"], unit="hour"),
    )
    table = offline.table(inputs, twice, keep=["tx_datetime", "customer_id", "terminal_id"])
    (view, *_) = feast.views(inputs)
    rows = feast.values(table, view, "tx_datetime").to_pandas()
    assert len(rows) < len(table)
    assert not rows.duplicated([view.key, feast.TIMESTAMP]).any()
    assert rows[feast.TIMESTAMP].is_monotonic_increasing


def test_a_folder_in_use_is_left_alone(transactions: pa.Table, tmp_path: Path) -> None:
    """Nothing that exists is overwritten."""
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="not an empty folder"):
        feast.write(fraud(), transactions, tmp_path, project="x")


def test_an_online_store_that_feast_has_not_is_refused(
    transactions: pa.Table, tmp_path: Path
) -> None:
    """The URL is named, and what it should look like."""
    with pytest.raises(InputError, match="redis://host:port/db"):
        feast.write(fraud(), transactions, tmp_path / "r", project="x", online="mysql://x")
