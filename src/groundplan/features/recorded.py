"""Reading a history as events: the same values that the wire would have given."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from groundplan.features.columns import scaled_of, time_of, value_of
from groundplan.features.event import Event
from groundplan.features.feature_set import FeatureSet
from groundplan.features.history import opened
from groundplan.features.query import column

if TYPE_CHECKING:
    import pyarrow as pa

Chunks: TypeAlias = Callable[[int], Iterator[list[Event]]]
"""From a number of events to lists of at most that many."""


@contextmanager
def recorded(
    inputs: FeatureSet, history: "Path | pa.Table", since: int
) -> Iterator[tuple[int, Chunks]]:
    """How many events a history has, and those that still count, from old to new.

    Args:
        inputs: the features.
        history: a Parquet file or an Arrow table.
        since: us; older events are left out, and so are those that are past the longest window
            plus the lateness beside the history's own newest.

    Raises:
        InputError: a column is missing, or a value breaks a rule.
    """
    source = inputs.source
    names = [source.id, source.time.column, *source.fields, *source.labels]
    with opened(history) as events:
        columns = events.columns(inputs, names)
        time = time_of(columns[source.time.column])
        total, newest = events.one(exp.Count(this=exp.Star()), exp.Max(this=time))
        cutoff = max(since, (newest or 0) - inputs.longest - source.lateness)
        labels = (scaled_of(columns[name], source, name) for name in source.labels)
        query = (
            exp.select(
                columns[source.id].node.as_("identifier"),
                time.copy().as_("t"),
                *(value_of(columns[f], kind) for f, kind in source.fields.items()),
                *(exp.cast(label, "BOOLEAN") for label in labels),
            )
            .from_(events.relation.copy())
            .where(time.copy() > cutoff)
            .order_by(column("t"))
        )
        events.connection.execute(query.sql("duckdb"))
        count = 2 + len(source.fields)

        def chunks(size: int) -> Iterator[list[Event]]:
            while rows := events.connection.fetchmany(size):
                yield [Event(row[0], row[1], row[2:count], row[count:]) for row in rows]

        yield total, chunks
