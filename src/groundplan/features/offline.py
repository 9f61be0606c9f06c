"""The point-in-time features of a file of events, computed in DuckDB."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import duckdb
import numpy as np
import numpy.typing as npt
from sqlglot import exp

from groundplan.errors import EngineError, InputError
from groundplan.features.columns import handed_through, needed, normalised
from groundplan.features.feature_set import FeatureSet
from groundplan.features.history import History, opened
from groundplan.features.query import compile_query

if TYPE_CHECKING:
    import pyarrow as pa

Progress: TypeAlias = Callable[[float], Any]
"""Called with the share that is done, 0 to 1, several times a second."""

Keep: TypeAlias = Sequence[str] | Literal["all"]
"""Columns to hand through: the source's names or the file's own."""


def table(
    inputs: FeatureSet,
    source: "Path | pa.Table",
    keep: Keep = (),
    progress: Progress | None = None,
) -> "pa.Table":
    """The features of every event, in the order of the input.

    Args:
        inputs: what to compute.
        source: a Parquet file or an Arrow table with the source's columns; capitals do not count.
        keep: columns to hand through between the identifier and the features. The time comes as
            a timestamp in us (UTC), a label as a bool that is False where it is absent.
        progress: called while it runs.

    Returns:
        The identifier, what `keep` names and the features as float64; a missing value is null.

    Raises:
        InputError: a column is missing, has the wrong type, or holds a value that the wire would
            refuse as well; an identifier stands twice.
    """
    with opened(source) as history:
        query = _compiled(inputs, history, keep)
        connection = history.connection
        return _run(connection, lambda: connection.sql(query).to_arrow_table(), progress)


def write(
    inputs: FeatureSet,
    source: Path,
    out: Path,
    keep: Keep = (),
    progress: Progress | None = None,
) -> int:
    """Write the table of `table` as a Parquet file, whole or not at all; returns its rows."""
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    with opened(source) as history:
        query = _compiled(inputs, history, keep)
        connection = history.connection
        target = exp.Literal.string(str(draft)).sql("duckdb")
        command = f"COPY ({query}) TO {target} (FORMAT parquet)"
        try:
            rows = _run(connection, lambda: connection.execute(command).fetchone(), progress)
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(draft, out)
        except duckdb.IOException as error:
            raise EngineError(f"{out} cannot be written: {error}") from None
        finally:
            draft.unlink(missing_ok=True)
    return int(rows[0])


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
    names = [ours.id, ours.time.column, *ours.fields, *ours.labels]
    with opened(source) as history:
        columns = history.columns(inputs, needed(inputs), names)
        kept = [handed_through(columns[name], ours, name).as_(name, quoted=True) for name in names]
        ordered = exp.select(*kept).from_(history.relation)
        if history.position is not None:
            ordered = ordered.order_by(history.position)
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


def _compiled(inputs: FeatureSet, history: History, keep: Keep) -> str:
    names = _all_of(inputs, history) if keep == "all" else _distinct(inputs, keep)
    columns = history.columns(inputs, needed(inputs), names)
    events = normalised(inputs, history.relation, columns, names, history.position)
    return compile_query(inputs, events, names).sql("duckdb")


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
