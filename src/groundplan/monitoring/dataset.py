"""The next training set: what was served, joined with the labels that came later.

A row has the features as the model saw them, never recomputed ones. It is there once the label's
delay has passed, whatever was told of it before: were a positive taken as soon as it is told, the
newest days would be all positive. What became known after the moment of the join does not count.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct

from groundplan.durable import replacing
from groundplan.errors import InputError
from groundplan.features import FeatureSet
from groundplan.monitoring.arrivals import Arrivals, arrivals
from groundplan.monitoring.logged import Bools, Indices


class Joined(Struct, frozen=True):
    """What became of a log's answers: all that are not `rows` were left out, and why.

    Args:
        answers: how many the log has.
        rows: how many are in the training set.
        positive: how many of these have the label.
        told: labels that were told of these rows; the others are negative since nothing was.
        waiting: answers whose label's delay has not passed.
        degraded: answers whose features a fallback gave.
        repeated: answers to events that had been answered before.
        foreign: answers of builds with other definitions.
    """

    answers: int
    rows: int
    positive: int
    told: int
    waiting: int
    degraded: int
    repeated: int
    foreign: int


def write(
    inputs: FeatureSet,
    label: str,
    log: Path,
    out: Path,
    now: int,
    *,
    mine: Sequence[str] = (),
    labels: Path | None = None,
) -> Joined:
    """Write the training set of a log as a Parquet file, whole or not at all.

    Its columns: the identifier, the time and the features of the event, the label, `known_at`
    (when it was told, or when its delay had passed), `answered_at`, score, decision and build,
    then the fields as they were sent; one whose name a feature has is called `sent_NAME`.

    Args:
        inputs: the definitions.
        label: of the main source, which the model predicts.
        log: the folder of the prediction log.
        out: the file.
        now: the moment of the join, us since 1970.
        mine: the builds whose features these definitions are; answers of others are left out.
        labels: a Parquet file with more labels: the identifier, the label and, where there is
            one, the time at which it became known, in the column `known_at`.

    Raises:
        InputError: the file of labels lacks a column.
        EngineError: a row of the log cannot be read.
    """
    past = arrivals(inputs, {}, log, mine)
    served = past.served
    values, known, told = _labels(inputs, label, past, now, labels)
    time = _us(past.tables[0].column(inputs.source.time.column))
    due = time + inputs.source.labels[label]
    first = _first(served.row, served.degraded)
    ripe = (due <= now)[served.row]
    kept = np.flatnonzero(first & ~served.degraded & ripe)
    rows = served.row[kept]
    table = _table(inputs, past, kept)
    at = np.where(known < 0, due, known)[rows]
    place = len(inputs) + 2
    table = table.add_column(place, label, pa.array(values[rows]))
    table = table.add_column(place + 1, "known_at", pa.array(at).cast(pa.timestamp("us")))
    with replacing(out) as draft:
        pq.write_table(table, draft, compression="zstd")
    single = first & ~served.degraded
    return Joined(
        answers=len(served.row) + served.foreign,
        rows=len(kept),
        positive=int(values[rows].sum()),
        told=int(told[rows].sum()),
        waiting=int((single & ~ripe).sum()),
        degraded=int(served.degraded.sum()),
        repeated=int((~first & ~served.degraded).sum()),
        foreign=served.foreign,
    )


def _first(rows: Indices, degraded: Bools) -> Bools:
    """Which answers are the first about their event that no fallback gave."""
    found = np.zeros(len(rows), np.bool_)
    good = np.flatnonzero(~degraded)
    found[good[np.unique(rows[good], return_index=True)[1]]] = True
    return found


def _labels(
    inputs: FeatureSet, label: str, past: Arrivals, now: int, file: Path | None
) -> tuple[Bools, Indices, Bools]:
    """By event: the label as known now, when it became known (-1: never told), whether it was."""
    values = past.first_labels[label].copy()
    came = np.concatenate([[-1], past.log_at])[past.arrival[0]]  # 0 is history, which is not here
    values &= came <= now
    known = np.where(values, came, -1)
    told = values.copy()
    rows, at = past.told.column("row").to_pylist(), past.told.column("arrival").to_pylist()
    words = [
        (int(past.log_at[place - 1]), row, value)
        for row, place, value in zip(rows, at, past.told.column(label).to_pylist(), strict=True)
        if value is not None
    ]
    if file is not None:
        words += _of_file(inputs, label, past, file)
    for moment, row, value in sorted(words, key=lambda word: word[0]):  # the last word counts
        if moment <= now:
            values[row], known[row], told[row] = value, moment, True
    return values, known, told


def _of_file(
    inputs: FeatureSet, label: str, past: Arrivals, file: Path
) -> list[tuple[int, int, bool]]:
    """(known at in us, row, value) of a file of labels; without a time, known when it is due."""
    source, events = inputs.source, past.tables[0]
    table = pq.read_table(file)
    table = table.rename_columns([name.lower() for name in table.column_names])
    for name in (source.id, label):
        if name.lower() not in table.column_names:
            raise InputError(
                name,
                f"{file} has no column {name}: a file of labels has {source.id}, {label} and, "
                "where it is known, known_at",
            )
    places = {key: row for row, key in enumerate(events.column(source.id).to_pylist())}
    found = table.column(source.id.lower()).cast(events.schema.field(source.id).type).to_pylist()
    values = table.column(label.lower()).cast(pa.bool_()).to_pylist()
    due = _us(events.column(source.time.column)) + source.labels[label]
    times: Sequence[Any] = [None] * len(table)
    if "known_at" in table.column_names:
        times = _us(table.column("known_at")).tolist()
    return [
        (int(due[places[id]]) if time is None else time, places[id], value)
        for id, value, time in zip(found, values, times, strict=True)
        if id in places and value is not None
    ]


def _table(inputs: FeatureSet, past: Arrivals, kept: Indices) -> pa.Table:
    """The rows without their label."""
    source, served = inputs.source, past.served
    events = past.tables[0].take(pa.array(served.row[kept]))
    columns: dict[str, Any] = {
        source.id: events.column(source.id),
        source.time.column: events.column(source.time.column),
    }
    for at, name in enumerate(inputs.names):
        columns[name] = pa.array(served.values[kept, at], from_pandas=True)
    columns["answered_at"] = pa.array(served.at[kept]).cast(pa.timestamp("us"))
    answer = served.answer.take(pa.array(kept))
    columns |= dict(zip(answer.column_names, answer.columns, strict=True))
    for name in source.fields:
        columns[f"sent_{name}" if name in columns else name] = events.column(name)
    return pa.table(columns)


def _us(column: pa.ChunkedArray) -> Indices:
    """Times as us since 1970."""
    found: Indices = pc.cast(column.cast(pa.timestamp("us")), pa.int64()).to_numpy()
    return found
