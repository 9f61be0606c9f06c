"""Extensions of DuckDB: loaded where somebody has installed them, or a package brings them."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import duckdb

from groundplan.engines.places.place import quoted, said, shown
from groundplan.errors import EngineError

PACKAGED: Final = "1.5.5"
"""The last DuckDB for which the packages `duckdb-extension-...` exist."""

_FILES: Final = {"postgres": "postgres_scanner", "sqlite": "sqlite_scanner"}
"""What the files of extensions are called, where not as the extension."""

_FIRST: Final = {"iceberg": ("avro",)}
"""What an extension looks for among those installed, but not among packages."""


def extend(connection: duckdb.DuckDBPyConnection, extension: str, place: str) -> None:
    """Load an extension.

    Args:
        connection: into which.
        extension: as DuckDB calls it.
        place: what needs it, for the error.

    Raises:
        EngineError: it is neither installed nor brought by a package, or does not load.
    """
    if _installed(connection, extension):
        return
    files = {name: _brought(name) for name in (*_FIRST.get(extension, ()), extension)}
    if None in files.values():
        raise EngineError(
            f"{shown(place)} needs DuckDB's extension {extension}, {_ways(extension, files)}"
        )
    for file in files.values():
        try:
            connection.execute(f"LOAD {quoted(str(file))}")
        except duckdb.Error as error:
            raise EngineError(
                f"{shown(place)} needs DuckDB's extension {extension}, and {file} does not load: "
                f"{said(error)}; install the package anew"
            ) from None


def extended(connection: duckdb.DuckDBPyConnection, extension: str) -> bool:
    """Whether an extension that is good to have could be loaded."""
    try:
        extend(connection, extension, "")
    except EngineError:
        return False
    return True


def _installed(connection: duckdb.DuckDBPyConnection, extension: str) -> bool:
    try:
        connection.execute(f"LOAD {extension}")
    except duckdb.Error:
        return False
    return True


def _brought(extension: str) -> Path | None:
    """The file of the package that brings an extension for this very DuckDB."""
    name = _FILES.get(extension, extension)
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    for folder in (found and found.submodule_search_locations) or ():
        version = f"v{duckdb.__version__}"
        file = Path(folder) / "extensions" / version / f"{name}.duckdb_extension"
        if file.is_file():
            return file
    return None


def _ways(extension: str, names: Iterable[str]) -> str:
    """What is missing, and the commands that bring it."""
    version = duckdb.__version__
    packaged = min(version, PACKAGED, key=_number)
    listed = " ".join(
        f"duckdb-extension-{_FILES.get(name, name).replace('_', '-')}=={packaged}" for name in names
    )
    other = f" duckdb=={packaged}" if packaged != version else ""
    return (
        f"which is not here for DuckDB {version}: "
        f"`python -c \"import duckdb; duckdb.execute('INSTALL {extension}')\"` downloads it from "
        f"extensions.duckdb.org, once for each user and version of DuckDB; or `pip install{other} "
        f"{listed}` brings it"
    )


def _number(version: str) -> list[int]:
    """A version that compares by number."""
    return [int(part) for part in version.split(".")[:3] if part.isdigit()]
