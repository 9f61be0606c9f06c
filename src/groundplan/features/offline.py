"""The point-in-time features of a file of events, computed in DuckDB."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
from sqlglot import exp

from groundplan.durable import replacing
from groundplan.errors import EngineError, InputError
from groundplan.features.feature_set import FeatureSet
from groundplan.features.finishing import applied, finished
from groundplan.features.history import History, opened, opened_together
from groundplan.features.query import compile_query
from groundplan.features.sql import IDENTIFIER, POSITION, column

if TYPE_CHECKING:
    import pyarrow as pa

Progress: TypeAlias = Callable[[float], Any]
"""Called with the share that is done, 0 to 1, several times a second."""

Others: TypeAlias = Mapping[str, "Path | pa.Table"]
"""By the source's name, its events: a Parquet file or an Arrow table."""

Keep: TypeAlias = Sequence[str] | Literal["all"]
"""Columns to hand through: the source's names or the file's own."""

_BATCH: Final = 131_072
"""Rows that go through Python functions at a time."""


def table(
    inputs: FeatureSet,
    source: "Path | pa.Table",
    keep: Keep = (),
    progress: Progress | None = None,
    others: "Others | None" = None,
) -> "pa.Table":
    """The features of every event, in the order of the input.

    Args:
        inputs: what to compute.
        source: a Parquet file or an Arrow table with the main source's columns; capitals do not
            count. A row that repeats an event as it was counts once and gives no row.
        keep: columns to hand through between the identifier and the features. The time comes as
            a timestamp in us (UTC), a label as a bool that is False where it is absent.
        progress: called while it runs.
        others: by name, the events or versions of the other sources that the features read.

    Returns:
        The identifier, what `keep` names and the features as float64; a missing value is null.

    Raises:
        InputError: a source or a column is missing, a column has the wrong type, or holds a value
            that the wire would refuse as well; an identifier stands for two events.
    """
    with opened_together([source, *listed(inputs, others)]) as histories:
        query = statement(inputs, histories, keep)
        connection = histories[0].connection
        found = _run(connection, lambda: connection.sql(query).to_arrow_table(), progress)
    return finished(inputs, found)


def write(
    inputs: FeatureSet,
    source: Path,
    out: Path,
    keep: Keep = (),
    progress: Progress | None = None,
    others: "Others | None" = None,
    memory: int | None = None,
) -> int:
    """Write the table of `table` as a Parquet file, whole or not at all; returns its rows.

    Args:
        inputs: what to compute.
        source: the main source's events.
        out: the Parquet file to write.
        keep: columns to hand through.
        progress: called while it runs.
        others: by name, the other sources' events.
        memory: bytes that DuckDB may use before it spills to disk.
    """
    with opened_together([source, *listed(inputs, others)], memory) as histories:
        query = statement(inputs, histories, keep)
        connection = histories[0].connection
        try:
            with replacing(out) as draft:
                rows = _run(connection, lambda: _copy(inputs, connection, query, draft), progress)
        except (duckdb.IOException, OSError) as error:
            raise EngineError(f"{out} cannot be written: {error}") from None
    return int(rows)


def events(inputs: FeatureSet, source: "Path | pa.Table") -> "pa.Table":
    """The events alone, in the order of the input, under the names that the source gives them.

    Args:
        inputs: names the source.
        source: as for `table`.

    Returns:
        Identifier, time (timestamp in us, UTC), fields and labels (false where absent).

    Raises:
        InputError: as for `table`.
    """
    ours = inputs.source
    names = [ours.time.column, *ours.fields, *ours.labels]
    with opened(source) as history:
        rows = history.checked(inputs, keep=names)
        kept = [column(f"k_{name}").as_(name, quoted=True) for name in names]
        ordered = (
            exp.select(column(IDENTIFIER).as_(ours.id, quoted=True), *kept)
            .from_(rows.subquery("rows"))
            .order_by(exp.column(POSITION))
        )
        return history.connection.sql(ordered.sql("duckdb")).to_arrow_table()


def matrix(found: "pa.Table", names: Sequence[str]) -> npt.NDArray[np.float64]:
    """The named columns side by side, float64[rows, names]; null becomes NaN.

    Raises:
        InputError: the table has no such column.
    """
    out = np.empty((found.num_rows, len(names)))
    for at, name in enumerate(names):
        if name not in found.column_names:
            raise InputError(
                name, f"there is no column {name}: the table has {', '.join(found.column_names)}"
            )
        values = found.column(name).cast("float64").to_numpy(zero_copy_only=False)
        out[:, at] = values
    return out


def _copy(
    inputs: FeatureSet, connection: duckdb.DuckDBPyConnection, query: str, draft: Path
) -> int:
    """Write the rows of a statement as Parquet, then what Python computes of them."""
    target = exp.Literal.string(str(draft)).sql("duckdb")
    rows = connection.execute(f"COPY ({query}) TO {target} (FORMAT parquet)").fetchone()
    if applied(inputs):
        raw = draft.with_name(f"{draft.name}.raw")
        os.replace(draft, raw)
        try:
            _finish(inputs, raw, draft)
        finally:
            raw.unlink(missing_ok=True)
    return int(rows[0]) if rows else 0


def _finish(inputs: FeatureSet, raw: Path, out: Path) -> None:
    """Batch by batch, so that a file of any size fits."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(raw) as rows:
        empty = rows.schema_arrow.empty_table()
        schema = finished(inputs, empty).schema
        with pq.ParquetWriter(out, schema) as writer:
            for batch in rows.iter_batches(_BATCH):
                writer.write_table(pa.Table.from_batches([finished(inputs, batch)], schema))


def listed(inputs: FeatureSet, given: "Others | None") -> "list[Path | pa.Table]":
    """The other sources' events, in the order of `inputs.sources`.

    Raises:
        InputError: one is missing, or the features do not read it.
    """
    names = [source.name for source in inputs.sources[1:]]
    given = given or {}
    for name in names:
        if name not in given:
            raise InputError(
                "",
                f"the features read {name} as well, and there are none: name their file or table, "
                f"as in others={{{name!r}: ...}}",
            )
    for name in given:
        if name not in names:
            raise InputError(
                "",
                f"others has {name!r}, and the features read {', '.join(names) or 'none'} beside "
                f"{inputs.source.name}: leave it out, or correct its name",
            )
    return [given[name] for name in names]


def statement(inputs: FeatureSet, histories: Sequence[History], keep: Keep) -> str:
    """The SQL of the features in the histories' dialect, after a pass that checks all rows.

    Args:
        inputs: what to compute.
        histories: of all its sources, in order.
        keep: columns of the first to hand through.

    Raises:
        InputError: a column or a value breaks a rule.
    """
    names = _all_of(inputs, histories[0]) if keep == "all" else _distinct(inputs, keep)
    events = [
        history.checked(inputs, at, names if at == 0 else ())
        for at, history in enumerate(histories)
    ]
    dialect = histories[0].dialect
    return compile_query(inputs, events, names, dialect).sql(dialect.name)


def _all_of(inputs: FeatureSet, history: History) -> list[str]:
    """Every column of the file that neither the identifier nor a feature replaces."""
    source = inputs.source
    ours = {name.lower(): name for name in (source.time.column, *source.fields, *source.labels)}
    taken = {name.lower() for name in (source.id, *inputs.names)}
    return [ours.get(n.lower(), n) for n in history.present if n.lower() not in taken]


def _distinct(inputs: FeatureSet, keep: Sequence[str]) -> list[str]:
    names = [name for name in dict.fromkeys(keep) if name != inputs.source.id]
    for name in names:
        if name in inputs.names:
            raise InputError(name, f"{name} is a feature as well: keep the other columns only")
    return names


def _run(
    connection: duckdb.DuckDBPyConnection, work: Callable[[], Any], progress: Progress | None
) -> Any:
    """Do the work in a thread and report its progress from this one."""
    if progress is None:
        return work()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        while True:
            try:
                result = running.result(timeout=0.2)
            except NotYet:
                progress(max(0.0, connection.query_progress()) / 100)
            except BaseException:
                connection.interrupt()  # an interrupted wait must not leave the query running
                raise
            else:
                progress(1.0)
                return result
