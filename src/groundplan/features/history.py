"""Opening a file or table of events in DuckDB, with its rows checked."""

import glob
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
from sqlglot import exp

from groundplan.errors import InputError
from groundplan.features.columns import Column, checks, matched, scaled_of
from groundplan.features.expressions import Sql
from groundplan.features.feature_set import FeatureSet
from groundplan.features.query import SUM_LIMIT

if TYPE_CHECKING:
    import pyarrow as pa

_ROW: Final = "file_row_number"


class History:
    """Events in an open DuckDB connection.

    Args:
        connection: where the events are.
        relation: the table or table function that has them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation: Sql) -> None:
        self.connection = connection
        self.relation = relation
        described = connection.execute(f"DESCRIBE FROM {relation.sql('duckdb')}").fetchall()
        self.present: dict[str, str] = {n: type_ for n, type_, *_ in described if n != _ROW}
        numbered = len(self.present) < len(described)
        self.position = exp.column(_ROW) if numbered else None
        """The column that numbers the rows, or None where they must be counted."""

    def columns(
        self, inputs: FeatureSet, names: Iterable[str], keep: Iterable[str] = ()
    ) -> dict[str, Column]:
        """The columns of these names, after a pass over all rows that checks them.

        Args:
            inputs: the features, whose source says what is right.
            names: the columns that are read, and checked.
            keep: more columns, which are only handed through.

        Raises:
            InputError: a column or a value breaks a rule.
        """
        found = matched(inputs.source, names, self.present)
        total = self._check_rows(inputs, found)
        self._check_sums(inputs, found, total)
        return found | matched(inputs.source, keep, self.present)

    def one(self, *selected: Sql) -> tuple[Any, ...]:
        """The single row of an aggregate over the events."""
        query = exp.select(*selected).from_(self.relation.copy()).sql("duckdb")
        rows = self.connection.execute(query).fetchall()  # to the end, so that others may ask
        return rows[0]

    def _check_rows(self, inputs: FeatureSet, columns: dict[str, Column]) -> int:
        rules = list(checks(inputs, columns))
        identifier = columns[inputs.source.id].node
        selected: list[Sql] = [exp.Count(this=exp.Star())]
        selected.append(exp.Count(this=exp.Distinct(expressions=[identifier])))
        for rule in rules:
            where = exp.Where(this=rule.bad.copy())
            selected.append(exp.Filter(this=exp.Count(this=exp.Star()), expression=where))
            example = exp.func("ANY_VALUE", exp.cast(rule.value.copy(), "VARCHAR"))
            selected.append(exp.Filter(this=example, expression=where.copy()))
        total, distinct, *outcomes = self.one(*selected)
        for rule, bad, example in zip(rules, outcomes[::2], outcomes[1::2], strict=True):
            if bad:
                quoted = "" if example is None else f"{rule.field} {example!r} "
                raise InputError(rule.field, f"{bad:,} of {total:,} events: {quoted}{rule.rule}")
        if distinct < total:
            raise InputError(
                inputs.source.id,
                f"{total - distinct:,} of {total:,} events repeat an identifier: an event counts "
                f"once, so keep one row for each {inputs.source.id}",
            )
        return int(total)

    def _check_sums(self, inputs: FeatureSet, columns: dict[str, Column], total: int) -> None:
        """Refuse values that could add up to more than sums hold exactly."""
        fields = [field for field in inputs.summed if field in inputs.source.fields]
        scaled = [scaled_of(columns[field], inputs.source, field) for field in fields]
        if not fields:
            return
        largest = self.one(*(exp.Max(this=exp.func("ABS", value)) for value in scaled))
        for field, size in zip(fields, largest, strict=True):
            if (size or 0) * total >= SUM_LIMIT:
                raise InputError(
                    field,
                    f"{total:,} events with {field} up to {size:,} units of its last place can "
                    "add up to more than 2^61, where sums stop being exact: declare it with fewer "
                    "places, or compute fewer events at a time",
                )


@contextmanager
def opened(source: "Path | pa.Table") -> Iterator[History]:
    """The events of a Parquet file or an Arrow table.

    Raises:
        InputError: the file is not there or is not Parquet.
    """
    with (
        tempfile.TemporaryDirectory(prefix="groundplan-") as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        if not isinstance(source, Path):
            connection.register("source", source)
            yield History(connection, exp.to_table("source"))
            return
        yield _parquet(connection, source)


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> History:
    if not path.is_file():
        raise InputError("", f"{path} is not there: name a Parquet file of events")
    numbered = exp.EQ(this=exp.column(_ROW), expression=exp.true())
    parquet = exp.func("READ_PARQUET", exp.Literal.string(glob.escape(str(path))), numbered)
    try:
        return History(connection, parquet)
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise InputError("", f"{path} is not a Parquet file: {error}") from None
