"""Opening a file or table of events in DuckDB, with its rows checked."""

import glob
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import duckdb
from sqlglot import exp

from groundplan.errors import InputError
from groundplan.features.columns import (
    Column,
    checks,
    identifying,
    matched,
    needed,
    normalised,
    time_of,
    value_of,
)
from groundplan.features.dialects import DUCKDB, Dialect
from groundplan.features.frames import SUM_LIMIT, scaled
from groundplan.features.source import Source
from groundplan.features.sql import Sql

if TYPE_CHECKING:
    import pyarrow as pa

    from groundplan.features.feature_set import FeatureSet

_ROW: Final = "file_row_number"


class History:
    """The events of one source in an open DuckDB connection.

    Args:
        connection: where the events are.
        relation: the table or table function that has them.
    """

    dialect: ClassVar[Dialect] = DUCKDB
    """What the engine says differently; `_row` is the only other thing that asks it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, relation: Sql) -> None:
        self.connection = connection
        self.relation = relation
        described = connection.execute(f"DESCRIBE FROM {relation.sql('duckdb')}").fetchall()
        self.present: dict[str, str] = {n: type_ for n, type_, *_ in described if n != _ROW}
        numbered = len(self.present) < len(described)
        self.position = exp.column(_ROW) if numbered else None
        """The column that numbers the rows, or None where they must be counted."""

    def checked(
        self, inputs: "FeatureSet", source: int = 0, keep: Iterable[str] = ()
    ) -> exp.Select:
        """What the compiled statement reads of these events, after a pass that checks them all.

        Args:
            inputs: the features, whose source says what is right.
            source: whose events they are, as a position in `inputs.sources`.
            keep: more columns, which are only handed through.

        Raises:
            InputError: a column or a value breaks a rule, or two rows with different values have
                one identifier.
        """
        found, repeated = self.columns(inputs, needed(inputs, source), keep, source)
        return normalised(
            inputs,
            self.relation,
            found,
            keep,
            self.position,
            source,
            repeated=repeated > 0,
            dialect=self.dialect,
        )

    def columns(
        self,
        inputs: "FeatureSet",
        names: Iterable[str],
        keep: Iterable[str] = (),
        source: int = 0,
    ) -> tuple[dict[str, Column], int]:
        """The columns of these names, checked, and how many rows only repeat an event.

        Args:
            inputs: the features, whose source says what is right.
            names: the columns that are read, and checked.
            keep: more columns, which are only handed through.
            source: whose events they are.

        Raises:
            InputError: a column or a value breaks a rule.
        """
        ours = inputs.sources[source]
        found = matched(ours, names, self.present)
        total = self._check_rows(inputs, found, source)
        self._check_sums(inputs, found, total, source)
        repeated = self._repeated(ours, found, total)
        return found | matched(ours, keep, self.present), repeated

    def one(self, *selected: Sql) -> tuple[Any, ...]:
        """The single row of an aggregate over the events."""
        return self._row(exp.select(*selected).from_(self.relation.copy()))

    def _row(self, query: exp.Select) -> tuple[Any, ...]:
        rows = self.connection.execute(query.sql("duckdb")).fetchall()  # to the end, for others
        return rows[0]

    def _check_rows(self, inputs: "FeatureSet", columns: dict[str, Column], source: int) -> int:
        rules = list(checks(inputs, columns, source, self.dialect))
        selected: list[Sql] = [exp.Count(this=exp.Star())]
        for rule in rules:
            where = exp.Where(this=rule.bad.copy())
            selected.append(exp.Filter(this=exp.Count(this=exp.Star()), expression=where))
            example = exp.func("ANY_VALUE", exp.cast(rule.value.copy(), "VARCHAR"))
            selected.append(exp.Filter(this=example, expression=where.copy()))
        total, *outcomes = self.one(*selected)
        for rule, bad, example in zip(rules, outcomes[::2], outcomes[1::2], strict=True):
            if bad:
                quoted = "" if example is None else f"{rule.field} {example!r} "
                raise InputError(rule.field, f"{bad:,} of {total:,} events: {quoted}{rule.rule}")
        return int(total)

    def _repeated(self, source: Source, columns: dict[str, Column], total: int) -> int:
        """How many rows repeat an event, all of which must say the same of it."""
        same = [columns[name].node for name in identifying(source)]
        said = [
            time_of(found, self.dialect)
            if name == source.time.column
            else value_of(found, source.kind_of(name))
            for name, found in columns.items()
            if name != source.id and name not in source.labels
        ]
        distinct = self._distinct(same)
        if distinct == total:
            return 0
        different = self._distinct([*same, *said]) - distinct
        if different:
            named = " and ".join(identifying(source))
            raise InputError(
                source.id,
                f"{different:,} of {total:,} events of {source.name} repeat the {named} of another "
                f"with other values: it names one event, so give each its own, or the same values",
            )
        return total - distinct

    def _distinct(self, nodes: list[Sql]) -> int:
        named = [node.copy().as_(f"c{at}") for at, node in enumerate(nodes)]
        if len(nodes) == 1:
            return int(self.one(exp.Count(this=exp.Distinct(expressions=[nodes[0].copy()])))[0])
        rows = exp.select(*named).distinct().from_(self.relation.copy())
        return int(self._row(exp.select(exp.Count(this=exp.Star())).from_(rows.subquery("d")))[0])

    def _check_sums(
        self, inputs: "FeatureSet", columns: dict[str, Column], total: int, source: int
    ) -> None:
        """Refuse values that could add up to more than sums hold exactly."""
        ours = inputs.sources[source]
        fields = [field for field in inputs.summed_of(source) if field in ours.fields]
        kinds = [ours.kind_of(field) for field in fields]
        added = [
            scaled(value_of(columns[field], kind), kind)
            for field, kind in zip(fields, kinds, strict=True)
        ]
        if not fields:
            return
        largest = self.one(*(exp.Max(this=exp.func("ABS", value)) for value in added))
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
    with opened_together([source]) as (history,):
        yield history


@contextmanager
def opened_together(
    sources: "Sequence[Path | pa.Table]", memory: int | None = None
) -> Iterator[list[History]]:
    """The events of several Parquet files or Arrow tables in one connection, in order.

    Args:
        sources: where they are.
        memory: bytes that DuckDB may use before it spills to disk; None for its own choice.

    Raises:
        InputError: a file is not there or is not Parquet.
    """
    with (
        tempfile.TemporaryDirectory(prefix="groundplan-") as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}B'")
        found = []
        for number, events in enumerate(sources):
            if isinstance(events, Path):
                found.append(_parquet(connection, events))
            else:
                connection.register(f"source_{number}", events)
                found.append(History(connection, exp.to_table(f"source_{number}")))
        yield found


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> History:
    if not path.is_file():
        raise InputError("", f"{path} is not there: name a Parquet file of events")
    numbered = exp.EQ(this=exp.column(_ROW), expression=exp.true())
    parquet = exp.func("READ_PARQUET", exp.Literal.string(glob.escape(str(path))), numbered)
    try:
        return History(connection, parquet)
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise InputError("", f"{path} is not a Parquet file: {error}") from None
