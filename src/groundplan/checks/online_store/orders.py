"""The feature set that the checks of a store run on, and events for it that meet often."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from groundplan.features import Event, FeatureSet, Source, decimal, features
from groundplan.features.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

SECOND: Final = 1_000_000
START: Final = 1_533_081_600 * SECOND
"""2018-08-01T00:00:00Z in us."""

LATENESS: Final = 4 * SECOND
"""How late an order may come, us."""

REACH: Final = 19 * SECOND
"""The age in us past which no order counts: the longest window and the lateness."""


def definition() -> FeatureSet:
    """Every window function, over orders, logins and profiles, with horizons of seconds."""
    orders = Source(
        "orders",
        time="at",
        id="order",
        fields={
            "buyer": str,
            "shop": int,
            "price": decimal(2),
            "weight": float | None,
            "express": bool,
            "items": int,
        },
        labels={"returned": "5s", "disputed": "0s"},
        lateness="4s",
        id_type=str,
    )
    logins = Source(
        "logins",
        time="moment",
        id="login",
        fields={"user": str, "device": str, "score": float},
        lateness="4s",
    )
    shops = Table("shops", key="shop", time="since", fields={"rating": float, "staff": int})
    buyer, place, user = orders.by("buyer"), orders.by("shop"), logins.by("user", of="buyer")
    return features(
        orders.price,
        buyer.count("3s"),
        buyer.count("3s", current=True),
        buyer.count("1us"),
        buyer.sum("price", "10s"),
        buyer.sum("items", "10s", delay="2s"),
        buyer.mean("weight", "10s", current=True),
        buyer.min("price", "10s"),
        buyer.max("weight", "10s", delay="1s"),
        buyer.std("price", "10s"),
        buyer.last("weight", "10s"),
        buyer.first("items", "10s", empty=-1.0),
        buyer.distinct("shop", "10s"),
        buyer.since("10s"),
        place.count("7s", delay="2s"),
        place.distinct("buyer", "10s", current=True),
        place.mean("returned", "10s", delay="5s", empty=0.0),
        place.sum("disputed", "10s"),
        user.count("8s"),
        user.last("score", "8s"),
        user.distinct("device", "8s"),
        shops.rating,
        shops.staff,
        dear=buyer.count("10s", where=orders.price > 0),
        hasty=buyer.share(orders.express, "10s"),
        quiet=buyer.count("10s", where=orders.time.minute() >= 30),
        paid=place.count("10s", delay="5s", where=~(orders.returned)),
        per_item=orders.price / orders["items"],
    )


def order(number: int, time: int, buyer: str = "ann", shop: int = 1, price: int = 100) -> Event:
    """A plain order."""
    values = (buyer, shop, price, 1.5, False, 1)
    return Event(f"o{number}", time, values, (False, False))


def events(seed: int, count: int, span: int = 30 * SECOND) -> list[Event]:
    """Random orders, logins and versions of shops in order of time, with many ties.

    Args:
        seed: of the random numbers.
        count: of all events.
        span: us in which they lie.
    """
    rng = random.Random(seed)
    made = [_event(rng, number, span) for number in range(count)]
    versions = {}  # a key and a time identify a version of a profile
    for event in made:
        versions[event.source, event.id] = event
    return sorted(versions.values(), key=lambda event: event.time)


def later(made: Sequence[Event], number: int) -> list[Event]:
    """The events as others of a later time, which windows over these do not reach."""
    shift = number * 100 * REACH
    found = []
    for e in made:
        identifier: int | str = f"{e.id}.{number}"
        if e.source == 1:
            identifier = int(e.id) + 1_000_000 * number
        elif e.source == 2:
            identifier = f"{e.values[0]}@{e.time + shift}"
        found.append(Event(identifier, e.time + shift, e.values, e.labels, e.source))
    return found


def table(made: Sequence[Event], source: int = 0) -> "pa.Table":
    """Events of one source as a file would have them: decimals as floats, times as timestamps."""
    import pyarrow as pa

    ours = definition().sources[source]
    types = {"int": pa.int64(), "str": pa.string(), "bool": pa.bool_()}
    columns = {ours.time.column: pa.array([e.time for e in made], pa.timestamp("us"))}
    if not ours.versioned:
        columns[ours.id] = pa.array([e.id for e in made], types[ours.id_kind.name])
    for at, (name, kind) in enumerate(ours.fields.items()):
        values = [e.values[at] for e in made]
        if kind.name == "decimal":
            values = [value / kind.scale for value in values]
        columns[name] = pa.array(values, types.get(kind.name, pa.float64()))
    for at, name in enumerate(ours.labels):
        columns[name] = pa.array([e.labels[at] for e in made], pa.bool_())
    return pa.table(columns)


def _event(rng: random.Random, number: int, span: int) -> Event:
    us = rng.randrange(span)
    time = START + (us if rng.random() < 0.5 else us - us % SECOND)
    kind, buyer = rng.random(), rng.choice(["ann", "bob", "ü"])
    shop = rng.choice([-1, 2**62])
    if kind < 0.2:
        login = (buyer, rng.choice(["phone", "desk"]), rng.uniform(-1, 1))
        return Event(number, time, login, (), 1)
    if kind < 0.3:
        return Event(f"{shop}@{time}", time, (shop, rng.uniform(0, 5), rng.randrange(9)), (), 2)
    weight = None if rng.random() < 0.2 else round(rng.uniform(-1_000, 1_000), rng.randrange(9))
    price, items = rng.randrange(-(10**6), 10**6), rng.randrange(-3, 4)
    labels = (rng.random() < 0.3, rng.random() < 0.3)
    values = (buyer, shop, price, weight, rng.random() < 0.5, items)
    return Event(f"o{number}", time, values, labels)
