"""Offline features on Spark: the same statement, the same checks and the same values as DuckDB's.

`spark://local[2]` runs in this process with two cores; `spark://host:7077` is a cluster, whose
workers need this package where a feature has a Python function. Spark 4 and Java 17 or newer.
"""

import inspect
import os
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import cloudpickle
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  (as all the world calls them)
from sqlglot import exp

from groundplan.durable import replacing
from groundplan.engines.spark.session import reached, started
from groundplan.errors import EngineError, InputError
from groundplan.features import offline
from groundplan.features.apply import Apply
from groundplan.features.dialects import SPARK, Dialect
from groundplan.features.feature_set import FeatureSet
from groundplan.features.finishing import applied, finished
from groundplan.features.history import History

if TYPE_CHECKING:
    from groundplan.features.offline import Keep, Others, Progress

ROW: Final = "file_row_number"
"""The column that numbers the rows."""

FILE_ROWS: Final = 1 << 40
"""More rows than a file has: rows are numbered through several files."""

_TYPES: Final = {
    "int": "INTEGER",
    "string": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
}


class SparkOffline:
    """Computes features on Spark; the session is shared by all of one process.

    Args:
        url: `spark://local[N]`, `spark://local` or `spark://host:port`.
        settings: more of Spark's own, such as `{"spark.driver.memory": "8g"}`; those of the
            driver's process hold only for the first in a process.

    Raises:
        EngineError: the URL is none of these, or no session can be had.
    """

    def __init__(self, url: str, settings: Mapping[str, str] | None = None) -> None:
        self._session = started(url, "offline", settings)

    def table(
        self,
        inputs: FeatureSet,
        source: "Path | pa.Table",
        keep: "Keep" = (),
        progress: "Progress | None" = None,
        others: "Others | None" = None,
    ) -> "pa.Table":
        """The features of every event, in the order of the input, as `offline.table` gives them.

        Args:
            inputs: what to compute.
            source: a Parquet file, a folder of them, or an Arrow table.
            keep: columns to hand through between the identifier and the features.
            progress: called once, at the end.
            others: by name, the other sources' events.

        Raises:
            InputError: what `offline.table` raises.
            EngineError: Spark did not do its work.
        """
        with self._computed(inputs, source, keep, others) as rows:
            found = rows.toArrow()
        if progress:
            progress(1.0)
        return _typed(inputs, found)

    def write(
        self,
        inputs: FeatureSet,
        source: Path,
        out: Path,
        keep: "Keep" = (),
        progress: "Progress | None" = None,
        others: "Others | None" = None,
    ) -> int:
        """Write the table of `table` as one Parquet file, whole or not at all; returns its rows.

        Spark writes parts beside it, which are joined in order; so twice its size of disk is used.
        """
        parts = out.with_name(f".{out.name}.{os.getpid()}.parts")
        try:
            with self._computed(inputs, source, keep, others) as rows:
                rows.write.mode("overwrite").parquet(str(parts))
            with replacing(out) as draft:
                count = _joined(inputs, parts, draft)
        except OSError as error:
            raise EngineError(f"{out} cannot be written: {error}") from None
        finally:
            shutil.rmtree(parts, ignore_errors=True)
        if progress:
            progress(1.0)
        return count

    def close(self) -> None:
        """End the session, for all who share it."""
        self._session.stop()

    @contextmanager
    def _computed(
        self,
        inputs: FeatureSet,
        source: "Path | pa.Table",
        keep: "Keep",
        others: "Others | None",
    ) -> Iterator[DataFrame]:
        """The rows of the statement, in order, while their input is there."""
        sources = [source, *offline.listed(inputs, others)]
        with tempfile.TemporaryDirectory(prefix="groundplan-") as folder, reached():
            histories = [
                Rows(
                    numbered(self._session, _files(events, Path(folder), number)),
                    f"source_{number}",
                )
                for number, events in enumerate(sources)
            ]
            rows = self._session.sql(offline.statement(inputs, histories, keep))
            if applied(inputs):
                ship(inputs)
                rows = rows.mapInArrow(_finisher(inputs), _schema(inputs, rows))
            yield rows


class Rows(History):
    """The events of one source in Spark.

    Args:
        rows: of the source, as `numbered` gives them.
        name: of the view that they become.
    """

    dialect: ClassVar[Dialect] = SPARK

    def __init__(self, rows: DataFrame, name: str) -> None:
        self._session = rows.sparkSession
        self.relation = exp.to_table(name)
        self.position = exp.column(ROW)
        self.present = {
            column: _TYPES.get(type_, type_.upper())
            for column, type_ in rows.dtypes
            if column != ROW
        }
        rows.createOrReplaceTempView(name)

    def _row(self, query: exp.Select) -> tuple[Any, ...]:
        (row,) = self._session.sql(query.sql(SPARK.name)).collect()
        return tuple(row)


def numbered(session: SparkSession, files: Sequence[Path]) -> DataFrame:
    """The rows of Parquet files of different names, in their order, with their numbers as `ROW`.

    Those of the nth file, from 0, begin with n times `FILE_ROWS`.

    Raises:
        InputError: there is no such file, or it is not Parquet.
    """
    if not files or not files[0].is_file():
        path = files[0] if files else "a folder"
        raise InputError("", f"{path} is not there: name a Parquet file of events")
    for file in files:
        try:
            pq.read_schema(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError("", f"{file} is not a Parquet file: {error}") from None
    number = F.col("_metadata.row_index")
    if len(files) > 1:
        first = [
            F.lit(word) for at, file in enumerate(files) for word in (file.name, at * FILE_ROWS)
        ]
        number = number + F.create_map(*first)[F.col("_metadata.file_name")]
    return session.read.parquet(*map(str, files)).select("*", number.alias(ROW))


def _files(events: "Path | pa.Table", folder: Path, number: int) -> list[Path]:
    """Where the events are, or are put."""
    if isinstance(events, Path):
        return sorted(events.glob("*.parquet")) if events.is_dir() else [events]
    path = folder / f"{number}.parquet"
    pq.write_table(events, path)
    return [path]


def _finisher(
    inputs: FeatureSet,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What the workers do with the rows of the statement: the features that Python computes."""

    def finish(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield finished(inputs, batch)

    return finish


def ship(inputs: FeatureSet) -> None:
    """See to it that workers get the code of the project's functions, which they cannot import."""
    installed = tuple(sysconfig.get_paths().values())
    for expression in applied(inputs).values():
        for node in expression.nodes():
            module = inspect.getmodule(node.function) if isinstance(node, Apply) else None
            file = getattr(module, "__file__", None)
            if module is not None and file and not file.startswith(installed):
                by_value: Any = cloudpickle.register_pickle_by_value
                by_value(module)


def _schema(inputs: FeatureSet, rows: DataFrame) -> str:
    """The columns that a finisher gives."""
    python = applied(inputs)
    hidden = tuple(f"{name} from " for name in python)
    types = {n: t for n, t in rows.dtypes if n not in inputs.names and not n.startswith(hidden)}
    types |= dict.fromkeys(inputs.names, "double")
    return ", ".join(f"`{name.replace('`', '``')}` {type_}" for name, type_ in types.items())


def _joined(inputs: FeatureSet, parts: Path, draft: Path) -> int:
    """Write the rows of several files into one; returns how many there are."""
    count = 0
    writer: pq.ParquetWriter | None = None
    try:
        for part in sorted(parts.glob("*.parquet")):
            for batch in pq.ParquetFile(part).iter_batches():
                rows = _typed(inputs, pa.Table.from_batches([batch]))
                writer = writer or pq.ParquetWriter(draft, rows.schema)
                writer.write_table(rows)
                count += rows.num_rows
        if writer is None:
            (part, *_) = sorted(parts.glob("*.parquet"))
            pq.write_table(_typed(inputs, pq.read_table(part)), draft)
    finally:
        if writer is not None:
            writer.close()
    return count


def _typed(inputs: FeatureSet, rows: pa.Table) -> pa.Table:
    """The time as DuckDB hands it through: in UTC, without saying so; no column forbids nulls."""
    time = inputs.source.time.column
    fields = [
        pa.field(field.name, pa.timestamp("us") if field.name == time else field.type)
        for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))
