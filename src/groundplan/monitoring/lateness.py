"""Which events came too late to count, by the rule of the online store."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from groundplan.features import FeatureSet
from groundplan.monitoring.logged import Bools, Indices


def lateness(
    inputs: FeatureSet, tables: Sequence[pa.Table], past: Sequence[int]
) -> tuple[tuple[Bools, ...], int]:
    """Which events came too late to count, and how many came late and count.

    Too late is what is older than the newest event of one of its entities by more than the
    lateness, or older than any window reaches.

    Args:
        inputs: the definitions.
        tables: by position of the source, its events in the order in which they came.
        past: how many of each are history, which is all there.

    Returns:
        For each source, bool[n]: whether an event came too late; the number of those in time.
    """
    beyond: list[Bools] = []
    late = 0
    for number, table in enumerate(tables):
        lost, some = _lateness(inputs, number, table, past[number])
        beyond.append(lost)
        late += some
    return tuple(beyond), late


def _lateness(inputs: FeatureSet, number: int, table: pa.Table, past: int) -> tuple[Bools, int]:
    source = inputs.sources[number]
    column = table.column(source.time.column)
    times = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    keys = dict.fromkeys(key for at, key in inputs.histories if at == number)
    columns = [table.column(key).to_pylist() for key in keys]
    newest = [_newest(values, times[:past]) for values in columns]
    allowed = max(source.lateness, inputs.source.lateness)
    reach = inputs.reach(number) + allowed
    latest, late = int(times[:past].max(initial=0)), 0
    lost = np.zeros(len(times), np.bool_)
    for row in range(past, len(times)):
        time = int(times[row])
        ends = [known.get(values[row], -1) for known, values in zip(newest, columns, strict=True)]
        old = not source.versioned and time <= latest - reach
        if old or any(time < end - allowed for end in ends):
            lost[row] = True
            continue
        late += any(time < end for end in ends)
        latest = max(latest, time)
        for known, values in zip(newest, columns, strict=True):
            known[values[row]] = max(time, known.get(values[row], -1))
    return lost, late


def _newest(values: list[Any], times: Indices) -> dict[Any, int]:
    """The newest time of each entity of a history."""
    found: dict[Any, int] = {}
    for key, time in zip(values, times.tolist(), strict=False):
        if time > found.get(key, -1):
            found[key] = time
    return found
