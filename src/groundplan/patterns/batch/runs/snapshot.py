"""The snapshot of a run: rows of any place as Parquet files, one for each partition of the keys."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from groundplan.engines import places
from groundplan.engines.coerced import Coerced, coerced, explained, has, not_after
from groundplan.engines.partitions import Taken, part_name, placed
from groundplan.engines.places import Place, Rows
from groundplan.errors import EngineError, InputError
from groundplan.features import Source
from groundplan.patterns.batch.runs.engine import KEY, SEGMENT, Progress
from groundplan.patterns.batch.runs.run import moment

_HERE: Final = "@partition"
_BATCH: Final = 48 << 20
"""Bytes of eight for each value of the rows that are dealt out at a time."""


class Snapshots:
    """Takes snapshots in a connection.

    Args:
        connection: as `places.connected` gives it.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._opened = 0

    def count(self, place: Place) -> int:
        """How many rows a place has."""
        return places.count(self._connection, self._open(place))

    def population(
        self,
        source: Source,
        place: Place,
        folder: Path,
        *,
        columns: Sequence[str],
        key: str,
        segment: str | None,
        as_of: int,
        partitions: int,
        progress: Progress,
    ) -> Taken:
        """What `Engine.population` promises."""
        rows = self._open(place)
        read = {name: coerced(rows, source, name) for name in columns}
        named = read.get(key) or coerced(rows, source, key)
        checks = [*read.values(), named]
        time, now = _named(source.time.column), f"make_timestamp({as_of})"
        if has(rows, source.time.column):
            said = f"the moment of the run, {moment(as_of)}"
            checks.append(not_after(rows, source, as_of, said))
            now = f"CASE WHEN {time} IS NULL THEN NULL ELSE {now} END"  # so that it is looked at
        if segment is not None and segment not in read:
            checks.append(coerced(rows, source, segment))
        numbered = key != source.id
        selected = [each.checked for each in checks]
        outer = [f"{now} AS {time}", *map(_named, columns)]
        outer += [
            f"{_named(key)} AS {_named(KEY)}",
            f"CAST({_named(segment) if segment else 'NULL'} AS VARCHAR) AS {_named(SEGMENT)}",
            f"{placed(_named(key), partitions)} AS {_named(_HERE)}",
        ]
        if not numbered and source.id not in columns:
            outer.insert(0, _named(source.id))
        query = f"SELECT {', '.join(outer)} FROM ({_select(rows, selected)})"
        number = (source.id, source.id_kind.name) if numbered else None
        self._write(rows, checks, query, folder, partitions, number, progress)
        try:
            self._check_once(folder, key, rows.shown, partitions)
            return self._digest(folder, partitions, [*columns, KEY, SEGMENT])
        except BaseException:
            shutil.rmtree(folder)
            raise

    def history(
        self,
        source: Source,
        place: Place,
        folder: Path,
        *,
        columns: Sequence[str],
        by: str | None,
        since: int | None,
        as_of: int,
        partitions: int,
        progress: Progress,
    ) -> Taken:
        """What `Engine.history` promises."""
        rows = self._open(place)
        read = [coerced(rows, source, name) for name in columns]
        time = _named(source.time.column)
        within = [f"epoch_us({time}) < {as_of}"]
        if since is not None:
            within.append(f"epoch_us({time}) >= {since}")
        here = placed(_named(by), partitions) if by else "0"
        query = (
            f"SELECT {', '.join(map(_named, columns))}, {here} AS {_named(_HERE)} "
            f"FROM ({_select(rows, [each.checked for each in read])}) "
            f"WHERE {' AND '.join(within)}"
        )
        files = partitions if by else 1
        self._write(rows, read, query, folder, files, None, progress)
        return self._digest(folder, files, columns)

    def _open(self, place: Place) -> Rows:
        self._opened += 1
        return places.opened(self._connection, place, f"place {self._opened}")

    def _write(
        self,
        rows: Rows,
        columns: list[Coerced],
        query: str,
        folder: Path,
        partitions: int,
        number: tuple[str, str] | None,
        progress: Progress,
    ) -> None:
        """The rows of a query, dealt out to files; all of them or no folder."""
        hidden = folder.with_name(f".{folder.name}")
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir(parents=True)
        total = places.count(self._connection, rows)
        try:
            found = self._connection.sql(query)
            size = max(1 << 15, _BATCH // (8 * len(found.columns)))
            reader = found.to_arrow_reader(size)
            _deal(reader, hidden, partitions, number, lambda done: progress(done, total))
        except duckdb.Error as error:
            shutil.rmtree(hidden)
            raise explained(self._connection, rows, columns, error) from None
        except OSError as error:
            shutil.rmtree(hidden)
            raise EngineError(f"{folder} cannot be written: {error}") from None
        except BaseException:
            shutil.rmtree(hidden)
            raise
        progress(total, total)
        hidden.rename(folder)

    def _check_once(self, folder: Path, key: str, shown: str, partitions: int) -> None:
        """Refuse a population in which a key stands twice."""
        for number in range(partitions):
            file = _file(folder, number)
            twice = self._connection.execute(
                f"SELECT {_named(KEY)}, count(*) AS times FROM {file} GROUP BY 1 "
                "HAVING count(*) > 1 ORDER BY 1 LIMIT 3"
            ).fetchall()
            if twice:
                named = ", ".join(f"{value!r} ({times} times)" for value, times in twice)
                raise InputError(
                    key,
                    f"{shown}: a {key} stands in several rows, such as {named}: a population has "
                    "one row for each; keep the one that holds. Nothing was written",
                )

    def _digest(self, folder: Path, files: int, columns: Sequence[str]) -> Taken:
        """Rows, and the sum of their hashes: the order does not count."""
        hashed = f"hash({', '.join(map(_named, columns))})"
        rows, digest = 0, 0
        for number in range(files):
            found = self._connection.execute(
                f"SELECT count(*), coalesce(sum(CAST({hashed} AS HUGEINT)), 0) "
                f"FROM {_file(folder, number)}"
            ).fetchall()[0]
            rows, digest = rows + found[0], digest + found[1]
        return Taken(rows, f"duckdb:{digest % 2**64:016x}")


def dealt(
    connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], folder: Path, partitions: int
) -> None:
    """The rows of a version's parts, in the partitions of a run.

    Args:
        connection: as `places.connected` gives it.
        parts: the part files.
        folder: to make, with a file for each partition.
        partitions: how many.
    """
    listed = ", ".join("'" + str(part).replace("'", "''") + "'" for part in parts)
    found = connection.sql(
        "SELECT key, score, decision, reasons, inputs, "
        f"{placed('key', partitions)} AS {_named(_HERE)} FROM read_parquet([{listed}])"
    )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _deal(found.to_arrow_reader(1 << 19), folder, partitions, None, lambda _: None)


def _deal(
    reader: Iterator[pa.RecordBatch],
    folder: Path,
    partitions: int,
    number: tuple[str, str] | None,
    progress: Callable[[int], None],
) -> None:
    """Write each row to the file of its partition, in the order in which they come."""
    schema = _schema(reader.schema, number)  # type: ignore[attr-defined]
    writers = [
        pq.ParquetWriter(
            folder / part_name(at), schema, compression="lz4", use_dictionary=_texts(schema)
        )
        for at in range(partitions)
    ]
    done = 0
    try:
        for batch in reader:
            rows = batch
            if number is not None:
                numbers = pa.array(np.arange(done, done + len(batch)))
                rows = rows.append_column(number[0], numbers.cast(schema.field(number[0]).type))
            done += len(batch)
            here = rows.column(_HERE).to_numpy()
            rows = rows.select(schema.names)
            if partitions == 1:
                writers[0].write_batch(rows)
            else:
                order = np.argsort(here, kind="stable")
                sorted_ = rows.take(pa.array(order))
                ends = np.searchsorted(here[order], np.arange(partitions + 1))
                for at, writer in enumerate(writers):
                    if ends[at + 1] > ends[at]:
                        writer.write_batch(sorted_.slice(ends[at], ends[at + 1] - ends[at]))
            progress(done)
    finally:
        for writer in writers:
            writer.close()


def _schema(given: pa.Schema, number: tuple[str, str] | None) -> pa.Schema:
    fields = [field for field in given if field.name != _HERE]
    if number is not None:
        name, kind = number
        fields.insert(0, pa.field(name, pa.int64() if kind == "int" else pa.string()))
    return pa.schema(fields)


def _texts(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if pa.types.is_string(field.type)]


def _select(rows: Rows, columns: list[str]) -> str:
    return f"SELECT {', '.join(dict.fromkeys(columns))} FROM {rows.relation}"


def _file(folder: Path, number: int) -> str:
    path = str(folder / part_name(number)).replace("'", "''")
    return f"read_parquet('{path}')"


def _named(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
