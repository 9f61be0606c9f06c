"""The labelled rows of a project: read, checked and joined with their features as of their time."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from groundplan.engines import coerced
from groundplan.engines.places import absolute, shown
from groundplan.engines.table import offline as engine
from groundplan.errors import InputError, ProjectError
from groundplan.features import FeatureSet, offline
from groundplan.features.moment import TimePart
from groundplan.models import Bools, Floats, Indices
from groundplan.patterns.batch.definition import Definition, Report
from groundplan.project import Project

TIMELESS: Final = 0
"""us since 1970 of rows without a time, whose features do not depend on it."""


@dataclass(frozen=True)
class Past:
    """The labelled rows of the main source, and what the other sources say.

    Args:
        rows: of the main source.
        others: by name, the rows of the other sources.
        place: where the rows were read from, for people.
    """

    rows: pa.Table
    others: Mapping[str, pa.Table]
    place: str


@dataclass(frozen=True)
class Rows:
    """The rows of a table as training needs them, in the table's order.

    Args:
        x: float64[n, F], the features.
        y: bool[n], the label.
        time: int64[n], us since 1970.
        key: int64[n], numbers of the keys, by which figures are resampled.
        table: identifier, time, fields and label, under the source's names.
    """

    x: Floats
    y: Bools
    time: Indices
    key: Indices
    table: pa.Table


def past(
    project: Project,
    definition: Definition,
    data: str | Path | None,
    others: Mapping[str, str | Path],
    report: Report,
) -> Past:
    """What was named on the command line, or what `system.py` says.

    Raises:
        ProjectError: there is neither.
        InputError: a file is not there or cannot be read, or the main source's rows are missing.
    """
    given: Any = data if data is not None else definition.data
    if given is None:
        raise ProjectError(
            "there is nothing to train on: name a file with --data, or define `data` in system.py: "
            "a file, or a function that makes a table"
        )
    place = shown(given) if isinstance(given, str | Path) else "system.py"
    if callable(given):
        given = given(lambda done, total: report("make the data", done, total))
    main = definition.inputs.source
    stated = definition.data if data is not None else given
    tables: dict[str, Any] = dict(stated) if isinstance(stated, Mapping) else {main.name: stated}
    tables = {name: absolute(table, project.folder) for name, table in tables.items()}
    if data is not None:  # the command line's paths begin in the current folder
        tables[main.name] = absolute(data, Path())
    tables.update({name: absolute(place, Path()) for name, place in others.items()})
    sources = {source.name: source for source in definition.inputs.sources}
    for name in tables:
        if name not in sources:
            named = ", ".join(sources)
            raise InputError("", f"there is no source {name}: the features read {named}")
    if main.name not in tables:
        raise InputError("", f"data has {', '.join(tables)}, and no rows of {main.name}: add them")
    read = {name: coerced.read(place, sources[name]) for name, place in tables.items()}
    rows = _completed(definition, read.pop(main.name))
    report("read the data", 1, 1)
    return Past(rows, read, place)


def features(
    project: Project, definition: Definition, past: Past, report: Report
) -> tuple[Definition, Rows]:
    """The definition with the categories that the rows have, and the rows with their features.

    Raises:
        InputError: a column is missing or holds what its declaration does not allow.
    """
    learned = definition.inputs.learn(past.rows, past.others)
    definition = replace(definition, inputs=definition.inputs.fitted(learned))
    inputs = definition.inputs
    events = offline.events(inputs, past.rows)

    def progress(share: float) -> None:
        report("point-in-time features", round(100 * share), 100)

    with engine(project.answers.engines.get("offline")) as found:
        made = found.table(inputs, past.rows, progress=progress, others=past.others)
    time = events.column(inputs.source.time.column).cast(pa.timestamp("us")).cast(pa.int64())
    keys = events.column(definition.key).combine_chunks().dictionary_encode()
    return definition, Rows(
        x=offline.matrix(made, inputs.names),
        y=events.column(definition.label).fill_null(False).to_numpy().astype(np.bool_),
        time=time.to_numpy(),
        key=keys.indices.to_numpy().astype(np.int64),
        table=events,
    )


def provenance(past: Past, rows: Rows) -> dict[str, Any]:
    """Where training data came from: place, rows, first and last time, fingerprint."""
    first, last = (int(rows.time.min()), int(rows.time.max())) if len(rows.y) else (0, 0)
    timed = last > TIMELESS
    return {
        "file": past.place,
        "sha256": fingerprint(past.rows),
        "rows": len(rows.y),
        "positive": int(rows.y.sum()),
        "first": _moment(first) if timed else None,
        "last": _moment(last) if timed else None,
    }


def timeless(inputs: FeatureSet) -> bool:
    """Whether no feature depends on the time of its row."""
    return not inputs.windows and not any(
        isinstance(node, TimePart) for each in inputs.expressions for node in each.nodes()
    )


def _completed(definition: Definition, rows: pa.Table) -> pa.Table:
    """The rows with what a snapshot may lack: a number for each, and a time that does not matter.

    Raises:
        InputError: the time is missing, and features depend on it.
    """
    inputs, source = definition.inputs, definition.inputs.source
    present = {name.lower() for name in rows.column_names}
    if source.time.column.lower() not in present:
        if not timeless(inputs):
            raise InputError(
                source.time.column,
                f"the column {source.time.column} of {source.name} is missing, and features depend "
                "on it: add the moment at which each row was known",
            )
        moments = pa.array(np.full(rows.num_rows, TIMELESS)).cast(pa.timestamp("us", "UTC"))
        rows = rows.append_column(source.time.column, moments)
    if source.id.lower() not in present and definition.key != source.id:
        numbers = pa.array(np.arange(rows.num_rows))
        kind = pa.int64() if source.id_kind.name == "int" else pa.string()
        rows = rows.append_column(source.id, numbers.cast(kind))
    return rows


def fingerprint(table: pa.Table) -> str:
    """The SHA-256 of the rows as they were read, whatever the format of the file.

    It is that of the values: what lies in memory where a value is missing is left out.
    """
    plain = table.replace_schema_metadata(None)
    digest = hashlib.sha256(str(plain.schema).encode())
    for batch in plain.combine_chunks().to_batches(max_chunksize=1 << 20):
        for column in batch.columns:
            there = column.is_valid().to_numpy(zero_copy_only=False)
            digest.update(np.packbits(there).tobytes())
            digest.update(_plain(column.drop_null()))
    return digest.hexdigest()


def _plain(column: pa.Array) -> bytes:
    """The bytes of a column without missing values."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_primitive(column.type):
        values: bytes = column.to_numpy(zero_copy_only=False).tobytes()
        return values
    texts = column.cast(pa.string())
    lengths: bytes = pc.binary_length(texts).to_numpy(zero_copy_only=False).tobytes()
    return lengths + "".join(texts.to_pylist()).encode()


def _moment(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="seconds")
