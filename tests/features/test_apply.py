"""Functions in Python: the same on a column offline and on one row online."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from hypothesis import given, settings

from feature_cases import arrow, naive_windows, orders, same, shop
from groundplan.features import Event, FeatureSet, apply, features, offline

Floats = npt.NDArray[np.float64]


def distance(x: Floats, y: Floats) -> Floats:
    return np.hypot(np.sin(x), np.log(y))


def filled(x: Floats) -> Floats:
    return np.where(np.isnan(x), -1.0, np.exp(x / 100.0))


def applied() -> FeatureSet:
    source = shop().source
    mean = source.by("buyer").mean("weight", "10s")
    return features(
        apply(filled, mean),
        apply(np.sqrt, source.price, name="root"),
        source.price,
        beyond=apply(distance, source.weight, source.price) * 2.0 - apply(filled, mean),
        far=apply(distance, source.weight * 2.0, 3.0) > source["items"],
    )


@settings(max_examples=15, deadline=None)
@given(orders())
def test_one_row_equals_the_column(events: list[Event]) -> None:
    """Inside arithmetic and around windows, bit for bit; what is not finite is missing."""
    inputs = applied()
    found = offline.matrix(offline.table(inputs, arrow(inputs, events)), inputs.names)
    for event, row in zip(events, found, strict=True):
        assert same(row, inputs.row(event, naive_windows(inputs, event, events)))


def test_a_file_is_written_in_the_order_of_the_names(tmp_path: Path) -> None:
    """Through batches, with what is kept; an empty file has the columns too."""
    inputs = applied()
    events = [Event(f"o{n}", 10**15 + n, ("ann", 1, n, 1.5, True, n), ()) for n in range(5)]
    events = [Event(e.id, e.time, e.values, (False, False)) for e in events]
    for some in (events, events[:0]):
        pq.write_table(arrow(inputs, some), tmp_path / "in.parquet")
        rows = offline.write(inputs, tmp_path / "in.parquet", tmp_path / "out.parquet", ["buyer"])
        written = pq.read_table(tmp_path / "out.parquet")
        assert rows == len(some) == written.num_rows
        assert written.column_names == ["order", "buyer", *inputs.names]
        direct = offline.table(inputs, arrow(inputs, some), ["buyer"])
        assert written.cast(direct.schema).equals(direct)


def scaled_by(factor: float) -> Any:
    def scaled(x: Floats) -> Floats:
        return x * factor

    return scaled


def test_the_source_text_is_part_of_the_definition() -> None:
    """Another body, another captured value or another argument is another fingerprint."""
    price = shop().source.price
    made = [
        apply(filled, price),
        apply(scaled_by(2.0), price),
        apply(scaled_by(3.0), price),
        apply(np.sqrt, price),
        apply(np.cbrt, price),
        apply(np.cbrt, price + 1),
        apply(lambda x: x + 1.0, price),
        apply(lambda x: x + 2.0, price),
    ]
    prints = {features(x=expression).fingerprint() for expression in made}
    assert len(prints) == len(made)
    assert features(x=apply(filled, price)).fingerprint() in prints


def test_a_function_names_and_describes_itself() -> None:
    """By its own name, or as the author says."""
    price = shop().source.price
    assert features(apply(filled, price)).names == ("filled",)
    assert apply(filled, price).describe() == "filled of price"
    assert features(apply(filled, price, name="x", describe="a thing")).descriptions == ("a thing",)
    assert apply(lambda x: x + 1.0, price).name() is None
