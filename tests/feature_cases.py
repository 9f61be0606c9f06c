"""Sources, events and the naive twin that the fast paths of the features are held to."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from groundplan.features import Event, FeatureSet, Source, decimal, features
from groundplan.features.windows import Window

SECOND = 1_000_000
START = 1_533_081_600 * SECOND  # 2018-08-01T00:00:00Z


def fraud() -> FeatureSet:
    """The features of the card-fraud example: twelve windows on two entities, and three more."""
    transactions = Source(
        "transactions",
        time="tx_datetime",
        id="transaction_id",
        fields={"customer_id": int, "terminal_id": int, "tx_amount": decimal(2)},
        labels={"tx_fraud": "7d"},
        lateness="1h",
    )
    customer, terminal = transactions.by("customer_id"), transactions.by("terminal_id")
    named = {}
    for days in (1, 7, 30):
        length = f"{days}d"
        named[f"customer_nb_tx_{length}"] = customer.count(length, current=True)
        named[f"customer_avg_amount_{length}"] = customer.mean("tx_amount", length, current=True)
        named[f"terminal_nb_tx_{length}"] = terminal.count(length, delay="7d")
        named[f"terminal_risk_{length}"] = terminal.mean("tx_fraud", length, delay="7d", empty=0.0)
    return features(
        tx_amount=transactions.tx_amount,
        tx_during_weekend=transactions.time.weekday() >= 5,
        tx_during_night=transactions.time.hour() <= 6,
        **named,
    )


def shop() -> FeatureSet:
    """Every kind of field and window over a short horizon, so that random events meet often."""
    orders = Source(
        "orders",
        time="at",
        id="order",
        fields={
            "buyer": str,
            "shop": int,
            "price": decimal(2),
            "weight": float,
            "express": bool,
            "items": int,
        },
        labels={"returned": "5s", "disputed": "0s"},
        lateness="4s",
        id_type=str,
    )
    buyer, place = orders.by("buyer"), orders.by("shop")
    return features(
        orders.price,
        orders.express,
        buyer.count("3s"),
        buyer.count("3s", current=True),
        buyer.count("1us"),
        buyer.sum("price", "10s"),
        buyer.sum("items", "10s", delay="2s"),
        buyer.mean("weight", "10s", current=True),
        buyer.mean("weight", "10s"),
        place.count("7s", delay="2s"),
        place.mean("returned", "10s", delay="5s", empty=0.0),
        place.mean("returned", "4s", delay="6s"),
        place.sum("disputed", "10s"),
        place.mean("express", "10s", current=True),
        place.sum("price", "10s", current=True),
        per_item=orders.price / orders["items"],
        late=(orders.time.minute() >= 30) & ~(orders.buyer == "ann"),
        ratio=buyer.sum("price", "3s") / buyer.sum("price", "10s"),
    )


def orders(least: int = 0, most: int = 40) -> st.SearchStrategy[list[Event]]:
    """Random orders of a few buyers and shops, close in time, with many ties."""
    moment = st.one_of(
        st.integers(0, 30).map(lambda second: START + second * SECOND),
        st.integers(0, 30 * SECOND).map(lambda us: START + us),
    )
    row = st.tuples(
        moment,
        st.sampled_from(["ann", "bob", "ü"]),
        st.sampled_from([-1, 2**62]),
        st.integers(-(10**6), 10**6),
        st.floats(-1000, 1000, allow_subnormal=False),
        st.booleans(),
        st.integers(-3, 3),
        st.booleans(),
        st.booleans(),
    )
    return st.lists(row, min_size=least, max_size=most).map(
        lambda rows: [
            Event(f"o{number}", row[0], tuple(row[1:7]), (row[7], row[8]))
            for number, row in enumerate(rows)
        ]
    )


def arrow(inputs: FeatureSet, events: Sequence[Event]) -> pa.Table:
    """The events as a file would have them: times as timestamps, decimals as floats."""
    source = inputs.source
    columns: dict[str, pa.Array] = {
        source.id: pa.array(
            [e.id for e in events], pa.string() if source.id_kind.name == "str" else pa.int64()
        ),
        source.time.column: pa.array([e.time for e in events], pa.timestamp("us")),
    }
    types = {"int": pa.int64(), "str": pa.string(), "bool": pa.bool_()}
    for at, (name, kind) in enumerate(source.fields.items()):
        values = [e.values[at] for e in events]
        if kind.name == "decimal":
            values = [value / kind.scale for value in values]
        columns[name] = pa.array(values, types.get(kind.name, pa.float64()))
    for at, name in enumerate(source.labels):
        columns[name] = pa.array([e.labels[at] for e in events], pa.bool_())
    return pa.table(columns)


def naive_windows(inputs: FeatureSet, event: Event, history: Iterable[Event]) -> list[float]:
    """Each window by the rule, over every other event of the history, one by one."""
    others = [other for other in history if other.id != event.id]
    return [_naive_window(inputs, window, event, others) for window in inputs.windows]


def naive_row(inputs: FeatureSet, event: Event, history: Iterable[Event]) -> list[float]:
    """The features of an event by the rule for windows and the code for one row."""
    return [float(value) for value in inputs.row(event, naive_windows(inputs, event, history))]


def same(left: Iterable[Any], right: Iterable[Any]) -> bool:
    """Whether two rows are equal bit for bit, missing values included."""
    pairs = list(zip(left, right, strict=True))
    return all(x == y or (_missing(x) and _missing(y)) for x, y in pairs)


def rfc3339(time: int) -> str:
    """A time in us as it stands on the wire."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    return moment.isoformat().replace("+00:00", "Z")


def _naive_window(
    inputs: FeatureSet, window: Window, event: Event, others: Sequence[Event]
) -> float:
    fields = list(inputs.source.fields)
    key = fields.index(window.key)
    counted = []
    for other in others:
        age = event.time - other.time
        mine = other.values[key] == event.values[key]
        if mine and age > 0 and window.delay <= age < window.delay + window.length:
            counted.append(_scaled(inputs, window, other))
    if window.current:
        counted.append(_scaled(inputs, window, event))
    return window.function.naive(window, counted)


def _scaled(inputs: FeatureSet, window: Window, event: Event) -> int:
    if window.field is None:
        return 1
    if window.field in inputs.source.labels:
        return int(event.labels[list(inputs.source.labels).index(window.field)])
    value = event.values[list(inputs.source.fields).index(window.field)]
    return math.floor(value * 1e6 + 0.5) if isinstance(value, float) else int(value)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
