"""The published transactions: the online values are the offline values, row by row."""

import math
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from feature_cases import fraud, same
from groundplan.features import EmbeddedStore, Event, FeatureSet, Label, features, offline
from shared_data import SHARED

DAY = 86_400 * 10**6
WEEK = 7 * DAY
REPLAYED = 100_000


def published(path: Path) -> pa.Table:
    """Two months of the published transactions, to 2018-05-31, in order of time."""
    with duckdb.connect() as connection:
        return connection.sql(
            "SELECT TRANSACTION_ID::BIGINT AS transaction_id, TX_DATETIME AS tx_datetime, "
            "CUSTOMER_ID::BIGINT AS customer_id, TERMINAL_ID::BIGINT AS terminal_id, "
            "TX_AMOUNT AS tx_amount, TX_FRAUD = 1 AS tx_fraud FROM read_parquet($path) "
            "WHERE TX_DATETIME < TIMESTAMP '2018-06-01' ORDER BY TX_DATETIME, TRANSACTION_ID",
            params={"path": str(path)},
        ).to_arrow_table()


def generated() -> pa.Table:
    """As many events of as many cards and terminals, with same-second ties, from a generator."""
    random = np.random.default_rng(5)
    count = 550_000
    start = int(datetime(2018, 4, 1, tzinfo=UTC).timestamp())
    seconds = start + np.sort(random.integers(0, 61 * 86_400, count))
    return pa.table(
        {
            "transaction_id": np.arange(count),
            "tx_datetime": pa.array(seconds * 10**6, pa.timestamp("us")),
            "customer_id": random.integers(0, 5_000, count),
            "terminal_id": random.integers(0, 10_000, count),
            "tx_amount": np.round(random.gamma(1.5, 35.0, count), 2),
            "tx_fraud": random.random(count) < 0.01,
        }
    )


@pytest.fixture(scope="module")
def transactions() -> pa.Table:
    path = SHARED / "fraud_handbook" / "transactions.parquet"
    return published(path) if path.exists() else generated()


@pytest.fixture(scope="module")
def columns(transactions: pa.Table) -> dict[str, npt.NDArray[np.int64]]:
    """The columns as integers: time in us, amount in cents, fraud 0 or 1."""
    amount = transactions.column("tx_amount").to_numpy()
    return {
        "id": transactions.column("transaction_id").to_numpy(),
        "time": transactions.column("tx_datetime").cast("int64").to_numpy(),
        "customer": transactions.column("customer_id").to_numpy(),
        "terminal": transactions.column("terminal_id").to_numpy(),
        "cents": np.floor(amount * 100 + 0.5).astype(np.int64),
        "fraud": transactions.column("tx_fraud").to_numpy(zero_copy_only=False).astype(np.int64),
    }


@pytest.fixture(scope="module")
def rows(transactions: pa.Table) -> npt.NDArray[np.float64]:
    inputs = fraud()
    return offline.matrix(offline.table(inputs, transactions), inputs.names)


def test_a_hundred_thousand_rows_replayed_online_equal_the_offline_values(
    tmp_path: Path,
    transactions: pa.Table,
    columns: dict[str, npt.NDArray[np.int64]],
    rows: npt.NDArray[np.float64],
) -> None:
    """Ingested history, then row by row with each label a week late: every value bit for bit."""
    inputs = fraud()
    first = transactions.num_rows - REPLAYED
    times, start = columns["time"], int(columns["time"][first])
    events = zip(*(columns[name][first:].tolist() for name in list(columns)[:5]), strict=True)
    frauds = np.flatnonzero((columns["fraud"] == 1) & (times + WEEK >= start))
    labels = iter([(int(times[at]) + WEEK, int(columns["id"][at])) for at in frauds])
    known = pa.array((columns["fraud"] == 1) & (times + WEEK < start))
    at = transactions.column_names.index("tx_fraud")
    history = transactions.set_column(at, "tx_fraud", known).slice(0, first)
    online = np.empty((REPLAYED, len(inputs.names)))
    with EmbeddedStore(tmp_path, inputs) as store:
        store.ingest(history)
        due, late = next(labels)
        for number, (identifier, time, customer, terminal, cents) in enumerate(events):
            while due <= time:
                assert store.append([Label(late, "tx_fraud", True)]).labelled == 1
                due, late = next(labels, (1 << 62, -1))
            online[number] = store.join(Event(identifier, time, (customer, terminal, cents)))
    different = [at for at in range(REPLAYED) if not same(online[at], rows[first + at])]
    assert different == []


def wide() -> FeatureSet:
    """Every window function over the published transactions, with filters and delays."""
    source = fraud().source
    customer, terminal = source.by("customer_id"), source.by("terminal_id")
    large = source.tx_amount > 200
    return features(
        customer.std("tx_amount", "7d", current=True),
        customer.min("tx_amount", "3d"),
        customer.max("tx_amount", "30d", current=True),
        customer.last("tx_amount", "2d", delay="1h"),
        customer.first("tx_amount", "7d"),
        customer.distinct("terminal_id", "7d", current=True),
        customer.since("7d"),
        terminal.std("tx_amount", "1d"),
        terminal.distinct("customer_id", "7d", delay="7d"),
        terminal.last("tx_fraud", "30d", delay="7d"),
        terminal.share("tx_fraud", "14d", delay="7d"),
        large_share=customer.share(large, "30d", empty=0.0),
        large=customer.count("7d", where=large),
        since_large=customer.since("30d", where=large),
        night=terminal.mean("tx_amount", "7d", where=source.time.hour() <= 6),
        fraud_amount=terminal.sum("tx_amount", "30d", delay="7d", where=source.tx_fraud & large),
    )


def test_every_window_function_online_equals_its_offline_values(
    tmp_path: Path, transactions: pa.Table
) -> None:
    """A history in bulk, then five thousand events one by one, every value bit for bit."""
    inputs, replayed = wide(), 5_000
    part = transactions.slice(transactions.num_rows - 100_000)
    # Labels that are known only after the last event are not known to the store.
    newest = part.column("tx_datetime").cast("int64").to_numpy().max()
    known = part.column("tx_datetime").cast("int64").to_numpy() + WEEK <= newest
    labels = part.column("tx_fraud").to_numpy(zero_copy_only=False) & known
    part = part.set_column(part.column_names.index("tx_fraud"), "tx_fraud", pa.array(labels))
    first = part.num_rows - replayed
    expected = offline.matrix(offline.table(inputs, part), inputs.names)[first:]
    names = ("transaction_id", "tx_datetime", "customer_id", "terminal_id", "tx_amount")
    columns = [part.slice(first).column(name) for name in names]
    columns[1] = columns[1].cast("int64")
    with EmbeddedStore(tmp_path, inputs) as store:
        store.ingest(part.slice(0, first))
        rows = zip(*(column.to_pylist() for column in columns), expected, strict=True)
        for number, time, customer, terminal, amount, row in rows:
            cents = math.floor(amount * 100 + 0.5)
            found = store.join(Event(number, time, (customer, terminal, cents), (False,)))
            assert same(found, row), dict(
                zip(inputs.names, zip(found, row, strict=True), strict=True)
            )


def test_sampled_rows_equal_the_rule_over_the_whole_history(
    columns: dict[str, npt.NDArray[np.int64]], rows: npt.NDArray[np.float64]
) -> None:
    """Three hundred rows, each recomputed from every transaction by the rule as it is stated."""
    names = fraud().names
    sample = np.random.default_rng(3).choice(len(rows), 300, replace=False)
    for at in sample:
        age = columns["time"][at] - columns["time"]
        mine = columns["customer"] == columns["customer"][at]
        there = columns["terminal"] == columns["terminal"][at]
        row = dict(zip(names, rows[at].tolist(), strict=True))
        for days in (1, 7, 30):
            counted = mine & (age > 0) & (age < days * DAY)
            number = int(counted.sum()) + 1
            cents = int(columns["cents"][counted].sum() + columns["cents"][at])
            assert row[f"customer_nb_tx_{days}d"] == number
            assert row[f"customer_avg_amount_{days}d"] == cents / number / 100
            counted = there & (age >= WEEK) & (age < WEEK + days * DAY)
            number, frauds = int(counted.sum()), int(columns["fraud"][counted].sum())
            assert row[f"terminal_nb_tx_{days}d"] == number
            assert row[f"terminal_risk_{days}d"] == (frauds / number if number else 0.0)
