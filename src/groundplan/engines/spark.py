"""Offline features on Spark: the same statement, the same checks and the same values as DuckDB's.

`spark://local[2]` runs in this process with two cores; `spark://host:7077` is a cluster, whose
workers need this package where a feature has a Python function. Spark 4 and Java 17 or newer.
"""

import inspect
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  (as all the world calls them)
from sqlglot import exp

from groundplan.errors import EngineError, InputError
from groundplan.features import offline
from groundplan.features.apply import Apply
from groundplan.features.dialects import SPARK, Dialect
from groundplan.features.feature_set import FeatureSet
from groundplan.features.finishing import applied, finished
from groundplan.features.history import History

if TYPE_CHECKING:
    from groundplan.features.offline import Keep, Others, Progress

_ROW: Final = "file_row_number"
_FILE_ROWS: Final = 1 << 40  # more than a file has: rows are numbered through several files
_LOCAL: Final = re.compile(r"local(\[(\d+|\*)\])?")
_CLUSTER: Final = re.compile(r"[A-Za-z0-9.\-]+:\d+(,[A-Za-z0-9.\-]+:\d+)*")

_SETTINGS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "false",  # x / 0 is asked away by the statement itself
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}
_LOOPBACK: Final = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}

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
        master = master_of(url)
        chosen = _SETTINGS | (_LOOPBACK if master.startswith("local") else {})
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.appName("groundplan").master(master)
        for name, value in (chosen | dict(settings or {})).items():
            builder = builder.config(name, value)
        try:
            self._session = builder.getOrCreate()
        except (PySparkException, RuntimeError) as error:
            raise EngineError(
                f"{url} gives no session: install Java 17 or newer, and start the cluster that "
                f"[engines] offline names ({_first_line(error)})"
            ) from None

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
        draft = out.with_name(f".{out.name}.{os.getpid()}")
        parts = out.with_name(f".{out.name}.{os.getpid()}.parts")
        try:
            with self._computed(inputs, source, keep, others) as rows:
                rows.write.mode("overwrite").parquet(str(parts))
            count = _joined(inputs, parts, draft)
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(draft, out)
        except OSError as error:
            raise EngineError(f"{out} cannot be written: {error}") from None
        finally:
            draft.unlink(missing_ok=True)
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
        with tempfile.TemporaryDirectory(prefix="groundplan-") as folder, _reached():
            histories = [
                Parquet(self._session, _file(events, Path(folder), number), f"source_{number}")
                for number, events in enumerate(sources)
            ]
            rows = self._session.sql(offline.statement(inputs, histories, keep))
            if applied(inputs):
                _ship(inputs)
                rows = rows.mapInArrow(_finisher(inputs), _schema(inputs, rows))
            yield rows


class Parquet(History):
    """The events of one source in Spark.

    Args:
        session: of Spark.
        path: a Parquet file, or a folder of them, which are read in the order of their names.
        name: of the view that it becomes.

    Raises:
        InputError: there is no such file, or it is not Parquet.
    """

    dialect: ClassVar[Dialect] = SPARK

    def __init__(self, session: SparkSession, path: Path, name: str) -> None:
        self._session = session
        self.relation = exp.to_table(name)
        self.position = exp.column(_ROW)
        rows = _numbered(session, path)
        self.present = {
            column: _TYPES.get(type_, type_.upper())
            for column, type_ in rows.dtypes
            if column != _ROW
        }
        rows.createOrReplaceTempView(name)

    def _row(self, query: exp.Select) -> tuple[Any, ...]:
        (row,) = self._session.sql(query.sql(SPARK.name)).collect()
        return tuple(row)


def master_of(url: str) -> str:
    """The master that a URL names, as Spark calls it.

    Raises:
        EngineError: it names none.
    """
    rest = url.removeprefix("spark://")
    if rest == url or not (_LOCAL.fullmatch(rest) or _CLUSTER.fullmatch(rest)):
        raise EngineError(
            f"{url!r} is no address of Spark: write spark://local[2] for two cores of this "
            "machine, or spark://host:7077 for a cluster"
        )
    return rest if _LOCAL.fullmatch(rest) else url


def _numbered(session: SparkSession, path: Path) -> DataFrame:
    """The rows of a file or folder with their numbers."""
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise InputError("", f"{path} is not there: name a Parquet file of events")
    for file in files:
        try:
            pq.read_schema(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError("", f"{file} is not a Parquet file: {error}") from None
    number = F.col("_metadata.row_index")
    if len(files) > 1:
        first = [
            F.lit(word) for at, file in enumerate(files) for word in (file.name, at * _FILE_ROWS)
        ]
        number = number + F.create_map(*first)[F.col("_metadata.file_name")]
    return session.read.parquet(*map(str, files)).select("*", number.alias(_ROW))


def _file(events: "Path | pa.Table", folder: Path, number: int) -> Path:
    """Where the events are, or are put."""
    if isinstance(events, Path):
        return events
    path = folder / f"{number}.parquet"
    pq.write_table(events, path)
    return path


def _finisher(
    inputs: FeatureSet,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What the workers do with the rows of the statement: the features that Python computes."""

    def finish(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield finished(inputs, batch)

    return finish


def _ship(inputs: FeatureSet) -> None:
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


@contextmanager
def _reached() -> Iterator[None]:
    """Turns what Spark raises into an error of ours."""
    try:
        yield
    except PySparkException as error:
        raise EngineError(f"Spark did not do its work: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
