"""Places: where rows are, as DuckDB reads and writes them.

A place is an Arrow table, a file, a folder, a pattern of files, or a URL:

| written | is |
|---|---|
| `rows.parquet`, `rows.csv`, `rows.csv.gz`, `rows.tsv` | a file; a CSV file has a header |
| `folder`, `folder/*.parquet` | all Parquet (else CSV) files below it, or those that match |
| `duckdb:///folder/file.db?table=t` | a table of a DuckDB file |
| `sqlite:///folder/file.db?table=t` | a table of an SQLite file; extension `sqlite` |
| `postgres://user@host/database?table=t` | a table of Postgres; extension `postgres` |
| `s3://bucket/rows.parquet`, `https://...` | files elsewhere; extension `httpfs` |
| `iceberg:s3://bucket/table` | an Iceberg table; extension `iceberg` |

Extensions of DuckDB are loaded where they are installed, and never downloaded from here: the
error says the command that does it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit, urlunsplit

import duckdb

from groundplan.errors import EngineError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

Place: TypeAlias = "str | Path | pa.Table"

_SCHEME: Final = re.compile(r"[a-z][a-z0-9]+(?=:)")
_TABLES: Final = {
    "duckdb": "",
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
}
_FILES: Final = ("s3", "gs", "http", "https")
_PARQUET: Final = (".parquet", ".pq")
_CSV: Final = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz")
GLOB: Final = re.compile(r"[*?\[]")
"""What makes a path a pattern of files."""


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


@contextmanager
def connected(
    memory: int | None = None, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that spills into a folder of its own and downloads nothing.

    Args:
        memory: bytes before it spills to disk; None for DuckDB's own choice.
        threads: that it uses at once; None for all cores.
    """
    import tempfile

    with (
        tempfile.TemporaryDirectory(prefix="groundplan-") as spill,
        duckdb.connect(config={"temp_directory": spill}) as connection,
    ):
        connection.execute("SET autoinstall_known_extensions = false")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        if memory is not None:
            connection.execute(f"SET memory_limit = '{memory}B'")
        if threads is not None:
            connection.execute(f"SET threads = {threads}")
        yield connection


def absolute(place: Place, folder: Path) -> Place:
    """The place with a relative path counted from a folder, such as a project's."""
    if isinstance(place, Path):
        return folder / place
    if not isinstance(place, str):
        return place
    if _SCHEME.match(place) is None:
        return str(folder / place)
    scheme, rest = place.split(":", 1)
    if scheme in ("duckdb", "sqlite") and not rest.startswith("///"):
        return f"{scheme}://{folder / rest.removeprefix('//')}"
    if scheme == "iceberg" and _SCHEME.match(rest) is None:
        return f"iceberg:{folder / rest}"
    return place


def shown(place: Place) -> str:
    """A place for people and records, without its password."""
    if not isinstance(place, str | Path):
        return "a table in memory"
    parts = urlsplit(str(place).removeprefix("jdbc:"))
    if str(place).startswith("jdbc:"):  # whose password stands among what is asked
        table = parse_qs(parts.query).get("table")
        bare = parts._replace(query=f"table={table[0]}" if table else "")
        return f"jdbc:{shown(urlunsplit(bare))}"
    if parts.password:
        host = parts.netloc.rpartition("@")[2]
        place = urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
    return str(place)


def opened(connection: duckdb.DuckDBPyConnection, place: Place, name: str = "rows") -> Rows:
    """The rows of a place in a connection.

    Args:
        connection: as `connected` gives it.
        place: where they are; a relative path is counted from the working folder.
        name: a name of its own in the connection, for each place one.

    Raises:
        InputError: there is no such file or table, or nothing says how to read it.
        EngineError: an extension of DuckDB is not installed, or a server does not answer.
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
    scheme = _scheme(str(place))
    try:
        if scheme in _TABLES:
            return _write_table(connection, query, str(place), scheme)
        if scheme in _FILES:
            _extend(connection, "httpfs", str(place))
            return _copied(connection, query, str(place), str(place))
        if scheme:
            raise InputError(
                "out", f"{shown(place)} cannot be written: name a .parquet or .csv file, or a table"
            )
        return _write_file(connection, query, Path(place))
    except (duckdb.Error, OSError) as error:
        raise EngineError(f"{shown(place)} cannot be written: {_first_line(error)}") from None


def _relation(connection: duckdb.DuckDBPyConnection, place: str, name: str) -> tuple[str, bool]:
    """What stands after FROM, and whether all values are texts."""
    scheme = _scheme(place)
    if scheme in _TABLES:
        return _attached(connection, place, scheme, name, read_only=True), False
    if scheme == "iceberg":
        _extend(connection, "iceberg", place)
        where = place.removeprefix("iceberg:").removeprefix("//")
        if _scheme(where) in _FILES:
            _extend(connection, "httpfs", place)
        return f"iceberg_scan({_quoted(where)})", False
    if scheme in _FILES:
        _extend(connection, "httpfs", place)
        return _scan(place, place)
    if scheme:
        known = ", ".join([*_TABLES, *_FILES, "iceberg"])
        raise InputError(
            "", f"{shown(place)}: nothing here reads {scheme}: it reads files and {known}"
        )
    return _local(place)


def _local(place: str) -> tuple[str, bool]:
    """A file, a folder or a pattern of this machine."""
    path = Path(place)
    if path.is_file():
        return _scan(_escaped(place), place)
    if path.is_dir():
        for ending in (*_PARQUET, *_CSV):
            if next(path.rglob(f"*{ending}"), None) is not None:
                return _scan(f"{_escaped(place)}/**/*{ending}", f"rows{ending}")
        raise InputError("", f"{place} has no Parquet or CSV file: name a folder that has")
    if not GLOB.search(place):
        raise InputError("", f"{place} is not there: name a file, a folder, a pattern or a URL")
    return _scan(place, place)


def _scan(pattern: str, named: str) -> tuple[str, bool]:
    """The function that reads files of the kind that a name ends with."""
    ending = urlsplit(named).path if _scheme(named) else named
    if ending.lower().endswith(_PARQUET):
        return f"read_parquet({_quoted(pattern)})", False
    if ending.lower().endswith(_CSV):
        tabs = ", delim='\\t'" if ".tsv" in ending.lower() else ""
        # As texts: DuckDB would guess types from the first rows, and drop zeros of an identifier.
        return f"read_csv({_quoted(pattern)}, header=true, all_varchar=true{tabs})", True
    raise InputError(
        "",
        f"{named}: its name does not say what it is; it may end with "
        f"{', '.join((*_PARQUET, *_CSV))}, or be a URL with ?table=",
    )


def _attached(
    connection: duckdb.DuckDBPyConnection, place: str, scheme: str, name: str, *, read_only: bool
) -> str:
    """A table of a database, attached under a name."""
    parts = urlsplit(place)
    table = parse_qs(parts.query).get("table", [""])[0]
    if not table:
        raise InputError("", f"{shown(place)} names no table: add ?table=NAME")
    if _TABLES[scheme]:
        _extend(connection, _TABLES[scheme], place)
    if _TABLES[scheme] == "postgres":
        where = urlunsplit(parts._replace(query=""))
    else:
        where = parts.netloc + parts.path
        if read_only and not Path(where).is_file():
            raise InputError("", f"{where} is not there: name a database file")
    options = [f"TYPE {_TABLES[scheme]}"] if _TABLES[scheme] else []
    options += ["READ_ONLY"] if read_only else []
    listed = f" ({', '.join(options)})" if options else ""
    try:
        connection.execute(f'ATTACH {_quoted(where)} AS "{name} database"{listed}')
    except duckdb.Error as error:
        raise EngineError(f"{shown(place)} cannot be opened: {_first_line(error)}") from None
    named = ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
    return f'"{name} database".{named}'


def _extend(connection: duckdb.DuckDBPyConnection, extension: str, place: str) -> None:
    """Load an extension of DuckDB, which somebody has installed."""
    try:
        connection.execute(f"LOAD {extension}")
    except duckdb.Error:
        raise EngineError(
            f"{shown(place)} needs DuckDB's extension {extension}, which is not installed here: "
            f"`python -c \"import duckdb; duckdb.execute('INSTALL {extension}')\"` downloads it "
            "from extensions.duckdb.org, once for each user and version of DuckDB"
        ) from None


def _write_file(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    hidden = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        rows = _copied(connection, query, str(hidden), str(path))
        with hidden.open("rb") as stream:
            os.fsync(stream.fileno())
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
    return rows


def _copied(connection: duckdb.DuckDBPyConnection, query: str, target: str, named: str) -> int:
    if named.lower().endswith(_PARQUET):
        form = "FORMAT parquet"
    elif named.lower().endswith(_CSV):
        form = "FORMAT csv, HEADER" + (", DELIM '\\t'" if ".tsv" in named.lower() else "")
    else:
        raise InputError("out", f"{named}: a file that is written ends with .parquet or .csv")
    done = connection.execute(f"COPY ({query}) TO {_quoted(target)} ({form})").fetchall()[0]
    return int(done[0])


def _write_table(connection: duckdb.DuckDBPyConnection, query: str, place: str, scheme: str) -> int:
    target = _attached(connection, place, scheme, "out", read_only=False)
    connection.execute("BEGIN")
    try:
        connection.execute(f"DROP TABLE IF EXISTS {target}")
        connection.execute(f"CREATE TABLE {target} AS {query}")
        connection.execute("COMMIT")
    except duckdb.Error:
        connection.execute("ROLLBACK")
        raise
    finally:
        found = connection.execute(f"SELECT count(*) FROM {target}").fetchall()[0]
        connection.execute('DETACH "out database"')
    return int(found[0])


def _scheme(place: str) -> str:
    """What a URL begins with; empty for a path."""
    found = _SCHEME.match(place)
    return found[0] if found else ""


def _unreadable(place: Place, error: duckdb.Error) -> InputError | EngineError:
    """The error about a place that DuckDB cannot read."""
    said = f"{shown(place)} cannot be read: {_first_line(error)}"
    if isinstance(error, duckdb.IOException) and _scheme(str(place)) in _FILES:
        return EngineError(said)
    return InputError("", said)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _escaped(path: str) -> str:
    """A path in which nothing is a pattern."""
    import glob

    return glob.escape(path)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
