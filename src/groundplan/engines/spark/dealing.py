"""Rows of any place that Spark reads, dealt out to the partitions of a run.

Spark reads and deals; each partition then goes through the embedded engine's own snapshot in a
worker, so that values, refusals and fingerprints are the embedded engine's.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  (as all the world calls them)

from groundplan.engines import places
from groundplan.engines.partitions import DIGITS, Taken, part_name
from groundplan.engines.places import Place
from groundplan.engines.spark.session import reached
from groundplan.errors import EngineError, GroundplanError, InputError
from groundplan.features import Source

if TYPE_CHECKING:
    import duckdb

Snapshots: TypeAlias = "Callable[[duckdb.DuckDBPyConnection], Any]"
"""Makes what takes the embedded engine's snapshots in a connection."""

_HERE: Final = "groundplan_partition"
_OTHERS: Final = ("duckdb:", "sqlite:", "postgres:", "postgresql:", "iceberg:", "http:", "https:")


class Frame(NamedTuple):
    """The rows of a place.

    Args:
        rows: as Spark has them.
        texts: whether all values are texts, a blank one being none: CSV.
    """

    rows: DataFrame
    texts: bool


def reads(place: Place) -> bool:
    """Whether Spark reads a place; the driver's own DuckDB reads the others."""
    return isinstance(place, str | Path) and not str(place).startswith(_OTHERS)


def frame(session: SparkSession, place: str | Path) -> Frame:
    """The rows of a place: files, `jdbc:...?table=NAME`, or `table:NAME` of the catalog.

    Raises:
        InputError: there is no such place, or Spark cannot read it.
    """
    named = str(place)
    if not re.match(r"[a-z][a-z0-9]+:|.*[*?\[]", named) and not Path(named).exists():
        raise InputError("", f"{named} is not there: name a file, a folder, a pattern or a URL")
    try:
        with reached():
            if named.startswith("jdbc:"):
                return Frame(_database(session, named), texts=False)
            if named.startswith("table:"):
                return Frame(session.table(named.removeprefix("table:")), texts=False)
            ending = _ending(named)
            if ending in ("csv", "tsv"):
                reader = session.read.option("header", True).option("escape", '"')
                reader = reader.option("multiLine", True).option("sep", _SEPARATED[ending])
                return Frame(reader.csv(named), texts=True)
            return Frame(session.read.parquet(named), texts=False)
    except EngineError as error:
        hint = "; its driver's jar stands in spark.jars" if named.startswith("jdbc:") else ""
        raise InputError("", f"{places.shown(place)} cannot be read: {error}{hint}") from None


_SEPARATED: Final = {"csv": ",", "tsv": "\t"}


def deal(
    found: Frame, source: Source, wanted: Sequence[str], by: str | None, partitions: int, raw: Path
) -> None:
    """Write the rows of a place as they are, those of one partition into one folder.

    Args:
        found: the rows.
        source: declares the columns.
        wanted: names of columns to keep, where they are there.
        by: the field whose value names the partition; None for one partition.
        partitions: how many.
        raw: the folder to make.
    """
    rows, texts = found
    there = {name.lower(): name for name in rows.columns}
    if all(name.lower() in there for name in wanted):
        optional = (source.time.column, source.id)
        kept = dict.fromkeys(there[n.lower()] for n in (*wanted, *optional) if n.lower() in there)
        rows = rows.select(*map(_column, kept))
    if texts:  # as the embedded engine reads them: without blanks around, a blank one is none
        rows = rows.select(*(_stripped(name) for name in rows.columns))
    here = F.lit(0)
    if by is not None and by.lower() in there and partitions > 1:
        here = _placed(source, by, _column(there[by.lower()]), partitions)
    with reached():
        dealt = rows.withColumn(_HERE, here).repartition(partitions, _HERE)
        dealt.write.partitionBy(_HERE).mode("overwrite").parquet(str(raw))
        empty = raw / "none"
        empty.mkdir()
        pq.write_table(rows.limit(0).toArrow(), empty / "none.parquet")


def settle(
    session: SparkSession,
    raw: Path,
    folder: Path,
    partitions: int,
    shown: str,
    take: Callable[[str, Path], Any],
) -> Taken:
    """Take the embedded engine's snapshot of each partition, in the workers.

    Args:
        session: of Spark.
        raw: the folder that `deal` made.
        folder: to make, with a file for each partition; all of them or none.
        partitions: how many.
        shown: the place, for messages.
        take: takes the snapshot of a place into a folder, with one file; gives rows and
            fingerprint.

    Raises:
        InputError: a row breaks a rule.
    """
    hidden = folder.with_name(f".{folder.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(parents=True)
    try:
        numbers = session.range(0, partitions, 1, partitions)
        work = _settling(raw, hidden, take)
        with reached():
            said = numbers.mapInArrow(work, "rows bigint, digest string, field string").collect()
        for row in said:
            if row.field is not None:
                message = re.sub(re.escape(str(raw)) + r"(/\w+(=\d+)?)?", shown, row.digest)
                raise InputError(row.field, message)
        hidden.rename(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    engine = said[0].digest.partition(":")[0]
    digest = sum(int(row.digest.partition(":")[2], 16) for row in said) % 2**64
    return Taken(sum(row.rows for row in said), f"{engine}:{digest:016x}")


def _settling(
    raw: Path, hidden: Path, take: Callable[[str, Path], Any]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What the workers do."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                mine = raw / f"{_HERE}={number}"
                place = mine if mine.is_dir() else raw / "none"
                rows, digest, field = 0, "", None
                try:
                    taken = hidden / str(number)
                    rows, digest = take(str(place), taken)
                    (file,) = taken.glob("*.parquet")
                    file.rename(hidden / part_name(number))
                    taken.rmdir()
                except GroundplanError as error:
                    field, digest = getattr(error, "field", ""), str(error)
                columns = [pa.array([rows]), pa.array([digest]), pa.array([field], pa.string())]
                yield pa.RecordBatch.from_arrays(columns, names=["rows", "digest", "field"])

    return work


def _placed(source: Source, name: str, column: Column, partitions: int) -> Column:
    """The partition of a key by its text, as every engine computes it; 0 for what is no key."""
    kind = source.fields.get(name, source.id_kind)
    if kind.name == "int":
        column = column.cast("bigint")
    digits = F.substring(F.md5(column.cast("string").cast("binary")), 1, DIGITS)
    return F.coalesce(F.conv(digits, 16, 10).cast("bigint") % partitions, F.lit(0)).cast("int")


def _stripped(name: str) -> Column:
    return F.nullif(F.trim(_column(name)), F.lit("")).alias(name)


def _column(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")


def _database(session: SparkSession, place: str) -> DataFrame:
    """A table of a database, by a driver of JDBC that stands in Spark's jars."""
    url, _, asked = place.partition("?")
    given = {name: values[0] for name, values in parse_qs(asked).items()}
    table = given.pop("table", None)
    if table is None:
        raise InputError("", f"{places.shown(place)} names no table: add ?table=NAME")
    rest = "&".join(f"{name}={value}" for name, value in given.items())
    return (
        session.read.format("jdbc").options(url=f"{url}{rest and '?' + rest}", dbtable=table).load()
    )


def _ending(place: str) -> str:
    """What the files of a place end with: parquet, csv or tsv."""
    found = re.search(r"\.(csv|tsv)(\.gz)?$", place.lower())
    if found:
        return found[1]
    path = Path(place)
    if path.is_dir() and next(path.rglob("*.parquet"), None) is None:
        files = [*path.rglob("*.csv"), *path.rglob("*.csv.gz")]
        return "csv" if files else "parquet"
    return "parquet"
