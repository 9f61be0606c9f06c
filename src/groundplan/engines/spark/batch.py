"""Runs of batch scoring on Spark: the same scores, decisions and reasons as DuckDB's, bit for bit.

Spark reads and deals out the population, computes the features by the statement that every
engine runs, and hands each partition to the scoring function of the embedded engine in its
workers, which write the part files. The run's folder is one that all workers reach.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F  # noqa: N812  (as all the world calls them)

from groundplan.durable import replacing
from groundplan.engines import places
from groundplan.engines.partitions import Taken, part_name
from groundplan.engines.places import Place
from groundplan.engines.spark.dealing import Snapshots, deal, frame, reads, settle
from groundplan.engines.spark.offline import FILE_ROWS, ROW, Rows, numbered, ship
from groundplan.engines.spark.session import reached, started
from groundplan.errors import EngineError
from groundplan.features import FeatureSet, Source, offline
from groundplan.features.finishing import finished

Progress = Callable[[int, int], None]

_AT: Final = "@row"
"""The column that carries the rows' numbers through the statement."""

_SPREAD: Final = 4
"""Tasks for each partition of a run, so that few of them fall together."""


class SparkBatch:
    """Computes runs on Spark; the session is shared by all of one process.

    Places are what `engines.places` reads, and besides `jdbc:URL?table=NAME`, with a driver in
    Spark's jars, and `table:NAME` of Spark's catalog, such as one of Iceberg. Files and tables
    of Spark are read by its workers; tables in memory and DuckDB's own by the driver.

    Args:
        url: `spark://local[N]`, `spark://local` or `spark://host:port`.
        snapshots: makes what takes the embedded engine's snapshots in a connection.
        settings: more of Spark's own; those of the driver's process hold only for the first.

    Raises:
        EngineError: the URL is none of these, or no session can be had.
    """

    name: Final = "spark"

    def __init__(
        self, url: str, snapshots: Snapshots, settings: Mapping[str, str] | None = None
    ) -> None:
        self._session = started(url, "batch", settings)
        self._snapshots = snapshots

    def count(self, place: Place) -> int:
        """How many rows a place has.

        Raises:
            InputError: there is no such place.
        """
        if not isinstance(place, str | Path) or not reads(place):
            with places.connected() as connection:
                found: int = self._snapshots(connection).count(place)
                return found
        with reached():
            return frame(self._session, place).rows.count()

    def population(self, source: Source, place: Place, folder: Path, **asked: Any) -> Taken:
        """Take a snapshot of the rows to score, as the embedded engine does.

        Args:
            source: the main source.
            place: where the rows are.
            folder: to make.
            asked: what the port asks besides; see the embedded engine.

        Raises:
            InputError: a row breaks a rule; counts and examples are of the partition it is in.
        """
        wanted = [*asked["columns"], asked["key"]]
        wanted += [asked["segment"]] if asked["segment"] else []
        return self._taken("population", source, place, folder, wanted, asked["key"], asked)

    def history(self, source: Source, place: Place, folder: Path, **asked: Any) -> Taken:
        """Take a snapshot of another source's events, as the embedded engine does.

        Args:
            source: the other source.
            place: where they are.
            folder: to make.
            asked: what the port asks besides; see the embedded engine.
        """
        by = asked["by"]
        return self._taken("history", source, place, folder, asked["columns"], by, asked)

    def compute(
        self,
        inputs: FeatureSet,
        folder: Path,
        scoring: Any,
        pending: Sequence[int],
        progress: Progress,
    ) -> None:
        """Compute partitions of a run into part files, as many at a time as there are cores.

        Args:
            inputs: the features, with their categories.
            folder: of the run.
            scoring: from features to the rows of a part; it travels to the workers.
            pending: the partitions to compute.
            progress: told the rows scored of the pending partitions, and of how many.

        Raises:
            InputError: a row breaks a rule of its source.
            EngineError: Spark did not do its work, or a part cannot be written.
        """
        out = folder / "out"
        out.mkdir(exist_ok=True)
        main = folder / "in" / inputs.source.name
        rows = {n: pq.read_metadata(main / part_name(n)).num_rows for n in pending}
        done, total = 0, sum(rows.values())
        ship(inputs)
        at_once = max(1, self._session.sparkContext.defaultParallelism)
        for first in range(0, len(pending), at_once):
            group = pending[first : first + at_once]
            self._group(inputs, folder, scoring, group)
            for number in group:
                if rows[number] == 0:
                    _nothing(inputs, main / part_name(number), out, scoring, number)
            done += sum(rows[number] for number in group)
            progress(done, total)

    def close(self) -> None:
        """End the session, for all who share it."""
        self._session.stop()

    def _taken(
        self,
        what: str,
        source: Source,
        place: Place,
        folder: Path,
        wanted: Sequence[str],
        by: str | None,
        asked: dict[str, Any],
    ) -> Taken:
        if not isinstance(place, str | Path) or not reads(place):
            with places.connected() as connection:
                found: Any = getattr(self._snapshots(connection), what)(
                    source, place, folder, **asked
                )
            return Taken(*found)
        files, progress = asked["partitions"] if by else 1, asked["progress"]
        raw = folder.with_name(f".{folder.name}.raw")
        shutil.rmtree(raw, ignore_errors=True)
        plain = asked | {"partitions": 1, "progress": _quiet}
        take = partial(_take, self._snapshots, what, source, plain)
        try:
            deal(frame(self._session, place), source, wanted, by, files, raw)
            taken = settle(self._session, raw, folder, files, places.shown(place), take)
        finally:
            shutil.rmtree(raw, ignore_errors=True)
        progress(taken.rows, taken.rows)
        return taken

    def _group(self, inputs: FeatureSet, folder: Path, scoring: Any, group: Sequence[int]) -> None:
        """Compute some partitions in one statement, and write each in the worker that has it."""
        histories = [self._events(inputs, folder, at, group) for at in range(len(inputs.sources))]
        keep = [column for column in histories[0].present if column.startswith("@")]
        with reached():
            features = self._session.sql(offline.statement(inputs, histories, keep))
            here = F.shiftright(f"`{_AT}`", FILE_ROWS.bit_length() - 1)
            rows = features.repartition(_SPREAD * len(group), here).sortWithinPartitions(f"`{_AT}`")
            work = _scorer(inputs, folder / "out", scoring, list(group))
            said = rows.mapInArrow(work, "failed string").collect()
        for row in said:
            if row.failed is not None:
                raise EngineError(f"{row.failed}; `groundplan score` goes on where it stopped")

    def _events(self, inputs: FeatureSet, folder: Path, at: int, group: Sequence[int]) -> Rows:
        """The snapshot of a source that some partitions read."""
        source = inputs.sources[at]
        there = sorted((folder / "in" / source.name).glob("part-*.parquet"))
        files = there if len(there) == 1 else [there[number] for number in group]
        rows = numbered(self._session, files)
        if at == 0:  # rows may be numbered in each partition anew, and here they meet
            rows = rows.withColumn(_AT, F.col(ROW))
            kind = "bigint" if source.id_kind.name == "int" else "string"
            rows = rows.withColumn(source.id, F.col(ROW).cast(kind))
        return Rows(rows, f"batch_{at}")


def _take(
    snapshots: Snapshots,
    what: str,
    source: Source,
    asked: dict[str, Any],
    place: str,
    folder: Path,
) -> tuple[int, str]:
    """The embedded engine's snapshot of one partition, in a worker."""
    given = dict(asked)
    if what == "history":
        given["by"] = None
    with places.connected(threads=1) as connection:
        rows, digest = getattr(snapshots(connection), what)(source, place, folder, **given)
    return rows, digest


def _scorer(
    inputs: FeatureSet, out: Path, scoring: Any, group: list[int]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What the workers do: score rows that come in order, partition by partition."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        failed = None
        try:
            for number, rows in _partitions(batches):
                done = (finished(inputs, batch) for batch in rows)
                _part(out, scoring, group[number], done)
        except OSError as error:
            failed = f"a part of {out} cannot be computed: {error}"
        yield pa.RecordBatch.from_arrays([pa.array([failed], pa.string())], names=["failed"])

    return work


def _partitions(
    batches: Iterator[pa.RecordBatch],
) -> Iterator[tuple[int, Iterator[pa.RecordBatch]]]:
    """The rows of one partition after another, by their place in the group."""
    pieces = _pieces(batches)
    ahead = next(pieces, None)
    while ahead is not None:
        number = ahead[0]

        def mine(number: int = number) -> Iterator[pa.RecordBatch]:
            nonlocal ahead
            while ahead is not None and ahead[0] == number:
                yield ahead[1]
                ahead = next(pieces, None)

        yield number, mine()


def _pieces(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    for batch in batches:
        if batch.num_rows == 0:
            continue
        numbers = batch.column(_AT).to_numpy() // FILE_ROWS
        rows = batch.select([name for name in batch.schema.names if name != _AT])
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for first, last in pairwise(cuts):
            yield int(numbers[first]), rows.slice(first, last - first)


def _part(out: Path, scoring: Any, number: int, batches: Iterator[pa.RecordBatch]) -> None:
    """Write the part of one partition, whole or not at all."""
    scored = scoring.partition(number)
    with replacing(out / part_name(number)) as draft:
        writer: Any = None
        try:
            for batch in batches:
                rows = scored.part(batch)
                writer = writer or pq.ParquetWriter(
                    draft, rows.schema, compression="zstd", use_dictionary=["decision", "segment"]
                )
                writer.write_batch(rows)
            writer.add_key_value_metadata(scored.metadata())
        finally:
            if writer is not None:
                writer.close()


def _nothing(inputs: FeatureSet, main: Path, out: Path, scoring: Any, number: int) -> None:
    """The part of a partition without rows."""
    schema = pq.read_schema(main)
    fields = [schema.field(name) for name in schema.names if name.startswith("@")]
    fields += [pa.field(name, pa.float64()) for name in inputs.names]
    empty = pa.RecordBatch.from_pylist([], pa.schema(fields))
    _part(out, scoring, number, iter([empty]))


def _quiet(done: int, total: int) -> None:
    """Nobody watches one partition's snapshot."""
