"""Tables of databases: attached to read, replaced in one transaction to write."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

import duckdb

from groundplan.engines.places.extensions import extend
from groundplan.engines.places.place import quoted, said, shown
from groundplan.errors import EngineError, InputError

EXTENSIONS: Final = {
    "duckdb": "",
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
}
"""Schemes, and the extension that each needs."""

_PART: Final = re.compile(r'"(?:[^"]|"")*"|[^."]+')


def attached(
    connection: duckdb.DuckDBPyConnection,
    place: str,
    scheme: str,
    alias: str,
    *,
    read_only: bool,
) -> str:
    """What stands after FROM for a table of a database, which is attached.

    Args:
        connection: to which.
        place: `SCHEME://...?table=NAME`; a name may have a schema, and quotes around a part that
            has a dot.
        scheme: of the place.
        alias: of the database, once for each.
        read_only: whether nothing is written there.

    Raises:
        InputError: the place names no table, or there is no such file.
        EngineError: the database cannot be opened.
    """
    url, table = _asked(place, scheme)
    extension = EXTENSIONS[scheme]
    if extension:
        extend(connection, extension, place)
    if extension != "postgres" and read_only and not Path(url).is_file():
        raise InputError("", f"{url} is not there: name a database file")
    options = [f"TYPE {extension}"] if extension else []
    options += ["READ_ONLY"] if read_only else []
    listed = f" ({', '.join(options)})" if options else ""
    try:
        connection.execute(f"ATTACH {quoted(url)} AS {_named(alias)}{listed}")
    except duckdb.Error as error:
        raise EngineError(f"{shown(place)} cannot be opened: {said(error)}") from None
    return f"{_named(alias)}.{table}"


def write(connection: duckdb.DuckDBPyConnection, query: str, place: str, scheme: str) -> int:
    """Replace the rows of a table by those of a query, in one transaction.

    A table that is there keeps its grants, indexes and views, and its other columns their
    defaults; who reads it meanwhile sees the old rows until all of the new are there.

    Args:
        connection: in which the query runs.
        query: a SELECT.
        place: the table; made where there is none.
        scheme: of the place.

    Returns:
        The rows written.

    Raises:
        InputError: the table that is there has other columns.
        duckdb.Error: it could not be written.
    """
    target = attached(connection, place, scheme, "out", read_only=False)
    try:
        columns = _columns(connection, target)
        if columns is None:
            return _transacted(connection, [f"CREATE TABLE {target} AS {query}"])
        here = {row[0] for row in connection.execute(f"DESCRIBE {query}").fetchall()}
        if missing := sorted(here - columns):
            raise InputError(
                "out",
                f"{shown(place)} is a table with other columns: it has {', '.join(sorted(columns))}"
                f", and lacks {', '.join(missing)}; name another, or drop that one",
            )
        clear = [f"DELETE FROM {target}"]
        if EXTENSIONS[scheme] == "postgres":  # there, not row by row from here
            table = target.partition(".")[2]
            clear = [
                f"CALL postgres_execute('out', {quoted(statement)})"
                for statement in (f"LOCK TABLE {table} IN EXCLUSIVE MODE", f"DELETE FROM {table}")
            ]
        return _transacted(connection, [*clear, f"INSERT INTO {target} BY NAME {query}"])
    finally:
        connection.execute("DETACH out")


def _transacted(connection: duckdb.DuckDBPyConnection, statements: list[str]) -> int:
    """Run statements, all or none; the rows of the last one."""
    rows = 0
    connection.execute("BEGIN")
    try:
        for statement in statements:
            found = connection.execute(statement).fetchall()
            rows = int(found[0][0]) if found else 0
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):  # a COMMIT that fails has rolled back
            connection.execute("ROLLBACK")
        raise
    return rows


def _columns(connection: duckdb.DuckDBPyConnection, target: str) -> set[str] | None:
    """The names of the columns of a table; None where there is no such table."""
    try:
        return {row[0] for row in connection.execute(f"DESCRIBE FROM {target}").fetchall()}
    except duckdb.CatalogException:
        return None


def _asked(place: str, scheme: str) -> tuple[str, str]:
    """The database, as its extension takes it, and the table, quoted for SQL."""
    parts = urlsplit(place)
    if EXTENSIONS[scheme] == "postgres" and "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise InputError(
            "", f"{shown(place)}: write / ? # and @ of a password as %2F %3F %23 and %40"
        )
    asked = parse_qs(parts.query)
    names = _PART.findall(asked.get("table", [""])[0])
    if not names:
        raise InputError("", f"{shown(place)} names no table: add ?table=NAME")
    plain = (name[1:-1].replace('""', '"') if name[0] == '"' else name for name in names)
    table = ".".join(map(_named, plain))
    if EXTENSIONS[scheme] != "postgres":
        return parts.netloc + parts.path, table
    rest = "&".join(part for part in parts.query.split("&") if not part.startswith("table="))
    who, at, host = parts.netloc.rpartition("@")
    user, colon, password = who.partition(":")
    user, password = (quote(unquote(text), safe="") for text in (user, password))
    return urlunsplit(
        parts._replace(netloc=f"{user}{colon}{password}{at}{host}", query=rest)
    ), table


def _named(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
