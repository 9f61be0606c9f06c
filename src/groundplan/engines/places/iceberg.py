"""Tables of Iceberg: one snapshot of a table, by the file of its metadata or its folder."""

import re
from typing import Final

import duckdb

from groundplan.engines.places.buckets import FILES, reach
from groundplan.engines.places.extensions import extend
from groundplan.engines.places.place import quoted, scheme_of, shown
from groundplan.errors import InputError

_SNAPSHOT: Final = re.compile(r"\?snapshot=(.*)$")


def table(connection: duckdb.DuckDBPyConnection, place: str) -> str:
    """What stands after FROM for `iceberg:PATH` and `iceberg:PATH?snapshot=ID`.

    Args:
        connection: in which it is read.
        place: PATH is a file of metadata, as a catalog names it for the table's latest state; or
            the table's folder, where it has a `version-hint.text`.

    Raises:
        InputError: the snapshot is no number.
        EngineError: an extension is not there.
    """
    extend(connection, "iceberg", place)
    where = place.removeprefix("iceberg:")
    asked = _SNAPSHOT.search(where)
    where = where[: asked.start()] if asked else where
    where = where.removeprefix("file:")
    if where.startswith("//"):
        where = "/" + where.lstrip("/")
    if asked and not asked[1].isdecimal():
        raise InputError("", f"{shown(place)}: a snapshot is a number, such as ?snapshot=42")
    if scheme_of(where) in FILES:
        reach(connection, where)
    snapshot = f", snapshot_from_id={asked[1]}" if asked else ""
    return f"iceberg_scan({quoted(where)}{snapshot})"


def advice(error: duckdb.Error) -> str:
    """The next step where a table's folder does not say which state is the latest; else empty."""
    if "version-hint" not in str(error):
        return ""
    return (
        "its folder has no version-hint.text, and the newest file is not always the one that was "
        "committed: name the file of metadata that the catalog tells, iceberg:.../metadata/"
        "NAME.metadata.json"
    )
