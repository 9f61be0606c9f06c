"""The published transactions have one value each, whichever engine computes it.

Three weeks of some hundred customers and terminals, whose labels become known a week later. The
offline values that DuckDB computes are the truth; every other engine equals them bit for bit.
"""

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from brokers import Broker, broker  # noqa: F401
from feature_cases import SECOND, fraud, rfc3339, same
from groundplan.engines.kafka import KafkaStream
from groundplan.engines.redis import RedisStore
from groundplan.engines.spark import SparkOffline
from groundplan.features import (
    EmbeddedStore,
    Event,
    FeatureSet,
    OnlineStore,
    Schema,
    features,
    offline,
)
from groundplan.serving.dead_letters import DeadLetters
from groundplan.serving.feed import Feed
from servers import valkey
from shared_data import fraud_transactions

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
START = int(datetime(2018, 4, 1, tzinfo=UTC).timestamp()) * SECOND


def definitions() -> FeatureSet:
    """The features of the fraud example, and every other function of a window."""
    example = fraud()
    source = example.source
    customer, terminal = source.by("customer_id"), source.by("terminal_id")
    large = source.tx_amount > 200
    return features(
        **dict(zip(example.names, example.expressions, strict=True)),
        spent=customer.sum("tx_amount", "3d"),
        deviation=customer.std("tx_amount", "7d", current=True),
        least=customer.min("tx_amount", "3d"),
        most=terminal.max("tx_amount", "7d", delay="1d"),
        last=customer.last("tx_amount", "2d", delay="1h"),
        first=customer.first("tx_amount", "7d"),
        places=customer.distinct("terminal_id", "7d", current=True),
        since=customer.since("7d", empty=-1.0),
        since_large=customer.since("30d", where=large),
        large_share=customer.share(large, "7d"),
        last_fraud=terminal.last("tx_fraud", "14d", delay="7d"),
        fraud_amount=terminal.sum("tx_amount", "14d", delay="7d", where=source.tx_fraud & large),
    )


class Published(NamedTuple):
    """The transactions and, row by row, their offline values.

    Attributes:
        table: in order of time; the labels are those that were known in the end.
        values: float64[rows, features].
    """

    table: pa.Table
    values: npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def inputs() -> FeatureSet:
    return definitions()


@pytest.fixture(scope="module")
def published(inputs: FeatureSet) -> Published:
    with duckdb.connect() as connection:
        table = connection.sql(
            "SELECT TRANSACTION_ID::BIGINT AS transaction_id, TX_DATETIME AS tx_datetime, "
            "CUSTOMER_ID::BIGINT AS customer_id, TERMINAL_ID::BIGINT AS terminal_id, "
            "TX_AMOUNT AS tx_amount, TX_FRAUD = 1 AS tx_fraud FROM read_parquet($path) "
            "WHERE TX_DATETIME < TIMESTAMP '2018-04-24' "
            "AND (CUSTOMER_ID BETWEEN 250 AND 350 OR TERMINAL_ID IN (SELECT TERMINAL_ID FROM "
            "read_parquet($path) WHERE TX_FRAUD = 1 AND TX_DATETIME < TIMESTAMP '2018-04-12')) "
            "ORDER BY TX_DATETIME, TRANSACTION_ID",
            params={"path": str(fraud_transactions())},
        ).to_arrow_table()
    return Published(table, offline.matrix(offline.table(inputs, table), inputs.names))


def test_the_offline_values_are_the_rule_over_all_rows(
    inputs: FeatureSet, published: Published
) -> None:
    """DuckDB's values of 300 rows are those of the rule, and the stretch has what is delicate.

    Rows of one customer at one instant are among them, and terminals with known frauds.
    """
    table, values = published
    columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in COLUMNS}
    times, customers = micros(table), columns["customer_id"]
    pairs = np.stack([customers, times])
    assert np.unique(pairs, axis=1).shape[1] < len(times)
    assert np.count_nonzero(values[:, inputs.names.index("terminal_risk_7d")]) > 100
    cents = np.floor(columns["tx_amount"] * 100 + 0.5).astype(np.int64)
    sampled = np.random.default_rng(1).choice(len(times), 300, replace=False)
    for at in sampled:
        age = times[at] - times
        mine = (customers == customers[at]) & (age > 0) & (age < WEEK)
        there = columns["terminal_id"] == columns["terminal_id"][at]
        known = there & (age >= WEEK) & (age < 2 * WEEK)
        spent = int(cents[mine].sum() + cents[at])
        frauds = int(columns["tx_fraud"][known].sum())
        row = dict(zip(inputs.names, values[at].tolist(), strict=True))
        assert row["customer_nb_tx_7d"] == mine.sum() + 1
        assert row["customer_avg_amount_7d"] == spent / int(mine.sum() + 1) / 100
        assert row["terminal_nb_tx_7d"] == known.sum()
        assert row["terminal_risk_7d"] == (frauds / int(known.sum()) if known.any() else 0.0)
        since = age[mine].min() / SECOND if mine.any() else -1.0
        assert row["since"] == since


def test_the_embedded_store_serves_the_offline_values(
    tmp_path: Path, inputs: FeatureSet, published: Published
) -> None:
    """Joined in order of time, each label told when it is known: every value, bit for bit."""
    with EmbeddedStore(tmp_path, inputs) as store:
        assert_served(store, inputs, published)


def test_redis_serves_the_offline_values(
    tmp_path_factory: pytest.TempPathFactory, inputs: FeatureSet, published: Published
) -> None:
    """The same on a real server: every value, bit for bit."""
    with (
        valkey(tmp_path_factory.mktemp("v")) as server,
        RedisStore(server.unix_url, inputs, timeout=30.0) as store,
    ):
        assert_served(store, inputs, published)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of Spark's client
def test_spark_computes_the_offline_values(inputs: FeatureSet, published: Published) -> None:
    """A real Spark gives the table of DuckDB: every value of every row, bit for bit."""
    settings = {
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",  # to compile takes longer than so few rows
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    with closing(SparkOffline("spark://local[2]", settings)) as spark:
        found = spark.table(inputs, published.table)
    assert found.column("transaction_id").equals(published.table.column("transaction_id"))
    assert unequal(inputs, offline.matrix(found, inputs.names), published.values) == []


def test_a_feed_from_kafka_serves_the_offline_values(
    broker: Broker,  # noqa: F811
    tmp_path: Path,
    inputs: FeatureSet,
    published: Published,
) -> None:
    """Events up to 50 minutes late, some of them twice, and labels, through a real broker.

    At six moments the feed has caught up, and the transactions that come next have in the
    embedded store the values that they have offline, bit for bit.
    """
    topic = broker.topic("transactions")
    schema = Schema(inputs)
    rows = list(arrivals(published.table))
    moments = [START + days * DAY + 12 * HOUR for days in (0, 2, 9, 14, 17, 20, 22)]
    stream = KafkaStream(
        f"kafka://{broker.address}/{topic}", [source.name for source in inputs.sources], "published"
    )
    probed = 0
    with EmbeddedStore(tmp_path / "state", inputs) as store:
        feed = Feed(schema, store, stream, DeadLetters(tmp_path / "letters.ndjson"), batch=1_000)
        with closing(feed):
            for begin, end in pairwise([0, *moments]):
                broker.produce(topic, jumbled(rows, begin, end))
                feed.catch_up()
                for at, body in fresh(published.table, end):
                    found = store.peek(schema.decode(body))
                    assert same(found, published.values[at]), body
                    probed += 1
        assert feed.done.late == feed.done.poison == 0
        assert feed.done.added == np.count_nonzero(micros(published.table) < moments[-1])
        assert feed.done.known > 100
        labels = sum(row.label and row.at - HOUR < moments[-1] for row in rows)
        assert feed.done.labelled == labels > 100
    assert probed > 100


COLUMNS = ("transaction_id", "customer_id", "terminal_id", "tx_amount", "tx_fraud")


class Arrival(NamedTuple):
    """What the wire brings.

    Attributes:
        at: us since 1970 at which it is known.
        row: of the table.
        label: whether it is the label of that row, and not its event.
        body: JSON.
    """

    at: int
    row: int
    label: bool
    body: bytes


def arrivals(table: pa.Table) -> Iterator[Arrival]:
    """Events at their time and labels a week later, in the order in which they become known."""
    found = []
    for at, (time, row) in enumerate(zip(micros(table).tolist(), table.to_pylist(), strict=True)):
        fraud = row.pop("tx_fraud")
        # What becomes known at an instant is known to an event of that instant.
        found.append(Arrival(time, at, False, event(row, time)))
        if fraud:
            label = {"transaction_id": row["transaction_id"], "tx_fraud": True}
            found.append(Arrival(time + WEEK, at, True, msgspec.json.encode(label)))
    yield from sorted(found, key=lambda one: (one.at, not one.label, one.row))


def event(row: dict[str, Any], time: int) -> bytes:
    """A transaction as JSON."""
    return msgspec.json.encode(row | {"tx_datetime": rfc3339(time)})


def assert_served(store: OnlineStore, inputs: FeatureSet, published: Published) -> None:
    """Join every event and append every label in the order in which they become known."""
    schema = Schema(inputs)
    found = np.full_like(published.values, math.nan)
    labels = 0
    for arrival in arrivals(published.table):
        (one,) = schema.decode_events(arrival.body)
        if isinstance(one, Event):
            found[arrival.row] = store.join(one)
        else:
            labels += store.append([one]).labelled
    assert labels == sum(published.table.column("tx_fraud").to_pylist())
    assert unequal(inputs, found, published.values) == []


def unequal(
    inputs: FeatureSet, found: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> list[tuple[str, int]]:
    """The features that differ, with the number of rows."""
    different = ~((found == right) | (np.isnan(found) & np.isnan(right)))
    counts = zip(inputs.names, different.sum(axis=0).tolist(), strict=True)
    return [(name, count) for name, count in counts if count]


def jumbled(rows: Sequence[Arrival], begin: int, end: int) -> list[bytes]:
    """What happened in a stretch of time, each event up to 50 minutes late, one in ten twice.

    The labels of the hour after it are there already: they concern no window before that.
    """
    chance = random.Random(end)
    late: list[tuple[int, bytes]] = []
    for arrival in rows:
        if arrival.label and begin <= arrival.at - HOUR < end:
            late.append((arrival.at - HOUR, arrival.body))
        if not arrival.label and begin <= arrival.at < end:
            late.append((arrival.at + chance.randrange(50 * 60 * SECOND), arrival.body))
            if chance.random() < 0.1:
                late.append((late[-1][0] + chance.randrange(9 * 60 * SECOND), arrival.body))
    return [body for _, body in sorted(late)]


def fresh(table: pa.Table, moment: int) -> Iterator[tuple[int, bytes]]:
    """The transactions of the hour after a moment that are the first there of their entities."""
    seen: set[tuple[str, int]] = set()
    times = micros(table)
    first, stop = np.searchsorted(times, [moment, moment + HOUR]).tolist()
    for at, row in enumerate(table.slice(first, stop - first).to_pylist(), first):
        del row["tx_fraud"]
        entities = {(name, row[name]) for name in ("customer_id", "terminal_id")}
        if not entities & seen:
            yield at, event(row, int(times[at]))
        seen |= entities


def micros(table: pa.Table) -> npt.NDArray[np.int64]:
    """The times, us since 1970."""
    found: npt.NDArray[np.int64] = table.column("tx_datetime").cast("int64").to_numpy()
    return found
