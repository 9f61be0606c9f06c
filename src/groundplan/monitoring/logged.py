"""A prediction log as columns, in the order of its arrival."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from groundplan.features import FeatureSet
from groundplan.serving import log

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]

_ANSWER: Final = pa.schema(
    [("score", pa.float64()), ("decision", pa.string()), ("build", pa.string())]
)
_FOREIGN: Final = -1
"""The source of rows that other definitions took: they are no part of this state."""


@dataclass(frozen=True)
class Logged:
    """The rows of a log, in the order of their arrival.

    Args:
        at: int64[n], us since 1970; it never falls.
        arrived: int64[n], the place in the log, from 1, from which on a row was in the state.
        sure: bool[n], whether that is known: not of what a process took that ended before it was
            stored, nor of an answer whose features a fallback gave.
        spent: int64[n], us that an answer took until its row was written.
        source: int64[n], the position of the source; negative where other definitions took it.
        predicted: bool[n], whether the row is an answer.
        degraded: bool[n], whether a fallback gave an answer's features.
        event: n JSON objects.
        values: float64[n, F], the features of answers, NaN where missing.
        answer: score, decision and build, null where the row is no answer.
        foreign: answers that builds with other definitions gave.
    """

    at: Indices
    arrived: Indices
    sure: Bools
    spent: Indices
    source: Indices
    predicted: Bools
    degraded: Bools
    event: pa.ChunkedArray
    values: Floats
    answer: pa.Table
    foreign: int


def logged(inputs: FeatureSet, folder: Path, mine: Collection[str]) -> Logged:
    """Read a log: each process's rows in their order, those of several merged by time.

    Args:
        inputs: the definitions.
        folder: of the log.
        mine: the builds whose features these definitions are.
    """
    parts: list[Logged] = []
    keys: list[Indices] = []
    pending: list[Bools] = []
    stored: list[Bools] = []
    writers: list[Indices] = []
    number, writer, clock = 0, "", 0
    for segment in log.segments(folder):
        if segment.writer != writer:
            number, writer, clock = number + 1, segment.writer, 0
        for table in segment.tables():
            at = table.column("at").cast(pa.int64()).to_numpy()
            if not len(at):
                continue
            running = np.maximum(np.maximum.accumulate(at), clock)
            clock = int(running[-1])
            keys.append(running)
            parts.append(_part(inputs, table, mine))
            pending.append(table.column("pending").to_numpy(zero_copy_only=False).astype(np.bool_))
            stored.append(pc.equal(table.column("kind"), "stored").to_numpy())
            writers.append(np.full(len(at), number))
    if not parts:
        parts.append(_part(inputs, log.table(folder), mine))
        for columns in (keys, writers):
            columns.append(np.zeros(0, np.int64))
        for flags in (pending, stored):
            flags.append(np.zeros(0, np.bool_))
    order = np.argsort(np.concatenate(keys), kind="stable")
    whole = {
        name: np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("at", "spent", "source", "predicted", "degraded", "values")
    }
    whole["arrived"], sure = _arrived(
        np.concatenate(pending)[order],
        np.concatenate(stored)[order],
        np.concatenate(writers)[order],
    )
    whole["sure"] = sure & ~whole["degraded"]
    # The running time, so that it never falls: a clock may be set back.
    whole["at"] = np.concatenate(keys)[order]
    chunks = [chunk for part in parts for chunk in part.event.chunks]
    events = pa.chunked_array(chunks, pa.string()).take(pa.array(order))
    answer = pa.concat_tables([part.answer for part in parts]).take(pa.array(order))
    foreign = sum(part.foreign for part in parts)
    return Logged(event=events, answer=answer, foreign=foreign, **whole)


def _part(inputs: FeatureSet, table: pa.Table, mine: Collection[str]) -> Logged:
    predicted = pc.equal(table.column("kind"), "prediction").to_numpy()
    marks = pc.equal(table.column("kind"), "stored").to_numpy()
    build = table.column("build").cast(pa.string())
    ours = pc.or_(pc.is_in(build, pa.array(sorted(mine), pa.string())), pc.equal(build, ""))
    ours = pc.fill_null(ours, False).to_numpy()
    has = set(log.names(table))
    values = np.full((len(table), len(inputs)), np.nan)
    for at, name in enumerate(inputs.names):
        if name in has:
            column = table.column(f"feature.{name}")
            values[:, at] = column.to_numpy(zero_copy_only=False)
    return Logged(
        at=table.column("at").cast(pa.int64()).to_numpy(),
        arrived=np.zeros(len(table), np.int64),
        sure=np.zeros(len(table), np.bool_),
        spent=_spent(table),
        source=np.where(ours & ~marks, table.column("source").to_numpy(), _FOREIGN).astype(
            np.int64
        ),
        predicted=predicted,
        degraded=_degraded(table),
        event=table.column("event"),
        values=values,
        answer=table.select(_ANSWER.names).cast(_ANSWER),
        foreign=int((predicted & ~ours).sum()),
    )


def _arrived(pending: Bools, stored: Bools, writers: Indices) -> tuple[Indices, Bools]:
    """From which place on each row was in the state, and whether that is known."""
    arrived = 1 + np.arange(len(pending))
    sure = np.ones(len(pending), np.bool_)
    for writer in np.unique(writers[pending]):
        mine = np.flatnonzero(pending & (writers == writer))
        marks = np.flatnonzero(stored & (writers == writer))
        next_ = np.searchsorted(marks, mine)
        sure[mine] = next_ < len(marks)
        there = mine[sure[mine]]
        arrived[there] = 1 + marks[next_[sure[mine]]]
    return arrived, sure


def _spent(table: pa.Table) -> Indices:
    """Us from the beginning of each answer to its row in the log."""
    total = np.zeros(len(table), np.int64)
    column = table.column("timings").combine_chunks()
    if not len(column):
        return total
    lengths = np.diff(column.offsets.to_numpy())
    items = column.items.to_numpy()[column.offsets[0].as_py() : column.offsets[-1].as_py()]
    np.add.at(total, np.repeat(np.arange(len(total)), lengths), items)
    return total


def _degraded(table: pa.Table) -> Bools:
    """Whether a fallback gave an answer's features."""
    found = np.zeros(len(table), np.bool_)
    column = table.column("degraded").combine_chunks()
    lines, parents = column.flatten(), pc.list_parent_indices(column)
    found[parents.filter(pc.starts_with(lines, "features:")).to_numpy()] = True
    return found
