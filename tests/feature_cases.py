"""Sources, events and the naive twin that the fast paths of the features are held to."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from groundplan.features import Event, FeatureSet, Source, Table, category, decimal, features
from groundplan.features.windows import Window

SECOND = 1_000_000
START = 1_533_081_600 * SECOND  # 2018-08-01T00:00:00Z


@cache
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


@cache
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
        buyer.min("price", "8s"),
        buyer.max("weight", "8s", current=True),
        buyer.min("weight", "8s", delay="1s", empty=-1.0),
        buyer.std("price", "10s"),
        buyer.std("weight", "10s", current=True),
        place.std("items", "6s", delay="2s", empty=0.0),
        buyer.last("weight", "9s"),
        buyer.last("items", "9s", delay="3s", empty=7.0),
        buyer.first("price", "9s", current=True),
        place.first("weight", "5s"),
        place.distinct("buyer", "10s"),
        place.distinct("buyer", "10s", current=True),
        place.distinct("weight", "10s", delay="1s"),
        buyer.distinct("shop", "5s"),
        buyer.since("9s"),
        place.since("20s", delay="2s", empty=60.0),
        place.share("express", "10s", current=True),
        place.last("disputed", "10s"),
        dear=buyer.count("10s", where=orders.price > 100),
        dear_shops=buyer.distinct("shop", "10s", where=(orders.price > 0) & orders.express),
        dear_last=buyer.last("weight", "10s", where=orders.price > 0, current=True, empty=0.0),
        dear_since=place.since("30s", where=orders.weight < 0),
        dear_mean=place.mean("price", "10s", where=orders["items"] >= 1, current=True),
        dear_std=place.std("price", "10s", where=orders.express),
        fine=place.sum("price", "10s", where=~orders.disputed),
        back=buyer.share(orders.returned & (orders.price > 0), "8s", delay="5s", empty=0.5),
        half=place.share(orders.price / orders["items"] > 10, "10s"),
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


@cache
def market() -> FeatureSet:
    """Sales beside logins and profiles, with fields that may be missing."""
    sales = Source(
        "sales",
        time="at",
        id="sale",
        fields={
            "buyer": str,
            "seller": str,
            "price": decimal(2) | None,
            "weight": float | None,
            "gift": bool | None,
            "count": int | None,
            "note": str | None,
        },
        labels={"returned": "3s"},
        lateness="5s",
    )
    logins = Source(
        "logins",
        time="seen",
        id="login",
        fields={"user": str, "device": str, "score": float | None},
        lateness="3s",
        id_type=str,
    )
    people = Table(
        "people",
        key="name",
        time="valid_from",
        fields={"segment": str, "limit": decimal(1) | None, "town": str | None, "age": int},
        key_type=str,
    )
    buyer, seller = sales.by("buyer"), sales.by("seller")
    login, watched = logins.by("user", of="buyer"), logins.by("user", of="seller")
    known, other = people.of("buyer"), people.of("seller")
    return features(
        sales.price,
        sales.weight,
        sales.gift,
        sales["count"],
        known.limit,
        known.age,
        buyer.count("10s"),
        buyer.mean("price", "10s"),
        buyer.mean("price", "10s", current=True),
        buyer.sum("count", "10s", current=True),
        buyer.std("weight", "10s", current=True, empty=0.0),
        buyer.min("weight", "10s"),
        buyer.max("price", "10s", current=True),
        seller.last("count", "9s"),
        seller.last("price", "9s", current=True),
        seller.first("weight", "9s", current=True, empty=-1.0),
        seller.distinct("note", "9s", current=True),
        seller.distinct("buyer", "9s", delay="1s"),
        seller.share("gift", "9s"),
        seller.mean("returned", "9s", delay="3s"),
        missing=sales.price.missing() & ~sales.note.missing(),
        noted=sales.note == "a",
        same_note=sales.note != sales.buyer,
        worth=sales.price * sales["count"] / sales.weight,
        logins=login.count("8s"),
        devices=login.distinct("device", "8s", delay="1s"),
        score=login.mean("score", "8s", empty=0.0),
        spread=login.std("score", "8s"),
        seen=login.since("20s", where=logins.device == "phone"),
        last_score=login.last("score", "20s"),
        phones=watched.share(logins.device == "phone", "8s"),
        gold=known.segment == "gold",
        neighbours=known.town == other.town,
        at_home=known.town == sales.note,
        no_limit=known.limit.missing(),
        town=category(known.town, values=("x", "y")),
        noting=category(sales.note, values=("b", "a")),
        rest=known.limit - buyer.sum("price", "10s"),
        cheap=buyer.count("10s", where=sales.price < 10),
        blank=buyer.since("10s", where=sales.note.missing()),
        dry=buyer.share(sales.weight > sales.price, "10s", current=True),
    )


def deals(least: int = 0, most: int = 40) -> st.SearchStrategy[list[Event]]:
    """Random events of the market: sales first, then logins, then versions of people.

    Few people, close in time, with many ties and many missing values.
    """
    second = st.integers(0, 20).map(lambda second: START + second * SECOND)
    moment = st.one_of(second, st.integers(0, 20 * SECOND).map(lambda us: START + us))
    person = st.sampled_from(["ann", "bob", "ü"])
    note = st.sampled_from(["a", "b", "ann", "x", ""])
    weight = st.floats(-1000, 1000, allow_subnormal=False)
    sale = st.tuples(
        moment,
        person,
        person,
        st.none() | st.integers(-(10**4), 10**4),
        st.none() | weight,
        st.none() | st.booleans(),
        st.none() | st.integers(-3, 3),
        st.none() | note,
        st.booleans(),
    )
    device = st.sampled_from(["phone", "web", "tv"])
    login = st.tuples(moment, person, device, st.none() | weight)
    segment = st.sampled_from(["gold", "plain"])
    version = st.tuples(
        moment,
        person,
        segment,
        st.none() | st.integers(-50, 50),
        st.none() | note,
        st.integers(0, 9),
    )
    drawn = st.tuples(
        st.lists(sale, min_size=least, max_size=most),
        st.lists(login, max_size=most // 2),
        st.lists(version, max_size=most // 2, unique_by=lambda row: row[:2]),
    )

    def made(rows: Any) -> list[Event]:
        sales, logins, people = rows
        names = [source.name for source in market().sources]
        at_logins, at_people = names.index("logins"), names.index("people")
        return [
            *(Event(n, row[0], tuple(row[1:8]), (row[8],)) for n, row in enumerate(sales)),
            *(Event(f"l{n}", r[0], tuple(r[1:]), (), at_logins) for n, r in enumerate(logins)),
            *(Event(f"{r[1]}@{r[0]}", r[0], tuple(r[1:]), (), at_people) for r in people),
        ]

    return drawn.map(made)


def arrows(inputs: FeatureSet, events: Sequence[Event]) -> dict[str, pa.Table]:
    """The events of every source as files would have them, by the source's name."""
    return {
        source.name: arrow(inputs, [event for event in events if event.source == at], at)
        for at, source in enumerate(inputs.sources)
    }


def arrow(inputs: FeatureSet, events: Sequence[Event], position: int = 0) -> pa.Table:
    """The events of a source as a file would have them: times as timestamps, decimals as floats."""
    source = inputs.sources[position]
    columns: dict[str, pa.Array] = {
        source.time.column: pa.array([e.time for e in events], pa.timestamp("us")),
    }
    if not source.versioned:
        identifier = pa.string() if source.id_kind.name == "str" else pa.int64()
        columns = {source.id: pa.array([e.id for e in events], identifier)} | columns
    types = {"int": pa.int64(), "str": pa.string(), "bool": pa.bool_()}
    for at, (name, kind) in enumerate(source.fields.items()):
        values = [e.values[at] for e in events]
        if kind.name == "decimal":
            values = [None if value is None else value / kind.scale for value in values]
        columns[name] = pa.array(values, types.get(kind.name, pa.float64()))
    for at, name in enumerate(source.labels):
        columns[name] = pa.array([e.labels[at] for e in events], pa.bool_())
    return pa.table(columns)


def naive_windows(inputs: FeatureSet, event: Event, history: Iterable[Event]) -> list[float]:
    """Each window by the rule, over every other event of the history, one by one."""
    others = [other for other in history if (other.source, other.id) != (0, event.id)]
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
    source = inputs.sources.index(window.source)
    key = list(window.source.fields).index(window.key)
    on = list(inputs.source.fields).index(window.on)
    counted = []
    for other in others:
        age = event.time - other.time
        mine = other.source == source and other.values[key] == event.values[on]
        if mine and age > 0 and window.delay <= age < window.delay + window.length:
            counted.append(other)
    if window.current:
        counted.append(event)
    seen = [(other.time, _read(window, other)) for other in counted if _passes(window, other)]
    if window.function.name != "lookup":
        seen = [(time, value) for time, value in seen if value is not None]
    return window.function.naive(window, seen, event.time)


def _read(window: Window, event: Event) -> Any:
    of, source = window.measure.of, window.source
    if of is None:
        return 1
    if window.field in source.labels:
        return event.labels[list(source.labels).index(window.field)]
    if window.field:
        return event.values[list(source.fields).index(window.field)]
    truth = of.evaluator({})(event.time, (*event.values, *event.labels), ())
    return None if math.isnan(truth) else bool(truth)


def _passes(window: Window, event: Event) -> bool:
    if window.where is None:
        return True
    return bool(window.where.evaluator({})(event.time, (*event.values, *event.labels), ()) == 1.0)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
