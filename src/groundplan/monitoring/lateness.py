"""Which events came too late to count and which are forgotten, by the online store's rules."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from groundplan.features import FeatureSet, Source
from groundplan.monitoring.logged import Bools, Indices

_NEVER: Final = np.iinfo(np.int64).min


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
    times = _times(source, table)
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


def forgotten(
    inputs: FeatureSet,
    number: int,
    table: pa.Table,
    arrival: Indices,
    beyond: Bools,
    before: Indices,
) -> Indices:
    """The time of a source up to which its events may have been forgotten.

    An event is kept until it lies behind the source's newest by as much as windows reach and the
    lateness. An answer to an event that came later than the lateness allows for reads windows that
    reach further back.

    Args:
        inputs: the definitions.
        number: the source's position.
        table: its events.
        arrival: int64[n], the places in the log at which they came, 0 in a history.
        beyond: bool[n], whether they came too late to count.
        before: int64[m], places in the log.

    Returns:
        int64[m], us since 1970: what came before each place of an older or equal time may be gone.
    """
    source = inputs.sources[number]
    kept = inputs.reach(number) + max(source.lateness, inputs.source.lateness)
    counted = np.flatnonzero(~beyond)
    if source.versioned or not len(counted):
        return np.full(len(before), _NEVER)
    order = counted[np.argsort(arrival[counted], kind="stable")]
    newest = np.maximum.accumulate(_times(source, table)[order])
    there = np.searchsorted(arrival[order], before, side="left")
    return np.where(there, newest[there - 1] - kept, _NEVER)


def _times(source: Source, table: pa.Table) -> Indices:
    column = table.column(source.time.column)
    times: Indices = column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    return times


def _newest(values: list[Any], times: Indices) -> dict[Any, int]:
    """The newest time of each entity of a history."""
    found: dict[Any, int] = {}
    for key, time in zip(values, times.tolist(), strict=False):
        if time > found.get(key, -1):
            found[key] = time
    return found
