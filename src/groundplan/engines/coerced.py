"""Columns of any place in the types that a source declares, or an error that names the value."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import duckdb

from groundplan.engines.places import Rows, said
from groundplan.errors import InputError
from groundplan.features.fields import Kind
from groundplan.features.source import Source

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_INTEGERS: Final = frozenset(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
) | {"HUGEINT", "UHUGEINT"}
_WIDE: Final = frozenset({"UBIGINT", "HUGEINT", "UHUGEINT"})
_EMPTY: Final = '"NULL"'
"""DuckDB's type of a column in which nobody has a value, as tables of Python's None have it."""
_WRONG: Final = "@wrong@"
"""What the error of a row that does not fit begins with."""


class Coerced(NamedTuple):
    """A column as SQL.

    Args:
        name: as the source calls it.
        value: its value in the declared type; NULL where it is missing.
        wrong: whether a row breaks a rule.
        raw: what a message quotes.
        rule: what is asked of it, and what to do.
    """

    name: str
    value: str
    wrong: str
    raw: str
    rule: str

    @property
    def checked(self) -> str:
        """The value, under its name; a row that is wrong ends the statement."""
        quoted = _named(self.name)
        if self.wrong == "false":
            return f"{self.value} AS {quoted}"
        said = f"error({_text(_WRONG)} || coalesce(CAST({self.raw} AS VARCHAR), ''))"
        kind = f"CASE WHEN {self.wrong} THEN {said} ELSE NULL END"
        return f"CASE WHEN {self.wrong} THEN {kind} ELSE {self.value} END AS {quoted}"


def present(rows: Rows, source: Source, name: str) -> str:
    """The column of the place that a source calls so; capitals do not count.

    Raises:
        InputError: there is none.
    """
    for column in rows.columns:
        if column.lower() == name.lower():
            return column
    raise InputError(
        name,
        f"the column {name} of {source.name} is missing: {rows.shown} has "
        f"{', '.join(rows.columns)}; add it, or change what Source({source.name!r}) names",
    )


def has(rows: Rows, name: str) -> bool:
    """Whether the place has a column of this name."""
    return any(column.lower() == name.lower() for column in rows.columns)


def coerced(rows: Rows, source: Source, name: str) -> Coerced:
    """A column in the type that the source declares.

    Raises:
        InputError: the place lacks it, or its type can never hold what is declared.
    """
    column = present(rows, source, name)
    type_ = rows.columns[column]
    raw = _named(column)
    if rows.texts:
        raw = f"nullif(trim({raw}), '')"
    elif type_ in ("FLOAT", "DOUBLE"):  # NaN is how tables without nulls write a missing value
        raw = f"CASE WHEN isnan({raw}) THEN NULL ELSE {raw} END"
    if name == source.time.column:
        return _time(rows, source, name, raw, type_)
    kind = _kind(source, name)
    value, fits, wants = _converted(raw, type_, kind)
    if value is None:
        raise InputError(
            name,
            f"the column {column} of {rows.shown} is {type_}, and {source.name} declares {name} "
            f"as {kind}: convert the column or change the declaration",
        )
    if kind.name == "float":
        fits, wants = f"({fits}) AND isfinite({value})", f"{wants} that is finite"
    if name == source.id and kind.name == "str":
        fits, wants = f"({fits}) AND {value} <> ''", f"{wants} of one character or more"
    wrong = [] if fits == "true" else [f"({raw} IS NOT NULL AND NOT ({fits}))"]
    wrong += [] if kind.optional else [f"{raw} IS NULL"]
    rule = f"{name} is {wants}" + ("" if kind.optional else ", and every row has one")
    return Coerced(name, value, " OR ".join(wrong) or "false", raw, rule)


def not_after(rows: Rows, source: Source, moment: int, said: str) -> Coerced:
    """The time, which may not be later than a moment in us."""
    time = coerced(rows, source, source.time.column)
    late = f"epoch_us({time.value}) > {moment}"
    return time._replace(
        wrong=f"{time.wrong} OR {late}", rule=f"{time.rule}, not later than {said}"
    )


def explained(
    connection: duckdb.DuckDBPyConnection,
    rows: Rows,
    columns: Iterable[Coerced],
    error: duckdb.Error,
) -> InputError:
    """What was wrong with a column that ended a statement, with counts and the first value.

    Args:
        connection: in which the rows are open.
        rows: the place.
        columns: all that the statement reads.
        error: what ended it.
    """
    if _WRONG not in str(error):  # the statement did not end by a row
        return InputError("", f"{rows.shown} cannot be read: {said(error)}")
    for each in columns:
        found = connection.execute(
            f"SELECT count(*), count(*) FILTER ({each.wrong}), "
            f"min(CAST({each.raw} AS VARCHAR)) FILTER ({each.wrong}), "
            f"min_by(number, number) FILTER ({each.wrong}) "
            f"FROM (SELECT *, row_number() OVER () AS number FROM {rows.relation})"
        ).fetchall()[0]
        total, wrong, example, number = found
        if wrong:
            quoted = "no value" if example is None else repr(example)
            return InputError(
                each.name,
                f"{rows.shown}: {wrong:,} of {total:,} rows have a wrong {each.name}, such as "
                f"{quoted} (row {number:,} is the first): {each.rule}; correct or leave out those "
                "rows, or change the declaration. Nothing was written",
            )
    return InputError("", f"{rows.shown} cannot be read: {said(error)}")


def read(
    place: "str | Path | pa.Table", source: Source, names: Sequence[str] | None = None
) -> "pa.Table":
    """The rows of a place as an Arrow table, in the types that a source declares.

    Args:
        place: where they are.
        source: declares the columns.
        names: the columns to read; None for those of the source that are there.

    Raises:
        InputError: a column is missing, or a value is not of its type.
    """
    from groundplan.engines.places import connected, opened

    with connected() as connection:
        rows = opened(connection, place)
        if names is None:
            own = (source.id, source.time.column, *source.fields, *source.labels)
            names = [name for name in own if has(rows, name)]
        columns = [coerced(rows, source, name) for name in names]
        query = f"SELECT {', '.join(each.checked for each in columns)} FROM {rows.relation}"
        try:
            return connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise explained(connection, rows, columns, error) from None


def _kind(source: Source, name: str) -> Kind:
    if name in source.fields:
        return source.fields[name]
    if name in source.labels:
        return Kind("bool", optional=True)
    return source.id_kind


def _time(rows: Rows, source: Source, name: str, raw: str, type_: str) -> Coerced:
    if type_ == "BIGINT":
        value = f"make_timestamp({raw})"
    elif type_.startswith("TIMESTAMP") or type_ == "DATE":
        value = f"CAST({raw} AS TIMESTAMP)"
    elif type_ == "VARCHAR":  # with its offset, where it has one; else it is UTC
        value = f"make_timestamp(epoch_us(TRY_CAST({raw} AS TIMESTAMPTZ)))"
    else:
        raise InputError(
            name,
            f"the column {name} of {rows.shown} is {type_}, and {source.name} takes it as a time: "
            "give timestamps, dates, or BIGINT us since 1970",
        )
    rule = f"{name} is a time such as 2026-08-15T10:00:00Z, and every row has one"
    return Coerced(name, value, f"({value}) IS NULL", raw, rule)


def _converted(raw: str, type_: str, kind: Kind) -> tuple[str | None, str, str]:
    """A value in its declared type (None: never), whether a row fits, and what is wanted."""
    if type_ == _EMPTY:  # whether that may be is told by the rows, as of any other column
        type_, raw = "VARCHAR", f"CAST({raw} AS VARCHAR)"
    if type_.startswith("ENUM"):
        type_ = "VARCHAR"
    if kind.name == "str":
        fits = type_ == "VARCHAR" or type_ in _INTEGERS or type_ == "UUID"
        return (f"CAST({raw} AS VARCHAR)" if fits else None), "true", "a text"
    if kind.name == "int":
        return _integer(raw, type_)
    if kind.name == "bool":
        return _truth(raw, type_)
    if type_ in _INTEGERS or _floating(type_):
        return f"CAST({raw} AS DOUBLE)", "true", "a number"
    return _parsed(raw, type_, "DOUBLE", "a number")


def _integer(raw: str, type_: str) -> tuple[str | None, str, str]:
    cast = f"TRY_CAST({raw} AS BIGINT)"
    if type_ in _INTEGERS - _WIDE:
        return f"CAST({raw} AS BIGINT)", "true", "an integer"
    if _floating(type_):  # a cast would round
        return cast, f"{raw} = floor({raw}) AND {cast} IS NOT NULL", "an integer"
    if type_ == "VARCHAR":  # it would round 1.5 as well
        whole = f"regexp_full_match({raw}, '[+-]?[0-9]+') AND {cast} IS NOT NULL"
        return cast, whole, "an integer of 64 bits"
    return (cast if type_ in _WIDE else None), f"{cast} IS NOT NULL", "an integer of 64 bits"


def _truth(raw: str, type_: str) -> tuple[str | None, str, str]:
    if type_ == "BOOLEAN":
        return raw, "true", "true or false"
    if type_ in _INTEGERS:
        return f"({raw} = 1)", f"{raw} IN (0, 1)", "true or false, or 1 or 0"
    return _parsed(raw, type_, "BOOLEAN", "true or false")


def _parsed(raw: str, type_: str, wanted: str, said: str) -> tuple[str | None, str, str]:
    """A value that only a text can be read as."""
    cast = f"TRY_CAST({raw} AS {wanted})"
    return (cast if type_ == "VARCHAR" else None), f"{cast} IS NOT NULL", said


def _floating(type_: str) -> bool:
    return type_ in ("FLOAT", "DOUBLE") or type_.startswith("DECIMAL")


def _named(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
