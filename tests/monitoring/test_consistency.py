"""Served values are held against recomputed ones, and each difference gets its right name."""

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from groundplan.features import FeatureSet, Source, features, offline
from groundplan.monitoring.consistency import Report, compare


@pytest.fixture
def inputs() -> FeatureSet:
    source = Source("events", time="at", id="id", fields={"key": int, "value": int})
    by_key = source.by("key")
    return features(
        count=by_key.count("1h", current=True), mean=by_key.mean("value", "1h"), value=source.value
    )


def events() -> pa.Table:
    start = datetime(2026, 1, 1)
    return pa.table(
        {
            "id": pa.array(range(20), pa.int64()),
            "at": pa.array([start + timedelta(minutes=i) for i in range(20)], pa.timestamp("us")),
            "key": pa.array([i % 2 for i in range(20)], pa.int64()),
            "value": pa.array(range(20), pa.int64()),
        }
    )


def served(inputs: FeatureSet) -> np.ndarray:
    return offline.matrix(offline.table(inputs, events()), inputs.names)


def report(inputs: FeatureSet, values: np.ndarray, arrival: np.ndarray | None = None) -> Report:
    order = np.arange(20) if arrival is None else arrival
    return compare(inputs, events(), order, np.arange(20), values)[0]


def test_equal_values_hold(inputs: FeatureSet) -> None:
    """What was served as it should be holds, missing values included."""
    found = report(inputs, served(inputs))
    assert found.holds
    assert [part.equal for part in found.features] == [20, 20, 20]


def test_every_kind_of_difference_has_its_name(inputs: FeatureSet) -> None:
    """Another number is a mismatch; no number, missing; one where there is none, extra."""
    values = served(inputs)
    assert np.isnan(values[0, 1])
    values[5, 0] += 3
    values[6, 2] = np.nan
    values[0, 1] = 1.0
    count, mean, value = report(inputs, values).features
    assert (count.mismatch, count.missing, count.extra, count.largest) == (1, 0, 0, 3.0)
    assert (value.mismatch, value.missing, value.extra) == (0, 1, 0)
    assert (mean.mismatch, mean.missing, mean.extra) == (0, 0, 1)
    assert count.examples[0].row == 5


def test_the_smallest_difference_is_one(inputs: FeatureSet) -> None:
    """Values are compared bit for bit: the next float is a mismatch."""
    values = served(inputs)
    values[7, 2] = np.nextafter(values[7, 2], np.inf)
    assert not report(inputs, values).holds


def test_a_late_arrival_is_no_mismatch(inputs: FeatureSet) -> None:
    """A row that was served before an earlier event arrived is late, and holds."""
    values = served(inputs)
    arrival = np.arange(20)
    arrival[4], arrival[6] = 6, 4  # event 6 was served before event 4 of the same key arrived
    values[6, 0] -= 1
    values[6, 1] = (0 + 2) / 2
    found = report(inputs, values, arrival)
    assert found.holds
    assert found.features[0].late == 1
