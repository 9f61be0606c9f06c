"""The rows of a place: opened, counted, written."""

from pathlib import Path
from typing import NamedTuple

import duckdb

from groundplan.engines.places import buckets, databases, files, iceberg
from groundplan.engines.places.place import Place, said, scheme_of, shown
from groundplan.errors import EngineError, InputError


class Rows(NamedTuple):
    """The rows of a place, open in a connection.

    Args:
        relation: what may stand after FROM.
        columns: DuckDB's type of each column, by name.
        texts: whether all values are texts, a blank one being none: CSV.
        shown: the place, for people.
    """

    relation: str
    columns: dict[str, str]
    texts: bool
    shown: str


def opened(connection: duckdb.DuckDBPyConnection, place: Place, name: str = "rows") -> Rows:
    """The rows of a place in a connection.

    Args:
        connection: as `connected` gives it.
        place: where they are; a relative path is counted from the working folder.
        name: a name of its own in the connection, for each place one.

    Raises:
        InputError: there is no such file or table, or nothing says how to read it.
        EngineError: an extension of DuckDB is not there, or a server does not answer.
    """
    texts = False
    if not isinstance(place, str | Path):
        connection.register(name, place)
        relation = f'"{name}"'
    else:
        relation, texts = _relation(connection, str(place), name)
    try:
        described = connection.execute(f"DESCRIBE FROM {relation}").fetchall()
    except duckdb.Error as error:
        raise _unreadable(place, error) from None
    return Rows(relation, {row[0]: row[1] for row in described}, texts, shown(place))


def count(connection: duckdb.DuckDBPyConnection, rows: Rows) -> int:
    """How many rows there are."""
    try:
        found = connection.execute(f"SELECT count(*) FROM {rows.relation}").fetchall()[0]
    except duckdb.Error as error:
        raise _unreadable(rows.shown, error) from None
    return int(found[0])


def write(connection: duckdb.DuckDBPyConnection, query: str, place: str | Path) -> int:
    """Write the rows of a query to a place, whole or not at all; what was there is replaced.

    Args:
        connection: in which the query runs.
        query: a SELECT.
        place: a Parquet or CSV file, or a table.

    Returns:
        The rows written.

    Raises:
        InputError: the place is none that can be written.
        EngineError: it could not be written.
    """
    scheme = scheme_of(str(place))
    try:
        if scheme in databases.EXTENSIONS:
            return databases.write(connection, query, str(place), scheme)
        if scheme in buckets.FILES:
            buckets.reach(connection, str(place))
            return files.copied(connection, query, str(place), str(place))
        if scheme:
            raise InputError(
                "out", f"{shown(place)} cannot be written: name a .parquet or .csv file, or a table"
            )
        return files.write(connection, query, Path(place))
    except (duckdb.Error, OSError) as error:
        raise EngineError(f"{shown(place)} cannot be written: {said(error)}") from None


def _relation(connection: duckdb.DuckDBPyConnection, place: str, name: str) -> tuple[str, bool]:
    """What stands after FROM, and whether all values are texts."""
    scheme = scheme_of(place)
    if scheme in databases.EXTENSIONS:
        alias = f"{name} database"
        return databases.attached(connection, place, scheme, alias, read_only=True), False
    if scheme == "iceberg":
        return iceberg.table(connection, place), False
    if scheme in buckets.FILES:
        buckets.reach(connection, place)
        return files.scan(place, place)
    if scheme:
        known = ", ".join([*databases.EXTENSIONS, *buckets.FILES, "iceberg"])
        raise InputError(
            "", f"{shown(place)}: nothing here reads {scheme}: it reads files and {known}"
        )
    return files.local(place)


def _unreadable(place: Place, error: duckdb.Error) -> InputError | EngineError:
    """The error about a place that DuckDB cannot read."""
    told = f"{shown(place)} cannot be read: {iceberg.advice(error) or said(error)}"
    if isinstance(error, duckdb.IOException) and scheme_of(str(place)) in buckets.FILES:
        return EngineError(told)
    return InputError("", told)
