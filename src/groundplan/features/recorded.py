"""Reading a history as events: the same values that the wire would have given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from sqlglot import exp

from groundplan.features.columns import identifying, time_of, truth_of, value_of
from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.history import opened
from groundplan.features.source import Source
from groundplan.features.sql import column
from groundplan.features.state.batch import Batch
from groundplan.features.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

Chunks: TypeAlias = Callable[[int], Iterator[list[Event]]]
"""From a number of events to lists of at most that many."""

Batches: TypeAlias = Callable[[int], Iterator[Batch]]
"""From a number of events to batches of about that many."""


@contextmanager
def recorded(
    inputs: FeatureSet, history: "Path | pa.Table", since: int, source: int = 0
) -> Iterator[tuple[int, Chunks]]:
    """How many events a history has, and those that still count, from old to new.

    Rows that repeat an event come as they are. Of a profile table all versions come.

    Args:
        inputs: the features.
        history: a Parquet file or an Arrow table with all columns of the source.
        since: us; older events are left out, and so are those that are past the longest window
            plus the lateness beside the history's own newest.
        source: whose events they are, as a position in `inputs.sources`.

    Raises:
        InputError: a column is missing, or a value breaks a rule.
    """
    ours = inputs.sources[source]
    with _selected(inputs, history, since, source) as (total, connection, query):
        connection.execute(query)

        def chunks(size: int) -> Iterator[list[Event]]:
            while rows := connection.fetchmany(size):
                yield [_event(ours, row, source) for row in rows]

        yield total, chunks


@contextmanager
def batches(
    inputs: FeatureSet, history: "Path | pa.Table", since: int, source: int = 0
) -> Iterator[tuple[int, Batches]]:
    """The same as arrays; the versions of a profile table have no identifiers of their own."""
    ours = inputs.sources[source]
    with _selected(inputs, history, since, source) as (total, connection, query):

        def parts(size: int) -> Iterator[Batch]:
            import pyarrow as pa

            waiting: list[pa.RecordBatch] = []
            for part in connection.sql(query).to_arrow_reader(size):  # it may give fewer
                waiting.append(part)
                if sum(map(len, waiting)) >= size:
                    yield _batch(ours, pa.Table.from_batches(waiting))
                    waiting.clear()
            if waiting:
                yield _batch(ours, pa.Table.from_batches(waiting))

        yield total, parts


@contextmanager
def _selected(
    inputs: FeatureSet, history: "Path | pa.Table", since: int, source: int
) -> Iterator[tuple[int, Any, str]]:
    """How many events there are, a connection, and the statement for those that count."""
    ours = inputs.sources[source]
    names = [*identifying(ours), ours.time.column, *ours.fields, *ours.labels]
    with opened(history) as events:
        columns, _ = events.columns(inputs, dict.fromkeys(names), source=source)
        time = time_of(columns[ours.time.column])
        total, newest = events.one(exp.Count(this=exp.Star()), exp.Max(this=time))
        lateness = max(ours.lateness, inputs.source.lateness)
        cutoff = max(since, (newest or 0) - inputs.reach(source) - lateness)
        identifier = exp.null() if ours.versioned else columns[ours.id].node
        query = (
            exp.select(
                identifier.as_("identifier"),
                time.copy().as_("t"),
                *(value_of(columns[f], kind) for f, kind in ours.fields.items()),
                *(truth_of(columns[name]) for name in ours.labels),
            )
            .from_(events.relation.copy())
            .order_by(column("t"))
        )
        if not ours.versioned:
            query = query.where(time.copy() > cutoff)
        yield total, events.connection, query.sql("duckdb")


def _batch(ours: Source, part: "pa.Table") -> Batch:
    """A stretch of a history as arrays."""
    arrays = [column.combine_chunks() for column in part.columns]
    count = 2 + len(ours.fields)
    values, missing = [], []
    for found, kind in zip(arrays[2:count], ours.fields.values(), strict=True):
        absent = np.asarray(found.is_null()) if kind.optional and found.null_count else None
        if kind.name == "str":
            values.append(np.array(found.to_pylist(), dtype=object))
        else:
            filled = (
                found if absent is None else found.fill_null(False if kind.name == "bool" else 0)
            )
            values.append(filled.to_numpy(zero_copy_only=False))
        missing.append(absent)
    texts = ours.versioned or ours.id_kind.name == "str"
    ids = np.array(arrays[0].to_pylist(), dtype=object) if texts else arrays[0].to_numpy()
    labels = [label.to_numpy(zero_copy_only=False) for label in arrays[count:]]
    return Batch(ours, ids, arrays[1].to_numpy(), values, missing, labels)


def _event(ours: Source, row: tuple[Any, ...], source: int) -> Event:
    count = 2 + len(ours.fields)
    identifier, time, values = row[0], row[1], row[2:count]
    if isinstance(ours, Table):
        identifier = ours.identifier(values[0], time)
    return Event(identifier, time, values, row[count:], source)
