"""Files: of this machine or elsewhere, one, a folder of them, or a pattern."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import duckdb

from groundplan.durable import replacing
from groundplan.engines.places.place import GLOB, quoted, scheme_of, shown
from groundplan.errors import InputError

_PARQUET: Final = (".parquet", ".pq")
_CSV: Final = (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz")
_PACKED: Final = {"gz": "gzip", "zst": "zstd"}


def local(place: str) -> tuple[str, bool]:
    """What stands after FROM for a file, a folder or a pattern, and whether all are texts.

    Raises:
        InputError: there is none, or nothing says how to read it.
    """
    path = Path(place)
    if path.is_file():
        return scan(_escaped(place), place)
    if path.is_dir():
        for ending in (*_PARQUET, *_CSV):
            if next(path.rglob(f"*{ending}"), None) is not None:
                return scan(f"{_escaped(place)}/**/*{ending}", f"rows{ending}")
        raise InputError("", f"{place} has no Parquet or CSV file: name a folder that has")
    if not GLOB.search(place):
        raise InputError("", f"{place} is not there: name a file, a folder, a pattern or a URL")
    return scan(place, place)


def scan(pattern: str, named: str) -> tuple[str, bool]:
    """The function that reads files of the kind that a name ends with; whether all are texts.

    Raises:
        InputError: the name does not say the kind.
    """
    ending = _ending(named)
    if ending.endswith(_PARQUET):
        return f"read_parquet({quoted(pattern)})", False
    if ending.endswith(_CSV):
        tabs = ", delim='\\t'" if ".tsv" in ending else ""
        # As texts: DuckDB would guess types from the first rows, and drop zeros of an identifier.
        # Every line is a row: it would take lines before one with more fields for a preamble.
        told = f"header=true, all_varchar=true, skip=0, comment=''{tabs}"
        return f"read_csv({quoted(pattern)}, {told})", True
    raise InputError(
        "",
        f"{shown(named)}: its name does not say what it is; it may end with "
        f"{', '.join((*_PARQUET, *_CSV))}, or be a URL with ?table=",
    )


def write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    """Write the rows of a query to a file of this machine, whole or not at all; how many.

    Raises:
        InputError: the name does not say the kind.
        duckdb.Error, OSError: it could not be written.
    """
    with replacing(path) as draft:
        return copied(connection, query, str(draft), str(path))


def copied(connection: duckdb.DuckDBPyConnection, query: str, target: str, named: str) -> int:
    """Copy the rows of a query to a target, in the form that a name ends with; how many.

    Raises:
        InputError: the name does not say the form.
        duckdb.Error: it could not be written.
    """
    ending = _ending(named)
    if ending.endswith(_PARQUET):
        form = "FORMAT parquet"
    elif ending.endswith(_CSV):
        packed = _PACKED.get(ending.rpartition(".")[2], "none")
        delimited = ", DELIM '\\t'" if ".tsv" in ending else ""
        form = f"FORMAT csv, HEADER, COMPRESSION {packed}{delimited}"
    else:
        raise InputError(
            "out", f"{shown(named)}: a file that is written ends with .parquet or .csv"
        )
    done = connection.execute(f"COPY ({query}) TO {quoted(target)} ({form})").fetchall()[0]
    return int(done[0])


def _ending(named: str) -> str:
    return (urlsplit(named).path if scheme_of(named) else named).lower()


def _escaped(path: str) -> str:
    """A path in which nothing is a pattern."""
    import glob

    return glob.escape(path)
